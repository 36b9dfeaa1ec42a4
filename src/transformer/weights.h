/*
 * weights: what a loaded model holds, for the files of this folder.
 */
#ifndef AZ_WEIGHTS_H
#define AZ_WEIGHTS_H

#include "transformer.h"

/* A linear layer: out = weight * in + bias. Several tensors may be one: their rows follow
 * each other (q, k and v; gate and up). */
typedef struct az_linear {
    az_matrix matrix;
    uint32_t n_in, n_out;
    float *bias; /* [n_out] or NULL */
} az_linear;

/* A norm's weight, and bias where the architecture has one; NULL: there is no such norm. */
typedef struct az_norm {
    float *weight; /* [n] */
    float *bias;   /* [n] or NULL */
} az_norm;

typedef struct az_lm_layer {
    az_norm attn_norm, q_norm, k_norm, attn_post_norm;
    az_linear qkv, attn_out;
    az_norm ffn_norm, ffn_post_norm;
    az_linear ffn_up; /* gate, then up; or up alone */
    az_linear ffn_down;
    bool slides; /* sees config.sliding positions only */
} az_lm_layer;

typedef enum az_lm_pairs {
    AZ_LM_PAIRS_HALVES,    /* rotated together: i and i + n/2 */
    AZ_LM_PAIRS_NEIGHBOURS /* 2i and 2i + 1: brought into halves when loaded */
} az_lm_pairs;

/* Numbers of the model, from its metadata. */
typedef struct az_lm_config {
    uint32_t n_vocab, n_embd, n_layers, n_heads, n_kv_heads, n_ff, n_ctx;
    uint32_t head_dim;   /* of keys, queries and values */
    uint32_t head_slots; /* the same rounded up to 16: what the kernels take */
    uint32_t n_rot;      /* dimensions of a head that are rotated; 0: learnt positions */
    float norm_eps;
    float rope_base[2];          /* of full layers; of sliding ones */
    float rope_divisor[2];       /* linear scaling: angles are divided by this */
    float rope_magnitude;        /* of rotated queries and keys (longrope) */
    uint32_t short_window;       /* longrope: caches of a larger window take the long factors */
    float embd_scale;            /* of embeddings */
    float attn_scale;            /* of scores */
    uint32_t sliding;            /* window of sliding layers; 0: there are none */
    uint32_t full_every;         /* layer i is full if i % full_every == full_every - 1; */
    const az_gguf_value *slides; /* or, if not NULL: if item i of this is 0 */
} az_lm_config;

/* Between the two linear layers of the feed-forward part. */
typedef enum az_activation {
    AZ_SILU_GATE, /* silu(gate) * up */
    AZ_GELU_GATE, /* gelu(gate) * up */
    AZ_GELU       /* gelu(up) */
} az_activation;

/* How an architecture differs from the layer that all share (az_pass_layer). */
typedef struct az_arch {
    const char *name;   /* general.architecture */
    az_lm_pairs pairs;  /* of what is rotated */
    bool layer_norm;    /* LayerNorm with biases, not RMSNorm */
    const char *qkv[3]; /* tensors of a layer, as in blk.3.NAME.weight; fewer: they are one */
    const char *ffn_up[2];
    const char *attn_post_norm, *ffn_post_norm; /* NULL: none */
    bool head_norms;                            /* attn_q_norm, attn_k_norm */
    bool learnt_positions;
    /* What is special in the metadata; config holds the common numbers. NULL: nothing. */
    az_status (*configure)(az_lm_config *config, const az_gguf *gguf, az_error *error);
    az_activation activation;
} az_arch;

extern const az_arch az_arch_llama, az_arch_gpt2, az_arch_qwen2, az_arch_qwen3, az_arch_phi3,
    az_arch_gemma3;

/* Angles: of full layers, of sliding ones, of full ones in caches of long windows. */
typedef enum az_lm_turns { AZ_TURNS_FULL, AZ_TURNS_SLIDING, AZ_TURNS_LONG, AZ_N_TURNS } az_lm_turns;

struct az_lm {
    az_heap *heap;
    const az_gguf *gguf;
    const az_lm_kernels *kernels;
    const az_arch *arch;
    az_lm_config config;
    az_lm_info info;
    const az_gguf_tensor *embd; /* [n_vocab][n_embd] */
    float *positions;           /* [n_ctx][n_embd] learnt, or NULL */
    az_lm_layer *layers;        /* [n_layers] */
    az_norm out_norm;
    az_linear head;              /* [n_vocab][n_embd] */
    uint64_t *turns[AZ_N_TURNS]; /* az_lm_turns: [n_rot / 2] angle of one position, or NULL */
};

/* One sequence. Slot of position p: p for the first AZ_LM_SINKS; the others go round the
 * rest. A head of a layer: keys [slots / 16][head_slots / 2][16][2] and their scales, values
 * [head_slots / 16][slots / 2][16][2] and theirs. */
struct az_lm_cache {
    az_heap *heap;
    uint64_t n; /* tokens seen */
    uint32_t window;
    uint32_t max_run;
    uint32_t n_slots;    /* a multiple of 16 */
    uint32_t head_slots; /* bytes of a key, or a value, of one head */
    size_t n_scales;     /* of all keys, or all values */
    int8_t *keys;        /* [n_layers][n_kv_heads][n_slots * head_slots] */
    int8_t *values;      /* the same */
    float *key_scales;   /* [n_layers][n_kv_heads][n_slots] */
    float *value_scales; /* the same */
};

static inline uint32_t az_round_up(uint32_t n, uint32_t step) {
    return (n + step - 1) / step * step;
}

/* Slots for a window of which max_run rows are written before the first of them looks. A
 * sliding layer of nearly the same window doesn't see the first tokens: it needs all of its
 * positions in the ring beside them. */
static inline uint32_t az_lm_slots(const az_lm_config *config, uint32_t window, uint32_t max_run) {
    return az_round_up(window + max_run + (config->sliding ? AZ_LM_SINKS : 0), AZ_LM_GROUP);
}

/* turns: the angles' fractions of a turn, in integers. */
void az_rope_turns(uint64_t *turns, uint32_t n_rot, float base, float divisor);
/* Divides an angle by a factor (llama-3, longrope). */
uint64_t az_rope_divide(uint64_t turn, float factor);
/* cos and sin [n] of position * turns[n], times magnitude. */
void az_rope_angles(const uint64_t *turns, uint32_t n, uint64_t position, float magnitude,
                    float *cos, float *sin);

/* config.c: the numbers of the metadata, checked. */
az_status az_lm_configure(az_lm_config *config, const az_arch **arch, const az_gguf *gguf,
                          az_error *error);
/* ARCH.NAME of the metadata, from min to max; *out stays where there is none. */
az_status az_lm_read_f32(const az_gguf *gguf, const char *arch, const char *name, float *out,
                         float min, float max, az_error *error);
/* The fault of a model, as AZ_ERROR_MODEL. */
#define AZ_MODEL_FAULT(error, ...) \
    az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET, __VA_ARGS__)

#endif
