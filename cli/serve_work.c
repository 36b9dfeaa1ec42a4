/*
 * What jobs do, and what they find as JSON:
 *
 *   compress    an archive, decoded again and compared; where its bits went
 *   decompress  an archive's content
 *   compare     the sizes that other compressors make
 *   classify    a label, probabilities, the words that decided
 */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHORT_NBYTES = 64 << 10,
    STRIP_COLUMNS = 600,
    GUESSED_NBYTES = 16 << 10,       /* of a text, what was likelier is said for so much; */
    GUESSED_BINARY_NBYTES = 4 << 10, /* where all is as likely, to find it takes longest */
    COMPARE_NBYTES = 16 << 20,       /* brotli takes half a minute for it, and can't be stopped */
    CLASSIFIED_NBYTES = 256 << 10,   /* what decided is said word by word, */
    WORDS_NBYTES = 40,               /* of JSON a byte at most */
    CHUNK_NBYTES = 1 << 18,
    NEIGHBOURS = 5,
    PLACE_NBYTES = 200, /* of JSON, a drawn byte with its guesses at most */
    FIXED_NBYTES = 1 << 16
};

/* ---- Opening ------------------------------------------------------------------- */

static int no_memory(const az_server *s) {
    az_say_error(&s->opt->base, NULL, "not enough memory.");
    return AZ_EXIT_MEMORY;
}

static bool add_model(az_server *s, const char *path, const char *name, size_t n_name) {
    for (size_t i = 0; i < s->n_models; i++)
        if (strlen(s->models[i].name) == n_name && memcmp(s->models[i].name, name, n_name) == 0)
            return true;
    az_served_model *model = &s->models[s->n_models++];
    model->path = strdup(path);
    model->name = strndup(name, n_name);
    return model->path && model->name;
}

/* That of -m first, then those of the model folders. */
static int open_models(az_server *s) {
    const az_options *opt = &s->opt->base;
    az_models found = {0};
    char *path = NULL;
    s->n_models = 0;
    int rc = opt->model ? az_models_find(opt, opt->model, &path) : AZ_EXIT_OK;
    if (rc == AZ_EXIT_OK)
        rc = az_models_list(&found, opt);
    if (rc == AZ_EXIT_OK && !(s->models = calloc(found.n + 1, sizeof *s->models)))
        rc = no_memory(s);
    bool ok = true;
    if (rc == AZ_EXIT_OK && path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        size_t n = strlen(name);
        ok = add_model(s, path, name, n > 5 && strcmp(name + n - 5, ".gguf") == 0 ? n - 5 : n);
    }
    for (size_t i = 0; rc == AZ_EXIT_OK && ok && i < found.n; i++)
        ok = add_model(s, found.files[i].path, found.files[i].name, strlen(found.files[i].name));
    az_models_free(&found);
    free(path);
    return ok ? rc : no_memory(s);
}

/* An az_progress_fn of a classifier. */
static int classifier_progress(void *opaque, uint64_t done, uint64_t of) {
    const az_served_classifier *c = opaque;
    return c->job ? az_job_progress(c->job, done, of) : 0;
}

static int open_classifier(az_server *s, az_served_classifier *c, const char *path) {
    const az_options *opt = &s->opt->base;
    const char *slash = strrchr(path, '/');
    az_file_text file;
    az_error error;
    az_classifier_options options = {.n_threads = opt->n_threads,
                                     .memory_limit = s->job_memory,
                                     .progress = classifier_progress,
                                     .opaque = c};
    c->name = slash ? slash + 1 : path;
    pthread_mutex_init(&c->lock, NULL);
    for (const az_served_classifier *other = s->classifiers; other < c; other++)
        if (strcmp(other->name, c->name) == 0) {
            az_say_error(opt, path, "another classifier is called so, too; rename one of them.");
            return AZ_EXIT_USAGE;
        }
    int rc = az_file_text_read(&file, opt, path);
    if (rc == AZ_EXIT_OK && az_classifier_load(&c->classifier, file.data, file.n_bytes, &options,
                                               NULL, &error) != AZ_OK)
        rc = az_say_library_error(opt, path, &error);
    az_file_text_free(&file);
    return rc;
}

int az_work_open(az_server *s) {
    const az_serve_options *opt = s->opt;
    int rc = az_engines_open(&s->engines, &opt->base);
    if (rc == AZ_EXIT_OK)
        rc = open_models(s);
    if (rc == AZ_EXIT_OK && opt->n_classifiers &&
        !(s->classifiers = calloc(opt->n_classifiers, sizeof *s->classifiers)))
        rc = no_memory(s);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < opt->n_classifiers; i++)
        rc = open_classifier(s, &s->classifiers[s->n_classifiers++], opt->classifiers[i]);
    return rc;
}

void az_work_close(az_server *s) {
    for (size_t i = 0; i < s->n_classifiers; i++) {
        az_classifier_close(&s->classifiers[i].classifier);
        pthread_mutex_destroy(&s->classifiers[i].lock);
    }
    for (size_t i = 0; i < s->n_models; i++) {
        free(s->models[i].path);
        free(s->models[i].name);
    }
    free(s->classifiers);
    free(s->models);
    az_engines_close(&s->engines);
}

/* ---- JSON --------------------------------------------------------------------------- */

static void write_string(FILE *f, const char *text) {
    az_write_json(f, (az_text){text, strlen(text)});
}

static void write_rate(FILE *f, uint64_t n_bytes, uint64_t content_nbytes) {
    if (content_nbytes)
        fprintf(f, "%.6f", (double)n_bytes * 8 / (double)content_nbytes);
    else
        fputs("null", f);
}

static bool out_of_memory(az_job *job) {
    job->error = (az_error){.status = AZ_ERROR_MEMORY,
                            .offset = AZ_ERROR_NO_OFFSET,
                            .text = "there is not enough memory for it"};
    return false;
}

static bool begin_json(FILE **f, char **text, size_t *n_bytes, az_job *job) {
    *f = open_memstream(text, n_bytes);
    return *f || out_of_memory(job);
}

static bool end_json(FILE *f, az_job *job) {
    bool failed = ferror(f);
    return (fclose(f) == 0 && !failed) || out_of_memory(job);
}

/* What an archive says of itself. */
static int read_memory(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    const az_text *archive = opaque;
    memcpy(buf, (const uint8_t *)archive->data + offset, n_bytes);
    return 0;
}

static bool describe(az_archive_info *info, az_text archive, az_error *error) {
    return az_archive_read(info, read_memory, &archive, archive.n_bytes, error) == AZ_OK;
}

static const char *primer_name(int number) {
    for (size_t i = 0; i < az_primer_count(); i++)
        if (az_primer_get(i)->number == number)
            return az_primer_get(i)->name;
    return NULL;
}

static void write_archive(FILE *f, const az_archive_info *info) {
    fprintf(f, "{\"content_bytes\": %llu, \"archive_bytes\": %llu, \"bits_per_byte\": ",
            (unsigned long long)info->content_nbytes, (unsigned long long)info->archive_nbytes);
    write_rate(f, info->archive_nbytes, info->content_nbytes);
    fputs(", \"method\": ", f);
    write_string(f, info->method_name);
    fputs(", \"model\": ", f);
    write_string(f, info->method == 2 ? info->model_name : AZ_BUILT_IN);
    if (info->level >= 0)
        fprintf(f, ", \"level\": %d", info->level);
    else
        fputs(", \"level\": null", f);
    fputs(", \"primer\": ", f);
    const char *primer = primer_name(info->primer);
    if (primer)
        write_string(f, primer);
    else
        fputs("null", f);
    fprintf(f, ", \"blocks\": %llu", (unsigned long long)info->n_blocks);
}

/* ---- Compressing --------------------------------------------------------------------- */

/* What each byte costs: of the beginning, and on the average for the strip. */
typedef struct drawing {
    az_surprise_map map; /* of the first bytes */
    uint64_t costs[STRIP_COLUMNS];
    size_t n_bytes; /* of all */
} drawing;

/* An az_surprise_fn. */
static void draw(void *opaque, const az_surprise_part *part) {
    drawing *d = opaque;
    size_t n_columns = d->n_bytes < STRIP_COLUMNS ? d->n_bytes : STRIP_COLUMNS;
    for (size_t i = 0; i < part->n_bytes; i++)
        d->costs[(part->first_byte + i) * n_columns / d->n_bytes] += part->costs[i];
    if (part->first_byte >= d->map.n_bytes)
        return;
    az_surprise_part shown = *part;
    size_t room = d->map.n_bytes - (size_t)part->first_byte;
    shown.n_bytes = part->n_bytes < room ? part->n_bytes : room;
    az_map_add(&d->map, &shown);
}

static bool write_map(az_job *job, const drawing *d, const char *model) {
    FILE *f;
    az_file_text text = {.name = "", .data = job->in, .n_bytes = d->map.n_bytes};
    az_surprise_view v = {.text = &text,
                          .map = &d->map,
                          .unit = model ? AZ_UNIT_TOKEN : AZ_UNIT_BYTE,
                          .hex = az_looks_binary(job->in, job->in_nbytes)};
    if (!begin_json(&f, &job->map, &job->map_nbytes, job))
        return false;
    fprintf(f, "{\"content_bytes\": %zu, \"strip\": [", d->n_bytes);
    size_t n = d->n_bytes < STRIP_COLUMNS ? d->n_bytes : STRIP_COLUMNS;
    for (size_t i = 0; i < n; i++) {
        /* The bytes b with b * n / n_bytes = i. */
        size_t from = (d->n_bytes * i + n - 1) / n, to = (d->n_bytes * (i + 1) + n - 1) / n;
        fprintf(f, "%s%.3f", i ? "," : "",
                (double)d->costs[i] / (double)AZ_COST_BIT / (double)(to - from));
    }
    fputs("], \"drawing\": ", f);
    az_surprise_data(f, &v, az_shown_nbytes(&v, SERVE_MAP_NBYTES));
    fputc('}', f);
    return end_json(f, job);
}

static bool set_up(az_server *s, az_job *job, az_encoder **e, drawing *d) {
    const az_job_settings *set = &job->settings;
    az_error *error = &job->error;
    uint64_t guessed =
        az_looks_binary(job->in, job->in_nbytes) ? GUESSED_BINARY_NBYTES : GUESSED_NBYTES;
    if (az_encoder_open(e, NULL, error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_LEVEL, set->level, error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_THREADS, s->opt->base.n_threads, error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_MEMORY_LIMIT, (int64_t)s->job_memory, error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_CONTENT_SIZE, (int64_t)job->in_nbytes, error) != AZ_OK ||
        (*set->primer && az_encoder_set_primer(*e, set->primer, error) != AZ_OK) ||
        (d && az_encoder_set_surprise(*e, draw, d, guessed, error) != AZ_OK))
        return false;
    if (set->model >= 0) {
        char name[64];
        az_served_model *model = &s->models[set->model];
        az_engine *engine = az_engines_at(s->engines, model->path, error);
        snprintf(name, sizeof name, "%s", model->name);
        if (!engine || az_encoder_set_engine(*e, engine, name, error) != AZ_OK)
            return false;
    }
    az_encoder_set_progress(*e, az_job_progress, job);
    return true;
}

static bool is_our_fault(az_job *job, const char *what) {
    job->error = (az_error){.status = AZ_ERROR_INTERNAL, .offset = AZ_ERROR_NO_OFFSET};
    snprintf(job->error.text, sizeof job->error.text,
             "its archive %s: please report this fault of aizip's", what);
    return false;
}

static bool encode(az_job *job, az_encoder *e) {
    size_t capacity = az_compress_bound(job->in_nbytes);
    az_input in = {job->in, job->in_nbytes, 0};
    int done = 0;
    job->out = malloc(capacity);
    if (!job->out)
        return out_of_memory(job);
    az_output out = {job->out, capacity, 0};
    if (az_encoder_run(e, &in, &out, AZ_FINISH, &done, &job->error) != AZ_OK)
        return false;
    job->out_nbytes = out.pos;
    return done || is_our_fault(job, "is larger than it may be");
}

/* A decoder that works for the job. */
static bool open_decoder(az_server *s, az_job *job, az_decoder **d) {
    az_error *error = &job->error;
    if (az_decoder_open(d, NULL, error) != AZ_OK ||
        az_decoder_set(*d, AZ_PARAM_THREADS, s->opt->base.n_threads, error) != AZ_OK ||
        az_decoder_set(*d, AZ_PARAM_MEMORY_LIMIT, (int64_t)s->job_memory, error) != AZ_OK)
        return false;
    az_decoder_set_engines(*d, az_engines_find, s->engines);
    az_decoder_set_progress(*d, az_job_progress, job);
    return true;
}

static bool verify(az_server *s, az_job *job) {
    az_decoder *d = NULL;
    uint8_t *buf = malloc(CHUNK_NBYTES);
    az_input in = {job->out, job->out_nbytes, 0};
    size_t at = 0;
    int done = 0;
    bool ok = buf ? open_decoder(s, job, &d) : out_of_memory(job);
    while (ok && !done) {
        az_output out = {buf, CHUNK_NBYTES, 0};
        ok = az_decoder_run(d, &in, &out, AZ_FINISH, &done, &job->error) == AZ_OK;
        if (ok && (out.pos > job->in_nbytes - at || memcmp(buf, job->in + at, out.pos) != 0))
            ok = is_our_fault(job, "does not decode to it");
        at += out.pos;
    }
    az_decoder_close(&d);
    free(buf);
    return ok && (at == job->in_nbytes || is_our_fault(job, "does not decode to all of it"));
}

static bool write_compressed(az_job *job, const char *model) {
    az_archive_info info;
    FILE *f;
    if (!describe(&info, (az_text){job->out, job->out_nbytes}, &job->error) ||
        !begin_json(&f, &job->result, &job->result_nbytes, job))
        return false;
    if (!job->in_nbytes) /* no block: nothing says what would have been used */
        snprintf(info.model_name, sizeof info.model_name, "%s", model ? model : "");
    write_archive(f, &info);
    fprintf(f, ", \"verified\": %s}", job->settings.verify ? "true" : "false");
    return end_json(f, job);
}

static bool compress(az_server *s, az_job *job) {
    const az_job_settings *set = &job->settings;
    const char *model = set->model >= 0 ? s->models[set->model].name : NULL;
    drawing *d = NULL;
    az_encoder *e = NULL;
    size_t shown = job->in_nbytes < SERVE_MAP_NBYTES ? job->in_nbytes : SERVE_MAP_NBYTES;
    bool ok = az_job_begin(job, model ? "loading the model" : "compressing", 0) == 0;
    if (ok && set->map) {
        d = calloc(1, sizeof *d);
        if (!d || !az_map_begin(&d->map, model ? model : AZ_BUILT_IN, shown))
            ok = out_of_memory(job);
        else
            d->n_bytes = job->in_nbytes;
    }
    ok = ok && set_up(s, job, &e, d);
    ok = ok && az_job_begin(job, "compressing", job->in_nbytes) == 0 && encode(job, e);
    az_encoder_close(&e);
    if (ok && d)
        ok = d->map.failed ? out_of_memory(job) : write_map(job, d, model);
    ok = ok && (!set->verify ||
                (az_job_begin(job, "decoding it again", job->out_nbytes) == 0 && verify(s, job)));
    if (d)
        az_map_free(&d->map);
    free(d);
    return ok && write_compressed(job, model);
}

/* ---- Decompressing ---------------------------------------------------------------------- */

static bool too_large(const az_server *s, az_job *job) {
    job->error = (az_error){.status = AZ_ERROR_OUTPUT_FULL, .offset = AZ_ERROR_NO_OFFSET};
    snprintf(job->error.text, sizeof job->error.text,
             "it holds more than the %llu bytes that this server gives out (--max-size): aizip -d "
             "decodes it",
             (unsigned long long)s->opt->max_nbytes);
    return false;
}

/* Text in base64 becomes the archive that it stands for. */
static bool unwrap(az_job *job) {
    az_armour armour = {0};
    if (!az_looks_armoured(job->in, job->in_nbytes))
        return true;
    if (az_armour_decode(&armour, job->in, &job->in_nbytes) && az_armour_is_whole(&armour))
        return true;
    job->error = (az_error){.status = AZ_ERROR_DAMAGED,
                            .offset = armour.offset,
                            .text = "the base64 text is damaged or cut short"};
    return false;
}

static bool decode(az_server *s, az_job *job, uint64_t n_bytes) {
    az_decoder *d = NULL;
    az_input in = {job->in, job->in_nbytes, 0};
    /* The index may lie: one byte more shows it. */
    az_output out = {malloc((size_t)n_bytes + 1), (size_t)n_bytes + 1, 0};
    int done = 0;
    job->out = out.data;
    bool ok = job->out ? open_decoder(s, job, &d) : out_of_memory(job);
    while (ok && !done) {
        ok = az_decoder_run(d, &in, &out, AZ_FINISH, &done, &job->error) == AZ_OK;
        if (ok && !done && out.pos == out.size)
            ok = too_large(s, job);
    }
    az_decoder_close(&d);
    job->out_nbytes = ok ? out.pos : 0;
    return ok;
}

static bool decompress(az_server *s, az_job *job) {
    az_archive_info info;
    FILE *f;
    if (az_job_begin(job, "reading the archive", 0) != 0 || !unwrap(job) ||
        !describe(&info, (az_text){job->in, job->in_nbytes}, &job->error))
        return false;
    if (info.content_nbytes > s->opt->max_nbytes)
        return too_large(s, job);
    if (az_job_begin(job, "decoding", job->in_nbytes) != 0 ||
        !decode(s, job, info.content_nbytes) ||
        !begin_json(&f, &job->result, &job->result_nbytes, job))
        return false;
    write_archive(f, &info);
    fputc('}', f);
    return end_json(f, job);
}

/* ---- Comparing ------------------------------------------------------------------------------ */

static bool compare(az_job *job) {
    FILE *f;
    if (!begin_json(&f, &job->result, &job->result_nbytes, job))
        return false;
    fprintf(f, "{\"content_bytes\": %zu, \"compressors\": [", job->in_nbytes);
    bool stopped = false;
    for (size_t i = 0; i < AZ_N_PEERS && !stopped; i++) {
        uint64_t size = UINT64_MAX;
        stopped = az_job_begin(job, az_compare_name(i), 0) != 0;
        if (!stopped && job->in_nbytes <= COMPARE_NBYTES)
            size = az_compare_size(i, job->in, job->in_nbytes);
        fputs(i ? ", {\"name\": " : "{\"name\": ", f);
        write_string(f, az_compare_name(i));
        if (size == UINT64_MAX) {
            fputs(", \"bytes\": null, \"bits_per_byte\": null}", f);
            continue;
        }
        fprintf(f, ", \"bytes\": %llu, \"bits_per_byte\": ", (unsigned long long)size);
        write_rate(f, size, job->in_nbytes);
        fputc('}', f);
    }
    fprintf(f, "], \"max_bytes\": %d}", (int)COMPARE_NBYTES);
    return end_json(f, job) && !stopped;
}

/* ---- Classifying ---------------------------------------------------------------------------- */

static void write_neighbours(FILE *f, az_classifier *classifier, az_text text) {
    az_neighbour near[NEIGHBOURS];
    unsigned n = 0;
    if (az_classifier_neighbours(classifier, text, NEIGHBOURS, near, &n, NULL) != AZ_OK)
        n = 0;
    fputs(", \"neighbours\": [", f);
    for (unsigned i = 0; i < n; i++) {
        fputs(i ? ", {\"label\": " : "{\"label\": ", f);
        az_write_json(f, az_classifier_label(classifier, near[i].label));
        fprintf(f, ", \"distance\": %.6f, \"text\": ", near[i].distance);
        az_write_json(f, az_text_begin(near[i].text, 300));
        fputc('}', f);
    }
    fputc(']', f);
}

static bool write_classified(az_job *job, az_classifier *classifier, int64_t answer,
                             const double *p, const az_classifier_info *info) {
    FILE *f;
    az_text text = {job->in, job->in_nbytes};
    if (!begin_json(&f, &job->result, &job->result_nbytes, job))
        return false;
    fputs("{\"label\": ", f);
    if (answer >= 0)
        az_write_json(f, az_classifier_label(classifier, (size_t)answer));
    else
        fputs("null", f);
    fputs(", \"probabilities\": [", f);
    for (size_t i = 0; i < info->n_labels; i++) {
        fputs(i ? ", {\"label\": " : "{\"label\": ", f);
        az_write_json(f, az_classifier_label(classifier, i));
        fprintf(f, ", \"probability\": %.6f}", p[i]);
    }
    fputc(']', f);
    bool ok = true;
    if (info->method == AZ_METHOD_KNN) {
        write_neighbours(f, classifier, text);
    } else if (info->n_labels > 1) {
        fputs(", \"decided\": ", f);
        ok = az_explain_json(f, classifier, text, p, &job->error) == AZ_OK;
    }
    fputc('}', f);
    return end_json(f, job) && ok;
}

static bool classify(az_server *s, az_job *job) {
    az_served_classifier *c = &s->classifiers[job->settings.classifier];
    az_classifier_info info;
    az_text text = {job->in, job->in_nbytes};
    int64_t answer = -1;
    az_job_begin(job, "waiting for the classifier", 0);
    pthread_mutex_lock(&c->lock);
    c->job = job;
    az_classifier_get_info(c->classifier, &info);
    double *p = calloc(info.n_labels, sizeof *p);
    bool ok = p ? az_job_begin(job, "classifying", 0) == 0 : out_of_memory(job);
    ok = ok && az_classifier_run(c->classifier, &text, 1, &answer, p, NULL, &job->error) == AZ_OK &&
         write_classified(job, c->classifier, answer, p, &info);
    free(p);
    c->job = NULL;
    pthread_mutex_unlock(&c->lock);
    return ok;
}

/* ---- Any job --------------------------------------------------------------------------------- */

bool az_work_is_short(const az_job *job) {
    const az_job_settings *set = &job->settings;
    az_archive_info info;
    switch (set->kind) {
    case AZ_JOB_COMPRESS:
    case AZ_JOB_COMPARE: return set->model < 0 && job->in_nbytes <= SHORT_NBYTES;
    case AZ_JOB_DECOMPRESS:
        return describe(&info, (az_text){job->in, job->in_nbytes}, NULL) && info.method == 1 &&
               info.content_nbytes <= SHORT_NBYTES;
    case AZ_JOB_CLASSIFY: break;
    }
    return false;
}

uint64_t az_work_max_nbytes(const az_server *s, az_job_kind kind) {
    uint64_t max = s->opt->max_nbytes;
    return kind == AZ_JOB_CLASSIFY && max > CLASSIFIED_NBYTES ? CLASSIFIED_NBYTES : max;
}

uint64_t az_work_result_nbytes(const az_server *s, const az_job_settings *set, size_t in_nbytes) {
    size_t drawn = in_nbytes < SERVE_MAP_NBYTES ? in_nbytes : SERVE_MAP_NBYTES;
    uint64_t map = set->map ? (uint64_t)drawn * PLACE_NBYTES : 0;
    switch (set->kind) {
    case AZ_JOB_COMPRESS: return az_compress_bound(in_nbytes) + map + FIXED_NBYTES;
    case AZ_JOB_DECOMPRESS: return s->opt->max_nbytes + FIXED_NBYTES;
    case AZ_JOB_COMPARE: return FIXED_NBYTES;
    case AZ_JOB_CLASSIFY: break;
    }
    return (uint64_t)in_nbytes * WORDS_NBYTES + FIXED_NBYTES;
}

void az_work(void *opaque, az_job *job) {
    az_server *s = opaque;
    bool ok = false;
    switch (job->settings.kind) {
    case AZ_JOB_COMPRESS: ok = compress(s, job); break;
    case AZ_JOB_DECOMPRESS: ok = decompress(s, job); break;
    case AZ_JOB_COMPARE: ok = compare(job); break;
    case AZ_JOB_CLASSIFY: ok = classify(s, job); break;
    }
    if (!ok && job->error.status == AZ_OK) /* told to stop between two steps */
        job->error = (az_error){.status = AZ_ERROR_CANCELLED, .offset = AZ_ERROR_NO_OFFSET};
}
