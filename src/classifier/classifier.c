/* classifier: opened, closed, asked about itself. */
#include "classifier.h"

az_status az_classifier_bad_call(const char *function, az_error *error) {
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

az_status az_classifier_make(az_classifier **out, const az_classifier_options *options,
                             const az_allocator *allocator, az_error *error) {
    const az_classifier_options none = {.n_threads = 1, .knn.level = -1};
    if (!options)
        options = &none;
    if (options->n_threads < 0 || options->n_threads > AZ_CLASSIFIER_THREADS_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "number of threads %d: a number from 0 to %d is expected",
                            options->n_threads, AZ_CLASSIFIER_THREADS_MAX);
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
az_status az_classifier_finish(az_classifier **out, az_status status) {
    if (status != AZ_OK)
        az_classifier_close(out);
    return status;
}

/* What can be known only with all labels. */
az_status az_classifier_prepare_workers(az_classifier *c, az_error *error) {
    c->probabilities = az_alloc(c->heap, c->n_threads * c->n_labels * sizeof *c->probabilities);
    if (!c->probabilities)
        return az_alloc_failed(c->heap, c->n_threads * c->n_labels * sizeof *c->probabilities,
                               error);
    for (unsigned i = 0; i < c->n_threads; i++) {
        az_classifier_worker *w = c->workers + i;
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

az_status az_classifier_set_labels(az_classifier *c, const az_text *names, size_t n,
                                   az_error *error) {
    size_t n_bytes = 0;
    for (size_t i = 0; i < n; i++)
        n_bytes += names[i].n_bytes;
    az_text *labels = az_alloc(c->heap, n * sizeof *labels);
    uint8_t *bytes = az_alloc(c->heap, n_bytes), *to = bytes;
    if (!labels || !bytes) {
        az_status status = az_alloc_failed(c->heap, n_bytes, error);
        az_free(c->heap, labels);
        az_free(c->heap, bytes);
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        if (names[i].n_bytes)
            memcpy(to, names[i].data, names[i].n_bytes);
        labels[i] = (az_text){to, names[i].n_bytes};
        to += names[i].n_bytes;
    }
    az_free(c->heap, c->labels);
    az_free(c->heap, c->bytes);
    c->labels = labels;
    c->bytes = bytes;
    c->n_labels = n;
    return AZ_OK;
}

/* ---- Questions ----------------------------------------------------------------------- */

void az_classifier_get_info(const az_classifier *c, az_classifier_info *info) {
    *info = (az_classifier_info){
        .method = c->method, .n_labels = c->n_labels, .n_rows = c->n_rows, .held_out_accuracy = -1};
    if (c->method == AZ_METHOD_KNN) {
        info->knn = c->knn.options;
    } else if (az_classifier_has_costs(c)) {
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
    return az_classifier_has_costs(c)      ? &c->costs.calibration
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
        return az_classifier_bad_call("az_evaluate", error);
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
