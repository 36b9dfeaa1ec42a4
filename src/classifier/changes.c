/* changes: texts that come and go, and with them labels. */
#include "classifier.h"

/* The label's number; n_labels if there is none of this name. */
static size_t find_label(const az_classifier *c, az_text name) {
    size_t i = 0;
    while (i < c->n_labels &&
           (c->labels[i].n_bytes != name.n_bytes ||
            (name.n_bytes && memcmp(c->labels[i].data, name.data, name.n_bytes) != 0)))
        i++;
    return i;
}

/* One more label, the last. */
static az_status add_label(az_classifier *c, az_text name, az_error *error) {
    size_t n = c->n_labels;
    if (n == UINT16_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a classifier has at most %d labels", UINT16_MAX);
    az_text *names = az_alloc(c->heap, (n + 1) * sizeof *names);
    double *probabilities = az_alloc(c->heap, (n + 1) * c->n_threads * sizeof *probabilities);
    az_status status = AZ_OK;
    if (!names || !probabilities)
        status = az_alloc_failed(c->heap, (n + 1) * c->n_threads * sizeof *probabilities, error);
    if (status == AZ_OK) {
        memcpy(names, c->labels, n * sizeof *names);
        names[n] = name;
        status = az_classifier_set_labels(c, names, n + 1, error);
    }
    if (status == AZ_OK)
        status = az_counts_add_label(&c->counts, error);
    az_free(c->heap, names);
    if (status != AZ_OK) {
        c->n_labels = n;
        az_free(c->heap, probabilities);
        return status;
    }
    az_free(c->heap, c->probabilities);
    c->probabilities = probabilities;
    for (unsigned i = 0; i < c->n_threads; i++)
        c->workers[i].probabilities = probabilities + i * c->n_labels;
    return AZ_OK;
}

static az_status change(az_classifier *c, az_text text, az_text label, int sign, az_error *error) {
    if (c->method != AZ_METHOD_COUNTS)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "texts come and go with the method of counts only");
    size_t number = find_label(c, label);
    if (number == c->n_labels) {
        if (sign < 0)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "there is no such label to take a text away from");
        AZ_TRY(add_label(c, label, error));
    }
    AZ_TRY(
        az_counts_change(&c->counts, &c->workers[0].counts, text, (uint32_t)number, sign, error));
    c->n_rows += sign > 0 ? 1 : (size_t)-1;
    return AZ_OK;
}

az_status az_classifier_add(az_classifier *c, az_text text, az_text label, az_error *error) {
    if (!c || (!text.data && text.n_bytes) || (!label.data && label.n_bytes))
        return az_classifier_bad_call("az_classifier_add", error);
    return change(c, text, label, 1, error);
}

az_status az_classifier_remove(az_classifier *c, az_text text, az_text label, az_error *error) {
    if (!c || (!text.data && text.n_bytes) || (!label.data && label.n_bytes))
        return az_classifier_bad_call("az_classifier_remove", error);
    return change(c, text, label, -1, error);
}
