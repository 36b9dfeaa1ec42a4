/* kernels: every set that this CPU can run against the reference, bit for bit. */
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

enum { SETS_MAX = AZ_MIX_SETS_MAX, ROWS = 16, N_ROUNDS = 1500 };

/* Inputs of one call, in memory aligned as the kernels want it. */
typedef struct arena {
    int32_t *x;             /* [AZ_MIX_N_MAX] */
    int32_t *w;             /* [ROWS][AZ_MIX_N_MAX] */
    int32_t *w_after;       /* [ROWS][AZ_MIX_N_MAX], by the reference */
    int32_t *w_tried;       /* [ROWS][AZ_MIX_N_MAX], by another set */
    uint32_t set[SETS_MAX]; /* where in w, w_after and w_tried the rows begin */
    int32_t *rows[SETS_MAX];
    int32_t error[SETS_MAX];
    size_t n, n_sets;
} arena;

static const size_t w_nbytes = (size_t)ROWS * AZ_MIX_N_MAX * sizeof(int32_t);

static int32_t *take(size_t n_bytes) {
    int32_t *ptr = aligned_alloc(64, n_bytes);
    assert_non_null(ptr);
    return ptr;
}

static void arena_init(arena *a) {
    a->x = take(AZ_MIX_N_MAX * sizeof(int32_t));
    a->w = take(w_nbytes);
    a->w_after = take(w_nbytes);
    a->w_tried = take(w_nbytes);
}

static void arena_free(arena *a) {
    free(a->x);
    free(a->w);
    free(a->w_after);
    free(a->w_tried);
}

/* How values are drawn. */
typedef enum range {
    RANGE_ALL,
    RANGE_EDGES,
    RANGE_HIGHEST,
    RANGE_LOWEST,
    RANGE_SMALL,
    N_RANGES
} range;

/* In -max..max. */
static int32_t draw(dice *d, range r, int32_t max) {
    int64_t span = 2 * (int64_t)max + 1;
    int32_t any = (int32_t)((int64_t)(((uint64_t)dice_next(d) * (uint64_t)span) >> 32) - max);
    switch (r) {
    case RANGE_EDGES: {
        const int32_t edges[] = {-max, -max + 1, -1, 0, 1, max - 1, max, any};
        return edges[dice_below(d, 8)];
    }
    case RANGE_HIGHEST: return max;
    case RANGE_LOWEST: return -max;
    case RANGE_SMALL: return any % 256;
    default: return any;
    }
}

/* Rows of n weights that begin at multiples of AZ_MIX_STEP, none overlapping. */
static void arena_draw(arena *a, dice *d) {
    range x_range = dice_below(d, N_RANGES), w_range = dice_below(d, N_RANGES);
    range error_range = dice_below(d, N_RANGES);
    a->n = AZ_MIX_STEP * (1 + dice_below(d, dice_next(d) & 1 ? 6 : AZ_MIX_N_MAX / AZ_MIX_STEP));
    a->n_sets = dice_below(d, SETS_MAX + 1);
    for (size_t i = 0; i < AZ_MIX_N_MAX; i++)
        a->x[i] = draw(d, x_range, AZ_MIX_X_MAX) * 65536;
    for (size_t i = 0; i < (size_t)ROWS * AZ_MIX_N_MAX; i++)
        a->w[i] = draw(d, w_range, AZ_MIX_W_MAX);
    uint32_t at = 0;
    for (size_t s = 0; s < a->n_sets; s++) {
        at += AZ_MIX_STEP * dice_below(d, 10);
        a->set[s] = at;
        at += (uint32_t)a->n;
        a->error[s] = draw(d, error_range, AZ_MIX_ERROR_MAX);
    }
    for (size_t s = a->n_sets; s > 1; s--) { /* in any order */
        size_t other = dice_below(d, (uint32_t)s);
        uint32_t keep = a->set[s - 1];
        a->set[s - 1] = a->set[other];
        a->set[other] = keep;
    }
    assert_true(at <= ROWS * AZ_MIX_N_MAX);
}

/* The rows in one of the three. */
static int32_t *const *rows_of(arena *a, int32_t *w) {
    for (size_t s = 0; s < a->n_sets; s++)
        a->rows[s] = w + a->set[s];
    return a->rows;
}

/* Kernels beside the reference that this CPU has. */
static size_t find_sets(const az_kernels **found, size_t capacity) {
    const az_kernels *all[8];
    unsigned needed[8];
    size_t n_all = az_kernels_all(all, needed, 8), n = 0;
    assert_in_range(n_all, 1, 7);
    assert_ptr_equal(all[0], &az_kernels_ref);
    for (size_t i = 1; i < n_all; i++)
        if ((az_cpu_features() & needed[i]) == needed[i] && n < capacity)
            found[n++] = all[i];
        else
            print_message("kernels %s are left out: not for this CPU\n", all[i]->name);
    return n;
}

static void dot_is_the_references(void **state) {
    (void)state;
    const az_kernels *sets[8];
    size_t n_sets = find_sets(sets, 8);
    arena a;
    dice d = {1};
    arena_init(&a);
    for (int round = 0; round < N_ROUNDS; round++) {
        int32_t expected[SETS_MAX + 1], out[SETS_MAX + 1];
        arena_draw(&a, &d);
        memset(expected, 0x11, sizeof expected);
        az_kernels_ref.mix_dot(a.x, rows_of(&a, a.w), a.n_sets, a.n, expected);
        for (size_t s = 0; s < a.n_sets; s++)
            assert_in_range(expected[s] + AZ_MIX_X_MAX, 0, 2 * AZ_MIX_X_MAX);
        for (size_t i = 0; i < n_sets; i++) {
            memset(out, 0x11, sizeof out);
            sets[i]->mix_dot(a.x, rows_of(&a, a.w), a.n_sets, a.n, out);
            if (memcmp(out, expected, sizeof out) != 0)
                fail_msg("%s, round %d: n %zu, %zu sets", sets[i]->name, round, a.n, a.n_sets);
        }
    }
    arena_free(&a);
}

static void train_is_the_references(void **state) {
    (void)state;
    const az_kernels *sets[8];
    size_t n_sets = find_sets(sets, 8);
    arena a;
    dice d = {2};
    arena_init(&a);
    for (int round = 0; round < N_ROUNDS; round++) {
        arena_draw(&a, &d);
        memcpy(a.w_after, a.w, w_nbytes);
        az_kernels_ref.mix_train(a.x, rows_of(&a, a.w_after), a.n_sets, a.n, a.error);
        for (size_t i = 0; i < n_sets; i++) {
            memcpy(a.w_tried, a.w, w_nbytes);
            sets[i]->mix_train(a.x, rows_of(&a, a.w_tried), a.n_sets, a.n, a.error);
            if (memcmp(a.w_tried, a.w_after, w_nbytes) != 0)
                fail_msg("%s, round %d: n %zu, %zu sets", sets[i]->name, round, a.n, a.n_sets);
        }
    }
    arena_free(&a);
}

static void put_is_the_references(void **state) {
    (void)state;
    const az_kernels *sets[8];
    size_t n_sets = find_sets(sets, 8);
    arena a;
    dice d = {4};
    arena_init(&a);
    for (int round = 0; round < 500; round++) {
        int16_t in[AZ_MIX_STEP];
        for (int i = 0; i < AZ_MIX_STEP; i++)
            in[i] = (int16_t)draw(&d, (range)(round % N_RANGES), AZ_MIX_X_MAX);
        az_kernels_ref.mix_put(a.w, in);
        for (int i = 0; i < AZ_MIX_STEP; i++)
            assert_int_equal(a.w[i], in[i] * 65536);
        for (size_t i = 0; i < n_sets; i++) {
            memset(a.x, 0x11, (AZ_MIX_STEP + 1) * sizeof a.x[0]);
            sets[i]->mix_put(a.x, in);
            assert_memory_equal(a.x, a.w, AZ_MIX_STEP * sizeof a.x[0]);
            assert_int_equal(a.x[AZ_MIX_STEP], 0x11111111);
        }
    }
    arena_free(&a);
}

/* Numbers that differ in one bit, twice the same, none at all; what follows the three
 * does not count. */
static void find3_finds_the_first_of_three(void **state) {
    (void)state;
    const az_kernels *sets[8];
    size_t n_sets = find_sets(sets, 7);
    sets[n_sets++] = &az_kernels_ref;
    dice d = {5};
    for (int round = 0; round < 20000; round++) {
        uint16_t v = (uint16_t)dice_next(&d), at[4];
        uint8_t bytes[8];
        int expected = -1;
        if (dice_below(&d, 8) == 0)
            v = 0;
        for (int i = 3; i >= 0; i--) {
            uint32_t kind = dice_below(&d, 4);
            at[i] = (uint16_t)(kind == 0   ? v
                               : kind == 1 ? v ^ 1u << dice_below(&d, 16)
                               : kind == 2 ? 0
                                           : dice_next(&d));
            bytes[2 * i] = (uint8_t)at[i];
            bytes[2 * i + 1] = (uint8_t)(at[i] >> 8);
            if (i < 3 && at[i] == v)
                expected = i;
        }
        for (size_t i = 0; i < n_sets; i++)
            if (sets[i]->find3(bytes, v) != expected)
                fail_msg("%s, round %d: not %d", sets[i]->name, round, expected);
    }
}

/* ---- The reference, and the choice ---------------------------------------------- */

/* The reference against the header's words, in wider integers. */
static void reference_does_what_the_header_says(void **state) {
    (void)state;
    arena a;
    dice d = {3};
    arena_init(&a);
    for (int round = 0; round < 200; round++) {
        int32_t out[SETS_MAX];
        arena_draw(&a, &d);
        az_kernels_ref.mix_dot(a.x, rows_of(&a, a.w), a.n_sets, a.n, out);
        memcpy(a.w_after, a.w, w_nbytes);
        az_kernels_ref.mix_train(a.x, rows_of(&a, a.w_after), a.n_sets, a.n, a.error);
        for (size_t s = 0; s < a.n_sets; s++) {
            const int32_t *row = a.w + a.set[s];
            int64_t sum = 0;
            for (size_t i = 0; i < a.n; i++) {
                int64_t x = a.x[i] / 65536, v = row[i] + x * a.error[s];
                sum += ((int64_t)(row[i] >> 16) * x) >> 7;
                v = v > AZ_MIX_W_MAX ? AZ_MIX_W_MAX : v < -AZ_MIX_W_MAX ? -AZ_MIX_W_MAX : v;
                a.w[a.set[s] + i] = (int32_t)v;
            }
            sum >>= 5;
            sum = sum > AZ_MIX_X_MAX ? AZ_MIX_X_MAX : sum < -AZ_MIX_X_MAX ? -AZ_MIX_X_MAX : sum;
            assert_true(out[s] == sum);
        }
        assert_memory_equal(a.w, a.w_after, w_nbytes); /* and nothing beside the rows */
    }
    arena_free(&a);
}

static void best_set_is_chosen(void **state) {
    (void)state;
    const az_kernels *all[8];
    unsigned needed[8];
    size_t n = az_kernels_all(all, needed, 8);
    assert_ptr_equal(az_kernels_get(0), &az_kernels_ref);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(az_kernels_get(needed[i]), all[i]);
    assert_ptr_equal(az_kernels_get(~0u), all[n - 1]);
    assert_int_equal(az_kernels_all(all, needed, 1), 1);
}

/* All subsets of this CPU's features. */
static void archives_are_the_same_for_any_kernels(void **state) {
    (void)state;
    enum { N_BYTES = 15000 };
    static const char *const names[] = {"avx2", "avx512", "neon"};
    static const int levels[] = {1, 5, 9};
    static uint8_t content[N_BYTES], back[N_BYTES];
    size_t capacity = az_compress_bound(N_BYTES);
    uint8_t *first = malloc(capacity), *other = malloc(capacity);
    generate_mixture(content, N_BYTES, 1);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        size_t n_first = 0, n_other = 0, n_back = 0;
        unsetenv("AIZIP_CPU_DISABLE");
        assert_int_equal(az_compress(first, capacity, &n_first, content, N_BYTES, levels[i], NULL),
                         AZ_OK);
        for (unsigned subset = 1; subset < 8; subset++) {
            char off[32] = "";
            for (int j = 0; j < 3; j++)
                if (subset >> j & 1)
                    strcat(strcat(off, names[j]), ",");
            unsetenv("AIZIP_CPU_DISABLE");
            unsigned features = az_cpu_features();
            setenv("AIZIP_CPU_DISABLE", off, 1);
            if (az_cpu_features() == features)
                continue;
            assert_int_equal(
                az_compress(other, capacity, &n_other, content, N_BYTES, levels[i], NULL), AZ_OK);
            assert_int_equal(n_other, n_first);
            assert_memory_equal(other, first, n_first);
        }
        setenv("AIZIP_CPU_DISABLE", "all", 1);
        assert_int_equal(az_decompress(back, N_BYTES, &n_back, first, n_first, NULL), AZ_OK);
        assert_int_equal(n_back, N_BYTES);
        assert_memory_equal(back, content, N_BYTES);
    }
    unsetenv("AIZIP_CPU_DISABLE");
    free(first);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_does_what_the_header_says),
        cmocka_unit_test(dot_is_the_references),
        cmocka_unit_test(train_is_the_references),
        cmocka_unit_test(put_is_the_references),
        cmocka_unit_test(find3_finds_the_first_of_three),
        cmocka_unit_test(best_set_is_chosen),
        cmocka_unit_test(archives_are_the_same_for_any_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
