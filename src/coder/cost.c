/* cost: bits as integers. */
#include "coder.h"

uint64_t az_log2_cost(uint64_t x) {
    int whole = 63 - az_leading_zeros(x);
    uint64_t m = x << (63 - whole); /* 1..2, times 2^63 */
    uint64_t log = (uint64_t)whole;
    for (int i = 0; i < 25; i++) { /* squared, it shows the next binary place */
        uint64_t high = m >> 32, low = m & UINT32_MAX;
        uint64_t square =
            high * high + ((high * low) >> 31); /* m^2 >> 64; low * low is too small */
        bool two = square >> 63;
        log = log << 1 | two;
        m = two ? square : square << 1;
    }
    return (log + 1) >> 1;
}

uint64_t az_coded_cost(const az_range_encoder *rc) {
    return ((uint64_t)rc->pos * 8 + 64) * AZ_COST_BIT - az_log2_cost(rc->range);
}
