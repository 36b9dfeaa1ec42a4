/* Models for score and rank. */
#include "score.h"

#include <stdlib.h>
#include <string.h>

#include "model.h"

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

/* --as=archive with a model: what compressing takes. */
static int prepare_archive(az_contender *contender, const az_score_options *opt) {
    contender->as_archive = true;
    contender->base = opt->base;
    contender->base.mode = AZ_MODE_COMPRESS;
    contender->base.model = contender->name;
    return az_engines_open(&contender->base.engines, &contender->base);
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
        if (opt->as_archive)
            return prepare_archive(contender, opt);
    }
    if (prepare(contender, opt, &error) != AZ_OK) {
        rc = az_say_library_error(&opt->base, contender->name, &error);
        return error.status == AZ_ERROR_ARGUMENT ? AZ_EXIT_USAGE : rc;
    }
    return AZ_EXIT_OK;
}

/* The whole archive's size. Tokens are not counted: some blocks may be without the model. */
static int run_archive(az_contender *contender, const az_file_text *text, const char *label,
                       az_score *score) {
    const az_options *opt = &contender->base;
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    az_text_size size;
    az_progress progress;
    az_encoder *encoder = NULL;
    uint64_t n_archive = 0;
    int64_t frame_cost;
    int rc = az_encoder_setup(&encoder, opt, label, opt->memlimit, (int64_t)text->n_bytes, NULL);
    *score = (az_score){.n_bytes = text->n_bytes};
    az_progress_start(&progress, opt, "scoring", label, text->n_bytes);
    if (rc == AZ_EXIT_OK) {
        az_encoder_set_progress(encoder, az_progress_update, &progress);
        if (az_surprise_run(encoder, text->data, text->n_bytes, &n_archive, &frame_cost, &error) !=
            AZ_OK) {
            az_progress_clear(&progress);
            rc = az_say_library_error(opt, label, &error);
        }
    }
    az_progress_clear(&progress);
    az_encoder_close(&encoder);
    az_text_measure(&size, 0, text->data, text->n_bytes);
    score->n_characters = size.n_characters;
    score->cost = 8 * n_archive * AZ_COST_BIT;
    return rc;
}

int az_contender_run(az_contender *contender, const az_score_options *opt, const az_file_text *text,
                     const char *label, az_score_part_fn part, void *part_opaque, az_score *score) {
    if (contender->as_archive)
        return run_archive(contender, text, label, score);
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
    az_engines_close(&contender->base.engines);
    az_model_close(&contender->model);
    free(contender->path);
    contender->path = NULL;
}
