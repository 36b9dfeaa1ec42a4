/*
 * cm_match: the match model. A table remembers where the last min_len bytes
 * were seen before; from there on the old bytes are the expected ones. After a
 * wrong guess the pointer goes on (records often differ in one field only), but
 * the agreement starts again from 0, and eight recent misses are part of the
 * counter's context, so that trust is earned anew.
 */
#ifndef AZ_CM_MATCH_H
#define AZ_CM_MATCH_H

#include "cm_state.h"

/* Bytes that the matches of a level begin with. */
#define AZ_CM_MATCH_MIN_LEN \
    { 7, 14, 24 }

enum { LONG_ENOUGH = 16, LEN_MAX = 65535, VERIFY_MAX = 400 };

/* The last byte was `byte`: where to look. Each step shifts by 64 / min_len bits,
 * rounded up, so that a byte is out of the 64 after min_len more. */
AZ_INLINE void az_cm_match_hash(az_cm_match *m, const az_cm_match_memory *memory, uint32_t min_len,
                                uint32_t byte) {
    uint32_t shift = (63 + min_len) / min_len;
    m->rolling = (m->rolling * 0x9e3779b1u << shift) + (byte + 1) * 0x2f0b4c47u;
    m->seen = &memory->table[m->rolling >> (64 - memory->log2)];
}

/* How many bytes before a are those before b, at most VERIFY_MAX. a < b: stops at the
 * block's start. */
AZ_INLINE uint32_t agreement(const uint8_t *block, uint32_t a, uint32_t b) {
    uint32_t n = 0, max = a < VERIFY_MAX ? a : VERIFY_MAX;
    while (n + 8 <= max) {
        uint64_t differ = az_read_le64(block + a - n - 8) ^ az_read_le64(block + b - n - 8);
        if (differ)
            return n + (uint32_t)az_leading_zeros(differ) / 8;
        n += 8;
    }
    while (n < max && block[a - 1 - n] == block[b - 1 - n])
        n++;
    return n;
}

/* After az_cm_match_hash: look there, and expect. marks[n_bytes], if not NULL: which bytes of
 * the block are coded. */
AZ_INLINE void az_cm_match_byte(az_cm_match *m, uint32_t min_len, const uint8_t *block,
                                uint32_t pos, const uint8_t *marks, uint32_t n_bytes) {
    if (m->expected) {
        bool hit = block[pos - 1] == (m->expected & 255);
        m->misses = (m->misses << 1 | !hit) & 255;
        m->len = !hit ? 0 : m->len < LEN_MAX ? m->len + 1 : LEN_MAX;
        m->ptr = m->misses == 255 ? 0 : m->ptr + 1;
    }
    if (pos >= min_len) {
        uint32_t *seen = m->seen;
        if (m->len < LONG_ENOUGH && *seen) {
            uint32_t len =
                *seen < pos ? agreement(block, *seen, pos) : agreement(block, pos, *seen);
            if (len >= min_len && len > m->len) {
                m->ptr = *seen;
                m->len = len;
                m->misses = 0;
            }
        }
        *seen = pos;
    }
    if (marks && m->ptr && (m->ptr >= n_bytes || !marks[m->ptr]))
        m->ptr = 0; /* a lane's frontier */
    m->expected = m->ptr ? 256u + block[m->ptr] : 0;
    m->row = az_cm_match_bucket(m->len) * 8 + (m->misses & 7);
}

#endif
