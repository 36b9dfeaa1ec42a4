/*
 * cm_hinted: codes a token of a lane, byte by byte with all of cm_engine.h's models, and after
 * each byte whether the token ends there. What the language model's distribution says of each
 * bit is part of the mixer's inputs; a bit that only one kind of token can have is not coded.
 *
 * Where a token ends is a function of the text, so it is predicted like a bit of its own: by
 * the language model, by counters of what was seen after the same bytes and tokens, and by
 * what followed where the longest match points.
 */
#ifndef AZ_CM_HINTED_H
#define AZ_CM_HINTED_H

#include "cm_strings.h"

enum { END_CONTEXTS = AZ_CM_END_CONTEXTS };

/* Log-odds in 31 steps: 15 is even. */
AZ_INLINE uint32_t hint_bucket(int stretched) {
    return (uint32_t)(stretched + 3968) >> 8;
}

/* ---- Bits of a byte ------------------------------------------------------------- */

/* Probability times 2^22 that experience puts in place of log-odds `stretched`: between two
 * cells it is interpolated; *cell is the nearer one. */
AZ_INLINE uint32_t look_up(az_prob31 *row, int stretched, az_prob31 **cell) {
    uint32_t at = (uint32_t)(stretched + 3968), i = at >> 8, part = at & 255;
    int64_t sum = (int64_t)row[i] * 256 + (int64_t)(row[i + 1] - row[i]) * part;
    *cell = row + i + (part >> 7);
    return (uint32_t)(sum >> 17);
}

AZ_INLINE void take_hint(az_cm *cm, az_cm_now *now, uint32_t p) {
    const az_cm_tables *t = &cm->tables;
    az_cm_hinted *h = cm->hinted;
    int st = az_stretch(t, p);
    h->bucket = hint_bucket(st);
    cm->hint_x[0] = st;
    cm->hint_x[1] = ((int)p - (1 << 21)) >> 12;
    uint32_t length = cm->at.token_nbytes < 7 ? cm->at.token_nbytes : 7;
    const uint32_t context[AZ_CM_HINT_STAGES] = {
        0, cm->at.c4 & 0xff, cm->at.token[0] + cm->at.token[1] * 3, cm->at.word[0]};
    for (uint32_t k = 0; k < AZ_CM_HINT_STAGES; k++) {
        uint32_t row = k == 0 ? now->match_state * 64 + length * 8 + now->bit_pos
                              : az_cm_hash(context[k], now->c0) >> (32 - AZ_CM_HINT_ROWS_LOG2);
        uint32_t q = look_up(h->stage[k] + row * AZ_CM_STAGE_CELLS, st, &h->stage_cell[k]);
        cm->hint_x[2 + k] = az_stretch(t, q < 1 ? 1 : q > AZ_PROB_ONE - 1 ? AZ_PROB_ONE - 1 : q);
    }
}

AZ_INLINE void learn_hint(az_cm *cm, int bit) {
    for (uint32_t k = 0; k < AZ_CM_HINT_STAGES; k++)
        az_prob31_update(cm->hinted->stage_cell[k], -bit & INT32_MAX, AZ_CM_HINT_SHIFT);
}

/* ---- The end of a token ---------------------------------------------------------- */

AZ_INLINE int code_end(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, int ends,
                       uint32_t hint) {
    const az_cm_tables *t = &cm->tables;
    const az_cm_cursor *at = &cm->at;
    az_cm_ends *e = &cm->hinted->ends;
    const az_cm_match *m = &at->match[0];
    uint32_t length = at->token_nbytes < 15 ? at->token_nbytes : 15;
    const uint32_t context[END_CONTEXTS] = {
        at->token[0],
        az_cm_hash(at->token[0], at->token[1]),
        az_cm_hash(az_cm_hash(at->token[0], at->token[1]), at->token[2]),
        az_cm_hash(at->c4 & 0xffff, length),
        az_cm_hash(at->c4, length),
        az_cm_hash(at->c4, at->c8 & 0xffff),
        az_cm_hash(at->word[0], at->word[1]),
        az_cm_hash(at->token[0], m->expected),
    };
    az_counter *cell[END_CONTEXTS];
    int st[END_CONTEXTS], scaled[END_CONTEXTS];
    uint32_t known = 0;
    for (uint32_t i = 0; i < END_CONTEXTS; i++) {
        cell[i] = e->table + (az_cm_hash(context[i], (i + 1) * 0x9e3779b1u) >> e->shift);
        uint32_t p = *cell[i] >> 10, n = *cell[i] & 1023;
        p = p < 1 ? 1 : p;
        st[i] = n ? az_stretch(t, p) : 0;
        scaled[i] = n ? ((int)p - (1 << 21)) >> 11 : 0;
        known += n > 0;
    }
    /* What the match pointed to had, or had not, ended where this byte was. */
    uint32_t expects = 0;
    int match_st = 0;
    az_counter *match_cell = NULL;
    if (m->expected && m->len) {
        bool ended = cm->hinted->marks[m->ptr - 1] == AZ_CM_MARK_END;
        expects = 1 + 2 * (m->row >> 3) + ended;
        match_cell = &e->match[expects];
        match_st = az_stretch(t, *match_cell >> 10);
    }
    int hint_st = az_stretch(t, hint);
    uint32_t bucket = hint_bucket(hint_st);
    int32_t *x = e->x;
    az_mix_put(x, st[0], st[1], st[2], st[3], st[4], st[5], st[6], st[7]);
    az_mix_put(x + 8, scaled[0], scaled[1], scaled[2], scaled[3], scaled[4], scaled[5], scaled[6],
               scaled[7]);
    az_mix_put(x + 16, hint_st, ((int)hint - (1 << 21)) >> 11, match_st, 256, 0, 0, 0, 0);
    int32_t *row[3] = {e->weights + bucket * AZ_CM_END_PADDED,
                       e->weights + (32 + expects) * AZ_CM_END_PADDED,
                       e->weights + (32 + 34 + known * 16 + length) * AZ_CM_END_PADDED};
    int32_t v[3], error[3];
    az_mix_dot(x, row, 3, AZ_CM_END_PADDED, v);
    az_mix_put(e->final_x, v[0], v[1], v[2], 0, 0, 0, 0, 0);
    int32_t *final_row = e->final_weights + length * AZ_MIX_STEP, final_v, final_error;
    az_mix_dot(e->final_x, &final_row, 1, AZ_MIX_STEP, &final_v);
    az_prob31 *stage_cell;
    uint32_t p = az_squash(t, final_v);
    uint32_t q = look_up(e->stage + bucket * AZ_CM_STAGE_CELLS, final_v, &stage_cell);
    p = (p + q + 1) / 2;
    p = p < 1 ? 1 : p > AZ_PROB_ONE - 1 ? AZ_PROB_ONE - 1 : p;

    ends = code_bit(enc, dec, dec != NULL, ends, p);

    final_error = step_of(t, ends, final_v, FINAL_RATE);
    for (uint32_t s = 0; s < 3; s++)
        error[s] = step_of(t, ends, v[s], cm->rate);
    az_mix_train(e->final_x, &final_row, 1, AZ_MIX_STEP, &final_error);
    az_mix_train(x, row, 3, AZ_CM_END_PADDED, error);
    az_prob31_update(stage_cell, -ends & INT32_MAX, STAGE_SHIFT);
    for (uint32_t i = 0; i < END_CONTEXTS; i++)
        az_counter_update(cell[i], ends, AZ_CM_END_LIMIT, t);
    if (match_cell)
        az_counter_update(match_cell, ends, SURE_LIMIT, t);
    return ends;
}

/* ---- A token ---------------------------------------------------------------------- */

/* The byte that runs is known: all that is left to do for it. */
AZ_INLINE void end_hinted_byte(az_cm *cm, const az_cm_level *l, az_cm_now *now, uint8_t *block,
                               uint32_t byte) {
    block[cm->at.pos] = (uint8_t)byte;
    cm->hinted->marks[cm->at.pos] = AZ_CM_MARK_CODED;
    cm->hinted->n_coded++;
    end_byte(cm, l, byte);
    cm->at.token[0] = az_cm_hash(cm->at.token[0], byte + 1);
    cm->at.token_nbytes++;
    learn_runs(l, now, byte);
    find_matches(cm, l);
}

AZ_INLINE void code_hinted_byte(az_cm *cm, const az_cm_level *l, az_cm_now *now,
                                az_range_encoder *enc, az_range_decoder *dec, uint8_t *block,
                                az_cm_course *c, uint32_t byte) {
    aim_first(cm, l, now, false);
    begin_byte(cm, l, now);
    for (uint32_t bit_pos = 0; bit_pos < 8; bit_pos++) {
        now->bit_pos = bit_pos;
        uint32_t split = az_cm_course_split(c);
        uint64_t zero = az_cm_course_mass(c, c->low, split),
                 one = az_cm_course_mass(c, split, c->high);
        take_hint(cm, now, az_cm_share(zero, one));
        uint32_t p = predict(cm, l, now);
        int bit = zero == 0 ? 1 : one == 0 ? 0 : code_bit(enc, dec, dec != NULL, byte >> 7 & 1, p);
        byte <<= 1;
        az_cm_course_bit(c, split, bit);
        if (zero && one)
            learn_hint(cm, bit);
        if (bit_pos == 7)
            end_hinted_byte(cm, l, now, block, c->low_code);
        next_bit(cm, l, now, bit);
    }
}

/* The token may end or go on. What has no mass, which only sampling takes away, does not come. */
AZ_INLINE int end_of_string(az_cm *cm, const az_cm_course *c, az_range_encoder *enc,
                            az_range_decoder *dec, int ends) {
    uint64_t longer = az_cm_course_mass(c, c->low + 1, c->high),
             this = az_cm_course_mass(c, c->low, c->low + 1);
#ifdef AZ_CM_SAMPLES
    if (longer == 0 || this == 0)
        return longer == 0;
#endif
    return code_end(cm, enc, dec, ends, az_cm_share(longer, this));
}

static uint32_t code_string(az_cm *cm, az_cm_lane *lane, az_range_encoder *enc,
                            az_range_decoder *dec, uint8_t *block, const az_cm_strings *strings,
                            const uint64_t *sums, uint32_t index) {
    const az_cm_level *l = &az_cm_levels[AZ_CM_HINTED];
    az_cm_now now;
    uint8_t state[AZ_CM_LANES_MAX];
    now.state = state;
    now.turn = cm->turn;
    cm->at = lane->at;
    az_cm_course c;
    az_cm_course_begin(&c, strings, sums);
    const uint8_t *string = enc ? strings->bytes + strings->starts[index] : NULL;
    uint32_t string_nbytes = enc ? strings->starts[index + 1] - strings->starts[index] : 0;
    uint64_t spent = cm->costs && enc ? az_coded_cost(enc) : 0;
    for (;;) {
        code_hinted_byte(cm, l, &now, enc, dec, block, &c, enc ? string[c.n_bytes] : 0);
        uint32_t pos = cm->at.pos - 1;
        bool may_end = az_cm_course_may_end(&c), may_go_on = az_cm_course_may_go_on(&c);
        bool last = cm->at.pos == lane->end;
        int ends = may_end;
        if (may_end && may_go_on && !last)
            ends = end_of_string(cm, &c, enc, dec, string_nbytes == c.n_bytes + 1);
        if (cm->costs && enc) {
            cm->costs[pos - cm->costs_from] += (uint32_t)(az_coded_cost(enc) - spent);
            spent = az_coded_cost(enc);
        }
        if (last || ends) {
            index = may_end ? c.low : strings->n;
            break;
        }
        az_cm_course_go_on(&c);
    }
    cm->hinted->marks[cm->at.pos - 1] = AZ_CM_MARK_END;
    memmove(cm->at.token + 1, cm->at.token, 3 * sizeof cm->at.token[0]);
    cm->at.token[0] = 0;
    cm->at.token_nbytes = 0;
    cm->turn = now.turn;
    lane->at = cm->at;
    return index;
}

#endif
