/*
 * cm_levels: what each level is made of, as data. A change of any number here
 * changes coded bits: AZ_CM_VERSION and docs/format.md go with it.
 */
#ifndef AZ_CM_LEVELS_H
#define AZ_CM_LEVELS_H

#include "../kernels/kernels.h"
#include "cm.h"

enum { AZ_CM_HINT_STAGES = 4, AZ_CM_HINTS = 2 + AZ_CM_HINT_STAGES };

typedef struct az_cm_level {
    uint8_t block_log2; /* default block size */
    uint16_t table_mib; /* hash table at most */
    uint8_t n_contexts; /* the first n of the table of models */
    uint8_t n_matches;  /* match models */
    uint8_t n_sets;     /* weight sets of the first layer: the first n */
    uint8_t n_stages;   /* final stages: the first n */
    uint8_t inputs;     /* a lane: 1 = stretched; 2 = and scaled; 3 = and run */
    uint8_t match_log2; /* entries of a match table at most */
    uint8_t period;     /* a map learns in every period-th byte that is coded bit by bit */
    uint8_t sure_len;   /* from a match of so many bytes on, one decision a byte; 0: never */
    uint8_t n_hints;    /* inputs that a language model's distribution gives; 0: none */
} az_cm_level;

/* Beside the levels that a user may name: the strongest, with a language model's hints. */
#define AZ_CM_LEVELS (AZ_CM_HINTED + 1)

static const az_cm_level az_cm_levels[AZ_CM_LEVELS] = {
    /* block, table, contexts, matches, sets, stages, inputs, match table, period, sure, hints */
    [1] = {23, 12, 3, 1, 1, 0, 1, 18, 5, 28, 0},
    [2] = {23, 20, 4, 1, 2, 1, 1, 20, 3, 32, 0},
    [3] = {23, 32, 6, 1, 2, 2, 1, 20, 3, 0, 0},
    [4] = {24, 64, 9, 2, 3, 2, 2, 20, 3, 0, 0},
    [5] = {24, 96, 12, 2, 4, 2, 2, 20, 3, 0, 0},
    [6] = {24, 128, 14, 2, 6, 3, 3, 22, 2, 0, 0},
    [7] = {25, 192, 18, 2, 7, 4, 3, 22, 1, 0, 0},
    [8] = {25, 384, 24, 3, 8, 4, 3, 22, 1, 0, 0},
    [9] = {26, 640, 25, 3, 8, 4, 3, 22, 1, 0, 0},
    [AZ_CM_HINTED] = {24, 640, 29, 3, 8, 4, 3, 22, 1, 0, AZ_CM_HINTS},
};

enum {
    AZ_CM_MODELS = 29, /* contexts of the highest level */
    AZ_CM_LANES_MAX = AZ_CM_MODELS + 2,
    AZ_CM_MATCHES_MAX = 3,
    AZ_CM_SETS_MAX = 8,
    AZ_CM_STAGES_MAX = 4
};

/* What follows from a level. Lanes: the contexts, and orders 1 and 0. */
#define AZ_CM_N_LANES(l) ((l)->n_contexts + 2u)
#define AZ_CM_N_INPUTS(l) (AZ_CM_N_LANES(l) * (l)->inputs + (l)->n_matches + 1u + (l)->n_hints)
#define AZ_CM_N_PADDED(l) ((AZ_CM_N_INPUTS(l) + AZ_MIX_STEP - 1) / AZ_MIX_STEP * AZ_MIX_STEP)

#endif
