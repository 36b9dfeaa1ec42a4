/* linear: log-count ratios, then dual coordinate descent over the rows. */
#include "linear.h"

#include <math.h>

#include "maths.h"

/* Chosen by five folds of seven training sets, the same for all. */
#define SMOOTHING 0.5 /* added to each count of texts */
#define COST 1.0      /* of a margin missed by 1, squared, against half the weights' square */
enum { EPOCHS_MAX = 10 };
/* An epoch in which the variables move less, a row and column, is the last. */
#define EPOCH_CHANGE_MIN 0.001

void az_tf_table_make(az_tf_table *tf) {
    for (int i = 0; i < 256; i++)
        tf->value[i] = (float)(i ? 1 + az_ln(i) : 0);
}

/* ---- Scales ---------------------------------------------------------------- */

typedef struct counting {
    const az_text_rows *rows;
    const uint32_t *labels;
    const uint8_t *fold;
    unsigned left_out;
    uint32_t *counts; /* [n_features][n_labels]: texts of the label that have the feature */
    uint32_t *sizes;  /* [n_labels]: texts of the label */
    uint32_t n_texts;
} counting;

static bool is_used(const uint8_t *fold, unsigned left_out, size_t row) {
    return !fold || fold[row] != left_out;
}

static void count_texts(counting *c, uint32_t n_labels) {
    for (size_t i = 0; i < c->rows->n; i++) {
        if (!is_used(c->fold, c->left_out, i))
            continue;
        const az_row_items *row = c->rows->rows + i;
        uint32_t label = c->labels[i];
        c->sizes[label]++;
        c->n_texts++;
        for (uint32_t k = 0; k < row->n; k++)
            c->counts[(size_t)AZ_ITEM_ID(row->items[k]) * n_labels + label]++;
    }
}

/* The square of a feature's scale: its inverse document frequency times the largest log-count
 * ratio among the classes to the power of 1.5. */
static float scale_squared(const counting *c, const uint32_t *counts, uint32_t n_labels) {
    uint32_t n_have = 0;
    for (uint32_t k = 0; k < n_labels; k++)
        n_have += counts[k];
    double idf = 1 + az_ln((1.0 + c->n_texts) / (1.0 + n_have)), largest = 0;
    for (uint32_t k = 0; k < n_labels; k++) {
        double in = (counts[k] + SMOOTHING) / (c->sizes[k] + 2 * SMOOTHING);
        double out = (n_have - counts[k] + SMOOTHING) / (c->n_texts - c->sizes[k] + 2 * SMOOTHING);
        double ratio = in > out ? in / out : out / in;
        largest = ratio > largest ? ratio : largest;
    }
    double bits = az_ln(largest);
    return (float)(idf * bits * sqrt(bits));
}

static az_status find_scales(az_linear *linear, counting *c, az_error *error) {
    uint32_t n_labels = linear->n_labels;
    size_t n_counts = (size_t)linear->n_features * n_labels;
    c->counts = az_alloc(linear->heap, n_counts * sizeof *c->counts);
    c->sizes = az_alloc(linear->heap, n_labels * sizeof *c->sizes);
    az_status status = AZ_OK;
    if (c->counts && c->sizes) {
        count_texts(c, n_labels);
        for (uint32_t i = 0; i < linear->n_features; i++)
            linear->weights[(size_t)i * (1 + linear->n_columns)] =
                scale_squared(c, c->counts + (size_t)i * n_labels, n_labels);
    } else {
        status = az_alloc_failed(linear->heap, n_counts * sizeof *c->counts, error);
    }
    az_free(linear->heap, c->counts);
    az_free(linear->heap, c->sizes);
    return status;
}

/* ---- Rows against weights ---------------------------------------------------- */

/* 1 / the length of the words and of the runs; 0 for none. */
typedef struct lengths {
    float words, runs;
} lengths;

static lengths find_lengths(const az_linear *linear, const az_row_items *row,
                            const az_tf_table *tf) {
    size_t stride = 1 + linear->n_columns;
    float squares[2] = {0, 0};
    for (uint32_t k = 0; k < row->n; k++) {
        float value = tf->value[AZ_ITEM_COUNT(row->items[k])];
        squares[k >= row->n_words] +=
            value * value * linear->weights[AZ_ITEM_ID(row->items[k]) * stride];
    }
    return (lengths){squares[0] > 0 ? 1 / sqrtf(squares[0]) : 0,
                     squares[1] > 0 ? 1 / sqrtf(squares[1]) : 0};
}

/* n_columns is a constant where this is inlined. */
static inline void add_scores(const float *weights, size_t n_columns, const az_row_items *row,
                              const az_tf_table *tf, lengths by, float *scores) {
    for (uint32_t k = 0; k < row->n; k++) {
        const float *w = weights + AZ_ITEM_ID(row->items[k]) * (1 + n_columns) + 1;
        float value =
            tf->value[AZ_ITEM_COUNT(row->items[k])] * (k < row->n_words ? by.words : by.runs);
        for (size_t c = 0; c < n_columns; c++)
            scores[c] += value * w[c];
    }
}

static inline void add_weights(float *weights, size_t n_columns, const az_row_items *row,
                               const az_tf_table *tf, lengths by, const float *changes) {
    for (uint32_t k = 0; k < row->n; k++) {
        float *w = weights + AZ_ITEM_ID(row->items[k]) * (1 + n_columns);
        float value = tf->value[AZ_ITEM_COUNT(row->items[k])] *
                      (k < row->n_words ? by.words : by.runs) * w[0];
        for (size_t c = 0; c < n_columns; c++)
            w[1 + c] += value * changes[c];
    }
}

static void score_columns(const az_linear *linear, const az_row_items *row, const az_tf_table *tf,
                          lengths by, float *scores) {
    memcpy(scores, linear->bias, linear->n_columns * sizeof *scores);
    switch (linear->n_columns) {
    case 1: add_scores(linear->weights, 1, row, tf, by, scores); break;
    case 4: add_scores(linear->weights, 4, row, tf, by, scores); break;
    default: add_scores(linear->weights, linear->n_columns, row, tf, by, scores);
    }
}

void az_linear_score(const az_linear *linear, const az_row_items *row, const az_tf_table *tf,
                     float *scores) {
    score_columns(linear, row, tf, find_lengths(linear, row, tf), scores);
    if (linear->n_columns == 1) {
        scores[1] = scores[0];
        scores[0] = -scores[0];
    }
}

/* ---- Descent ------------------------------------------------------------------ */

typedef struct descent {
    az_linear *linear;
    const az_text_rows *rows;
    const uint32_t *labels;
    const az_tf_table *tf;
    float *duals;     /* [n_used][n_columns] */
    uint32_t *order;  /* [n_used] rows */
    uint32_t *places; /* [n_used]: of order[i] among the used rows, for duals */
    lengths *by;      /* [n_used], as duals */
    size_t n_used;
    float *scores, *changes; /* [n_columns] */
    uint64_t random;
} descent;

static void shuffle(descent *d) {
    for (size_t i = d->n_used - 1; i > 0; i--) {
        size_t k = az_random_next(&d->random) % (i + 1);
        uint32_t row = d->order[i], place = d->places[i];
        d->order[i] = d->order[k], d->places[i] = d->places[k];
        d->order[k] = row, d->places[k] = place;
    }
}

/* Returns by how much the row's dual variables moved, in all. */
static double step(descent *d, size_t i) {
    az_linear *linear = d->linear;
    uint32_t place = d->places[i];
    const az_row_items *row = d->rows->rows + d->order[i];
    uint32_t label = d->labels[d->order[i]];
    float *duals = d->duals + (size_t)place * linear->n_columns;
    lengths by = d->by[place];
    const float ridge = (float)(1 / (2 * COST));
    float square = 1 + (by.words > 0) + (by.runs > 0) + ridge;
    score_columns(linear, row, d->tf, by, d->scores);
    double moved = 0;
    for (uint32_t c = 0; c < linear->n_columns; c++) {
        float side = label == (linear->n_columns == 1 ? 1 : c) ? 1 : -1;
        float slope = side * d->scores[c] - 1 + ridge * duals[c];
        float dual = duals[c] - slope / square;
        if (dual < 0)
            dual = 0;
        d->changes[c] = (dual - duals[c]) * side;
        duals[c] = dual;
        moved += d->changes[c] < 0 ? -d->changes[c] : d->changes[c];
    }
    if (moved > 0) {
        for (uint32_t c = 0; c < linear->n_columns; c++)
            linear->bias[c] += d->changes[c];
        switch (linear->n_columns) {
        case 1: add_weights(linear->weights, 1, row, d->tf, by, d->changes); break;
        case 4: add_weights(linear->weights, 4, row, d->tf, by, d->changes); break;
        default: add_weights(linear->weights, linear->n_columns, row, d->tf, by, d->changes);
        }
    }
    return moved;
}

static void descend(descent *d) {
    for (size_t i = 0; i < d->n_used; i++) {
        d->places[i] = (uint32_t)i;
        d->by[i] = find_lengths(d->linear, d->rows->rows + d->order[i], d->tf);
    }
    for (int epoch = 0; epoch < EPOCHS_MAX && d->n_used; epoch++) {
        shuffle(d);
        double moved = 0;
        for (size_t i = 0; i < d->n_used; i++)
            moved += step(d, i);
        if (moved < EPOCH_CHANGE_MIN * (double)d->n_used * d->linear->n_columns)
            break;
    }
}

static az_status descend_over(az_linear *linear, const counting *c, const az_tf_table *tf,
                              az_error *error) {
    az_heap *heap = linear->heap;
    descent d = {.linear = linear, .rows = c->rows, .labels = c->labels, .tf = tf, .random = 1};
    size_t n = c->rows->n, columns = linear->n_columns;
    d.duals = az_alloc(heap, c->n_texts * columns * sizeof *d.duals);
    d.order = az_alloc(heap, n * sizeof *d.order);
    d.places = az_alloc(heap, n * sizeof *d.places);
    d.by = az_alloc(heap, n * sizeof *d.by);
    d.scores = az_alloc(heap, columns * sizeof *d.scores);
    d.changes = az_alloc(heap, columns * sizeof *d.changes);
    az_status status = AZ_OK;
    if (d.duals && d.order && d.places && d.by && d.scores && d.changes) {
        for (size_t i = 0; i < n; i++)
            if (is_used(c->fold, c->left_out, i))
                d.order[d.n_used++] = (uint32_t)i;
        descend(&d);
    } else {
        status = az_alloc_failed(heap, n * columns * sizeof *d.duals, error);
    }
    az_free(heap, d.duals);
    az_free(heap, d.order);
    az_free(heap, d.places);
    az_free(heap, d.by);
    az_free(heap, d.scores);
    az_free(heap, d.changes);
    return status;
}

az_status az_linear_learn(az_linear *linear, const az_text_rows *rows, const uint32_t *labels,
                          uint32_t n_labels, uint32_t n_features, const uint8_t *fold,
                          unsigned left_out, const az_tf_table *tf, az_heap *heap,
                          az_error *error) {
    *linear = (az_linear){.heap = heap,
                          .n_features = n_features,
                          .n_labels = n_labels,
                          .n_columns = n_labels == 2 ? 1 : n_labels};
    size_t n_weights = (size_t)n_features * (1 + linear->n_columns);
    linear->weights = az_alloc(heap, n_weights * sizeof *linear->weights);
    linear->bias = az_alloc(heap, linear->n_columns * sizeof *linear->bias);
    counting c = {.rows = rows, .labels = labels, .fold = fold, .left_out = left_out};
    az_status status = linear->weights && linear->bias
                           ? find_scales(linear, &c, error)
                           : az_alloc_failed(heap, n_weights * sizeof *linear->weights, error);
    if (status == AZ_OK)
        status = descend_over(linear, &c, tf, error);
    if (status != AZ_OK)
        az_linear_free(linear);
    return status;
}

void az_linear_free(az_linear *linear) {
    if (!linear->heap)
        return;
    az_free(linear->heap, linear->weights);
    az_free(linear->heap, linear->bias);
    *linear = (az_linear){0};
}
