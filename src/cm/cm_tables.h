/* Tables that every part of cm shares; made once a predictor by integer
 * arithmetic that docs/format.md repeats. */
#ifndef AZ_CM_TABLES_H
#define AZ_CM_TABLES_H

#include "../kernels/kernels.h"

/* Log-odds ("stretch") are ln(p / (1 - p)) in units of 1/256, within
 * +-AZ_STRETCH_MAX: the log-odds of a 22-bit probability's extremes are 15.25. */
enum { AZ_STRETCH_MAX = 3904 };

typedef struct az_cm_tables {
    uint32_t squash[2 * AZ_STRETCH_MAX + 1]; /* [x + AZ_STRETCH_MAX] probability times 2^22 */
    int32_t stretch[3 * 4096];               /* the inverse, times 65536; see az_stretch_index() */
    uint8_t next[256][2];                    /* [state][bit] the state after bit */
    uint8_t count[256][2];                   /* [state][bit] about how often each bit was seen */
    uint8_t worth[256];       /* [state] how dear it is to lose: n0 + n1, at most 255 */
    int16_t reciprocal[1024]; /* [n] 2^14 / (2n + 3) */
} az_cm_tables;

void az_cm_tables_init(az_cm_tables *t);

/* Log-odds of p, a probability times 2^22, times 65536 as the mixers want it. */
static inline int32_t az_stretch(const az_cm_tables *t, uint32_t p) {
    return t->stretch[az_stretch_index(p)];
}

static inline uint32_t az_squash(const az_cm_tables *t, int x) {
    if (x > AZ_STRETCH_MAX)
        x = AZ_STRETCH_MAX;
    if (x < -AZ_STRETCH_MAX)
        x = -AZ_STRETCH_MAX;
    return t->squash[x + AZ_STRETCH_MAX];
}

#endif
