/*
 * merge: byte pair encoding of one piece (Gage 1994; Sennrich, Haddow, Birch 2016,
 * "Neural Machine Translation of Rare Words with Subword Units"). A piece begins as one
 * symbol a byte (SPM: a character). As long as two neighbours make a token, the pair of the
 * best rank is joined, the leftmost of equals. In BPE the rank is the place in the list of
 * merges, in SPM it comes from the score of the token that two symbols make.
 *
 * Short pieces, and nearly all are short, look for the best pair from left to right each time.
 * Long ones would take time in the square of their length: there a heap has the pairs in
 * order of rank and place. An entry may be out of date, as a neighbour was joined; then its
 * symbol no longer has that rank, and the entry is dropped. Each merge adds two entries at
 * most and takes one, so 2 n are enough.
 */
#include "tables.h"

enum { SHORT_MAX = 64 }; /* symbols; a scan of that many costs about as much as the heap */

/* Rank and result of joining symbols a and b, which are next to each other in the piece, from
 * byte `from` to byte `to`. */
static inline uint32_t join_rank(const az_tokenizer *t, const uint8_t *piece, uint32_t a,
                                 uint32_t b, size_t from, size_t to, uint32_t *joined) {
    if (!t->spm) {
        const az_pair *pair = az_pair_at(&t->merges, a, b);
        *joined = pair->to;
        return pair->to == AZ_TOKEN_NONE ? AZ_RANK_NONE : pair->rank;
    }
    *joined = az_text_find(t, piece + from, to - from);
    return *joined == AZ_TOKEN_NONE ? AZ_RANK_NONE : t->ranks[*joined];
}

/* The symbol that a piece begins with at piece[0], and its length. */
static inline uint32_t first_symbol(const az_tokenizer *t, const uint8_t *piece, size_t n_bytes,
                                    size_t *len) {
    if (!t->spm) {
        *len = 1;
        return t->byte_ids[piece[0]];
    }
    az_char_read(piece, n_bytes, len);
    uint32_t id = az_text_find(t, piece, *len);
    return id == AZ_TOKEN_NONE ? AZ_ID_UNKNOWN : id;
}

static inline void put(az_merger *m, uint32_t id, const uint8_t *text, size_t n_bytes) {
    if (id < m->tokenizer->n_tokens) {
        m->ids[m->n_ids++] = id;
        return;
    }
    for (size_t i = 0; i < n_bytes; i++)
        m->ids[m->n_ids++] = m->tokenizer->byte_ids[text[i]];
}

/* ---- Short pieces --------------------------------------------------------------- */

typedef struct part {
    uint32_t at; /* byte where it begins */
    uint32_t id;
    uint32_t rank, joined; /* with the part after it; AZ_RANK_NONE if they don't join */
} part;

/* Sets the rank of parts[i] with its neighbour; parts[n] is the end of the piece. */
static inline void rank_part(const az_tokenizer *t, const uint8_t *piece, part *parts, size_t n,
                             size_t i) {
    part *p = parts + i;
    p->rank = AZ_RANK_NONE;
    if (i + 1 < n)
        p->rank = join_rank(t, piece, p->id, p[1].id, p->at, p[2].at, &p->joined);
}

/* False, and nothing is done, if there are more symbols than SHORT_MAX. */
static bool merge_short(az_merger *m, const uint8_t *piece, size_t n_bytes) {
    const az_tokenizer *t = m->tokenizer;
    part parts[SHORT_MAX + 1];
    size_t n = 0, len;
    for (size_t at = 0; at < n_bytes; at += len) {
        if (n == SHORT_MAX)
            return false;
        parts[n].at = (uint32_t)at;
        parts[n++].id = first_symbol(t, piece + at, n_bytes - at, &len);
    }
    parts[n].at = (uint32_t)n_bytes;
    for (size_t i = 0; i < n; i++)
        rank_part(t, piece, parts, n, i);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (parts[i].rank < parts[best].rank)
                best = i;
        if (parts[best].rank == AZ_RANK_NONE)
            break;
        parts[best].id = parts[best].joined;
        memmove(parts + best + 1, parts + best + 2, (n - best - 1) * sizeof *parts);
        n--;
        rank_part(t, piece, parts, n, best);
        if (best > 0)
            rank_part(t, piece, parts, n, best - 1);
    }
    for (size_t i = 0; i < n; i++)
        put(m, parts[i].id, piece + parts[i].at, parts[i + 1].at - parts[i].at);
    return true;
}

/* ---- Long pieces ---------------------------------------------------------------- */

/* A symbol, at the place of its first byte in an array of n_bytes of them. */
typedef struct symbol {
    uint32_t id;
    uint32_t rank, joined;   /* with the next; AZ_RANK_NONE, too, once it is part of another */
    uint32_t previous, next; /* their first bytes; n_bytes: none */
} symbol;

typedef struct long_piece {
    const az_tokenizer *tokenizer;
    const uint8_t *piece;
    uint32_t n_bytes;
    symbol *symbols; /* [n_bytes] */
    uint64_t *heap;  /* [2 n_bytes], rank << 32 | place, the smallest first */
    size_t n_heap;
} long_piece;

static void sift_down(long_piece *l, size_t at, uint64_t key) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->n_heap)
            break;
        if (child + 1 < l->n_heap && l->heap[child + 1] < l->heap[child])
            child++;
        if (l->heap[child] >= key)
            break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = key;
}

static void push(long_piece *l, uint64_t key) {
    size_t at = l->n_heap++;
    while (at > 0 && l->heap[(at - 1) / 2] > key) {
        l->heap[at] = l->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    l->heap[at] = key;
}

/* Sets the rank of the symbol at `at` with the next; its key, if they join. */
static bool rank_symbol(long_piece *l, uint32_t at, uint64_t *key) {
    symbol *s = &l->symbols[at];
    s->rank = AZ_RANK_NONE;
    if (s->next == l->n_bytes)
        return false;
    const symbol *next = &l->symbols[s->next];
    s->rank = join_rank(l->tokenizer, l->piece, s->id, next->id, at, next->next, &s->joined);
    *key = (uint64_t)s->rank << 32 | at;
    return s->rank != AZ_RANK_NONE;
}

/* Joins the symbol at `at` with the next one. */
static void join(long_piece *l, uint32_t at) {
    symbol *s = &l->symbols[at], *gone = &l->symbols[s->next];
    uint64_t key;
    s->id = s->joined;
    s->next = gone->next;
    gone->rank = AZ_RANK_NONE;
    if (s->next != l->n_bytes)
        l->symbols[s->next].previous = at;
    if (rank_symbol(l, at, &key))
        push(l, key);
    if (s->previous != l->n_bytes && rank_symbol(l, s->previous, &key))
        push(l, key);
}

static void merge_all(long_piece *l) {
    size_t len;
    uint32_t previous = l->n_bytes;
    for (uint32_t at = 0; at < l->n_bytes; at += (uint32_t)len) {
        symbol *s = &l->symbols[at];
        s->id = first_symbol(l->tokenizer, l->piece + at, l->n_bytes - at, &len);
        s->previous = previous;
        s->next = at + (uint32_t)len;
        previous = at;
    }
    for (uint32_t at = 0; at < l->n_bytes; at = l->symbols[at].next)
        if (rank_symbol(l, at, &l->heap[l->n_heap]))
            l->n_heap++;
    for (size_t i = l->n_heap / 2; i-- > 0;)
        sift_down(l, i, l->heap[i]);
    while (l->n_heap > 0) {
        uint64_t key = l->heap[0];
        if (--l->n_heap > 0)
            sift_down(l, 0, l->heap[l->n_heap]);
        if (l->symbols[(uint32_t)key].rank == key >> 32)
            join(l, (uint32_t)key);
    }
}

static bool merge_long(az_merger *m, const uint8_t *piece, size_t n_bytes) {
    size_t need = n_bytes * (sizeof(symbol) + 2 * sizeof(uint64_t));
    if (m->work_nbytes < need) {
        az_heap *heap = m->tokenizer->heap;
        az_free(heap, m->work);
        m->work_nbytes = need + need / 2;
        m->work = az_alloc(heap, m->work_nbytes);
        if (!m->work) {
            m->status = az_alloc_failed(heap, m->work_nbytes, m->error);
            m->work_nbytes = 0;
            return false;
        }
    }
    long_piece l = {.tokenizer = m->tokenizer, .piece = piece, .n_bytes = (uint32_t)n_bytes};
    l.heap = m->work;
    l.symbols = (symbol *)(l.heap + 2 * n_bytes);
    merge_all(&l);
    for (uint32_t at = 0; at < n_bytes; at = l.symbols[at].next)
        put(m, l.symbols[at].id, piece + at, l.symbols[at].next - at);
    return true;
}

/* ---- Any piece ------------------------------------------------------------------ */

bool az_merge_slowly(az_merger *m, const uint8_t *piece, size_t n_bytes) {
    return merge_short(m, piece, n_bytes) || merge_long(m, piece, n_bytes);
}

bool az_merge(az_merger *m, const uint8_t *piece, size_t n_bytes) {
    const az_tokenizer *t = m->tokenizer;
    if (n_bytes == 1 && !t->spm) { /* digits are, mostly */
        m->ids[m->n_ids++] = t->byte_ids[piece[0]];
        return true;
    }
    uint32_t id = az_text_find(t, piece, n_bytes);
    if (id != AZ_TOKEN_NONE && (t->ignores_merges || t->kinds[id] == AZ_KIND_WHOLE)) {
        m->ids[m->n_ids++] = id;
        return true;
    }
    return az_merge_slowly(m, piece, n_bytes);
}

void az_merger_close(az_merger *m) {
    az_free(m->tokenizer->heap, m->work);
}
