/*
 * calibrate: how sure a classifier may be of its scores, as texts show that it was not trained on.
 */
#ifndef AZ_CALIBRATE_H
#define AZ_CALIBRATE_H

#include "pack.h"

/* Of the most probable class, on texts that training had not seen: percentiles 0..100. */
#define AZ_CLASS_N_PERCENTILES 101

typedef struct az_calibration {
    double sharpness; /* a class's score times this is its log-odds, but for a constant */
    double sure[AZ_CLASS_N_PERCENTILES];
    double held_out_accuracy; /* -1: there were no such texts */
} az_calibration;

/* Scores of texts and their true labels, of which rows [n] are held out. */
typedef struct az_held_out {
    const float *scores;    /* [][n_labels] */
    const uint32_t *labels; /* [] */
    const uint32_t *rows;   /* [n] numbers of both */
    size_t n;
    uint32_t n_labels;
    double low, high; /* sharpness lies between; without texts, usual */
    double usual;
} az_held_out;

/* The sharpness of the least loss. */
az_status az_calibrate(az_calibration *out, const az_held_out *held_out, az_heap *heap,
                       az_error *error);

/* In a file: sharpness, accuracy and percentiles as doubles. */
void az_calibration_save(const az_calibration *calibration, az_packer *packer);
void az_calibration_load(az_calibration *calibration, az_unpacker *unpacker);

/* The softmax of scores [n] times the sharpness. */
void az_make_probabilities(const double *scores, uint32_t n, double sharpness,
                           double *probabilities); /* may be scores */

#endif
