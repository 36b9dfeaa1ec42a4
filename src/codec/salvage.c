/*
 * salvage: how the reader goes on where the archive is damaged.
 *
 * It looks, byte by byte, for the next thing that starts with a mark and proves
 * to be whole: a block (by the check of its header and payload; its number then
 * says where its content belongs), an index, or a frame's header.
 *
 * A stored block may hold an archive as its content, so what is found first
 * need not be a part of the archive that is being read. Therefore, inside a
 * frame, two searches: the first takes nothing but what carries the frame's own
 * level byte and id, and goes as far as the damaged block can reach, with the
 * window holding all of it. Only when that finds nothing the second starts
 * where the first did. It believes what is of another frame only if nothing of
 * this one follows within a block's length, and not at all in a block that the
 * archive's end cuts off. It forgets what it has passed.
 *
 * Where block 0 is damaged the frame's id is not known, and a later block of any
 * frame with this level byte may be this frame's; but not if it carries the id
 * of one that was seen to begin after the damage.
 *
 * Block 0 has no mark. It is tried where it has to be if a frame's header is
 * damaged: right after it.
 *
 * Time: bytes that are looked at in vain (a check that doesn't match, a first
 * search without result) are paid for out of a budget that grows with the
 * archive; once it is used up, which takes an archive made for it, candidates
 * are passed over. So the work is linear in the archive's size.
 */
#include "decoder.h"

enum {
    PIECE_NBYTES = 4096, /* input taken at a time by the second search */
    INDEX_COST = 16      /* an index is read byte by byte: that much slower than a check */
};

/* Four of the largest blocks, and four bytes for each that is passed. */
#define BUDGET_NBYTES ((uint64_t)4 << AZ_BLOCK_LOG2_MAX)
#define BUDGET_PER_BYTE 4

_Static_assert(PIECE_NBYTES > AZ_BLOCK_HEADER_MAX + AZ_FRAME_HEADER_NBYTES, "any header fits");

bool az_salvage_affords(const az_reader *r, uint64_t n_bytes) {
    uint64_t budget = BUDGET_NBYTES + BUDGET_PER_BYTE * r->offset;
    return r->spent <= budget && n_bytes <= budget - r->spent;
}

/* ---- Where it starts -------------------------------------------------------------- */

static void search(az_reader *r, uint64_t from, bool own_only) {
    r->scan_from = from;
    r->scan_at = from;
    r->own_only = own_only;
    r->own_end = from + AZ_BLOCK_HEADER_MAX + az_frame_block_nbytes(&r->frame);
    r->cut = false;
    r->state = AZ_READ_SCAN;
}

void az_salvage_frame(az_reader *r) {
    r->lost_frame = true;
    r->try_level = 0;
    search(r, r->offset, false);
}

void az_salvage_block(az_reader *r) {
    r->try_level = TRY_LEVEL_END;
    search(r, r->offset, true);
}

void az_salvage_payload(az_reader *r, bool cut) {
    r->spent += (uint64_t)r->block.header_nbytes + r->block.payload_nbytes;
    r->try_level = TRY_LEVEL_END;
    search(r, r->offset + 1, true);
    r->cut = cut;
}

void az_salvage_index(az_reader *r) {
    r->spent += r->index.index_nbytes * INDEX_COST;
    r->try_level = TRY_LEVEL_END;
    search(r, r->offset + (az_window_nbytes(r) > 0), false);
    if (r->saw_last)
        az_reader_close_frame(
            r, true, az_block_content_offset(&r->frame, r->next_block - 1) + r->last_nbytes,
            AZ_READ_SCAN);
}

/* ---- What is found ------------------------------------------------------------------ */

/* What a look at the window came to. */
typedef enum verdict {
    FOUND_NOTHING,
    FOUND_IT,  /* the reader is set to go on with it */
    FOUND_PART /* more input is needed to say */
} verdict;

/* Brings the window to n_bytes; FOUND_IT if they are there. */
static az_status look_on(az_decoder *d, az_input *in, size_t n_bytes, verdict *v, az_step *step,
                         az_error *error) {
    *v = FOUND_PART; /* stays so with AZ_STEP_WAIT */
    AZ_TRY(az_window_fill(d, in, n_bytes, step, error));
    if (*step == AZ_STEP_ON) {
        *v = FOUND_IT;
    } else if (*step == AZ_STEP_IN && az_input_ended(&d->reader, in)) {
        *v = FOUND_NOTHING;
        *step = AZ_STEP_ON;
    }
    return AZ_OK;
}

/* Whether the first search has to go on before what is `at` bytes into the
 * window, of another frame, can be believed; then it is set to do so. */
static bool looks_ahead(az_reader *r, size_t at) {
    uint64_t block = az_frame_block_nbytes(&r->frame);
    uint64_t here = r->offset + at, end = here + AZ_BLOCK_HEADER_MAX + block;
    if (!r->in_frame || end <= r->own_end || !az_salvage_affords(r, block))
        return false;
    r->spent += block / 8; /* the window's bytes are moved, which is quick */
    r->own_only = true;
    r->scan_from = here;
    r->scan_at = r->own_end > here ? r->own_end : here;
    r->own_end = end;
    return true;
}

static void find_frame(az_reader *r, size_t at, verdict *v) {
    const uint8_t *p = az_window(r) + at;
    size_t n = az_window_nbytes(r) - at, n_used, n_block;
    az_frame frame;
    az_block_header block;
    if (az_frame_header_read(&frame, p, n, 0, &n_used, NULL) != AZ_OK || n_used == 0 ||
        az_frame_supported(&frame, 0, NULL) != AZ_OK ||
        az_block_header_read(&block, &frame, 0, p + n_used, n - n_used, 0, &n_block, NULL) != AZ_OK)
        return;
    if (r->own_only && n_block > 0) {
        r->other_known = true;
        r->other_id = block.check;
    }
    if (r->own_only)
        return;
    *v = FOUND_IT;
    if (looks_ahead(r, at))
        return;
    az_window_skip(r, at);
    if (r->in_frame || r->lost_frame)
        az_reader_close_frame(r, false, 0, AZ_READ_FRAME);
    else
        r->state = AZ_READ_FRAME;
}

/* Whether what carries this id can be of the frame that is being read. */
static bool may_be_own(const az_reader *r, uint32_t id) {
    if (r->frame.id_known)
        return id == r->frame.id;
    return !r->other_known || id != r->other_id;
}

static void find_index(az_reader *r, size_t at, verdict *v) {
    const uint8_t *p = az_window(r) + at;
    if (!r->in_frame || az_window_nbytes(r) - at < 8 || !az_salvage_affords(r, 0) ||
        !may_be_own(r, az_read_le32(p + 4)))
        return;
    az_window_skip(r, at);
    r->lost_blocks = true;
    az_reader_begin_index(r);
    *v = FOUND_IT;
}

/* Goes on with the block at the window's start: this frame's, or one of a frame
 * whose start is lost. */
static void resume_block(az_reader *r, const az_frame *frame, bool own) {
    r->candidate = *frame;
    if (own) {
        r->frame = *frame;
        r->skipped = true;
        r->state = AZ_READ_BLOCK;
    } else if (r->in_frame) {
        az_reader_close_frame(r, false, 0, AZ_READ_BLOCK);
    } else {
        az_reader_begin_candidate(r);
    }
}

static az_status find_block(az_decoder *d, az_input *in, size_t at, verdict *v, az_step *step,
                            az_error *error) {
    az_reader *r = &d->reader;
    const uint8_t *p = az_window(r) + at;
    size_t n = az_window_nbytes(r) - at, n_used;
    az_frame frame;
    az_block_header block;
    if (n < 8)
        return AZ_OK;
    uint32_t id = az_read_le32(p + 4);
    bool own = r->in_frame && p[3] == az_frame_level_byte(&r->frame) && may_be_own(r, id);
    if (r->own_only && !own)
        return AZ_OK;
    if (own)
        frame = r->frame; /* a frame with a model is known by its header alone */
    else
        az_frame_set_supported(&frame, p[3]);
    frame.id = id;
    frame.id_known = true;
    if (az_block_header_read(&block, &frame, UINT64_MAX, p, n, 0, &n_used, NULL) != AZ_OK ||
        n_used == 0 || (own && block.number < r->next_block))
        return AZ_OK;
    size_t total = n_used + block.payload_nbytes;
    if (!az_salvage_affords(r, total))
        return AZ_OK;
    AZ_TRY(look_on(d, in, at + total, v, step, error));
    if (*v != FOUND_IT)
        return AZ_OK;
    if (!az_block_is_whole(&block, &frame, az_window(r) + at)) {
        r->spent += total;
        *v = FOUND_NOTHING;
        return AZ_OK;
    }
    if (!own && looks_ahead(r, at))
        return AZ_OK;
    az_window_skip(r, at);
    resume_block(r, &frame, own);
    return AZ_OK;
}

/* At the mark byte that is `at` bytes into the window. */
static az_status find(az_decoder *d, az_input *in, size_t at, verdict *v, az_step *step,
                      az_error *error) {
    az_reader *r = &d->reader;
    bool more;
    *v = FOUND_NOTHING;
    switch (az_mark_at(az_window(r) + at, az_window_nbytes(r) - at, &more)) {
    case AZ_MARK_FRAME: find_frame(r, at, v); break;
    case AZ_MARK_INDEX: find_index(r, at, v); break;
    case AZ_MARK_BLOCK: return find_block(d, in, at, v, step, error);
    case AZ_MARK_NONE: break;
    }
    return AZ_OK;
}

/* ---- Block 0 behind a damaged header ---------------------------------------------- */

/* Whether the header at `head` may have had this level byte: it is the one that
 * is there, or the header's check speaks for it. */
static bool level_is_likely(const uint8_t head[AZ_FRAME_HEADER_NBYTES], const az_frame *frame) {
    uint8_t buf[AZ_FRAME_HEADER_MAX];
    az_frame_header_write(buf, frame);
    return buf[7] == head[7] || buf[8] == head[8];
}

static az_status try_block_0(az_decoder *d, az_input *in, const az_frame *frame, verdict *v,
                             az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    size_t head = AZ_FRAME_HEADER_NBYTES, n_used;
    az_block_header block;
    *v = FOUND_NOTHING;
    if (az_block_header_read(&block, frame, 0, az_window(r) + head, az_window_nbytes(r) - head, 0,
                             &n_used, NULL) != AZ_OK ||
        n_used == 0)
        return AZ_OK;
    size_t total = n_used + block.payload_nbytes;
    if (!az_salvage_affords(r, total))
        return AZ_OK;
    AZ_TRY(look_on(d, in, head + total, v, step, error));
    if (*v != FOUND_IT)
        return AZ_OK;
    if (!az_block_is_whole(&block, frame, az_window(r) + head)) {
        r->spent += total;
        *v = FOUND_NOTHING;
        return AZ_OK;
    }
    az_window_skip(r, head);
    az_reader_begin_frame(r, frame);
    return AZ_OK;
}

static az_status try_header(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    size_t want = AZ_FRAME_HEADER_NBYTES + AZ_BLOCK_HEADER_MAX;
    verdict v;
    AZ_TRY(look_on(d, in, want, &v, step, error));
    if (v == FOUND_PART)
        return AZ_OK;
    if (az_window_nbytes(r) <= AZ_FRAME_HEADER_NBYTES)
        r->try_level = TRY_LEVEL_END;
    for (; r->try_level < TRY_LEVEL_END; r->try_level++) {
        az_frame frame;
        if (!az_frame_set_supported(&frame, (uint8_t)r->try_level) ||
            !level_is_likely(az_window(r), &frame))
            continue;
        AZ_TRY(try_block_0(d, in, &frame, &v, step, error));
        if (v != FOUND_NOTHING)
            return AZ_OK;
    }
    return AZ_OK;
}

/* ---- The search ---------------------------------------------------------------------- */

static void scan_ends(az_reader *r) {
    if (r->in_frame || r->lost_frame)
        az_reader_close_frame(r, false, 0, AZ_READ_END);
    else
        r->state = AZ_READ_END;
}

/* The first search is over, in vain. */
static void end_own_search(az_reader *r) {
    r->own_only = false;
    r->scan_at = r->scan_from;
    if (r->cut) {
        az_window_skip(r, az_window_nbytes(r));
        scan_ends(r);
    }
}

/* Whether the first search may take the memory that it needs: it must leave
 * enough to decode what it finds. */
static bool may_hold_block(const az_decoder *d) {
    const az_reader *r = &d->reader;
    uint64_t block = az_frame_block_nbytes(&r->frame);
    az_coding coding = az_decoder_coding(d);
    uint64_t need = 2 * (block + AZ_BLOCK_HEADER_MAX) + az_codec_memory(&coding, (size_t)block);
    return az_heap_room(d->heap) >= need;
}

/* Looks at the window from scan_at to `stop` (counted from the window's start).
 * The budget pays for the first search, which may have been in vain. */
static az_status scan_window(az_decoder *d, az_input *in, size_t stop, az_step *step,
                             az_error *error) {
    az_reader *r = &d->reader;
    size_t at = (size_t)(r->scan_at - r->offset);
    const uint8_t *p = memchr(az_window(r) + at, AZ_MARK_BYTE, stop - at);
    size_t next = p ? (size_t)(p - az_window(r)) : stop;
    verdict v = FOUND_NOTHING;
    r->scan_at += next - at;
    if (r->own_only)
        r->spent += next - at;
    if (!p)
        return AZ_OK;
    AZ_TRY(find(d, in, next, &v, step, error));
    if (v == FOUND_NOTHING)
        r->scan_at++;
    return AZ_OK;
}

static az_status scan(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    if (!r->own_only)
        az_window_skip(r, (size_t)(r->scan_at - r->offset));
    size_t at = (size_t)(r->scan_at - r->offset);
    size_t most = r->own_only ? (size_t)(r->own_end - r->offset) : PIECE_NBYTES;
    verdict v;
    AZ_TRY(look_on(d, in, most + AZ_BLOCK_HEADER_MAX, &v, step, error));
    if (*step == AZ_STEP_WAIT)
        return AZ_OK;
    /* Where a header might be cut off, it is looked at once more has come. */
    size_t stop = az_window_nbytes(r);
    if (v != FOUND_NOTHING)
        stop = stop > AZ_BLOCK_HEADER_MAX ? stop - AZ_BLOCK_HEADER_MAX : 0;
    if (r->own_only && stop > most)
        stop = most;
    if (stop > at) {
        *step = AZ_STEP_ON;
        return scan_window(d, in, stop, step, error);
    }
    if (v == FOUND_PART)
        return AZ_OK; /* with AZ_STEP_IN */
    if (r->own_only)
        end_own_search(r);
    else
        scan_ends(r);
    return AZ_OK;
}

az_status az_salvage_scan(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    az_reader *r = &d->reader;
    *step = AZ_STEP_ON;
    if (r->own_only && (!az_salvage_affords(r, 0) || !may_hold_block(d)))
        end_own_search(r);
    if (r->state != AZ_READ_SCAN)
        return AZ_OK;
    bool trying = r->try_level < TRY_LEVEL_END;
    az_status status = trying ? try_header(d, in, step, error) : scan(d, in, step, error);
    if (status != AZ_ERROR_MEMORY && status != AZ_ERROR_MEMORY_LIMIT)
        return status;
    if (!trying && !r->own_only)
        return status;
    if (trying) /* what has no room can't be decoded */
        r->try_level++;
    else
        end_own_search(r);
    *step = AZ_STEP_ON;
    return AZ_OK;
}
