/*
 * fuzz_classifier: a saved classifier of arbitrary bytes, its check made right. It is refused, or
 * answers any text with a label that there is and probabilities that add up to 1.
 */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static const char text[] = "The goal of the bank, and 3 planets: \xC3\xA9t\xC3\xA9";
    if (n_bytes < 8 || n_bytes > 1 << 16)
        return 0;
    uint8_t *copy = malloc(n_bytes);
    MUST(copy);
    memcpy(copy, data, n_bytes);
    az_write_le32(copy + n_bytes - 4, az_check(copy, n_bytes - 4));
    const az_classifier_options options = {.n_threads = 1, .memory_limit = 1 << 26};
    az_classifier *c;
    az_error error = {0};
    if (az_classifier_load(&c, copy, n_bytes, &options, NULL, &error) == AZ_OK) {
        az_classifier_info info;
        az_classifier_get_info(c, &info);
        double *p = calloc(info.n_labels, sizeof *p), sum = 0, bits[sizeof text], constant;
        az_text t = {text, sizeof text - 1};
        int64_t label;
        MUST(p);
        if (az_classifier_run(c, &t, 1, &label, p, NULL, &error) == AZ_OK) {
            MUST(label >= 0 && (size_t)label < info.n_labels);
            for (size_t i = 0; i < info.n_labels; i++)
                sum += p[i];
            MUST(sum > 0.999 && sum < 1.001);
        }
        (void)az_classifier_explain(c, t, 0, info.n_labels - 1, bits, &constant, &error);
        free(p);
        az_classifier_close(&c);
    } else {
        MUST(error.text[0]);
    }
    free(copy);
    return 0;
}
