/*
 * aizip data: public data sets. Each file comes from its public place at a fixed state, and gets
 * its name once it is whole and has the SHA-256 that is written here, or given.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "model.h"

enum { TIMEOUT_DEFAULT = 60, FILES_MAX = 4 };

#define AG_NEWS                                                  \
    "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/" \
    "555590db4219b1243abb1918effd6a7425a2d75f/data/ag_news_csv/"
#define R8                                                   \
    "https://raw.githubusercontent.com/yao8839836/text_gcn/" \
    "962223652e9bb164ac2d83cd09fc7b8845ce860b/data/R8/"
#define MNIST "https://storage.googleapis.com/cvdf-datasets/mnist/"

static const struct known_set {
    const char *name, *what;
    struct {
        const char *name, *url, *sha256;
    } files[FILES_MAX];
} known_sets[] = {
    {"ag_news",
     "AG News, 120,000 and 7,600 news items of 4 topics, CSV: label, title, description",
     {{"train.csv", AG_NEWS "train.csv",
       "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e"},
      {"test.csv", AG_NEWS "test.csv",
       "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"}}},
    {"r8",
     "Reuters-21578 R8, 5,485 and 2,189 news items of 8 topics, TSV",
     {{"train.txt", R8 "train.txt",
       "3ed60c905aaa95b96c3fc4afb6d14ad2e20106c59c5b9dda950dcb3075eecfbe"},
      {"test.txt", R8 "test.txt",
       "2ba368c42e6808bc3dc68b8f7879eb07a2810ed137f0b304e2213b689677e561"}}},
    {"mnist",
     "MNIST, 60,000 and 10,000 images of 10 digits, IDX, gzipped",
     {{"train-images-idx3-ubyte.gz", MNIST "train-images-idx3-ubyte.gz",
       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
      {"train-labels-idx1-ubyte.gz", MNIST "train-labels-idx1-ubyte.gz",
       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
      {"t10k-images-idx3-ubyte.gz", MNIST "t10k-images-idx3-ubyte.gz",
       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
      {"t10k-labels-idx1-ubyte.gz", MNIST "t10k-labels-idx1-ubyte.gz",
       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}}},
};
#define N_SETS (sizeof known_sets / sizeof *known_sets)

static int print_help(void) {
    fputs("Usage: aizip data fetch [OPTION]... NAME|URL...\n"
          "       aizip data list\n"
          "Fetches public data sets for aizip classify. A file gets its name once it is whole\n"
          "and its SHA-256 is right; one that is cut short goes on where it was.\n"
          "\n"
          "  -o FOLDER       where to; by default a folder of the set's name, of a URL here\n"
          "  --sha256 X      of a URL: refuse a file with another\n"
          "  --timeout SECONDS\n"
          "                  give up when nothing comes; 60 by default\n"
          "  -f, -q          replace files that are there; no progress\n"
          "\n"
          "Examples:\n"
          "  aizip data fetch ag_news\n"
          "  aizip classify --train ag_news/train.csv --test ag_news/test.csv\n"
          "  aizip data fetch https://example.org/reviews.jsonl.gz --sha256 X\n",
          stdout);
    return AZ_EXIT_OK;
}

static int print_list(void) {
    for (size_t i = 0; i < N_SETS; i++) {
        printf("%-10s %s\n", known_sets[i].name, known_sets[i].what);
        for (size_t k = 0; k < FILES_MAX && known_sets[i].files[k].name; k++)
            printf("           %s\n", known_sets[i].files[k].url);
    }
    return AZ_EXIT_OK;
}

/* ---- One file ---------------------------------------------------------------- */

typedef struct fetch {
    const az_model_options *opt;
    const char *url, *sha256; /* sha256 may be NULL */
    char *path, *part, *sidecar;
    int fd;
    bool resumed;
} fetch;

static int fail(const fetch *f, const char *path, const char *doing) {
    az_say_error(&f->opt->base, path, "%s: %s.", doing, strerror(errno));
    return AZ_EXIT_FILE;
}

/* The whole file's hash in hex; false if it can't be read. */
static bool sum_of(int fd, char hex[65]) {
    struct stat about;
    if (fstat(fd, &about) != 0)
        return false;
    size_t n_bytes = (size_t)about.st_size, n = 0;
    uint8_t *data = malloc(n_bytes + 1), sum[AZ_SHA256_NBYTES];
    while (data && n < n_bytes) {
        ssize_t got = pread(fd, data + n, n_bytes - n, (off_t)n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (data && n == n_bytes)
        az_sha256_of(data, n_bytes, sum);
    for (size_t i = 0; data && n == n_bytes && i < sizeof sum; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    free(data);
    return data != NULL && n == n_bytes;
}

/* Whether the file is there: *done if it is the one asked for. */
static int check_existing(const fetch *f, bool *done) {
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || f->opt->base.force) {
        if (fd >= 0)
            close(fd);
        return AZ_EXIT_OK;
    }
    char hex[65] = "";
    *done = f->sha256 && sum_of(fd, hex) && strcasecmp(hex, f->sha256) == 0;
    close(fd);
    if (*done) {
        if (az_shows_summary(&f->opt->base))
            az_say(f->path, "is there already, and whole.");
        return AZ_EXIT_OK;
    }
    az_say_error(&f->opt->base, f->path, "exists already; -f replaces it.");
    return AZ_EXIT_FILE;
}

/* Checks what came and gives it its name. */
static int finish(const fetch *f) {
    char hex[65] = "", n_bytes[AZ_NUMBER_MAX];
    struct stat about;
    if (!sum_of(f->fd, hex))
        return fail(f, f->part, "can't be read");
    if (f->sha256 && strcasecmp(hex, f->sha256) != 0) {
        unlink(f->part);
        unlink(f->sidecar);
        az_say_error(&f->opt->base, f->path,
                     "what came has the SHA-256 %s instead of %s, so it is another file or "
                     "damaged, and was removed%s.",
                     hex, f->sha256, f->resumed ? "; try once more, from the start" : "");
        return AZ_EXIT_DAMAGED;
    }
    if (fsync(f->fd) != 0 || fstat(f->fd, &about) != 0)
        return fail(f, f->part, "can't be synced to the disk");
    if (rename(f->part, f->path) != 0)
        return fail(f, f->path, "can't be given its name");
    unlink(f->sidecar);
    if (az_shows_summary(&f->opt->base))
        az_say(f->path, "%s bytes, SHA-256 %s", az_format_number(n_bytes, (uint64_t)about.st_size),
               hex);
    return AZ_EXIT_OK;
}

static int bring(fetch *f) {
    bool done = false;
    int rc = check_existing(f, &done);
    if (rc == AZ_EXIT_OK && !done)
        rc = az_part_open(&f->fd, &f->opt->base, f->path, f->part);
    if (rc != AZ_EXIT_OK || done)
        return rc;
    az_download download = {.name = f->path,
                            .url = f->url,
                            .part = f->part,
                            .sidecar = f->sidecar,
                            .fd = f->fd,
                            .has_hash = f->sha256 != NULL};
    rc = az_download_run(&download, f->opt);
    f->resumed = download.resumed;
    struct stat about;
    if (rc == AZ_EXIT_OK)
        return finish(f);
    if (fstat(f->fd, &about) == 0 && about.st_size == 0) { /* helps nobody */
        unlink(f->part);
        unlink(f->sidecar);
    }
    return rc;
}

static int fetch_file(const az_model_options *opt, const char *folder, const char *name,
                      const char *url, const char *sha256) {
    fetch f = {.opt = opt, .url = url, .sha256 = sha256, .fd = -1};
    int rc = AZ_EXIT_OK;
    if (asprintf(&f.path, "%s/%s", folder, name) < 0)
        f.path = NULL;
    if (!f.path || asprintf(&f.part, "%s.part", f.path) < 0)
        f.part = NULL;
    if (!f.path || asprintf(&f.sidecar, "%s.part.info", f.path) < 0)
        f.sidecar = NULL;
    if (!f.part || !f.sidecar) {
        az_say_error(&opt->base, url, "not enough memory.");
        rc = AZ_EXIT_MEMORY;
    } else if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        rc = fail(&f, folder, "can't be made");
    } else {
        rc = bring(&f);
    }
    if (f.fd >= 0)
        close(f.fd);
    free(f.path);
    free(f.part);
    free(f.sidecar);
    return rc;
}

/* ---- The command ----------------------------------------------------------------- */

/* The last part of a URL's path, if it may be a file's name; malloc'd. */
static char *name_of_url(const char *url) {
    const char *path = strstr(url, "://") + 3;
    size_t n = strcspn(path, "?#");
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    char *name = from > 0 ? strndup(path + from, n - from) : NULL;
    if (name && !az_model_name_is_valid(name)) {
        free(name);
        name = NULL;
    }
    return name;
}

static int fetch_url(const az_model_options *opt, const char *folder, const char *url) {
    char *name = name_of_url(url);
    if (!name) {
        az_say_error(&opt->base, url, "ends with no name for a file (letters, digits, ._-+@).");
        return AZ_EXIT_USAGE;
    }
    int rc = fetch_file(opt, folder ? folder : ".", name, url, opt->sha256);
    free(name);
    return rc;
}

static int fetch_one(const az_model_options *opt, const char *folder, const char *what) {
    if (strstr(what, "://"))
        return fetch_url(opt, folder, what);
    for (size_t i = 0; i < N_SETS; i++) {
        if (strcmp(known_sets[i].name, what) != 0)
            continue;
        int rc = AZ_EXIT_OK;
        for (size_t k = 0; rc == AZ_EXIT_OK && k < FILES_MAX && known_sets[i].files[k].name; k++)
            rc = fetch_file(opt, folder ? folder : what, known_sets[i].files[k].name,
                            known_sets[i].files[k].url, known_sets[i].files[k].sha256);
        return rc;
    }
    az_say_error(&opt->base, what, "is no set that is known (see aizip data list), and no URL.");
    return AZ_EXIT_USAGE;
}

static int usage(const az_model_options *opt, const char *text, const char *why) {
    az_say_error(&opt->base, NULL, "%s: %s; see aizip data --help.", text, why);
    return AZ_EXIT_USAGE;
}

static bool is_sha256(const char *text) {
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/* Takes the option argv[*i], and its value. */
static int parse_option(az_model_options *opt, const char **folder, char **argv, int *i) {
    const char *arg = argv[*i];
    if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
        opt->base.help = true;
    } else if (strcmp(arg, "-f") == 0 || strcmp(arg, "--force") == 0) {
        opt->base.force = true;
    } else if (strcmp(arg, "-q") == 0 || strcmp(arg, "--quiet") == 0) {
        opt->base.verbosity--;
    } else if (strcmp(arg, "-o") == 0 || strcmp(arg, "--sha256") == 0 ||
               strcmp(arg, "--timeout") == 0) {
        const char *value = argv[++*i];
        if (!value)
            return usage(opt, arg, "its value is missing");
        if (arg[1] == 'o')
            *folder = value;
        else if (arg[2] == 's' && is_sha256(value))
            opt->sha256 = value;
        else if (arg[2] == 't' && atoi(value) > 0 && atoi(value) <= 86400)
            opt->timeout = atoi(value);
        else
            return usage(opt, value,
                         arg[2] == 's' ? "64 hexadecimal digits are expected"
                                       : "a number of seconds is expected");
    } else {
        return usage(opt, arg, "there is no such option");
    }
    return AZ_EXIT_OK;
}

static int run(const az_model_options *opt, const char *folder) {
    const char **words = opt->base.files;
    size_t n = opt->base.n_files;
    if (n == 1 && strcmp(words[0], "list") == 0)
        return print_list();
    if (n < 2 || strcmp(words[0], "fetch") != 0)
        return usage(opt, n ? words[0] : "data", "expected list, or fetch and the name of a set");
    if (opt->sha256 && (n != 2 || !strstr(words[1], "://")))
        return usage(opt, "--sha256", "it goes with one URL");
    int rc = AZ_EXIT_OK;
    for (size_t i = 1; i < n; i++) {
        int one = fetch_one(opt, folder, words[i]);
        rc = one > rc ? one : rc;
    }
    return rc;
}

int az_data_command(int argc, char **argv) {
    az_model_options opt = {.base = {.mode = AZ_MODE_MODEL}, .timeout = TIMEOUT_DEFAULT};
    const char *folder = NULL;
    opt.base.files = calloc((size_t)argc + 1, sizeof *opt.base.files);
    if (!opt.base.files) {
        az_say_error(&opt.base, NULL, "not enough memory for the command line.");
        return AZ_EXIT_MEMORY;
    }
    int rc = AZ_EXIT_OK;
    for (int i = 1; i < argc && rc == AZ_EXIT_OK; i++)
        if (argv[i][0] == '-' && argv[i][1])
            rc = parse_option(&opt, &folder, argv, &i);
        else
            opt.base.files[opt.base.n_files++] = argv[i];
    if (rc == AZ_EXIT_OK)
        rc = opt.base.help ? print_help() : run(&opt, folder);
    free(opt.base.files);
    return rc;
}
