/* distance: the normalised compression distance (Li et al. 2004, "The similarity metric") and its
 * kin (Keogh, Lonardi and Ratanamahatana 2004; Krasnogor and Pelta 2004). */
#include "distance.h"

az_fraction az_distance_of(az_distance distance, uint64_t x, uint64_t y, uint64_t xy) {
    az_fraction f = {0, 1};
    switch (distance) {
    case AZ_DISTANCE_NCD:
        f.above = (int64_t)xy - (int64_t)(x < y ? x : y);
        f.below = x < y ? y : x;
        break;
    case AZ_DISTANCE_CDM:
        f.above = (int64_t)xy;
        f.below = x + y;
        break;
    case AZ_DISTANCE_CLM: /* 1 - (x + y - xy) / xy */
        f.above = 2 * (int64_t)xy - (int64_t)(x + y);
        f.below = xy;
        break;
    case AZ_DISTANCE_CONDITIONAL: f.above = (int64_t)xy - (int64_t)y; break;
    }
    if (f.below == 0)
        f.below = 1;
    return f;
}

int az_fraction_compare(az_fraction a, az_fraction b) {
    int64_t left = a.above * (int64_t)b.below, right = b.above * (int64_t)a.below;
    return (left > right) - (left < right);
}
