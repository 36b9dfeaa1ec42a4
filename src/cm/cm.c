/*
 * cm: context mixing, bit by bit.
 *
 * Many models each look at a different part of what has been coded (the last
 * four bytes; the word so far; the byte above in a table) and say how likely
 * the next bit is a 1. They are mixed in the logistic domain: their log-odds
 * ("stretched" probabilities) are summed with weights, and after each bit every
 * weight moves a little in the direction that would have been better. Several
 * sets of weights, chosen by different circumstances, work side by side, and a
 * second layer mixes what they say. Final stages correct what is left by
 * experience. (Mahoney, "Adaptive weighing of context models for lossless data
 * compression", 2005; Mattern, "Mixing strategies in data compression", 2012.)
 *
 * A model's memory: its context is hashed to a cache line of three slots, at
 * the start of a byte and again in its middle; a slot holds a bit history (one
 * byte, cm_tables.c) for each of the 15 places in a nibble. A history is turned
 * into a probability by a map that learns what followed that history.
 *
 * This file makes a predictor and begins a block; cm_engine.h codes its bytes.
 *
 * All of it is integers: the same on every machine.
 */
#include "cm_match.h"
#include "cm_models.h"

enum {
    CONTEXT_NBYTES = 4 << 20,          /* of a dictionary, its end, that the contexts see, */
    HINTED_CONTEXT_NBYTES = 256 << 10, /* beside a language model */
    MATCH_LOG2_MAX = 26,
    STAGE_ROWS_LOG2_MAX = 16,
    /* Weights at the start: of all lanes together; of a match model. */
    LANES_START = AZ_MIX_ONE / 5 * 9,
    SCALED_START = 0,
    RUNS_START = AZ_MIX_ONE / 5,
    MATCH_START = AZ_MIX_ONE / 4,
    /* With a language model's hints: lanes, runs, matches; the hint and what stages make of it. */
    HINTED_LANES_START = AZ_MIX_ONE / 5,
    HINTED_RUNS_START = 0,
    HINTED_MATCH_START = AZ_MIX_ONE / 16,
    HINT_START = AZ_MIX_ONE / 2,
    HINT_STAGE_START = AZ_MIX_ONE / 10,
    /* The same where a token ends. */
    END_START = 0,
    END_HINT_START = AZ_MIX_ONE
};

uint32_t az_cm_block_nbytes(int level) {
    return 1u << az_cm_levels[level].block_log2;
}

/* ---- Memory ------------------------------------------------------------------ */

static uint32_t log2_up(uint32_t n, uint32_t low, uint32_t high) {
    uint32_t log2 = low;
    while (log2 < high && (uint32_t)1 << log2 < n)
        log2++;
    return log2;
}

static uint32_t stage_log2(size_t n_bytes) {
    return log2_up((uint32_t)n_bytes / 4, 10, STAGE_ROWS_LOG2_MAX);
}

static uint32_t stage_cells(uint32_t stage, size_t n_bytes) {
    return AZ_CM_STAGE_CELLS * (stage == 0 ? 512 : 1u << stage_log2(n_bytes));
}

/* What is coded, into nothing or not. */
static size_t coded_nbytes(const az_cm_level *level, az_span span) {
    size_t n = level->n_hints ? HINTED_CONTEXT_NBYTES : CONTEXT_NBYTES;
    return span.content_nbytes + (span.dictionary_nbytes < n ? span.dictionary_nbytes : n);
}

/* About as many cache lines as the contexts of the content fill; after a dictionary, whose worth
 * is what is remembered of it, more. */
static uint32_t table_lines(const az_cm_level *level, az_span span) {
    uint64_t n_bytes = (uint64_t)coded_nbytes(level, span) * (span.dictionary_nbytes ? 4 : 1);
    uint64_t lines = n_bytes * level->n_contexts / 12 + 256;
    uint64_t max = (uint64_t)level->table_mib << 14;
    return (uint32_t)(lines < max ? lines : max);
}

static size_t span_nbytes(az_span span) {
    return span.dictionary_nbytes + span.content_nbytes;
}

/* A dictionary has places for all its bytes, up to a point. */
static uint32_t match_log2(const az_cm_level *level, az_span span) {
    uint32_t n = (uint32_t)span.dictionary_nbytes;
    uint32_t high = n > 0 ? log2_up(n, level->match_log2, MATCH_LOG2_MAX) : level->match_log2;
    return log2_up((uint32_t)span_nbytes(span), 10, high);
}

/* Places for what each token's end is predicted by. */
static uint32_t ends_log2(size_t n_bytes) {
    return log2_up((uint32_t)n_bytes * 4, 12, 22);
}

static uint32_t weight_rows(const az_cm_level *level) {
    uint32_t n = 0;
    for (uint32_t s = 0; s < level->n_sets; s++)
        n += az_cm_sets[s].n_rows;
    return n;
}

/* Hands out pieces of one allocation; with base NULL only adds them up. */
typedef struct carver {
    uint8_t *base;
    uint64_t n_bytes;
} carver;

static void *carve(carver *c, uint64_t n_bytes) {
    void *piece = c->base ? c->base + c->n_bytes : NULL;
    c->n_bytes += (n_bytes + 63) / 64 * 64;
    return piece;
}

/* Lays out, for a span, everything whose size depends on level or
 * span, in one piece of memory at base; with base NULL, and cm NULL, only adds
 * up. Returns the bytes taken. */
static uint64_t layout(az_cm *cm, const az_cm_level *l, uint8_t *base, az_span span) {
    carver c = {base, 0};
    size_t n_bytes = coded_nbytes(l, span);
    uint8_t *table = carve(&c, (uint64_t)table_lines(l, span) * AZ_CM_LINE_NBYTES);
    int32_t *weights = carve(&c, (uint64_t)weight_rows(l) * AZ_CM_N_PADDED(l) * sizeof *weights);
    int32_t *final_weights =
        carve(&c, (uint64_t)AZ_CM_FINAL_ROWS * AZ_MIX_STEP * sizeof *final_weights);
    for (uint32_t i = 0; i < l->n_stages; i++) {
        az_prob31 *stage = carve(&c, (uint64_t)stage_cells(i, n_bytes) * sizeof *stage);
        if (cm)
            cm->stage[i] = stage;
    }
    for (uint32_t i = 0; i < l->n_matches; i++) {
        uint32_t *seen = carve(&c, sizeof *seen << match_log2(l, span));
        if (cm)
            cm->match_memory[i].table = seen;
    }
    if (l->n_hints) {
        az_cm_hinted *hinted = carve(&c, sizeof *hinted);
        uint8_t *marks = carve(&c, span_nbytes(span));
        az_counter *ends = carve(&c, sizeof *ends << ends_log2(n_bytes));
        if (cm) {
            cm->hinted = hinted;
            hinted->marks = marks;
            hinted->ends.table = ends;
            hinted->ends.shift = 32 - ends_log2(n_bytes);
        }
    }
    if (cm) {
        cm->table = table;
        cm->weights = weights;
        cm->final_weights = final_weights;
    }
    return c.n_bytes;
}

uint64_t az_cm_memory(int level, az_span most) {
    return sizeof(az_cm) + layout(NULL, &az_cm_levels[level], NULL, most) +
           2 * AZ_HEAP_BLOCK_NBYTES;
}

/* The engine of a set of kernels. */
static const az_cm_engine *engine_named(const char *name) {
    static const az_cm_engine *const engines[] = {
#if defined(__x86_64__)
        &az_cm_engine_avx2,
        &az_cm_engine_avx512,
#elif defined(__aarch64__)
        &az_cm_engine_neon,
#endif
        &az_cm_engine_plain,
    };
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    return &az_cm_engine_plain;
}

az_status az_cm_open(az_cm **out, az_heap *heap, int level, az_span most, az_error *error) {
    az_cm *cm = az_alloc(heap, sizeof *cm);
    if (!cm)
        return az_alloc_failed(heap, sizeof *cm, error);
    cm->level = &az_cm_levels[level];
    cm->heap = heap;
    uint64_t n_bytes = layout(NULL, cm->level, NULL, most);
    cm->arena = n_bytes <= SIZE_MAX ? az_alloc(heap, (size_t)n_bytes) : NULL;
    if (!cm->arena) { /* told by what is in use now, so before anything is freed */
        az_status status = az_alloc_failed(heap, (size_t)n_bytes, error);
        az_free(heap, cm);
        return status;
    }
    const az_cm_engine *engine = engine_named(az_kernels_get(az_cpu_features())->name);
    cm->code = engine->code[level];
    cm->code_string = engine->code_string;
    cm->guess = az_cm_guess_plain;
#if defined(__x86_64__)
    if (engine != &az_cm_engine_plain)
        cm->guess = az_cm_guess_avx2;
#endif
    az_cm_tables_init(&cm->tables);
    *out = cm;
    return AZ_OK;
}

void az_cm_close(az_cm **cm) {
    if (!*cm)
        return;
    az_heap *heap = (*cm)->heap;
    az_free(heap, (*cm)->arena);
    az_free(heap, *cm);
    *cm = NULL;
}

/* ---- The start of a block ---------------------------------------------------- */

/* p times 2^22, as the counters and probabilities hold it. */
static az_prob31 prob31(uint32_t p22) {
    return (az_prob31)(p22 << 9);
}

/* What cell j of a final stage's row stands for. */
static int stage_stretch(uint32_t j) {
    int x = (int)j * 256 - 3968;
    return x > AZ_STRETCH_MAX ? AZ_STRETCH_MAX : x < -AZ_STRETCH_MAX ? -AZ_STRETCH_MAX : x;
}

/* Rows of a stage: each cell says what it stands for. */
static void begin_stage(const az_cm_tables *t, az_prob31 *cells, uint32_t n_rows) {
    for (uint32_t i = 0; i < n_rows * AZ_CM_STAGE_CELLS; i++)
        cells[i] = i < AZ_CM_STAGE_CELLS ? prob31(az_squash(t, stage_stretch(i)))
                                         : cells[i - AZ_CM_STAGE_CELLS];
}

static void begin_counters(az_cm *cm) {
    const az_cm_tables *t = &cm->tables;
    uint32_t n_lanes = AZ_CM_N_LANES(cm->level);
    for (uint32_t s = 0; s < 256; s++) {
        uint32_t n0 = t->count[s][0], n1 = t->count[s][1];
        uint32_t p = (uint32_t)(((uint64_t)(n1 * 16 + 6) << 22) / ((n0 + n1) * 16 + 12));
        for (uint32_t i = 0; i < n_lanes; i++) {
            cm->maps[i][s] = prob31(p);
            cm->map_st[i][s] = t->stretch12[p >> 10];
        }
    }
    for (uint32_t i = 0; i < n_lanes * AZ_CM_RUN_CELLS; i++) {
        uint32_t cell = i % AZ_CM_RUN_CELLS;
        uint32_t p = AZ_PROB_ONE / (cell / 2 * 3 + 2);
        cm->run_maps[i / AZ_CM_RUN_CELLS][cell] = prob31(cell & 1 ? AZ_PROB_ONE - p : p);
    }
    for (uint32_t i = 0; i < cm->level->n_stages; i++)
        begin_stage(t, cm->stage[i], (i == 0 ? 512u : 1u << cm->stage_log2));
    for (uint32_t i = 0; i < AZ_CM_SURE_CELLS; i++)
        cm->sure_cells[i] = (AZ_PROB_ONE - AZ_PROB_ONE / 64) << 10;
}

/* A weight at the start of input i, with a language model's hints. */
static int32_t hinted_weight(const az_cm_level *l, uint32_t i) {
    uint32_t n_lanes = AZ_CM_N_LANES(l);
    if (i < n_lanes * l->inputs)
        return (i < n_lanes       ? HINTED_LANES_START
                : i < 2 * n_lanes ? 0
                                  : HINTED_RUNS_START) /
               (int32_t)n_lanes;
    i -= n_lanes * l->inputs;
    if (i < l->n_matches)
        return HINTED_MATCH_START;
    i -= l->n_matches + 1u;
    return i == 0 ? HINT_START : i >= 2 && i < AZ_CM_HINTS ? HINT_STAGE_START : 0;
}

static void begin_weights(az_cm *cm) {
    uint32_t inputs = cm->level->inputs, n = AZ_CM_N_PADDED(cm->level),
             n_lanes = AZ_CM_N_LANES(cm->level);
    uint32_t n_rows = weight_rows(cm->level);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t kind = i / n_lanes; /* stretched, scaled, run; then matches, 1, 0 */
        bool match = i >= n_lanes * inputs && i < AZ_CM_N_INPUTS(cm->level) - 1;
        int32_t lanes = kind == 0 ? LANES_START : kind == 1 ? SCALED_START : RUNS_START;
        cm->weights[i] = i < n_lanes * inputs ? lanes / (int)n_lanes : match ? MATCH_START : 0;
        if (cm->level->n_hints)
            cm->weights[i] = hinted_weight(cm->level, i);
    }
    for (uint32_t row = 1; row < n_rows; row++)
        memcpy(cm->weights + (size_t)row * n, cm->weights, n * sizeof *cm->weights);
    for (uint32_t i = 0; i < AZ_CM_FINAL_ROWS * AZ_MIX_STEP; i++)
        cm->final_weights[i] =
            i % AZ_MIX_STEP < cm->level->n_sets ? AZ_MIX_ONE / cm->level->n_sets : 0;
    uint32_t base = 0;
    for (uint32_t s = 0; s < cm->level->n_sets; s++) {
        cm->set_base[s] = base;
        base += az_cm_sets[s].n_rows * n;
    }
}

static void begin_match(az_cm_match_memory *m) {
    for (uint32_t i = 0; i < AZ_CM_MATCH_ROWS; i++)
        m->cells[i][0] = m->cells[i][1] = prob31(AZ_PROB_ONE - AZ_PROB_ONE / (2 * (i >> 3) + 3));
}

static void begin_history(az_cm *cm) {
    cm->at = (az_cm_cursor){.kinds = 255};
    cm->sure = false;
    cm->turn = 0;
    memset(cm->after1, 0, sizeof cm->after1);
    memset(cm->after2, 0, sizeof cm->after2);
    memset(cm->period_scores, 0, sizeof cm->period_scores);
    memset(cm->order0, 0, sizeof cm->order0);
    memset(cm->order1, 0, sizeof cm->order1);
    cm->period = 0;
    for (uint32_t i = 0; i < cm->level->n_matches && i < AZ_CM_MATCHES_MAX; i++) {
        cm->match_memory[i].log2 = match_log2(cm->level, cm->span);
        cm->at.match[i].seen = cm->match_memory[i].table;
        begin_match(&cm->match_memory[i]);
    }
}

/* What is learnt of a language model's hints. */
static void begin_hints(az_cm *cm) {
    const az_cm_tables *t = &cm->tables;
    az_cm_hinted *h = cm->hinted;
    az_cm_ends *e = &h->ends;
    h->n_coded = 0;
    for (uint32_t k = 0; k < AZ_CM_HINT_STAGES; k++)
        begin_stage(t, h->stage[k], 1 << AZ_CM_HINT_ROWS_LOG2);
    begin_stage(t, e->stage, 32);
    for (uint32_t row = 0; row < AZ_CM_END_ROWS; row++)
        for (uint32_t i = 0; i < AZ_CM_END_PADDED; i++)
            e->weights[row * AZ_CM_END_PADDED + i] = i < AZ_CM_END_CONTEXTS ? END_START
                                                     : i == 16              ? END_HINT_START
                                                                            : 0;
    for (uint32_t i = 0; i < 16 * AZ_MIX_STEP; i++)
        e->final_weights[i] = i % AZ_MIX_STEP < 3 ? AZ_MIX_ONE / 3 : 0;
}

static void begin_ends(az_cm_ends *e) {
    for (uint32_t i = 0; i < 34; i++)
        e->match[i] = i & 1 ? AZ_PROB_ONE / 8 << 10 : (AZ_PROB_ONE - AZ_PROB_ONE / 8) << 10;
    for (uint32_t i = 0; i < 1u << (32 - e->shift); i++)
        e->table[i] = AZ_PROB_ONE / 2 << 10;
}

/* Where the bytes 0..end - 1 lead to, as if they had been coded. */
static void index_matches(az_cm *cm, size_t end) {
    static const uint32_t min_len[] = AZ_CM_MATCH_MIN_LEN;
    for (uint32_t i = 0; i < cm->level->n_matches; i++) {
        az_cm_match *m = &cm->at.match[i];
        for (size_t pos = 0; pos < end;) {
            az_cm_match_hash(m, &cm->match_memory[i], min_len[i], cm->block[pos++]);
            if (pos >= min_len[i])
                *m->seen = (uint32_t)pos;
        }
    }
}

size_t az_cm_begin(az_cm *cm, const uint8_t *block, az_span span) {
    const az_cm_level *l = cm->level;
    size_t n_bytes = coded_nbytes(l, span), n_skipped = span_nbytes(span) - n_bytes;
    if (cm->used)
        memset(cm->arena, 0, (size_t)layout(NULL, l, NULL, span));
    cm->used = true;
    layout(cm, l, cm->arena, span);
    cm->block = block;
    cm->span = span;
    cm->n_bytes = (uint32_t)span_nbytes(span);
    cm->n_skipped = (uint32_t)n_skipped;
    cm->n_lines = table_lines(l, span);
    cm->stage_log2 = stage_log2(n_bytes);
    begin_counters(cm);
    begin_weights(cm);
    begin_history(cm);
    if (l->n_hints) {
        begin_hints(cm);
        begin_ends(&cm->hinted->ends);
        memset(cm->hinted->marks, AZ_CM_MARK_CODED, n_skipped);
    }
    index_matches(cm, n_skipped);
    cm->at.pos = cm->at.line_start[0] = cm->at.line_start[1] = (uint32_t)n_skipped;
    return span.dictionary_nbytes - n_skipped;
}

void az_cm_forget_hints(az_cm *cm) {
    begin_weights(cm);
    begin_hints(cm);
}

void az_cm_copy(az_cm *to, const az_cm *from, const uint8_t *block) {
    az_heap *heap = to->heap;
    uint8_t *arena = to->arena;
    *to = *from;
    to->heap = heap;
    to->arena = arena;
    to->used = true;
    to->block = block;
    memcpy(arena, from->arena, (size_t)layout(to, from->level, arena, from->span));
    for (uint32_t i = 0; i < from->level->n_matches; i++)
        to->at.match[i].seen =
            to->match_memory[i].table + (from->at.match[i].seen - from->match_memory[i].table);
}

void az_cm_lane_begin(const az_cm *cm, az_cm_lane *lane, uint32_t first, uint32_t end) {
    lane->at = (az_cm_cursor){.pos = first, .kinds = 255, .line_start = {first, first}};
    for (uint32_t i = 0; i < cm->level->n_matches; i++)
        lane->at.match[i].seen = cm->match_memory[i].table;
    lane->end = end;
}

uint64_t az_cm_lane_nbytes(void) {
    return sizeof(az_cm_lane);
}

uint32_t az_cm_lane_left(const az_cm_lane *lane) {
    return lane->end - lane->at.pos;
}

void az_cm_trace(az_cm *cm, uint32_t *costs, size_t first) {
    cm->costs = costs;
    cm->costs_from = (uint32_t)first;
}

uint32_t az_cm_code_string(az_cm *cm, az_cm_lane *lane, az_range_encoder *enc,
                           az_range_decoder *dec, uint8_t *block, const az_cm_strings *strings,
                           const uint64_t *sums, uint32_t index) {
    return cm->code_string(cm, lane, enc, dec, block, strings, sums, index);
}

void az_cm_code(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, uint8_t *block,
                size_t n_bytes) {
    cm->code(cm, enc, dec, block, n_bytes);
}

/* ---- What may come ------------------------------------------------------------ */

void az_guesses_add(az_guesses *g, uint32_t string, uint64_t cost) {
    uint32_t at = g->n;
    while (at > 0 && (cost < g->guess[at - 1].cost ||
                      (cost == g->guess[at - 1].cost && string < g->guess[at - 1].string)))
        at--;
    if (at == AZ_GUESSES_MAX)
        return;
    g->n += g->n < AZ_GUESSES_MAX;
    for (uint32_t i = g->n - 1; i > at; i--)
        g->guess[i] = g->guess[i - 1];
    g->guess[at].string = string;
    g->guess[at].cost = (uint32_t)cost;
}

void az_cm_guess(az_cm *cm, uint32_t actual, az_guesses *guesses) {
    cm->guess(cm, actual, guesses);
}
