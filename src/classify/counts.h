/*
 * counts: in how many texts of each label a feature was, and nothing else: texts and labels come
 * and go without training again. A label's bits are those of naive Bayes over the features that a
 * text has (Lewis 1998, "Naive (Bayes) at forty"), smoothed by COUNTS_ALPHA.
 */
#ifndef AZ_COUNTS_H
#define AZ_COUNTS_H

#include "calibrate.h"
#include "features.h"

typedef struct az_counts {
    az_heap *heap;
    uint32_t n_labels;
    az_feature_kinds kinds;
    uint64_t *n_texts; /* [n_labels] */
    uint64_t *sums;    /* [n_labels] of the label's counts */
    /* Features that were ever in a text; their counts may have come down to 0 since. */
    uint32_t *slots;  /* [n_slots] a feature's number + 1, by its hash; 0: none */
    uint64_t *hashes; /* [capacity] */
    uint32_t *counts; /* [capacity][n_labels] */
    size_t n, capacity, n_slots, n_alive;
    az_calibration calibration;
} az_counts;

/* Words and pairs of words; with a width, images. */
az_feature_kinds az_counts_kinds(uint32_t image_width);

/* Of one thread: the features of a text, each once. Zeros but for the heaps at first. */
typedef struct az_counts_scratch {
    az_feature_list list;
    uint64_t *hashes; /* [n] ascending */
    size_t n, capacity;
} az_counts_scratch;
void az_counts_scratch_free(az_counts_scratch *scratch);

az_status az_counts_open(az_counts *c, uint32_t n_labels, const az_feature_kinds *kinds,
                         az_heap *heap, az_error *error);
void az_counts_close(az_counts *c);

/* Labels more, without texts. After a failure nothing has changed. */
az_status az_counts_add_label(az_counts *c, az_error *error);
/* Adds a text (sign 1), or takes one away (-1): AZ_ERROR_ARGUMENT, and nothing changed, where the
 * label has no such text. */
az_status az_counts_change(az_counts *c, az_counts_scratch *scratch, az_text text, uint32_t label,
                           int sign, az_error *error);
/* The sharpness, from at most 2,000 of the texts, each as if it had not been added. */
az_status az_counts_calibrate(az_counts *c, az_counts_scratch *scratch, const az_text *texts,
                              const uint32_t *labels, size_t n, az_error *error);

/* Probabilities [n_labels]; 0 for labels without texts. */
az_status az_counts_run(const az_counts *c, az_counts_scratch *scratch, az_text text,
                        double *probabilities, az_error *error);
/* As az_class_model_explain. */
az_status az_counts_explain(const az_counts *c, az_counts_scratch *scratch, az_text text,
                            uint32_t a, uint32_t b, double *bits, double *constant,
                            az_error *error);

/* Bytes: the same for the same texts, whatever came and went between. */
void az_counts_save(const az_counts *c, az_packer *packer);
az_status az_counts_load(az_counts *c, uint32_t n_labels, az_unpacker *unpacker, az_heap *heap,
                         az_error *error);

#endif
