/*
 * lm_block: one block with a language model beside cm. First cm alone codes it, which costs next
 * to nothing; that is the size to beat. A sample says whether the model is worth its time.
 */
#include "lm_block.h"

enum {
    ALWAYS_NBYTES = 32 << 10, /* blocks up to here are worth trying without a sample */
    SAMPLE_PIECES = 4,
    PIECE_NBYTES = 2048,
    SAMPLE_NBYTES = SAMPLE_PIECES * PIECE_NBYTES
};

/* Progress of a block that is gone over more than once: content counts when it is done for good. */
typedef struct phase {
    az_block_tick_fn tick;
    void *opaque;
    bool stopped;
    bool counts;
} phase;

static bool phase_tick(void *opaque, size_t n_content, size_t n_coded) {
    phase *p = opaque;
    if (!p->tick(p->opaque, p->counts ? n_content : 0, p->counts ? n_coded : 0))
        p->stopped = true;
    return !p->stopped;
}

static size_t cm_encode(az_lm_coder *c, const uint8_t *block, az_span span, uint8_t *coded,
                        size_t capacity, phase *p) {
    if (capacity < 1)
        return SIZE_MAX;
    coded[0] = 0;
    size_t n =
        az_block_encode(c->predictor, block, span, coded + 1, capacity - 1, NULL, phase_tick, p);
    return n == SIZE_MAX ? SIZE_MAX : n + 1;
}

/* Whether the model saves a twentieth of what cm takes for a few pieces of the block, without a
 * dictionary. scratch: 3 * SAMPLE_NBYTES. */
static az_status is_worth_it(az_lm_coder *c, const uint8_t *content, size_t n_bytes,
                             uint8_t *scratch, phase *p, bool *worth_it, az_error *error) {
    uint8_t *sample = scratch, *coded = scratch + SAMPLE_NBYTES;
    size_t capacity = 2 * SAMPLE_NBYTES, n_mixed;
    for (size_t i = 0; i < SAMPLE_PIECES; i++)
        memcpy(sample + i * PIECE_NBYTES,
               content + (n_bytes - PIECE_NBYTES) / SAMPLE_PIECES * (2 * i + 1) / 2, PIECE_NBYTES);
    az_span span = {0, SAMPLE_NBYTES};
    size_t n_cm = cm_encode(c, sample, span, coded, capacity, p);
    AZ_TRY(az_mixed_encode(c->mixed, &c->settings, c->level, SAMPLE_PIECES, sample, span, coded,
                           capacity, &n_mixed, phase_tick, p, error));
    *worth_it = n_mixed < n_cm - n_cm / 20;
    return AZ_OK;
}

/* Decodes what was coded, and compares. */
static az_status verify(az_lm_coder *c, const uint8_t *block, az_span span, const uint8_t *coded,
                        size_t coded_nbytes, phase *p, az_error *error) {
    size_t n_bytes = span.dictionary_nbytes + span.content_nbytes;
    uint8_t *again = az_alloc(c->heap, n_bytes);
    if (!again)
        return az_alloc_failed(c->heap, n_bytes, error);
    memcpy(again, block, span.dictionary_nbytes);
    az_mixed_check(c->mixed, true);
    az_status status = az_mixed_decode(c->mixed, &c->settings, again, span, coded, coded_nbytes,
                                       phase_tick, p, error);
    bool same = memcmp(again, block, n_bytes) == 0;
    az_free(c->heap, again);
    if (p->stopped)
        return AZ_OK;
    if (status == AZ_ERROR_DAMAGED || (status == AZ_OK && !same))
        return az_error_set(error, AZ_ERROR_INTERNAL, AZ_ERROR_NO_OFFSET,
                            "a block of the archive does not decode to what was given: this "
                            "machine computes wrongly, or it is a fault of the library's");
    return status;
}

/* Codes with the model into coded[], which holds cm's *coded_nbytes, if that gets smaller. */
static az_status mix(az_lm_coder *c, const uint8_t *block, az_span span, uint8_t *coded,
                     size_t *coded_nbytes, phase *p, az_error *error) {
    size_t capacity = *coded_nbytes - 1, n;
    uint8_t *mixed = az_alloc(c->heap, capacity);
    if (!mixed)
        return az_alloc_failed(c->heap, capacity, error);
    p->counts = true;
    az_mixed_trace(c->mixed, c->trace);
    az_status status = az_mixed_encode(c->mixed, &c->settings, c->level, c->n_lanes, block, span,
                                       mixed, capacity, &n, phase_tick, p, error);
    az_mixed_trace(c->mixed, NULL);
    if (status == AZ_OK && n != SIZE_MAX && c->verify)
        status = verify(c, block, span, mixed, n, p, error);
    if (status == AZ_OK && n != SIZE_MAX) {
        memcpy(coded, mixed, n);
        *coded_nbytes = n;
    }
    az_free(c->heap, mixed);
    return status;
}

az_status az_lm_block_encode(az_lm_coder *c, const uint8_t *block, az_span span, uint8_t *coded,
                             size_t capacity, size_t *coded_nbytes, az_block_tick_fn tick,
                             void *opaque, az_error *error) {
    const uint8_t *content = block + span.dictionary_nbytes;
    size_t n_bytes = span.content_nbytes;
    phase p = {.tick = tick, .opaque = opaque};
    bool worth_it = true;
    az_status status = AZ_OK;
    *coded_nbytes = SIZE_MAX;
    size_t n = cm_encode(c, block, span, coded, capacity, &p);
    if (n_bytes > ALWAYS_NBYTES) {
        worth_it = n < n_bytes - n_bytes / 32; /* else it is noise */
        uint8_t *scratch = worth_it ? az_alloc(c->heap, 3 * SAMPLE_NBYTES) : NULL;
        if (worth_it && !scratch)
            return az_alloc_failed(c->heap, 3 * SAMPLE_NBYTES, error);
        if (worth_it && !p.stopped)
            status = is_worth_it(c, content, n_bytes, scratch, &p, &worth_it, error);
        az_free(c->heap, scratch);
    }
    n = n == SIZE_MAX ? capacity + 1 : n; /* what is longer is stored */
    if (status == AZ_OK && worth_it && !p.stopped && n > 1)
        status = mix(c, block, span, coded, &n, &p, error);
    if (status == AZ_OK && !p.stopped && n <= capacity)
        *coded_nbytes = n;
    return status;
}

az_status az_lm_block_decode(az_lm_coder *c, uint8_t *block, az_span span, const uint8_t *coded,
                             size_t coded_nbytes, az_block_tick_fn tick, void *opaque,
                             az_error *error) {
    phase p = {.tick = tick, .opaque = opaque, .counts = true};
    if (coded_nbytes == 0 || span.content_nbytes == 0)
        return az_error_set(error, AZ_ERROR_DAMAGED, AZ_ERROR_NO_OFFSET, "a block is empty");
    az_mixed_check(c->mixed, c->verify);
    if (coded[0] != 0)
        return az_mixed_decode(c->mixed, &c->settings, block, span, coded, coded_nbytes, phase_tick,
                               &p, error);
    if (az_block_decode(c->predictor, block, span, coded + 1, coded_nbytes - 1, phase_tick, &p))
        return AZ_OK;
    return az_error_set(error, p.stopped ? AZ_ERROR_CANCELLED : AZ_ERROR_DAMAGED,
                        AZ_ERROR_NO_OFFSET, "a block can't be decoded");
}
