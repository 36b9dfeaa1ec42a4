/*
 * coder: a binary range coder (arithmetic coder), both directions side by side.
 *
 * The message is one number in [0, 1), written as bytes after the point. The
 * coder holds the interval [low, low + range) of numbers that still mean what
 * has been coded. A bit splits the interval in proportion to its probability:
 * the lower part is a 1, the upper part a 0. When range has fallen below 2^56
 * the top byte of low is settled, up to a carry, and moves to the output. So
 * range is always in [2^56, 2^64), and a 22-bit probability keeps at least 34
 * bits of the split: the waste is below 2^-34 a bit.
 *
 * A carry out of low adds one to the bytes already written; they are in memory,
 * so the encoder walks back over the 0xFF bytes (Schindler 1998 describes
 * renormalising by bytes, Witten, Neal and Cleary 1987 the method).
 */
#ifndef AZ_CODER_H
#define AZ_CODER_H

#include "../base/base.h"

#include <assert.h>

/* Probabilities are of a 1, times 2^22, in 1..2^22 - 1. */
#define AZ_PROB_BITS 22
#define AZ_PROB_ONE (1u << AZ_PROB_BITS)

typedef struct az_range_encoder {
    uint64_t low;
    uint64_t range;
    uint8_t *out;    /* [capacity], the caller's */
    size_t capacity; /* bytes */
    size_t pos;      /* bytes written; beyond capacity: overflowed, nothing is stored there */
} az_range_encoder;

typedef struct az_range_decoder {
    uint64_t code; /* the message's number less low, in [0, range) */
    uint64_t range;
    const uint8_t *in; /* [n_bytes] */
    size_t n_bytes;
    size_t pos;         /* bytes read; those beyond n_bytes are zeros */
    const void *temper; /* of those who sample, who decode random bytes; else NULL */
} az_range_decoder;

static inline void az_range_encoder_init(az_range_encoder *rc, uint8_t *out, size_t capacity) {
    rc->low = 0;
    rc->range = UINT64_MAX;
    rc->out = out;
    rc->capacity = capacity;
    rc->pos = 0;
}

static inline void az_range_put_byte(az_range_encoder *rc, uint8_t byte) {
    if (rc->pos < rc->capacity)
        rc->out[rc->pos] = byte;
    rc->pos++;
}

/* Adds one to the number written so far. It can't run off the front: the whole
 * message stays below 1. Once overflowed the bytes don't matter any more. */
static inline void az_range_carry(az_range_encoder *rc) {
    if (rc->pos > rc->capacity)
        return;
    for (size_t i = rc->pos; i > 0 && ++rc->out[i - 1] == 0; i--) {
    }
}

static inline void az_range_encode_bit(az_range_encoder *rc, int bit, uint32_t prob) {
    assert(prob > 0 && prob < AZ_PROB_ONE);
    uint64_t split = (rc->range >> AZ_PROB_BITS) * prob;
    uint64_t one = -(uint64_t)bit; /* masks, not branches: a bit can't be foreseen */
    uint64_t skipped = split & ~one;
    rc->range = (split & one) | ((rc->range - split) & ~one);
    rc->low += skipped;
    if (rc->low < skipped)
        az_range_carry(rc);
    while (rc->range < (uint64_t)1 << 56) {
        az_range_put_byte(rc, (uint8_t)(rc->low >> 56));
        rc->low <<= 8;
        rc->range <<= 8;
    }
}

/* Ends the message with as few bytes as name a number in the interval (the
 * decoder reads zeros beyond the end). Returns its size in bytes, or SIZE_MAX
 * when it did not fit into capacity. */
static inline size_t az_range_encoder_finish(az_range_encoder *rc) {
    for (int n = 0; n <= 8; n++) {
        /* Round low up to n bytes; take it if that is still inside the interval. */
        uint64_t mask = n == 8 ? 0 : UINT64_MAX >> (8 * n);
        uint64_t end = (rc->low + mask) & ~mask;
        bool wrapped = rc->low + mask < rc->low;
        uint64_t step = end - rc->low; /* modulo 2^64 */
        if (step >= rc->range)
            continue;
        if (wrapped)
            az_range_carry(rc);
        for (int i = 0; i < n; i++)
            az_range_put_byte(rc, (uint8_t)(end >> (56 - 8 * i)));
        break;
    }
    if (rc->pos > rc->capacity)
        return SIZE_MAX;
    while (rc->pos > 0 && rc->out[rc->pos - 1] == 0)
        rc->pos--; /* the decoder supplies trailing zeros */
    return rc->pos;
}

static inline uint8_t az_range_get_byte(az_range_decoder *rc) {
    uint8_t byte = rc->pos < rc->n_bytes ? rc->in[rc->pos] : 0;
    rc->pos++;
    return byte;
}

static inline void az_range_decoder_init(az_range_decoder *rc, const uint8_t *in, size_t n_bytes) {
    rc->in = in;
    rc->n_bytes = n_bytes;
    rc->pos = 0;
    rc->range = UINT64_MAX;
    rc->code = 0;
    rc->temper = NULL;
    for (int i = 0; i < 8; i++)
        rc->code = rc->code << 8 | az_range_get_byte(rc);
}

static inline int az_range_decode_bit(az_range_decoder *rc, uint32_t prob) {
    assert(prob > 0 && prob < AZ_PROB_ONE);
    uint64_t split = (rc->range >> AZ_PROB_BITS) * prob;
    int bit = rc->code < split;
    uint64_t one = -(uint64_t)bit; /* masks, not branches: a bit can't be foreseen */
    rc->range = (split & one) | ((rc->range - split) & ~one);
    rc->code -= split & ~one;
    while (rc->range < (uint64_t)1 << 56) {
        rc->code = rc->code << 8 | az_range_get_byte(rc);
        rc->range <<= 8;
    }
    return bit;
}

/* ---- What it costs ---------------------------------------------------------- */

/* Costs are bits times AZ_COST_BIT, so that they are the same integers everywhere. */

/* log2(x) * AZ_COST_BIT, to the nearest; x is at least 1. */
uint64_t az_log2_cost(uint64_t x);

/* What a coder has spent since az_range_encoder_init(), to a fraction of a bit, and 0 or a constant
 * more: differences count. */
uint64_t az_coded_cost(const az_range_encoder *rc);

#endif
