/*
 * fuzz_gguf: a model file of arbitrary bytes. It is refused with a sentence, or all that the
 * view hands out lies in it: every value and item is read, every tensor found by its name and
 * its first and last row dequantised.
 */
#include "fuzz.h"
#include "gguf/gguf.h"

static const uint8_t *file;
static size_t file_nbytes;

static void must_lie_in_file(const void *data, uint64_t n_bytes) {
    const uint8_t *p = data;
    MUST(p >= file && p <= file + file_nbytes && n_bytes <= (uint64_t)(file + file_nbytes - p));
}

/* A key as a C string; it has no NUL in it. */
static const char *c_string(az_gguf_text text, char *room, size_t capacity) {
    if (text.n_bytes >= capacity)
        return NULL;
    memcpy(room, text.bytes, text.n_bytes);
    room[text.n_bytes] = '\0';
    return room;
}

static void read_items(const az_gguf_value *value) {
    size_t at = 0;
    for (uint64_t i = 0; i < value->n_items; i++) {
        if (value->item_type == AZ_GGUF_STRING) {
            az_gguf_text text = az_gguf_next_text(value, &at);
            must_lie_in_file(text.bytes, text.n_bytes);
        } else {
            (void)az_gguf_item_int(value, i);
            (void)az_gguf_item_f32(value, i);
        }
    }
    MUST(value->item_type != AZ_GGUF_STRING || at == value->n_bytes);
}

static void look_at_value(const az_gguf *gguf, const az_gguf_value *value) {
    char room[256];
    az_error error = {.text = ""};
    must_lie_in_file(value->key.bytes, value->key.n_bytes);
    must_lie_in_file(value->data, value->n_bytes);
    read_items(value);
    const char *key = c_string(value->key, room, sizeof room);
    if (!key)
        return;
    MUST(az_gguf_find(gguf, key) == value);
    uint32_t u32;
    float f32;
    bool truth;
    az_gguf_text text;
    bool is_u32 = az_gguf_get_u32(gguf, key, &u32, &error) == AZ_OK;
    bool is_f32 = az_gguf_get_f32(gguf, key, &f32, &error) == AZ_OK;
    bool is_bool = az_gguf_get_bool(gguf, key, &truth, &error) == AZ_OK;
    bool is_text = az_gguf_get_text(gguf, key, &text, &error) == AZ_OK;
    MUST(is_f32 || !is_u32);
    MUST(is_f32 + is_bool + is_text <= 1);
}

static void look_at_tensor(const az_gguf *gguf, const az_gguf_tensor *tensor) {
    char room[256];
    must_lie_in_file(tensor->name.bytes, tensor->name.n_bytes);
    must_lie_in_file(tensor->data, tensor->row_nbytes * tensor->n_rows);
    MUST(az_gguf_find_tensor(gguf, c_string(tensor->name, room, sizeof room)) == tensor);
    const az_gguf_type *type = az_gguf_type_of(tensor->type);
    MUST(type->name && tensor->dims[0] % type->n_items == 0);
    MUST(tensor->n_rows == tensor->dims[1] * tensor->dims[2] * tensor->dims[3]);
    if (type->dequantise) {
        size_t n = (size_t)tensor->dims[0];
        float *row = malloc(n * sizeof *row);
        MUST(row);
        type->dequantise(tensor->data, n, row);
        type->dequantise(tensor->data + (tensor->n_rows - 1) * tensor->row_nbytes, n, row);
        free(row);
    }
    az_gguf_release(gguf, tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    az_heap *heap = NULL;
    az_gguf *gguf = NULL;
    az_error error = {.text = ""};
    file = data;
    file_nbytes = n_bytes;
    MUST(az_heap_open(&heap, NULL, NULL) == AZ_OK);
    az_status status = az_gguf_open_memory(&gguf, data, n_bytes, heap, &error);
    if (status == AZ_OK) {
        for (size_t i = 0; i < az_gguf_n_values(gguf); i++)
            look_at_value(gguf, az_gguf_value_at(gguf, i));
        for (size_t i = 0; i < az_gguf_n_tensors(gguf); i++)
            look_at_tensor(gguf, az_gguf_tensor_at(gguf, i));
    } else {
        MUST(status == AZ_ERROR_MODEL && error.status == status && error.text[0] != '\0');
        MUST(error.offset == AZ_ERROR_NO_OFFSET || error.offset <= n_bytes);
    }
    MUST(az_heap_peak(heap) <= 8 * (uint64_t)n_bytes + 4096); /* in proportion */
    az_gguf_close(&gguf);
    MUST(az_heap_used(heap) == 0);
    az_heap_close(&heap);
    return 0;
}
