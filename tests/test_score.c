/* az_scorer of aizip.h: what a text costs, with the committed models and without one; and the
 * integers that costs are made of. */
#include "plan.h"
#include "support.h"

#include <math.h>

#include "measure/measure.h"

#define LLAMA AZ_SOURCE_DIR "/tests/models/tiny-llama.gguf"
#define GPT2 AZ_SOURCE_DIR "/tests/models/tiny-gpt2.gguf"

/* ---- Integers ----------------------------------------------------------------------------- */

static void check_log2(uint64_t x) {
    long double want = log2l((long double)x) * (long double)AZ_COST_BIT;
    long double got = (long double)az_log2_cost(x);
    if (fabsl(got - want) > 1)
        fail_msg("log2(%llu): %.3Lf instead of %.3Lf", (unsigned long long)x, got, want);
}

static void a_cost_is_log2_to_one_unit(void **state) {
    (void)state;
    for (int i = 0; i < 64; i++) {
        uint64_t power = (uint64_t)1 << i;
        assert_int_equal(az_log2_cost(power), (uint64_t)i * AZ_COST_BIT);
        check_log2(power + 1);
        if (i > 0)
            check_log2(power - 1);
    }
    check_log2(UINT64_MAX);
    for (uint64_t x = 1; x < 5000; x++)
        check_log2(x);
    uint64_t random = 7;
    for (int i = 0; i < REPEATS(200000, 20000); i++) {
        uint64_t x = rnd(&random) >> rnd_below(&random, 64);
        check_log2(x ? x : 1);
    }
}

static void costs_grow_with_their_numbers(void **state) {
    (void)state;
    uint64_t before = 0;
    for (uint64_t x = 1; x < 100000; x++) {
        uint64_t cost = az_log2_cost(x);
        assert_true(cost >= before);
        before = cost;
    }
}

static uint64_t count(const char *text, size_t n_bytes) {
    return az_count_characters((const uint8_t *)text, n_bytes);
}

#define CHECK_COUNT(text, n) assert_int_equal(count(text, sizeof(text) - 1), n)

static void characters_are_code_points_and_stray_bytes(void **state) {
    (void)state;
    CHECK_COUNT("plain", 5);
    CHECK_COUNT("a\0b", 3);
    CHECK_COUNT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 3);
    CHECK_COUNT("\x80", 1);
    CHECK_COUNT("\xbf\xbf", 2);
    CHECK_COUNT("\xc3", 1);     /* cut short */
    CHECK_COUNT("\xe2\x82", 2); /* each byte by itself */
    CHECK_COUNT("\xe2\x82z", 3);
    CHECK_COUNT("\xf0\x9f\x98", 3);
    CHECK_COUNT("\xc0\xaf", 2); /* overlong */
    CHECK_COUNT("\xe0\x80\xaf", 3);
    CHECK_COUNT("\xf0\x80\x80\xaf", 4);
    CHECK_COUNT("\xed\x9f\xbf", 1);
    CHECK_COUNT("\xed\xa0\x80", 3);     /* a surrogate */
    CHECK_COUNT("\xf4\x8f\xbf\xbf", 1); /* the last one */
    CHECK_COUNT("\xf4\x90\x80\x80", 4); /* beyond it */
    CHECK_COUNT("\xf5\x80\x80\x80", 4);
    CHECK_COUNT("\xff\xfe", 2);
}

/* ---- Scoring ------------------------------------------------------------------------------ */

typedef struct settings {
    const char *model; /* NULL: the built-in predictor, at level 1 */
    int64_t context, stride, threads;
    bool perplexity;
} settings;

static az_model *open_model(const char *path) {
    az_model *model = NULL;
    az_error error = {0};
    if (path && az_model_open(&model, path, NULL, &error) != AZ_OK)
        fail_msg("not opened: %s", error.text);
    return model;
}

static void set_all(az_scorer *scorer, const settings *s) {
    int64_t threads = s->threads ? s->threads : 1;
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_LEVEL, 1, NULL), AZ_OK);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_THREADS, threads, NULL), AZ_OK);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_CONTEXT, s->context, NULL), AZ_OK);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_STRIDE, s->stride, NULL), AZ_OK);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_PERPLEXITY, s->perplexity, NULL), AZ_OK);
}

enum { MAX_PARTS = 20000 };

/* Parts as they came. */
typedef struct parts {
    uint64_t first[MAX_PARTS], n_bytes[MAX_PARTS], cost[MAX_PARTS];
    size_t n;
    uint64_t end; /* of the last */
} parts;

static void take_part(void *opaque, uint64_t first_byte, uint64_t n_bytes, uint64_t cost) {
    parts *p = opaque;
    assert_true(p->n < MAX_PARTS);
    assert_true(first_byte >= p->end);
    p->end = first_byte + n_bytes;
    p->first[p->n] = first_byte;
    p->n_bytes[p->n] = n_bytes;
    p->cost[p->n++] = cost;
}

/* Scores text; p may be NULL. */
static az_score score(settings s, const void *text, size_t n_bytes, parts *p) {
    az_model *model = open_model(s.model);
    az_scorer *scorer = NULL;
    az_score result = {0};
    az_error error = {0};
    assert_int_equal(az_scorer_open(&scorer, model, NULL, NULL), AZ_OK);
    set_all(scorer, &s);
    if (p) {
        *p = (parts){0};
        az_scorer_set_part_fn(scorer, take_part, p);
    }
    if (az_scorer_run(scorer, text, n_bytes, &result, &error) != AZ_OK)
        fail_msg("not scored: %s", error.text);
    az_scorer_close(&scorer);
    assert_null(scorer);
    az_model_close(&model);
    return result;
}

/* Each one a token of both models. */
static char *make_digits(size_t n) {
    char *digits = malloc(n + 1);
    uint64_t random = 5;
    assert_non_null(digits);
    for (size_t i = 0; i < n; i++)
        digits[i] = (char)('0' + rnd_below(&random, 10));
    digits[n] = '\0';
    return digits;
}

static parts one, two; /* too large for the stack */

static void parts_add_up_and_cover_the_text(void **state) {
    (void)state;
    uint8_t *text = make_content(KIND_TEXT, 3001, 3);
    static const settings all[] = {{LLAMA, 0, 0, 1, false},   {LLAMA, 64, 0, 2, false},
                                   {LLAMA, 50, 20, 1, false}, {GPT2, 7, 1, 1, false},
                                   {NULL, 0, 0, 1, false},    {GPT2, 2, 2, 1, false}};
    for (size_t i = 0; i < COUNT(all); i++) {
        az_score s = score(all[i], text, 3001, &one);
        uint64_t cost = 0, at = 0;
        for (size_t k = 0; k < one.n; k++) {
            assert_int_equal(one.first[k], at);
            at += one.n_bytes[k];
            cost += one.cost[k];
        }
        assert_int_equal(at, 3001);
        assert_int_equal(cost, s.cost);
        assert_int_equal(s.n_bytes, 3001);
        assert_int_equal(s.n_characters, 3001);
        assert_int_equal(s.n_scored, s.n_tokens);
        assert_int_equal(one.n, all[i].model ? s.n_tokens : (3001 + 255) / 256);
        assert_int_equal(score(all[i], text, 3001, NULL).cost, s.cost);
    }
    free(text);
}

static void without_a_model_it_is_the_archive(void **state) {
    (void)state;
    for (size_t n = 0; n < 300000; n = 3 * n + 1000) {
        uint8_t *text = make_content(KIND_TEXT, n, 4);
        size_t capacity = az_compress_bound(n), n_archive;
        uint8_t *archive = malloc(capacity);
        assert_non_null(archive);
        assert_int_equal(az_compress(archive, capacity, &n_archive, text, n, 1, NULL), AZ_OK);
        az_score s = score((settings){0}, text, n, &one);
        assert_int_equal(s.cost, n_archive * 8 * AZ_COST_BIT);
        assert_int_equal(s.n_tokens, 0);
        assert_int_equal(s.context, 0);
        free(archive);
        free(text);
    }
}

static void same_cost_for_any_thread_count(void **state) {
    (void)state;
    uint8_t *text = make_content(KIND_TEXT, 2000, 6);
    for (int64_t context = 30; context <= 64; context += 34) {
        uint64_t cost = score((settings){GPT2, context, 0, 1, false}, text, 2000, NULL).cost;
        for (int64_t n = 2; n <= 5; n++)
            assert_int_equal(score((settings){GPT2, context, 0, n, false}, text, 2000, NULL).cost,
                             cost);
    }
    free(text);
}

/* The first tokens have seen the same in windows of any length, which are run in batches of
 * other shapes. */
static void same_cost_in_any_batch(void **state) {
    (void)state;
    char *digits = make_digits(700);
    (void)score((settings){LLAMA, 600, 0, 1, false}, digits, 700, &one);
    for (int64_t context = 2; context < 600; context = context * 3 / 2 + 1) {
        (void)score((settings){LLAMA, context, 0, 1, false}, digits, 700, &two);
        for (int64_t i = 0; i < context; i++)
            assert_int_equal(two.cost[i], one.cost[i]);
    }
    free(digits);
}

/* Of each window but the first only the last `stride` count, and they have seen what comes
 * before them in the window. */
static void a_stride_scores_the_ends_of_windows(void **state) {
    (void)state;
    enum { N = 160, CONTEXT = 40, STRIDE = 15 };
    char *digits = make_digits(N);
    az_score s = score((settings){LLAMA, CONTEXT, STRIDE, 1, false}, digits, N, &one);
    assert_int_equal(s.n_scored, N);
    assert_int_equal(s.stride, STRIDE);
    for (size_t i = 0; i * STRIDE + CONTEXT - STRIDE < N; i++) {
        size_t first = i * STRIDE, from = i ? CONTEXT - STRIDE : 0;
        (void)score((settings){LLAMA, CONTEXT, 0, 1, false}, digits + first, N - first, &two);
        for (size_t k = from; k < CONTEXT && first + k < N; k++)
            assert_int_equal(one.cost[first + k], two.cost[k]);
    }
    free(digits);
}

/* llama.cpp: of each whole window of C tokens, the first being replaced by the start token where
 * the model has one, those after number C / 2. */
static void perplexity_scores_second_halves(void **state) {
    (void)state;
    enum { N = 155, CONTEXT = 30 };
    char *digits = make_digits(N);
    az_score s = score((settings){LLAMA, CONTEXT, 0, 1, true}, digits, N, &one);
    size_t has_bos = one.first[0] == CONTEXT / 2; /* it is number 0 then, and not in the text */
    assert_int_equal(one.first[0], CONTEXT / 2 + 1 - has_bos);
    assert_int_equal(s.n_scored, (N + has_bos) / CONTEXT * (CONTEXT - CONTEXT / 2 - 1));
    assert_int_equal(one.n, s.n_scored);
    assert_int_equal(s.n_tokens, N);
    for (size_t i = 0; has_bos && i < one.n; i++) {
        size_t window = i / (CONTEXT / 2 - 1), k = i % (CONTEXT / 2 - 1) + CONTEXT / 2;
        size_t first = window * CONTEXT;
        assert_int_equal(one.first[i], first + k);
        (void)score((settings){LLAMA, CONTEXT, 0, 1, false}, digits + first, N - first, &two);
        assert_int_equal(one.cost[i], two.cost[k]);
    }
    free(digits);
}

static void any_bytes_are_scored(void **state) {
    (void)state;
    uint8_t text[512];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 ^ i >> 8);
    az_score s = score((settings){LLAMA, 0, 0, 1, false}, text, sizeof text, &one);
    assert_int_equal(one.end, sizeof text);
    assert_int_equal(s.n_scored, s.n_tokens);
    assert_true(s.n_escapes <= s.n_tokens);
}

/* ---- Arguments and failures --------------------------------------------------------------- */

static void parameters_out_of_range_are_refused(void **state) {
    (void)state;
    static const struct {
        az_param param;
        int64_t below, low, high, above;
    } ranges[] = {
        {AZ_PARAM_LEVEL, 0, 1, 9, 10},
        {AZ_PARAM_THREADS, -1, 0, 256, 257},
        {AZ_PARAM_MEMORY_LIMIT, -1, 0, INT64_MAX, INT64_MIN},
        {AZ_PARAM_CONTEXT, -1, 0, 32768, 32769},
        {AZ_PARAM_STRIDE, -1, 0, 32768, 32769},
        {AZ_PARAM_START, -2, -1, UINT32_MAX, (int64_t)UINT32_MAX + 1},
        {AZ_PARAM_PERPLEXITY, -1, 0, 1, 2},
    };
    az_scorer *scorer = NULL;
    assert_int_equal(az_scorer_open(NULL, NULL, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_scorer_open(&scorer, NULL, NULL, NULL), AZ_OK);
    for (size_t i = 0; i < COUNT(ranges); i++) {
        az_error error = {0};
        az_param p = ranges[i].param;
        assert_int_equal(az_scorer_set(scorer, p, ranges[i].low, NULL), AZ_OK);
        assert_int_equal(az_scorer_set(scorer, p, ranges[i].high, NULL), AZ_OK);
        assert_int_equal(az_scorer_set(scorer, p, ranges[i].below, NULL), AZ_ERROR_ARGUMENT);
        assert_int_equal(az_scorer_set(scorer, p, ranges[i].above, &error), AZ_ERROR_ARGUMENT);
        assert_int_equal(error.status, AZ_ERROR_ARGUMENT);
    }
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_SALVAGE, 1, NULL), AZ_ERROR_ARGUMENT);
    az_score s;
    assert_int_equal(az_scorer_run(scorer, NULL, 1, &s, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_scorer_run(NULL, "", 0, &s, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_scorer_run(scorer, "", 0, NULL, NULL), AZ_ERROR_ARGUMENT);
    az_scorer_close(&scorer);
    az_scorer_close(&scorer);
    az_scorer_close(NULL);
}

/* What only the model's file can tell. */
static void windows_that_the_model_lacks_are_refused(void **state) {
    (void)state;
    static const struct {
        az_param param;
        int64_t bad;
        const char *sentence;
    } cases[] = {
        {AZ_PARAM_CONTEXT, 65, "a context of 65 tokens: 2 to 64"},
        {AZ_PARAM_CONTEXT, 1, "a context of 1 tokens"},
        {AZ_PARAM_STRIDE, 65, "a stride of 65 tokens is more than the context of 64"},
        {AZ_PARAM_START, 320, "start token 320: the model has 320 tokens"},
    };
    az_model *model = open_model(GPT2);
    az_scorer *scorer = NULL;
    az_score s = {.cost = 77};
    assert_int_equal(az_scorer_open(&scorer, model, NULL, NULL), AZ_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        az_error error = {0};
        settings none = {0};
        set_all(scorer, &none);
        assert_int_equal(az_scorer_set(scorer, AZ_PARAM_START, -1, NULL), AZ_OK);
        assert_int_equal(az_scorer_set(scorer, cases[i].param, cases[i].bad, NULL), AZ_OK);
        assert_int_equal(az_scorer_run(scorer, "text", 4, &s, &error), AZ_ERROR_ARGUMENT);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("%s", error.text);
        assert_int_equal(s.cost, 77);
    }
    az_scorer_close(&scorer);
    az_model_close(&model);
}

typedef struct stopper {
    int n_calls, stops_at;
    uint64_t last, n_bytes;
} stopper;

static int stop(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes) {
    stopper *s = opaque;
    (void)out_nbytes;
    assert_true(in_nbytes >= s->last && in_nbytes <= s->n_bytes);
    s->last = in_nbytes;
    return s->n_calls++ == s->stops_at;
}

static void progress_rises_to_the_end_and_may_stop(void **state) {
    (void)state;
    uint8_t *text = make_content(KIND_TEXT, 2500, 8);
    static const settings all[] = {
        {LLAMA, 0, 0, 1, false}, {LLAMA, 40, 30, 1, false}, {LLAMA, 300, 0, 2, true}};
    for (size_t i = 0; i < COUNT(all); i++) {
        az_model *model = open_model(all[i].model);
        az_scorer *scorer = NULL;
        stopper st = {.stops_at = INT32_MAX, .n_bytes = 2500};
        az_score s, again;
        az_error error = {0};
        assert_int_equal(az_scorer_open(&scorer, model, NULL, NULL), AZ_OK);
        set_all(scorer, &all[i]);
        az_scorer_set_progress(scorer, stop, &st);
        assert_int_equal(az_scorer_run(scorer, text, 2500, &s, &error), AZ_OK);
        int n_calls = st.n_calls;
        assert_true(n_calls > 1);
        assert_true(all[i].perplexity ? st.last > 1500 : st.last == 2500);
        for (int k = 0; k < n_calls; k++) {
            st = (stopper){.stops_at = k, .n_bytes = 2500};
            assert_int_equal(az_scorer_run(scorer, text, 2500, &again, &error), AZ_ERROR_CANCELLED);
        }
        /* The handle is as good as new. */
        az_scorer_set_progress(scorer, NULL, NULL);
        assert_int_equal(az_scorer_run(scorer, text, 2500, &again, &error), AZ_OK);
        assert_int_equal(again.cost, s.cost);
        az_scorer_close(&scorer);
        az_model_close(&model);
    }
    free(text);
}

static void too_small_a_limit_says_so(void **state) {
    (void)state;
    az_model *model = open_model(LLAMA);
    az_scorer *scorer = NULL;
    az_error error = {0};
    az_score s;
    assert_int_equal(az_scorer_open(&scorer, model, NULL, NULL), AZ_OK);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_MEMORY_LIMIT, 50000, NULL), AZ_OK);
    assert_int_equal(az_scorer_run(scorer, "text", 4, &s, &error), AZ_ERROR_MEMORY_LIMIT);
    /* More may be allowed later. */
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_MEMORY_LIMIT, 0, NULL), AZ_OK);
    assert_int_equal(az_scorer_run(scorer, "text", 4, &s, &error), AZ_OK);
    uint64_t peak = az_scorer_peak_memory(scorer);
    assert_true(peak > 50000);
    assert_int_equal(az_scorer_set(scorer, AZ_PARAM_MEMORY_LIMIT, (int64_t)peak, NULL), AZ_OK);
    assert_int_equal(az_scorer_run(scorer, "text", 4, &s, &error), AZ_OK);
    az_scorer_close(&scorer);
    az_model_close(&model);
}

static void check_failures(const char *path, bool perplexity) {
    static const char text[] = "Some words, 12345; and \xff bytes. Some words, 12345; and more.";
    settings how = {path, 12, 0, 1, perplexity};
    az_model *model = open_model(path);
    bool failed = true;
    int n = 0;
    for (; failed; n++) {
        plan p = {.fails_at = n};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_scorer *scorer = NULL;
        az_error error = {0};
        az_score s;
        az_status status = az_scorer_open(&scorer, model, &allocator, &error);
        if (status == AZ_OK) {
            set_all(scorer, &how);
            one = (parts){0};
            az_scorer_set_part_fn(scorer, take_part, &one);
            status = az_scorer_run(scorer, text, sizeof text - 1, &s, &error);
        }
        failed = p.n_allocs > n;
        /* The encoder does without one of its buffers. */
        assert_true(status == (failed ? AZ_ERROR_MEMORY : AZ_OK) || (!path && status == AZ_OK));
        assert_int_equal(error.status, status);
        if (status != AZ_OK && scorer) { /* a second run finds the memory */
            one = (parts){0};
            assert_int_equal(az_scorer_run(scorer, text, sizeof text - 1, &s, &error), AZ_OK);
        }
        az_scorer_close(&scorer);
        assert_int_equal(p.n_live, 0);
    }
    assert_true(n > 5);
    az_model_close(&model);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    check_failures(LLAMA, false);
    check_failures(GPT2, true);
    check_failures(NULL, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cost_is_log2_to_one_unit),
        cmocka_unit_test(costs_grow_with_their_numbers),
        cmocka_unit_test(characters_are_code_points_and_stray_bytes),
        cmocka_unit_test(parts_add_up_and_cover_the_text),
        cmocka_unit_test(without_a_model_it_is_the_archive),
        cmocka_unit_test(same_cost_for_any_thread_count),
        cmocka_unit_test(same_cost_in_any_batch),
        cmocka_unit_test(a_stride_scores_the_ends_of_windows),
        cmocka_unit_test(perplexity_scores_second_halves),
        cmocka_unit_test(any_bytes_are_scored),
        cmocka_unit_test(parameters_out_of_range_are_refused),
        cmocka_unit_test(windows_that_the_model_lacks_are_refused),
        cmocka_unit_test(progress_rises_to_the_end_and_may_stop),
        cmocka_unit_test(too_small_a_limit_says_so),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
