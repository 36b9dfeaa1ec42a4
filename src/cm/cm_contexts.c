/*
 * cm_contexts: the table of models. A model is one function that turns what has
 * been coded into a hash; bits that follow the same hash are predicted from the
 * same history. To add a model: write its function, add one line to the table,
 * raise AZ_CM_VERSION, and add it to docs/format.md.
 *
 * A model belongs to all levels from its own on, so the order of the table is
 * the order of the predictor's inputs.
 */
#include "cm_state.h"

/* ---- What bytes precede ------------------------------------------------------ */

static uint32_t order1(const az_cm *cm) {
    return cm->c4 & 0xff;
}
static uint32_t order2(const az_cm *cm) {
    return cm->c4 & 0xffff;
}
static uint32_t order3(const az_cm *cm) {
    return cm->c4 & 0xffffff;
}
static uint32_t order4(const az_cm *cm) {
    return cm->c4;
}
static uint32_t order5(const az_cm *cm) {
    return az_cm_hash(cm->c4, cm->c8 & 0xff);
}
static uint32_t order6(const az_cm *cm) {
    return az_cm_hash(cm->c4, cm->c8 & 0xffff);
}
static uint32_t order7(const az_cm *cm) {
    return az_cm_hash(cm->c4, cm->c8 & 0xffffff);
}
static uint32_t order8(const az_cm *cm) {
    return az_cm_hash(cm->c4, cm->c8);
}
/* Sparse: some of the last bytes left out. */
static uint32_t bytes_2_3(const az_cm *cm) {
    return cm->c4 & 0xffff00;
}
static uint32_t bytes_1_3(const az_cm *cm) {
    return cm->c4 & 0xff00ff;
}
static uint32_t bytes_2_to_4(const az_cm *cm) {
    return cm->c4 & 0xffffff00;
}
static uint32_t bytes_3_4(const az_cm *cm) {
    return cm->c4 >> 16;
}
static uint32_t bytes_1_2_4(const az_cm *cm) {
    return cm->c4 & 0xff00ffff;
}

/* ---- Words ------------------------------------------------------------------- */

static uint32_t word(const az_cm *cm) {
    return az_cm_hash(cm->word[0], cm->c4 & 0xff);
}
static uint32_t word_and_last(const az_cm *cm) {
    return az_cm_hash(cm->word[0], cm->word[1]);
}
static uint32_t word_and_last_two(const az_cm *cm) {
    return az_cm_hash(az_cm_hash(cm->word[0], cm->word[1]), cm->word[2]);
}
static uint32_t word_and_second(const az_cm *cm) {
    return az_cm_hash(cm->word[0], cm->word[2]);
}
static uint32_t word_and_third(const az_cm *cm) {
    return az_cm_hash(cm->word[0], cm->word[3] + 1);
}
static uint32_t last_word_and_byte(const az_cm *cm) {
    return az_cm_hash(cm->word[1], cm->c4 & 0xffff);
}

/* ---- Lines and fields -------------------------------------------------------- */

static uint32_t column(const az_cm *cm) {
    uint32_t n = cm->pos - cm->line_start[0];
    return n < 255 ? n : 255;
}

/* The byte `skip` beyond the one above the next in the line before; newline if
 * that line is shorter. */
static uint32_t above(const az_cm *cm, uint32_t skip) {
    uint32_t at = cm->line_start[1] + (cm->pos - cm->line_start[0]) + skip;
    return at < cm->line_start[0] ? cm->block[at] : '\n';
}

static uint32_t column_above(const az_cm *cm) {
    return az_cm_hash(column(cm), above(cm, 0));
}
static uint32_t above_and_order1(const az_cm *cm) {
    return az_cm_hash(above(cm, 0), (cm->c4 & 0xff) | above(cm, 1) << 8);
}
static uint32_t in_field(const az_cm *cm) {
    return az_cm_hash(cm->field_hash, cm->field | cm->line_first << 8);
}
static uint32_t field_above(const az_cm *cm) {
    return az_cm_hash(cm->field_hash, above(cm, 0) | cm->field << 8 | 0x10000u * (cm->c4 & 0xff));
}
static uint32_t line_first_order2(const az_cm *cm) {
    return az_cm_hash(cm->line_first | (cm->c4 & 0xffff) << 8, cm->field);
}

/* ---- What followed before ---------------------------------------------------- */

static uint32_t after_byte(const az_cm *cm) {
    return az_cm_hash(cm->after1[cm->c4 & 0xff], cm->c4 & 0xff);
}
static uint32_t after_pair(const az_cm *cm) {
    return az_cm_hash(cm->after2[cm->c4 & 0xffff] & 0xffff, cm->c4 & 0xff);
}
static uint32_t after_pair_three(const az_cm *cm) {
    return az_cm_hash(cm->after2[cm->c4 & 0xffff] & 0xffffff, cm->c4 & 0xffff);
}
static uint32_t expected_order1(const az_cm *cm) {
    const az_cm_match *m = &cm->match[0];
    return az_cm_hash(m->expected | (cm->c4 & 0xff) << 16, az_cm_match_bucket(m->len));
}
static uint32_t expected_twice(const az_cm *cm) {
    return az_cm_hash(cm->match[0].expected | cm->match[1].expected << 16,
                      az_cm_match_bucket(cm->match[1].len));
}

/* ---- Records: tables, pictures, samples -------------------------------------- */

/* The byte `rows` periods back and `left` bytes further left. */
static uint32_t back(const az_cm *cm, uint32_t rows, uint32_t left) {
    uint32_t n = rows * cm->period + left;
    return n > 0 && n <= cm->pos && cm->period ? cm->block[cm->pos - n] : 0;
}
static uint32_t record_two_above(const az_cm *cm) {
    uint32_t place = cm->period ? cm->pos % cm->period : 0;
    return az_cm_hash(back(cm, 1, 0) | back(cm, 2, 0) << 8, place);
}
static uint32_t record_above_left(const az_cm *cm) {
    return az_cm_hash(back(cm, 1, 0) | (cm->c4 & 0xff) << 8, cm->period);
}
static uint32_t record_neighbours(const az_cm *cm) {
    if (cm->period < 3) /* samples of one or two bytes: the one before and its neighbour */
        return az_cm_hash(back(cm, 1, 0) | back(cm, 2, 0) << 8 | cm->c4 << 16, 1);
    return az_cm_hash(back(cm, 1, 0) | (cm->c4 & 0xff) << 8,
                      back(cm, 1, 1) | back(cm, 1, (uint32_t)-1) << 8);
}
static uint32_t record_place(const az_cm *cm) {
    uint32_t place = cm->period ? cm->pos % cm->period : 0;
    return az_cm_hash(place, cm->c4 & 0xff);
}
/* The plane through the left, the upper and the upper left neighbour. */
static uint32_t record_gradient(const az_cm *cm) {
    uint32_t plane = (cm->c4 & 0xff) + back(cm, 1, 0) - back(cm, 1, 1);
    return az_cm_hash(plane, cm->period);
}
static uint32_t record_slope(const az_cm *cm) {
    uint32_t line = 2 * back(cm, 1, 0) - back(cm, 2, 0);
    return az_cm_hash(line, (cm->c4 & 0xff) >> 2);
}
static uint32_t record_mean(const az_cm *cm) {
    return az_cm_hash(((cm->c4 & 0xff) + back(cm, 1, 0)) >> 1,
                      ((cm->c4 & 0xff) - back(cm, 1, 0)) >> 3 & 31);
}
/* For pictures of one bit a pixel: the pixels around, and a few more above. */
static uint32_t record_pattern(const az_cm *cm) {
    uint32_t right = back(cm, 1, (uint32_t)-1) >> 6, left = back(cm, 1, 1) & 3;
    return az_cm_hash(back(cm, 1, 0) | (cm->c4 & 15) << 8 | right << 13 | left << 17, cm->period);
}

static const struct {
    uint32_t (*hash)(const az_cm *cm);
    int level; /* the first that has it */
} models[] = {
    {order1, 1},
    {order2, 1},
    {order3, 1},
    {order4, 1},
    {order6, 1},
    {word, 1},
    {bytes_2_3, 3},
    {record_neighbours, 4},
    {column_above, 4},
    {expected_order1, 5},
    {record_above_left, 6},
    {record_two_above, 5},
    {record_pattern, 5},
    {in_field, 5},
    {word_and_last, 5},
    {after_byte, 6},
    {order5, 6},
    {after_pair, 6},
    {record_gradient, 6},
    {above_and_order1, 6},
    {word_and_second, 7},
    {bytes_1_3, 7},
    {bytes_2_to_4, 7},
    {word_and_last_two, 7},
    {record_slope, 7},
    {record_place, 7},
    {field_above, 8},
    {last_word_and_byte, 8},
    {order7, 8},
    {bytes_3_4, 8},
    {record_mean, 8},
    {word_and_third, 8},
    {expected_twice, 8},
    {after_pair_three, 8},
    {line_first_order2, 8},
    {bytes_1_2_4, 8},
    {order8, 9},
};
#define N_MODELS (int)(sizeof models / sizeof models[0])
_Static_assert(sizeof models / sizeof models[0] <= AZ_CM_CONTEXTS_MAX,
               "more models than the state has room for");

uint32_t az_cm_context_count(int level) {
    uint32_t n = 0;
    for (int i = 0; i < N_MODELS; i++)
        n += models[i].level <= level;
    return n;
}

void az_cm_contexts_hash(az_cm *cm) {
    uint32_t n = 0;
    for (uint32_t i = 0; n < cm->n_contexts; i++)
        if (models[i].level <= cm->level_number) {
            cm->hash[n] = az_cm_hash(models[i].hash(cm), (i + 1) * 0x9e3779b1u);
            n++;
        }
}

/* ---- Weight sets: who chooses the weights ------------------------------------ */

static uint32_t by_order1(const az_cm *cm) {
    return cm->c4 & 0xff;
}
static uint32_t by_second(const az_cm *cm) {
    return cm->c4 >> 8 & 0xff;
}
static uint32_t by_expected(const az_cm *cm) {
    return cm->match[0].expected & 0xff;
}
static uint32_t by_place(const az_cm *cm) {
    return cm->period ? cm->pos % cm->period & 0xff : column(cm);
}
/* The kinds of the last four bytes: white space, letter, digit, other. */
static uint32_t by_kinds(const az_cm *cm) {
    uint32_t kinds = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = cm->c4 >> (8 * i) & 0xff;
        uint32_t letter = (c | 32) - 'a' < 26u, digit = c - '0' < 10u;
        kinds = kinds << 2 | (c == ' ' || c == '\n' ? 0u : letter ? 1u : digit ? 2u : 3u);
    }
    return kinds;
}
static uint32_t by_field(const az_cm *cm) {
    return cm->field & 0xff;
}

const az_cm_set az_cm_sets[] = {
    {NULL, AZ_CM_SET_MATCH, 17 * 8},    {NULL, AZ_CM_SET_C0, 256},
    {by_order1, AZ_CM_SET_BYTE, 256},   {by_kinds, AZ_CM_SET_BIT, 256 * 8},
    {by_place, AZ_CM_SET_BYTE, 256},    {by_second, AZ_CM_SET_BYTE, 256},
    {by_expected, AZ_CM_SET_BYTE, 256}, {by_field, AZ_CM_SET_BIT, 256 * 8},
};

void az_cm_sets_byte(az_cm *cm) {
    for (uint32_t s = 0; s < cm->level->n_sets; s++) {
        uint32_t row = az_cm_sets[s].choose ? az_cm_sets[s].choose(cm) : 0;
        cm->set_byte[s] = az_cm_sets[s].kind == AZ_CM_SET_BIT ? row * 8 : row;
    }
}

/* ---- After each byte --------------------------------------------------------- */

static void words_byte(az_cm *cm, uint32_t byte) {
    uint32_t lower = byte - 'A' < 26u ? byte + 32 : byte;
    if (lower - 'a' < 26u || byte >= 128) {
        cm->word[0] = az_cm_hash(cm->word[0], lower + 1);
    } else if (cm->word[0]) {
        memmove(cm->word + 1, cm->word, 3 * sizeof cm->word[0]);
        cm->word[0] = 0;
    }
}

static bool separates(uint32_t c) {
    return c == ' ' || c == '\t' || c == ',' || c == ';' || c == ':' || c == '|';
}

static void lines_byte(az_cm *cm, uint32_t byte) {
    if (byte == '\n') {
        cm->line_start[1] = cm->line_start[0];
        cm->line_start[0] = cm->pos;
        cm->field = cm->field_hash = cm->line_first = 0;
        return;
    }
    if (cm->pos - cm->line_start[0] == 1)
        cm->line_first = byte;
    if (separates(byte)) {
        cm->field++;
        cm->field_hash = 0;
    } else {
        cm->field_hash = az_cm_hash(cm->field_hash, byte + 1);
    }
}

void az_cm_contexts_byte(az_cm *cm, uint32_t byte) {
    uint32_t *after1 = &cm->after1[cm->c4 & 0xff], *after2 = &cm->after2[cm->c4 & 0xffff];
    *after1 = *after1 << 8 | byte;
    *after2 = *after2 << 8 | byte;
    cm->c8 = cm->c8 << 8 | cm->c4 >> 24;
    cm->c4 = cm->c4 << 8 | byte;
    cm->pos++;
    words_byte(cm, byte);
    lines_byte(cm, byte);
    if (cm->level_number >= 3 && az_cm_period_due(cm->pos))
        cm->period = az_cm_period_find(cm->block, cm->pos, cm->period_scores);
}
