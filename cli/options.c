/*
 * The command line, as zstd reads it: short options may be joined (-9v, -dc),
 * long ones take a value after = or as the next word, -- ends the options, and
 * a single - is stdin. Written out rather than left to getopt, which can't tell
 * "-1 -9" from "-19".
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_COMPRESS = 'z',
    OPTION_DECOMPRESS = 'd',
    OPTION_TEST = 't',
    OPTION_LIST = 'l',
    OPTION_STDOUT = 'c',
    OPTION_FORCE = 'f',
    OPTION_KEEP = 'k',
    OPTION_RECURSIVE = 'r',
    OPTION_OUTPUT = 'o',
    OPTION_THREADS = 'T',
    OPTION_MEMLIMIT = 'M',
    OPTION_QUIET = 'q',
    OPTION_VERBOSE = 'v',
    OPTION_MODEL = 'm',
    OPTION_DICTIONARY = 'D',
    OPTION_INTERACTIVE = 'i',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_REMOVE = 256, /* no letter of their own */
    OPTION_BLOCK_SIZE,
    OPTION_VERIFY,
    OPTION_NO_VERIFY,
    OPTION_JSON,
    OPTION_SALVAGE,
    OPTION_BASE64,
    OPTION_LANES,
    OPTION_WINDOW,
    OPTION_OVERLAP,
    OPTION_PRIME
};

static const struct option_name {
    const char *name;
    int id;
    bool takes_value;
} long_options[] = {
    {"compress", OPTION_COMPRESS, false},
    {"decompress", OPTION_DECOMPRESS, false},
    {"uncompress", OPTION_DECOMPRESS, false},
    {"test", OPTION_TEST, false},
    {"list", OPTION_LIST, false},
    {"stdout", OPTION_STDOUT, false},
    {"to-stdout", OPTION_STDOUT, false},
    {"force", OPTION_FORCE, false},
    {"keep", OPTION_KEEP, false},
    {"rm", OPTION_REMOVE, false},
    {"recursive", OPTION_RECURSIVE, false},
    {"output", OPTION_OUTPUT, true},
    {"threads", OPTION_THREADS, true},
    {"memlimit", OPTION_MEMLIMIT, true},
    {"block-size", OPTION_BLOCK_SIZE, true},
    {"verify", OPTION_VERIFY, false},
    {"no-verify", OPTION_NO_VERIFY, false},
    {"json", OPTION_JSON, false},
    {"salvage", OPTION_SALVAGE, false},
    {"model", OPTION_MODEL, true},
    {"dictionary", OPTION_DICTIONARY, true},
    {"patch-from", OPTION_DICTIONARY, true},
    {"prime", OPTION_PRIME, true},
    {"base64", OPTION_BASE64, false},
    {"interactive", OPTION_INTERACTIVE, false},
    {"lanes", OPTION_LANES, true},
    {"window", OPTION_WINDOW, true},
    {"overlap", OPTION_OVERLAP, true},
    {"quiet", OPTION_QUIET, false},
    {"verbose", OPTION_VERBOSE, false},
    {"help", OPTION_HELP, false},
    {"version", OPTION_VERSION, false},
};

#define SHORT_OPTIONS "zdtlcfkroTMmDiqvhV"
#define SHORT_WITH_VALUE "oTMmD"

#define MIN_BLOCK_NBYTES ((uint64_t)1 << 16)
#define MAX_BLOCK_NBYTES ((uint64_t)1 << 26)
#define MAX_THREADS 256

bool az_parse_size(const char *text, uint64_t *n_bytes) {
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno)
        return false;
    static const char units[] = "kmgt";
    int shift = 0;
    if (*end) {
        const char *unit = strchr(units, *end | 0x20);
        if (!unit)
            return false;
        shift = 10 * (int)(unit - units + 1);
        end++;
        if (*end == 'i')
            end++;
        if (*end == 'B')
            end++;
        if (*end || n > UINT64_MAX >> shift)
            return false;
    }
    *n_bytes = n << shift;
    return true;
}

/* The limit that a container has been given, or UINT64_MAX. */
static uint64_t container_memory(void) {
    char line[32] = "";
    uint64_t n_bytes;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (!file)
        return UINT64_MAX;
    bool ok = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return ok && az_parse_size(line, &n_bytes) ? n_bytes : UINT64_MAX;
}

static uint64_t machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_nbytes = sysconf(_SC_PAGESIZE);
    uint64_t n = pages > 0 && page_nbytes > 0 ? (uint64_t)pages * (uint64_t)page_nbytes : 0;
    uint64_t container = container_memory();
    return container < n ? container : n;
}

static int usage(const az_options *opt, const char *what, const char *text, const char *why) {
    az_say_error(opt, NULL, "%s %s: %s; see aizip --help.", what, text, why);
    return AZ_EXIT_USAGE;
}

int az_options_set_threads(az_options *opt, const char *value) {
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n > MAX_THREADS)
        return usage(opt, "threads", value, "expected a number from 0 (all cores) to 256");
    opt->n_threads = (int)n;
    return AZ_EXIT_OK;
}

int az_options_set_memlimit(az_options *opt, const char *value) {
    size_t len = strlen(value);
    if (len > 1 && len < 5 && value[len - 1] == '%') {
        char *end;
        unsigned long percent = strtoul(value, &end, 10);
        if (*value >= '0' && *value <= '9' && *end == '%' && percent >= 1 && percent <= 100) {
            opt->memlimit = machine_memory() / 100 * percent;
            return AZ_EXIT_OK;
        }
    } else if (az_parse_size(value, &opt->memlimit)) {
        return AZ_EXIT_OK;
    }
    return usage(opt, "--memlimit", value,
                 "expected a size such as 500M or 2G, 50%, or 0 for none");
}

static int set_block_size(az_options *opt, const char *value) {
    uint64_t n;
    if (!az_parse_size(value, &n) || n < MIN_BLOCK_NBYTES || n > MAX_BLOCK_NBYTES || (n & (n - 1)))
        return usage(opt, "--block-size", value, "expected a power of two from 64K to 64M");
    opt->block_size = n;
    return AZ_EXIT_OK;
}

static int set_number(const char *name, const char *value, int min, int max, int *out,
                      const az_options *opt) {
    char *end, why[64];
    long n = strtol(value, &end, 10);
    if (*value >= '0' && *value <= '9' && !*end && n >= min && n <= max) {
        *out = (int)n;
        return AZ_EXIT_OK;
    }
    snprintf(why, sizeof why, "expected a number from %d to %d", min, max);
    return usage(opt, name, value, why);
}

int az_options_set_coding(az_options *opt, const char *name, const char *value) {
    if (strcmp(name, "block-size") == 0)
        return set_block_size(opt, value);
    if (strcmp(name, "lanes") == 0)
        return set_number("--lanes", value, 1, 64, &opt->n_lanes, opt);
    if (strcmp(name, "window") == 0)
        return set_number("--window", value, 64, 16384, &opt->window, opt);
    if (strcmp(name, "overlap") == 0)
        return set_number("--overlap", value, 1, 16383, &opt->overlap, opt);
    return name[0] == 'T' || name[0] == 't' ? az_options_set_threads(opt, value)
                                            : az_options_set_memlimit(opt, value);
}

/* `value` is "" for an option that takes none. */
static int apply(az_options *opt, int id, const char *value) {
    switch (id) {
    case OPTION_COMPRESS: opt->mode = AZ_MODE_COMPRESS; break;
    case OPTION_DECOMPRESS: opt->mode = AZ_MODE_DECOMPRESS; break;
    case OPTION_TEST: opt->mode = AZ_MODE_TEST; break;
    case OPTION_LIST: opt->mode = AZ_MODE_LIST; break;
    case OPTION_STDOUT: opt->to_stdout = true; break;
    case OPTION_FORCE: opt->force = true; break;
    case OPTION_KEEP: opt->remove_source = false; break;
    case OPTION_REMOVE: opt->remove_source = true; break;
    case OPTION_RECURSIVE: opt->recursive = true; break;
    case OPTION_OUTPUT: opt->output = value; break;
    case OPTION_THREADS: return az_options_set_threads(opt, value);
    case OPTION_MEMLIMIT: return az_options_set_memlimit(opt, value);
    case OPTION_BLOCK_SIZE: return az_options_set_coding(opt, "block-size", value);
    case OPTION_VERIFY: opt->verify = AZ_VERIFY_ON; break;
    case OPTION_NO_VERIFY: opt->verify = AZ_VERIFY_OFF; break;
    case OPTION_JSON: opt->json = true; break;
    case OPTION_SALVAGE: opt->salvage = true; break;
    case OPTION_MODEL: opt->model = value; break;
    case OPTION_DICTIONARY: opt->dictionary_path = value; break;
    case OPTION_PRIME: opt->primer = value; break;
    case OPTION_LANES: return az_options_set_coding(opt, "lanes", value);
    case OPTION_WINDOW: return az_options_set_coding(opt, "window", value);
    case OPTION_OVERLAP: return az_options_set_coding(opt, "overlap", value);
    case OPTION_BASE64: opt->base64 = true; break;
    case OPTION_INTERACTIVE: opt->interactive = true; break;
    case OPTION_QUIET: opt->verbosity--; break;
    case OPTION_VERBOSE: opt->verbosity++; break;
    case OPTION_HELP: opt->help = true; break;
    case OPTION_VERSION: opt->version = true; break;
    }
    return AZ_EXIT_OK;
}

/* Takes argv[*i], which begins with "--", and its value, if that is the next. */
static int parse_long(az_options *opt, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    for (size_t k = 0; k < sizeof long_options / sizeof *long_options; k++) {
        const struct option_name *option = &long_options[k];
        if (strlen(option->name) != len - 2 || memcmp(option->name, arg + 2, len - 2) != 0)
            continue;
        if (!option->takes_value && equals)
            return usage(opt, "option", arg, "it takes no value");
        if (option->takes_value && !equals && *i + 1 >= argc)
            return usage(opt, "option", arg, "its value is missing");
        const char *value = equals ? equals + 1 : option->takes_value ? argv[++*i] : "";
        return apply(opt, option->id, value);
    }
    return usage(opt, "option", arg, "there is no such option");
}

/* -1..-9; p points at the first digit, and is left behind the last. */
static int parse_level(az_options *opt, const char **p) {
    char digits[8] = "-";
    size_t n = 1;
    while (**p >= '0' && **p <= '9') {
        if (n < sizeof digits - 1)
            digits[n++] = **p;
        ++*p;
    }
    if (n != 2 || digits[1] == '0')
        return usage(opt, "level", digits, "levels are -1 (fastest) to -9 (smallest)");
    opt->level = digits[1] - '0';
    return AZ_EXIT_OK;
}

/* Takes argv[*i], one "-" and letters, and the value, if that is the next. */
static int parse_short(az_options *opt, int argc, char **argv, int *i) {
    const char *p = argv[*i] + 1;
    while (*p) {
        if (*p >= '0' && *p <= '9') {
            int rc = parse_level(opt, &p);
            if (rc != AZ_EXIT_OK)
                return rc;
            continue;
        }
        char letter[2] = {*p++, '\0'};
        if (!strchr(SHORT_OPTIONS, letter[0]))
            return usage(opt, "option", argv[*i], "there is no such option");
        char threads[8];
        const char *value = "";
        if (letter[0] == OPTION_THREADS && *p >= '0' && *p <= '9') {
            size_t n = strspn(p, "0123456789");
            snprintf(threads, sizeof threads, "%.*s", (int)n, p);
            value = threads;
            p += n;
        } else if (strchr(SHORT_WITH_VALUE, letter[0])) {
            if (!*p && *i + 1 >= argc)
                return usage(opt, "option", argv[*i], "its value is missing");
            value = *p ? p : argv[++*i];
            p = "";
        }
        int rc = apply(opt, letter[0], value);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return AZ_EXIT_OK;
}

/* Options that can't go together, once all are known. */
static int check(const az_options *opt) {
    if (opt->output && opt->to_stdout)
        return usage(opt, "options", "-o and -c", "only one of them can say where the output goes");
    if (opt->output && (opt->n_files > 1 || opt->recursive))
        return usage(opt, "option", "-o", "it takes one input file, and no -r");
    if (opt->json && opt->mode != AZ_MODE_LIST)
        return usage(opt, "option", "--json", "it goes with -l");
    if (opt->base64 && (opt->mode == AZ_MODE_LIST || opt->salvage))
        return usage(opt, "option", "--base64", "it goes with compressing, -d and -t");
    if (opt->interactive && (opt->mode != AZ_MODE_COMPRESS || opt->n_files > 0))
        return usage(opt, "option", "-i", "it takes lines from stdin, and no files");
    bool tuned = opt->n_lanes || opt->window || opt->overlap;
    if (tuned && (!opt->model || opt->mode != AZ_MODE_COMPRESS))
        return usage(opt, "options", "--lanes, --window and --overlap",
                     "they go with compressing with a language model, -m");
    if (opt->model && opt->mode == AZ_MODE_LIST)
        return usage(opt, "option", "-m", "-l needs no model");
    if (opt->dictionary_path && opt->primer)
        return usage(opt, "options", "-D and --prime", "a file is compressed after one of them");
    if (opt->dictionary_path && opt->mode == AZ_MODE_LIST)
        return usage(opt, "option", "-D", "-l needs no dictionary");
    if (opt->primer && opt->mode != AZ_MODE_COMPRESS)
        return usage(opt, "option", "--prime", "it goes with compressing; archives name their own");
    if (opt->salvage && opt->mode != AZ_MODE_DECOMPRESS)
        return usage(opt, "option", "--salvage", "it goes with -d");
    return AZ_EXIT_OK;
}

/* unaizip and aizcat are other names of the program. */
static void apply_program_name(az_options *opt, const char *argv0) {
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *name = slash ? slash + 1 : argv0 ? argv0 : "";
    if (strcmp(name, "unaizip") == 0 || strcmp(name, "aizcat") == 0)
        opt->mode = AZ_MODE_DECOMPRESS;
    if (strcmp(name, "aizcat") == 0)
        opt->to_stdout = true;
}

void az_options_init(az_options *opt) {
    *opt = (az_options){.level = AZ_LEVEL_DEFAULT, .memlimit = machine_memory() / 4 * 3};
}

int az_options_parse(az_options *opt, int argc, char **argv) {
    static const char dash[] = "-";
    az_options_init(opt);
    opt->files = calloc((size_t)argc + 1, sizeof *opt->files);
    if (!opt->files) {
        az_say_error(opt, NULL, "not enough memory for the list of files.");
        return AZ_EXIT_MEMORY;
    }
    apply_program_name(opt, argc > 0 ? argv[0] : NULL);
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        int rc = AZ_EXIT_OK;
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0')
            opt->files[opt->n_files++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (argv[i][1] == '-')
            rc = parse_long(opt, argc, argv, &i);
        else
            rc = parse_short(opt, argc, argv, &i);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    if (opt->help || opt->version)
        return AZ_EXIT_OK;
    int rc = check(opt);
    if (rc == AZ_EXIT_OK)
        rc = az_dictionary_check_primer(opt);
    if (opt->n_files == 0)
        opt->files[opt->n_files++] = dash;
    return rc;
}
