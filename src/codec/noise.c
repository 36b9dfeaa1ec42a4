/*
 * noise: tells content that no model will code in less, so that a block of it is
 * stored at the speed of memory, not of the predictor.
 *
 * Noise here means: all of this holds. No 4 KiB piece, nor all of the content,
 * prefers some bytes (chi-squared test of the 256 counts); nor does all of it
 * prefer some pairs of neighbours (of the 65,536 counts); and nothing of 15
 * bytes or more comes twice. The limits are 6 standard deviations and more away
 * from what noise gives, so noise passes. What passes and is no noise after all
 * has, by its bytes, less than 1/10,000 bit a byte to save in 1 MiB, and by its
 * pairs less than 2/1,000; the encoder asks only when its models have found
 * nothing, either, in the first 64 KiB. The answer depends on the content alone.
 */
#include "codec.h"

enum { PIECE_NBYTES = 4096, STEP = 8 };

_Static_assert(AZ_NOISE_MIN_NBYTES % PIECE_NBYTES == 0, "there is a whole piece");

/* Bytes by piece and in all. The last piece overlaps the one before. */
static bool bytes_are_even(const uint8_t *content, size_t n_bytes) {
    uint64_t all[256] = {0}, sum = 0, n = 0;
    for (size_t pos = 0; pos < n_bytes; pos += PIECE_NBYTES) {
        uint32_t counts[256] = {0}, squares = 0;
        size_t start = pos + PIECE_NBYTES <= n_bytes ? pos : n_bytes - PIECE_NBYTES;
        for (size_t i = start; i < start + PIECE_NBYTES; i++)
            counts[content[i]]++;
        for (int i = 0; i < 256; i++) {
            squares += counts[i] * counts[i];
            all[i] += counts[i];
        }
        /* chi-squared = squares * 256 / 4096 - 4096: 255 +- 22.6 for noise */
        if (squares > (PIECE_NBYTES + 410) * (PIECE_NBYTES / 256))
            return false;
        n += PIECE_NBYTES;
    }
    for (int i = 0; i < 256; i++)
        sum += all[i] * all[i];
    return sum - n * n / 256 < n + n * 5 / 8; /* n * (1 +- 0.088) for noise */
}

/* counts: [65536] */
static bool pairs_are_even(const uint8_t *content, size_t n_bytes, uint32_t *counts) {
    uint64_t squares = 0, n = n_bytes - 1;
    memset(counts, 0, 65536 * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[content[i] << 8 | content[i + 1]]++;
    for (size_t i = 0; i < 65536; i++)
        squares += (uint64_t)counts[i] * counts[i];
    return squares - n * n / 65536 < n + n / 25; /* n * (1 +- 0.0055) for noise */
}

/* Keeps a hash of the 8 bytes at every 8th position, and looks for it at all
 * later ones. slots: [2^slots_log2] */
static bool has_repeats(const uint8_t *content, size_t n_bytes, uint32_t *slots, int slots_log2) {
    memset(slots, 0, sizeof *slots << slots_log2);
    for (size_t i = 0; i + STEP <= n_bytes; i++) {
        uint64_t hash = az_read_le64(content + i) * 0x9E3779B97F4A7C15u;
        uint32_t *slot = &slots[hash >> (64 - slots_log2)];
        uint32_t tag = (uint32_t)(hash >> 8) | 1; /* 0: none */
        if (*slot == tag)
            return true;
        if (i % STEP == 0)
            *slot = tag;
    }
    return false;
}

bool az_is_noise(const uint8_t *content, size_t n_bytes, uint32_t *scratch, size_t scratch_nbytes) {
    int slots_log2 = 16;
    while ((sizeof *scratch << slots_log2) * 2 <= scratch_nbytes &&
           (size_t)STEP << slots_log2 < n_bytes)
        slots_log2++;
    return bytes_are_even(content, n_bytes) && pairs_are_even(content, n_bytes, scratch) &&
           !has_repeats(content, n_bytes, scratch, slots_log2);
}
