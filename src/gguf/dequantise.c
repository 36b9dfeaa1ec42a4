/*
 * dequantise: a tensor's values as binary32.
 *
 * Most types cut a row into blocks of 32 or 256 values and store, for a block, one or two
 * scales as halves (IEEE binary16) and a small whole number q for each value:
 *
 *     value = d * q         types _0: q has a sign, or stands 8, 16, 32 too high
 *     value = d * q + m     types _1: m is the smallest value of the block
 *
 * The types K and IQ4_XS have 256 values and, inside, groups of 16 or 32 with a small whole
 * number each that multiplies d (and m), so that a group's scale costs 4 to 8 bits instead of
 * 16. IQ4 looks its q up in a table of 16 levels that lie closer near 0, where most weights
 * are. The layouts are those of ggml (github.com/ggml-org/ggml, src/ggml-quants.c).
 *
 * Each operation below is one binary32 operation, rounded by itself, in the order written:
 * the result has the same bits on every machine. One exception: where a scale is NaN or
 * infinite, so are the values, but a NaN's bits are the machine's choice.
 *
 * The inner loops are plain, of fixed length, over arrays that don't overlap (restrict), so
 * that the compiler makes vectors of them.
 */
#include "gguf.h"

/* ---- Numbers ---------------------------------------------------------------------- */

static inline uint16_t read_le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* binary16 -> binary32, exact: sign 1, exponent 5 (bias 15), fraction 10 bits. */
static inline float float_of_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF;
    uint32_t bits;
    if (rest < 0x0400) { /* exponent 0: fraction * 2^-24; the product is no subnormal */
        float f = (float)(int32_t)rest * 0x1p-24F;
        memcpy(&bits, &f, sizeof bits);
    } else if (rest < 0x7C00) {
        bits = (rest << 13) + ((127 - 15) << 23);
    } else { /* infinity, NaN */
        bits = rest << 13 | 0x7F800000;
    }
    return float_of_bits(bits | sign);
}

/* ---- Types without blocks --------------------------------------------------------- */

static void dequantise_f32(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (size_t i = 0; i < n; i++)
        dst[i] = float_of_bits(az_read_le32(src + 4 * i));
}

static void dequantise_f16(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (size_t i = 0; i < n; i++)
        dst[i] = float_of_half(read_le16(src + 2 * i));
}

static void dequantise_bf16(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (size_t i = 0; i < n; i++)
        dst[i] = float_of_bits((uint32_t)read_le16(src + 2 * i) << 16);
}

/* ---- Blocks of 32 ----------------------------------------------------------------- */

/* Byte i of qs holds value i in its low half and value i + 16 in its high half. */

static void dequantise_q4_0(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 18, dst += 32) {
        const float d = float_of_half(read_le16(src));
        const uint8_t *qs = src + 2;
        for (int i = 0; i < 16; i++)
            dst[i] = (float)((qs[i] & 15) - 8) * d;
        for (int i = 0; i < 16; i++)
            dst[i + 16] = (float)((qs[i] >> 4) - 8) * d;
    }
}

static void dequantise_q4_1(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 20, dst += 32) {
        const float d = float_of_half(read_le16(src)), m = float_of_half(read_le16(src + 2));
        const uint8_t *qs = src + 4;
        for (int i = 0; i < 16; i++)
            dst[i] = (float)(qs[i] & 15) * d + m;
        for (int i = 0; i < 16; i++)
            dst[i + 16] = (float)(qs[i] >> 4) * d + m;
    }
}

/* The fifth bit of value i is bit i of qh. */
static inline void unpack_q5(const uint8_t *restrict qh, const uint8_t *restrict qs,
                             int8_t *restrict q) {
    const uint32_t high = az_read_le32(qh);
    for (int i = 0; i < 16; i++)
        q[i] = (int8_t)((qs[i] & 15) | (high >> i & 1) << 4);
    for (int i = 0; i < 16; i++)
        q[i + 16] = (int8_t)((qs[i] >> 4) | (high >> (i + 16) & 1) << 4);
}

static void dequantise_q5_0(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 22, dst += 32) {
        const float d = float_of_half(read_le16(src));
        int8_t q[32];
        unpack_q5(src + 2, src + 6, q);
        for (int i = 0; i < 32; i++)
            dst[i] = (float)(q[i] - 16) * d;
    }
}

static void dequantise_q5_1(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 24, dst += 32) {
        const float d = float_of_half(read_le16(src)), m = float_of_half(read_le16(src + 2));
        int8_t q[32];
        unpack_q5(src + 4, src + 8, q);
        for (int i = 0; i < 32; i++)
            dst[i] = (float)q[i] * d + m;
    }
}

static void dequantise_q8_0(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 34, dst += 32) {
        const float d = float_of_half(read_le16(src));
        const int8_t *qs = (const int8_t *)src + 2;
        for (int i = 0; i < 32; i++)
            dst[i] = (float)qs[i] * d;
    }
}

static const int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

/* 16 bytes, 32 values: scale times level. */
static inline void dequantise_iq4(const uint8_t *restrict qs, float scale, float *restrict dst) {
    float levels[16]; /* the 16 products there can be */
    for (int i = 0; i < 16; i++)
        levels[i] = scale * (float)iq4_levels[i];
    for (int i = 0; i < 16; i++) {
        dst[i] = levels[qs[i] & 15];
        dst[i + 16] = levels[qs[i] >> 4];
    }
}

static void dequantise_iq4_nl(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 32, src += 18, dst += 32)
        dequantise_iq4(src + 2, float_of_half(read_le16(src)), dst);
}

/* ---- Blocks of 256 ---------------------------------------------------------------- */

/* Scales 16 of 4 bits, each with the 4 bits of its minimum above it; q of 2 bits. Each half of
 * the block, 128 values, has 32 bytes of q: the lowest two bits are its values 0..31, the next
 * two its values 32..63, and so on. */
static void dequantise_q2_k(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 84, dst += 256) {
        const float d = float_of_half(read_le16(src + 80)),
                    dmin = float_of_half(read_le16(src + 82));
        for (int group = 0; group < 16; group++) {
            const float scale = d * (float)(src[group] & 15);
            const float min = dmin * (float)(src[group] >> 4);
            const uint8_t *qs = src + 16 + 32 * (group / 8) + 16 * (group % 2);
            const int shift = 2 * (group / 2 % 4);
            for (int i = 0; i < 16; i++)
                dst[16 * group + i] = scale * (float)(qs[i] >> shift & 3) - min;
        }
    }
}

/* Scales 16 of 6 bits, 32 too high: the low halves of bytes 0..7 are the low 4 bits of scales
 * 0..7, the high halves those of 8..15; byte 8 + k % 4 holds, at 2 * (k / 4), the upper two of
 * scale k. */
static inline void unpack_q3_scales(const uint8_t *restrict packed, int8_t *restrict scales) {
    for (int k = 0; k < 16; k++) {
        int low = k < 8 ? packed[k] & 15 : packed[k - 8] >> 4;
        int high = packed[8 + k % 4] >> (2 * (k / 4)) & 3;
        scales[k] = (int8_t)((low | high << 4) - 32);
    }
}

/* q of 3 bits: the lower two as in Q2_K; the third is bit v of the mask's byte i, for value
 * 32 v + i; q is 4 too high. */
static void dequantise_q3_k(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 110, dst += 256) {
        const float d = float_of_half(read_le16(src + 108));
        int8_t scales[16];
        unpack_q3_scales(src + 96, scales);
        for (int group = 0; group < 16; group++) {
            const float scale = d * (float)scales[group];
            const uint8_t *mask = src + 16 * (group % 2);
            const uint8_t *qs = src + 32 + 32 * (group / 8) + 16 * (group % 2);
            const int shift = 2 * (group / 2 % 4), bit = group / 2;
            for (int i = 0; i < 16; i++)
                dst[16 * group + i] =
                    scale * (float)((qs[i] >> shift & 3) + (mask[i] >> bit & 1) * 4 - 4);
        }
    }
}

/* Scales and minima, 8 of 6 bits each, in 12 bytes: those of 0..3 are the low 6 bits of bytes
 * 0..3 and 4..7; those of 4..7 share bytes 8..11, 4 bits each, and have their upper two bits
 * on top of bytes 0..3 and 4..7. */
static inline void unpack_k_scales(const uint8_t *restrict packed, uint8_t *restrict scales,
                                   uint8_t *restrict mins) {
    for (int k = 0; k < 4; k++) {
        scales[k] = packed[k] & 63;
        mins[k] = packed[k + 4] & 63;
        scales[k + 4] = (uint8_t)((packed[k + 8] & 15) | packed[k] >> 6 << 4);
        mins[k + 4] = (uint8_t)(packed[k + 8] >> 4 | packed[k + 4] >> 6 << 4);
    }
}

/* Of each 32 bytes of q, the low halves are 32 values, the high halves the next 32. */
static void dequantise_q4_k(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 144, dst += 256) {
        const float d = float_of_half(read_le16(src)), dmin = float_of_half(read_le16(src + 2));
        uint8_t scales[8], mins[8];
        unpack_k_scales(src + 4, scales, mins);
        for (int group = 0; group < 8; group++) {
            const float scale = d * (float)scales[group], min = dmin * (float)mins[group];
            const uint8_t *qs = src + 16 + 32 * (group / 2);
            const int shift = 4 * (group % 2);
            for (int i = 0; i < 32; i++)
                dst[32 * group + i] = scale * (float)(qs[i] >> shift & 15) - min;
        }
    }
}

/* As Q4_K; the fifth bit of value i of a group is the group's bit of qh[i]. */
static void dequantise_q5_k(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 176, dst += 256) {
        const float d = float_of_half(read_le16(src)), dmin = float_of_half(read_le16(src + 2));
        uint8_t scales[8], mins[8];
        unpack_k_scales(src + 4, scales, mins);
        const uint8_t *qh = src + 16;
        for (int group = 0; group < 8; group++) {
            const float scale = d * (float)scales[group], min = dmin * (float)mins[group];
            const uint8_t *qs = src + 48 + 32 * (group / 2);
            const int shift = 4 * (group % 2);
            for (int i = 0; i < 32; i++)
                dst[32 * group + i] =
                    scale * (float)((qs[i] >> shift & 15) + (qh[i] >> group & 1) * 16) - min;
        }
    }
}

/* q of 6 bits, 32 too high. In a half of the block, values 0..31, 32..63, 64..95 and 96..127
 * take their low 4 bits from the low halves of ql[0..31] and ql[32..63], then the high halves
 * of the same; their upper two from qh[0..31], two bits further up each time. */
static void dequantise_q6_k(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 210, dst += 256) {
        const float d = float_of_half(read_le16(src + 208));
        const int8_t *scales = (const int8_t *)src + 192;
        for (int group = 0; group < 16; group++) {
            const int half = group / 8, quarter = group / 2 % 4;
            const float scale = d * (float)scales[group];
            const uint8_t *ql = src + 64 * half + 32 * (quarter % 2) + 16 * (group % 2);
            const uint8_t *qh = src + 128 + 32 * half + 16 * (group % 2);
            const int low = 4 * (quarter / 2), high = 2 * quarter;
            for (int i = 0; i < 16; i++)
                dst[16 * group + i] =
                    scale * (float)((ql[i] >> low & 15) + (qh[i] >> high & 3) * 16 - 32);
        }
    }
}

/* Scales 8 of 6 bits, 32 too high: 4 low bits in scales_l, two upper ones in scales_h. */
static void dequantise_iq4_xs(const uint8_t *restrict src, size_t n, float *restrict dst) {
    for (; n > 0; n -= 256, src += 136, dst += 256) {
        const float d = float_of_half(read_le16(src));
        const int scales_h = read_le16(src + 2);
        for (int group = 0; group < 8; group++) {
            const int low = src[4 + group / 2] >> (4 * (group % 2)) & 15;
            const int high = scales_h >> (2 * group) & 3;
            dequantise_iq4(src + 8 + 16 * group, d * (float)((low | high << 4) - 32),
                           dst + 32 * group);
        }
    }
}

/* ---- The table ---------------------------------------------------------------------- */

/* By ggml's number; the gaps are types that ggml has taken away. */
static const az_gguf_type types[] = {
    [0] = {"F32", 1, 4, dequantise_f32},
    [1] = {"F16", 1, 2, dequantise_f16},
    [2] = {"Q4_0", 32, 18, dequantise_q4_0},
    [3] = {"Q4_1", 32, 20, dequantise_q4_1},
    [6] = {"Q5_0", 32, 22, dequantise_q5_0},
    [7] = {"Q5_1", 32, 24, dequantise_q5_1},
    [8] = {"Q8_0", 32, 34, dequantise_q8_0},
    [9] = {"Q8_1", 32, 36, NULL},
    [10] = {"Q2_K", 256, 84, dequantise_q2_k},
    [11] = {"Q3_K", 256, 110, dequantise_q3_k},
    [12] = {"Q4_K", 256, 144, dequantise_q4_k},
    [13] = {"Q5_K", 256, 176, dequantise_q5_k},
    [14] = {"Q6_K", 256, 210, dequantise_q6_k},
    [15] = {"Q8_K", 256, 292, NULL},
    [16] = {"IQ2_XXS", 256, 66, NULL},
    [17] = {"IQ2_XS", 256, 74, NULL},
    [18] = {"IQ3_XXS", 256, 98, NULL},
    [19] = {"IQ1_S", 256, 50, NULL},
    [20] = {"IQ4_NL", 32, 18, dequantise_iq4_nl},
    [21] = {"IQ3_S", 256, 110, NULL},
    [22] = {"IQ2_S", 256, 82, NULL},
    [23] = {"IQ4_XS", 256, 136, dequantise_iq4_xs},
    [24] = {"I8", 1, 1, NULL},
    [25] = {"I16", 1, 2, NULL},
    [26] = {"I32", 1, 4, NULL},
    [27] = {"I64", 1, 8, NULL},
    [28] = {"F64", 1, 8, NULL},
    [29] = {"IQ1_M", 256, 56, NULL},
    [30] = {"BF16", 1, 2, dequantise_bf16},
    [34] = {"TQ1_0", 256, 54, NULL},
    [35] = {"TQ2_0", 256, 66, NULL},
    [39] = {"MXFP4", 32, 17, NULL},
    [40] = {"NVFP4", 64, 36, NULL},
    [41] = {"Q1_0", 128, 18, NULL},
    [42] = {"Q2_0", 64, 18, NULL},
};

const az_gguf_type *az_gguf_type_of(uint32_t type) {
    static const az_gguf_type unknown = {NULL, 0, 0, NULL};
    return type < sizeof types / sizeof types[0] ? &types[type] : &unknown;
}
