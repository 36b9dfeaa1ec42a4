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

/* Whether the block, of which `pos` bytes are coded in coded[0..n_coded), will be
 * stored anyway. The rest of coded[0..capacity), about the block's size, is free
 * for use. */
static bool is_hopeless(const uint8_t *content, size_t n_bytes, size_t pos, uint8_t *coded,
                        size_t n_coded, size_t capacity) {
    if (pos != PROBE_NBYTES || n_coded < pos || n_bytes < AZ_NOISE_MIN_NBYTES)
        return false;
    size_t start = (n_coded + 64) & ~(size_t)63;
    start -=
        (uintptr_t)(coded + start) % 64; /* 0, or 1 where coded is behind a payload's first byte */
    if (start + AZ_NOISE_SCRATCH_NBYTES > capacity)
        return false;
    return az_is_noise(content, n_bytes, (uint32_t *)(void *)(coded + start), capacity - start);
}

/* Begins a span, and codes the dictionary into nothing. False: the tick said stop. */
static bool prime(az_predictor *predictor, const uint8_t *block, az_span span,
                  az_block_tick_fn tick, void *opaque) {
    az_range_encoder nothing;
    az_range_encoder_init(&nothing, NULL, 0);
    for (size_t left = az_predictor_begin(predictor, block, span), n; left > 0; left -= n) {
        n = left > TICK_NBYTES ? TICK_NBYTES : left;
        az_predictor_encode(predictor, &nothing, n);
        if (!tick(opaque, 0, 0))
            return false;
    }
    return true;
}

/* Bytes from..to - 1, one at a time. */
static void encode_traced(az_predictor *predictor, az_range_encoder *rc, const uint8_t *content,
                          size_t from, size_t to, az_trace *trace) {
    uint64_t spent = az_coded_cost(rc);
    trace->by_strings = false;
    for (size_t pos = from; pos < to; pos++) {
        if (pos < trace->n_guesses)
            az_predictor_guess(predictor, content[pos], &trace->guesses[pos]);
        az_predictor_encode(predictor, rc, 1);
        trace->costs[pos] = (uint32_t)(az_coded_cost(rc) - spent);
        trace->ends[pos] = 1;
        spent = az_coded_cost(rc);
    }
}

size_t az_block_encode(az_predictor *predictor, const uint8_t *block, az_span span, uint8_t *coded,
                       size_t capacity, az_trace *trace, az_block_tick_fn tick, void *opaque) {
    const uint8_t *content = block + span.dictionary_nbytes;
    size_t n_bytes = span.content_nbytes;
    az_range_encoder rc;
    az_range_encoder_init(&rc, coded, capacity);
    if (n_bytes == 0)
        return az_range_encoder_finish(&rc);
    if (!prime(predictor, block, span, tick, opaque))
        return SIZE_MAX;
    for (size_t pos = 0; pos < n_bytes;) {
        size_t n = n_bytes - pos > TICK_NBYTES ? TICK_NBYTES : n_bytes - pos;
        if (trace)
            encode_traced(predictor, &rc, content, pos, pos + n, trace);
        else
            az_predictor_encode(predictor, &rc, n);
        pos += n;
        if (rc.pos > capacity || !tick(opaque, pos, rc.pos) ||
            (span.dictionary_nbytes == 0 &&
             is_hopeless(content, n_bytes, pos, coded, rc.pos, capacity)))
            return SIZE_MAX;
    }
    return az_range_encoder_finish(&rc);
}

void az_block_trace_stored(size_t n_bytes, az_trace *trace) {
    trace->by_strings = false;
    for (size_t i = 0; i < n_bytes; i++) {
        trace->costs[i] = (uint32_t)(8 * AZ_COST_BIT);
        trace->ends[i] = 1;
    }
    memset(trace->guesses, 0, trace->n_guesses * sizeof *trace->guesses);
}

bool az_block_decode(az_predictor *predictor, uint8_t *block, az_span span, const uint8_t *coded,
                     size_t coded_nbytes, az_block_tick_fn tick, void *opaque) {
    size_t n_bytes = span.content_nbytes;
    if (coded_nbytes > 0 && coded[coded_nbytes - 1] == 0)
        return false; /* the encoder leaves trailing zeros out */
    az_range_decoder rc;
    az_range_decoder_init(&rc, coded, coded_nbytes);
    if (n_bytes == 0)
        return coded_nbytes == 0;
    if (!prime(predictor, block, span, tick, opaque))
        return false;
    for (size_t pos = 0; pos < n_bytes;) {
        size_t n = n_bytes - pos > TICK_NBYTES ? TICK_NBYTES : n_bytes - pos;
        az_predictor_decode(predictor, &rc, block, n);
        pos += n;
        if (!tick(opaque, pos, rc.pos < coded_nbytes ? rc.pos : coded_nbytes))
            return false;
    }
    return rc.pos >= coded_nbytes; /* else the last bytes say nothing */
}
