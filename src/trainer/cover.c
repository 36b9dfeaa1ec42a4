/* cover: counts grams in a table by hash, and slides a window over each epoch. */
#include "cover.h"

#include <stdlib.h>

enum { TABLE_LOG2 = 22, SEGMENTS_MAX = 1 << 14 };

typedef struct segment {
    size_t first, n_bytes;
    uint64_t score;
} segment;

struct az_cover {
    az_heap *heap;
    const uint8_t *text;
    const size_t *pieces;
    size_t n_pieces;
    uint32_t *counts;  /* [2^TABLE_LOG2] pieces that have the gram; 0 once it is held */
    uint32_t *last;    /* the last piece that had it, + 1; then: how often the window has it */
    segment *segments; /* [SEGMENTS_MAX] */
    size_t n_segments;
};

az_status az_cover_open(az_cover **out, const uint8_t *text, const size_t *pieces, size_t n_pieces,
                        az_heap *heap, az_error *error) {
    az_cover *c = az_alloc(heap, sizeof *c);
    *out = c;
    if (!c)
        return az_alloc_failed(heap, sizeof *c, error);
    *c = (az_cover){.heap = heap, .text = text, .pieces = pieces, .n_pieces = n_pieces};
    c->counts = az_alloc(heap, sizeof *c->counts << TABLE_LOG2);
    c->last = az_alloc(heap, sizeof *c->last << TABLE_LOG2);
    c->segments = az_alloc(heap, SEGMENTS_MAX * sizeof *c->segments);
    if (c->counts && c->last && c->segments)
        return AZ_OK;
    az_status status = az_alloc_failed(heap, sizeof *c->counts << TABLE_LOG2, error);
    az_cover_close(out);
    return status;
}

void az_cover_close(az_cover **out) {
    az_cover *c = *out;
    *out = NULL;
    if (!c)
        return;
    az_heap *heap = c->heap;
    az_free(heap, c->counts);
    az_free(heap, c->last);
    az_free(heap, c->segments);
    az_free(heap, c);
}

static uint32_t gram_at(const uint8_t *p, uint32_t n_bytes) {
    uint64_t h = 0;
    for (uint32_t i = 0; i < n_bytes; i++)
        h = (h + p[i] + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> (64 - TABLE_LOG2));
}

/* In how many pieces each gram is. */
static void count(az_cover *c, uint32_t gram_nbytes) {
    memset(c->counts, 0, sizeof *c->counts << TABLE_LOG2);
    memset(c->last, 0, sizeof *c->last << TABLE_LOG2);
    for (size_t k = 0; k < c->n_pieces; k++)
        for (size_t i = c->pieces[k]; i + gram_nbytes <= c->pieces[k + 1]; i++) {
            uint32_t gram = gram_at(c->text + i, gram_nbytes);
            c->counts[gram] += c->last[gram] != k + 1;
            c->last[gram] = (uint32_t)k + 1;
        }
    for (size_t i = 0; i < (size_t)1 << TABLE_LOG2; i++)
        c->counts[i] -= c->counts[i] == 1; /* what does not return is worth nothing */
    memset(c->last, 0, sizeof *c->last << TABLE_LOG2);
}

/* The best window of n_bytes of text[from..to). */
static segment best_of(az_cover *c, uint32_t gram_nbytes, size_t n_bytes, size_t from, size_t to) {
    uint32_t *held = c->last;
    uint64_t score = 0;
    segment best = {from, 0, 0};
    size_t n_grams = n_bytes - gram_nbytes + 1, first = from, next = from;
    for (; next + gram_nbytes <= to; next++) {
        uint32_t gram = gram_at(c->text + next, gram_nbytes);
        score += held[gram]++ == 0 ? c->counts[gram] : 0;
        if (next - first == n_grams) {
            gram = gram_at(c->text + first++, gram_nbytes);
            score -= --held[gram] == 0 ? c->counts[gram] : 0;
        }
        if (score > best.score)
            best = (segment){first, next + gram_nbytes - first, score};
    }
    for (; first < next; first++)
        held[gram_at(c->text + first, gram_nbytes)] = 0;
    return best;
}

/* A segment begins behind a space or line end, where one is near, and ends with one. */
static void trim(const az_cover *c, segment *s) {
    size_t room = s->n_bytes / 4;
    for (size_t i = 0; i < room && s->first + i > 0; i++)
        if (c->text[s->first + i - 1] == '\n' || c->text[s->first + i - 1] == ' ') {
            s->first += i;
            s->n_bytes -= i;
            break;
        }
    for (size_t i = 0; i < room; i++)
        if (c->text[s->first + s->n_bytes - 1 - i] == '\n' ||
            c->text[s->first + s->n_bytes - 1 - i] == ' ') {
            s->n_bytes -= i;
            break;
        }
}

static void hold(az_cover *c, uint32_t gram_nbytes, const segment *s) {
    for (size_t i = 0; i + gram_nbytes <= s->n_bytes; i++)
        c->counts[gram_at(c->text + s->first + i, gram_nbytes)] = 0;
}

static int by_score(const void *a, const void *b) {
    const segment *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

size_t az_cover_pick(az_cover *c, uint32_t gram_nbytes, size_t segment_nbytes, uint8_t *dictionary,
                     size_t capacity) {
    size_t begin = c->pieces[0], end = c->pieces[c->n_pieces], n = 0;
    if (segment_nbytes > capacity)
        segment_nbytes = capacity;
    if (segment_nbytes < 2 * gram_nbytes)
        return 0;
    count(c, gram_nbytes);
    size_t n_epochs = capacity / segment_nbytes + 1;
    size_t epoch = (end - begin) / n_epochs + 1;
    epoch = epoch < segment_nbytes ? segment_nbytes : epoch;
    c->n_segments = 0;
    for (bool found = true; found;) {
        found = false;
        for (size_t from = begin; from < end && c->n_segments < SEGMENTS_MAX; from += epoch) {
            size_t to = end - from < epoch ? end : from + epoch;
            segment s = best_of(c, gram_nbytes, segment_nbytes, from, to);
            if (s.score == 0)
                continue;
            trim(c, &s);
            if (n + s.n_bytes > capacity)
                s.n_bytes = capacity - n;
            hold(c, gram_nbytes, &s);
            c->segments[c->n_segments++] = s;
            n += s.n_bytes;
            found = n < capacity;
            if (n == capacity)
                break;
        }
    }
    qsort(c->segments, c->n_segments, sizeof *c->segments, by_score);
    for (size_t i = 0, at = 0; i < c->n_segments; at += c->segments[i++].n_bytes)
        memcpy(dictionary + at, c->text + c->segments[i].first, c->segments[i].n_bytes);
    return n;
}
