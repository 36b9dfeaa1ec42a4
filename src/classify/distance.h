/*
 * distance: how far two texts are from each other, by compressed sizes, as fractions of integers:
 * they are compared exactly, so that ties are ties on every machine.
 */
#ifndef AZ_DISTANCE_H
#define AZ_DISTANCE_H

#include "../base/base.h"

typedef struct az_fraction {
    int64_t above;
    uint64_t below; /* not 0; both below 2^31.5 in size, so that cross products fit */
} az_fraction;

/* x, y: the sizes alone; xy: of both joined. All at least 1, or 0 where nothing is made of
 * nothing. */
az_fraction az_distance_of(az_distance distance, uint64_t x, uint64_t y, uint64_t xy);
/* Below 0, 0 or above. */
int az_fraction_compare(az_fraction a, az_fraction b);
static inline double az_fraction_value(az_fraction f) {
    return (double)f.above / (double)f.below;
}

#endif
