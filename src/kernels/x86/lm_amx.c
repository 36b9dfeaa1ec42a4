/*
 * lm_amx: matrix products in AMX tiles, the rest as with VNNI; see lm.h and lm_vnni.h. One
 * instruction multiplies 16 rows of 64 activations by 64 columns of a group's 16 rows, which
 * is just a block with its scale: its int32 results go to memory, and from there, scaled,
 * into the sums.
 */
#if !defined(AZ_EMULATED_X86) && !defined(__AMX_INT8__) && !defined(__AMXINT8__)
#error "build this file with -mamx-tile -mamx-int8 -mavx512vnni"
#endif
#define STORED 0
#include "lm_vnni.h"

enum {
    ROWS = 16, /* of a tile */
    FEW = 4    /* rows that are quicker done without tiles */
};

/* Intel's manual, volume 1, 18.3: palette 1 has 8 tiles of at most 16 rows of 64 bytes. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t n_bytes[16]; /* of a row */
    uint8_t n_rows[16];
} tile_config;

/* Tiles 0..3 are sums of 2 times 16 rows and 2 groups, 4 and 5 activations, 6 and 7 groups.
 * The second 16 rows may be fewer. */
static void configure(size_t first_rows, size_t second_rows) {
    tile_config c = {.palette = 1};
    const uint8_t rows[8] = {(uint8_t)first_rows,
                             (uint8_t)first_rows,
                             (uint8_t)second_rows,
                             (uint8_t)second_rows,
                             (uint8_t)first_rows,
                             (uint8_t)second_rows,
                             ROWS,
                             ROWS};
    for (size_t i = 0; i < 8; i++) {
        c.n_rows[i] = rows[i];
        c.n_bytes[i] = rows[i] ? 64 : 0;
    }
    _tile_loadconfig(&c);
}

/* One block of 64 columns, of a's rows `stride` bytes apart: dots[tile][row][16]. */
AZ_LM_INLINE void block_dots(const int8_t *a, size_t stride, const int8_t *w, size_t w_nbytes,
                             bool two_rows, bool two_groups, int32_t dots[4][ROWS][16]) {
    _tile_zero(0);
    _tile_loadd(4, a, stride);
    _tile_loadd(6, w, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_stored(0, dots[0], 64);
    if (two_groups) {
        _tile_zero(1);
        _tile_loadd(7, w + w_nbytes, 64);
        _tile_dpbssd(1, 4, 7);
        _tile_stored(1, dots[1], 64);
    }
    if (two_rows) {
        _tile_zero(2);
        _tile_loadd(5, a + ROWS * stride, stride);
        _tile_dpbssd(2, 5, 6);
        _tile_stored(2, dots[2], 64);
        if (two_groups) {
            _tile_zero(3);
            _tile_dpbssd(3, 5, 7);
            _tile_stored(3, dots[3], 64);
        }
    }
}

/* Products of a block: lower bytes, and upper ones of wide rows. */
typedef struct block_sums {
    _Alignas(64) int32_t lower[4][ROWS][16], upper[4][ROWS][16];
} block_sums;

/* n_rows (at most 32) rows times one or two groups; tiles are configured. */
static void multiply_tiles(const az_matrix *w, size_t group, size_t n_groups, const az_rows *a,
                           size_t row, size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK, stride = n_cols << a->wide;
    block_sums sums[2]; /* in turn: tiles fill one, totals read the other */
    _Alignas(64) float total[2 * ROWS][2][16];
    for (size_t b = 0; b <= n_blocks; b++) {
        if (b < n_blocks) {
            const int8_t *q = a->q + row * stride + b * AZ_LM_BLOCK;
            const int8_t *block =
                w->groups + group * AZ_LM_GROUP * n_cols + b * AZ_LM_BLOCK * AZ_LM_GROUP;
            block_dots(q, stride, block, AZ_LM_GROUP * n_cols, n_rows > ROWS, n_groups > 1,
                       sums[b % 2].lower);
            if (a->wide)
                block_dots(q + n_cols, stride, block, AZ_LM_GROUP * n_cols, n_rows > ROWS,
                           n_groups > 1, sums[b % 2].upper);
        }
        if (b == 0)
            continue;
        const block_sums *s = &sums[(b - 1) % 2];
        for (size_t r = 0; r < n_rows; r++)
            for (size_t g = 0; g < n_groups; g++) {
                size_t tile = r / ROWS * 2 + g;
                __m512i sum = _mm512_load_si512((const void *)s->lower[tile][r % ROWS]);
                if (a->wide) {
                    __m512i upper = _mm512_load_si512((const void *)s->upper[tile][r % ROWS]);
                    sum = _mm512_add_epi32(sum, _mm512_slli_epi32(upper, 8));
                }
                add_scaled(total[r][g], sum, a->scale[(row + r) * n_blocks + b - 1], b == 1);
            }
    }
    for (size_t g = 0; g < n_groups; g++) {
        __m512 scale = _mm512_loadu_ps(w->scale + (group + g) * AZ_LM_GROUP);
        for (size_t r = 0; r < n_rows; r++)
            _mm512_storeu_ps(out + r * out_stride + g * AZ_LM_GROUP,
                             _mm512_mul_ps(_mm512_load_ps(total[r][g]), scale));
    }
}

static void multiply(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride) {
    if (n_rows < FEW) {
        multiply_by_dot(w, first_group, n_groups, a, first_row, n_rows, out, out_stride);
        return;
    }
    for (size_t r = 0; r < n_rows; r += 2 * ROWS) {
        size_t left = n_rows - r, n = left < 2 * ROWS ? left : 2 * ROWS;
        if (r == 0 || n < 2 * ROWS)
            configure(n < ROWS ? n : ROWS, n > ROWS ? n - ROWS : 0);
        for (size_t g = 0; g < n_groups; g += 2)
            multiply_tiles(w, first_group + g, n_groups - g > 1 ? 2 : 1, a, first_row + r, n,
                           out + r * out_stride + g * AZ_LM_GROUP, out_stride);
    }
    _tile_release();
}

const az_lm_kernels az_lm_kernels_amx = AZ_LM_SET("amx", 1);
