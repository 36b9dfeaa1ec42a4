/*
 * cm_guess: which bytes may come next, and how likely each is, exactly as the coder would have it.
 *
 * The bits of a byte are a tree of 256 leaves. It is walked depth first, the likelier branch
 * first, and a branch is left as soon as it costs more than all that is asked for. To go down a
 * branch the predictor learns that its bit has come; what that changes is noted before, and put
 * back afterwards: but for that, nothing of the predictor changes.
 */
#ifndef AZ_CM_GUESS_H
#define AZ_CM_GUESS_H

#include "cm_bits.h"

/* What a bit changes when it is learnt. */
typedef struct az_cm_undo {
    az_cm_now now;
    uint8_t state[AZ_CM_LANES_MAX];
    int32_t rows[AZ_CM_SETS_MAX][AZ_CM_PADDED_MAX];
    int32_t final_row[AZ_MIX_STEP];
    int32_t x[AZ_CM_PADDED_MAX], final_x[AZ_MIX_STEP];
    az_prob31 stage[AZ_CM_STAGES_MAX];
    az_prob31 map[AZ_CM_LANES_MAX], run_map[AZ_CM_LANES_MAX];
    int16_t map_st[AZ_CM_LANES_MAX];
    uint8_t slot[AZ_CM_LANES_MAX];
} az_cm_undo;

/* The cache lines of a nibble, which lose a slot when it is looked for in vain. */
typedef struct az_cm_lines {
    uint8_t *at[AZ_CM_MODELS];
    uint8_t bytes[AZ_CM_MODELS][AZ_CM_LINE_NBYTES];
} az_cm_lines;

typedef struct az_cm_walk {
    az_cm *cm;
    az_cm_now now;
    uint8_t state[AZ_CM_LANES_MAX];
    az_cm_lines second; /* lines of the second nibble: one at a time */
    az_guesses *out;
    uint32_t actual; /* the byte that comes, and what it costs */
    uint64_t actual_cost;
    uint32_t expected; /* the byte that a long match has decided on already; 256: none */
} az_cm_walk;

AZ_INLINE void keep_lines(const az_cm_level *l, const az_cm_now *now, az_cm_lines *lines) {
    for (uint32_t i = 0; i < l->n_contexts; i++) {
        lines->at[i] = now->line[i];
        memcpy(lines->bytes[i], now->line[i], AZ_CM_LINE_NBYTES);
    }
}

/* Several contexts may have the same line, but then they all hold what it was. */
AZ_INLINE void put_lines(const az_cm_level *l, const az_cm_lines *lines) {
    for (uint32_t i = 0; i < l->n_contexts; i++)
        memcpy(lines->at[i], lines->bytes[i], AZ_CM_LINE_NBYTES);
}

AZ_INLINE void keep(const az_cm *cm, const az_cm_level *l, const az_cm_walk *w, az_cm_undo *u) {
    const az_cm_now *now = &w->now;
    size_t n = AZ_CM_N_PADDED(l);
    u->now = *now;
    memcpy(u->state, w->state, sizeof u->state);
    for (uint32_t s = 0; s < l->n_sets; s++)
        memcpy(u->rows[s], now->row[s], n * sizeof **u->rows);
    memcpy(u->x, cm->x, n * sizeof *u->x);
    memcpy(u->final_x, cm->final_x, sizeof u->final_x);
    if (l->n_sets > 1)
        memcpy(u->final_row, now->final_row, sizeof u->final_row);
    for (uint32_t a = 0; a < l->n_stages; a++)
        u->stage[a] = *now->stage_cell[a];
    for (uint32_t i = 0; i < AZ_CM_N_LANES(l); i++) {
        u->map[i] = cm->maps[i][now->state[i]];
        u->map_st[i] = cm->map_st[i][now->state[i]];
        u->slot[i] = now->slot[i][now->node];
        if (l->inputs >= 3)
            u->run_map[i] = cm->run_maps[i][now->run_cell[i]];
    }
}

AZ_INLINE void put_back(az_cm *cm, const az_cm_level *l, az_cm_walk *w, const az_cm_undo *u) {
    az_cm_now *now = &w->now;
    size_t n = AZ_CM_N_PADDED(l);
    *now = u->now;
    memcpy(w->state, u->state, sizeof u->state);
    for (uint32_t s = 0; s < l->n_sets; s++)
        memcpy(now->row[s], u->rows[s], n * sizeof **u->rows);
    memcpy(cm->x, u->x, n * sizeof *u->x);
    memcpy(cm->final_x, u->final_x, sizeof u->final_x);
    if (l->n_sets > 1)
        memcpy(now->final_row, u->final_row, sizeof u->final_row);
    for (uint32_t a = 0; a < l->n_stages; a++)
        *now->stage_cell[a] = u->stage[a];
    for (uint32_t i = AZ_CM_N_LANES(l); i-- > 0;) {
        cm->maps[i][now->state[i]] = u->map[i];
        cm->map_st[i][now->state[i]] = u->map_st[i];
        now->slot[i][now->node] = u->slot[i];
        if (l->inputs >= 3)
            cm->run_maps[i][now->run_cell[i]] = u->run_map[i];
    }
}

AZ_INLINE uint64_t cost_of_bit(uint32_t p, int bit) {
    return AZ_PROB_BITS * AZ_COST_BIT - az_log2_cost(bit ? p : AZ_PROB_ONE - p);
}

/* What a branch may cost at most, so that it matters. */
static uint64_t dearest(const az_cm_walk *w) {
    const az_guesses *out = w->out;
    uint64_t last = out->n < AZ_GUESSES_MAX ? UINT64_MAX : out->guess[AZ_GUESSES_MAX - 1].cost;
    return last > w->actual_cost ? last : w->actual_cost;
}

static void add_byte(const az_cm_walk *w, uint32_t byte, uint64_t cost) {
    w->out->rank += cost < w->actual_cost || (cost == w->actual_cost && byte < w->actual);
    az_guesses_add(w->out, byte, cost);
}

/* Goes to the branch of `bit`, having noted all that changes. */
static void go_down(az_cm_walk *w, const az_cm_level *l, az_cm_undo *u, int bit) {
    keep(w->cm, l, w, u);
    if (w->now.bit_pos == 3)
        keep_lines(l, &w->now, &w->second);
    next_bit(w->cm, l, &w->now, bit);
    w->now.bit_pos++;
}

static void come_back(az_cm_walk *w, const az_cm_level *l, const az_cm_undo *u) {
    if (u->now.bit_pos == 3)
        put_lines(l, &w->second);
    put_back(w->cm, l, w, u);
}

/* What the actual byte costs from here: straight down and back. */
static uint64_t way_down(az_cm_walk *w, const az_cm_level *l) {
    az_cm_undo undo[7];
    uint64_t cost = 0;
    for (uint32_t i = 0; i < 8; i++) {
        int bit = w->actual >> (7 - i) & 1;
        cost += cost_of_bit(predict(w->cm, l, &w->now), bit);
        if (i < 7)
            go_down(w, l, &undo[i], bit);
    }
    for (uint32_t i = 7; i-- > 0;)
        come_back(w, l, &undo[i]);
    return cost;
}

static void walk(az_cm_walk *w, const az_cm_level *l, uint64_t cost) {
    az_cm_undo undo;
    uint32_t p = predict(w->cm, l, &w->now);
    int likelier = p >= AZ_PROB_ONE / 2;
    for (int k = 0; k < 2; k++) {
        int bit = k == 0 ? likelier : !likelier;
        uint64_t sum = cost + cost_of_bit(p, bit);
        if (sum > dearest(w))
            continue;
        if (w->now.bit_pos < 7) {
            go_down(w, l, &undo, bit);
            walk(w, l, sum);
            come_back(w, l, &undo);
            continue;
        }
        uint32_t byte = (w->now.c0 << 1 | (uint32_t)bit) & 255;
        if (byte != w->expected) /* it has been refused: it costs what that saved */
            add_byte(w, byte, sum);
    }
}

static void guess(az_cm *cm, uint32_t actual, az_guesses *out) {
    const az_cm_level *l = cm->level;
    az_cm_lines first;
    az_cm_walk w = {.cm = cm, .out = out, .actual = actual, .expected = 256};
    int rate = cm->rate;
    uint64_t base = 0, hit_cost = 0;
    *out = (az_guesses){.rank = 1};
    w.now.state = w.state;
    w.now.turn = cm->turn;
    w.now.bit_pos = 0;
    if (l->sure_len && cm->sure) {
        uint32_t p = sure_probability(*sure_cell(cm));
        w.expected = cm->at.match[0].expected & 255;
        hit_cost = cost_of_bit(p, 1);
        base = cost_of_bit(p, 0);
    }
    aim_first(cm, l, &w.now, false);
    aim_first(cm, l, &w.now, true);
    keep_lines(l, &w.now, &first);
    begin_byte(cm, l, &w.now);
    w.actual_cost = w.expected == actual ? hit_cost : base + way_down(&w, l);
    if (w.expected < 256)
        add_byte(&w, w.expected, hit_cost);
    walk(&w, l, base);
    put_lines(l, &first);
    cm->rate = rate;
}

#endif
