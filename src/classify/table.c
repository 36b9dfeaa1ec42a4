/* table: which features a class model knows. Each of the pool's parts counts those whose hash
 * falls to it, over all texts: no part waits for another, and what is counted does not depend
 * on how many parts there are. */
#include "table.h"

#include <stdlib.h>

/* Open addressing; a slot whose count is 0 is free. */
typedef struct slot {
    uint64_t hash;
    uint32_t n_texts;
    uint32_t last; /* the last text that had it, + 1 */
} slot;

typedef struct shard {
    slot *slots; /* [mask + 1] */
    size_t mask, n;
    az_status status;
    az_error error;
} shard;

typedef struct learning {
    const az_feature_kinds *kinds;
    const az_text *texts;
    size_t n;
    az_heap *heap;
    shard *shards; /* [n_shards] */
    uint32_t n_shards;
} learning;

/* Hashes are good: their middle bits find the slot. */
static slot *find_slot(const shard *s, uint64_t hash) {
    size_t i = hash >> 26 & s->mask;
    while (s->slots[i].n_texts && s->slots[i].hash != hash)
        i = (i + 1) & s->mask;
    return s->slots + i;
}

static az_status grow(shard *s, az_heap *heap, az_error *error) {
    shard old = *s;
    size_t n_slots = old.slots ? (old.mask + 1) * 2 : (size_t)1 << 14;
    s->slots = az_alloc(heap, n_slots * sizeof *s->slots);
    if (!s->slots) {
        s->slots = old.slots;
        return az_alloc_failed(heap, n_slots * sizeof *s->slots, error);
    }
    s->mask = n_slots - 1;
    for (size_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].n_texts)
            *find_slot(s, old.slots[i].hash) = old.slots[i];
    az_free(heap, old.slots);
    return AZ_OK;
}

static az_status count_text(shard *s, const az_feature_list *list, uint32_t text, uint32_t part,
                            uint32_t n_parts, az_heap *heap, az_error *error) {
    for (size_t i = 0; i < list->n; i++) {
        uint64_t hash = list->hashes[i];
        if ((hash >> 24 & 0xFFFF) % n_parts != part)
            continue;
        if (!s->slots || s->n * 3 > s->mask * 2)
            AZ_TRY(grow(s, heap, error));
        slot *found = find_slot(s, hash);
        if (!found->n_texts) {
            found->hash = hash;
            s->n++;
        } else if (found->last == text + 1) {
            continue;
        }
        found->n_texts++;
        found->last = text + 1;
    }
    return AZ_OK;
}

static void count_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    learning *l = arg;
    shard *s = l->shards + part;
    az_feature_list list = {.heap = l->heap};
    for (size_t i = 0; i < l->n && s->status == AZ_OK; i++) {
        s->status = az_features_find(&list, l->kinds, l->texts[i], &s->error);
        if (s->status == AZ_OK)
            s->status = count_text(s, &list, (uint32_t)i, part, l->n_shards, l->heap, &s->error);
    }
    az_features_free(&list);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_kept(const slot *s, uint32_t min_words, uint32_t min_runs) {
    return s->n_texts && s->n_texts >= (s->hash & AZ_FEATURE_IS_RUN ? min_runs : min_words);
}

static uint64_t count_kept(const learning *l, uint32_t min_words, uint32_t min_runs) {
    uint64_t n = 0;
    for (uint32_t k = 0; k < l->n_shards; k++)
        for (size_t i = 0; l->shards[k].slots && i <= l->shards[k].mask; i++)
            n += is_kept(l->shards[k].slots + i, min_words, min_runs);
    return n;
}

static az_status keep(az_feature_table *table, const learning *l, uint32_t min_words,
                      uint32_t min_runs, uint32_t n_max, az_error *error) {
    uint64_t n = count_kept(l, min_words, min_runs);
    while (n > n_max) {
        min_words++, min_runs++;
        n = count_kept(l, min_words, min_runs);
    }
    uint64_t *hashes = az_alloc(l->heap, n * sizeof *hashes);
    if (!hashes)
        return az_alloc_failed(l->heap, n * sizeof *hashes, error);
    size_t at = 0;
    for (uint32_t k = 0; k < l->n_shards; k++)
        for (size_t i = 0; l->shards[k].slots && i <= l->shards[k].mask; i++)
            if (is_kept(l->shards[k].slots + i, min_words, min_runs))
                hashes[at++] = l->shards[k].slots[i].hash;
    qsort(hashes, at, sizeof *hashes, ascending);
    return az_feature_table_make(table, hashes, (uint32_t)at, l->heap, error);
}

az_status az_feature_table_learn(az_feature_table *table, const az_feature_kinds *kinds,
                                 const az_text *texts, size_t n, uint32_t min_words,
                                 uint32_t min_runs, uint32_t n_max, az_pool *pool, az_heap *heap,
                                 az_error *error) {
    uint32_t n_shards = az_pool_n_threads(pool);
    learning l = {.kinds = kinds, .texts = texts, .n = n, .heap = heap, .n_shards = n_shards};
    l.shards = az_alloc(heap, n_shards * sizeof *l.shards);
    if (!l.shards)
        return az_alloc_failed(heap, n_shards * sizeof *l.shards, error);
    az_pool_run(pool, count_part, &l, n_shards);
    az_status status = AZ_OK;
    for (uint32_t k = 0; k < n_shards && status == AZ_OK; k++) {
        status = l.shards[k].status;
        if (status != AZ_OK && error)
            *error = l.shards[k].error;
    }
    if (status == AZ_OK)
        status = keep(table, &l, min_words, min_runs,
                      n_max < AZ_TABLE_FEATURES_MAX ? n_max : AZ_TABLE_FEATURES_MAX, error);
    for (uint32_t k = 0; k < n_shards; k++)
        az_free(heap, l.shards[k].slots);
    az_free(heap, l.shards);
    return status;
}

az_status az_feature_table_make(az_feature_table *table, uint64_t *hashes, uint32_t n,
                                az_heap *heap, az_error *error) {
    unsigned bits = 1;
    while (bits < AZ_FEATURE_HASH_BITS && ((uint64_t)1 << bits) < n)
        bits++;
    *table = (az_feature_table){.heap = heap, .hashes = hashes, .n = n, .shift = 64 - bits};
    size_t n_starts = ((size_t)1 << bits) + 1;
    table->starts = az_alloc(heap, n_starts * sizeof *table->starts);
    if (!table->starts) {
        az_feature_table_free(table);
        return az_alloc_failed(heap, n_starts * sizeof *table->starts, error);
    }
    uint32_t id = 0;
    for (size_t i = 0; i < n_starts; i++) {
        while (id < n && hashes[id] >> table->shift < i)
            id++;
        table->starts[i] = id;
    }
    while (table->n_words < n && !(hashes[table->n_words] & AZ_FEATURE_IS_RUN))
        table->n_words++;
    return AZ_OK;
}

void az_feature_table_free(az_feature_table *table) {
    if (table->hashes)
        az_free(table->heap, table->hashes);
    if (table->starts)
        az_free(table->heap, table->starts);
    *table = (az_feature_table){0};
}
