/* kernels_set: the functions of mix.h behind pointers. Each file of a set includes this
 * with its own flags. */
#ifndef AZ_KERNELS_SET_H
#define AZ_KERNELS_SET_H

#include "kernels.h"

static void mix_put(int32_t *x, const int16_t *a) {
    az_mix_put(x, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
}

static void mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n, int32_t *out) {
    az_mix_dot(x, rows, n_sets, n, out);
}

static void mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                      const int32_t *error) {
    az_mix_train(x, rows, n_sets, n, error);
}

static int find3(const uint8_t *p, uint16_t v) {
    return az_find3(p, v);
}

#define AZ_KERNELS_SET(name) \
    { name, mix_put, mix_dot, mix_train, find3 }

#endif
