/* distances: every text from every other. */
#include "classifier.h"

typedef struct matrix_work {
    az_classifier *c;
    double *matrix;
    const az_text *texts;
    size_t n, from; /* the first row of this run */
} matrix_work;

/* The mean of both orders' distances. */
static az_status both_orders(const az_knn *knn, az_classifier_worker *w, const az_text *texts,
                             size_t i, size_t k, double *mean) {
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
    az_classifier_worker *w = m->c->workers + number;
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
        AZ_TRY(az_classifier_first_failure(c, error));
        if (c->options.progress && c->options.progress(c->options.opaque, to * to, n * n))
            return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    }
    return AZ_OK;
}

az_status az_distance_matrix(double *matrix, const az_text *texts, size_t n,
                             const az_classifier_options *options, const az_allocator *allocator,
                             az_error *error) {
    if (!matrix || (n && !texts) || n > UINT16_MAX)
        return az_classifier_bad_call("az_distance_matrix", error);
    az_classifier *c = NULL;
    AZ_TRY(az_classifier_make(&c, options, allocator, error));
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
        return az_classifier_bad_call("az_distance_tree", error);
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_status status = az_tree_join(merges, matrix, n, heap, error);
    az_heap_close(&heap);
    return status;
}
