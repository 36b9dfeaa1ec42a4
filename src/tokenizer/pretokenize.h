/*
 * pretokenize: cuts text into the pieces that byte-level BPE works on, one word or so each. A
 * model's makers did that with regular expressions; here each alternative of such an
 * expression is a small matcher, and a pre-tokenizer is a table of them.
 */
#ifndef AZ_PRETOKENIZE_H
#define AZ_PRETOKENIZE_H

#include "../base/base.h"

/* ---- Characters ----------------------------------------------------------------- */

/* \p{L}, \p{N}, \p{P}, \p{S}, \s; whatever is none of them, and bytes that are no UTF-8. */
typedef enum az_char_class {
    AZ_CHAR_OTHER,
    AZ_CHAR_LETTER,
    AZ_CHAR_NUMBER,
    AZ_CHAR_PUNCTUATION,
    AZ_CHAR_SYMBOL,
    AZ_CHAR_SPACE
} az_char_class;

/* Of a code point; what is beyond U+10FFFF is OTHER. */
az_char_class az_char_class_of(uint32_t code);

#define AZ_CHAR_INVALID UINT32_MAX

/* The code point at text[0], n_bytes >= 1 of text; its length goes to *len. What is not
 * strictly UTF-8 (RFC 3629) is one byte, AZ_CHAR_INVALID. */
uint32_t az_char_read(const uint8_t *text, size_t n_bytes, size_t *len);

/* ---- Pieces --------------------------------------------------------------------- */

typedef struct az_pretokenizer az_pretokenizer;

/* By the name that stands in a model file; NULL if it is not known. */
const az_pretokenizer *az_pretokenizer_find(const char *name, size_t n_bytes);
/* Whether a piece that is a token as a whole is that token, whatever the merges say. */
bool az_pretokenizer_ignores_merges(const az_pretokenizer *pre);
/* Whether such models expect a bos where their files don't say. */
bool az_pretokenizer_adds_bos(const az_pretokenizer *pre);

/* Takes the piece text[from..to); false: no more of them are wanted. */
typedef bool (*az_piece_fn)(void *context, const uint8_t *text, size_t from, size_t to);

/* Gives the pieces of text[from..to) in order; none is empty, together they are all of it.
 * False if `take` said so. */
bool az_pretokenize(const az_pretokenizer *pre, const uint8_t *text, size_t from, size_t to,
                    az_piece_fn take, void *context);

/* The first place found at or after `at` where text[from..to) may be cut so that the pieces of
 * both parts are the pieces of the whole; to if there is none before. */
size_t az_pretokenizer_cut(const az_pretokenizer *pre, const uint8_t *text, size_t from, size_t to,
                           size_t at);

#endif
