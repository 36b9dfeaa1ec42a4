/*
 * transformer: logits are those of a float32 reference; the same bits for any threads, batches,
 * mixes of sequences, kernels and floating-point modes; and a row sees exactly the positions
 * that it should, also when the window rolls.
 */
#include "lm_maker.h"

#include <fenv.h>
#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "lm_signature.h"
#include "transformer/weights.h"

#define MODELS AZ_SOURCE_DIR "/tests/models/"
#define SIGNATURES AZ_SOURCE_DIR "/tests/golden/lm_signature.txt"

/* A model with what it stands on. */
typedef struct engine {
    az_heap *heap;
    az_pool *pool;
    az_gguf *gguf;
    az_lm *lm;
    az_error error;
} engine;

static void must(const engine *e, az_status status) {
    if (status != AZ_OK)
        fail_msg("%s", e->error.text);
}

static engine begin(unsigned n_threads) {
    engine e = {.error = {.text = ""}};
    must(&e, az_heap_open(&e.heap, NULL, &e.error));
    must(&e, az_pool_open(&e.pool, n_threads, e.heap, &e.error));
    return e;
}

static engine open_path(const char *path, unsigned n_threads, unsigned cpu_features) {
    engine e = begin(n_threads);
    must(&e, az_gguf_open(&e.gguf, path, e.heap, &e.error));
    must(&e, az_lm_open(&e.lm, e.gguf, cpu_features, e.pool, e.heap, &e.error));
    return e;
}

/* f must stay while the engine is used. */
static engine open_made(lm_file *f, unsigned n_threads, unsigned cpu_features) {
    engine e = begin(n_threads);
    lm_write(f);
    must(&e, az_gguf_open_memory(&e.gguf, f->bytes, f->n_bytes, e.heap, &e.error));
    must(&e, az_lm_open(&e.lm, e.gguf, cpu_features, e.pool, e.heap, &e.error));
    return e;
}

static void close_engine(engine *e) {
    az_lm_close(&e->lm);
    az_lm_close(&e->lm);
    az_gguf_close(&e->gguf);
    az_pool_close(&e->pool);
    assert_int_equal(az_heap_used(e->heap), 0);
    az_heap_close(&e->heap);
}

static uint32_t signature_of(engine *e, uint32_t rows, uint64_t mix) {
    uint32_t signature;
    must(e,
         lm_signature(&signature, e->lm, (signature_plan){rows, mix}, e->pool, e->heap, &e->error));
    return signature;
}

/* All of a file that must be there; the caller frees it. */
static bytes read_file(const char *path) {
    az_map map;
    if (az_map_open(&map, path, NULL) != AZ_OK)
        fail_msg("%s can't be read", path);
    bytes b = {malloc(map.n_bytes + 1), map.n_bytes};
    assert_non_null(b.data);
    memcpy(b.data, map.data, map.n_bytes);
    b.data[b.n] = 0;
    az_map_close(&map);
    return b;
}

/* ---- A sequence ------------------------------------------------------------------------ */

/* Logits of the last of n tokens, `step` at a time; the caller frees them. */
static float *last_logits(engine *e, const uint32_t *tokens, uint32_t n, uint32_t window,
                          uint32_t step) {
    az_lm_cache *cache;
    az_lm_batch *batch;
    az_lm_row rows[64];
    float *logits = malloc(az_lm_logits_stride(e->lm) * sizeof *logits);
    assert_true(logits && step <= 64);
    must(e, az_lm_cache_open(&cache, e->lm, window, step, e->heap, &e->error));
    must(e, az_lm_batch_open(&batch, e->lm, step, window, e->pool, e->heap, &e->error));
    for (uint32_t i = 0; i < n; i += step) {
        uint32_t n_rows = n - i < step ? n - i : step;
        for (uint32_t j = 0; j < n_rows; j++)
            rows[j] = (az_lm_row){cache, tokens[i + j]};
        must(e, az_lm_run(batch, rows, n_rows, &e->error));
        if (i + n_rows == n)
            must(e, az_lm_logits(batch, n_rows - 1, 1, logits, &e->error));
    }
    assert_int_equal(az_lm_cache_n(cache), n);
    az_lm_batch_close(&batch);
    az_lm_cache_close(&cache);
    return logits;
}

static bool same_logits(const engine *e, const float *a, const float *b) {
    return memcmp(a, b, az_lm_get_info(e->lm)->n_vocab * sizeof *a) == 0;
}

static double relative_error(const float *x, const float *right, size_t n) {
    double wrong = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += ((double)x[i] - right[i]) * ((double)x[i] - right[i]);
        size += (double)right[i] * right[i];
    }
    return sqrt(wrong / size);
}

/* ---- Right numbers --------------------------------------------------------------------- */

/* NAME.gguf after NAME.ids against NAME.logits. */
static void check_against_reference(const char *name) {
    char path[300];
    snprintf(path, sizeof path, MODELS "%s.gguf", name);
    engine e = open_path(path, 2, az_cpu_features());
    snprintf(path, sizeof path, MODELS "%s.ids", name);
    bytes ids = read_file(path);
    snprintf(path, sizeof path, MODELS "%s.logits", name);
    bytes file = read_file(path);
    uint32_t n = (uint32_t)ids.n / 4, n_vocab = az_lm_get_info(e.lm)->n_vocab, tokens[64];
    assert_int_equal(file.n, (size_t)n * n_vocab * 4);
    assert_in_range(n, 1, 64);
    float *ours = malloc(file.n), *right = malloc(file.n);
    assert_true(ours && right);
    for (uint32_t i = 0; i < n * n_vocab; i++) {
        uint32_t bits = az_read_le32(file.data + 4 * i);
        memcpy(&right[i], &bits, 4);
    }
    for (uint32_t i = 0; i < n; i++) {
        tokens[i] = az_read_le32(ids.data + 4 * i);
        float *row = last_logits(&e, tokens, i + 1, 64, 16);
        memcpy(ours + (size_t)i * n_vocab, row, n_vocab * sizeof *row);
        free(row);
    }
    double error = relative_error(ours, right, (size_t)n * n_vocab);
    if (!(error <= 0.01))
        fail_msg("%s: the logits are %.3f %% off", name, 100 * error);
    free(ours);
    free(right);
    free(ids.data);
    free(file.data);
    close_engine(&e);
}

static void logits_are_the_references(void **state) {
    (void)state;
    check_against_reference("tiny-llama");
    check_against_reference("tiny-gpt2");
}

/* Angles in long double, which on some machines is double: 1e-11 at position 100,000. */
static void angles_are_cosines_and_sines(void **state) {
    (void)state;
    static const float bases[] = {1.0F, 10000.0F, 500000.0F, 1e6F, 1e12F};
    static const float divisors[] = {1.0F, 8.0F, 0.3F};
    enum { N_ROT = 96 };
    double worst = 0;
    for (size_t i = 0; i < COUNT(bases) * COUNT(divisors); i++) {
        uint64_t turns[N_ROT / 2];
        float c[N_ROT / 2], s[N_ROT / 2];
        double base = (double)bases[i / COUNT(divisors)];
        float divisor = divisors[i % COUNT(divisors)];
        az_rope_turns(turns, N_ROT, (float)base, divisor);
        for (uint64_t position = 0; position <= 100000; position += 1 + position / 50) {
            az_rope_angles(turns, N_ROT / 2, position, 1.0F, c, s);
            for (int j = 0; j < N_ROT / 2; j++) {
                double angle = (double)position * pow(base, -2.0 * j / N_ROT) / (double)divisor;
                worst = fmax(worst, fabs((double)c[j] - cos(angle)));
                worst = fmax(worst, fabs((double)s[j] - sin(angle)));
            }
        }
    }
    if (!(worst < 2e-7))
        fail_msg("a cosine or sine is %g off", worst);
    assert_true(fabs((double)az_rope_divide(UINT64_C(1) << 62, 3.0F) * 3 - 0x1p62) < 0x1p40);
}

/* ---- Same bits ------------------------------------------------------------------------- */

/* The line of tests/golden/lm_signature.txt. */
static void check_golden(const char *name, uint32_t signature) {
    char line[100];
    bytes golden = read_file(SIGNATURES);
    snprintf(line, sizeof line, "lm version %d: %s %08x\n", AZ_LM_VERSION, name,
             (unsigned)signature);
    if (!strstr((const char *)golden.data, line))
        fail_msg("not in %s: %s", SIGNATURES, line);
    free(golden.data);
}

static void signature_is_the_golden_one(void **state) {
    (void)state;
    engine llama = open_path(MODELS "tiny-llama.gguf", 2, az_cpu_features());
    check_golden("tiny-llama.gguf", signature_of(&llama, 16, 0));
    close_engine(&llama);
    engine gpt2 = open_path(MODELS "tiny-gpt2.gguf", 2, az_cpu_features());
    check_golden("tiny-gpt2.gguf", signature_of(&gpt2, 16, 0));
    close_engine(&gpt2);
}

/* Models of every kind that the layers know. */
static const lm_spec kinds[] = {
    {.arch = "llama", .biases = true, .untied = true},
    {.arch = "llama", .n_kv_heads = 1, .head_dim = 20, .n_embd = 80, .n_ff = 48},
    {.arch = "llama", .n_heads = 16, .n_kv_heads = 16, .head_dim = 4, .n_vocab = 33},
    {.arch = "llama", .n_heads = 30, .n_kv_heads = 1, .head_dim = 8},
    {.arch = "gpt2", .n_kv_heads = 4},
    {.arch = "qwen2", .biases = true},
    {.arch = "qwen3", .head_dim = 36},
    {.arch = "phi3", .untied = true},
    {.arch = "gemma3", .n_layers = 7, .sliding = 16},
    {.arch = "gemma3", .n_layers = 6, .sliding = 31, .head_dim = 24},
    {.arch = "gemma3", .n_layers = 2, .sliding = 46},
};

static void same_bits_for_any_batches_and_mixes(void **state) {
    (void)state;
    static const uint32_t rows[] = {1, 2, 7, 16, 64};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        lm_file f;
        lm_make(&f, kinds[k]);
        engine e = open_made(&f, 2, az_cpu_features());
        uint32_t first = signature_of(&e, 1, 0);
        for (size_t i = 0; i < COUNT(rows); i++)
            for (uint64_t mix = 0; mix < REPEATS(4, 2); mix++)
                if (signature_of(&e, rows[i], mix * 77) != first)
                    fail_msg("%s (kind %zu): batches of %u, mix %d differ", kinds[k].arch, k,
                             rows[i], (int)mix);
        close_engine(&e);
        lm_free(&f);
    }
}

static void same_bits_for_any_threads(void **state) {
    (void)state;
    static const unsigned threads[] = {1, 2, 3, 8};
    uint32_t first = 0;
    for (size_t i = 0; i < COUNT(threads); i++) {
        engine e = open_path(MODELS "tiny-llama.gguf", threads[i], az_cpu_features());
        for (uint64_t mix = 0; mix < 4; mix++) {
            uint32_t signature = signature_of(&e, 40, mix * 11);
            first = first ? first : signature;
            assert_int_equal(signature, first);
        }
        close_engine(&e);
    }
}

static void same_bits_for_all_kernels(void **state) {
    (void)state;
    const az_lm_kernels *sets[8];
    unsigned needed[8];
    size_t n = az_lm_kernels_all(sets, needed, 8);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        lm_file f;
        uint32_t first = 0;
        lm_make(&f, kinds[k]);
        for (size_t i = 0; i < n; i++) {
            if ((needed[i] & az_cpu_features()) != needed[i])
                continue;
            /* Without what the better sets need. */
            engine e = open_made(&f, 2, needed[i]);
            assert_ptr_equal(e.lm->kernels, sets[i]);
            uint32_t signature = signature_of(&e, 16, 3);
            first = i == 0 ? signature : first;
            if (signature != first)
                fail_msg("%s (kind %zu) by %s differs", kinds[k].arch, k, sets[i]->name);
            close_engine(&e);
        }
        lm_free(&f);
    }
}

/* A caller may have changed how this thread computes, before a model is opened, too. */
static void callers_floating_point_mode_does_not_matter(void **state) {
    (void)state;
    engine e = open_path(MODELS "tiny-llama.gguf", 2, az_cpu_features());
    uint32_t right = signature_of(&e, 16, 0);
    close_engine(&e);
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (size_t i = 0; i < COUNT(modes); i++) {
        assert_int_equal(fesetround(modes[i]), 0);
#if defined(__x86_64__)
        _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
        unsigned control = _mm_getcsr() & 0xffc0;
#endif
        e = open_path(MODELS "tiny-llama.gguf", 1 + (unsigned)i, az_cpu_features());
        uint32_t signature = signature_of(&e, 16, 0);
        close_engine(&e);
        int mode_after = fegetround();
        fesetround(FE_TONEAREST);
#if defined(__x86_64__)
        unsigned control_after = _mm_getcsr() & 0xffc0;
        _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_OFF);
        assert_int_equal(control_after | 3U << 13, control | 3U << 13);
#endif
        assert_int_equal(mode_after, modes[i]);
        assert_int_equal(signature, right);
    }
}

static void a_cache_can_begin_again(void **state) {
    (void)state;
    engine e = open_path(MODELS "tiny-llama.gguf", 2, az_cpu_features());
    az_lm_cache *cache;
    az_lm_batch *batch;
    size_t n_nbytes = az_lm_logits_stride(e.lm) * sizeof(float);
    float *first = az_alloc(e.heap, n_nbytes), *logits = az_alloc(e.heap, n_nbytes);
    must(&e, az_lm_cache_open(&cache, e.lm, 32, 8, e.heap, &e.error));
    must(&e, az_lm_batch_open(&batch, e.lm, 8, 32, e.pool, e.heap, &e.error));
    for (uint32_t n = 0; n < 100; n += 33) { /* resets that many tokens later */
        az_lm_row row = {cache, 5};
        for (uint32_t i = 0; i < n; i++, row.token = i % 300)
            must(&e, az_lm_run(batch, &row, 1, &e.error));
        az_lm_cache_reset(cache);
        assert_int_equal(az_lm_cache_n(cache), 0);
        const az_lm_row rows[] = {{cache, 9}, {cache, 8}, {cache, 7}};
        must(&e, az_lm_run(batch, rows, 3, &e.error));
        must(&e, az_lm_logits(batch, 2, 1, n ? logits : first, &e.error));
        assert_true(n == 0 || same_logits(&e, first, logits));
    }
    az_lm_batch_close(&batch);
    az_lm_cache_close(&cache);
    az_free(e.heap, first);
    az_free(e.heap, logits);
    close_engine(&e);
}

/* ---- What a row sees ---------------------------------------------------------------------- */

enum { SEEN_MAX = 160, TOKENS = 50 };

/* Of a model of one layer, whose keys and values depend on a position's own token alone:
 * logits after n tokens change with the token at each position if, and only if, that is
 * seen. */
static void check_seen(engine *e, uint32_t n, uint32_t window, uint32_t step, uint32_t sliding) {
    uint32_t tokens[SEEN_MAX] = {0};
    for (uint32_t i = 0; i < n; i++)
        tokens[i] = (i * 17 + 3) % TOKENS;
    float *all = last_logits(e, tokens, n, window, step);
    for (uint32_t i = 0; i < n; i++) {
        bool seen = i + window >= n || n <= window;
        if (sliding && sliding < window)
            seen = i + sliding >= n;
        else if (n > window)
            seen = i < AZ_LM_SINKS || i + window - AZ_LM_SINKS >= n;
        tokens[i] += TOKENS;
        float *changed = last_logits(e, tokens, n, window, step);
        tokens[i] -= TOKENS;
        if (same_logits(e, all, changed) == seen)
            fail_msg("after %u tokens, window %u, %u at once, sliding %u: position %u is %s", n,
                     window, step, sliding, i, seen ? "not seen" : "seen");
        free(changed);
    }
    free(all);
}

static void a_row_sees_its_window_and_the_first_tokens(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 16, 32, 33, 47, 48, 49, 50, 64, 65, 66, 97, 150};
    lm_file f;
    lm_make(&f, (lm_spec){.n_layers = 1, .n_kv_heads = 1});
    engine e = open_made(&f, 1, az_cpu_features());
    for (size_t i = 0; i < COUNT(counts); i++) {
        check_seen(&e, counts[i], 32, 1, 0);
        check_seen(&e, counts[i], 47, 1, 0);
        check_seen(&e, counts[i], 47, 7, 0);
        check_seen(&e, counts[i], 50, 40, 0);
    }
    close_engine(&e);
    lm_free(&f);
}

static void a_sliding_row_sees_its_own_window(void **state) {
    (void)state;
    static const uint32_t slidings[] = {1, 16, 31, 32, 46, 47, 48, 60};
    static const uint32_t counts[] = {1, 33, 48, 50, 63, 65, 130};
    for (size_t i = 0; i < COUNT(slidings); i++) {
        lm_file f;
        lm_make(&f, (lm_spec){.arch = "gemma3", .n_layers = 1, .sliding = slidings[i]});
        engine e = open_made(&f, 1, az_cpu_features());
        for (size_t j = 0; j < COUNT(counts); j++) {
            check_seen(&e, counts[j], 47, 1, slidings[i]);
            check_seen(&e, counts[j], 48, 16, slidings[i]);
            check_seen(&e, counts[j], 33, 7, slidings[i]);
        }
        close_engine(&e);
        lm_free(&f);
    }
}

/* As if what lies between the first tokens and the latest had not been there: positions are
 * relative. Angles are other ones, so int8 keys round otherwise. */
static void check_rolled(lm_spec spec, uint32_t window) {
    enum { N = 150 };
    uint32_t tokens[N] = {0}, kept[N] = {0};
    lm_file f;
    lm_make(&f, spec);
    lm_set_f32(&f, "rope.freq_base", 1e6F); /* sliding layers have 10,000 */
    engine e = open_made(&f, 1, az_cpu_features());
    for (uint32_t i = 0; i < N; i++)
        tokens[i] = (i * i * 7 + i) % TOKENS;
    for (uint32_t i = 0; i < window; i++)
        kept[i] = tokens[i < AZ_LM_SINKS ? i : N - window + i];
    float *rolled = last_logits(&e, tokens, N, window, 10);
    float *fresh = last_logits(&e, kept, window, window, 10);
    double error = relative_error(rolled, fresh, az_lm_get_info(e.lm)->n_vocab);
    if (!(error < 0.02) || same_logits(&e, rolled, fresh))
        fail_msg("%s: rolled logits are %.3f %% off", e.lm->arch->name, 100 * error);
    free(rolled);
    free(fresh);
    close_engine(&e);
    lm_free(&f);
}

static void a_rolled_window_is_as_if_closed_up(void **state) {
    (void)state;
    check_rolled((lm_spec){.n_layers = 1}, 48);
    check_rolled((lm_spec){.n_layers = 1, .head_dim = 20}, 33);
    check_rolled((lm_spec){.arch = "qwen3", .n_layers = 1}, 48);
    /* A sliding layer, whose window is not smaller than the cache's: it has other angles. */
    check_rolled((lm_spec){.arch = "gemma3", .n_layers = 1, .sliding = 64}, 48);
}

static void learnt_positions_end(void **state) {
    (void)state;
    lm_file f;
    az_lm_cache *cache;
    az_lm_batch *batch;
    lm_make(&f, (lm_spec){.arch = "gpt2", .n_kv_heads = 4, .n_ctx = 40});
    engine e = open_made(&f, 1, az_cpu_features());
    assert_false(az_lm_get_info(e.lm)->rolls);
    must(&e, az_lm_cache_open(&cache, e.lm, 64, 1, e.heap, &e.error));
    must(&e, az_lm_batch_open(&batch, e.lm, 1, 64, e.pool, e.heap, &e.error));
    const az_lm_row row = {cache, 1};
    for (int i = 0; i < 40; i++)
        must(&e, az_lm_run(batch, &row, 1, &e.error));
    assert_int_equal(az_lm_run(batch, &row, 1, &e.error), AZ_ERROR_ARGUMENT);
    assert_non_null(strstr(e.error.text, "40 positions"));
    assert_int_equal(az_lm_cache_n(cache), 40);
    az_lm_batch_close(&batch);
    az_lm_cache_close(&cache);
    close_engine(&e);
    lm_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_the_references),
        cmocka_unit_test(angles_are_cosines_and_sines),
        cmocka_unit_test(signature_is_the_golden_one),
        cmocka_unit_test(same_bits_for_any_batches_and_mixes),
        cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(same_bits_for_all_kernels),
        cmocka_unit_test(callers_floating_point_mode_does_not_matter),
        cmocka_unit_test(a_cache_can_begin_again),
        cmocka_unit_test(a_row_sees_its_window_and_the_first_tokens),
        cmocka_unit_test(a_sliding_row_sees_its_own_window),
        cmocka_unit_test(a_rolled_window_is_as_if_closed_up),
        cmocka_unit_test(learnt_positions_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
