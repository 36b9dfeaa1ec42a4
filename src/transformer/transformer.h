/*
 * transformer: a language model read from a GGUF file, run in exact arithmetic: the same
 * logits, to the last bit, on every machine, for any number of threads and any batch.
 *
 * Weights are int8 with a scale a row, activations int8 with a scale per 64 values, keys
 * and values int8 with a scale a head and position; dot products are integers; what remains
 * is binary32 in an order that the code writes down (kernels/lm.h).
 *
 * A model (az_lm) is weights. A cache (az_lm_cache) is one sequence: the keys and values of
 * the tokens that it has seen. A batch (az_lm_batch) is working memory for a number of rows;
 * a row is the next token of some sequence.
 */
#ifndef AZ_TRANSFORMER_H
#define AZ_TRANSFORMER_H

#include "../base/base.h"
#include "../gguf/gguf.h"
#include "../kernels/kernels.h"

/* Raised whenever the same model and text give other logits. */
#define AZ_LM_VERSION 1

typedef struct az_lm az_lm;
typedef struct az_lm_cache az_lm_cache;
typedef struct az_lm_batch az_lm_batch;

typedef struct az_lm_info {
    const char *architecture;
    uint32_t n_vocab;
    uint32_t n_layers;
    uint32_t n_embd;
    uint32_t n_trained; /* positions that the model was trained with */
    bool rolls;         /* a cache may go on beyond its window (positions are relative) */
    uint64_t weights_nbytes;
    uint64_t cache_nbytes; /* a position of a sequence */
} az_lm_info;

/* Loads the weights: dequantises every matrix and packs it for this CPU, in the pool's
 * threads. The view must live as long as the model, which reads its embeddings there.
 * AZ_ERROR_MODEL names what is missing, has the wrong shape, is not finite or not
 * supported. cpu_features: az_cpu_features(). */
az_status az_lm_open(az_lm **out, const az_gguf *gguf, unsigned cpu_features, az_pool *pool,
                     az_heap *heap, az_error *error);
void az_lm_close(az_lm **lm);
const az_lm_info *az_lm_get_info(const az_lm *lm);

/* What az_lm_get_info will say of the model's int8 weights and of a position, without opening.
 * Loaded, the weights' scales take a sixteenth more. */
az_status az_lm_memory(const az_gguf *gguf, uint64_t *weights_nbytes, uint64_t *cache_nbytes,
                       az_error *error);
/* Says how much the weights take before they are taken: AZ_ERROR_MEMORY_LIMIT if that is more than
 * `limit` bytes (0: none). */
az_status az_lm_check_memory(const az_gguf *gguf, uint64_t limit, az_error *error);

/* A sequence that sees at most `window` tokens at a time: from then on the oldest go, but
 * for the first AZ_LM_SINKS, which every model leans on. max_run: rows of it that one batch
 * may hold. Where info->rolls is false, it ends there (az_lm_run says so). */
enum { AZ_LM_SINKS = 16, AZ_LM_WINDOW_MAX = 1 << 15 };
az_status az_lm_cache_open(az_lm_cache **out, const az_lm *lm, uint32_t window, uint32_t max_run,
                           az_heap *heap, az_error *error);
void az_lm_cache_close(az_lm_cache **cache);
void az_lm_cache_reset(az_lm_cache *cache);       /* to no tokens */
uint64_t az_lm_cache_n(const az_lm_cache *cache); /* tokens seen */
/* Makes `to` the sequence that `from` is: both opened for the same model, window and max_run. */
void az_lm_cache_copy(az_lm_cache *to, const az_lm_cache *from);
/* Forgets the last token, which must have been a run of its own: it may be fed again, then
 * everything is as it was. */
void az_lm_cache_back(az_lm_cache *cache);

/* Forgets all but the first n tokens, of a sequence that has never seen more than its window. */
void az_lm_cache_cut(az_lm_cache *cache, uint64_t n);

/* One row of a batch: the next token of a sequence. Rows of the same sequence are next to
 * each other, in order. */
typedef struct az_lm_row {
    az_lm_cache *cache;
    uint32_t token; /* < n_vocab */
} az_lm_row;

az_status az_lm_batch_open(az_lm_batch **out, const az_lm *lm, uint32_t max_rows,
                           uint32_t max_window, az_pool *pool, az_heap *heap, az_error *error);
void az_lm_batch_close(az_lm_batch **batch);

/* Feeds n_rows tokens, at most max_rows. AZ_ERROR_MODEL where the model's numbers leave the
 * range of binary32: caches are then of no use any more. */
az_status az_lm_run(az_lm_batch *batch, const az_lm_row *rows, uint32_t n_rows, az_error *error);

/* The logits of rows first..first + n - 1 of the last run, for what comes after them:
 * [n][az_lm_logits_stride(lm)], of which the first n_vocab count. */
uint32_t az_lm_logits_stride(const az_lm *lm);
az_status az_lm_logits(az_lm_batch *batch, uint32_t first, uint32_t n, float *logits,
                       az_error *error);

/* Frequencies of rows first..first + n - 1, instead: freq[n][stride] (stride as above), each
 * 1 + floor(2^30 e^(logit - max)), and their sums. logits: working memory of that shape. */
az_status az_lm_frequencies(az_lm_batch *batch, uint32_t first, uint32_t n, float *logits,
                            uint32_t *freq, uint64_t *sum, az_error *error);

#endif
