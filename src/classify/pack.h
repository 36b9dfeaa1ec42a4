/*
 * pack: numbers and bytes into a growing buffer, and out of one with every read checked.
 * Integers are base-128 or little-endian; a failure stays, so that only the end need be asked.
 */
#ifndef AZ_PACK_H
#define AZ_PACK_H

#include "../base/base.h"

typedef struct az_packer {
    az_heap *heap;
    uint8_t *data; /* [n_bytes]; the caller frees it with az_free */
    size_t n_bytes, capacity;
    bool failed; /* no memory */
} az_packer;

void az_pack_bytes(az_packer *p, const void *data, size_t n_bytes);
void az_pack_varint(az_packer *p, uint64_t value);
void az_pack_le32(az_packer *p, uint32_t value);
void az_pack_float(az_packer *p, float value);
void az_pack_double(az_packer *p, double value);

typedef struct az_unpacker {
    const uint8_t *data;
    size_t n_bytes, pos;
    bool failed; /* cut short, or a number that is none; values are 0 from then on */
} az_unpacker;

/* NULL where fewer than n_bytes are left. */
const uint8_t *az_unpack_bytes(az_unpacker *u, uint64_t n_bytes);
/* At most max, or it fails. */
uint64_t az_unpack_varint(az_unpacker *u, uint64_t max);
uint32_t az_unpack_le32(az_unpacker *u);
/* Between min and max, never NaN, or it fails. */
float az_unpack_float(az_unpacker *u, float min, float max);
double az_unpack_double(az_unpacker *u, double min, double max);

#endif
