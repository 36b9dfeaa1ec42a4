/*
 * vocab_maker: small tokenizers, as model files in memory, for the fuzzer and the tests.
 */
#ifndef AZ_VOCAB_MAKER_H
#define AZ_VOCAB_MAKER_H

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "gguf/gguf.h"

enum { VOCAB_TOKENS_MAX = 700, VOCAB_MERGES_MAX = 400, VOCAB_TEXT_MAX = 200 };

typedef struct vocab_text {
    size_t n;
    uint8_t bytes[VOCAB_TEXT_MAX];
} vocab_text;

/* A tokenizer as it stands in a file. What is NULL or negative is left out. */
typedef struct vocab {
    const char *model; /* "gpt2", "llama" */
    const char *pre;
    size_t n_tokens, n_types, n_scores, n_merges;
    vocab_text tokens[VOCAB_TOKENS_MAX];
    int types[VOCAB_TOKENS_MAX];
    float scores[VOCAB_TOKENS_MAX];
    vocab_text merges[VOCAB_MERGES_MAX];
    bool has_merges, has_scores, has_types;
    int64_t bos, eos;
    int adds_bos, adds_space;
} vocab;

/* The text that byte-level BPE has for a byte (GPT-2's bytes_to_unicode). */
static inline void vocab_add_byte(vocab_text *text, uint8_t byte) {
    uint32_t code = byte;
    if (byte <= 0x20)
        code = 0x100u + byte;
    else if (byte >= 0x7F && byte <= 0xA0)
        code = 0x121u + byte - 0x7F;
    else if (byte == 0xAD)
        code = 0x143;
    if (code >= 0x80) {
        text->bytes[text->n++] = (uint8_t)(0xC0 | code >> 6);
        code = 0x80 | (code & 0x3F);
    }
    text->bytes[text->n++] = (uint8_t)code;
}

static inline vocab_text vocab_bpe_text(const uint8_t *bytes, size_t n) {
    vocab_text text = {0};
    for (size_t i = 0; i < n; i++)
        vocab_add_byte(&text, bytes[i]);
    return text;
}

static inline vocab_text vocab_raw_text(const void *bytes, size_t n) {
    vocab_text text = {.n = n};
    memcpy(text.bytes, bytes, n);
    return text;
}

/* U+2581 for spaces. */
static inline vocab_text vocab_spm_text(const uint8_t *bytes, size_t n) {
    vocab_text text = {0};
    for (size_t i = 0; i < n; i++) {
        memcpy(text.bytes + text.n, bytes[i] == ' ' ? "\xE2\x96\x81" : (const char *)bytes + i,
               bytes[i] == ' ' ? 3 : 1);
        text.n += bytes[i] == ' ' ? 3 : 1;
    }
    return text;
}

/* Returns the id. */
static inline size_t vocab_add(vocab *v, vocab_text text, int type, float score) {
    v->tokens[v->n_tokens] = text;
    v->types[v->n_tokens] = type;
    v->scores[v->n_tokens] = score;
    v->n_types = v->n_scores = v->n_tokens + 1;
    return v->n_tokens++;
}

static inline void vocab_add_merge(vocab *v, vocab_text left, vocab_text right) {
    vocab_text *text = &v->merges[v->n_merges++];
    *text = left;
    text->bytes[text->n++] = ' ';
    memcpy(text->bytes + text->n, right.bytes, right.n);
    text->n += right.n;
}

static inline vocab *vocab_new(bool spm) {
    vocab *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    v->model = spm ? "llama" : "gpt2";
    v->pre = "gpt-2";
    v->bos = v->eos = v->adds_bos = v->adds_space = -1;
    v->has_types = true;
    v->has_scores = spm;
    v->has_merges = !spm;
    return v;
}

/* ---- The file ------------------------------------------------------------------- */

typedef struct vocab_file {
    uint8_t *bytes;
    size_t n, capacity;
    uint64_t n_values;
} vocab_file;

static inline void vocab_put(vocab_file *f, const void *bytes, size_t n) {
    if (f->n + n > f->capacity) {
        f->capacity = 2 * (f->n + n);
        f->bytes = realloc(f->bytes, f->capacity);
        if (!f->bytes)
            abort();
    }
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static inline void vocab_put_u32(vocab_file *f, uint32_t n) {
    uint8_t b[4];
    az_write_le32(b, n);
    vocab_put(f, b, 4);
}

static inline void vocab_put_text(vocab_file *f, const void *bytes, size_t n) {
    uint8_t b[8];
    az_write_le64(b, n);
    vocab_put(f, b, 8);
    vocab_put(f, bytes, n);
}

static inline void vocab_put_key(vocab_file *f, const char *name, uint32_t type) {
    char key[64] = "tokenizer.ggml.";
    strcat(key, name);
    vocab_put_text(f, key, strlen(key));
    vocab_put_u32(f, type);
    f->n_values++;
}

static inline void vocab_put_array(vocab_file *f, const char *name, uint32_t type, uint64_t n) {
    uint8_t b[8];
    vocab_put_key(f, name, AZ_GGUF_ARRAY);
    vocab_put_u32(f, type);
    az_write_le64(b, n);
    vocab_put(f, b, 8);
}

static inline void vocab_put_texts(vocab_file *f, const char *name, const vocab_text *texts,
                                   size_t n) {
    vocab_put_array(f, name, AZ_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        vocab_put_text(f, texts[i].bytes, texts[i].n);
}

/* The caller frees bytes. */
static inline vocab_file vocab_write(const vocab *v) {
    static const uint8_t head[24] = {'G', 'G', 'U', 'F', 3};
    vocab_file f = {0};
    vocab_put(&f, head, sizeof head);
    if (v->model) {
        vocab_put_key(&f, "model", AZ_GGUF_STRING);
        vocab_put_text(&f, v->model, strlen(v->model));
    }
    if (v->pre) {
        vocab_put_key(&f, "pre", AZ_GGUF_STRING);
        vocab_put_text(&f, v->pre, strlen(v->pre));
    }
    vocab_put_texts(&f, "tokens", v->tokens, v->n_tokens);
    if (v->has_types) {
        vocab_put_array(&f, "token_type", AZ_GGUF_I32, v->n_types);
        for (size_t i = 0; i < v->n_types; i++)
            vocab_put_u32(&f, (uint32_t)v->types[i]);
    }
    if (v->has_scores) {
        vocab_put_array(&f, "scores", AZ_GGUF_F32, v->n_scores);
        for (size_t i = 0; i < v->n_scores; i++) {
            uint32_t bits;
            memcpy(&bits, &v->scores[i], 4);
            vocab_put_u32(&f, bits);
        }
    }
    if (v->has_merges)
        vocab_put_texts(&f, "merges", v->merges, v->n_merges);
    if (v->bos >= 0) {
        vocab_put_key(&f, "bos_token_id", AZ_GGUF_U32);
        vocab_put_u32(&f, (uint32_t)v->bos);
    }
    if (v->eos >= 0) {
        vocab_put_key(&f, "eos_token_id", AZ_GGUF_U32);
        vocab_put_u32(&f, (uint32_t)v->eos);
    }
    if (v->adds_bos >= 0) {
        vocab_put_key(&f, "add_bos_token", AZ_GGUF_BOOL);
        vocab_put(&f, v->adds_bos ? "\1" : "\0", 1);
    }
    if (v->adds_space >= 0) {
        vocab_put_key(&f, "add_space_prefix", AZ_GGUF_BOOL);
        vocab_put(&f, v->adds_space ? "\1" : "\0", 1);
    }
    az_write_le64(f.bytes + 16, f.n_values);
    return f;
}

#endif
