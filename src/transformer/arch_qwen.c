/*
 * arch_qwen: Qwen2 (Llama with biases on queries, keys and values) and Qwen3 (without, but
 * with a norm of each head's queries and keys).
 */
#include "weights.h"

const az_arch az_arch_qwen2 = {
    .name = "qwen2",
    .pairs = AZ_LM_PAIRS_HALVES,
    .qkv = {"attn_q", "attn_k", "attn_v"},
    .ffn_up = {"ffn_gate", "ffn_up"},
    .activation = AZ_SILU_GATE,
};

const az_arch az_arch_qwen3 = {
    .name = "qwen3",
    .pairs = AZ_LM_PAIRS_HALVES,
    .qkv = {"attn_q", "attn_k", "attn_v"},
    .ffn_up = {"ffn_gate", "ffn_up"},
    .head_norms = true,
    .activation = AZ_SILU_GATE,
};
