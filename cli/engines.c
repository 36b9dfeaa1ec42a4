/*
 * Language models at work: each is loaded once, when the first file needs it, and kept until
 * the program ends. -m names the one to compress with; an archive names its own by the hash of
 * the model's file.
 */
#include "cli.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ENGINES_MAX = 16, HASH_NBYTES = AZ_MODEL_HASH_NBYTES, SUM_NBYTES = 32 };

typedef struct loaded {
    az_model *model;
    az_engine *engine;
    uint8_t hash[HASH_NBYTES]; /* the start of its SHA-256 */
    char *path;                /* NULL: not known */
} loaded;

struct az_engines {
    const az_options *opt;
    pthread_mutex_t lock; /* guards what follows; held while a model is loaded */
    loaded items[ENGINES_MAX];
    int n;
    az_model *named; /* -m, opened */
    char *named_path;
    char name[64];
};

int az_engines_open(az_engines **out, const az_options *opt) {
    *out = calloc(1, sizeof **out);
    if (!*out) {
        az_say_error(opt, NULL, "not enough memory.");
        return AZ_EXIT_MEMORY;
    }
    (*out)->opt = opt;
    pthread_mutex_init(&(*out)->lock, NULL);
    return AZ_EXIT_OK;
}

void az_engines_close(az_engines **out) {
    az_engines *e = *out;
    *out = NULL;
    if (!e)
        return;
    for (int i = 0; i < e->n; i++) {
        az_engine_close(&e->items[i].engine);
        if (e->items[i].model != e->named)
            az_model_close(&e->items[i].model);
        free(e->items[i].path);
    }
    az_model_close(&e->named);
    free(e->named_path);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

static az_engine *have(const az_engines *e, const uint8_t *hash) {
    for (int i = 0; i < e->n; i++)
        if (memcmp(e->items[i].hash, hash, HASH_NBYTES) == 0)
            return e->items[i].engine;
    return NULL;
}

/* Takes the model over if all goes well. */
static az_status load(az_engines *e, az_model *model, const uint8_t *hash, az_engine **engine,
                      az_error *error) {
    const az_options *opt = e->opt;
    uint64_t left = opt->memlimit;
    if (e->n == ENGINES_MAX) {
        *error = (az_error){.status = AZ_ERROR_MEMORY_LIMIT, .offset = AZ_ERROR_NO_OFFSET};
        snprintf(error->text, sizeof error->text, "%d models are loaded: no more", ENGINES_MAX);
        return error->status;
    }
    for (int i = 0; i < e->n && left; i++) { /* those that are loaded stay */
        uint64_t used = az_engine_peak_memory(e->items[i].engine);
        left = left > used ? left - used : 1;
    }
    loaded *item = &e->items[e->n];
    az_status status = az_engine_open(&item->engine, model, opt->n_threads, left, NULL, error);
    if (status != AZ_OK)
        return status;
    item->model = model;
    memcpy(item->hash, hash, HASH_NBYTES);
    e->n++;
    *engine = item->engine;
    return AZ_OK;
}

/* What the archive calls the model: its file's name without .gguf. */
static void set_name(az_engines *e, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".gguf") == 0)
        n -= 5;
    snprintf(e->name, sizeof e->name, "%.*s", (int)n, name);
}

static int open_named(az_engines *e) {
    az_error error = {.status = AZ_OK};
    if (e->named)
        return AZ_EXIT_OK;
    int rc = az_models_find(e->opt, e->opt->model, &e->named_path);
    if (rc != AZ_EXIT_OK)
        return rc;
    set_name(e, e->named_path);
    if (az_model_open(&e->named, e->named_path, NULL, &error) == AZ_OK)
        return AZ_EXIT_OK;
    return az_say_library_error(e->opt, e->opt->model, &error);
}

static int get_named(az_engines *e, az_engine **engine, const char **name) {
    uint8_t hash[SUM_NBYTES];
    az_error error = {.status = AZ_OK};
    int rc = open_named(e);
    if (rc != AZ_EXIT_OK)
        return rc;
    *name = e->name;
    if (e->n > 0) {
        *engine = e->items[0].engine;
        return AZ_EXIT_OK;
    }
    az_model_sha256(e->named, hash);
    if (load(e, e->named, hash, engine, &error) == AZ_OK)
        return AZ_EXIT_OK;
    return az_say_library_error(e->opt, e->opt->model, &error);
}

int az_engines_named(az_engines *e, az_engine **engine, const char **name) {
    pthread_mutex_lock(&e->lock);
    int rc = get_named(e, engine, name);
    pthread_mutex_unlock(&e->lock);
    return rc;
}

/* ---- Finding by hash ------------------------------------------------------ */

/* The model at path, if it has this hash. */
static az_engine *try_path(az_engines *e, const char *path, const uint8_t *hash, az_error *error) {
    uint8_t sum[SUM_NBYTES];
    az_model *model = NULL;
    az_engine *engine = NULL;
    if (az_model_open(&model, path, NULL, NULL) != AZ_OK)
        return NULL;
    az_model_sha256(model, sum);
    if (memcmp(sum, hash, HASH_NBYTES) != 0 || load(e, model, hash, &engine, error) != AZ_OK)
        az_model_close(&model);
    else if (e->opt->verbosity > 0)
        az_say(NULL, "using the language model %s", path);
    return engine;
}

static az_engine *get_at(az_engines *e, const char *path, az_error *error) {
    uint8_t hash[SUM_NBYTES];
    az_model *model = NULL;
    for (int i = 0; i < e->n; i++)
        if (e->items[i].path && strcmp(e->items[i].path, path) == 0)
            return e->items[i].engine;
    if (az_model_open(&model, path, NULL, error) != AZ_OK)
        return NULL;
    az_model_sha256(model, hash);
    az_engine *engine = have(e, hash);
    if (engine || load(e, model, hash, &engine, error) != AZ_OK)
        az_model_close(&model);
    else
        e->items[e->n - 1].path = strdup(path); /* without memory it is hashed again */
    return engine;
}

az_engine *az_engines_at(az_engines *e, const char *path, az_error *error) {
    pthread_mutex_lock(&e->lock);
    az_engine *engine = get_at(e, path, error);
    pthread_mutex_unlock(&e->lock);
    return engine;
}

static az_engine *search(az_engines *e, const uint8_t *hash, const char *name, az_error *error) {
    az_models models;
    az_engine *engine = NULL;
    if (az_models_list(&models, e->opt) != AZ_EXIT_OK)
        return NULL;
    for (int others = 0; others < 2; others++) /* first those of that name: to hash takes time */
        for (size_t i = 0; i < models.n && !engine && error->status == AZ_OK; i++)
            if ((strcmp(models.files[i].name, name) != 0) == others)
                engine = try_path(e, models.files[i].path, hash, error);
    az_models_free(&models);
    return engine;
}

static void say_how(const az_engines *e, const uint8_t *hash, const char *name, az_error *error) {
    char hex[2 * HASH_NBYTES + 1], shown[64];
    for (int i = 0; i < HASH_NBYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof shown; n++)
        shown[n] = (char)(name[n] >= ' ' && name[n] < 127 ? name[n] : '?');
    shown[n] = 0;
    const char *known = az_model_known_name(hex);
    error->status = AZ_ERROR_MODEL;
    error->offset = AZ_ERROR_NO_OFFSET;
    if (known)
        snprintf(error->text, sizeof error->text,
                 "the archive needs the language model %s: aizip model fetch %s gets it", known,
                 known);
    else if (e->named)
        snprintf(error->text, sizeof error->text,
                 "the archive needs another language model than -m gives: %s, whose SHA-256 begins "
                 "with %s",
                 shown, hex);
    else
        snprintf(error->text, sizeof error->text,
                 "the archive needs the language model %s (its SHA-256 begins with %s): give its "
                 "file with -m",
                 shown, hex);
}

static az_engine *find(az_engines *e, const uint8_t *hash, const char *name, az_error *error) {
    az_engine *engine = have(e, hash);
    if (engine || e->n == ENGINES_MAX)
        return engine;
    if (e->opt->model) {
        uint8_t sum[SUM_NBYTES];
        if (open_named(e) != AZ_EXIT_OK) {
            *error = (az_error){.status = AZ_ERROR_MODEL, .offset = AZ_ERROR_NO_OFFSET};
            snprintf(error->text, sizeof error->text, "the model of -m can't be used");
            return NULL;
        }
        az_model_sha256(e->named, sum);
        if (memcmp(sum, hash, HASH_NBYTES) == 0)
            return load(e, e->named, hash, &engine, error) == AZ_OK ? engine : NULL;
    }
    engine = search(e, hash, name, error);
    if (!engine && error->status == AZ_OK)
        say_how(e, hash, name, error);
    return engine;
}

az_engine *az_engines_find(void *opaque, const uint8_t *hash, const char *name, az_error *error) {
    az_engines *e = opaque;
    pthread_mutex_lock(&e->lock);
    az_engine *engine = find(e, hash, name, error);
    pthread_mutex_unlock(&e->lock);
    return engine;
}
