/*
 * cm: the built-in predictor, through the one predictor interface and through
 * archives.
 *
 * The last test is the signature: one number over archives of all levels, the
 * same on every machine and for every build. A change that alters coded bits
 * writes it anew:
 *     AIZIP_WRITE_GOLDEN=1 build/test_cm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "aizip.h"
#include "base/base.h"
#include "generate.h"
#include "predict/predict.h"

enum { N_BYTES = 9000 };

static az_predictor *open_predictor(az_heap *heap, int level, size_t max_nbytes) {
    az_predictor *predictor = NULL;
    assert_int_equal(
        az_predictor_open(&predictor, heap, AZ_METHOD_CM, level, (az_span){0, max_nbytes}, NULL),
        AZ_OK);
    return predictor;
}

static void fill_zeros(uint8_t *out, size_t n_bytes, uint64_t seed) {
    (void)seed;
    memset(out, 0, n_bytes);
}

static void fill_ones(uint8_t *out, size_t n_bytes, uint64_t seed) {
    (void)seed;
    memset(out, 0xFF, n_bytes);
}

/* The surest prediction meets its opposite again and again. */
static void fill_surprises(uint8_t *out, size_t n_bytes, uint64_t seed) {
    dice d = {seed};
    size_t until = 0;
    uint8_t byte = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (i == until) {
            byte = (uint8_t)~byte;
            until = i + 1 + dice_below(&d, 2000);
        }
        out[i] = byte;
    }
}

static void (*const fills[])(uint8_t *out, size_t n_bytes, uint64_t seed) = {
    generate_text, generate_noise,   fill_zeros,     fill_ones,
    generate_wave, generate_records, fill_surprises, generate_mixture,
};
enum { N_FILLS = sizeof fills / sizeof fills[0] };

/* Codes a block in pieces of up to max_piece bytes; returns the message's size, and
 * where it is, until the next call. */
static size_t code_of(az_predictor *predictor, const uint8_t *block, size_t n_bytes,
                      size_t max_piece, const uint8_t **message) {
    static uint8_t coded[2 * N_BYTES + 64];
    az_range_encoder rc;
    az_range_encoder_init(&rc, coded, sizeof coded);
    az_predictor_begin(predictor, block, (az_span){0, n_bytes});
    for (size_t pos = 0; pos < n_bytes; pos += max_piece)
        az_predictor_encode(predictor, &rc, n_bytes - pos < max_piece ? n_bytes - pos : max_piece);
    size_t n = az_range_encoder_finish(&rc);
    assert_in_range(n, 0, sizeof coded);
    *message = coded;
    return n;
}

/* Check of all that a block's code depends on. */
static uint32_t course_of(az_predictor *predictor, const uint8_t *block, size_t n_bytes) {
    const uint8_t *message;
    size_t n = code_of(predictor, block, n_bytes, 4096, &message);
    return az_check(message, n);
}

/* In a build with assertions the coder checks each probability. */
static void probabilities_stay_inside_0_and_1(void **state) {
    (void)state;
    static uint8_t block[N_BYTES];
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        az_predictor *predictor = open_predictor(heap, level, N_BYTES);
        for (int i = 0; i < N_FILLS; i++) {
            fills[i](block, N_BYTES, (uint64_t)i);
            course_of(predictor, block, N_BYTES);
        }
        az_predictor_close(&predictor);
    }
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_close(&heap);
}

/* One predictor for all blocks, larger and smaller in turn, against a fresh one
 * for each. */
static void beginning_anew_forgets_everything(void **state) {
    (void)state;
    enum { MAX = 9000 };
    static const size_t sizes[] = {2500, 1, 9000, 300, 2500, 5000, 2, 1500, 8999};
    static const int levels[] = {1, 2, 5, 9};
    static uint8_t block[MAX];
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
        az_predictor *used = open_predictor(heap, levels[l], MAX);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t n = sizes[i];
            /* Text, zeros, waves and surprises. */
            fills[i % 4 * 2](block, n, i);
            az_predictor *fresh = open_predictor(heap, levels[l], n + i * 100);
            uint32_t expected = course_of(fresh, block, n);
            assert_true(course_of(used, block, n) == expected);
            az_predictor_close(&fresh);
        }
        az_predictor_close(&used);
    }
    az_predictor_close(&(az_predictor *){NULL});
    az_heap_close(&heap);
}

/* A block left in the middle, as after damage or a full buffer. */
static void beginning_anew_forgets_half_a_block(void **state) {
    (void)state;
    static uint8_t first[N_BYTES], block[N_BYTES];
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    generate_text(first, N_BYTES, 1);
    generate_records(block, N_BYTES, 2);
    az_predictor *fresh = open_predictor(heap, 5, N_BYTES);
    uint32_t expected = course_of(fresh, block, 3000);
    for (size_t n = 0; n < 5000; n = n * 3 + 1) {
        az_predictor *used = open_predictor(heap, 5, N_BYTES);
        static uint8_t coded[2 * N_BYTES];
        az_range_encoder rc;
        az_range_encoder_init(&rc, coded, sizeof coded);
        az_predictor_begin(used, first, (az_span){0, N_BYTES});
        az_predictor_encode(used, &rc, n);
        assert_true(course_of(used, block, 3000) == expected);
        az_predictor_close(&used);
    }
    az_predictor_close(&fresh);
    az_heap_close(&heap);
}

/* The decoder's buffer holds garbage wherever nothing has been decoded yet, and
 * other garbage for each piece; pieces are cut elsewhere than the encoder's. */
static void nothing_ahead_is_read(void **state) {
    (void)state;
    static uint8_t block[N_BYTES], decoded[N_BYTES];
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        generate_mixture(block, N_BYTES, (uint64_t)level);
        memcpy(block + N_BYTES - 1500, block, 1500); /* a long match, at last */
        generate_noise(decoded, N_BYTES, 99);
        dice d = {7};
        az_predictor *encoder = open_predictor(heap, level, N_BYTES);
        az_predictor *decoder = open_predictor(heap, level, N_BYTES);
        const uint8_t *message;
        size_t n_message = code_of(encoder, block, N_BYTES, N_BYTES, &message);
        az_range_decoder rc;
        az_range_decoder_init(&rc, message, n_message);
        az_predictor_begin(decoder, decoded, (az_span){0, N_BYTES});
        for (size_t pos = 0; pos < N_BYTES;) {
            size_t n = 1 + dice_below(&d, 50);
            n = n < N_BYTES - pos ? n : N_BYTES - pos;
            az_predictor_decode(decoder, &rc, decoded, n);
            pos += n;
            if (memcmp(decoded, block, pos) != 0)
                fail_msg("level %d: wrong before byte %zu", level, pos);
            generate_noise(decoded + pos, N_BYTES - pos, pos);
        }
        az_predictor_close(&encoder);
        az_predictor_close(&decoder);
    }
    az_heap_close(&heap);
}

/* How a block is cut into calls does not matter. */
static void pieces_do_not_matter(void **state) {
    (void)state;
    static uint8_t block[N_BYTES];
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    generate_mixture(block, N_BYTES, 3);
    memcpy(block + N_BYTES - 1500, block, 1500);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        az_predictor *predictor = open_predictor(heap, level, N_BYTES);
        const uint8_t *message;
        size_t n = code_of(predictor, block, N_BYTES, N_BYTES, &message);
        uint32_t whole = az_check(message, n);
        for (size_t piece = 1; piece < 3000; piece = piece * 7) {
            assert_int_equal(code_of(predictor, block, N_BYTES, piece, &message), n);
            assert_true(az_check(message, n) == whole);
        }
        az_predictor_close(&predictor);
    }
    az_heap_close(&heap);
}

/* What a byte would cost here: a copy of the predictor codes it. */
static uint64_t cost_in_copy(az_predictor *copy, const az_predictor *from, uint8_t *block,
                             size_t pos, int byte) {
    az_range_encoder rc;
    block[pos] = (uint8_t)byte;
    az_predictor_copy(copy, from, block);
    az_range_encoder_init(&rc, NULL, 0);
    uint64_t before = az_coded_cost(&rc);
    az_predictor_encode(copy, &rc, 1);
    return az_coded_cost(&rc) - before;
}

/* Each of the 256 bytes is coded by a copy: what was guessed must be the dearest of all in order,
 * with the same costs but for rounding. */
static void compare_guesses(const az_guesses *g, const uint64_t *costs, int actual) {
    enum { ROUNDED = 64 }; /* 2^-18 bits: the coder's interval is cut short */
    uint32_t rank = 1, doubtful = 0;
    for (int i = 0; i < 256; i++) {
        uint64_t gap =
            costs[i] > costs[actual] ? costs[i] - costs[actual] : costs[actual] - costs[i];
        if (i != actual && gap <= ROUNDED)
            doubtful++;
        else
            rank += costs[i] < costs[actual];
    }
    assert_in_range(g->rank, rank, rank + doubtful);
    assert_int_equal(g->n, AZ_GUESSES_MAX);
    for (uint32_t k = 0; k < g->n; k++) {
        uint64_t cost = costs[g->guess[k].string];
        assert_in_range(g->guess[k].cost + ROUNDED, cost, cost + 2 * ROUNDED);
        uint32_t cheaper = 0;
        for (int i = 0; i < 256; i++)
            cheaper += costs[i] + ROUNDED < cost;
        assert_in_range(cheaper, 0, k);
        assert_true(k == 0 || g->guess[k - 1].cost <= g->guess[k].cost);
    }
}

static void guesses_are_what_bytes_would_cost(void **state) {
    static const int levels[] = {1, 2, 3, 5, 7, 9};
    enum { N = 1500, FROM = 200, EVERY = 61 };
    static uint8_t block[N], other[N];
    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        for (int fill = 0; fill < N_FILLS; fill++) {
            az_heap *heap;
            assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
            az_predictor *predictor = open_predictor(heap, levels[i], N);
            az_predictor *copy = open_predictor(heap, levels[i], N);
            az_range_encoder rc;
            fills[fill](block, N, 5);
            memcpy(other, block, N);
            az_range_encoder_init(&rc, NULL, 0);
            az_predictor_begin(predictor, block, (az_span){0, N});
            az_predictor_encode(predictor, &rc, FROM);
            for (size_t pos = FROM; pos < N; pos += EVERY) {
                az_guesses guesses;
                uint64_t costs[256];
                for (int byte = 0; byte < 256; byte++)
                    costs[byte] = cost_in_copy(copy, predictor, other, pos, byte);
                other[pos] = block[pos];
                az_predictor_guess(predictor, block[pos], &guesses);
                compare_guesses(&guesses, costs, block[pos]);
                az_predictor_encode(predictor, &rc, N - pos < EVERY ? N - pos : EVERY);
            }
            az_predictor_close(&copy);
            az_predictor_close(&predictor);
            az_heap_close(&heap);
        }
    }
}

/* Guessing before each byte changes nothing of the code. */
static void guessing_leaves_no_trace(void **state) {
    static uint8_t block[N_BYTES], message[2 * N_BYTES + 64];
    (void)state;
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        for (int fill = 0; fill < N_FILLS; fill++) {
            az_heap *heap;
            assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
            az_predictor *predictor = open_predictor(heap, level, N_BYTES);
            const uint8_t *plain;
            fills[fill](block, N_BYTES, 9);
            az_range_encoder rc;
            az_range_encoder_init(&rc, message, sizeof message);
            az_predictor_begin(predictor, block, (az_span){0, N_BYTES});
            for (size_t pos = 0; pos < N_BYTES; pos++) {
                az_guesses guesses;
                if (pos % 8 < 3)
                    az_predictor_guess(predictor, block[pos], &guesses);
                az_predictor_encode(predictor, &rc, 1);
            }
            size_t n = az_range_encoder_finish(&rc);
            assert_int_equal(code_of(predictor, block, N_BYTES, N_BYTES, &plain), n);
            assert_memory_equal(plain, message, n);
            az_predictor_close(&predictor);
            az_heap_close(&heap);
        }
    }
}

static void memory_is_what_was_said(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 100, 1000, 4097, 65536, 70000, 1 << 20, 5000000, 1 << 24};
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        uint64_t before = 0;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint64_t said = az_predictor_memory(AZ_METHOD_CM, level, (az_span){0, sizes[i]});
            assert_true(said >= before);
            before = said;
            if (said > (uint64_t)200 << 20)
                break; /* too much to touch under a sanitizer */
            az_heap *heap = NULL;
            assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
            az_predictor *predictor = open_predictor(heap, level, sizes[i]);
            uint64_t peak = az_heap_peak(heap);
            if (peak > said || said - peak > said / 100)
                fail_msg("level %d, %zu bytes: %llu said, %llu taken", level, sizes[i],
                         (unsigned long long)said, (unsigned long long)peak);
            az_predictor_close(&predictor);
            az_heap_close(&heap);
        }
    }
}

static void limit_below_the_need_is_refused(void **state) {
    (void)state;
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        az_heap *heap = NULL;
        az_error error;
        az_predictor *predictor = NULL;
        uint64_t need = az_predictor_memory(AZ_METHOD_CM, level, (az_span){0, 10000});
        assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
        for (uint64_t limit = 1; limit < need - need / 50; limit += need / 7) {
            az_heap_set_limit(heap, limit);
            assert_int_equal(az_predictor_open(&predictor, heap, AZ_METHOD_CM, level,
                                               (az_span){0, 10000}, &error),
                             AZ_ERROR_MEMORY_LIMIT);
            assert_null(predictor);
            assert_int_equal(az_heap_used(heap), 0);
        }
        az_heap_set_limit(heap, need);
        predictor = open_predictor(heap, level, 10000);
        az_predictor_close(&predictor);
        assert_null(predictor);
        az_heap_close(&heap);
    }
}

static void levels_and_methods_are_sensible(void **state) {
    (void)state;
    az_heap *heap = NULL;
    az_predictor *predictor = NULL;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    assert_int_equal(az_predictor_open(&predictor, heap, 77, 5, (az_span){0, 1000}, NULL),
                     AZ_ERROR_VERSION);
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_close(&heap);
    assert_in_range(az_predictor_version(AZ_METHOD_CM), 1, 255);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        uint32_t n = az_predictor_block_nbytes(AZ_METHOD_CM, level);
        assert_in_range(n, 1 << 16, 1 << 26);
        assert_int_equal(n & (n - 1), 0);
    }
}

/* ---- Archives ------------------------------------------------------------------ */

static size_t archive_nbytes(const uint8_t *content, size_t n_bytes, int level) {
    size_t capacity = az_compress_bound(n_bytes), n = 0;
    uint8_t *archive = malloc(capacity);
    assert_int_equal(az_compress(archive, capacity, &n, content, n_bytes, level, NULL), AZ_OK);
    free(archive);
    return n;
}

/* Not how good it is (bench/ says that), but that it predicts at all. */
static void what_is_regular_becomes_small(void **state) {
    (void)state;
    enum { N = 12000 };
    static uint8_t content[N];
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        memset(content, 'x', N);
        assert_in_range(archive_nbytes(content, N, level), 20, 120);
        generate_text(content, N, 1);
        assert_in_range(archive_nbytes(content, N, level), 20, N / 3);
        generate_noise(content, N, 1);
        assert_in_range(archive_nbytes(content, N, level), N, N + 30);
        memcpy(content + N / 2, content, N / 2); /* found again */
        assert_in_range(archive_nbytes(content, N, level), N / 2, N / 2 + N / 15);
    }
}

static void signature_is_the_same_everywhere(void **state) {
    (void)state;
    enum { N = 60000 };
    static const char path[] = AZ_SOURCE_DIR "/tests/golden/signature.txt";
    static uint8_t content[N];
    size_t capacity = az_compress_bound(N);
    uint8_t *archive = malloc(capacity);
    char line[160], golden[160] = "";
    uint64_t total = 0;
    az_hash hash;
    az_hash_begin(&hash, 0);
    generate_mixture(content, N, 20260);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        size_t n = 0;
        assert_int_equal(az_compress(archive, capacity, &n, content, N, level, NULL), AZ_OK);
        az_hash_add(&hash, archive, n);
        total += n;
    }
    free(archive);
    snprintf(line, sizeof line, "cm version %d: signature %08lx, levels 1-9 of %d bytes in %llu\n",
             az_predictor_version(AZ_METHOD_CM), (unsigned long)az_hash_value(&hash), N,
             (unsigned long long)total);
    print_message("%s", line);
    if (getenv("AIZIP_WRITE_GOLDEN")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(line, file);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(golden, sizeof golden, file));
    fclose(file);
    assert_string_equal(line, golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_stay_inside_0_and_1),
        cmocka_unit_test(beginning_anew_forgets_everything),
        cmocka_unit_test(beginning_anew_forgets_half_a_block),
        cmocka_unit_test(nothing_ahead_is_read),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(guesses_are_what_bytes_would_cost),
        cmocka_unit_test(guessing_leaves_no_trace),
        cmocka_unit_test(memory_is_what_was_said),
        cmocka_unit_test(limit_below_the_need_is_refused),
        cmocka_unit_test(levels_and_methods_are_sensible),
        cmocka_unit_test(what_is_regular_becomes_small),
        cmocka_unit_test(signature_is_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
