/*
 * kernels_ref: the definition of every kernel, never tuned, and the choice of
 * a set for this CPU.
 */
#define AZ_MIX_PLAIN
#include "kernels.h"

#if defined(__x86_64__)
#define EIGHT(x) \
    { x, x, x, x, x, x, x, x }
extern _Alignas(32) const int32_t az_mix_limits[4][8];
_Alignas(32) const int32_t az_mix_limits[4][8] = {EIGHT(AZ_MIX_X_MAX), EIGHT(-AZ_MIX_X_MAX),
                                                  EIGHT(AZ_MIX_W_MAX), EIGHT(-AZ_MIX_W_MAX)};
#endif

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

const az_kernels az_kernels_ref = {"reference", mix_put, mix_dot, mix_train, find3};

size_t az_kernels_all(const az_kernels **sets, unsigned *cpu_needed, size_t capacity) {
    static const struct {
        const az_kernels *set;
        unsigned needed;
    } all[] = {
        {&az_kernels_ref, 0},
#if defined(__x86_64__)
        {&az_kernels_avx2, AZ_CPU_AVX2},
        {&az_kernels_avx512, AZ_CPU_AVX512},
#elif defined(__aarch64__)
        {&az_kernels_neon, AZ_CPU_NEON},
#endif
    };
    size_t n = 0;
    for (; n < sizeof all / sizeof all[0] && n < capacity; n++) {
        sets[n] = all[n].set;
        cpu_needed[n] = all[n].needed;
    }
    return n;
}

const az_kernels *az_kernels_get(unsigned cpu_features) {
    const az_kernels *sets[4];
    unsigned needed[4];
    size_t n = az_kernels_all(sets, needed, 4);
    while ((needed[n - 1] & cpu_features) != needed[n - 1])
        n--;
    return sets[n - 1];
}
