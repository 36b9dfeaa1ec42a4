/*
 * batch: rows go through all layers together, so that weights are read once for all of them;
 * then, for those that are asked for, through the head.
 */
#include "pass.h"

struct az_lm_batch {
    az_heap *heap;
    const az_lm *lm;
    uint32_t max_rows, max_slots;
    az_lm_pass pass;
};

/* ---- Memory ---------------------------------------------------------------------- */

static bool take(az_heap *heap, void *out, size_t n_bytes) {
    void *ptr = az_alloc(heap, n_bytes);
    memcpy(out, &ptr, sizeof ptr);
    return ptr != NULL;
}

static bool take_queries(az_heap *heap, az_lm_queries *q, size_t n, size_t head_slots) {
    return take(heap, &q->q, n * head_slots * sizeof *q->q) &&
           take(heap, &q->scale, n * sizeof *q->scale);
}

static void free_queries(az_heap *heap, az_lm_queries *q) {
    az_free(heap, q->q);
    az_free(heap, q->scale);
}

/* Queries that a worker holds at once. */
static uint32_t queries_of(const az_lm_config *c) {
    uint32_t n_shared = c->n_heads / c->n_kv_heads;
    return n_shared > AZ_PASS_QUERIES ? n_shared : AZ_PASS_QUERIES;
}

static bool take_scratch(az_lm_batch *b, az_lm_scratch *s) {
    const az_lm_config *c = &b->lm->config;
    size_t n_queries = queries_of(c), wide = b->pass.wide;
    return take(b->heap, &s->line, (wide > n_queries ? wide : n_queries) * sizeof *s->line) &&
           take(b->heap, &s->line8, c->head_slots) &&
           take(b->heap, &s->dots, n_queries * b->max_slots * sizeof *s->dots) &&
           take(b->heap, &s->weights, n_queries * b->max_slots * sizeof *s->weights) &&
           take(b->heap, &s->sums, n_queries * c->head_slots * sizeof *s->sums);
}

static bool take_all(az_lm_batch *b) {
    const az_lm *lm = b->lm;
    const az_lm_config *c = &lm->config;
    az_heap *heap = b->heap;
    az_lm_pass *p = &b->pass;
    size_t n = b->max_rows, half = c->n_rot / 2;
    uint32_t n_heads = c->n_heads * c->head_dim, n_kv = c->n_kv_heads * c->head_dim;
    uint32_t widest_in = c->n_embd > n_heads ? c->n_embd : n_heads;
    widest_in = widest_in > c->n_ff ? widest_in : c->n_ff;
    uint32_t wide = az_round_up(n_heads + 2 * n_kv, 16);
    wide = wide > 2 * c->n_ff ? wide : 2 * c->n_ff;
    wide = wide > widest_in ? wide : widest_in;
    p->wide = az_round_up(wide, AZ_LM_GROUP);
    size_t n_cols = az_round_up(widest_in, AZ_LM_BLOCK), n_blocks = n_cols / AZ_LM_BLOCK;
    size_t n_queries = n * c->n_heads;
    bool good = take(heap, &p->position, n * sizeof *p->position) &&
                take(heap, &p->blocks, n * sizeof *p->blocks) &&
                take(heap, &p->x, n * c->n_embd * sizeof *p->x) &&
                take(heap, &p->t, n * p->wide * sizeof *p->t) &&
                take(heap, &p->h, n * n_heads * sizeof *p->h) &&
                take(heap, &p->a.q, n * n_cols * lm->kernels->q_nbytes) &&
                take(heap, &p->a.scale, n * n_blocks * sizeof *p->a.scale) &&
                take(heap, &p->a.sum, n * n_blocks * sizeof *p->a.sum) &&
                take_queries(heap, &p->q, n_queries, c->head_slots) &&
                take_queries(heap, &p->sink_q, n_queries, c->head_slots);
    for (int i = 0; i < AZ_N_ROPES; i++)
        good = good && take(heap, &p->cos[i], n * half * sizeof *p->cos[i]) &&
               take(heap, &p->sin[i], n * half * sizeof *p->sin[i]);
    good = good && take(heap, &p->scratch, az_pool_n_threads(p->pool) * sizeof *p->scratch);
    for (unsigned i = 0; good && i < az_pool_n_threads(p->pool); i++)
        good = take_scratch(b, &p->scratch[i]);
    return good;
}

az_status az_lm_batch_open(az_lm_batch **out, const az_lm *lm, uint32_t max_rows,
                           uint32_t max_window, az_pool *pool, az_heap *heap, az_error *error) {
    *out = NULL;
    uint32_t rows_max = AZ_POOL_PARTS_MAX / lm->config.n_kv_heads;
    if (max_rows == 0 || max_rows > rows_max || max_window > AZ_LM_WINDOW_MAX)
        return az_error_set(
            error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
            "a batch of %u rows, a window of %u tokens: up to %u and %d are possible", max_rows,
            max_window, rows_max, AZ_LM_WINDOW_MAX);
    az_lm_batch *b = az_alloc(heap, sizeof *b);
    if (!b)
        return az_alloc_failed(heap, sizeof *b, error);
    b->heap = heap;
    b->lm = lm;
    b->max_rows = max_rows;
    b->max_slots = az_lm_slots(&lm->config, max_window, max_rows);
    b->pass.lm = lm;
    b->pass.pool = pool;
    if (!take_all(b)) {
        az_lm_batch_close(&b);
        return az_alloc_failed(heap, (size_t)max_rows * lm->config.n_ff * sizeof(float), error);
    }
    *out = b;
    return AZ_OK;
}

void az_lm_batch_close(az_lm_batch **out) {
    az_lm_batch *b = *out;
    *out = NULL;
    if (!b)
        return;
    az_heap *heap = b->heap;
    az_lm_pass *p = &b->pass;
    for (unsigned i = 0; p->scratch && i < az_pool_n_threads(p->pool); i++) {
        az_free(heap, p->scratch[i].line);
        az_free(heap, p->scratch[i].line8);
        az_free(heap, p->scratch[i].dots);
        az_free(heap, p->scratch[i].weights);
        az_free(heap, p->scratch[i].sums);
    }
    for (int i = 0; i < AZ_N_ROPES; i++) {
        az_free(heap, p->cos[i]);
        az_free(heap, p->sin[i]);
    }
    free_queries(heap, &p->q);
    free_queries(heap, &p->sink_q);
    void *all[] = {p->scratch, p->position, p->blocks,  p->x,    p->t,
                   p->h,       p->a.q,      p->a.scale, p->a.sum};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        az_free(heap, all[i]);
    az_free(heap, b);
}

/* ---- Rows ------------------------------------------------------------------------ */

/* Positions of all rows, and blocks of neighbours; checks what the caller gave. */
static az_status arrange(az_lm_batch *b, const az_lm_row *rows, uint32_t n_rows, az_error *error) {
    const az_lm_config *c = &b->lm->config;
    az_lm_pass *p = &b->pass;
    uint32_t n_shared = c->n_heads / c->n_kv_heads;
    uint32_t block_max = queries_of(c) / n_shared;
    if (n_rows > b->max_rows)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "%u rows in a batch for %u", n_rows, b->max_rows);
    p->rows = rows;
    p->n_rows = n_rows;
    p->n_blocks = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        az_lm_cache *cache = rows[i].cache;
        bool follows = i > 0 && rows[i - 1].cache == cache;
        uint64_t position = follows ? p->position[i - 1] + 1 : cache->n;
        if (rows[i].token >= c->n_vocab || cache->n_slots > b->max_slots)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "token %u of %u, or a window that is too large for the batch",
                                rows[i].token, c->n_vocab);
        if (b->lm->positions && position >= c->n_ctx)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "the model knows %u positions only", c->n_ctx);
        if (position - cache->n >= cache->max_run)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "more than %u rows of one sequence in a batch", cache->max_run);
        p->position[i] = position;
        az_lm_run_of *last = p->n_blocks ? &p->blocks[p->n_blocks - 1] : NULL;
        if (follows && last->n < block_max)
            last->n++;
        else
            p->blocks[p->n_blocks++] = (az_lm_run_of){cache, i, 1};
    }
    return AZ_OK;
}

/* Cosines and sines of a row. */
static void turn_row(const az_lm_pass *pass, uint32_t row) {
    const az_lm *lm = pass->lm;
    uint32_t half = lm->config.n_rot / 2, window = pass->rows[row].cache->window;
    bool is_long = lm->turns[AZ_TURNS_LONG] && window > lm->config.short_window;
    for (int i = 0; i < AZ_N_ROPES; i++) {
        const uint64_t *turns = lm->turns[i % AZ_ROPE_SINKS == AZ_ROPE_SLIDING ? AZ_TURNS_SLIDING
                                          : is_long                            ? AZ_TURNS_LONG
                                                                               : AZ_TURNS_FULL];
        bool rolled = pass->position[row] >= window;
        if (!turns || (i >= AZ_ROPE_SINKS && !rolled))
            continue;
        az_rope_angles(turns, half, i < AZ_ROPE_SINKS ? pass->position[row] : window - 1,
                       lm->config.rope_magnitude, pass->cos[i] + (size_t)row * half,
                       pass->sin[i] + (size_t)row * half);
    }
}

static void begin_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    (void)what, (void)worker;
    const az_lm *lm = pass->lm;
    const az_lm_config *c = &lm->config;
    uint32_t n = c->n_embd;
    float *x = pass->x + (size_t)row * n;
    uint64_t position = pass->position[row];
    az_gguf_type_of(lm->embd->type)
        ->dequantise(lm->embd->data + pass->rows[row].token * lm->embd->row_nbytes, n, x);
    if (c->embd_scale != 1.0f)
        lm->kernels->scale(x, c->embd_scale, n);
    if (lm->positions)
        lm->kernels->add(x, lm->positions + position * n, n);
    if (c->n_rot)
        turn_row(pass, row);
}

static az_status not_finite(az_error *error) {
    return AZ_MODEL_FAULT(error,
                          "the model's numbers leave the range of binary32: it can't be used");
}

az_status az_lm_run(az_lm_batch *batch, const az_lm_row *rows, uint32_t n_rows, az_error *error) {
    az_lm_pass *p = &batch->pass;
    const az_lm *lm = batch->lm;
    AZ_TRY(arrange(batch, rows, n_rows, error));
    az_fp_state fp;
    az_fp_enter(&fp);
    atomic_store(&p->broken, false);
    az_pass_rows(p, begin_row, NULL);
    az_pass_norm(p, &lm->layers[0].attn_norm);
    for (p->layer = 0; p->layer < lm->config.n_layers; p->layer++)
        az_pass_layer(p, &lm->layers[p->layer]);
    az_fp_leave(&fp);
    for (uint32_t i = 0; i < n_rows; i++)
        rows[i].cache->n = p->position[i] + 1;
    p->rows = NULL;
    return atomic_load(&p->broken) ? not_finite(error) : AZ_OK;
}

/* ---- The head -------------------------------------------------------------------- */

uint32_t az_lm_logits_stride(const az_lm *lm) {
    return (uint32_t)lm->head.matrix.n_groups * AZ_LM_GROUP;
}

az_status az_lm_logits(az_lm_batch *batch, uint32_t first, uint32_t n, float *logits,
                       az_error *error) {
    const az_linear *head = &batch->lm->head;
    size_t stride = az_lm_logits_stride(batch->lm);
    if (first > batch->pass.n_rows || n > batch->pass.n_rows - first)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "logits of rows %u to %u of %u", first, first + n, batch->pass.n_rows);
    az_fp_state fp;
    az_fp_enter(&fp);
    az_pass_multiply(&batch->pass, head, first, n, logits, stride);
    for (uint32_t i = 0; i < n && head->bias; i++)
        batch->lm->kernels->add(logits + i * stride, head->bias, head->n_out);
    az_fp_leave(&fp);
    return AZ_OK;
}

typedef struct frequency_work {
    const az_lm *lm;
    const float *logits;
    uint32_t *freq;
    uint64_t *sum;
} frequency_work;

static void frequency_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    const frequency_work *w = arg;
    size_t at = (size_t)part * az_lm_logits_stride(w->lm);
    w->sum[part] = w->lm->kernels->frequencies(w->logits + at, w->lm->config.n_vocab, w->freq + at);
}

az_status az_lm_frequencies(az_lm_batch *batch, uint32_t first, uint32_t n, float *logits,
                            uint32_t *freq, uint64_t *sum, az_error *error) {
    AZ_TRY(az_lm_logits(batch, first, n, logits, error));
    frequency_work w = {batch->lm, logits, freq, sum};
    az_fp_state fp;
    az_fp_enter(&fp);
    az_pool_run(batch->pass.pool, frequency_part, &w, n);
    az_fp_leave(&fp);
    for (uint32_t i = 0; i < n; i++)
        if (sum[i] == 0)
            return not_finite(error);
    return AZ_OK;
}
