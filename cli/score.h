/*
 * What the commands `aizip score` and `aizip rank` share.
 *
 *   score_options.c  their command line and help
 *   contender.c      a model, opened and ready; texts, read whole
 *   score_run.c      score: each file, a total, the same bytes through others
 *   score_show.c     its three forms: for people, JSON, CSV
 *   rank.c           rank: every model over every file, the order of models
 *   bootstrap.c      how far that order can be trusted
 */
#ifndef AZ_CLI_SCORE_H
#define AZ_CLI_SCORE_H

#include "cli.h"

/* What -m takes for the built-in predictor; ./built-in is a file. */
#define AZ_BUILT_IN "built-in"

typedef struct az_score_options {
    az_options base;     /* mode AZ_MODE_SCORE; level, threads, memlimit, json, files ... */
    bool ranks;          /* of rank, else of score */
    const char **models; /* [n_models] as -m gave them, the caller frees the array */
    size_t n_models;
    int64_t context; /* 0: the library's default, as for the next two */
    int64_t stride;
    int64_t start; /* -1 */
    bool perplexity;
    bool as_archive;
    bool csv;
    bool no_peers;
} az_score_options;

/* ---- score_options.c -------------------------------------------------- */

/* Fills *opt from the words after the command's name, argv[0]; says what is wrong
 * and returns an exit code. ranks: of rank, else of score. */
int az_score_options_parse(az_score_options *opt, bool ranks, int argc, char **argv);
void az_score_options_free(az_score_options *opt);
int az_score_print_help(void);
int az_rank_print_help(void);

/* ---- contender.c ------------------------------------------------------ */

/* Something that predicts: a model in a file, or the built-in predictor. */
typedef struct az_contender {
    const char *name; /* as -m gave it */
    char *path;       /* NULL: built-in */
    az_model *model;  /* NULL: built-in */
    az_model_info info;
    az_scorer *scorer;
    az_score windows; /* context, stride and start as they will be used */
    bool as_archive;  /* a model mixed with the built-in predictor: base compresses with it */
    az_options base;
} az_contender;

/* Opens it and loads its weights. name: NULL or AZ_BUILT_IN for the predictor. */
int az_contender_open(az_contender *contender, const az_score_options *opt, const char *name);
/* Scores a text, with progress on a terminal; label: its name there and in errors. part may be
 * NULL. */
int az_contender_run(az_contender *contender, const az_score_options *opt, const az_file_text *text,
                     const char *label, az_score_part_fn part, void *part_opaque, az_score *score);
void az_contender_close(az_contender *contender);

/* ---- score_show.c ----------------------------------------------------- */

/* What others make of the same bytes. */
enum { AZ_BESIDE_XZ, AZ_BESIDE_ZSTD, AZ_BESIDE_BUILT_IN, AZ_N_BESIDE };

typedef struct az_score_row {
    const char *name;
    az_score score;
    uint64_t n_scored_bytes;      /* all, but for --perplexity */
    uint64_t beside[AZ_N_BESIDE]; /* bytes; UINT64_MAX: not known */
} az_score_row;

void az_score_show_begin(const az_score_options *opt, const az_contender *contender);
void az_score_show_file(const az_score_options *opt, const az_contender *contender,
                        const az_score_row *row, bool first);
void az_score_show_end(const az_score_options *opt, const az_contender *contender,
                       const az_score_row *total, size_t n_files);

/* The bytes that a cost makes, a begun one counted whole. */
uint64_t az_cost_nbytes(uint64_t cost);
/* A line that says what predicts, and in which windows. */
void az_show_contender(const az_score_options *opt, const az_contender *contender);
/* A field of CSV, as RFC 4180 quotes it. */
void az_print_csv(const char *text);
/* "context":2048,"stride":2048,"start":0, or null each without a model. */
void az_print_json_windows(const az_contender *contender);

/* ---- bootstrap.c ------------------------------------------------------ */

enum { AZ_N_RESAMPLES = 2000 };

typedef struct az_interval {
    double low, high; /* the middle 95 % */
} az_interval;

/* Draws n_blocks blocks with replacement, AZ_N_RESAMPLES times, the same ones on every
 * call. costs and others (or NULL): [n_blocks]; of each draw the bits per byte of
 * costs, less those of others. samples: [AZ_N_RESAMPLES], to work in. */
az_interval az_bootstrap(const uint64_t *costs, const uint64_t *others, const uint64_t *n_bytes,
                         size_t n_blocks, double *samples);

#endif
