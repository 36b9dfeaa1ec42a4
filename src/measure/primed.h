/*
 * primed: what a text costs after each of several others, its primes: with the built-in predictor,
 * which has learnt a prime of any length, or with a language model, which has one before its eyes.
 *
 * A text that is too long to follow a prime in one piece is measured in several, each after the
 * prime alone.
 */
#ifndef AZ_PRIMED_H
#define AZ_PRIMED_H

#include "../gguf/gguf.h"
#include "../tokenizer/tokenizer.h"
#include "../transformer/transformer.h"

/* ---- The built-in predictor: one a prime -------------------------------------- */

typedef struct az_primed az_primed;

/* n_bytes [n]: the length that each prime will have, or more; beyond what a block of this level
 * holds, texts are not added any more. */
az_status az_primed_open(az_primed **out, int level, const uint64_t *n_bytes, size_t n,
                         az_pool *pool, az_heap *heap, az_error *error);
void az_primed_close(az_primed **primed);

/* Makes the prime longer by a text and a line end; false: it has no room. Different primes may be
 * added to by different threads. */
bool az_primed_add(az_primed *primed, size_t prime, az_text text);

/* costs [n_texts][n]: of each text after each prime, times AZ_COST_BIT. */
void az_primed_run(az_primed *primed, const az_text *texts, size_t n_texts, uint64_t *costs);
/* costs [text.n_bytes]: what each byte adds. */
void az_primed_bytes(az_primed *primed, size_t prime, az_text text, uint64_t *costs);

/* ---- A language model -------------------------------------------------------------- */

/* A model that is loaded: its tokenizer and weights. */
typedef struct az_lm_loaded {
    az_tokenizer *tokenizer;
    az_lm *lm;
} az_lm_loaded;

/* AZ_ERROR_MEMORY_LIMIT before the weights are read, where they alone are more than limit (0:
 * none). */
az_status az_lm_load(az_lm_loaded *loaded, const az_gguf *gguf, uint64_t limit, az_pool *pool,
                     az_heap *heap, az_error *error);
void az_lm_unload(az_lm_loaded *loaded);

typedef struct az_prompted az_prompted;

/* The start token and prompt i before every text that is measured after prompt i. window: the most
 * tokens of a prompt and of a piece of text (512 at most) together; of a prompt that takes more than
 * three quarters of it the first ones are left out. */
az_status az_prompted_open(az_prompted **out, const az_lm_loaded *loaded, const az_text *prompts,
                           size_t n, uint32_t window, az_pool *pool, az_heap *heap,
                           az_error *error);
void az_prompted_close(az_prompted **prompted);

/* costs [n]: of the text after each prompt, times AZ_COST_BIT. bytes: NULL, or [n][text.n_bytes]:
 * what each byte adds, a token's cost spread over its bytes. */
az_status az_prompted_run(az_prompted *prompted, az_text text, uint64_t *costs, uint64_t *bytes,
                          az_error *error);

#endif
