/*
 * arch_phi3: Phi-3 (Abdin et al., 2024). Llama's layer; queries, keys and values are one
 * tensor, and so are gate and up.
 */
#include "weights.h"

const az_arch az_arch_phi3 = {
    .name = "phi3",
    .pairs = AZ_LM_PAIRS_HALVES,
    .qkv = {"attn_qkv"},
    .ffn_up = {"ffn_up"},
    .activation = AZ_SILU_GATE,
};
