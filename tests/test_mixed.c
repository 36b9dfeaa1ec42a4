/* What a language model and cm make together: the vocabulary sorted by bytes and the
 * conditionals along a token, the bias, and blocks in lanes. */
#include "support.h"

#include "cm/cm_strings.h"
#include "predict/bias.h"
#include "predict/mixed.h"
#include "transformer/weights.h"

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"
#define GPT2 AZ_SOURCE_DIR "/tests/models/tiny-gpt2.gguf"

static const char story[] =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
    "park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
    "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do.\n";

typedef struct model {
    az_heap *heap;
    az_gguf *gguf;
    az_lm_server *server;
    az_mixed *mixed;
} model;

static void open_model(model *m, const char *path, unsigned n_threads) {
    az_error error;
    assert_int_equal(az_heap_open(&m->heap, NULL, NULL), AZ_OK);
    assert_int_equal(az_gguf_open(&m->gguf, path, m->heap, &error), AZ_OK);
    assert_int_equal(
        az_lm_server_open(&m->server, m->gguf, az_cpu_features(), n_threads, m->heap, &error),
        AZ_OK);
    assert_int_equal(az_mixed_open(&m->mixed, m->server, m->heap, &error), AZ_OK);
}

static void close_model(model *m) {
    az_mixed_close(&m->mixed);
    az_lm_server_close(&m->server);
    az_gguf_close(&m->gguf);
    az_heap_close(&m->heap);
}

/* ---- The vocabulary --------------------------------------------------------------------- */

static void strings_are_sorted_and_every_byte_is_one(void **state) {
    (void)state;
    model m;
    open_model(&m, STORIES, 1);
    const az_vocabulary *v = az_lm_server_vocabulary(m.server);
    const az_cm_strings *s = &v->strings;
    for (uint32_t i = 0; i + 1 < s->n; i++) {
        size_t a = s->starts[i + 1] - s->starts[i], b = s->starts[i + 2] - s->starts[i + 1];
        int order = memcmp(s->bytes + s->starts[i], s->bytes + s->starts[i + 1], a < b ? a : b);
        assert_true(a > 0 && (order < 0 || (order == 0 && a < b)));
    }
    for (uint32_t code = 0; code < 256; code++) {
        uint32_t first = s->first[code];
        assert_int_equal(s->bytes[s->starts[first]], code);
        assert_int_equal(s->starts[first + 1] - s->starts[first], 1);
    }
    assert_int_equal(s->first[256], s->n);
    const az_tokenizer *t = az_lm_server_tokenizer(m.server);
    for (uint32_t id = 0; id < az_tokenizer_n_tokens(t); id++) {
        size_t n_bytes;
        const uint8_t *token = az_tokenizer_bytes(t, id, &n_bytes);
        uint32_t number = az_vocabulary_number(v, id);
        if (n_bytes == 0) {
            assert_int_equal(number, s->n);
            continue;
        }
        assert_int_equal(s->starts[number + 1] - s->starts[number], n_bytes);
        assert_memory_equal(s->bytes + s->starts[number], token, n_bytes);
    }
    close_model(&m);
}

/* Along the bits and ends of a string the masses of what is left go from all to its own: each
 * conditional's denominator is the numerator of the one before, so that their product is the
 * string's share, exactly. */
static void walk(const az_cm_strings *s, const uint64_t *sums, uint32_t string) {
    az_cm_course c;
    const uint8_t *text = s->bytes + s->starts[string];
    uint32_t n_bytes = s->starts[string + 1] - s->starts[string];
    uint64_t left = sums[s->n];
    az_cm_course_begin(&c, s, sums);
    for (uint32_t i = 0; i < n_bytes; i++) {
        for (int k = 7; k >= 0; k--) {
            uint32_t split = az_cm_course_split(&c);
            uint64_t zero = az_cm_course_mass(&c, c.low, split),
                     one = az_cm_course_mass(&c, split, c.high);
            assert_int_equal(zero + one, left);
            int bit = text[i] >> k & 1;
            left = bit ? one : zero;
            assert_true(left > 0);
            az_cm_course_bit(&c, split, bit);
        }
        assert_int_equal(c.low_code, text[i]);
        uint64_t end = az_cm_course_may_end(&c) ? az_cm_course_mass(&c, c.low, c.low + 1) : 0;
        uint64_t rest = az_cm_course_mass(&c, c.low + az_cm_course_may_end(&c), c.high);
        assert_int_equal(end + rest, left);
        assert_int_equal(az_cm_course_may_go_on(&c), rest > 0);
        left = i + 1 == n_bytes ? end : rest;
        if (i + 1 < n_bytes)
            az_cm_course_go_on(&c);
    }
    assert_int_equal(c.low, string);
    assert_int_equal(left, sums[string + 1] - sums[string]);
}

static void conditionals_multiply_back_to_the_share(void **state) {
    (void)state;
    model m;
    open_model(&m, STORIES, 1);
    const az_vocabulary *v = az_lm_server_vocabulary(m.server);
    uint64_t seed = 5, *sums = malloc((v->strings.n + 1) * sizeof *sums);
    for (int round = 0; round < 3; round++) {
        sums[0] = 0;
        for (uint32_t i = 0; i < v->strings.n; i++)
            sums[i + 1] = sums[i] + 1 + (rnd(&seed) >> (round == 0 ? 63 : 64 - 10 * round));
        for (uint32_t i = 0; i < v->strings.n; i++)
            walk(&v->strings, sums, i);
    }
    free(sums);
    close_model(&m);
}

static void a_share_is_never_certain(void **state) {
    (void)state;
    assert_int_equal(az_cm_share(1, 0), 1);
    assert_int_equal(az_cm_share(0, 1), AZ_PROB_ONE - 1);
    assert_int_equal(az_cm_share(1, 1), AZ_PROB_ONE / 2);
    assert_int_equal(az_cm_share((uint64_t)1 << 60, (uint64_t)1 << 60), AZ_PROB_ONE / 2);
    assert_int_equal(az_cm_share(((uint64_t)1 << 61) - 1, 1), 1);
    assert_int_equal(az_cm_share(3, 1), AZ_PROB_ONE / 4);
}

/* ---- The bias --------------------------------------------------------------------------- */

static void the_bias_learns_what_comes(void **state) {
    (void)state;
    model m;
    open_model(&m, STORIES, 1);
    const az_vocabulary *v = az_lm_server_vocabulary(m.server);
    uint32_t n = v->strings.n, string = v->strings.first['q'], *freq = malloc(n * 4 + 4096);
    az_bias bias = {malloc(n * 4), malloc(n * 2), malloc(n)};
    uint64_t *sums = malloc((n + 1) * sizeof *sums);
    for (uint32_t i = 0; i < v->n_tokens; i++)
        freq[i] = i % 7 ? 1000 : 1u << 30;
    az_bias_begin(&bias, v);
    az_bias_sums(&bias, v, freq, sums);
    double before = (double)(sums[string + 1] - sums[string]) / (double)sums[n];
    for (int i = 0; i < 300; i++) {
        az_bias_sums(&bias, v, freq, sums);
        for (uint32_t k = 0; k < n; k++)
            assert_true(sums[k + 1] > sums[k]);
        assert_true(sums[n] < (uint64_t)1 << 58);
        /* In two pieces: how the strings are cut makes no difference. */
        az_bias_learn(&bias, sums, n, 0, n / 3, string);
        az_bias_learn(&bias, sums, n, n / 3, n, string);
    }
    double after = (double)(sums[string + 1] - sums[string]) / (double)sums[n];
    assert_true(after > 100 * before);
    for (uint32_t k = 0; k < n; k++)
        assert_true(bias.factors[k] >= AZ_BIAS_MIN);
    free(bias.factors);
    free(bias.rates);
    free(bias.counts);
    free(freq);
    free(sums);
    close_model(&m);
}

/* ---- Blocks ------------------------------------------------------------------------------ */

static bool go_on(void *opaque, size_t n_content, size_t n_coded) {
    (void)opaque, (void)n_content, (void)n_coded;
    return true;
}

static bytes code(model *m, az_mixed_settings s, uint32_t n_lanes, const uint8_t *p, size_t n) {
    bytes out = {malloc(2 * n + 300), 0};
    az_error error = {0};
    if (az_mixed_encode(m->mixed, &s, 5, n_lanes, p, (az_span){0, n}, out.data, 2 * n + 300, &out.n,
                        go_on, NULL, &error) != AZ_OK)
        fail_msg("%s", error.text);
    assert_true(out.n <= 2 * n + 300);
    return out;
}

static void check_block(model *m, az_mixed_settings s, bytes coded, const uint8_t *p, size_t n) {
    uint8_t *again = malloc(n);
    az_error error = {0};
    if (az_mixed_decode(m->mixed, &s, again, (az_span){0, n}, coded.data, coded.n, go_on, NULL,
                        &error) != AZ_OK)
        fail_msg("%s", error.text);
    assert_memory_equal(again, p, n);
    free(again);
}

static void blocks_decode_for_all_lanes_and_windows(void **state) {
    (void)state;
    static const az_mixed_settings settings[] = {{64, 0}, {512, 0}};
    static const size_t sizes[] = {1, 2, 255, 3000};
    static const uint32_t lanes[] = {0, 1, 3, 64};
    model m;
    open_model(&m, STORIES, 2);
    az_mixed_check(m.mixed, true);
    for (int k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (size_t j = 0; j < COUNT(lanes); j++) {
                az_mixed_settings s = settings[(i + j) % 2];
                uint8_t *p = make_content((kind)k, sizes[i], 7);
                bytes coded = code(&m, s, lanes[j], p, sizes[i]);
                check_block(&m, s, coded, p, sizes[i]);
                free(coded.data);
                free(p);
            }
    close_model(&m);
}

/* A window of learnt positions begins anew, with an overlap. */
static void windows_of_learnt_positions_begin_anew(void **state) {
    (void)state;
    model m;
    open_model(&m, GPT2, 1);
    const uint8_t *p = (const uint8_t *)story;
    for (uint16_t overlap = 0; overlap < 64; overlap += 21)
        for (uint32_t n_lanes = 1; n_lanes < 4; n_lanes++) {
            az_mixed_settings s = {64, overlap};
            bytes coded = code(&m, s, n_lanes, p, sizeof story);
            check_block(&m, s, coded, p, sizeof story);
            free(coded.data);
        }
    close_model(&m);
}

static void a_model_that_knows_the_language_saves_most(void **state) {
    (void)state;
    model m;
    open_model(&m, STORIES, 1);
    bytes coded = code(&m, (az_mixed_settings){512, 0}, 1, (const uint8_t *)story, sizeof story);
    assert_in_range(coded.n, 10, sizeof story / 6);
    free(coded.data);
    close_model(&m);
}

static void the_same_for_any_threads(void **state) {
    (void)state;
    bytes first = {0};
    for (unsigned n_threads = 1; n_threads <= 4; n_threads++) {
        model m;
        open_model(&m, STORIES, n_threads);
        uint8_t *p = make_content(KIND_TEXT, 5000, 3);
        bytes coded = code(&m, (az_mixed_settings){128, 0}, 5, p, 5000);
        if (first.data) {
            check_bytes(coded, first.data, first.n);
            free(coded.data);
        } else {
            first = coded;
        }
        free(p);
        close_model(&m);
    }
    free(first.data);
}

/* Lanes that lie, a head that is cut, a message with bytes to spare: refused, or decoded to
 * something; never out of bounds. */
static void hostile_blocks_are_refused_or_harmless(void **state) {
    (void)state;
    static const uint8_t lies[][4] = {
        {0}, {65}, {0x80}, {2, 0}, {2, 200, 200, 200}, {3, 0x80, 0x80}};
    model m;
    open_model(&m, STORIES, 1);
    az_mixed_settings s = {128, 0};
    uint8_t *content = malloc(400);
    az_error error;
    for (size_t i = 0; i < COUNT(lies); i++)
        for (size_t n = 0; n <= 4; n++) {
            if (lies[i][0] != 0 && lies[i][0] < 65 && n < 4)
                continue; /* the lie is not whole */
            assert_int_equal(az_mixed_decode(m.mixed, &s, content, (az_span){0, 400}, lies[i], n,
                                             go_on, NULL, &error),
                             AZ_ERROR_DAMAGED);
        }
    uint64_t seed = 9;
    for (int i = 0; i < REPEATS(300, 30); i++) {
        uint8_t noise[120];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(rnd(&seed) >> 32);
        noise[0] = (uint8_t)(1 + noise[0] % 4);
        (void)az_mixed_decode(m.mixed, &s, content, (az_span){0, 400}, noise, sizeof noise, go_on,
                              NULL, &error);
    }
    free(content);
    close_model(&m);
}

static bool stop_soon(void *opaque, size_t n_content, size_t n_coded) {
    (void)n_content, (void)n_coded;
    return --*(int *)opaque > 0;
}

static void a_tick_stops_both_ways(void **state) {
    (void)state;
    model m;
    open_model(&m, STORIES, 1);
    az_mixed_settings s = {128, 0};
    uint8_t *p = make_content(KIND_TEXT, 3000, 3), *again = malloc(3000), *out = malloc(6000);
    bytes coded = code(&m, s, 1, p, 3000);
    for (int n = 1; n < 5; n++) {
        int left = n;
        size_t n_out;
        az_error error;
        assert_int_equal(az_mixed_encode(m.mixed, &s, 5, 1, p, (az_span){0, 3000}, out, 6000,
                                         &n_out, stop_soon, &left, &error),
                         AZ_OK);
        assert_true(n_out == SIZE_MAX);
        left = n;
        assert_int_equal(az_mixed_decode(m.mixed, &s, again, (az_span){0, 3000}, coded.data,
                                         coded.n, stop_soon, &left, &error),
                         AZ_ERROR_CANCELLED);
    }
    check_block(&m, s, coded, p, 3000); /* and all is well afterwards */
    free(coded.data);
    free(p);
    free(again);
    free(out);
    close_model(&m);
}

/* ---- A kernel that is wrong ------------------------------------------------------------- */

static az_lm_kernels broken;

/* Silently wrong, and the same way each time. */
static void wrong_silu(float *x, const float *up, size_t n) {
    az_lm_kernels_get(az_cpu_features())->silu(x, up, n);
    x[n / 2] *= 1.001f;
}

static void a_wrong_kernel_agrees_with_itself_and_is_caught(void **state) {
    (void)state;
    const az_lm_kernels *sets[8];
    unsigned needed[8];
    model m;
    open_model(&m, STORIES, 1);
    if (az_lm_kernels_all(sets, needed, 8) < 2 || az_lm_kernels_get(az_cpu_features()) == sets[0]) {
        close_model(&m);
        skip(); /* this machine has the reference only */
    }
    az_lm *lm = (az_lm *)(uintptr_t)az_lm_server_model(m.server);
    broken = *lm->kernels;
    broken.silu = wrong_silu;
    lm->kernels = &broken;
    az_mixed_settings s = {128, 0};
    const uint8_t *p = (const uint8_t *)story;
    uint8_t *again = malloc(sizeof story);
    az_error error = {0};
    bytes coded = code(&m, s, 1, p, sizeof story);
    check_block(&m, s, coded, p, sizeof story);
    az_mixed_check(m.mixed, true);
    assert_int_equal(az_mixed_decode(m.mixed, &s, again, (az_span){0, sizeof story}, coded.data,
                                     coded.n, go_on, NULL, &error),
                     AZ_ERROR_INTERNAL);
    assert_non_null(strstr(error.text, "kernels"));
    free(again);
    free(coded.data);
    close_model(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_sorted_and_every_byte_is_one),
        cmocka_unit_test(conditionals_multiply_back_to_the_share),
        cmocka_unit_test(a_share_is_never_certain),
        cmocka_unit_test(the_bias_learns_what_comes),
        cmocka_unit_test(blocks_decode_for_all_lanes_and_windows),
        cmocka_unit_test(windows_of_learnt_positions_begin_anew),
        cmocka_unit_test(a_model_that_knows_the_language_saves_most),
        cmocka_unit_test(the_same_for_any_threads),
        cmocka_unit_test(hostile_blocks_are_refused_or_harmless),
        cmocka_unit_test(a_tick_stops_both_ways),
        cmocka_unit_test(a_wrong_kernel_agrees_with_itself_and_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
