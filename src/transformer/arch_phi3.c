/*
 * arch_phi3: Phi-3 (Abdin et al., 2024). Llama's layer; queries, keys and values are one
 * tensor, and so are gate and up. Positions are divided by factors, one set for windows up to
 * the original context length, another for longer ones.
 */
#include "weights.h"

static az_status configure(az_lm_config *c, const az_gguf *gguf, az_error *error) {
    c->short_window = c->n_ctx;
    AZ_TRY(az_gguf_get_u32(gguf, "phi3.rope.scaling.original_context_length", &c->short_window,
                           error));
    return c->short_window ? AZ_OK : AZ_MODEL_FAULT(error, "the original context length is 0");
}

const az_arch az_arch_phi3 = {
    .name = "phi3",
    .pairs = AZ_LM_PAIRS_HALVES,
    .qkv = {"attn_qkv"},
    .ffn_up = {"ffn_up"},
    .configure = configure,
    .activation = AZ_SILU_GATE,
};
