/*
 * compressor: how many bytes other programs' compressors, and aizip's own, make of a text.
 */
#ifndef AZ_COMPRESSOR_H
#define AZ_COMPRESSOR_H

#include "../base/base.h"

/* Belongs to one thread. */
typedef struct az_compressor az_compressor;

/* name: gzip (what Python's gzip.compress() makes: 18 bytes more than deflate), zlib (6 more),
 * deflate, bz2, xz, zstd, brotli, aizip. level -1: gzip, zlib, deflate, bz2, zstd and brotli 9,
 * xz 6, aizip 1. AZ_ERROR_ARGUMENT for another name, a level that it has not, or one that is not
 * built in. */
az_status az_compressor_open(az_compressor **out, const char *name, int level, az_heap *heap,
                             az_error *error);
void az_compressor_close(az_compressor **compressor);
az_status az_compressor_size(az_compressor *compressor, const uint8_t *data, size_t n_bytes,
                             uint64_t *size, az_error *error);

/* Whether what it makes is what az_deflate_pair_size() knows, deflate of level 9, and *wrapping
 * bytes more. */
bool az_compressor_is_deflate_9(const az_compressor *compressor, uint64_t *wrapping);

#endif
