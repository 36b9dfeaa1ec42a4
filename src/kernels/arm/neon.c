/* neon: eight weights a step. See kernels.h for shapes and ranges. */
#if !defined(__aarch64__)
#error "this file is for aarch64"
#endif
#include <arm_neon.h>

#include "../lanes.h"

static void mix_dot(const int32_t *x, const int32_t *w, const uint32_t *set, size_t n_sets,
                    size_t n, int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = w + set[s];
        int32x4_t a = vdupq_n_s32(0), b = a;
        for (size_t i = 0; i < n; i += 8) {
            int32x4_t p =
                vmull_s16(vshrn_n_s32(vld1q_s32(row + i), 16), vshrn_n_s32(vld1q_s32(x + i), 16));
            int32x4_t q = vmull_s16(vshrn_n_s32(vld1q_s32(row + i + 4), 16),
                                    vshrn_n_s32(vld1q_s32(x + i + 4), 16));
            a = vsraq_n_s32(a, p, 7);
            b = vsraq_n_s32(b, q, 7);
        }
        out[s] = vaddvq_s32(vaddq_s32(a, b));
    }
}

static void mix_train(const int32_t *x, int32_t *w, const uint32_t *set, size_t n_sets, size_t n,
                      const int32_t *error) {
    const int32x4_t max = vdupq_n_s32(AZ_MIX_W_MAX);
    const int32x4_t min = vdupq_n_s32(-AZ_MIX_W_MAX);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = w + set[s];
        if (error[s] == 0)
            continue;
        for (size_t i = 0; i < n; i += 4) {
            int32x4_t d = vshrq_n_s32(vld1q_s32(x + i), 16);
            int32x4_t v = vmlaq_n_s32(vld1q_s32(row + i), d, error[s]);
            vst1q_s32(row + i, vmaxq_s32(vminq_s32(v, max), min));
        }
    }
}

const az_kernels az_kernels_neon = {"neon", lanes_predict, lanes_learn, mix_dot, mix_train};
