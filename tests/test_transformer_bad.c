/*
 * transformer: models that can't be run are refused with one sentence: a tensor that is missing
 * or of the wrong shape or type, numbers in the metadata that are absurd or not supported,
 * weights that are not finite, activations that overflow. Memory may run out at any place.
 */
#include "lm_maker.h"
#include "plan.h"

#include <math.h>

/* AddressSanitizer ends the program when malloc is asked for too much, unless: */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

typedef struct job {
    az_heap *heap;
    az_gguf *gguf;
    az_pool *pool;
    az_lm *lm;
    az_lm_cache *cache;
    az_lm_batch *batch;
    void *memory;
    az_error error;
} job;

/* Opens the file, runs a few tokens and takes frequencies. */
static az_status run_tokens(job *j, uint32_t n_tokens) {
    uint64_t sum;
    AZ_TRY(az_lm_cache_open(&j->cache, j->lm, 32, 4, j->heap, &j->error));
    AZ_TRY(az_lm_batch_open(&j->batch, j->lm, 4, 32, j->pool, j->heap, &j->error));
    size_t n = az_lm_logits_stride(j->lm) * sizeof(float);
    j->memory = az_alloc(j->heap, 2 * n);
    if (!j->memory)
        return az_alloc_failed(j->heap, 2 * n, &j->error);
    float *logits = j->memory;
    uint32_t *freq = (uint32_t *)j->memory + az_lm_logits_stride(j->lm);
    for (uint32_t i = 0; i < n_tokens; i++) {
        const az_lm_row row = {j->cache, i * 7 % az_lm_get_info(j->lm)->n_vocab};
        AZ_TRY(az_lm_run(j->batch, &row, 1, &j->error));
        AZ_TRY(az_lm_frequencies(j->batch, 0, 1, logits, freq, &sum, &j->error));
    }
    return AZ_OK;
}

static az_status open_all(job *j, const lm_file *f, unsigned n_threads, unsigned cpu_features) {
    AZ_TRY(az_gguf_open_memory(&j->gguf, f->bytes, f->n_bytes, j->heap, &j->error));
    AZ_TRY(az_pool_open(&j->pool, n_threads, j->heap, &j->error));
    return az_lm_open(&j->lm, j->gguf, cpu_features, j->pool, j->heap, &j->error);
}

static void close_all(job *j) {
    az_free(j->heap, j->memory);
    az_lm_batch_close(&j->batch);
    az_lm_cache_close(&j->cache);
    az_lm_close(&j->lm);
    az_pool_close(&j->pool);
    az_gguf_close(&j->gguf);
    assert_int_equal(az_heap_used(j->heap), 0);
    az_heap_close(&j->heap);
}

/* Refused when it is opened (or, if only_run, when it runs), with this in the sentence. The
 * heap is small: what is absurd is seen before memory is taken for it. */
static void check_refused(lm_file *f, bool only_run, const char *sentence) {
    job j = {.error = {.text = ""}};
    lm_write(f);
    assert_int_equal(az_heap_open(&j.heap, NULL, NULL), AZ_OK);
    az_heap_set_limit(j.heap, 8 << 20);
    az_status status = open_all(&j, f, 1, az_cpu_features());
    if (only_run && status != AZ_OK)
        fail_msg("not opened: %s", j.error.text);
    if (status == AZ_OK)
        status = run_tokens(&j, 3);
    if (status != AZ_ERROR_MODEL || j.error.status != status || !strstr(j.error.text, sentence))
        fail_msg("status %d, \"%s\", not \"...%s...\"", (int)status, j.error.text, sentence);
    close_all(&j);
    lm_free(f);
}

static void check_runs(lm_file *f, uint32_t n_tokens) {
    job j = {.error = {.text = ""}};
    lm_write(f);
    assert_int_equal(az_heap_open(&j.heap, NULL, NULL), AZ_OK);
    if (open_all(&j, f, 2, az_cpu_features()) != AZ_OK || run_tokens(&j, n_tokens) != AZ_OK)
        fail_msg("%s", j.error.text);
    close_all(&j);
    lm_free(f);
}

/* ---- Tensors ----------------------------------------------------------------------------- */

static const char *const archs[] = {"llama", "gpt2", "qwen2", "qwen3", "phi3", "gemma3"};

static void make_arch(lm_file *f, size_t i) {
    uint32_t n_kv_heads = strcmp(archs[i], "gpt2") == 0 ? 4 : 2;
    lm_make(f,
            (lm_spec){.arch = archs[i], .n_kv_heads = n_kv_heads, .untied = true, .sliding = 16});
}

static void every_tensor_is_needed(void **state) {
    (void)state;
    lm_file f;
    for (size_t i = 0; i < COUNT(archs); i++) {
        make_arch(&f, i);
        check_runs(&f, 3);
        make_arch(&f, i);
        for (size_t t = 0, n = f.n_tensors; t < n; t++) {
            char name[LM_NAME_MAX];
            make_arch(&f, i);
            memcpy(name, f.tensors[t].name, sizeof name);
            if (strncmp(name, "output.", 7) == 0)
                continue;
            lm_drop_tensor(&f, name);
            check_refused(&f, false, name);
        }
    }
}

static void every_shape_is_checked(void **state) {
    (void)state;
    lm_file f;
    for (size_t i = 0; i < COUNT(archs); i++) {
        make_arch(&f, i);
        for (size_t t = 0, n = f.n_tensors; t < n; t++)
            for (int change = 0; change < 4; change++) {
                make_arch(&f, i);
                lm_tensor *tensor = &f.tensors[t];
                if (change < 2)
                    tensor->n_cols += change ? 1 : (uint64_t)-1;
                else
                    tensor->n_rows += change == 2 ? 1 : tensor->n_rows;
                /* More rows of the embedding are more tokens: then the output has too few. */
                bool is_embd = strcmp(tensor->name, "token_embd.weight") == 0;
                check_refused(&f, false, is_embd && change >= 2 ? "output.weight" : tensor->name);
            }
    }
}

static void every_type_is_checked(void **state) {
    (void)state;
    lm_file f;
    for (size_t i = 0; i < COUNT(archs); i++) {
        make_arch(&f, i);
        for (size_t t = 0, n = f.n_tensors; t < n; t++) {
            lm_make(&f, (lm_spec){.arch = archs[i],
                                  .n_kv_heads = strcmp(archs[i], "gpt2") == 0 ? 4 : 2,
                                  .untied = true,
                                  .n_embd = 256,
                                  .n_heads = 4,
                                  .head_dim = 256,
                                  .n_ff = 256,
                                  .n_layers = 1,
                                  .n_vocab = 256});
            if (t >= f.n_tensors)
                break;
            f.tensors[t].type = LM_TYPE_IQ2_XXS;
            check_refused(&f, false, "IQ2_XXS");
        }
    }
}

static void every_number_must_be_finite(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    lm_file f;
    for (size_t i = 0; i < COUNT(archs); i++) {
        make_arch(&f, i);
        for (size_t t = 0, n = f.n_tensors; t < n; t++) {
            make_arch(&f, i);
            /* Of embeddings only rows that are used are read. */
            if (strcmp(f.tensors[t].name, "token_embd.weight") == 0)
                continue;
            f.tensors[t].has_last = true;
            f.tensors[t].last = bad[t % COUNT(bad)];
            check_refused(&f, false, "not finite");
        }
    }
    lm_make(&f, (lm_spec){.n_layers = 1}); /* tied: all are read */
    lm_tensor *t = lm_tensor_of(&f, "token_embd.weight");
    t->has_last = true;
    t->last = NAN;
    check_refused(&f, false, "token_embd.weight holds a number that is not finite");
    lm_make(&f, (lm_spec){.n_layers = 1, .untied = true});
    lm_tensor_of(&f, "token_embd.weight")->middle = INFINITY;
    check_refused(&f, true, "range of binary32");
}

/* ---- Metadata ------------------------------------------------------------------------------ */

static void absurd_numbers_are_refused(void **state) {
    (void)state;
    static const char *const keys[] = {
        "embedding_length",        "block_count",
        "feed_forward_length",     "attention.head_count",
        "attention.head_count_kv", "attention.key_length",
        "attention.value_length",  "rope.dimension_count",
    };
    static const uint32_t numbers[] = {1, 3, 1000, 1 << 16, 1 << 20, INT32_MAX, UINT32_MAX};
    lm_file f;
    for (size_t a = 0; a < COUNT(archs); a++)
        for (size_t i = 0; i < COUNT(keys) * COUNT(numbers); i++) {
            const char *key = keys[i / COUNT(numbers)];
            make_arch(&f, a);
            uint32_t number = numbers[i % COUNT(numbers)];
            /* One layer of two is a model, too; the positions of gpt2 are not rotated. */
            if (number == 1 && strcmp(key, "block_count") == 0)
                continue;
            if (number <= 1024 && strcmp(archs[a], "gpt2") == 0 && key[0] == 'r')
                continue;
            lm_set_u32(&f, key, number);
            check_refused(&f, false, "");
        }
}

static void what_is_needed_is_named(void **state) {
    (void)state;
    static const char *const keys[] = {"embedding_length", "block_count", "feed_forward_length",
                                       "context_length", "attention.head_count"};
    lm_file f;
    for (size_t i = 0; i < COUNT(keys); i++) {
        lm_make(&f, (lm_spec){0});
        lm_drop_value(&f, keys[i]);
        check_refused(&f, false, keys[i]);
        lm_make(&f, (lm_spec){0});
        lm_set_u32(&f, keys[i], 0);
        check_refused(&f, false, keys[i]);
        lm_make(&f, (lm_spec){0});
        lm_set_text(&f, keys[i], AZ_GGUF_STRING, "text");
        check_refused(&f, false, keys[i]);
    }
}

static void what_is_not_supported_is_named(void **state) {
    (void)state;
    static const struct {
        const char *arch, *key, *text; /* text: or the number */
        float number;
        const char *sentence;
    } cases[] = {
        {"llama", "rope.scaling.type", "yarn", 0, "yarn"},
        {"llama", "rope.scaling.type", "", 0, "scaling.type"},
        {"llama", "rope.scaling.factor", NULL, -2, "scaling.factor"},
        {"llama", "rope.scaling.factor", NULL, 1e-5F, "scaling.factor"},
        {"llama", "rope.scaling.factor", NULL, INFINITY, "scaling.factor"},
        {"llama", "rope.scaling.attn_factor", NULL, 0, "attn_factor"},
        {"llama", "rope.scale_linear", NULL, NAN, "scale_linear"},
        {"llama", "rope.freq_base", NULL, 0.5F, "freq_base"},
        {"llama", "rope.freq_base", NULL, NAN, "freq_base"},
        {"llama", "attention.layer_norm_rms_epsilon", NULL, -1, "epsilon"},
        {"gpt2", "attention.layer_norm_epsilon", NULL, 2, "epsilon"},
        {"llama", "expert_count", NULL, 8, "expert_count"},
        {"gemma3", "attn_logit_softcapping", NULL, 50, "attn_logit_softcapping"},
        {"gemma3", "final_logit_softcapping", NULL, 30, "final_logit_softcapping"},
        {"gemma3", "rope.freq_base_swa", NULL, 0, "freq_base_swa"},
        {"gemma3", "rope.freq_base_swa", NULL, -INFINITY, "freq_base_swa"},
        {"gemma3", "attention.sliding_window", NULL, -1, "sliding_window"},
        {"gemma3", "attention.sliding_window_pattern", NULL, 0, "sliding_window_pattern"},
        {"phi3", "rope.scaling.original_context_length", NULL, 0, "original context"},
    };
    lm_file f;
    for (size_t i = 0; i < COUNT(cases); i++) {
        lm_make(&f, (lm_spec){.arch = cases[i].arch, .n_kv_heads = 4});
        if (cases[i].text)
            lm_set_text(&f, cases[i].key, AZ_GGUF_STRING, cases[i].text);
        else
            lm_set_f32(&f, cases[i].key, cases[i].number);
        check_refused(&f, false, cases[i].sentence);
    }
    lm_make(&f, (lm_spec){.arch = "gemma3"});
    lm_set_text(&f, "attention.sliding_window_pattern", AZ_GGUF_ARRAY, "1");
    check_refused(&f, false, "sliding_window_pattern");
    lm_make(&f, (lm_spec){0});
    f.arch = "mamba";
    check_refused(&f, false, "mamba");
    lm_make(&f, (lm_spec){0});
    lm_add(&f, -1, "rope_freqs", "weight", 8, 1, 0, 0);
    check_refused(&f, false, "a factor of 0");
    lm_make(&f, (lm_spec){0});
    lm_add(&f, -1, "rope_freqs", "weight", 9, 1, 1, 0);
    check_refused(&f, false, "rope_freqs.weight");
}

/* What other programs write, and is fine. */
static void odd_but_good_models_run(void **state) {
    (void)state;
    lm_file f;
    lm_make(&f, (lm_spec){.untied = true, .n_vocab = 1001, .biases = true}); /* and the head's */
    check_runs(&f, 3);
    lm_make(&f, (lm_spec){.n_vocab = 2});
    check_runs(&f, 40);
    lm_make(&f, (lm_spec){.arch = "gemma3", .n_layers = 3, .sliding = 16});
    lm_set_text(&f, "attention.sliding_window_pattern", AZ_GGUF_ARRAY, "1011");
    check_runs(&f, 40);
    lm_make(&f, (lm_spec){.arch = "gemma3", .n_layers = 3, .sliding = 16});
    lm_set_u32(&f, "attention.sliding_window_pattern", 2);
    lm_set_f32(&f, "rope.scale_linear", 8);
    check_runs(&f, 40);
    lm_make(&f, (lm_spec){0});
    lm_set_text(&f, "rope.scaling.type", AZ_GGUF_STRING, "none");
    lm_set_f32(&f, "rope.scaling.factor", 0);
    lm_set_u32(&f, "rope.dimension_count", 6);
    check_runs(&f, 40);
}

/* ---- Numbers that grow -------------------------------------------------------------------- */

static void huge_activations_are_an_error_or_numbers(void **state) {
    (void)state;
    static const float sizes[] = {1e6F, 1e12F, 1e18F, 1e25F, 1e31F, 3e38F};
    lm_file f;
    size_t n_refused = 0;
    for (size_t a = 0; a < COUNT(archs); a++) {
        make_arch(&f, a);
        for (size_t i = 0, n = f.n_tensors * COUNT(sizes); i < n; i++) {
            make_arch(&f, a);
            f.tensors[i / COUNT(sizes)].spread = sizes[i % COUNT(sizes)];
            lm_write(&f);
            for (int all = 0; all < 2; all++) { /* all kernels or none */
                job j = {.error = {.text = ""}};
                assert_int_equal(az_heap_open(&j.heap, NULL, NULL), AZ_OK);
                az_status status = open_all(&j, &f, 1, all ? az_cpu_features() : 0);
                if (status == AZ_OK)
                    status = run_tokens(&j, 3);
                if (status != AZ_OK) {
                    assert_int_equal(status, AZ_ERROR_MODEL);
                    assert_true(strstr(j.error.text, "range of binary32") ||
                                strstr(j.error.text, "not finite, or too large"));
                    n_refused++;
                }
                close_all(&j);
            }
            lm_free(&f);
        }
    }
    assert_true(n_refused > 50 && n_refused % 2 == 0);
}

/* ---- The caller's mistakes ------------------------------------------------------------------ */

static void bad_arguments_are_refused(void **state) {
    (void)state;
    lm_file f;
    job j = {.error = {.text = ""}};
    float logits[128];
    az_lm_cache *none;
    az_lm_batch *no_batch;
    lm_make(&f, (lm_spec){0});
    lm_write(&f);
    assert_int_equal(az_heap_open(&j.heap, NULL, NULL), AZ_OK);
    assert_int_equal(open_all(&j, &f, 1, az_cpu_features()), AZ_OK);
    assert_int_equal(run_tokens(&j, 1), AZ_OK);
    static const uint32_t windows[][2] = {{31, 1}, {0, 1},           {AZ_LM_WINDOW_MAX + 1, 1},
                                          {32, 0}, {32, UINT32_MAX}, {UINT32_MAX, 1}};
    for (size_t i = 0; i < COUNT(windows); i++) {
        assert_int_equal(az_lm_cache_open(&none, j.lm, windows[i][0], windows[i][1], j.heap, NULL),
                         AZ_ERROR_ARGUMENT);
        assert_null(none);
    }
    static const uint32_t batches[][2] = {{0, 32}, {UINT32_MAX, 32}, {1, UINT32_MAX}};
    for (size_t i = 0; i < COUNT(batches); i++) {
        assert_int_equal(
            az_lm_batch_open(&no_batch, j.lm, batches[i][0], batches[i][1], j.pool, j.heap, NULL),
            AZ_ERROR_ARGUMENT);
        assert_null(no_batch);
    }
    az_lm_row rows[5] = {{j.cache, 100}, {j.cache, 1}, {j.cache, 1}, {j.cache, 1}, {j.cache, 1}};
    assert_int_equal(az_lm_run(j.batch, rows, 1, &j.error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_lm_run(j.batch, rows + 1, 5, &j.error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_lm_run(j.batch, rows + 1, 2, &j.error), AZ_OK);
    assert_int_equal(az_lm_cache_n(j.cache), 3);
    assert_int_equal(az_lm_logits(j.batch, 2, 1, logits, &j.error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_lm_logits(j.batch, 1, UINT32_MAX, logits, &j.error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_lm_logits(j.batch, 1, 1, logits, &j.error), AZ_OK);
    close_all(&j);
    lm_free(&f);
}

/* ---- Memory -------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    lm_file f;
    for (size_t a = 0; a < COUNT(archs); a++) {
        plan p = {0};
        az_allocator allocator = {.alloc = plan_alloc, .free = plan_free, .opaque = &p};
        az_status status = AZ_ERROR_MEMORY;
        make_arch(&f, a);
        lm_write(&f);
        for (size_t at = 0; status != AZ_OK; at++) {
            job j = {.error = {.text = ""}};
            p = (plan){.fails_at = at};
            if (az_heap_open(&j.heap, &allocator, &j.error) != AZ_OK)
                continue;
            status = open_all(&j, &f, 2, az_cpu_features());
            if (status == AZ_OK)
                status = run_tokens(&j, 2);
            /* A thread that has no memory can't be started. */
            if (status != AZ_OK && status != AZ_ERROR_MEMORY && status != AZ_ERROR_THREAD)
                fail_msg("allocation %zu: status %d, %s", at, (int)status, j.error.text);
            assert_true(status == AZ_OK || j.error.text[0]);
            close_all(&j);
            assert_int_equal(p.n_live, 0);
        }
        assert_true(p.n_allocs > 60);
        lm_free(&f);
    }
}

static void memory_is_said_beforehand(void **state) {
    (void)state;
    lm_file f;
    for (size_t a = 0; a < COUNT(archs); a++) {
        uint64_t weights, cache;
        job j = {.error = {.text = ""}};
        lm_make(&f, (lm_spec){.arch = archs[a],
                              .n_kv_heads = 4,
                              .n_embd = 128,
                              .n_ff = 512,
                              .head_dim = 32,
                              .n_vocab = 2000});
        lm_write(&f);
        assert_int_equal(az_heap_open(&j.heap, NULL, NULL), AZ_OK);
        assert_int_equal(open_all(&j, &f, 1, 0), AZ_OK);
        assert_int_equal(az_lm_memory(j.gguf, &weights, &cache, &j.error), AZ_OK);
        assert_int_equal(weights, az_lm_get_info(j.lm)->weights_nbytes);
        assert_int_equal(cache, az_lm_get_info(j.lm)->cache_nbytes);
        assert_in_range(az_heap_peak(j.heap), weights, 16 * weights / 10);
        uint64_t before = az_heap_used(j.heap);
        assert_int_equal(az_lm_cache_open(&j.cache, j.lm, 1000, 8, j.heap, &j.error), AZ_OK);
        assert_in_range(az_heap_used(j.heap) - before, 1000 * cache, 1050 * cache + 4096);
        close_all(&j);
        lm_free(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_needed),
        cmocka_unit_test(every_shape_is_checked),
        cmocka_unit_test(every_type_is_checked),
        cmocka_unit_test(every_number_must_be_finite),
        cmocka_unit_test(absurd_numbers_are_refused),
        cmocka_unit_test(what_is_needed_is_named),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(odd_but_good_models_run),
        cmocka_unit_test(huge_activations_are_an_error_or_numbers),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(memory_is_said_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
