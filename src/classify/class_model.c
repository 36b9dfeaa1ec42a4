/* class_model: one linear layer over all features; folds say how sure its scores are. */
#include "class_model.h"

#include <math.h>

#include "maths.h"

enum {
    MIN_TEXTS_WORDS = 1,
    MIN_TEXTS_RUNS = 2,
    FOLDS_MAX = 5,
    FOLD_ROWS_MIN = 4, /* fewer texts than this a fold say nothing */
};
/* Items times columns: beyond, one fold is left out for the calibration, not each of five. */
#define FOLDS_WORK_MAX UINT64_C(60000000)
/* The most floats that the weights of one linear layer may have: 1 GiB. */
#define WEIGHTS_MAX ((uint64_t)1 << 28)

az_feature_kinds az_class_kinds(uint32_t image_width) {
    return (az_feature_kinds){.image_width = image_width, .n_words = 2, .run_min = 2, .run_max = 5};
}

/* ---- Folds --------------------------------------------------------------- */

typedef struct folds {
    const az_class_training *training;
    const az_text_rows *rows;
    const az_feature_table *table;
    const az_tf_table *tf;
    az_heap *heap;
    uint8_t *fold; /* [n] which fold a row is left out in; n_folds: in none */
    unsigned n_folds;
    float *scores; /* [n][n_labels], of rows left out */
    az_linear all; /* learnt from all rows */
    az_status statuses[FOLDS_MAX + 1];
    az_error errors[FOLDS_MAX + 1];
} folds;

/* Part 0 learns from all rows, the others leave a fold out and score it. */
static void learn_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    folds *f = arg;
    const az_class_training *t = f->training;
    az_linear left_out, *linear = part ? &left_out : &f->all;
    f->statuses[part] =
        az_linear_learn(linear, f->rows, t->labels, t->n_labels, f->table->n, part ? f->fold : NULL,
                        part - 1, f->tf, f->heap, f->errors + part);
    if (!part || f->statuses[part] != AZ_OK)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (f->fold[i] == part - 1)
            az_linear_score(linear, f->rows->rows + i, f->tf, f->scores + i * t->n_labels);
    az_linear_free(linear);
}

/* Each label's rows go to the folds in turn, so that every fold has its share. */
static az_status deal_rows(folds *f, az_error *error) {
    const az_class_training *t = f->training;
    uint64_t work = 0;
    for (size_t i = 0; i < t->n; i++)
        work += f->rows->rows[i].n;
    work *= t->n_labels;
    bool large = work > FOLDS_WORK_MAX;
    f->n_folds = t->n < FOLDS_MAX * FOLD_ROWS_MIN || t->n_labels < 2 ? 0 : large ? 1 : FOLDS_MAX;
    uint32_t *seen = az_alloc(f->heap, t->n_labels * sizeof *seen);
    f->fold = az_alloc(f->heap, t->n);
    f->scores = az_alloc(f->heap, t->n * t->n_labels * sizeof *f->scores);
    az_status status = AZ_OK;
    if (!seen || !f->fold || !f->scores)
        status = az_alloc_failed(f->heap, t->n * t->n_labels * sizeof *f->scores, error);
    for (size_t i = 0; i < t->n && status == AZ_OK; i++) {
        unsigned fold = (seen[t->labels[i]]++ + t->labels[i]) % FOLDS_MAX;
        f->fold[i] = (uint8_t)(fold < f->n_folds ? fold : f->n_folds);
    }
    az_free(f->heap, seen);
    return status;
}

/* What the scores of rows that were left out say. */
static az_status calibrate(az_class_model *model, const folds *f, az_error *error) {
    const az_class_training *t = f->training;
    az_held_out held_out = {.scores = f->scores,
                            .labels = t->labels,
                            .n_labels = t->n_labels,
                            .low = 0.125,
                            .high = 64,
                            .usual = 4}; /* what texts of a dozen sets come to, about */
    uint32_t *rows = az_alloc(f->heap, t->n * sizeof *rows);
    if (!rows)
        return az_alloc_failed(f->heap, t->n * sizeof *rows, error);
    for (size_t i = 0; i < t->n; i++)
        if (f->fold[i] < f->n_folds)
            rows[held_out.n++] = (uint32_t)i;
    held_out.rows = rows;
    az_status status = az_calibrate(&model->calibration, &held_out, f->heap, error);
    az_free(f->heap, rows);
    return status;
}

/* ---- Training ------------------------------------------------------------------- */

az_status az_class_model_make_room(az_class_model *model, size_t n, az_error *error) {
    size_t columns = model->n_columns;
    model->scales = az_alloc(model->heap, n * sizeof *model->scales);
    model->weights = az_alloc(model->heap, n * columns * sizeof *model->weights);
    model->units = az_alloc(model->heap, columns * sizeof *model->units);
    model->bias = az_alloc(model->heap, columns * sizeof *model->bias);
    if (!model->scales || !model->weights || !model->units || !model->bias)
        return az_alloc_failed(model->heap, n * columns * sizeof *model->weights, error);
    return AZ_OK;
}

/* Weights become 16 bits, as the file keeps them, so that a saved model says the same. */
static az_status take_weights(az_class_model *model, const az_linear *linear, az_error *error) {
    size_t n = model->table.n, columns = linear->n_columns;
    AZ_TRY(az_class_model_make_room(model, n, error));
    for (size_t c = 0; c < columns; c++) {
        float largest = 0;
        for (size_t i = 0; i < n; i++) {
            float w = linear->weights[i * (1 + columns) + 1 + c];
            largest = w > largest ? w : -w > largest ? -w : largest;
        }
        model->units[c] = largest > 0 ? largest / 32767 : 1;
        model->bias[c] = linear->bias[c];
    }
    for (size_t i = 0; i < n; i++) {
        const float *from = linear->weights + i * (1 + columns);
        model->scales[i] = sqrtf(from[0]);
        for (size_t c = 0; c < columns; c++) {
            float w = from[1 + c] / model->units[c];
            model->weights[i * columns + c] = (int16_t)(w < 0 ? w - 0.5f : w + 0.5f);
        }
    }
    return AZ_OK;
}

static az_status learn(az_class_model *model, folds *f, az_pool *pool, az_error *error) {
    AZ_TRY(deal_rows(f, error));
    az_pool_run(pool, learn_part, f, 1 + f->n_folds);
    for (unsigned i = 0; i <= f->n_folds; i++)
        if (f->statuses[i] != AZ_OK) {
            if (error)
                *error = f->errors[i];
            return f->statuses[i];
        }
    AZ_TRY(take_weights(model, &f->all, error));
    return calibrate(model, f, error);
}

static az_status stage_done(const az_class_training *t, unsigned done, az_error *error) {
    if (t->progress && t->progress(t->opaque, done))
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    return AZ_OK;
}

static az_status train(az_class_model *model, const az_class_training *t, az_text_rows *rows,
                       az_pool *pool, az_error *error) {
    uint64_t n_max = WEIGHTS_MAX / (1 + t->n_labels);
    AZ_TRY(az_feature_table_learn(&model->table, &model->kinds, t->texts, t->n, MIN_TEXTS_WORDS,
                                  MIN_TEXTS_RUNS, (uint32_t)n_max, pool, model->heap, error));
    AZ_TRY(stage_done(t, 20, error));
    AZ_TRY(az_text_rows_make(rows, &model->table, &model->kinds, t->texts, t->n, pool, model->heap,
                             error));
    AZ_TRY(stage_done(t, 30, error));
    folds f = {
        .training = t, .rows = rows, .table = &model->table, .tf = &model->tf, .heap = model->heap};
    az_status status = learn(model, &f, pool, error);
    az_linear_free(&f.all);
    az_free(model->heap, f.fold);
    az_free(model->heap, f.scores);
    return status;
}

az_status az_class_model_train(az_class_model *model, const az_class_training *training,
                               az_pool *pool, az_heap *heap, az_error *error) {
    *model = (az_class_model){.heap = heap,
                              .n_labels = training->n_labels,
                              .n_columns = training->n_labels == 2 ? 1 : training->n_labels,
                              .kinds = training->kinds};
    az_tf_table_make(&model->tf);
    az_text_rows rows = {0};
    az_status status = train(model, training, &rows, pool, error);
    az_text_rows_free(&rows);
    if (status != AZ_OK)
        az_class_model_free(model);
    return status;
}

void az_class_model_free(az_class_model *model) {
    if (!model->heap)
        return;
    az_feature_table_free(&model->table);
    az_free(model->heap, model->scales);
    az_free(model->heap, model->weights);
    az_free(model->heap, model->units);
    az_free(model->heap, model->bias);
    *model = (az_class_model){0};
}

/* ---- Answers ---------------------------------------------------------------------- */

/* Values of the row's words and runs are divided by these lengths. */
static void find_lengths(const az_class_model *model, const az_row_items *row, float by[2]) {
    float squares[2] = {0, 0};
    for (uint32_t k = 0; k < row->n; k++) {
        float value = model->tf.value[AZ_ITEM_COUNT(row->items[k])] *
                      model->scales[AZ_ITEM_ID(row->items[k])];
        squares[k >= row->n_words] += value * value;
    }
    for (int i = 0; i < 2; i++)
        by[i] = squares[i] > 0 ? 1 / sqrtf(squares[i]) : 0;
}

static float value_of(const az_class_model *model, const az_row_items *row, uint32_t k,
                      const float by[2]) {
    return model->tf.value[AZ_ITEM_COUNT(row->items[k])] * by[k >= row->n_words];
}

static void find_scores(const az_class_model *model, const az_row_items *row, double *scores,
                        float *sums) {
    float by[2];
    find_lengths(model, row, by);
    size_t columns = model->n_columns;
    memset(sums, 0, columns * sizeof *sums);
    for (uint32_t k = 0; k < row->n; k++) {
        const int16_t *w = model->weights + AZ_ITEM_ID(row->items[k]) * columns;
        float value = value_of(model, row, k, by);
        for (size_t c = 0; c < columns; c++)
            sums[c] += value * w[c];
    }
    for (size_t c = 0; c < columns; c++)
        scores[c] = (double)sums[c] * model->units[c] + model->bias[c];
    if (model->n_labels == 2) {
        scores[1] = scores[0];
        scores[0] = -scores[0];
    }
}

az_status az_class_model_run(const az_class_model *model, az_row_scratch *scratch, az_text text,
                             double *probabilities, az_error *error) {
    scratch->n = 0;
    az_row_items row;
    AZ_TRY(az_row_find(scratch, &model->table, &model->kinds, text, &row, error));
    row.items = scratch->items;
    double few[16] = {0};
    float few_sums[16];
    double *scores = few;
    float *sums = few_sums;
    if (model->n_labels > 16) {
        size_t n_bytes = model->n_labels * (sizeof *scores + sizeof *sums);
        scores = az_alloc(scratch->heap, n_bytes);
        if (!scores)
            return az_alloc_failed(scratch->heap, n_bytes, error);
        sums = (float *)(scores + model->n_labels);
    }
    find_scores(model, &row, scores, sums);
    az_make_probabilities(scores, model->n_labels, model->calibration.sharpness, probabilities);
    if (scores != few)
        az_free(scratch->heap, scores);
    return AZ_OK;
}

/* Column c's weight of an item for a against b, in bits. */
static double weight_between(const az_class_model *model, uint32_t id, uint32_t a, uint32_t b) {
    if (model->n_labels == 2) {
        double w = (double)model->weights[id] * model->units[0] * 2;
        return a == b ? 0 : a == 1 ? w : -w;
    }
    const int16_t *w = model->weights + (size_t)id * model->n_columns;
    return (double)w[a] * model->units[a] - (double)w[b] * model->units[b];
}

static double bias_between(const az_class_model *model, uint32_t a, uint32_t b) {
    if (model->n_labels == 2)
        return a == b ? 0 : a == 1 ? 2 * (double)model->bias[0] : -2 * (double)model->bias[0];
    return (double)model->bias[a] - model->bias[b];
}

/* How often feature i is in the text; its item counts to 255. */
static double n_places(const az_feature_list *list, size_t i, uint32_t count) {
    if (count < 255)
        return count;
    size_t n = 0;
    for (size_t k = 0; k < list->n; k++)
        n += list->hashes[k] == list->hashes[i];
    return (double)n;
}

az_status az_class_model_explain(const az_class_model *model, az_row_scratch *scratch, az_text text,
                                 uint32_t a, uint32_t b, double *bits, double *constant,
                                 az_error *error) {
    scratch->n = 0;
    if (!scratch->list.with_places) {
        az_features_free(&scratch->list);
        scratch->list.with_places = true;
    }
    az_row_items row;
    AZ_TRY(az_row_find(scratch, &model->table, &model->kinds, text, &row, error));
    row.items = scratch->items;
    float by[2];
    find_lengths(model, &row, by);
    const double bits_of_score = model->calibration.sharpness * 1.4426950408889634; /* 1 / ln 2 */
    *constant = bias_between(model, a, b) * bits_of_score;
    for (size_t i = 0; i < text.n_bytes; i++)
        bits[i] = 0;
    const az_feature_list *list = &scratch->list;
    for (size_t i = 0; i < list->n; i++) {
        uint32_t id = az_feature_table_find(&model->table, list->hashes[i]);
        if (id == AZ_TABLE_NONE)
            continue;
        uint32_t k = scratch->seen[id]; /* its item: each of its places earns an equal part */
        double earned = value_of(model, &row, k, by) * weight_between(model, id, a, b) *
                        bits_of_score / n_places(list, i, AZ_ITEM_COUNT(row.items[k]));
        *constant += az_feature_earns(list, i, earned, bits, text.n_bytes);
    }
    return AZ_OK;
}
