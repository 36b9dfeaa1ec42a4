/* aizip serve: the command line; starts all, says the address, and waits for a signal. */
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_NBYTES = 64 << 20,
    DEFAULT_SECONDS = 600,
    DEFAULT_JOBS = 32,
    JOBS_AT_ONCE = 4,
    HELD_PER_FILE = 6 /* of --max-size: inputs and results that are kept */
};

static int print_help(void) {
    fputs("Usage: aizip serve [OPTION]...\n"
          "Serves a page on this machine, for a browser: type or drop a text and see it shrink,\n"
          "where its bits go, and what gzip, xz, zstd and brotli make of it; save the archive;\n"
          "drop an archive and get the file; classify. Prints the page's address, with a token\n"
          "that lets you in, and serves until Ctrl-C.\n"
          "\n"
          "  -m MODEL        a GGUF file or the name of a model, chosen at first; those in the\n"
          "                  model folders can be chosen, too\n"
          "  --classifier=FILE\n"
          "                  what aizip classify --save made, to classify with; may be repeated\n"
          "  --port=N        by default any that is free\n"
          "  --address=A     a numeric address of this machine; by default 127.0.0.1, which only\n"
          "                  this machine can reach. Nothing is encrypted: elsewhere, others\n"
          "                  can read along\n"
          "  --host=NAME     a name that the server may be called by; may be repeated\n"
          "  --max-size=SIZE of a file, and of what an archive holds; 64M by default\n"
          "  --max-time=SECONDS\n"
          "                  of a job; 600 by default\n"
          "  --max-jobs=N    waiting and running at once; 32 by default\n",
          stdout);
    fputs("  -1 ... -9       the level chosen at first; 5 by default\n"
          "  -T#             threads of a job: 1 to 256, or 0 for all cores (the default)\n"
          "  --memlimit=SIZE half of it is for models, an eighth for each of four jobs\n"
          "  --json          the address as JSON\n"
          "  -v              a line on stderr for each request\n"
          "  -q              no warnings\n"
          "\n"
          "Examples:\n"
          "  aizip serve\n"
          "  aizip serve -m smollm2-135m --port 8080\n"
          "  aizip classify --train train.csv --save topics.aizc\n"
          "  aizip serve --classifier topics.aizc\n",
          stdout);
    return AZ_EXIT_OK;
}

/* ---- The command line --------------------------------------------------------- */

enum {
    OPTION_CLASSIFIER = 256,
    OPTION_PORT,
    OPTION_ADDRESS,
    OPTION_HOST,
    OPTION_MAX_SIZE,
    OPTION_MAX_TIME,
    OPTION_MAX_JOBS,
    OPTION_JSON
};

static const az_option_name long_options[] = {
    {"model", 'm', true, 1},
    {"classifier", OPTION_CLASSIFIER, true, 1},
    {"port", OPTION_PORT, true, 1},
    {"address", OPTION_ADDRESS, true, 1},
    {"host", OPTION_HOST, true, 1},
    {"max-size", OPTION_MAX_SIZE, true, 1},
    {"max-time", OPTION_MAX_TIME, true, 1},
    {"max-jobs", OPTION_MAX_JOBS, true, 1},
    {"json", OPTION_JSON, false, 1},
    {"threads", 'T', true, 1},
    {"memlimit", 'M', true, 1},
    {"quiet", 'q', false, 1},
    {"verbose", 'v', false, 1},
    {"help", 'h', false, 1},
};

static int usage(const az_serve_options *opt, const char *what, const char *text, const char *why) {
    return az_say_usage(&opt->base, "serve", what, text, why);
}

static int set_number(const az_serve_options *opt, const char *name, const char *value, int64_t min,
                      int64_t max, int64_t *n) {
    char why[64];
    if (az_parse_number(value, min, max, n))
        return AZ_EXIT_OK;
    snprintf(why, sizeof why, "expected %lld to %lld", (long long)min, (long long)max);
    return usage(opt, name, value, why);
}

static int set_address(az_serve_options *opt, const char *value) {
    uint8_t address[sizeof(struct in6_addr)];
    opt->address = value;
    if (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1)
        return AZ_EXIT_OK;
    return usage(opt, "--address", value, "expected a numeric address, such as 127.0.0.1 or ::1");
}

static int set_max_size(az_serve_options *opt, const char *value) {
    if (az_parse_size(value, &opt->max_nbytes) && opt->max_nbytes >= 1 &&
        opt->max_nbytes <= (uint64_t)1 << 30)
        return AZ_EXIT_OK;
    return usage(opt, "--max-size", value, "expected a size from 1 to 1G");
}

static int add(const az_serve_options *opt, const char *name, const char *value, const char **items,
               size_t *n, size_t max) {
    if (*n == max)
        return usage(opt, name, value, "there are too many of them");
    items[(*n)++] = value;
    return AZ_EXIT_OK;
}

static int apply(void *opaque, int id, const char *name, const char *value) {
    az_serve_options *opt = opaque;
    switch (id) {
    case 'm': opt->base.model = value; break;
    case OPTION_CLASSIFIER:
        return add(opt, "--classifier", value, opt->classifiers, &opt->n_classifiers,
                   SERVE_CLASSIFIERS_MAX);
    case OPTION_PORT: return set_number(opt, "--port", value, 0, 65535, &opt->port);
    case OPTION_ADDRESS: return set_address(opt, value);
    case OPTION_HOST: return add(opt, "--host", value, opt->hosts, &opt->n_hosts, SERVE_HOSTS_MAX);
    case OPTION_MAX_SIZE: return set_max_size(opt, value);
    case OPTION_MAX_TIME:
        return set_number(opt, "--max-time", value, 1, 1000000, &opt->max_seconds);
    case OPTION_MAX_JOBS: return set_number(opt, "--max-jobs", value, 1, 10000, &opt->max_jobs);
    case OPTION_JSON: opt->base.json = true; break;
    case 'q': opt->base.verbosity--; break;
    case 'v': opt->base.verbosity++; break;
    case 'h': opt->base.help = true; break;
    default: return az_options_set_coding(&opt->base, name, value);
    }
    return AZ_EXIT_OK;
}

static int parse(az_serve_options *opt, int argc, char **argv) {
    *opt = (az_serve_options){.address = "127.0.0.1",
                              .max_nbytes = DEFAULT_NBYTES,
                              .max_seconds = DEFAULT_SECONDS,
                              .max_jobs = DEFAULT_JOBS};
    az_options_init(&opt->base);
    opt->base.to_stdout = true;
    const az_arguments arguments = {.command = "serve",
                                    .base = &opt->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = "mTMqvh",
                                    .letters_with_value = "mTM",
                                    .level = &opt->base.level,
                                    .commands = 1,
                                    .elsewhere = "",
                                    .apply = apply,
                                    .opaque = opt};
    int rc = az_arguments_parse(&arguments, argc, argv);
    if (rc == AZ_EXIT_OK && opt->base.model && strcmp(opt->base.model, AZ_BUILT_IN) == 0)
        opt->base.model = NULL;
    if (rc == AZ_EXIT_OK && !opt->base.help && opt->base.n_files > 0)
        return usage(opt, "argument", opt->base.files[0], "serve takes none");
    return rc;
}

/* ---- Serving ------------------------------------------------------------------- */

static int say_address(const az_server *s) {
    const az_guard *guard = &s->guard;
    bool is_v6 = strchr(guard->address, ':') != NULL;
    const char *name = !guard->is_any ? guard->address : is_v6 ? "::1" : "127.0.0.1";
    char url[128];
    snprintf(url, sizeof url, "http://%s%s%s:%u/?token=%s", is_v6 ? "[" : "", name,
             is_v6 ? "]" : "", guard->port, guard->token);
    if (s->opt->base.json)
        printf("{\"url\": \"%s\", \"port\": %u, \"token\": \"%s\"}\n", url, guard->port,
               guard->token);
    else
        puts(url);
    if (fflush(stdout) != 0) /* main() says why */
        return AZ_EXIT_FILE;
    if (!guard->is_loopback)
        az_say_warning(&s->opt->base, NULL,
                       "%s can be reached from other machines, and nothing is encrypted: whoever "
                       "reads along can get in.",
                       guard->address);
    if (az_shows_summary(&s->opt->base) || isatty(STDERR_FILENO))
        az_say(NULL, "Open this address in a browser; Ctrl-C ends aizip serve.");
    return AZ_EXIT_OK;
}

static int serve(az_server *s) {
    const az_serve_options *opt = s->opt;
    az_http *http = NULL;
    s->jobs = az_jobs_open(opt->max_jobs, HELD_PER_FILE * (opt->max_nbytes + (1 << 22)),
                           opt->max_seconds, az_work, s);
    if (!s->jobs) {
        az_say_error(&opt->base, NULL, "not enough memory or threads to serve.");
        return AZ_EXIT_MEMORY;
    }
    int rc = az_http_open(&http, s);
    if (rc == AZ_EXIT_OK)
        rc = say_address(s);
    while (rc == AZ_EXIT_OK && az_signals_wait(1) == 0)
        az_http_sweep(http);
    az_http_close(&http);
    return rc;
}

static int run(az_serve_options *opt) {
    az_server s = {.opt = opt};
    /* Models take what az_engines_open() is told; jobs the other half. */
    uint64_t half = opt->base.memlimit / 2;
    s.job_memory = half / JOBS_AT_ONCE + (opt->base.memlimit != 0); /* 0: no limit */
    opt->base.memlimit -= half;
    if (!az_guard_init(&s.guard, opt)) {
        az_say_error(&opt->base, NULL, "this machine gives no random bytes: %s.", strerror(errno));
        return AZ_EXIT_FILE;
    }
    sigset_t before;
    az_signals_block(&before); /* in all threads: this one waits for them */
    int rc = az_work_open(&s);
    if (rc == AZ_EXIT_OK)
        rc = serve(&s);
    if (!az_jobs_close(&s.jobs)) { /* a compressor that can't be stopped: nothing is lost by it */
        fflush(stdout);
        _exit(rc);
    }
    az_work_close(&s);
    az_signals_restore(&before);
    return rc;
}

int az_serve_command(int argc, char **argv) {
    az_serve_options opt;
    int rc = parse(&opt, argc, argv);
    if (rc == AZ_EXIT_OK)
        rc = opt.base.help ? print_help() : run(&opt);
    free(opt.base.files);
    return rc;
}
