/*
 * fuzz_model: arbitrary bytes as a model that is to run. It is refused with a sentence, or a
 * few tokens go through it, in two sequences whose windows roll, in any batches: then every
 * frequency is there and they sum to what is said. The first byte chooses kernels and batches.
 */
#include "fuzz.h"
#include "transformer/transformer.h"

enum { TOKENS_MAX = 40, ROWS_MAX = 8, VOCAB_MAX = 4096 };
static const uint64_t heap_limit = 64 << 20;

typedef struct model {
    az_heap *heap;
    az_gguf *gguf;
    az_pool *pool;
    az_lm *lm;
    az_lm_cache *caches[2];
    az_lm_batch *batch;
    float *logits;
    uint32_t *freq;
    az_error error;
} model;

static void check_sums(const model *m, uint32_t n_rows, const uint64_t *sums) {
    uint32_t n_vocab = az_lm_get_info(m->lm)->n_vocab;
    for (uint32_t r = 0; r < n_rows; r++) {
        const uint32_t *freq = m->freq + (size_t)r * az_lm_logits_stride(m->lm);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < n_vocab; i++) {
            MUST(freq[i] >= 1 && freq[i] <= (1U << 30) + 1);
            sum += freq[i];
        }
        MUST(sum == sums[r]);
    }
}

static az_status run_some(model *m, uint32_t n_rows) {
    const az_lm_info *info = az_lm_get_info(m->lm);
    uint64_t sums[ROWS_MAX];
    az_lm_row rows[ROWS_MAX];
    if (info->n_vocab > VOCAB_MAX || info->n_layers > 8)
        return AZ_OK; /* slow, and the same */
    for (uint32_t i = 0; i < 2; i++)
        AZ_TRY(az_lm_cache_open(&m->caches[i], m->lm, 32 + i, ROWS_MAX, m->heap, &m->error));
    AZ_TRY(az_lm_batch_open(&m->batch, m->lm, ROWS_MAX, 33, m->pool, m->heap, &m->error));
    size_t n = (size_t)ROWS_MAX * az_lm_logits_stride(m->lm) * sizeof(float);
    m->logits = az_alloc(m->heap, n);
    m->freq = az_alloc(m->heap, n);
    if (!m->logits || !m->freq)
        return az_alloc_failed(m->heap, n, &m->error);
    for (uint32_t i = 0; i < TOKENS_MAX; i += n_rows) {
        for (uint32_t r = 0; r < n_rows; r++)
            rows[r] = (az_lm_row){m->caches[r > i % n_rows], (i + r) * 7 % info->n_vocab};
        AZ_TRY(az_lm_run(m->batch, rows, n_rows, &m->error));
        AZ_TRY(az_lm_frequencies(m->batch, 0, n_rows, m->logits, m->freq, sums, &m->error));
        check_sums(m, n_rows, sums);
    }
    return AZ_OK;
}

static az_status try_model(model *m, const uint8_t *data, size_t n_bytes, uint8_t options) {
    uint64_t weights, cache;
    AZ_TRY(az_gguf_open_memory(&m->gguf, data, n_bytes, m->heap, &m->error));
    AZ_TRY(az_lm_memory(m->gguf, &weights, &cache, &m->error));
    AZ_TRY(az_pool_open(&m->pool, 1, m->heap, &m->error));
    unsigned cpu_features = options & 1 ? az_cpu_features() : 0;
    AZ_TRY(az_lm_open(&m->lm, m->gguf, cpu_features, m->pool, m->heap, &m->error));
    az_status status = run_some(m, 1 + (options >> 1) % ROWS_MAX);
    /* Positions that were learnt may have come to their end. */
    return status == AZ_ERROR_ARGUMENT && !az_lm_get_info(m->lm)->rolls ? AZ_OK : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    model m = {.error = {.text = ""}};
    if (n_bytes == 0)
        return 0;
    MUST(az_heap_open(&m.heap, NULL, NULL) == AZ_OK);
    az_heap_set_limit(m.heap, heap_limit);
    az_status status = try_model(&m, data + 1, n_bytes - 1, data[0]);
    MUST(status == AZ_OK || (m.error.status == status && m.error.text[0]));
    MUST(status == AZ_OK || status == AZ_ERROR_MODEL || status == AZ_ERROR_MEMORY_LIMIT);
    az_free(m.heap, m.logits);
    az_free(m.heap, m.freq);
    az_lm_batch_close(&m.batch);
    az_lm_cache_close(&m.caches[0]);
    az_lm_cache_close(&m.caches[1]);
    az_lm_close(&m.lm);
    az_pool_close(&m.pool);
    az_gguf_close(&m.gguf);
    MUST(az_heap_used(m.heap) == 0);
    az_heap_close(&m.heap);
    return 0;
}
