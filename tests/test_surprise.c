/* Where the bits go: parts in order, all bytes once, and all bits those of the archive. */
#include "plan.h"
#include "support.h"

#include <stdbool.h>

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"

typedef struct seen {
    const uint8_t *text;
    size_t n_bytes, at;
    uint64_t cost, n_guessed;
    size_t n_ranks, n_stored;
} seen;

static void check_guesses(const seen *s, const az_surprise_part *part, bool by_bytes) {
    assert_in_range(part->n_guesses, 1, AZ_SURPRISE_GUESSES_MAX);
    for (uint32_t i = 1; i < part->n_guesses; i++)
        assert_true(part->guesses[i - 1].cost <= part->guesses[i].cost);
    if (part->rank > part->n_guesses)
        return;
    const az_surprise_guess *own = &part->guesses[part->rank - 1];
    assert_int_equal(own->text.n_bytes >= part->n_bytes, true); /* a lane may cut a token */
    assert_memory_equal(own->text.data, s->text + s->at, part->n_bytes);
    if (by_bytes) /* what was foreseen is what the coder spent, but for rounding */
        assert_in_range(own->cost + 64, part->cost, part->cost + 128);
}

static void check_part(seen *s, const az_surprise_part *part, bool by_bytes) {
    uint64_t sum = 0;
    assert_int_equal(part->first_byte, s->at);
    assert_in_range(part->n_bytes, 1, s->n_bytes - s->at);
    for (size_t i = 0; i < part->n_bytes; i++)
        sum += part->costs[i];
    assert_int_equal(sum, part->cost);
    if (part->rank) {
        assert_true(part->first_byte < s->n_guessed);
        check_guesses(s, part, by_bytes);
        s->n_ranks++;
    }
    s->n_stored += part->cost == 8 * AZ_COST_BIT;
    s->cost += part->cost;
    s->at += part->n_bytes;
}

static void bytes_part(void *opaque, const az_surprise_part *part) {
    assert_int_equal(part->n_bytes, 1);
    check_part(opaque, part, true);
}

static void tokens_part(void *opaque, const az_surprise_part *part) {
    check_part(opaque, part, false);
}

/* Runs a text through, and compares with the archive that the same settings make. */
static seen check_text(trip t, const uint8_t *text, size_t n_bytes, uint64_t n_guessed) {
    az_encoder *encoder;
    seen s = {.text = text, .n_bytes = n_bytes, .n_guessed = n_guessed};
    uint64_t archive_nbytes;
    int64_t frame_cost;
    assert_int_equal(az_encoder_open(&encoder, NULL, NULL), AZ_OK);
    set_encoder(encoder, t);
    assert_int_equal(
        az_encoder_set_surprise(encoder, t.engine ? tokens_part : bytes_part, &s, n_guessed, NULL),
        AZ_OK);
    assert_int_equal(az_surprise_run(encoder, text, n_bytes, &archive_nbytes, &frame_cost, NULL),
                     AZ_OK);
    az_encoder_close(&encoder);
    bytes archive = archive_of(t, text, n_bytes);
    assert_int_equal(archive_nbytes, archive.n);
    free(archive.data);
    assert_int_equal(s.at, n_bytes);
    assert_int_equal((int64_t)s.cost + frame_cost, (int64_t)(archive_nbytes * 8 * AZ_COST_BIT));
    /* Headers and checks: nothing else is missing. */
    uint64_t n_blocks = 1 + n_bytes / (t.block_size ? (size_t)t.block_size : (size_t)1 << 16);
    uint64_t most = 110 + 40 * n_blocks;
    assert_true(frame_cost >= 0 && (uint64_t)frame_cost <= most * 8 * AZ_COST_BIT);
    return s;
}

static void bits_add_up_to_the_archive(void **state) {
    static const size_t sizes[] = {0, 1, 2, 300, 9000};
    (void)state;
    for (int k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (int level = 1; level <= 9; level += 4) {
                uint8_t *p = make_content((kind)k, sizes[i], 3);
                seen s = check_text((trip){.level = level}, p, sizes[i], 100);
                assert_in_range(s.n_ranks, 0, 100);
                free(p);
            }
}

static void blocks_and_threads(void **state) {
    (void)state;
    size_t n = 200000;
    for (int threads = 1; threads <= 3; threads++) {
        uint8_t *p = make_content(KIND_TEXT, n, 7);
        trip t = {.level = 1, .block_size = 1 << 16, .threads = threads};
        seen s = check_text(t, p, n, (1 << 16) + 500);
        assert_int_equal(s.n_ranks, (1 << 16) + 500);
        free(p);
    }
}

static void stored_blocks_cost_eight_bits(void **state) {
    (void)state;
    size_t n = 5000;
    uint8_t *p = make_content(KIND_NOISE, n, 7);
    seen s = check_text((trip){.level = 5}, p, n, n);
    assert_int_equal(s.n_stored, n);
    assert_int_equal(s.n_ranks, 0);
    free(p);
}

static void with_a_model(void **state) {
    static const char story[] =
        "Once upon a time, there was a little girl named Lily. She loved to play in the park. "
        "One day, she saw a big, red ball. \"Can I play with it?\" asked Lily.\n";
    az_model *model;
    az_engine *engine;
    (void)state;
    assert_int_equal(az_model_open(&model, STORIES, NULL, NULL), AZ_OK);
    assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, NULL), AZ_OK);
    size_t n = sizeof story - 1;
    seen s = check_text((trip){.engine = engine, .level = 5}, (const uint8_t *)story, n, n);
    assert_true(s.n_ranks > 20 && s.n_ranks < n); /* tokens, not bytes */
    uint8_t *p = malloc(40 * n);
    for (size_t i = 0; i < 40 * n; i++)
        p[i] = (uint8_t)story[i % n];
    for (int level = 1; level <= 9; level += 4)
        check_text((trip){.engine = engine, .level = level, .verify = 1}, p, 40 * n, 1000);
    check_text((trip){.engine = engine}, p, 40 * n, 0);
    free(p);
    for (int k = 0; k < N_KINDS; k++) { /* the model is left away, or the block is stored */
        p = make_content((kind)k, 3000, 3);
        check_text((trip){.engine = engine}, p, 3000, 3000);
        free(p);
    }
    az_engine_close(&engine);
    az_model_close(&model);
}

static void what_makes_no_sense(void **state) {
    az_encoder *encoder;
    uint64_t n;
    int64_t frame;
    az_error error;
    (void)state;
    assert_int_equal(az_encoder_open(&encoder, NULL, NULL), AZ_OK);
    assert_int_equal(az_surprise_run(NULL, "a", 1, &n, &frame, &error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_surprise_run(encoder, NULL, 1, &n, &frame, &error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_surprise_run(encoder, "a", 1, NULL, &frame, &error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_surprise_run(encoder, "a", 1, &n, &frame, &error), AZ_OK);
    assert_int_equal(az_encoder_set_surprise(encoder, bytes_part, NULL, 0, &error),
                     AZ_ERROR_ARGUMENT);
    az_encoder_close(&encoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_add_up_to_the_archive),    cmocka_unit_test(blocks_and_threads),
        cmocka_unit_test(stored_blocks_cost_eight_bits), cmocka_unit_test(with_a_model),
        cmocka_unit_test(what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
