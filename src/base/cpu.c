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

#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#endif
#endif

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

/* Tiles are 8 KiB that a process must ask for (Linux: Documentation/arch/x86/xstate.rst);
 * its threads then have them, too. */
static bool may_use_tiles(uint32_t saved) {
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    const uint32_t tiles = 3u << 17;
    return (saved & tiles) == tiles &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    (void)saved;
    return false;
#endif
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
    else
        return features;
    const unsigned vnni = 1u << 11, amx_tile = 1u << 24, amx_int8 = 1u << 25;
    if (!(c7 & vnni))
        return features;
    features |= AZ_CPU_VNNI;
    if ((d7 & (amx_tile | amx_int8)) == (amx_tile | amx_int8) && may_use_tiles(saved))
        features |= AZ_CPU_AMX;
    return features;
}
#elif defined(__aarch64__)
static unsigned detect(void) {
    unsigned features = AZ_CPU_NEON; /* every 64-bit arm has it */
#if defined(__linux__) && defined(HWCAP_ASIMDDP)
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        features |= AZ_CPU_DOTPROD;
#endif
    return features;
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

/* What goes when a name is taken away: what stands on it, too. */
static const struct {
    const char *name;
    unsigned features;
} names[] = {
    {"avx2", AZ_CPU_AVX2 | AZ_CPU_AVX512 | AZ_CPU_VNNI | AZ_CPU_AMX},
    {"avx512", AZ_CPU_AVX512 | AZ_CPU_VNNI | AZ_CPU_AMX},
    {"vnni", AZ_CPU_VNNI | AZ_CPU_AMX},
    {"amx", AZ_CPU_AMX},
    {"neon", AZ_CPU_NEON | AZ_CPU_DOTPROD},
    {"dotprod", AZ_CPU_DOTPROD},
    {"sha", AZ_CPU_SHA},
};

unsigned az_cpu_features(void) {
    unsigned features = detect();
    const char *off = getenv("AIZIP_CPU_DISABLE");
    if (!off)
        return features;
    if (list_has(off, "all"))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (list_has(off, names[i].name))
            features &= ~names[i].features;
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
