/* az_model of aizip.h: what a model file says of itself, as the caller sees it. */
#include "gguf_maker.h"
#include "plan.h"

#include <unistd.h>

/* The sample file under a name of its own. */
static void make_file(char path[64]) {
    maker m;
    put_sample(&m, 3);
    strcpy(path, "/tmp/aizip-test-model-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, m.bytes, m.n), m.n);
    close(fd);
}

static az_model *open_good_model(const char *path) {
    az_model *model = NULL;
    az_error error = {0};
    if (az_model_open(&model, path, NULL, &error) != AZ_OK)
        fail_msg("not opened: %s", error.text);
    return model;
}

static void info_is_that_of_the_file(void **state) {
    (void)state;
    char path[64];
    az_model_info info;
    make_file(path);
    az_model *model = open_good_model(path);
    az_model_get_info(model, &info);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.type, "Q8_0"); /* 136 bytes; Q4_1 has 120 */
    assert_int_equal(info.n_parameters, 4 + 64 * 3 + 32 * 4 + 256);
    assert_int_equal(info.n_values, 17);
    assert_int_equal(info.n_tensors, 4);
    assert_int_equal(info.gguf_version, 3);
    /* No keys say how much is kept of a token: only weights count. */
    assert_int_equal(az_model_memory(model, 2048), (4 + 256) * 4 + 64 * 3 + 32 * 4);
    az_model_close(&model);
    assert_null(model);
    az_model_close(&model);
    az_model_close(NULL);
    unlink(path);
}

static void check_item(const az_model *model, const char *key, const char *type, uint64_t item,
                       const char *want) {
    char text[64];
    az_model_value value;
    az_model_info info;
    az_model_get_info(model, &info);
    for (size_t i = 0; i < info.n_values; i++) {
        az_model_get_value(model, i, &value);
        if (strcmp(value.key, key) != 0)
            continue;
        assert_string_equal(value.type, type);
        assert_int_equal(az_model_item_text(model, i, item, text, sizeof text), strlen(want));
        assert_string_equal(text, want);
        /* A small buffer takes the beginning; none is asked for the length. */
        assert_int_equal(az_model_item_text(model, i, item, NULL, 0), strlen(want));
        assert_int_equal(az_model_item_text(model, i, item, text, 2), strlen(want));
        assert_int_equal(strncmp(text, want, 1), 0);
        assert_true(strlen(text) <= 1);
        assert_int_equal(az_model_item_text(model, i, value.n_items, text, sizeof text), 0);
        assert_string_equal(text, "");
        return;
    }
    fail_msg("there is no %s", key);
}

static void values_come_as_text(void **state) {
    (void)state;
    char path[64];
    make_file(path);
    az_model *model = open_good_model(path);
    check_item(model, "general.architecture", "string", 0, "llama");
    check_item(model, "u8", "u8", 0, "200");
    check_item(model, "i8", "i8", 0, "-1");
    check_item(model, "u16", "u16", 0, "12345");
    check_item(model, "i16", "i16", 0, "-12345");
    check_item(model, "u32", "u32", 0, "4000000000");
    check_item(model, "i32", "i32", 0, "-7");
    check_item(model, "f32", "f32", 0, "0.5");
    check_item(model, "bool", "bool", 0, "true");
    check_item(model, "u64", "u64", 0, "18446744073709551615");
    check_item(model, "i64", "i64", 0, "7");
    check_item(model, "f64", "f64", 0, "1e+300");
    check_item(model, "texts", "string", 0, "one");
    check_item(model, "texts", "string", 1, "");
    check_item(model, "texts", "string", 2, "three");
    check_item(model, "i32s", "i32", 1, "-5");
    check_item(model, "bools", "bool", 0, "false");
    check_item(model, "none", "f32", 0, "");
    az_model_close(&model);
    unlink(path);
}

static void tensors_come_in_order(void **state) {
    (void)state;
    char path[64];
    az_model_tensor t;
    make_file(path);
    az_model *model = open_good_model(path);
    az_model_get_tensor(model, 1, &t);
    assert_string_equal(t.name, "blk.0.attn_q.weight");
    assert_string_equal(t.type, "Q4_1");
    assert_int_equal(t.n_dims, 2);
    assert_int_equal(t.dims[0], 64);
    assert_int_equal(t.dims[1], 3);
    assert_int_equal(t.dims[2], 1);
    assert_int_equal(t.n_bytes, 120);
    az_model_get_tensor(model, 3, &t); /* of a type that is known and no more */
    assert_string_equal(t.type, "IQ2_XXS");
    az_model_close(&model);
    unlink(path);
}

static void bad_arguments_and_files_are_refused(void **state) {
    (void)state;
    az_model *model = NULL;
    az_error error = {0};
    assert_int_equal(az_model_open(NULL, "x", NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_model_open(&model, NULL, NULL, &error), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_model_open(&model, "/nowhere/x.gguf", NULL, &error), AZ_ERROR_READ);
    assert_non_null(strstr(error.text, "/nowhere/x.gguf"));
    assert_int_equal(az_model_open(&model, AZ_SOURCE_DIR "/LICENSE", NULL, &error), AZ_ERROR_MODEL);
    assert_null(model);
}

/* ---- Memory ------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    char path[64];
    make_file(path);
    bool failed = true;
    for (int fails_at = 0; failed; fails_at++) {
        plan p = {.fails_at = fails_at};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_model *model = NULL;
        az_error error = {0};
        az_status status = az_model_open(&model, path, &allocator, &error);
        failed = p.n_allocs > fails_at;
        assert_int_equal(status, failed ? AZ_ERROR_MEMORY : AZ_OK);
        assert_int_equal(error.status, status);
        assert_true(!model == failed);
        az_model_close(&model);
        assert_int_equal(p.n_live, 0);
    }
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_is_that_of_the_file),
        cmocka_unit_test(values_come_as_text),
        cmocka_unit_test(tensors_come_in_order),
        cmocka_unit_test(bad_arguments_and_files_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
