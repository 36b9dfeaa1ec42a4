/*
 * lm_maker: small language models with random weights, made in memory, for tests that change
 * one thing in them: a list of metadata and a list of tensors, then the GGUF file of both.
 */
#ifndef TESTS_LM_MAKER_H
#define TESTS_LM_MAKER_H

#include "support.h"

#include "transformer/transformer.h"

enum { LM_TYPE_F32 = 0, LM_TYPE_F16 = 1, LM_TYPE_Q8_0 = 8, LM_TYPE_IQ2_XXS = 16 };
enum { LM_VALUES_MAX = 40, LM_TENSORS_MAX = 120, LM_NAME_MAX = 80 };

typedef struct lm_value {
    char key[LM_NAME_MAX];
    uint32_t type; /* AZ_GGUF_U32, _F32, _STRING; AZ_GGUF_ARRAY: of n flags */
    uint32_t u;
    float f;
    char text[LM_NAME_MAX]; /* an array's flags: '0' or '1' each */
} lm_value;

/* F32 values middle + spread * -1..1; other types: zeros. */
typedef struct lm_tensor {
    char name[LM_NAME_MAX];
    uint64_t n_cols, n_rows;
    float middle, spread;
    float last; /* NaN or anything: the last value, if has_last */
    bool has_last;
    uint32_t type;
} lm_tensor;

typedef struct lm_file {
    const char *arch;
    lm_value values[LM_VALUES_MAX];
    size_t n_values;
    lm_tensor tensors[LM_TENSORS_MAX];
    size_t n_tensors;
    uint8_t *bytes; /* after lm_write() */
    size_t n_bytes, capacity;
} lm_file;

/* ---- Lists ----------------------------------------------------------------------------- */

static inline lm_value *lm_value_of(lm_file *f, const char *name) {
    char key[2 * LM_NAME_MAX];
    snprintf(key, sizeof key, "%s.%s", f->arch, name);
    for (size_t i = 0; i < f->n_values; i++)
        if (strcmp(f->values[i].key, key) == 0)
            return &f->values[i];
    assert_true(f->n_values < LM_VALUES_MAX && strlen(key) < LM_NAME_MAX);
    memcpy(f->values[f->n_values].key, key, strlen(key) + 1);
    return &f->values[f->n_values++];
}

static inline void lm_set_u32(lm_file *f, const char *name, uint32_t u) {
    lm_value *v = lm_value_of(f, name);
    v->type = AZ_GGUF_U32;
    v->u = u;
}

static inline void lm_set_f32(lm_file *f, const char *name, float x) {
    lm_value *v = lm_value_of(f, name);
    v->type = AZ_GGUF_F32;
    v->f = x;
}

static inline void lm_set_text(lm_file *f, const char *name, uint32_t type, const char *text) {
    lm_value *v = lm_value_of(f, name);
    v->type = type;
    assert_true(strlen(text) < LM_NAME_MAX);
    memcpy(v->text, text, strlen(text) + 1);
}

static inline void lm_drop_value(lm_file *f, const char *name) {
    *lm_value_of(f, name) = f->values[f->n_values - 1];
    f->n_values--;
}

/* A new one, or the one of that name. */
static inline lm_tensor *lm_tensor_of(lm_file *f, const char *name) {
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    assert_true(f->n_tensors < LM_TENSORS_MAX);
    lm_tensor *t = &f->tensors[f->n_tensors++];
    assert_true(strlen(name) < LM_NAME_MAX);
    memcpy(t->name, name, strlen(name) + 1);
    return t;
}

static inline void lm_drop_tensor(lm_file *f, const char *name) {
    *lm_tensor_of(f, name) = f->tensors[f->n_tensors - 1];
    f->n_tensors--;
}

/* blk.LAYER.NAME.SUFFIX, or NAME.SUFFIX for layer -1. */
static inline lm_tensor *lm_add(lm_file *f, int layer, const char *name, const char *suffix,
                                uint64_t n_cols, uint64_t n_rows, float middle, float spread) {
    char full[2 * LM_NAME_MAX];
    if (layer < 0)
        snprintf(full, sizeof full, "%s.%s", name, suffix);
    else
        snprintf(full, sizeof full, "blk.%d.%s.%s", layer, name, suffix);
    lm_tensor *t = lm_tensor_of(f, full);
    t->n_cols = n_cols;
    t->n_rows = n_rows;
    t->middle = middle;
    t->spread = spread;
    return t;
}

/* ---- A model ----------------------------------------------------------------------------- */

/* Zeros are the defaults: 2 layers of 64, 4 heads, 2 of keys, 16 dimensions each. */
typedef struct lm_spec {
    const char *arch; /* llama */
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_vocab, n_ctx;
    uint32_t sliding; /* gemma3 */
    bool untied, biases;
} lm_spec;

static inline void lm_defaults(lm_spec *s) {
    s->arch = s->arch ? s->arch : "llama";
    s->n_layers = s->n_layers ? s->n_layers : 2;
    s->n_embd = s->n_embd ? s->n_embd : 64;
    s->n_heads = s->n_heads ? s->n_heads : 4;
    s->n_kv_heads = s->n_kv_heads ? s->n_kv_heads : 2;
    s->head_dim = s->head_dim ? s->head_dim : 16;
    s->n_ff = s->n_ff ? s->n_ff : 96;
    s->n_vocab = s->n_vocab ? s->n_vocab : 100;
    s->n_ctx = s->n_ctx ? s->n_ctx : 256;
}

static inline void lm_add_linear(lm_file *f, const lm_spec *s, int layer, const char *name,
                                 uint64_t n_cols, uint64_t n_rows) {
    lm_add(f, layer, name, "weight", n_cols, n_rows, 0, 0.2F);
    if (s->biases || strcmp(s->arch, "gpt2") == 0)
        lm_add(f, layer, name, "bias", n_rows, 1, 0, 0.3F);
}

static inline void lm_add_norm(lm_file *f, const lm_spec *s, int layer, const char *name,
                               uint64_t n) {
    lm_add(f, layer, name, "weight", n, 1, 1, 0.3F);
    if (strcmp(s->arch, "gpt2") == 0)
        lm_add(f, layer, name, "bias", n, 1, 0, 0.3F);
}

static inline void lm_add_layer(lm_file *f, const lm_spec *s, int l) {
    bool gemma = strcmp(s->arch, "gemma3") == 0, gpt2 = strcmp(s->arch, "gpt2") == 0;
    bool phi = strcmp(s->arch, "phi3") == 0;
    uint64_t n_q = s->n_heads * s->head_dim, n_kv = s->n_kv_heads * s->head_dim;
    lm_add_norm(f, s, l, "attn_norm", s->n_embd);
    lm_add_norm(f, s, l, "ffn_norm", s->n_embd);
    if (gemma || strcmp(s->arch, "qwen3") == 0) {
        lm_add_norm(f, s, l, "attn_q_norm", s->head_dim);
        lm_add_norm(f, s, l, "attn_k_norm", s->head_dim);
    }
    if (gemma) {
        lm_add_norm(f, s, l, "post_attention_norm", s->n_embd);
        lm_add_norm(f, s, l, "post_ffw_norm", s->n_embd);
    }
    if (gpt2 || phi) {
        lm_add_linear(f, s, l, "attn_qkv", s->n_embd, n_q + 2 * n_kv);
    } else {
        lm_add_linear(f, s, l, "attn_q", s->n_embd, n_q);
        lm_add_linear(f, s, l, "attn_k", s->n_embd, n_kv);
        lm_add_linear(f, s, l, "attn_v", s->n_embd, n_kv);
    }
    lm_add_linear(f, s, l, "attn_output", n_q, s->n_embd);
    if (!gpt2 && !phi)
        lm_add_linear(f, s, l, "ffn_gate", s->n_embd, s->n_ff);
    lm_add_linear(f, s, l, "ffn_up", s->n_embd, phi ? 2 * s->n_ff : s->n_ff);
    lm_add_linear(f, s, l, "ffn_down", s->n_ff, s->n_embd);
}

static inline void lm_make(lm_file *f, lm_spec s) {
    lm_defaults(&s);
    *f = (lm_file){.arch = s.arch};
    lm_set_u32(f, "embedding_length", s.n_embd);
    lm_set_u32(f, "block_count", s.n_layers);
    lm_set_u32(f, "feed_forward_length", s.n_ff);
    lm_set_u32(f, "context_length", s.n_ctx);
    lm_set_u32(f, "attention.head_count", s.n_heads);
    lm_set_u32(f, "attention.head_count_kv", s.n_kv_heads);
    lm_set_u32(f, "attention.key_length", s.head_dim);
    lm_set_u32(f, "attention.value_length", s.head_dim);
    if (s.sliding)
        lm_set_u32(f, "attention.sliding_window", s.sliding);
    lm_add(f, -1, "token_embd", "weight", s.n_embd, s.n_vocab, 0, 1);
    lm_add_norm(f, &s, -1, "output_norm", s.n_embd);
    if (s.untied)
        lm_add_linear(f, &s, -1, "output", s.n_embd, s.n_vocab);
    if (strcmp(s.arch, "gpt2") == 0)
        lm_add(f, -1, "position_embd", "weight", s.n_embd, s.n_ctx, 0, 1);
    for (uint32_t l = 0; l < s.n_layers; l++)
        lm_add_layer(f, &s, (int)l);
}

/* ---- The file ------------------------------------------------------------------------------ */

static inline void lm_put(lm_file *f, const void *p, size_t n) {
    if (f->n_bytes + n > f->capacity) {
        f->capacity = 2 * (f->n_bytes + n);
        f->bytes = realloc(f->bytes, f->capacity);
        assert_non_null(f->bytes);
    }
    memcpy(f->bytes + f->n_bytes, p, n);
    f->n_bytes += n;
}

static inline void lm_put_u32(lm_file *f, uint32_t v) {
    uint8_t b[4];
    az_write_le32(b, v);
    lm_put(f, b, sizeof b);
}

static inline void lm_put_u64(lm_file *f, uint64_t v) {
    uint8_t b[8];
    az_write_le64(b, v);
    lm_put(f, b, sizeof b);
}

static inline void lm_put_f32(lm_file *f, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    lm_put_u32(f, bits);
}

static inline void lm_put_text(lm_file *f, const char *text) {
    lm_put_u64(f, strlen(text));
    lm_put(f, text, strlen(text));
}

static inline void lm_put_value(lm_file *f, const lm_value *v) {
    lm_put_text(f, v->key);
    lm_put_u32(f, v->type);
    if (v->type == AZ_GGUF_U32) {
        lm_put_u32(f, v->u);
    } else if (v->type == AZ_GGUF_F32) {
        lm_put_f32(f, v->f);
    } else if (v->type == AZ_GGUF_STRING) {
        lm_put_text(f, v->text);
    } else {
        lm_put_u32(f, AZ_GGUF_BOOL);
        lm_put_u64(f, strlen(v->text));
        for (const char *flag = v->text; *flag; flag++)
            lm_put(f, &(uint8_t){*flag == '1'}, 1);
    }
}

static inline uint64_t lm_tensor_nbytes(const lm_tensor *t) {
    const az_gguf_type *type = az_gguf_type_of(t->type);
    uint64_t n = t->n_cols / type->n_items * type->n_bytes * t->n_rows;
    return (n + 31) / 32 * 32;
}

static inline void lm_put_tensor(lm_file *f, const lm_tensor *t, uint64_t seed) {
    uint64_t state = seed * 2 + 1, end = f->n_bytes + lm_tensor_nbytes(t);
    size_t n = t->type == LM_TYPE_F32 ? (size_t)(t->n_cols * t->n_rows) : 0;
    for (size_t i = 0; i < n; i++) {
        float x = (float)(int)(rnd(&state) >> 40) / 8388608.0F - 1.0F;
        lm_put_f32(f, t->has_last && i == n - 1 ? t->last : t->middle + t->spread * x);
    }
    while (f->n_bytes < end)
        lm_put(f, "", 1);
}

/* Makes f->bytes; lm_free() frees them. */
static inline void lm_write(lm_file *f) {
    static const char arch_key[] = "general.architecture";
    uint64_t offset = 0;
    f->n_bytes = 0;
    lm_put(f, "GGUF", 4);
    lm_put_u32(f, 3);
    lm_put_u64(f, f->n_tensors);
    lm_put_u64(f, f->n_values + 1);
    lm_put_text(f, arch_key);
    lm_put_u32(f, AZ_GGUF_STRING);
    lm_put_text(f, f->arch);
    for (size_t i = 0; i < f->n_values; i++)
        lm_put_value(f, &f->values[i]);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const lm_tensor *t = &f->tensors[i];
        lm_put_text(f, t->name);
        lm_put_u32(f, t->n_rows > 1 ? 2 : 1);
        lm_put_u64(f, t->n_cols);
        if (t->n_rows > 1)
            lm_put_u64(f, t->n_rows);
        lm_put_u32(f, t->type);
        lm_put_u64(f, offset);
        offset += lm_tensor_nbytes(t);
    }
    while (f->n_bytes % 32)
        lm_put(f, "", 1);
    for (size_t i = 0; i < f->n_tensors; i++)
        lm_put_tensor(f, &f->tensors[i], i + 1);
}

static inline void lm_free(lm_file *f) {
    free(f->bytes);
    f->bytes = NULL;
    f->capacity = f->n_bytes = 0;
}

#endif
