/*
 * cm: the built-in predictor, context mixing in integers.
 */
#ifndef AZ_CM_H
#define AZ_CM_H

#include "../base/base.h"
#include "../coder/coder.h"

#define AZ_CM_VERSION 2

typedef struct az_cm az_cm;

/* Codes the next n_bytes of the block: into enc; or, when that is NULL, out of dec and
 * into block, which is the one that az_cm_begin() was given. */
typedef void (*az_cm_code_fn)(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec,
                              uint8_t *block, size_t n_bytes);

uint32_t az_cm_block_nbytes(int level);
uint64_t az_cm_memory(int level, size_t block_nbytes);
az_status az_cm_open(az_cm **out, az_heap *heap, int level, size_t max_block_nbytes,
                     az_error *error);
void az_cm_close(az_cm **cm);
void az_cm_begin(az_cm *cm, const uint8_t *block, size_t n_bytes);
void az_cm_code(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, uint8_t *block,
                size_t n_bytes);

#endif
