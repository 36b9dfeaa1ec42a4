/*
 * cpu: what this processor can do, and how many there are. The environment
 * variable AIZIP_CPU_DISABLE takes features away, so that every kernel can be
 * tested on one machine.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#endif
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <stdlib.h>
#include <unistd.h>

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#include <cpuid.h>
#define ON_X86 1
#else
#define ON_X86 0
#endif

#if ON_X86
/* XCR0: which registers the operating system saves (Intel's manual, volume 1,
 * 13.3): bits 1 and 2, SSE and AVX; 5 to 7, AVX-512. */
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static unsigned detect(void) {
    unsigned a, b, c, d;
    unsigned features = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    unsigned b7, c7, d7;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
        return 0;
    const unsigned ssse3 = 1u << 9, sse41 = 1u << 19, sha = 1u << 29;
    if ((c & (ssse3 | sse41)) == (ssse3 | sse41) && (b7 & sha))
        features |= AZ_CPU_SHA;
    const unsigned osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (osxsave | avx)) != (osxsave | avx))
        return features;
    uint32_t saved = saved_registers();
    if ((saved & 0x06) != 0x06)
        return features;
    const unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
    if ((b7 & (bmi1 | avx2 | bmi2)) != (bmi1 | avx2 | bmi2))
        return features;
    features |= AZ_CPU_AVX2;
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    if ((saved & 0xE6) == 0xE6 && (b7 & (f | dq | bw | vl)) == (f | dq | bw | vl))
        features |= AZ_CPU_AVX512;
    return features;
}
#elif defined(__aarch64__)
static unsigned detect(void) {
    return AZ_CPU_NEON; /* every 64-bit arm has it */
}
#else
static unsigned detect(void) {
    return 0;
}
#endif

static bool list_has(const char *list, const char *name) {
    size_t n = strlen(name);
    while (*list) {
        size_t item = strcspn(list, ",");
        if (item == n && memcmp(list, name, n) == 0)
            return true;
        list += item + (list[item] == ',');
    }
    return false;
}

unsigned az_cpu_features(void) {
    unsigned features = detect();
    const char *off = getenv("AIZIP_CPU_DISABLE");
    if (!off)
        return features;
    if (list_has(off, "all"))
        return 0;
    if (list_has(off, "avx2"))
        features &= ~(unsigned)AZ_CPU_AVX2;
    if (list_has(off, "avx512"))
        features &= ~(unsigned)AZ_CPU_AVX512;
    if (list_has(off, "neon"))
        features &= ~(unsigned)AZ_CPU_NEON;
    if (list_has(off, "sha"))
        features &= ~(unsigned)AZ_CPU_SHA;
    return features;
}

int az_cpu_count(void) {
#if defined(__linux__) && defined(CPU_COUNT)
    cpu_set_t set; /* those this process may use */
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < 65536 ? (int)n : 1;
}
