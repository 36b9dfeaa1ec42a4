/*
 * cm_state: what one running predictor holds, for the files of this folder.
 */
#ifndef AZ_CM_STATE_H
#define AZ_CM_STATE_H

#include "../kernels/kernels.h"
#include "cm.h"
#include "cm_tables.h"

enum {
    AZ_CM_CONTEXTS_MAX = AZ_LANES_MAX - 1,
    AZ_CM_MATCHES_MAX = 3,
    AZ_CM_SETS_MAX = 16,  /* also the inputs of the second layer: one AZ_MIX_STEP */
    AZ_CM_FINAL_SETS = 3, /* weight sets of the second layer */
    AZ_CM_APMS_MAX = 4,
    AZ_CM_LINE_NBYTES = 64, /* a cache line */
    AZ_CM_SLOT_NBYTES = 21, /* check 2, states 15, run 2, free 2 */
    AZ_CM_SLOTS_A_LINE = 3,
    AZ_CM_PERIOD_MAX = 4096
};

/* A counter: probability of a 1 times 2^22 in the upper 22 bits, how often it
 * was updated in the lower 10. It moves by 1 / (n + 1.5) of the error. */
typedef uint32_t az_counter;

/* A level: what the predictor is made of. All of it is documented in
 * docs/format.md; a change raises AZ_CM_VERSION. */
typedef struct az_cm_level {
    uint8_t block_log2; /* default block size */
    uint8_t table_4mib; /* hash table at most, in 4 MiB */
    uint8_t n_matches;  /* match models */
    uint8_t n_sets;     /* weight sets of the first layer: the first n of the table */
    uint8_t n_apms;     /* final stages: the first n */
    uint8_t inputs;     /* a context: 1 = stretched; 3 = and scaled, and run */
    uint8_t match_log2; /* entries of a match table at most */
} az_cm_level;

extern const az_cm_level az_cm_levels[10]; /* [level], 0 unused */

/* The longest earlier piece of the block that ends like the bytes just coded. */
typedef struct az_cm_match {
    uint32_t *table; /* [2^log2] position after the bytes that hash there, 0 = none */
    uint32_t log2;
    uint32_t min_len;      /* bytes that are hashed, and that must agree */
    uint64_t rolling;      /* hash of the last min_len bytes: older ones are shifted out */
    uint32_t *seen;        /* the table's entry for them */
    uint32_t ptr;          /* where in the block the next byte is expected; 0 = nowhere */
    uint32_t len;          /* bytes known to agree, 0 after a miss */
    uint32_t misses;       /* the last 8 bytes: 1 = was predicted wrongly */
    uint32_t expected;     /* 256 + the byte expected, or 0 */
    az_counter *cell;      /* counter in use for this bit, or dummy */
    az_counter cells[513]; /* [16 lengths][8 misses][2 expected bit][2 first bit of byte], dummy */
} az_cm_match;

struct az_cm {
    /* Where in the block. */
    const uint8_t *block;
    uint32_t pos, n_bytes;
    uint32_t c0;      /* bits of this byte so far, after a leading 1 */
    uint32_t bit_pos; /* 0..7 */
    uint32_t c4, c8;  /* the last 4 bytes, newest lowest; the 4 before */

    /* Contexts. */
    uint32_t n_contexts, n_lanes, n_inputs, n_padded; /* lanes: the contexts and order 0 */
    uint32_t node;                                    /* 1..15 in the current nibble's slot */
    az_lanes lanes;
    uint8_t *run[AZ_CM_CONTEXTS_MAX]; /* byte and count, in the first nibble's slot */
    uint32_t hash[AZ_CM_CONTEXTS_MAX];
    uint8_t *table; /* [n_lines][64] */
    uint32_t n_lines;
    uint8_t order0[17 * 16]; /* states: first nibble, then by it the second */

    /* Mixers. */
    const az_kernels *kernels;
    int32_t *x;                        /* [n_padded] inputs times 65536 */
    int32_t *weights;                  /* [rows][n_padded] */
    uint32_t set_base[AZ_CM_SETS_MAX]; /* first row of each set, in weights */
    uint32_t set_byte[AZ_CM_SETS_MAX]; /* row that the bytes before choose */
    uint32_t set[AZ_CM_SETS_MAX];
    int32_t dot[AZ_CM_SETS_MAX];
    int32_t error[AZ_CM_SETS_MAX];
    uint32_t set_p[AZ_CM_SETS_MAX];
    int32_t *final_x;       /* [AZ_MIX_STEP] */
    int32_t *final_weights; /* [rows][AZ_MIX_STEP] */
    uint32_t final_set[AZ_CM_FINAL_SETS];
    uint32_t final_p[AZ_CM_FINAL_SETS];
    uint32_t n_bits; /* coded so far, kept below 2^24, for the learning rate */

    /* Final stages. */
    az_counter *apm[AZ_CM_APMS_MAX]; /* [2^apm_log2][33] */
    az_counter *apm_row[AZ_CM_APMS_MAX];
    az_counter *apm_cell[AZ_CM_APMS_MAX];
    uint32_t apm_log2;

    az_cm_match match[AZ_CM_MATCHES_MAX];
    uint32_t match_state; /* 0 no match, 1..16 by length */

    /* What the context functions read. */
    uint32_t word[4];       /* hashes of the word that runs and of the 3 before; 0 = none */
    uint32_t line_start[2]; /* of this line and the one before */
    uint32_t line_first;    /* its first byte */
    uint32_t field;         /* number of separators in this line */
    uint32_t field_hash;    /* of the bytes since the last one */
    uint32_t after1[256];   /* the bytes that followed each byte, newest lowest */
    uint32_t after2[65536]; /* the same for byte pairs */
    uint32_t period;        /* record length, 0 = none found */
    uint32_t period_scores[AZ_CM_PERIOD_MAX + 1];

    az_cm_tables tables;
    const az_cm_level *level;
    int level_number;
    az_heap *heap;
    void *arena;
    bool used; /* tables hold something */
};

/* ---- Hashing ---------------------------------------------------------------- */

static inline uint32_t az_cm_hash(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x2c1b3c6du + b * 0x297a2d39u + 0x01234567u;
    h ^= h >> 15;
    h *= 0x9e3779b1u;
    return h ^ h >> 13;
}

static inline void az_counter_update(az_counter *c, int bit, uint32_t limit,
                                     const az_cm_tables *t) {
    uint32_t v = *c, n = v & 1023;
    int32_t error = ((bit << 22) - (int32_t)(v >> 10)) >> 3;
    v += (uint32_t)error * (uint32_t)t->reciprocal[n] & ~1023u; /* modulo 2^32 */
    *c = v + (n < limit);
}

/* ---- The parts -------------------------------------------------------------- */

/* contexts: the table of models, and what it reads. */
uint32_t az_cm_context_count(int level);
void az_cm_contexts_byte(az_cm *cm, uint32_t byte); /* the last byte was `byte` */
void az_cm_contexts_hash(az_cm *cm);                /* fills cm->hash */
void az_cm_sets_byte(az_cm *cm);                    /* fills cm->set_byte */

typedef enum az_cm_set_kind {
    AZ_CM_SET_BYTE, /* chosen by the bytes before alone */
    AZ_CM_SET_C0,   /* and by the bits of this one: 256 rows for each */
    AZ_CM_SET_BIT,  /* and by the position in it: 8 rows for each */
    AZ_CM_SET_MATCH /* by the match state and the position: 17 * 8 rows */
} az_cm_set_kind;

typedef struct az_cm_set {
    uint32_t (*choose)(const az_cm *cm); /* NULL: 0 */
    az_cm_set_kind kind;
    uint32_t n_rows;
} az_cm_set;

extern const az_cm_set az_cm_sets[];

/* match */
void az_cm_match_begin(az_cm_match *m);
void az_cm_match_hash(az_cm_match *m, uint32_t byte); /* first: the last byte was `byte` */
void az_cm_match_byte(az_cm_match *m, const uint8_t *block, uint32_t pos);
static inline uint32_t az_cm_match_bucket(uint32_t len) {
    return len == 0   ? 0
           : len < 16 ? 1 + len / 2
           : len < 32 ? 9 + (len - 16) / 4
                      : 13u + (len >= 64) + (len >= 400);
}

/* record: the period of tables and pictures. */
bool az_cm_period_due(uint32_t pos);
uint32_t az_cm_period_find(const uint8_t *block, uint32_t pos, uint32_t *scores);

#endif
