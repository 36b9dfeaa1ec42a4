/*
 * gguf_parse: reads the head of one GGUF file (github.com/ggml-org/ggml, docs/gguf.md):
 *
 *     "GGUF" | u32 version | u64 tensors | u64 values
 *     values   x { string key | u32 type | value }
 *     tensors  x { string name | u32 n_dims | u64 dims[n_dims] | u32 type | u64 offset }
 *     zeros up to a multiple of general.alignment (32 if it isn't there)
 *     data: each tensor at its offset from here, itself such a multiple
 *
 * All little endian; a string is a u64 length and bytes, an array a u32 type, a u64 count and
 * values.
 *
 * The file is not trusted. A cursor goes through it once, and asks before each step whether
 * that many bytes are left. A count is believed only if what it counts can be in the rest of
 * the file at its smallest, so that memory for it is in proportion to the file. Keys and names
 * are sorted, by heapsort: no choice of names makes that slow, and equal ones end up side by
 * side.
 */
#include "gguf_parse.h"

#include <stdio.h>

enum {
    KEY_NBYTES_MAX = 65535,                   /* as the format says */
    NAME_NBYTES_MAX = 64,                     /* the same */
    VALUE_NBYTES_MIN = 8 + 1 + 4 + 1,         /* a key of 1 byte, type, a value of 1 byte */
    TENSOR_NBYTES_MIN = 8 + 1 + 4 + 8 + 4 + 8 /* a name of 1 byte, one dimension */
};

/* Sizes above this are refused, so that sums of a few can't overflow. */
#define HUGE_NBYTES (UINT64_MAX / 8)

az_status az_gguf_bad(const az_gguf_part *part, az_error *error, uint64_t offset,
                      const char *format, ...) {
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return az_error_set(error, AZ_ERROR_MODEL, offset, "%s: %s",
                        part->path ? az_path_end(part->path) : "model in memory", text);
}

/* ---- Names in order ------------------------------------------------------------------ */

static int compare(const az_gguf_text *a, const char *bytes, size_t n_bytes) {
    size_t n = a->n_bytes < n_bytes ? a->n_bytes : n_bytes;
    int order = n > 0 ? memcmp(a->bytes, bytes, n) : 0;
    return order ? order : (a->n_bytes > n_bytes) - (a->n_bytes < n_bytes);
}

static bool is_less(const az_gguf_text *a, const az_gguf_text *b) {
    return compare(a, b->bytes, b->n_bytes) < 0;
}

/* texts[at] goes down to where neither of its children, 2 at + 1 and 2 at + 2, is greater. */
static void sift_down(const az_gguf_text **texts, size_t at, size_t n) {
    const az_gguf_text *moved = texts[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_less(texts[child], texts[child + 1]))
            child++;
        if (!is_less(moved, texts[child]))
            break;
        texts[at] = texts[child];
    }
    texts[at] = moved;
}

void az_gguf_sort(const az_gguf_text **texts, size_t n) {
    for (size_t at = n / 2; at-- > 0;)
        sift_down(texts, at, n);
    for (size_t end = n; end-- > 1;) {
        const az_gguf_text *greatest = texts[0];
        texts[0] = texts[end];
        texts[end] = greatest;
        sift_down(texts, 0, end);
    }
}

const az_gguf_text *az_gguf_twice(const az_gguf_text *const *sorted, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const az_gguf_text *a = sorted[i - 1], *b = sorted[i];
        if (!is_less(a, b)) /* heapsort leaves equal ones in any order */
            return (uintptr_t)a->bytes > (uintptr_t)b->bytes ? a : b;
    }
    return NULL;
}

const az_gguf_text *az_gguf_search(const az_gguf_text *const *sorted, size_t n, const char *name) {
    size_t n_bytes = strlen(name);
    for (size_t begin = 0, end = n; begin < end;) {
        size_t middle = begin + (end - begin) / 2;
        int order = compare(sorted[middle], name, n_bytes);
        if (order == 0)
            return sorted[middle];
        if (order < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

/* ---- The cursor ---------------------------------------------------------------------- */

typedef struct cursor {
    const az_gguf_part *part;
    size_t pos; /* <= part->n_bytes */
    az_error *error;
    char what[AZ_GGUF_SHOWN_MAX + 16]; /* what is read, for errors: "key general.name" */
} cursor;

static size_t left(const cursor *c) {
    return c->part->n_bytes - c->pos;
}

/* That n_bytes more are there. */
static az_status need(const cursor *c, uint64_t n_bytes) {
    if (n_bytes <= left(c))
        return AZ_OK;
    return az_gguf_bad(c->part, c->error, c->pos,
                       "%s needs %llu bytes at byte %llu, but the file ends at %llu", c->what,
                       (unsigned long long)n_bytes, (unsigned long long)c->pos,
                       (unsigned long long)c->part->n_bytes);
}

static az_status read_u32(cursor *c, uint32_t *out) {
    AZ_TRY(need(c, 4));
    *out = az_read_le32(c->part->data + c->pos);
    c->pos += 4;
    return AZ_OK;
}

static az_status read_u64(cursor *c, uint64_t *out) {
    AZ_TRY(need(c, 8));
    *out = az_read_le64(c->part->data + c->pos);
    c->pos += 8;
    return AZ_OK;
}

static az_status read_text(cursor *c, az_gguf_text *out) {
    uint64_t n_bytes;
    AZ_TRY(read_u64(c, &n_bytes));
    AZ_TRY(need(c, n_bytes));
    *out = (az_gguf_text){(const char *)c->part->data + c->pos, (size_t)n_bytes};
    c->pos += (size_t)n_bytes;
    return AZ_OK;
}

/* A key or a tensor's name: 1 to n_max bytes of printable ASCII. From then on errors say
 * `kind` and it. */
static az_status read_name(cursor *c, const char *kind, uint64_t number, size_t n_max,
                           az_gguf_text *out) {
    snprintf(c->what, sizeof c->what, "name of %s %llu", kind, (unsigned long long)number);
    size_t begin = c->pos;
    AZ_TRY(read_text(c, out));
    if (out->n_bytes == 0 || out->n_bytes > n_max)
        return az_gguf_bad(c->part, c->error, begin, "%s has %llu bytes, not 1 to %llu", c->what,
                           (unsigned long long)out->n_bytes, (unsigned long long)n_max);
    for (size_t i = 0; i < out->n_bytes; i++)
        if (out->bytes[i] < 0x21 || out->bytes[i] > 0x7E)
            return az_gguf_bad(c->part, c->error, begin + 8 + i,
                               "%s has a byte 0x%02X, which is not printable ASCII", c->what,
                               (unsigned char)out->bytes[i]);
    snprintf(c->what, sizeof c->what, "%s %.*s", kind, AZ_GGUF_SHOWN(*out));
    return AZ_OK;
}

/* ---- Values ---------------------------------------------------------------------------- */

size_t az_gguf_value_nbytes(uint32_t type) {
    static const uint8_t n_bytes[] = {
        [AZ_GGUF_U8] = 1,  [AZ_GGUF_I8] = 1,  [AZ_GGUF_U16] = 2, [AZ_GGUF_I16] = 2,
        [AZ_GGUF_U32] = 4, [AZ_GGUF_I32] = 4, [AZ_GGUF_F32] = 4, [AZ_GGUF_BOOL] = 1,
        [AZ_GGUF_U64] = 8, [AZ_GGUF_I64] = 8, [AZ_GGUF_F64] = 8,
    };
    return type < sizeof n_bytes ? n_bytes[type] : 0;
}

/* value->n_items strings. */
static az_status skip_texts(cursor *c, uint64_t n_items) {
    az_gguf_text text;
    AZ_TRY(need(c, n_items > HUGE_NBYTES ? n_items : 8 * n_items));
    for (uint64_t i = 0; i < n_items; i++)
        AZ_TRY(read_text(c, &text));
    return AZ_OK;
}

static az_status skip_numbers(cursor *c, uint32_t type, uint64_t n_items) {
    size_t size = az_gguf_value_nbytes(type);
    AZ_TRY(need(c, n_items > HUGE_NBYTES ? n_items : size * n_items));
    if (type == AZ_GGUF_BOOL)
        for (size_t i = 0; i < n_items; i++)
            if (c->part->data[c->pos + i] > 1)
                return az_gguf_bad(c->part, c->error, c->pos + i,
                                   "%s has a truth value of %u, not 0 or 1", c->what,
                                   c->part->data[c->pos + i]);
    c->pos += size * (size_t)n_items;
    return AZ_OK;
}

static az_status read_value(cursor *c, uint64_t number, az_gguf_value *value) {
    AZ_TRY(read_name(c, "key", number, KEY_NBYTES_MAX, &value->key));
    size_t begin = c->pos;
    AZ_TRY(read_u32(c, &value->type));
    value->item_type = value->type;
    value->n_items = 1;
    if (value->type == AZ_GGUF_ARRAY) {
        begin = c->pos;
        AZ_TRY(read_u32(c, &value->item_type));
        AZ_TRY(read_u64(c, &value->n_items));
        if (value->item_type == AZ_GGUF_ARRAY)
            return az_gguf_bad(c->part, c->error, begin,
                               "%s is an array of arrays, which is not supported", c->what);
    }
    if (value->item_type != AZ_GGUF_STRING && az_gguf_value_nbytes(value->item_type) == 0)
        return az_gguf_bad(c->part, c->error, begin, "%s has a value of type %u, not 0 to 12",
                           c->what, value->item_type);
    begin = c->pos;
    if (value->item_type == AZ_GGUF_STRING)
        AZ_TRY(skip_texts(c, value->n_items));
    else
        AZ_TRY(skip_numbers(c, value->item_type, value->n_items));
    value->data = c->part->data + begin;
    value->n_bytes = c->pos - begin;
    return AZ_OK;
}

static az_status read_values(cursor *c, az_gguf_part *part, uint64_t n_values, az_heap *heap) {
    part->values = az_alloc(heap, (size_t)n_values * sizeof *part->values);
    if (!part->values)
        return az_alloc_failed(heap, (size_t)n_values * sizeof *part->values, c->error);
    part->sorted_values = az_alloc(heap, (size_t)n_values * sizeof(az_gguf_text *));
    if (!part->sorted_values)
        return az_alloc_failed(heap, (size_t)n_values * sizeof(az_gguf_text *), c->error);
    for (size_t i = 0; i < n_values; i++) {
        AZ_TRY(read_value(c, i, &part->values[i]));
        part->sorted_values[i] = &part->values[i].key;
    }
    part->n_values = (size_t)n_values;
    az_gguf_sort(part->sorted_values, part->n_values);
    const az_gguf_text *twice = az_gguf_twice(part->sorted_values, part->n_values);
    if (twice)
        return az_gguf_bad(part, c->error, (uint64_t)(twice->bytes - (const char *)part->data),
                           "key %.*s is there twice", AZ_GGUF_SHOWN(*twice));
    return AZ_OK;
}

const az_gguf_value *az_gguf_part_find(const az_gguf_part *part, const char *key) {
    /* The key is a value's first member. */
    return (const az_gguf_value *)(const void *)az_gguf_search(part->sorted_values, part->n_values,
                                                               key);
}

/* ---- Tensors --------------------------------------------------------------------------- */

/* *a *= b, unless that is more than max. */
static bool multiply(uint64_t *a, uint64_t b, uint64_t max) {
    if (b > 0 && *a > max / b)
        return false;
    *a *= b;
    return true;
}

/* Shape and type, and what they make: rows and their size. */
static az_status check_shape(const cursor *c, size_t begin, az_gguf_tensor *t) {
    uint64_t n_values = 1;
    for (int i = 0; i < 4; i++) {
        if (t->dims[i] == 0)
            return az_gguf_bad(c->part, c->error, begin, "%s has a dimension of 0", c->what);
        /* A promise: all values as binary32 have a size that a size_t can hold. */
        if (!multiply(&n_values, t->dims[i], SIZE_MAX / sizeof(float)))
            return az_gguf_bad(c->part, c->error, begin,
                               "%s has more values than there are addresses", c->what);
    }
    const az_gguf_type *type = az_gguf_type_of(t->type);
    if (!type->name)
        return az_gguf_bad(c->part, c->error, begin, "%s has type %u, which is not known", c->what,
                           t->type);
    if (t->dims[0] % type->n_items != 0)
        return az_gguf_bad(c->part, c->error, begin,
                           "%s has rows of %llu values, but %s comes in blocks of %u", c->what,
                           (unsigned long long)t->dims[0], type->name, type->n_items);
    t->row_nbytes = t->dims[0] / type->n_items;
    t->n_rows = n_values / t->dims[0];
    uint64_t total = t->n_rows;
    if (!multiply(&t->row_nbytes, type->n_bytes, HUGE_NBYTES) ||
        !multiply(&total, t->row_nbytes, HUGE_NBYTES))
        return az_gguf_bad(c->part, c->error, begin, "%s is larger than any file", c->what);
    return AZ_OK;
}

/* All but `data`, which points at the tensor's offset until the data's begin is known. */
static az_status read_tensor(cursor *c, uint64_t number, az_gguf_tensor *t) {
    AZ_TRY(read_name(c, "tensor", number, NAME_NBYTES_MAX, &t->name));
    size_t begin = c->pos;
    AZ_TRY(read_u32(c, &t->n_dims));
    if (t->n_dims < 1 || t->n_dims > 4)
        return az_gguf_bad(c->part, c->error, begin, "%s has %u dimensions, not 1 to 4", c->what,
                           t->n_dims);
    for (uint32_t i = 0; i < 4; i++) {
        t->dims[i] = 1;
        if (i < t->n_dims)
            AZ_TRY(read_u64(c, &t->dims[i]));
    }
    AZ_TRY(read_u32(c, &t->type));
    AZ_TRY(check_shape(c, begin, t));
    uint64_t offset;
    t->data = c->part->data + c->pos;
    return read_u64(c, &offset);
}

/* Where the tensor is, counted from data_start. */
static az_status locate_tensor(const cursor *c, az_gguf_tensor *t, uint64_t data_start,
                               uint32_t alignment) {
    const az_gguf_part *part = c->part;
    uint64_t offset = az_read_le64(t->data), where = (uint64_t)(t->data - part->data);
    if (offset % alignment != 0)
        return az_gguf_bad(part, c->error, where,
                           "tensor %.*s lies at offset %llu, not a multiple of %u",
                           AZ_GGUF_SHOWN(t->name), (unsigned long long)offset, alignment);
    uint64_t end = data_start + t->n_rows * t->row_nbytes; /* each <= HUGE_NBYTES */
    if (offset > HUGE_NBYTES || end + offset > part->n_bytes)
        return az_gguf_bad(
            part, c->error, where, "tensor %.*s ends at byte %llu, the file at %llu",
            AZ_GGUF_SHOWN(t->name),
            (unsigned long long)(offset > UINT64_MAX - end ? UINT64_MAX : end + offset),
            (unsigned long long)part->n_bytes);
    t->data = part->data + (size_t)(data_start + offset);
    return AZ_OK;
}

static az_status read_alignment(const cursor *c, uint32_t *out) {
    const az_gguf_value *value = az_gguf_part_find(c->part, "general.alignment");
    *out = 32; /* as the format says */
    if (!value)
        return AZ_OK;
    uint64_t where = (uint64_t)(value->data - c->part->data);
    if (value->type != AZ_GGUF_U32)
        return az_gguf_bad(c->part, c->error, where, "general.alignment has type %u, not 4 (u32)",
                           value->type);
    *out = az_read_le32(value->data);
    if (*out == 0 || (*out & (*out - 1)) != 0)
        return az_gguf_bad(c->part, c->error, where,
                           "general.alignment is %u, which is not a power of two", *out);
    return AZ_OK;
}

static az_status read_tensors(cursor *c, az_gguf_part *part, uint64_t n_tensors, az_heap *heap) {
    uint32_t alignment;
    AZ_TRY(read_alignment(c, &alignment));
    part->tensors = az_alloc(heap, (size_t)n_tensors * sizeof *part->tensors);
    if (!part->tensors)
        return az_alloc_failed(heap, (size_t)n_tensors * sizeof *part->tensors, c->error);
    for (size_t i = 0; i < n_tensors; i++)
        AZ_TRY(read_tensor(c, i, &part->tensors[i]));
    uint64_t data_start = ((uint64_t)c->pos + alignment - 1) & ~((uint64_t)alignment - 1);
    for (size_t i = 0; i < n_tensors; i++)
        AZ_TRY(locate_tensor(c, &part->tensors[i], data_start, alignment));
    part->n_tensors = (size_t)n_tensors;
    return AZ_OK;
}

/* ---- The file --------------------------------------------------------------------------- */

static az_status read_version(cursor *c, uint32_t *version) {
    const az_gguf_part *part = c->part;
    if (part->n_bytes < 4 || memcmp(part->data, "GGUF", 4) != 0)
        return az_gguf_bad(part, c->error, 0, "is not a GGUF model file");
    c->pos = 4;
    AZ_TRY(read_u32(c, version));
    if (*version > 0 && (*version & 0xFFFF) == 0)
        return az_gguf_bad(part, c->error, 4, "is a big-endian GGUF file, which is not supported");
    if (*version != 2 && *version != 3)
        return az_gguf_bad(part, c->error, 4, "is of GGUF version %u, only 2 and 3 are supported",
                           *version);
    return AZ_OK;
}

az_status az_gguf_part_parse(az_gguf_part *part, az_heap *heap, az_error *error) {
    cursor c = {.part = part, .error = error, .what = "the head"};
    uint64_t n_tensors, n_values;
    AZ_TRY(read_version(&c, &part->version));
    AZ_TRY(read_u64(&c, &n_tensors));
    AZ_TRY(read_u64(&c, &n_values));
    if (n_values > left(&c) / VALUE_NBYTES_MIN)
        return az_gguf_bad(part, error, 16, "has %llu values by its head, too many for %llu bytes",
                           (unsigned long long)n_values, (unsigned long long)part->n_bytes);
    if (n_tensors > left(&c) / TENSOR_NBYTES_MIN)
        return az_gguf_bad(part, error, 8, "has %llu tensors by its head, too many for %llu bytes",
                           (unsigned long long)n_tensors, (unsigned long long)part->n_bytes);
    AZ_TRY(read_values(&c, part, n_values, heap));
    return read_tensors(&c, part, n_tensors, heap);
}

void az_gguf_part_close(az_gguf_part *part, az_heap *heap) {
    az_free(heap, part->tensors);
    az_free(heap, part->sorted_values);
    az_free(heap, part->values);
    az_free(heap, part->path);
    az_map_close(&part->map);
    *part = (az_gguf_part){0};
}
