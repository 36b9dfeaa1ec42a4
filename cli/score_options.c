/* The command line of score and rank, in any order; -- ends the options. */
#include "score.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONTEXT 32768
#define MIN_CONTEXT 2

int az_score_print_help(void) {
    fputs("Usage: aizip score [OPTION]... FILE...\n"
          "Says how many bits each FILE (- is stdin) costs: under a language model alone,\n"
          "in windows of a stated size, or without -m as aizip would compress it. The\n"
          "figures are the same on every machine and for any number of threads.\n"
          "\n"
          "  -m MODEL        a GGUF file, or the name of a model (see aizip model --help)\n"
          "  --context=N     tokens of a window, 2 to 32768; by default 2048, or as many\n"
          "                  as the model was trained with, if fewer\n"
          "  --stride=N      tokens by which windows advance, at most the context: of each\n"
          "                  but the first only the last N count; by default the context\n"
          "  --start=ID      the token before each window; by default the model's own for\n"
          "                  the beginning of a text\n"
          "  --perplexity    llama.cpp's convention: of each whole window the second half\n"
          "                  counts\n"
          "  --as=archive    what compress would write (the default without -m)\n"
          "  -1 ... -9       level of the built-in predictor; 5 by default\n"
          "  --no-peers      no comparison with xz, zstd and the built-in predictor\n"
          "  -r              the files in directories too\n"
          "  -T#, --memlimit=SIZE, -q\n"
          "                  as for compressing\n"
          "  --json, --csv   for programs\n",
          stdout);
    fputs("\n"
          "Examples:\n"
          "  aizip score -m smollm2-135m book.txt\n"
          "  aizip score -m smollm2-135m --context 512 --stride 256 book.txt\n"
          "  aizip score -9 --json *.txt\n"
          "  head -c 40000 book.txt | aizip score -m ./tiny.gguf -\n",
          stdout);
    return AZ_EXIT_OK;
}

int az_rank_print_help(void) {
    fputs("Usage: aizip rank -m MODEL [-m MODEL]... [OPTION]... FILE...\n"
          "Orders models by the bits per byte that all FILEs together cost under each, with\n"
          "95 % intervals from a bootstrap over blocks of the text, and says how far each is\n"
          "behind the first on the same blocks.\n"
          "\n"
          "  -m MODEL        a GGUF file, the name of a model, or built-in: the predictor\n"
          "                  that aizip compresses with\n"
          "  --context=N, --stride=N, --start=ID\n"
          "                  as for aizip score, for every model\n"
          "  -1 ... -9       level of the built-in predictor; 5 by default\n"
          "  -r              the files in directories too\n"
          "  -T#, --memlimit=SIZE, -q\n"
          "                  as for compressing\n"
          "  --json, --csv   for programs\n"
          "\n"
          "Examples:\n"
          "  aizip rank -m smollm2-135m -m gemma3-270m -m built-in *.txt\n"
          "  aizip rank --json --context 512 -m a.gguf -m b.gguf book.txt\n",
          stdout);
    return AZ_EXIT_OK;
}

/* ---- One option ------------------------------------------------------- */

static const char *command_name(bool ranks) {
    return ranks ? "rank" : "score";
}

static int usage(const az_score_options *opt, bool ranks, const char *what, const char *text,
                 const char *why) {
    az_say_error(&opt->base, NULL, "%s %s: %s; see aizip %s --help.", what, text, why,
                 command_name(ranks));
    return AZ_EXIT_USAGE;
}

/* A decimal number from min to max. */
static bool parse_number(const char *text, int64_t min, int64_t max, int64_t *n) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
        return false;
    *n = value;
    return true;
}

enum {
    OPTION_CONTEXT = 256, /* no letter of their own */
    OPTION_STRIDE,
    OPTION_START,
    OPTION_PERPLEXITY,
    OPTION_AS,
    OPTION_NO_PEERS,
    OPTION_JSON,
    OPTION_CSV
};

static const struct option_name {
    const char *name;
    int id;
    bool takes_value;
    bool score_only;
} long_options[] = {
    {"model", 'm', true, false},
    {"context", OPTION_CONTEXT, true, false},
    {"stride", OPTION_STRIDE, true, false},
    {"start", OPTION_START, true, false},
    {"perplexity", OPTION_PERPLEXITY, false, true},
    {"as", OPTION_AS, true, true},
    {"no-peers", OPTION_NO_PEERS, false, true},
    {"recursive", 'r', false, false},
    {"threads", 'T', true, false},
    {"memlimit", 'M', true, false},
    {"json", OPTION_JSON, false, false},
    {"csv", OPTION_CSV, false, false},
    {"quiet", 'q', false, false},
    {"verbose", 'v', false, false},
    {"help", 'h', false, false},
};

#define SHORT_OPTIONS "mrTMqvh"
#define SHORT_WITH_VALUE "mTM"

/* `value` is "" for an option that takes none. */
static int apply(az_score_options *opt, bool ranks, int id, const char *value) {
    static const char windows[] = "expected a number of tokens from 2 to 32768";
    static const char strides[] = "expected a number of tokens from 1 to 32768";
    switch (id) {
    case 'm': opt->models[opt->n_models++] = value; break;
    case 'r': opt->base.recursive = true; break;
    case 'T': return az_options_set_threads(&opt->base, value);
    case 'M': return az_options_set_memlimit(&opt->base, value);
    case 'q': opt->base.verbosity--; break;
    case 'v': opt->base.verbosity++; break;
    case 'h': opt->base.help = true; break;
    case OPTION_CONTEXT:
        if (!parse_number(value, MIN_CONTEXT, MAX_CONTEXT, &opt->context))
            return usage(opt, ranks, "--context", value, windows);
        break;
    case OPTION_STRIDE:
        if (!parse_number(value, 1, MAX_CONTEXT, &opt->stride))
            return usage(opt, ranks, "--stride", value, strides);
        break;
    case OPTION_START:
        if (!parse_number(value, 0, UINT32_MAX, &opt->start))
            return usage(opt, ranks, "--start", value, "expected the number of a token");
        break;
    case OPTION_AS:
        if (strcmp(value, "archive") != 0)
            return usage(opt, ranks, "--as", value, "expected archive");
        opt->as_archive = true;
        break;
    case OPTION_PERPLEXITY: opt->perplexity = true; break;
    case OPTION_NO_PEERS: opt->no_peers = true; break;
    case OPTION_JSON: opt->base.json = true; break;
    case OPTION_CSV: opt->csv = true; break;
    }
    return AZ_EXIT_OK;
}

/* Takes argv[*i], which begins with "--", and its value, if that is the next. */
static int parse_long(az_score_options *opt, bool ranks, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    size_t len = strcspn(arg, "=");
    bool equals = arg[len] == '=';
    for (size_t k = 0; k < sizeof long_options / sizeof *long_options; k++) {
        const struct option_name *option = &long_options[k];
        if (strlen(option->name) != len - 2 || memcmp(option->name, arg + 2, len - 2) != 0)
            continue;
        if (option->score_only && ranks)
            return usage(opt, ranks, "option", arg, "it goes with aizip score");
        if (!option->takes_value && equals)
            return usage(opt, ranks, "option", arg, "it takes no value");
        if (option->takes_value && !equals && *i + 1 >= argc)
            return usage(opt, ranks, "option", arg, "its value is missing");
        const char *value = equals ? arg + len + 1 : option->takes_value ? argv[++*i] : "";
        return apply(opt, ranks, option->id, value);
    }
    return usage(opt, ranks, "option", arg, "there is no such option");
}

/* Takes argv[*i], one "-" and letters, and the value, if that is the next. */
static int parse_short(az_score_options *opt, bool ranks, int argc, char **argv, int *i) {
    for (const char *p = argv[*i] + 1; *p;) {
        char letter = *p++;
        if (letter >= '1' && letter <= '9' && (*p < '0' || *p > '9')) {
            opt->base.level = letter - '0';
            continue;
        }
        if (letter >= '0' && letter <= '9')
            return usage(opt, ranks, "level", argv[*i], "levels are -1 (fastest) to -9 (smallest)");
        if (!strchr(SHORT_OPTIONS, letter))
            return usage(opt, ranks, "option", argv[*i], "there is no such option");
        const char *value = "";
        if (strchr(SHORT_WITH_VALUE, letter)) {
            if (!*p && *i + 1 >= argc)
                return usage(opt, ranks, "option", argv[*i], "its value is missing");
            value = *p ? p : argv[++*i];
            p = "";
        }
        int rc = apply(opt, ranks, letter, value);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return AZ_EXIT_OK;
}

/* ---- All of them ------------------------------------------------------ */

static int check_score(const az_score_options *opt) {
    if (opt->n_models > 1)
        return usage(opt, false, "option", "-m",
                     "score takes one model; aizip rank compares several");
    const char *model = opt->models[0]; /* NULL: none */
    bool has_model = model && strcmp(model, AZ_BUILT_IN) != 0;
    if (has_model && opt->as_archive)
        return usage(opt, false, "option", "--as=archive",
                     "archives with a language model are not written by this version yet");
    if (!has_model && (opt->context || opt->stride || opt->start >= 0 || opt->perplexity))
        return usage(opt, false, "options", "--context, --stride, --start and --perplexity",
                     "they go with a model, -m");
    if (opt->perplexity && opt->stride)
        return usage(opt, false, "options", "--perplexity and --stride",
                     "windows share nothing in llama.cpp's convention");
    return AZ_EXIT_OK;
}

static int check(const az_score_options *opt, bool ranks) {
    if (opt->base.json && opt->csv)
        return usage(opt, ranks, "options", "--json and --csv", "only one of them can be written");
    if (opt->context && opt->stride > opt->context)
        return usage(opt, ranks, "options", "--stride and --context",
                     "the stride can't be more than the context");
    if (ranks && opt->n_models == 0)
        return usage(opt, ranks, "command", "rank", "-m MODEL is missing, once for each model");
    if (opt->base.n_files == 0)
        return usage(opt, ranks, "command", command_name(ranks),
                     "the name of a file is missing (- is stdin)");
    return ranks ? AZ_EXIT_OK : check_score(opt);
}

int az_score_options_parse(az_score_options *opt, bool ranks, int argc, char **argv) {
    *opt = (az_score_options){.start = -1};
    az_options_init(&opt->base);
    opt->base.mode = AZ_MODE_SCORE;
    opt->base.to_stdout = true; /* no file is made: links and pipes may be read */
    opt->base.files = calloc((size_t)argc + 1, sizeof *opt->base.files);
    opt->models = calloc((size_t)argc + 1, sizeof *opt->models);
    if (!opt->base.files || !opt->models) {
        az_say_error(&opt->base, NULL, "not enough memory for the command line.");
        return AZ_EXIT_MEMORY;
    }
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        int rc = AZ_EXIT_OK;
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0')
            opt->base.files[opt->base.n_files++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (argv[i][1] == '-')
            rc = parse_long(opt, ranks, argc, argv, &i);
        else
            rc = parse_short(opt, ranks, argc, argv, &i);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return opt->base.help ? AZ_EXIT_OK : check(opt, ranks);
}

void az_score_options_free(az_score_options *opt) {
    free(opt->base.files);
    free(opt->models);
    opt->base.files = NULL;
    opt->models = NULL;
}
