/*
 * lm_vnni: what the sets with vpdpbusd share. It multiplies unsigned bytes by signed ones,
 * four at a time, into int32; so weights and keys are taken plus 128, and 128 times the sum
 * of the other side, which comes with it, is what the sums begin with, less.
 *
 * A group is [n_cols / 4][16 rows][4]: four activations, broadcast, meet sixteen rows. STORED
 * is what a set adds to a byte when it stores it: 128 (as a change of the highest bit), or
 * 0, then it is added when the byte is used.
 */
#ifndef AZ_LM_VNNI_H
#define AZ_LM_VNNI_H

#if defined(AZ_EMULATED_X86)
#include AZ_EMULATED_X86 /* tests: the intrinsics in plain C */
#else
#include <immintrin.h>
#endif

#include "../lm_vector.h"

DEFINE_QUANTISE_BLOCKS(int8_t, quantise_block8)

enum {
    TILE = 8,    /* rows at once, with two groups: 16 sums of 32 registers */
    PANELS = 4,  /* keys' groups or values' panels at once with up to 4 rows: as many sums */
    AHEAD = 2048 /* bytes that are asked for before they are used: 100 ns of one thread's */
};

static void put_row(int8_t *group, size_t j, const int8_t *row, size_t n) {
    for (size_t i = 0; i < n; i++)
        group[i / 4 * 64 + j * 4 + i % 4] = (int8_t)(row[i] ^ STORED);
}

/* sum += products of unsigned bytes a by signed b, fours summed; of int16 a by b, twos summed.
 * Written out, since gcc 12 copies each sum twice around the intrinsic. */
#if defined(AZ_EMULATED_X86) || !defined(__GNUC__)
#define ADD_FOURS(sum, a, b) (sum = _mm512_dpbusd_epi32(sum, a, b))
#define ADD_TWOS(sum, a, b) (sum = _mm512_dpwssd_epi32(sum, a, b))
#define LOAD_ONCE(x) ((void)0)
#else
#define LOAD_ONCE(x) __asm__ volatile("" : "+v"(x))
#define ADD_FOURS(sum, a, b) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
#define ADD_TWOS(sum, a, b) __asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
#endif

AZ_LM_INLINE __m512i load_bytes(const int8_t *p) {
    __m512i bytes = _mm512_loadu_si512((const void *)p);
    return STORED ? bytes : _mm512_xor_si512(bytes, _mm512_set1_epi8((char)0x80));
}

AZ_LM_INLINE __m512i broadcast32(const void *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* sums[r][g] += n_fours times four of a's rows times the groups' w, n_bytes apart. */
AZ_LM_INLINE void dot_tile(__m512i sums[TILE][2], const int8_t *w, size_t n_bytes, size_t n_groups,
                           const int8_t *a, size_t a_stride, size_t n_fours, size_t n_rows) {
    for (size_t i = 0; i < n_fours; i++) {
        __m512i first = load_bytes(w + i * 64);
        __m512i second = n_groups > 1 ? load_bytes(w + n_bytes + i * 64) : first;
        LOAD_ONCE(first);
        LOAD_ONCE(second);
        __builtin_prefetch(w + i * 64 + AHEAD);
        if (n_groups > 1)
            __builtin_prefetch(w + n_bytes + i * 64 + AHEAD);
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++) {
            __m512i four = broadcast32(a + r * a_stride + i * 4);
            ADD_FOURS(sums[r][0], first, four);
            if (n_groups > 1)
                ADD_FOURS(sums[r][1], second, four);
        }
    }
}

/* out (+)= scale * w_scale * sum, sixteen of them. */
AZ_LM_INLINE void add_scaled(float *out, __m512i sum, float scale, const float *w_scale,
                             bool first) {
    __m512 both = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(w_scale));
    __m512 part = _mm512_mul_ps(both, _mm512_cvtepi32_ps(sum));
    _mm512_storeu_ps(out, first ? part : _mm512_add_ps(_mm512_loadu_ps(out), part));
}

AZ_LM_INLINE void multiply_tile(const az_matrix *w, size_t group, size_t n_groups, const az_rows *a,
                                size_t row, size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    const int8_t *bytes = w->groups + group * AZ_LM_GROUP * n_cols;
    const float *w_scale = w->scale + group * AZ_LM_GROUP * n_blocks;
    for (size_t b = 0; b < n_blocks; b++) {
        __m512i sums[TILE][2];
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++)
            sums[r][0] = sums[r][1] = _mm512_set1_epi32(-128 * a->sum[(row + r) * n_blocks + b]);
        dot_tile(sums, bytes + b * AZ_LM_BLOCK * AZ_LM_GROUP, AZ_LM_GROUP * n_cols, n_groups,
                 a->q + row * n_cols + b * AZ_LM_BLOCK, n_cols, AZ_LM_BLOCK / 4, n_rows);
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++)
            for (size_t g = 0; g < n_groups; g++)
                add_scaled(out + r * out_stride + g * AZ_LM_GROUP, sums[r][g],
                           a->scale[(row + r) * n_blocks + b],
                           w_scale + (g * n_blocks + b) * AZ_LM_GROUP, b == 0);
    }
}

/* All rows for one or two groups. */
AZ_LM_INLINE void multiply_groups(const az_matrix *w, size_t group, size_t n_groups,
                                  const az_rows *a, size_t row, size_t n_rows, float *out,
                                  size_t out_stride) {
#define TILE_OF(n)                                                 \
    multiply_tile(w, group, n_groups, a, row, n, out, out_stride); \
    row += n, n_rows -= n, out += n * out_stride
    while (n_rows >= TILE) {
        TILE_OF(TILE);
    }
    if (n_rows >= 4) {
        TILE_OF(4);
    }
    if (n_rows >= 2) {
        TILE_OF(2);
    }
    if (n_rows >= 1) {
        TILE_OF(1);
    }
#undef TILE_OF
}

static void multiply_by_dot(const az_matrix *w, size_t first_group, size_t n_groups,
                            const az_rows *a, size_t first_row, size_t n_rows, float *out,
                            size_t out_stride) {
    size_t g = 0;
    for (; g + 2 <= n_groups; g += 2)
        multiply_groups(w, first_group + g, 2, a, first_row, n_rows, out + g * AZ_LM_GROUP,
                        out_stride);
    if (g < n_groups)
        multiply_groups(w, first_group + g, 1, a, first_row, n_rows, out + g * AZ_LM_GROUP,
                        out_stride);
}

/* sums[r][p] = n (even) int16 of a's rows times the pairs of panel p, [n / 2][16][2]; what lies
 * `ahead` of each panel is wanted next. */
AZ_LM_INLINE void pairs_tile(__m512i sums[TILE][PANELS], const int16_t *a, size_t a_stride,
                             size_t n_rows, const int8_t *panels, size_t panel_nbytes,
                             size_t n_panels, size_t n, size_t ahead) {
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
#pragma GCC unroll 4
        for (size_t p = 0; p < n_panels; p++)
            sums[r][p] = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 2) {
        __m512i pairs[PANELS];
#pragma GCC unroll 4
        for (size_t p = 0; p < n_panels; p++) {
            const int8_t *at = panels + p * panel_nbytes + i * 16;
            pairs[p] = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)at));
            __builtin_prefetch(at + ahead);
        }
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++) {
            __m512i two = broadcast32(a + r * a_stride + i);
#pragma GCC unroll 4
            for (size_t p = 0; p < n_panels; p++)
                ADD_TWOS(sums[r][p], pairs[p], two);
        }
    }
}

/* Some groups of keys. */
AZ_LM_INLINE void score_tile(const int16_t *q, size_t n_rows, size_t d, const int8_t *keys,
                             size_t n_groups, int32_t *out, size_t out_stride) {
    __m512i sums[TILE][PANELS];
    size_t n_bytes = AZ_LM_GROUP * d;
    pairs_tile(sums, q, d, n_rows, keys, n_bytes, n_groups, d, n_groups * n_bytes);
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < n_groups; g++)
            _mm512_storeu_si512((void *)(out + r * out_stride + g * AZ_LM_GROUP), sums[r][g]);
}

/* Some panels of values. */
AZ_LM_INLINE void weigh_tile(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *values,
                             size_t panel_nbytes, size_t n_panels, size_t n_t, int64_t *out,
                             size_t out_stride) {
    __m512i sums[TILE][PANELS];
    pairs_tile(sums, w, w_stride, n_rows, values, panel_nbytes, n_panels, n_t, AHEAD);
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
#pragma GCC unroll 4
        for (size_t p = 0; p < n_panels; p++) {
            int64_t *to = out + r * out_stride + p * 16;
            __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sums[r][p]));
            __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sums[r][p], 1));
            __m512i *half = (__m512i *)(void *)to;
            _mm512_storeu_si512(half, _mm512_add_epi64(_mm512_loadu_si512(half), low));
            _mm512_storeu_si512(half + 1, _mm512_add_epi64(_mm512_loadu_si512(half + 1), high));
        }
}

/* Tiles of as many rows as there are, and panels enough that no sum waits for itself. */
#define TILES(tile)                    \
    size_t r = 0;                      \
    for (; r + TILE <= n_rows; r += 8) \
        tile(TILE, 2);                 \
    for (; r + 4 <= n_rows; r += 4)    \
        tile(4, PANELS);               \
    for (; r + 3 <= n_rows; r += 3)    \
        tile(3, PANELS);               \
    for (; r + 2 <= n_rows; r += 2)    \
        tile(2, PANELS);               \
    for (; r < n_rows; r++)            \
    tile(1, PANELS)

static void score(const int16_t *q, size_t n_rows, size_t d, const int8_t *keys, size_t n_groups,
                  int32_t *out, size_t out_stride) {
#define SCORE(rows, groups)                                                    \
    do {                                                                       \
        size_t g = 0;                                                          \
        for (; g + groups <= n_groups; g += groups)                            \
            score_tile(q + r * d, rows, d, keys + g * AZ_LM_GROUP * d, groups, \
                       out + r * out_stride + g * AZ_LM_GROUP, out_stride);    \
        for (; g < n_groups; g++)                                              \
            score_tile(q + r * d, rows, d, keys + g * AZ_LM_GROUP * d, 1,      \
                       out + r * out_stride + g * AZ_LM_GROUP, out_stride);    \
    } while (0)
    TILES(SCORE);
#undef SCORE
}

static void weigh(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *values,
                  size_t panel_nbytes, size_t n_t, size_t d, int64_t *out, size_t out_stride) {
#define WEIGH(rows, panels)                                                                       \
    do {                                                                                          \
        size_t p = 0;                                                                             \
        for (; p + panels <= d / 16; p += panels)                                                 \
            weigh_tile(w + r * w_stride, w_stride, rows, values + p * panel_nbytes, panel_nbytes, \
                       panels, n_t, out + r * out_stride + p * 16, out_stride);                   \
        for (; p < d / 16; p++)                                                                   \
            weigh_tile(w + r * w_stride, w_stride, rows, values + p * panel_nbytes, panel_nbytes, \
                       1, n_t, out + r * out_stride + p * 16, out_stride);                        \
    } while (0)
    TILES(WEIGH);
#undef WEIGH
}

#endif
