/*
 * container: the archive's layout, as docs/format.md says it. Headers of frames
 * and blocks, the index, and a look at a whole archive. Knows nothing of how
 * blocks are coded.
 *
 *   archive = frame, frame, ...
 *   frame   = frame header, blocks 0..n-1, and, if n >= 2, the index
 *
 * A frame is what one run of the encoder makes. All blocks but the last hold
 * exactly the block size. The readers take what bytes there are and say when
 * they need more; every field is checked, and what has two forms that mean the
 * same is refused in all but one.
 */
#ifndef AZ_CONTAINER_H
#define AZ_CONTAINER_H

#include "../base/base.h"

#define AZ_FORMAT_VERSION 1
#define AZ_BLOCK_LOG2_MIN 16
#define AZ_BLOCK_LOG2_MAX 26

/* What a marker says comes next. All start with the same byte, which no text
 * has, so that one search finds any of them. */
#define AZ_MARK_BYTE 0x9A
typedef enum az_mark {
    AZ_MARK_NONE = 0,
    AZ_MARK_FRAME, /* 9A 'A' 'I' 'Z' */
    AZ_MARK_BLOCK, /* 9A 'B' 'K' and the frame's level byte */
    AZ_MARK_INDEX  /* 9A 'I' 'X' 'D' */
} az_mark;
#define AZ_MARK_NBYTES 4

/* The marker at p[0..n_bytes). AZ_MARK_NONE when there is none, or, with
 * *more set, when these are the first bytes of one. */
az_mark az_mark_at(const uint8_t *p, size_t n_bytes, bool *more);

/* ---- The frame header -------------------------------------------------- */

/* The language model that a frame needs, and how it is used. */
typedef struct az_frame_model {
    uint8_t hash[AZ_MODEL_HASH_NBYTES]; /* of the model's file: the start of its SHA-256 */
    uint8_t version;                    /* AZ_LM_VERSION */
    uint16_t window;                    /* tokens that it sees at most, */
    uint16_t overlap; /* and that it is fed again when a window of learnt positions is full */
    char name[64];    /* for people; any bytes, NUL-terminated */
} az_frame_model;

/* The dictionary that a frame needs. */
typedef struct az_frame_dictionary {
    uint8_t primer;                          /* number of a built-in one; else 0, and: */
    uint8_t hash[AZ_DICTIONARY_HASH_NBYTES]; /* the start of its SHA-256 */
    uint32_t n_bytes;                        /* 1..AZ_DICTIONARY_NBYTES_MAX */
} az_frame_dictionary;

typedef struct az_frame {
    uint8_t method; /* what coded the blocks, and its numeric version */
    uint8_t method_version;
    uint8_t level;      /* 1..9 */
    uint8_t block_log2; /* of the block size, 16..26 */
    uint32_t id;        /* the check of block 0, which every later block repeats */
    bool id_known;
    bool has_model; /* extension flag 1: the header goes on with `model` */
    az_frame_model model;
    bool has_dictionary; /* extension flag 2: it goes on with `dictionary` */
    az_frame_dictionary dictionary;
} az_frame;

/* Without notes. With one of a model: length 1, hash 16, version 1, window 3, overlap 3, name, check
 * 1. With one of a dictionary: length 1, number 1, hash 8, size 5, check 1. */
#define AZ_FRAME_HEADER_NBYTES 9
#define AZ_MODEL_NOTE_MAX (1 + 16 + 1 + 3 + 3 + 63 + 1)
#define AZ_DICTIONARY_NOTE_MAX (1 + 1 + 8 + 5 + 1)
#define AZ_FRAME_HEADER_MAX (AZ_FRAME_HEADER_NBYTES + AZ_MODEL_NOTE_MAX + AZ_DICTIONARY_NOTE_MAX)

/* Whether notes follow the first bytes of the header. */
static inline bool az_frame_has_notes(const az_frame *frame) {
    return frame->has_model || frame->has_dictionary;
}

static inline uint32_t az_frame_block_nbytes(const az_frame *frame) {
    return (uint32_t)1 << frame->block_log2;
}

/* The four settings as a number: the seed of the frame's checks, so that a
 * block can't be taken for one of another frame. */
uint32_t az_frame_seed(const az_frame *frame);

/* Level and block size as one byte, and back: false if it stands for none. */
uint8_t az_frame_level_byte(const az_frame *frame);
bool az_frame_set_level_byte(az_frame *frame, uint8_t byte);

/* Returns its size. */
size_t az_frame_header_write(uint8_t buf[AZ_FRAME_HEADER_MAX], const az_frame *frame);

/* How many bytes the frame header needs that begins like buf[0..n_bytes), as far as they tell. */
size_t az_frame_header_need(const uint8_t *buf, size_t n_bytes);

/* Reads a frame header at the start of buf[0..n_bytes), which is at `offset` in
 * the archive. *n_used receives its size, 0 if more bytes are needed. Does not
 * judge the method. AZ_ERROR_FORMAT if there is no frame's magic. */
az_status az_frame_header_read(az_frame *frame, const uint8_t *buf, size_t n_bytes, uint64_t offset,
                               size_t *n_used, az_error *error);

/* ---- Blocks -------------------------------------------------------------- */

typedef struct az_block_header {
    uint64_t number; /* in the frame, from 0 */
    bool last;
    bool stored;             /* payload = content */
    uint32_t content_nbytes; /* the block size, or, in the last, less */
    uint32_t payload_nbytes; /* < content_nbytes, or = if stored */
    uint32_t content_check;  /* unless stored */
    uint32_t check;          /* of header and payload */
    uint32_t header_nbytes;
} az_block_header;

/* Mark 4, id 4, flags 1, number 10, content size 4, payload size 4, checks 8. */
#define AZ_BLOCK_HEADER_MAX 35

/* Writes the header of a block of `frame` and computes block->check and
 * block->header_nbytes. Block 0 sets the frame's id. Returns header_nbytes. */
size_t az_block_header_write(uint8_t buf[AZ_BLOCK_HEADER_MAX], az_frame *frame,
                             az_block_header *block, const uint8_t *payload);

/* Reads the header of block `number`, or, with number UINT64_MAX, of any block
 * but 0. *n_used as above. Compares the id if the frame's is known. */
az_status az_block_header_read(az_block_header *block, const az_frame *frame, uint64_t number,
                               const uint8_t *buf, size_t n_bytes, uint64_t offset, size_t *n_used,
                               az_error *error);

/* Whether the check of header and payload is right; they lie together in
 * bytes[0..header_nbytes + payload_nbytes). */
bool az_block_is_whole(const az_block_header *block, const az_frame *frame, const uint8_t *bytes);

/* Where a block's content starts in its frame. */
static inline uint64_t az_block_content_offset(const az_frame *frame, uint64_t number) {
    return number << frame->block_log2;
}

/* ---- The index ------------------------------------------------------------ */

/* The writer collects an entry a block and then holds the index's bytes. */
typedef struct az_index_writer {
    uint8_t *buf; /* [capacity], of the heap that is passed in */
    size_t capacity;
    size_t n_bytes;
    size_t start; /* where in buf the index begins, once finished */
    uint64_t n_blocks;
    uint32_t last_nbytes;
} az_index_writer;

az_status az_index_writer_add(az_index_writer *index, az_heap *heap, const az_block_header *block,
                              az_error *error);
/* After it, the index is buf[start..n_bytes). */
az_status az_index_writer_finish(az_index_writer *index, az_heap *heap, const az_frame *frame,
                                 az_error *error);
void az_index_writer_close(az_index_writer *index, az_heap *heap);

/* A running check of index entries, to compare with the reader's. */
void az_index_hash_block(az_hash *hash, const az_block_header *block);

/* The reader takes the index in pieces of any size and keeps only sums. */
typedef struct az_index_reader {
    az_frame frame; /* its id, and its settings as the index says them */
    uint64_t n_blocks;
    uint32_t last_nbytes;
    uint64_t n_stored;
    uint64_t content_nbytes;
    uint64_t blocks_nbytes; /* headers and payloads */
    uint64_t index_nbytes;  /* read so far */
    az_hash entries;
    bool done;

    /* For the reader itself. */
    az_hash all;
    uint64_t n_entries;
    uint8_t field[20];
    uint8_t n_field;
    uint8_t step;
} az_index_reader;

/* `frame`: the settings that the index must repeat. */
void az_index_reader_begin(az_index_reader *index, const az_frame *frame);
/* Takes bytes up to the index's end; *n_used says how many. */
az_status az_index_reader_take(az_index_reader *index, const uint8_t *buf, size_t n_bytes,
                               uint64_t offset, size_t *n_used, az_error *error);

/* An index ends with its size, 8 bytes, and this. */
#define AZ_INDEX_END_NBYTES 12
/* The size that an index's last bytes tell, or 0 if they aren't an index's. */
uint64_t az_index_nbytes(const uint8_t end[AZ_INDEX_END_NBYTES]);
/* Its four settings: what is before that and the check. */
#define AZ_INDEX_TAIL_NBYTES 20
bool az_index_settings(az_frame *frame, const uint8_t tail[AZ_INDEX_TAIL_NBYTES]);

/* ---- A look at a whole archive --------------------------------------------- */

/* Called for each frame, in any order: where it is, and the largest content of
 * its blocks. A failure stops the walk. */
typedef az_status (*az_frame_seen_fn)(void *opaque, const az_frame *frame, uint64_t offset,
                                      uint32_t largest_nbytes, az_error *error);

typedef struct az_archive_sums {
    uint64_t content_nbytes;
    uint64_t n_archives;
    uint64_t n_blocks;
    uint64_t n_stored_blocks;
} az_archive_sums;

/* Adds up all frames in archive_nbytes, from their indexes where use_index, else
 * (and where there is none) from block header to block header. With use_index it
 * can fail on a good archive, one whose content ends in an index: try without. */
az_status az_archive_sum(az_archive_sums *sums, bool use_index, az_read_at_fn read_at, void *opaque,
                         uint64_t archive_nbytes, az_frame_seen_fn seen, void *seen_opaque,
                         az_error *error);

#endif
