/*
 * vocabulary: sorts the tokens.
 */
#include "vocabulary.h"

#include <stdlib.h>

typedef struct item {
    const uint8_t *bytes;
    size_t n_bytes;
    uint32_t id; /* AZ_TOKEN_NONE: a byte alone */
} item;

static int compare(const void *a, const void *b) {
    const item *x = a, *y = b;
    size_t n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
    int order = memcmp(x->bytes, y->bytes, n);
    if (order == 0)
        order = (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Of items[0..n), all with the same bytes, the token that stands for them. */
static az_status choose(const az_tokenizer *tokenizer, const item *items, size_t n, uint32_t *ids,
                        uint32_t *id, az_error *error) {
    *id = items[0].id;
    if (n == 1)
        return AZ_OK;
    size_t n_ids;
    AZ_TRY(az_tokenize(tokenizer, items[0].bytes, items[0].n_bytes, ids, &n_ids, error));
    for (size_t i = 0; i < n; i++)
        if (n_ids == 1 && items[i].id == ids[0])
            *id = ids[0];
    return AZ_OK;
}

static az_status fill(az_vocabulary *v, const az_tokenizer *tokenizer, const item *items,
                      size_t n_items, uint32_t *scratch, az_error *error) {
    uint32_t *starts = v->arena, *first = starts + n_items + 1, *ids = first + 257,
             *numbers = ids + n_items;
    uint8_t *bytes = (uint8_t *)(numbers + v->n_tokens);
    uint32_t n = 0, at = 0, code = 0;
    for (size_t i = 0; i < n_items;) {
        size_t same = 1;
        while (i + same < n_items && items[i + same].n_bytes == items[i].n_bytes &&
               memcmp(items[i + same].bytes, items[i].bytes, items[i].n_bytes) == 0)
            same++;
        AZ_TRY(choose(tokenizer, items + i, same, scratch, &ids[n], error));
        for (size_t j = i; j < i + same; j++)
            if (items[j].id != AZ_TOKEN_NONE)
                numbers[items[j].id] = n;
        while (code <= items[i].bytes[0])
            first[code++] = n;
        starts[n++] = at;
        memcpy(bytes + at, items[i].bytes, items[i].n_bytes);
        at += (uint32_t)items[i].n_bytes;
        i += same;
    }
    while (code <= 256)
        first[code++] = n;
    starts[n] = at;
    for (uint32_t id = 0; id < v->n_tokens; id++)
        if (numbers[id] == UINT32_MAX)
            numbers[id] = n;
    v->strings = (az_cm_strings){n, starts, bytes, first};
    v->ids = ids;
    v->numbers = numbers;
    return AZ_OK;
}

az_status az_vocabulary_open(az_vocabulary *v, const az_tokenizer *tokenizer, az_heap *heap,
                             az_error *error) {
    uint8_t alone[256];
    uint32_t n_tokens = az_tokenizer_n_tokens(tokenizer);
    size_t n_items = 0, n_bytes = 0, longest = 1, token_nbytes;
    item *items = az_alloc(heap, ((size_t)n_tokens + 256) * sizeof *items);
    *v = (az_vocabulary){.n_tokens = n_tokens, .heap = heap};
    if (!items)
        return az_alloc_failed(heap, ((size_t)n_tokens + 256) * sizeof *items, error);
    for (uint32_t id = 0; id < n_tokens; id++) {
        const uint8_t *bytes = az_tokenizer_bytes(tokenizer, id, &token_nbytes);
        if (token_nbytes == 0)
            continue;
        items[n_items++] = (item){bytes, token_nbytes, id};
        n_bytes += token_nbytes;
        longest = longest < token_nbytes ? token_nbytes : longest;
    }
    for (uint32_t i = 0; i < 256; i++) {
        alone[i] = (uint8_t)i;
        items[n_items++] = (item){&alone[i], 1, AZ_TOKEN_NONE};
    }
    qsort(items, n_items, sizeof *items, compare);
    size_t arena_nbytes = (2 * n_items + 1 + 257 + n_tokens) * sizeof(uint32_t) + n_bytes + 256;
    uint32_t *scratch = az_alloc(heap, longest * sizeof *scratch);
    v->arena = az_alloc(heap, arena_nbytes);
    az_status status = !v->arena || !scratch ? az_alloc_failed(heap, arena_nbytes, error) : AZ_OK;
    if (status == AZ_OK) {
        memset(v->arena, 0xff, arena_nbytes);
        status = fill(v, tokenizer, items, n_items, scratch, error);
    }
    az_free(heap, scratch);
    az_free(heap, items);
    if (status != AZ_OK)
        az_vocabulary_close(v);
    return status;
}

void az_vocabulary_close(az_vocabulary *v) {
    if (v->heap)
        az_free(v->heap, v->arena);
    *v = (az_vocabulary){0};
}
