/*
 * frame: headers of frames and blocks, as docs/format.md, sections 2 and 3, has
 * them.
 *
 *   frame header  9A 'A' 'I' 'Z' | version and flags | method | its version |
 *                 level and block size | check of these 8 bytes
 *   block header  [9A 'B' 'K' level-byte id  unless block 0] flags
 *                 [number  unless block 0] [content size  if last]
 *                 [payload size, content check  unless stored] check
 *
 * A small file is one frame of one block, so what the reader can work out is
 * left out; there 22 bytes are not payload. A later block repeats its frame's
 * level byte and id: a reader that has lost its way finds it again there.
 */
#include "container.h"

#include <assert.h>

static const uint8_t frame_mark[AZ_MARK_NBYTES] = {AZ_MARK_BYTE, 'A', 'I', 'Z'};
static const uint8_t index_mark[AZ_MARK_NBYTES] = {AZ_MARK_BYTE, 'I', 'X', 'D'};
static const uint8_t block_mark[AZ_MARK_NBYTES - 1] = {AZ_MARK_BYTE, 'B', 'K'};

enum { BLOCK_LAST = 1, BLOCK_STORED = 2 };
enum {
    FLAG_MODEL = 1,
    FLAG_DICTIONARY = 2,
    HASH_NBYTES = AZ_MODEL_HASH_NBYTES,
    MODEL_NBYTES_MIN = HASH_NBYTES + 1 + 1 + 1, /* with a short window and no name */
    MODEL_NBYTES_MAX = AZ_MODEL_NOTE_MAX - 2,
    DICTIONARY_NBYTES_MIN = 1, /* a built-in one */
    DICTIONARY_NBYTES_MAX = AZ_DICTIONARY_NOTE_MAX - 2
};

az_mark az_mark_at(const uint8_t *p, size_t n_bytes, bool *more) {
    size_t n = n_bytes < AZ_MARK_NBYTES ? n_bytes : AZ_MARK_NBYTES;
    az_mark mark = AZ_MARK_NONE;
    az_frame frame;
    if (memcmp(p, frame_mark, n) == 0)
        mark = AZ_MARK_FRAME;
    else if (memcmp(p, index_mark, n) == 0)
        mark = AZ_MARK_INDEX;
    else if (memcmp(p, block_mark, n < 3 ? n : 3) == 0 &&
             (n < AZ_MARK_NBYTES || az_frame_set_level_byte(&frame, p[3])))
        mark = AZ_MARK_BLOCK;
    *more = mark != AZ_MARK_NONE && n < AZ_MARK_NBYTES;
    return *more ? AZ_MARK_NONE : mark;
}

/* ---- The frame header --------------------------------------------------- */

uint8_t az_frame_level_byte(const az_frame *frame) {
    return (uint8_t)(frame->level | (frame->block_log2 - AZ_BLOCK_LOG2_MIN) << 4);
}

bool az_frame_set_level_byte(az_frame *frame, uint8_t byte) {
    int level = byte & 15;
    int log2 = (byte >> 4) + AZ_BLOCK_LOG2_MIN;
    if (level < AZ_LEVEL_MIN || level > AZ_LEVEL_MAX || log2 > AZ_BLOCK_LOG2_MAX)
        return false;
    frame->level = (uint8_t)level;
    frame->block_log2 = (uint8_t)log2;
    return true;
}

static void write_settings(uint8_t buf[4], const az_frame *frame) {
    uint32_t flags =
        (frame->has_model ? FLAG_MODEL : 0) | (frame->has_dictionary ? FLAG_DICTIONARY : 0);
    buf[0] = (uint8_t)(AZ_FORMAT_VERSION | flags << 4);
    buf[1] = frame->method;
    buf[2] = frame->method_version;
    buf[3] = az_frame_level_byte(frame);
}

uint32_t az_frame_seed(const az_frame *frame) {
    uint8_t settings[4];
    write_settings(settings, frame);
    return az_read_le32(settings);
}

/* The check of a note, its length included. */
static uint8_t note_check(const az_frame *frame, const uint8_t *note, size_t n_bytes) {
    az_hash hash;
    az_hash_begin(&hash, az_frame_seed(frame));
    az_hash_add(&hash, note, n_bytes);
    return (uint8_t)az_hash_value(&hash);
}

/* Length and check of note[1..n). Returns the size of all. */
static size_t close_note(uint8_t *note, size_t n, const az_frame *frame) {
    note[0] = (uint8_t)(n - 1);
    note[n] = note_check(frame, note, n);
    return n + 1;
}

static size_t write_model(uint8_t *part, const az_frame *frame) {
    const az_frame_model *m = &frame->model;
    size_t name_nbytes = strlen(m->name), n = 1;
    memcpy(part + n, m->hash, HASH_NBYTES);
    n += HASH_NBYTES;
    part[n++] = m->version;
    n += (size_t)az_varint_write(part + n, m->window);
    n += (size_t)az_varint_write(part + n, m->overlap);
    memcpy(part + n, m->name, name_nbytes);
    n += name_nbytes;
    return close_note(part, n, frame);
}

static size_t write_dictionary(uint8_t *note, const az_frame *frame) {
    const az_frame_dictionary *d = &frame->dictionary;
    size_t n = 1;
    note[n++] = d->primer;
    if (d->primer == 0) {
        memcpy(note + n, d->hash, sizeof d->hash);
        n += sizeof d->hash;
        n += (size_t)az_varint_write(note + n, d->n_bytes);
    }
    return close_note(note, n, frame);
}

size_t az_frame_header_write(uint8_t buf[AZ_FRAME_HEADER_MAX], const az_frame *frame) {
    memcpy(buf, frame_mark, 4);
    write_settings(buf + 4, frame);
    buf[8] = (uint8_t)az_check(buf, 8);
    size_t n = AZ_FRAME_HEADER_NBYTES;
    if (frame->has_model)
        n += write_model(buf + n, frame);
    if (frame->has_dictionary)
        n += write_dictionary(buf + n, frame);
    return n;
}

size_t az_frame_header_need(const uint8_t *buf, size_t n_bytes) {
    size_t n = AZ_FRAME_HEADER_NBYTES;
    uint32_t n_notes =
        n_bytes < 5 ? 0u
                    : (uint32_t)(buf[4] >> 4 & FLAG_MODEL) + (buf[4] >> 4 & FLAG_DICTIONARY) / 2u;
    for (; n_notes > 0; n_notes--) {
        if (n_bytes <= n)
            return n + 1;
        n += 1u + buf[n] + 1u;
    }
    return n;
}

static az_status impossible_model(uint64_t offset, az_error *error) {
    return az_error_set(error, AZ_ERROR_DAMAGED, offset,
                        "the archive's note of its model says what can't be");
}

/* What part[0..n_bytes) says behind its length. */
static az_status take_model(az_frame_model *m, const uint8_t *part, size_t n_bytes, uint64_t offset,
                            az_error *error) {
    uint64_t numbers[2];
    size_t n = HASH_NBYTES;
    memcpy(m->hash, part, n);
    m->version = part[n++];
    for (int i = 0; i < 2; i++) {
        int used = az_varint_read(part + n, n_bytes - n, &numbers[i]);
        if (used <= 0 || numbers[i] > UINT16_MAX)
            return impossible_model(offset, error);
        n += (size_t)used;
    }
    m->window = (uint16_t)numbers[0];
    m->overlap = (uint16_t)numbers[1];
    size_t name_nbytes = n_bytes - n;
    if (name_nbytes >= sizeof m->name || m->window == 0 || m->overlap >= m->window ||
        memchr(part + n, 0, name_nbytes))
        return impossible_model(offset, error);
    memcpy(m->name, part + n, name_nbytes);
    m->name[name_nbytes] = 0;
    return AZ_OK;
}

/* What note[0..n_bytes) says behind its length. */
static az_status take_dictionary(az_frame_dictionary *d, const uint8_t *note, size_t n_bytes,
                                 uint64_t offset, az_error *error) {
    uint64_t size = 0;
    bool good = true;
    *d = (az_frame_dictionary){.primer = note[0]};
    if (d->primer == 0) {
        size_t n = 1 + sizeof d->hash;
        good = n_bytes > n && az_varint_read(note + n, n_bytes - n, &size) == (int)(n_bytes - n) &&
               size > 0 && size <= AZ_DICTIONARY_NBYTES_MAX;
    } else {
        good = n_bytes == 1;
    }
    if (!good)
        return az_error_set(error, AZ_ERROR_DAMAGED, offset,
                            "the archive's note of its dictionary says what can't be");
    if (d->primer == 0)
        memcpy(d->hash, note + 1, sizeof d->hash);
    d->n_bytes = (uint32_t)size;
    return AZ_OK;
}

/* Length and check of the note at note[0..n_bytes), of at least min and at most max bytes; the
 * frame's settings are known. *n_used: 0 if bytes are missing. */
static az_status check_note(const az_frame *frame, const char *what, int min, int max,
                            const uint8_t *note, size_t n_bytes, uint64_t offset, size_t *n_used,
                            az_error *error) {
    *n_used = 0;
    if (n_bytes < 1)
        return AZ_OK;
    size_t n = (size_t)1 + note[0];
    if (note[0] < min || note[0] > max)
        return az_error_set(error, AZ_ERROR_DAMAGED, offset,
                            "the archive's note of its %s has %d bytes; %d to %d are possible",
                            what, note[0], min, max);
    if (n_bytes < n + 1)
        return AZ_OK;
    if (note[n] != note_check(frame, note, n))
        return az_error_set(error, AZ_ERROR_DAMAGED, offset,
                            "the archive's note of its %s is damaged", what);
    *n_used = n + 1;
    return AZ_OK;
}

/* The notes at p[0..n_bytes). *n_used: their bytes; *whole is false if some are missing. */
static az_status read_notes(az_frame *frame, const uint8_t *p, size_t n_bytes, uint64_t offset,
                            size_t *n_used, bool *whole, az_error *error) {
    size_t n;
    *n_used = 0;
    *whole = false;
    if (frame->has_model) {
        AZ_TRY(check_note(frame, "model", MODEL_NBYTES_MIN, MODEL_NBYTES_MAX, p, n_bytes, offset,
                          &n, error));
        if (n == 0)
            return AZ_OK;
        AZ_TRY(take_model(&frame->model, p + 1, n - 2, offset, error));
        *n_used += n;
    }
    if (frame->has_dictionary) {
        p += *n_used;
        AZ_TRY(check_note(frame, "dictionary", DICTIONARY_NBYTES_MIN, DICTIONARY_NBYTES_MAX, p,
                          n_bytes - *n_used, offset + *n_used, &n, error));
        if (n == 0)
            return AZ_OK;
        AZ_TRY(take_dictionary(&frame->dictionary, p + 1, n - 2, offset + *n_used, error));
        *n_used += n;
    }
    *whole = true;
    return AZ_OK;
}

az_status az_frame_header_read(az_frame *frame, const uint8_t *buf, size_t n_bytes, uint64_t offset,
                               size_t *n_used, az_error *error) {
    *n_used = 0;
    if (memcmp(buf, frame_mark, n_bytes < 4 ? n_bytes : 4) != 0)
        return az_error_set(error, AZ_ERROR_FORMAT, offset, "not an aizip archive");
    if (n_bytes < 5)
        return AZ_OK;
    if ((buf[4] & 15) != AZ_FORMAT_VERSION)
        return az_error_set(error, AZ_ERROR_VERSION, offset + 4,
                            "the archive has format version %d; this aizip reads version %d",
                            buf[4] & 15, AZ_FORMAT_VERSION);
    if (buf[4] >> 4 & ~(FLAG_MODEL | FLAG_DICTIONARY))
        return az_error_set(error, AZ_ERROR_VERSION, offset + 4,
                            "the archive uses extensions (flags 0x%X) that this aizip doesn't know",
                            buf[4] >> 4);
    if (n_bytes < AZ_FRAME_HEADER_NBYTES)
        return AZ_OK;
    if (buf[8] != (uint8_t)az_check(buf, 8))
        return az_error_set(error, AZ_ERROR_DAMAGED, offset, "the archive's header is damaged");
    az_frame read = {.method = buf[5],
                     .method_version = buf[6],
                     .has_model = buf[4] >> 4 & FLAG_MODEL,
                     .has_dictionary = buf[4] >> 4 & FLAG_DICTIONARY};
    if (!az_frame_set_level_byte(&read, buf[7]))
        return az_error_set(error, AZ_ERROR_DAMAGED, offset + 7,
                            "level %d with block size 2^%d does not exist", buf[7] & 15,
                            (buf[7] >> 4) + AZ_BLOCK_LOG2_MIN);
    size_t notes_nbytes, n = AZ_FRAME_HEADER_NBYTES;
    bool whole;
    AZ_TRY(read_notes(&read, buf + n, n_bytes - n, offset + n, &notes_nbytes, &whole, error));
    if (!whole)
        return AZ_OK;
    *frame = read;
    *n_used = n + notes_nbytes;
    return AZ_OK;
}

/* ---- Blocks --------------------------------------------------------------- */

static uint32_t block_check(const az_frame *frame, const uint8_t *header, size_t header_nbytes,
                            const uint8_t *payload, size_t payload_nbytes) {
    az_hash hash;
    az_hash_begin(&hash, az_frame_seed(frame));
    az_hash_add(&hash, header, header_nbytes - 4); /* the check itself is last */
    az_hash_add(&hash, payload, payload_nbytes);
    return az_hash_value(&hash);
}

size_t az_block_header_write(uint8_t buf[AZ_BLOCK_HEADER_MAX], az_frame *frame,
                             az_block_header *block, const uint8_t *payload) {
    size_t n = 0;
    if (block->number > 0) {
        assert(frame->id_known);
        memcpy(buf, block_mark, sizeof block_mark);
        buf[3] = az_frame_level_byte(frame);
        az_write_le32(buf + 4, frame->id);
        n = 8;
    }
    buf[n++] = (uint8_t)((block->last ? BLOCK_LAST : 0) | (block->stored ? BLOCK_STORED : 0));
    if (block->number > 0)
        n += az_varint_write(buf + n, block->number);
    if (block->last)
        n += az_varint_write(buf + n, block->content_nbytes);
    if (!block->stored) {
        n += az_varint_write(buf + n, block->payload_nbytes);
        az_write_le32(buf + n, block->content_check);
        n += 4;
    }
    n += 4;
    assert(n <= AZ_BLOCK_HEADER_MAX);
    block->header_nbytes = (uint32_t)n;
    block->check = block_check(frame, buf, n, payload, block->payload_nbytes);
    az_write_le32(buf + n - 4, block->check);
    if (block->number == 0) {
        frame->id = block->check;
        frame->id_known = true;
    }
    return n;
}

bool az_block_is_whole(const az_block_header *block, const az_frame *frame, const uint8_t *bytes) {
    return block->check == block_check(frame, bytes, block->header_nbytes,
                                       bytes + block->header_nbytes, block->payload_nbytes);
}

/* The header's bytes as they are read, in order. */
typedef struct cursor {
    const uint8_t *buf;
    size_t n_bytes;
    size_t pos;
    uint64_t offset; /* of buf, in the archive */
    bool more;       /* ran out of bytes */
} cursor;

static bool has(cursor *c, size_t n) {
    if (!c->more && n > c->n_bytes - c->pos)
        c->more = true;
    return !c->more;
}

static az_status read_number(cursor *c, uint64_t *value, const char *what, az_error *error) {
    if (c->more)
        return AZ_OK;
    int n = az_varint_read(c->buf + c->pos, c->n_bytes - c->pos, value);
    if (n < 0)
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + c->pos,
                            "a block's %s is not a valid number", what);
    if (n == 0)
        c->more = true;
    c->pos += (size_t)n;
    return AZ_OK;
}

static void read_check(cursor *c, uint32_t *check) {
    if (!has(c, 4))
        return;
    *check = az_read_le32(c->buf + c->pos);
    c->pos += 4;
}

/* Mark, level byte and id: what block 0 lacks. */
static az_status read_mark(cursor *c, const az_frame *frame, az_error *error) {
    bool more;
    az_mark mark = az_mark_at(c->buf, c->n_bytes, &more);
    if (more) {
        c->more = true;
        return AZ_OK;
    }
    if (mark != AZ_MARK_BLOCK || c->buf[3] != az_frame_level_byte(frame))
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset, "a block's mark is missing");
    if (!has(c, 8))
        return AZ_OK;
    if (frame->id_known && az_read_le32(c->buf + 4) != frame->id)
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + 4,
                            "a block is of another archive: id %08lX, expected %08lX",
                            (unsigned long)az_read_le32(c->buf + 4), (unsigned long)frame->id);
    c->pos = 8;
    return AZ_OK;
}

static az_status read_flags(cursor *c, az_block_header *block, az_error *error) {
    if (!has(c, 1))
        return AZ_OK;
    uint8_t flags = c->buf[c->pos];
    if (flags & ~(BLOCK_LAST | BLOCK_STORED))
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + c->pos,
                            "a block's flags are 0x%02X; only 0 to 3 exist", flags);
    block->last = flags & BLOCK_LAST;
    block->stored = flags & BLOCK_STORED;
    c->pos++;
    return AZ_OK;
}

static az_status read_block_number(cursor *c, az_block_header *block, const az_frame *frame,
                                   uint64_t expected, az_error *error) {
    size_t at = c->pos;
    AZ_TRY(read_number(c, &block->number, "number", error));
    if (c->more)
        return AZ_OK;
    bool any = expected == UINT64_MAX;
    if (any ? block->number == 0 : block->number != expected)
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + at,
                            "block number %llu, expected %llu", (unsigned long long)block->number,
                            any ? 1ULL : (unsigned long long)expected);
    if (block->number >= UINT64_MAX >> frame->block_log2)
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + at,
                            "block number %llu is beyond 2^64 bytes of content",
                            (unsigned long long)block->number);
    return AZ_OK;
}

static az_status read_sizes(cursor *c, az_block_header *block, const az_frame *frame,
                            az_error *error) {
    uint64_t content = az_frame_block_nbytes(frame), payload = 0;
    size_t at = c->pos;
    if (block->last)
        AZ_TRY(read_number(c, &content, "content size", error));
    if (c->more)
        return AZ_OK;
    if (content > az_frame_block_nbytes(frame) || (content == 0 && block->number > 0))
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + at,
                            "a block holds %llu bytes; the block size is %lu",
                            (unsigned long long)content,
                            (unsigned long)az_frame_block_nbytes(frame));
    at = c->pos;
    payload = content;
    if (!block->stored)
        AZ_TRY(read_number(c, &payload, "payload size", error));
    if (c->more)
        return AZ_OK;
    if (!block->stored && payload >= content)
        return az_error_set(error, AZ_ERROR_DAMAGED, c->offset + at,
                            "a block of %llu bytes is coded in %llu; it has to be stored",
                            (unsigned long long)content, (unsigned long long)payload);
    block->content_nbytes = (uint32_t)content;
    block->payload_nbytes = (uint32_t)payload;
    return AZ_OK;
}

az_status az_block_header_read(az_block_header *block, const az_frame *frame, uint64_t number,
                               const uint8_t *buf, size_t n_bytes, uint64_t offset, size_t *n_used,
                               az_error *error) {
    az_block_header read = {0};
    cursor c = {.buf = buf, .n_bytes = n_bytes, .offset = offset};
    *n_used = 0;
    if (number > 0)
        AZ_TRY(read_mark(&c, frame, error));
    AZ_TRY(read_flags(&c, &read, error));
    if (number > 0)
        AZ_TRY(read_block_number(&c, &read, frame, number, error));
    AZ_TRY(read_sizes(&c, &read, frame, error));
    if (!read.stored)
        read_check(&c, &read.content_check);
    read_check(&c, &read.check);
    if (c.more)
        return AZ_OK;
    read.header_nbytes = (uint32_t)c.pos;
    *block = read;
    *n_used = c.pos;
    return AZ_OK;
}
