/*
 * fp: the mode in which binary32 is computed: round to nearest, halves to even; subnormal
 * numbers kept. A caller may have changed it (a library linked with -ffast-math does so for
 * the whole process), so every entry sets it and restores it on leaving.
 */
#include "base.h"

#include <float.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { DAZ = 1 << 6, ROUNDING = 3 << 13, FTZ = 1 << 15 };

void az_fp_enter(az_fp_state *saved) {
    unsigned control = _mm_getcsr();
    saved->control = control;
    unsigned wanted = control & ~(unsigned)(DAZ | ROUNDING | FTZ);
    if (wanted != control)
        _mm_setcsr(wanted);
}

void az_fp_leave(const az_fp_state *saved) {
    if (_mm_getcsr() != (unsigned)saved->control)
        _mm_setcsr((unsigned)saved->control);
}

#elif defined(__aarch64__)
/* FPCR: AHP 26, DN 25, FZ 24, RMode 23:22, FZ16 19. */
void az_fp_enter(az_fp_state *saved) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    saved->control = control;
    uint64_t wanted = control & ~((uint64_t)0x1f << 22);
    if (wanted != control)
        __asm__ volatile("msr fpcr, %0" : : "r"(wanted));
}

void az_fp_leave(const az_fp_state *saved) {
    __asm__ volatile("msr fpcr, %0" : : "r"(saved->control));
}

#else
#include <fenv.h>

void az_fp_enter(az_fp_state *saved) {
    saved->control = (uint64_t)fegetround();
    fesetround(FE_TONEAREST);
}

void az_fp_leave(const az_fp_state *saved) {
    fesetround((int)saved->control);
}
#endif

_Static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && FLT_MAX_EXP == 128, "binary32");
#if defined(FLT_EVAL_METHOD)
_Static_assert(FLT_EVAL_METHOD == 0, "a float is computed as a float");
#endif
