/*
 * gguf_maker: what the tests of gguf share. Model files are made byte by byte, and opened from
 * memory or by name.
 */
#ifndef TESTS_GGUF_MAKER_H
#define TESTS_GGUF_MAKER_H

#include "support.h"

#include "../fuzz/fuzz_gguf.c" /* LLVMFuzzerTestOneInput(): reads all that a view hands out */

/* ---- Making files ---------------------------------------------------------------------- */

typedef struct maker {
    uint8_t bytes[8192];
    size_t n;
} maker;

static inline void put(maker *m, const void *p, size_t n) {
    assert_true(n <= sizeof m->bytes - m->n);
    memcpy(m->bytes + m->n, p, n);
    m->n += n;
}

static inline void put_u8(maker *m, unsigned v) {
    put(m, &(uint8_t){(uint8_t)v}, 1);
}

static inline void put_u32(maker *m, uint32_t v) {
    uint8_t b[4];
    az_write_le32(b, v);
    put(m, b, 4);
}

static inline void put_u64(maker *m, uint64_t v) {
    uint8_t b[8];
    az_write_le64(b, v);
    put(m, b, 8);
}

static inline void put_f32(maker *m, float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    put_u32(m, bits);
}

static inline void put_f64(maker *m, double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    put_u64(m, bits);
}

static inline void put_text(maker *m, const char *text) {
    put_u64(m, strlen(text));
    put(m, text, strlen(text));
}

static inline void put_head(maker *m, uint32_t version, uint64_t n_tensors, uint64_t n_values) {
    m->n = 0;
    put(m, "GGUF", 4);
    put_u32(m, version);
    put_u64(m, n_tensors);
    put_u64(m, n_values);
}

static inline void put_key(maker *m, const char *key, uint32_t type) {
    put_text(m, key);
    put_u32(m, type);
}

static inline void put_array(maker *m, const char *key, uint32_t item_type, uint64_t n) {
    put_key(m, key, AZ_GGUF_ARRAY);
    put_u32(m, item_type);
    put_u64(m, n);
}

/* Dimensions that are 0 are left out. */
static inline void put_tensor(maker *m, const char *name, uint64_t d0, uint64_t d1, uint64_t d2,
                              uint32_t type, uint64_t offset) {
    uint64_t dims[] = {d0, d1, d2};
    uint32_t n_dims = d2 ? 3 : d1 ? 2 : 1;
    put_text(m, name);
    put_u32(m, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(m, dims[i]);
    put_u32(m, type);
    put_u64(m, offset);
}

/* Zeros up to a multiple of `alignment`, then n bytes that count up. */
static inline void put_data(maker *m, size_t alignment, size_t n) {
    while (m->n % alignment)
        put_u8(m, 0);
    for (size_t i = 0; i < n; i++)
        put_u8(m, (unsigned)i % 119);
}

enum { F32 = 0, Q4_1 = 3, Q8_0 = 8, IQ2_XXS = 16 };

/* Values of every type, tensors of four. */
static inline void put_sample(maker *m, uint32_t version) {
    put_head(m, version, 4, 17);
    put_key(m, "general.architecture", AZ_GGUF_STRING);
    put_text(m, "llama");
    put_key(m, "u8", AZ_GGUF_U8);
    put_u8(m, 200);
    put_key(m, "i8", AZ_GGUF_I8);
    put_u8(m, 0xFF);
    put_key(m, "u16", AZ_GGUF_U16);
    put(m, "\x39\x30", 2);
    put_key(m, "i16", AZ_GGUF_I16);
    put(m, "\xC7\xCF", 2);
    put_key(m, "u32", AZ_GGUF_U32);
    put_u32(m, 4000000000);
    put_key(m, "i32", AZ_GGUF_I32);
    put_u32(m, (uint32_t)-7);
    put_key(m, "f32", AZ_GGUF_F32);
    put_f32(m, 0.5F);
    put_key(m, "bool", AZ_GGUF_BOOL);
    put_u8(m, 1);
    put_key(m, "u64", AZ_GGUF_U64);
    put_u64(m, UINT64_MAX);
    put_key(m, "i64", AZ_GGUF_I64);
    put_u64(m, 7);
    put_key(m, "f64", AZ_GGUF_F64);
    put_f64(m, 1e300);
    put_array(m, "texts", AZ_GGUF_STRING, 3);
    put_text(m, "one");
    put_text(m, "");
    put_text(m, "three");
    put_array(m, "i32s", AZ_GGUF_I32, 2);
    put_u32(m, 5);
    put_u32(m, (uint32_t)-5);
    put_array(m, "bools", AZ_GGUF_BOOL, 3);
    put(m, "\0\1\1", 3);
    put_array(m, "none", AZ_GGUF_F32, 0);
    put_key(m, "general.alignment", AZ_GGUF_U32);
    put_u32(m, 64);
    put_tensor(m, "norm.weight", 4, 0, 0, F32, 0);
    put_tensor(m, "blk.0.attn_q.weight", 64, 3, 0, Q4_1, 64);
    put_tensor(m, "blk.0.ffn_up.weight", 32, 2, 2, Q8_0, 192);
    put_tensor(m, "blk.0.odd.weight", 256, 0, 0, IQ2_XXS, 384);
    put_data(m, 64, 384 + 66);
}

/* ---- Opening them ------------------------------------------------------------------------ */

typedef struct opened {
    az_heap *heap;
    az_gguf *gguf;
    uint8_t *copy; /* of exactly the file's size, so that AddressSanitizer sees its ends */
    az_error error;
} opened;

static inline az_status open_bytes(opened *o, const uint8_t *file_bytes, size_t n) {
    *o = (opened){.copy = malloc(n + !n)};
    assert_non_null(o->copy);
    memcpy(o->copy, file_bytes, n);
    assert_int_equal(az_heap_open(&o->heap, NULL, NULL), AZ_OK);
    return az_gguf_open_memory(&o->gguf, o->copy, n, o->heap, &o->error);
}

static inline az_status open_path(opened *o, const char *path) {
    *o = (opened){0};
    assert_int_equal(az_heap_open(&o->heap, NULL, NULL), AZ_OK);
    return az_gguf_open(&o->gguf, path, o->heap, &o->error);
}

static inline void close_opened(opened *o) {
    az_gguf_close(&o->gguf);
    assert_null(o->gguf);
    az_gguf_close(&o->gguf);
    assert_int_equal(az_heap_used(o->heap), 0);
    az_heap_close(&o->heap);
    free(o->copy);
}

static inline void open_good(opened *o, const maker *m) {
    if (open_bytes(o, m->bytes, m->n) != AZ_OK)
        fail_msg("not opened: %s", o->error.text);
}

static inline void check_refused(opened *o, az_status status, az_status want,
                                 const char *sentence) {
    if (status != want || o->error.status != want || !strstr(o->error.text, sentence))
        fail_msg("status %d, \"%s\", not \"...%s...\"", (int)status, o->error.text, sentence);
    assert_null(o->gguf);
    close_opened(o);
}

static inline bool is_same(az_gguf_text text, const char *want) {
    return text.n_bytes == strlen(want) && memcmp(text.bytes, want, text.n_bytes) == 0;
}

#endif
