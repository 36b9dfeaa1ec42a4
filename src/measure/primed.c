/* primed: a predictor a prime, and a copy of it for each text. */
#include "../predict/predict.h"
#include "measure.h"

enum {
    PIECE_NBYTES = 1 << 16, /* of a text, after a prime */
    PART_TEXTS = 16
};

typedef struct prime {
    uint8_t *block; /* [capacity + PIECE_NBYTES] */
    size_t n_bytes, capacity;
    az_predictor *predictor;
    az_range_encoder rc;
} prime;

/* What a thread measures with. */
typedef struct worker {
    uint8_t *block; /* the prime's bytes and a piece of text */
    az_predictor *predictor;
    const prime *holds;   /* whose bytes are in block, */
    size_t holds_n_bytes; /* and how many */
} worker;

struct az_primed {
    az_heap *heap;
    az_pool *pool;
    prime *primes; /* [n] */
    size_t n;
    worker *workers; /* [n_workers] */
    unsigned n_workers;
};

static az_status open_prime(prime *p, az_heap *heap, int level, uint64_t n_bytes, az_error *error) {
    size_t max = az_predictor_block_nbytes(AZ_METHOD_CM, level) - PIECE_NBYTES;
    p->capacity = n_bytes < max ? (size_t)n_bytes : max;
    p->block = az_alloc(heap, p->capacity + PIECE_NBYTES);
    if (!p->block)
        return az_alloc_failed(heap, p->capacity + PIECE_NBYTES, error);
    AZ_TRY(az_predictor_open(&p->predictor, heap, AZ_METHOD_CM, level,
                             (az_span){0, p->capacity + PIECE_NBYTES}, error));
    az_predictor_begin(p->predictor, p->block, (az_span){0, p->capacity + PIECE_NBYTES});
    az_range_encoder_init(&p->rc, NULL, 0);
    return AZ_OK;
}

static az_status open_all(az_primed *primed, int level, const uint64_t *n_bytes, az_error *error) {
    az_heap *heap = primed->heap;
    primed->primes = az_alloc(heap, primed->n * sizeof *primed->primes);
    primed->workers = az_alloc(heap, primed->n_workers * sizeof *primed->workers);
    if (!primed->primes || !primed->workers)
        return az_alloc_failed(heap, primed->n * sizeof *primed->primes, error);
    size_t longest = 0;
    for (size_t i = 0; i < primed->n; i++) {
        AZ_TRY(open_prime(primed->primes + i, heap, level, n_bytes[i], error));
        size_t capacity = primed->primes[i].capacity;
        longest = capacity > longest ? capacity : longest;
    }
    for (unsigned i = 0; i < primed->n_workers; i++) {
        worker *w = primed->workers + i;
        w->block = az_alloc(heap, longest + PIECE_NBYTES);
        if (!w->block)
            return az_alloc_failed(heap, longest + PIECE_NBYTES, error);
        AZ_TRY(az_predictor_open(&w->predictor, heap, AZ_METHOD_CM, level,
                                 (az_span){0, longest + PIECE_NBYTES}, error));
    }
    return AZ_OK;
}

az_status az_primed_open(az_primed **out, int level, const uint64_t *n_bytes, size_t n,
                         az_pool *pool, az_heap *heap, az_error *error) {
    az_primed *primed = az_alloc(heap, sizeof *primed);
    *out = NULL;
    if (!primed)
        return az_alloc_failed(heap, sizeof *primed, error);
    primed->heap = heap;
    primed->pool = pool;
    primed->n = n;
    primed->n_workers = az_pool_n_threads(pool);
    az_status status = open_all(primed, level, n_bytes, error);
    if (status == AZ_OK)
        *out = primed;
    else
        az_primed_close(&primed);
    return status;
}

void az_primed_close(az_primed **out) {
    az_primed *primed = *out;
    *out = NULL;
    if (!primed)
        return;
    az_heap *heap = primed->heap;
    for (size_t i = 0; primed->primes && i < primed->n; i++) {
        az_predictor_close(&primed->primes[i].predictor);
        az_free(heap, primed->primes[i].block);
    }
    for (unsigned i = 0; primed->workers && i < primed->n_workers; i++) {
        az_predictor_close(&primed->workers[i].predictor);
        az_free(heap, primed->workers[i].block);
    }
    az_free(heap, primed->primes);
    az_free(heap, primed->workers);
    az_free(heap, primed);
}

bool az_primed_add(az_primed *primed, size_t i, az_text text) {
    prime *p = primed->primes + i;
    if (text.n_bytes >= p->capacity - p->n_bytes)
        return false;
    if (text.n_bytes)
        memcpy(p->block + p->n_bytes, text.data, text.n_bytes);
    p->block[p->n_bytes + text.n_bytes] = '\n';
    az_predictor_encode(p->predictor, &p->rc, text.n_bytes + 1);
    p->rc.pos = 0; /* nobody reads it, and it may not wrap */
    p->n_bytes += text.n_bytes + 1;
    return true;
}

/* bytes: NULL, or [n_bytes]. */
static uint64_t measure_piece(worker *w, const prime *p, const uint8_t *data, size_t n_bytes,
                              uint64_t *bytes) {
    if (w->holds != p || w->holds_n_bytes != p->n_bytes) {
        memcpy(w->block, p->block, p->n_bytes);
        w->holds = p;
        w->holds_n_bytes = p->n_bytes;
    }
    memcpy(w->block + p->n_bytes, data, n_bytes);
    az_predictor_copy(w->predictor, p->predictor, w->block);
    az_range_encoder rc;
    az_range_encoder_init(&rc, NULL, 0);
    const uint64_t start = az_coded_cost(&rc);
    if (!bytes)
        az_predictor_encode(w->predictor, &rc, n_bytes);
    for (size_t i = 0; bytes && i < n_bytes; i++) {
        uint64_t before = az_coded_cost(&rc);
        az_predictor_encode(w->predictor, &rc, 1);
        bytes[i] = az_coded_cost(&rc) - before;
    }
    return az_coded_cost(&rc) - start;
}

static uint64_t measure(worker *w, const prime *p, az_text text, uint64_t *bytes) {
    uint64_t cost = 0;
    for (size_t at = 0, n; at < text.n_bytes; at += n) {
        n = text.n_bytes - at < PIECE_NBYTES ? text.n_bytes - at : PIECE_NBYTES;
        cost += measure_piece(w, p, (const uint8_t *)text.data + at, n, bytes ? bytes + at : NULL);
    }
    return cost;
}

typedef struct running {
    az_primed *primed;
    const az_text *texts;
    size_t n_texts, n_groups;
    uint64_t *costs;
} running;

/* Some texts after one prime. */
static void run_part(void *arg, uint32_t part, unsigned number) {
    running *r = arg;
    az_primed *primed = r->primed;
    size_t i = part / r->n_groups, from = part % r->n_groups * PART_TEXTS;
    size_t to = from + PART_TEXTS < r->n_texts ? from + PART_TEXTS : r->n_texts;
    for (size_t t = from; t < to; t++)
        r->costs[t * primed->n + i] =
            measure(primed->workers + number, primed->primes + i, r->texts[t], NULL);
}

void az_primed_run(az_primed *primed, const az_text *texts, size_t n_texts, uint64_t *costs) {
    running r = {primed, texts, n_texts, (n_texts + PART_TEXTS - 1) / PART_TEXTS, costs};
    az_pool_run(primed->pool, run_part, &r, (uint32_t)(r.n_groups * primed->n));
}

void az_primed_bytes(az_primed *primed, size_t i, az_text text, uint64_t *costs) {
    measure(primed->workers, primed->primes + i, text, costs);
}
