/*
 * codec: bytes in, archive out, and back. Blocks are coded apart from each
 * other, by as many threads as there are, and given out in order.
 *
 * The public az_encoder and az_decoder are made here (encoder.c, decoder.c).
 * Both keep a ring of jobs, one a block, and give them to a crew of workers.
 * The calling thread does everything but coding: it cuts and joins blocks,
 * takes all memory, and calls the progress function. So a failed allocation
 * happens at the same place on every run, and workers can't fail.
 */
#ifndef AZ_CODEC_H
#define AZ_CODEC_H

#include <stdatomic.h>

#include "../base/base.h"
#include "../coder/coder.h"
#include "../container/container.h"
#include "../predict/predict.h"
#include "../primers/primers.h"

#define AZ_THREADS_MAX 256

/* What a handle needs beside predictor and block buffers: itself, and the small
 * things that it allocates. */
#define AZ_HANDLE_NBYTES (64 * 1024)

/* ---- Blocks ---------------------------------------------------------------- */

/* Told where coding stands, every few thousand bytes; false stops it. */
typedef bool (*az_block_tick_fn)(void *opaque, size_t n_content, size_t n_coded);

/* Codes the content of block[], which is behind a dictionary, into coded[0..capacity). Returns the
 * coded size, or SIZE_MAX if it does not fit, or the tick said stop. trace: NULL, or of what it
 * spends on each byte of the content. */
size_t az_block_encode(az_predictor *predictor, const uint8_t *block, az_span span, uint8_t *coded,
                       size_t capacity, az_trace *trace, az_block_tick_fn tick, void *opaque);

/* The trace of a block that is stored: 8 bits a byte, and no guesses. */
void az_block_trace_stored(size_t n_bytes, az_trace *trace);

/* Whether content[0..n_bytes), at least AZ_NOISE_MIN_NBYTES, can be coded in less
 * by no model. scratch has AZ_NOISE_SCRATCH_NBYTES or more. */
#define AZ_NOISE_MIN_NBYTES ((size_t)1 << 20)
#define AZ_NOISE_SCRATCH_NBYTES ((size_t)1 << 18)
bool az_is_noise(const uint8_t *content, size_t n_bytes, uint32_t *scratch, size_t scratch_nbytes);

/* Decodes the content into block[], behind the dictionary that is there. False if
 * coded[0..coded_nbytes) is not what az_block_encode() makes of any content, or the tick said
 * stop. */
bool az_block_decode(az_predictor *predictor, uint8_t *block, az_span span, const uint8_t *coded,
                     size_t coded_nbytes, az_block_tick_fn tick, void *opaque);

/* ---- Dictionaries ------------------------------------------------------------ */

/* What an archive keeps of a dictionary. AZ_ERROR_ARGUMENT if it is none. */
az_status az_dictionary_note(az_frame_dictionary *note, const void *data, size_t n_bytes,
                             az_error *error);

/* ---- Jobs and the crew ------------------------------------------------------ */

typedef struct az_buffer {
    uint8_t *data; /* [capacity], of the handle's heap */
    size_t capacity;
} az_buffer;

/* Makes room for n_bytes, keeping the first `keep`. False: no memory, nothing
 * has changed. */
bool az_buffer_reserve(az_buffer *buffer, az_heap *heap, size_t n_bytes, size_t keep);
void az_buffer_close(az_buffer *buffer, az_heap *heap);

typedef enum az_job_state { AZ_JOB_FREE, AZ_JOB_QUEUED, AZ_JOB_BUSY, AZ_JOB_DONE } az_job_state;

typedef struct az_job {
    az_buffer bytes; /* the dictionary, and behind it the content */
    size_t dictionary_nbytes;
    bool may_leave_out; /* encoder: the dictionary, where the code is shorter without */
    az_buffer coded;    /* encoder: the payload; decoder: header and payload */
    az_block_header block;
    size_t content_nbytes; /* collected so far, while the encoder fills it */
    bool is_end;           /* decoder: no block but the end of a frame */
    bool end_known;        /* then: whether content_end says its content's size */
    uint64_t content_end;
    uint64_t content_offset; /* decoder: in the frame */
    uint64_t offset;         /* decoder: in the archive */
    bool failed;             /* decoder: the payload does not give the content */
    az_trace trace;          /* encoder: to be filled, */
    bool is_traced;          /* if this says so */
    az_status status;        /* with a model: what went wrong, beside that */
    az_error error;

    atomic_size_t n_content; /* progress, written by the worker */
    atomic_size_t n_coded;
    az_job_state state; /* the crew's monitor guards it from submit until it is done */
    struct az_job *next;
} az_job;

/* A language model at work. */
struct az_engine {
    az_heap *heap;
    az_lm_server *server;
    uint8_t sha256[32]; /* of the model's file */
};

/* What blocks are coded with; without an engine method and level say it. */
typedef struct az_coding {
    int method, level;
    az_engine *engine;
    uint32_t window, overlap; /* tokens */
    az_text dictionary;       /* before each block; n_bytes 0: none */
    uint32_t n_lanes;         /* encoder; 0: by the level */
    bool verify;              /* encoder */
} az_coding;

typedef struct az_worker {
    struct az_crew *crew;
    az_predictor *predictor;
    az_mixed *mixed;   /* with an engine */
    az_thread *thread; /* NULL: works in the calling thread */
} az_worker;

static inline az_span az_job_span(const az_job *job) {
    return (az_span){job->dictionary_nbytes, job->block.content_nbytes};
}

/* NULL where nothing has been collected. */
static inline uint8_t *az_job_content(const az_job *job) {
    return job->bytes.data ? job->bytes.data + job->dictionary_nbytes : NULL;
}

/* Called in the calling thread; nonzero cancels. */
typedef int (*az_tick_fn)(void *opaque);

typedef struct az_crew {
    az_heap *heap;
    bool encodes;
    int max_workers;
    az_tick_fn tick;
    void *tick_opaque;
    uint64_t last_tick_ms;
    bool cancelled; /* seen by the calling thread */

    az_worker workers[AZ_THREADS_MAX];
    int n_workers;
    az_coding coding;  /* what the workers are for */
    size_t max_nbytes; /* content of the largest block that they take */

    az_monitor *monitor; /* guards what follows; NULL: no threads */
    az_job *first, *last;
    int n_pending; /* queued or busy */
    bool quit;
    atomic_bool stop; /* read in the middle of a block */
} az_crew;

void az_crew_init(az_crew *crew, az_heap *heap, bool encodes, az_tick_fn tick, void *opaque);
void az_crew_close(az_crew *crew);

/* Memory for one thread and blocks of n_bytes. */
uint64_t az_codec_memory(const az_coding *coding, size_t n_bytes);

/* Readies the crew for one more block of n_bytes: opens a predictor that is
 * large enough if there is none, and another worker if all are busy, fewer than
 * max_workers, and there is memory for it. Fails only if no worker is left. */
az_status az_crew_prepare(az_crew *crew, const az_coding *coding, size_t n_bytes, az_error *error);

/* Gives the predictors' memory back. No job may be under way. */
void az_crew_release(az_crew *crew);

/* Hands a job over. Without threads it is done on return. */
void az_crew_submit(az_crew *crew, az_job *job);
bool az_crew_is_done(az_crew *crew, az_job *job);
/* Waits until job is done. AZ_ERROR_CANCELLED if the tick says so. */
az_status az_crew_wait(az_crew *crew, az_job *job, az_error *error);
/* Calls the tick if it is time; AZ_ERROR_CANCELLED if it says, or has said, so. */
az_status az_crew_tick(az_crew *crew, az_error *error);

/* Whether a caller's az_input or az_output can be used: pos lies inside, and there
 * is memory unless nothing is left. */
static inline bool az_is_window(const void *data, size_t size, size_t pos) {
    return pos <= size && (data || pos == size);
}

/* Adds up, over jobs handed over and not yet FREE, what is coded so far. */
void az_jobs_progress(az_job *jobs, int n_jobs, uint64_t *n_content, uint64_t *n_coded);

#endif
