/*
 * classifier_api: aizip.h's az_classifier, and what stands beside it. A handle has its labels'
 * names, a class model or training texts with their sizes, and threads.
 *
 * A file of one (.aizc), all integers little-endian or base-128:
 *
 *   "AIZC", version 1, method (0: class, 1: knn, 2: cm, 4: counts)
 *   n_rows, n_labels, each label's length and bytes
 *   class: class_file.c. knn: compressor's name (length, bytes), level + 1, distance, order,
 *     separator (length, bytes), k, votes; each row's label, length and bytes. cm: level,
 *     sharpness, accuracy, 101 percentiles as in class_file.c; rows as of knn. counts: counts.c
 *   4 bytes: XXH32 of all before
 */
#include "class_costs.h"
#include "classify/classify.h"
#include "dataset/dataset.h"
#include "model_api.h"

enum { VERSION = 1, THREADS_MAX = 256, HEAD_NBYTES = 6, CHECK_NBYTES = 4 };
#define MAGIC "AIZC"
/* Texts between two calls of progress. */
enum { RUN_TEXTS = 4096, COSTS_TEXTS = 32 };
enum { LEVEL_CM = 3 };

/* What one thread keeps between texts. */
typedef struct worker {
    az_row_scratch row;
    az_counts_scratch counts;
    az_knn_scratch knn;
    az_near *near;         /* [AZ_KNN_TEXTS][k] */
    double *probabilities; /* [n_labels] */
    az_status status;
    az_error error;
} worker;

struct az_classifier {
    az_heap *heap;
    az_pool *pool;
    az_classifier_options options;
    az_method method;
    az_text *labels; /* [n_labels]; bytes in `bytes` */
    size_t n_labels, n_rows;
    uint8_t *bytes;
    az_class_model model;
    az_counts counts;
    az_class_costs costs;  /* of AZ_METHOD_PRIMED and AZ_METHOD_PROMPTED */
    uint64_t *texts_costs; /* [COSTS_TEXTS][n_labels] */
    /* Nearest neighbours, and for AZ_METHOD_PRIMED what is saved. */
    az_knn knn;
    az_text *texts;       /* [n_rows]; bytes in text_bytes */
    uint32_t *row_labels; /* [n_rows] */
    uint8_t *text_bytes;
    double *probabilities; /* [n_threads][n_labels], the workers' */
    worker *workers;       /* [n_threads] */
    unsigned n_threads;
};

/* ---- Open and close ---------------------------------------------------------------- */

static az_status bad_call(const char *function, az_error *error) {
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                        "%s: a pointer is NULL, or a number out of range", function);
}

void az_classifier_close(az_classifier **classifier) {
    if (!classifier || !*classifier)
        return;
    az_classifier *c = *classifier;
    az_heap *heap = c->heap;
    for (unsigned i = 0; c->workers && i < c->n_threads; i++) {
        az_row_scratch_free(&c->workers[i].row);
        az_counts_scratch_free(&c->workers[i].counts);
        az_knn_scratch_free(&c->knn, &c->workers[i].knn);
        az_free(heap, c->workers[i].near);
    }
    az_free(heap, c->workers);
    az_free(heap, c->probabilities);
    az_class_model_free(&c->model);
    az_counts_close(&c->counts);
    az_class_costs_close(&c->costs);
    az_free(heap, c->texts_costs);
    az_knn_close(&c->knn);
    az_free(heap, c->labels);
    az_free(heap, c->bytes);
    az_free(heap, c->texts);
    az_free(heap, c->row_labels);
    az_free(heap, c->text_bytes);
    az_pool_close(&c->pool);
    az_free(heap, c);
    az_heap_close(&heap);
    *classifier = NULL;
}

static az_status make(az_classifier **out, const az_classifier_options *options,
                      const az_allocator *allocator, az_error *error) {
    const az_classifier_options none = {.n_threads = 1, .knn.level = -1};
    if (!options)
        options = &none;
    if (options->n_threads < 0 || options->n_threads > THREADS_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "number of threads %d: a number from 0 to %d is expected",
                            options->n_threads, THREADS_MAX);
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, options->memory_limit);
    az_classifier *c = az_alloc(heap, sizeof *c);
    if (!c) {
        az_status status = az_alloc_failed(heap, sizeof *c, error);
        az_heap_close(&heap);
        return status;
    }
    c->heap = heap;
    c->options = *options;
    c->knn.heap = heap;
    *out = c;
    unsigned n_threads =
        options->n_threads ? (unsigned)options->n_threads : (unsigned)az_cpu_count();
    az_status status = az_pool_open(&c->pool, n_threads, heap, error);
    if (status == AZ_OK) {
        c->n_threads = az_pool_n_threads(c->pool);
        c->workers = az_alloc(heap, c->n_threads * sizeof *c->workers);
        if (!c->workers)
            status = az_alloc_failed(heap, c->n_threads * sizeof *c->workers, error);
    }
    for (unsigned i = 0; status == AZ_OK && i < c->n_threads; i++)
        c->workers[i].row.heap = c->workers[i].row.list.heap = c->workers[i].counts.list.heap =
            heap;
    if (status != AZ_OK)
        az_classifier_close(out);
    return status;
}

/* Frees what is half made. */
static az_status finish(az_classifier **out, az_status status) {
    if (status != AZ_OK)
        az_classifier_close(out);
    return status;
}

/* What can be known only with all labels. */
static az_status prepare_workers(az_classifier *c, az_error *error) {
    c->probabilities = az_alloc(c->heap, c->n_threads * c->n_labels * sizeof *c->probabilities);
    if (!c->probabilities)
        return az_alloc_failed(c->heap, c->n_threads * c->n_labels * sizeof *c->probabilities,
                               error);
    for (unsigned i = 0; i < c->n_threads; i++) {
        worker *w = c->workers + i;
        w->probabilities = c->probabilities + i * c->n_labels;
        if (c->method != AZ_METHOD_KNN)
            continue;
        w->near = az_alloc(c->heap, AZ_KNN_TEXTS * c->knn.options.k * sizeof *w->near);
        if (!w->near)
            return az_alloc_failed(c->heap, AZ_KNN_TEXTS * c->knn.options.k * sizeof *w->near,
                                   error);
    }
    return AZ_OK;
}

/* ---- Training ------------------------------------------------------------------------ */

static az_status keep_labels(az_classifier *c, const az_dataset *train, az_error *error) {
    c->n_labels = az_dataset_n_labels(train);
    size_t n_bytes = 0;
    for (size_t i = 0; i < c->n_labels; i++)
        n_bytes += az_dataset_label(train, i).n_bytes;
    c->labels = az_alloc(c->heap, c->n_labels * sizeof *c->labels);
    c->bytes = az_alloc(c->heap, n_bytes);
    if (!c->labels || !c->bytes)
        return az_alloc_failed(c->heap, n_bytes, error);
    uint8_t *to = c->bytes;
    for (size_t i = 0; i < c->n_labels; i++) {
        az_text name = az_dataset_label(train, i);
        if (name.n_bytes)
            memcpy(to, name.data, name.n_bytes);
        c->labels[i] = (az_text){to, name.n_bytes};
        to += name.n_bytes;
    }
    return AZ_OK;
}

/* Texts and labels of the rows that have one. */
static az_status take_rows(az_classifier *c, const az_dataset *train, az_error *error) {
    size_t n = az_dataset_n_rows(train);
    c->texts = az_alloc(c->heap, n * sizeof *c->texts);
    c->row_labels = az_alloc(c->heap, n * sizeof *c->row_labels);
    if (!c->texts || !c->row_labels)
        return az_alloc_failed(c->heap, n * sizeof *c->texts, error);
    for (size_t i = 0; i < n; i++) {
        az_row row = az_dataset_row(train, i);
        if (row.label < 0)
            continue;
        c->texts[c->n_rows] = row.text;
        c->row_labels[c->n_rows++] = (uint32_t)row.label;
    }
    if (c->n_rows == 0)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "there is no row with a label to train on");
    return AZ_OK;
}

static az_status copy_texts(az_classifier *c, az_error *error) {
    size_t n_bytes = 0;
    for (size_t i = 0; i < c->n_rows; i++)
        n_bytes += c->texts[i].n_bytes;
    c->text_bytes = az_alloc(c->heap, n_bytes);
    if (!c->text_bytes)
        return az_alloc_failed(c->heap, n_bytes, error);
    uint8_t *to = c->text_bytes;
    for (size_t i = 0; i < c->n_rows; i++) {
        if (c->texts[i].n_bytes)
            memcpy(to, c->texts[i].data, c->texts[i].n_bytes);
        c->texts[i].data = to;
        to += c->texts[i].n_bytes;
    }
    return AZ_OK;
}

static int pass_progress(void *opaque, unsigned done) {
    const az_classifier *c = opaque;
    return c->options.progress ? c->options.progress(c->options.opaque, done, 100) : 0;
}

static az_status train_class(az_classifier *c, uint32_t image_width, az_error *error) {
    const az_class_training training = {.kinds = az_class_kinds(image_width),
                                        .texts = c->texts,
                                        .labels = c->row_labels,
                                        .n = c->n_rows,
                                        .n_labels = (uint32_t)c->n_labels,
                                        .progress = pass_progress,
                                        .opaque = c};
    az_status status = az_class_model_train(&c->model, &training, c->pool, c->heap, error);
    az_free(c->heap, c->texts);
    az_free(c->heap, c->row_labels);
    c->texts = NULL;
    c->row_labels = NULL;
    return status;
}

static az_status open_knn(az_classifier *c, const az_knn_options *options, az_error *error) {
    return az_knn_open(&c->knn, options, c->texts, c->row_labels, c->n_rows, (uint32_t)c->n_labels,
                       c->pool, c->heap, error);
}

static bool has_costs(const az_classifier *c) {
    return c->method == AZ_METHOD_PRIMED || c->method == AZ_METHOD_PROMPTED;
}

/* calibration: NULL, or that of a file. */
static az_status open_costs(az_classifier *c, int level, const az_calibration *calibration,
                            az_error *error) {
    bool lm = c->method == AZ_METHOD_PROMPTED;
    const az_class_costs_setup setup = {.labels = c->labels,
                                        .n_labels = c->n_labels,
                                        .texts = c->texts,
                                        .row_labels = c->row_labels,
                                        .n_rows = c->n_rows,
                                        .level = level,
                                        .gguf = lm ? az_model_gguf(c->options.model) : NULL,
                                        .n_examples = c->options.n_examples,
                                        .calibration = calibration,
                                        .memory_limit = c->options.memory_limit,
                                        .progress = pass_progress,
                                        .opaque = c};
    c->texts_costs = az_alloc(c->heap, COSTS_TEXTS * c->n_labels * sizeof *c->texts_costs);
    if (!c->texts_costs)
        return az_alloc_failed(c->heap, COSTS_TEXTS * c->n_labels * sizeof *c->texts_costs, error);
    return az_class_costs_open(&c->costs, &setup, c->pool, c->heap, error);
}

static az_status train_costs(az_classifier *c, az_error *error) {
    int level = c->options.level ? c->options.level : LEVEL_CM;
    if (level < AZ_LEVEL_MIN || level > AZ_LEVEL_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "level %d; the built-in predictor has levels %d to %d", level,
                            AZ_LEVEL_MIN, AZ_LEVEL_MAX);
    AZ_TRY(copy_texts(c, error));
    return open_costs(c, level, NULL, error);
}

static az_status count_texts(az_classifier *c, uint32_t image_width, az_error *error) {
    const az_feature_kinds kinds = az_counts_kinds(image_width);
    az_counts_scratch *scratch = &c->workers[0].counts;
    AZ_TRY(az_counts_open(&c->counts, (uint32_t)c->n_labels, &kinds, c->heap, error));
    for (size_t i = 0; i < c->n_rows; i++) {
        AZ_TRY(az_counts_change(&c->counts, scratch, c->texts[i], c->row_labels[i], 1, error));
        if (i % RUN_TEXTS == 0 && pass_progress(c, (unsigned)(90 * i / c->n_rows)))
            return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    }
    return az_counts_calibrate(&c->counts, scratch, c->texts, c->row_labels, c->n_rows, error);
}

static az_status train_counts(az_classifier *c, uint32_t image_width, az_error *error) {
    az_status status = count_texts(c, image_width, error);
    az_free(c->heap, c->texts);
    az_free(c->heap, c->row_labels);
    c->texts = NULL;
    c->row_labels = NULL;
    return status;
}

static az_status train(az_classifier *c, const az_dataset *data, az_error *error) {
    c->method = c->options.method;
    AZ_TRY(keep_labels(c, data, error));
    AZ_TRY(take_rows(c, data, error));
    if (has_costs(c)) {
        AZ_TRY(train_costs(c, error));
    } else if (c->method == AZ_METHOD_COUNTS) {
        AZ_TRY(train_counts(c, az_dataset_image_width(data), error));
    } else if (c->method == AZ_METHOD_CLASS) {
        AZ_TRY(train_class(c, az_dataset_image_width(data), error));
    } else {
        AZ_TRY(copy_texts(c, error));
        AZ_TRY(open_knn(c, &c->options.knn, error));
    }
    return prepare_workers(c, error);
}

az_status az_classifier_train(az_classifier **out, const az_dataset *data,
                              const az_classifier_options *options, const az_allocator *allocator,
                              az_error *error) {
    if (!out || !data || (options && options->method > AZ_METHOD_COUNTS) ||
        (options && options->method == AZ_METHOD_PROMPTED && !options->model))
        return bad_call("az_classifier_train", error);
    *out = NULL;
    AZ_TRY(make(out, options, allocator, error));
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = train(*out, data, error);
    az_fp_leave(&fp);
    return finish(out, status);
}

/* ---- Files -------------------------------------------------------------------------------- */

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
        return bad_call("az_classifier_save", error);
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

static az_status load_labels(az_classifier *c, az_unpacker *u, az_error *error) {
    c->n_rows = (size_t)az_unpack_varint(u, UINT32_MAX);
    c->n_labels = (size_t)az_unpack_varint(u, UINT16_MAX);
    size_t begin = u->pos, n_bytes = 0;
    for (size_t i = 0; i < c->n_labels && !u->failed; i++) {
        uint64_t n = az_unpack_varint(u, UINT32_MAX);
        az_unpack_bytes(u, n);
        n_bytes += (size_t)n;
    }
    if (u->failed || c->n_labels == 0)
        return az_error_set(error, AZ_ERROR_DAMAGED, u->pos,
                            "the classifier's labels are damaged near byte %zu", u->pos);
    u->pos = begin;
    c->labels = az_alloc(c->heap, c->n_labels * sizeof *c->labels);
    c->bytes = az_alloc(c->heap, n_bytes);
    if (!c->labels || !c->bytes)
        return az_alloc_failed(c->heap, n_bytes, error);
    uint8_t *to = c->bytes;
    for (size_t i = 0; i < c->n_labels; i++) {
        size_t n = (size_t)az_unpack_varint(u, UINT32_MAX);
        const uint8_t *from = az_unpack_bytes(u, n);
        if (n)
            memcpy(to, from, n);
        c->labels[i] = (az_text){to, n};
        to += n;
    }
    return AZ_OK;
}

static az_text load_text(az_unpacker *u, uint64_t max) {
    uint64_t n = az_unpack_varint(u, max);
    const uint8_t *data = az_unpack_bytes(u, n);
    return (az_text){data, u->failed ? 0 : (size_t)n};
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
    return copy_texts(c, error);
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
    return open_knn(c, &o, error);
}

static az_status load_cm(az_classifier *c, az_unpacker *u, az_error *error) {
    az_calibration calibration;
    int level = (int)az_unpack_varint(u, AZ_LEVEL_MAX);
    az_calibration_load(&calibration, u);
    AZ_TRY(load_rows(c, u, error));
    if (level < AZ_LEVEL_MIN)
        return az_error_set(error, AZ_ERROR_DAMAGED, HEAD_NBYTES,
                            "the classifier is damaged: level %d", level);
    return open_costs(c, level, &calibration, error);
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
        AZ_TRY(az_counts_load(&c->counts, (uint32_t)c->n_labels, &u, c->heap, error));
    else if (c->method == AZ_METHOD_KNN)
        AZ_TRY(load_knn(c, &u, error));
    else
        AZ_TRY(load_cm(c, &u, error));
    if (u.pos != n_bytes)
        return az_error_set(error, AZ_ERROR_DAMAGED, u.pos, "the classifier has bytes too many");
    return prepare_workers(c, error);
}

az_status az_classifier_load(az_classifier **out, const void *data, size_t n_bytes,
                             const az_classifier_options *options, const az_allocator *allocator,
                             az_error *error) {
    if (!out || (!data && n_bytes))
        return bad_call("az_classifier_load", error);
    *out = NULL;
    AZ_TRY(make(out, options, allocator, error));
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = load(*out, data, n_bytes, error);
    az_fp_leave(&fp);
    return finish(out, status);
}

/* ---- Texts that come and go ---------------------------------------------------------------------- */

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
    size_t n_bytes = 0, n = c->n_labels;
    if (n == UINT16_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a classifier has at most %d labels", UINT16_MAX);
    for (size_t i = 0; i < n; i++)
        n_bytes += c->labels[i].n_bytes;
    az_text *labels = az_alloc(c->heap, (n + 1) * sizeof *labels);
    uint8_t *bytes = az_alloc(c->heap, n_bytes + name.n_bytes), *to = bytes;
    double *probabilities = az_alloc(c->heap, (n + 1) * c->n_threads * sizeof *probabilities);
    az_status status = AZ_OK;
    if (!labels || !bytes || !probabilities)
        status = az_alloc_failed(c->heap, n_bytes + name.n_bytes, error);
    if (status == AZ_OK)
        status = az_counts_add_label(&c->counts, error);
    if (status != AZ_OK) {
        az_free(c->heap, labels);
        az_free(c->heap, bytes);
        az_free(c->heap, probabilities);
        return status;
    }
    for (size_t i = 0; i <= n; i++) {
        az_text from = i < n ? c->labels[i] : name;
        if (from.n_bytes)
            memcpy(to, from.data, from.n_bytes);
        labels[i] = (az_text){to, from.n_bytes};
        to += from.n_bytes;
    }
    az_free(c->heap, c->labels);
    az_free(c->heap, c->bytes);
    az_free(c->heap, c->probabilities);
    c->labels = labels;
    c->bytes = bytes;
    c->probabilities = probabilities;
    c->n_labels = n + 1;
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
        return bad_call("az_classifier_add", error);
    return change(c, text, label, 1, error);
}

az_status az_classifier_remove(az_classifier *c, az_text text, az_text label, az_error *error) {
    if (!c || (!text.data && text.n_bytes) || (!label.data && label.n_bytes))
        return bad_call("az_classifier_remove", error);
    return change(c, text, label, -1, error);
}

/* ---- Answers ---------------------------------------------------------------------------------- */

typedef struct running {
    az_classifier *c;
    const az_text *texts;
    size_t n, part_texts;
    int64_t *answers;
    double *probabilities; /* or NULL */
} running;

static int64_t most_probable(const double *p, size_t n) {
    size_t best = 0;
    for (size_t l = 1; l < n; l++)
        if (p[l] > p[best])
            best = l;
    return (int64_t)best;
}

/* Answers texts [n], n at most AZ_KNN_TEXTS. */
static az_status answer(az_classifier *c, worker *w, const az_text *texts, size_t n,
                        int64_t *labels, double *probabilities) {
    unsigned k = c->knn.options.k, n_near[AZ_KNN_TEXTS];
    if (c->method == AZ_METHOD_KNN)
        AZ_TRY(az_knn_find(&c->knn, &w->knn, texts, n, k, w->near, n_near, &w->error));
    for (size_t i = 0; i < n; i++) {
        double *p = probabilities ? probabilities + i * c->n_labels : w->probabilities;
        if (c->method == AZ_METHOD_KNN) {
            labels[i] = az_knn_vote(&c->knn, w->near + i * k, n_near[i], p);
            continue;
        }
        if (c->method == AZ_METHOD_COUNTS)
            AZ_TRY(az_counts_run(&c->counts, &w->counts, texts[i], p, &w->error));
        else
            AZ_TRY(az_class_model_run(&c->model, &w->row, texts[i], p, &w->error));
        labels[i] = most_probable(p, c->n_labels);
    }
    return AZ_OK;
}

static void run_part(void *arg, uint32_t part, unsigned number) {
    running *r = arg;
    worker *w = r->c->workers + number;
    size_t from = part * r->part_texts, n = r->n - from;
    if (n > r->part_texts)
        n = r->part_texts;
    if (w->status == AZ_OK)
        w->status = answer(r->c, w, r->texts + from, n, r->answers + from,
                           r->probabilities ? r->probabilities + from * r->c->n_labels : NULL);
}

static az_status first_failure(az_classifier *c, az_error *error) {
    az_status status = AZ_OK;
    for (unsigned i = 0; i < c->n_threads; i++) {
        if (c->workers[i].status != AZ_OK && status == AZ_OK) {
            status = c->workers[i].status;
            if (error)
                *error = c->workers[i].error;
        }
        c->workers[i].status = AZ_OK;
    }
    return status;
}

/* All of r's texts, COSTS_TEXTS at most, by cost: threads share the labels. */
static az_status answer_by_cost(running *r, az_error *error) {
    az_classifier *c = r->c;
    AZ_TRY(az_class_costs_run(&c->costs, r->texts, r->n, c->texts_costs, error));
    for (size_t i = 0; i < r->n; i++) {
        double *p =
            r->probabilities ? r->probabilities + i * c->n_labels : c->workers[0].probabilities;
        az_class_costs_probabilities(&c->costs, c->texts_costs + i * c->n_labels, p);
        r->answers[i] = most_probable(p, c->n_labels);
    }
    return AZ_OK;
}

static az_status answer_in_parts(running *r, az_error *error) {
    az_pool_run(r->c->pool, run_part, r, (uint32_t)((r->n + r->part_texts - 1) / r->part_texts));
    return first_failure(r->c, error);
}

/* Some thousand texts at a time, or a few where each takes long, so that progress is heard. */
static az_status run(running *r, size_t n, size_t *n_done, az_error *error) {
    az_classifier *c = r->c;
    bool slow = c->method == AZ_METHOD_KNN;
    size_t step = has_costs(c) ? COSTS_TEXTS
                  : slow       ? 2 * AZ_KNN_TEXTS * (size_t)c->n_threads
                               : RUN_TEXTS;
    /* Few texts, so that all threads have some. */
    size_t share = n / c->n_threads + 1;
    r->part_texts = slow && share < AZ_KNN_TEXTS ? share : AZ_KNN_TEXTS;
    const az_text *texts = r->texts;
    for (size_t from = 0; from < n; from += r->n) {
        r->n = n - from < step ? n - from : step;
        r->texts = texts + from;
        AZ_TRY(has_costs(c) ? answer_by_cost(r, error) : answer_in_parts(r, error));
        r->answers += r->n;
        if (r->probabilities)
            r->probabilities += r->n * c->n_labels;
        *n_done = from + r->n;
        if (c->options.progress && c->options.progress(c->options.opaque, *n_done, n))
            return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET,
                                "stopped after %zu of %zu texts", *n_done, n);
    }
    return AZ_OK;
}

az_status az_classifier_run(az_classifier *classifier, const az_text *texts, size_t n,
                            int64_t *answers, double *probabilities, size_t *n_done,
                            az_error *error) {
    size_t done = 0;
    if (!n_done)
        n_done = &done;
    *n_done = 0;
    if (!classifier || (n && (!texts || !answers)))
        return bad_call("az_classifier_run", error);
    running r = {
        .c = classifier, .texts = texts, .answers = answers, .probabilities = probabilities};
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = run(&r, n, n_done, error);
    az_fp_leave(&fp);
    return status;
}

static az_status explain_class(const az_classifier *c, az_text text, size_t a, size_t b,
                               double *bits, double *constant, az_error *error) {
    az_row_scratch scratch = {.heap = c->heap, .list.heap = c->heap};
    az_status status = az_class_model_explain(&c->model, &scratch, text, (uint32_t)a, (uint32_t)b,
                                              bits, constant, error);
    az_row_scratch_free(&scratch);
    return status;
}

az_status az_classifier_explain(az_classifier *c, az_text text, size_t a, size_t b, double *bits,
                                double *constant, az_error *error) {
    if (!c || !bits || !constant || a >= c->n_labels || b >= c->n_labels)
        return bad_call("az_classifier_explain", error);
    if (c->method == AZ_METHOD_KNN)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "neighbours have no words to explain a label by");
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status;
    if (has_costs(c))
        status = az_class_costs_explain(&c->costs, text, a, b, bits, constant, error);
    else if (c->method == AZ_METHOD_COUNTS)
        status = az_counts_explain(&c->counts, &c->workers[0].counts, text, (uint32_t)a,
                                   (uint32_t)b, bits, constant, error);
    else
        status = explain_class(c, text, a, b, bits, constant, error);
    az_fp_leave(&fp);
    return status;
}

az_status az_classifier_neighbours(az_classifier *c, az_text text, unsigned k,
                                   az_neighbour *neighbours, unsigned *n, az_error *error) {
    if (!c || !neighbours || !n || k == 0 || k > AZ_KNN_MAX)
        return bad_call("az_classifier_neighbours", error);
    if (c->method != AZ_METHOD_KNN)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "only the method of neighbours has any");
    az_near *near = az_alloc(c->heap, k * sizeof *near);
    if (!near)
        return az_alloc_failed(c->heap, k * sizeof *near, error);
    az_status status = az_knn_find(&c->knn, &c->workers[0].knn, &text, 1, k, near, n, error);
    for (unsigned i = 0; status == AZ_OK && i < *n; i++)
        neighbours[i] = (az_neighbour){.row = near[i].row,
                                       .distance = az_fraction_value(near[i].distance),
                                       .text = c->texts[near[i].row],
                                       .label = c->row_labels[near[i].row]};
    az_free(c->heap, near);
    return status;
}

/* ---- Questions ------------------------------------------------------------------------------------ */

void az_classifier_get_info(const az_classifier *c, az_classifier_info *info) {
    *info = (az_classifier_info){
        .method = c->method, .n_labels = c->n_labels, .n_rows = c->n_rows, .held_out_accuracy = -1};
    if (c->method == AZ_METHOD_KNN) {
        info->knn = c->knn.options;
    } else if (has_costs(c)) {
        info->held_out_accuracy = c->costs.calibration.held_out_accuracy;
        info->n_left_out = c->costs.n_left_out;
        info->level = c->costs.level;
    } else if (c->method == AZ_METHOD_COUNTS) {
        info->n_features = c->counts.n_alive;
        info->held_out_accuracy = c->counts.calibration.held_out_accuracy;
        info->image_width = c->counts.kinds.image_width;
    } else {
        info->n_features = c->model.table.n;
        info->held_out_accuracy = c->model.calibration.held_out_accuracy;
        info->image_width = c->model.kinds.image_width;
    }
}

az_text az_classifier_label(const az_classifier *classifier, size_t i) {
    return classifier->labels[i];
}

static const az_calibration *calibration_of(const az_classifier *c) {
    return has_costs(c)                    ? &c->costs.calibration
           : c->method == AZ_METHOD_COUNTS ? &c->counts.calibration
                                           : &c->model.calibration;
}

double az_classifier_threshold(const az_classifier *c, double share) {
    const az_calibration *seen = calibration_of(c);
    if (c->method == AZ_METHOD_KNN || !(share > 0))
        return 0;
    double at = (share < 1 ? share : 1) * (AZ_CLASS_N_PERCENTILES - 1);
    size_t i = (size_t)at;
    if (i >= AZ_CLASS_N_PERCENTILES - 1)
        return seen->sure[AZ_CLASS_N_PERCENTILES - 1];
    return seen->sure[i] + (at - (double)i) * (seen->sure[i + 1] - seen->sure[i]);
}

az_status az_evaluate(az_evaluation *out, uint64_t *confusion, const int64_t *truth,
                      const int64_t *answers, const double *probabilities, size_t n,
                      size_t n_labels, az_error *error) {
    if (!out || !confusion || (n && (!truth || !answers)))
        return bad_call("az_evaluate", error);
    for (size_t i = 0; i < n; i++)
        if (truth[i] < -1 || answers[i] < -1 || truth[i] >= (int64_t)n_labels ||
            answers[i] >= (int64_t)n_labels)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "az_evaluate: row %zu: a label out of range", i);
    az_fp_state fp;
    az_fp_enter(&fp);
    az_evaluate_answers(out, confusion, truth, answers, probabilities, n, n_labels);
    az_fp_leave(&fp);
    return AZ_OK;
}

/* ---- Distances ---------------------------------------------------------------------------------------- */

typedef struct matrix_work {
    az_classifier *c;
    double *matrix;
    const az_text *texts;
    size_t n, from; /* the first row of this run */
} matrix_work;

/* The mean of both orders' distances. */
static az_status both_orders(const az_knn *knn, worker *w, const az_text *texts, size_t i, size_t k,
                             double *mean) {
    double sum = 0;
    for (int turn = 0; turn < 2; turn++) {
        size_t x = turn ? k : i, y = turn ? i : k;
        uint64_t xy;
        AZ_TRY(az_knn_joined_size(knn, &w->knn, texts[x], texts[y], &xy, &w->error));
        sum += az_fraction_value(
            az_distance_of(knn->options.distance, knn->sizes[x], knn->sizes[y], xy));
    }
    *mean = sum / 2;
    return AZ_OK;
}

/* Row `from + part`, left of the diagonal, and its column. */
static void matrix_part(void *arg, uint32_t part, unsigned number) {
    matrix_work *m = arg;
    worker *w = m->c->workers + number;
    size_t i = m->from + part, n = m->n;
    m->matrix[i * n + i] = 0;
    for (size_t k = 0; k < i && w->status == AZ_OK; k++) {
        double mean = 0;
        w->status = both_orders(&m->c->knn, w, m->texts, i, k, &mean);
        m->matrix[i * n + k] = m->matrix[k * n + i] = mean;
    }
}

static az_status fill_matrix(double *matrix, az_classifier *c, const az_text *texts, size_t n,
                             az_error *error) {
    matrix_work m = {.c = c, .matrix = matrix, .texts = texts, .n = n};
    for (size_t to; m.from < n; m.from = to) {
        to = m.from + 2 * (size_t)c->n_threads;
        to = to < n ? to : n;
        az_pool_run(c->pool, matrix_part, &m, (uint32_t)(to - m.from));
        AZ_TRY(first_failure(c, error));
        if (c->options.progress && c->options.progress(c->options.opaque, to * to, n * n))
            return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    }
    return AZ_OK;
}

az_status az_distance_matrix(double *matrix, const az_text *texts, size_t n,
                             const az_classifier_options *options, const az_allocator *allocator,
                             az_error *error) {
    if (!matrix || (n && !texts) || n > UINT16_MAX)
        return bad_call("az_distance_matrix", error);
    az_classifier *c = NULL;
    AZ_TRY(make(&c, options, allocator, error));
    if (!c)
        return AZ_ERROR_INTERNAL;
    c->row_labels = az_alloc(c->heap, n * sizeof *c->row_labels);
    az_status status = AZ_OK;
    if (!c->row_labels)
        status = az_alloc_failed(c->heap, n * sizeof *c->row_labels, error);
    if (status == AZ_OK)
        status = az_knn_open(&c->knn, &c->options.knn, texts, c->row_labels, n, 1, c->pool, c->heap,
                             error);
    if (status == AZ_OK)
        status = fill_matrix(matrix, c, texts, n, error);
    c->knn.heap = c->heap;
    az_classifier_close(&c);
    return status;
}

az_status az_distance_tree(az_tree_merge *merges, const double *matrix, size_t n,
                           const az_allocator *allocator, az_error *error) {
    if (n && (!merges || !matrix))
        return bad_call("az_distance_tree", error);
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_status status = az_tree_join(merges, matrix, n, heap, error);
    az_heap_close(&heap);
    return status;
}
