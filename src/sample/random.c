/* random: the same bytes for a seed on every machine. */
#include "sample.h"

enum { BLOCK_NBYTES = 32 };

void az_random_bytes(uint64_t seed, uint64_t at, uint8_t *bytes, size_t n) {
    uint8_t block[BLOCK_NBYTES], name[16];
    for (size_t i = 0; i < n; i++, at++) {
        if (i == 0 || at % BLOCK_NBYTES == 0) {
            az_sha256 hash;
            for (int k = 0; k < 8; k++) {
                name[k] = (uint8_t)(seed >> (8 * k));
                name[8 + k] = (uint8_t)(at / BLOCK_NBYTES >> (8 * k));
            }
            az_sha256_begin(&hash);
            az_sha256_add(&hash, name, sizeof name);
            az_sha256_end(&hash, block);
        }
        bytes[i] = block[at % BLOCK_NBYTES];
    }
}
