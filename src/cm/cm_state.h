/*
 * cm_state: what one running predictor holds, for the files of this folder.
 */
#ifndef AZ_CM_STATE_H
#define AZ_CM_STATE_H

#include "cm.h"
#include "cm_levels.h"
#include "cm_tables.h"

enum {
    AZ_CM_RUN_CELLS = 32,
    AZ_CM_LINE_NBYTES = 64, /* a cache line: 3 checks of 16 bits, 3 slots, 3 runs */
    AZ_CM_LINE_RUNS = 54,   /* where in a line the runs begin: byte last seen, how often */
    AZ_CM_SLOT_STATES = 6,  /* where in a line the first slot begins */
    AZ_CM_SLOT_NBYTES = 16, /* a state for each of the 15 nodes of a nibble; one free */
    AZ_CM_PERIOD_MAX = 4096,
    AZ_CM_MATCH_ROWS = 16 * 8,
    AZ_CM_PADDED_MAX = 104,
    AZ_CM_SURE_CELLS = 4 * 256,
    AZ_CM_STAGE_CELLS = 32,
    AZ_CM_FINAL_ROWS = 256,
    AZ_CM_RATE_EVERY = 32,   /* bytes between two steps of the rate */
    AZ_CM_RATE = 400,        /* learning rate of the first layer, 2^-16 */
    AZ_CM_RATE_EXTRA = 500,  /* and what is added to it at the start */
    AZ_CM_RATE_BYTES = 1000, /* halved after so many bytes */
    AZ_CM_STRANGE = 256
};

/* A counter: probability of a 1 times 2^22 in the upper 22 bits, how often it
 * was updated in the lower 10. It moves by 1 / (n + 1.5) of the error. */
typedef uint32_t az_counter;

/* A probability of a 1, times 2^31: moves by a fixed part of the error. */
typedef int32_t az_prob31;

/* The longest earlier piece of the block that ends like the bytes just coded. */
typedef struct az_cm_match {
    uint64_t rolling;  /* hash of the last min_len bytes: older ones are shifted out */
    uint32_t *seen;    /* the table's entry for them */
    uint32_t ptr;      /* where in the block the next byte is expected; 0 = nowhere */
    uint32_t len;      /* bytes known to agree, 0 after a miss */
    uint32_t misses;   /* the last 8 bytes: 1 = was predicted wrongly */
    uint32_t expected; /* 256 + the byte expected, or 0 */
    uint32_t row;      /* of cells, for length and misses */
} az_cm_match;

/* And what it has learnt. */
typedef struct az_cm_match_memory {
    uint32_t *table; /* [2^log2] position after the bytes that hash there, 0 = none */
    uint32_t log2;
    az_prob31 cells[AZ_CM_MATCH_ROWS][2]; /* [16 lengths][8 misses], [first bit of byte,
                                             others]: that the expected bit comes */
} az_cm_match_memory;

/* Where in the block, and what the context functions read of what precedes. */
typedef struct az_cm_cursor {
    uint32_t pos;
    uint32_t c4, c8;        /* the last 4 bytes, newest lowest; the 4 before */
    uint32_t strange;       /* below AZ_CM_STRANGE what came last looks like text */
    uint32_t utf8_left;     /* bytes that the running UTF-8 character still needs */
    uint32_t kinds;         /* of the last 4 bytes, newest highest */
    uint32_t word[4];       /* hashes of the word that runs and of the 3 before; 0 = none */
    uint32_t line_start[2]; /* of this line and the one before */
    uint32_t line_first;    /* its first byte */
    uint32_t field;         /* number of separators in this line */
    uint32_t field_hash;    /* of the bytes since the last one */
    uint32_t token[4];      /* hashes of the token that runs and of the 3 before */
    uint32_t token_nbytes;  /* of the one that runs */
    az_cm_match match[AZ_CM_MATCHES_MAX];
} az_cm_cursor;

/* ---- With a language model ------------------------------------------------------- */

enum {
    AZ_CM_MARK_CODED = 1, /* a byte of the block is coded, */
    AZ_CM_MARK_END = 2,   /* and a token ended with it */
    AZ_CM_HINT_ROWS_LOG2 = 12,
    AZ_CM_HINT_SHIFT = 6,
    AZ_CM_END_CONTEXTS = 8,
    AZ_CM_END_PADDED = 24,
    AZ_CM_END_ROWS = 32 + 34 + 9 * 16,
    AZ_CM_END_LIMIT = 255
};

/* Predicts where tokens end. */
typedef struct az_cm_ends {
    _Alignas(64) int32_t x[AZ_CM_END_PADDED];
    _Alignas(64) int32_t final_x[AZ_MIX_STEP];
    _Alignas(64) int32_t weights[AZ_CM_END_ROWS * AZ_CM_END_PADDED];
    _Alignas(64) int32_t final_weights[16 * AZ_MIX_STEP];
    az_prob31 stage[32 * AZ_CM_STAGE_CELLS];
    az_counter match[34]; /* by length of the match and what it expects */
    az_counter *table;    /* [2^(32 - shift)] by hashed context */
    uint32_t shift;
} az_cm_ends;

typedef struct az_cm_hinted {
    az_prob31 stage[AZ_CM_HINT_STAGES][(1 << AZ_CM_HINT_ROWS_LOG2) * AZ_CM_STAGE_CELLS];
    az_prob31 *stage_cell[AZ_CM_HINT_STAGES];
    az_cm_ends ends;
    uint8_t *marks;   /* [n_bytes] 0 or AZ_CM_MARK_* */
    uint32_t bucket;  /* of the running bit's hint */
    uint32_t n_coded; /* bytes, of all lanes */
} az_cm_hinted;

struct az_cm_lane {
    az_cm_cursor at;
    uint32_t end;
};

struct az_cm {
    const uint8_t *block;
    az_span span;
    uint32_t n_bytes;   /* of the span */
    uint32_t n_skipped; /* of the dictionary: only the match models know them */
    az_cm_cursor at;
    uint32_t turn; /* the first lane whose map learned in the last byte */
    bool sure;     /* the next byte is decided by the first match alone, if it agrees */

    /* Contexts. */
    uint32_t hash[AZ_CM_MODELS];
    int16_t map_st[AZ_CM_LANES_MAX][256]; /* by history: log-odds of what maps says */
    az_prob31 maps[AZ_CM_LANES_MAX][256];
    az_prob31 run_maps[AZ_CM_LANES_MAX][AZ_CM_RUN_CELLS]; /* by run: 0 if there is none or it
                                    has been refuted, else 2 * count + expected bit */
    uint8_t *table;                                       /* [n_lines][64] */
    uint32_t n_lines;
    uint8_t order0[17 * 16]; /* states: first nibble, then by it the second */
    uint8_t order1[256][17 * 16];

    /* Mixers. */
    _Alignas(64) int32_t x[AZ_CM_PADDED_MAX]; /* inputs times 65536 */
    _Alignas(64) int32_t final_x[AZ_MIX_STEP];
    int32_t *weights;                  /* [rows][n_padded] */
    uint32_t set_base[AZ_CM_SETS_MAX]; /* where in weights each set begins */
    uint32_t set_byte[AZ_CM_SETS_MAX]; /* first row that the bytes before choose */
    int32_t *final_weights;            /* [AZ_CM_FINAL_ROWS][AZ_MIX_STEP] */
    int rate;                          /* of learning, in this byte */

    /* Final stages. */
    az_prob31 *stage[AZ_CM_STAGES_MAX]; /* [512][32], the others [2^stage_log2][32] */
    uint32_t stage_log2;

    az_cm_match_memory match_memory[AZ_CM_MATCHES_MAX];
    az_counter sure_cells[AZ_CM_SURE_CELLS]; /* by length and byte */

    /* What the context functions read, beside the cursor. */
    uint32_t after1[256];   /* the bytes that followed each byte, newest lowest */
    uint32_t after2[65536]; /* the same for byte pairs */
    uint32_t period;        /* record length, 0 = none found */
    uint32_t period_scores[AZ_CM_PERIOD_MAX + 1];

    /* With a language model. */
    az_cm_hinted *hinted;
    int hint_x[AZ_CM_HINTS];
    uint32_t *costs;     /* where what bytes cost is added, or NULL; */
    uint32_t costs_from; /* [0] is of this place */

    az_cm_tables tables;
    const az_cm_level *level;
    az_cm_code_fn code; /* of this level and instruction set */
    az_cm_string_fn code_string;
    void (*guess)(az_cm *cm, uint32_t actual, az_guesses *out);
    az_heap *heap;
    void *arena;
    bool used; /* tables hold something */
};

_Static_assert(3 * AZ_CM_LANES_MAX + AZ_CM_MATCHES_MAX + 1 + AZ_CM_HINTS <= AZ_CM_PADDED_MAX,
               "the inputs of the highest level");

/* ---- Hashing and counting ----------------------------------------------------- */

AZ_INLINE uint32_t az_cm_hash(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x2c1b3c6du + b * 0x297a2d39u + 0x01234567u;
    h ^= h >> 15;
    h *= 0x9e3779b1u;
    return h ^ h >> 13;
}

AZ_INLINE void az_counter_update(az_counter *c, int bit, uint32_t limit, const az_cm_tables *t) {
    uint32_t v = *c, n = v & 1023;
    int32_t error = ((bit << 22) - (int32_t)(v >> 10)) >> 3;
    v += (uint32_t)error * (uint32_t)t->reciprocal[n] & ~1023u; /* modulo 2^32 */
    *c = v + (n < limit);
}

/* target: 0, or INT32_MAX for a 1. */
AZ_INLINE void az_prob31_update(az_prob31 *p, int32_t target, int shift) {
    *p += (target - *p) >> shift;
}

/* ---- The parts -------------------------------------------------------------- */

AZ_INLINE uint32_t az_cm_match_bucket(uint32_t len) {
    return len == 0   ? 0
           : len < 16 ? 1 + len / 2
           : len < 32 ? 9 + (len - 16) / 4
                      : 13u + (len >= 64) + (len >= 400);
}

/* What a decision's probability becomes, by its log-odds. */
struct az_cm_temper {
    az_cm_tables tables;
    uint32_t p[2 * AZ_STRETCH_MAX + 1];
};

AZ_INLINE uint32_t az_cm_tempered(const az_cm_temper *t, uint32_t p) {
    return t ? t->p[az_stretch(&t->tables, p) + AZ_STRETCH_MAX] : p;
}

/* engine: one for each instruction set, all with the same results. */
typedef struct az_cm_engine {
    const char *name;                 /* as that of the kernels' set */
    az_cm_code_fn code[AZ_CM_LEVELS]; /* [level] */
    az_cm_string_fn code_string;
} az_cm_engine;

typedef void (*az_cm_guess_fn)(az_cm *cm, uint32_t actual, az_guesses *out);
extern const az_cm_guess_fn az_cm_guess_plain;
#if defined(__x86_64__)
extern const az_cm_guess_fn az_cm_guess_avx2;
#endif

extern const az_cm_engine az_cm_engine_plain;
extern const az_cm_engine az_cm_engine_sample; /* in plain C, and obeys tempers */
#if defined(__x86_64__)
extern const az_cm_engine az_cm_engine_avx2;
extern const az_cm_engine az_cm_engine_avx512;
#elif defined(__aarch64__)
extern const az_cm_engine az_cm_engine_neon;
#endif

/* record: the period of tables and pictures. */
AZ_INLINE bool az_cm_period_due(uint32_t pos) {
    return pos == 8192 || (pos > 0 && pos % 16384 == 0);
}
uint32_t az_cm_period_find(const uint8_t *block, uint32_t pos, uint32_t *scores);

#endif
