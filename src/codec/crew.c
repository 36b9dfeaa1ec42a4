/*
 * crew: the workers. Each has a predictor, kept from block to block, as opening
 * one can mean hundreds of megabytes. Jobs wait in one queue, first in, first
 * out. A crew of one has no thread: the block is coded in the calling thread.
 * So it is, too, when no thread can be started.
 */
#include "lm_block.h"

#include <assert.h>

/* How often the progress function is called. */
enum { TICK_MS = 100 };

/* ---- Buffers ---------------------------------------------------------------- */

bool az_buffer_reserve(az_buffer *buffer, az_heap *heap, size_t n_bytes, size_t keep) {
    if (n_bytes <= buffer->capacity && buffer->data)
        return true;
    if (keep == 0)
        az_buffer_close(buffer, heap); /* never both at once */
    uint8_t *data = az_regrow(heap, buffer->data, keep, n_bytes);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = n_bytes;
    return true;
}

void az_buffer_close(az_buffer *buffer, az_heap *heap) {
    az_free(heap, buffer->data);
    buffer->data = NULL;
    buffer->capacity = 0;
}

/* ---- One job ------------------------------------------------------------------ */

typedef struct job_run {
    az_crew *crew;
    az_job *job;
    bool in_caller;
} job_run;

static bool job_tick(void *opaque, size_t n_content, size_t n_coded) {
    job_run *run = opaque;
    atomic_store_explicit(&run->job->n_content, n_content, memory_order_relaxed);
    atomic_store_explicit(&run->job->n_coded, n_coded, memory_order_relaxed);
    if (run->in_caller)
        return az_crew_tick(run->crew, NULL) == AZ_OK;
    return !atomic_load_explicit(&run->crew->stop, memory_order_relaxed);
}

static az_lm_coder lm_coder(const az_worker *worker) {
    const az_coding *c = &worker->crew->coding;
    return (az_lm_coder){.predictor = worker->predictor,
                         .mixed = worker->mixed,
                         .heap = worker->crew->heap,
                         .settings = {c->window, c->overlap},
                         .level = c->level,
                         .n_lanes = c->n_lanes,
                         .verify = c->verify};
}

/* Where it is known only now what codes the block, cm does so once more: what it spends on each
 * byte. */
static void trace_again(az_worker *worker, az_job *job, job_run *run) {
    const az_block_header *block = &job->block;
    uint8_t *coded = job->coded.data;
    bool after_lanes = worker->mixed;
    az_block_encode(worker->predictor, job->bytes.data, az_job_span(job), coded + after_lanes,
                    block->content_nbytes - after_lanes, &job->trace, job_tick, run);
}

/* Without a dictionary that may be left out: into the second half of job->coded. */
static size_t try_without(az_worker *worker, az_job *job, size_t n, job_run *run) {
    size_t n_bytes = job->block.content_nbytes;
    uint8_t *content = az_job_content(job), *coded = job->coded.data + n_bytes;
    size_t without = az_block_encode(worker->predictor, content, (az_span){0, n_bytes}, coded,
                                     n_bytes - 1, NULL, job_tick, run);
    if (without == SIZE_MAX || (n != SIZE_MAX && without >= n))
        return n;
    memcpy(job->coded.data, coded, without);
    memmove(job->bytes.data, content, n_bytes);
    job->dictionary_nbytes = 0;
    return without;
}

static void encode_job(az_worker *worker, az_job *job, job_run *run) {
    az_block_header *block = &job->block;
    size_t n = SIZE_MAX;
    /* A byte saved is the least for which it is coded. */
    if (block->content_nbytes > 0 && worker->mixed) {
        az_lm_coder coder = lm_coder(worker);
        coder.trace = job->is_traced ? &job->trace : NULL;
        job->status = az_lm_block_encode(&coder, job->bytes.data, az_job_span(job), job->coded.data,
                                         block->content_nbytes - 1, &n, job_tick, run, &job->error);
    } else if (block->content_nbytes > 0) {
        az_trace *trace = job->is_traced && !job->may_leave_out ? &job->trace : NULL;
        n = az_block_encode(worker->predictor, job->bytes.data, az_job_span(job), job->coded.data,
                            block->content_nbytes - 1, trace, job_tick, run);
        if (job->may_leave_out)
            n = try_without(worker, job, n, run);
    }
    block->stored = n == SIZE_MAX;
    block->payload_nbytes = block->stored ? block->content_nbytes : (uint32_t)n;
    if (!block->stored)
        block->content_check = az_check(az_job_content(job), block->content_nbytes);
    if (job->is_traced && block->stored)
        az_block_trace_stored(block->content_nbytes, &job->trace);
    else if (job->is_traced && job->status == AZ_OK &&
             (worker->mixed ? job->coded.data[0] == 0 : job->may_leave_out))
        trace_again(worker, job, run);
}

static void decode_job(az_worker *worker, az_job *job, job_run *run) {
    const az_block_header *block = &job->block;
    const uint8_t *payload = job->coded.data + block->header_nbytes;
    if (block->stored)
        return; /* its check has been compared */
    if (worker->mixed) {
        az_lm_coder coder = lm_coder(worker);
        az_status status = az_lm_block_decode(&coder, job->bytes.data, az_job_span(job), payload,
                                              block->payload_nbytes, job_tick, run, &job->error);
        job->failed = status == AZ_ERROR_DAMAGED || status == AZ_ERROR_CANCELLED;
        job->status = job->failed ? AZ_OK : status;
    } else {
        job->failed = !az_block_decode(worker->predictor, job->bytes.data, az_job_span(job),
                                       payload, block->payload_nbytes, job_tick, run);
    }
    if (!job->failed && job->status == AZ_OK)
        job->failed = az_check(az_job_content(job), block->content_nbytes) != block->content_check;
}

static void do_job(az_worker *worker, az_job *job, bool in_caller) {
    job_run run = {.crew = worker->crew, .job = job, .in_caller = in_caller};
    if (worker->crew->encodes)
        encode_job(worker, job, &run);
    else
        decode_job(worker, job, &run);
    atomic_store(&job->n_content, job->block.content_nbytes);
    atomic_store(&job->n_coded, job->block.payload_nbytes);
}

static void worker_main(void *arg) {
    az_worker *worker = arg;
    az_crew *crew = worker->crew;
    az_monitor_lock(crew->monitor);
    for (;;) {
        while (!crew->quit && !crew->first)
            az_monitor_wait(crew->monitor);
        if (crew->quit)
            break;
        az_job *job = crew->first;
        crew->first = job->next;
        if (!crew->first)
            crew->last = NULL;
        job->state = AZ_JOB_BUSY;
        az_monitor_unlock(crew->monitor);
        do_job(worker, job, false);
        az_monitor_lock(crew->monitor);
        job->state = AZ_JOB_DONE;
        crew->n_pending--;
        az_monitor_wake_all(crew->monitor);
    }
    az_monitor_unlock(crew->monitor);
}

/* ---- Workers ------------------------------------------------------------------- */

void az_crew_init(az_crew *crew, az_heap *heap, bool encodes, az_tick_fn tick, void *opaque) {
    crew->heap = heap;
    crew->encodes = encodes;
    crew->max_workers = 1;
    crew->tick = tick;
    crew->tick_opaque = opaque;
    crew->last_tick_ms = az_clock_ms();
    atomic_init(&crew->stop, false);
}

/* Lets all workers end, after the job that each is in; what is queued stays
 * undone. */
static void dismiss(az_crew *crew) {
    if (crew->monitor) {
        az_monitor_lock(crew->monitor);
        crew->quit = true;
        az_monitor_wake_all(crew->monitor);
        az_monitor_unlock(crew->monitor);
    }
    for (int i = 0; i < crew->n_workers; i++) {
        if (crew->workers[i].thread)
            az_thread_join(crew->heap, crew->workers[i].thread);
        az_predictor_close(&crew->workers[i].predictor);
        az_mixed_close(&crew->workers[i].mixed);
        crew->workers[i].thread = NULL;
    }
    crew->n_workers = 0;
    crew->quit = false;
}

void az_crew_release(az_crew *crew) {
    assert(crew->n_pending == 0);
    dismiss(crew);
}

void az_crew_close(az_crew *crew) {
    atomic_store(&crew->stop, true);
    dismiss(crew);
    if (crew->monitor)
        az_monitor_close(crew->heap, crew->monitor);
    crew->monitor = NULL;
}

/* Waits for all jobs, so that the workers can be replaced. */
static az_status settle(az_crew *crew, az_error *error) {
    while (crew->monitor) {
        az_monitor_lock(crew->monitor);
        if (crew->n_pending > 0)
            az_monitor_wait_ms(crew->monitor, TICK_MS);
        int n_pending = crew->n_pending;
        az_monitor_unlock(crew->monitor);
        if (n_pending == 0)
            break;
        AZ_TRY(az_crew_tick(crew, error));
    }
    return AZ_OK;
}

/* Bytes of text that a token stands for, at least, where it matters. */
enum { TOKEN_NBYTES = 3 };

uint64_t az_codec_memory(const az_coding *c, size_t n_bytes) {
    az_span most = {c->dictionary.n_bytes, n_bytes};
    uint64_t n = most.dictionary_nbytes + 2 * (uint64_t)n_bytes + AZ_HANDLE_NBYTES;
    if (!c->engine)
        return n + az_predictor_memory(c->method, c->level, most);
    const az_lm_server *server = c->engine->server;
    const az_mixed_settings settings = {c->window, c->overlap};
    uint32_t n_lanes = c->n_lanes ? c->n_lanes : az_mixed_lanes(c->level, n_bytes / TOKEN_NBYTES);
    return n + most.dictionary_nbytes + 6 * (uint64_t)n_bytes +
           az_predictor_memory(AZ_METHOD_CM, AZ_LM_CM_LEVEL, most) +
           az_mixed_memory(az_lm_server_model(server), az_lm_server_vocabulary(server)->strings.n,
                           &settings, most, n_lanes);
}

static az_status add_worker(az_crew *crew, az_error *error) {
    az_worker *worker = &crew->workers[crew->n_workers];
    worker->crew = crew;
    worker->thread = NULL;
    const az_coding *c = &crew->coding;
    AZ_TRY(az_predictor_open(&worker->predictor, crew->heap, AZ_METHOD_CM,
                             c->engine ? AZ_LM_CM_LEVEL : c->level,
                             (az_span){c->dictionary.n_bytes, crew->max_nbytes}, error));
    az_status status =
        c->engine ? az_mixed_open(&worker->mixed, c->engine->server, crew->heap, error) : AZ_OK;
    if (status != AZ_OK) {
        az_predictor_close(&worker->predictor);
        return status;
    }
    if (crew->max_workers > 1 && !crew->monitor)
        crew->monitor = az_monitor_open(crew->heap);
    if (crew->max_workers > 1 && crew->monitor)
        worker->thread = az_thread_start(crew->heap, worker_main, worker);
    if (!worker->thread && crew->n_workers > 0) {
        az_predictor_close(&worker->predictor);
        az_mixed_close(&worker->mixed);
        return az_error_set(error, AZ_ERROR_THREAD, AZ_ERROR_NO_OFFSET, "no thread can be started");
    }
    if (!worker->thread)
        crew->max_workers = 1;
    crew->n_workers++;
    return AZ_OK;
}

/* The sentence of a memory limit says what the whole handle needs. */
static az_status first_worker_failed(const az_crew *crew, az_status status, az_error *error) {
    uint64_t limit = az_heap_limit(crew->heap);
    uint64_t need = az_codec_memory(&crew->coding, crew->max_nbytes);
    if (status != AZ_ERROR_MEMORY_LIMIT || need <= limit)
        return status;
    return az_error_set(error, status, AZ_ERROR_NO_OFFSET,
                        "level %d needs %llu bytes of memory for a block of %llu, but the limit "
                        "is %llu",
                        crew->coding.level, (unsigned long long)need,
                        (unsigned long long)crew->max_nbytes, (unsigned long long)limit);
}

static bool is_same(const az_coding *a, const az_coding *b) {
    return a->method == b->method && a->level == b->level && a->engine == b->engine &&
           a->window == b->window && a->overlap == b->overlap && a->n_lanes == b->n_lanes &&
           a->verify == b->verify && a->dictionary.data == b->dictionary.data &&
           a->dictionary.n_bytes == b->dictionary.n_bytes;
}

az_status az_crew_prepare(az_crew *crew, const az_coding *coding, size_t n_bytes, az_error *error) {
    bool fits = is_same(&crew->coding, coding) && n_bytes <= crew->max_nbytes;
    if (crew->n_workers > 0 && !fits) {
        AZ_TRY(settle(crew, error));
        dismiss(crew);
    }
    if (crew->n_workers == 0) {
        crew->coding = *coding;
        crew->max_nbytes = n_bytes;
        az_status status = add_worker(crew, error);
        return status == AZ_OK ? AZ_OK : first_worker_failed(crew, status, error);
    }
    if (crew->n_workers >= crew->max_workers)
        return AZ_OK;
    az_monitor_lock(crew->monitor);
    bool all_busy = crew->n_pending >= crew->n_workers;
    az_monitor_unlock(crew->monitor);
    /* Its predictor, and buffers for the block that it will work on. */
    uint64_t need = az_codec_memory(coding, crew->max_nbytes);
    if (all_busy && az_heap_room(crew->heap) >= need && add_worker(crew, NULL) != AZ_OK)
        crew->max_workers = crew->n_workers; /* fewer will do */
    return AZ_OK;
}

/* ---- Jobs ------------------------------------------------------------------------ */

void az_crew_submit(az_crew *crew, az_job *job) {
    atomic_store(&job->n_content, 0);
    atomic_store(&job->n_coded, 0);
    job->failed = false;
    job->status = AZ_OK;
    job->next = NULL;
    assert(crew->n_workers > 0);
    if (!crew->workers[0].thread) {
        job->state = AZ_JOB_BUSY;
        do_job(&crew->workers[0], job, true);
        job->state = AZ_JOB_DONE;
        return;
    }
    az_monitor_lock(crew->monitor);
    job->state = AZ_JOB_QUEUED;
    if (crew->last)
        crew->last->next = job;
    else
        crew->first = job;
    crew->last = job;
    crew->n_pending++;
    az_monitor_wake_all(crew->monitor);
    az_monitor_unlock(crew->monitor);
}

bool az_crew_is_done(az_crew *crew, az_job *job) {
    if (!crew->monitor)
        return job->state == AZ_JOB_DONE;
    az_monitor_lock(crew->monitor);
    bool done = job->state == AZ_JOB_DONE;
    az_monitor_unlock(crew->monitor);
    return done;
}

az_status az_crew_wait(az_crew *crew, az_job *job, az_error *error) {
    for (;;) {
        AZ_TRY(az_crew_tick(crew, error));
        if (!crew->monitor)
            return AZ_OK; /* without threads all jobs are done */
        az_monitor_lock(crew->monitor);
        if (job->state != AZ_JOB_DONE)
            az_monitor_wait_ms(crew->monitor, TICK_MS);
        bool done = job->state == AZ_JOB_DONE;
        az_monitor_unlock(crew->monitor);
        if (done)
            return AZ_OK;
    }
}

az_status az_crew_tick(az_crew *crew, az_error *error) {
    uint64_t now = az_clock_ms();
    if (!crew->cancelled && now - crew->last_tick_ms >= TICK_MS) {
        crew->last_tick_ms = now;
        crew->cancelled = crew->tick(crew->tick_opaque) != 0;
    }
    if (!crew->cancelled)
        return AZ_OK;
    atomic_store(&crew->stop, true);
    return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped as asked");
}

void az_jobs_progress(az_job *jobs, int n_jobs, uint64_t *n_content, uint64_t *n_coded) {
    for (int i = 0; i < n_jobs; i++) {
        *n_content += atomic_load_explicit(&jobs[i].n_content, memory_order_relaxed);
        *n_coded += atomic_load_explicit(&jobs[i].n_coded, memory_order_relaxed);
    }
}
