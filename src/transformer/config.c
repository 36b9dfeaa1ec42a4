/*
 * config: a model's numbers, from its metadata. Each is bounded here, so that later sums and
 * products of them can't overflow.
 */
#include <math.h> /* sqrtf: exact by IEEE 754 */
#include <stdio.h>

#include "weights.h"

static const az_arch *const archs[] = {&az_arch_llama, &az_arch_gpt2, &az_arch_qwen2,
                                       &az_arch_qwen3, &az_arch_phi3, &az_arch_gemma3};
enum { N_ARCHS = sizeof archs / sizeof archs[0] };

static bool text_is(az_gguf_text text, const char *s) {
    return text.n_bytes == strlen(s) && memcmp(text.bytes, s, text.n_bytes) == 0;
}

static az_status find_arch(const az_arch **out, const az_gguf *gguf, az_error *error) {
    az_gguf_text name = {NULL, 0};
    AZ_TRY(az_gguf_get_text(gguf, "general.architecture", &name, error));
    if (!name.bytes)
        return AZ_MODEL_FAULT(error, "the model file does not say its architecture");
    for (size_t i = 0; i < N_ARCHS; i++)
        if (text_is(name, archs[i]->name)) {
            *out = archs[i];
            return AZ_OK;
        }
    return AZ_MODEL_FAULT(error,
                          "models of architecture %.*s are not supported: llama, gpt2, qwen2, "
                          "qwen3, phi3 and gemma3 are",
                          name.n_bytes < 40 ? (int)name.n_bytes : 40, name.bytes);
}

/* A number that lies under the architecture's name. */
typedef struct number {
    const char *key;
    uint32_t *to;
    uint32_t max;
    bool needed;
} number;

enum { KEY_MAX = 96 };

static void key_of(char *to, const char *arch, const char *key) {
    snprintf(to, KEY_MAX, "%s.%s", arch, key);
}

static az_status read_numbers(const az_gguf *gguf, const char *arch, const number *numbers,
                              size_t n, az_error *error) {
    for (size_t i = 0; i < n; i++) {
        char key[KEY_MAX];
        key_of(key, arch, numbers[i].key);
        if (!az_gguf_find(gguf, key)) {
            if (numbers[i].needed)
                return AZ_MODEL_FAULT(error, "the model file lacks %s", key);
            continue;
        }
        AZ_TRY(az_gguf_get_u32(gguf, key, numbers[i].to, error));
        if (*numbers[i].to > numbers[i].max || (*numbers[i].to == 0 && numbers[i].needed))
            return AZ_MODEL_FAULT(error, "%s is %u: a number from 1 to %u was expected", key,
                                  *numbers[i].to, numbers[i].max);
    }
    return AZ_OK;
}

az_status az_lm_read_f32(const az_gguf *gguf, const char *arch, const char *name, float *out,
                         float min, float max, az_error *error) {
    char key[KEY_MAX];
    key_of(key, arch, name);
    AZ_TRY(az_gguf_get_f32(gguf, key, out, error));
    if (!(*out >= min && *out <= max))
        return AZ_MODEL_FAULT(error, "%s is %g: a number from %g to %g was expected", key,
                              (double)*out, (double)min, (double)max);
    return AZ_OK;
}

/* Experts, soft caps and the like change the formulas. */
static az_status refuse(const az_gguf *gguf, const char *arch, az_error *error) {
    static const char *const keys[] = {
        "expert_count",        "attn_logit_softcapping",   "final_logit_softcapping",
        "attention.clamp_kqv", "attention.max_alibi_bias", "logit_scale"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char key[KEY_MAX];
        float value = 0;
        key_of(key, arch, keys[i]);
        AZ_TRY(az_gguf_get_f32(gguf, key, &value, error));
        if (value != 0)
            return AZ_MODEL_FAULT(error, "%s = %g is not supported", key, (double)value);
    }
    return AZ_OK;
}

static az_status read_rope(az_lm_config *c, const az_gguf *gguf, const char *arch,
                           az_error *error) {
    char key[KEY_MAX];
    az_gguf_text type = {NULL, 0};
    c->rope_divisor[0] = c->rope_divisor[1] = c->rope_magnitude = 1.0f;
    c->rope_base[0] = 10000.0f;
    AZ_TRY(az_lm_read_f32(gguf, arch, "rope.freq_base", &c->rope_base[0], 1.0f, 1e12f, error));
    key_of(key, arch, "rope.scaling.type");
    AZ_TRY(az_gguf_get_text(gguf, key, &type, error));
    if (type.bytes && !text_is(type, "none") && !text_is(type, "linear") &&
        !text_is(type, "longrope"))
        return AZ_MODEL_FAULT(error, "%s is %.*s: only none, linear and longrope are supported",
                              key, type.n_bytes < 40 ? (int)type.n_bytes : 40, type.bytes);
    AZ_TRY(az_lm_read_f32(gguf, arch, "rope.scaling.attn_factor", &c->rope_magnitude, 1e-3f, 1e3f,
                          error));
    if (type.bytes && text_is(type, "none"))
        return AZ_OK;
    float factor = 0; /* the older name first: 0 or missing is no scaling */
    AZ_TRY(az_lm_read_f32(gguf, arch, "rope.scale_linear", &factor, 0.0f, 1e6f, error));
    AZ_TRY(az_lm_read_f32(gguf, arch, "rope.scaling.factor", &factor, 0.0f, 1e6f, error));
    if (factor != 0 && factor < 1e-3f)
        return AZ_MODEL_FAULT(error, "%s.rope.scaling.factor is %g", arch, (double)factor);
    c->rope_divisor[0] = factor != 0 ? factor : 1.0f;
    return AZ_OK;
}

static az_status check_heads(az_lm_config *c, uint32_t value_dim, az_error *error) {
    if (c->n_heads % c->n_kv_heads != 0)
        return AZ_MODEL_FAULT(error, "%u heads can't share %u heads of keys evenly", c->n_heads,
                              c->n_kv_heads);
    if (value_dim != c->head_dim)
        return AZ_MODEL_FAULT(error,
                              "heads of %u dimensions for keys, %u for values are not supported",
                              c->head_dim, value_dim);
    if ((uint64_t)c->n_heads * c->head_dim > AZ_LM_ROW_MAX)
        return AZ_MODEL_FAULT(error, "%u heads of %u dimensions are not supported", c->n_heads,
                              c->head_dim);
    if (c->n_rot > c->head_dim || c->n_rot % 2 != 0)
        return AZ_MODEL_FAULT(error, "%u dimensions of a head of %u can't be rotated", c->n_rot,
                              c->head_dim);
    if (c->head_dim == 0 || c->n_embd % 16 != 0 || c->n_ff % 16 != 0 || c->head_dim % 4 != 0 ||
        (uint64_t)c->n_heads * c->head_dim % 16 != 0)
        return AZ_MODEL_FAULT(error,
                              "sizes that are no multiples of 16 are not supported: %u (model), "
                              "%u (feed-forward), %u heads of %u",
                              c->n_embd, c->n_ff, c->n_heads, c->head_dim);
    return AZ_OK;
}

az_status az_lm_configure(az_lm_config *c, const az_arch **out_arch, const az_gguf *gguf,
                          az_error *error) {
    *c = (az_lm_config){.embd_scale = 1.0f};
    AZ_TRY(find_arch(out_arch, gguf, error));
    const az_arch *arch = *out_arch;
    AZ_TRY(refuse(gguf, arch->name, error));
    uint32_t value_dim = 0;
    const number numbers[] = {
        {"embedding_length", &c->n_embd, 1 << 16, true},
        {"block_count", &c->n_layers, 1 << 10, true},
        {"feed_forward_length", &c->n_ff, AZ_LM_ROW_MAX, true},
        {"context_length", &c->n_ctx, 1 << 30, true},
        {"attention.head_count", &c->n_heads, 1 << 10, true},
        {"attention.head_count_kv", &c->n_kv_heads, 1 << 10, false},
        {"attention.key_length", &c->head_dim, 1 << 10, false},
        {"attention.value_length", &value_dim, 1 << 10, false},
        {"rope.dimension_count", &c->n_rot, 1 << 10, false},
    };
    AZ_TRY(read_numbers(gguf, arch->name, numbers, sizeof numbers / sizeof numbers[0], error));
    if (c->n_kv_heads == 0)
        c->n_kv_heads = c->n_heads;
    if (c->head_dim == 0)
        c->head_dim = c->n_embd / c->n_heads;
    if (value_dim == 0)
        value_dim = c->head_dim;
    if (c->n_rot == 0)
        c->n_rot = c->head_dim;
    if (arch->learnt_positions)
        c->n_rot = 0;
    c->head_slots = az_round_up(c->head_dim, 16);
    AZ_TRY(check_heads(c, value_dim, error));
    c->norm_eps = 1e-5f;
    AZ_TRY(az_lm_read_f32(gguf, arch->name,
                          arch->layer_norm ? "attention.layer_norm_epsilon"
                                           : "attention.layer_norm_rms_epsilon",
                          &c->norm_eps, 0.0f, 1.0f, error));
    c->attn_scale = 1.0f / sqrtf((float)c->head_dim);
    AZ_TRY(read_rope(c, gguf, arch->name, error));
    return arch->configure ? arch->configure(c, gguf, error) : AZ_OK;
}
