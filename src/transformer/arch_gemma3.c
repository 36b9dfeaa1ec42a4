/*
 * arch_gemma3: Gemma 3 (Gemma team, 2025). Norms before and after attention and feed-forward,
 * norms of each head's queries and keys, GELU with a gate. Five layers of six see a sliding
 * window only and have a rope base of their own. Embeddings are multiplied by the root of
 * their size.
 */
#include <math.h> /* sqrtf: exact by IEEE 754 */

#include "weights.h"

static az_status configure(az_lm_config *c, const az_gguf *gguf, az_error *error) {
    c->embd_scale = sqrtf((float)c->n_embd);
    c->full_every = 6;
    AZ_TRY(az_gguf_get_u32(gguf, "gemma3.attention.sliding_window", &c->sliding, error));
    c->rope_base[1] = 10000.0f;
    AZ_TRY(az_gguf_get_f32(gguf, "gemma3.rope.freq_base_swa", &c->rope_base[1], error));
    c->rope_divisor[1] = 1.0f;
    if (c->n_layers == 62) /* 27B: scores as if heads had n_embd / n_heads dimensions */
        c->attn_scale = 1.0f / sqrtf((float)c->n_embd / (float)c->n_heads);
    return AZ_OK;
}

const az_arch az_arch_gemma3 = {
    .name = "gemma3",
    .pairs = AZ_LM_PAIRS_HALVES,
    .qkv = {"attn_q", "attn_k", "attn_v"},
    .ffn_up = {"ffn_gate", "ffn_up"},
    .attn_post_norm = "post_attention_norm",
    .ffn_post_norm = "post_ffw_norm",
    .head_norms = true,
    .configure = configure,
    .activation = AZ_GELU_GATE,
};
