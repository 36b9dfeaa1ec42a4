/*
 * model_api: aizip.h's az_model, what a model file says of itself. The reader in
 * gguf/ has checked the file; here its names, which have a length, become C
 * strings, and its numbers text.
 */
#include "model_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct az_model {
    az_heap *heap;
    az_gguf *gguf;
    char *names;         /* all strings below lie here, each with a NUL after it */
    const char **keys;   /* [n_values] */
    const char **tensor; /* [n_tensors] names */
    const char *architecture;
    const char *type;
    uint64_t n_parameters;
};

/* ---- Opening ----------------------------------------------------------------------- */

/* A NUL inside a name ends it: nobody can see it in a C string. */
static const char *copy_text(char **at, az_gguf_text text) {
    char *copy = *at;
    if (text.n_bytes)
        memcpy(copy, text.bytes, text.n_bytes);
    copy[text.n_bytes] = '\0';
    *at += text.n_bytes + 1;
    return copy;
}

static az_gguf_text text_of(const az_gguf *gguf, const char *key) {
    az_gguf_text text = {"", 0};
    if (az_gguf_get_text(gguf, key, &text, NULL) != AZ_OK)
        text.n_bytes = 0;
    return text;
}

static az_status copy_names(az_model *model, az_error *error) {
    const az_gguf *gguf = model->gguf;
    size_t n_values = az_gguf_n_values(gguf), n_tensors = az_gguf_n_tensors(gguf);
    az_gguf_text architecture = text_of(gguf, "general.architecture");
    /* All of it lies in the file, so the sum is no larger than that. */
    size_t n = architecture.n_bytes + 1;
    for (size_t i = 0; i < n_values; i++)
        n += az_gguf_value_at(gguf, i)->key.n_bytes + 1;
    for (size_t i = 0; i < n_tensors; i++)
        n += az_gguf_tensor_at(gguf, i)->name.n_bytes + 1;
    size_t table_nbytes = (n_values + n_tensors) * sizeof *model->keys;
    model->names = az_alloc(model->heap, n);
    model->keys = az_alloc(model->heap, table_nbytes);
    if (!model->names || !model->keys)
        return az_alloc_failed(model->heap, n + table_nbytes, error);
    model->tensor = model->keys + n_values;
    char *at = model->names;
    model->architecture = copy_text(&at, architecture);
    for (size_t i = 0; i < n_values; i++)
        model->keys[i] = copy_text(&at, az_gguf_value_at(gguf, i)->key);
    for (size_t i = 0; i < n_tensors; i++)
        model->tensor[i] = copy_text(&at, az_gguf_tensor_at(gguf, i)->name);
    return AZ_OK;
}

static uint64_t n_items_of(const az_gguf_tensor *tensor) {
    return tensor->dims[0] * tensor->n_rows;
}

/* What general.file_type means: llama.cpp's numbers (llama_ftype). */
static const char *const file_types[] = {
    [0] = "F32",      [1] = "F16",      [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
    [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
    [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
    [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
    [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL", [26] = "IQ3_S",  [27] = "IQ3_M",
    [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",  [32] = "BF16",
};

static const char *find_type(const az_gguf *gguf) {
    uint32_t file_type = UINT32_MAX;
    if (az_gguf_get_u32(gguf, "general.file_type", &file_type, NULL) == AZ_OK &&
        file_type < sizeof file_types / sizeof *file_types && file_types[file_type])
        return file_types[file_type];
    /* The type with most bytes; ggml has fewer than 64 of them. */
    uint64_t n_bytes[64] = {0};
    uint32_t best = 0;
    for (size_t i = 0; i < az_gguf_n_tensors(gguf); i++) {
        const az_gguf_tensor *tensor = az_gguf_tensor_at(gguf, i);
        if (tensor->type >= 64)
            continue;
        n_bytes[tensor->type] += tensor->n_rows * tensor->row_nbytes;
        if (n_bytes[tensor->type] > n_bytes[best])
            best = tensor->type;
    }
    const char *name = az_gguf_type_of(best)->name;
    return n_bytes[best] && name ? name : "";
}

az_status az_model_open(az_model **out, const char *path, const az_allocator *allocator,
                        az_error *error) {
    if (!out || !path)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_model_open: a pointer is NULL");
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_model *model = az_alloc(heap, sizeof *model);
    if (!model) {
        az_status failed = az_alloc_failed(heap, sizeof *model, error);
        az_heap_close(&heap);
        return failed;
    }
    model->heap = heap;
    az_status status = az_gguf_open(&model->gguf, path, heap, error);
    if (status == AZ_OK)
        status = copy_names(model, error);
    if (status != AZ_OK) {
        az_model_close(&model);
        return status;
    }
    model->type = find_type(model->gguf);
    for (size_t i = 0; i < az_gguf_n_tensors(model->gguf); i++)
        model->n_parameters += n_items_of(az_gguf_tensor_at(model->gguf, i));
    *out = model;
    return AZ_OK;
}

void az_model_close(az_model **model) {
    if (!model || !*model)
        return;
    az_heap *heap = (*model)->heap;
    az_gguf_close(&(*model)->gguf);
    az_free(heap, (*model)->names);
    az_free(heap, (void *)(*model)->keys);
    az_free(heap, *model);
    az_heap_close(&heap);
    *model = NULL;
}

/* ---- What it says -------------------------------------------------------------------- */

void az_model_get_info(const az_model *model, az_model_info *info) {
    *info = (az_model_info){.architecture = model->architecture,
                            .type = model->type,
                            .file_nbytes = az_gguf_nbytes(model->gguf),
                            .n_parameters = model->n_parameters,
                            .n_values = az_gguf_n_values(model->gguf),
                            .n_tensors = az_gguf_n_tensors(model->gguf),
                            .gguf_version = az_gguf_version(model->gguf)};
}

void az_model_get_value(const az_model *model, size_t i, az_model_value *value) {
    static const char *const names[] = {
        [AZ_GGUF_U8] = "u8",         [AZ_GGUF_I8] = "i8",     [AZ_GGUF_U16] = "u16",
        [AZ_GGUF_I16] = "i16",       [AZ_GGUF_U32] = "u32",   [AZ_GGUF_I32] = "i32",
        [AZ_GGUF_F32] = "f32",       [AZ_GGUF_BOOL] = "bool", [AZ_GGUF_STRING] = "string",
        [AZ_GGUF_ARRAY] = "unknown", [AZ_GGUF_U64] = "u64",   [AZ_GGUF_I64] = "i64",
        [AZ_GGUF_F64] = "f64",
    };
    const az_gguf_value *v = az_gguf_value_at(model->gguf, i);
    *value = (az_model_value){.key = model->keys[i],
                              .type = v->item_type <= AZ_GGUF_F64 ? names[v->item_type] : "unknown",
                              .n_items = v->n_items,
                              .is_array = v->type == AZ_GGUF_ARRAY};
}

void az_model_get_tensor(const az_model *model, size_t i, az_model_tensor *tensor) {
    const az_gguf_tensor *t = az_gguf_tensor_at(model->gguf, i);
    const char *type = az_gguf_type_of(t->type)->name;
    *tensor = (az_model_tensor){.name = model->tensor[i],
                                .type = type ? type : "unknown",
                                .n_bytes = t->n_rows * t->row_nbytes,
                                .n_dims = (int)t->n_dims};
    memcpy(tensor->dims, t->dims, sizeof tensor->dims);
}

/* The bytes of one number, 0 for what is none. */
static size_t number_nbytes(uint32_t type) {
    switch (type) {
    case AZ_GGUF_U8:
    case AZ_GGUF_I8:
    case AZ_GGUF_BOOL: return 1;
    case AZ_GGUF_U16:
    case AZ_GGUF_I16: return 2;
    case AZ_GGUF_U32:
    case AZ_GGUF_I32:
    case AZ_GGUF_F32: return 4;
    case AZ_GGUF_U64:
    case AZ_GGUF_I64:
    case AZ_GGUF_F64: return 8;
    default: return 0;
    }
}

/* The shortest decimal that reads back as the same number. */
static size_t print_float(char *buf, size_t capacity, double x, bool is_single) {
    int n = 0;
    for (int digits = is_single ? 6 : 15; digits <= (is_single ? 9 : 17); digits++) {
        n = snprintf(buf, capacity, "%.*g", digits, x);
        if (n < 0 || (size_t)n >= capacity)
            break;
        double back = strtod(buf, NULL);
        if (is_single ? (float)back == (float)x : back == x)
            break;
    }
    return n < 0 ? 0 : (size_t)n;
}

/* The number at p, little endian. */
static size_t print_number(char *buf, size_t capacity, uint32_t type, const uint8_t *p) {
    uint8_t raw[8] = {0};
    memcpy(raw, p, number_nbytes(type));
    uint64_t u = az_read_le64(raw);
    uint32_t low = (uint32_t)u;
    float single;
    double dbl;
    int n = 0;
    switch (type) {
    case AZ_GGUF_BOOL: n = snprintf(buf, capacity, "%s", raw[0] ? "true" : "false"); break;
    case AZ_GGUF_I8: n = snprintf(buf, capacity, "%d", (int8_t)raw[0]); break;
    case AZ_GGUF_I16: n = snprintf(buf, capacity, "%d", (int16_t)u); break;
    case AZ_GGUF_I32: n = snprintf(buf, capacity, "%" PRId32, (int32_t)low); break;
    case AZ_GGUF_I64: n = snprintf(buf, capacity, "%" PRId64, (int64_t)u); break;
    case AZ_GGUF_F32:
        memcpy(&single, &low, sizeof single);
        return print_float(buf, capacity, (double)single, true);
    case AZ_GGUF_F64: memcpy(&dbl, &u, sizeof dbl); return print_float(buf, capacity, dbl, false);
    default: n = snprintf(buf, capacity, "%" PRIu64, u); break;
    }
    return n < 0 ? 0 : (size_t)n;
}

size_t az_model_item_text(const az_model *model, size_t i, uint64_t item, char *buf,
                          size_t capacity) {
    const az_gguf_value *value = az_gguf_value_at(model->gguf, i);
    size_t n_bytes = number_nbytes(value->item_type);
    if (capacity)
        *buf = '\0';
    if (item >= value->n_items)
        return 0;
    if (n_bytes)
        return print_number(buf, capacity, value->item_type, value->data + item * n_bytes);
    if (value->item_type != AZ_GGUF_STRING)
        return 0;
    az_gguf_text text = {"", 0};
    size_t at = 0;
    for (uint64_t k = 0; k <= item; k++)
        text = az_gguf_next_text(value, &at);
    if (capacity) {
        size_t n = text.n_bytes < capacity ? text.n_bytes : capacity - 1;
        if (n)
            memcpy(buf, text.bytes, n);
        buf[n] = '\0';
    }
    return text.n_bytes;
}

void az_model_sha256(const az_model *model, uint8_t *sum) {
    az_gguf_sha256(model->gguf, sum);
}

/* ---- Memory -------------------------------------------------------------------------- */

/* "ARCHITECTURE.name", or NULL. */
static const az_gguf_value *find(const az_model *model, const char *name) {
    char key[128];
    int n = snprintf(key, sizeof key, "%s.%s", model->architecture, name);
    return n > 0 && (size_t)n < sizeof key ? az_gguf_find(model->gguf, key) : NULL;
}

/* Number `item` of the value; of a single number that number. Clamped to what
 * any model has, so that no product of a few overflows. */
static uint64_t number(const az_gguf_value *value, uint64_t item) {
    if (!value || (value->type == AZ_GGUF_ARRAY && item >= value->n_items))
        return 0;
    int64_t n = az_gguf_item_int(value, item);
    return n < 0 ? 0 : n > 1 << 20 ? 1 << 20 : (uint64_t)n;
}

/* A key and a value of each layer's key-value heads, int8. */
static uint64_t position_nbytes(const az_model *model) {
    const az_gguf_value *n_heads = find(model, "attention.head_count");
    const az_gguf_value *n_kv_heads = find(model, "attention.head_count_kv");
    const az_gguf_value *key_length = find(model, "attention.key_length");
    const az_gguf_value *value_length = find(model, "attention.value_length");
    uint64_t width = number(find(model, "embedding_length"), 0);
    uint64_t n_layers = number(find(model, "block_count"), 0);
    uint64_t n_bytes = 0;
    if (n_layers > 1 << 14)
        return UINT64_MAX;
    for (uint64_t layer = 0; layer < n_layers; layer++) {
        uint64_t heads = number(n_heads, layer);
        uint64_t head_nbytes = heads ? width / heads : 0;
        uint64_t kv_heads = n_kv_heads ? number(n_kv_heads, layer) : heads;
        n_bytes += kv_heads * ((key_length ? number(key_length, 0) : head_nbytes) +
                               (value_length ? number(value_length, 0) : head_nbytes));
    }
    return n_bytes;
}

uint64_t az_model_memory(const az_model *model, uint32_t window) {
    uint64_t n_bytes = 0, per_position = position_nbytes(model);
    for (size_t i = 0; i < az_gguf_n_tensors(model->gguf); i++) {
        const az_gguf_tensor *tensor = az_gguf_tensor_at(model->gguf, i);
        /* Vectors (norms, biases) stay binary32. */
        uint64_t n = n_items_of(tensor) * (tensor->n_dims > 1 ? 1 : sizeof(float));
        if (n > UINT64_MAX - n_bytes)
            return UINT64_MAX;
        n_bytes += n;
    }
    if (window && per_position > (UINT64_MAX - n_bytes) / window)
        return UINT64_MAX;
    return n_bytes + per_position * window;
}

const az_gguf *az_model_gguf(const az_model *model) {
    return model->gguf;
}
