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
 *   w        weights, AZ_MIX_ONE is 1.0; each in -AZ_MIX_W_MAX..AZ_MIX_W_MAX
 *   set      [n_sets] where in w each of the chosen rows of n weights begins
 *   n        a multiple of AZ_MIX_STEP, at most AZ_MIX_N_MAX
 * x and w are aligned to 64 bytes and rows begin at multiples of AZ_MIX_STEP.
 */
#ifndef AZ_KERNELS_H
#define AZ_KERNELS_H

#include "../base/base.h"

enum { AZ_MIX_STEP = 16, AZ_MIX_N_MAX = 1024, AZ_MIX_X_MAX = 4095, AZ_MIX_ERROR_MAX = 32767 };
#define AZ_MIX_ONE (1 << 28)
#define AZ_MIX_W_MAX 0x77ffffff

/*
 * Lanes: the contexts side by side, lane i for context i. A bit history of a
 * context is mapped to an adaptive probability (of a 1, times 2^32), and so is
 * what its last byte and that byte's run length say of the next bit.
 */
enum { AZ_LANES_MAX = 64, AZ_RUN_CELLS = 32 };

typedef struct az_lanes {
    uint8_t *states[AZ_LANES_MAX];       /* [16] histories of this nibble, by node 1..15 */
    uint32_t run_expected[AZ_LANES_MAX]; /* 256 + byte last seen in the context, or 0 */
    uint32_t run_count[AZ_LANES_MAX];    /* twice how often in a row, 2..30 */
    uint32_t cell[AZ_LANES_MAX];         /* map entry in use, set by predict */
    uint32_t p[AZ_LANES_MAX];            /* its value */
    uint32_t run_cell[AZ_LANES_MAX];
    uint32_t run_p[AZ_LANES_MAX];
    uint32_t *maps;           /* [n][256] by state */
    uint32_t *run_maps;       /* [n][AZ_RUN_CELLS]: 0 if there is no run or it has been
                               refuted, else run_count + expected bit */
    const int32_t *stretch;   /* [3 * 4096] see az_stretch_index(); log-odds times 65536 */
    const uint8_t (*next)[2]; /* [256] the state after a bit */
} az_lanes;

/* Where stretch holds the log-odds of p (probability times 2^22): 12 bits of p
 * are enough, but near both ends all 22 count. */
static inline uint32_t az_stretch_index(uint32_t p) {
    uint32_t i = p >> 10, from_one = (1u << 22) - p;
    i = p < 4096 ? 4096 + p : i;
    return from_one < 4096 ? 8192 + from_one : i;
}

typedef struct az_kernels {
    const char *name;

    /* Fills cell, p, run_cell, run_p of n lanes, and x: [n] stretch(p); then, if
     * runs, [n] p - 1/2 in units of 1/512 and [n] stretch(run_p). c0: bits of this
     * byte after a leading 1; bit_pos 0..7. */
    void (*lanes_predict)(az_lanes *lanes, size_t n, uint32_t node, uint32_t c0, uint32_t bit_pos,
                          bool runs, int32_t *x);

    /* The bit was `bit`: all of them move 1/128 of the way there, and the
     * histories take it in. */
    void (*lanes_learn)(az_lanes *lanes, size_t n, uint32_t node, int bit, bool runs);

    /* out[s] = sum over i of ((w[set[s] + i] >> 16) * x[i]) >> 7.
     * A product is below 2^15 * 2^12; shifted by 7 and summed 1,024 times it
     * stays below 2^30. */
    void (*mix_dot)(const int32_t *x, const int32_t *w, const uint32_t *set, size_t n_sets,
                    size_t n, int32_t *out);

    /* w[set[s] + i] += x[i] * error[s], kept within +-AZ_MIX_W_MAX. error is in
     * -AZ_MIX_ERROR_MAX..AZ_MIX_ERROR_MAX: a product is below 2^27, so the sum
     * can't overflow before it is clamped. A row with error 0 is left alone. */
    void (*mix_train)(const int32_t *x, int32_t *w, const uint32_t *set, size_t n_sets, size_t n,
                      const int32_t *error);
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
