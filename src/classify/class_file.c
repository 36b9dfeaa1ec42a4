/*
 * class_file: a class model as bytes.
 *
 *   kinds       varint image width; a byte each: words in a row, marks, in_words, run min, max
 *   n           varint, features
 *   hashes      n varints: differences of the hashes' 40 bits, the first from -1
 *   scales      n floats
 *   weights     n * columns signed 16-bit numbers
 *   units, bias columns floats each
 *   sharpness, held-out accuracy, percentiles: doubles
 */
#include "class_model.h"

enum { HASH_SHIFT = 64 - AZ_FEATURE_HASH_BITS };
/* Far beyond what training makes, and small enough that no sum of them overflows. */
#define FLOAT_MAX 1e9F

void az_class_model_save(const az_class_model *model, az_packer *p) {
    const az_feature_kinds *kinds = &model->kinds;
    az_pack_varint(p, kinds->image_width);
    const uint8_t bytes[5] = {kinds->n_words, kinds->marks, kinds->in_words, kinds->run_min,
                              kinds->run_max};
    az_pack_bytes(p, bytes, sizeof bytes);
    size_t n = model->table.n, columns = model->n_columns;
    az_pack_varint(p, n);
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = model->table.hashes[i] >> HASH_SHIFT;
        az_pack_varint(p, hash - before - 1);
        before = hash;
    }
    for (size_t i = 0; i < n; i++)
        az_pack_float(p, model->scales[i]);
    for (size_t i = 0; i < n * columns; i++) {
        uint16_t w = (uint16_t)model->weights[i];
        const uint8_t two[2] = {(uint8_t)w, (uint8_t)(w >> 8)};
        az_pack_bytes(p, two, 2);
    }
    for (size_t c = 0; c < columns; c++)
        az_pack_float(p, model->units[c]);
    for (size_t c = 0; c < columns; c++)
        az_pack_float(p, model->bias[c]);
    az_calibration_save(&model->calibration, p);
}

static void load_kinds(az_feature_kinds *kinds, az_unpacker *u) {
    kinds->image_width = (uint32_t)az_unpack_varint(u, UINT32_MAX);
    const uint8_t *bytes = az_unpack_bytes(u, 5);
    if (!bytes)
        return;
    kinds->n_words = bytes[0];
    kinds->marks = bytes[1] != 0;
    kinds->in_words = bytes[2] != 0;
    kinds->run_min = bytes[3];
    kinds->run_max = bytes[4];
    if (kinds->n_words > AZ_FEATURE_WORDS_MAX || bytes[1] > 1 || bytes[2] > 1 ||
        kinds->run_min == 0 || kinds->run_max > AZ_FEATURE_RUN_MAX ||
        (kinds->run_max && kinds->run_min > kinds->run_max))
        u->failed = true;
}

static az_status load_table(az_class_model *model, uint32_t n, az_unpacker *u, az_error *error) {
    uint64_t *hashes = az_alloc(model->heap, n * sizeof *hashes);
    if (!hashes)
        return az_alloc_failed(model->heap, n * sizeof *hashes, error);
    uint64_t hash = UINT64_MAX;
    const uint64_t max = ((uint64_t)1 << AZ_FEATURE_HASH_BITS) - 1;
    for (uint32_t i = 0; i < n; i++) {
        hash += 1 + az_unpack_varint(u, max);
        if (hash > max)
            u->failed = true;
        if (u->failed)
            hash = i; /* the rest is not used */
        hashes[i] = hash << HASH_SHIFT;
    }
    if (u->failed) {
        az_free(model->heap, hashes);
        return AZ_OK; /* said by the caller */
    }
    return az_feature_table_make(&model->table, hashes, n, model->heap, error);
}

static az_status load_weights(az_class_model *model, size_t n, az_unpacker *u, az_error *error) {
    size_t columns = model->n_columns;
    AZ_TRY(az_class_model_make_room(model, n, error));
    for (size_t i = 0; i < n; i++)
        model->scales[i] = az_unpack_float(u, 0, FLOAT_MAX);
    const uint8_t *weights = az_unpack_bytes(u, 2 * (uint64_t)n * columns);
    for (size_t i = 0; weights && i < n * columns; i++)
        model->weights[i] = (int16_t)(weights[2 * i] | weights[2 * i + 1] << 8);
    for (size_t c = 0; c < columns; c++)
        model->units[c] = az_unpack_float(u, 0, FLOAT_MAX);
    for (size_t c = 0; c < columns; c++)
        model->bias[c] = az_unpack_float(u, -FLOAT_MAX, FLOAT_MAX);
    az_calibration_load(&model->calibration, u);
    return AZ_OK;
}

az_status az_class_model_load(az_class_model *model, uint32_t n_labels, az_unpacker *u,
                              az_heap *heap, az_error *error) {
    *model = (az_class_model){
        .heap = heap, .n_labels = n_labels, .n_columns = n_labels == 2 ? 1 : n_labels};
    az_tf_table_make(&model->tf);
    load_kinds(&model->kinds, u);
    uint64_t n = az_unpack_varint(u, AZ_TABLE_FEATURES_MAX);
    /* Memory only for what can be there. */
    uint64_t left = u->n_bytes - u->pos;
    if (n_labels == 0 || n * (1 + 4 + 2 * (uint64_t)model->n_columns) > left ||
        8 * (uint64_t)model->n_columns > left)
        u->failed = true;
    az_status status = AZ_OK;
    if (!u->failed)
        status = load_table(model, (uint32_t)n, u, error);
    if (!u->failed && status == AZ_OK)
        status = load_weights(model, (size_t)n, u, error);
    if (status == AZ_OK && u->failed)
        status = az_error_set(error, AZ_ERROR_DAMAGED, u->pos,
                              "the classifier is damaged near byte %zu", u->pos);
    if (status != AZ_OK)
        az_class_model_free(model);
    return status;
}
