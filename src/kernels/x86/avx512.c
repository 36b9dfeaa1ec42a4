/* avx512: sixteen weights a step. See kernels.h for shapes and ranges. */
#if !defined(__AVX512F__) || !defined(__AVX512BW__)
#error "build this file with -mavx512f -mavx512bw"
#endif
#include <immintrin.h>

#include "../lanes.h"

static void mix_dot(const int32_t *x, const int32_t *w, const uint32_t *set, size_t n_sets,
                    size_t n, int32_t *out) {
    for (size_t s = 0; s < n_sets; s++) {
        const int32_t *row = w + set[s];
        __m512i a = _mm512_setzero_si512();
        for (size_t i = 0; i < n; i += 16) {
            /* The lower halves of x are 0, so each pair's sum is (w >> 16) * (x >> 16). */
            __m512i p = _mm512_madd_epi16(_mm512_load_si512(row + i), _mm512_load_si512(x + i));
            a = _mm512_add_epi32(a, _mm512_srai_epi32(p, 7));
        }
        out[s] = _mm512_reduce_add_epi32(a);
    }
}

static void mix_train(const int32_t *x, int32_t *w, const uint32_t *set, size_t n_sets, size_t n,
                      const int32_t *error) {
    const __m512i max = _mm512_set1_epi32(AZ_MIX_W_MAX);
    const __m512i min = _mm512_set1_epi32(-AZ_MIX_W_MAX);
    for (size_t s = 0; s < n_sets; s++) {
        int32_t *row = w + set[s];
        if (error[s] == 0)
            continue;
        __m512i e = _mm512_set1_epi32((int32_t)((uint32_t)error[s] << 16));
        for (size_t i = 0; i < n; i += 16) {
            __m512i d = _mm512_madd_epi16(_mm512_load_si512(x + i), e);
            __m512i v = _mm512_add_epi32(_mm512_load_si512(row + i), d);
            _mm512_store_si512(row + i, _mm512_max_epi32(_mm512_min_epi32(v, max), min));
        }
    }
}

const az_kernels az_kernels_avx512 = {"avx512", lanes_predict, lanes_learn, mix_dot, mix_train};
