/*
 * index: after a frame's last block, if it has two or more, stands a table of
 * their sizes. It lets a reader that starts from the end (`aizip -l`) jump over
 * whole frames, and tells a reader that lost blocks how much is missing.
 *
 *   9A 'I' 'X' 'D' | id | number of blocks | content size of the last |
 *   entry 0 .. entry n-1 | settings | check | size of the index | 'D' 'X' 'I' 9A
 *
 * An entry is 0 for a stored block, else the payload size plus 1. docs/format.md,
 * section 3.3.
 */
#include "container.h"

#include <assert.h>

static const uint8_t index_mark[AZ_MARK_NBYTES] = {AZ_MARK_BYTE, 'I', 'X', 'D'};
static const uint8_t end_mark[AZ_MARK_NBYTES] = {'D', 'X', 'I', AZ_MARK_BYTE};

/* Room before the entries for what is known only at the end. */
enum { HEAD_MAX = 8 + 2 * AZ_VARINT_MAX, TAIL_NBYTES = AZ_INDEX_TAIL_NBYTES };

static size_t write_entry(uint8_t *buf, const az_block_header *block) {
    return az_varint_write(buf, block->stored ? 0 : (uint64_t)block->payload_nbytes + 1);
}

void az_index_hash_block(az_hash *hash, const az_block_header *block) {
    uint8_t buf[AZ_VARINT_MAX];
    az_hash_add(hash, buf, write_entry(buf, block));
}

/* What a block's header takes: it follows from what the entry says. */
static uint64_t block_total_nbytes(uint64_t number, bool last, bool stored, uint32_t content,
                                   uint32_t payload) {
    uint8_t buf[AZ_VARINT_MAX];
    uint64_t n = 1 + 4 + (uint64_t)payload;
    if (number > 0)
        n += 8 + az_varint_write(buf, number);
    if (last)
        n += az_varint_write(buf, content);
    if (!stored)
        n += az_varint_write(buf, payload) + 4;
    return n;
}

/* ---- Writer --------------------------------------------------------------- */

static az_status reserve(az_index_writer *index, az_heap *heap, size_t n_bytes, az_error *error) {
    if (index->n_bytes + n_bytes <= index->capacity)
        return AZ_OK;
    size_t capacity = index->capacity * 2 + 256; /* more than any caller asks for at once */
    uint8_t *buf = az_regrow(heap, index->buf, index->n_bytes, capacity);
    if (!buf)
        return az_alloc_failed(heap, capacity, error);
    index->buf = buf;
    index->capacity = capacity;
    return AZ_OK;
}

az_status az_index_writer_add(az_index_writer *index, az_heap *heap, const az_block_header *block,
                              az_error *error) {
    if (index->n_bytes == 0)
        index->n_bytes = HEAD_MAX;
    AZ_TRY(reserve(index, heap, AZ_VARINT_MAX, error));
    index->n_bytes += write_entry(index->buf + index->n_bytes, block);
    index->n_blocks++;
    index->last_nbytes = block->content_nbytes;
    return AZ_OK;
}

az_status az_index_writer_finish(az_index_writer *index, az_heap *heap, const az_frame *frame,
                                 az_error *error) {
    assert(index->n_blocks >= 2 && frame->id_known);
    AZ_TRY(reserve(index, heap, TAIL_NBYTES, error));
    uint8_t head[HEAD_MAX];
    memcpy(head, index_mark, 4);
    az_write_le32(head + 4, frame->id);
    size_t n = 8;
    n += az_varint_write(head + n, index->n_blocks);
    n += az_varint_write(head + n, index->last_nbytes);
    index->start = HEAD_MAX - n;
    memcpy(index->buf + index->start, head, n);

    uint8_t *tail = index->buf + index->n_bytes;
    az_write_le32(tail, az_frame_seed(frame));
    az_hash hash;
    az_hash_begin(&hash, az_frame_seed(frame));
    az_hash_add(&hash, index->buf + index->start, index->n_bytes + 4 - index->start);
    az_write_le32(tail + 4, az_hash_value(&hash));
    index->n_bytes += TAIL_NBYTES;
    az_write_le64(tail + 8, index->n_bytes - index->start);
    memcpy(tail + 16, end_mark, 4);
    return AZ_OK;
}

void az_index_writer_close(az_index_writer *index, az_heap *heap) {
    az_free(heap, index->buf);
    memset(index, 0, sizeof *index);
}

/* ---- Reader ---------------------------------------------------------------- */

enum { STEP_HEAD, STEP_N_BLOCKS, STEP_LAST, STEP_ENTRIES, STEP_TAIL };

void az_index_reader_begin(az_index_reader *index, const az_frame *frame) {
    memset(index, 0, sizeof *index);
    index->frame = *frame;
    az_hash_begin(&index->entries, 0);
    az_hash_begin(&index->all, az_frame_seed(frame));
}

static az_status bad(az_error *error, uint64_t offset, const char *what) {
    return az_error_set(error, AZ_ERROR_DAMAGED, offset, "the index is damaged: %s", what);
}

static az_status take_head(az_index_reader *index, uint64_t at, az_error *error) {
    if (memcmp(index->field, index_mark, 4) != 0)
        return bad(error, at, "its mark is missing");
    uint32_t id = az_read_le32(index->field + 4);
    if (index->frame.id_known && index->frame.id != id)
        return bad(error, at, "it is of another archive");
    index->frame.id = id;
    index->frame.id_known = true;
    index->step = STEP_N_BLOCKS;
    return AZ_OK;
}

static az_status take_entry(az_index_reader *index, uint64_t value, uint64_t at, az_error *error) {
    uint64_t number = index->n_entries++;
    bool last = index->n_entries == index->n_blocks;
    bool stored = value == 0;
    uint32_t content = last ? index->last_nbytes : az_frame_block_nbytes(&index->frame);
    if (value > content) /* payload = value - 1 must be less than the content */
        return bad(error, at, "a block is coded in more bytes than it holds");
    uint32_t payload = stored ? content : (uint32_t)value - 1;
    index->content_nbytes += content;
    index->blocks_nbytes += block_total_nbytes(number, last, stored, content, payload);
    index->n_stored += stored;
    if (index->blocks_nbytes > UINT64_MAX / 2)
        return bad(error, at, "its sizes add up to more than 2^63");
    if (last)
        index->step = STEP_TAIL;
    return AZ_OK;
}

static az_status take_number(az_index_reader *index, uint64_t at, az_error *error) {
    uint64_t value;
    int n = az_varint_read(index->field, index->n_field, &value);
    if (n < 0)
        return bad(error, at, "a number in it is not valid");
    if (n == 0)
        return AZ_OK;
    uint32_t block_nbytes = az_frame_block_nbytes(&index->frame);
    if (index->step == STEP_ENTRIES)
        az_hash_add(&index->entries, index->field, index->n_field);
    index->n_field = 0;
    if (index->step == STEP_N_BLOCKS) {
        if (value < 2 || value > UINT64_MAX >> index->frame.block_log2)
            return bad(error, at, "its number of blocks is impossible");
        index->n_blocks = value;
        index->step = STEP_LAST;
        return AZ_OK;
    }
    if (index->step == STEP_LAST) {
        if (value < 1 || value > block_nbytes)
            return bad(error, at, "the last block's size is impossible");
        index->last_nbytes = (uint32_t)value;
        index->step = STEP_ENTRIES;
        return AZ_OK;
    }
    return take_entry(index, value, at, error);
}

static az_status take_tail(az_index_reader *index, uint64_t at, az_error *error) {
    const uint8_t *tail = index->field;
    if (az_read_le32(tail) != az_frame_seed(&index->frame))
        return bad(error, at, "its settings are not the frame's");
    if (az_read_le32(tail + 4) != az_hash_value(&index->all))
        return bad(error, at + 4, "its check does not match");
    if (az_read_le64(tail + 8) != index->index_nbytes)
        return bad(error, at + 8, "its size is wrong");
    if (memcmp(tail + 16, end_mark, 4) != 0)
        return bad(error, at + 16, "its end mark is missing");
    index->done = true;
    return AZ_OK;
}

az_status az_index_reader_take(az_index_reader *index, const uint8_t *buf, size_t n_bytes,
                               uint64_t offset, size_t *n_used, az_error *error) {
    size_t i = 0;
    while (i < n_bytes && !index->done) {
        index->field[index->n_field++] = buf[i++];
        index->index_nbytes++;
        if (index->step != STEP_TAIL || index->n_field <= 4) /* all before the check */
            az_hash_add(&index->all, buf + i - 1, 1);
        uint64_t at = offset + i - index->n_field; /* where the field began */
        if (index->step == STEP_HEAD) {
            if (index->n_field == 8) {
                AZ_TRY(take_head(index, at, error));
                index->n_field = 0;
            }
        } else if (index->step == STEP_TAIL) {
            if (index->n_field == TAIL_NBYTES)
                AZ_TRY(take_tail(index, at, error));
        } else {
            AZ_TRY(take_number(index, at, error));
        }
    }
    *n_used = i;
    return AZ_OK;
}

/* ---- From the end ------------------------------------------------------------ */

uint64_t az_index_nbytes(const uint8_t end[AZ_INDEX_END_NBYTES]) {
    return memcmp(end + 8, end_mark, 4) == 0 ? az_read_le64(end) : 0;
}

bool az_index_settings(az_frame *frame, const uint8_t tail[AZ_INDEX_TAIL_NBYTES]) {
    az_frame read = {.method = tail[1],
                     .method_version = tail[2],
                     .has_model = tail[0] >> 4 & 1,
                     .has_dictionary = tail[0] >> 5 & 1};
    if ((tail[0] & 15) != AZ_FORMAT_VERSION || tail[0] >> 4 > 3 ||
        !az_frame_set_level_byte(&read, tail[3]))
        return false;
    *frame = read;
    return true;
}
