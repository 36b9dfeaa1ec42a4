/*
 * What the commands `aizip classify`, `aizip ncd` and `aizip nearest` share.
 *
 *   classify_options.c  their command line
 *   classify_help.c     and help
 *   classify.c          train or load, then answer, test or cross-validate
 *   classify_data.c     data sets as the options want them
 *   answers.c           labels and probabilities, a line an input
 *   explain.c           the words that decided
 *   report.c            how good the answers were: for people and as JSON
 *   report_html.c       the same as a page
 *   ncd.c               distances between files, and their tree
 *   escape.c            text from strangers, made harmless for where it goes
 *   whole_file.c        output that is there as a whole, or not at all
 */
#ifndef AZ_CLI_CLASSIFY_H
#define AZ_CLI_CLASSIFY_H

#include "cli.h"

/* ---- classify_options.c -------------------------------------------------- */

typedef enum az_classify_command_name { AZ_CLASSIFY, AZ_NCD, AZ_NEAREST } az_classify_command_name;
typedef enum az_answer_form {
    AZ_FORM_AUTO,
    AZ_FORM_TSV,
    AZ_FORM_CSV,
    AZ_FORM_JSONL
} az_answer_form;

typedef struct az_classify_options {
    az_options base; /* threads, memlimit, json, files ... */
    az_classify_command_name command;
    az_classifier_options classifier;
    az_dataset_options data;
    bool has_format;                 /* --format was given */
    const char *train, *test, *text; /* NULL: not given, as all paths here */
    const char *train_labels, *test_labels;
    const char *model;        /* -m: a language model's name or path */
    const char *labels;       /* --labels: joined by commas */
    bool has_examples;        /* --examples was given */
    const char *add, *remove; /* texts that come and go */
    const char *save, *load, *predictions, *report, *tree;
    az_answer_form form;
    int64_t folds;                 /* --cv; 0: none */
    int64_t train_rows, test_rows; /* the first so many; 0: all */
    int64_t shots, seed;           /* rows a label; 0: all */
    int64_t neighbours;            /* nearest: how many are shown */
    double reject;                 /* share of the least sure; 0: none */
    bool proba, explain, dedupe, csv, test_unlabelled;
    char separator[64];
} az_classify_options;

/* Fills *opt from the words after the command's name, argv[0]; says what is wrong and returns an
 * exit code. opt must stay where it is. */
int az_classify_options_parse(az_classify_options *opt, az_classify_command_name command, int argc,
                              char **argv);
void az_classify_options_free(az_classify_options *opt);
/* What classify reads and measures with, and lacks, one line each. */
void az_classify_print_libraries(FILE *stream);
int az_classify_print_help(az_classify_command_name command);

/* ---- escape.c --------------------------------------------------------------- */

typedef enum az_escape {
    AZ_ESCAPE_TERMINAL, /* controls and marks that turn the direction of writing as \xNN */
    AZ_ESCAPE_JSON,     /* a string without its quotes; no < in it */
    AZ_ESCAPE_HTML,     /* for text and attributes; harmful characters as \xNN */
    AZ_ESCAPE_TSV,      /* \t, \n, \r, \\ */
    AZ_ESCAPE_CSV       /* quotes doubled, no quotes around */
} az_escape;

void az_write_text(FILE *stream, az_text text, az_escape escape);
/* A JSON string with its quotes. */
void az_write_json(FILE *stream, az_text text);
/* A CSV cell, in quotes where it needs them. */
void az_write_csv(FILE *stream, az_text text);
/* The longest beginning of at most n_max bytes that ends with a whole character. */
az_text az_text_begin(az_text text, size_t n_max);

/* ---- whole_file.c ------------------------------------------------------------ */

typedef struct az_whole_file {
    FILE *stream;     /* NULL: not open */
    const char *path; /* "-": stdout */
    char *temp_path;
} az_whole_file;

/* Each says what is wrong and returns an exit code. */
int az_whole_file_open(az_whole_file *file, const az_options *opt, const char *path);
int az_whole_file_commit(az_whole_file *file, const az_options *opt);
void az_whole_file_drop(az_whole_file *file); /* takes one that is not open */

/* ---- classify_data.c ----------------------------------------------------------- */

/* Reads path; with `labels` (NULL: none), the file of IDX labels. Says what the file was taken
 * for. */
int az_read_dataset(az_dataset **out, const az_classify_options *opt, const char *path,
                    const char *labels, bool unlabelled);
/* --train-rows, --shots: *dataset is replaced. */
int az_choose_rows(az_dataset **dataset, const az_classify_options *opt, int64_t n_rows,
                   int64_t shots);

/* ---- answers.c ------------------------------------------------------------------- */

typedef struct az_answer_writer {
    FILE *stream;
    az_answer_form form;
    bool proba, begun;
    const az_classifier *classifier;
    size_t n_labels;
} az_answer_writer;

/* label -1: abstained, an empty label. probabilities [n_labels]; used if proba. */
void az_answer_write(az_answer_writer *writer, int64_t label, const double *probabilities);

/* ---- explain.c --------------------------------------------------------------------- */

/* The words of a text with the bits that they earned for label a against b. */
int az_explain(const az_classify_options *opt, az_classifier *classifier, az_text text,
               const double *probabilities, FILE *stream);
/* The same as JSON: {"for", "against", "constant_bits", "words": [{"word", "byte", "bits"}]}. */
az_status az_explain_json(FILE *stream, az_classifier *classifier, az_text text,
                          const double *probabilities, az_error *error);
/* Bits by byte, for the page: malloc'd [n_bytes], or NULL. */
double *az_explain_bytes(az_classifier *classifier, az_text text, size_t a, size_t b);
/* The two labels of the highest probabilities. */
void az_two_best(const double *probabilities, size_t n, size_t *first, size_t *second);

/* ---- report.c, report_html.c ---------------------------------------------------------- */

typedef struct az_report {
    const az_classify_options *opt;
    az_classifier *classifier; /* NULL: cross-validated */
    az_evaluation evaluation;
    const uint64_t *confusion; /* [n_labels][n_labels] */
    const az_text *labels;     /* [n_labels] */
    size_t n_labels;
    const az_text *texts;        /* [n] */
    const int64_t *truth;        /* [n] -1: none */
    const int64_t *answers;      /* [n] -1: abstained */
    const double *probabilities; /* [n][n_labels], or NULL */
    size_t n;
    size_t n_train;
    bool has_overlap;
    az_overlap overlap;
    size_t n_dropped; /* by --dedupe */
    double train_seconds, test_seconds;
    const char *train_name, *test_name;
} az_report;

void az_report_text(FILE *stream, const az_report *report);
void az_report_json(FILE *stream, const az_report *report);
void az_report_html(FILE *stream, const az_report *report);

/* ---- the commands ------------------------------------------------------------------------ */

int az_classify_command(int argc, char **argv);
int az_ncd_command(int argc, char **argv);
int az_nearest_command(int argc, char **argv);

#endif
