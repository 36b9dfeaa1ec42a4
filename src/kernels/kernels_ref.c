/*
 * kernels_ref: the definition of every kernel, never tuned, and the choice of
 * a set for this CPU.
 */
#define AZ_MIX_PLAIN
#include "kernels_set.h"

#if defined(__x86_64__)
#define EIGHT(x) \
    { x, x, x, x, x, x, x, x }
extern _Alignas(32) const int32_t az_mix_limits[4][8];
_Alignas(32) const int32_t az_mix_limits[4][8] = {EIGHT(AZ_MIX_X_MAX), EIGHT(-AZ_MIX_X_MAX),
                                                  EIGHT(AZ_MIX_W_MAX), EIGHT(-AZ_MIX_W_MAX)};
#endif

const az_kernels az_kernels_ref = AZ_KERNELS_SET("reference");

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
