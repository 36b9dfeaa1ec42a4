/*
 * measure: what a text costs under a model, in bits.
 */
#ifndef AZ_MEASURE_H
#define AZ_MEASURE_H

#include "../base/base.h"
#include "../gguf/gguf.h"
#include "../predict/predict.h"
#include "../tokenizer/tokenizer.h"
#include "../transformer/transformer.h"
#include "primed.h"

/* Code points; a byte that is part of no valid one counts as one. */
uint64_t az_count_characters(const uint8_t *text, size_t n_bytes);

/* How a text is cut into windows. */
typedef struct az_lm_windows {
    uint32_t context; /* rows of a window: the start token and context - 1 more */
    uint32_t stride;  /* tokens scored in each window but the first; at most context */
    uint32_t start;   /* the token before each window */
    bool perplexity;  /* llama.cpp's: the second half of each whole window */
} az_lm_windows;

/* Called for each token that counts, in order, once its window is done: where its bytes are
 * in the text, and what they cost. */
typedef void (*az_lm_part_fn)(void *opaque, uint64_t first_byte, uint64_t n_bytes, uint64_t cost);
/* Called every few hundred rows with the bytes done so far; anything but 0 stops. */
typedef int (*az_lm_progress_fn)(void *opaque, uint64_t n_bytes);

typedef struct az_lm_scoring {
    const az_lm *lm;
    const az_tokenizer *tokenizer;
    az_pool *pool;
    az_heap *heap;
    az_lm_windows windows;
    az_lm_part_fn part;         /* or NULL */
    az_lm_progress_fn progress; /* or NULL */
    void *opaque;
} az_lm_scoring;

typedef struct az_lm_total {
    uint64_t n_tokens;  /* of the text, with escapes */
    uint64_t n_escapes; /* bytes that have no token */
    uint64_t n_scored;  /* tokens whose cost is counted */
    uint64_t cost;
} az_lm_total;

/* Of token `id`, under frequencies freq [n_vocab] and their sum. */
uint64_t az_lm_cost_of(uint32_t id, const uint32_t *freq, uint64_t sum);

/* A byte without a token: the model is left out of it. It costs what the least likely token
 * would, and 8 bits; the model sees the start token instead. */
az_status az_lm_score(const az_lm_scoring *scoring, const uint8_t *text, size_t n_bytes,
                      az_lm_total *total, az_error *error);

/* ---- Without a model --------------------------------------------------------------- */

enum { AZ_PIECE_NBYTES = 256 };

typedef struct az_built_in {
    az_heap *heap;
    int level;
    az_lm_progress_fn progress; /* or NULL */
    void *opaque;
} az_built_in;

/* costs[ceil(n_bytes / AZ_PIECE_NBYTES)]: what each piece adds to the code of its block. */
az_status az_built_in_pieces(const az_built_in *b, const uint8_t *text, size_t n_bytes,
                             uint64_t *costs, az_error *error);

#endif
