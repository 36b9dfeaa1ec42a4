/*
 * lm: the language model's inner loops, for each instruction set. lm_ref.c defines the right
 * answers; all other sets give the same bits:
 *
 * - Products are exact integers: weights, keys and values are int8 in -127..127, activations
 *   int8 in -127..127, queries int16 in -16383..16383, softmax weights int16 in 0..32767,
 *   sums int32 that can't overflow, so any order will do.
 * - Everything else is binary32, elementwise, or a sum over 16 lanes (element i in lane
 *   i % 16), added as a tree: lane i + 8 to lane i, then 4, 2, 1.
 *
 * Weights and activations come in a layout that each set chooses; a set is used from load to
 * the end. Keys and values are in pairs for all sets: [n / 2][16][2], two dimensions of 16
 * positions' keys, or 16 dimensions of two positions' values.
 */
#ifndef AZ_LM_H
#define AZ_LM_H

#include "../base/base.h"

enum {
    AZ_LM_BLOCK = 64, /* activations, or columns of a weight's row, that share a scale */
    AZ_LM_GROUP = 16, /* rows of a matrix that are packed together; positions of a cache */
    AZ_LM_Q_MAX = 127,
    AZ_LM_QUERY_MAX = 16383, /* AZ_LM_HEAD_MAX * 127 * 16383 < 2^31 */
    AZ_LM_HEAD_MAX = 1024,
    AZ_LM_WEIGHT_MAX = 32767, /* of a position's softmax weight */
    AZ_LM_SPAN = 512,         /* positions that `weigh` sums in int32: 512 * 32767 * 127 < 2^31 */
    AZ_LM_ROW_MAX = 1 << 17   /* columns of a matrix: one int32 for up to 2^17 products */
};

/* A weight matrix: rows by 16, in the set's layout. */
typedef struct az_matrix {
    int8_t *groups; /* [n_groups][16 * n_cols] */
    float *scale;   /* [n_groups][n_cols / AZ_LM_BLOCK][16] of each row's blocks, >= 0 */
    size_t n_cols;  /* a multiple of AZ_LM_BLOCK; columns beyond the model's are 0 */
    size_t n_groups;
} az_matrix;

/* Quantised activations. */
typedef struct az_rows {
    int8_t *q;     /* [n_rows][n_cols] in the set's layout, q_nbytes for each */
    float *scale;  /* [n_rows][n_cols / AZ_LM_BLOCK] */
    int32_t *sum;  /* the same shape: the sum of each block's q */
    size_t n_cols; /* a multiple of AZ_LM_BLOCK */
} az_rows;

typedef struct az_lm_kernels {
    const char *name;
    size_t q_nbytes; /* bytes of one quantised activation in q: 1, or 2 */

    /* ---- Integers -------------------------------------------------------------- */

    /* Puts row j (0..15) of n columns (a multiple of 4) into its group. */
    void (*put_row)(int8_t *group, size_t j, const int8_t *row, size_t n);

    /* Turns each block of x[n] (n a multiple of AZ_LM_BLOCK) by a Walsh-Hadamard matrix: x
     * becomes H x, where the numbers in H are 1 and -1, and (H x) (H y) is 64 x y. In what
     * order the values come out is the same for all sets, and of no importance. */
    void (*turn)(float *x, size_t n);

    /* Turns and quantises x[n] (n a multiple of 16) in blocks of AZ_LM_BLOCK, of which the last
     * may be filled with zeros: scale = max / 127 and q = turned x / scale, halves to even; all
     * 0 where max is below 2^-100. x stays. Returns false if a number is not finite. */
    bool (*quantise)(const float *x, size_t n, int8_t *q, float *scale, int32_t *sum);
    /* x[n] as it is, as one block of plain int8: rows for put_row, keys, values. */
    bool (*quantise_row)(const float *x, size_t n, int8_t *q, float *scale);
    /* The same as int16: scale = max|x| / AZ_LM_QUERY_MAX. */
    bool (*quantise_query)(const float *x, size_t n, int16_t *q, float *scale);

    /* out[r][j] for rows r in first_row..+n_rows of a and matrix rows j of the groups: the sum,
     * block after block, of (a's scale times the matrix row's) times the exact dot product of
     * the block. out points to the first group's column of the first row. */
    void (*multiply)(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride);

    /* The dot products of n_rows queries q[n_rows][d] with all keys of the groups
     * [n_groups][d / 2][16][2]: out[r][16 * g + j]. d is even, at most AZ_LM_HEAD_MAX. */
    void (*score)(const int16_t *q, size_t n_rows, size_t d, const int8_t *keys, size_t n_groups,
                  int32_t *out, size_t out_stride);

    /* out[r][c] += the sum over t in 0..n_t-1 of w[r][t] * v[t][c]. values: [d / 16] panels,
     * panel_nbytes apart, of [n_t / 2][16][2]. n_t is even and at most AZ_LM_SPAN, d a
     * multiple of 16. */
    void (*weigh)(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *values,
                  size_t panel_nbytes, size_t n_t, size_t d, int64_t *out, size_t out_stride);

    /* ---- binary32 -------------------------------------------------------------- */

    /* Of positions 0..n-1: *max = the largest of dots * key_scale (and *max), *value_max the
     * largest value_scale (and *value_max). */
    void (*softmax_max)(const int32_t *dots, const float *key_scale, const float *value_scale,
                        size_t n, float *max, float *value_max);

    /* With e = 2^(dots * key_scale * slope - top), slope > 0: w = round(e * value_scale *
     * value_factor); returns the sum of round(e * 2^20). e is at most 1. */
    int64_t (*softmax_weights)(const int32_t *dots, const float *key_scale,
                               const float *value_scale, size_t n, float slope, float top,
                               float value_factor, int16_t *w);

    /* out = x / sqrt(mean of x^2 + eps) * weight. n a multiple of 16. */
    void (*rms_norm)(const float *x, const float *weight, size_t n, float eps, float *out);
    /* out = (x - mean) / sqrt(variance + eps) * weight + bias. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, size_t n, float eps,
                       float *out);
    void (*add)(float *x, const float *y, size_t n);   /* x += y */
    void (*scale)(float *x, float factor, size_t n);   /* x *= factor */
    void (*silu)(float *x, const float *up, size_t n); /* x = x / (1 + e^-x) * up */
    void (*gelu)(float *x, const float *up, size_t n); /* by tanh; up may be NULL: 1 */
    /* Rotates the pairs (x[i], x[i + n/2]), i < n/2, by angles of these cosines and sines. */
    void (*rotate)(float *x, const float *cos, const float *sin, size_t n);

    /* freq[i] = 1 + floor(2^30 * e^(x[i] - max x)); returns their sum, or 0 if an x is not
     * finite. */
    uint64_t (*frequencies)(const float *x, size_t n, uint32_t *freq);
} az_lm_kernels;

/* The best set for these CPU features. Never NULL. */
const az_lm_kernels *az_lm_kernels_get(unsigned cpu_features);

/* Every set that this build holds, the reference first, best last, as az_kernels_all(). */
size_t az_lm_kernels_all(const az_lm_kernels **sets, unsigned *cpu_needed, size_t capacity);

extern const az_lm_kernels az_lm_kernels_ref;
#if defined(__x86_64__)
extern const az_lm_kernels az_lm_kernels_avx2;
extern const az_lm_kernels az_lm_kernels_vnni;
extern const az_lm_kernels az_lm_kernels_amx;
#elif defined(__aarch64__)
extern const az_lm_kernels az_lm_kernels_dotprod;
#endif

#endif
