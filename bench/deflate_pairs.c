/*
 * deflate_pairs: sizes of joined pairs of texts by deflate_size and by zlib, compared, and the
 * speeds of both: bench/deflate_pairs N_PAIRS SEED FILE.tsv... (label, tab, text a line). Each
 * pair is taken in both orders, with a space between, or nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "classify/deflate_size.h"

enum { FIRSTS = 64, SECONDS = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D) >> 20;
}

static size_t read_rows(const char *path, az_text **rows) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        exit(1);
    size_t n_bytes = (size_t)ftell(f), n = 0;
    char *data = malloc(n_bytes + 1);
    rewind(f);
    *rows = malloc((n_bytes / 2 + 1) * sizeof **rows);
    if (!data || !*rows || fread(data, 1, n_bytes, f) != n_bytes)
        exit(1);
    fclose(f);
    for (char *p = data, *end; p < data + n_bytes; p = end + 1) {
        end = memchr(p, '\n', (size_t)(data + n_bytes - p));
        if (!end)
            end = data + n_bytes;
        char *tab = memchr(p, '\t', (size_t)(end - p));
        char *from = tab ? tab + 1 : p;
        (*rows)[n++] = (az_text){from, (size_t)(end - from)};
    }
    return n;
}

/* A plain call of compress2, its 6 bytes of wrapping taken off. */
static size_t zlib_size(const az_text *parts, uint8_t *joined, uint8_t *out, size_t capacity) {
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        memcpy(joined + n, parts[i].data, parts[i].n_bytes);
        n += parts[i].n_bytes;
    }
    uLongf made = capacity;
    if (compress2(out, &made, joined, n, 9) != Z_OK)
        exit(1);
    return made - 6;
}

typedef struct totals {
    uint64_t n_pairs, n_different, n_uncovered;
    double ours, zlibs;
} totals;

static void run_block(totals *t, az_deflate_first *first, az_heap *heap, const az_text *rows,
                      size_t n_rows, uint64_t *state, uint8_t *joined, uint8_t *out,
                      size_t capacity) {
    az_deflate_second seconds[SECONDS];
    az_text firsts[FIRSTS], texts[SECONDS];
    static size_t got[FIRSTS][SECONDS];
    az_text separator = {" ", next_random(state) & 1};
    for (int i = 0; i < FIRSTS; i++)
        firsts[i] = rows[next_random(state) % n_rows];
    for (int i = 0; i < SECONDS; i++)
        texts[i] = rows[next_random(state) % n_rows];
    double start = now();
    for (int i = 0; i < SECONDS; i++)
        if (az_deflate_second_make(seconds + i, texts[i], first, heap, NULL) != AZ_OK)
            exit(1);
    for (int i = 0; i < FIRSTS; i++) {
        const az_text parts[2] = {firsts[i], separator};
        az_deflate_first_set(first, parts, 2);
        for (int k = 0; k < SECONDS; k++)
            got[i][k] = az_deflate_pair_size(first, seconds + k);
    }
    t->ours += now() - start;
    start = now();
    for (int i = 0; i < FIRSTS; i++)
        for (int k = 0; k < SECONDS; k++) {
            const az_text parts[3] = {firsts[i], separator, texts[k]};
            size_t want = zlib_size(parts, joined, out, capacity);
            t->n_pairs++;
            t->n_uncovered += got[i][k] == 0;
            if (got[i][k] && got[i][k] != want) {
                if (t->n_different++ < 3)
                    printf("%zu, zlib %zu: \"%.*s\" + \"%.*s\"\n", got[i][k], want,
                           (int)firsts[i].n_bytes, (const char *)firsts[i].data,
                           (int)texts[k].n_bytes, (const char *)texts[k].data);
            }
        }
    t->zlibs += now() - start;
    for (int i = 0; i < SECONDS; i++)
        az_free(heap, seconds[i].places);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: deflate_pairs N_PAIRS SEED FILE.tsv...\n", stderr);
        return 2;
    }
    uint64_t n_pairs = strtoull(argv[1], NULL, 10), state = strtoull(argv[2], NULL, 10) * 2 + 1;
    az_heap *heap;
    az_deflate_first *first;
    if (az_heap_open(&heap, NULL, NULL) != AZ_OK ||
        az_deflate_first_open(&first, heap, NULL) != AZ_OK)
        return 1;
    uint64_t n_different = 0, n_all = 0;
    for (int i = 3; i < argc; i++) {
        az_text *rows;
        size_t n_rows = read_rows(argv[i], &rows), longest = 0;
        for (size_t k = 0; k < n_rows; k++)
            longest = rows[k].n_bytes > longest ? rows[k].n_bytes : longest;
        size_t capacity = compressBound(2 * longest + 1);
        uint8_t *joined = malloc(2 * longest + 1), *out = malloc(capacity);
        totals t = {0};
        while (joined && out && t.n_pairs < n_pairs)
            run_block(&t, first, heap, rows, n_rows, &state, joined, out, capacity);
        printf("%s: %llu pairs, %llu differ, %llu left to zlib; %.2f us a pair, compress2 %.2f: "
               "%.2f times as fast\n",
               argv[i], (unsigned long long)t.n_pairs, (unsigned long long)t.n_different,
               (unsigned long long)t.n_uncovered, t.ours / (double)t.n_pairs * 1e6,
               t.zlibs / (double)t.n_pairs * 1e6, t.zlibs / t.ours);
        n_different += t.n_different;
        n_all += t.n_pairs;
    }
    printf("%llu pairs, %llu differ\n", (unsigned long long)n_all, (unsigned long long)n_different);
    return n_different != 0;
}
