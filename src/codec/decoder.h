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

/* After the last level byte: none is left to try. */
#define TRY_LEVEL_END 256

typedef struct az_reader {
    /* The window: buf.data[pos..n) are archive bytes from `offset` on. */
    az_buffer buf;
    size_t pos, n;
    uint64_t offset;
    bool at_end; /* no input follows what is in the window */

    az_read_state state;
    az_frame frame;
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
    bool lost_blocks;   /* of this frame */
    bool saw_last;      /* its last block has been read */
    bool skipped;       /* the next block may have any number */
    bool own_only;      /* the search takes only what is this frame's, */
    uint64_t own_end;   /* up to here */
    bool cut;           /* nothing but it: the archive ends inside its block */
    bool other_known;   /* a frame that began in what was searched, */
    uint32_t other_id;  /* and its id: what carries it is not this frame's */
    uint64_t scan_from; /* archive offset where the search began */
    uint64_t scan_at;   /* and where it is */
    int try_level;      /* before it: the next level byte to try block 0 with */
    az_frame candidate; /* the frame of a block that was found, to begin with it */
    size_t index_kept;  /* bytes of the window that the index reader has taken */
    uint64_t spent;     /* bytes looked at in vain */
} az_reader;

struct az_decoder {
    az_heap *heap;
    az_progress_fn progress;
    void *progress_opaque;
    az_gap_fn gap;
    void *gap_opaque;
    az_find_engine_fn find;
    void *find_opaque;
    az_text dictionary; /* that was given; n_bytes 0: none */
    az_frame_dictionary dictionary_note;
    az_coding coding; /* of the reader's frame */
    int threads;
    bool salvage;
    bool verify;
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

/* At the archive's last byte: no more input will come. */
static inline bool az_input_ended(const az_reader *r, const az_input *in) {
    return r->at_end && in->pos == in->size;
}

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

/* What the blocks of the reader's frame are decoded with; a frame that salvage has found needs
 * nothing. */
static inline az_coding az_decoder_coding(const az_decoder *d) {
    const az_frame *frame = &d->reader.frame;
    return frame->has_model || frame->has_dictionary
               ? d->coding
               : (az_coding){.method = frame->method, .level = frame->level};
}

/* ---- The reader ----------------------------------------------------------------- */

/* One step. A failure is one of the archive or of memory. */
az_status az_reader_step(az_decoder *d, az_input *in, az_step *step, az_error *error);

/* AZ_ERROR_VERSION with a sentence, unless this library decodes the frame. */
az_status az_frame_supported(const az_frame *frame, uint64_t offset, az_error *error);
/* A frame as this library makes it, with this level byte; false if that does not
 * exist. */
bool az_frame_set_supported(az_frame *frame, uint8_t level_byte);

/* Starts reading the blocks of `frame`. */
void az_reader_begin_frame(az_reader *r, const az_frame *frame);
/* The same of r->candidate, whose start is lost: the next block is any but 0. */
void az_reader_begin_candidate(az_reader *r);
/* Starts reading an index. */
void az_reader_begin_index(az_reader *r);
/* The frame is over. After AZ_READ_CLOSE comes `after`; with AZ_READ_BLOCK,
 * r->candidate begins. */
void az_reader_close_frame(az_reader *r, bool end_known, uint64_t content_end, az_read_state after);

/* ---- Salvage: how to go on ---------------------------------------------------- */

/* What should be a frame header is none. */
void az_salvage_frame(az_reader *r);
/* What should be a block header is none. */
void az_salvage_block(az_reader *r);
/* The block whose header is r->block is damaged, or, if cut, the archive ends in it. */
void az_salvage_payload(az_reader *r, bool cut);
/* The index is damaged, or is not this frame's. The window starts with the
 * r->index_kept bytes of it that were read. */
void az_salvage_index(az_reader *r);
/* AZ_READ_SCAN. */
az_status az_salvage_scan(az_decoder *d, az_input *in, az_step *step, az_error *error);
/* Whether n_bytes more may be looked at in vain: else a damaged archive, made for
 * it, could take time without bound. */
bool az_salvage_affords(const az_reader *r, uint64_t n_bytes);

#endif
