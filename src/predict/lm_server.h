/*
 * lm_server: one model, many blocks. Blocks are coded in threads of their own; those that want
 * the model's predictions wait for each other, and all their rows go through it in one batch, so
 * that ten small files go as fast as a large one. Results don't depend on who is beside.
 */
#ifndef AZ_LM_SERVER_H
#define AZ_LM_SERVER_H

#include "../transformer/transformer.h"
#include "vocabulary.h"

typedef struct az_lm_server az_lm_server;

enum { AZ_LM_SERVER_ROWS = 64 }; /* that wait for each other */

/* Loads the model: its weights, its tokenizer. All must outlive the server. */
az_status az_lm_server_open(az_lm_server **out, const az_gguf *gguf, unsigned cpu_features,
                            unsigned n_threads, az_heap *heap, az_error *error);
void az_lm_server_close(az_lm_server **server); /* takes NULL */

const az_lm *az_lm_server_model(const az_lm_server *server);
const az_tokenizer *az_lm_server_tokenizer(const az_lm_server *server);
const az_vocabulary *az_lm_server_vocabulary(const az_lm_server *server);
uint32_t az_lm_server_start(const az_lm_server *server); /* the token before a text */

/* A block that will ask for n_rows at a time, of caches for windows and runs of `window` tokens
 * together, is let in: waits
 * until those inside leave it room. Then it must ask, or leave. */
az_status az_lm_server_join(az_lm_server *server, uint32_t n_rows, uint32_t window,
                            az_error *error);
void az_lm_server_leave(az_lm_server *server, uint32_t n_rows);

/* Feeds the rows, and gives the frequencies of what comes after those that wanted[n_rows] says:
 * freq[number of them][az_lm_logits_stride()]. A few thousand rows at most. */
az_status az_lm_server_predict(az_lm_server *server, const az_lm_row *rows, const bool *wanted,
                               uint32_t n_rows, uint32_t *freq, az_error *error);

/* Computes a row that has just been predicted, the only or last one of its cache, again with
 * another set of kernels, and compares: freq[] is what it gave. AZ_ERROR_INTERNAL if they differ.
 * The first call loads the weights once more. Does nothing where there is no other set. */
az_status az_lm_server_check(az_lm_server *server, const az_lm_row *row, const uint32_t *freq,
                             az_error *error);

/* az_pool_run() for whoever has joined. */
void az_lm_server_parts(az_lm_server *server, az_pool_part_fn part, void *arg, uint32_t n_parts);

#endif
