/*
 * cm_bits: the parts that an engine is made of (cm_engine.h), and what guesses the next byte
 * (cm_guess.c): all inline, with the mixer's loops of the including file's instruction set.
 *
 * A byte goes like this: hash the contexts and ask memory for their cache lines;
 * twice, for each nibble: find the slots; four times: predict the bit, code it,
 * learn from it.
 */
#ifndef AZ_CM_BITS_H
#define AZ_CM_BITS_H

#include "cm_match.h"
#include "cm_models.h"

/* 1: one function for all levels, not nine. Sanitizers take minutes to compile nine. */
#if !defined(AZ_CM_ONE_ENGINE)
#define AZ_CM_ONE_ENGINE 0
#endif

#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p)
#if AZ_CM_ONE_ENGINE
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#else
#define PREFETCH(p) ((void)(p))
#define UNROLL
#endif

/* Hides from the compiler what x is, lest it keeps all that it has derived from it. */
#if defined(__GNUC__)
#define HIDE(x) __asm__("" : "+r"(x))
#else
#define HIDE(x) ((void)(x))
#endif

enum {
    /* How fast cells move: by 1/128 or 1/64 of the error. */
    MAP_SHIFT = 7, /* histories and runs */
    MATCH_SHIFT = 7,
    STAGE_SHIFT = 6,
    SURE_LIMIT = 1023, /* and sure decisions: by 1/n, n at most this */
    HINTED_FINAL_RATE = 25,
    FINAL_RATE = 150 /* learning rate of the second layer, 2^-16 */
};

static const uint32_t match_min_len[AZ_CM_MATCHES_MAX] = AZ_CM_MATCH_MIN_LEN;

/* One byte's course: what its contexts have found, and what the running bit's
 * prediction leaves for learning from it. */
typedef struct az_cm_now {
    uint8_t *slot[AZ_CM_LANES_MAX]; /* [16] histories of this nibble, by node 1..15 */
    uint8_t *state;                 /* [n_lanes] the histories for this bit */
    uint8_t *line[AZ_CM_MODELS];    /* where the next nibble's slots are */
    uint16_t check[AZ_CM_MODELS];   /* and what tells them apart there */
    uint8_t *run[AZ_CM_MODELS];     /* byte last seen and how often, of the first nibble's slot */
    uint32_t run_expected[AZ_CM_MODELS]; /* 256 + that byte, or 0 */
    uint32_t run_count[AZ_CM_MODELS];    /* twice how often, 2..30 */
    uint32_t run_cell[AZ_CM_LANES_MAX];
    int32_t expected[AZ_CM_MATCHES_MAX];  /* the bits still expected, next in the sign */
    int match_st[AZ_CM_MATCHES_MAX];      /* log-odds of the expected bit, 0 once refuted */
    int match_next_st[AZ_CM_MATCHES_MAX]; /* the same after the first bit */
    int32_t *row[AZ_CM_SETS_MAX];
    int32_t v[AZ_CM_SETS_MAX];
    int32_t *final_row;
    int32_t final_v;
    uint32_t stage_hash[AZ_CM_STAGES_MAX]; /* the bytes that a stage looks at */
    az_prob31 *stage_row[AZ_CM_STAGES_MAX];
    az_prob31 *stage_cell[AZ_CM_STAGES_MAX];
    size_t node;          /* 1..15 in the current nibble's slot */
    uint32_t c0;          /* bits of this byte so far, after a leading 1 */
    uint32_t bit_pos;     /* 0..7 */
    uint32_t turn;        /* the first lane whose map learns from this byte */
    uint32_t match_state; /* 1..16 by length, 0 no match */
} az_cm_now;

/* ---- Slots ------------------------------------------------------------------- */

AZ_INLINE uint8_t *line_of(const az_cm *cm, uint32_t hash) {
    return cm->table + (((uint64_t)hash * cm->n_lines) >> 32) * AZ_CM_LINE_NBYTES;
}

/* Empties the least worthy slot of a line for this check. */
static int replace_slot(const az_cm_tables *t, uint8_t *line, uint16_t check) {
    const uint8_t *states = line + AZ_CM_SLOT_STATES;
    uint8_t a = t->worth[states[0]], b = t->worth[states[AZ_CM_SLOT_NBYTES]],
            c = t->worth[states[2 * AZ_CM_SLOT_NBYTES]];
    int worst = b < a;
    worst = c < (worst ? b : a) ? 2 : worst;
    line[2 * worst] = (uint8_t)check;
    line[2 * worst + 1] = (uint8_t)(check >> 8);
    memset(line + AZ_CM_SLOT_STATES + worst * AZ_CM_SLOT_NBYTES, 0, AZ_CM_SLOT_NBYTES);
    memset(line + AZ_CM_LINE_RUNS + worst * 2, 0, 2);
    return worst;
}

/* The slot of this check. A check of 0 finds an empty slot, too, and that is right. */
AZ_INLINE uint8_t *find_slot(const az_cm_tables *t, uint8_t *line, uint16_t check) {
    int k = az_find3(line, check);
    if (k < 0)
        k = replace_slot(t, line, check);
    return line + (AZ_CM_SLOT_STATES - 1) + k * AZ_CM_SLOT_NBYTES;
}

/* Finds the slots of the nibble that begins, where aim_first() or aim_second() said. */
AZ_INLINE void find_slots(az_cm *cm, const az_cm_level *l, az_cm_now *now, bool second) {
    uint16_t twin = second ? (uint16_t)(now->c0 << 15) : 0; /* the bit that the line ignores */
    uint32_t nibble = second ? now->c0 - 15 : 0;
    now->node = 1;
    now->slot[l->n_contexts] = cm->order1[cm->at.c4 & 0xff] + nibble * 16;
    now->slot[l->n_contexts + 1] = cm->order0 + nibble * 16;
    UNROLL
    for (uint32_t i = 0; i < l->n_contexts; i++) {
        uint8_t *slot = find_slot(&cm->tables, now->line[i], now->check[i] ^ twin);
        now->slot[i] = slot;
        if (l->inputs >= 3 && !second) {
            uint8_t *run =
                now->line[i] + AZ_CM_LINE_RUNS + (slot - now->line[i]) / AZ_CM_SLOT_NBYTES * 2;
            now->run[i] = run;
            now->run_expected[i] = run[1] ? 256u + run[0] : 0;
            now->run_count[i] = 2u * (run[1] < 15 ? run[1] : 15);
        }
    }
}

AZ_INLINE void aim(const az_cm *cm, az_cm_now *now, uint32_t i, uint32_t hash) {
    now->line[i] = line_of(cm, hash);
    now->check[i] = (uint16_t)hash;
    PREFETCH(now->line[i]);
}

/* Asks memory for the lines of the first nibble. */
AZ_INLINE void aim_first(az_cm *cm, const az_cm_level *l, az_cm_now *now, bool waiting) {
    az_cm_hash_models(cm, l, waiting);
    UNROLL
    for (uint32_t i = 0; i < l->n_contexts; i++)
        if (AZ_CM_WAITS(i) == waiting)
            aim(cm, now, i, cm->hash[i]);
}

/* The same for the second, a bit earlier: nibbles that differ in their last bit
 * only share a line. */
AZ_INLINE void aim_second(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    uint32_t place = now->c0 * 0x9e3779b1u;
    UNROLL
    for (uint32_t i = 0; i < l->n_contexts; i++)
        aim(cm, now, i, cm->hash[i] + place);
}

/* ---- Prediction -------------------------------------------------------------- */

AZ_INLINE void begin_matches(const az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    UNROLL
    for (uint32_t i = 0; i < l->n_matches; i++) {
        const az_cm_match *m = &cm->at.match[i];
        const az_prob31 *cells = cm->match_memory[i].cells[m->row];
        int alive = -(int)(m->expected != 0);
        now->expected[i] = (int32_t)(m->expected << 24);
        now->match_st[i] = az_stretch(&cm->tables, (uint32_t)cells[0] >> 9) & alive;
        now->match_next_st[i] = az_stretch(&cm->tables, (uint32_t)cells[1] >> 9) & alive;
    }
    now->match_state = cm->at.match[0].expected ? 1 + (cm->at.match[0].row >> 3) : 0;
}

AZ_INLINE int match_input(const az_cm_now *now, uint32_t i) {
    int sign = ~(now->expected[i] >> 31); /* -1: a 0 is expected */
    return (now->match_st[i] ^ sign) - sign;
}

/* The bit was 0, or -1 for a 1. */
AZ_INLINE void follow_matches(const az_cm_level *l, az_cm_now *now, int bit) {
    UNROLL
    for (uint32_t i = 0; i < l->n_matches; i++) {
        int agrees = ~((now->expected[i] >> 31) ^ bit);
        now->match_st[i] = (now->bit_pos == 0 ? now->match_next_st[i] : now->match_st[i]) & agrees;
        now->match_next_st[i] &= agrees;
        now->expected[i] = (int32_t)((uint32_t)now->expected[i] << 1);
        if (i == 0)
            now->match_state &= (uint32_t)agrees;
    }
}

/* The byte is known: how many of its bits came as expected? The first tells most, and
 * is counted apart. */
AZ_INLINE void learn_matches(az_cm *cm, const az_cm_level *l, uint32_t byte) {
    UNROLL
    for (uint32_t i = 0; i < l->n_matches; i++) {
        const az_cm_match *m = &cm->at.match[i];
        if (!m->expected)
            continue;
        uint32_t differ = (m->expected ^ byte) & 255;
        int n = az_leading_zeros((uint64_t)differ << 56 | (uint64_t)1 << 55); /* 0..8 */
        az_prob31 *first = cm->match_memory[i].cells[m->row], *others = first + 1;
        az_prob31_update(first, n > 0 ? INT32_MAX : 0, MATCH_SHIFT);
        if (n > 0)
            *others += ((INT32_MAX - *others) >> MATCH_SHIFT) * (n - 1);
        if (n > 0 && n < 8)
            *others -= *others >> MATCH_SHIFT;
    }
}

AZ_INLINE void find_run_cells(const az_cm_level *l, az_cm_now *now) {
    UNROLL
    for (uint32_t i = 0; i < AZ_CM_N_LANES(l); i++) {
        uint32_t expected = i < l->n_contexts ? now->run_expected[i] : 0;
        uint32_t agrees = -(uint32_t)(expected >> (8 - now->bit_pos) == now->c0);
        uint32_t bit = expected >> (7 - now->bit_pos) & 1;
        uint32_t count = i < l->n_contexts ? now->run_count[i] : 0;
        now->run_cell[i] = (count + bit) & agrees;
    }
}

/* Input i of the mixer: the lanes' log-odds; with 2 inputs a lane, their
 * probabilities less 1/2, times 1024; with 3, their runs' log-odds; then for each
 * match log-odds; 1; hints; and zeros. */
AZ_INLINE int input(const az_cm *cm, const az_cm_level *l, az_cm_now *now, uint32_t i) {
    uint32_t n = AZ_CM_N_LANES(l);
    if (i < n) {
        now->state[i] = now->slot[i][now->node];
        return cm->map_st[i][now->state[i]];
    }
    if (i < 2 * n && l->inputs >= 2)
        return (cm->maps[i - n][now->state[i - n]] - (1 << 30)) >> 21;
    if (i < 3 * n && l->inputs >= 3)
        return cm->tables
            .stretch12[(uint32_t)cm->run_maps[i - 2 * n][now->run_cell[i - 2 * n]] >> 19];
    i -= n * l->inputs;
    if (i < l->n_matches)
        return match_input(now, i);
    if (i == l->n_matches)
        return 256;
    i -= l->n_matches + 1u;
    return i < l->n_hints ? cm->hint_x[i] : 0;
}

AZ_INLINE void put_inputs(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
#define AT(k) input(cm, l, now, i + k)
    UNROLL
    for (uint32_t i = 0; i < AZ_CM_N_PADDED(l); i += AZ_MIX_STEP)
        az_mix_put(cm->x + i, AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7));
#undef AT
}

/* The first layer: what each set of weights makes of the inputs. */
AZ_INLINE void mix_first(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    uint32_t n = AZ_CM_N_PADDED(l);
    UNROLL
    for (uint32_t s = 0; s < l->n_sets; s++) {
        az_cm_set_kind kind = az_cm_sets[s].kind;
        uint32_t row = kind == AZ_CM_SET_C0      ? now->c0
                       : kind == AZ_CM_SET_BIT   ? now->bit_pos
                       : kind == AZ_CM_SET_MATCH ? now->match_state * 8 + now->bit_pos
                                                 : 0;
        if (l->n_hints && s == 4)
            row = cm->hinted->bucket * 8 + now->bit_pos;
        now->row[s] = cm->weights + cm->set_byte[s] + row * n;
    }
    az_mix_dot(cm->x, now->row, l->n_sets, n, now->v);
}

/* The second layer, on what the first one's sets say; returns log-odds. */
AZ_INLINE int mix_second(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    if (l->n_sets == 1)
        return now->v[0];
#define AT(k) ((k) < l->n_sets ? now->v[k] : 0)
    az_mix_put(cm->final_x, AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7));
#undef AT
    now->final_row = cm->final_weights + now->c0 * AZ_MIX_STEP;
    az_mix_dot(cm->final_x, &now->final_row, 1, AZ_MIX_STEP, &now->final_v);
    return now->final_v;
}

/* Final stages: each looks up what came of such a prediction in its context. Cell j
 * of a row is for log-odds j * 256 - 3968; between two it is interpolated. */
AZ_INLINE void find_stage_rows(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    uint32_t shift = 32 - cm->stage_log2;
    UNROLL
    for (uint32_t a = 0; a < l->n_stages; a++) {
        uint32_t row = a == 0 ? now->c0 | (now->match_state ? 256u : 0)
                              : az_cm_hash(now->stage_hash[a], now->c0) >> shift;
        now->stage_row[a] = cm->stage[a] + row * AZ_CM_STAGE_CELLS;
        if (a > 0) {
            PREFETCH(now->stage_row[a]);
            PREFETCH(now->stage_row[a] + 16);
        }
    }
}

AZ_INLINE uint32_t refine(const az_cm *cm, const az_cm_level *l, az_cm_now *now, int stretched) {
    uint32_t p = az_squash(&cm->tables, stretched);
    if (l->n_stages == 0)
        return p;
    uint32_t at = (uint32_t)(stretched + 3968), i = at >> 8, part = at & 255;
    int64_t sum = 0;
    UNROLL
    for (uint32_t a = 0; a < l->n_stages; a++) {
        az_prob31 *cell = now->stage_row[a] + i;
        sum += (int64_t)cell[0] * 256 + (int64_t)(cell[1] - cell[0]) * part;
        now->stage_cell[a] = cell + (part >> 7);
    }
    uint32_t q = (uint32_t)(sum >> 17) / l->n_stages;
    return l->n_hints ? (3 * p + q + 2) / 4 : (p + q + 1) / 2;
}

AZ_INLINE uint32_t predict(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    find_stage_rows(cm, l, now);
    if (l->inputs >= 3)
        find_run_cells(l, now);
    put_inputs(cm, l, now);
    mix_first(cm, l, now);
    return refine(cm, l, now, mix_second(cm, l, now));
}

/* ---- Learning ---------------------------------------------------------------- */

/* The step of a set whose output was v: its error at a rate. */
AZ_INLINE int32_t step_of(const az_cm_tables *t, int bit, int v, int rate) {
    int32_t error = ((bit << 22) - (int32_t)az_squash(t, v)) >> 6;
    return (error * rate + (1 << 11)) >> 12;
}

/* The maps take turns, byte by byte: what a history means changes slowly. */
AZ_INLINE void learn_maps(az_cm *cm, const az_cm_level *l, az_cm_now *now, int32_t target) {
    uint32_t n = AZ_CM_N_LANES(l);
    UNROLL
    for (uint32_t first = 0; first < n; first += l->period) {
        uint32_t i = first + now->turn;
        if (first + l->period > n && i >= n)
            break;
        az_prob31 *p = &cm->maps[i][now->state[i]];
        az_prob31_update(p, target, MAP_SHIFT);
        cm->map_st[i][now->state[i]] = cm->tables.stretch12[(uint32_t)*p >> 19];
    }
}

AZ_INLINE void learn(az_cm *cm, const az_cm_level *l, az_cm_now *now, int bit) {
    const az_cm_tables *t = &cm->tables;
    int32_t target = -bit & INT32_MAX, error[AZ_CM_SETS_MAX];
    if (l->n_sets > 1) {
        error[0] = step_of(t, bit, now->final_v, l->n_hints ? HINTED_FINAL_RATE : FINAL_RATE);
        az_mix_train(cm->final_x, &now->final_row, 1, AZ_MIX_STEP, error);
    }
    UNROLL
    for (uint32_t s = 0; s < l->n_sets; s++)
        error[s] = step_of(t, bit, now->v[s], cm->rate);
    az_mix_train(cm->x, now->row, l->n_sets, AZ_CM_N_PADDED(l), error);

    for (uint32_t a = 0; a < l->n_stages; a++)
        az_prob31_update(now->stage_cell[a], target, STAGE_SHIFT + (l->n_hints > 0));
    learn_maps(cm, l, now, target);
    const uint8_t *next = t->next[bit];
    size_t node = now->node;
    HIDE(node);
    UNROLL
    for (uint32_t i = 0; i < AZ_CM_N_LANES(l); i++) {
        now->slot[i][node] = next[now->state[i]];
        if (l->inputs >= 3)
            az_prob31_update(&cm->run_maps[i][now->run_cell[i]], target, MAP_SHIFT);
    }
    follow_matches(l, now, -bit);
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
    UNROLL
    for (uint32_t i = 0; i < l->n_matches; i++)
        az_cm_match_byte(&cm->at.match[i], match_min_len[i], cm->block, cm->at.pos,
                         l->n_hints ? cm->hinted->marks : NULL, cm->n_bytes);
    cm->sure = l->sure_len && cm->at.match[0].len >= l->sure_len;
}

/* The byte is known: what follows from it, up to where its matches may be. */
AZ_INLINE void end_byte(az_cm *cm, const az_cm_level *l, uint32_t byte) {
    learn_matches(cm, l, byte);
    UNROLL
    for (uint32_t i = 0; i < l->n_matches; i++) {
        az_cm_match_hash(&cm->at.match[i], &cm->match_memory[i], match_min_len[i], byte);
        PREFETCH(cm->at.match[i].seen);
    }
    az_cm_remember(cm, l, byte);
}

AZ_INLINE int code_bit(az_range_encoder *enc, az_range_decoder *dec, bool decoding, int bit,
                       uint32_t p) {
#ifdef AZ_CM_SAMPLES
    if (decoding)
        p = az_cm_tempered(dec->temper, p);
#endif
    if (decoding)
        return az_range_decode_bit(dec, p);
    az_range_encode_bit(enc, bit, p);
    return bit;
}

/* Whether a long match is right, for which one decision is coded. */
AZ_INLINE az_counter *sure_cell(az_cm *cm) {
    const az_cm_match *m = &cm->at.match[0];
    uint32_t bucket = (m->len >= 48) + (m->len >= 96) + (m->len >= 400);
    return &cm->sure_cells[bucket * 256 + (m->expected & 255)];
}

AZ_INLINE uint32_t sure_probability(az_counter cell) {
    uint32_t p = cell >> 10;
    return p < 1 ? 1 : p > AZ_PROB_ONE - 1 ? AZ_PROB_ONE - 1 : p;
}

/* One decision for all of a byte that a long match expects. */
AZ_INLINE bool code_sure(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec,
                         const uint8_t *block) {
    const az_cm_match *m = &cm->at.match[0];
    az_counter *cell = sure_cell(cm);
    uint32_t p = sure_probability(*cell);
    int hit = !block && cm->block[cm->at.pos] == (m->expected & 255);
    hit = code_bit(enc, dec, block != NULL, hit, p);
    az_counter_update(cell, hit, SURE_LIMIT, &cm->tables);
    return hit;
}

/* Learns from the running bit, and goes on to the next. */
AZ_INLINE void next_bit(az_cm *cm, const az_cm_level *l, az_cm_now *now, int bit) {
    learn(cm, l, now, bit);
    now->c0 = now->c0 << 1 | (uint32_t)bit;
    now->node = now->node << 1 | (uint32_t)bit;
    if (now->bit_pos == 2)
        aim_second(cm, l, now);
    else if (now->bit_pos == 3)
        find_slots(cm, l, now, true);
}

/* One bit: predict it, code it, learn from it. *byte: the bits still to be encoded, the
 * next one at bit 7; after the last bit the byte. */
AZ_INLINE void step(az_cm *cm, const az_cm_level *l, az_cm_now *now, az_range_encoder *enc,
                    az_range_decoder *dec, uint8_t *block, uint32_t *byte, uint32_t bit_pos) {
    bool decoding = block != NULL;
    now->bit_pos = bit_pos;
    uint32_t p = predict(cm, l, now);
    int bit = code_bit(enc, dec, decoding, *byte >> 7 & 1, p);
    *byte <<= 1;
    if (bit_pos == 7) { /* the next byte's lines come while this bit is learnt */
        *byte = (now->c0 << 1 | (uint32_t)bit) & 255;
        if (decoding)
            block[cm->at.pos] = (uint8_t)*byte;
        end_byte(cm, l, *byte);
        aim_first(cm, l, now, false);
    }
    next_bit(cm, l, now, bit);
}

/* A learning rate that falls: after n_halved bytes half of the extra is left. */
AZ_INLINE int rate_at(uint32_t n_coded, int rate, int extra, int n_halved) {
    return rate + extra * n_halved / (int)(n_coded + (uint32_t)n_halved);
}

/* The next byte's contexts are known; all lines are asked for but those that wait. */
/* Bytes coded of the dictionary, or of the content: where the content begins, the rate rises
 * again. */
AZ_INLINE uint32_t coded_of_part(const az_cm *cm) {
    uint32_t content = (uint32_t)cm->span.dictionary_nbytes;
    return cm->at.pos - (cm->at.pos < content ? cm->n_skipped : content);
}

AZ_INLINE void begin_byte(az_cm *cm, const az_cm_level *l, az_cm_now *now) {
    aim_first(cm, l, now, true);
    az_cm_choose_sets(cm, l);
    uint32_t n_coded = l->n_hints ? cm->hinted->n_coded : coded_of_part(cm);
    if (n_coded % AZ_CM_RATE_EVERY == 0)
        cm->rate = l->n_hints ? rate_at(n_coded, 80, 200, 4000)
                              : rate_at(n_coded, AZ_CM_RATE, AZ_CM_RATE_EXTRA, AZ_CM_RATE_BYTES);
    now->c0 = 1;
    now->turn = now->turn + 1 >= l->period ? 0 : now->turn + 1;
    find_slots(cm, l, now, false);
    begin_matches(cm, l, now);
    now->stage_hash[1] = cm->at.c4 & 0xff;
    now->stage_hash[2] = (cm->at.c4 & 0xffff) + 256;
    now->stage_hash[3] = (cm->at.c4 & 0xffffff) + 65792;
}

/* One byte, bit by bit. */
AZ_INLINE void code_byte(az_cm *cm, const az_cm_level *l, az_cm_now *now, az_range_encoder *enc,
                         az_range_decoder *dec, uint8_t *block) {
    uint32_t byte = block ? 0 : cm->block[cm->at.pos];
    begin_byte(cm, l, now);
    if (l->n_contexts <= 4 && !AZ_CM_ONE_ENGINE) { /* short enough to be written out eight times */
        step(cm, l, now, enc, dec, block, &byte, 0);
        step(cm, l, now, enc, dec, block, &byte, 1);
        step(cm, l, now, enc, dec, block, &byte, 2);
        step(cm, l, now, enc, dec, block, &byte, 3);
        step(cm, l, now, enc, dec, block, &byte, 4);
        step(cm, l, now, enc, dec, block, &byte, 5);
        step(cm, l, now, enc, dec, block, &byte, 6);
        step(cm, l, now, enc, dec, block, &byte, 7);
    } else {
        for (uint32_t bit_pos = 0; bit_pos < 8; bit_pos++)
            step(cm, l, now, enc, dec, block, &byte, bit_pos);
    }
    if (l->inputs >= 3)
        learn_runs(l, now, byte);
    find_matches(cm, l);
}

#endif
