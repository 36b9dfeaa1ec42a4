/*
 * classifier: aizip.h's az_classifier. A handle has its labels' names, what its method learnt, and
 * threads.
 *
 *   classifier.c   opened and closed; what it says of itself
 *   training.c     learns from labelled texts
 *   class_costs.c  labels by the bits that a text takes, by a predictor
 *   file.c         kept as bytes, and taken again
 *   changes.c      texts that come and go
 *   labelling.c    labels, reasons, neighbours
 *   distances.c    distances between texts, and their tree
 */
#ifndef AZ_CLASSIFIER_H
#define AZ_CLASSIFIER_H

#include "../classify/classify.h"
#include "../dataset/dataset.h"
#include "class_costs.h"

enum { AZ_CLASSIFIER_THREADS_MAX = 256 };
/* Texts between two calls of progress. */
enum { AZ_CLASSIFIER_TEXTS = 4096, AZ_CLASSIFIER_COSTS_TEXTS = 32 };

/* What one thread keeps between texts. */
typedef struct az_classifier_worker {
    az_row_scratch row;
    az_counts_scratch counts;
    az_knn_scratch knn;
    az_near *near;         /* [AZ_KNN_TEXTS][k] */
    double *probabilities; /* [n_labels] */
    az_status status;
    az_error error;
} az_classifier_worker;

struct az_classifier {
    az_heap *heap;
    az_pool *pool;
    az_classifier_options options;
    az_method method;
    az_text *labels; /* [n_labels]; bytes in `bytes` */
    size_t n_labels, n_rows;
    uint8_t *bytes;
    az_class_model model;
    az_counts counts;
    az_class_costs costs;  /* of AZ_METHOD_PRIMED and AZ_METHOD_PROMPTED */
    uint64_t *texts_costs; /* [AZ_CLASSIFIER_COSTS_TEXTS][n_labels] */
    /* Nearest neighbours, and for AZ_METHOD_PRIMED what is saved. */
    az_knn knn;
    az_text *texts;       /* [n_rows]; bytes in text_bytes */
    uint32_t *row_labels; /* [n_rows] */
    uint8_t *text_bytes;
    double *probabilities;         /* [n_threads][n_labels], the workers' */
    az_classifier_worker *workers; /* [n_threads] */
    unsigned n_threads;
};

static inline bool az_classifier_has_costs(const az_classifier *c) {
    return c->method == AZ_METHOD_PRIMED || c->method == AZ_METHOD_PROMPTED;
}

az_status az_classifier_bad_call(const char *function, az_error *error);

/* A handle with threads and nothing else; NULL after a failure. */
az_status az_classifier_make(az_classifier **out, const az_classifier_options *options,
                             const az_allocator *allocator, az_error *error);
/* Frees what is half made. */
az_status az_classifier_finish(az_classifier **out, az_status status);
/* Copies the names [n], which may be those that it had. After a failure nothing has changed. */
az_status az_classifier_set_labels(az_classifier *c, const az_text *names, size_t n,
                                   az_error *error);
/* What can be known only with all labels. */
az_status az_classifier_prepare_workers(az_classifier *c, az_error *error);

/* ---- training.c ---- */

/* texts become our own. */
az_status az_classifier_copy_texts(az_classifier *c, az_error *error);
az_status az_classifier_open_knn(az_classifier *c, const az_knn_options *options, az_error *error);
/* calibration: NULL, or that of a file. */
az_status az_classifier_open_costs(az_classifier *c, int level, const az_calibration *calibration,
                                   az_error *error);

/* ---- labelling.c ---- */

/* Of the threads: the first failure, which is forgotten. */
az_status az_classifier_first_failure(az_classifier *c, az_error *error);

#endif
