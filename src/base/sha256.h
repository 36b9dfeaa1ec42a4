/* sha256: what sha256.c and its files for special instructions share. */
#ifndef AZ_SHA256_H
#define AZ_SHA256_H

#include <stddef.h>
#include <stdint.h>

extern const uint32_t az_sha256_constants[64];

/* Mixes blocks of 64 bytes into the state. */
void az_sha256_blocks_ref(uint32_t state[8], const uint8_t *data, size_t n_blocks);
/* The same bits, on a CPU with AZ_CPU_SHA. */
void az_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t n_blocks);

#endif
