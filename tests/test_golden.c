/*
 * golden: archives made once (tests/golden/make.py) decode to what they were
 * made of, and what is bad or unsupported is refused with the right status, by
 * the one-call functions and by the stream, fed byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "aizip.h"
#include "base/base.h"

#define GOLDEN_DIR AZ_SOURCE_DIR "/tests/golden/"

enum { CONTENT_MAX = 1 << 20, ARCHIVE_MAX = 1 << 20 };

typedef struct golden {
    char name[100];
    az_status status;
    size_t content_nbytes;
    uint32_t check;
    uint8_t *archive; /* [n_bytes], to the byte, for ASan to watch */
    size_t n_bytes;
} golden;

static az_status status_named(const char *name) {
    static const struct {
        const char *name;
        az_status status;
    } all[] = {
        {"OK", AZ_OK},
        {"FORMAT", AZ_ERROR_FORMAT},
        {"VERSION", AZ_ERROR_VERSION},
        {"DAMAGED", AZ_ERROR_DAMAGED},
        {"TRUNCATED", AZ_ERROR_TRUNCATED},
        {"DICTIONARY", AZ_ERROR_DICTIONARY},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(name, all[i].name) == 0)
            return all[i].status;
    fail_msg("no status is named %s", name);
    return AZ_OK;
}

static void load(golden *g) {
    static uint8_t buf[ARCHIVE_MAX];
    char path[1000];
    snprintf(path, sizeof path, "%s%s", GOLDEN_DIR, g->name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is not there", path);
    g->n_bytes = fread(buf, 1, sizeof buf, file);
    fclose(file);
    g->archive = malloc(g->n_bytes ? g->n_bytes : 1);
    memcpy(g->archive, buf, g->n_bytes);
}

static void for_each(void (*check)(const golden *g)) {
    FILE *list = fopen(GOLDEN_DIR "expected.txt", "r");
    char line[200], status[20];
    int n = 0;
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        golden g = {.status = AZ_OK};
        unsigned long check_value = 0;
        assert_true(sscanf(line, "%99s %19s %zu %lx", g.name, status, &g.content_nbytes,
                           &check_value) >= 2);
        g.status = status_named(status);
        g.check = (uint32_t)check_value;
        load(&g);
        check(&g);
        free(g.archive);
        n++;
    }
    fclose(list);
    assert_in_range(n, 30, 1000);
}

static void expect(const golden *g, const char *way, az_status status, const uint8_t *content,
                   size_t content_nbytes, const az_error *error) {
    if (status != g->status)
        fail_msg("%s, %s: %s (%s)", g->name, way, az_status_name(status), error->text);
    if (status == AZ_OK &&
        (content_nbytes != g->content_nbytes || az_check(content, content_nbytes) != g->check))
        fail_msg("%s, %s: other content, %zu bytes", g->name, way, content_nbytes);
    if (status != AZ_OK) {
        assert_int_equal(error->status, status);
        assert_true(strlen(error->text) > 10);
        assert_true(error->offset == AZ_ERROR_NO_OFFSET || error->offset <= g->n_bytes);
    }
}

static az_model *model;
static az_engine *engine; /* of the model that golden archives are made with */

static int open_engine(void **state) {
    (void)state;
    az_error error;
    assert_int_equal(
        az_model_open(&model, AZ_SOURCE_DIR "/tests/models/stories260k.gguf", NULL, &error), AZ_OK);
    assert_int_equal(az_engine_open(&engine, model, 1, 0, NULL, &error), AZ_OK);
    return 0;
}

static int close_engine(void **state) {
    (void)state;
    az_engine_close(&engine);
    az_model_close(&model);
    return 0;
}

static az_engine *find(void *opaque, const uint8_t *hash, const char *name, az_error *error) {
    (void)opaque, (void)hash, (void)name, (void)error;
    return engine;
}

static void decompress(const golden *g) {
    static uint8_t content[CONTENT_MAX];
    size_t n = 0;
    az_error error = {.text = ""};
    az_status status =
        az_engine_decompress(engine, content, sizeof content, &n, g->archive, g->n_bytes, &error);
    expect(g, "memory", status, content, n, &error);
}

static void decompress_byte_by_byte(const golden *g) {
    static uint8_t content[CONTENT_MAX];
    az_decoder *decoder = NULL;
    az_error error = {.text = ""};
    az_output out = {.data = content, .size = sizeof content};
    az_status status = AZ_OK;
    int done = 0;
    assert_int_equal(az_decoder_open(&decoder, NULL, NULL), AZ_OK);
    az_decoder_set_engines(decoder, find, NULL);
    for (size_t i = 0; i < g->n_bytes && status == AZ_OK; i++) {
        az_input in = {.data = g->archive + i, .size = 1};
        status = az_decoder_run(decoder, &in, &out, AZ_RUN, &done, &error);
        assert_true(status != AZ_OK || in.pos == 1);
    }
    if (status == AZ_OK)
        status = az_decoder_run(decoder, NULL, &out, AZ_FINISH, &done, &error);
    assert_true(status != AZ_OK || done);
    expect(g, "stream", status, content, out.pos, &error);
    az_decoder_close(&decoder);
}

static int read_at(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    const golden *g = opaque;
    assert_true(offset <= g->n_bytes && n_bytes <= g->n_bytes - offset);
    memcpy(buf, g->archive + offset, n_bytes);
    return 0;
}

/* Headers and index alone: damage inside a payload goes unseen. */
static void look(const golden *g) {
    az_archive_info info;
    az_error error = {.text = ""};
    golden copy = *g;
    az_status status = az_archive_read(&info, read_at, &copy, g->n_bytes, &error);
    if (g->status == AZ_OK) {
        assert_int_equal(status, AZ_OK);
        assert_int_equal(info.content_nbytes, g->content_nbytes);
        assert_int_equal(info.archive_nbytes, g->n_bytes);
    } else if (status != AZ_OK && status != g->status) {
        fail_msg("%s, look: %s (%s)", g->name, az_status_name(status), error.text);
    }
}

static void salvage(const golden *g) {
    static uint8_t content[CONTENT_MAX];
    az_decoder *decoder = NULL;
    az_error error = {.text = ""};
    az_input in = {.data = g->archive, .size = g->n_bytes};
    az_output out = {.data = content, .size = sizeof content};
    int done = 0;
    assert_int_equal(az_decoder_open(&decoder, NULL, NULL), AZ_OK);
    az_decoder_set_engines(decoder, find, NULL);
    assert_int_equal(az_decoder_set(decoder, AZ_PARAM_SALVAGE, 1, NULL), AZ_OK);
    az_status status = az_decoder_run(decoder, &in, &out, AZ_FINISH, &done, &error);
    if (g->status == AZ_OK)
        expect(g, "salvage", status, content, out.pos, &error);
    assert_true(done || status != AZ_OK);
    az_decoder_close(&decoder);
}

static void memory_gives_what_is_expected(void **state) {
    (void)state;
    for_each(decompress);
}

static void stream_gives_what_is_expected(void **state) {
    (void)state;
    for_each(decompress_byte_by_byte);
}

static void look_agrees(void **state) {
    (void)state;
    for_each(look);
}

static void salvage_of_what_is_whole_is_all_of_it(void **state) {
    (void)state;
    for_each(salvage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_gives_what_is_expected),
        cmocka_unit_test(stream_gives_what_is_expected),
        cmocka_unit_test(look_agrees),
        cmocka_unit_test(salvage_of_what_is_whole_is_all_of_it),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
