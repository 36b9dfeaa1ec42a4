/* container: headers, the index, and the look at a whole archive. */
#include "support.h"

#include "container/container.h"

static az_frame some_frame(void) {
    return (az_frame){.method = 1, .method_version = 1, .level = 3, .block_log2 = 16};
}

/* ---- Frame headers --------------------------------------------------------- */

static void every_frame_header_reads_as_written(void **state) {
    (void)state;
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        for (int log2 = AZ_BLOCK_LOG2_MIN; log2 <= AZ_BLOCK_LOG2_MAX; log2++) {
            az_frame frame = some_frame(), read;
            uint8_t buf[AZ_FRAME_HEADER_MAX];
            size_t n_used;
            frame.level = (uint8_t)level;
            frame.block_log2 = (uint8_t)log2;
            az_frame_header_write(buf, &frame);
            assert_int_equal(az_frame_header_read(&read, buf, sizeof buf, 0, &n_used, NULL), 0);
            assert_int_equal(n_used, AZ_FRAME_HEADER_NBYTES);
            assert_int_equal(read.level, level);
            assert_int_equal(az_frame_block_nbytes(&read), (uint32_t)1 << log2);
            assert_int_equal(az_frame_seed(&read), az_frame_seed(&frame));
        }
    }
}

static az_frame model_frame(void) {
    az_frame frame = some_frame();
    frame.has_model = true;
    for (int i = 0; i < AZ_MODEL_HASH_NBYTES; i++)
        frame.model.hash[i] = (uint8_t)(i * 7 + 1);
    frame.model.version = 3;
    frame.model.window = 2048;
    frame.model.overlap = 700;
    strcpy(frame.model.name, "some-model");
    return frame;
}

static void a_part_of_a_frame_header_needs_more(void **state) {
    (void)state;
    for (int with_model = 0; with_model < 2; with_model++) {
        az_frame frame = with_model ? model_frame() : some_frame(), read;
        uint8_t buf[AZ_FRAME_HEADER_MAX];
        size_t size = az_frame_header_write(buf, &frame);
        for (size_t n = 0; n < size; n++) {
            size_t n_used = 99;
            assert_int_equal(az_frame_header_read(&read, buf, n, 0, &n_used, NULL), AZ_OK);
            assert_int_equal(n_used, 0);
            size_t need = az_frame_header_need(buf, n);
            assert_in_range(need, AZ_FRAME_HEADER_NBYTES, size);
            assert_true(need > n);
        }
        assert_int_equal(az_frame_header_need(buf, size), size);
    }
}

static void a_model_is_read_as_written(void **state) {
    (void)state;
    az_frame frame = model_frame(), read;
    uint8_t buf[AZ_FRAME_HEADER_MAX];
    for (size_t name_nbytes = 0; name_nbytes < sizeof frame.model.name; name_nbytes++) {
        memset(frame.model.name, 'n', name_nbytes);
        frame.model.name[name_nbytes] = 0;
        size_t n_used, size = az_frame_header_write(buf, &frame);
        assert_int_equal(az_frame_header_read(&read, buf, size, 0, &n_used, NULL), AZ_OK);
        assert_int_equal(n_used, size);
        assert_true(read.has_model);
        assert_memory_equal(read.model.hash, frame.model.hash, AZ_MODEL_HASH_NBYTES);
        assert_string_equal(read.model.name, frame.model.name);
        assert_int_equal(read.model.version, 3);
        assert_int_equal(read.model.window, 2048);
        assert_int_equal(read.model.overlap, 700);
    }
}

/* The check has 8 bits: one in 256 gets by it, and is found by the blocks' checks. */
static void a_flipped_bit_in_a_model_is_found(void **state) {
    (void)state;
    az_frame frame = model_frame(), read;
    uint8_t buf[AZ_FRAME_HEADER_MAX];
    size_t size = az_frame_header_write(buf, &frame), missed = 0;
    for (size_t bit = AZ_FRAME_HEADER_NBYTES * 8; bit < size * 8; bit++) {
        uint8_t flipped[AZ_FRAME_HEADER_MAX] = {0};
        size_t n_used;
        az_error error = {0};
        memcpy(flipped, buf, size);
        flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        az_status status =
            az_frame_header_read(&read, flipped, sizeof flipped, 70, &n_used, &error);
        /* A longer length may ask for more than there is. */
        if (bit < (AZ_FRAME_HEADER_NBYTES + 1) * 8 && status == AZ_OK)
            assert_int_equal(n_used, 0);
        else if (status == AZ_OK)
            missed++;
        else
            assert_int_equal(status, AZ_ERROR_DAMAGED);
    }
    assert_in_range(missed, 0, size * 8 / 64);
}

/* A name that ends early, a window of 0, an overlap as large: with the right check. */
static void a_model_that_lies_is_refused(void **state) {
    (void)state;
    const struct {
        size_t at;
        uint8_t bytes[2];
    } lies[] = {
        {22, {0, 'x'}}, {18, {0x80, 0}}, {18, {0, 1}}, {20, {0x80, 0x10}}, {20, {0xff, 0xff}}};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        az_frame frame = model_frame(), read;
        uint8_t buf[AZ_FRAME_HEADER_MAX], *part = buf + AZ_FRAME_HEADER_NBYTES;
        size_t n_used, size = az_frame_header_write(buf, &frame);
        az_hash hash;
        memcpy(part + lies[i].at, lies[i].bytes, 2);
        az_hash_begin(&hash, az_frame_seed(&frame));
        az_hash_add(&hash, part, size - AZ_FRAME_HEADER_NBYTES - 1);
        buf[size - 1] = (uint8_t)az_hash_value(&hash);
        assert_int_equal(az_frame_header_read(&read, buf, size, 0, &n_used, NULL),
                         AZ_ERROR_DAMAGED);
    }
}

static void a_dictionary_is_read_as_written(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 127, 128, 65536, (uint32_t)AZ_DICTIONARY_NBYTES_MAX};
    for (size_t i = 0; i < 2 * 256 * COUNT(sizes); i++) {
        az_frame frame = i % 2 ? model_frame() : some_frame(), read;
        frame.has_dictionary = true;
        frame.dictionary.primer = (uint8_t)(i / 2 % 256);
        if (frame.dictionary.primer == 0) {
            memset(frame.dictionary.hash, (int)i, sizeof frame.dictionary.hash);
            frame.dictionary.n_bytes = sizes[i / 512];
        }
        uint8_t buf[AZ_FRAME_HEADER_MAX];
        size_t n_used, size = az_frame_header_write(buf, &frame);
        for (size_t n = 0; n < size; n++) {
            assert_int_equal(az_frame_header_read(&read, buf, n, 0, &n_used, NULL), AZ_OK);
            assert_int_equal(n_used, 0);
            assert_in_range(az_frame_header_need(buf, n), n + 1, size);
        }
        assert_int_equal(az_frame_header_read(&read, buf, size, 0, &n_used, NULL), AZ_OK);
        assert_int_equal(n_used, size);
        assert_int_equal(read.has_model, i % 2);
        assert_memory_equal(&read.dictionary, &frame.dictionary, sizeof read.dictionary);
    }
}

/* No size, a size too large, a number in more bytes than it needs, bytes left over: with the right
 * check. */
static void a_dictionary_that_lies_is_refused(void **state) {
    (void)state;
    static const uint8_t lies[][7] = {{9},
                                      {10, 0},
                                      {11, 0x80, 0},
                                      {14, 0x81, 0x80, 0x80, 0x80, 2},
                                      {14, 0xff, 0xff, 0xff, 0xff, 0x0f},
                                      {11, 5, 5}};
    for (size_t i = 0; i < COUNT(lies); i++) {
        az_frame frame = some_frame(), read;
        frame.has_dictionary = true;
        uint8_t buf[AZ_FRAME_HEADER_MAX], *note = buf + AZ_FRAME_HEADER_NBYTES;
        size_t n_used, n = (size_t)1 + lies[i][0];
        az_frame_header_write(buf, &frame);
        note[0] = lies[i][0];
        memcpy(note + 10, lies[i] + 1, 5);
        az_hash hash;
        az_hash_begin(&hash, az_frame_seed(&frame));
        az_hash_add(&hash, note, n);
        note[n] = (uint8_t)az_hash_value(&hash);
        assert_int_equal(
            az_frame_header_read(&read, buf, AZ_FRAME_HEADER_NBYTES + n + 1, 0, &n_used, NULL),
            AZ_ERROR_DAMAGED);
    }
}

/* The check has 8 bits: no single bit gets by it. */
static void a_flipped_bit_in_a_frame_header_is_found(void **state) {
    (void)state;
    az_frame frame = some_frame(), read;
    for (int bit = 0; bit < AZ_FRAME_HEADER_NBYTES * 8; bit++) {
        uint8_t buf[AZ_FRAME_HEADER_MAX];
        size_t n_used;
        az_error error = {0};
        az_frame_header_write(buf, &frame);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        az_status status = az_frame_header_read(&read, buf, sizeof buf, 70, &n_used, &error);
        assert_int_equal(status, bit < 32 ? AZ_ERROR_FORMAT
                                 : bit == 36 || bit == 37
                                     ? AZ_ERROR_DAMAGED /* flags of notes: those are missing */
                                 : bit < 40 ? AZ_ERROR_VERSION
                                            : AZ_ERROR_DAMAGED);
        assert_int_equal(error.status, status);
        assert_in_range(error.offset, 70, 70 + AZ_FRAME_HEADER_NBYTES);
    }
}

static void only_existing_level_bytes_are_taken(void **state) {
    (void)state;
    int n = 0;
    for (int byte = 0; byte < 256; byte++) {
        az_frame frame = some_frame();
        if (az_frame_set_level_byte(&frame, (uint8_t)byte)) {
            assert_int_equal(az_frame_level_byte(&frame), byte);
            n++;
        }
    }
    assert_int_equal(n, 9 * 11);
}

/* ---- Block headers ------------------------------------------------------------ */

static az_block_header some_block(uint64_t number, bool last, bool stored, uint32_t content) {
    az_block_header block = {.number = number, .last = last, .stored = stored};
    block.content_nbytes = content;
    block.payload_nbytes = stored ? content : content / 3;
    block.content_check = stored ? 0 : 0x12345678;
    return block;
}

static void every_block_header_reads_as_written(void **state) {
    (void)state;
    static const uint64_t numbers[] = {0, 1, 127, 128, 1 << 20, (UINT64_MAX >> 16) - 1};
    uint8_t *payload = make_content(KIND_NOISE, 1 << 16, 1);
    for (unsigned i = 0; i < 4 * COUNT(numbers); i++) {
        az_frame frame = some_frame();
        bool last = i & 1;
        az_block_header block = some_block(numbers[i / 4], last, i & 2, last ? 5000 : 1 << 16),
                        read;
        uint8_t buf[AZ_BLOCK_HEADER_MAX];
        size_t n_used;
        frame.id = 0xABCD;
        frame.id_known = true;
        size_t n = az_block_header_write(buf, &frame, &block, payload);
        for (size_t part = 0; part < n; part++) {
            assert_int_equal(
                az_block_header_read(&read, &frame, block.number, buf, part, 0, &n_used, NULL), 0);
            assert_int_equal(n_used, 0);
        }
        assert_int_equal(
            az_block_header_read(&read, &frame, block.number, buf, n, 0, &n_used, NULL), AZ_OK);
        assert_int_equal(n_used, n);
        assert_int_equal(read.number, block.number);
        assert_int_equal(read.last, block.last);
        assert_int_equal(read.stored, block.stored);
        assert_int_equal(read.content_nbytes, block.content_nbytes);
        assert_int_equal(read.payload_nbytes, block.payload_nbytes);
        assert_int_equal(read.content_check, block.content_check);
        assert_int_equal(read.check, block.check);
    }
    free(payload);
}

static void a_block_of_another_frame_or_number_is_refused(void **state) {
    (void)state;
    az_frame frame = some_frame();
    az_block_header block = some_block(5, false, false, 1 << 16), read;
    uint8_t *payload = make_content(KIND_NOISE, 1 << 16, 1);
    uint8_t buf[AZ_BLOCK_HEADER_MAX];
    size_t n_used;
    frame.id = 1;
    frame.id_known = true;
    size_t n = az_block_header_write(buf, &frame, &block, payload);
    assert_int_equal(az_block_header_read(&read, &frame, 4, buf, n, 0, &n_used, NULL),
                     AZ_ERROR_DAMAGED);
    assert_int_equal(az_block_header_read(&read, &frame, UINT64_MAX, buf, n, 0, &n_used, NULL), 0);
    frame.id = 2;
    assert_int_equal(az_block_header_read(&read, &frame, 5, buf, n, 0, &n_used, NULL),
                     AZ_ERROR_DAMAGED);
    frame.id = 1;
    frame.level++;
    assert_int_equal(az_block_header_read(&read, &frame, 5, buf, n, 0, &n_used, NULL),
                     AZ_ERROR_DAMAGED);
    free(payload);
}

/* Whatever bytes come: a header that is taken has sizes within the block size,
 * and is at most AZ_BLOCK_HEADER_MAX long. */
static void hostile_block_headers_stay_within_bounds(void **state) {
    (void)state;
    uint64_t dice = 7;
    az_frame frame = some_frame();
    for (int i = 0; i < REPEATS(2000000, 200000); i++) {
        uint8_t buf[AZ_BLOCK_HEADER_MAX];
        az_block_header block;
        size_t n_used, n = rnd_below(&dice, sizeof buf + 1);
        uint64_t number = i % 3 == 0 ? 0 : i % 3 == 1 ? UINT64_MAX : 3;
        for (size_t j = 0; j < n; j++)
            buf[j] = (uint8_t)(rnd(&dice) >> (rnd(&dice) % 3 == 0 ? 62 : 40));
        if (n >= 4 && i % 3 > 0)
            memcpy(buf,
                   "\x9A"
                   "BK\x03",
                   4);
        if (az_block_header_read(&block, &frame, number, buf, n, 0, &n_used, NULL) != AZ_OK ||
            n_used == 0)
            continue;
        assert_true(n_used <= n && block.header_nbytes == n_used);
        assert_true(block.content_nbytes <= 1 << 16);
        assert_true(block.stored ? block.payload_nbytes == block.content_nbytes
                                 : block.payload_nbytes < block.content_nbytes);
        assert_true(block.last || block.content_nbytes == 1 << 16);
    }
}

static void a_flipped_bit_in_a_block_is_found(void **state) {
    (void)state;
    az_frame frame = some_frame();
    az_block_header block = some_block(0, true, false, 300), read;
    uint8_t *payload = make_content(KIND_NOISE, 100, 1);
    uint8_t buf[AZ_BLOCK_HEADER_MAX + 100 + 64];
    size_t n_used, n = az_block_header_write(buf, &frame, &block, payload);
    memcpy(buf + n, payload, 100);
    assert_true(az_block_is_whole(&block, &frame, buf));
    for (size_t bit = 0; bit < (n + 100) * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool whole = az_block_header_read(&read, &frame, 0, buf, n + 100, 0, &n_used, NULL) == 0 &&
                     n_used > 0 && n_used + read.payload_nbytes <= n + 100 &&
                     az_block_is_whole(&read, &frame, buf);
        assert_false(whole);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(payload);
}

/* ---- The index -------------------------------------------------------------------- */

typedef struct index_case {
    az_heap *heap;
    az_frame frame;
    az_index_writer writer;
    uint64_t blocks_nbytes;
    az_hash entries;
} index_case;

static void make_index(index_case *c, uint64_t n_blocks) {
    uint8_t *payload = make_content(KIND_NOISE, 1 << 16, 1);
    memset(c, 0, sizeof *c);
    assert_int_equal(az_heap_open(&c->heap, NULL, NULL), AZ_OK);
    c->frame = some_frame();
    az_hash_begin(&c->entries, 0);
    for (uint64_t i = 0; i < n_blocks; i++) {
        bool last = i == n_blocks - 1;
        az_block_header block = some_block(i, last, i % 5 == 4, last ? 777 : 1 << 16);
        uint8_t buf[AZ_BLOCK_HEADER_MAX];
        c->blocks_nbytes += az_block_header_write(buf, &c->frame, &block, payload);
        c->blocks_nbytes += block.payload_nbytes;
        az_index_hash_block(&c->entries, &block);
        assert_int_equal(az_index_writer_add(&c->writer, c->heap, &block, NULL), AZ_OK);
    }
    assert_int_equal(az_index_writer_finish(&c->writer, c->heap, &c->frame, NULL), AZ_OK);
    free(payload);
}

static void free_index(index_case *c) {
    az_index_writer_close(&c->writer, c->heap);
    az_heap_close(&c->heap);
}

/* Reads it in pieces of `step`; the bytes used, or 0 if it is not whole. */
static size_t read_index(az_index_reader *index, const az_frame *frame, const uint8_t *buf,
                         size_t n, size_t step) {
    size_t pos = 0, n_used;
    az_index_reader_begin(index, frame);
    while (pos < n && !index->done) {
        size_t piece = n - pos < step ? n - pos : step;
        if (az_index_reader_take(index, buf + pos, piece, pos, &n_used, NULL) != AZ_OK)
            return 0;
        pos += n_used;
    }
    return index->done ? pos : 0;
}

static void an_index_tells_what_the_blocks_are(void **state) {
    (void)state;
    static const uint64_t counts[] = {2, 3, 128, 1000};
    static const size_t steps[] = {1, 2, 3, 7, 4096};
    for (size_t i = 0; i < COUNT(counts) * COUNT(steps); i++) {
        index_case c;
        az_index_reader index;
        make_index(&c, counts[i / COUNT(steps)]);
        const uint8_t *buf = c.writer.buf + c.writer.start;
        size_t n = c.writer.n_bytes - c.writer.start;
        assert_int_equal(read_index(&index, &c.frame, buf, n, steps[i % COUNT(steps)]), n);
        assert_int_equal(index.n_blocks, counts[i / COUNT(steps)]);
        assert_int_equal(index.last_nbytes, 777);
        assert_int_equal(index.content_nbytes, (index.n_blocks - 1) * 65536 + 777);
        assert_int_equal(index.blocks_nbytes, c.blocks_nbytes);
        assert_int_equal(index.n_stored, index.n_blocks / 5);
        assert_int_equal(az_hash_value(&index.entries), az_hash_value(&c.entries));
        assert_int_equal(az_index_nbytes(buf + n - AZ_INDEX_END_NBYTES), n);
        az_frame settings;
        assert_true(az_index_settings(&settings, buf + n - AZ_INDEX_TAIL_NBYTES));
        assert_int_equal(az_frame_seed(&settings), az_frame_seed(&c.frame));
        free_index(&c);
    }
}

static void a_damaged_or_cut_index_is_refused(void **state) {
    (void)state;
    index_case c;
    az_index_reader index;
    make_index(&c, 9);
    uint8_t *buf = c.writer.buf + c.writer.start;
    size_t n = c.writer.n_bytes - c.writer.start;
    for (size_t bit = 0; bit < n * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(read_index(&index, &c.frame, buf, n, 4096), 0);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(read_index(&index, &c.frame, buf, cut, 4096), 0);
    c.frame.level = 4;
    assert_int_equal(read_index(&index, &c.frame, buf, n, 4096), 0);
    free_index(&c);
}

static void hostile_indexes_are_read_to_their_end_or_refused(void **state) {
    (void)state;
    uint64_t dice = 5;
    az_frame frame = some_frame();
    for (int i = 0; i < REPEATS(20000, 2000); i++) {
        uint8_t buf[300];
        az_index_reader index;
        for (size_t j = 0; j < sizeof buf; j++)
            buf[j] = (uint8_t)(rnd(&dice) >> (rnd(&dice) % 2 ? 40 : 62));
        memcpy(buf, "\x9AIXD", 4);
        assert_int_equal(read_index(&index, &frame, buf, sizeof buf, 1 + i % 100), 0);
        assert_false(index.done);
    }
}

/* ---- A look at whole archives --------------------------------------------------------- */

typedef struct reading {
    const uint8_t *data;
    size_t n;
    size_t n_calls;
    size_t fail_at; /* this call fails, counted from 1 */
} reading;

static int read_at(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    reading *r = opaque;
    assert_true(offset <= r->n && n_bytes <= r->n - offset);
    memcpy(buf, r->data + offset, n_bytes);
    return ++r->n_calls == r->fail_at;
}

static az_status count_frame(void *opaque, const az_frame *frame, uint64_t offset,
                             uint32_t largest_nbytes, az_error *error) {
    (void)frame, (void)offset, (void)largest_nbytes, (void)error;
    ++*(int *)opaque;
    return AZ_OK;
}

/* Three frames: of 1, 5 and 2 blocks. */
static bytes three_frames(void) {
    static const size_t sizes[] = {1000, 5 * 65536 - 1, 65537};
    bytes all = {malloc(1), 0};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *content = make_content(KIND_NOISE, sizes[i], i);
        all = joined(all, archive_of((trip){0}, content, sizes[i]));
        free(content);
    }
    return all;
}

static void both_ways_of_looking_agree(void **state) {
    (void)state;
    bytes all = three_frames();
    for (int use_index = 0; use_index < 2; use_index++) {
        reading r = {.data = all.data, .n = all.n};
        az_archive_sums sums;
        int n_seen = 0;
        assert_int_equal(
            az_archive_sum(&sums, use_index, read_at, &r, all.n, count_frame, &n_seen, NULL),
            AZ_OK);
        assert_int_equal(n_seen, 3);
        assert_int_equal(sums.n_archives, 3);
        assert_int_equal(sums.n_blocks, 8);
        assert_int_equal(sums.n_stored_blocks, 8);
        assert_int_equal(sums.content_nbytes, 1000 + 5 * 65536 - 1 + 65537);
    }
    free(all.data);
}

static void a_failed_read_is_an_error_wherever_it_happens(void **state) {
    (void)state;
    bytes all = three_frames();
    for (int use_index = 0; use_index < 2; use_index++) {
        for (size_t fail_at = 1;; fail_at++) {
            reading r = {.data = all.data, .n = all.n, .fail_at = fail_at};
            az_archive_sums sums;
            int n_seen = 0;
            az_error error = {0};
            az_status status =
                az_archive_sum(&sums, use_index, read_at, &r, all.n, count_frame, &n_seen, &error);
            if (status == AZ_OK) {
                assert_true(r.n_calls < fail_at && fail_at > 3);
                break;
            }
            assert_int_equal(status, AZ_ERROR_READ);
            assert_int_equal(error.status, AZ_ERROR_READ);
        }
    }
    free(all.data);
}

static void a_look_reads_no_block_contents(void **state) {
    (void)state;
    size_t n = 40 * 65536;
    uint8_t *content = make_content(KIND_NOISE, n, 1);
    bytes archive = archive_of((trip){0}, content, n);
    reading r = {.data = archive.data, .n = archive.n};
    az_archive_sums sums;
    int n_seen = 0;
    assert_int_equal(
        az_archive_sum(&sums, true, read_at, &r, archive.n, count_frame, &n_seen, NULL), AZ_OK);
    assert_int_equal(sums.n_blocks, 40);
    assert_true(r.n_calls <= 4); /* tail, index, start */
    free(archive.data);
    free(content);
}

static void cut_or_flipped_archives_never_make_a_look_fail_otherwise(void **state) {
    (void)state;
    bytes all = three_frames();
    uint64_t dice = 3;
    uint8_t *copy = malloc(all.n);
    for (int i = 0; i < REPEATS(3000, 500); i++) {
        size_t n = i % 2 ? all.n : rnd_below(&dice, all.n + 1);
        memcpy(copy, all.data, all.n);
        for (int j = i % 7; j > 0; j--)
            copy[j % 2 ? rnd_below(&dice, all.n) : all.n - 1 - rnd_below(&dice, 60)] ^=
                (uint8_t)(1 + rnd_below(&dice, 255));
        reading r = {.data = copy, .n = n};
        az_archive_sums sums;
        int n_seen = 0;
        az_error error = {0};
        az_status status =
            az_archive_sum(&sums, i % 3 > 0, read_at, &r, n, count_frame, &n_seen, &error);
        assert_true(status == AZ_OK || error.status == status);
        assert_true(status == AZ_OK || status == AZ_ERROR_FORMAT || status == AZ_ERROR_VERSION ||
                    status == AZ_ERROR_DAMAGED || status == AZ_ERROR_TRUNCATED);
        assert_true(r.n_calls < 100);
    }
    free(copy);
    free(all.data);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_header_reads_as_written),
        cmocka_unit_test(a_part_of_a_frame_header_needs_more),
        cmocka_unit_test(a_dictionary_is_read_as_written),
        cmocka_unit_test(a_dictionary_that_lies_is_refused),
        cmocka_unit_test(a_flipped_bit_in_a_frame_header_is_found),
        cmocka_unit_test(a_model_is_read_as_written),
        cmocka_unit_test(a_flipped_bit_in_a_model_is_found),
        cmocka_unit_test(a_model_that_lies_is_refused),
        cmocka_unit_test(only_existing_level_bytes_are_taken),
        cmocka_unit_test(every_block_header_reads_as_written),
        cmocka_unit_test(a_block_of_another_frame_or_number_is_refused),
        cmocka_unit_test(hostile_block_headers_stay_within_bounds),
        cmocka_unit_test(a_flipped_bit_in_a_block_is_found),
        cmocka_unit_test(an_index_tells_what_the_blocks_are),
        cmocka_unit_test(a_damaged_or_cut_index_is_refused),
        cmocka_unit_test(hostile_indexes_are_read_to_their_end_or_refused),
        cmocka_unit_test(both_ways_of_looking_agree),
        cmocka_unit_test(a_failed_read_is_an_error_wherever_it_happens),
        cmocka_unit_test(a_look_reads_no_block_contents),
        cmocka_unit_test(cut_or_flipped_archives_never_make_a_look_fail_otherwise),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
