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

enum { SETS_MAX = 12, ROWS = 16, N_ROUNDS = 1500 };

/* Inputs of one call, in memory aligned as the kernels want it. */
typedef struct arena {
    int32_t *x;       /* [AZ_MIX_N_MAX] */
    int32_t *w;       /* [ROWS][AZ_MIX_N_MAX] */
    int32_t *w_after; /* [ROWS][AZ_MIX_N_MAX], by the reference */
    int32_t *w_tried; /* [ROWS][AZ_MIX_N_MAX], by another set */
    uint32_t set[SETS_MAX];
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
        az_kernels_ref.mix_dot(a.x, a.w, a.set, a.n_sets, a.n, expected);
        for (size_t s = 0; s < a.n_sets; s++)
            assert_true(expected[s] < 1 << 30 && expected[s] > -(1 << 30));
        for (size_t i = 0; i < n_sets; i++) {
            memset(out, 0x11, sizeof out);
            sets[i]->mix_dot(a.x, a.w, a.set, a.n_sets, a.n, out);
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
        az_kernels_ref.mix_train(a.x, a.w_after, a.set, a.n_sets, a.n, a.error);
        for (size_t i = 0; i < n_sets; i++) {
            memcpy(a.w_tried, a.w, w_nbytes);
            sets[i]->mix_train(a.x, a.w_tried, a.set, a.n_sets, a.n, a.error);
            if (memcmp(a.w_tried, a.w_after, w_nbytes) != 0)
                fail_msg("%s, round %d: n %zu, %zu sets", sets[i]->name, round, a.n, a.n_sets);
        }
    }
    arena_free(&a);
}

/* ---- Lanes ---------------------------------------------------------------------- */

/* All that the lane kernels read and write. */
typedef struct lane_room {
    az_lanes lanes;
    uint8_t states[AZ_LANES_MAX][16];
    uint32_t maps[AZ_LANES_MAX * 256];
    uint32_t run_maps[AZ_LANES_MAX * AZ_RUN_CELLS];
    int32_t x[3 * AZ_LANES_MAX + 1];
} lane_room;

static int32_t stretch[3 * 4096];
static uint8_t next_state[256][2];

static uint32_t draw_prob(dice *d) {
    switch (dice_below(d, 6)) {
    case 0: return dice_below(d, 2000);
    case 1: return UINT32_MAX - dice_below(d, 2000);
    case 2: return dice_next(d) >> dice_below(d, 32);
    case 3: return ~(dice_next(d) >> dice_below(d, 32));
    default: return dice_next(d);
    }
}

static void lane_room_draw(lane_room *r, dice *d) {
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < AZ_LANES_MAX; i++) {
        r->lanes.run_expected[i] = dice_below(d, 4) == 0 ? 0 : 256 + dice_below(d, 256);
        r->lanes.run_count[i] = 2 + 2 * dice_below(d, 15);
        for (size_t j = 0; j < 16; j++)
            r->states[i][j] = (uint8_t)dice_next(d);
    }
    for (size_t i = 0; i < AZ_LANES_MAX * 256; i++)
        r->maps[i] = draw_prob(d);
    for (size_t i = 0; i < AZ_LANES_MAX * AZ_RUN_CELLS; i++)
        r->run_maps[i] = draw_prob(d);
}

/* Lane i looks at states[shared[i]]: two contexts may have found one slot. */
static void lane_room_connect(lane_room *r, const uint8_t *shared) {
    for (size_t i = 0; i < AZ_LANES_MAX; i++)
        r->lanes.states[i] = r->states[shared[i]];
    r->lanes.maps = r->maps;
    r->lanes.run_maps = r->run_maps;
    r->lanes.stretch = stretch;
    r->lanes.next = (const uint8_t(*)[2])next_state;
}

static void expect_same_lanes(const lane_room *a, const lane_room *b, size_t n, bool runs,
                              const char *name, const char *after) {
    bool same = memcmp(a->states, b->states, sizeof a->states) == 0 &&
                memcmp(a->maps, b->maps, sizeof a->maps) == 0 &&
                memcmp(a->run_maps, b->run_maps, sizeof a->run_maps) == 0 &&
                memcmp(a->x, b->x, (runs ? 3 : 1) * n * sizeof a->x[0]) == 0;
    if (!same)
        fail_msg("%s after %s: %zu lanes, %s", name, after, n, runs ? "runs" : "no runs");
}

static void lanes_are_the_references(void **state) {
    (void)state;
    static lane_room expected, tried;
    const az_kernels *sets[8];
    size_t n_sets = find_sets(sets, 8);
    dice d = {4};
    for (size_t i = 0; i < 3 * 4096; i++)
        stretch[i] = draw(&d, RANGE_ALL, AZ_MIX_X_MAX) * 65536;
    generate_noise(&next_state[0][0], sizeof next_state, 5);
    for (int round = 0; round < 1000; round++) {
        uint8_t shared[AZ_LANES_MAX];
        lane_room_draw(&expected, &d);
        size_t n = 1 + dice_below(&d, AZ_LANES_MAX);
        uint32_t node = 1 + dice_below(&d, 15), bit_pos = dice_below(&d, 8);
        uint32_t c0 = (uint32_t)1 << bit_pos | dice_below(&d, (uint32_t)1 << bit_pos);
        int bit = dice_below(&d, 2);
        bool runs = dice_below(&d, 2);
        for (size_t i = 0; i < AZ_LANES_MAX; i++) {
            shared[i] = (uint8_t)(dice_below(&d, 5) == 0 ? dice_below(&d, AZ_LANES_MAX) : i);
            /* Half of the runs agree with the byte so far. */
            if (expected.lanes.run_expected[i] && dice_next(&d) & 1)
                expected.lanes.run_expected[i] =
                    c0 << (8 - bit_pos) | dice_below(&d, (uint32_t)1 << (8 - bit_pos));
        }
        lane_room start = expected;
        lane_room_connect(&expected, shared);
        az_kernels_ref.lanes_predict(&expected.lanes, n, node, c0, bit_pos, runs, expected.x);
        lane_room between = expected;
        az_kernels_ref.lanes_learn(&expected.lanes, n, node, bit, runs);
        for (size_t i = 0; i < n_sets; i++) {
            tried = start;
            lane_room_connect(&tried, shared);
            sets[i]->lanes_predict(&tried.lanes, n, node, c0, bit_pos, runs, tried.x);
            expect_same_lanes(&tried, &between, n, runs, sets[i]->name, "predict");
            sets[i]->lanes_learn(&tried.lanes, n, node, bit, runs);
            expect_same_lanes(&tried, &expected, n, runs, sets[i]->name, "learn");
        }
    }
}

/* ---- Lanes against the header's words -------------------------------------------- */

/* All kernel sets make their lanes of one source, so that comparing them says
 * nothing of the source: here it is told again, in other words and wider numbers. */
static int32_t stretch_of(uint32_t p32) {
    int64_t p = p32 / 1024, one = 1 << 22;
    return stretch[p < 4096 ? 4096 + p : one - p < 4096 ? 8192 + one - p : p / 1024];
}

static uint32_t moved(uint32_t p, int bit) {
    int64_t target = bit ? UINT32_MAX : 0, step = (target - p) / 128; /* towards 0 */
    return (uint32_t)(p + step);
}

/* The run's cell: 0 unless the byte begins with the bits of c0. */
static uint32_t run_cell_of(const az_lanes *lanes, size_t i, uint32_t c0, uint32_t bit_pos) {
    uint32_t byte = lanes->run_expected[i] % 256;
    for (uint32_t j = 0; j < bit_pos; j++)
        if ((byte >> (7 - j) & 1) != (c0 >> (bit_pos - 1 - j) & 1))
            return 0;
    return lanes->run_expected[i] ? lanes->run_count[i] + (byte >> (7 - bit_pos) & 1) : 0;
}

static void reference_lanes_do_what_the_header_says(void **state) {
    (void)state;
    static lane_room r, before;
    uint8_t own[AZ_LANES_MAX];
    dice d = {6};
    for (size_t i = 0; i < 3 * 4096; i++)
        stretch[i] = draw(&d, RANGE_ALL, AZ_MIX_X_MAX) * 65536;
    generate_noise(&next_state[0][0], sizeof next_state, 7);
    for (int i = 0; i < AZ_LANES_MAX; i++)
        own[i] = (uint8_t)i;
    for (int round = 0; round < 500; round++) {
        lane_room_draw(&r, &d);
        size_t n = 1 + dice_below(&d, AZ_LANES_MAX);
        uint32_t node = 1 + dice_below(&d, 15), bit_pos = dice_below(&d, 8);
        uint32_t c0 = (uint32_t)1 << bit_pos | dice_below(&d, (uint32_t)1 << bit_pos);
        int bit = dice_below(&d, 2);
        for (size_t i = 0; i < n; i += 2) /* half of the runs agree so far */
            r.lanes.run_expected[i] =
                c0 << (8 - bit_pos) | dice_below(&d, (uint32_t)1 << (8 - bit_pos));
        before = r;
        lane_room_connect(&r, own);
        az_kernels_ref.lanes_predict(&r.lanes, n, node, c0, bit_pos, true, r.x);
        az_kernels_ref.lanes_learn(&r.lanes, n, node, bit, true);
        for (size_t i = 0; i < n; i++) {
            size_t cell = i * 256 + before.states[i][node];
            size_t run = i * AZ_RUN_CELLS + run_cell_of(&before.lanes, i, c0, bit_pos);
            int64_t p = before.maps[cell], half = (int64_t)1 << 31;
            int64_t scaled = (p - half + ((int64_t)1 << 40)) / (1 << 23) - (1 << 17); /* floor */
            assert_int_equal(r.x[i], stretch_of(before.maps[cell]));
            assert_int_equal(r.x[n + i], scaled * 65536);
            assert_int_equal(r.x[2 * n + i], stretch_of(before.run_maps[run]));
            assert_int_equal(r.maps[cell], moved(before.maps[cell], bit));
            assert_int_equal(r.run_maps[run], moved(before.run_maps[run], bit));
            assert_int_equal(r.states[i][node], next_state[before.states[i][node]][bit]);
            before.maps[cell] = r.maps[cell];
            before.run_maps[run] = r.run_maps[run];
            before.states[i][node] = r.states[i][node];
        }
        assert_memory_equal(r.maps, before.maps, sizeof r.maps); /* and nothing else */
        assert_memory_equal(r.run_maps, before.run_maps, sizeof r.run_maps);
        assert_memory_equal(r.states, before.states, sizeof r.states);
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
        az_kernels_ref.mix_dot(a.x, a.w, a.set, a.n_sets, a.n, out);
        memcpy(a.w_after, a.w, w_nbytes);
        az_kernels_ref.mix_train(a.x, a.w_after, a.set, a.n_sets, a.n, a.error);
        for (size_t s = 0; s < a.n_sets; s++) {
            const int32_t *row = a.w + a.set[s];
            int64_t sum = 0;
            for (size_t i = 0; i < a.n; i++) {
                int64_t x = a.x[i] / 65536, v = row[i] + x * a.error[s];
                sum += ((int64_t)(row[i] >> 16) * x) >> 7;
                v = v > AZ_MIX_W_MAX ? AZ_MIX_W_MAX : v < -AZ_MIX_W_MAX ? -AZ_MIX_W_MAX : v;
                a.w[a.set[s] + i] = (int32_t)v;
            }
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
        cmocka_unit_test(lanes_are_the_references),
        cmocka_unit_test(reference_lanes_do_what_the_header_says),
        cmocka_unit_test(best_set_is_chosen),
        cmocka_unit_test(archives_are_the_same_for_any_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
