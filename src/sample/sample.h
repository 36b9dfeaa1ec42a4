/* sample: what the files of this folder share. */
#ifndef AZ_SAMPLE_H
#define AZ_SAMPLE_H

#include "../base/base.h"

/* Bytes [at, at + n) of the random stream of a seed: SHA-256 of seed and block number, 8 bytes each,
 * the lowest first, gives 32 bytes a block. */
void az_random_bytes(uint64_t seed, uint64_t at, uint8_t *bytes, size_t n);

#endif
