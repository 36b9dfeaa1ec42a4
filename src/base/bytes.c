/*
 * bytes: numbers of varying length. Seven bits a byte, the least significant
 * first; the top bit says that more follow. A number has one form only, the
 * shortest, so that equal archives are equal byte for byte.
 */
#include "base.h"

size_t az_varint_write(uint8_t *buf, uint64_t value) {
    size_t n = 0;
    while (value >= 0x80) {
        buf[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    buf[n++] = (uint8_t)value;
    return n;
}

int az_varint_read(const uint8_t *buf, size_t n_bytes, uint64_t *value) {
    uint64_t v = 0;
    for (size_t i = 0; i < AZ_VARINT_MAX; i++) {
        if (i == n_bytes)
            return 0;
        if (i == AZ_VARINT_MAX - 1 && buf[i] > 1)
            return -1; /* beyond 64 bits */
        v |= (uint64_t)(buf[i] & 0x7F) << (7 * i);
        if (buf[i] < 0x80) {
            if (buf[i] == 0 && i > 0)
                return -1; /* a shorter form means the same */
            *value = v;
            return (int)i + 1;
        }
    }
    return -1;
}
