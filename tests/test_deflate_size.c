/*
 * deflate_size: for pairs of texts of many kinds the size is zlib's to the byte. Without zlib there
 * is nothing to compare with, and the test is skipped.
 */
#include "classify/deflate_size.h"
#include "support.h"

#if defined(AZ_HAVE_ZLIB)

#include <zlib.h>

typedef struct fixture {
    az_heap *heap;
    az_deflate_first *first;
    uint8_t *joined, *out;
    size_t n_pairs, n_uncovered;
} fixture;

enum { ROOM = 1 << 17 };

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(az_heap_open(&f->heap, NULL, NULL), AZ_OK);
    assert_int_equal(az_deflate_first_open(&f->first, f->heap, NULL), AZ_OK);
    f->joined = malloc(ROOM);
    f->out = malloc(2 * ROOM);
    assert_true(f->joined && f->out);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    az_deflate_first_close(&f->first);
    az_heap_close(&f->heap);
    free(f->joined);
    free(f->out);
    free(f);
    return 0;
}

static size_t zlib_size(fixture *f, az_text a, az_text b) {
    if (a.n_bytes)
        memcpy(f->joined, a.data, a.n_bytes);
    if (b.n_bytes)
        memcpy(f->joined + a.n_bytes, b.data, b.n_bytes);
    uLongf n = 2 * ROOM;
    assert_int_equal(compress2(f->out, &n, f->joined, a.n_bytes + b.n_bytes, 9), Z_OK);
    return n - 6;
}

/* Each of the n texts before each. */
static void check_all_pairs(fixture *f, const az_text *texts, size_t n) {
    az_deflate_second second;
    for (size_t b = 0; b < n; b++) {
        assert_int_equal(az_deflate_second_make(&second, texts[b], f->first, f->heap, NULL), AZ_OK);
        for (size_t a = 0; a < n; a++) {
            az_deflate_first_set(f->first, &texts[a], 1);
            size_t got = az_deflate_pair_size(f->first, &second);
            size_t again = az_deflate_pair_size(f->first, &second);
            assert_int_equal(got, again);
            f->n_pairs++;
            f->n_uncovered += got == 0;
            if (got)
                assert_int_equal(got, zlib_size(f, texts[a], texts[b]));
        }
        az_free(f->heap, second.places);
    }
}

/* n texts of these sizes, of small alphabets or of words, that share pieces. */
static void check_random(fixture *f, size_t n, size_t n_max, unsigned n_letters, uint64_t seed) {
    az_text texts[64];
    uint64_t state = seed * 2 + 1;
    uint8_t *data = malloc(n * n_max + 1);
    assert_non_null(data);
    assert_true(n <= COUNT(texts));
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = data + i * n_max;
        size_t n_bytes = rnd_below(&state, n_max + 1);
        for (size_t k = 0; k < n_bytes;) {
            size_t len = 1 + rnd_below(&state, 12);
            bool copies = i > 0 && rnd_below(&state, 2);
            const uint8_t *from = data + rnd_below(&state, i * n_max + 1);
            for (; len > 0 && k < n_bytes; len--, k++)
                p[k] = copies && from < p + k - 1 ? *from++
                                                  : (uint8_t)('a' + rnd_below(&state, n_letters));
        }
        texts[i] = (az_text){p, n_bytes};
    }
    check_all_pairs(f, texts, n);
    free(data);
}

static void short_texts_of_few_letters(void **state) {
    fixture *f = *state;
    for (uint64_t seed = 0; seed < (uint64_t)REPEATS(12, 3); seed++)
        for (unsigned n_letters = 1; n_letters <= 26; n_letters += 5)
            check_random(f, 24, 12 + 30 * seed, n_letters, seed * 100 + n_letters);
}

static void all_bytes(void **state) {
    check_random(*state, REPEATS(24, 10), 700, 256, 5);
}

/* Below 4,096 and beyond, where matches of three bytes are too far. */
static void long_texts(void **state) {
    fixture *f = *state;
    for (unsigned n_letters = 3; n_letters <= 27; n_letters += 8)
        check_random(f, REPEATS(14, 5), 9000, n_letters, n_letters);
    check_random(f, REPEATS(10, 4), 16000, 26, 77);
}

static void runs_and_repeats(void **state) {
    fixture *f = *state;
    az_text texts[40];
    uint8_t *data = malloc(COUNT(texts) * 1200);
    assert_non_null(data);
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t *p = data + i * 1200;
        size_t n = i * 29 % 1200, period = 1 + i % 7;
        for (size_t k = 0; k < n; k++)
            p[k] = (uint8_t)('a' + k % period + (i > 20 && k % 97 == 0));
        texts[i] = (az_text){p, n};
    }
    check_all_pairs(f, texts, COUNT(texts));
    free(data);
}

/* Frequencies as Fibonacci's numbers make codes longer than 15 bits, which are shortened. */
static void codes_that_are_too_long(void **state) {
    fixture *f = *state;
    az_text texts[4];
    uint8_t *data = malloc(4 * 16000);
    assert_non_null(data);
    uint64_t random = 3;
    for (size_t i = 0; i < 4; i++) {
        uint8_t *p = data + i * 16000;
        size_t n = 0, a = 1, b = 1;
        for (int letter = 0; letter < 20 && n + a < 15000; letter++) {
            for (size_t k = 0; k < a; k++)
                p[n++] = (uint8_t)(letter * 11 + 3);
            size_t next = a + b;
            a = b;
            b = next;
        }
        for (size_t k = n - 1; i > 0 && k > 0; k--) { /* mixed, so that few matches hide them */
            size_t other = rnd_below(&random, k + 1);
            uint8_t byte = p[k];
            p[k] = p[other];
            p[other] = byte;
        }
        texts[i] = (az_text){p, n};
    }
    check_all_pairs(f, texts, 4);
    free(data);
}

static void noise_is_stored(void **state) {
    fixture *f = *state;
    az_text texts[8];
    uint8_t *data = make_content(KIND_NOISE, 8 * 4000, 1);
    for (size_t i = 0; i < 8; i++)
        texts[i] = (az_text){data + i * 4000, i * 571};
    check_all_pairs(f, texts, 8);
    free(data);
}

static void what_is_not_covered_is_said(void **state) {
    fixture *f = *state;
    size_t before = f->n_uncovered;
    uint8_t *data = make_content(KIND_TEXT, 40000, 1);
    const az_text texts[] = {{data, 40000}, {data, 32506}, {data, 30000}, {NULL, 0}, {data, 1}};
    check_all_pairs(f, texts, COUNT(texts));
    assert_true(f->n_uncovered > before);
    free(data);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    az_heap *heap;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    az_deflate_first *first;
    az_deflate_second second;
    az_heap_set_limit(heap, 1000);
    assert_int_equal(az_deflate_first_open(&first, heap, NULL), AZ_ERROR_MEMORY_LIMIT);
    az_heap_set_limit(heap, 0);
    assert_int_equal(az_deflate_first_open(&first, heap, NULL), AZ_OK);
    az_heap_set_limit(heap, az_heap_used(heap) + 100);
    char text[500] = "";
    assert_int_equal(az_deflate_second_make(&second, (az_text){text, 500}, first, heap, NULL),
                     AZ_ERROR_MEMORY_LIMIT);
    az_deflate_first_close(&first);
    az_heap_close(&heap);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(short_texts_of_few_letters),
        TEST(all_bytes),
        TEST(long_texts),
        TEST(runs_and_repeats),
        TEST(codes_that_are_too_long),
        TEST(noise_is_stored),
        TEST(what_is_not_covered_is_said),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void skipped(void **state) {
    (void)state;
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
