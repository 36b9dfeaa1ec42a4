/* idx: images and labels in the form of MNIST (LeCun, Cortes and Burges): big-endian numbers,
 * two zeros, the type (8: bytes), the number of dimensions, their sizes, the data. */
#include "dataset.h"

#include <stdio.h>

static uint32_t read_be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool az_is_idx(const uint8_t *data, size_t n_bytes) {
    return n_bytes >= 16 && memcmp(data, "\0\0\x08\x03", 4) == 0;
}

static az_status bad_file(const char *path, const char *why, az_error *error) {
    return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET, "%s: %s", az_path_end(path), why);
}

static az_status add_images(az_dataset *d, const uint8_t *images, size_t n, size_t n_pixels,
                            const uint8_t *labels, az_error *error) {
    for (size_t i = 0; i < n; i++) {
        char name[8];
        az_text label = {0};
        if (labels)
            label = (az_text){name, (size_t)snprintf(name, sizeof name, "%u", labels[i])};
        AZ_TRY(az_dataset_add_line(d, (az_text){images + i * n_pixels, n_pixels}, label, i + 1,
                                   error));
    }
    return AZ_OK;
}

az_status az_idx_read(az_dataset *d, const char *path, const uint8_t *data, size_t n_bytes,
                      const az_dataset_options *options, az_error *error) {
    if (!az_is_idx(data, n_bytes))
        return bad_file(path, "not an IDX file of images of bytes", error);
    uint64_t n = read_be32(data + 4), height = read_be32(data + 8), width = read_be32(data + 12);
    if (width == 0 || height == 0 || width > 65536 || height > 65536)
        return bad_file(path, "images without a size that is possible", error);
    if (n * width > (n_bytes - 16) / height || n * width * height != n_bytes - 16)
        return bad_file(path, "its size and that of its images don't agree", error);
    d->image_width = (uint32_t)width;
    snprintf(d->description, sizeof d->description, "IDX images of %u x %u pixels", (unsigned)width,
             (unsigned)height);
    if (!options->labels_path) {
        if (!options->unlabelled)
            return bad_file(path, "images without labels; name the file that has them", error);
        return add_images(d, data + 16, n, (size_t)(width * height), NULL, error);
    }
    uint8_t *labels = NULL;
    size_t n_labels = 0;
    AZ_TRY(az_dataset_read_file(&labels, &n_labels, options->labels_path, d->heap, error));
    az_status status;
    if (n_labels < 8 || memcmp(labels, "\0\0\x08\x01", 4) != 0)
        status = bad_file(options->labels_path, "not an IDX file of labels", error);
    else if (read_be32(labels + 4) != n || n_labels - 8 != n)
        status = az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                              "%s: %zu labels, but %s has %llu images",
                              az_path_end(options->labels_path), n_labels - 8, az_path_end(path),
                              (unsigned long long)n);
    else
        status = add_images(d, data + 16, n, (size_t)(width * height), labels + 8, error);
    az_free(d->heap, labels);
    return status;
}
