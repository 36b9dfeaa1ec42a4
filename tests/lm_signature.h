/*
 * lm_signature: one number for all that the engine makes of a model: a hash of the frequencies
 * after each of 256 tokens, four sequences of 64 random ones, windows of which roll. The same
 * on every machine, with any kernels, number of threads, batch and mix of sequences.
 */
#ifndef TESTS_LM_SIGNATURE_H
#define TESTS_LM_SIGNATURE_H

#include "transformer/transformer.h"

enum { SIGNATURE_LANES = 4, SIGNATURE_TOKENS = 64, SIGNATURE_ROWS = 64 };

/* How it is cut into batches. mix 0: one sequence after another, rows tokens at a time;
 * otherwise the seed of random batches of any sequences' rows, `rows` at most. */
typedef struct signature_plan {
    uint32_t rows; /* 1..SIGNATURE_ROWS */
    uint64_t mix;
} signature_plan;

typedef struct signature_run {
    const az_lm *lm;
    az_lm_cache *caches[SIGNATURE_LANES];
    az_lm_batch *batch;
    float *logits;
    uint32_t *freq;
    az_hash hashes[SIGNATURE_LANES];
    uint32_t n_done[SIGNATURE_LANES];
    uint64_t state;
} signature_run;

/* xorshift64* */
static inline uint64_t signature_rnd(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 0x2545F4914F6CDD1DULL) >> 32;
}

static inline uint32_t signature_token(uint32_t lane, uint32_t i, uint32_t n_vocab) {
    uint64_t state = (uint64_t)lane * 1000 + i + 1;
    signature_rnd(&state);
    return (uint32_t)(signature_rnd(&state) % n_vocab);
}

/* Some more rows of a lane; which lane it was of each. Returns how many rows there are. */
static inline uint32_t signature_take(signature_run *r, uint32_t lane, uint32_t n, az_lm_row *rows,
                                      uint32_t *lanes, uint32_t n_rows) {
    uint32_t left = SIGNATURE_TOKENS - r->n_done[lane];
    n = n < left ? n : left;
    for (uint32_t i = 0; i < n; i++, n_rows++) {
        lanes[n_rows] = lane;
        rows[n_rows].cache = r->caches[lane];
        rows[n_rows].token =
            signature_token(lane, r->n_done[lane]++, az_lm_get_info(r->lm)->n_vocab);
    }
    return n_rows;
}

/* The next batch; 0 rows: all is done. */
static inline uint32_t signature_next(signature_run *r, const signature_plan *plan, az_lm_row *rows,
                                      uint32_t *lanes) {
    uint32_t n_rows = 0;
    if (plan->mix == 0) {
        for (uint32_t lane = 0; lane < SIGNATURE_LANES && n_rows == 0; lane++)
            n_rows = signature_take(r, lane, plan->rows, rows, lanes, 0);
        return n_rows;
    }
    uint32_t first = (uint32_t)(signature_rnd(&r->state) % SIGNATURE_LANES);
    for (uint32_t i = 0; i < SIGNATURE_LANES && n_rows < plan->rows; i++) {
        uint32_t most = plan->rows - n_rows, n = 1 + (uint32_t)(signature_rnd(&r->state) % most);
        n_rows = signature_take(r, (first + i) % SIGNATURE_LANES, n, rows, lanes, n_rows);
    }
    return n_rows;
}

static inline void signature_add(signature_run *r, const uint32_t *lanes, uint32_t n_rows) {
    size_t stride = az_lm_logits_stride(r->lm);
    for (uint32_t i = 0; i < n_rows; i++)
        for (uint32_t t = 0; t < az_lm_get_info(r->lm)->n_vocab; t++) {
            uint8_t le[4];
            az_write_le32(le, r->freq[i * stride + t]);
            az_hash_add(&r->hashes[lanes[i]], le, sizeof le);
        }
}

static inline az_status signature_all(signature_run *r, const signature_plan *plan,
                                      az_error *error) {
    az_lm_row rows[SIGNATURE_ROWS];
    uint32_t lanes[SIGNATURE_ROWS], n;
    uint64_t sums[SIGNATURE_ROWS];
    while ((n = signature_next(r, plan, rows, lanes)) > 0) {
        AZ_TRY(az_lm_run(r->batch, rows, n, error));
        AZ_TRY(az_lm_frequencies(r->batch, 0, n, r->logits, r->freq, sums, error));
        signature_add(r, lanes, n);
    }
    return AZ_OK;
}

static inline az_status signature_open(signature_run *r, const signature_plan *plan, az_pool *pool,
                                       az_heap *heap, az_error *error) {
    static const uint32_t windows[SIGNATURE_LANES] = {64, 32, 47, 33}; /* all but one roll */
    size_t n = (size_t)SIGNATURE_ROWS * az_lm_logits_stride(r->lm) * sizeof(float);
    for (uint32_t i = 0; i < SIGNATURE_LANES; i++) {
        az_hash_begin(&r->hashes[i], i);
        AZ_TRY(az_lm_cache_open(&r->caches[i], r->lm, windows[i], plan->rows, heap, error));
    }
    AZ_TRY(az_lm_batch_open(&r->batch, r->lm, plan->rows, 64, pool, heap, error));
    r->logits = az_alloc(heap, n);
    r->freq = az_alloc(heap, n);
    return r->logits && r->freq ? AZ_OK : az_alloc_failed(heap, n, error);
}

static inline az_status lm_signature(uint32_t *out, const az_lm *lm, signature_plan plan,
                                     az_pool *pool, az_heap *heap, az_error *error) {
    signature_run r = {.lm = lm, .state = plan.mix};
    az_hash all;
    az_status status = signature_open(&r, &plan, pool, heap, error);
    if (status == AZ_OK)
        status = signature_all(&r, &plan, error);
    az_hash_begin(&all, 0);
    for (int i = 0; i < SIGNATURE_LANES; i++) {
        uint8_t le[4];
        az_write_le32(le, az_hash_value(&r.hashes[i]));
        az_hash_add(&all, le, sizeof le);
        az_lm_cache_close(&r.caches[i]);
    }
    *out = az_hash_value(&all);
    az_lm_batch_close(&r.batch);
    az_free(heap, r.logits);
    az_free(heap, r.freq);
    return status;
}

#endif
