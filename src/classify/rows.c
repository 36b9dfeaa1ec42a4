/* rows: features are found again in the table, and counted, a text at a time. */
#include "rows.h"

enum { BLOCKS_MAX = 4096, BLOCK_ROWS_MIN = 16 };

static az_status make_room(az_row_scratch *s, size_t n_more, uint32_t n_features, az_error *error) {
    if (!s->seen) {
        s->seen = az_alloc(s->heap, ((size_t)n_features + 1) * sizeof *s->seen);
        if (!s->seen)
            return az_alloc_failed(s->heap, n_features * sizeof *s->seen, error);
    }
    if (s->n + n_more <= s->capacity)
        return AZ_OK;
    size_t capacity = s->n + n_more + s->capacity / 2;
    if (capacity > UINT32_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "too many features in a few texts: 2^32 at most");
    uint32_t *items =
        az_regrow(s->heap, s->items, s->capacity * sizeof *items, capacity * sizeof *items);
    if (!items)
        return az_alloc_failed(s->heap, capacity * sizeof *items, error);
    s->items = items;
    s->capacity = capacity;
    return AZ_OK;
}

/* Whether items[at] was made for this id and this text, tells the item itself. */
static void add_item(az_row_scratch *s, size_t begin, uint32_t id) {
    uint32_t at = s->seen[id];
    if (at >= begin && at < s->n && AZ_ITEM_ID(s->items[at]) == id) {
        if (AZ_ITEM_COUNT(s->items[at]) < 255)
            s->items[at]++;
        return;
    }
    s->seen[id] = (uint32_t)s->n;
    s->items[s->n++] = id << 8 | 1;
}

az_status az_row_find(az_row_scratch *scratch, const az_feature_table *table,
                      const az_feature_kinds *kinds, az_text text, az_row_items *row,
                      az_error *error) {
    scratch->list.heap = scratch->heap;
    AZ_TRY(az_features_find(&scratch->list, kinds, text, error));
    AZ_TRY(make_room(scratch, scratch->list.n, table->n, error));
    size_t begin = scratch->n;
    for (int runs = 0; runs <= 1; runs++) {
        for (size_t i = 0; i < scratch->list.n; i++) {
            uint64_t hash = scratch->list.hashes[i];
            if ((hash & AZ_FEATURE_IS_RUN ? 1 : 0) != runs)
                continue;
            uint32_t id = az_feature_table_find(table, hash);
            if (id != AZ_TABLE_NONE)
                add_item(scratch, begin, id);
        }
        if (!runs)
            row->n_words = (uint32_t)(scratch->n - begin);
    }
    row->n = (uint32_t)(scratch->n - begin);
    return AZ_OK;
}

void az_row_scratch_free(az_row_scratch *scratch) {
    az_features_free(&scratch->list);
    az_free(scratch->heap, scratch->seen);
    az_free(scratch->heap, scratch->items);
    *scratch = (az_row_scratch){.heap = scratch->heap};
}

/* ---- All texts ------------------------------------------------------------ */

typedef struct making {
    az_text_rows *rows;
    const az_feature_table *table;
    const az_feature_kinds *kinds;
    const az_text *texts;
    size_t block_rows;
    az_row_scratch *scratch; /* [n_threads] */
    az_status *statuses;     /* [n_threads] */
    az_error *errors;        /* [n_threads] */
} making;

static az_status make_block(making *m, size_t block, az_row_scratch *s, az_error *error) {
    az_text_rows *rows = m->rows;
    size_t from = block * m->block_rows, to = from + m->block_rows;
    if (to > rows->n)
        to = rows->n;
    s->n = 0;
    for (size_t i = from; i < to; i++)
        AZ_TRY(az_row_find(s, m->table, m->kinds, m->texts[i], &rows->rows[i], error));
    uint32_t *items = az_alloc(rows->heap, s->n * sizeof *items);
    if (!items)
        return az_alloc_failed(rows->heap, s->n * sizeof *items, error);
    if (s->n)
        memcpy(items, s->items, s->n * sizeof *items);
    rows->blocks[block] = items;
    for (size_t i = from; i < to; i++) {
        rows->rows[i].items = items;
        items += rows->rows[i].n;
    }
    return AZ_OK;
}

static void make_part(void *arg, uint32_t part, unsigned worker) {
    making *m = arg;
    if (m->statuses[worker] == AZ_OK)
        m->statuses[worker] = make_block(m, part, m->scratch + worker, m->errors + worker);
}

static az_status make_all(making *m, az_pool *pool, az_heap *heap, az_error *error) {
    unsigned n_threads = az_pool_n_threads(pool);
    m->scratch = az_alloc(heap, n_threads * sizeof *m->scratch);
    m->statuses = az_alloc(heap, n_threads * sizeof *m->statuses);
    m->errors = az_alloc(heap, n_threads * sizeof *m->errors);
    az_status status = AZ_OK;
    if (m->scratch && m->statuses && m->errors) {
        for (unsigned i = 0; i < n_threads; i++)
            m->scratch[i].heap = m->scratch[i].list.heap = heap;
        az_pool_run(pool, make_part, m, (uint32_t)m->rows->n_blocks);
        for (unsigned i = 0; i < n_threads; i++) {
            if (m->statuses[i] != AZ_OK && status == AZ_OK) {
                status = m->statuses[i];
                if (error)
                    *error = m->errors[i];
            }
            az_row_scratch_free(m->scratch + i);
        }
    } else {
        status = az_alloc_failed(heap, n_threads * sizeof *m->errors, error);
    }
    az_free(heap, m->scratch);
    az_free(heap, m->statuses);
    az_free(heap, m->errors);
    return status;
}

az_status az_text_rows_make(az_text_rows *rows, const az_feature_table *table,
                            const az_feature_kinds *kinds, const az_text *texts, size_t n,
                            az_pool *pool, az_heap *heap, az_error *error) {
    making m = {.rows = rows, .table = table, .kinds = kinds, .texts = texts};
    m.block_rows = n / BLOCKS_MAX + 1;
    if (m.block_rows < BLOCK_ROWS_MIN)
        m.block_rows = BLOCK_ROWS_MIN;
    *rows = (az_text_rows){.heap = heap, .n = n, .n_blocks = (n + m.block_rows - 1) / m.block_rows};
    rows->rows = az_alloc(heap, n * sizeof *rows->rows);
    rows->blocks = az_alloc(heap, rows->n_blocks * sizeof *rows->blocks);
    az_status status = rows->rows && rows->blocks
                           ? make_all(&m, pool, heap, error)
                           : az_alloc_failed(heap, n * sizeof *rows->rows, error);
    if (status != AZ_OK)
        az_text_rows_free(rows);
    return status;
}

void az_text_rows_free(az_text_rows *rows) {
    if (!rows->heap)
        return;
    for (size_t i = 0; rows->blocks && i < rows->n_blocks; i++)
        az_free(rows->heap, rows->blocks[i]);
    az_free(rows->heap, rows->blocks);
    az_free(rows->heap, rows->rows);
    *rows = (az_text_rows){0};
}
