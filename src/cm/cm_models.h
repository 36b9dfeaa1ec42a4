/*
 * cm_models: the table of models. A model is one function that turns what has
 * been coded into a hash; bits that follow the same hash are predicted from the
 * same history. To add a model: write its function, add one line to the table,
 * raise AZ_CM_VERSION, and add it to docs/format.md.
 *
 * A model belongs to all levels from its own on, so the order of the table is
 * the order of the predictor's inputs. All is inlined into the engine, where the
 * level is known.
 */
#ifndef AZ_CM_MODELS_H
#define AZ_CM_MODELS_H

#include "cm_state.h"

/* ---- What bytes precede ------------------------------------------------------ */

AZ_INLINE uint32_t order2(const az_cm *cm) {
    return cm->at.c4 & 0xffff;
}
AZ_INLINE uint32_t order3(const az_cm *cm) {
    return cm->at.c4 & 0xffffff;
}
AZ_INLINE uint32_t order4(const az_cm *cm) {
    return cm->at.c4;
}
AZ_INLINE uint32_t order5(const az_cm *cm) {
    return az_cm_hash(cm->at.c4, cm->at.c8 & 0xff);
}
AZ_INLINE uint32_t order6(const az_cm *cm) {
    return az_cm_hash(cm->at.c4, cm->at.c8 & 0xffff);
}
AZ_INLINE uint32_t order7(const az_cm *cm) {
    return az_cm_hash(cm->at.c4, cm->at.c8 & 0xffffff);
}
AZ_INLINE uint32_t order8(const az_cm *cm) {
    return az_cm_hash(cm->at.c4, cm->at.c8);
}
/* Sparse: some of the last bytes left out. */
AZ_INLINE uint32_t bytes_2_3(const az_cm *cm) {
    return cm->at.c4 & 0xffff00;
}
AZ_INLINE uint32_t bytes_1_3(const az_cm *cm) {
    return cm->at.c4 & 0xff00ff;
}
AZ_INLINE uint32_t bytes_2_to_4(const az_cm *cm) {
    return cm->at.c4 & 0xffffff00;
}
AZ_INLINE uint32_t bytes_3_4(const az_cm *cm) {
    return cm->at.c4 >> 16;
}
AZ_INLINE uint32_t bytes_1_2_4(const az_cm *cm) {
    return cm->at.c4 & 0xff00ffff;
}

/* ---- Words ------------------------------------------------------------------- */

AZ_INLINE uint32_t word(const az_cm *cm) {
    return az_cm_hash(cm->at.word[0], cm->at.c4 & 0xff);
}
AZ_INLINE uint32_t word_and_last(const az_cm *cm) {
    return az_cm_hash(cm->at.word[0], cm->at.word[1]);
}
AZ_INLINE uint32_t word_and_last_two(const az_cm *cm) {
    return az_cm_hash(az_cm_hash(cm->at.word[0], cm->at.word[1]), cm->at.word[2]);
}
AZ_INLINE uint32_t word_and_second(const az_cm *cm) {
    return az_cm_hash(cm->at.word[0], cm->at.word[2]);
}
AZ_INLINE uint32_t word_and_third(const az_cm *cm) {
    return az_cm_hash(cm->at.word[0], cm->at.word[3] + 1);
}
AZ_INLINE uint32_t last_word_and_byte(const az_cm *cm) {
    return az_cm_hash(cm->at.word[1], cm->at.c4 & 0xffff);
}

/* ---- Lines and fields -------------------------------------------------------- */

AZ_INLINE uint32_t column(const az_cm *cm) {
    uint32_t n = cm->at.pos - cm->at.line_start[0];
    return n < 255 ? n : 255;
}

/* The byte `skip` beyond the one above the next in the line before; newline if
 * that line is shorter. */
AZ_INLINE uint32_t above(const az_cm *cm, uint32_t skip) {
    uint32_t at = cm->at.line_start[1] + (cm->at.pos - cm->at.line_start[0]) + skip;
    return at < cm->at.line_start[0] ? cm->block[at] : '\n';
}

AZ_INLINE uint32_t column_above(const az_cm *cm) {
    return az_cm_hash(column(cm), above(cm, 0));
}
AZ_INLINE uint32_t above_and_order1(const az_cm *cm) {
    return az_cm_hash(above(cm, 0), (cm->at.c4 & 0xff) | above(cm, 1) << 8);
}
AZ_INLINE uint32_t in_field(const az_cm *cm) {
    return az_cm_hash(cm->at.field_hash, cm->at.field | cm->at.line_first << 8);
}
AZ_INLINE uint32_t field_above(const az_cm *cm) {
    return az_cm_hash(cm->at.field_hash,
                      above(cm, 0) | cm->at.field << 8 | 0x10000u * (cm->at.c4 & 0xff));
}
AZ_INLINE uint32_t line_first_order2(const az_cm *cm) {
    return az_cm_hash(cm->at.line_first | (cm->at.c4 & 0xffff) << 8, cm->at.field);
}

/* ---- What followed before ---------------------------------------------------- */

AZ_INLINE uint32_t after_byte(const az_cm *cm) {
    return az_cm_hash(cm->after1[cm->at.c4 & 0xff], cm->at.c4 & 0xff);
}
AZ_INLINE uint32_t after_pair(const az_cm *cm) {
    return az_cm_hash(cm->after2[cm->at.c4 & 0xffff] & 0xffff, cm->at.c4 & 0xff);
}
AZ_INLINE uint32_t after_pair_three(const az_cm *cm) {
    return az_cm_hash(cm->after2[cm->at.c4 & 0xffff] & 0xffffff, cm->at.c4 & 0xffff);
}
AZ_INLINE uint32_t expected_order1(const az_cm *cm) {
    const az_cm_match *m = &cm->at.match[0];
    return az_cm_hash(m->expected | (cm->at.c4 & 0xff) << 16, az_cm_match_bucket(m->len));
}
AZ_INLINE uint32_t expected_twice(const az_cm *cm) {
    return az_cm_hash(cm->at.match[0].expected | cm->at.match[1].expected << 16,
                      az_cm_match_bucket(cm->at.match[1].len));
}

/* ---- Records: tables, pictures, samples -------------------------------------- */

/* The byte `rows` periods back and `left` bytes further left. */
AZ_INLINE uint32_t back(const az_cm *cm, uint32_t rows, uint32_t left) {
    uint32_t n = rows * cm->period + left;
    return n > 0 && n <= cm->at.pos && cm->period ? cm->block[cm->at.pos - n] : 0;
}
AZ_INLINE uint32_t record_two_above(const az_cm *cm) {
    uint32_t place = cm->period ? cm->at.pos % cm->period : 0;
    return az_cm_hash(back(cm, 1, 0) | back(cm, 2, 0) << 8, place);
}
AZ_INLINE uint32_t record_above_left(const az_cm *cm) {
    return az_cm_hash(back(cm, 1, 0) | (cm->at.c4 & 0xff) << 8, cm->period);
}
AZ_INLINE uint32_t record_neighbours(const az_cm *cm) {
    if (cm->period < 3) /* samples of one or two bytes: the one before and its neighbour */
        return az_cm_hash(back(cm, 1, 0) | back(cm, 2, 0) << 8 | cm->at.c4 << 16, 1);
    return az_cm_hash(back(cm, 1, 0) | (cm->at.c4 & 0xff) << 8,
                      back(cm, 1, 1) | back(cm, 1, (uint32_t)-1) << 8);
}
AZ_INLINE uint32_t record_place(const az_cm *cm) {
    uint32_t place = cm->period ? cm->at.pos % cm->period : 0;
    return az_cm_hash(place, cm->at.c4 & 0xff);
}
/* The plane through the left, the upper and the upper left neighbour. */
AZ_INLINE uint32_t record_gradient(const az_cm *cm) {
    uint32_t plane = (cm->at.c4 & 0xff) + back(cm, 1, 0) - back(cm, 1, 1);
    return az_cm_hash(plane, cm->period);
}
AZ_INLINE uint32_t record_slope(const az_cm *cm) {
    uint32_t line = 2 * back(cm, 1, 0) - back(cm, 2, 0);
    return az_cm_hash(line, (cm->at.c4 & 0xff) >> 2);
}
AZ_INLINE uint32_t record_mean(const az_cm *cm) {
    return az_cm_hash(((cm->at.c4 & 0xff) + back(cm, 1, 0)) >> 1,
                      ((cm->at.c4 & 0xff) - back(cm, 1, 0)) >> 3 & 31);
}
/* For pictures of one bit a pixel: the pixels around, and a few more above. */
AZ_INLINE uint32_t record_pattern(const az_cm *cm) {
    uint32_t right = back(cm, 1, (uint32_t)-1) >> 6, left = back(cm, 1, 1) & 3;
    return az_cm_hash(back(cm, 1, 0) | (cm->at.c4 & 15) << 8 | right << 13 | left << 17,
                      cm->period);
}

/* ---- Tokens: where a language model cuts the text ------------------------------------------ */

AZ_INLINE uint32_t token(const az_cm *cm) {
    return az_cm_hash(cm->at.token[0], 1);
}
AZ_INLINE uint32_t token_and_last(const az_cm *cm) {
    return az_cm_hash(cm->at.token[0], cm->at.token[1]);
}
AZ_INLINE uint32_t token_and_last_two(const az_cm *cm) {
    return az_cm_hash(token_and_last(cm), cm->at.token[2]);
}
AZ_INLINE uint32_t token_and_last_three(const az_cm *cm) {
    return az_cm_hash(token_and_last_two(cm), cm->at.token[3]);
}

/* A lane has one model for text and one for everything else, where that pays:
 * words say nothing in a picture, nor does the pixel above in prose. A level has
 * the first n_contexts of these. */
#define AZ_CM_MODEL_TABLE(M)                      \
    M(0, order3, order2)                          \
    M(1, order5, order3)                          \
    M(2, word, record_two_above)                  \
    M(3, order2, order4)                          \
    M(4, order6, record_above_left)               \
    M(5, column_above, bytes_2_3)                 \
    M(6, word_and_last, record_pattern)           \
    M(7, in_field, record_neighbours)             \
    M(8, expected_order1, expected_order1)        \
    M(9, word_and_second, after_byte)             \
    M(10, order4, record_gradient)                \
    M(11, after_pair, after_pair)                 \
    M(12, above_and_order1, record_slope)         \
    M(13, bytes_2_3, order6)                      \
    M(14, after_byte, order5)                     \
    M(15, bytes_1_3, bytes_1_3)                   \
    M(16, word_and_last_two, bytes_2_to_4)        \
    M(17, field_above, record_place)              \
    M(18, last_word_and_byte, record_mean)        \
    M(19, order7, bytes_3_4)                      \
    M(20, word_and_third, bytes_1_2_4)            \
    M(21, expected_twice, expected_twice)         \
    M(22, after_pair_three, after_pair_three)     \
    M(23, line_first_order2, line_first_order2)   \
    M(24, order8, order8)                         \
    M(25, token, token)                           \
    M(26, token_and_last, token_and_last)         \
    M(27, token_and_last_two, token_and_last_two) \
    M(28, token_and_last_three, token_and_last_three)

/* The models that need what the matches expect. */
#define AZ_CM_WAITS(i) ((i) == 8 || (i) == 21)

/* Fills cm->hash for the models that wait for the matches, or for the others. */
AZ_INLINE void az_cm_hash_models(az_cm *cm, const az_cm_level *l, bool waiting) {
#define HASH(i, model)                                    \
    if ((i) < l->n_contexts && AZ_CM_WAITS(i) == waiting) \
        cm->hash[i] = az_cm_hash(model(cm), ((i) + 1) * 0x9e3779b1u);
#define HASH_TEXT(i, text, other) HASH(i, text)
#define HASH_OTHER(i, text, other) HASH(i, other)
    if (cm->at.strange < AZ_CM_STRANGE || l->n_hints) {
        AZ_CM_MODEL_TABLE(HASH_TEXT)
    } else {
        AZ_CM_MODEL_TABLE(HASH_OTHER)
    }
#undef HASH_TEXT
#undef HASH_OTHER
#undef HASH
}

/* ---- Weight sets: who chooses the weights ------------------------------------ */

/* What chooses a set's weights, beside what the bytes before do. */
typedef enum az_cm_set_kind {
    AZ_CM_SET_BYTE, /* nothing */
    AZ_CM_SET_C0,   /* the bits of this byte: 256 rows for each */
    AZ_CM_SET_BIT,  /* the position in it: 8 rows for each */
    AZ_CM_SET_MATCH /* the match state and the position: 17 * 8 rows */
} az_cm_set_kind;

static const struct {
    uint8_t kind; /* az_cm_set_kind */
    uint16_t n_rows;
} az_cm_sets[AZ_CM_SETS_MAX] = {
    {AZ_CM_SET_MATCH, 17 * 8}, /* match state */
    {AZ_CM_SET_C0, 256},       /* bits of this byte */
    {AZ_CM_SET_BYTE, 256},     /* the last byte */
    {AZ_CM_SET_BIT, 256 * 8},  /* kinds of the last four bytes */
    {AZ_CM_SET_BYTE, 256},     /* column, or place in the record */
    {AZ_CM_SET_BYTE, 256},     /* the last byte but one */
    {AZ_CM_SET_BYTE, 256},     /* the expected byte */
    {AZ_CM_SET_BIT, 256 * 8},  /* number of the field */
};

AZ_INLINE uint32_t by_place(const az_cm *cm) {
    return cm->period ? cm->at.pos % cm->period & 0xff : column(cm);
}

/* Fills cm->set_byte. */
AZ_INLINE void az_cm_choose_sets(az_cm *cm, const az_cm_level *l) {
    uint32_t n = AZ_CM_N_PADDED(l);
    const uint32_t row[AZ_CM_SETS_MAX] = {
        0,
        0,
        l->n_sets > 2 ? cm->at.c4 & 0xff : 0,
        l->n_sets > 3 ? cm->at.kinds * 8 : 0,
        l->n_sets > 4 && !l->n_hints ? by_place(cm) : 0, /* the hint's place */
        l->n_sets > 5 ? cm->at.c4 >> 8 & 0xff : 0,
        l->n_sets > 6 ? cm->at.match[0].expected & 0xff : 0,
        l->n_sets > 7 ? (l->n_hints ? by_place(cm) : cm->at.field & 0xff) * 8 : 0,
    };
    for (uint32_t s = 0; s < l->n_sets; s++)
        cm->set_byte[s] = cm->set_base[s] + row[s] * n;
}

/* ---- After each byte --------------------------------------------------------- */

AZ_INLINE void words_byte(az_cm *cm, uint32_t byte) {
    uint32_t lower = byte - 'A' < 26u ? byte + 32 : byte;
    if (lower - 'a' < 26u || byte >= 128) {
        cm->at.word[0] = az_cm_hash(cm->at.word[0], lower + 1);
    } else if (cm->at.word[0]) {
        memmove(cm->at.word + 1, cm->at.word, 3 * sizeof cm->at.word[0]);
        cm->at.word[0] = 0;
    }
}

AZ_INLINE bool separates(uint32_t c) {
    return c == ' ' || c == '\t' || c == ',' || c == ';' || c == ':' || c == '|';
}

AZ_INLINE void lines_byte(az_cm *cm, uint32_t byte) {
    if (byte == '\n') {
        cm->at.line_start[1] = cm->at.line_start[0];
        cm->at.line_start[0] = cm->at.pos;
        cm->at.field = cm->at.field_hash = cm->at.line_first = 0;
        return;
    }
    if (cm->at.pos - cm->at.line_start[0] == 1)
        cm->at.line_first = byte;
    if (separates(byte)) {
        cm->at.field++;
        cm->at.field_hash = 0;
    } else {
        cm->at.field_hash = az_cm_hash(cm->at.field_hash, byte + 1);
    }
}

/* Text is UTF-8 without control characters, or nearly so. */
AZ_INLINE void kind_byte(az_cm *cm, uint32_t byte) {
    if (byte - 32 < 96 && cm->at.utf8_left == 0) {
        cm->at.strange -= cm->at.strange > 0;
        return;
    }
    bool strange = byte < 32 && !(byte >= '\t' && byte <= '\r');
    if ((byte & 0xc0) == 0x80) { /* continues a character */
        strange = cm->at.utf8_left == 0;
        cm->at.utf8_left -= !strange;
    } else {
        strange |= cm->at.utf8_left > 0;
        cm->at.utf8_left = byte < 0xc2   ? 0
                           : byte < 0xe0 ? 1
                           : byte < 0xf0 ? 2
                           : byte < 0xf5 ? 3
                                         : 0;
        strange |= byte >= 0xc0 && cm->at.utf8_left == 0;
    }
    if (strange)
        cm->at.strange =
            cm->at.strange + 16 < 2 * AZ_CM_STRANGE ? cm->at.strange + 16 : 2 * AZ_CM_STRANGE;
    else
        cm->at.strange -= cm->at.strange > 0;
}

/* White space 0, letter 1, digit 2, other 3. */
AZ_INLINE uint32_t kind_of(uint32_t byte) {
    uint32_t letter = (byte | 32) - 'a' < 26u, digit = byte - '0' < 10u;
    return byte == ' ' || byte == '\n' ? 0u : letter ? 1u : digit ? 2u : 3u;
}

/* The last byte was `byte`. */
AZ_INLINE void az_cm_remember(az_cm *cm, const az_cm_level *l, uint32_t byte) {
    if (l->n_contexts > 9) {
        uint32_t *after1 = &cm->after1[cm->at.c4 & 0xff], *after2 = &cm->after2[cm->at.c4 & 0xffff];
        *after1 = *after1 << 8 | byte;
        *after2 = *after2 << 8 | byte;
    }
    cm->at.c8 = cm->at.c8 << 8 | cm->at.c4 >> 24;
    cm->at.c4 = cm->at.c4 << 8 | byte;
    cm->at.pos++;
    if (l->n_sets > 3)
        cm->at.kinds = cm->at.kinds >> 2 | kind_of(byte) << 6;
    kind_byte(cm, byte);
    words_byte(cm, byte);
    if (l->n_contexts > 5)
        lines_byte(cm, byte);
    if (cm->at.strange >= AZ_CM_STRANGE && !l->n_hints && az_cm_period_due(cm->at.pos))
        cm->period = az_cm_period_find(cm->block, cm->at.pos, cm->period_scores);
}

#endif
