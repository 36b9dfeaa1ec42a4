/*
 * class_costs: the label of a text by the bits that the text takes after texts of each label: with
 * the built-in predictor, primed with all of them, or with a language model, which sees the label's
 * name and some of them.
 */
#ifndef AZ_CLASS_COSTS_H
#define AZ_CLASS_COSTS_H

#include "../classify/classify.h"
#include "../measure/measure.h"

typedef struct az_class_costs {
    az_heap *heap;
    az_pool *pool;
    size_t n_labels;
    az_primed *primed; /* the built-in predictor, or NULL */
    int level;
    az_lm_loaded loaded; /* a language model */
    az_prompted *prompted;
    az_calibration calibration;
    size_t n_left_out; /* training texts for which there was no room */
} az_class_costs;

typedef struct az_class_costs_setup {
    const az_text *labels; /* [n_labels] */
    size_t n_labels;
    const az_text *texts; /* [n_rows] */
    const uint32_t *row_labels;
    size_t n_rows;
    int level;                         /* of the built-in predictor */
    const az_gguf *gguf;               /* NULL: the built-in predictor */
    unsigned n_examples;               /* of each label, for a language model */
    const az_calibration *calibration; /* NULL: found out */
    uint64_t memory_limit;             /* 0: none */
    int (*progress)(void *opaque, unsigned done);
    void *opaque;
} az_class_costs_setup;

/* To be closed whatever it returns. Nothing of the setup is needed afterwards but gguf. */
az_status az_class_costs_open(az_class_costs *c, const az_class_costs_setup *setup, az_pool *pool,
                              az_heap *heap, az_error *error);
void az_class_costs_close(az_class_costs *c);

/* costs [n][n_labels], times AZ_COST_BIT. Not for two threads at once. */
az_status az_class_costs_run(az_class_costs *c, const az_text *texts, size_t n, uint64_t *costs,
                             az_error *error);
void az_class_costs_probabilities(const az_class_costs *c, const uint64_t *costs,
                                  double *probabilities);
/* As az_class_model_explain; the constant is 0, but for an empty text's. */
az_status az_class_costs_explain(az_class_costs *c, az_text text, size_t a, size_t b, double *bits,
                                 double *constant, az_error *error);

#endif
