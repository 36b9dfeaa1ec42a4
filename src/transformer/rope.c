/*
 * rope: rotary positions (Su et al., 2021). Pair i of a head is turned by position times
 * base^(-2i/n) radians. Angles are kept as fractions of a turn times 2^64, so that position
 * times angle wraps as it should, and are worked out in integers: libm's pow, sin and cos
 * differ between systems.
 */
#include "weights.h"

#if !defined(__SIZEOF_INT128__)
#error "needs a compiler with 128-bit integers"
#endif
__extension__ typedef unsigned __int128 uint128;

/* 2^64 / (2 pi). */
#define TURNS_OF_RADIAN UINT64_C(2935890503282001226)

static uint64_t times(uint64_t a, uint64_t b) { /* of fractions * 2^64 */
    return (uint64_t)((uint128)a * b >> 64);
}

/* log2 of x >= 1, times 2^56, by squaring the mantissa: each squaring that reaches 2 gives a
 * 1 as the next binary place. */
static uint64_t log2_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t log = (uint64_t)((bits >> 23) - 127) << 56;
    uint64_t m = (uint64_t)((bits & 0x7fffff) | 0x800000) << 39; /* 1..2, times 2^62 */
    for (int place = 55; place >= 0; place--) {
        m = (uint64_t)((uint128)m * m >> 62);
        if (m >> 63) {
            m >>= 1;
            log |= (uint64_t)1 << place;
        }
    }
    return log;
}

static uint64_t root_of(uint128 x) { /* floor of the square root */
    uint64_t root = 0;
    for (int i = 63; i >= 0; i--) {
        uint64_t with = root | (uint64_t)1 << i;
        if ((uint128)with * with <= x)
            root = with;
    }
    return root;
}

/* 2^-x times 2^64, x times 2^56 given, 0 < x: the product of 2^-2^-k for its binary places. */
static uint64_t exp2_minus(uint64_t x) {
    uint64_t y = UINT64_MAX, factor = (uint64_t)1 << 63; /* 2^-1 */
    for (int place = 55; place >= 0; place--) {
        factor = root_of((uint128)factor << 64);
        if (x >> place & 1)
            y = times(y, factor);
    }
    uint64_t whole = x >> 56;
    return whole > 63 ? 0 : y >> whole;
}

uint64_t az_rope_divide(uint64_t turn, float factor) {
    uint32_t bits;
    memcpy(&bits, &factor, sizeof bits);
    uint64_t m = (bits & 0x7fffff) | 0x800000; /* factor = m * 2^(exponent - 23) */
    int exponent = (int)(bits >> 23 & 255) - 127;
    uint128 quotient = ((uint128)turn << 63) / m; /* * 2^(exponent - 23 + 63) too large */
    int shift = exponent + 40;
    return shift >= 128 ? 0
           : shift >= 0 ? (uint64_t)(quotient >> shift)
                        : (uint64_t)(quotient << -shift);
}

void az_rope_turns(uint64_t *turns, uint32_t n_rot, float base, float divisor) {
    uint64_t log = log2_of(base);
    for (uint32_t i = 0; i < n_rot / 2; i++) {
        uint64_t x = (uint64_t)((uint128)log * (2 * i) / n_rot);
        uint64_t turn = x == 0 ? TURNS_OF_RADIAN : times(exp2_minus(x), TURNS_OF_RADIAN);
        turns[i] = divisor == 1.0f ? turn : az_rope_divide(turn, divisor);
    }
}

/* Of turns within +-1/8: minimax, to 4e-9. */
static float sin_of(float t) {
    float s = t * t;
    float p = -75.39350128173828f;
    p = p * s + 81.59235382080078f;
    p = p * s - 41.34165954589844f;
    p = p * s + 6.2831854820251465f;
    return p * t;
}

static float cos_of(float t) {
    float s = t * t;
    float p = 59.20276641845703f;
    p = p * s - 85.44229888916016f;
    p = p * s + 64.9393081665039f;
    p = p * s - 19.739208221435547f;
    return p * s + 1.0f;
}

void az_rope_angles(const uint64_t *turns, uint32_t n, uint64_t position, float magnitude,
                    float *cos, float *sin) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t angle = turns[i] * position; /* modulo a turn */
        uint64_t quarter = (angle + ((uint64_t)1 << 61)) >> 62;
        int64_t rest = (int64_t)(angle - (quarter << 62)); /* within +-1/8 turn */
        float t = (float)(int32_t)(rest >> 32) * (1.0f / 4294967296.0f);
        float s = sin_of(t), c = cos_of(t);
        float a = quarter & 1 ? s : c, b = quarter & 1 ? c : s;
        cos[i] = magnitude * (quarter == 1 || quarter == 2 ? -a : a);
        sin[i] = magnitude * (quarter >= 2 ? -b : b);
    }
}
