/*
 * arch_gpt2: GPT-2 (Radford et al., 2019). LayerNorm first, learnt positions, GELU, biases
 * everywhere.
 */
#include "weights.h"

const az_arch az_arch_gpt2 = {
    .name = "gpt2",
    .layer_norm = true,
    .qkv = {"attn_qkv"},
    .ffn_up = {"ffn_up"},
    .learnt_positions = true,
    .activation = AZ_GELU,
};
