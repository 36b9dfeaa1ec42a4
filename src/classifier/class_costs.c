/* class_costs: primes and prompts out of labelled texts. */
#include "class_costs.h"

enum {
    HELD_OUT_MAX =
        500, /* texts that calibrate the built-in predictor, at most one in 8 of a label */
    HELD_OUT_ONE_IN = 8,
    HELD_OUT_LM_MAX = 64,     /* and a language model */
    PRIMED_LABELS_MAX = 1000, /* a predictor takes a megabyte at least */
    WINDOW = 2048,
    EXAMPLES_NBYTES = 4096 /* of all examples of a label together */
};
/* Log-odds a bit, in nats: ln 2 if bits of a text were independent witnesses. */
#define SHARPNESS_LOW 0.002
#define SHARPNESS_HIGH 0.6931471805599453
#define SHARPNESS_USUAL 0.1

static az_status say_done(const az_class_costs_setup *s, unsigned done, az_error *error) {
    if (s->progress && s->progress(s->opaque, done))
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped");
    return AZ_OK;
}

/* ---- Held out ------------------------------------------------------------------- */

typedef struct held_out {
    uint32_t *rows; /* [n] numbers of rows, ascending */
    size_t n;
    uint8_t *is; /* [n_rows] 1: held out; 2: an example of a language model */
} held_out;

static az_status choose_rows(held_out *h, const az_class_costs_setup *s, az_heap *heap,
                             az_error *error) {
    size_t max = s->gguf ? HELD_OUT_LM_MAX : HELD_OUT_MAX;
    size_t most = max / s->n_labels ? max / s->n_labels : 1; /* of one label */
    size_t *seen = az_alloc(heap, s->n_labels * sizeof *seen);
    h->rows = az_alloc(heap, s->n_rows * sizeof *h->rows);
    h->is = az_alloc(heap, s->n_rows);
    if (!seen || !h->rows || !h->is) {
        az_free(heap, seen);
        return az_alloc_failed(heap, s->n_rows * sizeof *h->rows, error);
    }
    for (size_t i = 0; i < s->n_rows; i++) {
        size_t k = seen[s->row_labels[i]]++;
        bool out = s->gguf
                       ? k >= s->n_examples && k - s->n_examples < most
                       : k % HELD_OUT_ONE_IN == HELD_OUT_ONE_IN - 1 && k / HELD_OUT_ONE_IN < most;
        if (s->gguf && k < s->n_examples)
            h->is[i] = 2;
        if (out && h->n < max && s->texts[i].n_bytes) {
            h->is[i] = 1;
            h->rows[h->n++] = (uint32_t)i;
        }
    }
    az_free(heap, seen);
    return AZ_OK;
}

static az_status score_held_out(az_class_costs *c, const az_class_costs_setup *s, const held_out *h,
                                float *scores, uint64_t *costs, az_error *error) {
    size_t n_labels = c->n_labels;
    for (size_t i = 0; i < h->n; i++) {
        AZ_TRY(az_class_costs_run(c, s->texts + h->rows[i], 1, costs, error));
        uint64_t least = costs[0];
        for (size_t l = 1; l < n_labels; l++)
            least = costs[l] < least ? costs[l] : least;
        for (size_t l = 0; l < n_labels; l++)
            scores[i * n_labels + l] = -(float)(costs[l] - least) / (float)AZ_COST_BIT;
        AZ_TRY(say_done(s, 70 + (unsigned)(30 * i / h->n), error));
    }
    return AZ_OK;
}

static az_status calibrate(az_class_costs *c, const az_class_costs_setup *s, const held_out *h,
                           az_error *error) {
    size_t n = h->n * c->n_labels;
    float *scores = az_alloc(c->heap, n * sizeof *scores);
    uint64_t *costs = az_alloc(c->heap, c->n_labels * sizeof *costs);
    uint32_t *labels = az_alloc(c->heap, 2 * h->n * sizeof *labels), *rows = labels + h->n;
    az_status status = AZ_OK;
    if (!scores || !costs || !labels)
        status = az_alloc_failed(c->heap, n * sizeof *scores, error);
    if (status == AZ_OK)
        status = score_held_out(c, s, h, scores, costs, error);
    for (size_t i = 0; i < h->n && status == AZ_OK; i++) {
        labels[i] = s->row_labels[h->rows[i]];
        rows[i] = (uint32_t)i;
    }
    const az_held_out seen = {.scores = scores,
                              .labels = labels,
                              .rows = rows,
                              .n = h->n,
                              .n_labels = (uint32_t)c->n_labels,
                              .low = SHARPNESS_LOW,
                              .high = SHARPNESS_HIGH,
                              .usual = SHARPNESS_USUAL};
    if (status == AZ_OK)
        status = az_calibrate(&c->calibration, &seen, c->heap, error);
    az_free(c->heap, scores);
    az_free(c->heap, costs);
    az_free(c->heap, labels);
    return status;
}

/* ---- The built-in predictor -------------------------------------------------------- */

typedef struct priming {
    az_class_costs *c;
    const az_class_costs_setup *setup;
    const uint8_t *is;
    uint8_t which;      /* rows of this mark */
    uint32_t first;     /* label of this run */
    size_t *n_left_out; /* [n_labels] */
} priming;

static void prime_label(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    priming *p = arg;
    uint32_t label = p->first + part;
    const az_class_costs_setup *s = p->setup;
    for (size_t i = 0; i < s->n_rows; i++)
        if (s->row_labels[i] == label && p->is[i] == p->which &&
            !az_primed_add(p->c->primed, label, s->texts[i]))
            p->n_left_out[label]++;
}

static az_status prime(az_class_costs *c, const az_class_costs_setup *s, const uint8_t *is,
                       uint8_t which, az_error *error) {
    uint32_t n_labels = (uint32_t)c->n_labels, n_threads = az_pool_n_threads(c->pool);
    priming p = {.c = c, .setup = s, .is = is, .which = which};
    p.n_left_out = az_alloc(c->heap, n_labels * sizeof *p.n_left_out);
    if (!p.n_left_out)
        return az_alloc_failed(c->heap, n_labels * sizeof *p.n_left_out, error);
    az_status status = AZ_OK;
    for (; p.first < n_labels && status == AZ_OK; p.first += n_threads) {
        uint32_t left = n_labels - p.first;
        az_pool_run(c->pool, prime_label, &p, left < n_threads ? left : n_threads);
        status = say_done(s, which ? 100 : (unsigned)(70 * (uint64_t)p.first / n_labels), error);
    }
    for (uint32_t i = 0; i < n_labels; i++)
        c->n_left_out += p.n_left_out[i];
    az_free(c->heap, p.n_left_out);
    return status;
}

static az_status open_primed(az_class_costs *c, const az_class_costs_setup *s, az_error *error) {
    if (c->n_labels > PRIMED_LABELS_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "%zu labels; a predictor a label is possible for %d", c->n_labels,
                            PRIMED_LABELS_MAX);
    uint64_t *n_bytes = az_alloc(c->heap, c->n_labels * sizeof *n_bytes);
    if (!n_bytes)
        return az_alloc_failed(c->heap, c->n_labels * sizeof *n_bytes, error);
    for (size_t i = 0; i < s->n_rows; i++)
        n_bytes[s->row_labels[i]] += s->texts[i].n_bytes + 2;
    az_status status =
        az_primed_open(&c->primed, s->level, n_bytes, c->n_labels, c->pool, c->heap, error);
    az_free(c->heap, n_bytes);
    return status;
}

/* ---- A language model ------------------------------------------------------------------ */

/* "Name: text\n" for each example, and "Name:". A text to be labelled comes with a space before. */
static size_t write_prompt(const az_class_costs_setup *s, const uint8_t *is, size_t label,
                           uint8_t *to) {
    az_text name = s->labels[label];
    size_t n = 0, most = s->n_examples ? EXAMPLES_NBYTES / s->n_examples : 0;
    for (size_t i = 0; i <= s->n_rows; i++) {
        bool end = i == s->n_rows;
        if (!end && (s->row_labels[i] != label || is[i] != 2))
            continue;
        if (to && name.n_bytes)
            memcpy(to + n, name.data, name.n_bytes);
        n += name.n_bytes;
        if (to)
            to[n] = ':';
        n++;
        if (end)
            break;
        az_text text = s->texts[i];
        size_t m = text.n_bytes < most ? text.n_bytes : most;
        while (m && m < text.n_bytes && (((const uint8_t *)text.data)[m] & 0xc0) == 0x80)
            m--;
        if (to) {
            to[n] = ' ';
            if (m)
                memcpy(to + n + 1, text.data, m);
            to[n + 1 + m] = '\n';
        }
        n += m + 2;
    }
    return n;
}

static az_status open_prompted(az_class_costs *c, const az_class_costs_setup *s, const uint8_t *is,
                               az_error *error) {
    AZ_TRY(az_lm_load(&c->loaded, s->gguf, s->memory_limit, c->pool, c->heap, error));
    AZ_TRY(say_done(s, 20, error));
    size_t n_bytes = 0;
    for (size_t l = 0; l < c->n_labels; l++)
        n_bytes += write_prompt(s, is, l, NULL);
    az_text *prompts = az_alloc(c->heap, c->n_labels * sizeof *prompts);
    uint8_t *bytes = az_alloc(c->heap, n_bytes), *to = bytes;
    az_status status = AZ_OK;
    if (!prompts || !bytes)
        status = az_alloc_failed(c->heap, n_bytes, error);
    for (size_t l = 0; l < c->n_labels && status == AZ_OK; l++) {
        prompts[l] = (az_text){to, write_prompt(s, is, l, to)};
        to += prompts[l].n_bytes;
    }
    uint32_t window = az_lm_get_info(c->loaded.lm)->n_trained;
    if (status == AZ_OK)
        status = az_prompted_open(&c->prompted, &c->loaded, prompts, c->n_labels,
                                  window < WINDOW ? window : WINDOW, c->pool, c->heap, error);
    az_free(c->heap, prompts);
    az_free(c->heap, bytes);
    return status;
}

/* ---- Both ---------------------------------------------------------------------------------- */

static az_status open_with(az_class_costs *c, const az_class_costs_setup *s, const held_out *h,
                           az_error *error) {
    if (s->gguf) {
        AZ_TRY(open_prompted(c, s, h->is, error));
    } else {
        AZ_TRY(open_primed(c, s, error));
        AZ_TRY(prime(c, s, h->is, 0, error));
    }
    AZ_TRY(say_done(s, 70, error));
    if (s->calibration)
        c->calibration = *s->calibration;
    else
        AZ_TRY(calibrate(c, s, h, error));
    return s->gguf ? AZ_OK : prime(c, s, h->is, 1, error);
}

az_status az_class_costs_open(az_class_costs *c, const az_class_costs_setup *setup, az_pool *pool,
                              az_heap *heap, az_error *error) {
    *c = (az_class_costs){
        .heap = heap, .pool = pool, .n_labels = setup->n_labels, .level = setup->level};
    held_out h = {0};
    az_status status = choose_rows(&h, setup, heap, error);
    if (status == AZ_OK)
        status = open_with(c, setup, &h, error);
    az_free(heap, h.rows);
    az_free(heap, h.is);
    return status;
}

void az_class_costs_close(az_class_costs *c) {
    az_primed_close(&c->primed);
    az_prompted_close(&c->prompted);
    if (c->loaded.lm || c->loaded.tokenizer)
        az_lm_unload(&c->loaded);
}

/* A text as it follows a prompt: with a space before it. */
static az_status run_prompted(az_class_costs *c, az_text text, uint64_t *costs, uint64_t *bytes,
                              az_error *error) {
    uint8_t *spaced = az_alloc(c->heap, text.n_bytes + 1);
    if (!spaced)
        return az_alloc_failed(c->heap, text.n_bytes + 1, error);
    spaced[0] = ' ';
    if (text.n_bytes)
        memcpy(spaced + 1, text.data, text.n_bytes);
    az_status status =
        az_prompted_run(c->prompted, (az_text){spaced, text.n_bytes + 1}, costs, bytes, error);
    az_free(c->heap, spaced);
    return status;
}

az_status az_class_costs_run(az_class_costs *c, const az_text *texts, size_t n, uint64_t *costs,
                             az_error *error) {
    if (c->primed) {
        az_primed_run(c->primed, texts, n, costs);
        return AZ_OK;
    }
    for (size_t i = 0; i < n; i++)
        AZ_TRY(run_prompted(c, texts[i], costs + i * c->n_labels, NULL, error));
    return AZ_OK;
}

void az_class_costs_probabilities(const az_class_costs *c, const uint64_t *costs,
                                  double *probabilities) {
    uint64_t least = costs[0];
    for (size_t l = 1; l < c->n_labels; l++)
        least = costs[l] < least ? costs[l] : least;
    for (size_t l = 0; l < c->n_labels; l++)
        probabilities[l] = -(double)(costs[l] - least) / (double)AZ_COST_BIT;
    az_make_probabilities(probabilities, (uint32_t)c->n_labels, c->calibration.sharpness,
                          probabilities);
}

az_status az_class_costs_explain(az_class_costs *c, az_text text, size_t a, size_t b, double *bits,
                                 double *constant, az_error *error) {
    const double bits_of_cost = c->calibration.sharpness * 1.4426950408889634 / (double)AZ_COST_BIT;
    size_t n = text.n_bytes + 1; /* a language model's space before it */
    size_t rows = c->primed ? 2 : c->n_labels;
    uint64_t *costs = az_alloc(c->heap, (rows * n + c->n_labels) * sizeof *costs);
    if (!costs)
        return az_alloc_failed(c->heap, rows * n * sizeof *costs, error);
    const uint64_t *of_a = costs + 1, *of_b = costs + n + 1;
    az_status status = AZ_OK;
    if (c->primed) {
        az_primed_bytes(c->primed, a, text, costs + 1);
        az_primed_bytes(c->primed, b, text, costs + n + 1);
    } else {
        of_a = costs + a * n + 1;
        of_b = costs + b * n + 1;
        status = run_prompted(c, text, costs + rows * n, costs, error);
    }
    for (size_t i = 0; i < text.n_bytes && status == AZ_OK; i++)
        bits[i] = ((double)of_b[i] - (double)of_a[i]) * bits_of_cost;
    *constant =
        c->primed || status != AZ_OK ? 0 : ((double)of_b[-1] - (double)of_a[-1]) * bits_of_cost;
    az_free(c->heap, costs);
    return status;
}
