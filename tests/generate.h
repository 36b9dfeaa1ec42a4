/*
 * generate: what the tests feed to the library, the same on every machine and
 * in every run, from a 64-bit linear congruential generator (Knuth's MMIX).
 */
#ifndef AZ_GENERATE_H
#define AZ_GENERATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct dice {
    uint64_t state;
} dice;

/* 32 even bits: the upper half, the lower ones have short periods. */
static inline uint32_t dice_next(dice *d) {
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(d->state >> 32);
}

/* In 0..n-1; n is at least 1. */
static inline uint32_t dice_below(dice *d, uint32_t n) {
    return (uint32_t)((uint64_t)dice_next(d) * n >> 32);
}

static inline void generate_noise(uint8_t *out, size_t n_bytes, uint64_t seed) {
    dice d = {seed};
    for (size_t i = 0; i < n_bytes; i++)
        out[i] = (uint8_t)dice_next(&d);
}

/* Sentences and paragraphs of a few words, the earlier the more often. */
static inline void generate_text(uint8_t *out, size_t n_bytes, uint64_t seed) {
    static const char *const words[] = {
        "the",    "of",      "and",     "a",      "to",    "in",     "is",      "that",
        "it",     "was",     "for",     "on",     "with",  "as",     "water",   "river",
        "bridge", "stone",   "evening", "light",  "slow",  "under",  "between", "harbour",
        "letter", "weather", "carry",   "number", "north", "little", "1874",    "morning",
    };
    dice d = {seed};
    size_t pos = 0, since_stop = 0;
    while (pos < n_bytes) {
        uint32_t a = dice_below(&d, 32), b = dice_below(&d, 32);
        const char *word = words[a < b ? a : b];
        for (size_t i = 0; word[i] && pos < n_bytes; i++, pos++)
            out[pos] =
                (uint8_t)(since_stop == 0 && i == 0 && word[0] >= 'a' ? word[0] - 32 : word[i]);
        const char *gap = " ";
        if (++since_stop > 4 && dice_below(&d, 8) == 0) {
            gap = dice_below(&d, 5) == 0 ? ".\n\n" : ". ";
            since_stop = 0;
        } else if (dice_below(&d, 10) == 0) {
            gap = ", ";
        }
        for (; *gap && pos < n_bytes; gap++)
            out[pos++] = (uint8_t)*gap;
    }
}

/* Records of 24 bytes: a counter, a slow walk, a flag, padding. */
static inline void generate_records(uint8_t *out, size_t n_bytes, uint64_t seed) {
    dice d = {seed};
    uint32_t walk = 100000;
    for (size_t i = 0; i < n_bytes; i++) {
        size_t row = i / 24, column = i % 24;
        if (column == 0)
            walk += dice_below(&d, 65) - 32;
        out[i] = (uint8_t)(column < 4    ? row >> (8 * column)
                           : column < 8  ? walk >> (8 * (column - 4))
                           : column == 8 ? dice_below(&d, 4) * 16
                           : column < 12 ? 0xE0 + column
                                         : 0);
    }
}

/* A wave of period 173 with a little noise. */
static inline void generate_wave(uint8_t *out, size_t n_bytes, uint64_t seed) {
    dice d = {seed};
    for (size_t i = 0; i < n_bytes; i++) {
        uint32_t phase = (uint32_t)(i % 173);
        out[i] = (uint8_t)((phase < 87 ? phase : 173 - phase) * 2 + (dice_next(&d) & 3));
    }
}

/* A bit of everything, in pieces of up to 2,000 bytes, some of them repeats. */
static inline void generate_mixture(uint8_t *out, size_t n_bytes, uint64_t seed) {
    dice d = {seed};
    for (size_t pos = 0; pos < n_bytes;) {
        size_t n = 200 + dice_below(&d, 1800);
        if (n > n_bytes - pos)
            n = n_bytes - pos;
        uint64_t piece_seed = dice_next(&d);
        switch (dice_below(&d, 8)) {
        case 0:
            generate_noise(out + pos, n / 4, piece_seed);
            n -= n - n / 4;
            break;
        case 1: memset(out + pos, (int)(piece_seed & 0xFF), n); break;
        case 2: generate_records(out + pos, n, piece_seed); break;
        case 3: generate_wave(out + pos, n, piece_seed); break;
        case 4:
            if (pos > n) {
                memcpy(out + pos, out + dice_below(&d, (uint32_t)(pos - n)), n);
                break;
            } /* fall through */
        default: generate_text(out + pos, n, piece_seed); break;
        }
        pos += n > 0 ? n : 1;
        if (n == 0)
            out[pos - 1] = 0;
    }
}

#endif
