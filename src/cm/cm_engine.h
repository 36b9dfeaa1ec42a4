/*
 * cm_engine: codes the bytes of a block, once for every instruction set. Each file
 * cm_SET.c includes this with its own compiler flags and so gets its own copy,
 * with the mixer's loops of that set (kernels/mix.h) inside; integers only, so
 * all are equal. In each copy there is one function for each level, whose numbers
 * are constants there, so that all loops over contexts are unrolled, and predictor
 * and coder are one piece of code.
 *
 * A byte goes like this: hash the contexts and ask memory for their cache lines;
 * twice, for each nibble: find the slots; four times: predict the bit, code it,
 * learn from it.
 */
#ifndef AZ_CM_ENGINE_H
#define AZ_CM_ENGINE_H

#include "cm_match.h"
#include "cm_models.h"

#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define PREFETCH(p) ((void)(p))
#define UNROLL
#endif

enum {
    MATCH_SHIFT = 7,
    SURE_LIMIT = 1023,
    MAP_SHIFT = 7,      /* histories and runs learn by 1/128 of the error */
    STAGE_SHIFT = 6,
    FINAL_RATE = 300 /* learning rate of the second layer, 2^-16 */
};

static const uint32_t match_min_len[AZ_CM_MATCHES_MAX] = {6, 20, 11};

/* One byte's course: what its contexts have found, and what the running bit's
 * prediction leaves for learning from it. */
typedef struct az_cm_now {
    uint8_t *slot[AZ_CM_LANES_MAX]; /* [16] histories of this nibble, by node 1..15 */
    uint8_t *state; /* [n_lanes] the histories for this bit */
    uint32_t second[AZ_CM_MODELS];  /* hashes of the second nibble's slots */
    uint8_t *run[AZ_CM_MODELS];     /* byte last seen and how often, of the first nibble's slot */
    uint32_t run_expected[AZ_CM_MODELS]; /* 256 + that byte, or 0 */
    uint32_t run_count[AZ_CM_MODELS];    /* twice how often, 2..30 */
    uint32_t run_cell[AZ_CM_LANES_MAX];
    int match_st[AZ_CM_MATCHES_MAX][2];    /* log-odds of the expected bit: the first, others */
    uint32_t expected[AZ_CM_MATCHES_MAX];  /* the bits still expected, next at bit 7 */
    uint32_t alive[AZ_CM_MATCHES_MAX];     /* all ones until refuted */
    int32_t *row[AZ_CM_SETS_MAX];
    int32_t v[AZ_CM_SETS_MAX];
    int32_t *final_row;
    int32_t final_v;
    az_prob31 *stage_row[AZ_CM_STAGES_MAX];
    az_prob31 *stage_cell[AZ_CM_STAGES_MAX];
    uint32_t node;        /* 1..15 in the current nibble's slot */
    uint32_t c0;          /* bits of this byte so far, after a leading 1 */
    uint32_t bit_pos;     /* 0..7 */
    uint32_t match_state; /* 1..16 by length, 0 no match */
} az_cm_now;

/* ---- Slots ------------------------------------------------------------------- */

AZ_INLINE uint8_t *line_of(const az_cm *cm, uint32_t hash) {
    return cm->table + (((uint64_t)hash * cm->n_lines) >> 32) * AZ_CM_LINE_NBYTES;
}

/* Empties the least worthy slot of a line for this check. */
static uint32_t replace_slot(const az_cm_tables *t, uint8_t *line, uint32_t check) {
    const uint8_t *states = line + AZ_CM_SLOT_STATES;
    uint32_t worst = 0;
    for (uint32_t i = 1; i < AZ_CM_SLOTS_A_LINE; i++)
        if (t->worth[states[i * AZ_CM_SLOT_NBYTES]] < t->worth[states[worst * AZ_CM_SLOT_NBYTES]])
            worst = i;
    line[2 * worst] = (uint8_t)check;
    line[2 * worst + 1] = (uint8_t)(check >> 8);
    memset(line + AZ_CM_SLOT_STATES + worst * AZ_CM_SLOT_NBYTES, 0, AZ_CM_SLOT_NBYTES);
    memset(line + AZ_CM_SLOT_RUNS + worst * 2, 0, 2);
    return worst;
}

/* Which slot of the line holds this check: all three are compared at once. */
AZ_INLINE uint32_t find_slot(const az_cm_tables *t, uint8_t *line, uint32_t check) {
    uint64_t low15 = 0x7fff7fff7fffu;
    uint64_t differ = az_read_le64(line) ^ check * (uint64_t)0x000100010001u;
    uint64_t same = ~(((differ & low15) + low15) | differ) & 0x800080008000u;
    return same ? (uint32_t)az_trailing_zeros(same) >> 4 : replace_slot(t, line, check);
}

AZ_INLINE void find_slots(az_cm *cm, const az_cm_level *l, az_cm_now *now, bool second) {
    uint32_t first = now->c0; /* of the second nibble: 16..31 */
    uint32_t twin = second && (first & 1) ? 0x8000 : 0;
    uint32_t nibble = second ? first - 15 : 0;
    now->node = 1;
    now->slot[l->n_contexts] = cm->order1[cm->c4 & 0xff] + nibble * 16;
    now->slot[l->n_contexts + 1] = cm->order0 + nibble * 16;
    UNROLL for (uint32_t i = 0; i < l->n_contexts; i++) {
        uint32_t hash = second ? now->second[i] : cm->hash[i];
        uint32_t check = (hash & 0xffff) ^ twin;
        uint8_t *line = line_of(cm, hash);
        uint32_t k = find_slot(&cm->tables, line, check + (check == 0));
        now->slot[i] = line + (AZ_CM_SLOT_STATES - 1) + k * AZ_CM_SLOT_NBYTES;
        if (l->inputs >= 3 && !second) {
            uint8_t *run = line + AZ_CM_SLOT_RUNS + k * 2;
            now->run[i] = run;
            now->run_expected[i] = run[1] ? 256u + run[0] : 0;
            now->run_count[i] = 2u * (run[1] < 15 ? run[1] : 15);
        }
    }
}

/* Asks memory for the lines of the first nibble. */
AZ_INLINE void aim(az_cm *cm, const az_cm_level *l, bool waiting) {
    UNROLL for (uint32_t i = 0; i < l->n_contexts; i++) if (AZ_CM_WAITS(i) == waiting)
        PREFETCH(line_of(cm, cm->hash[i]));
}

/* The same for the second, a bit earlier: nibbles that differ in their last bit
 * only share a line. first: the other bits, after a leading 1. */
AZ_INLINE void aim_second(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    UNROLL for (uint32_t i = 0; i < l->n_contexts; i++) {
        now->second[i] = az_cm_hash(cm->hash[i], now->c0);
        PREFETCH(line_of(cm, now->second[i]));
    }
}

/* ---- Prediction -------------------------------------------------------------- */

AZ_INLINE int clamp_stretch(int v) {
    return v > AZ_STRETCH_MAX ? AZ_STRETCH_MAX : v < -AZ_STRETCH_MAX ? -AZ_STRETCH_MAX : v;
}

AZ_INLINE void begin_matches(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    UNROLL for (uint32_t i = 0; i < l->n_matches; i++) {
        const az_cm_match *m = &cm->match[i];
        now->expected[i] = m->expected;
        now->alive[i] = -(m->expected >> 8);
        now->match_st[i][0] = az_stretch(&cm->tables, (uint32_t)m->cells[m->row][0] >> 9);
        now->match_st[i][1] = az_stretch(&cm->tables, (uint32_t)m->cells[m->row][1] >> 9);
    }
    now->match_state = (1 + (cm->match[0].row >> 3)) & now->alive[0];
}

AZ_INLINE int match_input(az_cm_now *now, uint32_t i) {
    int st = now->match_st[i][now->bit_pos != 0];
    int sign = (int)(now->expected[i] >> 7 & 1) - 1; /* -1: a 0 is expected */
    return ((st ^ sign) - sign) & (int)now->alive[i];
}

AZ_INLINE void learn_matches(az_cm *cm, const az_cm_level *l, az_cm_now *now, int bit) {
    UNROLL for (uint32_t i = 0; i < l->n_matches; i++) {
        az_cm_match *m = &cm->match[i];
        uint32_t hit = ~(now->expected[i] >> 7 ^ (uint32_t)bit) & 1;
        uint32_t row = AZ_CM_MATCH_ROWS + ((m->row - AZ_CM_MATCH_ROWS) & now->alive[i]);
        az_prob31_update(&m->cells[row][now->bit_pos != 0], (int)-hit & INT32_MAX, MATCH_SHIFT);
        now->alive[i] &= -hit;
        now->expected[i] <<= 1;
    }
    now->match_state &= now->alive[0];
}

AZ_INLINE void find_run_cells(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    UNROLL for (uint32_t i = 0; i < AZ_CM_N_LANES(l); i++) {
        uint32_t expected = i < l->n_contexts ? now->run_expected[i] : 0;
        uint32_t agrees = -(uint32_t)(expected >> (8 - now->bit_pos) == now->c0);
        uint32_t bit = expected >> (7 - now->bit_pos) & 1;
        uint32_t count = i < l->n_contexts ? now->run_count[i] : 0;
        now->run_cell[i] = (count + bit) & agrees;
    }
}

/* Input i of the mixer: the lanes' log-odds; with 3 inputs a lane, their
 * probabilities less 1/2, in units of 1/512, and their runs' log-odds; then
 * for each match log-odds; 1; and zeros. */
AZ_INLINE int input(const az_cm *cm, const az_cm_level *l, az_cm_now *now, uint32_t i) {
    uint32_t n = AZ_CM_N_LANES(l);
    if (i < n) {
        now->state[i] = now->slot[i][now->node];
        return cm->map_st[i][now->state[i]];
    }
    if (i < 2 * n && l->inputs >= 3)
        return (cm->maps[i - n][now->state[i - n]] - (1 << 30)) >> 22;
    if (i < 3 * n && l->inputs >= 3)
        return cm->tables.stretch12[(uint32_t)cm->run_maps[i - 2 * n][now->run_cell[i - 2 * n]] >> 19];
    i -= n * l->inputs;
    if (i < l->n_matches)
        return match_input(now, i);
    return i == l->n_matches ? 256 : 0;
}

AZ_INLINE void put_inputs(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
#define AT(k) input(cm, l, now, i + k)
    UNROLL for (uint32_t i = 0; i < AZ_CM_N_PADDED(l); i += AZ_MIX_STEP)
        az_mix_put(cm->x + i, AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7));
#undef AT
}

/* The first layer: what each set of weights makes of the inputs. */
AZ_INLINE void mix_first(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    uint32_t n = AZ_CM_N_PADDED(l);
    UNROLL for (uint32_t s = 0; s < l->n_sets; s++) {
        az_cm_set_kind kind = az_cm_sets[s].kind;
        uint32_t row = kind == AZ_CM_SET_C0      ? now->c0
                       : kind == AZ_CM_SET_BIT   ? now->bit_pos
                       : kind == AZ_CM_SET_MATCH ? now->match_state * 8 + now->bit_pos
                                                 : 0;
        now->row[s] = cm->weights + cm->set_byte[s] + row * n;
    }
    int32_t dot[AZ_CM_SETS_MAX];
    az_mix_dot(cm->x, now->row, l->n_sets, n, dot);
    UNROLL for (uint32_t s = 0; s < l->n_sets; s++)
        now->v[s] = clamp_stretch(dot[s] >> 5);
}

/* The second layer, on what the first one's sets say; returns log-odds. */
AZ_INLINE int mix_second(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    if (l->n_sets == 1)
        return now->v[0];
#define AT(k) ((k) < l->n_sets ? now->v[k] : 0)
    az_mix_put(cm->final_x, AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7));
#undef AT
    now->final_row = cm->final_weights + now->c0 * AZ_MIX_STEP;
    int32_t dot;
    az_mix_dot(cm->final_x, &now->final_row, 1, AZ_MIX_STEP, &dot);
    return now->final_v = clamp_stretch(dot >> 5);
}

/* Final stages: each looks up what came of such a prediction in its context. */
AZ_INLINE void find_stage_rows(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    uint32_t c1 = cm->c4 & 0xff, shift = 32 - cm->stage_log2;
    for (uint32_t a = 0; a < l->n_stages; a++) {
        uint32_t row = a == 0   ? now->c0 | (now->match_state ? 256u : 0)
                       : a == 1 ? az_cm_hash(c1, now->c0) >> shift
                       : a == 2 ? az_cm_hash((cm->c4 & 0xffff) + 256, now->c0) >> shift
                                : az_cm_hash((cm->c4 & 0xffffff) + 65792, now->c0) >> shift;
        now->stage_row[a] = cm->stage[a] + row * AZ_CM_STAGE_CELLS;
        if (a > 0) {
            PREFETCH(now->stage_row[a]);
            PREFETCH(now->stage_row[a] + 16);
        }
    }
}

/* Cell j of a row is for log-odds j * 256 - 3968; between two it is interpolated. */
AZ_INLINE uint32_t refine(az_cm *cm, const az_cm_level *l, az_cm_now *now, int stretched) {
    uint32_t p = cm->tables.squash[stretched + AZ_STRETCH_MAX];
    if (l->n_stages == 0)
        return p;
    uint32_t at = (uint32_t)(stretched + 3968), i = at >> 8, part = at & 255, sum = 0;
    for (uint32_t a = 0; a < l->n_stages; a++) {
        az_prob31 *cell = now->stage_row[a] + i;
        uint32_t q = ((uint32_t)cell[0] >> 9) * (256 - part) + ((uint32_t)cell[1] >> 9) * part;
        now->stage_cell[a] = cell + (part >> 7);
        sum += q >> 8;
    }
    p = (p + sum / l->n_stages) / 2;
    return p + (p == 0);
}

AZ_INLINE uint32_t predict(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    find_stage_rows(cm, l, now);
    if (l->inputs >= 3)
        find_run_cells(cm, l, now);
    put_inputs(cm, l, now);
    mix_first(cm, l, now);
    return refine(cm, l, now, mix_second(cm, l, now));
}

/* ---- Learning ---------------------------------------------------------------- */

/* The step of a set whose output was v: its error at a rate. */
AZ_INLINE int32_t step_of(const az_cm_tables *t, int bit, int v, int rate) {
    int32_t error = (bit << 16) - (int32_t)t->squash16[(uint32_t)(v + AZ_STRETCH_MAX) >> 2];
    return (error * rate + (1 << 11)) >> 12;
}

/* The maps take turns: what a history means changes slowly. */
AZ_INLINE void learn_maps(az_cm *cm, const az_cm_level *l, az_cm_now *now, int32_t target) {
    for (uint32_t i = cm->turn; i < AZ_CM_N_LANES(l); i += l->period) {
        az_prob31 *p = &cm->maps[i][now->state[i]];
        az_prob31_update(p, target, l->period == 1 ? MAP_SHIFT : MAP_SHIFT - 1);
        cm->map_st[i][now->state[i]] = cm->tables.stretch12[(uint32_t)*p >> 19];
    }
    cm->turn = cm->turn + 1 == l->period ? 0 : cm->turn + 1;
}

AZ_INLINE void learn(az_cm *cm, const az_cm_level *l, az_cm_now *now, int bit) {
    const az_cm_tables *t = &cm->tables;
    int32_t target = -bit & INT32_MAX, error[AZ_CM_SETS_MAX];
    if (l->n_sets > 1) {
        error[0] = step_of(t, bit, now->final_v, FINAL_RATE);
        az_mix_train(cm->final_x, &now->final_row, 1, AZ_MIX_STEP, error);
    }
    UNROLL for (uint32_t s = 0; s < l->n_sets; s++)
        error[s] = step_of(t, bit, now->v[s], cm->rate);
    az_mix_train(cm->x, now->row, l->n_sets, AZ_CM_N_PADDED(l), error);

    for (uint32_t a = 0; a < l->n_stages; a++)
        az_prob31_update(now->stage_cell[a], target, STAGE_SHIFT);
    learn_maps(cm, l, now, target);
    const uint8_t *next = t->next[bit];
    UNROLL for (uint32_t i = 0; i < AZ_CM_N_LANES(l); i++) {
        now->slot[i][now->node] = next[now->state[i]];
        if (l->inputs >= 3)
            az_prob31_update(&cm->run_maps[i][now->run_cell[i]], target, MAP_SHIFT);
    }
    learn_matches(cm, l, now, bit);
}

AZ_INLINE void learn_runs(const az_cm_level *l, az_cm_now *now, uint32_t byte) {
    for (uint32_t i = 0; i < l->n_contexts; i++) {
        uint8_t *run = now->run[i];
        bool same = run[1] && run[0] == byte;
        run[0] = (uint8_t)byte;
        run[1] = (uint8_t)(!same ? 1 : run[1] < 255 ? run[1] + 1 : 255);
    }
}

/* ---- From byte to byte ------------------------------------------------------- */

AZ_INLINE void find_matches(az_cm *cm, const az_cm_level *l) {
    UNROLL for (uint32_t i = 0; i < l->n_matches; i++)
        az_cm_match_byte(&cm->match[i], match_min_len[i], cm->block, cm->pos);
    cm->sure = l->sure_len && cm->match[0].len >= l->sure_len;
}

/* The byte is known: what follows from it, up to where its matches may be. */
AZ_INLINE void end_byte(az_cm *cm, const az_cm_level *l, uint32_t byte) {
    UNROLL for (uint32_t i = 0; i < l->n_matches; i++) {
        az_cm_match_hash(&cm->match[i], match_min_len[i], byte);
        PREFETCH(cm->match[i].seen);
    }
    az_cm_remember(cm, l, byte);
}

AZ_INLINE void aim_early(az_cm *cm, const az_cm_level *l) {
    az_cm_hash_models(cm, l, false);
    aim(cm, l, false);
}

AZ_INLINE int code_bit(az_range_encoder *enc, az_range_decoder *dec, bool decoding, int bit,
                       uint32_t p) {
    if (decoding)
        return az_range_decode_bit(dec, p);
    az_range_encode_bit(enc, bit, p);
    return bit;
}

/* One decision for all of a byte that a long match expects. */
AZ_INLINE bool code_sure(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, bool decoding,
                         const uint8_t *block) {
    const az_cm_match *m = &cm->match[0];
    uint32_t bucket = (m->len >= 48) + (m->len >= 96) + (m->len >= 400);
    az_counter *cell = &cm->sure_cells[bucket * 256 + (m->expected & 255)];
    uint32_t p = *cell >> 10;
    p = p < 1 ? 1 : p > AZ_PROB_ONE - 1 ? AZ_PROB_ONE - 1 : p;
    int hit = !decoding && block[cm->pos] == (m->expected & 255);
    hit = code_bit(enc, dec, decoding, hit, p);
    az_counter_update(cell, hit, SURE_LIMIT, &cm->tables);
    return hit;
}

AZ_INLINE void code_of_level(az_cm *cm, const az_cm_level *l, az_range_encoder *encoder,
                             az_range_decoder *decoder, uint8_t *block, size_t n_bytes) {
    az_cm_now now;
    uint8_t state[AZ_CM_LANES_MAX]; /* apart: the one array that is not taken to pieces */
    now.state = state;
    bool decoding = encoder == NULL;
    az_range_encoder enc = encoder ? *encoder : (az_range_encoder){0};
    az_range_decoder dec = decoder ? *decoder : (az_range_decoder){0};
    uint32_t stop = cm->pos + (uint32_t)n_bytes;
    bool aimed = false;
    while (cm->pos < stop) {
        if (l->sure_len && cm->sure) {
            if (code_sure(cm, &enc, &dec, decoding, cm->block)) {
                uint32_t byte = cm->match[0].expected & 255;
                if (decoding)
                    block[cm->pos] = (uint8_t)byte;
                end_byte(cm, l, byte);
                find_matches(cm, l);
                aimed = false;
                continue;
            }
        }
        if (!aimed)
            aim_early(cm, l);
        az_cm_hash_models(cm, l, true);
        aim(cm, l, true);
        az_cm_choose_sets(cm, l);
        cm->rate = AZ_CM_RATE;
        if (cm->pos < AZ_CM_RATE_EXTRA * AZ_CM_RATE_BYTES)
            cm->rate += AZ_CM_RATE_EXTRA * AZ_CM_RATE_BYTES / (int)(cm->pos + AZ_CM_RATE_BYTES);
        uint32_t byte = decoding ? 0 : cm->block[cm->pos];
        now.c0 = 1;
        now.bit_pos = 0;
        find_slots(cm, l, &now, false);
        begin_matches(cm, l, &now);
        for (;;) {
            uint32_t p = predict(cm, l, &now);
            int bit = code_bit(&enc, &dec, decoding, byte >> 7 & 1, p);
            byte <<= 1;
            bool last = now.bit_pos == 7;
            if (last) { /* the next byte's lines come while this bit is learnt */
                byte = (now.c0 << 1 | (uint32_t)bit) & 255;
                if (decoding)
                    block[cm->pos] = (uint8_t)byte;
                end_byte(cm, l, byte);
                aim_early(cm, l);
            }
            learn(cm, l, &now, bit);
            if (last)
                break;
            now.c0 = now.c0 << 1 | (uint32_t)bit;
            now.node = now.node << 1 | (uint32_t)bit;
            now.bit_pos++;
            if (now.bit_pos == 3)
                aim_second(cm, l, &now);
            else if (now.bit_pos == 4)
                find_slots(cm, l, &now, true);
        }
        if (l->inputs >= 3)
            learn_runs(l, &now, byte);
        find_matches(cm, l);
        aimed = true;
    }
    if (decoding)
        *decoder = dec;
    else
        *encoder = enc;
}

/* For each level one, and the table of them. */
#define LEVEL(n)                                                                             \
    static void code##n(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec,             \
                        uint8_t *block, size_t n_bytes) {                                    \
        code_of_level(cm, &az_cm_levels[n], enc, dec, block, n_bytes);                       \
    }
LEVEL(1)
LEVEL(2)
LEVEL(3)
LEVEL(4)
LEVEL(5)
LEVEL(6)
LEVEL(7)
LEVEL(8)
LEVEL(9)
#define LEVELS \
    { NULL, code1, code2, code3, code4, code5, code6, code7, code8, code9 }

#endif
