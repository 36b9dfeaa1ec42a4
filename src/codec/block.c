/*
 * block: one block through predictor and coder. For each bit the predictor says
 * how likely a 1 is, the coder spends accordingly, and the predictor learns
 * what it was. Both directions are the same walk.
 */
#include "codec.h"

/* Bytes between two ticks: 40 ms at 100 KB/s, and far more than a tick costs. */
enum { TICK_NBYTES = 4096 };

/* What is coded before a block is suspected to be noise: the models have had time
 * to learn, and it costs a fraction of a second. A multiple of TICK_NBYTES. */
enum { PROBE_NBYTES = 1 << 16 };

/* Codes one byte; `prob` is that of its first bit. Returns the probability of
 * the next byte's, unless this one is the last: then nothing that counts. */
static inline uint32_t encode_byte(az_range_encoder *rc, az_predictor *predictor, uint32_t prob,
                                   uint8_t byte, bool last) {
    for (int i = 7; i > 0; i--) {
        int bit = byte >> i & 1;
        az_range_encode_bit(rc, bit, prob);
        prob = az_predictor_next(predictor, bit);
    }
    az_range_encode_bit(rc, byte & 1, prob);
    return last ? prob : az_predictor_next(predictor, byte & 1);
}

/* Whether the block, of which `pos` bytes are coded in coded[0..n_coded), will be
 * stored anyway. The rest of coded[0..capacity), about the block's size, is free
 * for use. */
static bool is_hopeless(const uint8_t *content, size_t n_bytes, size_t pos, uint8_t *coded,
                        size_t n_coded, size_t capacity) {
    if (pos != PROBE_NBYTES || n_coded < pos || n_bytes < AZ_NOISE_MIN_NBYTES)
        return false;
    size_t start = (n_coded + 64) & ~(size_t)63; /* coded is aligned to 64 */
    if (start + AZ_NOISE_SCRATCH_NBYTES > capacity)
        return false;
    return az_is_noise(content, n_bytes, (uint32_t *)(void *)(coded + start), capacity - start);
}

size_t az_block_encode(az_predictor *predictor, const uint8_t *content, size_t n_bytes,
                       uint8_t *coded, size_t capacity, az_block_tick_fn tick, void *opaque) {
    az_range_encoder rc;
    az_range_encoder_init(&rc, coded, capacity);
    if (n_bytes == 0)
        return az_range_encoder_finish(&rc);
    uint32_t prob = az_predictor_begin(predictor, content, n_bytes);
    for (size_t pos = 0; pos < n_bytes;) {
        size_t stop = n_bytes - pos > TICK_NBYTES ? pos + TICK_NBYTES : n_bytes;
        for (; pos < stop; pos++)
            prob = encode_byte(&rc, predictor, prob, content[pos], pos + 1 == n_bytes);
        if (rc.pos > capacity || !tick(opaque, pos, rc.pos) ||
            is_hopeless(content, n_bytes, pos, coded, rc.pos, capacity))
            return SIZE_MAX;
    }
    return az_range_encoder_finish(&rc);
}

bool az_block_decode(az_predictor *predictor, uint8_t *content, size_t n_bytes,
                     const uint8_t *coded, size_t coded_nbytes, az_block_tick_fn tick,
                     void *opaque) {
    if (coded_nbytes > 0 && coded[coded_nbytes - 1] == 0)
        return false; /* the encoder leaves trailing zeros out */
    az_range_decoder rc;
    az_range_decoder_init(&rc, coded, coded_nbytes);
    if (n_bytes == 0)
        return coded_nbytes == 0;
    uint32_t prob = az_predictor_begin(predictor, content, n_bytes);
    for (size_t pos = 0; pos < n_bytes;) {
        size_t stop = n_bytes - pos > TICK_NBYTES ? pos + TICK_NBYTES : n_bytes;
        for (; pos < stop; pos++) {
            unsigned byte = 0;
            for (int i = 7; i > 0; i--) {
                int bit = az_range_decode_bit(&rc, prob);
                byte = byte << 1 | (unsigned)bit;
                prob = az_predictor_next(predictor, bit);
            }
            int bit = az_range_decode_bit(&rc, prob);
            content[pos] = (uint8_t)(byte << 1 | (unsigned)bit);
            if (pos + 1 < n_bytes)
                prob = az_predictor_next(predictor, bit);
        }
        if (!tick(opaque, pos, rc.pos < coded_nbytes ? rc.pos : coded_nbytes))
            return false;
    }
    return rc.pos >= coded_nbytes; /* else the last bytes say nothing */
}
