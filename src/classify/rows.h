/*
 * rows: training texts as the ids of their features and how often each is in the text.
 */
#ifndef AZ_ROWS_H
#define AZ_ROWS_H

#include "table.h"

/* An item: id << 8 | count, the count from 1 to 255. */
#define AZ_ITEM_COUNT(item) ((item)&255)
#define AZ_ITEM_ID(item) ((item) >> 8)

typedef struct az_row_items {
    const uint32_t *items; /* [n]: words first */
    uint32_t n, n_words;
} az_row_items;

typedef struct az_text_rows {
    az_heap *heap;
    az_row_items *rows; /* [n] */
    size_t n;
    uint32_t **blocks; /* [n_blocks], which own the items */
    size_t n_blocks;
} az_text_rows;

az_status az_text_rows_make(az_text_rows *rows, const az_feature_table *table,
                            const az_feature_kinds *kinds, const az_text *texts, size_t n,
                            az_pool *pool, az_heap *heap, az_error *error);
void az_text_rows_free(az_text_rows *rows);

/* One text at a time. Zeros but for the heap at first. */
typedef struct az_row_scratch {
    az_heap *heap;
    az_feature_list list;
    uint32_t *seen;  /* [table->n]: where in items an id was put last, perhaps for another text */
    uint32_t *items; /* [capacity] */
    size_t n, capacity;
} az_row_scratch;

/* The items of one text go behind the scratch's n items; *row is set, but for its pointer, which
 * would move. */
az_status az_row_find(az_row_scratch *scratch, const az_feature_table *table,
                      const az_feature_kinds *kinds, az_text text, az_row_items *row,
                      az_error *error);
void az_row_scratch_free(az_row_scratch *scratch);

#endif
