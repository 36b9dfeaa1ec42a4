/*
 * pass: the operations of a layer. What is done a row at a time is done for a few rows a
 * part; a linear layer is split by its output rows, so that each thread reads its own
 * weights.
 */
#include "pass.h"

enum { ROWS_A_PART = 4, PARTS_A_THREAD = 8 };

/* ---- Rows ---------------------------------------------------------------------- */

typedef struct row_work {
    az_lm_pass *pass;
    az_pass_row_fn row;
    const void *what;
} row_work;

static void row_part(void *arg, uint32_t part, unsigned worker) {
    const row_work *work = arg;
    uint32_t first = part * ROWS_A_PART, end = first + ROWS_A_PART;
    for (uint32_t r = first; r < end && r < work->pass->n_rows; r++)
        work->row(work->pass, work->what, r, worker);
}

void az_pass_rows(az_lm_pass *pass, az_pass_row_fn row, const void *what) {
    row_work work = {pass, row, what};
    az_pool_run(pass->pool, row_part, &work, (pass->n_rows + ROWS_A_PART - 1) / ROWS_A_PART);
}

static void norm_line(const az_lm_pass *pass, const az_norm *norm, const float *x, uint32_t n,
                      float *out) {
    const az_lm_kernels *k = pass->lm->kernels;
    if (norm->bias)
        k->layer_norm(x, norm->weight, norm->bias, n, pass->lm->config.norm_eps, out);
    else
        k->rms_norm(x, norm->weight, n, pass->lm->config.norm_eps, out);
}

void az_pass_quantise(az_lm_pass *pass, uint32_t row, const float *x, uint32_t n, bool wide) {
    const az_lm_kernels *k = pass->lm->kernels;
    size_t n_cols = az_round_up(n, AZ_LM_BLOCK), n_blocks = n_cols / AZ_LM_BLOCK;
    int8_t *q = pass->a.q + row * n_cols * (wide ? 2 : k->q_nbytes);
    if (!(wide ? k->quantise_wide : k->quantise)(x, n, q, pass->a.scale + row * n_blocks,
                                                 pass->a.sum + row * n_blocks))
        atomic_store(&pass->broken, true);
}

static void norm_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    uint32_t n = pass->lm->config.n_embd;
    float *line = pass->scratch[worker].line;
    norm_line(pass, what, pass->x + (size_t)row * n, n, line);
    az_pass_quantise(pass, row, line, n, false);
}

void az_pass_norm(az_lm_pass *pass, const az_norm *norm) {
    az_pass_rows(pass, norm_row, norm);
}

/* t, with the bias of the linear layer that gave it. */
static float *biased(const az_lm_pass *pass, uint32_t row, uint32_t n) {
    float *t = pass->t + row * pass->wide;
    if (pass->bias)
        pass->lm->kernels->add(t, pass->bias, n);
    return t;
}

static void add_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    const az_norm *const *norms = what;
    uint32_t n = pass->lm->config.n_embd;
    float *line = pass->scratch[worker].line, *x = pass->x + (size_t)row * n;
    float *t = biased(pass, row, n);
    if (norms[0]->weight) {
        norm_line(pass, norms[0], t, n, line);
        t = line;
    }
    pass->lm->kernels->add(x, t, n);
    norm_line(pass, norms[1], x, n, line);
    az_pass_quantise(pass, row, line, n, false);
}

void az_pass_add(az_lm_pass *pass, const az_norm *post, const az_norm *next) {
    const az_norm *norms[2] = {post, next};
    az_pass_rows(pass, add_row, norms);
}

static void activate_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    (void)worker;
    const az_lm_kernels *k = pass->lm->kernels;
    az_activation activation = *(const az_activation *)what;
    uint32_t n = pass->lm->config.n_ff;
    float *t = biased(pass, row, activation == AZ_GELU ? n : 2 * n);
    if (activation == AZ_SILU_GATE)
        k->silu(t, t + n, n);
    else
        k->gelu(t, activation == AZ_GELU_GATE ? t + n : NULL, n);
    az_pass_quantise(pass, row, t, n, pass->lm->layers[pass->layer].ffn_down.wide);
}

void az_pass_activate(az_lm_pass *pass, az_activation activation) {
    az_pass_rows(pass, activate_row, &activation);
}

/* ---- Linear layers ------------------------------------------------------------- */

typedef struct linear_work {
    az_lm_pass *pass;
    const az_matrix *matrix;
    uint32_t first_row, n_rows;
    float *out;
    size_t out_stride;
    size_t groups_a_part;
} linear_work;

static void linear_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    const linear_work *w = arg;
    size_t first = part * w->groups_a_part, left = w->matrix->n_groups - first;
    size_t n = left < w->groups_a_part ? left : w->groups_a_part;
    w->pass->lm->kernels->multiply(w->matrix, first, n, &w->pass->a, w->first_row, w->n_rows,
                                   w->out + first * AZ_LM_GROUP, w->out_stride);
}

void az_pass_multiply(az_lm_pass *pass, const az_linear *linear, uint32_t first_row,
                      uint32_t n_rows, float *out, size_t out_stride) {
    const az_matrix *m = &linear->matrix;
    size_t n_parts = (size_t)az_pool_n_threads(pass->pool) * PARTS_A_THREAD;
    size_t a_part = (m->n_groups + n_parts - 1) / n_parts;
    a_part = (a_part + 1) / 2 * 2; /* kernels may take two groups at once */
    linear_work w = {pass, m, first_row, n_rows, out, out_stride, a_part};
    pass->a.n_cols = m->n_cols;
    pass->a.wide = linear->wide;
    pass->bias = linear->bias;
    az_pool_run(pass->pool, linear_part, &w, (uint32_t)((m->n_groups + a_part - 1) / a_part));
}

void az_pass_linear(az_lm_pass *pass, const az_linear *linear) {
    az_pass_multiply(pass, linear, 0, pass->n_rows, pass->t, pass->wide);
}

/* ---- A layer ------------------------------------------------------------------- */

static const az_norm *next_norm(const az_lm_pass *pass) {
    const az_lm *lm = pass->lm;
    return pass->layer + 1 < lm->config.n_layers ? &lm->layers[pass->layer + 1].attn_norm
                                                 : &lm->out_norm;
}

/* x += attention(norm(x)); x += feed_forward(norm(x)): Vaswani et al., 2017, with the norms
 * first. Where an architecture norms what it adds, the post norms are there. */
void az_pass_layer(az_lm_pass *pass, const az_lm_layer *layer) {
    az_pass_linear(pass, &layer->qkv);
    az_pass_attention(pass, layer);
    az_pass_linear(pass, &layer->attn_out);
    az_pass_add(pass, &layer->attn_post_norm, &layer->ffn_norm);
    az_pass_linear(pass, &layer->ffn_up);
    az_pass_activate(pass, pass->lm->arch->activation);
    az_pass_linear(pass, &layer->ffn_down);
    az_pass_add(pass, &layer->ffn_post_norm, next_norm(pass));
}
