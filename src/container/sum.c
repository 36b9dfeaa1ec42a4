/*
 * sum: what an archive holds, by a look at headers and indexes only.
 *
 * First from the end: the last bytes of a frame of two or more blocks are its
 * index, which says how long the frame is, so the walk jumps back frame by
 * frame. It stops where there is no index (frames of one block have none).
 * Then, from the start to there, block by block. An index may also be content:
 * the last bytes of a stored block. Then the first walk was deceived, the
 * second can't end where the first did, and the caller asks again for a walk
 * without indexes.
 */
#include "container.h"

typedef struct walk {
    az_read_at_fn read_at;
    void *opaque;
    uint64_t end; /* archive bytes from here on don't count */
    az_frame_seen_fn seen;
    void *seen_opaque;
    az_archive_sums sums;
    uint64_t buf_offset; /* buf holds archive[buf_offset..+buf_nbytes) */
    size_t buf_nbytes;
    uint8_t buf[4096]; /* small: most reads are of one header, far from the next */
} walk;

_Static_assert(sizeof((walk *)0)->buf >= AZ_FRAME_HEADER_MAX + AZ_BLOCK_HEADER_MAX,
               "a header fits");

/* *p receives the bytes at `offset`, *n how many are there: at least `want`
 * unless the archive ends before. */
static az_status look(walk *w, uint64_t offset, size_t want, const uint8_t **p, size_t *n,
                      az_error *error) {
    *p = w->buf; /* nothing, should it fail */
    *n = 0;
    uint64_t left = offset < w->end ? w->end - offset : 0;
    bool inside = offset >= w->buf_offset && offset - w->buf_offset <= w->buf_nbytes;
    size_t have = inside ? w->buf_nbytes - (size_t)(offset - w->buf_offset) : 0;
    if (have < want && have < left) {
        w->buf_nbytes = left < sizeof w->buf ? (size_t)left : sizeof w->buf;
        w->buf_offset = offset;
        if (w->read_at(w->opaque, offset, w->buf, w->buf_nbytes) != 0) {
            w->buf_nbytes = 0;
            return az_error_set(error, AZ_ERROR_READ, offset, "the archive can't be read");
        }
        have = w->buf_nbytes;
    }
    if (have > 0)
        *p = w->buf + (offset - w->buf_offset);
    *n = have < left ? have : (size_t)left;
    return AZ_OK;
}

static az_status ends_early(az_error *error, uint64_t offset) {
    return az_error_set(error, AZ_ERROR_TRUNCATED, offset, "the archive ends too early");
}

/* ---- Forwards ---------------------------------------------------------------- */

/* What the blocks of a frame say, to compare with its index. */
typedef struct frame_walk {
    az_frame frame;
    uint64_t offset;
    uint64_t n_blocks;
    uint32_t largest_nbytes;
    uint32_t last_nbytes;
    az_hash entries;
} frame_walk;

static az_status walk_block(walk *w, frame_walk *f, uint64_t *offset, bool *last, az_error *error) {
    const uint8_t *p;
    size_t n, n_used;
    az_block_header block;
    AZ_TRY(look(w, *offset, AZ_BLOCK_HEADER_MAX, &p, &n, error));
    AZ_TRY(az_block_header_read(&block, &f->frame, f->n_blocks, p, n, *offset, &n_used, error));
    if (n_used == 0 || block.payload_nbytes > w->end - *offset - n_used)
        return ends_early(error, w->end);
    *offset += n_used + block.payload_nbytes;
    if (block.number == 0) {
        f->frame.id = block.check;
        f->frame.id_known = true;
    }
    az_index_hash_block(&f->entries, &block);
    f->n_blocks++;
    f->last_nbytes = block.content_nbytes;
    if (block.content_nbytes > f->largest_nbytes)
        f->largest_nbytes = block.content_nbytes;
    if (block.content_nbytes > UINT64_MAX - w->sums.content_nbytes)
        return az_error_set(error, AZ_ERROR_DAMAGED, *offset, "more than 2^64 bytes of content");
    w->sums.content_nbytes += block.content_nbytes;
    w->sums.n_blocks++;
    w->sums.n_stored_blocks += block.stored;
    *last = block.last;
    return AZ_OK;
}

static az_status read_index(walk *w, az_index_reader *index, uint64_t *offset, az_error *error) {
    while (!index->done) {
        const uint8_t *p;
        size_t n, n_used;
        AZ_TRY(look(w, *offset, 1, &p, &n, error));
        if (n == 0)
            return ends_early(error, w->end);
        AZ_TRY(az_index_reader_take(index, p, n, *offset, &n_used, error));
        *offset += n_used;
    }
    return AZ_OK;
}

static az_status walk_index(walk *w, const frame_walk *f, uint64_t *offset, az_error *error) {
    uint64_t start = *offset;
    az_index_reader index;
    az_index_reader_begin(&index, &f->frame);
    AZ_TRY(read_index(w, &index, offset, error));
    if (index.n_blocks != f->n_blocks || index.last_nbytes != f->last_nbytes ||
        az_hash_value(&index.entries) != az_hash_value(&f->entries))
        return az_error_set(error, AZ_ERROR_DAMAGED, start, "the index differs from the blocks");
    return AZ_OK;
}

static az_status walk_frame(walk *w, uint64_t *offset, az_error *error) {
    frame_walk f = {.offset = *offset};
    const uint8_t *p;
    size_t n, n_used;
    AZ_TRY(look(w, *offset, AZ_FRAME_HEADER_MAX, &p, &n, error));
    if (az_frame_header_read(&f.frame, p, n, *offset, &n_used, error) != AZ_OK) {
        bool mark = n >= AZ_MARK_NBYTES && memcmp(p,
                                                  "\x9A"
                                                  "AIZ",
                                                  4) == 0;
        if (*offset > 0 && !mark)
            return az_error_set(error, AZ_ERROR_FORMAT, *offset,
                                "%llu bytes that are not an archive follow the end at offset %llu",
                                (unsigned long long)(w->end - *offset),
                                (unsigned long long)*offset);
        return az_frame_header_read(&f.frame, p, n, *offset, &n_used, error);
    }
    if (n_used == 0)
        return ends_early(error, w->end);
    *offset += n_used;
    az_hash_begin(&f.entries, 0);
    for (bool last = false; !last;)
        AZ_TRY(walk_block(w, &f, offset, &last, error));
    if (f.n_blocks > 1)
        AZ_TRY(walk_index(w, &f, offset, error));
    w->sums.n_archives++;
    return w->seen(w->seen_opaque, &f.frame, f.offset, f.largest_nbytes, error);
}

static az_status walk_forwards(walk *w, az_error *error) {
    uint64_t offset = 0;
    do {
        AZ_TRY(walk_frame(w, &offset, error));
    } while (offset < w->end);
    return AZ_OK;
}

/* ---- Backwards --------------------------------------------------------------- */

/* Jumps over the frame that ends at w->end, if an index says how. *found is
 * false if there is none or it is wrong; only a failed read is an error. */
static az_status step_back(walk *w, bool *found, az_error *error) {
    const uint8_t *p;
    size_t n, n_used;
    az_frame settings, header;
    az_index_reader index;
    *found = false;
    if (w->end < AZ_FRAME_HEADER_NBYTES + AZ_INDEX_TAIL_NBYTES)
        return AZ_OK;
    AZ_TRY(look(w, w->end - AZ_INDEX_TAIL_NBYTES, AZ_INDEX_TAIL_NBYTES, &p, &n, error));
    uint64_t index_nbytes = az_index_nbytes(p + AZ_INDEX_TAIL_NBYTES - AZ_INDEX_END_NBYTES);
    /* How long a header with notes is, an index doesn't say. */
    if (index_nbytes == 0 || index_nbytes > w->end || !az_index_settings(&settings, p) ||
        az_frame_has_notes(&settings))
        return AZ_OK;
    uint64_t offset = w->end - index_nbytes;
    az_index_reader_begin(&index, &settings);
    az_status status = read_index(w, &index, &offset, NULL);
    if (status != AZ_OK || offset != w->end)
        return status == AZ_ERROR_READ
                   ? az_error_set(error, status, offset, "the archive can't be read")
                   : AZ_OK;
    uint64_t before = index.blocks_nbytes + AZ_FRAME_HEADER_NBYTES;
    if (before > w->end - index_nbytes)
        return AZ_OK;
    uint64_t start = w->end - index_nbytes - before;

    /* The frame has to begin there, and with the block that gave it its id. */
    AZ_TRY(look(w, start, AZ_FRAME_HEADER_NBYTES + AZ_BLOCK_HEADER_MAX, &p, &n, error));
    az_block_header block;
    if (az_frame_header_read(&header, p, n, start, &n_used, NULL) != AZ_OK || n_used == 0 ||
        az_frame_seed(&header) != az_frame_seed(&settings) ||
        az_block_header_read(&block, &header, 0, p + n_used, n - n_used, start + n_used, &n_used,
                             NULL) != AZ_OK ||
        n_used == 0 || block.check != index.frame.id)
        return AZ_OK;
    w->sums.n_archives++;
    w->sums.content_nbytes += index.content_nbytes;
    w->sums.n_blocks += index.n_blocks;
    w->sums.n_stored_blocks += index.n_stored;
    w->end = start;
    *found = true;
    return w->seen(w->seen_opaque, &header, start, az_frame_block_nbytes(&header), error);
}

az_status az_archive_sum(az_archive_sums *sums, bool use_index, az_read_at_fn read_at, void *opaque,
                         uint64_t archive_nbytes, az_frame_seen_fn seen, void *seen_opaque,
                         az_error *error) {
    walk w = {.read_at = read_at, .opaque = opaque, .seen = seen, .seen_opaque = seen_opaque};
    w.end = archive_nbytes;
    if (archive_nbytes == 0)
        return az_error_set(error, AZ_ERROR_TRUNCATED, 0, "the archive is empty: 0 bytes");
    for (bool found = use_index; found && w.end > 0;)
        AZ_TRY(step_back(&w, &found, error));
    if (w.end > 0)
        AZ_TRY(walk_forwards(&w, error));
    *sums = w.sums;
    return AZ_OK;
}
