/*
 * x86: the intrinsics that the AVX-512 VNNI and AMX kernels of language models use, in plain
 * C after Intel's manual, so that those kernels are tested on machines that lack the
 * instructions.
 */
#ifndef AZ_EMULATE_X86_H
#define AZ_EMULATE_X86_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EACH(n) for (int i = 0; i < (n); i++)

typedef struct m256i {
    int8_t b[32];
} __m256i;

typedef union m512i {
    int8_t b[64];
    uint8_t u[64];
    int16_t h[32];
    int32_t w[16];
    int64_t q[8];
} __m512i;

typedef struct m512 {
    float f[16];
} __m512;

#define LOAD(type, name, from)               \
    static inline type name(const from *p) { \
        type x;                              \
        memcpy(&x, p, sizeof x);             \
        return x;                            \
    }
LOAD(__m256i, _mm256_loadu_si256, __m256i)
LOAD(__m512i, _mm512_loadu_si512, void)
LOAD(__m512i, _mm512_load_si512, void)
LOAD(__m512, _mm512_loadu_ps, float)
LOAD(__m512, _mm512_load_ps, float)

static inline void _mm512_storeu_si512(void *p, __m512i x) {
    memcpy(p, &x, sizeof x);
}
static inline void _mm512_storeu_ps(float *p, __m512 x) {
    memcpy(p, &x, sizeof x);
}

/* name(a, b): x, of lanes i < n. */
#define BOTH(type, name, n, lane)             \
    static inline type name(type a, type b) { \
        type x;                               \
        EACH(n) lane;                         \
        return x;                             \
    }
BOTH(__m512i, _mm512_xor_si512, 8, x.q[i] = a.q[i] ^ b.q[i])
BOTH(__m512i, _mm512_add_epi32, 16, x.w[i] = a.w[i] + b.w[i])
BOTH(__m512i, _mm512_add_epi64, 8, x.q[i] = a.q[i] + b.q[i])
BOTH(__m512, _mm512_mul_ps, 16, x.f[i] = a.f[i] * b.f[i])
BOTH(__m512, _mm512_add_ps, 16, x.f[i] = a.f[i] + b.f[i])

#define FROM(type, name, from, n, lane) \
    static inline type name(from a) {   \
        type x;                         \
        EACH(n) lane;                   \
        return x;                       \
    }
FROM(__m512i, _mm512_set1_epi8, char, 64, x.b[i] = (int8_t)a)
FROM(__m512i, _mm512_set1_epi32, int, 16, x.w[i] = a)
FROM(__m512, _mm512_set1_ps, float, 16, x.f[i] = a)
FROM(__m512, _mm512_cvtepi32_ps, __m512i, 16, x.f[i] = (float)a.w[i])
FROM(__m512i, _mm512_cvtepi8_epi16, __m256i, 32, x.h[i] = a.b[i])
FROM(__m256i, _mm512_castsi512_si256, __m512i, 32, x.b[i] = a.b[i])

static inline __m512i _mm512_slli_epi32(__m512i a, int n) {
    EACH(16) a.w[i] *= 1 << n;
    return a;
}
static inline __m512i _mm512_setzero_si512(void) {
    return _mm512_set1_epi32(0);
}
static inline __m256i _mm512_extracti64x4_epi64(__m512i a, int half) {
    __m256i x;
    memcpy(&x, a.b + 32 * half, 32);
    return x;
}
static inline __m512i _mm512_cvtepi32_epi64(__m256i a) {
    __m512i x;
    EACH(8) {
        int32_t w;
        memcpy(&w, a.b + 4 * i, 4);
        x.q[i] = w;
    }
    return x;
}
static inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
    EACH(64) sum.w[i / 4] += a.u[i] * b.b[i];
    return sum;
}
static inline __m512i _mm512_dpwssd_epi32(__m512i sum, __m512i a, __m512i b) {
    EACH(32) sum.w[i / 2] += a.h[i] * b.h[i];
    return sum;
}

/* ---- AMX ----------------------------------------------------------------------- */

typedef struct emulated_tile {
    uint8_t n_rows;
    uint16_t n_bytes;
    uint8_t data[16][64];
} emulated_tile;

static _Thread_local emulated_tile emulated_tiles[8];

static inline void emulated_loadconfig(const void *config) {
    const uint8_t *c = config;
    memset(emulated_tiles, 0, sizeof emulated_tiles);
    for (int i = 0; i < 8; i++) {
        memcpy(&emulated_tiles[i].n_bytes, c + 16 + 2 * i, 2);
        emulated_tiles[i].n_rows = c[48 + i];
    }
}

static inline void emulated_loadd(int t, const void *p, size_t stride) {
    emulated_tile *tile = &emulated_tiles[t];
    memset(tile->data, 0, sizeof tile->data);
    for (size_t r = 0; r < tile->n_rows; r++)
        memcpy(tile->data[r], (const uint8_t *)p + r * stride, tile->n_bytes);
}

static inline void emulated_stored(int t, void *p, size_t stride) {
    for (size_t r = 0; r < emulated_tiles[t].n_rows; r++)
        memcpy((uint8_t *)p + r * stride, emulated_tiles[t].data[r], emulated_tiles[t].n_bytes);
}

static inline void emulated_dpbssd(int c, int a, int b) {
    emulated_tile *to = &emulated_tiles[c];
    for (size_t m = 0; m < to->n_rows; m++)
        for (size_t n = 0; n < to->n_bytes / 4u; n++) {
            int32_t sum;
            memcpy(&sum, &to->data[m][4 * n], 4);
            for (size_t k = 0; k < emulated_tiles[a].n_bytes / 4u; k++)
                for (size_t i = 0; i < 4; i++)
                    sum += (int8_t)emulated_tiles[a].data[m][4 * k + i] *
                           (int8_t)emulated_tiles[b].data[k][4 * n + i];
            memcpy(&to->data[m][4 * n], &sum, 4);
        }
}

#define _tile_loadconfig(c) emulated_loadconfig(c)
#define _tile_release() ((void)0)
#define _tile_zero(t) memset(emulated_tiles[t].data, 0, sizeof emulated_tiles[t].data)
#define _tile_loadd(t, p, stride) emulated_loadd(t, p, stride)
#define _tile_stored(t, p, stride) emulated_stored(t, p, stride)
#define _tile_dpbssd(c, a, b) emulated_dpbssd(c, a, b)

#endif
