/* codec: round trips however they are cut, damage, memory, threads. */
#include "support.h"

#include "codec/codec.h"

/* ---- Round trips ------------------------------------------------------------- */

static void round_trip(trip t, const uint8_t *content, size_t n) {
    bytes archive = archive_of(t, content, n);
    check_archive(t, archive, content, n);
    free(archive.data);
}

static void small_sizes_of_every_kind_come_back_at_every_level(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 1500};
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        for (kind k = 0; k < N_KINDS; k++) {
            for (size_t i = 0; i < COUNT(sizes); i++) {
                uint8_t *content = make_content(k, sizes[i], i);
                round_trip((trip){.level = level}, content, sizes[i]);
                free(content);
            }
        }
    }
}

static void sizes_around_the_block_size_come_back(void **state) {
    (void)state;
    static const size_t sizes[] = {BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1};
    for (kind k = 0; k < N_KINDS; k++) {
        for (size_t i = 0; i < (SLOW_BUILD ? 3 : COUNT(sizes)); i++) {
            uint8_t *content = make_content(k, sizes[i], i);
            round_trip((trip){0}, content, sizes[i]);
            free(content);
        }
    }
}

static void a_block_comes_back_at_every_level(void **state) {
    (void)state;
    size_t n = REPEATS(50000, 5000);
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        uint8_t *content = make_content(level % 2 ? KIND_TEXT : KIND_MATCHES, n, 1);
        round_trip((trip){.level = level}, content, n);
        free(content);
    }
}

/* Three blocks: noise, text, text. */
static uint8_t *mixed_content(size_t n) {
    uint8_t *content = make_content(KIND_TEXT, n, 3);
    uint8_t *noise = make_content(KIND_NOISE, n < BLOCK ? n : BLOCK, 4);
    memcpy(content, noise, n < BLOCK ? n : BLOCK);
    free(noise);
    return content;
}

static void same_archive_for_any_buffer_sizes(void **state) {
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 4096, SIZE_MAX};
    size_t n = 2 * BLOCK + 5000;
    uint8_t *content = mixed_content(n);
    bytes want = archive_of((trip){0}, content, n);
    for (size_t i = 0; i < COUNT(steps); i++) {
        for (int known = 0; known < 2; known++) {
            trip t = {.in_step = steps[i], .out_step = steps[COUNT(steps) - 1 - i]};
            t.content_size_known = known;
            bytes got = archive_of(t, content, n);
            check_bytes(got, want.data, want.n);
            free(got.data);
        }
    }
    free(want.data);
    free(content);
}

static void same_content_for_any_buffer_sizes(void **state) {
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 4096, SIZE_MAX};
    size_t n = 2 * BLOCK + 5000;
    uint8_t *content = mixed_content(n);
    bytes archive = archive_of((trip){0}, content, n);
    for (size_t i = 0; i < COUNT(steps); i++) {
        for (int salvage = 0; salvage < 2; salvage++) {
            trip t = {.in_step = steps[i], .out_step = steps[COUNT(steps) - 1 - i]};
            t.salvage = salvage;
            check_archive(t, archive, content, n);
        }
    }
    free(archive.data);
    free(content);
}

static void same_bytes_for_any_thread_count(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 5};
    size_t n = REPEATS(9, 5) * BLOCK + 12345;
    uint8_t *content = mixed_content(n);
    bytes want = {0};
    for (size_t i = 0; i < COUNT(threads); i++) {
        trip t = {.threads = threads[i], .in_step = i == 1 ? SIZE_MAX : 0, .out_step = SIZE_MAX};
        bytes got = archive_of(t, content, n);
        if (i == 0) {
            want = got;
            continue;
        }
        check_bytes(got, want.data, want.n);
        check_archive(t, got, content, n);
        free(got.data);
    }
    free(want.data);
    free(content);
}

/* ---- What it costs ----------------------------------------------------------------- */

static void noise_grows_by_64_bytes_and_a_ten_thousandth_at_most(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 10, 1000, BLOCK, BLOCK + 1, 3 * BLOCK, 4 * BLOCK + 3};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *content = make_content(KIND_NOISE, sizes[i], i);
        /* The level's own block size is at least 2^20. */
        bytes archive = archive_of((trip){.block_size = 1 << 20}, content, sizes[i]);
        assert_true(archive.n <= sizes[i] + 64 + sizes[i] / 10000);
        free(archive.data);
        archive = archive_of((trip){0}, content, sizes[i]);
        assert_true(archive.n <= sizes[i] + 64 + (sizes[i] / BLOCK + 1) * 34);
        free(archive.data);
        free(content);
    }
}

static void the_frame_of_a_small_block_takes_26_bytes_at_most(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_NOISE, 1000, 1);
    for (size_t n = 0; n <= 1000; n += 1 + n / 10) {
        bytes archive = archive_of((trip){0}, content, n);
        assert_true(archive.n <= n + 26);
        free(archive.data);
    }
    free(content);
    /* And where it is coded: 26 bytes that are not payload. */
    content = make_content(KIND_TEXT, 1000, 1);
    bytes archive = archive_of((trip){0}, content, 1000);
    az_frame frame;
    az_block_header block;
    size_t used;
    assert_int_equal(az_frame_header_read(&frame, archive.data, archive.n, 0, &used, NULL), AZ_OK);
    assert_int_equal(az_block_header_read(&block, &frame, 0, archive.data + used, archive.n - used,
                                          0, &used, NULL),
                     AZ_OK);
    assert_false(block.stored);
    assert_true(archive.n - block.payload_nbytes <= 26);
    free(archive.data);
    free(content);
}

static void noise_is_told_from_what_can_be_coded(void **state) {
    (void)state;
    size_t n = AZ_NOISE_MIN_NBYTES + 12345, scratch_nbytes = 600000;
    uint8_t *content = make_content(KIND_NOISE, n, 1), *copy = malloc(n);
    uint8_t *text = make_content(KIND_TEXT, 400, 1);
    uint32_t *scratch = malloc(scratch_nbytes);
    for (uint64_t seed = 2; seed < 12; seed++) {
        uint8_t *other = make_content(KIND_NOISE, n, seed);
        assert_true(az_is_noise(other, n, scratch, scratch_nbytes));
        free(other);
    }
    for (size_t at = 0; at + 1000 <= n; at += n / 5 - 101) {
        memcpy(copy, content, n); /* a little text */
        memcpy(copy + at, text, 400);
        assert_false(az_is_noise(copy, n, scratch, scratch_nbytes));
        memcpy(copy, content, n); /* a few zeros */
        memset(copy + at, 0, 130);
        assert_false(az_is_noise(copy, n, scratch, scratch_nbytes));
        memcpy(copy, content, n); /* a repeat */
        memmove(copy + at, copy + (at + n / 2 + 3) % (n - 1000), 1000);
        assert_false(az_is_noise(copy, n, scratch, scratch_nbytes));
    }
    for (size_t i = 0; i + 1 < n; i += 20) /* every 20th byte follows from its neighbour */
        content[i + 1] = content[i] ^ 0x55;
    assert_false(az_is_noise(content, n, scratch, scratch_nbytes));
    free(scratch);
    free(text);
    free(copy);
    free(content);
}

static void what_follows_noise_is_still_coded(void **state) {
    (void)state;
    size_t n = 1 << 20, n_noise = 200000;
    uint8_t *content = make_content(KIND_ZEROS, n, 1);
    uint8_t *noise = make_content(KIND_NOISE, n_noise, 1);
    memcpy(content, noise, n_noise);
    if (!SLOW_BUILD) {
        bytes archive = archive_of((trip){.block_size = 1 << 20}, content, n);
        assert_true(archive.n < n_noise + n_noise / 50);
        free(archive.data);
    }
    free(noise);
    free(content);
}

/* ---- Concatenation ------------------------------------------------------------------- */

static void concatenated_archives_give_concatenated_content(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 0, BLOCK + 7, 300, 0};
    static const size_t steps[] = {0, 1, SIZE_MAX};
    bytes archives = {malloc(1), 0}, content = {malloc(1), 0};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        bytes piece = {make_content(i % 2 ? KIND_TEXT : KIND_NOISE, sizes[i], i), sizes[i]};
        trip t = {.level = 1 + (int)i % 2, .block_size = BLOCK << i % 3};
        archives = joined(archives, archive_of(t, piece.data, piece.n));
        content = joined(content, piece);
    }
    for (size_t i = 0; i < COUNT(steps); i++) {
        for (int threads = 1; threads < 4; threads++) {
            trip t = {.in_step = steps[i], .out_step = steps[i], .threads = threads};
            check_archive(t, archives, content.data, content.n);
            t.salvage = 1;
            check_archive(t, archives, content.data, content.n);
        }
    }
    free(archives.data);
    free(content.data);
}

/* ---- Damage --------------------------------------------------------------------------- */

/* An error, with nothing but the content's start given out, or the content. */
static void check_damaged(trip t, const uint8_t *archive, size_t n_archive, const uint8_t *content,
                          size_t n) {
    bytes out;
    az_error error = {0};
    az_status status = decode(t, archive, n_archive, &out, &error);
    assert_true(out.n <= n);
    if (out.n > 0)
        assert_memory_equal(out.data, content, out.n);
    if (status == AZ_OK) {
        assert_int_equal(out.n, n);
    } else {
        assert_int_equal(error.status, status);
        assert_true(status == AZ_ERROR_FORMAT || status == AZ_ERROR_VERSION ||
                    status == AZ_ERROR_DAMAGED || status == AZ_ERROR_TRUNCATED);
        assert_true(strlen(error.text) > 10 && !strchr(error.text, '\n'));
        assert_true(error.offset <= n_archive);
    }
    free(out.data);
}

static void each_flipped_bit_of_a_small_archive_is_found(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 600, 1);
    bytes archive = archive_of((trip){0}, content, 600);
    for (size_t bit = 0; bit < archive.n * 8; bit += REPEATS(1, 5)) {
        bytes out;
        archive.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(decode((trip){0}, archive.data, archive.n, &out, NULL), AZ_OK);
        assert_int_equal(out.n, 0);
        free(out.data);
        archive.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(archive.data);
    free(content);
}

static void each_truncation_of_a_small_archive_is_found(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 600, 1);
    bytes archive = archive_of((trip){0}, content, 600);
    for (size_t n = 0; n < archive.n; n++) {
        bytes out;
        az_error error;
        uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees a step beyond */
        memcpy(copy, archive.data, n);
        copy = realloc(copy, n ? n : 1);
        assert_int_equal(decode((trip){0}, copy, n, &out, &error), AZ_ERROR_TRUNCATED);
        assert_int_equal(out.n, 0);
        free(out.data);
        free(copy);
    }
    free(archive.data);
    free(content);
}

static void bursts_in_an_archive_never_give_wrong_content(void **state) {
    (void)state;
    size_t n;
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    uint8_t *copy = malloc(archive.n);
    uint64_t dice = 11;
    for (int i = 0; i < REPEATS(100, 15); i++) {
        memcpy(copy, archive.data, archive.n);
        size_t len = 1 + rnd_below(&dice, i % 2 ? 8 : 5000);
        size_t at = i % 3 ? rnd_below(&dice, archive.n) : archive.n - 1 - rnd_below(&dice, 100);
        for (size_t j = at; j < at + len && j < archive.n; j++)
            copy[j] = i % 5 ? (uint8_t)rnd(&dice) : 0;
        check_damaged((trip){.threads = 1 + i % 2}, copy, archive.n, content, n);
    }
    free(copy);
    free(archive.data);
    free(content);
}

static void cut_archives_of_several_blocks_are_found(void **state) {
    (void)state;
    size_t n;
    uint8_t *content;
    bytes archive = five_blocks(&content, &n);
    for (size_t cut = 1; cut < archive.n; cut += cut < 80 ? 1 : 20011) {
        bytes out;
        assert_int_equal(decode((trip){0}, archive.data, archive.n - cut, &out, NULL),
                         AZ_ERROR_TRUNCATED);
        free(out.data);
    }
    free(archive.data);
    free(content);
}

static void bytes_after_the_archive_are_refused(void **state) {
    (void)state;
    for (size_t n_more = 1; n_more < 20; n_more++) {
        bytes more = {make_content(KIND_ZEROS, n_more, 1), n_more}, out;
        bytes archive = joined(archive_of((trip){0}, (const uint8_t *)"abc", 3), more);
        az_error error;
        assert_int_equal(decode((trip){0}, archive.data, archive.n, &out, &error), AZ_ERROR_FORMAT);
        assert_int_equal(out.n, 3);
        assert_int_equal(error.offset, archive.n - n_more);
        free(out.data);
        free(archive.data);
    }
}

/* Noise behind a right frame header, or made of the format's own marks. */
static void hostile_archives_are_refused(void **state) {
    (void)state;
    uint64_t dice = 17;
    uint8_t *content = make_content(KIND_NOISE, 3000, 1);
    bytes seed = archive_of((trip){0}, content, 3000);
    for (int i = 0; i < REPEATS(20000, 2000); i++) {
        uint8_t buf[400];
        bytes out;
        for (size_t j = 0; j < sizeof buf; j++)
            buf[j] = (uint8_t)(rnd(&dice) >> (rnd(&dice) % 2 ? 40 : 62));
        memcpy(buf, seed.data, AZ_FRAME_HEADER_NBYTES);
        for (int j = 0; i % 2 && j < 8; j++)
            memcpy(buf + rnd_below(&dice, sizeof buf - 4),
                   j % 2 ? "\x9A"
                           "BK\x01"
                         : "\x9AIXD",
                   4);
        az_status status = decode((trip){.salvage = i % 4 == 3}, buf, sizeof buf, &out, NULL);
        assert_true(i % 4 == 3 ? status == AZ_OK : status != AZ_OK);
        assert_int_equal(out.n, 0);
        free(out.data);
    }
    free(seed.data);
    free(content);
}

/* ---- Memory, threads, progress --------------------------------------------------------------- */

typedef struct counted {
    size_t in_use, peak;
} counted;

static void *counted_alloc(void *opaque, size_t n_bytes) {
    counted *c = opaque;
    size_t *p = malloc(n_bytes + 64);
    if (!p)
        return NULL;
    p[0] = n_bytes;
    size_t in_use = __atomic_add_fetch(&c->in_use, n_bytes, __ATOMIC_SEQ_CST);
    if (in_use > c->peak)
        c->peak = in_use; /* only the calling thread allocates */
    return (uint8_t *)p + 64;
}

static void counted_free(void *opaque, void *ptr) {
    counted *c = opaque;
    size_t *p = (size_t *)((uint8_t *)ptr - 64);
    __atomic_sub_fetch(&c->in_use, p[0], __ATOMIC_SEQ_CST);
    free(p);
}

static void the_memory_limit_is_kept_with_fewer_threads(void **state) {
    (void)state;
    size_t n = REPEATS(6, 4) * BLOCK;
    uint8_t *content = mixed_content(n);
    bytes want = archive_of((trip){0}, content, n);
    az_encoder *e = NULL;
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_LEVEL, 1, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_BLOCK_SIZE, BLOCK, NULL), AZ_OK);
    uint64_t one = az_encoder_memory(e, UINT64_MAX);
    az_encoder_close(&e);
    for (int i = 0; i < 4; i++) {
        counted c = {0};
        az_allocator allocator = {counted_alloc, counted_free, &c};
        trip t = {.threads = 5, .allocator = &allocator};
        t.memory_limit = (int64_t)(one + one * (uint64_t)i * 2 / 3);
        bytes got = archive_of(t, content, n);
        check_bytes(got, want.data, want.n);
        assert_true(c.in_use == 0 && c.peak <= (size_t)t.memory_limit);
        c.peak = 0;
        check_archive(t, got, content, n);
        assert_true(c.in_use == 0 && c.peak <= (size_t)t.memory_limit);
        free(got.data);
    }
    free(want.data);
    free(content);
}

static void too_small_a_memory_limit_is_refused_with_the_numbers(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 3000, 1);
    bytes archive = archive_of((trip){.level = 3}, content, 3000), out;
    for (int known = 0; known < 2; known++) {
        az_error error = {0};
        trip t = {.level = 3, .memory_limit = 150000, .content_size_known = known};
        assert_int_equal(encode(t, content, 3000, &out, &error), AZ_ERROR_MEMORY_LIMIT);
        assert_non_null(strstr(error.text, "150000"));
        assert_non_null(strstr(error.text, "level 3 needs "));
        free(out.data);
        assert_int_equal(decode(t, archive.data, archive.n, &out, &error), AZ_ERROR_MEMORY_LIMIT);
        assert_non_null(strstr(error.text, "150000"));
        assert_non_null(strstr(error.text, "level 3 needs "));
        assert_int_equal(out.n, 0);
        free(out.data);
    }
    free(archive.data);
    free(content);
}

/* Memory follows what has arrived, not what a header promises. */
static void promised_sizes_take_no_memory(void **state) {
    (void)state;
    uint8_t buf[200] = {0};
    az_frame frame = {.method = 1, .level = 1, .block_log2 = 26};
    bytes small = archive_of((trip){0}, (const uint8_t *)"x", 1), out;
    frame.method_version = small.data[6];
    free(small.data);
    az_frame_header_write(buf, &frame);
    az_block_header block = {.stored = true, .content_nbytes = 1 << 26};
    uint8_t head[AZ_BLOCK_HEADER_MAX];
    block.payload_nbytes = 0; /* of the check, which is wrong anyway */
    memcpy(buf + AZ_FRAME_HEADER_NBYTES, head, az_block_header_write(head, &frame, &block, buf));
    for (int salvaging = 0; salvaging < 2; salvaging++) {
        counted c = {0};
        az_allocator allocator = {counted_alloc, counted_free, &c};
        trip t = {.allocator = &allocator, .salvage = salvaging};
        assert_int_equal(decode(t, buf, sizeof buf, &out, NULL),
                         salvaging ? AZ_OK : AZ_ERROR_TRUNCATED);
        assert_true(c.in_use == 0 && c.peak < 100000);
        free(out.data);
    }
}

typedef struct progress {
    uint64_t in, out;
    int n_calls, stop_at;
} progress;

static int watch(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes) {
    progress *p = opaque;
    (void)out_nbytes;
    assert_true(in_nbytes >= p->in && in_nbytes < UINT64_MAX / 2);
    p->in = in_nbytes;
    p->out = out_nbytes;
    return ++p->n_calls == p->stop_at;
}

static void progress_can_cancel(void **state) {
    (void)state;
    size_t n = REPEATS(40, 12) * BLOCK;
    uint8_t *content = make_content(KIND_TEXT, n, 1);
    bytes archive = archive_of((trip){.threads = 2}, content, n), out;
    for (int threads = 1; threads < 3; threads++) {
        for (int stop_at = 1; stop_at < 3; stop_at++) {
            az_error error = {0};
            progress p = {.stop_at = stop_at};
            trip t = {.level = 5, .threads = threads, .progress = watch, .opaque = &p};
            assert_int_equal(encode(t, content, n, &out, &error), AZ_ERROR_CANCELLED);
            assert_int_equal(error.status, AZ_ERROR_CANCELLED);
            assert_int_equal(p.n_calls, stop_at);
            free(out.data);
            p = (progress){.stop_at = 1};
            assert_int_equal(decode(t, archive.data, archive.n, &out, &error), AZ_ERROR_CANCELLED);
            free(out.data);
        }
    }
    free(archive.data);
    free(content);
}

/* At any moment: threads end, memory is given back. */
static void a_handle_can_be_closed_in_the_middle(void **state) {
    (void)state;
    size_t n = 6 * BLOCK;
    uint8_t *content = make_content(KIND_TEXT, n, 1);
    bytes archive = archive_of((trip){.threads = 2}, content, n);
    for (size_t i = 0; i < 6; i++) {
        counted c = {0};
        az_allocator allocator = {counted_alloc, counted_free, &c};
        az_encoder *e;
        az_decoder *d;
        uint8_t room[1000];
        int done;
        assert_int_equal(az_encoder_open(&e, &allocator, NULL), AZ_OK);
        assert_int_equal(az_encoder_set(e, AZ_PARAM_THREADS, 3, NULL), AZ_OK);
        assert_int_equal(az_encoder_set(e, AZ_PARAM_BLOCK_SIZE, BLOCK, NULL), AZ_OK);
        assert_int_equal(az_encoder_set(e, AZ_PARAM_LEVEL, 2, NULL), AZ_OK);
        az_input in = {.data = content, .size = i * BLOCK + 1};
        az_output o = {.data = room, .size = i % 2 ? sizeof room : 0};
        assert_int_equal(az_encoder_run(e, &in, &o, AZ_RUN, &done, NULL), AZ_OK);
        az_encoder_close(&e);
        assert_int_equal(c.in_use, 0);

        assert_int_equal(az_decoder_open(&d, &allocator, NULL), AZ_OK);
        assert_int_equal(az_decoder_set(d, AZ_PARAM_THREADS, 3, NULL), AZ_OK);
        in = (az_input){.data = archive.data, .size = archive.n * (i + 1) / 6};
        o.pos = 0;
        assert_int_equal(az_decoder_run(d, &in, &o, AZ_RUN, &done, NULL), AZ_OK);
        az_decoder_close(&d);
        assert_int_equal(c.in_use, 0);
    }
    free(archive.data);
    free(content);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sizes_of_every_kind_come_back_at_every_level),
        cmocka_unit_test(sizes_around_the_block_size_come_back),
        cmocka_unit_test(a_block_comes_back_at_every_level),
        cmocka_unit_test(same_archive_for_any_buffer_sizes),
        cmocka_unit_test(same_content_for_any_buffer_sizes),
        cmocka_unit_test(same_bytes_for_any_thread_count),
        cmocka_unit_test(noise_grows_by_64_bytes_and_a_ten_thousandth_at_most),
        cmocka_unit_test(the_frame_of_a_small_block_takes_26_bytes_at_most),
        cmocka_unit_test(noise_is_told_from_what_can_be_coded),
        cmocka_unit_test(what_follows_noise_is_still_coded),
        cmocka_unit_test(concatenated_archives_give_concatenated_content),
        cmocka_unit_test(each_flipped_bit_of_a_small_archive_is_found),
        cmocka_unit_test(each_truncation_of_a_small_archive_is_found),
        cmocka_unit_test(bursts_in_an_archive_never_give_wrong_content),
        cmocka_unit_test(cut_archives_of_several_blocks_are_found),
        cmocka_unit_test(bytes_after_the_archive_are_refused),
        cmocka_unit_test(hostile_archives_are_refused),
        cmocka_unit_test(the_memory_limit_is_kept_with_fewer_threads),
        cmocka_unit_test(too_small_a_memory_limit_is_refused_with_the_numbers),
        cmocka_unit_test(promised_sizes_take_no_memory),
        cmocka_unit_test(progress_can_cancel),
        cmocka_unit_test(a_handle_can_be_closed_in_the_middle),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
