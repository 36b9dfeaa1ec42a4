/* coder: what a message costs, that it comes back, carries, and the ends. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "coder/coder.h"
#include "generate.h"

enum { PROB_ONE = 1 << AZ_PROB_BITS, N_BITS = 200000 };

typedef struct message {
    uint8_t *bits;   /* [n] */
    uint32_t *probs; /* [n] */
    size_t n;
    double ideal; /* bits */
    uint8_t *coded;
    size_t capacity;
    size_t coded_nbytes;
    size_t untrimmed_nbytes; /* at most, before trailing zeros are left out */
} message;

static void message_init(message *m, size_t n) {
    m->bits = malloc(n + 1);
    m->probs = malloc((n + 1) * sizeof *m->probs);
    m->n = n;
    m->capacity = n * 3 + 16; /* the dearest bit costs 22 */
    m->coded = malloc(m->capacity);
    m->coded_nbytes = 0;
    m->ideal = 0;
}

static void message_free(message *m) {
    free(m->bits);
    free(m->probs);
    free(m->coded);
}

static double cost_bits(int bit, uint32_t prob) {
    return AZ_PROB_BITS - log2(bit ? prob : PROB_ONE - prob);
}

static void message_encode(message *m) {
    az_range_encoder rc;
    az_range_encoder_init(&rc, m->coded, m->capacity);
    m->ideal = 0;
    for (size_t i = 0; i < m->n; i++) {
        az_range_encode_bit(&rc, m->bits[i], m->probs[i]);
        m->ideal += cost_bits(m->bits[i], m->probs[i]);
    }
    m->untrimmed_nbytes = rc.pos + 8;
    m->coded_nbytes = az_range_encoder_finish(&rc);
    assert_true(m->coded_nbytes != SIZE_MAX);
}

/* Whether coded[0..n_bytes) means the message's bits. */
static bool means(const message *m, const uint8_t *coded, size_t n_bytes) {
    az_range_decoder rc;
    az_range_decoder_init(&rc, coded, n_bytes);
    for (size_t i = 0; i < m->n; i++)
        if (az_range_decode_bit(&rc, m->probs[i]) != m->bits[i])
            return false;
    return true;
}

/* ---- Cost ------------------------------------------------------------------- */

typedef enum draw {
    DRAW_UNIFORM,
    DRAW_SKEWED, /* mostly near 0 or 1 */
    DRAW_EXTREMES,
    DRAW_LEAST,
    DRAW_MOST,
    DRAW_HALF,
    DRAW_16_TO_22_BITS,
    N_DRAWS
} draw;

static uint32_t draw_prob(dice *d, draw kind) {
    uint32_t p = 0;
    switch (kind) {
    case DRAW_UNIFORM: p = dice_below(d, PROB_ONE); break;
    case DRAW_SKEWED:
        p = dice_below(d, PROB_ONE) >> dice_below(d, 22);
        p = dice_next(d) & 1 ? p : PROB_ONE - p;
        break;
    case DRAW_EXTREMES: p = dice_next(d) & 1 ? 1 : PROB_ONE - 1; break;
    case DRAW_LEAST: p = 1; break;
    case DRAW_MOST: p = PROB_ONE - 1; break;
    case DRAW_HALF: p = PROB_ONE / 2; break;
    default: {
        uint32_t n_bits = 16 + dice_below(d, 7);
        p = dice_below(d, (uint32_t)1 << n_bits) << (AZ_PROB_BITS - n_bits);
    }
    }
    return p < 1 ? 1 : p > PROB_ONE - 1 ? PROB_ONE - 1 : p;
}

/* How the bits come out. */
typedef enum course { AS_PREDICTED, AGAINST, EVEN, ALL_0, ALL_1, N_COURSES } course;

static int draw_bit(dice *d, course how, uint32_t prob) {
    int likely = dice_below(d, PROB_ONE) < prob;
    return how == AS_PREDICTED ? likely
           : how == AGAINST    ? !likely
           : how == EVEN       ? (int)(dice_next(d) & 1)
                               : how == ALL_1;
}

static void message_draw(message *m, dice *d, draw kind, course how) {
    for (size_t i = 0; i < m->n; i++) {
        m->probs[i] = draw_prob(d, kind);
        m->bits[i] = (uint8_t)draw_bit(d, how, m->probs[i]);
    }
}

static void costs_what_theory_says(void **state) {
    (void)state;
    dice d = {1};
    message m;
    message_init(&m, N_BITS);
    for (draw kind = 0; kind < N_DRAWS; kind++)
        for (course how = 0; how < N_COURSES; how++) {
            message_draw(&m, &d, kind, how);
            message_encode(&m);
            double coded = 8.0 * (double)m.coded_nbytes;
            /* Two bytes for the message's end. There is no lower bound for one
             * message: all 1s are the number 0, which is no bytes at all. */
            if (coded > m.ideal * 1.0001 + 16)
                fail_msg("draw %d, course %d: %.0f bits, ideal %.3f", kind, how, coded, m.ideal);
            assert_true(means(&m, m.coded, m.coded_nbytes));
        }
    message_free(&m);
}

static void short_messages_come_back(void **state) {
    (void)state;
    dice d = {2};
    for (int round = 0; round < 20000; round++) {
        message m;
        message_init(&m, dice_below(&d, 80));
        message_draw(&m, &d, dice_below(&d, N_DRAWS), dice_below(&d, N_COURSES));
        message_encode(&m);
        assert_true(8.0 * (double)m.coded_nbytes <= m.ideal * 1.0001 + 8.01);
        assert_true(means(&m, m.coded, m.coded_nbytes));
        message_free(&m);
    }
}

/* ---- Ends ------------------------------------------------------------------- */

static void empty_message_is_empty(void **state) {
    (void)state;
    uint8_t out[1];
    az_range_encoder rc;
    az_range_encoder_init(&rc, out, 0);
    assert_int_equal(az_range_encoder_finish(&rc), 0);
}

/* The coder starts with the range 2^64 - 1, not 2^64: what the decoder makes of
 * the numbers beyond does not count. */
static bool is_at_the_top(const uint8_t *coded, size_t n_bytes) {
    for (size_t i = 0; i < 8; i++)
        if (i >= n_bytes || coded[i] != 0xFF)
            return false;
    return true;
}

/* If any shorter string named a number in the interval, one of the two next to
 * the message's number would. */
static void finish_writes_the_fewest_bytes(void **state) {
    (void)state;
    dice d = {3};
    int n_longer = 0;
    for (int round = 0; round < 20000; round++) {
        message m;
        message_init(&m, dice_below(&d, 60));
        message_draw(&m, &d, dice_below(&d, N_DRAWS), dice_below(&d, N_COURSES));
        message_encode(&m);
        if (m.coded_nbytes > 0) {
            size_t n = m.coded_nbytes - 1;
            n_longer++;
            assert_true(m.coded[n] != 0);
            assert_false(means(&m, m.coded, n));
            size_t i = n;
            while (i > 0 && ++m.coded[i - 1] == 0)
                i--;
            bool none = i == 0; /* all 0xFF: the next number is 1 */
            assert_true(none || is_at_the_top(m.coded, n) || !means(&m, m.coded, n));
        }
        message_free(&m);
    }
    assert_true(n_longer > 5000);
}

static void too_small_a_buffer_is_not_overrun(void **state) {
    (void)state;
    dice d = {4};
    for (int round = 0; round < 2000; round++) {
        message m;
        message_init(&m, 400);
        message_draw(&m, &d, dice_below(&d, N_DRAWS), dice_below(&d, N_COURSES));
        message_encode(&m);
        size_t capacity = dice_below(&d, (uint32_t)m.coded_nbytes + 10);
        uint8_t *out = malloc(capacity + 1); /* ASan watches the end, and so does: */
        out[capacity] = 0x5C;
        az_range_encoder rc;
        az_range_encoder_init(&rc, out, capacity);
        for (size_t i = 0; i < m.n; i++)
            az_range_encode_bit(&rc, m.bits[i], m.probs[i]);
        size_t n = az_range_encoder_finish(&rc);
        assert_int_equal(out[capacity], 0x5C);
        if (capacity < m.coded_nbytes)
            assert_true(n == SIZE_MAX);
        if (capacity >= m.untrimmed_nbytes)
            assert_true(n == m.coded_nbytes);
        if (n != SIZE_MAX)
            assert_memory_equal(out, m.coded, n);
        free(out);
        message_free(&m);
    }
}

/* ---- Carries ---------------------------------------------------------------- */

/* Keeps the interval around the number 0x80 00 00 ..., so that low is 0x7F FF
 * FF ...; then goes above it, so that all these bytes change, or below. */
static void carry_runs_through(size_t n_bytes, bool above, uint64_t seed) {
    dice d = {seed};
    message m;
    message_init(&m, n_bytes * 8 * 4 + 100);
    uint8_t target[1] = {0x80}; /* the decoder supplies zeros */
    az_range_encoder rc;
    az_range_decoder around;
    az_range_encoder_init(&rc, m.coded, m.capacity);
    az_range_decoder_init(&around, target, 1);
    size_t n = 0;
    while (rc.pos < n_bytes) {
        assert_true(n + 40 < m.n);
        m.probs[n] = PROB_ONE / 4 + dice_below(&d, PROB_ONE / 2);
        m.bits[n] = (uint8_t)az_range_decode_bit(&around, m.probs[n]);
        az_range_encode_bit(&rc, m.bits[n], m.probs[n]);
        n++;
    }
    assert_int_equal(m.coded[0], 0x7F);
    for (size_t i = 1; i < rc.pos; i++)
        assert_int_equal(m.coded[i], 0xFF);
    for (int i = 0; i < 20; i++, n++) {
        m.probs[n] = above ? PROB_ONE - 1 : 1;
        m.bits[n] = !above;
        az_range_encode_bit(&rc, m.bits[n], m.probs[n]);
    }
    m.n = n;
    m.coded_nbytes = az_range_encoder_finish(&rc);
    assert_int_equal(m.coded[0], above ? 0x80 : 0x7F);
    for (size_t i = 1; i < n_bytes - 8; i++)
        assert_int_equal(m.coded[i], above ? 0x00 : 0xFF);
    assert_true(means(&m, m.coded, m.coded_nbytes));
    message_free(&m);
}

static void carries_run_through_any_number_of_bytes(void **state) {
    (void)state;
    for (size_t n_bytes = 10; n_bytes < 60; n_bytes++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            carry_runs_through(n_bytes, true, seed);
            carry_runs_through(n_bytes, false, seed);
        }
    carry_runs_through(20000, true, 1);
    carry_runs_through(20000, false, 1);
}

/* ---- Decoding what no encoder wrote ----------------------------------------- */

/* A page that may be read, and after it one that may not. */
static void decoder_reads_nothing_beyond_the_end(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    dice d = {5};
    for (int round = 0; round < 3000; round++) {
        size_t n_bytes = dice_below(&d, 40);
        uint8_t *in = map + page - n_bytes;
        if (round % 3 == 0)
            memset(in, 0xFF, n_bytes); /* the number nearest to 1 */
        else
            generate_noise(in, n_bytes, dice_next(&d));
        az_range_decoder rc;
        az_range_decoder_init(&rc, in, n_bytes);
        draw kind = dice_below(&d, N_DRAWS);
        for (int i = 0; i < 600; i++) {
            int bit = az_range_decode_bit(&rc, draw_prob(&d, kind));
            assert_true(bit == 0 || bit == 1);
        }
    }
    munmap(map, 2 * page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_what_theory_says),
        cmocka_unit_test(short_messages_come_back),
        cmocka_unit_test(empty_message_is_empty),
        cmocka_unit_test(finish_writes_the_fewest_bytes),
        cmocka_unit_test(too_small_a_buffer_is_not_overrun),
        cmocka_unit_test(carries_run_through_any_number_of_bytes),
        cmocka_unit_test(decoder_reads_nothing_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
