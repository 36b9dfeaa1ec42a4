/*
 * kernels: the predictor's inner loops, in plain C and for each instruction set.
 *
 * kernels_ref.c defines the right answer. All others give the same bits: only
 * exact integers are used, so the order of the sums does not matter.
 *
 * Shapes and ranges, the same for all:
 *   x        [n] inputs, each in -AZ_MIX_X_MAX..AZ_MIX_X_MAX, held in the upper
 *            half of an int32_t (x * 65536), so that one multiply-add of 16-bit
 *            pairs serves as a 32-bit product on every machine
 *   rows     [n_sets][n] weights, AZ_MIX_ONE is 1.0; each in
 *            -AZ_MIX_W_MAX..AZ_MIX_W_MAX; n_sets at most AZ_MIX_SETS_MAX
 *   n        a multiple of AZ_MIX_STEP, at most AZ_MIX_N_MAX
 * x and rows are aligned to 32 bytes.
 */
#ifndef AZ_KERNELS_H
#define AZ_KERNELS_H

#include "lm.h"
#include "mix.h"

typedef struct az_kernels {
    const char *name;

    /* x[i] = a[i] * 65536 for i in 0..7. */
    void (*mix_put)(int32_t *x, const int16_t *a);

    /* out[s] = (sum over i of ((rows[s][i] >> 16) * (x[i] >> 16)) >> 7) >> 5, kept
     * within +-AZ_MIX_X_MAX, so that it can be the next layer's input.
     * A product is below 2^15 * 2^12; shifted by 7 and summed 1,024 times it
     * stays below 2^30. */
    void (*mix_dot)(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n, int32_t *out);

    /* rows[s][i] += (x[i] >> 16) * error[s], kept within +-AZ_MIX_W_MAX. error is in
     * -AZ_MIX_ERROR_MAX..AZ_MIX_ERROR_MAX: a product is below 2^27, so the sum
     * can't overflow before it is clamped. */
    void (*mix_train)(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                      const int32_t *error);

    /* Which of the three 16-bit numbers in the first 6 of the 8 bytes at p, least
     * significant byte first, is v: 0, 1 or 2, the first if several are; or -1. */
    int (*find3)(const uint8_t *p, uint16_t v);
} az_kernels;

/* The best set for these CPU features (az_cpu_features()). Never NULL. */
const az_kernels *az_kernels_get(unsigned cpu_features);

/* Every set that this build holds, the reference first, best last; n of them.
 * cpu_needed[i] says what set i needs. For tests. */
size_t az_kernels_all(const az_kernels **sets, unsigned *cpu_needed, size_t capacity);

extern const az_kernels az_kernels_ref;
#if defined(__x86_64__)
extern const az_kernels az_kernels_avx2;
extern const az_kernels az_kernels_avx512;
#elif defined(__aarch64__)
extern const az_kernels az_kernels_neon;
#endif

#endif
