/*
 * sampler: az_sample(): random bytes go through the decoder, and what comes out is as likely as the
 * predictor thinks.
 */
#include "../codec/codec.h"
#include "sample.h"

enum { TICK_NBYTES = 256, TEMPERATURE_MAX = 100000, MORE_NBYTES = 1024 };

typedef struct sampler {
    const az_sampling *settings;
    az_heap *heap;
    az_text seen[2]; /* dictionary and prompt */
    uint8_t *block;  /* [span] */
    az_span span;
    uint8_t *random; /* [n_random] */
    size_t n_random;
    az_cm_temper *temper;
    az_predictor *predictor;
    az_mixed *mixed;
} sampler;

static bool tick(void *opaque, size_t n_content, size_t n_coded) {
    const sampler *s = opaque;
    const az_sampling *settings = s->settings;
    return !settings->progress ||
           settings->progress(settings->progress_opaque, n_coded, n_content) == 0;
}

static az_status stopped(az_error *error) {
    return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped as asked");
}

/* The dictionary, the prompt, and zeros. */
static az_status make_block(sampler *s, az_error *error) {
    size_t at = 0, n = s->seen[0].n_bytes + s->seen[1].n_bytes;
    if (n > AZ_DICTIONARY_NBYTES_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "dictionary and prompt can have %zu bytes at most",
                            AZ_DICTIONARY_NBYTES_MAX);
    s->span.dictionary_nbytes = n;
    s->block = az_alloc(s->heap, n + s->span.content_nbytes);
    if (!s->block)
        return az_alloc_failed(s->heap, n + s->span.content_nbytes, error);
    for (int i = 0; i < 2; i++) {
        if (s->seen[i].n_bytes)
            memcpy(s->block + at, s->seen[i].data, s->seen[i].n_bytes);
        at += s->seen[i].n_bytes;
    }
    /* No more is decoded than is random: 9 decisions a byte, a bit each at most, on average. */
    s->n_random = 2 * s->span.content_nbytes + MORE_NBYTES;
    s->random = az_alloc(s->heap, s->n_random);
    if (!s->random)
        return az_alloc_failed(s->heap, s->n_random, error);
    az_random_bytes(s->settings->seed, 0, s->random, s->n_random);
    if (s->settings->temperature == 1000)
        return AZ_OK;
    s->temper = az_cm_temper_open(s->settings->temperature, s->heap);
    return s->temper ? AZ_OK : az_alloc_failed(s->heap, 1, error);
}

static az_status by_cm(sampler *s, az_range_decoder *rc, az_error *error) {
    az_range_encoder nothing;
    az_range_encoder_init(&nothing, NULL, 0);
    AZ_TRY(az_predictor_open(&s->predictor, s->heap, AZ_METHOD_CM, s->settings->level, s->span,
                             error));
    if (s->temper)
        az_predictor_sample(s->predictor);
    for (size_t left = az_predictor_begin(s->predictor, s->block, s->span), n; left > 0;
         left -= n) {
        n = left < TICK_NBYTES ? left : TICK_NBYTES;
        az_predictor_encode(s->predictor, &nothing, n);
        if (!tick(s, 0, 0))
            return stopped(error);
    }
    for (size_t at = 0, n; at < s->span.content_nbytes; at += n) {
        n = s->span.content_nbytes - at < TICK_NBYTES ? s->span.content_nbytes - at : TICK_NBYTES;
        az_predictor_decode(s->predictor, rc, s->block, n);
        if (!tick(s, at + n, rc->pos))
            return stopped(error);
    }
    return AZ_OK;
}

static az_status by_model(sampler *s, az_range_decoder *rc, az_error *error) {
    const az_sampling *x = s->settings;
    const az_lm_info *info = az_lm_get_info(az_lm_server_model(x->engine->server));
    uint32_t window = az_mixed_window(AZ_LEVEL_DEFAULT, info);
    const az_mixed_settings settings = {window, info->rolls ? 0 : window / 2};
    const az_mixed_choice choice = {x->top_k, x->top_p};
    AZ_TRY(az_mixed_open(&s->mixed, x->engine->server, s->heap, error));
    return az_mixed_sample(s->mixed, &settings, &choice, s->block, s->span, rc, tick, s, error);
}

static az_status run(sampler *s, az_error *error) {
    AZ_TRY(make_block(s, error));
    az_range_decoder rc;
    az_range_decoder_init(&rc, s->random, s->n_random);
    rc.temper = s->temper;
    return s->settings->engine ? by_model(s, &rc, error) : by_cm(s, &rc, error);
}

az_status az_sample(void *out, size_t n_bytes, const az_sampling *settings,
                    const az_allocator *allocator, az_error *error) {
    if (!out || !settings || (!settings->dictionary.data && settings->dictionary.n_bytes) ||
        (!settings->prompt.data && settings->prompt.n_bytes))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_sample: a pointer is NULL");
    if (n_bytes == 0 || n_bytes > AZ_SAMPLE_NBYTES_MAX || settings->level < AZ_LEVEL_MIN ||
        settings->level > AZ_LEVEL_MAX || settings->temperature > TEMPERATURE_MAX ||
        settings->top_p > 1000 || (!settings->engine && (settings->top_k || settings->top_p)))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_sample: a setting is out of its range");
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, settings->memory_limit);
    sampler s = {.settings = settings,
                 .heap = heap,
                 .seen = {settings->dictionary, settings->prompt},
                 .span.content_nbytes = n_bytes};
    az_status status = run(&s, error);
    if (status == AZ_OK)
        memcpy(out, s.block + s.span.dictionary_nbytes, n_bytes);
    az_predictor_close(&s.predictor);
    az_mixed_close(&s.mixed);
    az_free(heap, s.temper);
    az_free(heap, s.random);
    az_free(heap, s.block);
    az_heap_close(&heap);
    return status;
}
