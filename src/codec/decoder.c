/*
 * decoder: az_decoder. The handle, the ring of jobs, and what is given out.
 * How the archive is read is in reader.c.
 */
#include "decoder.h"

#include <assert.h>

/* ---- The handle ---------------------------------------------------------------- */

static int decoder_tick(void *opaque) {
    az_decoder *d = opaque;
    if (!d->progress)
        return 0;
    uint64_t in = d->reader.offset, out = d->out_nbytes;
    for (int i = 0; i < d->n_jobs; i++) {
        const az_job *job = &d->jobs[(d->first_job + i) % d->n_slots];
        in -= job->block.payload_nbytes; /* handed over: what is done comes back below */
    }
    az_jobs_progress(d->jobs, d->n_slots, &out, &in);
    return d->progress(d->progress_opaque, in, out);
}

az_status az_decoder_open(az_decoder **out, const az_allocator *allocator, az_error *error) {
    az_heap *heap;
    if (!out)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "out is NULL");
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_decoder *d = az_alloc(heap, sizeof *d);
    if (!d) {
        az_status status = az_alloc_failed(heap, sizeof *d, error);
        az_heap_close(&heap);
        return status;
    }
    d->heap = heap;
    d->threads = 1;
    az_crew_init(&d->crew, heap, false, decoder_tick, d);
    *out = d;
    return AZ_OK;
}

void az_decoder_close(az_decoder **decoder) {
    if (!decoder || !*decoder)
        return;
    az_decoder *d = *decoder;
    az_heap *heap = d->heap;
    az_crew_close(&d->crew);
    for (int i = 0; i < d->n_slots; i++) {
        az_buffer_close(&d->jobs[i].bytes, heap);
        az_buffer_close(&d->jobs[i].coded, heap);
    }
    az_free(heap, d->jobs);
    az_buffer_close(&d->reader.buf, heap);
    az_free(heap, d);
    az_heap_close(&heap);
    *decoder = NULL;
}

az_status az_decoder_set(az_decoder *d, az_param param, int64_t value, az_error *error) {
    const char *what = "a decoder's parameter";
    if (d->started)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "parameters can't be set once decoding has begun");
    if (param == AZ_PARAM_THREADS) {
        what = "the number of threads";
        if (value >= 0 && value <= AZ_THREADS_MAX) {
            d->threads = (int)value;
            return AZ_OK;
        }
    } else if (param == AZ_PARAM_MEMORY_LIMIT) {
        what = "the memory limit";
        if (value >= 0) {
            az_heap_set_limit(d->heap, (uint64_t)value);
            return AZ_OK;
        }
    } else if (param == AZ_PARAM_VERIFY) {
        what = "verification";
        if (value == 0 || value == 1) {
            d->verify = value == 1;
            return AZ_OK;
        }
    } else if (param == AZ_PARAM_SALVAGE) {
        what = "salvage";
        if (value == 0 || value == 1) {
            d->salvage = value == 1;
            return AZ_OK;
        }
    } else {
        value = (int64_t)param;
    }
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "%s can't be %lld", what,
                        (long long)value);
}

void az_decoder_set_progress(az_decoder *d, az_progress_fn fn, void *opaque) {
    d->progress = fn;
    d->progress_opaque = opaque;
}

void az_decoder_set_gap_fn(az_decoder *d, az_gap_fn fn, void *opaque) {
    d->gap = fn;
    d->gap_opaque = opaque;
}

void az_decoder_set_engines(az_decoder *d, az_find_engine_fn find, void *opaque) {
    d->find = find;
    d->find_opaque = opaque;
}

az_status az_decoder_set_dictionary(az_decoder *d, const void *data, size_t n_bytes,
                                    az_error *error) {
    if (d->started)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a dictionary can't be set once decoding has begun");
    AZ_TRY(az_dictionary_note(&d->dictionary_note, data, n_bytes, error));
    d->dictionary = (az_text){data, n_bytes};
    return AZ_OK;
}

static az_status start(az_decoder *d, az_error *error) {
    int threads = d->threads ? d->threads : az_cpu_count();
    d->crew.max_workers = threads < AZ_THREADS_MAX ? threads : AZ_THREADS_MAX;
    int n_slots = d->crew.max_workers == 1 ? 1 : d->crew.max_workers + 1;
    d->jobs = az_alloc(d->heap, (size_t)n_slots * sizeof *d->jobs);
    if (!d->jobs)
        return az_alloc_failed(d->heap, (size_t)n_slots * sizeof *d->jobs, error);
    d->n_slots = n_slots;
    d->started = true;
    return AZ_OK;
}

/* ---- Memory ------------------------------------------------------------------------ */

static void free_unused_buffers(az_decoder *d, const az_buffer *but) {
    for (int i = d->n_jobs; i < d->n_slots; i++) {
        az_job *job = &d->jobs[(d->first_job + i) % d->n_slots];
        /* A job's content is reserved before its coded bytes are. */
        if (&job->bytes != but && &job->coded != but)
            az_buffer_close(&job->bytes, d->heap);
        if (&job->coded != but)
            az_buffer_close(&job->coded, d->heap);
    }
}

az_status az_decoder_reserve(az_decoder *d, az_buffer *buffer, size_t n_bytes, size_t keep,
                             az_step *step, az_error *error) {
    *step = AZ_STEP_ON;
    if (az_buffer_reserve(buffer, d->heap, n_bytes, keep))
        return AZ_OK;
    free_unused_buffers(d, buffer);
    if (az_buffer_reserve(buffer, d->heap, n_bytes, keep))
        return AZ_OK;
    if (d->n_jobs == 0)
        return az_alloc_failed(d->heap, n_bytes, error);
    *step = AZ_STEP_WAIT;
    return AZ_OK;
}

az_status az_window_fill(az_decoder *d, az_input *in, size_t n_bytes, az_step *step,
                         az_error *error) {
    az_reader *r = &d->reader;
    size_t have = az_window_nbytes(r);
    size_t in_left = in->size - in->pos;
    *step = AZ_STEP_ON;
    if (have >= n_bytes)
        return AZ_OK;
    size_t n = n_bytes - have < in_left ? n_bytes - have : in_left;
    if (n > 0 && r->pos > 0 && have + n > r->buf.capacity - r->pos) {
        memmove(r->buf.data, r->buf.data + r->pos, have);
        r->pos = 0;
        r->n = have;
    }
    if (r->n + n > r->buf.capacity) {
        /* It grows with what has arrived, not with what a header promises. */
        size_t room = have + n > 2 * r->buf.capacity ? have + n : 2 * r->buf.capacity;
        if (room > n_bytes)
            room = n_bytes;
        az_status status = az_decoder_reserve(d, &r->buf, room, have, step, error);
        if (status != AZ_OK) {
            az_crew_release(&d->crew);
            status = az_decoder_reserve(d, &r->buf, room, have, step, error);
        }
        if (status != AZ_OK || *step != AZ_STEP_ON)
            return status;
    }
    if (n > 0)
        memcpy(r->buf.data + r->n, (const uint8_t *)in->data + in->pos, n);
    r->n += n;
    in->pos += n;
    d->in_nbytes += n;
    if (have + n < n_bytes)
        *step = AZ_STEP_IN;
    return AZ_OK;
}

/* ---- Output -------------------------------------------------------------------------- */

static void retire_job(az_decoder *d) {
    az_job *job = &d->jobs[d->first_job];
    atomic_store(&job->n_content, 0);
    atomic_store(&job->n_coded, 0);
    job->state = AZ_JOB_FREE;
    d->first_job = (d->first_job + 1) % d->n_slots;
    d->n_jobs--;
    d->n_given = 0;
}

static void tell_gap(az_decoder *d, uint64_t to) {
    if (to > d->out_pos && d->gap)
        d->gap(d->gap_opaque, d->out_archive, d->out_pos, to);
    if (to > d->out_pos)
        d->out_pos = to;
}

static void give_end(az_decoder *d, const az_job *job) {
    tell_gap(d, job->end_known ? job->content_end : UINT64_MAX);
    d->out_archive++;
    d->out_pos = 0;
}

/* True when the block is through. */
static bool give_content(az_decoder *d, az_job *job, az_output *out) {
    const uint8_t *content =
        job->block.stored ? job->coded.data + job->block.header_nbytes : az_job_content(job);
    size_t n = job->block.content_nbytes - d->n_given;
    if (n > out->size - out->pos)
        n = out->size - out->pos;
    if (d->n_given == 0) {
        tell_gap(d, job->content_offset);
        atomic_store(&job->n_content, 0); /* from here on it counts as given out */
    }
    if (n > 0)
        memcpy((uint8_t *)out->data + out->pos, content + d->n_given, n);
    d->n_given += n;
    out->pos += n;
    d->out_nbytes += n;
    d->out_pos += n;
    return d->n_given == job->block.content_nbytes;
}

static az_status give(az_decoder *d, az_output *out, bool *out_full, az_error *error) {
    *out_full = false;
    while (d->n_jobs > 0) {
        az_job *job = &d->jobs[d->first_job];
        if (!az_crew_is_done(&d->crew, job))
            return AZ_OK;
        if (job->is_end) {
            give_end(d, job);
        } else if (job->status != AZ_OK) {
            *error = job->error;
            return job->status;
        } else if (job->failed && !d->salvage) {
            return az_error_set(error, AZ_ERROR_DAMAGED, job->offset,
                                "block %llu is damaged: its content's check does not match",
                                (unsigned long long)job->block.number);
        } else if (!job->failed && !give_content(d, job, out)) {
            *out_full = true;
            return AZ_OK;
        }
        retire_job(d);
    }
    return AZ_OK;
}

/* ---- Run -------------------------------------------------------------------------------- */

static bool is_archive_failure(az_status status) {
    return status == AZ_ERROR_FORMAT || status == AZ_ERROR_VERSION || status == AZ_ERROR_DAMAGED ||
           status == AZ_ERROR_TRUNCATED || status == AZ_ERROR_DICTIONARY;
}

/* A step of the reader. What is wrong with the archive waits until the content
 * before it has been given out. */
static az_status read_on(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    *step = AZ_STEP_WAIT;
    if (d->late_status != AZ_OK || d->reader.state == AZ_READ_END)
        return AZ_OK;
    az_status status = az_reader_step(d, in, step, error);
    if (!is_archive_failure(status))
        return status;
    d->late_status = status;
    d->late_error = *error;
    *step = AZ_STEP_ON;
    return AZ_OK;
}

static az_status run(az_decoder *d, az_input *in, az_output *out, az_action action,
                     az_error *error) {
    if (!d->started)
        AZ_TRY(start(d, error));
    for (;;) {
        bool out_full;
        az_step step;
        AZ_TRY(az_crew_tick(&d->crew, error));
        AZ_TRY(give(d, out, &out_full, error));
        if (d->n_jobs == 0 && d->late_status != AZ_OK) {
            *error = d->late_error;
            return d->late_status;
        }
        if (d->n_jobs == 0 && d->reader.state == AZ_READ_END) {
            d->finished = true;
            return AZ_OK;
        }
        d->reader.at_end = action == AZ_FINISH; /* and no input is left, says the step */
        AZ_TRY(read_on(d, in, &step, error));
        if (step == AZ_STEP_ON)
            continue;
        if (out_full || step == AZ_STEP_IN || d->n_jobs == 0)
            return AZ_OK;
        AZ_TRY(az_crew_wait(&d->crew, &d->jobs[d->first_job], error));
    }
}

az_status az_decoder_run(az_decoder *d, az_input *in, az_output *out, az_action action, int *done,
                         az_error *error) {
    az_input none = {0};
    if (!in)
        in = &none;
    if (!out || !done || !az_is_window(in->data, in->size, in->pos) ||
        !az_is_window(out->data, out->size, out->pos))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_decoder_run: in, out or done is not valid");
    if (d->status == AZ_OK) {
        d->status = run(d, in, out, action, &d->error);
        assert(d->status == AZ_OK || d->error.status == d->status);
    }
    *done = d->status == AZ_OK && d->finished;
    if (d->status != AZ_OK && error)
        *error = d->error;
    return d->status;
}
