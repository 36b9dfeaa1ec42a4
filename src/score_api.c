/*
 * score_api: aizip.h's az_scorer. With a model: its tokenizer, weights and threads, loaded at
 * the first run and kept; without: the archive that the encoder would write.
 */
#include "measure/measure.h"
#include "model_api.h"

enum { CONTEXT_DEFAULT = 2048, CONTEXT_MIN = 2, THREADS_MAX = 256 };

struct az_scorer {
    az_heap *heap;
    az_allocator allocator;
    bool has_allocator;
    const az_model *model;
    int64_t level, n_threads, memory_limit;
    int64_t context, stride, start, perplexity;
    az_progress_fn progress;
    void *progress_opaque;
    az_score_part_fn part;
    void *part_opaque;
    uint64_t n_bytes; /* of the text in work, without a model */
    /* Loaded. */
    az_pool *pool;
    az_lm_loaded loaded;
};

az_status az_scorer_open(az_scorer **out, const az_model *model, const az_allocator *allocator,
                         az_error *error) {
    if (!out)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_scorer_open: a pointer is NULL");
    *out = NULL;
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_scorer *scorer = az_alloc(heap, sizeof *scorer);
    if (!scorer) {
        az_status failed = az_alloc_failed(heap, sizeof *scorer, error);
        az_heap_close(&heap);
        return failed;
    }
    scorer->heap = heap;
    scorer->has_allocator = allocator != NULL;
    if (allocator)
        scorer->allocator = *allocator;
    scorer->model = model;
    scorer->level = 5;
    scorer->n_threads = 1;
    scorer->start = -1;
    *out = scorer;
    return AZ_OK;
}

static void unload(az_scorer *scorer) {
    az_lm_unload(&scorer->loaded);
    az_pool_close(&scorer->pool);
}

az_status az_scorer_set(az_scorer *scorer, az_param param, int64_t value, az_error *error) {
    const struct {
        az_param param;
        int64_t *to, min, max;
        const char *name;
    } params[] = {
        {AZ_PARAM_LEVEL, &scorer->level, 1, 9, "level"},
        {AZ_PARAM_THREADS, &scorer->n_threads, 0, THREADS_MAX, "number of threads"},
        {AZ_PARAM_MEMORY_LIMIT, &scorer->memory_limit, 0, INT64_MAX, "memory limit"},
        {AZ_PARAM_CONTEXT, &scorer->context, 0, AZ_LM_WINDOW_MAX, "context"},
        {AZ_PARAM_STRIDE, &scorer->stride, 0, AZ_LM_WINDOW_MAX, "stride"},
        {AZ_PARAM_START, &scorer->start, -1, UINT32_MAX, "start token"},
        {AZ_PARAM_PERPLEXITY, &scorer->perplexity, 0, 1, "perplexity"},
    };
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        if (params[i].param != param)
            continue;
        if (value < params[i].min || value > params[i].max)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "%s %lld: a number from %lld to %lld is expected", params[i].name,
                                (long long)value, (long long)params[i].min,
                                (long long)params[i].max);
        *params[i].to = value;
        if (param == AZ_PARAM_THREADS || param == AZ_PARAM_MEMORY_LIMIT)
            unload(scorer); /* the next run loads anew */
        return AZ_OK;
    }
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                        "a scorer has no parameter %d", (int)param);
}

void az_scorer_set_progress(az_scorer *scorer, az_progress_fn fn, void *opaque) {
    scorer->progress = fn;
    scorer->progress_opaque = opaque;
}

void az_scorer_set_part_fn(az_scorer *scorer, az_score_part_fn fn, void *opaque) {
    scorer->part = fn;
    scorer->part_opaque = opaque;
}

/* ---- With a model ------------------------------------------------------------------ */

static az_status load(az_scorer *scorer, az_error *error) {
    if (scorer->loaded.lm)
        return AZ_OK;
    const az_gguf *gguf = az_model_gguf(scorer->model);
    az_heap_set_limit(scorer->heap, (uint64_t)scorer->memory_limit);
    unsigned n = scorer->n_threads > 0 ? (unsigned)scorer->n_threads : (unsigned)az_cpu_count();
    n = n < THREADS_MAX ? n : THREADS_MAX;
    az_status status = az_pool_open(&scorer->pool, n, scorer->heap, error);
    if (status == AZ_OK)
        status = az_lm_load(&scorer->loaded, gguf, (uint64_t)scorer->memory_limit, scorer->pool,
                            scorer->heap, error);
    if (status != AZ_OK)
        unload(scorer);
    return status;
}

static az_status windows_of(const az_scorer *scorer, az_lm_windows *w, az_error *error) {
    const az_lm_info *info = az_lm_get_info(scorer->loaded.lm);
    uint32_t context = (uint32_t)scorer->context;
    if (context == 0)
        context = info->n_trained < CONTEXT_DEFAULT ? info->n_trained : CONTEXT_DEFAULT;
    if (context < CONTEXT_MIN || (!info->rolls && context > info->n_trained))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a context of %u tokens: %d to %u are possible with this model",
                            context, CONTEXT_MIN, info->rolls ? AZ_LM_WINDOW_MAX : info->n_trained);
    uint32_t stride = scorer->stride ? (uint32_t)scorer->stride : context;
    if (stride > context)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a stride of %u tokens is more than the context of %u", stride,
                            context);
    uint32_t start =
        scorer->start >= 0 ? (uint32_t)scorer->start : az_tokenizer_start(scorer->loaded.tokenizer);
    if (start == AZ_TOKEN_NONE)
        start = 0;
    if (start >= info->n_vocab)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "start token %u: the model has %u tokens", start, info->n_vocab);
    *w = (az_lm_windows){context, stride, start, scorer->perplexity != 0};
    return AZ_OK;
}

static int on_progress(void *opaque, uint64_t n_bytes) {
    const az_scorer *scorer = opaque;
    return scorer->progress ? scorer->progress(scorer->progress_opaque, n_bytes, 0) : 0;
}

static void on_part(void *opaque, uint64_t first_byte, uint64_t n_bytes, uint64_t cost) {
    const az_scorer *scorer = opaque;
    if (scorer->part)
        scorer->part(scorer->part_opaque, first_byte, n_bytes, cost);
}

static az_status run_model(az_scorer *scorer, const void *text, size_t n_bytes, az_score *score,
                           az_error *error) {
    AZ_TRY(load(scorer, error));
    az_lm_scoring s = {.lm = scorer->loaded.lm,
                       .tokenizer = scorer->loaded.tokenizer,
                       .pool = scorer->pool,
                       .heap = scorer->heap,
                       .part = on_part,
                       .progress = on_progress,
                       .opaque = scorer};
    az_lm_total total;
    AZ_TRY(windows_of(scorer, &s.windows, error));
    AZ_TRY(az_lm_score(&s, text, n_bytes, &total, error));
    score->n_tokens = total.n_tokens;
    score->n_escapes = total.n_escapes;
    score->n_scored = total.n_scored;
    score->cost = total.cost;
    score->context = s.windows.context;
    score->stride = s.windows.perplexity ? s.windows.context : s.windows.stride;
    score->start = s.windows.start;
    return AZ_OK;
}

/* ---- Without ----------------------------------------------------------------------- */

static az_status encode(az_scorer *scorer, az_encoder *encoder, const void *text, size_t n_bytes,
                        uint64_t *n_out, az_error *error) {
    AZ_TRY(az_encoder_set(encoder, AZ_PARAM_LEVEL, scorer->level, error));
    AZ_TRY(az_encoder_set(encoder, AZ_PARAM_THREADS, scorer->n_threads, error));
    AZ_TRY(az_encoder_set(encoder, AZ_PARAM_MEMORY_LIMIT, scorer->memory_limit, error));
    az_encoder_set_progress(encoder, scorer->progress, scorer->progress_opaque);
    int64_t frame_cost;
    return az_surprise_run(encoder, text, n_bytes, n_out, &frame_cost, error);
}

/* a * b / c for b at most c, exact where they are below 2^32. */
static uint64_t share_of(uint64_t a, uint64_t b, uint64_t c) {
    int n = c > UINT32_MAX ? 32 - az_leading_zeros(c) : 0;
    b >>= n;
    c >>= n;
    return a / c * b + a % c * b / c;
}

static int on_piece(void *opaque, uint64_t n_bytes) {
    (void)n_bytes; /* all of the text has been through the encoder */
    const az_scorer *scorer = opaque;
    return on_progress(opaque, scorer->n_bytes);
}

/* Gives the archive's cost out in parts: to each piece of the text its share, by what the
 * predictor says that it costs; the frame's few bytes go the same way. */
static az_status give_parts(az_scorer *scorer, const uint8_t *text, size_t n_bytes, uint64_t cost,
                            az_error *error) {
    az_built_in b = {scorer->heap, (int)scorer->level, on_piece, scorer};
    size_t n = (n_bytes + AZ_PIECE_NBYTES - 1) / AZ_PIECE_NBYTES;
    uint64_t *costs = az_alloc(scorer->heap, n * sizeof *costs), all = 0, sum = 0, given = 0;
    if (!costs)
        return az_alloc_failed(scorer->heap, n * sizeof *costs, error);
    az_status status = az_built_in_pieces(&b, text, n_bytes, costs, error);
    for (size_t i = 0; i < n && status == AZ_OK; i++)
        all += costs[i];
    for (size_t i = 0; i < n && status == AZ_OK; i++) {
        size_t at = i * AZ_PIECE_NBYTES, left = n_bytes - at;
        sum += costs[i];
        uint64_t upto = i + 1 < n && all ? share_of(cost, sum, all) : cost;
        scorer->part(scorer->part_opaque, at, left < AZ_PIECE_NBYTES ? left : AZ_PIECE_NBYTES,
                     upto - given);
        given = upto;
    }
    az_free(scorer->heap, costs);
    return status;
}

static az_status run_built_in(az_scorer *scorer, const void *text, size_t n_bytes, az_score *score,
                              az_error *error) {
    az_encoder *encoder;
    uint64_t n_out = 0;
    AZ_TRY(az_encoder_open(&encoder, scorer->has_allocator ? &scorer->allocator : NULL, error));
    az_status status = encode(scorer, encoder, text, n_bytes, &n_out, error);
    az_encoder_close(&encoder);
    score->cost = n_out * 8 * AZ_COST_BIT;
    if (status != AZ_OK || !scorer->part || n_bytes == 0)
        return status;
    scorer->n_bytes = n_bytes;
    az_heap_set_limit(scorer->heap, (uint64_t)scorer->memory_limit);
    return give_parts(scorer, text, n_bytes, score->cost, error);
}

az_status az_scorer_run(az_scorer *scorer, const void *text, size_t n_bytes, az_score *score,
                        az_error *error) {
    if (!scorer || !score || (!text && n_bytes))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_scorer_run: a pointer is NULL");
    az_score s = {.n_bytes = n_bytes,
                  .n_characters = n_bytes ? az_count_characters(text, n_bytes) : 0};
    AZ_TRY(scorer->model ? run_model(scorer, text ? text : "", n_bytes, &s, error)
                         : run_built_in(scorer, text, n_bytes, &s, error));
    *score = s;
    return AZ_OK;
}

uint64_t az_scorer_peak_memory(const az_scorer *scorer) {
    return az_heap_peak(scorer->heap);
}

void az_scorer_close(az_scorer **out) {
    if (!out || !*out)
        return;
    az_scorer *scorer = *out;
    *out = NULL;
    unload(scorer);
    az_heap *heap = scorer->heap;
    az_free(heap, scorer);
    az_heap_close(&heap);
}
