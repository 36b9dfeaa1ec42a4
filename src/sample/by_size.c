/*
 * by_size: az_sample_by_size(): any compressor as a model. The next byte is b with a probability in
 * proportion to 2^(-8 * length / T), the length of what has been seen and b. (Delétang et al.,
 * "Language modeling is compression", 2024)
 */
#include "../classify/classify.h"
#include "sample.h"

enum { N_BYTES = 256, STEPS = 256, SHIFT_MAX = 40, TEMPERATURE_MAX = 100000 };

/* 2^(-1 / 256), times 2^64. */
#define STEP UINT64_C(0xff4ecb59511ec8a5)

/* High half of a product. */
static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t middle = ah * bl + (al * bl >> 32), low = al * bh + (uint32_t)middle;
    return ah * bh + (middle >> 32) + (low >> 32);
}

/* 2^(-n / 256), times 2^48; 0 if there is next to nothing. */
static uint64_t power(const uint64_t steps[STEPS], uint64_t n) {
    return n / STEPS > SHIFT_MAX ? 0 : steps[n % STEPS] >> (n / STEPS);
}

static uint32_t pick(const uint64_t weights[N_BYTES], uint64_t seed, uint64_t at) {
    uint8_t random[8];
    uint64_t all = 0, r;
    for (int b = 0; b < N_BYTES; b++)
        all += weights[b];
    az_random_bytes(seed, at * sizeof random, random, sizeof random);
    r = times(az_read_le64(random), all);
    uint32_t b = 0;
    for (; r >= weights[b]; b++)
        r -= weights[b];
    return b;
}

/* text[n] is what has been seen, and room for one more byte. */
static az_status next(az_compressor *compressor, const uint64_t steps[STEPS],
                      const az_sampling *settings, uint8_t *text, size_t n, uint64_t at,
                      uint8_t *byte, az_error *error) {
    uint64_t sizes[N_BYTES], weights[N_BYTES], least = UINT64_MAX;
    for (uint32_t b = 0; b < N_BYTES; b++) {
        text[n] = (uint8_t)b;
        AZ_TRY(az_compressor_size(compressor, text, n + 1, &sizes[b], error));
        least = sizes[b] < least ? sizes[b] : least;
    }
    for (uint32_t b = 0; b < N_BYTES; b++) {
        uint64_t more = (sizes[b] - least) * 8 * STEPS;
        weights[b] =
            settings->temperature ? power(steps, more * 1000 / settings->temperature) : (more == 0);
    }
    *byte = (uint8_t)pick(weights, settings->seed, at);
    return AZ_OK;
}

static az_status run(const char *name, const az_sampling *settings, size_t window, uint8_t *text,
                     size_t n_seen, size_t n_bytes, az_heap *heap, az_error *error) {
    uint64_t steps[STEPS], p = UINT64_MAX;
    for (int i = 0; i < STEPS; i++, p = times(p, STEP))
        steps[i] = p >> 16;
    az_compressor *compressor = NULL;
    AZ_TRY(az_compressor_open(&compressor, name, -1, heap, error));
    az_status status = AZ_OK;
    for (size_t i = 0; i < n_bytes && status == AZ_OK; i++) {
        size_t n = n_seen + i, from = n > window ? n - window : 0;
        uint8_t byte = 0;
        status = next(compressor, steps, settings, text + from, n - from, i, &byte, error);
        text[n] = byte;
        if (status == AZ_OK && settings->progress &&
            settings->progress(settings->progress_opaque, 0, i + 1) != 0)
            status =
                az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped as asked");
    }
    az_compressor_close(&compressor);
    return status;
}

az_status az_sample_by_size(void *out, size_t n_bytes, const char *compressor, size_t window,
                            const az_sampling *settings, const az_allocator *allocator,
                            az_error *error) {
    if (!out || !settings || !compressor)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_sample_by_size: a pointer is NULL");
    if (n_bytes == 0 || n_bytes > AZ_SAMPLE_NBYTES_MAX || window == 0 ||
        settings->temperature > TEMPERATURE_MAX || settings->top_k || settings->top_p)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_sample_by_size: a setting is out of its range");
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, settings->memory_limit);
    size_t n_dictionary = settings->dictionary.n_bytes, n_prompt = settings->prompt.n_bytes;
    size_t n_seen = n_dictionary + n_prompt;
    uint8_t *text = az_alloc(heap, n_seen + n_bytes + 1);
    az_status status;
    if (text) {
        if (n_dictionary)
            memcpy(text, settings->dictionary.data, n_dictionary);
        if (n_prompt)
            memcpy(text + n_dictionary, settings->prompt.data, n_prompt);
        status = run(compressor, settings, window, text, n_seen, n_bytes, heap, error);
    } else {
        status = az_alloc_failed(heap, n_seen + n_bytes + 1, error);
    }
    if (status == AZ_OK)
        memcpy(out, text + n_seen, n_bytes);
    az_free(heap, text);
    az_heap_close(&heap);
    return status;
}
