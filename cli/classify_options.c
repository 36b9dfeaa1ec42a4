/* The command lines of classify, ncd and nearest, in any order; -- ends the options. */
#include "classification.h"

#include <stdlib.h>
#include <string.h>

/* Texts a label that a language model sees. */
enum { EXAMPLES = 8 };

static const char *const command_names[] = {"classify", "ncd", "nearest"};

static int usage(const az_classify_options *opt, az_classify_command_name command, const char *what,
                 const char *text, const char *why) {
    return az_say_usage(&opt->base, command_names[command], what, text, why);
}

/* ---- Values ------------------------------------------------------------------ */

/* One of the words; its place in the list. */
static bool parse_word(const char *text, const char *const *words, size_t n_words, int *place) {
    for (size_t i = 0; i < n_words; i++)
        if (words[i] && strcmp(words[i], text) == 0) {
            *place = (int)i;
            return true;
        }
    return false;
}

#define PARSE_WORD(text, words, place) parse_word(text, words, sizeof words / sizeof *words, place)

static const char *const method_words[] = {"class", "knn", "cm", NULL, "counts"};
static const char *const format_words[] = {"auto",     "csv",   "tsv",    "jsonl",
                                           "fasttext", "lines", "folder", "idx"};
static const char *const distance_words[] = {"ncd", "cdm", "clm", "conditional"};
static const char *const order_words[] = {"test-first", "train-first"};
static const char *const votes_words[] = {"lowest-k", "lowest-label", "distance"};
static const char *const form_words[] = {NULL, "tsv", "csv", "jsonl"};

/* What a preset sets, as if each had been given. */
static const struct preset {
    const char *name, *separator;
    int64_t train_rows, test_rows;
    unsigned k;
    int train_first;
    az_votes votes;
} presets[] = {
    /* The first 12,000 and 760 rows of AG News, gzip 9, training text + text, ties to the lowest
     * label. */
    {"seed", "", 12000, 760, 5, 1, AZ_VOTES_LOWEST_LABEL},
    /* Jiang et al. 2023: text + " " + training text; their k is 2, with either label counted as
     * right. */
    {"npc-gzip", " ", 0, 0, 1, 0, AZ_VOTES_LOWEST_K},
};

static bool set_preset(az_classify_options *opt, const char *name) {
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const struct preset *p = presets + i;
        if (strcmp(p->name, name) != 0)
            continue;
        az_knn_options *knn = &opt->classifier.knn;
        opt->classifier.method = AZ_METHOD_KNN;
        knn->compressor = "gzip";
        knn->level = 9;
        knn->distance = AZ_DISTANCE_NCD;
        knn->k = p->k;
        knn->train_first = p->train_first;
        knn->votes = p->votes;
        knn->separator = (az_text){p->separator, strlen(p->separator)};
        opt->train_rows = p->train_rows;
        opt->test_rows = p->test_rows;
        return true;
    }
    return false;
}

/* \n, \t, \r and \\ stand for one byte. */
static bool set_separator(az_classify_options *opt, const char *value) {
    size_t n = 0;
    for (const char *p = value; *p; p++) {
        char c = *p;
        if (c == '\\') {
            c = *++p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p == '\\' ? '\\' : 0;
            if (!c)
                return false;
        }
        if (n == sizeof opt->separator)
            return false;
        opt->separator[n++] = c;
    }
    opt->classifier.knn.separator = (az_text){opt->separator, n};
    return true;
}

/* ---- One option ---------------------------------------------------------------- */

enum {
    OPTION_TRAIN = 256, /* no letter of their own */
    OPTION_TEST,
    OPTION_TEXT,
    OPTION_METHOD,
    OPTION_LABELS,
    OPTION_EXAMPLES,
    OPTION_ADD,
    OPTION_REMOVE,
    OPTION_SAVE,
    OPTION_LOAD,
    OPTION_PREDICTIONS,
    OPTION_PROBA,
    OPTION_FORM,
    OPTION_REPORT,
    OPTION_CV,
    OPTION_REJECT,
    OPTION_EXPLAIN,
    OPTION_DEDUPE,
    OPTION_FORMAT,
    OPTION_TEXT_COLUMNS,
    OPTION_LABEL_COLUMN,
    OPTION_HEADER,
    OPTION_NO_HEADER,
    OPTION_ESCAPES,
    OPTION_UNLABELLED,
    OPTION_TRAIN_LABELS,
    OPTION_TEST_LABELS,
    OPTION_TRAIN_ROWS,
    OPTION_TEST_ROWS,
    OPTION_SHOTS,
    OPTION_SEED,
    OPTION_COMPRESSOR,
    OPTION_LEVEL,
    OPTION_DISTANCE,
    OPTION_ORDER,
    OPTION_SEPARATOR,
    OPTION_VOTES,
    OPTION_PRESET,
    OPTION_TREE,
    OPTION_JSON,
    OPTION_CSV
};

enum { IN_CLASSIFY = 1 << AZ_CLASSIFY, IN_NCD = 1 << AZ_NCD, IN_NEAREST = 1 << AZ_NEAREST };
#define IN_ALL (IN_CLASSIFY | IN_NCD | IN_NEAREST)
#define IN_DATA (IN_CLASSIFY | IN_NEAREST)

static const az_option_name long_options[] = {
    {"train", OPTION_TRAIN, true, IN_DATA},
    {"test", OPTION_TEST, true, IN_CLASSIFY},
    {"text", OPTION_TEXT, true, IN_DATA},
    {"method", OPTION_METHOD, true, IN_CLASSIFY},
    {"model", 'm', true, IN_CLASSIFY},
    {"labels", OPTION_LABELS, true, IN_CLASSIFY},
    {"examples", OPTION_EXAMPLES, true, IN_CLASSIFY},
    {"add", OPTION_ADD, true, IN_CLASSIFY},
    {"remove", OPTION_REMOVE, true, IN_CLASSIFY},
    {"save", OPTION_SAVE, true, IN_CLASSIFY},
    {"load", OPTION_LOAD, true, IN_DATA},
    {"predictions", OPTION_PREDICTIONS, true, IN_CLASSIFY},
    {"proba", OPTION_PROBA, false, IN_CLASSIFY},
    {"answers", OPTION_FORM, true, IN_CLASSIFY},
    {"report", OPTION_REPORT, true, IN_CLASSIFY},
    {"cv", OPTION_CV, true, IN_CLASSIFY},
    {"reject", OPTION_REJECT, true, IN_CLASSIFY},
    {"explain", OPTION_EXPLAIN, false, IN_CLASSIFY},
    {"dedupe", OPTION_DEDUPE, false, IN_DATA},
    {"format", OPTION_FORMAT, true, IN_DATA},
    {"text-columns", OPTION_TEXT_COLUMNS, true, IN_DATA},
    {"label-column", OPTION_LABEL_COLUMN, true, IN_DATA},
    {"header", OPTION_HEADER, false, IN_DATA},
    {"no-header", OPTION_NO_HEADER, false, IN_DATA},
    {"escapes", OPTION_ESCAPES, false, IN_DATA},
    {"unlabelled", OPTION_UNLABELLED, false, IN_CLASSIFY},
    {"train-labels", OPTION_TRAIN_LABELS, true, IN_DATA},
    {"test-labels", OPTION_TEST_LABELS, true, IN_CLASSIFY},
    {"train-rows", OPTION_TRAIN_ROWS, true, IN_DATA},
    {"test-rows", OPTION_TEST_ROWS, true, IN_CLASSIFY},
    {"shots", OPTION_SHOTS, true, IN_DATA},
    {"seed", OPTION_SEED, true, IN_DATA},
    {"compressor", OPTION_COMPRESSOR, true, IN_ALL},
    {"level", OPTION_LEVEL, true, IN_ALL},
    {"distance", OPTION_DISTANCE, true, IN_ALL},
    {"order", OPTION_ORDER, true, IN_DATA},
    {"separator", OPTION_SEPARATOR, true, IN_ALL},
    {"votes", OPTION_VOTES, true, IN_CLASSIFY},
    {"preset", OPTION_PRESET, true, IN_DATA},
    {"tree", OPTION_TREE, true, IN_NCD},
    {"threads", 'T', true, IN_ALL},
    {"memlimit", 'M', true, IN_ALL},
    {"json", OPTION_JSON, false, IN_ALL},
    {"csv", OPTION_CSV, false, IN_NCD},
    {"quiet", 'q', false, IN_ALL},
    {"verbose", 'v', false, IN_ALL},
    {"help", 'h', false, IN_ALL},
};

#define SHORT_OPTIONS "kmTMqvh"
#define SHORT_WITH_VALUE "kmTM"

static bool apply_number(az_classify_options *opt, int id, const char *value) {
    int64_t n;
    switch (id) {
    case 'k':
        if (!az_parse_number(value, 1, AZ_KNN_MAX, &n))
            return false;
        opt->classifier.knn.k = (unsigned)n;
        opt->neighbours = n;
        return true;
    case OPTION_LEVEL:
        if (!az_parse_number(value, 0, 22, &n))
            return false;
        opt->classifier.knn.level = opt->classifier.level = (int)n;
        return true;
    case OPTION_EXAMPLES:
        if (!az_parse_number(value, 0, 1000, &n))
            return false;
        opt->classifier.n_examples = (unsigned)n;
        opt->has_examples = true;
        return true;
    case OPTION_CV: return az_parse_number(value, 2, 1000, &opt->folds);
    case OPTION_TRAIN_ROWS: return az_parse_number(value, 1, UINT32_MAX, &opt->train_rows);
    case OPTION_TEST_ROWS: return az_parse_number(value, 1, UINT32_MAX, &opt->test_rows);
    case OPTION_SHOTS: return az_parse_number(value, 1, UINT32_MAX, &opt->shots);
    case OPTION_SEED: return az_parse_number(value, 0, INT64_MAX, &opt->seed);
    case OPTION_REJECT: {
        char *end;
        opt->reject = strtod(value, &end);
        return *value && !*end && opt->reject >= 0 && opt->reject < 1;
    }
    default: return false;
    }
}

static bool apply_word(az_classify_options *opt, int id, const char *value) {
    int place;
    az_knn_options *knn = &opt->classifier.knn;
    switch (id) {
    case OPTION_METHOD:
        if (!PARSE_WORD(value, method_words, &place))
            return false;
        opt->classifier.method = (az_method)place;
        return true;
    case OPTION_FORMAT:
        if (!PARSE_WORD(value, format_words, &place))
            return false;
        opt->data.format = (az_dataset_format)place;
        opt->has_format = true;
        return true;
    case OPTION_DISTANCE:
        if (!PARSE_WORD(value, distance_words, &place))
            return false;
        knn->distance = (az_distance)place;
        return true;
    case OPTION_ORDER:
        if (!PARSE_WORD(value, order_words, &place))
            return false;
        knn->train_first = place;
        return true;
    case OPTION_VOTES:
        if (!PARSE_WORD(value, votes_words, &place))
            return false;
        knn->votes = (az_votes)place;
        return true;
    case OPTION_FORM:
        if (!PARSE_WORD(value, form_words, &place))
            return false;
        opt->form = (az_answer_form)place;
        return true;
    case OPTION_PRESET: return set_preset(opt, value);
    case OPTION_SEPARATOR: return set_separator(opt, value);
    default: return false;
    }
}

/* What a wrong value is told; NULL for options whose value can't be wrong. */
static const char *expected(int id) {
    switch (id) {
    case 'k': return "expected a number of neighbours from 1 to 10000";
    case OPTION_LEVEL: return "expected a level of the compressor";
    case OPTION_CV: return "expected a number of folds from 2 to 1000";
    case OPTION_TRAIN_ROWS:
    case OPTION_TEST_ROWS: return "expected a number of rows";
    case OPTION_SHOTS: return "expected a number of rows a label";
    case OPTION_SEED: return "expected a whole number";
    case OPTION_REJECT: return "expected a share from 0 to below 1";
    case OPTION_METHOD: return "expected class, cm, counts or knn";
    case OPTION_EXAMPLES: return "expected a number of texts a label, 0 to 1000";
    case OPTION_FORMAT: return "expected csv, tsv, jsonl, fasttext, lines, folder, idx or auto";
    case OPTION_DISTANCE: return "expected ncd, cdm, clm or conditional";
    case OPTION_ORDER: return "expected test-first or train-first";
    case OPTION_VOTES: return "expected lowest-k, lowest-label or distance";
    case OPTION_FORM: return "expected tsv, csv or jsonl";
    case OPTION_PRESET: return "expected seed or npc-gzip";
    case OPTION_SEPARATOR: return "at most 64 bytes; \\n, \\t, \\r and \\\\ stand for one";
    default: return NULL;
    }
}

/* `value` is "" for an option that takes none. */
static int apply(void *opaque, int id, const char *name, const char *value) {
    az_classify_options *opt = opaque;
    if (expected(id)) {
        if (apply_number(opt, id, value) || apply_word(opt, id, value))
            return AZ_EXIT_OK;
        char what[40];
        snprintf(what, sizeof what, "%s%.30s", id == 'k' ? "-" : "--", name);
        return usage(opt, opt->command, what, value, expected(id));
    }
    switch (id) {
    case OPTION_TRAIN: opt->train = value; break;
    case OPTION_TEST: opt->test = value; break;
    case OPTION_TEXT: opt->text = value; break;
    case OPTION_ADD: opt->add = value; break;
    case OPTION_REMOVE: opt->remove = value; break;
    case OPTION_LABELS: opt->labels = value; break;
    case 'm':
        if (strcmp(value, "cm") == 0 || strcmp(value, "built-in") == 0)
            opt->classifier.method = AZ_METHOD_PRIMED;
        else
            opt->model = value;
        break;
    case OPTION_SAVE: opt->save = value; break;
    case OPTION_LOAD: opt->load = value; break;
    case OPTION_PREDICTIONS: opt->predictions = value; break;
    case OPTION_REPORT: opt->report = value; break;
    case OPTION_PROBA: opt->proba = true; break;
    case OPTION_EXPLAIN: opt->explain = true; break;
    case OPTION_DEDUPE: opt->dedupe = true; break;
    case OPTION_TEXT_COLUMNS: opt->data.text_columns = value; break;
    case OPTION_LABEL_COLUMN: opt->data.label_column = value; break;
    case OPTION_HEADER: opt->data.header = 1; break;
    case OPTION_NO_HEADER: opt->data.header = -1; break;
    case OPTION_ESCAPES: opt->data.escapes = 1; break;
    case OPTION_UNLABELLED: opt->test_unlabelled = true; break;
    case OPTION_TRAIN_LABELS: opt->train_labels = value; break;
    case OPTION_TEST_LABELS: opt->test_labels = value; break;
    case OPTION_COMPRESSOR: opt->classifier.knn.compressor = value; break;
    case OPTION_TREE: opt->tree = value; break;
    case 'T': return az_options_set_threads(&opt->base, value);
    case 'M': return az_options_set_memlimit(&opt->base, value);
    case 'q': opt->base.verbosity--; break;
    case 'v': opt->base.verbosity++; break;
    case 'h': opt->base.help = true; break;
    case OPTION_JSON: opt->base.json = true; break;
    case OPTION_CSV: opt->csv = true; break;
    }
    return AZ_EXIT_OK;
}

/* ---- All of them ------------------------------------------------------------------ */

static int check(const az_classify_options *opt, az_classify_command_name command) {
    if (command == AZ_NCD)
        return opt->base.n_files >= 2 ? AZ_EXIT_OK
                                      : usage(opt, command, "command", "ncd",
                                              "the names of two files or more are missing");
    if (opt->labels && (!opt->model || opt->train || opt->load))
        return usage(opt, command, "option", "--labels",
                     "it goes with -m MODEL, without --train and --load");
    if (!opt->train && !opt->load && !opt->labels)
        return usage(opt, command, "command", command_names[command],
                     "--train FILE (or --load FILE, or -m MODEL --labels A,B,...) is missing");
    if (opt->classifier.method == AZ_METHOD_PRIMED && opt->classifier.knn.level == 0)
        return usage(opt, command, "option", "--level 0",
                     "the built-in predictor has levels 1 to 9");
    if (opt->model && opt->load)
        return usage(opt, command, "options", "-m and --load",
                     "what is loaded needs no language model");
    if (opt->model && opt->save)
        return usage(opt, command, "options", "-m and --save",
                     "a language model learns nothing that could be kept; keep the training texts");
    if ((opt->add || opt->remove) && opt->folds)
        return usage(opt, command, "option", "--cv", "it goes without --add and --remove");
    if (opt->has_examples && (!opt->model || opt->labels))
        return usage(opt, command, "option", "--examples", "it goes with -m MODEL and --train");
    if (opt->train && opt->load)
        return usage(opt, command, "options", "--train and --load", "only one of them");
    if (opt->folds && !opt->train)
        return usage(opt, command, "option", "--cv", "it needs --train");
    if (opt->folds && (opt->test || opt->save || opt->text))
        return usage(opt, command, "option", "--cv",
                     "it goes without --test, --text and --save: it trains on parts");
    if (opt->report && !opt->test && !opt->folds)
        return usage(opt, command, "option", "--report", "it needs --test, or --cv");
    if (opt->test && opt->text)
        return usage(opt, command, "options", "--test and --text", "only one of them");
    if (opt->dedupe && !opt->train)
        return usage(opt, command, "option", "--dedupe", "it needs --train");
    if (opt->explain && opt->classifier.method == AZ_METHOD_KNN)
        return usage(opt, command, "option", "--explain",
                     "neighbours have no words, and no probabilities, to go by");
    if (opt->reject > 0 && opt->classifier.method == AZ_METHOD_KNN)
        return usage(opt, command, "option", "--reject",
                     "neighbours have no words, and no probabilities, to go by");
    return AZ_EXIT_OK;
}

int az_classify_options_parse(az_classify_options *opt, az_classify_command_name command, int argc,
                              char **argv) {
    *opt = (az_classify_options){.classifier = {.knn.level = -1, .n_examples = EXAMPLES},
                                 .neighbours = 5};
    az_options_init(&opt->base);
    opt->base.mode = AZ_MODE_SCORE;
    opt->base.to_stdout = true;
    opt->base.n_threads = 0;
    if (command == AZ_NEAREST)
        opt->classifier.method = AZ_METHOD_KNN;
    opt->command = command;
    const az_arguments arguments = {.command = command_names[command],
                                    .base = &opt->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = SHORT_OPTIONS,
                                    .letters_with_value = SHORT_WITH_VALUE,
                                    .commands = 1 << command,
                                    .elsewhere = "it goes with another command",
                                    .apply = apply,
                                    .opaque = opt};
    int rc = az_arguments_parse(&arguments, argc, argv);
    if (rc != AZ_EXIT_OK)
        return rc;
    opt->classifier.n_threads = opt->base.n_threads;
    opt->classifier.memory_limit = opt->data.memory_limit = opt->base.memlimit;
    return opt->base.help ? AZ_EXIT_OK : check(opt, command);
}

void az_classify_options_free(az_classify_options *opt) {
    free(opt->base.files);
    opt->base.files = NULL;
}
