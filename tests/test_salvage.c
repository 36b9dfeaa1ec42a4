/* salvage: what a decoder gives out of damaged archives, and what it says is missing. */
#include "support.h"

#include "codec/codec.h"

typedef struct gap {
    uint64_t archive, from, to;
} gap;

typedef struct gaps {
    gap at[64];
    size_t n;
} gaps;

static void note_gap(void *opaque, uint64_t archive, uint64_t from, uint64_t to) {
    gaps *g = opaque;
    assert_true(g->n < COUNT(g->at) && from < to);
    g->at[g->n++] = (gap){archive, from, to};
}

static bytes salvage(const uint8_t *archive, size_t n, gaps *g, size_t step) {
    bytes out;
    az_error error;
    trip t = {.salvage = 1, .gap = note_gap, .opaque = g, .in_step = step, .out_step = step};
    t.threads = 1 + (int)(n % 3);
    g->n = 0;
    if (decode(t, archive, n, &out, &error) != AZ_OK)
        fail_msg("salvage failed: %s", error.text);
    return out;
}

static void check_gaps(const gaps *g, const gap *want, size_t n) {
    assert_int_equal(g->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(g->at[i].archive, want[i].archive);
        assert_int_equal(g->at[i].from, want[i].from);
        assert_int_equal(g->at[i].to, want[i].to);
    }
}

/* Where each block of five_blocks() starts, and where the last one ends. */
static void find_blocks(bytes archive, size_t at[6]) {
    az_frame frame;
    size_t used, pos;
    assert_int_equal(az_frame_header_read(&frame, archive.data, archive.n, 0, &used, NULL), 0);
    pos = used;
    for (int i = 0; i < 5; i++) {
        az_block_header block;
        at[i] = pos;
        assert_int_equal(az_block_header_read(&block, &frame, (uint64_t)i, archive.data + pos,
                                              archive.n - pos, 0, &used, NULL),
                         AZ_OK);
        pos += used + block.payload_nbytes;
    }
    at[5] = pos;
}

/* Content without blocks from..to-1 of five_blocks(). */
static bytes without(const uint8_t *content, size_t n, size_t from, size_t to) {
    size_t a = from * BLOCK, b = to * BLOCK < n ? to * BLOCK : n;
    bytes out = {malloc(n + 1), n - (b - a)};
    memcpy(out.data, content, a);
    memcpy(out.data + a, content + b, n - b);
    return out;
}

static void salvage_gives_every_undamaged_block(void **state) {
    (void)state;
    size_t n, at[6];
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    uint64_t dice = 23;
    find_blocks(archive, at);
    for (size_t i = 0; i < 5; i++) {
        for (int try = 0; try < REPEATS(60, 25); try++) {
            /* A byte of the header first, then anywhere, then bursts. */
            size_t size = at[i + 1] - at[i];
            size_t where = try < 25 && (size_t)try < size ? (size_t) try : rnd_below(&dice, size)
                ;
            size_t len = try < 40 ? 1 : 1 + rnd_below(&dice, size - where);
            uint8_t *copy = malloc(archive.n);
            memcpy(copy, archive.data, archive.n);
            for (size_t j = 0; j < len; j++)
                copy[at[i] + where + j] ^= (uint8_t)(1 + rnd_below(&dice, 255));
            gaps g;
            bytes got = salvage(copy, archive.n, &g, try % 3 ? 0 : SIZE_MAX);
            bytes want = without(content, n, i, i + 1);
            check_bytes(got, want.data, want.n);
            gap lost = {0, i * BLOCK, i == 4 ? n : (i + 1) * BLOCK};
            check_gaps(&g, &lost, 1);
            free(got.data);
            free(want.data);
            free(copy);
        }
    }
    free(archive.data);
    free(content);
}

static void salvage_finds_its_way_over_removed_and_inserted_bytes(void **state) {
    (void)state;
    size_t n, at[6];
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    gaps g;
    find_blocks(archive, at);
    for (size_t i = 0; i < 5; i++) {
        for (size_t to = i + 1; to <= 5; to++) { /* blocks i..to-1 are not there */
            uint8_t *copy = malloc(archive.n);
            memcpy(copy, archive.data, at[i]);
            memcpy(copy + at[i], archive.data + at[to], archive.n - at[to]);
            bytes got = salvage(copy, archive.n - (at[to] - at[i]), &g, 0);
            bytes want = without(content, n, i, to);
            check_bytes(got, want.data, want.n);
            gap lost = {0, i * BLOCK, to == 5 ? n : to * BLOCK};
            check_gaps(&g, &lost, 1);
            free(got.data);
            free(want.data);
            free(copy);
        }
        uint8_t *noise = make_content(KIND_NOISE, 3 * BLOCK, 5);
        uint8_t *copy = malloc(archive.n + 3 * BLOCK);
        memcpy(copy, archive.data, at[i]);
        memcpy(copy + at[i], noise, 3 * BLOCK);
        memcpy(copy + at[i] + 3 * BLOCK, archive.data + at[i], archive.n - at[i]);
        bytes got = salvage(copy, archive.n + 3 * BLOCK, &g, 0);
        if (i == 0) { /* block 0 has no mark to be found by */
            gap lost = {0, 0, BLOCK};
            bytes want = without(content, n, 0, 1);
            check_bytes(got, want.data, want.n);
            check_gaps(&g, &lost, 1);
            free(want.data);
        } else {
            check_bytes(got, content, n);
            check_gaps(&g, NULL, 0);
        }
        free(got.data);
        free(copy);
        free(noise);
    }
    free(archive.data);
    free(content);
}

static void salvage_of_a_cut_archive_says_that_the_end_is_unknown(void **state) {
    (void)state;
    size_t n, at[6];
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    gaps g;
    find_blocks(archive, at);
    for (size_t i = 0; i < 5; i++) {
        size_t cuts[] = {at[i], at[i] + 1, at[i] + 12, at[i + 1] - 1};
        for (size_t j = 0; j < COUNT(cuts); j++) {
            bytes got = salvage(archive.data, cuts[j], &g, j % 2);
            check_bytes(got, content, i * BLOCK);
            gap lost = {0, i * BLOCK, UINT64_MAX};
            check_gaps(&g, &lost, 1);
            free(got.data);
        }
    }
    for (size_t cut = at[5]; cut < archive.n; cut++) { /* in the index: nothing is lost */
        bytes got = salvage(archive.data, cut, &g, 0);
        check_bytes(got, content, n);
        check_gaps(&g, NULL, 0);
        free(got.data);
    }
    free(archive.data);
    free(content);
}

static void salvage_gets_over_a_damaged_frame_header(void **state) {
    (void)state;
    size_t n, small = 700;
    uint8_t *content, *more = make_content(KIND_TEXT, small, 9);
    bytes archive = five_blocks(&content, &n);
    bytes tail = archive_of((trip){0}, more, small);
    gaps g;
    for (size_t bit = 0; bit < AZ_FRAME_HEADER_NBYTES * 8; bit++) {
        uint8_t *copy = malloc(archive.n);
        memcpy(copy, archive.data, archive.n);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bytes got = salvage(copy, archive.n, &g, 0);
        check_bytes(got, content, n);
        check_gaps(&g, NULL, 0);
        free(got.data);
        free(copy);
        tail.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        got = salvage(tail.data, tail.n, &g, 0);
        check_bytes(got, more, small);
        check_gaps(&g, NULL, 0);
        free(got.data);
        tail.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(tail.data);
    free(more);
    free(archive.data);
    free(content);
}

static void salvage_numbers_the_archives(void **state) {
    (void)state;
    size_t n, at[6];
    uint8_t *content, *small = make_content(KIND_TEXT, 500, 1);
    bytes big = five_blocks(&content, &n);
    bytes first = archive_of((trip){.level = 2}, small, 500);
    find_blocks(big, at);
    size_t n_first = first.n, n_big = big.n;
    bytes all = joined(joined(first, big), archive_of((trip){.level = 2}, small, 500));
    all.data[n_first - 1] ^= 1;          /* archive 0: its only block */
    all.data[n_first + at[1] + 12] ^= 1; /* archive 1: block 1 */
    all.data[n_first + n_big - 1] ^= 1;  /* and its index's end mark */
    gaps g;
    bytes got = salvage(all.data, all.n, &g, 0);
    bytes want = joined(without(content, n, 1, 2), (bytes){make_content(KIND_TEXT, 500, 1), 500});
    check_bytes(got, want.data, want.n);
    gap lost[] = {{0, 0, UINT64_MAX}, {1, BLOCK, 2 * BLOCK}};
    check_gaps(&g, lost, 2);
    free(got.data);
    free(want.data);
    free(all.data);
    free(small);
    free(content);
}

/* Blocks 1 and 2, stored, hold an archive; block 1 is damaged. What it holds is
 * content, and not what was archived. */
static void salvage_does_not_take_content_for_an_archive(void **state) {
    (void)state;
    uint8_t *inner_content = make_content(KIND_NOISE, 20000, 1);
    bytes inner = archive_of((trip){0}, inner_content, 20000);
    uint8_t *content = make_content(KIND_NOISE, 3 * BLOCK, 2);
    memcpy(content + BLOCK + 1000, inner.data, inner.n);
    memcpy(content + 2 * BLOCK + 1000, inner.data, inner.n);
    bytes archive = archive_of((trip){0}, content, 3 * BLOCK);
    size_t block_1 = archive.n / 3 + 20; /* headers and index are some 80 bytes */
    archive.data[block_1 + 200] ^= 1;
    gaps g;
    bytes got = salvage(archive.data, archive.n, &g, 0);
    bytes want = without(content, 3 * BLOCK, 1, 2);
    check_bytes(got, want.data, want.n);
    gap lost = {0, BLOCK, 2 * BLOCK};
    check_gaps(&g, &lost, 1);
    free(got.data);
    free(want.data);
    free(archive.data);
    free(content);
    free(inner.data);
    free(inner_content);
}

/* Random damage of any kind: what comes is made of whole pieces of the content,
 * in their order, and the gaps are what lies between. */
static void salvaged_content_and_gaps_add_up(void **state) {
    (void)state;
    size_t n;
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    uint64_t dice = 31;
    for (int i = 0; i < REPEATS(100, 15); i++) {
        uint8_t *copy = malloc(archive.n);
        memcpy(copy, archive.data, archive.n);
        for (size_t j = 1 + rnd_below(&dice, 4); j > 0; j--)
            copy[rnd_below(&dice, archive.n - 400)] ^= (uint8_t)(1 + rnd_below(&dice, 255));
        gaps g;
        bytes got = salvage(copy, archive.n, &g, 0);
        size_t pos = 0, used = 0;
        for (size_t j = 0; j <= g.n; j++) {
            size_t to = j < g.n ? g.at[j].from : n;
            assert_true(to >= pos && used + (to - pos) <= got.n);
            if (to > pos)
                assert_memory_equal(got.data + used, content + pos, to - pos);
            used += to - pos;
            pos = j < g.n ? g.at[j].to : n;
        }
        assert_int_equal(used, got.n);
        free(got.data);
        free(copy);
    }
    free(archive.data);
    free(content);
}

/* A frame header every 40 bytes, or a block's mark every 30, each with the largest
 * sizes that it may claim: all of them would have to be checked to the end. */
static void salvage_of_hostile_marks_takes_little_time(void **state) {
    (void)state;
    size_t n = REPEATS(8 << 20, 1 << 20);
    for (int what = 0; what < 3; what++) {
        bytes archive = {make_content(KIND_REPEAT, n, 1), n};
        az_frame frame = {.method = 1, .method_version = 1, .level = 1, .block_log2 = 26};
        uint8_t head[AZ_FRAME_HEADER_MAX + AZ_BLOCK_HEADER_MAX];
        size_t head_nbytes = 0, step = 40;
        gaps g = {0};
        bytes start = archive_of((trip){.block_size = 1 << 26}, (const uint8_t *)"x", 1);
        frame.method_version = start.data[6];
        free(start.data);
        az_block_header block = {.number = what > 0, .content_nbytes = 1 << 26};
        block.payload_nbytes = (uint32_t)(n / 2);
        if (what == 0 || what == 2) {
            az_frame_header_write(head, &frame);
            head_nbytes = AZ_FRAME_HEADER_NBYTES;
        }
        frame.id_known = what > 0;
        head_nbytes += az_block_header_write(head + head_nbytes, &frame, &block, archive.data);
        head[head_nbytes - 1] ^= 1;
        for (size_t i = 0; i + head_nbytes < n; i += what == 2 && i > 0 ? step - 10 : step) {
            size_t skip = what == 2 && i > 0 ? AZ_FRAME_HEADER_NBYTES : 0;
            memcpy(archive.data + i, head + skip, head_nbytes - skip);
        }
        bytes out;
        trip t = {.salvage = 1};
        assert_int_equal(decode(t, archive.data, n, &out, NULL), AZ_OK);
        assert_int_equal(out.n, 0);
        (void)g;
        free(out.data);
        free(archive.data);
    }
}

/* What is enough to decode is enough to salvage. */
static void salvage_needs_no_more_memory_than_decoding(void **state) {
    (void)state;
    size_t n, at[6];
    uint8_t *content;
    bytes archive = five_blocks(&content, &n), got;
    bytes want = without(content, n, 1, 2);
    find_blocks(archive, at);
    archive.data[at[1] + 100] ^= 1;
    for (int threads = 1; threads < 4; threads++) {
        gaps g = {0};
        gap lost = {0, BLOCK, 2 * BLOCK};
        trip t = {.salvage = 1, .gap = note_gap, .opaque = &g, .threads = threads};
        t.memory_limit =
            (int64_t)az_codec_memory(&(az_coding){.method = AZ_METHOD_CM, .level = 1}, BLOCK);
        assert_int_equal(decode(t, archive.data, archive.n, &got, NULL), AZ_OK);
        check_bytes(got, want.data, want.n);
        check_gaps(&g, &lost, 1);
        free(got.data);
    }
    free(want.data);
    free(archive.data);
    free(content);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(salvage_gives_every_undamaged_block),
        cmocka_unit_test(salvage_finds_its_way_over_removed_and_inserted_bytes),
        cmocka_unit_test(salvage_of_a_cut_archive_says_that_the_end_is_unknown),
        cmocka_unit_test(salvage_gets_over_a_damaged_frame_header),
        cmocka_unit_test(salvage_numbers_the_archives),
        cmocka_unit_test(salvage_does_not_take_content_for_an_archive),
        cmocka_unit_test(salvaged_content_and_gaps_add_up),
        cmocka_unit_test(salvage_needs_no_more_memory_than_decoding),
        cmocka_unit_test(salvage_of_hostile_marks_takes_little_time),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
