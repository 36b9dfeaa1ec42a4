/*
 * mix: the mixer's inner loops as inline functions, in plain C and for each
 * instruction set: which one, the flags of the file that includes this choose
 * (AZ_MIX_PLAIN asks for plain C). kernels.h has shapes and ranges, and puts the
 * same functions behind pointers; a predictor that is compiled once for each set
 * has them without a call, with all sizes known.
 */
#ifndef AZ_MIX_H
#define AZ_MIX_H

#include "../base/base.h"

enum {
    AZ_MIX_STEP = 8,
    AZ_MIX_N_MAX = 1024,
    AZ_MIX_SETS_MAX = 8,
    AZ_MIX_X_MAX = 3904,
    AZ_MIX_ERROR_MAX = 32767
};
#define AZ_MIX_ONE (1 << 28)
#define AZ_MIX_W_MAX 0x77ffffff

#if defined(__GNUC__)
#define AZ_INLINE static inline __attribute__((always_inline))
#else
#define AZ_INLINE static inline
#endif

/* What each function does is in kernels.h. az_mix_put stores all eight at once, so that
 * the load that follows gets them at once. */

#if !defined(AZ_MIX_PLAIN) && defined(__AVX2__)
#include <immintrin.h>

AZ_INLINE int az_find3(const uint8_t *p, uint16_t v) {
    __m128i same = _mm_cmpeq_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p),
                                   _mm_set1_epi16((short)v));
    int mask = _mm_movemask_epi8(same) & 0x3f;
    return mask ? az_trailing_zeros((uint64_t)mask) >> 1 : -1;
}

AZ_INLINE void az_mix_put(int32_t *x, int a0, int a1, int a2, int a3, int a4, int a5, int a6,
                          int a7) {
    __m128i a = _mm_set_epi16((short)a7, (short)a6, (short)a5, (short)a4, (short)a3, (short)a2,
                              (short)a1, (short)a0);
    _mm256_store_si256((__m256i *)x, _mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
}

/* +-AZ_MIX_X_MAX and +-AZ_MIX_W_MAX, elsewhere in memory, lest the compiler builds
 * them anew for each bit. */
extern _Alignas(32) const int32_t az_mix_limits[4][8];

AZ_INLINE __m128i az_mix_clamp(__m128i sum) {
    __m128i max = _mm_load_si128((const __m128i *)(const void *)az_mix_limits[0]);
    __m128i min = _mm_load_si128((const __m128i *)(const void *)az_mix_limits[1]);
    return _mm_max_epi32(_mm_min_epi32(_mm_srai_epi32(sum, 5), max), min);
}

AZ_INLINE void az_mix_sum1(__m256i a, int32_t *out) {
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1));
    *out = _mm_cvtsi128_si32(az_mix_clamp(h));
}

/* The sums of four at once. */
AZ_INLINE void az_mix_sum4(__m256i a, __m256i b, __m256i c, __m256i d, int32_t *out) {
    __m256i h = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    _mm_storeu_si128((__m128i *)(void *)out, az_mix_clamp(sum));
}

AZ_INLINE void az_mix_sums(const __m256i *a, size_t n_sets, int32_t *out) {
    size_t s = 0;
    for (; s + 4 <= n_sets; s += 4)
        az_mix_sum4(a[s], a[s + 1], a[s + 2], a[s + 3], out + s);
    for (; s < n_sets; s++)
        az_mix_sum1(a[s], out + s);
}

#else /* what plain C and NEON share */

AZ_INLINE int32_t az_mix_clamp(int32_t sum) {
    int32_t v = sum >> 5;
    return v > AZ_MIX_X_MAX ? AZ_MIX_X_MAX : v < -AZ_MIX_X_MAX ? -AZ_MIX_X_MAX : v;
}

/* All three at once: a number that differs has a 1 in its lower 15 bits, which carries
 * into the 16th, or has that one. */
AZ_INLINE int az_find3(const uint8_t *p, uint16_t v) {
    const uint64_t low15 = 0x7fff7fff7fff, top = 0x800080008000;
    uint64_t differ = az_read_le64(p) ^ v * (uint64_t)0x000100010001;
    uint64_t same = ~(((differ & low15) + low15) | differ) & top;
    return same ? az_trailing_zeros(same) >> 4 : -1;
}
#endif

#if !defined(AZ_MIX_PLAIN) && defined(__AVX512F__) && defined(__AVX512BW__)

/* In halves, as az_mix_put() has just stored them: the whole would have to wait. */
AZ_INLINE __m512i az_mix_load16(const int32_t *x) {
    __m512i low = _mm512_castsi256_si512(_mm256_load_si256((const __m256i *)x));
    return _mm512_inserti64x4(low, _mm256_load_si256((const __m256i *)(x + 8)), 1);
}

AZ_INLINE void az_mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                          int32_t *out) {
    __m256i sums[AZ_MIX_SETS_MAX];
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = rows[s];
        __m512i a = _mm512_setzero_si512();
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            /* The lower halves of x are 0, so each pair's sum is (w >> 16) * (x >> 16). */
            __m512i p = _mm512_madd_epi16(_mm512_loadu_si512(row + i), az_mix_load16(x + i));
            a = _mm512_add_epi32(a, _mm512_srai_epi32(p, 7));
        }
        __m256i b = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
        if (i < n) { /* eight are left */
            __m256i p = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(row + i)),
                                          _mm256_load_si256((const __m256i *)(x + i)));
            b = _mm256_add_epi32(b, _mm256_srai_epi32(p, 7));
        }
        sums[s] = b;
    }
    az_mix_sums(sums, n_sets, out);
}

AZ_INLINE void az_mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                            const int32_t *error) {
    const __m512i max = _mm512_set1_epi32(AZ_MIX_W_MAX);
    const __m512i min = _mm512_set1_epi32(-AZ_MIX_W_MAX);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = rows[s];
        __m512i e = _mm512_set1_epi32((int32_t)((uint32_t)error[s] << 16));
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            __m512i d = _mm512_madd_epi16(_mm512_loadu_si512(x + i), e);
            __m512i v = _mm512_add_epi32(_mm512_loadu_si512(row + i), d);
            _mm512_storeu_si512(row + i, _mm512_max_epi32(_mm512_min_epi32(v, max), min));
        }
        if (i < n) {
            __m256i *p = (__m256i *)(row + i);
            __m256i d = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(x + i)),
                                          _mm512_castsi512_si256(e));
            __m256i v = _mm256_add_epi32(_mm256_load_si256(p), d);
            v = _mm256_min_epi32(v, _mm512_castsi512_si256(max));
            _mm256_store_si256(p, _mm256_max_epi32(v, _mm512_castsi512_si256(min)));
        }
    }
}

#elif !defined(AZ_MIX_PLAIN) && defined(__AVX2__)

AZ_INLINE void az_mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                          int32_t *out) {
    __m256i sums[AZ_MIX_SETS_MAX];
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = rows[s];
        __m256i a = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 8) {
            /* The lower halves of x are 0, so each pair's sum is (w >> 16) * (x >> 16). */
            __m256i p = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(row + i)),
                                          _mm256_load_si256((const __m256i *)(x + i)));
            a = _mm256_add_epi32(a, _mm256_srai_epi32(p, 7));
        }
        sums[s] = a;
    }
    az_mix_sums(sums, n_sets, out);
}

AZ_INLINE void az_mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                            const int32_t *error) {
    const __m256i max = _mm256_load_si256((const __m256i *)(const void *)az_mix_limits[2]);
    const __m256i min = _mm256_load_si256((const __m256i *)(const void *)az_mix_limits[3]);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = rows[s];
        __m256i e = _mm256_set1_epi32((int32_t)((uint32_t)error[s] << 16));
        for (size_t i = 0; i < n; i += 8) {
            __m256i *p = (__m256i *)(row + i);
            __m256i d = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(x + i)), e);
            __m256i v = _mm256_add_epi32(_mm256_load_si256(p), d);
            _mm256_store_si256(p, _mm256_max_epi32(_mm256_min_epi32(v, max), min));
        }
    }
}

#elif !defined(AZ_MIX_PLAIN) && defined(__aarch64__)
#include <arm_neon.h>

AZ_INLINE void az_mix_put(int32_t *x, int a0, int a1, int a2, int a3, int a4, int a5, int a6,
                          int a7) {
    vst1q_s32(x, (int32x4_t){a0 * 65536, a1 * 65536, a2 * 65536, a3 * 65536});
    vst1q_s32(x + 4, (int32x4_t){a4 * 65536, a5 * 65536, a6 * 65536, a7 * 65536});
}

AZ_INLINE void az_mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                          int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = rows[s];
        int32x4_t a = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 4) {
            int32x4_t p =
                vmull_s16(vshrn_n_s32(vld1q_s32(row + i), 16), vshrn_n_s32(vld1q_s32(x + i), 16));
            a = vsraq_n_s32(a, p, 7);
        }
        out[s] = az_mix_clamp(vaddvq_s32(a));
    }
}

AZ_INLINE void az_mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                            const int32_t *error) {
    const int32x4_t max = vdupq_n_s32(AZ_MIX_W_MAX), min = vdupq_n_s32(-AZ_MIX_W_MAX);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = rows[s];
        for (size_t i = 0; i < n; i += 4) {
            int32x4_t d = vshrq_n_s32(vld1q_s32(x + i), 16);
            int32x4_t v = vmlaq_n_s32(vld1q_s32(row + i), d, error[s]);
            vst1q_s32(row + i, vmaxq_s32(vminq_s32(v, max), min));
        }
    }
}

#else /* the definition; never tuned */

AZ_INLINE void az_mix_put(int32_t *x, int a0, int a1, int a2, int a3, int a4, int a5, int a6,
                          int a7) {
    const int a[8] = {a0, a1, a2, a3, a4, a5, a6, a7};
    for (int i = 0; i < 8; i++)
        x[i] = a[i] * 65536;
}

AZ_INLINE void az_mix_dot(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                          int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = rows[s];
        int32_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += ((row[i] >> 16) * (x[i] >> 16)) >> 7;
        out[s] = az_mix_clamp(sum);
    }
}

AZ_INLINE void az_mix_train(const int32_t *x, int32_t *const *rows, size_t n_sets, size_t n,
                            const int32_t *error) {
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = rows[s];
        for (size_t i = 0; i < n; i++) {
            int32_t v = row[i] + (x[i] >> 16) * error[s];
            row[i] = v > AZ_MIX_W_MAX ? AZ_MIX_W_MAX : v < -AZ_MIX_W_MAX ? -AZ_MIX_W_MAX : v;
        }
    }
}
#endif

#endif
