/*
 * maths: random numbers; logarithm and exponential of IEEE binary64 with + - * / and comparisons alone, in a
 * fixed order, so that they are the same everywhere (libm's differ between systems).
 */
#ifndef AZ_MATHS_H
#define AZ_MATHS_H

#include <stdint.h>

/* The natural logarithm of x, finite and above 0; error below 1e-15 times max(1, |result|). */
double az_ln(double x);
/* e to the x; 0 below -700, e^700 above 700; relative error below 1e-14. */
double az_exp(double x);

/* SplitMix64 (Steele, Lea and Flood 2014): the next of 64 random bits; any state will do. */
static inline uint64_t az_random_next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

#endif
