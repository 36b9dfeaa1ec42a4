/*
 * bias: multiplicative weights.
 */
#include "bias.h"

/* How much of the error is learnt at once, times 2^16. */
enum { RATE = 9830 };

void az_bias_begin(az_bias *bias, const az_vocabulary *v) {
    for (uint32_t i = 0; i < v->strings.n; i++)
        bias->factors[i] = AZ_BIAS_ONE;
}

void az_bias_sums(const az_bias *bias, const az_vocabulary *v, const uint32_t *freq,
                  uint64_t *sums) {
    uint64_t sum = 0;
    uint32_t n = v->strings.n;
    const uint32_t *ids = v->ids, *factors = bias->factors;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t mass = ids[i] == AZ_TOKEN_NONE ? 1 : (uint64_t)freq[ids[i]] * factors[i] >> 24;
        sums[i] = sum;
        sum += mass + (mass == 0);
    }
    sums[n] = sum;
}

void az_bias_learn(az_bias *bias, const uint64_t *sums, uint32_t n, uint32_t first, uint32_t end,
                   uint32_t came) {
    int bits = 64 - az_leading_zeros(sums[n]), shift = bits > 30 ? bits - 30 : 0;
    uint64_t per_mass = ((uint64_t)RATE << 46) / (sums[n] >> shift);
    uint32_t *factors = bias->factors;
    for (uint32_t i = first; i < end; i++) {
        uint64_t mass = (sums[i + 1] - sums[i]) >> shift; /* times per_mass below 2^60 */
        uint64_t loss = mass * per_mass >> 30;            /* RATE times the share, times 2^16 */
        uint32_t f = factors[i] - (uint32_t)(factors[i] * loss >> 32);
        factors[i] = f < AZ_BIAS_MIN ? AZ_BIAS_MIN : f;
    }
    if (came >= first && came < end) {
        uint64_t f = factors[came] + ((uint64_t)factors[came] * RATE >> 16);
        factors[came] = f > UINT32_MAX ? UINT32_MAX : (uint32_t)f;
    }
}
