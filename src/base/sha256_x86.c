/*
 * sha256_x86: the rounds of SHA-256 with the instructions that x86 has for them (Intel, "SHA
 * Extensions", 2013). _mm_sha256rnds2_epu32 does two rounds at a time on a state that lies in
 * two registers as (a b e f) and (c d g h), from the highest word down;
 * _mm_sha256msg1_epu32 and msg2 make the next words of the message.
 */
#if !defined(__SHA__) || !defined(__SSE4_1__)
#error "build this file with -msha -msse4.1"
#endif
#include "sha256.h"

#include <immintrin.h>

/* Four rounds: w holds four words of the message, k four constants. */
#define FOUR_ROUNDS(w, t)                                                                    \
    do {                                                                                     \
        __m128i sum =                                                                        \
            _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(az_sha256_constants + (t)))); \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                       \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));              \
    } while (0)

/* The words that follow a, b, c, d (16 words, oldest first), into a. */
#define NEXT_WORDS(a, b, c, d)                                                   \
    do {                                                                         \
        a = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4)); \
        a = _mm_sha256msg2_epu32(a, d);                                          \
    } while (0)

void az_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t n_blocks) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i dcba = _mm_loadu_si128((const __m128i *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i badc = _mm_shuffle_epi32(dcba, 0xB1), efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, efgh, 8), cdgh = _mm_blend_epi16(efgh, badc, 0xF0);

    for (; n_blocks > 0; n_blocks--, data += 64) {
        const __m128i *p = (const __m128i *)(const void *)data;
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(p), big_endian);
        __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(p + 1), big_endian);
        __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(p + 2), big_endian);
        __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(p + 3), big_endian);
        FOUR_ROUNDS(w0, 0);
        FOUR_ROUNDS(w1, 4);
        FOUR_ROUNDS(w2, 8);
        FOUR_ROUNDS(w3, 12);
        for (int t = 16; t < 64; t += 16) {
            NEXT_WORDS(w0, w1, w2, w3);
            FOUR_ROUNDS(w0, t);
            NEXT_WORDS(w1, w2, w3, w0);
            FOUR_ROUNDS(w1, t + 4);
            NEXT_WORDS(w2, w3, w0, w1);
            FOUR_ROUNDS(w2, t + 8);
            NEXT_WORDS(w3, w0, w1, w2);
            FOUR_ROUNDS(w3, t + 12);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
