/*
 * reader: from archive bytes to jobs. Where something is wrong it fails, or,
 * when salvaging, asks salvage.c how to go on.
 */
#include "decoder.h"

#include <stdio.h>

static az_status ends_early(const az_reader *r, const char *where, az_error *error) {
    return az_error_set(error, AZ_ERROR_TRUNCATED, r->offset + az_window_nbytes(r),
                        "the archive ends too early, in %s, after %llu bytes", where,
                        (unsigned long long)(r->offset + az_window_nbytes(r)));
}

az_status az_frame_supported(const az_frame *frame, uint64_t offset, az_error *error) {
    if (frame->method != AZ_METHOD_CM && frame->method != AZ_METHOD_LM)
        return az_error_set(error, AZ_ERROR_VERSION, offset + 5,
                            "the archive was made by method %d, which this aizip doesn't know",
                            frame->method);
    int version = az_predictor_version(frame->method);
    if (frame->method_version != version)
        return az_error_set(error, AZ_ERROR_VERSION, offset + 6,
                            "the archive was made by %s version %d; this aizip decodes version %d",
                            frame->method == AZ_METHOD_CM ? "cm" : "lm+cm", frame->method_version,
                            version);
    if (frame->has_model != (frame->method == AZ_METHOD_LM))
        return az_error_set(error, AZ_ERROR_DAMAGED, offset + 4,
                            "the archive's method and its note of a model contradict each other");
    if (frame->has_model && frame->model.version != AZ_LM_VERSION)
        return az_error_set(error, AZ_ERROR_VERSION, offset + AZ_FRAME_HEADER_NBYTES,
                            "the archive was made by language model arithmetic version %d; this "
                            "aizip has version %d",
                            frame->model.version, AZ_LM_VERSION);
    return AZ_OK;
}

bool az_frame_set_supported(az_frame *frame, uint8_t level_byte) {
    int version = az_predictor_version(AZ_METHOD_CM);
    *frame = (az_frame){.method = AZ_METHOD_CM, .method_version = (uint8_t)version};
    return az_frame_set_level_byte(frame, level_byte);
}

void az_reader_begin_frame(az_reader *r, const az_frame *frame) {
    r->frame = *frame;
    r->next_block = 0;
    r->in_frame = true;
    r->lost_frame = false;
    r->lost_blocks = false;
    r->saw_last = false;
    r->skipped = false;
    r->other_known = false;
    az_hash_begin(&r->entries, 0);
    r->state = AZ_READ_BLOCK;
}

void az_reader_begin_candidate(az_reader *r) {
    az_reader_begin_frame(r, &r->candidate);
    r->skipped = true;
}

void az_reader_begin_index(az_reader *r) {
    az_index_reader_begin(&r->index, &r->frame);
    r->index_kept = 0;
    r->state = AZ_READ_INDEX;
}

void az_reader_close_frame(az_reader *r, bool end_known, uint64_t content_end,
                           az_read_state after) {
    r->end_known = end_known;
    r->content_end = content_end;
    r->after_close = after;
    r->state = AZ_READ_CLOSE;
}

/* ---- Frames ---------------------------------------------------------------------- */

static az_status no_frame(az_decoder *d, az_status status, az_error *error) {
    az_reader *r = &d->reader;
    if (d->salvage) {
        az_salvage_frame(r);
        return AZ_OK;
    }
    if (status == AZ_ERROR_FORMAT && r->offset > 0)
        az_error_set(error, status, r->offset,
                     "bytes that are not an archive follow the archive's end at offset %llu",
                     (unsigned long long)r->offset);
    return status;
}

/* The sentence for a model that nobody has. */
static az_status needs_model(const az_frame_model *m, uint64_t offset, az_error *error) {
    char name[sizeof m->name], hash[2 * sizeof m->hash + 1];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = m->name[i] == 0 || (m->name[i] >= ' ' && m->name[i] < 127) ? m->name[i] : '?';
    for (size_t i = 0; i < sizeof m->hash; i++)
        snprintf(hash + 2 * i, 3, "%02x", m->hash[i]);
    return az_error_set(error, AZ_ERROR_MODEL, offset,
                        "the archive needs the language model %s (its SHA-256 begins with %s)",
                        name, hash);
}

/* The sentence for a dictionary that was not given. */
static az_status needs_dictionary(const az_decoder *d, const az_frame_dictionary *need,
                                  az_error *error) {
    char hash[2 * sizeof need->hash + 1];
    for (size_t i = 0; i < sizeof need->hash; i++)
        snprintf(hash + 2 * i, 3, "%02x", need->hash[i]);
    return az_error_set(error, AZ_ERROR_DICTIONARY, d->reader.offset,
                        "the archive needs %s dictionary of %lu bytes (its SHA-256 begins with "
                        "%s)",
                        d->dictionary.n_bytes > 0 ? "another" : "a", (unsigned long)need->n_bytes,
                        hash);
}

static az_status find_dictionary(az_decoder *d, const az_frame *frame, az_error *error) {
    const az_frame_dictionary *need = &frame->dictionary;
    if (!frame->has_dictionary)
        return AZ_OK;
    if (need->primer > 0) {
        const az_primer *primer = az_primer_numbered(need->primer);
        if (!primer)
            return az_error_set(error, AZ_ERROR_VERSION, d->reader.offset,
                                "the archive needs the built-in dictionary number %d, which this "
                                "aizip doesn't have",
                                need->primer);
        d->coding.dictionary = primer->text;
        return AZ_OK;
    }
    if (d->dictionary.n_bytes != need->n_bytes ||
        memcmp(d->dictionary_note.hash, need->hash, sizeof need->hash) != 0)
        return needs_dictionary(d, need, error);
    d->coding.dictionary = d->dictionary;
    return AZ_OK;
}

/* What the frame is decoded with, beside a dictionary: d->coding. */
static az_status find_engine(az_decoder *d, const az_frame *frame, az_error *error) {
    const az_frame_model *m = &frame->model;
    d->coding = (az_coding){.method = frame->method, .level = frame->level};
    if (!frame->has_model)
        return AZ_OK;
    az_error found = {0};
    d->coding.window = m->window;
    d->coding.overlap = m->overlap;
    d->coding.verify = d->verify;
    if (d->find)
        d->coding.engine = d->find(d->find_opaque, m->hash, m->name, &found);
    if (!d->coding.engine && found.status != AZ_OK) {
        *error = found;
        return found.status;
    }
    if (!d->coding.engine || memcmp(d->coding.engine->sha256, m->hash, sizeof m->hash) != 0)
        return needs_model(m, d->reader.offset, error);
    const az_lm_info *info = az_lm_get_info(az_lm_server_model(d->coding.engine->server));
    if (m->window < AZ_MIXED_WINDOW_MIN || m->window > AZ_MIXED_WINDOW_MAX ||
        (!info->rolls && m->window > info->n_trained))
        return az_error_set(error, AZ_ERROR_DAMAGED, d->reader.offset + AZ_FRAME_HEADER_NBYTES,
                            "the archive's window of %u tokens is impossible", m->window);
    return AZ_OK;
}

static az_status read_frame(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    az_frame frame;
    size_t n_used;
    size_t want = AZ_FRAME_HEADER_NBYTES, had;
    do {
        had = want;
        AZ_TRY(az_window_fill(d, in, want, step, error));
        if (*step == AZ_STEP_WAIT || (*step == AZ_STEP_IN && !az_input_ended(r, in)))
            return AZ_OK;
        want = az_frame_header_need(az_window(r), az_window_nbytes(r));
    } while (want > had && *step == AZ_STEP_ON);
    *step = AZ_STEP_ON;
    if (az_window_nbytes(r) == 0) {
        r->state = AZ_READ_END;
        return r->offset > 0
                   ? AZ_OK
                   : az_error_set(error, AZ_ERROR_TRUNCATED, 0, "the archive is empty: 0 bytes");
    }
    az_status status =
        az_frame_header_read(&frame, az_window(r), az_window_nbytes(r), r->offset, &n_used, error);
    if (status == AZ_OK && n_used == 0)
        status = ends_early(r, "a header", error);
    if (status != AZ_OK)
        return no_frame(d, status, error);
    status = az_frame_supported(&frame, r->offset, error);
    if (status != AZ_OK)
        return no_frame(d, status, error);
    AZ_TRY(find_engine(d, &frame, error));
    AZ_TRY(find_dictionary(d, &frame, error));
    az_window_skip(r, n_used);
    az_reader_begin_frame(r, &frame);
    return AZ_OK;
}

static az_status read_close(az_decoder *d, az_step *step) {
    az_reader *r = &d->reader;
    *step = AZ_STEP_ON;
    if (d->salvage) { /* the frame's end takes its place among the jobs */
        if (!az_has_free_job(d)) {
            *step = AZ_STEP_WAIT;
            return AZ_OK;
        }
        az_job *job = az_free_job(d);
        memset(&job->block, 0, sizeof job->block);
        job->is_end = true;
        job->end_known = r->end_known;
        job->content_end = r->content_end;
        job->state = AZ_JOB_DONE;
        d->n_jobs++;
    }
    r->in_frame = false;
    r->lost_frame = false;
    r->state = r->after_close;
    if (r->state == AZ_READ_BLOCK)
        az_reader_begin_candidate(r);
    return AZ_OK;
}

/* ---- Blocks ----------------------------------------------------------------------- */

static az_status read_block(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    size_t n_used;
    AZ_TRY(az_window_fill(d, in, AZ_BLOCK_HEADER_MAX, step, error));
    if (*step == AZ_STEP_WAIT)
        return AZ_OK;
    az_status status =
        az_block_header_read(&r->block, &r->frame, r->skipped ? UINT64_MAX : r->next_block,
                             az_window(r), az_window_nbytes(r), r->offset, &n_used, error);
    bool bad = status != AZ_OK || (n_used > 0 && r->block.number < r->next_block);
    if (!bad && n_used == 0) {
        if (!az_input_ended(r, in))
            return AZ_OK; /* with AZ_STEP_IN: a full window would have been enough */
        bad = true;
        status = ends_early(r, "a block's header", error);
    }
    *step = AZ_STEP_ON;
    if (bad && d->salvage) {
        az_salvage_block(r);
        return AZ_OK;
    }
    r->state = AZ_READ_PAYLOAD;
    return status;
}

/* Moves the block from the window to job->coded. */
static az_status take_block(az_decoder *d, az_job *job, size_t n_bytes, az_step *step,
                            az_error *error) {
    az_reader *r = &d->reader;
    if (r->pos == 0 && r->n == n_bytes) {
        az_buffer old = job->coded;
        job->coded = r->buf;
        r->buf = old;
        r->n = 0;
        r->offset += n_bytes;
        return AZ_OK;
    }
    AZ_TRY(az_decoder_reserve(d, &job->coded, n_bytes, 0, step, error));
    if (*step != AZ_STEP_ON)
        return AZ_OK;
    memcpy(job->coded.data, az_window(r), n_bytes);
    az_window_skip(r, n_bytes);
    return AZ_OK;
}

/* A worker, and memory for the content. What fails for want of memory may work
 * once the jobs before have been given out. */
static az_status prepare(az_decoder *d, az_job *job, az_step *step, az_error *error) {
    const az_reader *r = &d->reader;
    size_t n = r->block.content_nbytes;
    if (r->block.stored)
        return AZ_OK;
    az_coding coding = az_decoder_coding(d);
    az_status status = az_crew_prepare(&d->crew, &coding, n, error);
    if (status == AZ_ERROR_MEMORY || status == AZ_ERROR_MEMORY_LIMIT) {
        if (d->n_jobs > 0) {
            *step = AZ_STEP_WAIT;
            return AZ_OK;
        }
        az_buffer_close(&job->bytes, d->heap);
        az_buffer_close(&job->coded, d->heap);
        status = az_crew_prepare(&d->crew, &coding, n, error);
    }
    AZ_TRY(status);
    AZ_TRY(az_decoder_reserve(d, &job->bytes, coding.dictionary.n_bytes + n, 0, step, error));
    job->dictionary_nbytes = coding.dictionary.n_bytes;
    if (*step == AZ_STEP_ON && coding.dictionary.n_bytes > 0)
        memcpy(job->bytes.data, coding.dictionary.data, coding.dictionary.n_bytes);
    return AZ_OK;
}

static void after_block(az_decoder *d) {
    az_reader *r = &d->reader;
    const az_block_header *block = &r->block;
    if (block->number == 0) {
        r->frame.id = block->check;
        r->frame.id_known = true;
    }
    r->lost_blocks |= block->number != r->next_block;
    r->next_block = block->number + 1;
    r->last_nbytes = block->content_nbytes;
    r->skipped = false;
    r->saw_last = block->last;
    az_index_hash_block(&r->entries, block);
    r->state = AZ_READ_BLOCK;
    if (block->last && block->number == 0) {
        az_reader_close_frame(r, true, block->content_nbytes, AZ_READ_FRAME);
    } else if (block->last) {
        az_reader_begin_index(r);
    }
}

static az_status add_job(az_decoder *d, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    az_job *job = az_free_job(d);
    uint64_t offset = r->offset;
    AZ_TRY(prepare(d, job, step, error));
    if (*step != AZ_STEP_ON)
        return AZ_OK;
    AZ_TRY(
        take_block(d, job, (size_t)r->block.header_nbytes + r->block.payload_nbytes, step, error));
    if (*step != AZ_STEP_ON)
        return AZ_OK;
    job->block = r->block;
    job->is_end = false;
    job->offset = offset;
    job->content_offset = az_block_content_offset(&r->frame, r->block.number);
    job->failed = false;
    d->n_jobs++;
    if (job->block.stored)
        job->state = AZ_JOB_DONE;
    else
        az_crew_submit(&d->crew, job);
    after_block(d);
    return az_crew_tick(&d->crew, error);
}

/* The free job's buffer becomes the window, if it is the larger: the block is to
 * end up there. */
static void swap_window(az_decoder *d) {
    az_reader *r = &d->reader;
    az_job *job = az_free_job(d);
    size_t have = az_window_nbytes(r);
    if (job->coded.capacity <= r->buf.capacity)
        return;
    memcpy(job->coded.data, az_window(r), have);
    az_buffer old = r->buf;
    r->buf = job->coded;
    job->coded = old;
    r->pos = 0;
    r->n = have;
}

static az_status read_payload(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    if (!az_has_free_job(d)) {
        *step = AZ_STEP_WAIT;
        return AZ_OK;
    }
    size_t total = (size_t)r->block.header_nbytes + r->block.payload_nbytes;
    if (d->salvage && !az_salvage_affords(r, total)) {
        *step = AZ_STEP_ON;
        az_salvage_payload(r, false);
        return AZ_OK;
    }
    if (az_window_nbytes(r) < total)
        swap_window(d);
    AZ_TRY(az_window_fill(d, in, total, step, error));
    if (*step == AZ_STEP_WAIT || (*step == AZ_STEP_IN && !az_input_ended(r, in)))
        return AZ_OK;
    bool cut = *step == AZ_STEP_IN;
    *step = AZ_STEP_ON;
    if (!cut && az_block_is_whole(&r->block, &r->frame, az_window(r)))
        return add_job(d, step, error);
    if (d->salvage) {
        az_salvage_payload(r, cut);
        return AZ_OK;
    }
    if (cut)
        return ends_early(r, "a block", error);
    return az_error_set(error, AZ_ERROR_DAMAGED, r->offset,
                        "block %llu is damaged: its check does not match",
                        (unsigned long long)r->block.number);
}

/* ---- The index -------------------------------------------------------------------- */

static az_status compare_index(const az_decoder *d, az_error *error) {
    const az_reader *r = &d->reader;
    const az_index_reader *index = &r->index;
    bool same = r->lost_blocks
                    ? index->n_blocks >= r->next_block
                    : index->n_blocks == r->next_block && index->last_nbytes == r->last_nbytes &&
                          az_hash_value(&index->entries) == az_hash_value(&r->entries);
    if (same)
        return AZ_OK;
    return az_error_set(error, AZ_ERROR_DAMAGED, r->offset + r->index_kept - index->index_nbytes,
                        "the index differs from the blocks");
}

/* Salvage keeps an index in the window, to search it if it proves to be none; but
 * not more than this: 2 * 10^5 blocks. */
enum { INDEX_PIECE_NBYTES = 4096, INDEX_KEPT_MAX = 1 << 20 };

/* Takes the index as far as it is in the window. *done: it is whole and right. */
static az_status take_index(az_decoder *d, bool *done, az_error *error) {
    az_reader *r = &d->reader;
    size_t n_used;
    *done = false;
    AZ_TRY(az_index_reader_take(&r->index, az_window(r) + r->index_kept,
                                az_window_nbytes(r) - r->index_kept, r->offset + r->index_kept,
                                &n_used, error));
    r->index_kept += n_used;
    if (r->index.done)
        AZ_TRY(compare_index(d, error));
    *done = r->index.done;
    if (*done || !d->salvage || r->index_kept > INDEX_KEPT_MAX) {
        az_window_skip(r, r->index_kept);
        r->index_kept = 0;
    }
    return AZ_OK;
}

static az_status read_index(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    bool done = false;
    AZ_TRY(az_window_fill(d, in, r->index_kept + INDEX_PIECE_NBYTES, step, error));
    if (*step == AZ_STEP_WAIT)
        return AZ_OK;
    bool nothing = az_window_nbytes(r) == r->index_kept;
    if (nothing && !az_input_ended(r, in))
        return AZ_OK;
    *step = AZ_STEP_ON;
    az_status status = nothing ? ends_early(r, "the index", error) : take_index(d, &done, error);
    if (done)
        az_reader_close_frame(r, true, r->index.content_nbytes, AZ_READ_FRAME);
    if (status == AZ_OK || !d->salvage)
        return status;
    az_salvage_index(r);
    return AZ_OK;
}

az_status az_reader_step(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    switch (d->reader.state) {
    case AZ_READ_FRAME: return read_frame(d, in, step, error);
    case AZ_READ_BLOCK: return read_block(d, in, step, error);
    case AZ_READ_PAYLOAD: return read_payload(d, in, step, error);
    case AZ_READ_INDEX: return read_index(d, in, step, error);
    case AZ_READ_CLOSE: return read_close(d, step);
    case AZ_READ_SCAN: return az_salvage_scan(d, in, step, error);
    case AZ_READ_END: break;
    }
    *step = AZ_STEP_WAIT;
    return AZ_OK;
}
