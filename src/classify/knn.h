/*
 * knn: the label of a text by its nearest neighbours, near by compressed size (Jiang et al. 2023,
 * "Low-resource text classification: a parameter-free classification method with compressors").
 */
#ifndef AZ_KNN_H
#define AZ_KNN_H

#include "compressor.h"
#include "deflate_size.h"
#include "distance.h"

typedef struct az_near {
    az_fraction distance;
    uint32_t row;
} az_near;

typedef struct az_knn {
    az_heap *heap;
    az_knn_options options; /* compressor and separator point into `names` */
    char *names;
    const az_text *texts;   /* [n] somebody else's */
    const uint32_t *labels; /* [n] */
    size_t n;
    uint32_t n_labels;
    uint64_t *sizes; /* [n] of each text alone */
    bool is_quick;   /* pairs are measured by az_deflate_pair_size() where it covers them */
    uint64_t wrapping;
} az_knn;

/* Checks the options and measures each text. texts and labels must stay. AZ_ERROR_ARGUMENT where
 * an option makes no sense. */
az_status az_knn_open(az_knn *knn, const az_knn_options *options, const az_text *texts,
                      const uint32_t *labels, size_t n, uint32_t n_labels, az_pool *pool,
                      az_heap *heap, az_error *error);
void az_knn_close(az_knn *knn);

/* What one thread needs. Zeros at first. */
typedef struct az_knn_scratch {
    az_compressor *compressor;
    uint8_t *joined; /* [capacity] */
    size_t capacity;
    az_deflate_first *first;
    az_deflate_second *seconds; /* [AZ_KNN_BLOCK], of which n_seconds are made */
    size_t n_seconds;
} az_knn_scratch;
void az_knn_scratch_free(const az_knn *knn, az_knn_scratch *scratch);

/* Texts that are best asked for together, and training rows that are gone through together. */
enum { AZ_KNN_TEXTS = 16, AZ_KNN_BLOCK = 256 };

/* near [n_texts][k]: the nearest of each text, by distance, then by row; n_near [n_texts] is k, or
 * fewer where there are fewer rows. At most AZ_KNN_TEXTS texts. */
az_status az_knn_find(const az_knn *knn, az_knn_scratch *scratch, const az_text *texts,
                      size_t n_texts, unsigned k, az_near *near, unsigned *n_near, az_error *error);

/* Votes into shares [n_labels], which add up to 1; returns the winner. n_near is at least 1. */
uint32_t az_knn_vote(const az_knn *knn, const az_near *near, unsigned n_near, double *shares);

/* The size of one text, and of two joined in the options' order (x: test, y: train). */
az_status az_knn_size(const az_knn *knn, az_knn_scratch *scratch, az_text text, uint64_t *size,
                      az_error *error);
az_status az_knn_joined_size(const az_knn *knn, az_knn_scratch *scratch, az_text x, az_text y,
                             uint64_t *size, az_error *error);

#endif
