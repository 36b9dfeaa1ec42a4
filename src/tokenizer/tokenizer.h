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
#define AZ_TOKEN_ESCAPE 0xffffff00u
#define AZ_TOKEN_NONE UINT32_MAX /* for the ids of special tokens that a model lacks */

/* Builds the tables from tokenizer.ggml.*; the view may be closed afterwards. Errors: no
 * tokenizer in the file, a kind or pre-tokenizer that is not supported (named), tables that
 * contradict each other, memory. */
az_status az_tokenizer_open(az_tokenizer **out, const az_gguf *gguf, az_heap *heap,
                            az_error *error);
void az_tokenizer_close(az_tokenizer **tokenizer);

uint32_t az_tokenizer_n_tokens(const az_tokenizer *tokenizer);

/* The bytes of a token as they stand in text (SPM's U+2581 is a space, its <0x0A> one
 * byte; of a special token: none, n_bytes 0). id < n_tokens. */
const uint8_t *az_tokenizer_bytes(const az_tokenizer *tokenizer, uint32_t id, size_t *n_bytes);

/* What the model expects before a text: bos if it has one and its file says so, else the
 * token that separates documents (eos, end of text); AZ_TOKEN_NONE if neither. */
uint32_t az_tokenizer_start(const az_tokenizer *tokenizer);
uint32_t az_tokenizer_bos(const az_tokenizer *tokenizer); /* or AZ_TOKEN_NONE */
uint32_t az_tokenizer_eos(const az_tokenizer *tokenizer); /* or AZ_TOKEN_NONE */
bool az_tokenizer_adds_space(const az_tokenizer *tokenizer); /* SPM: a text is given a space
                                                        before it; see az_tokenize_plain */

/* Cuts text into ids: room for n_bytes + 1 of them is always enough. text: all of it, or a
 * piece that begins where a pre-token begins (az_tokenizer_cut). Lossless: no space is added
 * before the text. Returns the number of ids. AZ_ERROR_MEMORY possible. */
az_status az_tokenize(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                      uint32_t *ids, size_t *n_ids, az_error *error);

/* The same as llama.cpp does it with add_special false, parse_special false: with SPM's
 * space before the text where the file says so. For comparison. Room: n_bytes + 2. */
az_status az_tokenize_plain(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                            uint32_t *ids, size_t *n_ids, az_error *error);

/* The first place at or after `at` where text may be cut without changing the tokens on
 * either side (a pre-token boundary); n_bytes if there is none. */
size_t az_tokenizer_cut(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                        size_t at);

#endif
