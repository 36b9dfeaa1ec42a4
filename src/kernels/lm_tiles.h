/*
 * lm_tiles: `score` and `weigh` of a set, made of its tiles. Before this, the set has defined
 * TILE, the rows of its largest tile, and
 *   score_tile(q, n_rows, d, group, out, out_stride)       one group of keys
 *   weigh_tile(w, w_stride, n_rows, panel, n_t, out, out_stride)   one panel of values
 * as inline functions; n_rows is TILE, 3 (a model's heads often come in threes) or 1.
 */
#ifndef AZ_LM_TILES_H
#define AZ_LM_TILES_H

static void score(const int16_t *q, size_t n_rows, size_t d, const int8_t *keys, size_t n_groups,
                  int32_t *out, size_t out_stride) {
    size_t r = 0;
#define TILE_OF(n)                                          \
    for (; r + n <= n_rows; r += n)                         \
        for (size_t g = 0; g < n_groups; g++)               \
    score_tile(q + r * d, n, d, keys + g * AZ_LM_GROUP * d, \
               out + r * out_stride + g * AZ_LM_GROUP, out_stride)
    TILE_OF(TILE);
    TILE_OF(3);
    TILE_OF(1);
#undef TILE_OF
}

static void weigh(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *values,
                  size_t panel_nbytes, size_t n_t, size_t d, int64_t *out, size_t out_stride) {
    for (size_t c = 0; c < d; c += 16) {
        const int8_t *panel = values + c / 16 * panel_nbytes;
        size_t r = 0;
#define TILE_OF(n)                  \
    for (; r + n <= n_rows; r += n) \
    weigh_tile(w + r * w_stride, w_stride, n, panel, n_t, out + r * out_stride + c, out_stride)
        TILE_OF(TILE);
        TILE_OF(3);
        TILE_OF(1);
#undef TILE_OF
    }
}

#endif
