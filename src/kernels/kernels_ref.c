/*
 * kernels_ref: the definition of every kernel, never tuned, and the choice of
 * a set for this CPU. The lanes come from lanes.h, as in every other set: what
 * kernels.h says of them is tested apart.
 */
#include "lanes.h"

static void mix_dot(const int32_t *x, const int32_t *w, const uint32_t *set, size_t n_sets,
                    size_t n, int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = w + set[s];
        int32_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += ((row[i] >> 16) * (x[i] >> 16)) >> 7;
        out[s] = sum;
    }
}

static void mix_train(const int32_t *x, int32_t *w, const uint32_t *set, size_t n_sets, size_t n,
                      const int32_t *error) {
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = w + set[s];
        if (error[s] == 0)
            continue;
        for (size_t i = 0; i < n; i++) {
            int32_t v = row[i] + (x[i] >> 16) * error[s];
            row[i] = v > AZ_MIX_W_MAX ? AZ_MIX_W_MAX : v < -AZ_MIX_W_MAX ? -AZ_MIX_W_MAX : v;
        }
    }
}

const az_kernels az_kernels_ref = {"reference", lanes_predict, lanes_learn, mix_dot, mix_train};

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
