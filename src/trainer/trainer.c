/*
 * trainer: az_dictionary_train(). A part of the samples is held out; dictionaries that are picked
 * from the others in several ways are measured on it, and the best is given.
 */
#include "../measure/measure.h"
#include "cover.h"

enum {
    PIECE_NBYTES = 4096,
    HELD_OUT_EVERY = 8, /* one of so many */
    HELD_OUT_PIECES = 256,
    PIECES_MIN = 4,
    THREADS_MAX = 256
};

/* Ways to pick. */
static const struct way {
    uint32_t gram_nbytes;
    size_t segment_nbytes;
} ways[] = {{5, 128}, {6, 64}, {6, 256}, {8, 256}, {8, 1024}, {8, 4096}, {12, 1024}};
enum { N_WAYS = sizeof ways / sizeof ways[0] };

typedef struct trainer {
    az_heap *heap;
    az_pool *pool;
    const az_training *settings;
    uint8_t *text;  /* the samples that are picked from, joined */
    size_t *pieces; /* [n_pieces + 1] */
    size_t n_pieces, n_text;
    az_text *held; /* [n_held] pieces that are measured */
    size_t n_held, held_nbytes;
    uint64_t *costs; /* [n_held] */
    uint8_t *tried;  /* [capacity] */
} trainer;

static bool is_held_out(size_t k) {
    return k % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
}

static size_t pieces_of(az_text sample) {
    return (sample.n_bytes + PIECE_NBYTES - 1) / PIECE_NBYTES;
}

static az_text piece_of(az_text sample, size_t k) {
    size_t at = k * PIECE_NBYTES, left = sample.n_bytes - at;
    return (az_text){(const uint8_t *)sample.data + at, left < PIECE_NBYTES ? left : PIECE_NBYTES};
}

/* Samples go whole to one side, where there are enough of them; else pieces do. */
static az_status divide(trainer *t, const az_text *samples, size_t n, az_error *error) {
    size_t n_all = 0, n_bytes = 0, n_full = 0;
    for (size_t i = 0; i < n; i++) {
        n_all += pieces_of(samples[i]);
        n_bytes += samples[i].n_bytes;
        n_full += samples[i].n_bytes > 0;
    }
    if (n_all < PIECES_MIN)
        return az_error_set(
            error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
            "too little to learn from: at least %d samples, or %d bytes, are needed", PIECES_MIN,
            (PIECES_MIN - 1) * PIECE_NBYTES + 1);
    t->text = az_alloc(t->heap, n_bytes);
    t->pieces = az_alloc(t->heap, (n_all + 1) * sizeof *t->pieces);
    t->held = az_alloc(t->heap, n_all * sizeof *t->held);
    if (!t->text || !t->pieces || !t->held)
        return az_alloc_failed(t->heap, n_bytes, error);
    bool by_sample = n_full >= 2 * HELD_OUT_EVERY;
    size_t k = n_all < HELD_OUT_EVERY ? HELD_OUT_EVERY - 1 - n_all / 2 : 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < pieces_of(samples[i]); j++, k += !by_sample) {
            az_text piece = piece_of(samples[i], j);
            if (is_held_out(k)) {
                t->held[t->n_held++] = piece;
                continue;
            }
            t->pieces[t->n_pieces++] = t->n_text;
            memcpy(t->text + t->n_text, piece.data, piece.n_bytes);
            t->n_text += piece.n_bytes;
        }
        k += by_sample && samples[i].n_bytes > 0;
    }
    t->pieces[t->n_pieces] = t->n_text;
    return AZ_OK;
}

/* Not more than are measured in a moment, from all places. */
static az_status thin_out(trainer *t, az_error *error) {
    size_t n = t->n_held < HELD_OUT_PIECES ? t->n_held : HELD_OUT_PIECES;
    for (size_t i = 0; i < n; i++) {
        t->held[i] = t->held[i * t->n_held / n];
        t->held_nbytes += t->held[i].n_bytes;
    }
    t->n_held = n;
    t->costs = az_alloc(t->heap, n * sizeof *t->costs);
    t->tried = az_alloc(t->heap, t->settings->capacity);
    return t->costs && t->tried ? AZ_OK : az_alloc_failed(t->heap, t->settings->capacity, error);
}

/* What the held out pieces take after a dictionary. */
static az_status measure(trainer *t, const uint8_t *dictionary, size_t n_bytes, uint64_t *cost,
                         az_error *error) {
    az_primed *primed;
    uint64_t n = n_bytes + 2;
    *cost = 0;
    AZ_TRY(az_primed_open(&primed, t->settings->level, &n, 1, t->pool, t->heap, error));
    if (n_bytes > 0)
        az_primed_add(primed, 0, (az_text){dictionary, n_bytes});
    az_primed_run(primed, t->held, t->n_held, t->costs);
    az_primed_close(&primed);
    for (size_t i = 0; i < t->n_held; i++)
        *cost += t->costs[i];
    return AZ_OK;
}

/* The last pieces as they are: what a way has to beat. */
static size_t take_last(const trainer *t, uint8_t *to, size_t capacity) {
    size_t n = t->n_text < capacity ? t->n_text : capacity;
    memcpy(to, t->text + t->n_text - n, n);
    return n;
}

static az_status go_on(const trainer *t, size_t n_done, az_error *error) {
    const az_training *s = t->settings;
    if (s->progress && s->progress(s->progress_opaque, n_done, 0) != 0)
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET,
                            "stopped by the progress function");
    return AZ_OK;
}

static az_status choose(trainer *t, az_cover *cover, uint8_t *best, size_t *best_nbytes,
                        az_training_report *report, az_error *error) {
    size_t capacity = t->settings->capacity;
    uint64_t cost;
    AZ_TRY(measure(t, NULL, 0, &report->cost_without, error));
    *best_nbytes = take_last(t, best, capacity);
    AZ_TRY(measure(t, best, *best_nbytes, &report->cost_with, error));
    for (size_t i = 0; i < N_WAYS && t->n_text > capacity; i++) {
        AZ_TRY(go_on(t, i + 1, error));
        size_t n =
            az_cover_pick(cover, ways[i].gram_nbytes, ways[i].segment_nbytes, t->tried, capacity);
        if (n == 0)
            continue;
        AZ_TRY(measure(t, t->tried, n, &cost, error));
        if (cost >= report->cost_with)
            continue;
        report->cost_with = cost;
        memcpy(best, t->tried, n);
        *best_nbytes = n;
    }
    return AZ_OK;
}

static az_status train(trainer *t, const az_text *samples, size_t n, uint8_t *dictionary,
                       size_t *n_bytes, az_training_report *report, az_error *error) {
    az_cover *cover = NULL;
    int n_threads = t->settings->n_threads ? t->settings->n_threads : az_cpu_count();
    AZ_TRY(az_pool_open(&t->pool, (unsigned)n_threads, t->heap, error));
    AZ_TRY(divide(t, samples, n, error));
    report->n_held_out = t->n_held;
    AZ_TRY(thin_out(t, error));
    AZ_TRY(az_cover_open(&cover, t->text, t->pieces, t->n_pieces, t->heap, error));
    az_status status = choose(t, cover, dictionary, n_bytes, report, error);
    az_cover_close(&cover);
    report->n_measured = t->n_held;
    report->measured_nbytes = t->held_nbytes;
    report->picked_from_nbytes = t->n_text;
    return status;
}

az_status az_dictionary_train(void *dictionary, size_t *n_bytes, const az_text *samples, size_t n,
                              const az_training *settings, az_training_report *report,
                              const az_allocator *allocator, az_error *error) {
    if (!dictionary || !n_bytes || (!samples && n) || !settings || !report)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dictionary_train: a pointer is NULL");
    if (settings->level < AZ_LEVEL_MIN || settings->level > AZ_LEVEL_MAX ||
        settings->n_threads < 0 || settings->n_threads > THREADS_MAX ||
        settings->capacity < AZ_TRAINED_NBYTES_MIN || settings->capacity > AZ_TRAINED_NBYTES_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dictionary_train: a setting is out of its range");
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, settings->memory_limit);
    trainer t = {.heap = heap, .settings = settings};
    *report = (az_training_report){0};
    *n_bytes = 0;
    az_status status = train(&t, samples, n, dictionary, n_bytes, report, error);
    az_free(heap, t.text);
    az_free(heap, t.pieces);
    az_free(heap, t.held);
    az_free(heap, t.costs);
    az_free(heap, t.tried);
    az_pool_close(&t.pool);
    az_heap_close(&heap);
    return status;
}
