/*
 * Small files at once, with a language model: its weights are read from memory once for all of them,
 * instead of once for each. Each archive is what it would be alone. Whatever does not
 * go well here is done again, one file after the other as all others are, and then errors are said.
 */
#include "cli.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    AT_ONCE_MAX = 16,
    /* Larger ones fill batches by themselves. */
    SMALL_NBYTES = 64 << 10,
    SMALL_ARCHIVE_NBYTES = 16 << 10
};
/* A small file's lanes of 2,048 tokens and predictor; with less, fewer go at once. */
#define FILE_MEMORY ((uint64_t)256 << 20)

typedef struct together {
    az_options alone, trial; /* of those that go alone, and those at once */
    char **names;            /* [n] */
    bool *is_done;           /* [n] it went well */
    size_t n, n_max;
    pthread_mutex_t lock; /* guards what follows */
    size_t next;
    int n_workers;
} together;

/* ---- The files -------------------------------------------------------------------- */

/* An az_file_fn. */
static int collect(void *opaque, const az_options *opt, const char *name, bool *stop) {
    together *t = opaque;
    if (t->n == t->n_max) {
        size_t n_max = 2 * t->n_max + 16;
        char **names = realloc(t->names, n_max * sizeof *names);
        t->names = names ? names : t->names;
        t->n_max = names ? n_max : t->n_max;
    }
    char *copy = t->n < t->n_max ? strdup(name) : NULL;
    if (!copy) {
        az_say_error(opt, name, "not enough memory for its name.");
        *stop = true;
        return AZ_EXIT_MEMORY;
    }
    t->names[t->n++] = copy;
    return AZ_EXIT_OK;
}

static bool is_small(const together *t, const char *name) {
    struct stat st;
    off_t most = t->alone.mode == AZ_MODE_COMPRESS ? SMALL_NBYTES : SMALL_ARCHIVE_NBYTES;
    return strcmp(name, "-") != 0 && lstat(name, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_size <= most;
}

static int read_file(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    FILE *f = opaque;
    return fseeko(f, (off_t)offset, SEEK_SET) != 0 || fread(buf, 1, n_bytes, f) != n_bytes;
}

/* Whether it is an archive that needs a language model. Pipes are not touched. */
static bool needs_model(const char *name) {
    az_archive_info info;
    struct stat st;
    if (stat(name, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    FILE *f = fopen(name, "rb");
    bool ok = f && az_archive_read(&info, read_file, f, (uint64_t)st.st_size, NULL) == AZ_OK;
    if (f)
        fclose(f);
    return ok && info.method == 2;
}

/* How many there are that may go at once. */
static size_t count_small(const together *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += is_small(t, t->names[i]) &&
             (t->alone.mode == AZ_MODE_COMPRESS || needs_model(t->names[i]));
    return n;
}

/* ---- At once ------------------------------------------------------------------------ */

static void *work(void *opaque) {
    together *t = opaque;
    for (;;) {
        pthread_mutex_lock(&t->lock);
        while (t->next < t->n && !is_small(t, t->names[t->next]))
            t->next++;
        size_t i = t->next++;
        pthread_mutex_unlock(&t->lock);
        if (i >= t->n)
            break;
        bool stop = false;
        t->is_done[i] = az_transcode(NULL, &t->trial, t->names[i], &stop) == AZ_EXIT_OK;
    }
    pthread_mutex_lock(&t->lock);
    t->n_workers--;
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Ends when all are done. Signals end the program, as ever, by this thread. */
static void run_workers(together *t, int n) {
    pthread_t threads[AT_ONCE_MAX];
    sigset_t before;
    int n_started = 0, number;
    az_signals_block(&before);
    pthread_mutex_lock(&t->lock);
    while (n_started < n && pthread_create(&threads[n_started], NULL, work, t) == 0)
        n_started++;
    t->n_workers = n_started;
    pthread_mutex_unlock(&t->lock);
    for (bool busy = n_started > 0; busy;) {
        if ((number = az_signals_wait(0.02)) != 0)
            az_signals_end(number);
        pthread_mutex_lock(&t->lock);
        busy = t->n_workers > 0;
        pthread_mutex_unlock(&t->lock);
    }
    for (int i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
    az_signals_restore(&before);
}

static int go_together(together *t) {
    const az_options *opt = &t->alone;
    uint64_t used = 0;
    if (opt->mode == AZ_MODE_COMPRESS) { /* loads it; without it no file can be done */
        az_engine *engine;
        const char *name;
        int rc = az_engines_named(opt->engines, &engine, &name);
        if (rc != AZ_EXIT_OK)
            return rc;
        used = az_engine_peak_memory(engine);
    }
    uint64_t left = opt->memlimit > used ? opt->memlimit - used : 0, n = AT_ONCE_MAX;
    size_t n_small = count_small(t);
    n = opt->memlimit && left / FILE_MEMORY < n ? left / FILE_MEMORY : n;
    n = n_small < n ? n_small : n;
    if (n < 2)
        return AZ_EXIT_OK;
    t->trial.is_trial = true;
    t->trial.memlimit = opt->memlimit ? used + left / n : 0;
    run_workers(t, (int)n);
    return AZ_EXIT_OK;
}

/* ---- All of them ----------------------------------------------------------------------- */

bool az_goes_together(const az_options *opt) {
    if (opt->to_stdout || opt->output || opt->salvage || opt->interactive || opt->verbosity > 0 ||
        (opt->n_files < 2 && !opt->recursive))
        return false;
    if (opt->mode == AZ_MODE_COMPRESS)
        return opt->model != NULL;
    /* Decompressing: as far as the first file tells. */
    return !opt->model && (opt->recursive || needs_model(opt->files[0]));
}

int az_transcode_together(const az_options *opt) {
    together t = {.alone = *opt, .trial = *opt};
    int rc = az_walk(opt, collect, &t), one = AZ_EXIT_OK;
    t.is_done = calloc(t.n + 1, sizeof *t.is_done);
    pthread_mutex_init(&t.lock, NULL);
    if (t.is_done)
        one = go_together(&t);
    rc = one > rc ? one : rc;
    bool stop = one != AZ_EXIT_OK;
    for (size_t i = 0; i < t.n && !stop; i++) {
        if (t.is_done && t.is_done[i])
            continue;
        one = az_transcode(NULL, opt, t.names[i], &stop);
        rc = one > rc ? one : rc;
    }
    for (size_t i = 0; i < t.n; i++)
        free(t.names[i]);
    free(t.names);
    free(t.is_done);
    pthread_mutex_destroy(&t.lock);
    return rc;
}
