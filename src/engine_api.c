/*
 * engine_api: aizip.h's az_engine: a model's weights, tokenizer and threads.
 */
#include "codec/codec.h"
#include "model_api.h"

az_status az_engine_open(az_engine **out, const az_model *model, int n_threads,
                         uint64_t memory_limit, const az_allocator *allocator, az_error *error) {
    if (!out || !model || n_threads < 0 || n_threads > AZ_THREADS_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_engine_open: a pointer is NULL, or %d threads", n_threads);
    *out = NULL;
    az_heap *heap;
    const az_gguf *gguf = az_model_gguf(model);
    AZ_TRY(az_lm_check_memory(gguf, memory_limit, error));
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, memory_limit);
    az_engine *engine = az_alloc(heap, sizeof *engine);
    if (!engine) {
        az_status failed = az_alloc_failed(heap, sizeof *engine, error);
        az_heap_close(&heap);
        return failed;
    }
    engine->heap = heap;
    unsigned n = n_threads > 0 ? (unsigned)n_threads : (unsigned)az_cpu_count();
    az_status status = az_lm_server_open(&engine->server, gguf, az_cpu_features(),
                                         n < AZ_THREADS_MAX ? n : AZ_THREADS_MAX, heap, error);
    if (status != AZ_OK) {
        az_engine_close(&engine);
        return status;
    }
    az_model_sha256(model, engine->sha256);
    *out = engine;
    return AZ_OK;
}

void az_engine_close(az_engine **out) {
    if (!out || !*out)
        return;
    az_engine *engine = *out;
    *out = NULL;
    az_heap *heap = engine->heap;
    az_lm_server_close(&engine->server);
    az_free(heap, engine);
    az_heap_close(&heap);
}

uint64_t az_engine_peak_memory(const az_engine *engine) {
    return az_heap_peak(engine->heap);
}
