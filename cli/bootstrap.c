/*
 * The bootstrap (Efron 1979): how much would the bits per byte vary if the text were another
 * of its kind? Blocks of the text stand for texts; as many as there are, drawn with
 * replacement, make a new text, and the middle 95 % of many such texts' figures are the
 * interval (percentiles). Models are compared on the same draws: what is hard for all of them
 * then cancels out, and the difference is known far better than either figure.
 *
 * The generator is our own and starts the same each time, and sums are integers: the intervals
 * are the same on every machine.
 */
#include "score.h"

#include <stdlib.h>

#define SEED 1

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double bits_per_byte(uint64_t cost, uint64_t n_bytes) {
    return n_bytes ? (double)cost / (double)AZ_COST_BIT / (double)n_bytes : 0;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

az_interval az_bootstrap(const uint64_t *costs, const uint64_t *others, const uint64_t *n_bytes,
                         size_t n_blocks, double *samples) {
    uint64_t state = SEED;
    for (size_t i = 0; i < AZ_N_RESAMPLES; i++) {
        uint64_t cost = 0, other = 0, n = 0;
        for (size_t k = 0; k < n_blocks; k++) {
            size_t at = (size_t)((next(&state) >> 32) * n_blocks >> 32); /* n_blocks < 2^32 */
            cost += costs[at];
            other += others ? others[at] : 0;
            n += n_bytes[at];
        }
        samples[i] = bits_per_byte(cost, n) - bits_per_byte(other, n);
    }
    qsort(samples, AZ_N_RESAMPLES, sizeof *samples, compare);
    size_t tail = AZ_N_RESAMPLES / 40; /* 2.5 % */
    return (az_interval){samples[tail], samples[AZ_N_RESAMPLES - 1 - tail]};
}
