/* columns: which cells of a table's rows are the text and which is the label. */
#include "dataset.h"

#include <stdio.h>

/* Names that public data sets use, in lower case. */
static const char *const label_names[] = {"label",     "labels", "class", "category", "intent",
                                          "sentiment", "target", "topic", "polarity"};
static const char *const text_names[] = {
    "text", "title",    "description", "sentence", "review",    "content", "message", "document",
    "body", "question", "headline",    "abstract", "utterance", "comment", "tweet"};

static bool is_same_name(az_text name, const char *other, size_t n_other) {
    const char *p = name.data;
    if (name.n_bytes != n_other)
        return false;
    for (size_t i = 0; i < n_other; i++)
        if ((p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]) != other[i])
            return false;
    return true;
}

bool az_is_label_name(az_text name) {
    for (size_t i = 0; i < sizeof label_names / sizeof *label_names; i++)
        if (is_same_name(name, label_names[i], strlen(label_names[i])))
            return true;
    return false;
}

bool az_is_text_name(az_text name) {
    for (size_t i = 0; i < sizeof text_names / sizeof *text_names; i++)
        if (is_same_name(name, text_names[i], strlen(text_names[i])))
            return true;
    return false;
}

/* The n-th entry of "a,b,c"; false behind the last. */
static bool nth_entry(const char *list, size_t n, az_text *entry) {
    for (;; n--) {
        size_t n_bytes = strcspn(list, ",");
        if (n == 0) {
            *entry = (az_text){list, n_bytes};
            return true;
        }
        if (!list[n_bytes])
            return false;
        list += n_bytes + 1;
    }
}

bool az_is_listed(const char *list, az_text name, size_t *place) {
    az_text entry;
    for (size_t i = 0; nth_entry(list, i, &entry); i++)
        if (entry.n_bytes == name.n_bytes && memcmp(entry.data, name.data, name.n_bytes) == 0) {
            *place = i;
            return true;
        }
    return false;
}

/* A number from 1 to AZ_COLUMNS_MAX, or 0. */
static size_t as_number(az_text entry) {
    const char *p = entry.data;
    size_t value = 0;
    for (size_t i = 0; i < entry.n_bytes; i++) {
        if (p[i] < '0' || p[i] > '9' || value > AZ_COLUMNS_MAX)
            return 0;
        value = value * 10 + (size_t)(p[i] - '0');
    }
    return value <= AZ_COLUMNS_MAX ? value : 0;
}

static bool asks_for_names(const char *list) {
    az_text entry;
    for (size_t i = 0; list && nth_entry(list, i, &entry); i++)
        if (!as_number(entry))
            return true;
    return false;
}

static bool looks_like_header(const az_dataset_options *options, const az_text *cells, size_t n) {
    if (options->header)
        return options->header > 0;
    if (asks_for_names(options->text_columns) || asks_for_names(options->label_column))
        return true;
    bool label = options->unlabelled, text = false;
    for (size_t i = 0; i < n; i++) {
        label = label || az_is_label_name(cells[i]);
        text = text || az_is_text_name(cells[i]);
    }
    return label && text;
}

static az_status find_column(const az_columns *columns, const az_text *cells, az_text entry,
                             const char *where, size_t *at, az_error *error) {
    if (columns->has_header)
        for (size_t i = 0; i < columns->n_cells; i++)
            if (cells[i].n_bytes == entry.n_bytes &&
                memcmp(cells[i].data, entry.data, entry.n_bytes) == 0) {
                *at = i;
                return AZ_OK;
            }
    size_t number = as_number(entry);
    if (number >= 1 && number <= columns->n_cells) {
        *at = number - 1;
        return AZ_OK;
    }
    return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                        "%s: there is no column %.*s; %s %zu", where, (int)entry.n_bytes,
                        (const char *)entry.data,
                        columns->has_header ? "name one of the header's, or a number up to"
                                            : "without a header, give a number up to",
                        columns->n_cells);
}

static az_status choose_label(az_columns *columns, const az_dataset_options *options,
                              const az_text *cells, const char *where, az_error *error) {
    columns->label = -1;
    if (options->unlabelled)
        return AZ_OK;
    if (options->label_column) {
        size_t at = 0;
        AZ_TRY(find_column(columns, cells,
                           (az_text){options->label_column, strlen(options->label_column)}, where,
                           &at, error));
        columns->label = (int)at;
        return AZ_OK;
    }
    for (size_t i = 0; columns->has_header && columns->label < 0 && i < columns->n_cells; i++)
        if (az_is_label_name(cells[i]))
            columns->label = (int)i;
    if (columns->label < 0)
        columns->label = 0;
    if (columns->n_cells < 2)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "%s: one column only; a label and a text are expected (is it another "
                            "format, or without labels?)",
                            where);
    return AZ_OK;
}

static az_status choose_text(az_columns *columns, const az_dataset_options *options,
                             const az_text *cells, const char *where, az_error *error) {
    if (options->text_columns) {
        az_text entry;
        for (size_t i = 0; nth_entry(options->text_columns, i, &entry); i++) {
            size_t at = 0;
            AZ_TRY(find_column(columns, cells, entry, where, &at, error));
            if (columns->n_text == columns->n_cells)
                return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                                    "%s: more text columns asked for than there are", where);
            columns->text[columns->n_text++] = (uint16_t)at;
        }
        return AZ_OK;
    }
    for (int known = columns->has_header ? 1 : 0; known >= 0 && columns->n_text == 0; known--)
        for (size_t i = 0; i < columns->n_cells; i++)
            if ((int)i != columns->label && (!known || az_is_text_name(cells[i])))
                columns->text[columns->n_text++] = (uint16_t)i;
    return AZ_OK;
}

az_status az_columns_choose(az_columns *columns, const az_dataset_options *options,
                            const az_text *cells, size_t n_cells, const char *where, az_heap *heap,
                            az_error *error) {
    *columns = (az_columns){.n_cells = n_cells, .label = -1};
    columns->text = az_alloc(heap, n_cells * sizeof *columns->text);
    if (!columns->text)
        return az_alloc_failed(heap, n_cells * sizeof *columns->text, error);
    columns->has_header = looks_like_header(options, cells, n_cells);
    AZ_TRY(choose_label(columns, options, cells, where, error));
    return choose_text(columns, options, cells, where, error);
}
