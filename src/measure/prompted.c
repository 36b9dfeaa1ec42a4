/*
 * prompted: a sequence a prompt, which goes back to the prompt's end after each text. The rows of
 * one text after several prompts share batches.
 */
#include "measure.h"

enum { BATCH_ROWS = 256, LOGIT_ROWS = 16, PIECE_TOKENS = 512 };

struct az_prompted {
    az_heap *heap;
    const az_lm_loaded *loaded;
    az_lm_batch *batch;
    uint32_t window, longest; /* tokens: of a sequence; of the longest prompt */
    size_t n;
    az_lm_cache **caches; /* [n] */
    uint32_t *n_prompt;   /* [n] tokens of each prompt, less the last one: */
    uint32_t *last;       /* [n] it is fed before each text */
    az_lm_row rows[BATCH_ROWS];
    float *logits;  /* [LOGIT_ROWS][stride] */
    uint32_t *freq; /* the same */
};

az_status az_lm_load(az_lm_loaded *loaded, const az_gguf *gguf, uint64_t limit, az_pool *pool,
                     az_heap *heap, az_error *error) {
    *loaded = (az_lm_loaded){0};
    az_status status = az_lm_check_memory(gguf, limit, error);
    if (status == AZ_OK)
        status = az_tokenizer_open(&loaded->tokenizer, gguf, heap, error);
    if (status == AZ_OK)
        status = az_lm_open(&loaded->lm, gguf, az_cpu_features(), pool, heap, error);
    if (status == AZ_OK &&
        az_tokenizer_n_tokens(loaded->tokenizer) > az_lm_get_info(loaded->lm)->n_vocab)
        status = az_error_set(
            error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET, "the model has %u tokens, its tokenizer %u",
            az_lm_get_info(loaded->lm)->n_vocab, az_tokenizer_n_tokens(loaded->tokenizer));
    if (status != AZ_OK)
        az_lm_unload(loaded);
    return status;
}

void az_lm_unload(az_lm_loaded *loaded) {
    az_lm_close(&loaded->lm);
    az_tokenizer_close(&loaded->tokenizer);
}

/* ---- Prompts ------------------------------------------------------------------------ */

static uint32_t start_token(const az_prompted *p) {
    uint32_t start = az_tokenizer_start(p->loaded->tokenizer);
    return start == AZ_TOKEN_NONE ? 0 : start;
}

/* What the model is fed for a token: a byte that has none is the start token to it. */
static uint32_t fed(const az_prompted *p, uint32_t id) {
    return id >= AZ_TOKEN_ESCAPE ? start_token(p) : id;
}

static az_status feed(az_prompted *p, az_lm_cache *cache, const uint32_t *ids, size_t n,
                      az_error *error) {
    for (size_t at = 0; at < n;) {
        uint32_t m = 0;
        for (; m < BATCH_ROWS && at < n; m++, at++)
            p->rows[m] = (az_lm_row){cache, fed(p, ids[at])};
        AZ_TRY(az_lm_run(p->batch, p->rows, m, error));
    }
    return AZ_OK;
}

/* The start token and the prompt's, of which the first are left out where they are more than
 * n_max: ids [prompt.n_bytes + 1], az_free'd by the caller. */
static az_status tokenize_prompt(const az_prompted *p, az_text prompt, uint32_t n_max,
                                 uint32_t **ids, uint32_t *n_ids, az_error *error) {
    *ids = az_alloc(p->heap, (prompt.n_bytes + 2) * sizeof **ids);
    if (!*ids)
        return az_alloc_failed(p->heap, prompt.n_bytes * sizeof **ids, error);
    size_t n = 0;
    AZ_TRY(az_tokenize(p->loaded->tokenizer, prompt.data, prompt.n_bytes, *ids + 1, &n, error));
    n++;
    if (n > n_max) {
        memmove(*ids, *ids + n - n_max, n_max * sizeof **ids);
        n = n_max;
    }
    (*ids)[0] = start_token(p);
    *n_ids = (uint32_t)n;
    return AZ_OK;
}

/* A window is as long as the longest prompt and a piece of text need. */
static az_status choose_window(az_prompted *p, const az_text *prompts, uint32_t max,
                               az_error *error) {
    for (size_t i = 0; i < p->n; i++) {
        uint32_t *ids = NULL, n = 0;
        az_status status = tokenize_prompt(p, prompts[i], max / 4 * 3, &ids, &n, error);
        az_free(p->heap, ids);
        AZ_TRY(status);
        p->longest = n > p->longest ? n : p->longest;
    }
    uint32_t window = p->longest + PIECE_TOKENS < max ? p->longest + PIECE_TOKENS : max;
    p->window = window < 2 * AZ_LM_SINKS ? 2 * AZ_LM_SINKS : window;
    return AZ_OK;
}

/* Feeds prompt i but for its last token. */
static az_status feed_prompt(az_prompted *p, size_t i, az_text prompt, az_error *error) {
    uint32_t *ids = NULL, n = 0;
    az_status status = tokenize_prompt(p, prompt, p->longest, &ids, &n, error);
    if (status == AZ_OK)
        status =
            az_lm_cache_open(p->caches + i, p->loaded->lm, p->window, BATCH_ROWS, p->heap, error);
    if (status == AZ_OK) {
        p->n_prompt[i] = n - 1;
        p->last[i] = fed(p, ids[n - 1]);
        status = feed(p, p->caches[i], ids, n - 1, error);
    }
    az_free(p->heap, ids);
    return status;
}

static az_status open_all(az_prompted *p, const az_text *prompts, uint32_t window, az_pool *pool,
                          az_error *error) {
    const az_lm *lm = p->loaded->lm;
    size_t n_logits = (size_t)LOGIT_ROWS * az_lm_logits_stride(lm);
    p->caches = az_alloc(p->heap, p->n * sizeof(az_lm_cache *));
    p->n_prompt = az_alloc(p->heap, p->n * sizeof *p->n_prompt);
    p->last = az_alloc(p->heap, p->n * sizeof *p->last);
    p->logits = az_alloc(p->heap, n_logits * sizeof *p->logits);
    p->freq = az_alloc(p->heap, n_logits * sizeof *p->freq);
    if (!p->caches || !p->n_prompt || !p->last || !p->logits || !p->freq)
        return az_alloc_failed(p->heap, n_logits * sizeof *p->logits, error);
    AZ_TRY(choose_window(p, prompts, window, error));
    AZ_TRY(az_lm_batch_open(&p->batch, lm, BATCH_ROWS, p->window, pool, p->heap, error));
    for (size_t i = 0; i < p->n; i++)
        AZ_TRY(feed_prompt(p, i, prompts[i], error));
    return AZ_OK;
}

az_status az_prompted_open(az_prompted **out, const az_lm_loaded *loaded, const az_text *prompts,
                           size_t n, uint32_t window, az_pool *pool, az_heap *heap,
                           az_error *error) {
    az_prompted *p = az_alloc(heap, sizeof *p);
    *out = NULL;
    if (!p)
        return az_alloc_failed(heap, sizeof *p, error);
    p->heap = heap;
    p->loaded = loaded;
    p->n = n;
    az_status status = open_all(p, prompts, window, pool, error);
    if (status == AZ_OK)
        *out = p;
    else
        az_prompted_close(&p);
    return status;
}

void az_prompted_close(az_prompted **out) {
    az_prompted *p = *out;
    *out = NULL;
    if (!p)
        return;
    for (size_t i = 0; p->caches && i < p->n; i++)
        az_lm_cache_close(p->caches + i);
    az_lm_batch_close(&p->batch);
    az_free(p->heap, p->caches);
    az_free(p->heap, p->n_prompt);
    az_free(p->heap, p->last);
    az_free(p->heap, p->logits);
    az_free(p->heap, p->freq);
    az_free(p->heap, p);
}

/* ---- Texts ---------------------------------------------------------------------------- */

/* A text as tokens, a piece of them in work after prompts first..first + n - 1. */
typedef struct piece {
    const uint32_t *ids;
    size_t n_ids;
    size_t byte; /* where in the text it begins */
    size_t n_bytes;
    uint64_t *costs, *bytes; /* as az_prompted_run's */
} piece;

/* Spreads a token's cost over its bytes. */
static void spread(uint64_t cost, uint64_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = cost * (i + 1) / n - cost * i / n;
}

static void count(const az_prompted *p, const piece *t, size_t prompt, size_t at, size_t *byte,
                  const uint32_t *freq, uint64_t sum) {
    uint32_t id = t->ids[at];
    uint64_t cost = az_lm_cost_of(id, freq, sum);
    t->costs[prompt] += cost;
    size_t n = 1;
    if (id < AZ_TOKEN_ESCAPE)
        (void)az_tokenizer_bytes(p->loaded->tokenizer, id, &n);
    if (t->bytes)
        spread(cost, t->bytes + prompt * t->n_bytes + *byte, n);
    *byte += n;
}

/* Rows for tokens from..to - 1 of the piece after prompts first..first + n - 1. */
static az_status run_rows(az_prompted *p, const piece *t, size_t first, size_t n, size_t from,
                          size_t to, size_t *bytes, az_error *error) {
    uint32_t n_rows = 0, stride = az_lm_logits_stride(p->loaded->lm);
    uint64_t sums[LOGIT_ROWS];
    for (size_t i = first; i < first + n; i++)
        for (size_t k = from; k < to; k++)
            p->rows[n_rows++] =
                (az_lm_row){p->caches[i], k == 0 ? p->last[i] : fed(p, t->ids[k - 1])};
    AZ_TRY(az_lm_run(p->batch, p->rows, n_rows, error));
    for (uint32_t row = 0; row < n_rows; row += LOGIT_ROWS) {
        uint32_t m = n_rows - row < LOGIT_ROWS ? n_rows - row : LOGIT_ROWS;
        AZ_TRY(az_lm_frequencies(p->batch, row, m, p->logits, p->freq, sums, error));
        for (uint32_t j = 0; j < m; j++) {
            size_t prompt = (row + j) / (to - from), at = (row + j) % (to - from) + from;
            count(p, t, first + prompt, at, bytes + prompt, p->freq + (size_t)j * stride, sums[j]);
        }
    }
    return AZ_OK;
}

static az_status run_piece(az_prompted *p, const piece *t, az_error *error) {
    size_t group = t->n_ids >= BATCH_ROWS ? 1 : BATCH_ROWS / t->n_ids;
    size_t bytes[BATCH_ROWS];
    for (size_t first = 0; first < p->n; first += group) {
        size_t n = p->n - first < group ? p->n - first : group;
        for (size_t i = 0; i < n; i++) {
            az_lm_cache_cut(p->caches[first + i], p->n_prompt[first + i]);
            bytes[i] = t->byte;
        }
        /* More than one step only where the group is one prompt. */
        for (size_t from = 0; from < t->n_ids; from += BATCH_ROWS) {
            size_t to = from + BATCH_ROWS < t->n_ids ? from + BATCH_ROWS : t->n_ids;
            AZ_TRY(run_rows(p, t, first, n, from, to, bytes, error));
        }
    }
    return AZ_OK;
}

static size_t nbytes_of(const az_prompted *p, const uint32_t *ids, size_t n) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes = 1;
        if (ids[i] < AZ_TOKEN_ESCAPE)
            (void)az_tokenizer_bytes(p->loaded->tokenizer, ids[i], &n_bytes);
        sum += n_bytes;
    }
    return sum;
}

az_status az_prompted_run(az_prompted *p, az_text text, uint64_t *costs, uint64_t *bytes,
                          az_error *error) {
    memset(costs, 0, p->n * sizeof *costs);
    uint32_t *ids = az_alloc(p->heap, (text.n_bytes + 1) * sizeof *ids);
    if (!ids)
        return az_alloc_failed(p->heap, text.n_bytes * sizeof *ids, error);
    size_t n = 0, room = p->longest < p->window ? p->window - p->longest : 1;
    az_status status = az_tokenize(p->loaded->tokenizer, text.data, text.n_bytes, ids, &n, error);
    piece t = {.n_bytes = text.n_bytes, .costs = costs, .bytes = bytes};
    for (size_t at = 0; at < n && status == AZ_OK; at += t.n_ids) {
        t.ids = ids + at;
        t.n_ids = n - at < room ? n - at : room;
        status = run_piece(p, &t, error);
        t.byte += nbytes_of(p, t.ids, t.n_ids);
    }
    az_free(p->heap, ids);
    return status;
}
