/* jsonl: one object of JSON a line, read by jansson (strict UTF-8, NUL in strings, a limit of
 * depth). */
#include "dataset.h"

#include <stdio.h>

#if defined(AZ_HAVE_JANSSON)

#include <jansson.h>

/* Longer labels that are no strings don't exist. */
enum { NUMBER_MAX = 40 };

/* A string's bytes, or a number's or boolean's spelling in `room`; data NULL: another type. */
static az_text spelling(const json_t *value, char room[NUMBER_MAX]) {
    switch (json_typeof(value)) {
    case JSON_STRING: return (az_text){json_string_value(value), json_string_length(value)};
    case JSON_INTEGER:
        return (az_text){
            room, (size_t)snprintf(room, NUMBER_MAX, "%lld", (long long)json_integer_value(value))};
    case JSON_REAL:
        return (az_text){room, (size_t)snprintf(room, NUMBER_MAX, "%.17g", json_real_value(value))};
    case JSON_TRUE: return (az_text){"true", 4};
    case JSON_FALSE: return (az_text){"false", 5};
    default: return (az_text){0};
    }
}

static az_status put(az_json_row *row, az_text text, az_error *error) {
    size_t used = row->n_text + row->n_label;
    if (used + text.n_bytes + 1 > row->capacity) {
        size_t capacity = (used + text.n_bytes + 1) * 2;
        uint8_t *buf = az_regrow(row->heap, row->buf, used, capacity);
        if (!buf)
            return az_alloc_failed(row->heap, capacity, error);
        row->buf = buf;
        row->capacity = capacity;
    }
    if (text.n_bytes)
        memcpy(row->buf + used, text.data, text.n_bytes);
    return AZ_OK;
}

static az_status bad(const char *where, const char *why, az_error *error) {
    return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET, "%s: %s", where, why);
}

/* Appends a member to the text, behind a space if something is there. */
static az_status add_text(az_json_row *row, const json_t *value, bool *first, const char *where,
                          az_error *error) {
    char room[NUMBER_MAX];
    az_text text = spelling(value, room);
    if (!text.data)
        return bad(where, "the text is no string", error);
    if (!*first) {
        AZ_TRY(put(row, (az_text){" ", 1}, error));
        row->n_text++;
    }
    AZ_TRY(put(row, text, error));
    row->n_text += text.n_bytes;
    *first = false;
    return AZ_OK;
}

static az_text key_text(const char *key) {
    return (az_text){key, strlen(key)};
}

/* The members that were asked for, in the order of asking, or those of known names. */
static az_status find_text(az_json_row *row, const az_dataset_options *options, json_t *object,
                           const char *where, az_error *error) {
    bool first = true;
    const char *key;
    json_t *value;
    if (!options->text_columns) {
        json_object_foreach(object, key, value) {
            if (az_is_text_name(key_text(key)) &&
                !(options->label_column && strcmp(key, options->label_column) == 0))
                AZ_TRY(add_text(row, value, &first, where, error));
        }
        return first ? bad(where, "no member that is known as a text; name the text's", error)
                     : AZ_OK;
    }
    for (const char *at = options->text_columns;; at++) {
        size_t n = strcspn(at, ",");
        char name[256];
        if (n >= sizeof name)
            return bad(where, "the name of a text is too long", error);
        memcpy(name, at, n);
        name[n] = '\0';
        value = json_object_get(object, name);
        if (!value)
            return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                                "%s: there is no member \"%s\"", where, name);
        AZ_TRY(add_text(row, value, &first, where, error));
        at += n;
        if (!*at)
            return AZ_OK;
    }
}

static az_status find_label(az_json_row *row, const az_dataset_options *options, json_t *object,
                            const char *where, az_error *error) {
    json_t *label = NULL, *value;
    const char *key;
    if (options->unlabelled)
        return AZ_OK;
    if (options->label_column) {
        label = json_object_get(object, options->label_column);
    } else {
        json_object_foreach(object, key, value) {
            if (!label && az_is_label_name(key_text(key)))
                label = value;
        }
    }
    if (!label)
        return bad(where, "there is no label; name its member, or say that there are none", error);
    char room[NUMBER_MAX];
    az_text text = spelling(label, room);
    if (!text.data)
        return bad(where, "the label is no string, number or boolean", error);
    AZ_TRY(put(row, text, error));
    row->n_label = text.n_bytes;
    row->has_label = true;
    return AZ_OK;
}

az_status az_json_row_read(az_json_row *row, const az_dataset_options *options, const uint8_t *line,
                           size_t n_bytes, const char *where, az_error *error) {
    row->n_text = row->n_label = 0;
    row->has_label = false;
    json_error_t why;
    json_t *object = json_loadb((const char *)line, n_bytes,
                                JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!object)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "%s, column %d: no valid JSON (%s)", where, why.column, why.text);
    az_status status = json_is_object(object)
                           ? AZ_OK
                           : bad(where, "no object of JSON, which begins with {", error);
    if (status == AZ_OK)
        status = find_text(row, options, object, where, error);
    if (status == AZ_OK)
        status = find_label(row, options, object, where, error);
    json_decref(object);
    return status;
}

#else

az_status az_json_row_read(az_json_row *row, const az_dataset_options *options, const uint8_t *line,
                           size_t n_bytes, const char *where, az_error *error) {
    (void)row, (void)options, (void)line, (void)n_bytes;
    return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                        "%s: this aizip is built without jansson, which reads JSON", where);
}

#endif
