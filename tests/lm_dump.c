/*
 * lm_dump MODEL IDS LOGITS [WINDOW [THREADS]]: the logits that aizip's engine gives for one
 * sequence of tokens. IDS is raw little-endian int32; LOGITS is written as raw little-endian
 * float32 [n][n_vocab], row i about token i + 1. For tests/reference/. WINDOW: tokens seen at
 * a time; all, unless it is given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "transformer/transformer.h"

enum { ROWS = 64, HEAD_ROWS = 16 };

static void check(az_status status, const az_error *error) {
    if (status == AZ_OK)
        return;
    fprintf(stderr, "lm_dump: %s\n", error->text);
    exit(1);
}

static void complain(const char *what) {
    fprintf(stderr, "lm_dump: %s\n", what);
    exit(1);
}

static void write_row(FILE *file, const float *logits, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits;
        uint8_t bytes[4];
        memcpy(&bits, &logits[i], 4);
        az_write_le32(bytes, bits);
        if (fwrite(bytes, 1, 4, file) != 4)
            complain("can't write the logits");
    }
}

/* The next n tokens of the sequence. */
static void run(az_lm_batch *batch, const az_lm *lm, az_lm_cache *cache, const uint8_t *ids,
                uint32_t n, float *logits, FILE *out) {
    az_error error = {.text = ""};
    az_lm_row rows[ROWS];
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (az_lm_row){cache, az_read_le32(ids + 4 * i)};
    check(az_lm_run(batch, rows, n, &error), &error);
    for (uint32_t i = 0; i < n; i += HEAD_ROWS) {
        uint32_t n_head = n - i < HEAD_ROWS ? n - i : HEAD_ROWS;
        check(az_lm_logits(batch, i, n_head, logits, &error), &error);
        for (uint32_t r = 0; r < n_head; r++)
            write_row(out, logits + (size_t)r * az_lm_logits_stride(lm),
                      az_lm_get_info(lm)->n_vocab);
    }
}

int main(int argc, char **argv) {
    az_error error = {.text = ""};
    az_heap *heap;
    az_map ids;
    az_gguf *gguf;
    az_pool *pool;
    az_lm *lm;
    az_lm_cache *cache;
    az_lm_batch *batch;
    if (argc < 4 || argc > 6)
        complain("usage: lm_dump MODEL IDS LOGITS [WINDOW [THREADS]]");
    check(az_heap_open(&heap, NULL, &error), &error);
    check(az_map_open(&ids, argv[2], &error), &error);
    check(az_gguf_open(&gguf, argv[1], heap, &error), &error);
    unsigned n_threads = argc > 5 ? (unsigned)atoi(argv[5]) : (unsigned)az_cpu_count();
    check(az_pool_open(&pool, n_threads ? n_threads : 1, heap, &error), &error);
    check(az_lm_open(&lm, gguf, az_cpu_features(), pool, heap, &error), &error);
    size_t n = ids.n_bytes / 4;
    uint32_t window = argc > 4 ? (uint32_t)atoi(argv[4]) : 0;
    if (window == 0)
        window = n > 2 * AZ_LM_SINKS ? (uint32_t)n : 2 * AZ_LM_SINKS;
    check(az_lm_cache_open(&cache, lm, window, ROWS, heap, &error), &error);
    check(az_lm_batch_open(&batch, lm, ROWS, window, pool, heap, &error), &error);
    float *logits = az_alloc(heap, (size_t)HEAD_ROWS * az_lm_logits_stride(lm) * sizeof *logits);
    FILE *out = fopen(argv[3], "wb");
    if (!logits || !out)
        complain("no memory, or the file for the logits can't be made");
    for (size_t i = 0; i < n; i += ROWS)
        run(batch, lm, cache, ids.data + 4 * i, n - i < ROWS ? (uint32_t)(n - i) : ROWS, logits,
            out);
    if (fclose(out) != 0)
        complain("can't write the logits");
    az_free(heap, logits);
    az_lm_batch_close(&batch);
    az_lm_cache_close(&cache);
    az_lm_close(&lm);
    az_pool_close(&pool);
    az_gguf_close(&gguf);
    az_map_close(&ids);
    az_heap_close(&heap);
    return 0;
}
