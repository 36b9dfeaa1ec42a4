/*
 * gguf: a read-only view of a model file: metadata by name, tensors by name, and each
 * tensor type's rows as binary32. Nothing in a file is trusted: every count, length,
 * offset, type and shape is checked when it is opened, so that what this header hands out
 * lies within the file.
 *
 * Format: docs of GGUF versions 2 and 3, little endian. A model may lie in several files,
 * NAME-00001-of-0000N.gguf; opening the first opens all.
 */
#ifndef AZ_GGUF_H
#define AZ_GGUF_H

#include "../base/base.h"

typedef struct az_gguf az_gguf;

/* ---- Metadata ------------------------------------------------------------------- */

/* As numbered in the file. Of AZ_GGUF_BOOL each byte is 0 or 1. */
typedef enum az_gguf_value_type {
    AZ_GGUF_U8 = 0,
    AZ_GGUF_I8,
    AZ_GGUF_U16,
    AZ_GGUF_I16,
    AZ_GGUF_U32,
    AZ_GGUF_I32,
    AZ_GGUF_F32,
    AZ_GGUF_BOOL,
    AZ_GGUF_STRING,
    AZ_GGUF_ARRAY,
    AZ_GGUF_U64,
    AZ_GGUF_I64,
    AZ_GGUF_F64
} az_gguf_value_type;

/* Text in the file: any bytes, no NUL after it. Lives as long as the view. */
typedef struct az_gguf_text {
    const char *bytes;
    size_t n_bytes;
} az_gguf_text;

/* `data` is where the value lies in the file. Numbers are little endian and not aligned: read
 * them with the functions below. A string is its length, 8 bytes, and its bytes. */
typedef struct az_gguf_value {
    az_gguf_text key;    /* 1..65535 bytes of printable ASCII; must be the first member */
    uint32_t type;       /* az_gguf_value_type */
    uint32_t item_type;  /* of an array: type of its items, never an array; else as type */
    uint64_t n_items;    /* of an array; 1 otherwise */
    const uint8_t *data; /* without an array's own type and count */
    size_t n_bytes;
} az_gguf_value;

/* ---- Tensors -------------------------------------------------------------------- */

typedef struct az_gguf_tensor {
    az_gguf_text name;   /* 1..64 bytes of printable ASCII; must be the first member */
    uint32_t n_dims;     /* 1..4 */
    uint64_t dims[4];    /* at least 1; dims[0]: columns, contiguous; unused ones are 1 */
    uint32_t type;       /* ggml's number; known, but maybe not supported */
    const uint8_t *data; /* [n_rows][row_nbytes] */
    uint64_t row_nbytes;
    uint64_t n_rows; /* dims[1] * dims[2] * dims[3]; all values as float fit a size_t */
} az_gguf_tensor;

/* A type of tensor: blocks of n_items values in n_bytes bytes. NULL name: unknown. */
typedef struct az_gguf_type {
    const char *name; /* "Q4_1" */
    uint32_t n_items;
    uint32_t n_bytes;
    /* n values (a multiple of n_items) of src as binary32, exactly as the format defines
     * them, in the order of operations that the definition says; same bits everywhere,
     * except those of a NaN. A file may hold NaN and infinity. src needs no alignment.
     * NULL: the type is known, but not supported. */
    void (*dequantise)(const uint8_t *src, size_t n, float *dst);
} az_gguf_type;

/* Never NULL: for a type that nobody knows its name is NULL. */
const az_gguf_type *az_gguf_type_of(uint32_t type);

/* ---- The view ------------------------------------------------------------------- */

/* Maps the file (and those that belong to it). Errors: AZ_ERROR_READ if it can't be mapped,
 * AZ_ERROR_MODEL if it is no model or damaged, with the file, what is wrong and at which
 * byte; AZ_ERROR_MEMORY and AZ_ERROR_MEMORY_LIMIT. Takes memory in proportion to the head. Tensors of a type that is known but not supported are
 * listed, with dequantise NULL: the caller says so when it needs them. */
az_status az_gguf_open(az_gguf **out, const char *path, az_heap *heap, az_error *error);

/* The same of a file in memory, which must live as long as the view; not split. data may be
 * NULL if n_bytes is 0. */
az_status az_gguf_open_memory(az_gguf **out, const void *data, size_t n_bytes, az_heap *heap,
                              az_error *error);
void az_gguf_close(az_gguf **gguf);

uint32_t az_gguf_version(const az_gguf *gguf);
uint64_t az_gguf_nbytes(const az_gguf *gguf); /* of all files */

/* SHA-256 of the file (of split files: of the concatenation in order). Reads all of it. */
void az_gguf_sha256(const az_gguf *gguf, uint8_t sum[32]);

size_t az_gguf_n_values(const az_gguf *gguf);
const az_gguf_value *az_gguf_value_at(const az_gguf *gguf, size_t i);
size_t az_gguf_n_tensors(const az_gguf *gguf);
const az_gguf_tensor *az_gguf_tensor_at(const az_gguf *gguf, size_t i);

/* By name; NULL if there is none. */
const az_gguf_value *az_gguf_find(const az_gguf *gguf, const char *key);
const az_gguf_tensor *az_gguf_find_tensor(const az_gguf *gguf, const char *name);

/* Numbers, whatever their type in the file; *out stays as it is where there is no such key.
 * AZ_ERROR_MODEL if it is there and not a number (or truth value, or text), or out of the
 * range of *out: a u32 is whole, an f32 finite. An integer may be rounded to an f32. */
az_status az_gguf_get_u32(const az_gguf *gguf, const char *key, uint32_t *out, az_error *error);
az_status az_gguf_get_f32(const az_gguf *gguf, const char *key, float *out, az_error *error);
az_status az_gguf_get_bool(const az_gguf *gguf, const char *key, bool *out, az_error *error);
az_status az_gguf_get_text(const az_gguf *gguf, const char *key, az_gguf_text *out,
                           az_error *error);

/* Item i of an array of numbers or truth values, i < n_items; of a single number that number,
 * whatever i. As an integer: reals towards 0, and what is too large is the largest there is.
 * 0 if there are no numbers. */
int64_t az_gguf_item_int(const az_gguf_value *value, uint64_t i);
float az_gguf_item_f32(const az_gguf_value *value, uint64_t i);

/* The texts of an array of strings, or of a string, in order: begin with *at = 0; gives the
 * next text and moves *at on. To be called n_items times at most. */
az_gguf_text az_gguf_next_text(const az_gguf_value *value, size_t *at);

/* The pages of a tensor won't be needed soon: memory may go back to the system. The tensor may
 * still be read; it comes from the file again. Nothing happens to a file in memory. */
void az_gguf_release(const az_gguf *gguf, const az_gguf_tensor *tensor);

#endif
