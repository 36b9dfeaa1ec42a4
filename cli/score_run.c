/* aizip score: what each file costs, the sum, and what others make of the same bytes. */
#include "score.h"

#include <stdlib.h>

typedef struct run {
    const az_score_options *opt;
    az_contender contender;
    az_contender built_in; /* beside a model */
    az_score_row total;
    size_t n_files;
} run;

static void add_scored(void *opaque, uint64_t first_byte, uint64_t n_bytes, uint64_t cost) {
    uint64_t *n_scored_bytes = opaque;
    (void)first_byte;
    (void)cost;
    *n_scored_bytes += n_bytes;
}

/* An unknown one makes the sum unknown. */
static void add_up(run *r, const az_score_row *row) {
    az_score *sum = &r->total.score;
    sum->n_bytes += row->score.n_bytes;
    sum->n_characters += row->score.n_characters;
    sum->n_tokens += row->score.n_tokens;
    sum->n_escapes += row->score.n_escapes;
    sum->n_scored += row->score.n_scored;
    sum->cost += row->score.cost;
    r->total.n_scored_bytes += row->n_scored_bytes;
    for (size_t i = 0; i < AZ_N_BESIDE; i++) {
        bool known = r->total.beside[i] != UINT64_MAX && row->beside[i] != UINT64_MAX;
        r->total.beside[i] = known ? r->total.beside[i] + row->beside[i] : UINT64_MAX;
    }
    r->n_files++;
}

static int compare(run *r, const az_file_text *text, az_score_row *row) {
    const uint8_t *data = text->data ? text->data : (const uint8_t *)"";
    row->beside[AZ_BESIDE_XZ] = az_compare_size(1, data, text->n_bytes);
    row->beside[AZ_BESIDE_ZSTD] = az_compare_size(2, data, text->n_bytes);
    row->beside[AZ_BESIDE_BUILT_IN] = az_cost_nbytes(row->score.cost);
    if (!r->contender.model)
        return AZ_EXIT_OK;
    az_score score;
    int rc = az_contender_run(&r->built_in, r->opt, text, text->name, NULL, NULL, &score);
    row->beside[AZ_BESIDE_BUILT_IN] = rc == AZ_EXIT_OK ? az_cost_nbytes(score.cost) : UINT64_MAX;
    return rc;
}

static int score_text(run *r, const az_file_text *text) {
    az_score_row row = {.name = text->name, .beside = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    int rc =
        az_contender_run(&r->contender, r->opt, text, text->name,
                         r->opt->perplexity ? add_scored : NULL, &row.n_scored_bytes, &row.score);
    if (rc != AZ_EXIT_OK)
        return rc;
    if (!r->opt->perplexity)
        row.n_scored_bytes = row.score.n_bytes;
    if (!r->opt->no_peers)
        rc = compare(r, text, &row);
    az_score_show_file(r->opt, &r->contender, &row, r->n_files == 0);
    add_up(r, &row);
    return rc;
}

/* An az_file_fn. */
static int score_file(void *opaque, const az_options *base, const char *name, bool *stop) {
    az_file_text text;
    (void)stop;
    int rc = az_file_text_read(&text, base, name);
    if (rc == AZ_EXIT_OK)
        rc = score_text(opaque, &text);
    az_file_text_free(&text);
    return rc;
}

static int score_all(run *r) {
    const az_score_options *opt = r->opt;
    int rc = az_contender_open(&r->contender, opt, opt->n_models ? opt->models[0] : NULL);
    if (rc == AZ_EXIT_OK && r->contender.model && !opt->no_peers)
        rc = az_contender_open(&r->built_in, opt, NULL);
    if (rc == AZ_EXIT_OK) {
        az_score_show_begin(opt, &r->contender);
        rc = az_walk(&opt->base, score_file, r);
        az_score_show_end(opt, &r->contender, &r->total, r->n_files);
    }
    az_contender_close(&r->contender);
    az_contender_close(&r->built_in);
    return rc;
}

int az_score_command(int argc, char **argv) {
    az_score_options opt;
    int rc = az_score_options_parse(&opt, false, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help)
        rc = az_score_print_help();
    else if (rc == AZ_EXIT_OK)
        rc = score_all(&(run){.opt = &opt});
    az_score_options_free(&opt);
    return rc;
}
