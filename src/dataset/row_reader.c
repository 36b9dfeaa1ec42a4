/*
 * row_reader: bytes become rows. Pieces of any size come in; what is not yet a whole row waits.
 * Where a row ends is looked for once: in CSV a newline inside of quotes ends nothing.
 */
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>

struct az_row_reader {
    az_heap *heap;
    az_dataset_options options;
    char *text_columns, *label_column; /* copies of the options' */
    char name[112];
    char description[240];
    az_dataset_format format; /* AUTO until the first row */
    uint8_t *wait;            /* [n_wait] bytes of a row that is not whole */
    size_t n_wait, wait_capacity;
    size_t scanned; /* of wait, without finding the row's end */
    bool in_quotes, after_quote, cell_began;
    uint64_t line, quote_line; /* of the row that begins next; where quotes opened */
    bool failed, begun;
    az_columns columns;
    bool columns_known;
    az_text *cells; /* [n_cells] of the row in work; they lie in room, */
    size_t n_cells, cells_capacity;
    uint8_t *room; /* or in the row itself */
    size_t room_capacity;
    az_json_row json;
};

/* ---- Open ---------------------------------------------------------------------- */

static char *copy_string(az_heap *heap, const char *s) {
    char *copy = az_alloc(heap, strlen(s) + 1);
    if (copy)
        strcpy(copy, s);
    return copy;
}

az_status az_row_reader_open(az_row_reader **out, const char *name,
                             const az_dataset_options *options, const az_allocator *allocator,
                             az_error *error) {
    if (!out || !name)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_row_reader_open: a pointer is NULL");
    *out = NULL;
    const az_dataset_options none = {0};
    if (!options)
        options = &none;
    if (options->format == AZ_DATASET_FOLDER || options->format == AZ_DATASET_IDX)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "%s: a form with rows is expected, not a folder or images",
                            az_path_end(name));
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, options->memory_limit);
    az_row_reader *r = az_alloc(heap, sizeof *r);
    if (!r) {
        az_status status = az_alloc_failed(heap, sizeof *r, error);
        az_heap_close(&heap);
        return status;
    }
    r->heap = r->json.heap = heap;
    r->options = *options;
    r->format = options->format;
    r->line = 1;
    snprintf(r->name, sizeof r->name, "%s", az_path_end(name));
    if (options->text_columns)
        r->options.text_columns = r->text_columns = copy_string(heap, options->text_columns);
    if (options->label_column)
        r->options.label_column = r->label_column = copy_string(heap, options->label_column);
    *out = r;
    if ((options->text_columns && !r->text_columns) ||
        (options->label_column && !r->label_column)) {
        az_status status = az_alloc_failed(heap, 64, error);
        az_row_reader_close(out);
        return status;
    }
    return AZ_OK;
}

void az_row_reader_close(az_row_reader **reader) {
    if (!reader || !*reader)
        return;
    az_row_reader *r = *reader;
    az_heap *heap = r->heap;
    az_free(heap, r->wait);
    az_free(heap, r->cells);
    az_free(heap, r->room);
    az_free(heap, r->columns.text);
    az_free(heap, r->text_columns);
    az_free(heap, r->label_column);
    az_free(heap, r->json.buf);
    az_free(heap, r);
    az_heap_close(&heap);
    *reader = NULL;
}

const char *az_row_reader_describe(const az_row_reader *reader) {
    return reader->description;
}

static az_status bad_row(const az_row_reader *r, uint64_t line, az_error *error, const char *why) {
    return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET, "%s, line %llu: %s", r->name,
                        (unsigned long long)line, why);
}

/* ---- The form ------------------------------------------------------------------- */

static bool ends_with(const char *name, size_t n, const char *end) {
    size_t k = strlen(end);
    return n > k && memcmp(name + n - k, end, k) == 0;
}

static az_dataset_format format_of_name(const char *name) {
    static const char *const packed[] = {".gz", ".bz2", ".xz", ".zst", ".aiz"};
    static const struct {
        const char *end;
        az_dataset_format format;
    } ends[] = {{".csv", AZ_DATASET_CSV},
                {".tsv", AZ_DATASET_TSV},
                {".tab", AZ_DATASET_TSV},
                {".jsonl", AZ_DATASET_JSONL},
                {".ndjson", AZ_DATASET_JSONL}};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (ends_with(name, n, packed[i])) {
            n -= strlen(packed[i]);
            break;
        }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, n, ends[i].end))
            return ends[i].format;
    return AZ_DATASET_AUTO;
}

/* By a whole first line, which may end in the middle of a CSV row. */
static az_dataset_format format_of_line(const uint8_t *line, size_t n_bytes) {
    static const char prefix[] = "__label__";
    if (n_bytes >= sizeof prefix - 1 && memcmp(line, prefix, sizeof prefix - 1) == 0)
        return AZ_DATASET_FASTTEXT;
    if (n_bytes && line[0] == '{')
        return AZ_DATASET_JSONL;
    return n_bytes && memchr(line, '\t', n_bytes) ? AZ_DATASET_TSV : AZ_DATASET_LINES;
}

static void describe(az_row_reader *r) {
    static const char *const names[] = {"",
                                        "CSV",
                                        "TSV",
                                        "JSON Lines",
                                        "fastText: __label__NAME and the text, a line",
                                        "lines of text without labels"};
    int n = snprintf(r->description, sizeof r->description, "%s", names[r->format]);
    const az_columns *c = &r->columns;
    if (!r->columns_known)
        return;
    n += snprintf(r->description + n, sizeof r->description - (size_t)n,
                  " %s a header; label: ", c->has_header ? "with" : "without");
    n += c->label < 0 ? snprintf(r->description + n, sizeof r->description - (size_t)n, "none")
                      : snprintf(r->description + n, sizeof r->description - (size_t)n, "column %d",
                                 c->label + 1);
    n += snprintf(r->description + n, sizeof r->description - (size_t)n, "; text: column%s",
                  c->n_text == 1 ? "" : "s");
    for (size_t i = 0; i < c->n_text && i < 8; i++)
        n += snprintf(r->description + n, sizeof r->description - (size_t)n, "%s %d", i ? "," : "",
                      c->text[i] + 1);
    if (c->n_text > 8)
        snprintf(r->description + n, sizeof r->description - (size_t)n, " ...");
}

/* ---- Cells ------------------------------------------------------------------------- */

static az_status add_cell(az_row_reader *r, const uint8_t *data, size_t n_bytes, uint64_t line,
                          az_error *error) {
    if (r->n_cells == r->cells_capacity) {
        if (r->n_cells == AZ_COLUMNS_MAX)
            return bad_row(r, line, error, "more than 4,096 columns");
        size_t capacity = r->cells_capacity * 2 + 8;
        az_text *cells = az_regrow(r->heap, r->cells, r->cells_capacity * sizeof *cells,
                                   capacity * sizeof *cells);
        if (!cells)
            return az_alloc_failed(r->heap, capacity * sizeof *cells, error);
        r->cells = cells;
        r->cells_capacity = capacity;
    }
    r->cells[r->n_cells++] = (az_text){data, n_bytes};
    return AZ_OK;
}

static az_status need_room(az_row_reader *r, size_t n_bytes, az_error *error) {
    if (n_bytes <= r->room_capacity)
        return AZ_OK;
    az_free(r->heap, r->room);
    r->room_capacity = 0;
    r->room = az_alloc(r->heap, n_bytes * 2);
    if (!r->room)
        return az_alloc_failed(r->heap, n_bytes * 2, error);
    r->room_capacity = n_bytes * 2;
    return AZ_OK;
}

/* Unquoted cells stay in the row; of quoted ones, "" becomes " in room. */
static az_status cut_csv(az_row_reader *r, const uint8_t *row, size_t n, uint64_t line,
                         az_error *error) {
    AZ_TRY(need_room(r, n, error));
    uint8_t *to = r->room;
    for (size_t i = 0;; i++) { /* at a cell's first byte */
        const uint8_t *cell = row + i;
        if (i < n && row[i] == '"') {
            cell = to;
            for (i++; i < n; i++) {
                if (row[i] == '"' && !(i + 1 < n && row[i + 1] == '"'))
                    break;
                i += row[i] == '"';
                *to++ = row[i];
            }
            i++; /* over the closing quote; the scan has seen that there is one */
            if (i < n && row[i] != ',')
                return bad_row(r, line, error,
                               "text behind a closing quote; quotes inside of a cell are doubled");
            AZ_TRY(add_cell(r, cell, (size_t)(to - cell), line, error));
        } else {
            const uint8_t *comma = i < n ? memchr(row + i, ',', n - i) : NULL;
            size_t end = comma ? (size_t)(comma - row) : n;
            AZ_TRY(add_cell(r, cell, end - i, line, error));
            i = end;
        }
        if (i >= n)
            return AZ_OK;
    }
}

/* \n, \t, \r and \\ become one byte, in room; other backslashes stay. */
static void decode_escapes(az_row_reader *r, size_t cell, uint8_t **to) {
    const uint8_t *from = r->cells[cell].data;
    uint8_t *begin = *to;
    for (size_t i = 0; i < r->cells[cell].n_bytes; i++) {
        uint8_t next = i + 1 < r->cells[cell].n_bytes && from[i] == '\\' ? from[i + 1] : 0;
        uint8_t byte = next == 'n'    ? '\n'
                       : next == 't'  ? '\t'
                       : next == 'r'  ? '\r'
                       : next == '\\' ? '\\'
                                      : 0;
        i += byte != 0;
        *(*to)++ = byte ? byte : from[i];
    }
    r->cells[cell] = (az_text){begin, (size_t)(*to - begin)};
}

static az_status cut_tsv(az_row_reader *r, const uint8_t *row, size_t n, uint64_t line,
                         az_error *error) {
    for (size_t i = 0; i <= n;) {
        const uint8_t *tab = i < n ? memchr(row + i, '\t', n - i) : NULL;
        size_t end = tab ? (size_t)(tab - row) : n;
        AZ_TRY(add_cell(r, row + i, end - i, line, error));
        i = end + 1;
    }
    if (!r->options.escapes)
        return AZ_OK;
    AZ_TRY(need_room(r, n + 1, error));
    uint8_t *to = r->room;
    for (size_t i = 0; i < r->n_cells; i++)
        decode_escapes(r, i, &to);
    return AZ_OK;
}

static int give(const az_row_reader *r, az_row_fn row, void *opaque, az_text text, uint64_t line) {
    az_text label = {0};
    if (r->columns.label >= 0) {
        label = r->cells[r->columns.label];
        if (!label.data)
            label.data = "";
    }
    return row(opaque, text, label, line);
}

/* A row of a table is cut; its text is a cell, or several joined in json.buf. */
static az_status take_table_row(az_row_reader *r, const uint8_t *data, size_t n, uint64_t line,
                                az_row_fn row, void *opaque, az_error *error) {
    r->n_cells = 0;
    AZ_TRY(r->format == AZ_DATASET_CSV ? cut_csv(r, data, n, line, error)
                                       : cut_tsv(r, data, n, line, error));
    if (!r->columns_known) {
        char where[160];
        snprintf(where, sizeof where, "%s, line %llu", r->name, (unsigned long long)line);
        AZ_TRY(az_columns_choose(&r->columns, &r->options, r->cells, r->n_cells, where, r->heap,
                                 error));
        r->columns_known = true;
        describe(r);
        if (r->columns.has_header)
            return AZ_OK;
    }
    if (r->n_cells != r->columns.n_cells)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "%s, line %llu: %zu columns, where the first row has %zu", r->name,
                            (unsigned long long)line, r->n_cells, r->columns.n_cells);
    az_text text = r->columns.n_text ? r->cells[r->columns.text[0]] : (az_text){0};
    if (r->columns.n_text > 1) {
        size_t n_text = r->columns.n_text - 1;
        for (size_t i = 0; i < r->columns.n_text; i++)
            n_text += r->cells[r->columns.text[i]].n_bytes;
        if (n_text > r->json.capacity) {
            az_free(r->heap, r->json.buf);
            r->json.capacity = 0;
            r->json.buf = az_alloc(r->heap, n_text * 2);
            if (!r->json.buf)
                return az_alloc_failed(r->heap, n_text * 2, error);
            r->json.capacity = n_text * 2;
        }
        uint8_t *to = r->json.buf;
        for (size_t i = 0; i < r->columns.n_text; i++) {
            az_text cell = r->cells[r->columns.text[i]];
            if (i)
                *to++ = ' ';
            if (cell.n_bytes)
                memcpy(to, cell.data, cell.n_bytes);
            to += cell.n_bytes;
        }
        text = (az_text){r->json.buf, n_text};
    }
    if (give(r, row, opaque, text, line))
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    return AZ_OK;
}

/* ---- Rows that are no tables ---------------------------------------------------------- */

static az_status take_fasttext(az_row_reader *r, const uint8_t *data, size_t n, uint64_t line,
                               az_text *text, az_text *label, az_error *error) {
    static const char prefix[] = "__label__";
    const size_t n_prefix = sizeof prefix - 1;
    *text = (az_text){data, n};
    *label = (az_text){0};
    if (n < n_prefix || memcmp(data, prefix, n_prefix) != 0)
        return r->options.unlabelled ? AZ_OK
                                     : bad_row(r, line, error, "does not begin with __label__");
    size_t end = n_prefix;
    while (end < n && data[end] != ' ' && data[end] != '\t')
        end++;
    if (end == n_prefix)
        return bad_row(r, line, error, "a label without a name");
    *label = (az_text){data + n_prefix, end - n_prefix};
    while (end < n && (data[end] == ' ' || data[end] == '\t'))
        end++;
    *text = (az_text){data + end, n - end};
    if (n - end >= n_prefix && memcmp(data + end, prefix, n_prefix) == 0)
        return bad_row(r, line, error, "several labels; one a text is expected");
    if (r->options.unlabelled)
        *label = (az_text){0};
    return AZ_OK;
}

static az_status take_row(az_row_reader *r, const uint8_t *data, size_t n, uint64_t line,
                          az_row_fn row, void *opaque, az_error *error) {
    if (r->format == AZ_DATASET_CSV || r->format == AZ_DATASET_TSV)
        return take_table_row(r, data, n, line, row, opaque, error);
    az_text text = {data, n}, label = {0};
    if (r->format == AZ_DATASET_FASTTEXT) {
        AZ_TRY(take_fasttext(r, data, n, line, &text, &label, error));
    } else if (r->format == AZ_DATASET_JSONL) {
        char where[160];
        snprintf(where, sizeof where, "%s, line %llu", r->name, (unsigned long long)line);
        AZ_TRY(az_json_row_read(&r->json, &r->options, data, n, where, error));
        text = (az_text){r->json.buf, r->json.n_text};
        if (r->json.has_label)
            label = (az_text){r->json.buf + r->json.n_text, r->json.n_label};
    }
    if (row(opaque, text, label, line))
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    return AZ_OK;
}

/* ---- Where rows end --------------------------------------------------------------------- */

/* The length of the first row of data[0..n), its newline included; 0: more is needed. Goes on
 * where it stopped. */
static az_status find_end(az_row_reader *r, const uint8_t *data, size_t n, size_t *end,
                          az_error *error) {
    *end = 0;
    if (r->format != AZ_DATASET_CSV) {
        const uint8_t *newline =
            r->scanned < n ? memchr(data + r->scanned, '\n', n - r->scanned) : NULL;
        r->scanned = n;
        if (newline)
            *end = (size_t)(newline - data) + 1;
        return AZ_OK;
    }
    for (size_t i = r->scanned; i < n; i++) {
        uint8_t c = data[i];
        if (c == '"') {
            if (!r->in_quotes && r->cell_began && !r->after_quote)
                return bad_row(r, r->line, error,
                               "a quote inside of a cell that does not begin with one");
            r->after_quote = r->in_quotes;
            r->in_quotes = !r->in_quotes;
            r->cell_began = true;
            continue;
        }
        if (r->in_quotes)
            continue;
        r->after_quote = false;
        r->cell_began = c != ',' && c != '\n';
        if (c == '\n') {
            *end = i + 1;
            r->scanned = n;
            return AZ_OK;
        }
    }
    r->scanned = n;
    return AZ_OK;
}

static uint64_t count_newlines(const uint8_t *data, size_t n) {
    uint64_t count = 0;
    for (const uint8_t *p = data; n && (p = memchr(p, '\n', n - (size_t)(p - data))) != NULL; p++) {
        count++;
        if (p + 1 == data + n)
            break;
    }
    return count;
}

/* One row, from its first byte to its newline, if it has one. */
static az_status use_row(az_row_reader *r, const uint8_t *data, size_t n_all, az_row_fn row,
                         void *opaque, az_error *error) {
    uint64_t line = r->line;
    r->line += count_newlines(data, n_all);
    size_t n = n_all;
    if (n && data[n - 1] == '\n')
        n--;
    if (n && data[n - 1] == '\r')
        n--;
    /* An empty line is no row, but where lines are all there is. */
    if (n == 0 && r->format != AZ_DATASET_LINES)
        return AZ_OK;
    return take_row(r, data, n, line, row, opaque, error);
}

/* Takes whole rows from data[0..n), and with `last` the rest; *used says how much. */
static az_status use(az_row_reader *r, const uint8_t *data, size_t n, bool last, size_t *used,
                     az_row_fn row, void *opaque, az_error *error) {
    *used = 0;
    while (*used < n) {
        size_t end;
        AZ_TRY(find_end(r, data + *used, n - *used, &end, error));
        if (!end && last) {
            if (r->in_quotes)
                return bad_row(r, r->line, error, "quotes that are never closed");
            end = n - *used;
        }
        if (!end)
            return AZ_OK;
        r->scanned = 0;
        AZ_TRY(use_row(r, data + *used, end, row, opaque, error));
        *used += end;
    }
    return AZ_OK;
}

/* The form is decided once the first line is whole, or all has come. */
static bool begin(az_row_reader *r, const uint8_t **data, size_t *n, bool last) {
    const uint8_t *newline = *n ? memchr(*data, '\n', *n) : NULL;
    if (!newline && !last)
        return false;
    if (*n >= 3 && memcmp(*data, "\xEF\xBB\xBF", 3) == 0) /* the mark that Windows puts first */
        *data += 3, *n -= 3;
    if (r->format == AZ_DATASET_AUTO)
        r->format = format_of_name(r->name);
    if (r->format == AZ_DATASET_AUTO)
        r->format = format_of_line(*data, newline ? (size_t)(newline - *data) : *n);
    describe(r);
    return true;
}

static az_status keep_waiting(az_row_reader *r, const uint8_t *data, size_t n, az_error *error) {
    if (r->n_wait + n > r->wait_capacity) {
        size_t capacity = (r->n_wait + n) * 2;
        uint8_t *wait = az_regrow(r->heap, r->wait, r->n_wait, capacity);
        if (!wait)
            return az_alloc_failed(r->heap, capacity, error);
        r->wait = wait;
        r->wait_capacity = capacity;
    }
    if (n)
        memcpy(r->wait + r->n_wait, data, n);
    r->n_wait += n;
    return AZ_OK;
}

static az_status push(az_row_reader *r, const uint8_t *data, size_t n, bool last, az_row_fn row,
                      void *opaque, az_error *error) {
    bool waiting = r->n_wait > 0;
    if (waiting) {
        AZ_TRY(keep_waiting(r, data, n, error));
        data = r->wait;
        n = r->n_wait;
    }
    const uint8_t *from = data;
    if (!r->begun) {
        size_t left = n;
        r->begun = begin(r, &from, &left, last);
        if (!r->begun)
            return waiting ? AZ_OK : keep_waiting(r, data, n, error);
        n = left;
    }
    size_t used;
    AZ_TRY(use(r, from, n, last, &used, row, opaque, error));
    if (waiting) {
        memmove(r->wait, from + used, n - used);
        r->n_wait = n - used;
        return AZ_OK;
    }
    return keep_waiting(r, from + used, n - used, error);
}

az_status az_row_reader_push(az_row_reader *reader, const void *data, size_t n_bytes, int last,
                             az_row_fn row, void *opaque, az_error *error) {
    if (!reader || !row || (!data && n_bytes) || reader->failed)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_row_reader_push: a pointer is NULL, or it has failed before");
    az_status status = push(reader, data, n_bytes, last != 0, row, opaque, error);
    reader->failed = status != AZ_OK || last;
    return status;
}
