/*
 * encoder: az_encoder. Input is collected in the newest job of a ring; when the
 * block is full and it is certain that more comes (so that the last block can
 * say that it is the last), the job goes to the crew. The oldest job, once done,
 * is given out: header, then payload, straight from its buffer.
 *
 *      jobs:   [given out] [busy] [busy] [queued] [collecting]
 *               first_job                          first_job + n_jobs - 1
 */
#include "codec.h"

#include <assert.h>

/* The first room made for input of unknown size; it doubles from there. */
#define FIRST_ROOM ((size_t)1 << 16)

typedef struct piece {
    const uint8_t *data;
    size_t n_bytes;
} piece;

struct az_encoder {
    az_heap *heap;
    az_progress_fn progress;
    void *progress_opaque;

    int level;
    az_engine *engine;
    char model_name[64];
    uint32_t window_set, overlap_set, n_lanes_set; /* 0: by the level */
    bool verify;
    az_surprise_fn surprise; /* or NULL */
    void *surprise_opaque;
    uint64_t n_guessed;   /* bytes of the content */
    uint64_t traced_cost; /* all that the surprise function was told */
    az_coding coding;     /* what follows from that */
    int threads;
    az_text dictionary;        /* n_bytes 0: none */
    bool primes_itself;        /* or chooses a built-in one */
    uint64_t block_nbytes_set; /* 0: the level's own */
    int64_t content_nbytes;    /* as told; -1: unknown */

    bool started;
    az_frame frame;
    size_t block_nbytes;
    az_crew crew;
    az_job *jobs; /* [n_slots], a ring */
    int n_slots;
    int first_job;
    int n_jobs;      /* in use */
    bool collecting; /* the last of them still takes input */
    uint64_t n_blocks;
    bool all_in; /* the last block has been handed over */
    bool finished;

    az_index_writer index;
    uint8_t head[AZ_FRAME_HEADER_MAX + AZ_BLOCK_HEADER_MAX];
    piece pieces[2]; /* what is being given out */
    int n_pieces;
    bool giving_job; /* the pieces are the first job's */
    bool index_given;

    uint64_t in_nbytes;      /* taken */
    uint64_t out_nbytes;     /* given */
    uint64_t retired_nbytes; /* content of jobs that are through */

    az_status status; /* the first failure, for ever after */
    az_error error;
};

/* ---- The handle ---------------------------------------------------------------- */

static int encoder_tick(void *opaque) {
    az_encoder *e = opaque;
    if (!e->progress)
        return 0;
    uint64_t in = e->retired_nbytes, out = e->out_nbytes;
    az_jobs_progress(e->jobs, e->n_slots, &in, &out);
    return e->progress(e->progress_opaque, in, out);
}

az_status az_encoder_open(az_encoder **out, const az_allocator *allocator, az_error *error) {
    az_heap *heap;
    if (!out)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "out is NULL");
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_encoder *e = az_alloc(heap, sizeof *e);
    if (!e) {
        az_status status = az_alloc_failed(heap, sizeof *e, error);
        az_heap_close(&heap);
        return status;
    }
    e->heap = heap;
    e->level = AZ_LEVEL_DEFAULT;
    e->threads = 1;
    e->content_nbytes = -1;
    az_crew_init(&e->crew, heap, true, encoder_tick, e);
    *out = e;
    return AZ_OK;
}

static void close_trace(az_trace *trace, az_heap *heap) {
    az_free(heap, trace->costs);
    az_free(heap, trace->ends);
    az_free(heap, trace->guesses);
    *trace = (az_trace){0};
}

void az_encoder_close(az_encoder **encoder) {
    if (!encoder || !*encoder)
        return;
    az_encoder *e = *encoder;
    az_heap *heap = e->heap;
    az_crew_close(&e->crew);
    for (int i = 0; i < e->n_slots; i++) {
        az_buffer_close(&e->jobs[i].bytes, heap);
        az_buffer_close(&e->jobs[i].coded, heap);
        close_trace(&e->jobs[i].trace, heap);
    }
    az_free(heap, e->jobs);
    az_index_writer_close(&e->index, heap);
    az_free(heap, e);
    az_heap_close(&heap);
    *encoder = NULL;
}

static az_status bad_value(az_error *error, const char *what, int64_t value) {
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "%s can't be %lld", what,
                        (long long)value);
}

az_status az_encoder_set(az_encoder *e, az_param param, int64_t value, az_error *error) {
    if (e->started)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "parameters can't be set once encoding has begun");
    switch (param) {
    case AZ_PARAM_LEVEL:
        if (value < AZ_LEVEL_MIN || value > AZ_LEVEL_MAX)
            return bad_value(error, "the level", value);
        e->level = (int)value;
        return AZ_OK;
    case AZ_PARAM_THREADS:
        if (value < 0 || value > AZ_THREADS_MAX)
            return bad_value(error, "the number of threads", value);
        e->threads = (int)value;
        return AZ_OK;
    case AZ_PARAM_MEMORY_LIMIT:
        if (value < 0)
            return bad_value(error, "the memory limit", value);
        az_heap_set_limit(e->heap, (uint64_t)value);
        return AZ_OK;
    case AZ_PARAM_BLOCK_SIZE:
        if (value != 0 && (value < 1 << AZ_BLOCK_LOG2_MIN || value > 1 << AZ_BLOCK_LOG2_MAX ||
                           (value & (value - 1)) != 0))
            return bad_value(error, "the block size", value);
        e->block_nbytes_set = (uint64_t)value;
        return AZ_OK;
    case AZ_PARAM_CONTENT_SIZE:
        if (value < -1)
            return bad_value(error, "the content size", value);
        e->content_nbytes = value;
        return AZ_OK;
    case AZ_PARAM_LANES:
        if (value < 0 || value > AZ_MIXED_LANES_MAX)
            return bad_value(error, "the number of lanes", value);
        e->n_lanes_set = (uint32_t)value;
        return AZ_OK;
    case AZ_PARAM_CONTEXT:
        if (value != 0 && (value < AZ_MIXED_WINDOW_MIN || value > AZ_MIXED_WINDOW_MAX))
            return bad_value(error, "the window", value);
        e->window_set = (uint32_t)value;
        return AZ_OK;
    case AZ_PARAM_OVERLAP:
        if (value < 0 || value >= AZ_MIXED_WINDOW_MAX)
            return bad_value(error, "the overlap", value);
        e->overlap_set = (uint32_t)value;
        return AZ_OK;
    case AZ_PARAM_VERIFY:
        if (value < 0 || value > 1)
            return bad_value(error, "verification", value);
        e->verify = value == 1;
        return AZ_OK;
    default: return bad_value(error, "an encoder's parameter", (int64_t)param);
    }
}

az_status az_encoder_set_engine(az_encoder *e, az_engine *engine, const char *name,
                                az_error *error) {
    if (e->started)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "parameters can't be set once encoding has begun");
    if (engine && (!name || strlen(name) >= sizeof e->model_name))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a model's name of at most %d bytes is needed",
                            (int)sizeof e->model_name - 1);
    e->engine = engine;
    if (engine)
        memcpy(e->model_name, name, strlen(name) + 1);
    return AZ_OK;
}

az_status az_encoder_set_surprise(az_encoder *e, az_surprise_fn fn, void *opaque,
                                  uint64_t n_guessed, az_error *error) {
    if (e->started)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "parameters can't be set once encoding has begun");
    e->surprise = fn;
    e->surprise_opaque = opaque;
    e->n_guessed = n_guessed;
    return AZ_OK;
}

static az_status too_late(az_error *error) {
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                        "a dictionary can't be set once encoding has begun");
}

az_status az_encoder_set_dictionary(az_encoder *e, const void *data, size_t n_bytes,
                                    az_error *error) {
    if (e->started)
        return too_late(error);
    AZ_TRY(az_dictionary_note(&e->frame.dictionary, data, n_bytes, error));
    e->dictionary = (az_text){data, n_bytes};
    e->primes_itself = false;
    return AZ_OK;
}

az_status az_encoder_set_primer(az_encoder *e, const char *name, az_error *error) {
    if (e->started)
        return too_late(error);
    if (name && strcmp(name, "auto") == 0) {
        e->dictionary = (az_text){0};
        e->primes_itself = true;
        return AZ_OK;
    }
    const az_primer *primer = name ? az_primer_named(name) : NULL;
    if (!primer)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "there is no built-in dictionary of that name");
    e->frame.dictionary = (az_frame_dictionary){.primer = (uint8_t)primer->number};
    e->dictionary = primer->text;
    e->primes_itself = false;
    return AZ_OK;
}

void az_encoder_set_progress(az_encoder *e, az_progress_fn fn, void *opaque) {
    e->progress = fn;
    e->progress_opaque = opaque;
}

static size_t block_nbytes(const az_encoder *e) {
    return e->block_nbytes_set ? (size_t)e->block_nbytes_set
                               : az_predictor_block_nbytes(AZ_METHOD_CM, e->level);
}

static az_coding coding_of(const az_encoder *e) {
    az_coding c = {.method = AZ_METHOD_CM,
                   .level = e->level,
                   .engine = e->engine,
                   .dictionary = e->dictionary};
    if (!e->engine)
        return c;
    const az_lm_info *info = az_lm_get_info(az_lm_server_model(e->engine->server));
    c.method = AZ_METHOD_LM;
    c.window = e->window_set ? e->window_set : az_mixed_window(e->level, info);
    c.overlap = info->rolls ? 0 : e->overlap_set ? e->overlap_set : c.window / 2;
    c.n_lanes = e->n_lanes_set;
    c.verify = e->verify;
    return c;
}

/* What a block's trace takes at most. */
static uint64_t trace_memory(const az_encoder *e, size_t n_bytes) {
    uint64_t n_guesses = e->n_guessed < n_bytes ? e->n_guessed : n_bytes;
    return n_bytes * (uint64_t)(sizeof(uint32_t) + 1) + n_guesses * sizeof(az_guesses) +
           3 * (uint64_t)AZ_HEAP_BLOCK_NBYTES;
}

uint64_t az_encoder_memory(const az_encoder *e, uint64_t in_nbytes) {
    size_t n = block_nbytes(e);
    az_coding c = coding_of(e);
    n = in_nbytes < n ? (size_t)in_nbytes : n;
    if (e->primes_itself && in_nbytes <= AZ_PRIMED_NBYTES_MAX)
        c.dictionary.n_bytes = AZ_PRIMER_NBYTES_MAX;
    return az_codec_memory(&c, n) + (e->surprise ? trace_memory(e, n) : 0);
}

/* What the header says of the model. */
static az_status note_model(az_encoder *e, az_error *error) {
    const az_lm_info *info = az_lm_get_info(az_lm_server_model(e->engine->server));
    if (e->coding.overlap >= e->coding.window ||
        (!info->rolls && e->coding.window > info->n_trained))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a window of %u tokens with an overlap of %u: the window can have at "
                            "most %u with this model, the overlap must be smaller",
                            e->coding.window, e->coding.overlap,
                            info->rolls ? AZ_MIXED_WINDOW_MAX : info->n_trained);
    az_frame_model *m = &e->frame.model;
    e->frame.has_model = true;
    memcpy(m->hash, e->engine->sha256, sizeof m->hash);
    memcpy(m->name, e->model_name, sizeof m->name);
    m->version = AZ_LM_VERSION;
    m->window = (uint16_t)e->coding.window;
    m->overlap = (uint16_t)e->coding.overlap;
    return AZ_OK;
}

static az_status start(az_encoder *e, az_error *error) {
    e->block_nbytes = block_nbytes(e);
    e->coding = coding_of(e);
    e->frame.method = (uint8_t)e->coding.method;
    e->frame.method_version = (uint8_t)az_predictor_version(e->coding.method);
    if (e->engine)
        AZ_TRY(note_model(e, error));
    e->frame.has_dictionary = e->dictionary.n_bytes > 0;
    e->frame.level = (uint8_t)e->level;
    while ((size_t)1 << e->frame.block_log2 < e->block_nbytes)
        e->frame.block_log2++;
    uint64_t limit = az_heap_limit(e->heap);
    uint64_t need = az_encoder_memory(e, (uint64_t)e->content_nbytes);
    if (limit > 0 && e->content_nbytes >= 0 && need > limit)
        return az_error_set(error, AZ_ERROR_MEMORY_LIMIT, AZ_ERROR_NO_OFFSET,
                            "level %d needs %llu bytes of memory for this input, but the limit is "
                            "%llu",
                            e->level, (unsigned long long)need, (unsigned long long)limit);
    int threads = e->threads ? e->threads : az_cpu_count();
    e->crew.max_workers = threads < AZ_THREADS_MAX ? threads : AZ_THREADS_MAX;
    /* The engine has threads of its own; a second block goes through cm meanwhile. */
    if (e->engine && e->crew.max_workers > 2)
        e->crew.max_workers = 2;
    /* Input that fits one block keeps one worker busy. */
    if (e->content_nbytes >= 0 && (uint64_t)e->content_nbytes <= e->block_nbytes)
        e->crew.max_workers = 1;
    int n_slots = e->crew.max_workers == 1 ? 1 : e->crew.max_workers + 1;
    e->jobs = az_alloc(e->heap, (size_t)n_slots * sizeof *e->jobs);
    if (!e->jobs)
        return az_alloc_failed(e->heap, (size_t)n_slots * sizeof *e->jobs, error);
    e->n_slots = n_slots;
    e->started = true;
    return AZ_OK;
}

/* ---- Surprise -------------------------------------------------------------------- */

/* Room for what a block's bytes cost; false: no memory. */
static bool open_trace(az_encoder *e, az_job *job, size_t n_bytes) {
    az_trace *t = &job->trace;
    uint64_t first = e->n_blocks * e->block_nbytes;
    uint64_t n = e->n_guessed > first ? e->n_guessed - first : 0;
    close_trace(t, e->heap);
    t->n_guesses = n < n_bytes ? (size_t)n : n_bytes;
    t->costs = az_alloc(e->heap, n_bytes * sizeof *t->costs);
    t->ends = az_alloc(e->heap, n_bytes);
    t->guesses = az_alloc(e->heap, t->n_guesses * sizeof *t->guesses);
    return t->costs && t->ends && t->guesses;
}

/* What the guesses for the token at `at` are, as bytes. letters: all bytes. */
static void put_guesses(const az_encoder *e, const az_trace *t, size_t at, const uint8_t *letters,
                        az_surprise_guess *guesses, az_surprise_part *part) {
    if (at >= t->n_guesses)
        return;
    const az_guesses *g = &t->guesses[at];
    part->rank = g->rank;
    part->n_guesses = g->n;
    part->guesses = guesses;
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t string = g->guess[i].string;
        guesses[i].cost = g->guess[i].cost;
        guesses[i].text = (az_text){letters + (string & 255), 1};
        if (t->by_strings) {
            const az_cm_strings *s = &az_lm_server_vocabulary(e->engine->server)->strings;
            guesses[i].text =
                (az_text){s->bytes + s->starts[string], s->starts[string + 1] - s->starts[string]};
        }
    }
}

static void tell_surprise(az_encoder *e, const az_job *job) {
    az_surprise_guess guesses[AZ_GUESSES_MAX];
    uint8_t letters[256];
    const az_trace *t = &job->trace;
    uint64_t first = job->block.number * e->block_nbytes;
    for (unsigned i = 0; i < 256; i++)
        letters[i] = (uint8_t)i;
    for (size_t at = 0, end; at < job->block.content_nbytes; at = end) {
        az_surprise_part part = {.first_byte = first + at, .costs = t->costs + at};
        for (end = at; end < job->block.content_nbytes; end++) {
            part.cost += t->costs[end];
            if (t->ends[end])
                break;
        }
        end += end < job->block.content_nbytes; /* a lane may end within a token */
        part.n_bytes = end - at;
        put_guesses(e, t, at, letters, guesses, &part);
        e->traced_cost += part.cost;
        e->surprise(e->surprise_opaque, &part);
    }
}

static az_status count_archive(az_encoder *e, const void *text, size_t n_bytes,
                               uint64_t *archive_nbytes, az_error *error) {
    uint8_t out[1 << 14];
    az_input input = {text, n_bytes, 0};
    for (int done = 0; !done;) {
        az_output output = {out, sizeof out, 0};
        AZ_TRY(az_encoder_run(e, &input, &output, AZ_FINISH, &done, error));
        *archive_nbytes += output.pos;
    }
    return AZ_OK;
}

az_status az_surprise_run(az_encoder *e, const void *text, size_t n_bytes, uint64_t *archive_nbytes,
                          int64_t *frame_cost, az_error *error) {
    uint64_t n = 0;
    if (!e || (!text && n_bytes) || !archive_nbytes || !frame_cost)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_surprise_run: a pointer is NULL");
    AZ_TRY(az_encoder_set(e, AZ_PARAM_CONTENT_SIZE, (int64_t)n_bytes, error));
    AZ_TRY(count_archive(e, text, n_bytes, &n, error));
    *archive_nbytes = n;
    *frame_cost = (int64_t)(n * 8 * AZ_COST_BIT - e->traced_cost);
    return AZ_OK;
}

/* ---- Output ---------------------------------------------------------------------- */

static void add_piece(az_encoder *e, const uint8_t *data, size_t n_bytes) {
    e->pieces[e->n_pieces++] = (piece){data, n_bytes};
}

/* Makes the first job's block ready to be given out. */
static az_status give_job(az_encoder *e, az_error *error) {
    az_job *job = &e->jobs[e->first_job];
    if (job->status != AZ_OK) {
        if (error)
            *error = job->error;
        return job->status;
    }
    if (job->is_traced)
        tell_surprise(e, job);
    const uint8_t *payload = job->block.stored ? az_job_content(job) : job->coded.data;
    size_t n = 0;
    if (job->block.number == 0) {
        e->frame.has_dictionary &= job->dictionary_nbytes > 0; /* it may have been left out */
        n = az_frame_header_write(e->head, &e->frame);
    }
    n += az_block_header_write(e->head + n, &e->frame, &job->block, payload);
    if (!(job->block.number == 0 && job->block.last))
        AZ_TRY(az_index_writer_add(&e->index, e->heap, &job->block, error));
    add_piece(e, e->head, n);
    add_piece(e, payload, job->block.payload_nbytes);
    atomic_store(&job->n_coded, 0); /* from here on it counts as given out */
    e->giving_job = true;
    return AZ_OK;
}

static void retire_job(az_encoder *e) {
    az_job *job = &e->jobs[e->first_job];
    e->retired_nbytes += job->block.content_nbytes;
    atomic_store(&job->n_content, 0);
    atomic_store(&job->n_coded, 0);
    job->state = AZ_JOB_FREE;
    e->first_job = (e->first_job + 1) % e->n_slots;
    e->n_jobs--;
    e->giving_job = false;
}

/* Copies pieces out; true when all of them are through. */
static bool copy_out(az_encoder *e, az_output *out) {
    for (int i = 0; i < e->n_pieces; i++) {
        piece *p = &e->pieces[i];
        size_t n = out->size - out->pos;
        if (n > p->n_bytes)
            n = p->n_bytes;
        if (n > 0) { /* else either pointer may be NULL */
            memcpy((uint8_t *)out->data + out->pos, p->data, n);
            out->pos += n;
            e->out_nbytes += n;
            p->data += n;
            p->n_bytes -= n;
        }
        if (p->n_bytes > 0)
            return false;
    }
    e->n_pieces = 0;
    return true;
}

/* Gives out all that is ready and fits. */
static az_status give(az_encoder *e, az_output *out, az_error *error) {
    for (;;) {
        if (!copy_out(e, out))
            return AZ_OK;
        if (e->giving_job)
            retire_job(e);
        int n_handed_over = e->n_jobs - e->collecting;
        if (n_handed_over > 0) {
            if (!az_crew_is_done(&e->crew, &e->jobs[e->first_job]))
                return AZ_OK;
            AZ_TRY(give_job(e, error));
        } else if (e->all_in && e->n_blocks > 1 && !e->index_given) {
            AZ_TRY(az_index_writer_finish(&e->index, e->heap, &e->frame, error));
            add_piece(e, e->index.buf + e->index.start, e->index.n_bytes - e->index.start);
            e->index_given = true;
        } else {
            e->finished = e->all_in;
            return AZ_OK;
        }
    }
}

/* ---- Input ------------------------------------------------------------------------- */

static az_job *collecting_job(az_encoder *e) {
    return &e->jobs[(e->first_job + e->n_jobs - 1) % e->n_slots];
}

static void free_unused_buffers(az_encoder *e) {
    for (int i = e->n_jobs; i < e->n_slots; i++) {
        az_job *job = &e->jobs[(e->first_job + i) % e->n_slots];
        az_buffer_close(&job->bytes, e->heap);
        az_buffer_close(&job->coded, e->heap);
        close_trace(&job->trace, e->heap);
    }
}

/* What it means that a piece of n_bytes could not be had: no failure while other jobs are under way,
 * whose buffers can be had later. */
static az_status no_room(const az_encoder *e, size_t n_bytes, az_error *error) {
    if (e->n_jobs > 1)
        return AZ_OK;
    uint64_t limit = az_heap_limit(e->heap);
    uint64_t need =
        az_encoder_memory(e, e->content_nbytes >= 0 ? (uint64_t)e->content_nbytes : UINT64_MAX);
    az_status status = az_alloc_failed(e->heap, n_bytes, error);
    if (status == AZ_ERROR_MEMORY_LIMIT && need > limit)
        az_error_set(error, status, AZ_ERROR_NO_OFFSET,
                     "level %d needs %llu bytes of memory, but the limit is %llu", e->level,
                     (unsigned long long)need, (unsigned long long)limit);
    return status;
}

/* Room for n_bytes. *ready is false where there is none now. */
static az_status reserve(az_encoder *e, az_buffer *buffer, size_t n_bytes, size_t keep, bool *ready,
                         az_error *error) {
    *ready = az_buffer_reserve(buffer, e->heap, n_bytes, keep);
    if (!*ready) {
        free_unused_buffers(e);
        *ready = az_buffer_reserve(buffer, e->heap, n_bytes, keep);
    }
    return *ready ? AZ_OK : no_room(e, n_bytes, error);
}

/* The same for the trace of a block, if there is to be one. */
static az_status reserve_trace(az_encoder *e, az_job *job, size_t n_bytes, bool *ready,
                               az_error *error) {
    *ready = true;
    job->is_traced = e->surprise && n_bytes > 0;
    if (!job->is_traced || open_trace(e, job, n_bytes))
        return AZ_OK;
    free_unused_buffers(e);
    *ready = open_trace(e, job, n_bytes);
    if (*ready)
        return AZ_OK;
    az_status status =
        no_room(e, (size_t)trace_memory(e, n_bytes), error); /* by what is in use now */
    close_trace(&job->trace, e->heap);
    return status;
}

/* A short input's dictionary is the built-in one that it is like, if it is like any. */
static void choose_primer(az_encoder *e, az_job *job, bool last) {
    const az_primer *primer = NULL;
    if (last && job->content_nbytes <= AZ_PRIMED_NBYTES_MAX)
        primer = az_primer_choose(az_job_content(job), job->content_nbytes);
    e->frame.has_dictionary = primer != NULL;
    job->may_leave_out = primer && !e->engine;
    if (!primer)
        return;
    e->frame.dictionary.primer = (uint8_t)primer->number;
    e->coding.dictionary = primer->text;
}

/* Moves the collected content behind the dictionary. */
static az_status put_dictionary(az_encoder *e, az_job *job, bool *ready, az_error *error) {
    const az_text *dictionary = &e->coding.dictionary;
    *ready = true;
    if (dictionary->n_bytes == 0 || job->content_nbytes == 0 || job->dictionary_nbytes > 0)
        return AZ_OK;
    AZ_TRY(reserve(e, &job->bytes, dictionary->n_bytes + job->content_nbytes, job->content_nbytes,
                   ready, error));
    if (!*ready)
        return AZ_OK;
    memmove(job->bytes.data + dictionary->n_bytes, job->bytes.data, job->content_nbytes);
    memcpy(job->bytes.data, dictionary->data, dictionary->n_bytes);
    job->dictionary_nbytes = dictionary->n_bytes;
    return AZ_OK;
}

/* Hands the collected block over, if there is memory for it now. */
static az_status hand_over(az_encoder *e, bool last, bool *ready, az_error *error) {
    az_job *job = collecting_job(e);
    size_t n = job->content_nbytes;
    if (e->primes_itself && e->n_blocks == 0)
        choose_primer(e, job, last);
    AZ_TRY(put_dictionary(e, job, ready, error));
    size_t n_coded = job->may_leave_out ? 2 * n : n;
    if (*ready)
        AZ_TRY(reserve(e, &job->coded, n_coded > 0 ? n_coded : 1, 0, ready, error));
    if (*ready)
        AZ_TRY(reserve_trace(e, job, n, ready, error));
    if (!*ready)
        return AZ_OK;
    job->block = (az_block_header){.number = e->n_blocks, .last = last};
    job->block.content_nbytes = (uint32_t)n;
    if (n > 0)
        AZ_TRY(az_crew_prepare(&e->crew, &e->coding, n, error));
    e->n_blocks++;
    e->collecting = false;
    e->all_in = last;
    if (n > 0) {
        az_crew_submit(&e->crew, job);
    } else {
        job->block.stored = true;
        job->status = AZ_OK;
        job->state = AZ_JOB_DONE;
    }
    return az_crew_tick(&e->crew, error);
}

/* Room in the job for what comes: all of it where its size is known. */
static az_status make_room(az_encoder *e, az_job *job, size_t in_left, bool finish, bool *ready,
                           az_error *error) {
    size_t have = job->content_nbytes;
    size_t left = e->block_nbytes - have, dictionary = e->coding.dictionary.n_bytes;
    size_t want = in_left < left ? in_left : left;
    *ready = true;
    if (have + want <= job->bytes.capacity)
        return AZ_OK;
    size_t room = have + want;
    uint64_t told = e->content_nbytes < 0 ? 0 : (uint64_t)e->content_nbytes;
    if (told >= e->in_nbytes + want)
        room = told - e->in_nbytes < left ? have + (size_t)(told - e->in_nbytes) : e->block_nbytes;
    else if (!finish && room + dictionary < 2 * job->bytes.capacity)
        room = 2 * job->bytes.capacity - dictionary;
    if (!finish && room < FIRST_ROOM)
        room = FIRST_ROOM;
    if (room > e->block_nbytes)
        room = e->block_nbytes;
    return reserve(e, &job->bytes, dictionary + room, have, ready, error);
}

/* Takes input, handing over blocks that are full. *moved: whether anything
 * happened. */
static az_status take(az_encoder *e, az_input *in, az_action action, bool *moved, az_error *error) {
    size_t in_left = in->size - in->pos;
    bool ready;
    *moved = false;
    if (e->all_in)
        return in_left == 0 ? AZ_OK
                            : az_error_set(error, AZ_ERROR_ARGUMENT, e->in_nbytes,
                                           "more input after its end");
    if (!e->collecting) {
        if (e->n_jobs == e->n_slots || (in_left == 0 && action != AZ_FINISH))
            return AZ_OK;
        e->n_jobs++;
        e->collecting = true;
        collecting_job(e)->content_nbytes = 0;
        collecting_job(e)->dictionary_nbytes = 0;
        collecting_job(e)->may_leave_out = false;
    }
    az_job *job = collecting_job(e);
    if (in_left == 0 && action == AZ_FINISH) {
        if (e->content_nbytes >= 0 && e->in_nbytes != (uint64_t)e->content_nbytes)
            return az_error_set(error, AZ_ERROR_ARGUMENT, e->in_nbytes,
                                "the input has %llu bytes, but its size was set to %llu",
                                (unsigned long long)e->in_nbytes,
                                (unsigned long long)e->content_nbytes);
        return hand_over(e, true, moved, error);
    }
    if (in_left == 0)
        return AZ_OK;
    if (job->content_nbytes == e->block_nbytes)
        return hand_over(e, false, moved, error);
    AZ_TRY(make_room(e, job, in_left, action == AZ_FINISH, &ready, error));
    if (!ready)
        return AZ_OK;
    size_t n = e->block_nbytes - job->content_nbytes;
    if (n > in_left)
        n = in_left;
    memcpy(job->bytes.data + job->content_nbytes, (const uint8_t *)in->data + in->pos, n);
    job->content_nbytes += n;
    in->pos += n;
    e->in_nbytes += n;
    *moved = true;
    return AZ_OK;
}

/* ---- Run ------------------------------------------------------------------------------ */

static az_status run(az_encoder *e, az_input *in, az_output *out, az_action action,
                     az_error *error) {
    if (!e->started)
        AZ_TRY(start(e, error));
    for (;;) {
        bool moved;
        AZ_TRY(az_crew_tick(&e->crew, error));
        AZ_TRY(give(e, out, error));
        if (e->finished)
            return AZ_OK;
        AZ_TRY(take(e, in, action, &moved, error));
        if (moved)
            continue;
        if (e->n_pieces > 0)
            return AZ_OK; /* the caller's output is full */
        bool hungry = in->pos == in->size && action != AZ_FINISH;
        if (hungry || e->n_jobs == e->collecting)
            return AZ_OK;
        AZ_TRY(az_crew_wait(&e->crew, &e->jobs[e->first_job], error));
    }
}

az_status az_encoder_run(az_encoder *e, az_input *in, az_output *out, az_action action, int *done,
                         az_error *error) {
    az_input none = {0};
    if (!in)
        in = &none;
    if (!out || !done || !az_is_window(in->data, in->size, in->pos) ||
        !az_is_window(out->data, out->size, out->pos))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_encoder_run: in, out or done is not valid");
    if (e->status == AZ_OK) {
        e->status = run(e, in, out, action, &e->error);
        assert(e->status == AZ_OK || e->error.status == e->status);
    }
    *done = e->status == AZ_OK && e->finished;
    if (e->status != AZ_OK && error)
        *error = e->error;
    return e->status;
}
