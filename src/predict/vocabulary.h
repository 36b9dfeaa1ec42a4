/*
 * vocabulary: a tokenizer's tokens sorted by their bytes, for coding them bit by bit
 * (cm/cm_strings.h). Each string of bytes is there once; every byte alone is there, whether
 * or not the model has a token for it.
 */
#ifndef AZ_VOCABULARY_H
#define AZ_VOCABULARY_H

#include "../cm/cm.h"
#include "../tokenizer/tokenizer.h"

typedef struct az_vocabulary {
    az_cm_strings strings;
    const uint32_t *ids;     /* [strings.n] the token of each; AZ_TOKEN_NONE: a byte without one */
    const uint32_t *numbers; /* [n_tokens] the string of each token; strings.n if it has none */
    uint32_t n_tokens;
    az_heap *heap;
    void *arena;
} az_vocabulary;

/* The tokenizer need not live longer than this call. Where several tokens have the same bytes,
 * the one that those bytes alone are cut into is the string's, else that of the lowest id. */
az_status az_vocabulary_open(az_vocabulary *v, const az_tokenizer *tokenizer, az_heap *heap,
                             az_error *error);
void az_vocabulary_close(az_vocabulary *v); /* takes all zeros */

/* The string that a token, or an escape of the tokenizer's, stands for. */
static inline uint32_t az_vocabulary_number(const az_vocabulary *v, uint32_t id) {
    return id >= AZ_TOKEN_ESCAPE ? v->strings.first[id - AZ_TOKEN_ESCAPE] : v->numbers[id];
}

#endif
