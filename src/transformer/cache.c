/* cache: the keys and values of one sequence. */
#include "weights.h"

az_status az_lm_cache_open(az_lm_cache **out, const az_lm *lm, uint32_t window, uint32_t max_run,
                           az_heap *heap, az_error *error) {
    *out = NULL;
    const az_lm_config *c = &lm->config;
    if (window < 2 * AZ_LM_SINKS || window > AZ_LM_WINDOW_MAX || max_run == 0 ||
        max_run > AZ_LM_WINDOW_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a window of %u tokens, %u of them at once: %d to %d are possible",
                            window, max_run, 2 * AZ_LM_SINKS, AZ_LM_WINDOW_MAX);
    az_lm_cache *cache = az_alloc(heap, sizeof *cache);
    if (!cache)
        return az_alloc_failed(heap, sizeof *cache, error);
    cache->heap = heap;
    cache->window = window;
    cache->max_run = max_run;
    cache->n_slots = az_lm_slots(c, window, max_run);
    size_t n_scales = (size_t)c->n_layers * c->n_kv_heads * cache->n_slots;
    size_t n = n_scales * c->head_slots;
    cache->n_scales = n_scales;
    cache->head_slots = c->head_slots;
    cache->keys = az_alloc(heap, n);
    cache->values = az_alloc(heap, n);
    cache->key_scales = az_alloc(heap, n_scales * sizeof *cache->key_scales);
    cache->value_scales = az_alloc(heap, n_scales * sizeof *cache->value_scales);
    if (!cache->keys || !cache->values || !cache->key_scales || !cache->value_scales) {
        az_lm_cache_close(&cache);
        return az_alloc_failed(heap, 2 * n, error);
    }
    *out = cache;
    return AZ_OK;
}

void az_lm_cache_close(az_lm_cache **out) {
    az_lm_cache *cache = *out;
    *out = NULL;
    if (!cache)
        return;
    az_free(cache->heap, cache->keys);
    az_free(cache->heap, cache->values);
    az_free(cache->heap, cache->key_scales);
    az_free(cache->heap, cache->value_scales);
    az_free(cache->heap, cache);
}

void az_lm_cache_reset(az_lm_cache *cache) {
    cache->n = 0;
}

void az_lm_cache_copy(az_lm_cache *to, const az_lm_cache *from) {
    memcpy(to->keys, from->keys, from->n_scales * from->head_slots);
    memcpy(to->values, from->values, from->n_scales * from->head_slots);
    memcpy(to->key_scales, from->key_scales, from->n_scales * sizeof *to->key_scales);
    memcpy(to->value_scales, from->value_scales, from->n_scales * sizeof *to->value_scales);
    to->n = from->n;
}

void az_lm_cache_back(az_lm_cache *cache) {
    cache->n--;
}

void az_lm_cache_cut(az_lm_cache *cache, uint64_t n) {
    cache->n = n < cache->n ? n : cache->n;
}

uint64_t az_lm_cache_n(const az_lm_cache *cache) {
    return cache->n;
}
