/* labelling: labels of texts, in order, by all threads; and what speaks for them. */
#include "classifier.h"

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
static az_status answer(az_classifier *c, az_classifier_worker *w, const az_text *texts, size_t n,
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
    az_classifier_worker *w = r->c->workers + number;
    size_t from = part * r->part_texts, n = r->n - from;
    if (n > r->part_texts)
        n = r->part_texts;
    if (w->status == AZ_OK)
        w->status = answer(r->c, w, r->texts + from, n, r->answers + from,
                           r->probabilities ? r->probabilities + from * r->c->n_labels : NULL);
}

az_status az_classifier_first_failure(az_classifier *c, az_error *error) {
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

/* All of r's texts, AZ_CLASSIFIER_COSTS_TEXTS at most, by cost: threads share the labels. */
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
    return az_classifier_first_failure(r->c, error);
}

/* Some thousand texts at a time, or a few where each takes long, so that progress is heard. */
static az_status run(running *r, size_t n, size_t *n_done, az_error *error) {
    az_classifier *c = r->c;
    bool slow = c->method == AZ_METHOD_KNN;
    size_t step = az_classifier_has_costs(c) ? AZ_CLASSIFIER_COSTS_TEXTS
                  : slow                     ? 2 * AZ_KNN_TEXTS * (size_t)c->n_threads
                                             : AZ_CLASSIFIER_TEXTS;
    /* Few texts, so that all threads have some. */
    size_t share = n / c->n_threads + 1;
    r->part_texts = slow && share < AZ_KNN_TEXTS ? share : AZ_KNN_TEXTS;
    const az_text *texts = r->texts;
    for (size_t from = 0; from < n; from += r->n) {
        r->n = n - from < step ? n - from : step;
        r->texts = texts + from;
        AZ_TRY(az_classifier_has_costs(c) ? answer_by_cost(r, error) : answer_in_parts(r, error));
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
        return az_classifier_bad_call("az_classifier_run", error);
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
        return az_classifier_bad_call("az_classifier_explain", error);
    if (c->method == AZ_METHOD_KNN)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "neighbours have no words to explain a label by");
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status;
    if (az_classifier_has_costs(c))
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
        return az_classifier_bad_call("az_classifier_neighbours", error);
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
