/* avx2: eight weights a step. See kernels.h for shapes and ranges. */
#if !defined(__AVX2__)
#error "build this file with -mavx2"
#endif
#include <immintrin.h>

#include "../lanes.h"

static void mix_dot(const int32_t *x, const int32_t *w, const uint32_t *set, size_t n_sets,
                    size_t n, int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = w + set[s];
        __m256i a = _mm256_setzero_si256(), b = a;
        for (size_t i = 0; i < n; i += 16) {
            /* The lower halves of x are 0, so each pair's sum is (w >> 16) * (x >> 16). */
            __m256i p = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(row + i)),
                                          _mm256_load_si256((const __m256i *)(x + i)));
            __m256i q = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(row + i + 8)),
                                          _mm256_load_si256((const __m256i *)(x + i + 8)));
            a = _mm256_add_epi32(a, _mm256_srai_epi32(p, 7));
            b = _mm256_add_epi32(b, _mm256_srai_epi32(q, 7));
        }
        a = _mm256_add_epi32(a, b);
        __m128i h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
        h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1));
        out[s] = _mm_cvtsi128_si32(h);
    }
}

static void mix_train(const int32_t *x, int32_t *w, const uint32_t *set, size_t n_sets, size_t n,
                      const int32_t *error) {
    const __m256i max = _mm256_set1_epi32(AZ_MIX_W_MAX);
    const __m256i min = _mm256_set1_epi32(-AZ_MIX_W_MAX);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = w + set[s];
        if (error[s] == 0)
            continue;
        __m256i e = _mm256_set1_epi32((int32_t)((uint32_t)error[s] << 16));
        for (size_t i = 0; i < n; i += 8) {
            __m256i *p = (__m256i *)(row + i);
            __m256i d = _mm256_madd_epi16(_mm256_load_si256((const __m256i *)(x + i)), e);
            __m256i v = _mm256_add_epi32(_mm256_load_si256(p), d);
            _mm256_store_si256(p, _mm256_max_epi32(_mm256_min_epi32(v, max), min));
        }
    }
}

const az_kernels az_kernels_avx2 = {"avx2", lanes_predict, lanes_learn, mix_dot, mix_train};
