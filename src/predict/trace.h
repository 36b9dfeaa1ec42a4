/*
 * trace: what coding a block has cost, byte by byte, and what else might have come.
 */
#ifndef AZ_TRACE_H
#define AZ_TRACE_H

#include "../cm/cm.h"

typedef struct az_trace {
    uint32_t *costs;     /* [n_bytes] of each byte, times AZ_COST_BIT */
    uint8_t *ends;       /* [n_bytes] 1: a token ends with it; without a model each byte is one */
    az_guesses *guesses; /* [n_guesses] for the token that begins there: rank 0 where none does */
    size_t n_guesses;    /* at most n_bytes: later tokens have none */
    bool by_strings;     /* guesses are strings of the model's vocabulary, alone; else bytes */
} az_trace;

#endif
