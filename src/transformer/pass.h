/*
 * pass: one batch's way through a model, as an architecture's layer sees it. Each operation
 * works on all rows, in the pool's threads, and returns when it is done; a row's results
 * don't depend on the other rows.
 *
 * Buffers, a line a row:
 *   x      [n_embd]   the residual stream
 *   a      quantised: what the next linear layer reads
 *   t      [widest linear layer]   what a linear layer gave
 *   h      [n_heads][head_dim]   what attention gave
 */
#ifndef AZ_PASS_H
#define AZ_PASS_H

#include <stdatomic.h>

#include "weights.h"

typedef struct az_lm_pass az_lm_pass;

/* a = norm(x), quantised. */
void az_pass_norm(az_lm_pass *pass, const az_norm *norm);
/* t = linear(a). */
void az_pass_linear(az_lm_pass *pass, const az_linear *linear);
/* t holds queries, keys and values: norms of heads, positions, keys and values into the
 * caches, attention; a = what it gave, quantised. */
void az_pass_attention(az_lm_pass *pass, const az_lm_layer *layer);
/* x += t, or norm(t) if there is such a norm; then a = next(x), quantised. */
void az_pass_add(az_lm_pass *pass, const az_norm *post, const az_norm *next);
/* a = what the activation makes of gate and up in t, quantised. */
void az_pass_activate(az_lm_pass *pass, az_activation activation);

/* One layer of all: a is x normed, before and after. */
void az_pass_layer(az_lm_pass *pass, const az_lm_layer *layer);

/* ---- What is behind it ---------------------------------------------------------- */

/* A worker's own memory, for a block of rows of one sequence and a head of keys. */
typedef struct az_lm_scratch {
    float *line;      /* [wide]: one row */
    int8_t *line8;    /* [head_slots] */
    int32_t *dots;    /* [n_queries][slots of a cache] */
    int16_t *weights; /* the same */
    int64_t *sums;    /* [n_queries][head_slots] */
} az_lm_scratch;

/* Queries of a block, rows times heads that share keys: as many as keep their dot products
 * in a core's second cache; but one row at least. */
enum { AZ_PASS_QUERIES = 24 };

/* Queries [n_kv_heads][n_rows][heads that share keys]. */
typedef struct az_lm_queries {
    int16_t *q;   /* [..][head_slots] */
    float *scale; /* [..] */
} az_lm_queries;

/* Rows of the same sequence that attention takes together. */
typedef struct az_lm_run_of {
    az_lm_cache *cache;
    uint32_t first, n; /* rows */
} az_lm_run_of;

/* Which angles: AZ_ROPE_SINKS is added to the other two. */
enum { AZ_ROPE_FULL, AZ_ROPE_SLIDING, AZ_ROPE_SINKS, AZ_N_ROPES = 4 };

struct az_lm_pass {
    const az_lm *lm;
    const az_lm_row *rows;
    uint32_t n_rows;
    uint32_t layer;       /* which one runs */
    uint64_t *position;   /* [n_rows] */
    az_lm_run_of *blocks; /* [n_blocks] */
    uint32_t n_blocks;

    float *x, *t, *h;
    size_t wide;       /* floats of a row of t */
    az_rows a;         /* n_cols: those of the layer that reads it */
    const float *bias; /* of the linear layer that gave t, to be added; or NULL */
    /* Cosines and sines of each row's position, for full layers and for sliding ones; and
     * those of the position that the first tokens are seen from, once the window rolls. */
    float *cos[AZ_N_ROPES], *sin[AZ_N_ROPES]; /* [n_rows][n_rot / 2] */
    az_lm_queries q, sink_q;
    az_lm_scratch *scratch; /* [n_threads] */
    az_pool *pool;
    atomic_bool broken; /* set where a number is not finite */
};

/* pass.c: does row(pass, layer, row, worker) for each row. */
typedef void (*az_pass_row_fn)(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker);
void az_pass_rows(az_lm_pass *pass, az_pass_row_fn row, const void *what);
/* Line `row` of a = x[n], quantised. */
void az_pass_quantise(az_lm_pass *pass, uint32_t row, const float *x, uint32_t n);
/* out[n_rows][out_stride] = linear(rows of a from first_row on), without its bias. */
void az_pass_multiply(az_lm_pass *pass, const az_linear *linear, uint32_t first_row,
                      uint32_t n_rows, float *out, size_t out_stride);

#endif
