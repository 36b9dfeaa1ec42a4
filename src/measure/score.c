/*
 * score: the model alone, token by token, in windows of a stated size.
 *
 * Windows that are shorter than a batch are done several at a time, each with a cache of its
 * own; longer ones in pieces. Neither changes a bit of the result.
 */
#include "measure.h"

enum {
    BATCH_ROWS = 256,
    LANES_MAX = 32,
    HEAD_FLOATS = 1 << 20 /* logits at once: 4 MiB of them and 4 of frequencies */
};

static size_t character_nbytes(const uint8_t *p, size_t left) {
    uint8_t c = p[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 1;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 1;
    bool overlong = (c == 0xe0 && p[1] < 0xa0) || (c == 0xf0 && p[1] < 0x90);
    bool beyond = (c == 0xed && p[1] >= 0xa0) || (c == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 1 : n;
}

uint64_t az_count_characters(const uint8_t *text, size_t n_bytes) {
    uint64_t n = 0;
    for (size_t i = 0; i < n_bytes; n++)
        i += character_nbytes(text + i, n_bytes - i);
    return n;
}

/* ---- One run ---------------------------------------------------------------------- */

/* A window: rows first..first + n - 1 predict the tokens of these numbers; those from
 * `scored` on count. */
typedef struct window {
    size_t first, n, scored;
    uint32_t *costs; /* [n]: a cost is below 2^30 (48 bits and an escape's 8) */
} window;

/* What a row is for. */
struct target {
    window *window;
    size_t token; /* which one it predicts */
};

typedef struct run {
    const az_lm_scoring *s;
    az_lm_total *total;
    az_error *error;
    uint32_t *ids;
    size_t n_ids;
    bool has_bos;     /* ids[0] is the token for the beginning, which is not in the text */
    bool keeps_first; /* a window begins with a token of its own, not with the start token */
    uint64_t n_done;  /* bytes that rows have predicted, for the progress */
    size_t token_at;  /* the first token that is not yet reported, */
    uint64_t byte_at; /* and where it is in the text */
    az_lm_cache *caches[LANES_MAX];
    uint32_t n_lanes;
    uint32_t *costs; /* [n_lanes][context] */
    az_lm_batch *batch;
    az_lm_row *rows;
    struct target *targets; /* [BATCH_ROWS] */
    float *logits;
    uint32_t *freq;
    uint64_t *sums;
    uint32_t head_rows;
} run;

/* What row j of a window sees. */
static uint32_t seen(const run *r, const window *w, size_t j) {
    if (j == 0 && !r->keeps_first)
        return r->s->windows.start;
    uint32_t id = r->ids[w->first + j - 1];
    return id >= AZ_TOKEN_ESCAPE ? r->s->windows.start : id;
}

uint64_t az_lm_cost_of(uint32_t id, const uint32_t *freq, uint64_t sum) {
    uint64_t all = az_log2_cost(sum + 1); /* one more for all escapes */
    return id >= AZ_TOKEN_ESCAPE ? all + 8 * AZ_COST_BIT : all - az_log2_cost(freq[id]);
}

/* The scored rows among first..first + n - 1 of the batch. */
static az_status score_rows(run *r, uint32_t first, uint32_t n) {
    uint32_t stride = az_lm_logits_stride(r->s->lm);
    for (uint32_t i = first; i < first + n;) {
        const struct target *t = &r->targets[i];
        if (t->token < t->window->scored) {
            i++;
            continue;
        }
        uint32_t m = 1;
        while (m < r->head_rows && i + m < first + n &&
               r->targets[i + m].token >= r->targets[i + m].window->scored)
            m++;
        AZ_TRY(az_lm_frequencies(r->batch, i, m, r->logits, r->freq, r->sums, r->error));
        for (uint32_t j = 0; j < m; j++) {
            t = &r->targets[i + j];
            uint64_t cost =
                az_lm_cost_of(r->ids[t->token], r->freq + (size_t)j * stride, r->sums[j]);
            t->window->costs[t->token - t->window->first] = (uint32_t)cost;
            r->total->cost += cost;
            r->total->n_scored++;
        }
        i += m;
    }
    return AZ_OK;
}

/* Bytes of token number t. */
static uint64_t token_nbytes(const run *r, size_t t) {
    size_t n = 1;
    if (t == 0 && r->has_bos)
        return 0;
    if (r->ids[t] < AZ_TOKEN_ESCAPE)
        (void)az_tokenizer_bytes(r->s->tokenizer, r->ids[t], &n);
    return n;
}

/* After n_rows more. Where windows overlap, only what counts is new. */
static az_status say_progress(run *r, uint32_t n_rows) {
    for (uint32_t i = 0; i < n_rows; i++)
        if (r->s->windows.perplexity || r->targets[i].token >= r->targets[i].window->scored)
            r->n_done += token_nbytes(r, r->targets[i].token);
    if (r->s->progress && r->s->progress(r->s->opaque, r->n_done) != 0)
        return az_error_set(r->error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET,
                            "stopped by the progress function");
    return AZ_OK;
}

/* Windows w[0..n-1], one a lane, side by side. */
static az_status run_windows(run *r, window *w, uint32_t n) {
    size_t longest = 0;
    for (uint32_t i = 0; i < n; i++) {
        az_lm_cache_reset(r->caches[i]);
        w[i].costs = r->costs + (size_t)i * r->s->windows.context;
        longest = w[i].n > longest ? w[i].n : longest;
    }
    uint32_t piece = BATCH_ROWS / n;
    for (size_t at = 0; at < longest; at += piece) {
        uint32_t n_rows = 0;
        for (uint32_t i = 0; i < n; i++)
            for (size_t j = at; j < at + piece && j < w[i].n; j++) {
                r->rows[n_rows] = (az_lm_row){r->caches[i], seen(r, &w[i], j)};
                r->targets[n_rows++] = (struct target){&w[i], w[i].first + j};
            }
        AZ_TRY(az_lm_run(r->batch, r->rows, n_rows, r->error));
        AZ_TRY(score_rows(r, 0, n_rows));
        AZ_TRY(say_progress(r, n_rows));
    }
    return AZ_OK;
}

/* The windows that begin with number `i`; returns how many there are of them, at most max. */
static uint32_t next_windows(const run *r, uint64_t i, window *w, uint32_t max) {
    const az_lm_windows *s = &r->s->windows;
    uint32_t n = 0;
    for (; n < max; n++, i++) {
        size_t first = (size_t)i * (s->perplexity ? s->context : s->stride);
        size_t scored = i == 0 ? 0 : first + s->context - s->stride;
        if (s->perplexity) {
            /* Row j of a window sees its tokens 0..j, the first of which is the start token,
             * and predicts number j + 1; the second half but its last row counts. */
            if (first + s->context > r->n_ids)
                break;
            w[n] = (window){first + 1, s->context - 1, first + s->context / 2 + 1, NULL};
            continue;
        }
        if (scored >= r->n_ids)
            break;
        size_t left = r->n_ids - first;
        w[n] = (window){first, left < s->context ? left : s->context, scored, NULL};
    }
    return n;
}

static void report(run *r, const window *w, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        for (; r->token_at < w[i].first + w[i].n; r->token_at++) {
            uint64_t n_bytes = token_nbytes(r, r->token_at);
            if (r->s->part && r->token_at >= w[i].scored)
                r->s->part(r->s->opaque, r->byte_at, n_bytes, w[i].costs[r->token_at - w[i].first]);
            r->byte_at += n_bytes;
        }
    }
    r->n_done = r->byte_at;
}

static az_status score_all(run *r) {
    window w[LANES_MAX];
    uint32_t n;
    for (uint64_t i = 0; (n = next_windows(r, i, w, r->n_lanes)) > 0; i += n) {
        AZ_TRY(run_windows(r, w, n));
        report(r, w, n);
    }
    return AZ_OK;
}

/* ---- Memory ------------------------------------------------------------------------ */

static az_status take(const run *r, void *out, size_t n_bytes) {
    void *ptr = az_alloc(r->s->heap, n_bytes);
    if (!ptr)
        return az_alloc_failed(r->s->heap, n_bytes, r->error);
    memcpy(out, &ptr, sizeof ptr);
    return AZ_OK;
}

static az_status open_run(run *r) {
    const az_lm_scoring *s = r->s;
    uint32_t context = s->windows.context, stride = az_lm_logits_stride(s->lm);
    uint32_t window_slots = context < 2 * AZ_LM_SINKS ? 2 * AZ_LM_SINKS : context;
    r->n_lanes = context >= BATCH_ROWS ? 1 : BATCH_ROWS / context;
    r->n_lanes = r->n_lanes < LANES_MAX ? r->n_lanes : LANES_MAX;
    for (uint32_t i = 0; i < r->n_lanes; i++)
        AZ_TRY(az_lm_cache_open(&r->caches[i], s->lm, window_slots, BATCH_ROWS, s->heap, r->error));
    AZ_TRY(
        az_lm_batch_open(&r->batch, s->lm, BATCH_ROWS, window_slots, s->pool, s->heap, r->error));
    r->head_rows = HEAD_FLOATS / stride;
    r->head_rows = r->head_rows < 4 ? 4 : r->head_rows > BATCH_ROWS ? BATCH_ROWS : r->head_rows;
    size_t n = (size_t)r->head_rows * stride;
    AZ_TRY(take(r, &r->costs, (size_t)r->n_lanes * context * sizeof *r->costs));
    AZ_TRY(take(r, &r->rows, BATCH_ROWS * sizeof *r->rows));
    AZ_TRY(take(r, &r->targets, BATCH_ROWS * sizeof *r->targets));
    AZ_TRY(take(r, &r->logits, n * sizeof *r->logits));
    AZ_TRY(take(r, &r->freq, n * sizeof *r->freq));
    return take(r, &r->sums, r->head_rows * sizeof *r->sums);
}

static void close_run(run *r) {
    az_heap *heap = r->s->heap;
    for (uint32_t i = 0; i < LANES_MAX; i++)
        az_lm_cache_close(&r->caches[i]);
    az_lm_batch_close(&r->batch);
    az_free(heap, r->ids);
    az_free(heap, r->costs);
    az_free(heap, r->rows);
    az_free(heap, r->targets);
    az_free(heap, r->logits);
    az_free(heap, r->freq);
    az_free(heap, r->sums);
}

static az_status tokenize(run *r, const uint8_t *text, size_t n_bytes) {
    const az_lm_scoring *s = r->s;
    size_t n = (n_bytes + 2) * sizeof *r->ids;
    uint32_t *ids = az_alloc(s->heap, n);
    if (!ids)
        return az_alloc_failed(s->heap, n, r->error);
    r->ids = ids;
    if (s->windows.perplexity) { /* as llama.cpp: with the token for the beginning, if any */
        uint32_t bos = az_tokenizer_bos(s->tokenizer);
        size_t at = az_tokenizer_start(s->tokenizer) == bos && bos != AZ_TOKEN_NONE;
        ids[0] = bos;
        AZ_TRY(az_tokenize(s->tokenizer, text, n_bytes, ids + at, &r->n_ids, r->error));
        r->n_ids += at;
        r->has_bos = at == 1;
        r->keeps_first = at == 0;
    } else {
        AZ_TRY(az_tokenize(s->tokenizer, text, n_bytes, ids, &r->n_ids, r->error));
    }
    r->total->n_tokens = r->n_ids - r->has_bos;
    for (size_t i = r->has_bos; i < r->n_ids; i++)
        r->total->n_escapes += ids[i] >= AZ_TOKEN_ESCAPE;
    return AZ_OK;
}

az_status az_lm_score(const az_lm_scoring *scoring, const uint8_t *text, size_t n_bytes,
                      az_lm_total *total, az_error *error) {
    run r = {.s = scoring, .total = total, .error = error};
    *total = (az_lm_total){0};
    az_status status = tokenize(&r, text, n_bytes);
    if (status == AZ_OK && scoring->windows.perplexity && r.n_ids < 2 * scoring->windows.context)
        status = az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                              "%zu tokens: perplexity needs two windows of %u at least", r.n_ids,
                              scoring->windows.context);
    if (status == AZ_OK && r.n_ids > 0)
        status = open_run(&r);
    if (status == AZ_OK)
        status = score_all(&r);
    close_run(&r);
    return status;
}
