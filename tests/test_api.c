/* api: the one-call functions, names, parameters, and the look at an archive. */
#include "support.h"

#include "kernels/kernels.h"

/* ---- Names ---------------------------------------------------------------------- */

static void the_version_is_said_in_one_way(void **state) {
    (void)state;
    char text[40];
    snprintf(text, sizeof text, "%d.%d.%d", AZ_VERSION_MAJOR, AZ_VERSION_MINOR, AZ_VERSION_PATCH);
    assert_string_equal(AZ_VERSION_STRING, text);
    assert_string_equal(az_version(), text);
}

static void the_build_info_says_versions_and_kernels(void **state) {
    (void)state;
    static const char *const off[] = {"", "avx512", "all"};
    for (size_t i = 0; i < COUNT(off); i++) {
        setenv("AIZIP_CPU_DISABLE", off[i], 1);
        const char *info = az_build_info();
        assert_non_null(strstr(info, az_version()));
        assert_non_null(strstr(info, "cm version "));
        assert_non_null(strstr(info, az_kernels_get(az_cpu_features())->name));
        assert_null(strchr(info, '\n'));
    }
    unsetenv("AIZIP_CPU_DISABLE");
}

static void every_status_has_a_name(void **state) {
    (void)state;
    for (int i = AZ_OK; i <= AZ_ERROR_DICTIONARY; i++) {
        assert_string_not_equal(az_status_name((az_status)i), "unknown status");
        for (int j = AZ_OK; j < i; j++)
            assert_string_not_equal(az_status_name((az_status)i), az_status_name((az_status)j));
    }
    assert_string_equal(az_status_name((az_status)99), "unknown status");
}

/* ---- Memory ------------------------------------------------------------------------ */

static void memory_comes_back_at_every_level(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 255, 256, 257, 3000};
    for (int level = AZ_LEVEL_MIN; level <= AZ_LEVEL_MAX; level++) {
        for (size_t i = 0; i < COUNT(sizes) * N_KINDS; i++) {
            size_t n = sizes[i / N_KINDS], n_archive, n_back;
            uint8_t *content = make_content((kind)(i % N_KINDS), n, i);
            uint8_t *archive = malloc(az_compress_bound(n)), *back = malloc(n + 1);
            assert_int_equal(
                az_compress(archive, az_compress_bound(n), &n_archive, content, n, level, NULL),
                AZ_OK);
            assert_int_equal(az_decompress(back, n, &n_back, archive, n_archive, NULL), AZ_OK);
            assert_int_equal(n_back, n);
            assert_memory_equal(back, content, n);
            free(back);
            free(archive);
            free(content);
        }
    }
}

static void the_bound_is_enough_for_noise_of_several_blocks(void **state) {
    (void)state;
    size_t n = REPEATS(3 << 20, 1 << 18), n_archive;
    uint8_t *content = make_content(KIND_NOISE, n, 1), *archive = malloc(az_compress_bound(n));
    assert_int_equal(az_compress(archive, az_compress_bound(n), &n_archive, content, n, 1, NULL),
                     AZ_OK);
    assert_true(n_archive <= n + n / 10000 + 64);
    free(archive);
    free(content);
    assert_int_equal(az_compress_bound(0), 64);
    assert_int_equal(az_compress_bound(SIZE_MAX), SIZE_MAX);
}

static void memory_and_stream_give_the_same_archive(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 5000, 1), archive[6000];
    az_encoder *e;
    size_t n;
    int done;
    uint8_t streamed[6000];
    assert_int_equal(az_compress(archive, sizeof archive, &n, content, 5000, 2, NULL), AZ_OK);
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_LEVEL, 2, NULL), AZ_OK);
    az_input in = {.data = content, .size = 5000};
    az_output out = {.data = streamed, .size = sizeof streamed};
    assert_int_equal(az_encoder_run(e, &in, &out, AZ_FINISH, &done, NULL), AZ_OK);
    assert_int_equal(done, 1);
    assert_int_equal(out.pos, n);
    assert_memory_equal(streamed, archive, n);
    az_encoder_close(&e);
    free(content);
}

static void too_little_room_is_said(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 2000, 1), archive[3000], back[2000];
    size_t n, n_less;
    az_error error;
    assert_int_equal(az_compress(archive, sizeof archive, &n, content, 2000, 1, NULL), AZ_OK);
    for (size_t room = 0; room < n; room += 1 + room / 4) {
        n_less = 77;
        assert_int_equal(az_compress(room ? back : NULL, room, &n_less, content, 2000, 1, &error),
                         AZ_ERROR_OUTPUT_FULL);
        assert_int_equal(error.status, AZ_ERROR_OUTPUT_FULL);
        assert_int_equal(n_less, 77); /* only written on success */
    }
    for (size_t room = 0; room < 2000; room += 1 + room / 4)
        assert_int_equal(az_decompress(room ? back : NULL, room, &n_less, archive, n, &error),
                         AZ_ERROR_OUTPUT_FULL);
    assert_int_equal(az_decompress(back, 2000, &n_less, archive, n, &error), AZ_OK);
    free(content);
}

static void impossible_arguments_are_refused(void **state) {
    (void)state;
    uint8_t buf[100];
    size_t n;
    uint64_t n64;
    az_archive_info info;
    az_error error = {0};
    const az_status wrong = AZ_ERROR_ARGUMENT;
    assert_int_equal(az_compress(buf, 100, &n, "a", 1, 0, &error), wrong);
    assert_non_null(strstr(error.text, "level"));
    assert_int_equal(az_compress(buf, 100, &n, "a", 1, 10, NULL), wrong);
    assert_int_equal(az_compress(buf, 100, NULL, "a", 1, 1, NULL), wrong);
    assert_int_equal(az_compress(NULL, 100, &n, "a", 1, 1, NULL), wrong);
    assert_int_equal(az_compress(buf, 100, &n, NULL, 1, 1, NULL), wrong);
    assert_int_equal(az_decompress(buf, 100, &n, NULL, 1, NULL), wrong);
    assert_int_equal(az_decompress(buf, 100, NULL, "a", 1, NULL), wrong);
    assert_int_equal(az_content_size(NULL, "a", 1, NULL), wrong);
    assert_int_equal(az_content_size(&n64, NULL, 1, NULL), wrong);
    assert_int_equal(az_archive_read(&info, NULL, NULL, 1, NULL), wrong);
    assert_int_equal(az_encoder_open(NULL, NULL, NULL), wrong);
    assert_int_equal(az_decoder_open(NULL, NULL, NULL), wrong);
    az_encoder_close(NULL);
    az_decoder_close(NULL);
}

/* ---- Parameters -------------------------------------------------------------------------- */

static void parameters_have_their_ranges(void **state) {
    (void)state;
    static const struct {
        az_param param;
        int64_t value;
        bool encoder, decoder;
    } cases[] = {
        {AZ_PARAM_LEVEL, 0, false, false},
        {AZ_PARAM_LEVEL, 1, true, false},
        {AZ_PARAM_LEVEL, 9, true, false},
        {AZ_PARAM_LEVEL, 10, false, false},
        {AZ_PARAM_THREADS, -1, false, false},
        {AZ_PARAM_THREADS, 0, true, true},
        {AZ_PARAM_THREADS, 256, true, true},
        {AZ_PARAM_THREADS, 257, false, false},
        {AZ_PARAM_MEMORY_LIMIT, -1, false, false},
        {AZ_PARAM_MEMORY_LIMIT, 0, true, true},
        {AZ_PARAM_MEMORY_LIMIT, INT64_MAX, true, true},
        {AZ_PARAM_BLOCK_SIZE, 0, true, false},
        {AZ_PARAM_BLOCK_SIZE, 1 << 15, false, false},
        {AZ_PARAM_BLOCK_SIZE, 1 << 16, true, false},
        {AZ_PARAM_BLOCK_SIZE, 3 << 16, false, false},
        {AZ_PARAM_BLOCK_SIZE, 1 << 26, true, false},
        {AZ_PARAM_BLOCK_SIZE, 1 << 27, false, false},
        {AZ_PARAM_CONTENT_SIZE, -2, false, false},
        {AZ_PARAM_CONTENT_SIZE, -1, true, false},
        {AZ_PARAM_CONTENT_SIZE, 5, true, false},
        {AZ_PARAM_SALVAGE, 0, false, true},
        {AZ_PARAM_SALVAGE, 1, false, true},
        {AZ_PARAM_SALVAGE, 2, false, false},
        {(az_param)99, 0, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        az_encoder *e;
        az_decoder *d;
        assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
        assert_int_equal(az_decoder_open(&d, NULL, NULL), AZ_OK);
        assert_int_equal(az_encoder_set(e, cases[i].param, cases[i].value, NULL),
                         cases[i].encoder ? AZ_OK : AZ_ERROR_ARGUMENT);
        assert_int_equal(az_decoder_set(d, cases[i].param, cases[i].value, NULL),
                         cases[i].decoder ? AZ_OK : AZ_ERROR_ARGUMENT);
        az_encoder_close(&e);
        az_decoder_close(&d);
    }
}

static void parameters_can_not_be_set_after_the_start(void **state) {
    (void)state;
    az_encoder *e;
    uint8_t buf[100];
    int done;
    az_input in = {.data = "abc", .size = 3};
    az_output out = {.data = buf, .size = sizeof buf};
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    assert_int_equal(az_encoder_run(e, &in, &out, AZ_RUN, &done, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_LEVEL, 3, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_run(e, NULL, &out, AZ_FINISH, &done, NULL), AZ_OK);
    assert_int_equal(done, 1);
    az_encoder_close(&e);
}

static void a_wrong_content_size_is_refused_at_the_end(void **state) {
    (void)state;
    for (int told = 0; told < 6; told++) {
        az_encoder *e;
        uint8_t buf[100];
        int done;
        az_error error;
        az_input in = {.data = "abc", .size = 3};
        az_output out = {.data = buf, .size = sizeof buf};
        assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
        assert_int_equal(az_encoder_set(e, AZ_PARAM_CONTENT_SIZE, told, NULL), AZ_OK);
        az_status status = az_encoder_run(e, &in, &out, AZ_FINISH, &done, &error);
        assert_int_equal(status, told == 3 ? AZ_OK : AZ_ERROR_ARGUMENT);
        assert_int_equal(done, told == 3);
        /* After an error: the same error, always. */
        assert_int_equal(az_encoder_run(e, &in, &out, AZ_FINISH, &done, NULL), status);
        az_encoder_close(&e);
        assert_null(e);
    }
}

static void without_input_or_room_nothing_happens(void **state) {
    (void)state;
    az_encoder *e;
    az_decoder *d;
    int done = 5;
    az_input in = {0};
    az_output out = {0};
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    assert_int_equal(az_decoder_open(&d, NULL, NULL), AZ_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(az_encoder_run(e, &in, &out, AZ_RUN, &done, NULL), AZ_OK);
        assert_int_equal(done, 0);
        assert_int_equal(az_decoder_run(d, &in, &out, AZ_RUN, &done, NULL), AZ_OK);
        assert_int_equal(done, 0);
    }
    assert_int_equal(az_encoder_run(e, &in, &out, AZ_FINISH, &done, NULL), AZ_OK);
    assert_int_equal(done, 0); /* no room for the frame */
    assert_int_equal(az_decoder_run(d, &in, &out, AZ_FINISH, &done, NULL), AZ_ERROR_TRUNCATED);
    az_encoder_close(&e);
    az_decoder_close(&d);
}

/* ---- Looking ----------------------------------------------------------------------------------- */

static int read_bytes(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    const bytes *b = opaque;
    assert_true(offset <= b->n && n_bytes <= b->n - offset);
    memcpy(buf, b->data + offset, n_bytes);
    return 0;
}

static void a_look_agrees_with_decoding(void **state) {
    (void)state;
    static const uint64_t n_blocks[] = {1, 2, 4, 7};
    bytes all = {malloc(1), 0}, content = {malloc(1), 0};
    for (size_t i = 0; i < 4; i++) {
        size_t n = i * 50000;
        bytes piece = {make_content(i == 3 ? KIND_NOISE : KIND_TEXT, n, i), n};
        all = joined(all, archive_of((trip){.level = 1 + (int)i / 2}, piece.data, n));
        content = joined(content, piece);
        uint64_t size;
        az_archive_info info;
        assert_int_equal(az_content_size(&size, all.data, all.n, NULL), AZ_OK);
        assert_int_equal(size, content.n);
        assert_int_equal(az_archive_read(&info, read_bytes, &all, all.n, NULL), AZ_OK);
        assert_int_equal(info.archive_nbytes, all.n);
        assert_int_equal(info.content_nbytes, content.n);
        assert_int_equal(info.n_archives, i + 1);
        assert_int_equal(info.n_blocks, n_blocks[i]);
        assert_int_equal(info.n_stored_blocks, i == 3 ? 4 : 1); /* nothing is stored, too */
        assert_int_equal(info.block_nbytes, 65536);
        assert_int_equal(info.level, i < 2 ? 1 : -1);
        assert_int_equal(info.method, 1);
        assert_string_equal(info.method_name, "cm");
        assert_string_equal(info.check_name, "XXH32");
        assert_true(info.memory_nbytes > 65536);
        check_archive((trip){.memory_limit = (int64_t)info.memory_nbytes}, all, content.data,
                      content.n);
    }
    free(all.data);
    free(content.data);
}

/* A stored block that ends as an index does. */
static void content_that_looks_like_an_index_deceives_nobody(void **state) {
    (void)state;
    uint8_t *inner = make_content(KIND_NOISE, 200000, 1);
    bytes content = archive_of((trip){0}, inner, 200000);
    bytes archive = archive_of((trip){.block_size = 1 << 20}, content.data, content.n);
    uint64_t size;
    az_archive_info info;
    assert_memory_equal(archive.data + archive.n - 12, content.data + content.n - 12, 12);
    assert_int_equal(az_content_size(&size, archive.data, archive.n, NULL), AZ_OK);
    assert_int_equal(size, content.n);
    assert_int_equal(az_archive_read(&info, read_bytes, &archive, archive.n, NULL), AZ_OK);
    assert_int_equal(info.content_nbytes, content.n);
    assert_int_equal(info.n_archives, 1);
    free(archive.data);
    free(content.data);
    free(inner);
}

static void a_look_at_what_is_no_archive_fails(void **state) {
    (void)state;
    uint8_t *content = make_content(KIND_TEXT, 1000, 1);
    bytes archive = archive_of((trip){0}, content, 1000), noise = {content, 1000};
    uint64_t size;
    az_archive_info info;
    az_error error;
    assert_int_equal(az_archive_read(&info, read_bytes, &noise, noise.n, &error), AZ_ERROR_FORMAT);
    assert_int_equal(az_content_size(&size, NULL, 0, &error), AZ_ERROR_TRUNCATED);
    for (size_t n = 0; n < archive.n; n++) {
        assert_int_equal(az_content_size(&size, archive.data, n, &error), AZ_ERROR_TRUNCATED);
        assert_int_equal(az_archive_read(&info, read_bytes, &archive, n, &error),
                         AZ_ERROR_TRUNCATED);
        assert_int_equal(error.status, AZ_ERROR_TRUNCATED);
    }
    archive.data[4]++;
    assert_int_equal(az_archive_read(&info, read_bytes, &archive, archive.n, &error),
                     AZ_ERROR_VERSION);
    free(archive.data);
    free(content);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_said_in_one_way),
        cmocka_unit_test(the_build_info_says_versions_and_kernels),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(memory_comes_back_at_every_level),
        cmocka_unit_test(the_bound_is_enough_for_noise_of_several_blocks),
        cmocka_unit_test(memory_and_stream_give_the_same_archive),
        cmocka_unit_test(too_little_room_is_said),
        cmocka_unit_test(impossible_arguments_are_refused),
        cmocka_unit_test(parameters_have_their_ranges),
        cmocka_unit_test(parameters_can_not_be_set_after_the_start),
        cmocka_unit_test(a_wrong_content_size_is_refused_at_the_end),
        cmocka_unit_test(without_input_or_room_nothing_happens),
        cmocka_unit_test(a_look_agrees_with_decoding),
        cmocka_unit_test(content_that_looks_like_an_index_deceives_nobody),
        cmocka_unit_test(a_look_at_what_is_no_archive_fails),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
