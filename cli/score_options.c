/* The command line of score and rank, in any order; -- ends the options. */
#include "score.h"

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
          "  --as=archive    what compress would write: the model mixed with the built-in\n"
          "                  predictor, headers and all (the default without -m)\n"
          "  -1 ... -9       level of the built-in predictor, and of archives; 5 by default\n"
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
          "  aizip score -m smollm2-135m --as archive book.txt\n"
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
    return az_say_usage(&opt->base, command_name(ranks), what, text, why);
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

enum { IN_SCORE = 1, IN_RANK = 2, IN_BOTH = IN_SCORE | IN_RANK };

static const az_option_name long_options[] = {
    {"model", 'm', true, IN_BOTH},
    {"context", OPTION_CONTEXT, true, IN_BOTH},
    {"stride", OPTION_STRIDE, true, IN_BOTH},
    {"start", OPTION_START, true, IN_BOTH},
    {"perplexity", OPTION_PERPLEXITY, false, IN_SCORE},
    {"as", OPTION_AS, true, IN_SCORE},
    {"no-peers", OPTION_NO_PEERS, false, IN_SCORE},
    {"recursive", 'r', false, IN_BOTH},
    {"threads", 'T', true, IN_BOTH},
    {"memlimit", 'M', true, IN_BOTH},
    {"json", OPTION_JSON, false, IN_BOTH},
    {"csv", OPTION_CSV, false, IN_BOTH},
    {"quiet", 'q', false, IN_BOTH},
    {"verbose", 'v', false, IN_BOTH},
    {"help", 'h', false, IN_BOTH},
};

#define SHORT_OPTIONS "mrTMqvh"
#define SHORT_WITH_VALUE "mTM"

/* `value` is "" for an option that takes none. */
static int apply(void *opaque, int id, const char *name, const char *value) {
    az_score_options *opt = opaque;
    (void)name;
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
        if (!az_parse_number(value, MIN_CONTEXT, MAX_CONTEXT, &opt->context))
            return usage(opt, opt->ranks, "--context", value, windows);
        break;
    case OPTION_STRIDE:
        if (!az_parse_number(value, 1, MAX_CONTEXT, &opt->stride))
            return usage(opt, opt->ranks, "--stride", value, strides);
        break;
    case OPTION_START:
        if (!az_parse_number(value, 0, UINT32_MAX, &opt->start))
            return usage(opt, opt->ranks, "--start", value, "expected the number of a token");
        break;
    case OPTION_AS:
        if (strcmp(value, "archive") != 0)
            return usage(opt, opt->ranks, "--as", value, "expected archive");
        opt->as_archive = true;
        break;
    case OPTION_PERPLEXITY: opt->perplexity = true; break;
    case OPTION_NO_PEERS: opt->no_peers = true; break;
    case OPTION_JSON: opt->base.json = true; break;
    case OPTION_CSV: opt->csv = true; break;
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
    bool alone = has_model && !opt->as_archive;
    if (!alone && (opt->context || opt->stride || opt->start >= 0 || opt->perplexity))
        return usage(opt, false, "options", "--context, --stride, --start and --perplexity",
                     "they go with a model, -m, by itself");
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
    opt->ranks = ranks;
    opt->models = calloc((size_t)argc + 1, sizeof *opt->models);
    if (!opt->models) {
        az_say_error(&opt->base, NULL, "not enough memory for the command line.");
        return AZ_EXIT_MEMORY;
    }
    const az_arguments arguments = {.command = command_name(ranks),
                                    .base = &opt->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = SHORT_OPTIONS,
                                    .letters_with_value = SHORT_WITH_VALUE,
                                    .level = &opt->base.level,
                                    .commands = ranks ? IN_RANK : IN_SCORE,
                                    .elsewhere = "it goes with aizip score",
                                    .apply = apply,
                                    .opaque = opt};
    int rc = az_arguments_parse(&arguments, argc, argv);
    if (rc != AZ_EXIT_OK)
        return rc;
    return opt->base.help ? AZ_EXIT_OK : check(opt, ranks);
}

void az_score_options_free(az_score_options *opt) {
    free(opt->base.files);
    free(opt->models);
    opt->base.files = NULL;
    opt->models = NULL;
}
