/*
 * class_model: a classifier of texts whose every feature says how many bits it speaks for each
 * class: trained, calibrated on folds, kept in a file, asked for labels and for its reasons.
 */
#ifndef AZ_CLASS_MODEL_H
#define AZ_CLASS_MODEL_H

#include "calibrate.h"
#include "linear.h"
#include "pack.h"

typedef struct az_class_model {
    az_heap *heap;
    uint32_t n_labels, n_columns; /* as az_linear's */
    az_feature_kinds kinds;
    az_feature_table table;
    float *scales;    /* [table.n] */
    int16_t *weights; /* [table.n][n_columns], times units: a weight times its scale */
    float *units;     /* [n_columns] */
    float *bias;      /* [n_columns] */
    az_calibration calibration;
    az_tf_table tf;
} az_class_model;

typedef struct az_class_training {
    az_feature_kinds kinds;
    const az_text *texts;   /* [n] */
    const uint32_t *labels; /* [n], below n_labels */
    size_t n;
    uint32_t n_labels; /* at least 1 */
    /* May be NULL; called between stages with what is done of 100; not 0: stop. */
    int (*progress)(void *opaque, unsigned done);
    void *opaque;
} az_class_training;

/* Words and pairs of words; runs of 2 to 5 characters. With a width, images. */
az_feature_kinds az_class_kinds(uint32_t image_width);

/* The same model for any number of threads. AZ_ERROR_CANCELLED by progress. */
az_status az_class_model_train(az_class_model *model, const az_class_training *training,
                               az_pool *pool, az_heap *heap, az_error *error);
void az_class_model_free(az_class_model *model);

/* Probabilities [n_labels], which add up to 1 (nearly). The scratch belongs to one thread. */
az_status az_class_model_run(const az_class_model *model, az_row_scratch *scratch, az_text text,
                             double *probabilities, az_error *error);

/* What speaks for label `a` against label `b`: bits [n_bytes], by byte of the text, and *constant,
 * which no byte earns; together log2 of the quotient of their probabilities. */
az_status az_class_model_explain(const az_class_model *model, az_row_scratch *scratch, az_text text,
                                 uint32_t a, uint32_t b, double *bits, double *constant,
                                 az_error *error);

/* Memory for the weights of n features; freed with the model, after a failure, too. */
az_status az_class_model_make_room(az_class_model *model, size_t n, az_error *error);

/* ---- class_file.c: the model as bytes ------------------------------------ */

/* Appends the model. The packer fails where there is no memory. */
void az_class_model_save(const az_class_model *model, az_packer *packer);
/* Reads a model of n_labels classes: AZ_ERROR_DAMAGED where anything in it is impossible. */
az_status az_class_model_load(az_class_model *model, uint32_t n_labels, az_unpacker *unpacker,
                              az_heap *heap, az_error *error);

#endif
