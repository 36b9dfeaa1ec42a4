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

/* gcc's _tile_loadconfig says that it reads a pointer's bytes of what it is given; all of it
 * must be in memory. */
#if defined(__GNUC__)
#define READ_ALL(x) __asm__ volatile("" : : "m"(x))
#else
#define READ_ALL(x) ((void)0)
#endif

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
    READ_ALL(c);
    _tile_loadconfig(&c);
}

/* One block of 64 columns: dots[tile][row][16]. */
AZ_LM_INLINE void block_dots(const int8_t *a, size_t n_cols, const int8_t *w, size_t w_nbytes,
                             bool two_rows, bool two_groups, int32_t dots[4][ROWS][16]) {
    _tile_zero(0);
    _tile_loadd(4, a, n_cols);
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
        _tile_loadd(5, a + ROWS * n_cols, n_cols);
        _tile_dpbssd(2, 5, 6);
        _tile_stored(2, dots[2], 64);
        if (two_groups) {
            _tile_zero(3);
            _tile_dpbssd(3, 5, 7);
            _tile_stored(3, dots[3], 64);
        }
    }
}

/* n_rows (at most 32) rows times one or two groups; tiles are configured. */
static void multiply_tiles(const az_matrix *w, size_t group, size_t n_groups, const az_rows *a,
                           size_t row, size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    _Alignas(64) int32_t dots[2][4][ROWS][16]; /* in turn: tiles fill one, sums read the other */
    const float *w_scale = w->scale + group * AZ_LM_GROUP * n_blocks;
    for (size_t b = 0; b <= n_blocks; b++) {
        if (b < n_blocks)
            block_dots(a->q + row * n_cols + b * AZ_LM_BLOCK, n_cols,
                       w->groups + group * AZ_LM_GROUP * n_cols + b * AZ_LM_BLOCK * AZ_LM_GROUP,
                       AZ_LM_GROUP * n_cols, n_rows > ROWS, n_groups > 1, dots[b % 2]);
        if (b == 0)
            continue;
        size_t last = b - 1;
        for (size_t g = 0; g < n_groups; g++)
            for (size_t r = 0; r < n_rows; r++)
                add_scaled(
                    out + r * out_stride + g * AZ_LM_GROUP,
                    _mm512_load_si512((const void *)dots[last % 2][r / ROWS * 2 + g][r % ROWS]),
                    a->scale[(row + r) * n_blocks + last],
                    w_scale + (g * n_blocks + last) * AZ_LM_GROUP, last == 0);
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
