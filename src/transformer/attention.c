/*
 * attention: softmax(q k) v over what a cache holds, in integers but for the softmax.
 *
 * Heads of queries that share a head of keys and values, and a few neighbouring rows of the
 * same sequence, are done together, so that keys and values are read once for all. A part
 * of the work is such a block of rows and one head of keys.
 *
 * Slots: the first AZ_LM_SINKS positions keep theirs for ever, the others go round the
 * rest. When the window rolls, a row sees the first tokens and the latest ones. Keys are
 * stored turned by their positions, which is right for the latest ones, as scores depend on
 * differences of positions only; the first ones would be further away than the model has
 * ever seen, so a second query, turned by position `window - 1`, meets them as if all that
 * lies between had not been there.
 */
#include "pass.h"

#define LOG2_OF_E 1.44269504f

/* A head of a cache, in the layer that runs. */
typedef struct head_store {
    int8_t *keys, *values;
    float *key_scales, *value_scales;
} head_store;

static head_store store_of(const az_lm_pass *pass, const az_lm_cache *cache, uint32_t head) {
    const az_lm_config *c = &pass->lm->config;
    size_t at = ((size_t)pass->layer * c->n_kv_heads + head) * cache->n_slots;
    return (head_store){cache->keys + at * c->head_slots, cache->values + at * c->head_slots,
                        cache->key_scales + at, cache->value_scales + at};
}

static uint32_t slot_of(const az_lm_cache *cache, uint64_t position) {
    if (position < AZ_LM_SINKS)
        return (uint32_t)position;
    return AZ_LM_SINKS + (uint32_t)((position - AZ_LM_SINKS) % (cache->n_slots - AZ_LM_SINKS));
}

/* Which queries share a head of keys: all of a row, then the next row's. */
static size_t query_at(const az_lm_pass *pass, uint32_t kv_head, uint32_t row) {
    const az_lm_config *c = &pass->lm->config;
    return ((size_t)kv_head * pass->n_rows + row) * (c->n_heads / c->n_kv_heads);
}

static bool slides(const az_lm_pass *pass) {
    return pass->lm->layers[pass->layer].slides;
}

/* What this layer sees of a cache: its window, and whether it is a sliding layer's own. */
static uint32_t window_of(const az_lm_pass *pass, const az_lm_cache *cache, bool *sliding) {
    const az_lm_config *c = &pass->lm->config;
    *sliding = slides(pass) && c->sliding < cache->window;
    return *sliding ? c->sliding : cache->window;
}

/* ---- Queries, keys and values of a row ------------------------------------------- */

/* x[head_dim] into line[head_slots]: normed, then turned by the angles `rope` of this row. */
static void prepare_head(const az_lm_pass *pass, const az_norm *norm, const float *x, int rope,
                         uint32_t row, float *line) {
    const az_lm_config *c = &pass->lm->config;
    const az_lm_kernels *k = pass->lm->kernels;
    memcpy(line, x, c->head_dim * sizeof *line);
    if (norm->weight)
        k->rms_norm(line, norm->weight, c->head_dim, c->norm_eps, line);
    size_t at = (size_t)row * c->n_rot / 2;
    if (c->n_rot)
        k->rotate(line, pass->cos[rope] + at, pass->sin[rope] + at, c->n_rot);
}

/* Heads of whole blocks are turned as activations are, queries and keys alike: they lose
 * less as int8, and their dot products are 64 times what they were. */
static bool turns_heads(const az_lm_config *c) {
    return c->head_dim % AZ_LM_BLOCK == 0;
}

static void turn_head(const az_lm_pass *pass, float *line) {
    if (turns_heads(&pass->lm->config))
        pass->lm->kernels->turn(line, pass->lm->config.head_dim);
}

static void put_query(az_lm_pass *pass, const az_lm_queries *to, size_t at, float *line) {
    const az_lm_kernels *k = pass->lm->kernels;
    size_t n = pass->lm->config.head_slots;
    turn_head(pass, line);
    if (!k->quantise_query(line, n, to->q + at * n, &to->scale[at]))
        atomic_store(&pass->broken, true);
}

/* Dimensions in pairs, sixteen positions together. */
static void put_key(const head_store *to, uint32_t slot, const int8_t *key, uint32_t n) {
    int8_t *pair = to->keys + (size_t)(slot / 16) * 16 * n + slot % 16 * 2;
    for (uint32_t i = 0; i < n; i += 2, pair += 32)
        memcpy(pair, key + i, 2);
}

/* Positions in pairs, sixteen dimensions together. */
static void put_value(const head_store *to, uint32_t n_slots, uint32_t slot, const int8_t *v,
                      uint32_t n) {
    int8_t *pair = to->values + (size_t)(slot / 2) * 32 + slot % 2;
    for (uint32_t i = 0; i < n; i += 16)
        for (uint32_t j = 0; j < 16; j++)
            pair[(size_t)i * n_slots + j * 2] = v[i + j];
}

static void store_head(az_lm_pass *pass, const az_norm *norm, uint32_t row, uint32_t head,
                       const float *key, const float *value, const az_lm_scratch *s) {
    const az_lm_config *c = &pass->lm->config;
    const az_lm_kernels *k = pass->lm->kernels;
    const az_lm_cache *cache = pass->rows[row].cache;
    uint32_t slot = slot_of(cache, pass->position[row]);
    head_store to = store_of(pass, cache, head);
    prepare_head(pass, norm, key, slides(pass) ? AZ_ROPE_SLIDING : AZ_ROPE_FULL, row, s->line);
    turn_head(pass, s->line);
    bool good = k->quantise_row(s->line, c->head_slots, s->line8, &to.key_scales[slot]);
    put_key(&to, slot, s->line8, c->head_slots);
    memcpy(s->line, value, c->head_dim * sizeof *value);
    good &= k->quantise_row(s->line, c->head_slots, s->line8, &to.value_scales[slot]);
    put_value(&to, cache->n_slots, slot, s->line8, c->head_slots);
    if (!good)
        atomic_store(&pass->broken, true);
}

static void heads_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    const az_lm_layer *layer = what;
    const az_lm_config *c = &pass->lm->config;
    const az_lm_scratch *s = &pass->scratch[worker];
    uint32_t n_shared = c->n_heads / c->n_kv_heads, dim = c->head_dim;
    float *t = pass->t + row * pass->wide;
    if (layer->qkv.bias)
        pass->lm->kernels->add(t, layer->qkv.bias, layer->qkv.n_out);
    memset(s->line, 0, c->head_slots * sizeof *s->line); /* also beyond head_dim */
    int rope = slides(pass) ? AZ_ROPE_SLIDING : AZ_ROPE_FULL;
    bool sliding;
    bool rolled =
        pass->position[row] >= window_of(pass, pass->rows[row].cache, &sliding) && !sliding;
    for (uint32_t h = 0; h < c->n_heads; h++) {
        size_t at = query_at(pass, h / n_shared, row) + h % n_shared;
        prepare_head(pass, &layer->q_norm, t + h * dim, rope, row, s->line);
        put_query(pass, &pass->q, at, s->line);
        if (!rolled)
            continue;
        prepare_head(pass, &layer->q_norm, t + h * dim, AZ_ROPE_SINKS + rope, row, s->line);
        put_query(pass, &pass->sink_q, at, s->line);
    }
    const float *keys = t + c->n_heads * dim, *values = keys + c->n_kv_heads * dim;
    for (uint32_t h = 0; h < c->n_kv_heads; h++)
        store_head(pass, &layer->k_norm, row, h, keys + h * dim, values + h * dim, s);
}

/* ---- Which slots a row sees ------------------------------------------------------- */

typedef struct spans {
    uint32_t first[3], end[3], n;
} spans;

static void add_span(spans *s, uint32_t first, uint32_t end) {
    s->first[s->n] = first;
    s->end[s->n++] = end;
}

/* Those of positions low..last. */
static spans spans_of(const az_lm_cache *cache, uint64_t low, uint64_t last) {
    spans s = {.n = 0};
    uint32_t a = slot_of(cache, low), b = slot_of(cache, last) + 1;
    if (b > a && b - a == last + 1 - low) {
        add_span(&s, a, b);
    } else {
        add_span(&s, a, cache->n_slots);
        add_span(&s, AZ_LM_SINKS, b);
    }
    return s;
}

/* A block of rows of one sequence, and a head of keys. */
typedef struct block {
    az_lm_pass *pass;
    const az_lm_cache *cache;
    const az_lm_scratch *s;
    head_store store;
    uint32_t head, first_row, n_rows, n_shared;
    uint32_t window;
    bool sliding;
} block;

/* Does a row see the first tokens apart from the others? */
static bool has_sinks(const block *b, uint64_t position) {
    return position >= b->window && !b->sliding;
}

static uint64_t low_of(const block *b, uint64_t position) {
    if (position < b->window)
        return 0;
    return position + 1 - b->window + (b->sliding ? 0 : AZ_LM_SINKS);
}

/* All that the rows of a block see, in whole groups. */
static spans all_spans(const block *b) {
    uint64_t first = b->pass->position[b->first_row];
    spans s = spans_of(b->cache, low_of(b, first), first + b->n_rows - 1);
    for (uint32_t i = 0; i < s.n; i++) {
        s.first[i] = s.first[i] / 16 * 16;
        s.end[i] = (s.end[i] + 15) / 16 * 16;
    }
    if (s.n == 2 && s.end[1] > s.first[0])
        s = (spans){{AZ_LM_SINKS}, {b->cache->n_slots}, 1};
    if (has_sinks(b, first))
        add_span(&s, 0, AZ_LM_SINKS);
    return s;
}

/* ---- Scores, weights, values -------------------------------------------------------- */

static void score(const block *b, const az_lm_queries *from, uint32_t row, uint32_t n_rows,
                  uint32_t first, uint32_t end) {
    size_t d = b->pass->lm->config.head_slots, n_slots = b->cache->n_slots;
    const az_lm_kernels *k = b->pass->lm->kernels;
    size_t at = query_at(b->pass, b->head, b->first_row + row);
    k->score(from->q + at * d, (size_t)n_rows * b->n_shared, d, b->store.keys + first * d,
             (end - first) / 16, b->s->dots + (size_t)row * b->n_shared * n_slots + first, n_slots);
}

/* One query's weights of what it sees (`seen`; and the first tokens, if apart), 0 in the rest
 * of `all`. Returns what the sum of its values is to be multiplied by. */
static float weigh_query(const block *b, uint32_t query, const spans *seen, const spans *all,
                         bool sinks) {
    const az_lm_pass *pass = b->pass;
    const az_lm_kernels *k = pass->lm->kernels;
    size_t at = query_at(pass, b->head, b->first_row) + query;
    const int32_t *dots = b->s->dots + (size_t)query * b->cache->n_slots;
    int16_t *w = b->s->weights + (size_t)query * b->cache->n_slots;
    const float *key_scales = b->store.key_scales, *value_scales = b->store.value_scales;
    const az_lm_config *c = &pass->lm->config;
    const float unit = c->attn_scale * LOG2_OF_E * (turns_heads(c) ? 1.0f / AZ_LM_BLOCK : 1.0f);
    float slope = pass->q.scale[at] * unit, sink_slope = sinks ? pass->sink_q.scale[at] * unit : 0;
    const float lowest = -1.0e30f;
    float max = lowest, sink_max = lowest, value_max = 0;
    for (uint32_t i = 0; i < seen->n; i++)
        k->softmax_max(dots + seen->first[i], key_scales + seen->first[i],
                       value_scales + seen->first[i], seen->end[i] - seen->first[i], &max,
                       &value_max);
    float top = max * slope;
    if (sinks) {
        k->softmax_max(dots, key_scales, value_scales, AZ_LM_SINKS, &sink_max, &value_max);
        top = sink_max * sink_slope > top ? sink_max * sink_slope : top;
    }
    for (uint32_t i = 0; i < all->n; i++)
        memset(w + all->first[i], 0, (all->end[i] - all->first[i]) * sizeof *w);
    float factor = value_max > 0 ? (float)AZ_LM_WEIGHT_MAX / value_max : 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < seen->n; i++)
        total += k->softmax_weights(dots + seen->first[i], key_scales + seen->first[i],
                                    value_scales + seen->first[i], seen->end[i] - seen->first[i],
                                    slope, top, factor, w + seen->first[i]);
    if (sinks)
        total += k->softmax_weights(dots, key_scales, value_scales, AZ_LM_SINKS, sink_slope, top,
                                    factor, w);
    return value_max * (1048576.0f / (float)AZ_LM_WEIGHT_MAX) / (float)total;
}

static void weigh_values(const block *b, uint32_t n_queries, const spans *all) {
    size_t d = b->pass->lm->config.head_slots, n_slots = b->cache->n_slots;
    memset(b->s->sums, 0, n_queries * d * sizeof *b->s->sums);
    for (uint32_t i = 0; i < all->n; i++)
        for (uint32_t t = all->first[i]; t < all->end[i]; t += AZ_LM_SPAN) {
            uint32_t left = all->end[i] - t, n = left < AZ_LM_SPAN ? left : AZ_LM_SPAN;
            b->pass->lm->kernels->weigh(b->s->weights + t, n_slots, n_queries,
                                        b->store.values + (size_t)t * 16, n_slots * 16, n, d,
                                        b->s->sums, d);
        }
}

static void attend_block(const block *b) {
    const az_lm_pass *pass = b->pass;
    const az_lm_config *c = &pass->lm->config;
    size_t d = c->head_slots;
    spans all = all_spans(b);
    for (uint32_t i = 0; i < all.n; i++)
        score(b, &pass->q, 0, b->n_rows, all.first[i], all.end[i]);
    uint32_t n_queries = b->n_rows * b->n_shared;
    float *factors = b->s->line; /* [n_queries] */
    for (uint32_t r = 0; r < b->n_rows; r++) {
        uint64_t position = pass->position[b->first_row + r];
        bool sinks = has_sinks(b, position);
        if (sinks)
            score(b, &pass->sink_q, r, 1, 0, AZ_LM_SINKS);
        spans seen = spans_of(b->cache, low_of(b, position), position);
        for (uint32_t j = 0; j < b->n_shared; j++)
            factors[r * b->n_shared + j] = weigh_query(b, r * b->n_shared + j, &seen, &all, sinks);
    }
    weigh_values(b, n_queries, &all);
    for (uint32_t i = 0; i < n_queries; i++) {
        size_t row = b->first_row + i / b->n_shared, head = b->head * b->n_shared + i % b->n_shared;
        float *h = pass->h + (row * c->n_heads + head) * c->head_dim;
        for (uint32_t j = 0; j < c->head_dim; j++)
            h[j] = (float)b->s->sums[i * d + j] * factors[i];
    }
}

static void attend_part(void *arg, uint32_t part, unsigned worker) {
    az_lm_pass *pass = arg;
    const az_lm_config *c = &pass->lm->config;
    const az_lm_run_of *rows = &pass->blocks[part / c->n_kv_heads];
    block b = {.pass = pass, .cache = rows->cache, .s = &pass->scratch[worker]};
    b.head = part % c->n_kv_heads;
    b.store = store_of(pass, rows->cache, b.head);
    b.first_row = rows->first;
    b.n_rows = rows->n;
    b.n_shared = c->n_heads / c->n_kv_heads;
    b.window = window_of(pass, rows->cache, &b.sliding);
    attend_block(&b);
}

static void attended_row(az_lm_pass *pass, const void *what, uint32_t row, unsigned worker) {
    (void)what, (void)worker;
    uint32_t n = pass->lm->config.n_heads * pass->lm->config.head_dim;
    az_pass_quantise(pass, row, pass->h + (size_t)row * n, n);
}

void az_pass_attention(az_lm_pass *pass, const az_lm_layer *layer) {
    az_pass_rows(pass, heads_row, layer);
    az_pool_run(pass->pool, attend_part, pass, pass->n_blocks * pass->lm->config.n_kv_heads);
    az_pass_rows(pass, attended_row, NULL);
}
