/*
 * decoder: what decoder.c, reader.c and salvage.c share; of this folder only.
 *
 * The decoder is a reader and a ring of jobs. The reader looks at the archive
 * through a window, a buffer with the bytes not yet used, and goes from state
 * to state. What it finds becomes a job: a block to decode, or the end of a
 * frame. Jobs are given out in order, so all that was found before damage is
 * given out before the damage is reported, whatever the number of threads.
 */
#ifndef AZ_DECODER_H
#define AZ_DECODER_H

#include "codec.h"

typedef enum az_read_state {
    AZ_READ_FRAME,   /* at a frame header, or the archive's end */
    AZ_READ_BLOCK,   /* at a block header */
    AZ_READ_PAYLOAD, /* at a block whose header is in reader.block */
    AZ_READ_INDEX,   /* in an index */
    AZ_READ_CLOSE,   /* a frame is over */
    AZ_READ_SCAN,    /* salvage: looking for something to go on with */
    AZ_READ_END      /* all has been read */
} az_read_state;

/* What a step of the reader came to. */
typedef enum az_step {
    AZ_STEP_ON,  /* it has moved on */
    AZ_STEP_IN,  /* it needs more input */
    AZ_STEP_WAIT /* it needs a free job, or memory that jobs hold */
} az_step;

typedef struct az_reader {
    /* The window: buf.data[pos..n) are archive bytes from `offset` on. */
    az_buffer buf;
    size_t pos, n;
    uint64_t offset;
    bool at_end; /* no input follows what is in the window */

    az_read_state state;
    az_frame frame;
    bool found_any;      /* a frame, ever */
    uint64_t next_block; /* number, at least */
    az_block_header block;
    uint32_t last_nbytes; /* content of the newest block */
    az_hash entries;      /* of the blocks, to compare with the index */
    az_index_reader index;
    /* AZ_READ_CLOSE: what the frame held, and how to go on. */
    bool end_known;
    uint64_t content_end;
    az_read_state after_close;

    /* Salvage only. */
    bool in_frame;      /* between a frame's header and its end */
    bool lost_frame;    /* between frames, in bytes that are none */
    bool try_header;    /* they may be a header that is damaged */
    bool lost_blocks;   /* of this frame */
    bool skipped;       /* the next block may have any number */
    bool tentative;     /* `block` was found by a search */
    az_frame candidate; /* then: the frame that it would be of */
    bool own_only;      /* the search is inside this frame, to the end */
    uint64_t own_scanned; /* archive offset up to which nothing of this frame was found */
    uint64_t credit;      /* bytes that may yet be checked in vain */
} az_reader;

struct az_decoder {
    az_heap *heap;
    az_progress_fn progress;
    void *progress_opaque;
    az_gap_fn gap;
    void *gap_opaque;
    int threads;
    bool salvage;
    bool started;

    az_crew crew;
    az_job *jobs; /* [n_slots], a ring */
    int n_slots;
    int first_job;
    int n_jobs;

    az_reader reader;
    az_status late_status; /* the reader's failure; reported when all jobs are given out */
    az_error late_error;

    size_t n_given;                /* of the first job's content */
    uint64_t out_archive, out_pos; /* where given-out content stands: archive, offset in it */
    uint64_t out_nbytes;
    uint64_t in_nbytes;
    bool finished;
    az_status status; /* the first failure, for ever after */
    az_error error;
};

/* ---- The window ------------------------------------------------------------- */

static inline size_t az_window_nbytes(const az_reader *r) {
    return r->n - r->pos;
}

static inline const uint8_t *az_window(const az_reader *r) {
    return r->buf.data ? r->buf.data + r->pos : (const uint8_t *)"";
}

/* Forgets the first n_bytes of the window. */
static inline void az_window_skip(az_reader *r, size_t n_bytes) {
    r->pos += n_bytes;
    r->offset += n_bytes;
}

/* Brings the window to n_bytes if there is as much input; a little more may be
 * there already. *step: AZ_STEP_ON when it has them. */
az_status az_window_fill(az_decoder *d, az_input *in, size_t n_bytes, az_step *step,
                         az_error *error);

/* ---- The ring ----------------------------------------------------------------- */

static inline bool az_has_free_job(const az_decoder *d) {
    return d->n_jobs < d->n_slots;
}

static inline az_job *az_free_job(az_decoder *d) {
    return &d->jobs[(d->first_job + d->n_jobs) % d->n_slots];
}

/* Room for n_bytes. No memory is no failure while jobs are under way: then
 * *step is AZ_STEP_WAIT. */
az_status az_decoder_reserve(az_decoder *d, az_buffer *buffer, size_t n_bytes, size_t keep,
                             az_step *step, az_error *error);

/* ---- The reader ----------------------------------------------------------------- */

/* One step. A failure is one of the archive or of memory. */
az_status az_reader_step(az_decoder *d, az_input *in, az_step *step, az_error *error);

/* AZ_ERROR_VERSION with a sentence, unless this library decodes the frame. */
az_status az_frame_supported(const az_frame *frame, uint64_t offset, az_error *error);

/* Starts reading the blocks of `frame`. */
void az_reader_begin_frame(az_reader *r, const az_frame *frame);
/* The frame is over. */
void az_reader_close_frame(az_reader *r, bool end_known, uint64_t content_end,
                           az_read_state after);

/* ---- Salvage: how to go on ---------------------------------------------------- */

/* What should be a frame header is none. */
void az_salvage_frame(az_reader *r);
/* What should be a block header is none. */
void az_salvage_block(az_reader *r);
/* The archive ends in the block whose header is r->block. */
void az_salvage_cut(az_reader *r);
/* Header or payload of r->block, all in the window, are damaged. */
az_status az_salvage_payload(az_decoder *d, az_input *in, az_step *step, az_error *error);
/* The block in the window, found by a search, is whole. It may be the first of
 * another frame: then this one is closed first, and *accepted is false. */
void az_salvage_accept(az_reader *r, bool *accepted);
/* The index is damaged, or is not this frame's. */
void az_salvage_index(az_reader *r);
/* AZ_READ_SCAN. */
az_status az_salvage_scan(az_decoder *d, az_input *in, az_step *step, az_error *error);

#endif
