/*
 * dataset: labelled texts, in memory and out of files.
 *
 *   dataset.c    rows and labels, and the files that hold them
 *   row_reader.c a file's bytes become rows: CSV, TSV, JSON Lines, fastText, lines
 *   columns.c    which columns are text and which is the label
 *   unpack.c     gzip, bzip2, xz, zstd and aizip around a file
 *   overlap.c    rows that are in two sets
 */
#ifndef AZ_DATASET_H
#define AZ_DATASET_H

#include "../base/base.h"

typedef struct az_stored_row {
    az_text text;
    uint64_t line;
    uint32_t name; /* of the label, in the order of appearance; UINT32_MAX: none */
} az_stored_row;

struct az_dataset {
    az_heap *heap;
    az_stored_row *rows; /* [n_rows] */
    size_t n_rows, rows_capacity;
    az_text *names; /* [n_names] labels in the order of appearance */
    size_t n_names, names_capacity;
    uint32_t *numbers;   /* [n_names]: a name's place in the order; valid if sorted */
    uint32_t *by_number; /* [n_names]: the other way */
    uint32_t *buckets;   /* [n_buckets] name + 1 by hash, 0: free; a power of two */
    size_t n_buckets;
    bool sorted;
    uint8_t *chunk; /* where copies go; each chunk begins with a pointer to the one before */
    size_t chunk_used, chunk_nbytes;
    uint32_t image_width;
    char description[240];
};

/* ---- columns.c ----------------------------------------------------------- */

enum { AZ_COLUMNS_MAX = 4096 };

/* Which cells of a row make its text and its label. */
typedef struct az_columns {
    uint16_t *text; /* [n_text] */
    size_t n_text;
    int label;      /* -1: none */
    size_t n_cells; /* of every row */
    bool has_header;
} az_columns;

/* Decides by the options and the first row. `where` ("file, line 1") is for sentences. */
az_status az_columns_choose(az_columns *columns, const az_dataset_options *options,
                            const az_text *cells, size_t n_cells, const char *where, az_heap *heap,
                            az_error *error);
/* Whether a column of this name is, as data sets are, a label's (or a text's). */
bool az_is_label_name(az_text name);
bool az_is_text_name(az_text name);
/* Whether `name` is among those in the list "a,b,c"; the place in the list goes to *place. */
bool az_is_listed(const char *list, az_text name, size_t *place);

/* ---- jsonl.c --------------------------------------------------------------- */

/* One line of JSON: text and label go to buf (az_regrow'n), or a sentence to error. */
typedef struct az_json_row {
    az_heap *heap;
    uint8_t *buf;
    size_t n_text, n_label, capacity; /* the label lies behind the text */
    bool has_label;
} az_json_row;

az_status az_json_row_read(az_json_row *row, const az_dataset_options *options, const uint8_t *line,
                           size_t n_bytes, const char *where, az_error *error);

/* ---- unpack.c ---------------------------------------------------------------- */

/* If data is compressed, its content: *out (az_free) and *out_nbytes; else *out is NULL. */
az_status az_unpack_file(uint8_t **out, size_t *out_nbytes, const uint8_t *data, size_t n_bytes,
                         const char *name, az_heap *heap, az_error *error);

/* ---- idx.c --------------------------------------------------------------------- */

az_status az_idx_read(az_dataset *dataset, const char *path, const uint8_t *data, size_t n_bytes,
                      const az_dataset_options *options, az_error *error);
bool az_is_idx(const uint8_t *data, size_t n_bytes);

/* ---- dataset.c -------------------------------------------------------------------- */

/* A file's content, unpacked; *data is freed with az_free. An empty file is NULL and 0. */
az_status az_dataset_read_file(uint8_t **data, size_t *n_bytes, const char *path, az_heap *heap,
                               az_error *error);
az_status az_dataset_add_line(az_dataset *dataset, az_text text, az_text label, uint64_t line,
                              az_error *error);

/* ---- overlap.c --------------------------------------------------------------------- */

#endif
