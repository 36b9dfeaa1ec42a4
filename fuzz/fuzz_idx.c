/*
 * fuzz_idx: images and their labels of arbitrary bytes, packed or not: two files, cut where the
 * first two bytes say. They are refused, or every image has the size that it should have.
 */
#include "fuzz.h"

#include "dataset/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 2)
        return 0;
    const az_dataset_options options = {.unlabelled = data[0] & 1, .memory_limit = 1 << 26};
    data++;
    n_bytes--;
    az_dataset *d;
    MUST(az_dataset_new(&d, NULL, NULL) == AZ_OK);
    az_heap_set_limit(d->heap, 1 << 26);
    uint8_t *content = NULL;
    size_t content_nbytes = 0;
    az_error error = {0};
    az_status status =
        az_unpack_file(&content, &content_nbytes, data, n_bytes, "fuzz", d->heap, &error);
    if (status == AZ_OK)
        status = az_idx_read(d, "fuzz", content ? content : data,
                             content ? content_nbytes : n_bytes, &options, &error);
    MUST(status == AZ_OK || error.text[0]);
    for (size_t i = 0; status == AZ_OK && i < az_dataset_n_rows(d); i++)
        MUST(az_dataset_row(d, i).text.n_bytes % az_dataset_image_width(d) == 0);
    az_free(d->heap, content);
    az_dataset_close(&d);
    return 0;
}
