/*
 * lm_block: one block coded with a language model. Its payload begins with the number of lanes: 0
 * says that the model was left away, and a message of cm at level 9 follows.
 */
#ifndef AZ_LM_BLOCK_H
#define AZ_LM_BLOCK_H

#include "codec.h"

/* The level of cm beside a model, whatever the user's. */
enum { AZ_LM_CM_LEVEL = AZ_LEVEL_MAX };

/* What a block is coded with. */
typedef struct az_lm_coder {
    az_predictor *predictor; /* cm alone */
    az_mixed *mixed;
    az_heap *heap;
    az_mixed_settings settings;
    int level;        /* the user's: chooses the lanes, */
    uint32_t n_lanes; /* unless they are given */
    bool verify;
    az_trace *trace; /* encoder: filled where the model is used, or NULL */
} az_lm_coder;

/* As az_block_encode(): *coded_nbytes is SIZE_MAX if it does not fit, or the tick said stop. */
az_status az_lm_block_encode(az_lm_coder *coder, const uint8_t *block, az_span span, uint8_t *coded,
                             size_t capacity, size_t *coded_nbytes, az_block_tick_fn tick,
                             void *opaque, az_error *error);

/* AZ_ERROR_DAMAGED: the payload is none that the encoder makes. AZ_ERROR_CANCELLED. */
az_status az_lm_block_decode(az_lm_coder *coder, uint8_t *block, az_span span, const uint8_t *coded,
                             size_t coded_nbytes, az_block_tick_fn tick, void *opaque,
                             az_error *error);

#endif
