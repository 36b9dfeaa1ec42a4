/*
 * linear: one weight a feature and class, learnt from training rows.
 *
 * What a feature says of a class begins with its log-count ratio, the bits by which a text of
 * the class is likelier to have it than one of the others (Wang and Manning 2012, "Baselines
 * and bigrams"). On its own that adds up to naive Bayes, in which one decisive word drowns
 * among many that say little; here the ratio is the scale of the feature, and a support vector
 * machine, one class against the rest with squared hinge loss, finds its weight (dual
 * coordinate descent: Hsieh et al. 2008, "A dual coordinate descent method for large-scale
 * linear SVM"). A row's words and its runs of characters are each brought to length 1.
 */
#ifndef AZ_LINEAR_H
#define AZ_LINEAR_H

#include "rows.h"

/* A text of n features (words and runs) has values value[i] = az_tf(count) * scale / length. */
typedef struct az_linear {
    az_heap *heap;
    uint32_t n_features, n_labels;
    uint32_t n_columns; /* n_labels, or 1 for two labels: the second against the first */
    float *weights;     /* [n_features][1 + n_columns]: the scale's square, then the weights
                           times the scale */
    float *bias;        /* [n_columns] */
} az_linear;

/* 1 + ln(count), for counts from 0 (unused) to 255. */
typedef struct az_tf_table {
    float value[256];
} az_tf_table;
void az_tf_table_make(az_tf_table *tf);

/* Learns from the rows whose fold[row] is not `left_out` (fold may be NULL: from all).
 * labels[row] is below n_labels. The same weights on every machine. */
az_status az_linear_learn(az_linear *linear, const az_text_rows *rows, const uint32_t *labels,
                          uint32_t n_labels, uint32_t n_features, const uint8_t *fold,
                          unsigned left_out, const az_tf_table *tf, az_heap *heap, az_error *error);
/* scores [n_labels] of a row. */
void az_linear_score(const az_linear *linear, const az_row_items *row, const az_tf_table *tf,
                     float *scores);
void az_linear_free(az_linear *linear);

#endif
