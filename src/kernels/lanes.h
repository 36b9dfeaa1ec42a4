/*
 * lanes: the two lane kernels, once. Each file of an instruction set includes
 * this, and the compiler makes its own of it: integers only, so all are equal.
 */
#ifndef AZ_LANES_H
#define AZ_LANES_H

#include "kernels.h"

enum { RATE_SHIFT = 7 };

static inline void stretch_lanes(const uint32_t *restrict p, const int32_t *stretch, size_t n,
                                 int32_t *restrict x) {
    for (size_t i = 0; i < n; i++)
        x[i] = stretch[az_stretch_index(p[i] >> 10)];
}

static void lanes_predict(az_lanes *lanes, size_t n, uint32_t node, uint32_t c0, uint32_t bit_pos,
                          bool runs, int32_t *x) {
    const uint32_t *maps = lanes->maps, *run_maps = lanes->run_maps;
    for (size_t i = 0; i < n; i++) {
        uint32_t cell = (uint32_t)i * 256 + lanes->states[i][node];
        lanes->cell[i] = cell;
        lanes->p[i] = maps[cell];
    }
    stretch_lanes(lanes->p, lanes->stretch, n, x);
    if (!runs)
        return;
    for (size_t i = 0; i < n; i++)
        x[n + i] = ((int32_t)(lanes->p[i] ^ 0x80000000u) >> 23) * 65536;
    for (size_t i = 0; i < n; i++) {
        uint32_t expected = lanes->run_expected[i];
        uint32_t agrees = -(uint32_t)(expected >> (8 - bit_pos) == c0);
        uint32_t bit = expected >> (7 - bit_pos) & 1;
        lanes->run_cell[i] = (uint32_t)i * AZ_RUN_CELLS + ((lanes->run_count[i] + bit) & agrees);
    }
    for (size_t i = 0; i < n; i++)
        lanes->run_p[i] = run_maps[lanes->run_cell[i]];
    stretch_lanes(lanes->run_p, lanes->stretch, n, x + 2 * n);
}

/* Towards 2^32 - 1 for a 1, towards 0 for a 0, by the same code: complemented. */
static inline void adapt(uint32_t *p, size_t n, int bit) {
    uint32_t flip = -(uint32_t)bit;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = p[i] ^ flip;
        p[i] = (v - (v >> RATE_SHIFT)) ^ flip;
    }
}

static void lanes_learn(az_lanes *lanes, size_t n, uint32_t node, int bit, bool runs) {
    uint32_t *maps = lanes->maps, *run_maps = lanes->run_maps;
    adapt(lanes->p, n, bit);
    for (size_t i = 0; i < n; i++) {
        maps[lanes->cell[i]] = lanes->p[i];
        lanes->states[i][node] = lanes->next[lanes->cell[i] & 255][bit];
    }
    if (!runs)
        return;
    adapt(lanes->run_p, n, bit);
    for (size_t i = 0; i < n; i++)
        run_maps[lanes->run_cell[i]] = lanes->run_p[i];
}

#endif
