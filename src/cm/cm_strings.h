/*
 * cm_strings: what a language model says of the next token, bit by bit. The vocabulary is
 * sorted by bytes, so the tokens that begin with given bytes, and given bits of the byte
 * after them, are one range of it, and a prefix sum over it gives each range its mass. The
 * conditionals along a token's bits, and of where it ends, multiply back to its share.
 */
#ifndef AZ_CM_STRINGS_H
#define AZ_CM_STRINGS_H

#include "cm.h"

/* Where in a token: the range of strings that begin with the n_bytes coded so far. */
typedef struct az_cm_course {
    const az_cm_strings *strings;
    const uint64_t *sums; /* [n + 1] mass of the strings before each */
    uint32_t low, high;   /* low < high */
    uint32_t n_bytes;
    uint32_t low_code, high_code; /* the byte that runs lies in low_code..high_code - 1 */
} az_cm_course;

static inline void az_cm_course_begin(az_cm_course *c, const az_cm_strings *strings,
                                      const uint64_t *sums) {
    *c = (az_cm_course){
        .strings = strings, .sums = sums, .low = 0, .high = strings->n, .high_code = 256};
}

static inline uint64_t az_cm_course_mass(const az_cm_course *c, uint32_t low, uint32_t high) {
    return c->sums[high] - c->sums[low];
}

/* The first string of the range, all of them longer than n_bytes, whose byte there is at
 * least `code`. */
static inline uint32_t az_cm_course_find(const az_cm_course *c, uint32_t code) {
    if (c->n_bytes == 0)
        return c->strings->first[code];
    uint32_t low = c->low, n = c->high - low;
    const uint8_t *at = c->strings->bytes + c->n_bytes;
    while (n > 0) {
        uint32_t half = n / 2;
        bool below = at[c->strings->starts[low + half]] < code;
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* ---- The bits of a byte -------------------------------------------------------- */

/* Where the range is split by the next bit: strings below the place have a 0. */
static inline uint32_t az_cm_course_split(const az_cm_course *c) {
    return az_cm_course_find(c, (c->low_code + c->high_code) / 2);
}

/* The bit was that; after the eighth, the byte is low_code. */
static inline void az_cm_course_bit(az_cm_course *c, uint32_t split, int bit) {
    uint32_t middle = (c->low_code + c->high_code) / 2;
    if (bit) {
        c->low = split;
        c->low_code = middle;
    } else {
        c->high = split;
        c->high_code = middle;
    }
}

/* ---- Its end -------------------------------------------------------------------- */

/* After a byte: whether the token may end here, and whether it may go on. */
static inline bool az_cm_course_may_end(const az_cm_course *c) {
    return c->strings->starts[c->low + 1] - c->strings->starts[c->low] == c->n_bytes + 1;
}
static inline bool az_cm_course_may_go_on(const az_cm_course *c) {
    return c->high - c->low > (uint32_t)az_cm_course_may_end(c);
}

/* It goes on: to the next byte. */
static inline void az_cm_course_go_on(az_cm_course *c) {
    c->low += az_cm_course_may_end(c);
    c->n_bytes++;
    c->low_code = 0;
    c->high_code = 256;
}

/* Probability of a 1 times 2^22, of masses of which at least one is not 0. */
static inline uint32_t az_cm_share(uint64_t zero, uint64_t one) {
    uint64_t all = zero + one;
    int spare = az_leading_zeros(all);
    if (spare < AZ_PROB_BITS) {
        all >>= AZ_PROB_BITS - spare;
        one >>= AZ_PROB_BITS - spare;
    }
    uint64_t p = (one << AZ_PROB_BITS) / all;
    return p < 1 ? 1 : p > AZ_PROB_ONE - 1 ? AZ_PROB_ONE - 1 : (uint32_t)p;
}

#endif
