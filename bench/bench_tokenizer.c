/*
 * bench_tokenizer: how fast text is cut into tokens, by one thread.
 *
 *   bench_tokenizer MODEL FILE...     MB/s and bytes a token of each file
 *   bench_tokenizer -i MODEL FILE     the ids as llama.cpp gives them, one a line, to compare
 *
 * Each file is cut 5 times; the fastest counts, in processor time: others may use the machine, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tokenizer/tokenizer.h"

enum { N_TIMES = 5 };

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint8_t *read_file(const char *path, size_t *n_bytes) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    *n_bytes = 0;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f);
        rewind(f);
        data = size >= 0 ? malloc((size_t)size + 1) : NULL;
        if (data)
            *n_bytes = fread(data, 1, (size_t)size, f);
    }
    if (f)
        fclose(f);
    return data;
}

static int fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    return EXIT_FAILURE;
}

static void print_ids(const uint32_t *ids, size_t n_ids) {
    for (size_t i = 0; i < n_ids; i++)
        printf("%lu\n", (unsigned long)ids[i]);
}

static int measure(const az_tokenizer *tokenizer, const char *path, bool only_ids) {
    size_t n_bytes, n_ids = 0;
    az_error error = {.text = ""};
    uint8_t *text = read_file(path, &n_bytes);
    uint32_t *ids = malloc((2 * n_bytes + 2) * sizeof *ids);
    if (!text || !ids) {
        free(text);
        free(ids);
        return fail(path, "can't be read");
    }
    double best = 1e9;
    az_status status = AZ_OK;
    for (int i = 0; i < (only_ids ? 1 : N_TIMES) && status == AZ_OK; i++) {
        double start = seconds();
        status = only_ids ? az_tokenize_plain(tokenizer, text, n_bytes, ids, &n_ids, &error)
                          : az_tokenize(tokenizer, text, n_bytes, ids, &n_ids, &error);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    if (status == AZ_OK && only_ids)
        print_ids(ids, n_ids);
    else if (status == AZ_OK)
        printf("%8.1f MB/s %6.2f bytes/token  %s\n", (double)n_bytes / best / 1e6,
               n_ids ? (double)n_bytes / (double)n_ids : 0.0, path);
    free(text);
    free(ids);
    return status == AZ_OK ? EXIT_SUCCESS : fail(path, error.text);
}

int main(int argc, char **argv) {
    az_heap *heap = NULL;
    az_gguf *gguf = NULL;
    az_tokenizer *tokenizer = NULL;
    az_error error = {.text = "usage: bench_tokenizer [-i] MODEL FILE..."};
    bool only_ids = argc > 1 && strcmp(argv[1], "-i") == 0;
    int first = only_ids ? 2 : 1, result = EXIT_SUCCESS;
    if (argc <= first)
        return fail("bench_tokenizer", error.text);
    double start = seconds();
    if (az_heap_open(&heap, NULL, &error) != AZ_OK ||
        az_gguf_open(&gguf, argv[first], heap, &error) != AZ_OK ||
        az_tokenizer_open(&tokenizer, gguf, heap, &error) != AZ_OK)
        result = fail(argv[first], error.text);
    else if (!only_ids)
        printf("opened in %.0f ms, %.1f MB\n", (seconds() - start) * 1e3,
               (double)az_heap_used(heap) / 1e6);
    for (int i = first + 1; i < argc && tokenizer; i++)
        if (measure(tokenizer, argv[i], only_ids) != EXIT_SUCCESS)
            result = EXIT_FAILURE;
    az_tokenizer_close(&tokenizer);
    az_gguf_close(&gguf);
    az_heap_close(&heap);
    return result;
}
