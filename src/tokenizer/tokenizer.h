/*
 * tokenizer: cuts bytes into the tokens of a model's vocabulary, as the model's makers did
 * (byte-level BPE after a pre-tokenizer, or SPM with byte fallback), and gives each token's
 * bytes. Any byte string is cut, valid UTF-8 or not; the bytes of its tokens concatenate to
 * it. A byte that has no token is given as an escape: AZ_TOKEN_ESCAPE + byte.
 * Special tokens (control, unknown, unused) are never found in text.
 */
#ifndef AZ_TOKENIZER_H
#define AZ_TOKENIZER_H

#include "../base/base.h"
#include "../gguf/gguf.h"

typedef struct az_tokenizer az_tokenizer;

/* An id from here on is no token: it stands for the byte id - AZ_TOKEN_ESCAPE. */
#define AZ_TOKEN_ESCAPE 0xfffffe00u
#define AZ_TOKEN_NONE UINT32_MAX /* for the ids of special tokens that a model lacks */

/* Builds the tables from tokenizer.ggml.*; the view may be closed afterwards, the heap must
 * live as long as the tokenizer. *out is NULL after a failure: AZ_ERROR_MODEL if there is no
 * tokenizer in the file, its kind or pre-tokenizer is not supported (named), or its tables
 * contradict each other; AZ_ERROR_MEMORY and AZ_ERROR_MEMORY_LIMIT. */
az_status az_tokenizer_open(az_tokenizer **out, const az_gguf *gguf, az_heap *heap,
                            az_error *error);
void az_tokenizer_close(az_tokenizer **tokenizer); /* takes NULL, sets it to NULL */

/* ---- Tokens --------------------------------------------------------------------- */

uint32_t az_tokenizer_n_tokens(const az_tokenizer *tokenizer);

/* The bytes of a token as they stand in text (SPM's U+2581 is a space, its <0x0A> one
 * byte; of a special token: none, n_bytes 0). id < n_tokens. */
const uint8_t *az_tokenizer_bytes(const az_tokenizer *tokenizer, uint32_t id, size_t *n_bytes);

/* What the model expects before a text: bos if it has one and its file says so, else the
 * token that separates documents (<|endoftext|> where there is one, else eos); AZ_TOKEN_NONE
 * if neither. */
uint32_t az_tokenizer_start(const az_tokenizer *tokenizer);
uint32_t az_tokenizer_bos(const az_tokenizer *tokenizer); /* or AZ_TOKEN_NONE */
uint32_t az_tokenizer_eos(const az_tokenizer *tokenizer); /* or AZ_TOKEN_NONE */
/* SPM: a text is given a space before it; see az_tokenize_plain. */
bool az_tokenizer_adds_space(const az_tokenizer *tokenizer);

/* ---- Cutting -------------------------------------------------------------------- */

/* Cuts text into ids: room for n_bytes of them is always enough. text: all of it, or a
 * piece that begins where az_tokenizer_cut said. Lossless, so unlike llama.cpp
 * - no space is added before the text;
 * - bytes that are no UTF-8 are themselves, not U+FFFD;
 * - in SPM a U+2581 in the text is three byte tokens, as its own token is a space;
 * - special tokens and, but for single bytes, byte tokens are never found.
 * User-defined tokens are found before anything else, as the models' makers do it: the first
 * one from the left, of those that begin there the longest one. Several threads may share a
 * tokenizer. Errors: memory; AZ_ERROR_ARGUMENT if n_bytes is 2^30 or more. */
az_status az_tokenize(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                      uint32_t *ids, size_t *n_ids, az_error *error);

/* The same, but with SPM's space, where the file says so, before the text and after each
 * user-defined token, as llama.cpp does it with add_special false and parse_special false.
 * For comparison. Room: 2 * n_bytes + 2. */
az_status az_tokenize_plain(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                            uint32_t *ids, size_t *n_ids, az_error *error);

/* The first place found at or after `at` where text may be cut so that the tokens of both
 * parts are those of the whole: the end of a pre-token, or in SPM a place between two bytes
 * that stand next to each other in no token. n_bytes if there is none. Looks back from `at`
 * to the last end of an ASCII word, and on to the end of one pre-token or two. */
size_t az_tokenizer_cut(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                        size_t at);

#endif
