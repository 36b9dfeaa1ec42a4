/*
 * bias: multiplicative weights.
 */
#include "bias.h"

/* How much of the error a string learns at once, by how often it has come: 0.6 / (1 + n)^0.6,
 * times 2^16. */
static const uint16_t rates[256] = {
    39322, 25943, 20340, 17116, 14971, 13420, 12234, 11292, 10522, 9877, 9328, 8854, 8438, 8072,
    7744,  7450,  7184,  6942,  6720,  6516,  6328,  6154,  5992,  5841, 5700, 5567, 5443, 5325,
    5214,  5109,  5010,  4915,  4825,  4740,  4658,  4580,  4505,  4434, 4365, 4299, 4236, 4175,
    4117,  4060,  4006,  3953,  3903,  3854,  3806,  3761,  3716,  3673, 3631, 3591, 3552, 3513,
    3476,  3440,  3405,  3371,  3338,  3305,  3274,  3243,  3213,  3183, 3155, 3127, 3100, 3073,
    3047,  3022,  2997,  2972,  2948,  2925,  2902,  2880,  2858,  2836, 2815, 2795, 2774, 2755,
    2735,  2716,  2697,  2679,  2661,  2643,  2625,  2608,  2591,  2575, 2559, 2543, 2527, 2511,
    2496,  2481,  2466,  2452,  2437,  2423,  2409,  2396,  2382,  2369, 2356, 2343, 2330, 2318,
    2306,  2293,  2281,  2270,  2258,  2246,  2235,  2224,  2213,  2202, 2191, 2181, 2170, 2160,
    2150,  2139,  2129,  2120,  2110,  2100,  2091,  2081,  2072,  2063, 2054, 2045, 2036, 2027,
    2019,  2010,  2002,  1993,  1985,  1977,  1969,  1961,  1953,  1945, 1938, 1930, 1922, 1915,
    1907,  1900,  1893,  1886,  1878,  1871,  1864,  1857,  1851,  1844, 1837, 1830, 1824, 1817,
    1811,  1805,  1798,  1792,  1786,  1780,  1773,  1767,  1761,  1755, 1750, 1744, 1738, 1732,
    1726,  1721,  1715,  1710,  1704,  1699,  1693,  1688,  1683,  1677, 1672, 1667, 1662, 1657,
    1652,  1647,  1642,  1637,  1632,  1627,  1622,  1618,  1613,  1608, 1603, 1599, 1594, 1590,
    1585,  1581,  1576,  1572,  1567,  1563,  1559,  1554,  1550,  1546, 1542, 1538, 1533, 1529,
    1525,  1521,  1517,  1513,  1509,  1505,  1501,  1497,  1494,  1490, 1486, 1482, 1478, 1475,
    1471,  1467,  1464,  1460,  1456,  1453,  1449,  1446,  1442,  1439, 1435, 1432, 1428, 1425,
    1422,  1418,  1415,  1412,
};

void az_bias_begin(az_bias *bias, const az_vocabulary *v) {
    for (uint32_t i = 0; i < v->strings.n; i++) {
        bias->factors[i] = AZ_BIAS_ONE;
        bias->rates[i] = rates[0];
    }
    memset(bias->counts, 0, v->strings.n);
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
    uint64_t per_mass = ((uint64_t)1 << 60) / (sums[n] >> shift);
    uint32_t *factors = bias->factors;
    const uint16_t *rate = bias->rates;
    for (uint32_t i = first; i < end; i++) {
        uint64_t share = ((sums[i + 1] - sums[i]) >> shift) * per_mass >> 30; /* times 2^30 */
        uint64_t loss = share * rate[i] >> 14;                                /* times 2^32 */
        uint32_t f = factors[i] - (uint32_t)(factors[i] * loss >> 32);
        factors[i] = f < AZ_BIAS_MIN ? AZ_BIAS_MIN : f;
    }
    if (came >= first && came < end) {
        uint64_t f = factors[came] + ((uint64_t)factors[came] * rate[came] >> 16);
        factors[came] = f > UINT32_MAX ? UINT32_MAX : (uint32_t)f;
        bias->counts[came] += bias->counts[came] < 255;
        bias->rates[came] = rates[bias->counts[came]];
    }
}
