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
 * into a probability by a counter that learns what followed that history.
 *
 * All of it is integers: the same on every machine.
 */
#include "cm_state.h"

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define INLINE static inline
#define PREFETCH(p) ((void)(p))
#endif

enum {
    PROB_ONE = 1 << 22,
    STATE_LIMIT = 1023, /* counters of states: how slow they may become */
    APM_LIMIT = 255,
    APM_START = 60, /* they begin as the identity, and trust it */
    APM_ROWS_LOG2_MAX = 16,
    RATE = 400,       /* learning rate of the first layer, 2^-16 */
    RATE_EXTRA = 500, /* and what is added to it at the start */
    RATE_BITS = 2000, /* halved after so many bits */
    FINAL_RATE = 300,
    FINAL_ROWS = 256 + 17 * 8 + 256
};

const az_cm_level az_cm_levels[10] = {
    [1] = {23, 4, 1, 2, 1, 1, 20},  [2] = {23, 6, 1, 2, 1, 3, 20},  [3] = {23, 8, 1, 3, 2, 3, 20},
    [4] = {24, 16, 2, 4, 2, 3, 20}, [5] = {24, 24, 1, 4, 2, 3, 20}, [6] = {24, 32, 2, 6, 4, 3, 22},
    [7] = {25, 48, 2, 7, 4, 3, 22}, [8] = {25, 96, 3, 8, 4, 3, 22}, [9] = {26, 160, 3, 8, 4, 3, 22},
};

static const uint32_t match_min_len[AZ_CM_MATCHES_MAX] = {6, 20, 11};

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

/* About as many cache lines as the contexts of n_bytes fill. */
static uint32_t table_lines(const az_cm_level *level, uint32_t n_contexts, size_t n_bytes) {
    uint64_t lines = (uint64_t)n_bytes * n_contexts / 12 + 256;
    uint64_t max = (uint64_t)level->table_4mib << 16;
    return (uint32_t)(lines < max ? lines : max);
}

static uint32_t apm_log2(size_t n_bytes) {
    return log2_up((uint32_t)n_bytes, 10, APM_ROWS_LOG2_MAX);
}

static uint32_t match_log2(const az_cm_level *level, size_t n_bytes) {
    return log2_up((uint32_t)n_bytes, 10, level->match_log2);
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

/* A level's dimensions. */
typedef struct shape {
    const az_cm_level *level;
    uint32_t n_contexts, n_lanes, n_inputs, n_padded;
} shape;

static shape shape_of(int level) {
    shape s = {.level = &az_cm_levels[level], .n_contexts = az_cm_context_count(level)};
    s.n_lanes = s.n_contexts + 1;
    s.n_inputs = s.n_lanes * s.level->inputs + 2u * s.level->n_matches + 1;
    s.n_padded = (s.n_inputs + AZ_MIX_STEP - 1) / AZ_MIX_STEP * AZ_MIX_STEP;
    return s;
}

/* Lays out, for blocks of n_bytes, everything whose size depends on level or
 * block, in one piece of memory at base; with base NULL, and cm NULL, only adds
 * up. Returns the bytes taken. */
static uint64_t layout(az_cm *cm, const shape *s, uint8_t *base, size_t n_bytes) {
    const az_cm_level *l = s->level;
    carver c = {base, 0};
    uint8_t *table =
        carve(&c, (uint64_t)table_lines(l, s->n_contexts, n_bytes) * AZ_CM_LINE_NBYTES);
    uint32_t *maps = carve(&c, (uint64_t)s->n_lanes * 256 * sizeof *maps);
    uint32_t *run_maps = carve(&c, (uint64_t)s->n_lanes * AZ_RUN_CELLS * sizeof *run_maps);
    int32_t *x = carve(&c, s->n_padded * sizeof *x);
    int32_t *weights = carve(&c, (uint64_t)weight_rows(l) * s->n_padded * sizeof *weights);
    int32_t *final_x = carve(&c, AZ_MIX_STEP * sizeof *final_x);
    int32_t *final_weights = carve(&c, (uint64_t)FINAL_ROWS * AZ_MIX_STEP * sizeof *final_weights);
    for (uint32_t i = 0; i < l->n_apms; i++) {
        az_counter *apm = carve(&c, ((uint64_t)33 << apm_log2(n_bytes)) * sizeof *apm);
        if (cm)
            cm->apm[i] = apm;
    }
    for (uint32_t i = 0; i < l->n_matches; i++) {
        uint32_t *seen = carve(&c, sizeof *seen << match_log2(l, n_bytes));
        if (cm)
            cm->match[i].table = seen;
    }
    if (cm) {
        cm->table = table;
        cm->lanes.maps = maps;
        cm->lanes.run_maps = run_maps;
        cm->x = x;
        cm->weights = weights;
        cm->final_x = final_x;
        cm->final_weights = final_weights;
    }
    return c.n_bytes;
}

uint64_t az_cm_memory(int level, size_t block_nbytes) {
    shape s = shape_of(level);
    return sizeof(az_cm) + layout(NULL, &s, NULL, block_nbytes) + 2 * AZ_HEAP_BLOCK_NBYTES;
}

az_status az_cm_open(az_cm **out, az_heap *heap, int level, size_t max_block_nbytes,
                     az_error *error) {
    az_cm *cm = az_alloc(heap, sizeof *cm);
    if (!cm)
        return az_alloc_failed(heap, sizeof *cm, error);
    shape s = shape_of(level);
    cm->level_number = level;
    cm->level = s.level;
    cm->n_contexts = s.n_contexts;
    cm->n_lanes = s.n_lanes;
    cm->n_inputs = s.n_inputs;
    cm->n_padded = s.n_padded;
    cm->heap = heap;
    uint64_t n_bytes = layout(NULL, &s, NULL, max_block_nbytes);
    cm->arena = n_bytes <= SIZE_MAX ? az_alloc(heap, (size_t)n_bytes) : NULL;
    if (!cm->arena) { /* told by what is in use now, so before anything is freed */
        az_status status = az_alloc_failed(heap, (size_t)n_bytes, error);
        az_free(heap, cm);
        return status;
    }
    cm->kernels = az_kernels_get(az_cpu_features());
    az_cm_tables_init(&cm->tables);
    cm->lanes.stretch = cm->tables.stretch;
    cm->lanes.next = (const uint8_t(*)[2])cm->tables.next;
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

static void begin_counters(az_cm *cm) {
    const az_cm_tables *t = &cm->tables;
    for (uint32_t s = 0; s < 256; s++) {
        uint32_t n0 = t->count[s][0], n1 = t->count[s][1];
        uint32_t p = (uint32_t)(((uint64_t)(n1 * 16 + 6) << 22) / ((n0 + n1) * 16 + 12));
        for (uint32_t i = 0; i < cm->n_lanes; i++)
            cm->lanes.maps[i * 256 + s] = p << 10;
    }
    for (uint32_t i = 0; i < cm->n_lanes * AZ_RUN_CELLS; i++) {
        uint32_t cell = i % AZ_RUN_CELLS;
        uint32_t p = PROB_ONE / (cell / 2 * 3 + 2);
        cm->lanes.run_maps[i] = (cell & 1 ? PROB_ONE - p : p) << 10;
    }
    for (uint32_t i = 0; i < cm->level->n_apms; i++)
        for (uint32_t j = 0; j < 33u << cm->apm_log2; j++)
            cm->apm[i][j] = az_squash(t, ((int)(j % 33) - 16) * 256) << 10 | APM_START;
}

static void begin_weights(az_cm *cm) {
    uint32_t inputs = cm->level->inputs, n = cm->n_padded;
    uint32_t n_rows = weight_rows(cm->level);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t kind = i / cm->n_lanes; /* stretched, scaled, run; then matches, 1 */
        int percent = i >= cm->n_lanes * inputs ? (i < cm->n_inputs - 1 ? 25 : 0)
                      : inputs == 1             ? 30
                      : kind == 0               ? 180 / (int)cm->n_lanes
                      : kind == 1               ? 0
                                                : 20 / (int)cm->n_lanes;
        cm->weights[i] = AZ_MIX_ONE / 100 * percent;
    }
    for (uint32_t row = 1; row < n_rows; row++)
        memcpy(cm->weights + (size_t)row * n, cm->weights, n * sizeof *cm->weights);
    for (uint32_t i = 0; i < FINAL_ROWS * AZ_MIX_STEP; i++)
        cm->final_weights[i] =
            i % AZ_MIX_STEP < cm->level->n_sets ? AZ_MIX_ONE / cm->level->n_sets : 0;
    uint32_t base = 0;
    for (uint32_t s = 0; s < cm->level->n_sets; s++) {
        cm->set_base[s] = base;
        base += az_cm_sets[s].n_rows * n;
    }
}

static void begin_history(az_cm *cm) {
    cm->pos = cm->bit_pos = cm->c4 = cm->c8 = cm->n_bits = cm->match_state = 0;
    cm->c0 = 1;
    memset(cm->word, 0, sizeof cm->word);
    memset(cm->line_start, 0, sizeof cm->line_start);
    memset(cm->after1, 0, sizeof cm->after1);
    memset(cm->after2, 0, sizeof cm->after2);
    memset(cm->period_scores, 0, sizeof cm->period_scores);
    memset(cm->order0, 0, sizeof cm->order0);
    cm->line_first = cm->field = cm->field_hash = cm->period = 0;
    for (uint32_t i = 0; i < cm->level->n_matches && i < AZ_CM_MATCHES_MAX; i++) {
        cm->match[i].min_len = match_min_len[i];
        cm->match[i].log2 = match_log2(cm->level, cm->n_bytes);
        az_cm_match_begin(&cm->match[i]);
    }
}

/* ---- Slots ------------------------------------------------------------------- */

INLINE uint8_t *line_of(const az_cm *cm, uint32_t hash) {
    return cm->table + (((uint64_t)hash * cm->n_lines) >> 32) * AZ_CM_LINE_NBYTES;
}

INLINE uint32_t check_of(const uint8_t *slot) {
    return slot[0] | (uint32_t)slot[1] << 8;
}

/* The slot of this hash in its line: the one with its check, or else the least
 * worthy one, emptied. */
INLINE uint8_t *find_slot(const az_cm *cm, uint32_t hash) {
    uint8_t *a = line_of(cm, hash), *b = a + AZ_CM_SLOT_NBYTES, *c = b + AZ_CM_SLOT_NBYTES;
    uint32_t check = hash & 0xffff;
    check += check == 0;
    bool in_a = check_of(a) == check, in_b = check_of(b) == check, in_c = check_of(c) == check;
    if (in_a | in_b | in_c) /* which one can't be foreseen: no branches */
        return a + AZ_CM_SLOT_NBYTES * (uint32_t)(in_a ? 0 : 2 - in_b);
    const uint8_t *worth = cm->tables.worth; /* of an empty slot: 0, its states are 0 */
    uint8_t *slot = worth[b[2]] < worth[a[2]] ? b : a;
    slot = worth[c[2]] < worth[slot[2]] ? c : slot;
    memset(slot, 0, AZ_CM_SLOT_NBYTES);
    slot[0] = (uint8_t)check;
    slot[1] = (uint8_t)(check >> 8);
    return slot;
}

/* Before the first and the fifth bit of a byte: all slots for the next four. */
INLINE void find_slots(az_cm *cm, bool runs) {
    uint32_t hash[AZ_CM_CONTEXTS_MAX], n = cm->n_contexts;
    for (uint32_t i = 0; i < n; i++) {
        hash[i] = cm->bit_pos ? az_cm_hash(cm->hash[i], cm->c0) : cm->hash[i];
        PREFETCH(line_of(cm, hash[i]));
    }
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *slot = find_slot(cm, hash[i]);
        cm->lanes.states[i] = slot + 1;
        if (runs && cm->bit_pos == 0) {
            uint8_t *run = slot + 17;
            cm->run[i] = run;
            cm->lanes.run_expected[i] = run[1] ? 256u + run[0] : 0;
            cm->lanes.run_count[i] = 2u * (run[1] < 15 ? run[1] : 15);
            /* Most likely the same byte comes again. */
            PREFETCH(line_of(cm, az_cm_hash(cm->hash[i], 16u + (run[0] >> 4))));
        }
    }
    cm->lanes.states[n] = cm->order0 + (cm->bit_pos ? (cm->c0 - 15) * 16 : 0);
}

/* ---- Prediction -------------------------------------------------------------- */

INLINE void add_matches(az_cm *cm, int32_t *x) {
    const az_cm_tables *t = &cm->tables;
    uint32_t bit_pos = cm->bit_pos;
    for (uint32_t i = 0; i < cm->level->n_matches; i++) {
        az_cm_match *m = &cm->match[i];
        x[2 * i] = x[2 * i + 1] = 0;
        m->cell = &m->cells[512];
        uint32_t state = 0;
        if (m->expected && m->expected >> (8 - bit_pos) == cm->c0) {
            uint32_t bit = m->expected >> (7 - bit_pos) & 1;
            uint32_t bucket = az_cm_match_bucket(m->len);
            m->cell = &m->cells[((bucket * 8 + (m->misses & 7)) * 2 + bit) * 2 + (bit_pos != 0)];
            uint32_t p = *m->cell >> 10;
            x[2 * i] = az_stretch(t, p);
            x[2 * i + 1] = (((int32_t)p - PROB_ONE / 2) >> 12) * 65536;
            state = 1 + bucket;
        }
        if (i == 0)
            cm->match_state = state;
    }
}

INLINE int clamp_stretch(int v) {
    return v > AZ_STRETCH_MAX ? AZ_STRETCH_MAX : v < -AZ_STRETCH_MAX ? -AZ_STRETCH_MAX : v;
}

/* Both layers, or the first one's mean; returns the mixed prediction's log-odds. */
INLINE int mix(az_cm *cm, uint32_t n_sets, bool layered) {
    uint32_t n = cm->n_padded;
    for (uint32_t s = 0; s < n_sets; s++) {
        az_cm_set_kind kind = az_cm_sets[s].kind;
        uint32_t row =
            cm->set_byte[s] + (kind == AZ_CM_SET_C0      ? cm->c0
                               : kind == AZ_CM_SET_BIT   ? cm->bit_pos
                               : kind == AZ_CM_SET_MATCH ? cm->match_state * 8 + cm->bit_pos
                                                         : 0);
        cm->set[s] = cm->set_base[s] + row * n;
    }
    cm->kernels->mix_dot(cm->x, cm->weights, cm->set, n_sets, n, cm->dot);
    int32_t dot[AZ_CM_FINAL_SETS];
    for (uint32_t s = 0; s < n_sets; s++) {
        int v = clamp_stretch(cm->dot[s] >> 5);
        cm->set_p[s] = cm->tables.squash[v + AZ_STRETCH_MAX];
        cm->final_x[s] = v * 65536;
    }
    if (!layered) {
        int mean = 0;
        for (uint32_t s = 0; s < n_sets; s++)
            mean += cm->final_x[s] / 65536;
        return mean / (int)n_sets;
    }
    cm->final_set[0] = cm->c0 * AZ_MIX_STEP;
    cm->final_set[1] = (256 + cm->match_state * 8 + cm->bit_pos) * AZ_MIX_STEP;
    cm->final_set[2] = (256 + 17 * 8 + (cm->c4 & 0xff)) * AZ_MIX_STEP;
    cm->kernels->mix_dot(cm->final_x, cm->final_weights, cm->final_set, AZ_CM_FINAL_SETS,
                         AZ_MIX_STEP, dot);
    int sum = 0;
    for (int s = 0; s < AZ_CM_FINAL_SETS; s++) {
        int v = clamp_stretch(dot[s] >> 5);
        cm->final_p[s] = cm->tables.squash[v + AZ_STRETCH_MAX];
        sum += v;
    }
    return sum / AZ_CM_FINAL_SETS;
}

/* Final stages: each looks up what came of such a prediction in its context. */
INLINE void find_apm_rows(az_cm *cm, uint32_t n_apms) {
    uint32_t c1 = cm->c4 & 0xff, shift = 32 - cm->apm_log2;
    const uint32_t row[AZ_CM_APMS_MAX] = {
        cm->c0 | (cm->match_state ? 256u : 0),
        az_cm_hash(c1, cm->c0) >> shift,
        az_cm_hash((cm->c4 & 0xffff) + 256, cm->c0) >> shift,
        az_cm_hash((cm->c4 & 0xffffff) + 65792, cm->c0) >> shift,
    };
    for (uint32_t a = 0; a < n_apms; a++) {
        cm->apm_row[a] = cm->apm[a] + row[a] * 33;
        PREFETCH(cm->apm_row[a]);
        PREFETCH(cm->apm_row[a] + 16);
        PREFETCH(cm->apm_row[a] + 32);
    }
}

INLINE uint32_t refine(az_cm *cm, int stretched, uint32_t n_apms) {
    uint32_t at = (uint32_t)(stretched + 4096), i = at >> 8, part = at & 255, sum = 0;
    for (uint32_t a = 0; a < n_apms; a++) {
        az_counter *cell = cm->apm_row[a] + i;
        uint64_t p = (uint64_t)(cell[0] >> 10) * (256 - part) + (uint64_t)(cell[1] >> 10) * part;
        cm->apm_cell[a] = cell + (part >= 128);
        sum += (uint32_t)(p >> 8);
    }
    return n_apms ? sum / n_apms : az_squash(&cm->tables, stretched);
}

INLINE uint32_t predict(az_cm *cm, uint32_t inputs, uint32_t n_sets, uint32_t n_apms) {
    cm->node =
        cm->bit_pos < 4 ? cm->c0 : (cm->c0 & 15u >> (8 - cm->bit_pos)) | 1u << (cm->bit_pos - 4);
    cm->kernels->lanes_predict(&cm->lanes, cm->n_lanes, cm->node, cm->c0, cm->bit_pos, inputs > 1,
                               cm->x);
    int32_t *x = cm->x + cm->n_lanes * inputs;
    add_matches(cm, x);
    find_apm_rows(cm, n_apms);
    x[2 * cm->level->n_matches] = 256 * 65536;
    uint32_t p = refine(cm, mix(cm, n_sets, inputs > 1), n_apms);
    return p < 1 ? 1 : p > PROB_ONE - 1 ? PROB_ONE - 1 : p;
}

/* ---- Learning ---------------------------------------------------------------- */

INLINE int32_t step_of(int bit, uint32_t p, int rate) {
    int64_t e = ((int64_t)((bit << 22) - (int32_t)p) * rate + (1 << 17)) >> 18;
    return (int32_t)(e > AZ_MIX_ERROR_MAX    ? AZ_MIX_ERROR_MAX
                     : e < -AZ_MIX_ERROR_MAX ? -AZ_MIX_ERROR_MAX
                                             : e);
}

INLINE void learn(az_cm *cm, int bit, uint32_t inputs, uint32_t n_sets, uint32_t n_apms) {
    const az_cm_tables *t = &cm->tables;
    if (inputs > 1) {
        int32_t final_error[AZ_CM_FINAL_SETS];
        for (int s = 0; s < AZ_CM_FINAL_SETS; s++)
            final_error[s] = step_of(bit, cm->final_p[s], FINAL_RATE);
        cm->kernels->mix_train(cm->final_x, cm->final_weights, cm->final_set, AZ_CM_FINAL_SETS,
                               AZ_MIX_STEP, final_error);
    }
    int rate = RATE + RATE_EXTRA * RATE_BITS / ((int)cm->n_bits + RATE_BITS);
    cm->n_bits += cm->n_bits < 1 << 24;
    for (uint32_t s = 0; s < n_sets; s++)
        cm->error[s] = step_of(bit, cm->set_p[s], rate);
    cm->kernels->mix_train(cm->x, cm->weights, cm->set, n_sets, cm->n_padded, cm->error);

    for (uint32_t a = 0; a < n_apms; a++)
        az_counter_update(cm->apm_cell[a], bit, APM_LIMIT, t);
    cm->kernels->lanes_learn(&cm->lanes, cm->n_lanes, cm->node, bit, inputs > 1);
    for (uint32_t i = 0; i < cm->level->n_matches; i++)
        az_counter_update(cm->match[i].cell, bit, STATE_LIMIT, t);
}

static void learn_runs(az_cm *cm, uint32_t byte) {
    for (uint32_t i = 0; i < cm->n_contexts; i++) {
        uint8_t *run = cm->run[i];
        bool same = run[1] && run[0] == byte;
        run[0] = (uint8_t)byte;
        run[1] = (uint8_t)(!same ? 1 : run[1] < 255 ? run[1] + 1 : 255);
    }
}

static void begin_byte(az_cm *cm) {
    for (uint32_t i = 0; i < cm->level->n_matches; i++)
        az_cm_match_byte(&cm->match[i], cm->block, cm->pos);
    az_cm_contexts_hash(cm);
    az_cm_sets_byte(cm);
}

/* One bit: the shape of the level is constant in each copy of this. */
INLINE uint32_t next(az_cm *cm, int bit, uint32_t inputs, uint32_t n_sets, uint32_t n_apms) {
    learn(cm, bit, inputs, n_sets, n_apms);
    cm->c0 = cm->c0 << 1 | (uint32_t)bit;
    cm->bit_pos++;
    if (cm->bit_pos == 8) {
        uint32_t byte = cm->c0 & 0xff;
        if (inputs > 1)
            learn_runs(cm, byte);
        cm->c0 = 1;
        cm->bit_pos = 0;
        for (uint32_t i = 0; i < cm->level->n_matches; i++) {
            az_cm_match_hash(&cm->match[i], byte);
            PREFETCH(cm->match[i].seen);
        }
        az_cm_contexts_byte(cm, byte);
        begin_byte(cm);
        find_slots(cm, inputs > 1);
    } else if (cm->bit_pos == 4) {
        find_slots(cm, inputs > 1);
    }
    return predict(cm, inputs, n_sets, n_apms);
}

uint32_t az_cm_begin(az_cm *cm, const uint8_t *block, size_t n_bytes) {
    shape s = shape_of(cm->level_number);
    size_t used = (size_t)layout(cm, &s, cm->arena, n_bytes);
    if (cm->used)
        memset(cm->arena, 0, used);
    cm->used = true;
    cm->block = block;
    cm->n_bytes = (uint32_t)n_bytes;
    cm->n_lines = table_lines(cm->level, cm->n_contexts, n_bytes);
    cm->apm_log2 = apm_log2(n_bytes);
    begin_counters(cm);
    begin_weights(cm);
    begin_history(cm);
    begin_byte(cm);
    find_slots(cm, cm->level->inputs > 1);
    return predict(cm, cm->level->inputs, cm->level->n_sets, cm->level->n_apms);
}

uint32_t az_cm_next(az_cm *cm, int bit) {
    const az_cm_level *l = cm->level;
    if (l->inputs == 1)
        return next(cm, bit, 1, 2, 1);
    return next(cm, bit, 3, l->n_sets, l->n_apms);
}
