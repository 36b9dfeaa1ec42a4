/*
 * bias: what the text's own words are worth more, or less, than the language model thinks. A
 * factor for each string of the vocabulary, learnt while coding: the model's head gets a bias that
 * follows the gradient of the cost (multiplicative weights), in integers. A string that has come
 * often learns slowly.
 */
#ifndef AZ_BIAS_H
#define AZ_BIAS_H

#include "vocabulary.h"

/* Factors are times 2^24, from 2^-12 to 2^8. */
enum { AZ_BIAS_ONE = 1 << 24, AZ_BIAS_MIN = 1 << 12 };

typedef struct az_bias {
    uint32_t *factors; /* [n] of the strings */
    uint16_t *rates;   /* [n] at which each learns, */
    uint8_t *counts;   /* [n] by how often it has come, at most 255 */
} az_bias;

void az_bias_begin(az_bias *bias, const az_vocabulary *v);

/* freq[n_tokens], each from 1 to 2^30 + 1 -> sums[strings.n + 1], the mass of the strings before
 * each: frequency times factor, at least 1. A byte without a token has 1. All together are below
 * 2^58. */
void az_bias_sums(const az_bias *bias, const az_vocabulary *v, const uint32_t *freq,
                  uint64_t *sums);

/* Strings first..end - 1 learn that of these sums string `came` has come. */
void az_bias_learn(az_bias *bias, const uint64_t *sums, uint32_t n, uint32_t first, uint32_t end,
                   uint32_t came);

#endif
