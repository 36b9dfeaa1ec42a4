/* neon: see kernels.h for shapes and ranges, mix.h for the loops. */
#if !defined(__aarch64__)
#error "this file is for aarch64"
#endif
#include "../kernels.h"

static void mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                    int32_t *out) {
    az_mix_dot(x, rows, n_sets, n, out);
}

static void mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                      const int32_t *error) {
    az_mix_train(x, rows, n_sets, n, error);
}

const az_kernels az_kernels_neon = {"neon", mix_dot, mix_train};
