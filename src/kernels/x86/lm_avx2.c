/*
 * lm_avx2: see lm.h. AVX2 has no product of int8 that sums without saturating, so both
 * sides are widened to int16: vpmaddwd gives eight exact sums of two products. Activations
 * are kept as int16; a group is [n_cols / 2][16 rows][2], so that one 32-bit pair of
 * activations, broadcast, meets eight rows at once.
 */
#if !defined(__AVX2__)
#error "build this file with -mavx2"
#endif
#include <immintrin.h>

#include "../lm_vector.h"

DEFINE_QUANTISE(int16_t, quantise_block16, AZ_LM_Q_MAX)
DEFINE_QUANTISE_BLOCKS(int16_t, quantise_block16)

enum {
    TILE = 6 /* rows at once: 12 sums, 2 pairs of weights and one of activations: 15 registers */
};

static void put_row(int8_t *group, size_t j, const int8_t *row, size_t n) {
    for (size_t i = 0; i < n; i += 2)
        memcpy(group + i * AZ_LM_GROUP + j * 2, row + i, 2);
}

/* sum += product, now and in the same register: gcc 12 else makes all products of a tile
 * first, for which there are not enough of them. */
#if defined(__GNUC__)
#define ADD_TO(sum, product) __asm__ volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(product))
#else
#define ADD_TO(sum, product) (sum = _mm256_add_epi32(sum, product))
#endif

AZ_LM_INLINE __m256i widen(const int8_t *p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

AZ_LM_INLINE __m256i pair(const int16_t *a) {
    int32_t two;
    memcpy(&two, a, sizeof two);
    return _mm256_set1_epi32(two);
}

/* sums[r][half] += n_pairs pairs of a's rows times w's. */
AZ_LM_INLINE void dot_tile(__m256i sums[TILE][2], const int8_t *w, const int16_t *a,
                           size_t a_stride, size_t n_pairs, size_t n_rows) {
    for (size_t p = 0; p < n_pairs; p++) {
        __m256i low = widen(w + p * 32), high = widen(w + p * 32 + 16);
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++) {
            __m256i two = pair(a + r * a_stride + p * 2);
            ADD_TO(sums[r][0], _mm256_madd_epi16(low, two));
            ADD_TO(sums[r][1], _mm256_madd_epi16(high, two));
        }
    }
}

AZ_LM_INLINE void multiply_tile(const int8_t *w, const float *w_scale, size_t n_cols,
                                const int16_t *a, const float *a_scale, size_t n_rows, float *out,
                                size_t out_stride) {
    size_t n_blocks = n_cols / AZ_LM_BLOCK;
    for (size_t b = 0; b < n_blocks; b++) {
        __m256i sums[TILE][2];
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++)
            sums[r][0] = sums[r][1] = _mm256_setzero_si256();
        dot_tile(sums, w + b * AZ_LM_BLOCK * AZ_LM_GROUP, a + b * AZ_LM_BLOCK, n_cols,
                 AZ_LM_BLOCK / 2, n_rows);
        __m256 w_low = _mm256_loadu_ps(w_scale + b * AZ_LM_GROUP);
        __m256 w_high = _mm256_loadu_ps(w_scale + b * AZ_LM_GROUP + 8);
#pragma GCC unroll 8
        for (size_t r = 0; r < n_rows; r++) {
            float *to = out + r * out_stride;
            __m256 scale = _mm256_set1_ps(a_scale[r * n_blocks + b]);
            __m256 low = _mm256_mul_ps(_mm256_mul_ps(scale, w_low), _mm256_cvtepi32_ps(sums[r][0]));
            __m256 high =
                _mm256_mul_ps(_mm256_mul_ps(scale, w_high), _mm256_cvtepi32_ps(sums[r][1]));
            if (b > 0) {
                low = _mm256_add_ps(_mm256_loadu_ps(to), low);
                high = _mm256_add_ps(_mm256_loadu_ps(to + 8), high);
            }
            _mm256_storeu_ps(to, low);
            _mm256_storeu_ps(to + 8, high);
        }
    }
}

static void multiply(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    const int16_t *q = (const int16_t *)(const void *)a->q;
    for (size_t g = 0; g < n_groups; g++) {
        const int8_t *group = w->groups + (first_group + g) * AZ_LM_GROUP * n_cols;
        const float *w_scale = w->scale + (first_group + g) * AZ_LM_GROUP * n_blocks;
        for (size_t r = 0; r < n_rows;) {
            const int16_t *x = q + (first_row + r) * n_cols;
            const float *x_scale = a->scale + (first_row + r) * n_blocks;
            float *y = out + r * out_stride + g * AZ_LM_GROUP;
#define TILE_OF(n) multiply_tile(group, w_scale, n_cols, x, x_scale, n, y, out_stride)
            size_t left = n_rows - r;
            if (left >= TILE) {
                TILE_OF(TILE);
                r += TILE;
            } else if (left >= 4) {
                TILE_OF(4);
                r += 4;
            } else if (left >= 2) {
                TILE_OF(2);
                r += 2;
            } else {
                TILE_OF(1);
                r += 1;
            }
#undef TILE_OF
        }
    }
}

AZ_LM_INLINE void score_tile(const int16_t *q, size_t n_rows, size_t d, const int8_t *group,
                             int32_t *out, size_t out_stride) {
    __m256i sums[TILE][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    dot_tile(sums, group, q, d, d / 2, n_rows);
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++) {
        _mm256_storeu_si256((__m256i *)(void *)(out + r * out_stride), sums[r][0]);
        _mm256_storeu_si256((__m256i *)(void *)(out + r * out_stride + 8), sums[r][1]);
    }
}

AZ_LM_INLINE void weigh_tile(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *panel,
                             size_t n_t, int64_t *out, size_t out_stride) {
    __m256i sums[TILE][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    dot_tile(sums, panel, w, w_stride, n_t / 2, n_rows);
#pragma GCC unroll 8
    for (size_t r = 0; r < n_rows; r++)
        for (size_t half = 0; half < 2; half++)
            for (size_t i = 0; i < 8; i += 4) {
                __m256i *p = (__m256i *)(void *)(out + r * out_stride + half * 8 + i);
                __m128i four = i ? _mm256_extracti128_si256(sums[r][half], 1)
                                 : _mm256_castsi256_si128(sums[r][half]);
                _mm256_storeu_si256(
                    p, _mm256_add_epi64(_mm256_loadu_si256(p), _mm256_cvtepi32_epi64(four)));
            }
}

#include "../lm_tiles.h"

const az_lm_kernels az_lm_kernels_avx2 = AZ_LM_SET("avx2", 2);
