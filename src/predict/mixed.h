/*
 * mixed: a block coded by a language model and cm together. The block is cut into tokens, and
 * these into lanes that run in lock step; step t codes token t of every lane. All lanes share
 * one cm and one coder, each has keys and values of its own.
 *
 *   payload = number of lanes, bytes of each lane but the last, the coder's message
 */
#ifndef AZ_MIXED_H
#define AZ_MIXED_H

#include "../coder/coder.h"
#include "choice.h"
#include "lm_server.h"
#include "trace.h"

/* Raised whenever the same block, model and settings give another payload, beside
 * AZ_CM_VERSION and AZ_LM_VERSION. */
#define AZ_MIXED_VERSION 1

/* Of a dictionary the model sees the last tokens, a part of its window; cm learns what the text is
 * like from some more bytes, and its match models know them all. */

enum { AZ_MIXED_LANES_MAX = 64, AZ_MIXED_WINDOW_MIN = 64, AZ_MIXED_WINDOW_MAX = 1 << 14 };

/* What the archive stores, and the decoder must know. */
typedef struct az_mixed_settings {
    uint32_t window;  /* tokens that the model sees at most */
    uint32_t overlap; /* tokens that are fed again when a window of learnt positions is full */
} az_mixed_settings;

typedef struct az_mixed az_mixed;

/* Told where coding stands; false stops it. */
typedef bool (*az_mixed_tick_fn)(void *opaque, size_t n_content, size_t n_coded);

/* Memory for a span in n_lanes lanes. */
uint64_t az_mixed_memory(const az_lm *lm, uint32_t n_strings, const az_mixed_settings *settings,
                         az_span span, uint32_t n_lanes);

az_status az_mixed_open(az_mixed **out, az_lm_server *server, az_heap *heap, az_error *error);
void az_mixed_close(az_mixed **mixed);

/* From now on, in one step of 16, a lane in turn is computed again with other kernels while
 * decoding: a kernel that is wrong the same way twice agrees with itself. */
void az_mixed_check(az_mixed *mixed, bool check);

/* From now on, what is encoded is traced, in arrays for the block; NULL: no more. */
void az_mixed_trace(az_mixed *mixed, az_trace *trace);

/* Lanes of a block of n_tokens by default: about 4,096 tokens each, at level 1 as many as can be,
 * at level 9 one. */
uint32_t az_mixed_lanes(int level, size_t n_tokens);

/* Tokens of a window by default: 2,048; at level 1 half of that; at level 9 as many as the model was
 * trained with, at most 8,192. */
uint32_t az_mixed_window(int level, const az_lm_info *info);

/* Codes the content of block[], which is behind a dictionary, of 1 byte or more, into
 * coded[0..capacity). n_lanes 0: az_mixed_lanes(). *coded_nbytes: the coded size, or SIZE_MAX if it
 * does not fit, or the tick said stop. Fails for want of memory, or by a fault of the model's. */
az_status az_mixed_encode(az_mixed *mixed, const az_mixed_settings *settings, int level,
                          uint32_t n_lanes, const uint8_t *block, az_span span, uint8_t *coded,
                          size_t capacity, size_t *coded_nbytes, az_mixed_tick_fn tick,
                          void *opaque, az_error *error);

/* Decodes the content into block[], behind the dictionary that is there. AZ_ERROR_DAMAGED if
 * coded[0..coded_nbytes) is not what the encoder makes of any content; AZ_ERROR_CANCELLED. */
az_status az_mixed_decode(az_mixed *mixed, const az_mixed_settings *settings, uint8_t *block,
                          az_span span, const uint8_t *coded, size_t coded_nbytes,
                          az_mixed_tick_fn tick, void *opaque, az_error *error);

/* ---- Sampling ------------------------------------------------------------------------ */

/* Decodes the content from a coder that holds random bytes, and may have a temper: one lane, without
 * a payload's head. */
az_status az_mixed_sample(az_mixed *mixed, const az_mixed_settings *settings,
                          const az_mixed_choice *choice, uint8_t *block, az_span span,
                          az_range_decoder *rc, az_mixed_tick_fn tick, void *opaque,
                          az_error *error);

/* ---- A message -------------------------------------------------------------------------
 *
 * Content whose end is not known, in one lane: it ends with a line end. After every token that ends
 * with one, a bit says whether that is the content's end: AZ_MIXED_END is the probability that it
 * is. The coder goes on afterwards. */

#define AZ_MIXED_END (AZ_PROB_ONE / 64 * 63)

/* block: the dictionary, and n_bytes of content, of at most span.content_nbytes. */
az_status az_mixed_encode_message(az_mixed *mixed, const az_mixed_settings *settings,
                                  const uint8_t *block, az_span span, size_t n_bytes,
                                  az_range_encoder *rc, az_error *error);
/* block: the dictionary, and zeros. AZ_ERROR_DAMAGED if no end has come in span.content_nbytes. */
az_status az_mixed_decode_message(az_mixed *mixed, const az_mixed_settings *settings,
                                  uint8_t *block, az_span span, size_t *n_bytes,
                                  az_range_decoder *rc, az_error *error);

#endif
