/*
 * table: the features that a class model knows: sorted hashes, found again by their high bits.
 */
#ifndef AZ_TABLE_H
#define AZ_TABLE_H

#include "features.h"

/* Ids have 24 bits: a training row keeps one beside its count in 32. */
#define AZ_TABLE_FEATURES_MAX (((uint32_t)1 << 24) - 1)
#define AZ_TABLE_NONE UINT32_MAX

typedef struct az_feature_table {
    az_heap *heap;
    uint64_t *hashes; /* [n] ascending; a feature's id is its place */
    uint32_t n;
    uint32_t n_words; /* of them, the first, are words */
    uint32_t *starts; /* [2^bits + 1]: the first id whose hash has these high bits or higher */
    unsigned shift;   /* 64 - bits */
} az_feature_table;

/* The features that are in at least min_words (of words) or min_runs (of runs) of the n texts,
 * counted a text once. Where that would be more than n_max, the rarest are left out. */
az_status az_feature_table_learn(az_feature_table *table, const az_feature_kinds *kinds,
                                 const az_text *texts, size_t n, uint32_t min_words,
                                 uint32_t min_runs, uint32_t n_max, az_pool *pool, az_heap *heap,
                                 az_error *error);
/* Takes over hashes [n], ascending; they are freed on failure, too. */
az_status az_feature_table_make(az_feature_table *table, uint64_t *hashes, uint32_t n,
                                az_heap *heap, az_error *error);
void az_feature_table_free(az_feature_table *table);

/* The id, or AZ_TABLE_NONE. */
static inline uint32_t az_feature_table_find(const az_feature_table *table, uint64_t hash) {
    const uint32_t *start = table->starts + (hash >> table->shift);
    for (uint32_t i = start[0]; i < start[1]; i++)
        if (table->hashes[i] == hash)
            return i;
    return AZ_TABLE_NONE;
}

#endif
