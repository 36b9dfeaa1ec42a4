/*
 * file: a classifier as bytes (.aizc), all integers little-endian or base-128:
 *
 *   "AIZC", version 1, method (0: class, 1: knn, 2: cm, 4: counts)
 *   n_rows, n_labels, each label's length and bytes
 *   class: class_file.c. knn: compressor's name (length, bytes), level + 1, distance, order,
 *     separator (length, bytes), k, votes; each row's label, length and bytes. cm: level,
 *     sharpness, accuracy, 101 percentiles as in class_file.c; rows as of knn. counts: counts.c
 *   4 bytes: XXH32 of all before
 */
#include "classifier.h"

enum { VERSION = 1, HEAD_NBYTES = 6, CHECK_NBYTES = 4 };
#define MAGIC "AIZC"

static void save_text(az_packer *p, az_text text) {
    az_pack_varint(p, text.n_bytes);
    az_pack_bytes(p, text.data, text.n_bytes);
}

static void save_knn(const az_classifier *c, az_packer *p) {
    const az_knn_options *o = &c->knn.options;
    save_text(p, (az_text){o->compressor, strlen(o->compressor)});
    az_pack_varint(p, (uint64_t)(o->level + 1));
    az_pack_varint(p, o->distance);
    az_pack_varint(p, o->train_first != 0);
    save_text(p, o->separator);
    az_pack_varint(p, o->k);
    az_pack_varint(p, o->votes);
}

static void save_rows(const az_classifier *c, az_packer *p) {
    for (size_t i = 0; i < c->n_rows; i++) {
        az_pack_varint(p, c->row_labels[i]);
        save_text(p, c->texts[i]);
    }
}

az_status az_classifier_save(const az_classifier *c, az_write_fn write, void *opaque,
                             az_error *error) {
    if (!c || !write)
        return az_classifier_bad_call("az_classifier_save", error);
    if (c->method == AZ_METHOD_PROMPTED)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a classifier by a language model can't be saved: nothing is learnt; "
                            "keep the training texts");
    az_packer p = {.heap = c->heap};
    const uint8_t versions[2] = {VERSION, (uint8_t)c->method};
    az_pack_bytes(&p, MAGIC, 4);
    az_pack_bytes(&p, versions, 2);
    az_pack_varint(&p, c->n_rows);
    az_pack_varint(&p, c->n_labels);
    for (size_t i = 0; i < c->n_labels; i++)
        save_text(&p, c->labels[i]);
    if (c->method == AZ_METHOD_CLASS) {
        az_class_model_save(&c->model, &p);
    } else if (c->method == AZ_METHOD_COUNTS) {
        az_counts_save(&c->counts, &p);
    } else {
        if (c->method == AZ_METHOD_KNN) {
            save_knn(c, &p);
        } else {
            az_pack_varint(&p, (uint64_t)c->costs.level);
            az_calibration_save(&c->costs.calibration, &p);
        }
        save_rows(c, &p);
    }
    if (!p.failed)
        az_pack_le32(&p, az_check(p.data, p.n_bytes));
    az_status status = AZ_OK;
    if (p.failed)
        status = az_alloc_failed(c->heap, p.capacity * 2, error);
    else if (write(opaque, p.data, p.n_bytes))
        status = az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    az_free(c->heap, p.data);
    return status;
}

static az_text load_text(az_unpacker *u, uint64_t max) {
    uint64_t n = az_unpack_varint(u, max);
    const uint8_t *data = az_unpack_bytes(u, n);
    return (az_text){data, u->failed ? 0 : (size_t)n};
}

static az_status load_labels(az_classifier *c, az_unpacker *u, az_error *error) {
    c->n_rows = (size_t)az_unpack_varint(u, UINT32_MAX);
    size_t n = (size_t)az_unpack_varint(u, UINT16_MAX);
    az_text *names = az_alloc(c->heap, n * sizeof *names);
    if (!names)
        return az_alloc_failed(c->heap, n * sizeof *names, error);
    for (size_t i = 0; i < n; i++)
        names[i] = load_text(u, UINT32_MAX);
    az_status status =
        u->failed || n == 0
            ? az_error_set(error, AZ_ERROR_DAMAGED, u->pos,
                           "the classifier's labels are damaged near byte %zu", u->pos)
            : az_classifier_set_labels(c, names, n, error);
    az_free(c->heap, names);
    return status;
}

static az_status load_rows(az_classifier *c, az_unpacker *u, az_error *error) {
    if (c->n_rows > (u->n_bytes - u->pos) / 2)
        u->failed = true;
    if (!u->failed) {
        c->texts = az_alloc(c->heap, c->n_rows * sizeof *c->texts);
        c->row_labels = az_alloc(c->heap, c->n_rows * sizeof *c->row_labels);
        if (!c->texts || !c->row_labels)
            return az_alloc_failed(c->heap, c->n_rows * sizeof *c->texts, error);
    }
    for (size_t i = 0; i < c->n_rows && !u->failed; i++) {
        c->row_labels[i] = (uint32_t)az_unpack_varint(u, c->n_labels - 1);
        c->texts[i] = load_text(u, AZ_FEATURE_TEXT_MAX);
    }
    if (u->failed || c->n_rows == 0)
        return az_error_set(error, AZ_ERROR_DAMAGED, u->pos,
                            "the classifier is damaged near byte %zu", u->pos);
    return az_classifier_copy_texts(c, error);
}

static az_status load_knn(az_classifier *c, az_unpacker *u, az_error *error) {
    char name[16] = "";
    az_text compressor = load_text(u, sizeof name - 1);
    if (compressor.n_bytes)
        memcpy(name, compressor.data, compressor.n_bytes);
    az_knn_options o = {.compressor = name};
    o.level = (int)az_unpack_varint(u, 64) - 1;
    o.distance = (az_distance)az_unpack_varint(u, AZ_DISTANCE_CONDITIONAL);
    o.train_first = (int)az_unpack_varint(u, 1);
    o.separator = load_text(u, UINT16_MAX);
    o.k = (unsigned)az_unpack_varint(u, AZ_KNN_MAX);
    o.votes = (az_votes)az_unpack_varint(u, AZ_VOTES_DISTANCE);
    AZ_TRY(load_rows(c, u, error));
    return az_classifier_open_knn(c, &o, error);
}

static az_status load_cm(az_classifier *c, az_unpacker *u, az_error *error) {
    az_calibration calibration;
    int level = (int)az_unpack_varint(u, AZ_LEVEL_MAX);
    az_calibration_load(&calibration, u);
    AZ_TRY(load_rows(c, u, error));
    if (level < AZ_LEVEL_MIN)
        return az_error_set(error, AZ_ERROR_DAMAGED, HEAD_NBYTES,
                            "the classifier is damaged: level %d", level);
    return az_classifier_open_costs(c, level, &calibration, error);
}

static az_status load_counts(az_classifier *c, az_unpacker *u, az_error *error) {
    AZ_TRY(az_counts_load(&c->counts, (uint32_t)c->n_labels, u, c->heap, error));
    uint64_t n_texts = 0;
    for (size_t i = 0; i < c->n_labels; i++)
        n_texts += c->counts.n_texts[i];
    if (n_texts != c->n_rows)
        return az_error_set(error, AZ_ERROR_DAMAGED, HEAD_NBYTES,
                            "the classifier is damaged: %zu texts in all, %llu by label", c->n_rows,
                            (unsigned long long)n_texts);
    return AZ_OK;
}

static az_status load(az_classifier *c, const uint8_t *data, size_t n_bytes, az_error *error) {
    if (n_bytes < 4 || memcmp(data, MAGIC, 4) != 0)
        return az_error_set(error, AZ_ERROR_FORMAT, 0, "not a classifier that aizip has saved");
    if (n_bytes < HEAD_NBYTES + CHECK_NBYTES)
        return az_error_set(error, AZ_ERROR_TRUNCATED, n_bytes, "the classifier is cut short");
    if (data[4] != VERSION || data[5] > AZ_METHOD_COUNTS || data[5] == AZ_METHOD_PROMPTED)
        return az_error_set(error, AZ_ERROR_VERSION, 4,
                            "a classifier of version %d, method %d; this aizip reads version %d",
                            data[4], data[5], VERSION);
    n_bytes -= CHECK_NBYTES;
    if (az_check(data, n_bytes) != az_read_le32(data + n_bytes))
        return az_error_set(error, AZ_ERROR_DAMAGED, n_bytes,
                            "the classifier is damaged or cut short: its check does not match");
    c->method = (az_method)data[5];
    az_unpacker u = {.data = data, .n_bytes = n_bytes, .pos = HEAD_NBYTES};
    AZ_TRY(load_labels(c, &u, error));
    if (c->method == AZ_METHOD_CLASS)
        AZ_TRY(az_class_model_load(&c->model, (uint32_t)c->n_labels, &u, c->heap, error));
    else if (c->method == AZ_METHOD_COUNTS)
        AZ_TRY(load_counts(c, &u, error));
    else if (c->method == AZ_METHOD_KNN)
        AZ_TRY(load_knn(c, &u, error));
    else
        AZ_TRY(load_cm(c, &u, error));
    if (u.pos != n_bytes)
        return az_error_set(error, AZ_ERROR_DAMAGED, u.pos, "the classifier has bytes too many");
    return az_classifier_prepare_workers(c, error);
}

az_status az_classifier_load(az_classifier **out, const void *data, size_t n_bytes,
                             const az_classifier_options *options, const az_allocator *allocator,
                             az_error *error) {
    if (!out || (!data && n_bytes))
        return az_classifier_bad_call("az_classifier_load", error);
    *out = NULL;
    AZ_TRY(az_classifier_make(out, options, allocator, error));
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = load(*out, data, n_bytes, error);
    az_fp_leave(&fp);
    return az_classifier_finish(out, status);
}
