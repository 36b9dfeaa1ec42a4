/*
 * lm_dotprod: NEON with sdot, which sums four products of signed bytes into each int32; see
 * lm.h. A group is [n_cols / 4][16 rows][4].
 */
#if !defined(__aarch64__) || !defined(__ARM_FEATURE_DOTPROD)
#error "build this file with -march=armv8.2-a+dotprod"
#endif
#include <arm_neon.h>

#include "../lm_vector.h"

DEFINE_QUANTISE_BLOCKS(int8_t, quantise_block8)

enum { TILE = 4 /* rows at once: 16 sums of 32 registers */ };

static void put_row(int8_t *group, size_t j, const int8_t *row, size_t n) {
    for (size_t i = 0; i < n; i += 4)
        memcpy(group + i * AZ_LM_GROUP + j * 4, row + i, 4);
}

/* sums[r][j] += n columns (a multiple of 16) of a's rows times the group's rows 4j..4j+3. */
AZ_LM_INLINE void dot_tile(int32x4_t sums[TILE][4], const int8_t *w, const int8_t *a,
                           size_t a_stride, size_t n, size_t n_rows) {
    for (size_t i = 0; i < n; i += 16) {
        int8x16_t x[TILE];
        for (size_t r = 0; r < n_rows; r++)
            x[r] = vld1q_s8(a + r * a_stride + i);
#define FOUR(lane)                                                         \
    for (size_t j = 0; j < 4; j++) {                                       \
        int8x16_t y = vld1q_s8(w + (i + lane * 4) * AZ_LM_GROUP + j * 16); \
        for (size_t r = 0; r < n_rows; r++)                                \
            sums[r][j] = vdotq_laneq_s32(sums[r][j], y, x[r], lane);       \
    }
        FOUR(0)
        FOUR(1)
        FOUR(2)
        FOUR(3)
#undef FOUR
    }
}

AZ_LM_INLINE void clear(int32x4_t sums[TILE][4], size_t n_rows) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < 4; j++)
            sums[r][j] = vdupq_n_s32(0);
}

AZ_LM_INLINE void multiply_tile(const az_matrix *w, size_t group, const az_rows *a, size_t row,
                                size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    const int8_t *bytes = w->groups + group * AZ_LM_GROUP * n_cols;
    float32x4_t total[TILE][4];
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < 4; j++)
            total[r][j] = vdupq_n_f32(0);
    for (size_t b = 0; b < n_blocks; b++) {
        int32x4_t sums[TILE][4];
        clear(sums, n_rows);
        dot_tile(sums, bytes + b * AZ_LM_BLOCK * AZ_LM_GROUP, a->q + row * n_cols + b * AZ_LM_BLOCK,
                 n_cols, AZ_LM_BLOCK, n_rows);
        for (size_t j = 0; j < 4; j++) {
            float32x4_t w_scale =
                vld1q_f32(w->scale + (group * n_blocks + b) * AZ_LM_GROUP + j * 4);
            for (size_t r = 0; r < n_rows; r++) {
                float32x4_t scale =
                    vmulq_f32(vdupq_n_f32(a->scale[(row + r) * n_blocks + b]), w_scale);
                total[r][j] = vaddq_f32(total[r][j], vmulq_f32(scale, vcvtq_f32_s32(sums[r][j])));
            }
        }
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < 4; j++)
            vst1q_f32(out + r * out_stride + j * 4, total[r][j]);
}

static void multiply(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride) {
    for (size_t g = 0; g < n_groups; g++) {
        float *to = out + g * AZ_LM_GROUP;
        size_t r = 0;
        for (; r + TILE <= n_rows; r += TILE)
            multiply_tile(w, first_group + g, a, first_row + r, TILE, to + r * out_stride,
                          out_stride);
        for (; r < n_rows; r++)
            multiply_tile(w, first_group + g, a, first_row + r, 1, to + r * out_stride, out_stride);
    }
}

/* sums[r][j] = n (even) int16 of a's rows times the pairs of a panel [n / 2][16][2]. */
AZ_LM_INLINE void pairs_tile(int32x4_t sums[TILE][4], const int16_t *a, size_t a_stride,
                             size_t n_rows, const int8_t *panel, size_t n) {
    clear(sums, n_rows);
    for (size_t i = 0; i < n; i += 2) {
        int8x16x2_t both = vld2q_s8(panel + i * 16);
        for (size_t k = 0; k < 2; k++) {
            int16x8_t low = vmovl_s8(vget_low_s8(both.val[k]));
            int16x8_t high = vmovl_s8(vget_high_s8(both.val[k]));
            for (size_t r = 0; r < n_rows; r++) {
                int16_t x = a[r * a_stride + i + k];
                sums[r][0] = vmlal_n_s16(sums[r][0], vget_low_s16(low), x);
                sums[r][1] = vmlal_n_s16(sums[r][1], vget_high_s16(low), x);
                sums[r][2] = vmlal_n_s16(sums[r][2], vget_low_s16(high), x);
                sums[r][3] = vmlal_n_s16(sums[r][3], vget_high_s16(high), x);
            }
        }
    }
}

AZ_LM_INLINE void score_tile(const int16_t *q, size_t n_rows, size_t d, const int8_t *group,
                             int32_t *out, size_t out_stride) {
    int32x4_t sums[TILE][4];
    pairs_tile(sums, q, d, n_rows, group, d);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < 4; j++)
            vst1q_s32(out + r * out_stride + j * 4, sums[r][j]);
}

AZ_LM_INLINE void weigh_tile(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *panel,
                             size_t n_t, int64_t *out, size_t out_stride) {
    int32x4_t sums[TILE][4];
    pairs_tile(sums, w, w_stride, n_rows, panel, n_t);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < 4; j++) {
            int64_t *p = out + r * out_stride + j * 4;
            vst1q_s64(p, vaddw_s32(vld1q_s64(p), vget_low_s32(sums[r][j])));
            vst1q_s64(p + 2, vaddw_s32(vld1q_s64(p + 2), vget_high_s32(sums[r][j])));
        }
}

#include "../lm_tiles.h"

const az_lm_kernels az_lm_kernels_dotprod = AZ_LM_SET("dotprod", 1);
