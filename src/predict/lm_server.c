/*
 * lm_server: who comes last runs the batch for all.
 */
#include "lm_server.h"

enum {
    RUN_ROWS = 128, /* rows of one run of the model */
    HEAD_ROWS = 32  /* of its head */
};

/* What a block wants; it waits on its own stack. */
typedef struct request {
    const az_lm_row *rows;
    const bool *wanted;
    uint32_t n_rows;
    uint32_t *freq;
    az_status status;
    az_error error;
    bool done;
    struct request *next;
} request;

struct az_lm_server {
    az_heap *heap;
    az_pool *pool;
    az_tokenizer *tokenizer;
    az_vocabulary vocabulary;
    az_lm *lm;
    uint32_t start;
    const az_gguf *gguf;
    unsigned cpu_features;
    /* The same weights for other kernels, once they are asked for; whoever is busy uses them. */
    az_lm *witness;
    az_lm_batch *witness_batch;
    uint32_t witness_window;
    uint32_t *witness_freq; /* [stride] */

    az_monitor *monitor; /* guards what follows */
    uint32_t n_inside;   /* blocks, */
    uint32_t rows_inside;
    uint32_t n_waiting; /* those of them whose request waits */
    request *first, *last;
    bool busy; /* somebody uses the pool */
    az_lm_batch *batch;
    uint32_t batch_window;
    float *logits; /* [HEAD_ROWS][stride] */
    uint64_t *freq_sums;
    az_lm_row *rows; /* [RUN_ROWS] of several requests */
    uint32_t **to;   /* [RUN_ROWS] where each one's frequencies go, or NULL */
};

az_status az_lm_server_open(az_lm_server **out, const az_gguf *gguf, unsigned cpu_features,
                            unsigned n_threads, az_heap *heap, az_error *error) {
    *out = NULL;
    az_lm_server *s = az_alloc(heap, sizeof *s);
    if (!s)
        return az_alloc_failed(heap, sizeof *s, error);
    s->heap = heap;
    s->gguf = gguf;
    s->cpu_features = cpu_features;
    az_status status = az_tokenizer_open(&s->tokenizer, gguf, heap, error);
    if (status == AZ_OK)
        status = az_vocabulary_open(&s->vocabulary, s->tokenizer, heap, error);
    if (status == AZ_OK)
        status = az_pool_open(&s->pool, n_threads, heap, error);
    if (status == AZ_OK)
        status = az_lm_open(&s->lm, gguf, cpu_features, s->pool, heap, error);
    if (status == AZ_OK && s->vocabulary.n_tokens > az_lm_get_info(s->lm)->n_vocab)
        status = az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                              "the model has %u tokens, its tokenizer %u",
                              az_lm_get_info(s->lm)->n_vocab, s->vocabulary.n_tokens);
    if (status == AZ_OK) {
        s->start = az_tokenizer_start(s->tokenizer);
        s->start = s->start == AZ_TOKEN_NONE ? 0 : s->start;
        size_t stride = az_lm_logits_stride(s->lm);
        s->logits = az_alloc(heap, HEAD_ROWS * stride * sizeof *s->logits);
        s->freq_sums = az_alloc(heap, HEAD_ROWS * sizeof *s->freq_sums);
        s->rows = az_alloc(heap, RUN_ROWS * sizeof *s->rows);
        s->to = az_alloc(heap, RUN_ROWS * sizeof *s->to);
        s->monitor = az_monitor_open(heap);
        if (!s->logits || !s->freq_sums || !s->rows || !s->to || !s->monitor)
            status = az_alloc_failed(heap, HEAD_ROWS * stride * sizeof *s->logits, error);
    }
    if (status != AZ_OK)
        az_lm_server_close(&s);
    *out = s;
    return status;
}

void az_lm_server_close(az_lm_server **out) {
    az_lm_server *s = *out;
    *out = NULL;
    if (!s)
        return;
    az_heap *heap = s->heap;
    az_lm_batch_close(&s->batch);
    az_lm_batch_close(&s->witness_batch);
    az_lm_close(&s->witness);
    az_free(heap, s->witness_freq);
    if (s->monitor)
        az_monitor_close(heap, s->monitor);
    az_free(heap, s->logits);
    az_free(heap, s->freq_sums);
    az_free(heap, s->rows);
    az_free(heap, s->to);
    az_lm_close(&s->lm);
    az_pool_close(&s->pool);
    az_vocabulary_close(&s->vocabulary);
    az_tokenizer_close(&s->tokenizer);
    az_free(heap, s);
}

const az_lm *az_lm_server_model(const az_lm_server *server) {
    return server->lm;
}
const az_tokenizer *az_lm_server_tokenizer(const az_lm_server *server) {
    return server->tokenizer;
}
const az_vocabulary *az_lm_server_vocabulary(const az_lm_server *server) {
    return &server->vocabulary;
}
uint32_t az_lm_server_start(const az_lm_server *server) {
    return server->start;
}

/* ---- Batches ---------------------------------------------------------------------- */

/* Rows of s->rows, n of them, through the model. */
static az_status run_rows(az_lm_server *s, uint32_t n, az_error *error) {
    size_t stride = az_lm_logits_stride(s->lm);
    AZ_TRY(az_lm_run(s->batch, s->rows, n, error));
    for (uint32_t i = 0; i < n;) {
        if (!s->to[i]) {
            i++;
            continue;
        }
        uint32_t m = 1;
        while (m < HEAD_ROWS && i + m < n && s->to[i + m] == s->to[i] + m * stride)
            m++;
        AZ_TRY(az_lm_frequencies(s->batch, i, m, s->logits, s->to[i], s->freq_sums, error));
        i += m;
    }
    return AZ_OK;
}

/* All requests that wait: their rows in as few runs as can be. A fault of the model's is
 * everybody's. */
static void serve(az_lm_server *s) {
    az_error error = {0};
    az_status status = AZ_OK;
    size_t stride = az_lm_logits_stride(s->lm);
    uint32_t n = 0;
    for (request *q = s->first; q; q = q->next) {
        uint32_t n_wanted = 0;
        for (uint32_t i = 0; i < q->n_rows; i++) {
            if (n == RUN_ROWS && status == AZ_OK)
                status = run_rows(s, n, &error);
            n = n == RUN_ROWS ? 0 : n;
            s->rows[n] = q->rows[i];
            s->to[n++] = q->wanted[i] ? q->freq + n_wanted++ * stride : NULL;
        }
    }
    if (n > 0 && status == AZ_OK)
        status = run_rows(s, n, &error);
    for (request *q = s->first, *next; q; q = next) {
        next = q->next;
        q->status = status;
        q->error = error;
        q->done = true;
    }
    s->first = s->last = NULL;
    s->n_waiting = 0;
}

/* Runs the batch if everybody waits for it. Locked. */
static void serve_if_due(az_lm_server *s) {
    if (s->n_waiting == 0 || s->n_waiting < s->n_inside)
        return;
    serve(s); /* nobody else can run: all others wait */
    az_monitor_wake_all(s->monitor);
}

az_status az_lm_server_join(az_lm_server *s, uint32_t n_rows, uint32_t window, az_error *error) {
    az_status status = AZ_OK;
    az_monitor_lock(s->monitor);
    while (s->n_inside > 0 &&
           (s->rows_inside + n_rows > AZ_LM_SERVER_ROWS || window > s->batch_window))
        az_monitor_wait(s->monitor);
    if (!s->batch || window > s->batch_window) {
        az_lm_batch_close(&s->batch);
        status = az_lm_batch_open(&s->batch, s->lm, RUN_ROWS, window, s->pool, s->heap, error);
        s->batch_window = status == AZ_OK ? window : 0;
    }
    if (status == AZ_OK) {
        s->n_inside++;
        s->rows_inside += n_rows;
    }
    az_monitor_unlock(s->monitor);
    return status;
}

void az_lm_server_leave(az_lm_server *s, uint32_t n_rows) {
    az_monitor_lock(s->monitor);
    s->n_inside--;
    s->rows_inside -= n_rows;
    serve_if_due(s);
    az_monitor_wake_all(s->monitor);
    az_monitor_unlock(s->monitor);
}

az_status az_lm_server_predict(az_lm_server *s, const az_lm_row *rows, const bool *wanted,
                               uint32_t n_rows, uint32_t *freq, az_error *error) {
    request q = {.rows = rows, .wanted = wanted, .n_rows = n_rows, .freq = freq};
    az_monitor_lock(s->monitor);
    if (s->last)
        s->last->next = &q;
    else
        s->first = &q;
    s->last = &q;
    s->n_waiting++;
    serve_if_due(s);
    while (!q.done)
        az_monitor_wait(s->monitor);
    az_monitor_unlock(s->monitor);
    if (q.status != AZ_OK && error)
        *error = q.error;
    return q.status;
}

/* Between these two the pool is the caller's. */
static void take_pool(az_lm_server *s) {
    az_monitor_lock(s->monitor);
    while (s->busy)
        az_monitor_wait(s->monitor);
    s->busy = true;
    az_monitor_unlock(s->monitor);
}

static void give_pool(az_lm_server *s) {
    az_monitor_lock(s->monitor);
    s->busy = false;
    az_monitor_wake_all(s->monitor);
    az_monitor_unlock(s->monitor);
}

void az_lm_server_parts(az_lm_server *s, az_pool_part_fn part, void *arg, uint32_t n_parts) {
    take_pool(s);
    az_pool_run(s->pool, part, arg, n_parts);
    give_pool(s);
}

/* ---- Another set of kernels ----------------------------------------------------------- */

/* Features with which the best set is the one before this machine's best; false if there is
 * none. */
static bool other_features(unsigned cpu_features, unsigned *features) {
    const az_lm_kernels *sets[8];
    unsigned needed[8];
    size_t n = az_lm_kernels_all(sets, needed, 8);
    const az_lm_kernels *best = az_lm_kernels_get(cpu_features);
    for (size_t i = n; i > 0; i--)
        if (sets[i - 1] != best && (needed[i - 1] & ~cpu_features) == 0 &&
            az_lm_kernels_get(needed[i - 1]) == sets[i - 1]) {
            *features = needed[i - 1];
            return true;
        }
    return false;
}

static az_status open_witness(az_lm_server *s, unsigned features, az_error *error) {
    size_t stride = az_lm_logits_stride(s->lm);
    if (!s->witness_freq)
        s->witness_freq = az_alloc(s->heap, stride * sizeof *s->witness_freq);
    if (!s->witness_freq)
        return az_alloc_failed(s->heap, stride * sizeof *s->witness_freq, error);
    if (!s->witness)
        AZ_TRY(az_lm_open(&s->witness, s->gguf, features, s->pool, s->heap, error));
    if (s->witness_batch && s->witness_window == s->batch_window)
        return AZ_OK;
    az_lm_batch_close(&s->witness_batch);
    s->witness_window = s->batch_window;
    return az_lm_batch_open(&s->witness_batch, s->witness, 1, s->witness_window, s->pool, s->heap,
                            error);
}

static az_status witness_row(az_lm_server *s, const az_lm_row *row, const uint32_t *freq,
                             az_error *error) {
    uint64_t sum;
    az_lm_cache_back(row->cache);
    AZ_TRY(az_lm_run(s->witness_batch, row, 1, error));
    AZ_TRY(az_lm_frequencies(s->witness_batch, 0, 1, s->logits, s->witness_freq, &sum, error));
    if (memcmp(freq, s->witness_freq, az_lm_get_info(s->lm)->n_vocab * sizeof *freq) == 0)
        return AZ_OK;
    return az_error_set(error, AZ_ERROR_INTERNAL, AZ_ERROR_NO_OFFSET,
                        "two sets of kernels (%s and another) compute different probabilities: "
                        "this machine computes wrongly, or it is a fault of the library's",
                        az_lm_kernels_get(s->cpu_features)->name);
}

az_status az_lm_server_check(az_lm_server *s, const az_lm_row *row, const uint32_t *freq,
                             az_error *error) {
    unsigned features;
    if (!other_features(s->cpu_features, &features))
        return AZ_OK;
    take_pool(s);
    az_status status = open_witness(s, features, error);
    if (status == AZ_OK)
        status = witness_row(s, row, freq, error);
    give_pool(s);
    return status;
}
