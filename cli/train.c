/* aizip train: a dictionary from samples. */
#include <stdlib.h>
#include <string.h>

#include "classification.h"

typedef struct train {
    az_options base;
    uint64_t capacity;
    az_file_text *files; /* [n], their names are copies */
    az_text *samples;    /* [n] */
    size_t n, room;
    uint64_t n_bytes;
} train;

enum { OPTION_SIZE = 256, OPTION_JSON };

static const az_option_name long_options[] = {
    {"output", 'o', true, 1},        {"size", OPTION_SIZE, true, 1}, {"recursive", 'r', false, 1},
    {"json", OPTION_JSON, false, 1}, {"threads", 'T', true, 1},      {"memlimit", 'M', true, 1},
    {"force", 'f', false, 1},        {"quiet", 'q', false, 1},       {"verbose", 'v', false, 1},
    {"help", 'h', false, 1},
};

static int print_help(void) {
    fputs("Usage: aizip train [OPTION]... -o PRIMER FILE...\n"
          "Makes a dictionary for files that are like the FILEs, to compress them after it with\n"
          "-D PRIMER. Seven eighths of the FILEs are picked from, in several ways; the rest, cut\n"
          "into pieces of 4 KiB, says which way is best, and how much smaller such a piece gets.\n"
          "With fewer than 16 files they are divided by such pieces.\n"
          "\n"
          "  -o PRIMER       where it goes (- is stdout)\n"
          "  --size=SIZE     bytes at most, 1K to 4M; 112K by default\n"
          "  -1 ... -9       level that it is measured with, 5 by default\n"
          "  -r              the files in directories too\n"
          "  -f              overwrite PRIMER\n"
          "  --json          the figures for programs, on stdout\n"
          "  -T#, --memlimit=SIZE, -q\n"
          "                  as for compressing\n"
          "\n"
          "Examples:\n"
          "  aizip train -o access.primer logs/access-2026-*.log\n"
          "  aizip -D access.primer today.log\n"
          "  aizip -d -D access.primer today.log.aiz\n",
          stdout);
    return AZ_EXIT_OK;
}

static int usage(const train *t, const char *what, const char *text, const char *why) {
    return az_say_usage(&t->base, "train", what, text, why);
}

static int apply(void *opaque, int id, const char *name, const char *value) {
    train *t = opaque;
    switch (id) {
    case 'o': t->base.output = value; break;
    case 'r': t->base.recursive = true; break;
    case 'f': t->base.force = true; break;
    case 'q': t->base.verbosity--; break;
    case 'v': t->base.verbosity++; break;
    case 'h': t->base.help = true; break;
    case OPTION_JSON: t->base.json = true; break;
    case OPTION_SIZE:
        if (az_parse_size(value, &t->capacity) && t->capacity >= AZ_TRAINED_NBYTES_MIN &&
            t->capacity <= AZ_TRAINED_NBYTES_MAX)
            return AZ_EXIT_OK;
        return usage(t, "--size", value, "expected a size from 1K to 4M");
    default: return az_options_set_coding(&t->base, name, value);
    }
    return AZ_EXIT_OK;
}

static int parse(train *t, int argc, char **argv) {
    *t = (train){.capacity = 112 << 10};
    az_options_init(&t->base);
    t->base.mode = AZ_MODE_SCORE; /* -r leaves archives alone */
    const az_arguments arguments = {.command = "train",
                                    .base = &t->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = "orTMfqvh",
                                    .letters_with_value = "oTM",
                                    .level = &t->base.level,
                                    .commands = 1,
                                    .elsewhere = "",
                                    .apply = apply,
                                    .opaque = t};
    int rc = az_arguments_parse(&arguments, argc, argv);
    if (rc != AZ_EXIT_OK || t->base.help)
        return rc;
    if (!t->base.output)
        return usage(t, "command", "train", "-o PRIMER says where the dictionary goes");
    if (t->base.json && strcmp(t->base.output, "-") == 0)
        return usage(t, "options", "--json and -o -", "only one of them can go to stdout");
    if (t->base.n_files == 0)
        return usage(t, "command", "train", "the names of sample files are needed");
    struct stat st;
    if (!t->base.force && stat(t->base.output, &st) == 0 && S_ISREG(st.st_mode)) {
        az_say_error(&t->base, t->base.output, "already exists; -f overwrites it.");
        return AZ_EXIT_FILE;
    }
    return AZ_EXIT_OK;
}

static int out_of_memory(const train *t) {
    az_say_error(&t->base, NULL, "not enough memory for the samples.");
    return AZ_EXIT_MEMORY;
}

/* An az_file_fn. */
static int read_sample(void *opaque, const az_options *opt, const char *name, bool *stop) {
    train *t = opaque;
    az_options rest = *opt;
    rest.to_stdout = true; /* links and pipes may be read */
    if (opt->memlimit)
        rest.memlimit = t->n_bytes < opt->memlimit ? opt->memlimit - t->n_bytes : 1;
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        az_file_text *files = realloc(t->files, room * sizeof *files);
        t->files = files ? files : t->files;
        az_text *samples = files ? realloc(t->samples, room * sizeof *samples) : NULL;
        t->samples = samples ? samples : t->samples;
        *stop = !files || !samples;
        if (*stop)
            return out_of_memory(t);
        t->room = room;
    }
    int rc = az_file_text_read(&t->files[t->n], &rest, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    t->samples[t->n] = (az_text){t->files[t->n].data, t->files[t->n].n_bytes};
    t->n_bytes += t->files[t->n].n_bytes;
    t->n++;
    return AZ_EXIT_OK;
}

static int write_primer(const train *t, const uint8_t *data, size_t n_bytes) {
    az_whole_file out;
    int rc = az_whole_file_open(&out, &t->base, t->base.output);
    if (rc != AZ_EXIT_OK)
        return rc;
    fwrite(data, 1, n_bytes, out.stream);
    return az_whole_file_commit(&out, &t->base);
}

static double nbytes_of(uint64_t cost) {
    return (double)cost / (double)AZ_COST_BIT / 8;
}

static void report(const train *t, size_t n_bytes, const az_training_report *r) {
    double without = nbytes_of(r->cost_without), with = nbytes_of(r->cost_with);
    double smaller = without > 0 ? 100 * (1 - with / without) : 0;
    if (t->base.json) {
        printf("{\"samples\":%zu,\"sample_bytes\":%ju,\"primer_bytes\":%zu,"
               "\"picked_from_bytes\":%ju,\"held_out_pieces\":%ju,\"measured_pieces\":%ju,"
               "\"measured_bytes\":%ju,\"level\":%d,\"coded_bytes_without\":%.0f,"
               "\"coded_bytes_with\":%.0f,\"percent_smaller\":%.2f}\n",
               t->n, (uintmax_t)t->n_bytes, n_bytes, (uintmax_t)r->picked_from_nbytes,
               (uintmax_t)r->n_held_out, (uintmax_t)r->n_measured, (uintmax_t)r->measured_nbytes,
               t->base.level, without, with, smaller);
    } else if (az_shows_warnings(&t->base) && strcmp(t->base.output, "-") != 0) {
        char all[AZ_NUMBER_MAX], size[AZ_NUMBER_MAX], held[AZ_NUMBER_MAX], a[AZ_NUMBER_MAX],
            b[AZ_NUMBER_MAX];
        az_print_escaped(stdout, t->base.output);
        printf(": %s bytes, from %zu samples of %s bytes\n", az_format_number(size, n_bytes), t->n,
               az_format_number(all, t->n_bytes));
        printf("%ju pieces held out, %s bytes, one by one at level %d: %s bytes without it, %s "
               "with it, %.1f %% smaller\n",
               (uintmax_t)r->n_measured, az_format_number(held, r->measured_nbytes), t->base.level,
               az_format_number(a, (uint64_t)(without + 0.5)),
               az_format_number(b, (uint64_t)(with + 0.5)), smaller);
    }
}

static int run(train *t) {
    int rc = az_walk(&t->base, read_sample, t);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_progress progress;
    az_training settings = {.capacity = (size_t)t->capacity,
                            .level = t->base.level,
                            .n_threads = t->base.n_threads,
                            .progress = NULL};
    if (t->base.memlimit)
        settings.memory_limit = t->n_bytes < t->base.memlimit ? t->base.memlimit - t->n_bytes : 1;
    az_training_report figures;
    az_error error = {.status = AZ_OK};
    size_t n_bytes = 0;
    uint8_t *primer = malloc((size_t)t->capacity);
    if (!primer)
        return out_of_memory(t);
    az_progress_start(&progress, &t->base, "training", t->base.output, UINT64_MAX);
    if (az_dictionary_train(primer, &n_bytes, t->samples, t->n, &settings, &figures, NULL,
                            &error) != AZ_OK)
        rc = az_say_library_error(&t->base, t->base.output, &error);
    az_progress_clear(&progress);
    if (rc == AZ_EXIT_OK)
        rc = write_primer(t, primer, n_bytes);
    if (rc == AZ_EXIT_OK)
        report(t, n_bytes, &figures);
    free(primer);
    return rc;
}

int az_train_command(int argc, char **argv) {
    train t;
    int rc = parse(&t, argc, argv);
    if (rc == AZ_EXIT_OK)
        rc = t.base.help ? print_help() : run(&t);
    for (size_t i = 0; i < t.n; i++)
        az_file_text_free(&t.files[i]);
    free(t.files);
    free(t.samples);
    free(t.base.files);
    return rc;
}
