/*
 * lm_kernels: every set of the language model's kernels against the reference, bit for bit,
 * to the edges of their ranges: those that this CPU can run, and VNNI's and AMX's on emulated
 * instructions. And the reference against what it is to be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "aizip.h"
#include "generate.h"
#include "kernels/kernels.h"

extern const az_lm_kernels az_lm_kernels_vnni_emulated, az_lm_kernels_amx_emulated;

enum { SETS_MAX = 8 };

static size_t find_sets(const az_lm_kernels **found) {
    const az_lm_kernels *all[SETS_MAX];
    unsigned needed[SETS_MAX];
    size_t n_all = az_lm_kernels_all(all, needed, SETS_MAX), n = 0;
    assert_ptr_equal(all[0], &az_lm_kernels_ref);
    for (size_t i = 1; i < n_all; i++)
        if ((az_cpu_features() & needed[i]) == needed[i])
            found[n++] = all[i];
        else
            print_message("kernels %s run emulated only, if at all: not for this CPU\n",
                          all[i]->name);
    found[n++] = &az_lm_kernels_vnni_emulated;
    found[n++] = &az_lm_kernels_amx_emulated;
    return n;
}

static void *take(size_t n_bytes) {
    void *ptr = aligned_alloc(64, (n_bytes + 63) / 64 * 64 + 64);
    assert_non_null(ptr);
    memset(ptr, 0x55, n_bytes);
    return ptr;
}

/* How numbers are drawn. */
enum { ANY, LARGEST, LOWEST, EDGES, N_RANGES };

static int32_t draw(dice *d, uint32_t range, int32_t max) {
    switch (range) {
    case LARGEST: return max;
    case LOWEST: return -max;
    case EDGES: return dice_below(d, 2) ? max : -max;
    default: return (int32_t)dice_below(d, 2 * (uint32_t)max + 1) - max;
    }
}

static void draw_rows(dice *d, int8_t *out, size_t n) {
    uint32_t range = dice_below(d, N_RANGES);
    for (size_t i = 0; i < n; i++)
        out[i] = (int8_t)draw(d, range, AZ_LM_Q_MAX);
}

static void draw_floats(dice *d, float *out, size_t n) {
    float size = ldexpf(1.0f, (int)dice_below(d, 30) - 15);
    bool edges = dice_below(d, 4) == 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = size * ((float)dice_below(d, 2000001) - 1000000.0f) / 1000000.0f;
        if (edges)
            out[i] = out[i] < 0 ? -size : size;
    }
}

/* rows [n][n_cols] packed by a set. */
static int8_t *pack(const az_lm_kernels *k, const int8_t *rows, size_t n, size_t n_cols) {
    int8_t *groups = take((n + 15) / 16 * 16 * n_cols);
    int8_t *none = calloc(n_cols, 1);
    for (size_t r = 0; r < (n + 15) / 16 * 16; r++)
        k->put_row(groups + r / 16 * 16 * n_cols, r % 16, r < n ? rows + r * n_cols : none, n_cols);
    free(none);
    return groups;
}

static void multiply_with(const az_lm_kernels *k, const int8_t *rows, float *scale, size_t n_groups,
                          size_t n_cols, const float *x, size_t n_x, size_t n_rows, float *out) {
    az_matrix m = {pack(k, rows, n_groups * 16, n_cols), scale, n_cols, n_groups};
    size_t n_blocks = n_cols / AZ_LM_BLOCK;
    az_rows a = {take(n_rows * n_cols * k->q_nbytes), take(n_rows * n_blocks * 4),
                 take(n_rows * n_blocks * 4), n_cols};
    for (size_t r = 0; r < n_rows; r++)
        assert_true(k->quantise(x + r * n_x, n_x, a.q + r * n_cols * k->q_nbytes,
                                a.scale + r * n_blocks, a.sum + r * n_blocks));
    /* In two parts, of groups and of rows. */
    size_t g = n_groups / 2, r = n_rows / 3, stride = n_groups * 16;
    k->multiply(&m, 0, g, &a, 0, r, out, stride);
    k->multiply(&m, g, n_groups - g, &a, 0, r, out + g * 16, stride);
    k->multiply(&m, 0, n_groups, &a, r, n_rows - r, out + r * stride, stride);
    free(m.groups);
    free(a.q);
    free(a.scale);
    free(a.sum);
}

static void multiply_is_the_references(void **state) {
    (void)state;
    const az_lm_kernels *sets[SETS_MAX];
    size_t n_sets = find_sets(sets);
    dice d = {1};
    for (int round = 0; round < 60; round++) {
        size_t n_groups = 1 + dice_below(&d, 5), n_blocks = 1 + dice_below(&d, 4);
        size_t n_cols = n_blocks * AZ_LM_BLOCK, n_rows = 1 + dice_below(&d, 70);
        size_t n_x = n_cols - 16 * dice_below(&d, 4); /* the last block may not be full */
        int8_t *rows = take(n_groups * 16 * n_cols);
        float *scale = take(n_groups * 16 * n_blocks * sizeof *scale),
              *x = take(n_rows * n_x * sizeof *x);
        size_t n_out = n_rows * n_groups * 16;
        float *expected = take(n_out * sizeof *expected), *out = take(n_out * sizeof *out);
        draw_rows(&d, rows, n_groups * 16 * n_cols);
        draw_floats(&d, scale, n_groups * 16 * n_blocks);
        for (size_t i = 0; i < n_groups * 16 * n_blocks; i++)
            scale[i] = fabsf(scale[i]);
        for (size_t r = 0; r < n_rows; r++)
            draw_floats(&d, x + r * n_x, n_x);
        multiply_with(&az_lm_kernels_ref, rows, scale, n_groups, n_cols, x, n_x, n_rows, expected);
        for (size_t i = 0; i < n_sets; i++) {
            memset(out, 0x55, n_out * sizeof *out);
            multiply_with(sets[i], rows, scale, n_groups, n_cols, x, n_x, n_rows, out);
            if (memcmp(out, expected, n_out * sizeof *out) != 0)
                fail_msg("%s: %zu rows, %zu groups, %zu columns", sets[i]->name, n_rows, n_groups,
                         n_cols);
        }
        free(rows), free(scale), free(x), free(expected), free(out);
    }
}

static void score_is_the_references(void **state) {
    (void)state;
    const az_lm_kernels *sets[SETS_MAX];
    size_t n_sets = find_sets(sets);
    dice d = {2};
    for (int round = 0; round < 60; round++) {
        size_t dim = round < 4 ? AZ_LM_HEAD_MAX : 16 * (1 + dice_below(&d, 16));
        size_t n_groups = 1 + dice_below(&d, 5), n_rows = 1 + dice_below(&d, 30);
        size_t stride = n_groups * 16 + 16;
        int8_t *keys = take(n_groups * 16 * dim);
        int16_t *q = take(n_rows * dim * sizeof *q);
        int32_t *expected = take(n_rows * stride * 4), *out = take(n_rows * stride * 4);
        uint32_t range = dice_below(&d, N_RANGES);
        for (size_t i = 0; i < n_rows * dim; i++)
            q[i] = (int16_t)draw(&d, range, AZ_LM_QUERY_MAX);
        draw_rows(&d, keys, n_groups * 16 * dim);
        az_lm_kernels_ref.score(q, n_rows, dim, keys, n_groups, expected, stride);
        for (size_t i = 0; i < n_sets; i++) {
            memset(out, 0x55, n_rows * stride * 4);
            sets[i]->score(q, n_rows, dim, keys, n_groups, out, stride);
            if (memcmp(out, expected, n_rows * stride * 4) != 0)
                fail_msg("%s: %zu queries of %zu, %zu groups", sets[i]->name, n_rows, dim,
                         n_groups);
        }
        free(keys), free(q), free(expected), free(out);
    }
}

static void weigh_is_the_references(void **state) {
    (void)state;
    const az_lm_kernels *sets[SETS_MAX];
    size_t n_sets = find_sets(sets);
    dice d = {3};
    for (int round = 0; round < 60; round++) {
        size_t dim = 16 * (1 + dice_below(&d, 8)), n_rows = 1 + dice_below(&d, 30);
        size_t n_t = round < 4 ? AZ_LM_SPAN : 2 * (1 + dice_below(&d, AZ_LM_SPAN / 2));
        size_t panel = n_t * 16 + 64, stride = n_t + 8;
        int8_t *values = take(dim / 16 * panel);
        int16_t *w = take(n_rows * stride * sizeof *w);
        int64_t *expected = take(n_rows * dim * 8), *out = take(n_rows * dim * 8);
        draw_rows(&d, values, dim / 16 * panel);
        uint32_t range = dice_below(&d, 2);
        for (size_t i = 0; i < n_rows * stride; i++)
            w[i] = (int16_t)abs(draw(&d, range, AZ_LM_WEIGHT_MAX));
        for (size_t i = 0; i < n_rows * dim; i++)
            expected[i] = draw(&d, ANY, 1 << 30);
        for (size_t i = 0; i < n_sets; i++) {
            int64_t *want = take(n_rows * dim * 8);
            memcpy(want, expected, n_rows * dim * 8);
            memcpy(out, expected, n_rows * dim * 8);
            az_lm_kernels_ref.weigh(w, stride, n_rows, values, panel, n_t, dim, want, dim);
            sets[i]->weigh(w, stride, n_rows, values, panel, n_t, dim, out, dim);
            if (memcmp(out, want, n_rows * dim * 8) != 0)
                fail_msg("%s: %zu rows, %zu positions, %zu values", sets[i]->name, n_rows, n_t,
                         dim);
            free(want);
        }
        free(values), free(w), free(expected), free(out);
    }
}

enum { VECTOR_MAX = 2048 };

/* Everything of one set's binary32 functions on the same numbers; returns a sum of all bits. */
static uint32_t vectors_of(const az_lm_kernels *k, uint64_t seed) {
    dice d = {seed};
    size_t n = 16 * (1 + dice_below(&d, VECTOR_MAX / 16));
    float *x = take(VECTOR_MAX * 4), *y = take(VECTOR_MAX * 4), *z = take(VECTOR_MAX * 4);
    int32_t *dots = take(VECTOR_MAX * 4);
    int16_t *w = take(VECTOR_MAX * 2);
    uint32_t *freq = take(VECTOR_MAX * 4);
    int8_t *q = take(VECTOR_MAX);
    az_hash hash;
    az_hash_begin(&hash, 0);
#define ADD(p, n_bytes) az_hash_add(&hash, p, n_bytes)
    draw_floats(&d, x, n);
    draw_floats(&d, y, n);
    draw_floats(&d, z, n);
    float *out = take(VECTOR_MAX * 4), scale;
    k->rms_norm(x, y, n, 1e-5f, out), ADD(out, n * 4);
    k->layer_norm(x, y, z, n, 1e-5f, out), ADD(out, n * 4);
    k->add(out, x, n), ADD(out, n * 4);
    k->scale(out, 3.7f, n), ADD(out, n * 4);
    k->silu(out, y, n), ADD(out, n * 4);
    k->gelu(x, y, n), ADD(x, n * 4);
    k->gelu(y, NULL, n), ADD(y, n * 4);
    k->rotate(z, x, y, n), ADD(z, n * 4);
    assert_true(k->quantise_row(z, n, q, &scale));
    ADD(q, n), ADD(&scale, 4);
    assert_true(k->quantise_query(z, n, w, &scale));
    ADD(w, n * 2), ADD(&scale, 4);
    uint64_t sum = k->frequencies(z, n, freq);
    ADD(freq, n * 4), ADD(&sum, 8);
    for (size_t i = 0; i < n; i++) {
        dots[i] = draw(&d, ANY, 127 * 127 * 64);
        x[i] = (float)dice_below(&d, 1000) / 1e5f;
        y[i] = (float)dice_below(&d, 1000) / 1e4f;
    }
    n -= dice_below(&d, 16); /* these take any number */
    float max = -1e30f, value_max = 0;
    k->softmax_max(dots, x, y, n, &max, &value_max);
    ADD(&max, 4), ADD(&value_max, 4);
    int64_t total = k->softmax_weights(dots, x, y, n, 0.01f, max * 0.01f,
                                       value_max > 0 ? 32767.0f / value_max : 0, w);
    ADD(w, n * 2), ADD(&total, 8);
#undef ADD
    free(x), free(y), free(z), free(dots), free(w), free(freq), free(q), free(out);
    return az_hash_value(&hash);
}

static void vectors_are_the_references(void **state) {
    (void)state;
    const az_lm_kernels *sets[SETS_MAX];
    size_t n_sets = find_sets(sets);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint32_t expected = vectors_of(&az_lm_kernels_ref, seed);
        for (size_t i = 0; i < n_sets; i++)
            if (vectors_of(sets[i], seed) != expected)
                fail_msg("%s: numbers of seed %u", sets[i]->name, (unsigned)seed);
    }
}

/* Against double precision. */
static void exponentials_are_near(void **state) {
    (void)state;
    enum { N = 4096 };
    float *x = take(N * 4);
    uint32_t *freq = take(N * 4);
    x[0] = 0;
    for (int i = 1; i < N; i++)
        x[i] = -20.0f * (float)i / N;
    uint64_t sum = az_lm_kernels_ref.frequencies(x, N, freq), check = 0;
    assert_int_equal(freq[0], (1 << 30) + 1);
    for (int i = 0; i < N; i++) {
        double exact = 1 + exp(x[i]) * 1073741824.0;
        assert_true(fabs(freq[i] - exact) <= 1 + exact * 3e-6);
        check += freq[i];
    }
    assert_true(check == sum);
    free(x), free(freq);
}

static void what_is_not_finite_is_said(void **state) {
    (void)state;
    const az_lm_kernels *sets[SETS_MAX + 1];
    size_t n_sets = find_sets(sets);
    sets[n_sets++] = &az_lm_kernels_ref;
    static const uint32_t bits[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffffffff};
    for (size_t i = 0; i < n_sets; i++)
        for (size_t b = 0; b < 4; b++)
            for (size_t at = 0; at < 128; at += 13) {
                float x[128] = {0}, scale[2];
                int8_t q[256];
                int32_t sum[2];
                uint32_t freq[128];
                memcpy(&x[at], &bits[b], 4);
                assert_false(sets[i]->quantise(x, 128, q, scale, sum));
                assert_false(sets[i]->quantise_row(x, 128, q, scale));
                assert_int_equal(sets[i]->frequencies(x, 128, freq), 0);
            }
}

static void quantising_keeps_within_127(void **state) {
    (void)state;
    dice d = {9};
    for (int round = 0; round < 2000; round++) {
        float x[64], scale;
        int8_t q[64];
        draw_floats(&d, x, 64);
        assert_true(az_lm_kernels_ref.quantise_row(x, 64, q, &scale));
        for (int i = 0; i < 64; i++) {
            assert_in_range(q[i] + 127, 0, 254);
            assert_true(fabsf(x[i] - scale * (float)q[i]) <= scale * 0.5001f);
        }
    }
}

/* (H x) (H y) = 64 x y, in blocks, and the same bits for all sets. */
static void turning_keeps_products(void **state) {
    (void)state;
    enum { N = 3 * AZ_LM_BLOCK };
    const az_lm_kernels *sets[SETS_MAX];
    size_t n_sets = find_sets(sets);
    dice d = {10};
    for (int round = 0; round < 200; round++) {
        float x[N], y[N], turned_x[N], turned_y[N], again[N];
        draw_floats(&d, x, N);
        draw_floats(&d, y, N);
        memcpy(turned_x, x, sizeof x);
        memcpy(turned_y, y, sizeof y);
        az_lm_kernels_ref.turn(turned_x, N);
        az_lm_kernels_ref.turn(turned_y, N);
        for (size_t b = 0; b < N; b += AZ_LM_BLOCK) {
            double product = 0, turned = 0, size = 0;
            for (size_t i = b; i < b + AZ_LM_BLOCK; i++) {
                product += (double)x[i] * y[i];
                turned += (double)turned_x[i] * turned_y[i];
                size += fabs((double)x[i] * y[i]);
            }
            assert_true(fabs(turned - AZ_LM_BLOCK * product) <= 1e-4 * AZ_LM_BLOCK * size);
        }
        for (size_t i = 0; i < n_sets; i++) {
            memcpy(again, x, sizeof x);
            sets[i]->turn(again, N);
            assert_memory_equal(again, turned_x, sizeof again);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_is_the_references),  cmocka_unit_test(score_is_the_references),
        cmocka_unit_test(weigh_is_the_references),     cmocka_unit_test(vectors_are_the_references),
        cmocka_unit_test(exponentials_are_near),       cmocka_unit_test(what_is_not_finite_is_said),
        cmocka_unit_test(quantising_keeps_within_127), cmocka_unit_test(turning_keeps_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
