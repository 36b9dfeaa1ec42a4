/* training: each method learns from the rows that have a label. */
#include "../model_api.h"
#include "classifier.h"

enum { LEVEL_CM = 3 };

static az_status keep_labels(az_classifier *c, const az_dataset *train, az_error *error) {
    size_t n = az_dataset_n_labels(train);
    az_text *names = az_alloc(c->heap, n * sizeof *names);
    if (!names)
        return az_alloc_failed(c->heap, n * sizeof *names, error);
    for (size_t i = 0; i < n; i++)
        names[i] = az_dataset_label(train, i);
    az_status status = az_classifier_set_labels(c, names, n, error);
    az_free(c->heap, names);
    return status;
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

az_status az_classifier_copy_texts(az_classifier *c, az_error *error) {
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

az_status az_classifier_open_knn(az_classifier *c, const az_knn_options *options, az_error *error) {
    return az_knn_open(&c->knn, options, c->texts, c->row_labels, c->n_rows, (uint32_t)c->n_labels,
                       c->pool, c->heap, error);
}

/* calibration: NULL, or that of a file. */
az_status az_classifier_open_costs(az_classifier *c, int level, const az_calibration *calibration,
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
    c->texts_costs =
        az_alloc(c->heap, AZ_CLASSIFIER_COSTS_TEXTS * c->n_labels * sizeof *c->texts_costs);
    if (!c->texts_costs)
        return az_alloc_failed(
            c->heap, AZ_CLASSIFIER_COSTS_TEXTS * c->n_labels * sizeof *c->texts_costs, error);
    return az_class_costs_open(&c->costs, &setup, c->pool, c->heap, error);
}

static az_status train_costs(az_classifier *c, az_error *error) {
    int level = c->options.level ? c->options.level : LEVEL_CM;
    if (level < AZ_LEVEL_MIN || level > AZ_LEVEL_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "level %d; the built-in predictor has levels %d to %d", level,
                            AZ_LEVEL_MIN, AZ_LEVEL_MAX);
    AZ_TRY(az_classifier_copy_texts(c, error));
    return az_classifier_open_costs(c, level, NULL, error);
}

static az_status count_texts(az_classifier *c, uint32_t image_width, az_error *error) {
    const az_feature_kinds kinds = az_counts_kinds(image_width);
    az_counts_scratch *scratch = &c->workers[0].counts;
    AZ_TRY(az_counts_open(&c->counts, (uint32_t)c->n_labels, &kinds, c->heap, error));
    for (size_t i = 0; i < c->n_rows; i++) {
        AZ_TRY(az_counts_change(&c->counts, scratch, c->texts[i], c->row_labels[i], 1, error));
        if (i % AZ_CLASSIFIER_TEXTS == 0 && pass_progress(c, (unsigned)(90 * i / c->n_rows)))
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
    if (az_classifier_has_costs(c)) {
        AZ_TRY(train_costs(c, error));
    } else if (c->method == AZ_METHOD_COUNTS) {
        AZ_TRY(train_counts(c, az_dataset_image_width(data), error));
    } else if (c->method == AZ_METHOD_CLASS) {
        AZ_TRY(train_class(c, az_dataset_image_width(data), error));
    } else {
        AZ_TRY(az_classifier_copy_texts(c, error));
        AZ_TRY(az_classifier_open_knn(c, &c->options.knn, error));
    }
    return az_classifier_prepare_workers(c, error);
}

az_status az_classifier_train(az_classifier **out, const az_dataset *data,
                              const az_classifier_options *options, const az_allocator *allocator,
                              az_error *error) {
    if (!out || !data || (options && options->method > AZ_METHOD_COUNTS) ||
        (options && options->method == AZ_METHOD_PROMPTED && !options->model))
        return az_classifier_bad_call("az_classifier_train", error);
    *out = NULL;
    AZ_TRY(az_classifier_make(out, options, allocator, error));
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = train(*out, data, error);
    az_fp_leave(&fp);
    return az_classifier_finish(out, status);
}
