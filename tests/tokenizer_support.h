/*
 * tokenizer_support: what the tests of the tokenizer share.
 */
#ifndef TESTS_TOKENIZER_SUPPORT_H
#define TESTS_TOKENIZER_SUPPORT_H

#include "../fuzz/vocab_maker.h"

#include "support.h"

#include "tokenizer/tokenizer.h"

/* ---- Opening and checking ------------------------------------------------------- */

typedef struct opened {
    az_heap *heap;
    az_tokenizer *tokenizer;
    az_error error;
} opened;

static inline az_status open_vocab(opened *o, const vocab *v, const az_allocator *allocator) {
    vocab_file f = vocab_write(v);
    az_heap *heap = NULL;
    az_gguf *gguf = NULL;
    *o = (opened){.error = {.text = ""}};
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    assert_int_equal(az_heap_open(&o->heap, allocator, NULL), AZ_OK);
    assert_int_equal(az_gguf_open_memory(&gguf, f.bytes, f.n, heap, NULL), AZ_OK);
    az_status status = az_tokenizer_open(&o->tokenizer, gguf, o->heap, &o->error);
    az_gguf_close(&gguf);
    az_heap_close(&heap);
    free(f.bytes);
    return status;
}

static inline void close_opened(opened *o) {
    az_tokenizer_close(&o->tokenizer);
    assert_null(o->tokenizer);
    az_tokenizer_close(&o->tokenizer);
    assert_int_equal(az_heap_used(o->heap), 0);
    az_heap_close(&o->heap);
}

static inline void open_good(opened *o, const vocab *v) {
    if (open_vocab(o, v, NULL) != AZ_OK)
        fail_msg("not opened: %s", o->error.text);
}

static inline bool open_file(opened *o, const char *path) {
    az_gguf *gguf = NULL;
    *o = (opened){.error = {.text = ""}};
    assert_int_equal(az_heap_open(&o->heap, NULL, NULL), AZ_OK);
    if (az_gguf_open(&gguf, path, o->heap, &o->error) != AZ_OK)
        fail_msg("%s: %s", path, o->error.text);
    az_status status = az_tokenizer_open(&o->tokenizer, gguf, o->heap, &o->error);
    az_gguf_close(&gguf);
    return status == AZ_OK;
}

typedef struct id_list {
    uint32_t *ids;
    size_t n;
} id_list;

static inline id_list cut_text(const az_tokenizer *t, const void *text, size_t n_bytes) {
    id_list list = {malloc(n_bytes * sizeof(uint32_t) + 1), 0};
    assert_non_null(list.ids);
    assert_int_equal(az_tokenize(t, text, n_bytes, list.ids, &list.n, NULL), AZ_OK);
    assert_true(list.n <= n_bytes);
    return list;
}

static inline void check_ids(id_list got, const uint32_t *want, size_t n) {
    assert_int_equal(got.n, n);
    if (n > 0)
        assert_memory_equal(got.ids, want, n * sizeof *want);
    free(got.ids);
}

static inline void check_lossless(const az_tokenizer *t, const uint8_t *text, size_t n_bytes) {
    id_list list = cut_text(t, text, n_bytes);
    size_t pos = 0;
    for (size_t i = 0; i < list.n; i++) {
        uint8_t byte = (uint8_t)(list.ids[i] - AZ_TOKEN_ESCAPE);
        const uint8_t *got = &byte;
        size_t len = 1;
        if (list.ids[i] < AZ_TOKEN_ESCAPE)
            got = az_tokenizer_bytes(t, list.ids[i], &len);
        assert_true(len > 0 && len <= n_bytes - pos);
        assert_memory_equal(got, text + pos, len);
        pos += len;
    }
    assert_int_equal(pos, n_bytes);
    free(list.ids);
}

/* Both parts of text cut at or after `at` give the ids of the whole. */
static inline size_t check_cut(const az_tokenizer *t, const uint8_t *text, size_t n_bytes,
                               size_t at) {
    size_t cut = az_tokenizer_cut(t, text, n_bytes, at);
    assert_true(cut >= at && cut <= n_bytes);
    id_list all = cut_text(t, text, n_bytes), left = cut_text(t, text, cut),
            right = cut_text(t, text + cut, n_bytes - cut);
    assert_int_equal(left.n + right.n, all.n);
    check_ids(left, all.ids, left.n);
    check_ids(right, all.ids + all.n - right.n, right.n);
    free(all.ids);
    return cut;
}

/* Text that has a bit of everything: letters of several alphabets, spaces of several kinds,
 * digits, contractions, marks, and bytes that are no UTF-8. */
static inline size_t odd_text(uint8_t *out, size_t n_bytes, uint64_t *state) {
    static const char *const bits[] = {"the",       " a",
                                       "  ",        " ",
                                       "\n",        "\r\n",
                                       "\t",        "'s",
                                       "'LL",       "'",
                                       "12",        "3",
                                       "!",         "...",
                                       "==",        "$`|",
                                       "é",         "жук",
                                       "東京",      "한국",
                                       "²",         "\xC2\xA0",
                                       "🙂",      "\xE2\x96\x81",
                                       "\xFF",      "\x80",
                                       "\xE2\x96",  "\xED\xA0\x80",
                                       "\xC0\xAF",  "\xF4\x90\x80\x80",
                                       "e\xCC\x81", "x"};
    size_t n = 0;
    for (;;) {
        const char *bit = bits[rnd_below(state, COUNT(bits))];
        if (strlen(bit) > n_bytes - n)
            return n;
        memcpy(out + n, bit, strlen(bit));
        n += strlen(bit);
    }
}

#endif
