/*
 * deflate_size: see deflate_size.h. What must be as in zlib, all of it facts of its behaviour:
 *
 *  - Three bytes have a hash of 15 bits; places of the same hash are visited from the nearest
 *    back, 4,096 of them at most, 1,024 where the match before is 32 or longer. Pairs in which that
 *    limit could be reached are not covered. The text's first byte is never matched.
 *  - A match is taken only if it is longer than that of the place before; of 258 bytes at most,
 *    and never past the end; one of three bytes only up to 4,096 back.
 *  - One block of fewer than 16,383 symbols. Its form, stored, fixed or dynamic, is the smallest
 *    by whole bytes, fixed before dynamic.
 *  - Huffman's trees come from a heap ordered by frequency, then depth, in which equals stay where
 *    they are; codes over 15 (of lengths: 7) bits are shortened in a way of its own.
 */
#include "deflate_size.h"

enum {
    MATCH_MIN = 3,
    MATCH_MAX = 258,
    TOO_FAR = 4096,      /* for a match of three bytes */
    ALIKE_MAX = 1024,    /* places of a hash that are always visited */
    SYMBOLS_MAX = 16383, /* of a block */
    HASH_SIZE = 1 << 15,
    N_LITERALS = 286, /* 256 bytes, the end, 29 lengths */
    N_DISTANCES = 30,
    N_LENGTHS = 19, /* of codes, in the header of a dynamic block */
    END_OF_BLOCK = 256,
    PADDING = 16 /* comparing reads 8 bytes at a time */
};

/* ---- Counts of symbols ---------------------------------------------------------- */

typedef struct symbol_counts {
    uint16_t literals[N_LITERALS + 2]; /* times used */
    uint16_t distances[N_DISTANCES + 2];
    uint64_t used_literals[5]; /* a bit a symbol */
    uint64_t used_distances[1];
    uint32_t n_symbols;
    uint32_t extra_bits; /* behind the codes of lengths and distances */
} symbol_counts;

/* Where the parse of the first text stands before its end has a say. */
typedef struct parse_state {
    uint32_t at;
    uint32_t match_length, match_start; /* of the place before */
    bool literal_waits;
} parse_state;

struct az_deflate_first {
    az_heap *heap;
    uint8_t text[AZ_DEFLATE_PAIR_MAX + PADDING]; /* the first text, and behind it the second */
    uint32_t n;                                  /* of the first */
    bool is_covered;
    uint32_t n_most_alike;
    uint16_t last[HASH_SIZE];             /* the last place of a hash; 0: none */
    uint16_t before[AZ_DEFLATE_PAIR_MAX]; /* the place before of the same hash */
    uint16_t n_alike[HASH_SIZE];
    parse_state state;
    symbol_counts counts; /* up to state */
    /* Codes of lengths 3..258 and of distances, by tables made once. */
    uint8_t length_codes[MATCH_MAX + 1];
    uint8_t distance_codes[512]; /* below 257: of distance - 1; then of (distance - 1) / 128 */
};

static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint8_t distance_extra[N_DISTANCES] = {0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
                                                    4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
                                                    9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

static void make_code_tables(az_deflate_first *f) {
    unsigned length = MATCH_MIN;
    for (unsigned code = 0; code < 28; code++)
        for (unsigned i = 0; i < 1u << length_extra[code] && length <= MATCH_MAX; i++)
            f->length_codes[length++] = (uint8_t)code;
    f->length_codes[MATCH_MAX] = 28;
    unsigned distance = 0;
    for (unsigned code = 0; code < N_DISTANCES; code++)
        for (unsigned i = 0; i < 1u << distance_extra[code]; i++, distance++) {
            if (distance < 256)
                f->distance_codes[distance] = (uint8_t)code;
            else
                f->distance_codes[256 + (distance >> 7)] = (uint8_t)code;
        }
}

static void count_literal(symbol_counts *c, uint8_t byte) {
    c->literals[byte]++;
    c->used_literals[byte >> 6] |= (uint64_t)1 << (byte & 63);
    c->n_symbols++;
}

static void count_match(const az_deflate_first *f, symbol_counts *c, uint32_t length,
                        uint32_t distance) {
    unsigned code = f->length_codes[length], symbol = code + 257;
    c->literals[symbol]++;
    c->used_literals[symbol >> 6] |= (uint64_t)1 << (symbol & 63);
    c->extra_bits += length_extra[code];
    distance--;
    code = distance < 256 ? f->distance_codes[distance] : f->distance_codes[256 + (distance >> 7)];
    c->distances[code]++;
    c->used_distances[0] |= (uint64_t)1 << code;
    c->extra_bits += distance_extra[code];
    c->n_symbols++;
}

/* ---- Matches ---------------------------------------------------------------------- */

static uint32_t hash_at(const uint8_t *p) {
    return ((uint32_t)p[0] << 10 ^ (uint32_t)p[1] << 5 ^ p[2]) & (HASH_SIZE - 1);
}

/* How many bytes from a and b on are the same, max at most; both have 8 readable bytes behind. */
static uint32_t common_length(const uint8_t *a, const uint8_t *b, uint32_t max) {
    for (uint32_t n = 0; n < max; n += 8) {
        uint64_t x = az_read_le64(a + n) ^ az_read_le64(b + n);
        if (x) {
            n += (uint32_t)az_trailing_zeros(x) / 8;
            return n < max ? n : max;
        }
    }
    return max;
}

/* The longest match so far of the place `at`. */
typedef struct match {
    uint32_t length, start;
} match;

/* Takes the place `from` if its match is longer. */
static inline void try_place(const uint8_t *text, uint32_t at, uint32_t from, uint32_t max,
                             match *best) {
    if (text[from + best->length] != text[at + best->length] || text[from] != text[at])
        return;
    uint32_t length = common_length(text + from, text + at, max);
    if (length > best->length)
        *best = (match){length, from};
}

static inline void try_chain(const az_deflate_first *f, uint32_t at, uint32_t from, uint32_t max,
                             match *best) {
    for (; from && best->length < max; from = f->before[from])
        try_place(f->text, at, from, max, best);
}

/* A place whose three bytes reach over the first text's end. */
static inline void try_seam(const az_deflate_first *f, uint32_t at, uint32_t from, uint32_t max,
                            match *best) {
    const uint8_t *p = f->text;
    if (from > 0 && from < at && best->length < max && p[from] == p[at] &&
        p[from + 1] == p[at + 1] && p[from + 2] == p[at + 2])
        try_place(p, at, from, max, best);
}

/* The longest match of `at` that is longer than `length`, or one of two bytes. second NULL: the
 * first text stands alone. */
static match find_match(const az_deflate_first *f, const az_deflate_second *second, uint32_t n,
                        uint32_t at, uint32_t length) {
    uint32_t max = n - at < MATCH_MAX ? n - at : MATCH_MAX;
    match best = {length, 0};
    if (length >= max)
        return (match){2, 0};
    if (at + 2 < f->n) {
        try_chain(f, at, f->before[at], max, &best);
    } else {
        uint32_t hash;
        if (at >= f->n) {
            uint32_t i = at - f->n, own = second->places[second->n + i];
            hash = second->places[i];
            if (own > best.length)
                best = (match){own, at - second->places[2 * second->n + i]};
        } else {
            hash = hash_at(f->text + at);
        }
        if (f->n >= 1)
            try_seam(f, at, f->n - 1, max, &best);
        if (f->n >= 2)
            try_seam(f, at, f->n - 2, max, &best);
        try_chain(f, at, f->last[hash], max, &best);
    }
    if (best.length <= length || (best.length == 3 && at - best.start > TOO_FAR))
        return (match){2, 0};
    return best;
}

/* ---- The parse ----------------------------------------------------------------------- */

/* From `state` to the end n; with second NULL it stops where the text's end begins to matter. */
static void parse(const az_deflate_first *f, const az_deflate_second *second, uint32_t n,
                  parse_state *state, symbol_counts *counts) {
    parse_state s = *state;
    while (s.at < n) {
        match now = {2, 0};
        if (!second && (n - s.at < MATCH_MIN || s.match_length >= n - s.at))
            break;
        if (n - s.at >= MATCH_MIN && s.match_length < MATCH_MAX)
            now = find_match(f, second, n, s.at, s.match_length);
        if (!second && now.length == n - s.at && now.length < MATCH_MAX)
            break;
        if (s.match_length >= MATCH_MIN && now.length <= s.match_length) {
            count_match(f, counts, s.match_length, s.at - 1 - s.match_start);
            s.at += s.match_length - 1;
            s.literal_waits = false;
            s.match_length = 2;
            continue;
        }
        if (s.literal_waits)
            count_literal(counts, f->text[s.at - 1]);
        s.literal_waits = true;
        s.match_length = now.length;
        s.match_start = now.start;
        s.at++;
    }
    if (second && s.literal_waits)
        count_literal(counts, f->text[s.at - 1]);
    *state = s;
}

/* ---- Codes ------------------------------------------------------------------------------ */

/* The tree of n_used symbols, whose frequencies are their order in `heap`. */
typedef struct tree {
    uint64_t heap[N_LITERALS + 2]; /* from 1: frequency << 32 | depth << 16 | node */
    uint16_t parent[2 * N_LITERALS + 2];
    uint16_t order[2 * N_LITERALS + 2]; /* nodes as they left the heap */
    uint8_t length[2 * N_LITERALS + 2]; /* bits, by node */
    uint32_t n_heap, n_order;
} tree;

/* All but the node's number. */
static inline uint64_t rank_of(uint64_t item) {
    return item >> 16;
}

static inline void sift_down(tree *t, uint32_t at) {
    uint64_t item = t->heap[at], rank = rank_of(item);
    uint32_t n = t->n_heap;
    for (uint32_t child = 2 * at; child <= n; child = 2 * at) {
        if (child < n)
            child += rank_of(t->heap[child + 1]) <= rank_of(t->heap[child]);
        if (rank <= rank_of(t->heap[child]))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = item;
}

/* Joins the two lowest until one is left; nodes from n_symbols on are joints. Returns the root. */
static uint32_t build(tree *t, uint32_t n_symbols) {
    uint32_t node = n_symbols;
    t->n_order = 0;
    for (uint32_t i = t->n_heap / 2; i >= 1; i--)
        sift_down(t, i);
    while (t->n_heap >= 2) {
        uint64_t a = t->heap[1];
        t->heap[1] = t->heap[t->n_heap--];
        sift_down(t, 1);
        uint64_t b = t->heap[1];
        t->order[t->n_order++] = (uint16_t)a;
        t->order[t->n_order++] = (uint16_t)b;
        t->parent[(uint16_t)a] = t->parent[(uint16_t)b] = (uint16_t)node;
        uint64_t depth_a = a >> 16 & 0xFFFF, depth_b = b >> 16 & 0xFFFF;
        uint64_t depth = (depth_a > depth_b ? depth_a : depth_b) + 1;
        t->heap[1] = ((a >> 32) + (b >> 32)) << 32 | depth << 16 | node++;
        sift_down(t, 1);
    }
    return node - 1;
}

/* Where codes came out longer than max: shorter ones make room. */
static void shorten(tree *t, uint32_t n_symbols, unsigned max, uint32_t *n_of_length,
                    int n_too_long) {
    do {
        unsigned bits = max - 1;
        while (n_of_length[bits] == 0)
            bits--;
        n_of_length[bits]--;
        n_of_length[bits + 1] += 2;
        n_of_length[max]--;
        n_too_long -= 2;
    } while (n_too_long > 0);
    uint32_t at = 0; /* the rarest first: they left the heap first */
    for (unsigned bits = max; bits > 0; bits--)
        for (uint32_t n = n_of_length[bits]; n > 0;) {
            uint32_t node = t->order[at++];
            if (node >= n_symbols)
                continue;
            t->length[node] = (uint8_t)bits;
            n--;
        }
}

/* Lengths of all nodes. */
static void find_lengths(tree *t, uint32_t root, uint32_t n_symbols, unsigned max) {
    uint32_t n_of_length[16] = {0};
    int n_too_long = 0;
    t->length[root] = 0;
    for (uint32_t i = t->n_order; i-- > 0;) {
        uint32_t node = t->order[i];
        unsigned bits = t->length[t->parent[node]] + 1u;
        if (bits > max) {
            bits = max;
            n_too_long++;
        }
        t->length[node] = (uint8_t)bits;
        if (node < n_symbols)
            n_of_length[bits]++;
    }
    if (n_too_long > 0)
        shorten(t, n_symbols, max, n_of_length, n_too_long);
}

/* The symbols that are used go into the heap in order, and at least two. Returns the highest. */
static uint32_t fill_heap(tree *t, const uint16_t *counts, uint64_t *used, uint32_t n_words) {
    t->n_heap = 0;
    uint32_t highest = 0;
    for (uint32_t w = 0; w < n_words; w++)
        for (uint64_t bits = used[w]; bits; bits &= bits - 1) {
            highest = w * 64 + (uint32_t)az_trailing_zeros(bits);
            t->heap[++t->n_heap] = (uint64_t)counts[highest] << 32 | highest;
        }
    bool any = t->n_heap > 0;
    int32_t top = any ? (int32_t)highest : -1;
    while (t->n_heap < 2) {
        uint32_t symbol = top < 2 ? (uint32_t)++top : 0;
        t->heap[++t->n_heap] = (uint64_t)1 << 32 | symbol;
        used[0] |= (uint64_t)1 << symbol;
    }
    return (uint32_t)top;
}

/* How the header says a run of n equal lengths, which differ from the length before. */
static void count_run(uint16_t *counts, unsigned length, uint32_t n) {
    if (length == 0) {
        for (; n >= 138; n -= 138)
            counts[18]++;
        if (n >= 11)
            counts[18]++;
        else if (n >= 3)
            counts[17]++;
        else
            counts[0] = (uint16_t)(counts[0] + n);
        return;
    }
    uint32_t first = n < 7 ? n : 7;
    if (first < 4) {
        counts[length] = (uint16_t)(counts[length] + first);
    } else {
        counts[length]++;
        counts[16]++;
    }
    for (n -= first; n >= 6; n -= 6)
        counts[16]++;
    if (n >= 3)
        counts[16]++;
    else
        counts[length] = (uint16_t)(counts[length] + n);
}

/* The lengths of the symbols 0..highest, as runs. */
static void count_lengths(uint16_t *counts, const tree *t, const uint64_t *used, uint32_t n_words,
                          uint32_t highest) {
    unsigned run_length = 0;
    uint32_t n_run = 0, next = 0;
    for (uint32_t w = 0; w < n_words; w++)
        for (uint64_t bits = used[w]; bits; bits &= bits - 1) {
            uint32_t symbol = w * 64 + (uint32_t)az_trailing_zeros(bits);
            if (symbol > highest)
                break;
            unsigned length = t->length[symbol];
            if (symbol > next) {
                if (n_run)
                    count_run(counts, run_length, n_run);
                count_run(counts, 0, symbol - next);
                n_run = 0;
            }
            if (n_run && length != run_length) {
                count_run(counts, run_length, n_run);
                n_run = 0;
            }
            run_length = length;
            n_run++;
            next = symbol + 1;
        }
    if (n_run)
        count_run(counts, run_length, n_run);
}

/* Bits of the symbols' codes. */
static uint32_t bits_of(const tree *t, const uint16_t *counts, const uint64_t *used,
                        uint32_t n_words) {
    uint32_t sum = 0;
    for (uint32_t w = 0; w < n_words; w++)
        for (uint64_t bits = used[w]; bits; bits &= bits - 1) {
            uint32_t symbol = w * 64 + (uint32_t)az_trailing_zeros(bits);
            sum += (uint32_t)counts[symbol] * t->length[symbol];
        }
    return sum;
}

static uint32_t fixed_bits(const symbol_counts *c) {
    uint32_t sum = 0;
    for (uint32_t w = 0; w < 5; w++)
        for (uint64_t bits = c->used_literals[w]; bits; bits &= bits - 1) {
            uint32_t symbol = w * 64 + (uint32_t)az_trailing_zeros(bits);
            sum += c->literals[symbol] * (symbol < 144   ? 8u
                                          : symbol < 256 ? 9u
                                          : symbol < 280 ? 7u
                                                         : 8u);
        }
    for (uint64_t bits = c->used_distances[0]; bits; bits &= bits - 1)
        sum += c->distances[az_trailing_zeros(bits)] * 5u;
    return sum;
}

/* Bits of the header's own code and of the lengths written with it. */
static uint32_t header_bits(tree *t, uint16_t *counts) {
    static const uint8_t order[N_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                             11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint64_t used = 0;
    for (uint32_t i = 0; i < N_LENGTHS; i++)
        used |= (uint64_t)(counts[i] != 0) << i;
    uint64_t filled = used;
    (void)fill_heap(t, counts, &filled, 1);
    find_lengths(t, build(t, N_LENGTHS), N_LENGTHS, 7);
    uint32_t sum =
        bits_of(t, counts, &used, 1) + counts[16] * 2u + counts[17] * 3u + counts[18] * 7u;
    uint32_t last = N_LENGTHS - 1;
    while (last >= 3 && !(filled >> order[last] & 1))
        last--;
    return sum + 3 * (last + 1) + 5 + 5 + 4;
}

/* The block's size in bytes, for n bytes of text. */
static size_t block_size(symbol_counts *c, uint32_t n) {
    c->literals[END_OF_BLOCK] = 1;
    c->used_literals[END_OF_BLOCK >> 6] |= (uint64_t)1 << (END_OF_BLOCK & 63);
    uint32_t fixed = fixed_bits(c) + c->extra_bits, dynamic = c->extra_bits;
    tree t;
    uint16_t lengths[N_LENGTHS] = {0};
    uint32_t highest = fill_heap(&t, c->literals, c->used_literals, 5);
    find_lengths(&t, build(&t, N_LITERALS), N_LITERALS, 15);
    dynamic += bits_of(&t, c->literals, c->used_literals, 5);
    count_lengths(lengths, &t, c->used_literals, 5, highest);
    highest = fill_heap(&t, c->distances, c->used_distances, 1);
    find_lengths(&t, build(&t, N_DISTANCES), N_DISTANCES, 15);
    dynamic += bits_of(&t, c->distances, c->used_distances, 1);
    count_lengths(lengths, &t, c->used_distances, 1, highest);
    dynamic += header_bits(&t, lengths);
    size_t fixed_nbytes = (fixed + 3 + 7) / 8, best = (dynamic + 3 + 7) / 8;
    if (fixed_nbytes <= best)
        best = fixed_nbytes;
    return n + 4 <= best ? n + 5 : best;
}

/* ---- First and second ---------------------------------------------------------------------- */

az_status az_deflate_first_open(az_deflate_first **out, az_heap *heap, az_error *error) {
    *out = az_alloc(heap, sizeof **out);
    if (!*out)
        return az_alloc_failed(heap, sizeof **out, error);
    (*out)->heap = heap;
    make_code_tables(*out);
    return AZ_OK;
}

void az_deflate_first_close(az_deflate_first **first) {
    if (*first)
        az_free((*first)->heap, *first);
    *first = NULL;
}

/* Before another text comes. */
static void forget_places(az_deflate_first *f) {
    for (uint32_t i = 0; i + 2 < f->n; i++) {
        uint32_t hash = hash_at(f->text + i);
        f->last[hash] = f->n_alike[hash] = 0;
    }
}

static void add_places(az_deflate_first *f) {
    f->n_most_alike = 0;
    for (uint32_t i = 0; i + 2 < f->n; i++) {
        uint32_t hash = hash_at(f->text + i);
        f->before[i] = f->last[hash];
        f->last[hash] = (uint16_t)i;
        if (++f->n_alike[hash] > f->n_most_alike)
            f->n_most_alike = f->n_alike[hash];
    }
}

void az_deflate_first_set(az_deflate_first *f, const az_text *parts, int n_parts) {
    forget_places(f);
    f->n = 0;
    f->is_covered = true;
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].n_bytes > AZ_DEFLATE_PAIR_MAX - f->n) {
            f->is_covered = false;
            f->n = 0;
            return;
        }
        if (parts[i].n_bytes)
            memcpy(f->text + f->n, parts[i].data, parts[i].n_bytes);
        f->n += (uint32_t)parts[i].n_bytes;
    }
    f->is_covered = f->n > 0;
    memset(f->text + f->n, 0, PADDING);
    add_places(f);
    f->state = (parse_state){.match_length = 2};
    memset(&f->counts, 0, sizeof f->counts);
    parse(f, NULL, f->n, &f->state, &f->counts);
}

az_status az_deflate_second_make(az_deflate_second *second, az_text text, az_deflate_first *room,
                                 az_heap *heap, az_error *error) {
    *second = (az_deflate_second){.text = text.data, .n = (uint32_t)text.n_bytes};
    if (text.n_bytes > AZ_DEFLATE_PAIR_MAX)
        return AZ_OK;
    uint32_t n = second->n;
    second->places = az_alloc(heap, 3 * (size_t)n * sizeof *second->places);
    if (!second->places)
        return az_alloc_failed(heap, 3 * (size_t)n * sizeof *second->places, error);
    forget_places(room);
    /* Behind one byte, so that the text's own first byte is matched, as it is in a pair. */
    room->text[0] = 0;
    if (n + 1 > AZ_DEFLATE_PAIR_MAX) {
        room->n = 0;
        az_free(heap, second->places);
        second->places = NULL;
        return AZ_OK;
    }
    if (n)
        memcpy(room->text + 1, text.data, n);
    memset(room->text + 1 + n, 0, PADDING);
    room->n = n + 1;
    add_places(room);
    second->n_most_alike = room->n_most_alike;
    for (uint32_t i = 0; i + 2 < n; i++) {
        uint32_t max = n - i < MATCH_MAX ? n - i : MATCH_MAX;
        match best = {2, 0};
        try_chain(room, i + 1, room->before[i + 1], max, &best);
        second->places[i] = (uint16_t)hash_at(room->text + 1 + i);
        second->places[n + i] = (uint16_t)(best.length > 2 ? best.length : 0);
        second->places[2 * n + i] = (uint16_t)(i + 1 - best.start);
    }
    return AZ_OK;
}

size_t az_deflate_pair_size(az_deflate_first *f, const az_deflate_second *second) {
    uint32_t n = f->n + second->n;
    if (!f->is_covered || !second->places || n > AZ_DEFLATE_PAIR_MAX ||
        f->n_most_alike + second->n_most_alike + 2 > ALIKE_MAX)
        return 0;
    if (second->n)
        memcpy(f->text + f->n, second->text, second->n);
    memset(f->text + n, 0, PADDING);
    parse_state state = f->state;
    symbol_counts counts = f->counts;
    parse(f, second, n, &state, &counts);
    if (counts.n_symbols >= SYMBOLS_MAX)
        return 0;
    return block_size(&counts, n);
}
