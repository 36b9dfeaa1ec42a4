/* Tables that every part of cm shares; made once a predictor by integer
 * arithmetic that docs/format.md repeats. */
#ifndef AZ_CM_TABLES_H
#define AZ_CM_TABLES_H

#include "../kernels/kernels.h"

/* Log-odds ("stretch") are ln(p / (1 - p)) in units of 1/256, within
 * +-AZ_STRETCH_MAX: the log-odds of a 22-bit probability's extremes are 15.25. */
enum { AZ_STRETCH_MAX = 3904 };
_Static_assert(AZ_STRETCH_MAX == (int)AZ_MIX_X_MAX, "the mixers' inputs and outputs");

typedef struct az_cm_tables {
    uint32_t squash[2 * AZ_STRETCH_MAX / 4 + 1]; /* [(x + AZ_STRETCH_MAX) / 4] probability of x
                                                    times 2^22; small, to stay in the cache */
    int16_t stretch12[4096];   /* [p times 2^12] log-odds of the middle of that step */
    int16_t stretch[2 * 4096]; /* near both ends [p times 2^22], [4096 + (1 - p) times 2^22] */
    uint8_t next[2][256];      /* [bit][state] the state after bit */
    uint8_t count[256][2];     /* [state][bit] about how often each bit was seen */
    uint8_t worth[256];        /* [state] how dear it is to lose: n0 + n1, at most 255 */
    int16_t reciprocal[1024];  /* [n] 2^14 / (2n + 3) */
} az_cm_tables;

void az_cm_tables_init(az_cm_tables *t);

/* Log-odds of p, a probability times 2^22: 12 bits of it are enough, but near both
 * ends all 22 count. */
static inline int az_stretch(const az_cm_tables *t, uint32_t p) {
    uint32_t from_one = (1u << 22) - p;
    return p < 4096          ? t->stretch[p]
           : from_one < 4096 ? t->stretch[4096 + from_one]
                             : t->stretch12[p >> 10];
}

/* Probability times 2^22, in 1..2^22 - 1; x is within +-AZ_STRETCH_MAX. */
static inline uint32_t az_squash(const az_cm_tables *t, int x) {
    return t->squash[(uint32_t)(x + AZ_STRETCH_MAX + 2) >> 2];
}

#endif
