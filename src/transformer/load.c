/*
 * load: from a model file to weights in memory. Every matrix is dequantised a row at a time
 * to binary32 and quantised again to int8 with a scale, in the layout that the kernels want;
 * rows are shared out among the pool's threads.
 */
#include "weights.h"

#include <stdatomic.h>
#include <stdio.h>

enum { NAME_MAX_NBYTES = 80, ROWS_A_PART = 64, VOCAB_MAX = 1 << 21 };
_Static_assert(VOCAB_MAX / ROWS_A_PART <= AZ_POOL_PARTS_MAX, "a matrix is one piece of work");

typedef struct loader {
    az_lm *lm;
    az_pool *pool;
    float *lines;   /* [n_threads][line_n] */
    int8_t *lines8; /* the same */
    size_t line_n;
    az_error *error;
} loader;

/* ---- Tensors --------------------------------------------------------------------- */

/* blk.LAYER.NAME.SUFFIX, or NAME.SUFFIX for layer -1. */
static void name_of(char *to, int layer, const char *name, const char *suffix) {
    if (layer >= 0)
        snprintf(to, NAME_MAX_NBYTES, "blk.%d.%s.%s", layer, name, suffix);
    else
        snprintf(to, NAME_MAX_NBYTES, "%s.%s", name, suffix);
}

/* The tensor of that name and shape; NULL if it is not there and not needed. */
static az_status find(const loader *l, const az_gguf_tensor **out, int layer, const char *name,
                      const char *suffix, uint64_t n_cols, uint64_t n_rows, bool needed) {
    char full[NAME_MAX_NBYTES];
    name_of(full, layer, name, suffix);
    const az_gguf_tensor *t = az_gguf_find_tensor(l->lm->gguf, full);
    *out = t;
    if (!t)
        return needed ? AZ_MODEL_FAULT(l->error, "the model file lacks the tensor %s", full)
                      : AZ_OK;
    if (t->dims[0] != n_cols || t->n_rows != n_rows)
        return AZ_MODEL_FAULT(l->error,
                              "tensor %s: %llu columns and %llu rows, expected %llu and %llu", full,
                              (unsigned long long)t->dims[0], (unsigned long long)t->n_rows,
                              (unsigned long long)n_cols, (unsigned long long)n_rows);
    const az_gguf_type *type = az_gguf_type_of(t->type);
    if (!type->dequantise)
        return AZ_MODEL_FAULT(l->error, "tensor %s is of type %s, which is not supported", full,
                              type->name ? type->name : "unknown");
    return AZ_OK;
}

static az_status allocate(const loader *l, void *out, size_t n_bytes) {
    void *ptr = az_alloc(l->lm->heap, n_bytes);
    memcpy(out, &ptr, sizeof ptr);
    return ptr ? AZ_OK : az_alloc_failed(l->lm->heap, n_bytes, l->error);
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(x[i] - x[i] == 0))
            return false;
    return true;
}

/* All of a small tensor, [n], into *out. */
static az_status load_vector(const loader *l, float **out, int layer, const char *name,
                             const char *suffix, size_t n, bool needed) {
    const az_gguf_tensor *t;
    AZ_TRY(find(l, &t, layer, name, suffix, n, 1, needed));
    if (!t)
        return AZ_OK;
    if (!*out)
        AZ_TRY(allocate(l, out, n * sizeof **out));
    az_gguf_type_of(t->type)->dequantise(t->data, n, *out);
    if (!all_finite(*out, n))
        return AZ_MODEL_FAULT(l->error,
                              "tensor %.*s holds a number that is not finite, or too large",
                              (int)t->name.n_bytes, t->name.bytes);
    return AZ_OK;
}

static az_status load_norm(const loader *l, az_norm *norm, int layer, const char *name, size_t n) {
    AZ_TRY(load_vector(l, &norm->weight, layer, name, "weight", n, true));
    if (l->lm->arch->layer_norm)
        AZ_TRY(load_vector(l, &norm->bias, layer, name, "bias", n, true));
    return AZ_OK;
}

/* ---- Matrices -------------------------------------------------------------------- */

/* A tensor that becomes rows first_row.. of a matrix. */
typedef struct rows_work {
    const loader *l;
    const az_gguf_tensor *tensor;
    az_matrix *matrix;
    uint32_t first_row;
    uint32_t head_dim, n_rot; /* pairs of neighbours become halves; 0: they don't */
    atomic_bool broken;
} rows_work;

/* Which row of the tensor becomes row r: heads whose pairs are neighbours are reordered. */
static uint32_t source_row(uint32_t r, uint32_t head_dim, uint32_t n_rot) {
    if (n_rot == 0 || r % head_dim >= n_rot)
        return r;
    uint32_t i = r % head_dim, half = n_rot / 2;
    return r - i + (i < half ? 2 * i : 2 * (i - half) + 1);
}

static void rows_part(void *arg, uint32_t part, unsigned worker) {
    rows_work *w = arg;
    const az_lm_kernels *k = w->l->lm->kernels;
    const az_gguf_tensor *t = w->tensor;
    float *line = w->l->lines + worker * w->l->line_n;
    int8_t *line8 = w->l->lines8 + worker * w->l->line_n;
    size_t n = (size_t)t->dims[0], n_cols = w->matrix->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    for (uint32_t r = part * ROWS_A_PART; r < (part + 1) * ROWS_A_PART && r < t->n_rows; r++) {
        uint32_t from = source_row(r, w->head_dim, w->n_rot), to = w->first_row + r;
        az_gguf_type_of(t->type)->dequantise(t->data + from * t->row_nbytes, n, line);
        memset(line + n, 0, (n_cols - n) * sizeof *line);
        k->turn(line, n_cols); /* as activations are */
        float *scale =
            w->matrix->scale + to / AZ_LM_GROUP * n_blocks * AZ_LM_GROUP + to % AZ_LM_GROUP;
        for (size_t i = 0; i < n_blocks; i++, scale += AZ_LM_GROUP) {
            if (!k->quantise_row(line + i * AZ_LM_BLOCK, AZ_LM_BLOCK, line8 + i * AZ_LM_BLOCK,
                                 scale))
                atomic_store(&w->broken, true);
            *scale *= 1.0f / AZ_LM_BLOCK; /* (H x) (H y) = 64 x y */
        }
        k->put_row(w->matrix->groups + (size_t)(to / AZ_LM_GROUP) * AZ_LM_GROUP * n_cols,
                   to % AZ_LM_GROUP, line8, n_cols);
    }
}

static az_status load_rows(const loader *l, rows_work *w) {
    w->l = l;
    az_pool_run(l->pool, rows_part, w,
                (uint32_t)((w->tensor->n_rows + ROWS_A_PART - 1) / ROWS_A_PART));
    if (w->tensor != l->lm->embd)
        az_gguf_release(l->lm->gguf, w->tensor);
    if (atomic_load(&w->broken))
        return AZ_MODEL_FAULT(l->error,
                              "tensor %.*s holds a number that is not finite, or too large",
                              (int)w->tensor->name.n_bytes, w->tensor->name.bytes);
    return AZ_OK;
}

static az_status open_linear(const loader *l, az_linear *linear, uint32_t n_in, uint32_t n_out) {
    az_matrix *m = &linear->matrix;
    linear->n_in = n_in;
    linear->n_out = n_out;
    m->n_cols = az_round_up(n_in, AZ_LM_BLOCK);
    m->n_groups = (n_out + AZ_LM_GROUP - 1) / AZ_LM_GROUP;
    AZ_TRY(allocate(l, &m->groups, m->n_groups * AZ_LM_GROUP * m->n_cols));
    AZ_TRY(allocate(l, &m->scale,
                    m->n_groups * AZ_LM_GROUP * (m->n_cols / AZ_LM_BLOCK) * sizeof *m->scale));
    /* A layout may store 0 as another byte, so the rows that fill the last group are put. */
    memset(l->lines8, 0, m->n_cols);
    for (size_t r = n_out; r < m->n_groups * AZ_LM_GROUP; r++)
        l->lm->kernels->put_row(m->groups + r / AZ_LM_GROUP * AZ_LM_GROUP * m->n_cols,
                                r % AZ_LM_GROUP, l->lines8, m->n_cols);
    return AZ_OK;
}

/* A linear layer made of up to three tensors, whose rows follow each other. `turned` of the
 * first tensors are queries and keys, whose pairs may have to be reordered. */
static az_status load_linear(const loader *l, az_linear *linear, int layer,
                             const char *const *names, const uint32_t *n_rows, uint32_t n_parts,
                             uint32_t n_in, uint32_t turned) {
    const az_lm_config *c = &l->lm->config;
    uint32_t n_out = 0, row = 0;
    for (uint32_t i = 0; i < n_parts; i++)
        n_out += n_rows[i];
    for (uint32_t i = 0; i < n_parts; i++) { /* before memory is taken for them */
        const az_gguf_tensor *tensor;
        AZ_TRY(find(l, &tensor, layer, names[i], "weight", n_in, n_rows[i], true));
    }
    AZ_TRY(open_linear(l, linear, n_in, n_out));
    for (uint32_t i = 0; i < n_parts; row += n_rows[i++]) {
        rows_work w = {.matrix = &linear->matrix, .first_row = row};
        bool reorder = i < turned && l->lm->arch->pairs == AZ_LM_PAIRS_NEIGHBOURS;
        w.head_dim = c->head_dim;
        w.n_rot = reorder ? c->n_rot : 0;
        AZ_TRY(find(l, &w.tensor, layer, names[i], "weight", n_in, n_rows[i], true));
        AZ_TRY(load_rows(l, &w));
        const az_gguf_tensor *bias;
        bool needed = layer >= 0 && l->lm->arch->layer_norm;
        AZ_TRY(find(l, &bias, layer, names[i], "bias", n_rows[i], 1, needed));
        if (!bias)
            continue;
        if (!linear->bias)
            AZ_TRY(allocate(l, &linear->bias,
                            (size_t)linear->matrix.n_groups * AZ_LM_GROUP * sizeof *linear->bias));
        float *to = linear->bias + row;
        AZ_TRY(load_vector(l, &to, layer, names[i], "bias", n_rows[i], true));
        if (!w.n_rot)
            continue;
        memcpy(l->lines, to, n_rows[i] * sizeof *to); /* line_n: all queries and keys at least */
        for (uint32_t r = 0; r < n_rows[i]; r++)
            to[r] = l->lines[source_row(r, w.head_dim, w.n_rot)];
    }
    return AZ_OK;
}

static uint32_t count(const char *const *names, uint32_t max) {
    uint32_t n = 0;
    while (n < max && names[n])
        n++;
    return n;
}

static az_status load_layer(const loader *l, uint32_t i) {
    const az_lm_config *c = &l->lm->config;
    const az_arch *a = l->lm->arch;
    az_lm_layer *layer = &l->lm->layers[i];
    int at = (int)i;
    if (c->sliding)
        layer->slides = c->slides ? az_gguf_item_int(c->slides, i) != 0
                                  : i % c->full_every != c->full_every - 1;
    uint32_t n_q = c->n_heads * c->head_dim, n_kv = c->n_kv_heads * c->head_dim;
    uint32_t n_gates = a->activation == AZ_GELU ? 1 : 2;
    AZ_TRY(load_norm(l, &layer->attn_norm, at, "attn_norm", c->n_embd));
    AZ_TRY(load_norm(l, &layer->ffn_norm, at, "ffn_norm", c->n_embd));
    if (a->head_norms) {
        AZ_TRY(load_norm(l, &layer->q_norm, at, "attn_q_norm", c->head_dim));
        AZ_TRY(load_norm(l, &layer->k_norm, at, "attn_k_norm", c->head_dim));
    }
    if (a->attn_post_norm)
        AZ_TRY(load_norm(l, &layer->attn_post_norm, at, a->attn_post_norm, c->n_embd));
    if (a->ffn_post_norm)
        AZ_TRY(load_norm(l, &layer->ffn_post_norm, at, a->ffn_post_norm, c->n_embd));
    bool one = count(a->qkv, 3) == 1;
    const uint32_t qkv_rows[3] = {one ? n_q + 2 * n_kv : n_q, n_kv, n_kv};
    AZ_TRY(load_linear(l, &layer->qkv, at, a->qkv, qkv_rows, one ? 1 : 3, c->n_embd, 2));
    AZ_TRY(load_linear(l, &layer->attn_out, at, &(const char *){"attn_output"}, &c->n_embd, 1, n_q,
                       0));
    one = count(a->ffn_up, 2) == 1;
    const uint32_t up_rows[2] = {one ? n_gates * c->n_ff : c->n_ff, c->n_ff};
    AZ_TRY(load_linear(l, &layer->ffn_up, at, a->ffn_up, up_rows, one ? 1 : 2, c->n_embd, 0));
    return load_linear(l, &layer->ffn_down, at, &(const char *){"ffn_down"}, &c->n_embd, 1, c->n_ff,
                       0);
}

/* ---- Positions ------------------------------------------------------------------- */

/* Divides angles by the factors of a tensor. */
static az_status divide_turns(const loader *l, uint64_t *turns, const char *name) {
    size_t half = l->lm->config.n_rot / 2;
    float *factors = l->lines;
    AZ_TRY(load_vector(l, &factors, -1, name, "weight", half, true));
    for (size_t i = 0; i < half; i++) {
        if (!(factors[i] >= 1e-3f && factors[i] <= 1e6f))
            return AZ_MODEL_FAULT(l->error, "tensor %s.weight: a factor of %g", name,
                                  (double)factors[i]);
        turns[i] = az_rope_divide(turns[i], factors[i]);
    }
    return AZ_OK;
}

/* Angles, and the factors that llama-3 and longrope divide them by. */
static az_status load_turns(const loader *l) {
    az_lm *lm = l->lm;
    const az_lm_config *c = &lm->config;
    static const struct {
        const char *name;
        az_lm_turns turns;
    } factors[] = {{"rope_freqs", AZ_TURNS_FULL},
                   {"rope_factors_short", AZ_TURNS_FULL},
                   {"rope_factors_long", AZ_TURNS_LONG}};
    if (c->n_rot == 0)
        return AZ_OK;
    for (int i = 0; i < AZ_N_TURNS; i++) {
        if (i == AZ_TURNS_SLIDING ? !c->sliding : i == AZ_TURNS_LONG && !c->short_window)
            continue;
        int kind = i == AZ_TURNS_SLIDING;
        AZ_TRY(allocate(l, &lm->turns[i], c->n_rot / 2 * sizeof *lm->turns[i]));
        az_rope_turns(lm->turns[i], c->n_rot, c->rope_base[kind], c->rope_divisor[kind]);
    }
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        const az_gguf_tensor *t;
        AZ_TRY(find(l, &t, -1, factors[i].name, "weight", c->n_rot / 2, 1, false));
        if (t && lm->turns[factors[i].turns])
            AZ_TRY(divide_turns(l, lm->turns[factors[i].turns], factors[i].name));
    }
    return AZ_OK;
}

static az_status load_positions(const loader *l) {
    az_lm *lm = l->lm;
    const az_lm_config *c = &lm->config;
    const az_gguf_tensor *t;
    AZ_TRY(find(l, &t, -1, "position_embd", "weight", c->n_embd, c->n_ctx, true));
    size_t n = (size_t)c->n_ctx * c->n_embd;
    AZ_TRY(allocate(l, &lm->positions, n * sizeof *lm->positions));
    for (uint32_t i = 0; i < c->n_ctx; i++)
        az_gguf_type_of(t->type)->dequantise(t->data + i * t->row_nbytes, c->n_embd,
                                             lm->positions + (size_t)i * c->n_embd);
    return all_finite(lm->positions, n)
               ? AZ_OK
               : AZ_MODEL_FAULT(l->error,
                                "tensor position_embd.weight holds a number that is not finite");
}

/* ---- The model ------------------------------------------------------------------- */

static az_status load_ends(const loader *l) {
    az_lm *lm = l->lm;
    az_lm_config *c = &lm->config;
    const az_gguf_tensor *out;
    AZ_TRY(load_norm(l, &lm->out_norm, -1, "output_norm", c->n_embd));
    AZ_TRY(find(l, &out, -1, "token_embd", "weight", c->n_embd, c->n_vocab, true));
    AZ_TRY(find(l, &out, -1, "output", "weight", c->n_embd, c->n_vocab, false));
    const char *head = out ? "output" : "token_embd";
    AZ_TRY(load_linear(l, &lm->head, -1, &head, &c->n_vocab, 1, c->n_embd, 0));
    if (lm->arch->learnt_positions)
        AZ_TRY(load_positions(l));
    return load_turns(l);
}

static az_status find_embd(az_lm *lm, az_error *error) {
    lm->embd = az_gguf_find_tensor(lm->gguf, "token_embd.weight");
    if (!lm->embd)
        return AZ_MODEL_FAULT(error, "the model file lacks the tensor token_embd.weight");
    if (lm->embd->n_rows < 2 || lm->embd->n_rows > VOCAB_MAX)
        return AZ_MODEL_FAULT(error, "a vocabulary of %llu tokens is not supported",
                              (unsigned long long)lm->embd->n_rows);
    lm->config.n_vocab = (uint32_t)lm->embd->n_rows;
    return AZ_OK;
}

static uint64_t weights_nbytes(const az_lm_config *c) {
    uint64_t q = (uint64_t)c->n_heads * c->head_dim, kv = (uint64_t)c->n_kv_heads * c->head_dim;
    uint64_t layer = c->n_embd * (2 * q + 2 * kv) + 3 * (uint64_t)c->n_embd * c->n_ff;
    return layer * c->n_layers + (uint64_t)c->n_vocab * c->n_embd;
}

static void fill_info(az_lm *lm) {
    const az_lm_config *c = &lm->config;
    lm->info = (az_lm_info){.architecture = lm->arch->name,
                            .n_vocab = c->n_vocab,
                            .n_layers = c->n_layers,
                            .n_embd = c->n_embd,
                            .n_trained = c->n_ctx,
                            .rolls = !lm->arch->learnt_positions,
                            .weights_nbytes = weights_nbytes(c)};
    lm->info.cache_nbytes =
        (uint64_t)c->n_layers * c->n_kv_heads * 2 * (c->head_slots + sizeof(float));
}

static az_status load_all(loader *l) {
    az_lm *lm = l->lm;
    const az_lm_config *c = &lm->config;
    uint32_t n_q = (c->n_heads + 2 * c->n_kv_heads) * c->head_dim;
    uint32_t widest = c->n_embd > 2 * c->n_ff ? c->n_embd : 2 * c->n_ff;
    l->line_n = az_round_up(widest > n_q ? widest : n_q, AZ_LM_BLOCK);
    size_t n = az_pool_n_threads(l->pool) * l->line_n;
    l->lines = az_alloc(lm->heap, n * sizeof *l->lines);
    l->lines8 = az_alloc(lm->heap, n);
    az_status status = AZ_OK;
    if (!l->lines || !l->lines8)
        status = az_alloc_failed(lm->heap, n * sizeof *l->lines, l->error);
    for (uint32_t i = 0; i < c->n_layers && status == AZ_OK; i++)
        status = load_layer(l, i);
    if (status == AZ_OK)
        status = load_ends(l);
    az_free(lm->heap, l->lines);
    az_free(lm->heap, l->lines8);
    return status;
}

az_status az_lm_open(az_lm **out, const az_gguf *gguf, unsigned cpu_features, az_pool *pool,
                     az_heap *heap, az_error *error) {
    *out = NULL;
    az_lm *lm = az_alloc(heap, sizeof *lm);
    if (!lm)
        return az_alloc_failed(heap, sizeof *lm, error);
    lm->heap = heap;
    lm->gguf = gguf;
    lm->kernels = az_lm_kernels_get(cpu_features);
    loader l = {.lm = lm, .pool = pool, .error = error};
    az_fp_state fp;
    az_fp_enter(&fp);
    az_status status = az_lm_configure(&lm->config, &lm->arch, gguf, error);
    if (status == AZ_OK)
        status = find_embd(lm, error);
    if (status == AZ_OK) {
        fill_info(lm);
        lm->layers = az_alloc(heap, lm->config.n_layers * sizeof *lm->layers);
        status = lm->layers
                     ? load_all(&l)
                     : az_alloc_failed(heap, lm->config.n_layers * sizeof *lm->layers, error);
    }
    az_fp_leave(&fp);
    if (status != AZ_OK)
        az_lm_close(&lm);
    *out = lm;
    return status;
}

az_status az_lm_memory(const az_gguf *gguf, uint64_t *weights, uint64_t *cache, az_error *error) {
    az_lm lm = {.gguf = gguf};
    AZ_TRY(az_lm_configure(&lm.config, &lm.arch, gguf, error));
    AZ_TRY(find_embd(&lm, error));
    fill_info(&lm);
    *weights = lm.info.weights_nbytes;
    *cache = lm.info.cache_nbytes;
    return AZ_OK;
}

az_status az_lm_check_memory(const az_gguf *gguf, uint64_t limit, az_error *error) {
    uint64_t weights, cache;
    AZ_TRY(az_lm_memory(gguf, &weights, &cache, error));
    if (limit && weights > limit)
        return az_error_set(error, AZ_ERROR_MEMORY_LIMIT, AZ_ERROR_NO_OFFSET,
                            "the model needs %llu MiB for its weights alone, %llu MiB are allowed",
                            (unsigned long long)((weights + 0xfffff) >> 20),
                            (unsigned long long)(limit >> 20));
    return AZ_OK;
}

static void free_linear(az_heap *heap, az_linear *linear) {
    az_free(heap, linear->matrix.groups);
    az_free(heap, linear->matrix.scale);
    az_free(heap, linear->bias);
}

static void free_norm(az_heap *heap, az_norm *norm) {
    az_free(heap, norm->weight);
    az_free(heap, norm->bias);
}

void az_lm_close(az_lm **out) {
    az_lm *lm = *out;
    *out = NULL;
    if (!lm)
        return;
    az_heap *heap = lm->heap;
    for (uint32_t i = 0; lm->layers && i < lm->config.n_layers; i++) {
        az_lm_layer *l = &lm->layers[i];
        az_norm *norms[] = {&l->attn_norm,      &l->q_norm,   &l->k_norm,
                            &l->attn_post_norm, &l->ffn_norm, &l->ffn_post_norm};
        az_linear *linears[] = {&l->qkv, &l->attn_out, &l->ffn_up, &l->ffn_down};
        for (size_t j = 0; j < sizeof norms / sizeof norms[0]; j++)
            free_norm(heap, norms[j]);
        for (size_t j = 0; j < sizeof linears / sizeof linears[0]; j++)
            free_linear(heap, linears[j]);
    }
    free_norm(heap, &lm->out_norm);
    free_linear(heap, &lm->head);
    az_free(heap, lm->positions);
    for (int i = 0; i < AZ_N_TURNS; i++)
        az_free(heap, lm->turns[i]);
    az_free(heap, lm->layers);
    az_free(heap, lm);
}

const az_lm_info *az_lm_get_info(const az_lm *lm) {
    return &lm->info;
}
