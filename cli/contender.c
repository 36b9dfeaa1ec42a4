/* Models and texts for score and rank: both are held whole while they are used. */
#include "score.h"

#include <stdlib.h>
#include <string.h>

#include "model.h"

/* ---- Texts ------------------------------------------------------------ */

/* Room for twice as much, or for what is known to come and one byte, which shows that a
 * file has grown. */
static int make_room(az_score_text *text, const az_options *opt, size_t *capacity,
                     uint64_t n_known) {
    uint64_t n = n_known < UINT64_MAX ? n_known + 1 : 1 << 16;
    if (n <= *capacity)
        n = 2 * (uint64_t)*capacity;
    if (opt->memlimit && n > opt->memlimit) {
        az_say_error(opt, text->name,
                     "%llu bytes of memory are needed to hold it, but the limit is %llu; raise "
                     "--memlimit to allow it.",
                     (unsigned long long)n, (unsigned long long)opt->memlimit);
        return AZ_EXIT_MEMORY;
    }
    uint8_t *data = n <= SIZE_MAX ? realloc(text->data, (size_t)n) : NULL;
    if (!data) {
        az_say_error(opt, text->name, "not enough memory to hold it (%llu bytes).",
                     (unsigned long long)n);
        return AZ_EXIT_MEMORY;
    }
    text->data = data;
    *capacity = (size_t)n;
    return AZ_EXIT_OK;
}

int az_score_text_read(az_score_text *text, const az_options *opt, const char *path) {
    az_source source;
    size_t capacity = 0, n = 1;
    *text = (az_score_text){.name = path};
    int rc = az_source_open(&source, opt, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    text->name = source.name;
    while (rc == AZ_EXIT_OK && n > 0) {
        if (text->n_bytes == capacity)
            rc = make_room(text, opt, &capacity, source.n_bytes);
        if (rc == AZ_EXIT_OK)
            rc = az_source_read(&source, opt, text->data + text->n_bytes, capacity - text->n_bytes,
                                &n);
        if (rc == AZ_EXIT_OK)
            text->n_bytes += n;
    }
    az_source_close(&source);
    if (rc != AZ_EXIT_OK)
        az_score_text_free(text);
    return rc;
}

void az_score_text_free(az_score_text *text) {
    free(text->data);
    text->data = NULL;
    text->n_bytes = 0;
}

/* ---- Models ----------------------------------------------------------- */

static az_status set(az_contender *contender, const az_score_options *opt, bool perplexity,
                     az_error *error) {
    const struct {
        az_param param;
        int64_t value;
    } params[] = {
        {AZ_PARAM_LEVEL, opt->base.level},
        {AZ_PARAM_THREADS, opt->base.n_threads},
        {AZ_PARAM_MEMORY_LIMIT,
         opt->base.memlimit < INT64_MAX ? (int64_t)opt->base.memlimit : INT64_MAX},
        {AZ_PARAM_CONTEXT, opt->context},
        {AZ_PARAM_STRIDE, opt->stride},
        {AZ_PARAM_START, opt->start},
        {AZ_PARAM_PERPLEXITY, perplexity},
    };
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        az_status status =
            az_scorer_set(contender->scorer, params[i].param, params[i].value, error);
        if (status != AZ_OK)
            return status;
    }
    return AZ_OK;
}

/* An empty text loads the weights, and shows what windows there will be. */
static az_status prepare(az_contender *contender, const az_score_options *opt, az_error *error) {
    az_status status = az_scorer_open(&contender->scorer, contender->model, NULL, error);
    if (status == AZ_OK)
        status = set(contender, opt, false, error);
    if (status == AZ_OK && contender->model)
        status = az_scorer_run(contender->scorer, "", 0, &contender->windows, error);
    if (status == AZ_OK && opt->perplexity) {
        status = az_scorer_set(contender->scorer, AZ_PARAM_PERPLEXITY, 1, error);
        contender->windows.stride = contender->windows.context;
    }
    return status;
}

int az_contender_open(az_contender *contender, const az_score_options *opt, const char *name) {
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    *contender = (az_contender){.name = name ? name : AZ_BUILT_IN};
    int rc = AZ_EXIT_OK;
    if (strcmp(contender->name, AZ_BUILT_IN) != 0) {
        rc = az_models_find(&opt->base, name, &contender->path);
        if (rc == AZ_EXIT_OK)
            rc = az_model_open_or_say(&opt->base, &contender->model, contender->path);
        if (rc != AZ_EXIT_OK)
            return rc;
        az_model_get_info(contender->model, &contender->info);
    }
    if (prepare(contender, opt, &error) != AZ_OK) {
        rc = az_say_library_error(&opt->base, contender->name, &error);
        return error.status == AZ_ERROR_ARGUMENT ? AZ_EXIT_USAGE : rc;
    }
    return AZ_EXIT_OK;
}

int az_contender_run(az_contender *contender, const az_score_options *opt,
                     const az_score_text *text, const char *label, az_score_part_fn part,
                     void *part_opaque, az_score *score) {
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    az_progress progress;
    az_progress_start(&progress, &opt->base, "scoring", label, text->n_bytes);
    az_scorer_set_progress(contender->scorer, az_progress_update, &progress);
    az_scorer_set_part_fn(contender->scorer, part, part_opaque);
    az_status status = az_scorer_run(contender->scorer, text->data, text->n_bytes, score, &error);
    az_scorer_set_progress(contender->scorer, NULL, NULL);
    az_progress_clear(&progress);
    return status == AZ_OK ? AZ_EXIT_OK : az_say_library_error(&opt->base, label, &error);
}

void az_contender_close(az_contender *contender) {
    az_scorer_close(&contender->scorer);
    az_model_close(&contender->model);
    free(contender->path);
    contender->path = NULL;
}
