/*
 * aizip model: its command line, help, and rm. Like the program's own, written
 * out: options and names may come in any order, -- ends the options.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT 60
#define MAX_TIMEOUT 86400

static int print_help(void) {
    fputs("Usage: aizip model COMMAND [OPTION]... [NAME]...\n"
          "Fetches language models (GGUF files), and shows and removes them.\n"
          "\n"
          "  fetch NAME|URL  get a model into the model folder; goes on where it was cut short\n"
          "  list            the models that are there, those of llama.cpp and of Hugging\n"
          "                  Face's hub included\n"
          "  info NAME|FILE  metadata, tensors, SHA-256, memory needed\n"
          "  rm NAME...      remove models from the model folder; asks nothing\n"
          "\n"
          "  --sha256 X      fetch: refuse a file with another SHA-256\n"
          "  --name NAME     fetch: the name it gets; by default the one in the URL\n"
          "  --accept-license\n"
          "                  fetch: you have read the licence terms that are shown, and agree\n"
          "  --timeout SECONDS\n"
          "                  fetch: give up when so long nothing comes; 60 by default\n"
          "  -f              fetch: replace a model of that name\n"
          "  --json          list and info: for programs\n"
          "  -q              no progress, no warnings; -qq: no errors either\n"
          "\n"
          "Models that fetch knows by name:\n",
          stdout);
    az_model_print_known(stdout);
    fputs("\n"
          "The model folder is $AIZIP_MODELS, or else $XDG_DATA_HOME/aizip/models, or else\n"
          "~/.local/share/aizip/models.\n"
          "\n"
          "Examples:\n"
          "  aizip model fetch smollm2-135m\n"
          "  aizip model fetch https://example.org/tiny.Q8_0.gguf --name tiny\n"
          "  aizip model list\n"
          "  aizip model info smollm2-135m\n"
          "  aizip model info --json ./tiny.Q8_0.gguf\n"
          "  aizip model rm tiny\n",
          stdout);
    return AZ_EXIT_OK;
}

static int usage(const az_options *opt, const char *what, const char *text, const char *why) {
    az_say_error(opt, NULL, "%s %s: %s; see aizip model --help.", what, text, why);
    return AZ_EXIT_USAGE;
}

/* ---- rm ----------------------------------------------------------------- */

/* Removes FOLDER/NAME + suffix; notes in *n_removed if there was such a file. */
static int remove_file(const az_options *opt, const char *folder, const char *name,
                       const char *suffix, int *n_removed) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s", folder, name, suffix) < 0) {
        az_say_error(opt, name, "not enough memory for its path.");
        return AZ_EXIT_MEMORY;
    }
    int rc = AZ_EXIT_OK;
    if (unlink(path) == 0) {
        ++*n_removed;
    } else if (errno != ENOENT) {
        az_say_error(opt, path, "cannot be removed: %s.", strerror(errno));
        rc = AZ_EXIT_FILE;
    }
    free(path);
    return rc;
}

/* The model, and what a fetch that was cut short has left of it. */
static int remove_model(const az_options *opt, const char *folder, const char *name) {
    static const char *const suffixes[] = {".gguf", ".gguf.part", ".gguf.part.info"};
    char *stem = strdup(name), *wheels = NULL;
    size_t len = strlen(name);
    int n_removed = 0, rc = AZ_EXIT_OK;
    if (stem && len > 5 && strcmp(stem + len - 5, ".gguf") == 0)
        stem[len - 5] = '\0';
    if (!stem || asprintf(&wheels, "%s/%s.gguf.wheels", folder, stem) < 0) {
        free(stem);
        az_say_error(opt, name, "not enough memory for its path.");
        return AZ_EXIT_MEMORY;
    }
    if (access(wheels, F_OK) == 0) {
        az_wheels_remove(wheels);
        n_removed++;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && rc == AZ_EXIT_OK; i++)
        rc = remove_file(opt, folder, stem, suffixes[i], &n_removed);
    if (rc == AZ_EXIT_OK && n_removed == 0) {
        az_say_error(opt, name, "there is no such model in %s.", folder);
        rc = AZ_EXIT_FILE;
    }
    free(stem);
    free(wheels);
    return rc;
}

static int remove_named(const az_model_options *opt, const char *name) {
    if (!az_model_name_is_valid(name)) {
        az_say_error(&opt->base, name,
                     "is not the name of a model; rm removes from the model folder only, by name.");
        return AZ_EXIT_USAGE;
    }
    char *folder = az_models_folder();
    if (!folder) {
        az_say_error(&opt->base, name, "no model folder is known; set AIZIP_MODELS or HOME.");
        return AZ_EXIT_FILE;
    }
    int rc = remove_model(&opt->base, folder, name);
    free(folder);
    return rc;
}

/* ---- The command line ----------------------------------------------------- */

static int list_one(const az_model_options *opt, const char *name) {
    (void)name;
    return az_model_list(opt);
}

static const struct subcommand {
    const char *name;
    int (*run)(const az_model_options *opt, const char *name);
    size_t min_names, max_names;
    bool is_fetch, has_json;
} subcommands[] = {
    {"fetch", az_model_fetch, 1, 1, true, false},
    {"list", list_one, 0, 0, false, true},
    {"info", az_model_info_of, 1, 1, false, true},
    {"rm", remove_named, 1, SIZE_MAX, false, false},
};

/* Whether argv[*i] is the option `name`, with its value after = or as the next
 * word; *value is NULL where it has none. */
static bool takes_value(const char *name, int argc, char **argv, int *i, const char **value) {
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] != '=' && argv[*i][len] != '\0'))
        return false;
    *value = argv[*i][len] == '=' ? argv[*i] + len + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

static int set_timeout(az_model_options *opt, const char *value) {
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n < 1 || n > MAX_TIMEOUT)
        return usage(&opt->base, "--timeout", value, "expected a number of seconds");
    opt->timeout = (int)n;
    return AZ_EXIT_OK;
}

static int set_sha256(az_model_options *opt, const char *value) {
    if (strlen(value) != 64 || strspn(value, "0123456789abcdefABCDEF") != 64)
        return usage(&opt->base, "--sha256", value, "expected 64 hexadecimal digits");
    opt->sha256 = value;
    return AZ_EXIT_OK;
}

static int set_name(az_model_options *opt, const char *value) {
    if (!az_model_name_is_valid(value))
        return usage(&opt->base, "--name", value,
                     "expected letters, digits and any of ._-+@, not first a dot or a minus");
    opt->name = value;
    return AZ_EXIT_OK;
}

static const struct value_option {
    const char *name;
    int (*set)(az_model_options *opt, const char *value);
} with_value[] = {{"--sha256", set_sha256}, {"--name", set_name}, {"--timeout", set_timeout}};

/* Takes the option argv[*i]. */
static int parse_option(az_model_options *opt, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    for (size_t k = 0; k < sizeof with_value / sizeof *with_value; k++) {
        const char *value;
        if (!takes_value(with_value[k].name, argc, argv, i, &value))
            continue;
        return value ? with_value[k].set(opt, value)
                     : usage(&opt->base, "option", arg, "its value is missing");
    }
    if (strcmp(arg, "--json") == 0)
        opt->base.json = true;
    else if (strcmp(arg, "--accept-license") == 0 || strcmp(arg, "--accept-licence") == 0)
        opt->accept_license = true;
    else if (strcmp(arg, "-f") == 0 || strcmp(arg, "--force") == 0)
        opt->base.force = true;
    else if (strcmp(arg, "-q") == 0 || strcmp(arg, "--quiet") == 0)
        opt->base.verbosity--;
    else if (strcmp(arg, "-qq") == 0)
        opt->base.verbosity -= 2;
    else if (strcmp(arg, "-v") == 0 || strcmp(arg, "--verbose") == 0)
        opt->base.verbosity++;
    else if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)
        opt->base.help = true;
    else
        return usage(&opt->base, "option", arg, "there is no such option");
    return AZ_EXIT_OK;
}

/* The subcommand is the first word that is no option; names follow. */
static int parse(az_model_options *opt, int argc, char **argv) {
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        int rc = AZ_EXIT_OK;
        if (!options_end && strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (options_end || argv[i][0] != '-')
            opt->base.files[opt->base.n_files++] = argv[i];
        else
            rc = parse_option(opt, argc, argv, &i);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return AZ_EXIT_OK;
}

static int check(const az_model_options *opt, const struct subcommand *sub, size_t n_names) {
    const az_options *base = &opt->base;
    if (n_names < sub->min_names)
        return usage(base, "command", sub->name, "the name of a model is missing");
    if (n_names > sub->max_names)
        return usage(base, "command", sub->name,
                     sub->max_names ? "it takes one model" : "it takes no name");
    if (!sub->is_fetch && (opt->sha256 || opt->name || opt->accept_license || base->force))
        return usage(base, "command", sub->name,
                     "--sha256, --name, --accept-license and -f go with fetch");
    if (!sub->has_json && base->json)
        return usage(base, "command", sub->name, "--json goes with list and info");
    return AZ_EXIT_OK;
}

static int run(const az_model_options *opt) {
    const char *word = opt->base.files[0];
    const char **names = opt->base.files + 1;
    size_t n_names = opt->base.n_files - 1;
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        const struct subcommand *sub = &subcommands[i];
        if (strcmp(word, sub->name) != 0)
            continue;
        int rc = check(opt, sub, n_names);
        if (rc != AZ_EXIT_OK || n_names == 0)
            return rc == AZ_EXIT_OK ? sub->run(opt, NULL) : rc;
        for (size_t k = 0; k < n_names; k++) {
            int one = sub->run(opt, names[k]);
            rc = one > rc ? one : rc;
        }
        return rc;
    }
    return usage(&opt->base, "command", word, "expected fetch, list, info or rm");
}

int az_model_command(int argc, char **argv) {
    az_model_options opt = {.base = {.mode = AZ_MODE_MODEL}, .timeout = DEFAULT_TIMEOUT};
    opt.base.files = calloc((size_t)argc + 1, sizeof *opt.base.files);
    if (!opt.base.files) {
        az_say_error(&opt.base, NULL, "not enough memory for the command line.");
        return AZ_EXIT_MEMORY;
    }
    int rc = parse(&opt, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help)
        rc = print_help();
    else if (rc == AZ_EXIT_OK && opt.base.n_files == 0)
        rc = usage(&opt.base, "command", "model", "expected fetch, list, info or rm after it");
    else if (rc == AZ_EXIT_OK)
        rc = run(&opt);
    free(opt.base.files);
    return rc;
}

void az_model_print_libraries(FILE *stream) {
    az_download_print_library(stream);
}
