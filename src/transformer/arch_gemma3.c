/*
 * arch_gemma3: Gemma 3 (Gemma team, 2025). Norms before and after attention and feed-forward,
 * norms of each head's queries and keys, GELU with a gate. Five layers of six see a sliding
 * window only and have a rope base of their own. Embeddings are multiplied by the root of
 * their size.
 */
#include <math.h> /* sqrtf: exact by IEEE 754 */

#include "weights.h"

/* Which layers slide: a period, whose last layer doesn't, or a flag for each layer. */
static az_status configure_pattern(az_lm_config *c, const az_gguf *gguf, az_error *error) {
    static const char key[] = "gemma3.attention.sliding_window_pattern";
    const az_gguf_value *value = az_gguf_find(gguf, key);
    c->full_every = 6;
    if (!value || value->type != AZ_GGUF_ARRAY) {
        AZ_TRY(az_gguf_get_u32(gguf, key, &c->full_every, error));
        return c->full_every ? AZ_OK : AZ_MODEL_FAULT(error, "%s is 0", key);
    }
    if (value->item_type == AZ_GGUF_STRING || value->n_items < c->n_layers)
        return AZ_MODEL_FAULT(error, "%s: no flag for each of %u layers", key, c->n_layers);
    c->slides = value;
    return AZ_OK;
}

static az_status configure(az_lm_config *c, const az_gguf *gguf, az_error *error) {
    c->embd_scale = sqrtf((float)c->n_embd);
    AZ_TRY(configure_pattern(c, gguf, error));
    AZ_TRY(az_gguf_get_u32(gguf, "gemma3.attention.sliding_window", &c->sliding, error));
    c->rope_base[1] = 10000.0f;
    AZ_TRY(
        az_lm_read_f32(gguf, "gemma3", "rope.freq_base_swa", &c->rope_base[1], 1.0f, 1e12f, error));
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
