/*
 * Compress, decompress and test: bytes go from the source through the library
 * to the sink, and only when all has gone well does the sink get its name and,
 * with --rm, the source go.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_NBYTES ((size_t)1 << 18)

/* One file's way through the program. */
typedef struct job {
    const az_options *opt;
    az_source source;
    az_sink sink;
    az_encoder *encoder; /* one of the two */
    az_decoder *decoder;
    az_verifier verifier; /* in use while writing to a pipe, if decoder is set */
    az_digest digest;     /* of the input, when compressing */
    az_progress progress;
    uint8_t *in_buf;  /* [BUF_NBYTES] */
    uint8_t *out_buf; /* [BUF_NBYTES] */
    az_armour armour;
    char *text; /* [2 * BUF_NBYTES + 16], with --base64 when compressing */
    uint64_t out_nbytes;
    uint64_t n_gaps;
    bool verify;
    uint64_t memlimit; /* for the encoder */
    az_measure measure;
} job;

static int cores(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* With -v: says how many threads the memory limit leaves. */
static void say_threads(const job *j) {
    const az_options *opt = j->opt;
    uint64_t any = az_encoder_memory(j->encoder, UINT64_MAX);
    int n = opt->n_threads ? opt->n_threads : cores();
    if (opt->verbosity <= 0 || j->memlimit == 0 || any == 0 || j->memlimit / any >= (uint64_t)n)
        return;
    /* A file of less than a block has work for one thread anyway. */
    if (az_encoder_memory(j->encoder, j->source.n_bytes) < any)
        return;
    uint64_t fit = j->memlimit / any ? j->memlimit / any : 1;
    char limit[AZ_NUMBER_MAX], each[AZ_NUMBER_MAX];
    az_say_warning(opt, j->source.name,
                   "--memlimit of %s bytes leaves room for %d of %d threads (%s bytes each).",
                   az_format_number(limit, j->memlimit), (int)fit, n, az_format_number(each, any));
}

/* -m and what goes with it. */
static int set_engine(az_encoder *encoder, const az_options *opt, const char *label,
                      uint64_t *memlimit) {
    az_engine *engine;
    const char *name;
    az_error error = {.status = AZ_OK};
    int rc = az_engines_named(opt->engines, &engine, &name);
    if (rc != AZ_EXIT_OK)
        return rc;
    /* The weights are part of what --memlimit allows. */
    uint64_t used = az_engine_peak_memory(engine);
    *memlimit = *memlimit == 0 ? 0 : *memlimit > used ? *memlimit - used : 1;
    if (az_encoder_set_engine(encoder, engine, name, &error) == AZ_OK &&
        az_encoder_set(encoder, AZ_PARAM_MEMORY_LIMIT, (int64_t)*memlimit, &error) == AZ_OK &&
        az_encoder_set(encoder, AZ_PARAM_LANES, opt->n_lanes, &error) == AZ_OK &&
        az_encoder_set(encoder, AZ_PARAM_CONTEXT, opt->window, &error) == AZ_OK &&
        az_encoder_set(encoder, AZ_PARAM_OVERLAP, opt->overlap, &error) == AZ_OK)
        return AZ_EXIT_OK;
    return az_say_library_error(opt, label, &error);
}

int az_encoder_setup(az_encoder **e, const az_options *opt, const char *name, uint64_t memlimit,
                     int64_t n_bytes, uint64_t *left) {
    az_error error = {.status = AZ_OK};
    if (az_encoder_open(e, NULL, &error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_LEVEL, opt->level, &error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_THREADS, opt->n_threads, &error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_MEMORY_LIMIT, (int64_t)memlimit, &error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_BLOCK_SIZE, (int64_t)opt->block_size, &error) != AZ_OK ||
        az_encoder_set(*e, AZ_PARAM_CONTENT_SIZE, n_bytes, &error) != AZ_OK)
        return az_say_library_error(opt, name, &error);
    int rc = opt->model ? set_engine(*e, opt, name, &memlimit) : AZ_EXIT_OK;
    if (rc == AZ_EXIT_OK)
        rc = az_dictionary_set(*e, opt, name);
    if (left)
        *left = memlimit;
    return rc;
}

static int open_encoder(job *j) {
    int64_t size = j->source.is_regular ? (int64_t)j->source.n_bytes : -1;
    int rc = az_encoder_setup(&j->encoder, j->opt, j->source.name, j->memlimit, size, &j->memlimit);
    if (rc != AZ_EXIT_OK)
        return rc;
    say_threads(j);
    az_encoder_set_progress(j->encoder, az_progress_update, &j->progress);
    return AZ_EXIT_OK;
}

int az_decoder_setup(az_decoder **decoder, const az_options *opt, const char *name) {
    az_error error = {.status = AZ_OK};
    if (az_decoder_open(decoder, NULL, &error) == AZ_OK &&
        az_decoder_set(*decoder, AZ_PARAM_THREADS, opt->n_threads, &error) == AZ_OK &&
        az_decoder_set(*decoder, AZ_PARAM_MEMORY_LIMIT, (int64_t)opt->memlimit, &error) == AZ_OK &&
        (!opt->dictionary ||
         az_decoder_set_dictionary(*decoder, opt->dictionary->data, opt->dictionary->n_bytes,
                                   &error) == AZ_OK)) {
        az_decoder_set_engines(*decoder, az_engines_find, opt->engines);
        return AZ_EXIT_OK;
    }
    az_decoder_close(decoder);
    return az_say_library_error(opt, name, &error);
}

/* An az_gap_fn: what salvage could not save. */
static void say_gap(void *opaque, uint64_t archive, uint64_t from, uint64_t to) {
    job *j = opaque;
    char first[AZ_NUMBER_MAX], end[AZ_NUMBER_MAX], which[48] = "the content";
    j->n_gaps++;
    az_progress_clear(&j->progress);
    if (archive > 0)
        snprintf(which, sizeof which, "the content of archive %ju", (uintmax_t)archive + 1);
    if (to == UINT64_MAX)
        az_say_error(j->opt, j->source.name, "damaged: %s is missing from byte %s on.", which,
                     az_format_number(first, from));
    else
        az_say_error(j->opt, j->source.name, "damaged: bytes %s to %s of %s are missing.",
                     az_format_number(first, from), az_format_number(end, to ? to - 1 : 0), which);
}

static int open_decoder(job *j) {
    const az_options *opt = j->opt;
    az_error error = {.status = AZ_OK};
    int rc = az_decoder_setup(&j->decoder, opt, j->source.name);
    if (rc != AZ_EXIT_OK)
        return rc;
    if (opt->salvage) {
        if (az_decoder_set(j->decoder, AZ_PARAM_SALVAGE, 1, &error) != AZ_OK)
            return az_say_library_error(opt, j->source.name, &error);
        az_decoder_set_gap_fn(j->decoder, say_gap, j);
    }
    az_decoder_set_progress(j->decoder, az_progress_update, &j->progress);
    return AZ_EXIT_OK;
}

/* Hands finished output on. */
static int deliver(job *j, size_t n_bytes, az_action action) {
    const void *data = j->out_buf;
    size_t n = n_bytes;
    if (j->text) {
        n = az_armour_encode(&j->armour, j->out_buf, n_bytes, action == AZ_FINISH, j->text);
        data = j->text;
    }
    j->out_nbytes += n;
    int rc = az_sink_write(&j->sink, j->opt, data, n);
    if (rc != AZ_EXIT_OK || !j->verifier.decoder)
        return rc;
    double start = az_now();
    rc = az_verifier_push(&j->verifier, j->opt, j->sink.name, j->out_buf, n_bytes, action);
    j->measure.decode_seconds += az_now() - start;
    return rc;
}

/* --base64: what was read becomes bytes. */
static bool take_text(job *j, size_t *n_bytes, bool ended) {
    if (ended && az_armour_is_whole(&j->armour))
        return true;
    if (!ended && az_armour_decode(&j->armour, j->in_buf, n_bytes))
        return true;
    az_progress_clear(&j->progress);
    if (ended)
        az_say_error(j->opt, j->source.name, "the base64 text ends too early.");
    else
        az_say_error(j->opt, j->source.name, "character %ju is not base64.",
                     (uintmax_t)j->armour.offset + 1);
    return false;
}

static int pump(job *j) {
    az_input in = {j->in_buf, 0, 0};
    az_action action = AZ_RUN;
    int done = 0;
    int rc = AZ_EXIT_OK;
    while (!done && rc == AZ_EXIT_OK) {
        if (action == AZ_RUN && in.pos == in.size) {
            rc = az_source_read(&j->source, j->opt, j->in_buf, BUF_NBYTES, &in.size);
            if (rc != AZ_EXIT_OK)
                break;
            in.pos = 0;
            bool ended = in.size == 0;
            if (j->decoder && j->opt->base64 && !take_text(j, &in.size, ended))
                return AZ_EXIT_DAMAGED;
            if (ended)
                action = AZ_FINISH;
            else if (j->verify)
                az_digest_add(&j->digest, j->in_buf, in.size);
        }
        az_output out = {j->out_buf, BUF_NBYTES, 0};
        az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
        az_status status = j->encoder
                               ? az_encoder_run(j->encoder, &in, &out, action, &done, &error)
                               : az_decoder_run(j->decoder, &in, &out, action, &done, &error);
        if (status != AZ_OK) {
            az_progress_clear(&j->progress);
            if (status == AZ_ERROR_FORMAT && az_looks_armoured(j->in_buf, in.size))
                snprintf(error.text, sizeof error.text,
                         "it looks like an archive in base64; --base64 reads that");
            return az_say_library_error(j->opt, j->source.name, &error);
        }
        rc = deliver(j, out.pos, done ? AZ_FINISH : AZ_RUN);
    }
    az_progress_clear(&j->progress);
    return rc;
}

/* Decides whether to verify, and sets up doing so towards a pipe, where encoder
 * and decoder work side by side and share the memory limit. */
static int prepare_verify(job *j) {
    const az_options *opt = j->opt;
    j->memlimit = opt->memlimit;
    az_digest_init(&j->digest);
    j->verify = opt->mode == AZ_MODE_COMPRESS &&
                (opt->verify == AZ_VERIFY_ON ||
                 (opt->verify == AZ_VERIFY_AUTO && (opt->verbosity > 0 || opt->model)));
    if (!j->verify || j->sink.temp_path)
        return AZ_EXIT_OK;
    az_options half = *opt;
    j->memlimit = half.memlimit = opt->memlimit ? opt->memlimit / 2 + 1 : 0;
    return az_verifier_open(&j->verifier, &half, j->sink.name);
}

static int open_all(job *j) {
    int rc = prepare_verify(j);
    if (rc == AZ_EXIT_OK)
        rc = j->opt->mode == AZ_MODE_COMPRESS ? open_encoder(j) : open_decoder(j);
    if (rc != AZ_EXIT_OK)
        return rc;
    j->in_buf = malloc(BUF_NBYTES);
    j->out_buf = malloc(BUF_NBYTES);
    if (j->encoder && j->opt->base64)
        j->text = malloc(2 * BUF_NBYTES + 16);
    if (j->in_buf && j->out_buf && (j->text || !j->encoder || !j->opt->base64))
        return AZ_EXIT_OK;
    az_say_error(j->opt, j->source.name, "not enough memory for the buffers.");
    return AZ_EXIT_MEMORY;
}

/* Source to sink, without its name yet. */
static int run(job *j) {
    const az_options *opt = j->opt;
    int rc = open_all(j);
    if (rc != AZ_EXIT_OK)
        return rc;
    static const char *const verbs[] = {"compressing", "decompressing", "testing"};
    az_progress_start(&j->progress, opt, verbs[opt->mode], j->source.name, j->source.n_bytes);
    double start = az_now();
    rc = pump(j);
    j->measure.encode_seconds = az_now() - start - j->measure.decode_seconds;
    j->measure.in_nbytes = j->source.n_read;
    j->measure.out_nbytes = j->out_nbytes;
    return rc;
}

static int verify(job *j) {
    if (j->verifier.decoder)
        return az_verifier_finish(&j->verifier, j->opt, j->sink.name, &j->digest);
    /* The handle's memory is not needed any more, the verifier needs as much. */
    az_encoder_close(&j->encoder);
    az_progress progress;
    az_progress_start(&progress, j->opt, "verifying", j->source.name, j->out_nbytes);
    progress.decoding = true;
    double start = az_now();
    int rc = az_verify_file(j->opt, j->sink.name, j->sink.fd, j->out_nbytes, &j->digest, &progress);
    j->measure.decode_seconds = az_now() - start;
    return rc;
}

/* What salvage left: an output with gaps counts as damage, one with nothing in
 * it is not worth a file. */
static int check_salvage(const job *j) {
    if (j->n_gaps > 0 && j->out_nbytes == 0) {
        az_say_error(j->opt, j->source.name, "no block is undamaged, nothing is written.");
        return AZ_EXIT_DAMAGED;
    }
    return AZ_EXIT_OK;
}

/* Bytes a second in a unit that shows three digits or so. */
static void format_speed(char buf[AZ_NUMBER_MAX], double speed) {
    if (speed >= 1e5)
        snprintf(buf, AZ_NUMBER_MAX, "%.2f MB/s", speed / 1e6);
    else
        snprintf(buf, AZ_NUMBER_MAX, "%.2f kB/s", speed / 1e3);
}

static void say_summary(const job *j) {
    const az_options *opt = j->opt;
    const az_measure *m = &j->measure;
    if (!az_shows_summary(opt))
        return;
    char from[AZ_NUMBER_MAX], to[AZ_NUMBER_MAX];
    az_format_number(from, m->in_nbytes);
    az_format_number(to, m->out_nbytes);
    const char *verified = j->verify ? ", verified by decoding" : "";
    double content = (double)(opt->mode == AZ_MODE_COMPRESS ? m->in_nbytes : m->out_nbytes);
    char speed[AZ_NUMBER_MAX];
    format_speed(speed, m->encode_seconds > 0 ? content / m->encode_seconds : 0);
    if (opt->mode == AZ_MODE_TEST)
        az_say(j->source.name, "intact, %s bytes of content, %s", to, speed);
    else if (opt->mode == AZ_MODE_DECOMPRESS)
        az_say(j->source.name, "%s => %s bytes, %s, %s", from, to, speed, j->sink.name);
    else if (m->in_nbytes == 0)
        az_say(j->source.name, "%s => %s bytes, %s%s", from, to, j->sink.name, verified);
    else
        az_say(j->source.name, "%s => %s bytes, ratio %.2f, %.3f bits per byte, %s, %s%s", from, to,
               content / (double)m->out_nbytes, (double)m->out_nbytes * 8 / content, speed,
               j->sink.name, verified);
}

/* --rm, once the output is safe. Never when there is no file to have instead. */
static int remove_source(const job *j) {
    bool has_file = j->sink.path && !j->sink.to_stdout && S_ISREG(j->source.st.st_mode);
    if (!j->opt->remove_source || !has_file || !j->source.path || j->n_gaps > 0)
        return AZ_EXIT_OK;
    if (unlink(j->source.path) == 0)
        return AZ_EXIT_OK;
    az_say_error(j->opt, j->source.name, "cannot be removed: %s.", strerror(errno));
    return AZ_EXIT_FILE;
}

static int work(job *j) {
    int rc = run(j);
    if (rc == AZ_EXIT_OK && j->verify)
        rc = verify(j);
    if (rc == AZ_EXIT_OK)
        rc = check_salvage(j);
    if (rc == AZ_EXIT_OK)
        rc = az_sink_commit(&j->sink, j->opt, &j->source);
    if (rc != AZ_EXIT_OK)
        return rc;
    say_summary(j);
    if (j->opt->mode == AZ_MODE_COMPRESS && j->opt->verbosity > 0 && j->source.is_regular)
        az_compare(j->opt, &j->source, &j->measure);
    rc = remove_source(j);
    return rc == AZ_EXIT_OK && j->n_gaps > 0 ? AZ_EXIT_DAMAGED : rc;
}

int az_transcode(void *opaque, const az_options *opt, const char *name, bool *stop) {
    (void)opaque;
    job j = {.opt = opt, .sink = {.fd = -1}};
    int rc = az_source_open(&j.source, opt, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    rc = az_sink_open(&j.sink, opt, &j.source);
    if (rc == AZ_EXIT_OK)
        rc = work(&j);
    /* On a broken stream, what follows would not be found by a decoder. */
    if (rc != AZ_EXIT_OK && j.sink.to_stdout)
        *stop = j.sink.failed || (opt->mode == AZ_MODE_COMPRESS && j.sink.n_written > 0);
    az_encoder_close(&j.encoder);
    az_decoder_close(&j.decoder);
    az_verifier_close(&j.verifier);
    free(j.in_buf);
    free(j.out_buf);
    free(j.text);
    az_sink_close(&j.sink);
    az_source_close(&j.source);
    return rc;
}
