/*
 * arch_llama: Llama (Touvron et al., 2023), and with it SmolLM, Mistral and TinyLlama. Norm
 * first (RMSNorm), rotary positions, heads of queries that share keys, SwiGLU.
 */
#include "weights.h"

const az_arch az_arch_llama = {
    .name = "llama",
    .pairs = AZ_LM_PAIRS_NEIGHBOURS,
    .qkv = {"attn_q", "attn_k", "attn_v"},
    .ffn_up = {"ffn_gate", "ffn_up"},
    .activation = AZ_SILU_GATE,
};
