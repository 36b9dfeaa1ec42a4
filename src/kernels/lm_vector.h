/*
 * lm_vector: the binary32 loops of lm.h. Each file of a set includes this with its own
 * flags; the compiler turns the loops into vectors. Only + - * / sqrt, comparisons and
 * conversions of numbers that fit, so every set gives the same bits.
 */
#ifndef AZ_LM_VECTOR_H
#define AZ_LM_VECTOR_H

#include <math.h> /* sqrtf: exact by IEEE 754; no other function of it */

#include "lm.h"

#if defined(__GNUC__)
#define AZ_LM_INLINE static inline __attribute__((always_inline))
#else
#define AZ_LM_INLINE static inline
#endif

#define LOG2_E 1.44269504f

/* Added and taken away, it rounds a number below 2^22 to an integer, halves to even;
 * added, its lower bits hold that integer. */
#define ROUNDER 12582912.0f /* 1.5 * 2^23 */
#define ROUNDER_BITS 0x4b400000

AZ_LM_INLINE int32_t bits_of(float x) {
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

AZ_LM_INLINE float float_of(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |x| < 2^22, to the nearest integer. */
AZ_LM_INLINE int32_t nearest(float x) {
    return bits_of(x + ROUNDER) - ROUNDER_BITS;
}

/* x (not NaN) within -126..126, compared as integers: bits of positive floats are in their
 * order, below those of all negative ones, which are in the opposite order. Where floats are
 * compared, gcc 12 works out apart what follows for the limits: more work, and with silu's x
 * it divides in subnormals, which is a hundred times slower. */
AZ_LM_INLINE float within_126(float x) {
    enum { MAX_BITS = 0x42fc0000 /* 126 */ };
    int32_t bits = bits_of(x);
    bits = bits < MAX_BITS ? bits : MAX_BITS;
    uint32_t low = MAX_BITS | 1u << 31;
    return float_of((int32_t)((uint32_t)bits < low ? (uint32_t)bits : low));
}

/* 2^x, to 2 units in the last place; x below -126 counts as -126, above 126 as 126. A
 * polynomial of degree 6 for the fraction, minimax for the relative error. */
AZ_LM_INLINE float exp2_of(float x) {
    x = within_126(x);
    float whole = x + ROUNDER;
    int32_t n = bits_of(whole) - ROUNDER_BITS;
    float f = x - (whole - ROUNDER); /* -1/2..1/2 */
    float p = 1.5345810970757157e-4f;
    p = p * f + 1.3399930903688073e-3f;
    p = p * f + 9.618489071726799e-3f;
    p = p * f + 5.550328642129898e-2f;
    p = p * f + 2.4022646248340607e-1f;
    p = p * f + 6.931471824645996e-1f;
    p = p * f + 1.0f;
    return p * float_of((n + 127) << 23);
}

/* Sums over 16 lanes, as a tree. */
AZ_LM_INLINE float sum_lanes(float *lane) {
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0];
}

/* The largest |x| as its bits, which are in the same order; infinity and NaN are above
 * all others. */
AZ_LM_INLINE int32_t max_magnitude(const float *x, size_t n) {
    int32_t max = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t magnitude = bits_of(x[i]) & INT32_MAX;
        max = magnitude > max ? magnitude : max;
    }
    return max;
}

enum { INFINITY_BITS = 0x7f800000, TINY_BITS = (127 - 100) << 23 };

/* Eight floats that are added at once, in whatever registers there are. */
typedef float row8 __attribute__((vector_size(32)));

/* Columns of 8 rows of 8, turned by the Walsh-Hadamard matrix of 8. */
AZ_LM_INLINE void turn_columns(row8 x[8]) {
#pragma GCC unroll 4
    for (size_t half = 4; half > 0; half /= 2)
#pragma GCC unroll 4
        for (size_t i = 0; i < 8; i += 2 * half)
#pragma GCC unroll 4
            for (size_t k = i; k < i + half; k++) {
                row8 a = x[k], b = x[k + half];
                x[k] = a + b;
                x[k + half] = a - b;
            }
}

/* Numbers of rows a and b in turn: the first halves, or the second. */
#if defined(__clang__) || __GNUC__ >= 12
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
typedef int32_t lanes8 __attribute__((vector_size(32)));
#define LOW_HALVES(a, b) __builtin_shuffle(a, b, (lanes8){0, 8, 1, 9, 2, 10, 3, 11})
#define HIGH_HALVES(a, b) __builtin_shuffle(a, b, (lanes8){4, 12, 5, 13, 6, 14, 7, 15})
#endif

/* Rows become columns: rows 0 and 4, 1 and 5.. in turn, three times. */
AZ_LM_INLINE void transpose(row8 x[8]) {
    row8 y[8];
#pragma GCC unroll 4
    for (size_t step = 0; step < 3; step++) {
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            y[2 * i] = LOW_HALVES(x[i], x[i + 4]);
            y[2 * i + 1] = HIGH_HALVES(x[i], x[i + 4]);
        }
        memcpy(x, y, sizeof y);
    }
}

/* A block as 8 rows of 8: columns, then rows, which have become columns. It spreads a value
 * that is much larger than the others over all of them; what is left to quantise is nearly
 * normal, and int8 loses a third to an eighth of what it lost (docs/transformer.md). */
AZ_LM_INLINE void turn_block(float *x) {
    row8 rows[8];
    memcpy(rows, x, sizeof rows);
    turn_columns(rows);
    transpose(rows);
    turn_columns(rows);
    memcpy(x, rows, sizeof rows);
}

static void turn(float *x, size_t n) {
    for (size_t i = 0; i < n; i += AZ_LM_BLOCK)
        turn_block(x + i);
}

/* A block as integers of type Q within +-max. Returns their sum. */
#define DEFINE_QUANTISE(Q, block_name, max)                                         \
    AZ_LM_INLINE int32_t block_name(const float *x, size_t n, Q *q, float *scale) { \
        int32_t largest = max_magnitude(x, n), sum = 0;                             \
        if (largest < TINY_BITS || largest >= INFINITY_BITS) {                      \
            memset(q, 0, n * sizeof(Q));                                            \
            *scale = 0;                                                             \
            return 0;                                                               \
        }                                                                           \
        float factor = (float)(max) / float_of(largest);                            \
        *scale = float_of(largest) / (float)(max);                                  \
        for (size_t i = 0; i < n; i++) {                                            \
            int32_t v = nearest(x[i] * factor);                                     \
            v = v > (max) ? (max) : v < -(max) ? -(max) : v;                        \
            q[i] = (Q)v;                                                            \
            sum += v;                                                               \
        }                                                                           \
        return sum;                                                                 \
    }

DEFINE_QUANTISE(int8_t, quantise_block8, AZ_LM_Q_MAX)
DEFINE_QUANTISE(int16_t, quantise_block_query, AZ_LM_QUERY_MAX)

static bool quantise_row(const float *x, size_t n, int8_t *q, float *scale) {
    if (max_magnitude(x, n) >= INFINITY_BITS)
        return false;
    quantise_block8(x, n, q, scale);
    return true;
}

static bool quantise_query(const float *x, size_t n, int16_t *q, float *scale) {
    if (max_magnitude(x, n) >= INFINITY_BITS)
        return false;
    quantise_block_query(x, n, q, scale);
    return true;
}

/* `quantise` of a set whose activations are of type Q. */
#define DEFINE_QUANTISE_BLOCKS(Q, block_name)                                                      \
    static bool quantise(const float *x, size_t n, int8_t *q8, float *scale, int32_t *sum) {       \
        Q *q = (Q *)(void *)q8;                                                                    \
        int32_t largest = 0;                                                                       \
        for (size_t i = 0; i < n; i += AZ_LM_BLOCK) {                                              \
            float block[AZ_LM_BLOCK] = {0};                                                        \
            size_t m = n - i < AZ_LM_BLOCK ? n - i : AZ_LM_BLOCK;                                  \
            memcpy(block, x + i, m * sizeof *x);                                                   \
            turn_block(block);                                                                     \
            int32_t magnitude = max_magnitude(block, AZ_LM_BLOCK);                                 \
            largest = magnitude > largest ? magnitude : largest;                                   \
            sum[i / AZ_LM_BLOCK] = block_name(block, AZ_LM_BLOCK, q + i, &scale[i / AZ_LM_BLOCK]); \
        }                                                                                          \
        return largest < INFINITY_BITS;                                                            \
    }

/* Floats as integers in the same order, so that a loop's largest is found in vectors. */
AZ_LM_INLINE int32_t order_of(float x) {
    int32_t bits = bits_of(x);
    return bits ^ (bits >> 31 & INT32_MAX);
}

AZ_LM_INLINE float in_order(int32_t order) {
    return float_of(order ^ (order >> 31 & INT32_MAX));
}

static void softmax_max(const int32_t *dots, const float *key_scale, const float *value_scale,
                        size_t n, float *max, float *value_max) {
    int32_t m = order_of(*max), v = order_of(*value_max);
    for (size_t i = 0; i < n; i++) {
        int32_t s = order_of((float)dots[i] * key_scale[i]);
        m = s > m ? s : m;
        int32_t scale = bits_of(value_scale[i]); /* never negative */
        v = scale > v ? scale : v;
    }
    *max = in_order(m);
    *value_max = in_order(v);
}

static int64_t softmax_weights(const int32_t *dots, const float *key_scale,
                               const float *value_scale, size_t n, float slope, float top,
                               float value_factor, int16_t *w) {
    enum { PIECE = 1024 }; /* positions of at most 2^20 that an int32 can sum */
    int64_t sum = 0;
    for (size_t first = 0; first < n; first += PIECE) {
        size_t end = n - first < PIECE ? n : first + PIECE;
        uint32_t piece = 0; /* with ROUNDER_BITS each time, modulo 2^32 */
        for (size_t i = first; i < end; i++) {
            float e = exp2_of((float)dots[i] * key_scale[i] * slope - top);
            e = e < 1.0f ? e : 1.0f;
            piece += (uint32_t)bits_of(e * 1048576.0f + ROUNDER);
            w[i] = (int16_t)nearest(e * (value_scale[i] * value_factor));
        }
        sum += piece - (uint32_t)(end - first) * (uint32_t)ROUNDER_BITS;
    }
    return sum;
}

static void rms_norm(const float *x, const float *weight, size_t n, float eps, float *out) {
    float lane[16] = {0};
    for (size_t i = 0; i < n; i += 16)
        for (size_t j = 0; j < 16; j++)
            lane[j] += x[i + j] * x[i + j];
    float factor = 1.0f / sqrtf(sum_lanes(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * factor * weight[i];
}

static void layer_norm(const float *x, const float *weight, const float *bias, size_t n, float eps,
                       float *out) {
    float lane[16] = {0};
    for (size_t i = 0; i < n; i += 16)
        for (size_t j = 0; j < 16; j++)
            lane[j] += x[i + j];
    float mean = sum_lanes(lane) / (float)n;
    float square[16] = {0};
    for (size_t i = 0; i < n; i += 16)
        for (size_t j = 0; j < 16; j++)
            square[j] += (x[i + j] - mean) * (x[i + j] - mean);
    float factor = 1.0f / sqrtf(sum_lanes(square) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
}

static void add(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void scale_by(float *x, float factor, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void silu(float *x, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] / (1.0f + exp2_of(x[i] * -LOG2_E)) * up[i];
}

/* x / 2 * (1 + tanh(u)) = x / (1 + e^-2u), u = sqrt(2 / pi) * (x + 0.044715 x^3). */
AZ_LM_INLINE float gelu_of(float x) {
    float u = 0.79788456f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp2_of(u * (-2.0f * LOG2_E)));
}

static void gelu(float *x, const float *up, size_t n) {
    if (!up) {
        for (size_t i = 0; i < n; i++)
            x[i] = gelu_of(x[i]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = gelu_of(x[i]) * up[i];
}

static void rotate(float *x, const float *cos, const float *sin, size_t n) {
    float *y = x + n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i] * cos[i] - y[i] * sin[i];
        float b = x[i] * sin[i] + y[i] * cos[i];
        x[i] = a;
        y[i] = b;
    }
}

static uint64_t frequencies(const float *x, size_t n, uint32_t *freq) {
    if (max_magnitude(x, n) >= INFINITY_BITS)
        return 0;
    int32_t order = INT32_MIN;
    for (size_t i = 0; i < n; i++)
        order = order_of(x[i]) > order ? order_of(x[i]) : order;
    float max = in_order(order);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t f = 1 + (int32_t)(exp2_of((x[i] - max) * LOG2_E) * 1073741824.0f);
        freq[i] = (uint32_t)f;
        sum += (uint32_t)f;
    }
    return sum;
}

/* The functions of a set, in the order of az_lm_kernels. */
#define AZ_LM_SET(name, q_nbytes)                                                                 \
    {                                                                                             \
        name, q_nbytes, put_row, turn, quantise, quantise_row, quantise_query, multiply, score,   \
            weigh, softmax_max, softmax_weights, rms_norm, layer_norm, add, scale_by, silu, gelu, \
            rotate, frequencies                                                                   \
    }

#endif
