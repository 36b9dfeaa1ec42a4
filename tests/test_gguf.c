/* gguf: good model files are read whole; their numbers, texts and values come out right. */
#include "gguf_maker.h"

#include <math.h>
#include <unistd.h>

/* ---- Good files ---------------------------------------------------------------------------- */

static void check_values(const az_gguf *g) {
    static const char *const keys[] = {"general.architecture",
                                       "u8",
                                       "i8",
                                       "u16",
                                       "i16",
                                       "u32",
                                       "i32",
                                       "f32",
                                       "bool",
                                       "u64",
                                       "i64",
                                       "f64",
                                       "texts",
                                       "i32s",
                                       "bools",
                                       "none",
                                       "general.alignment"};
    assert_int_equal(az_gguf_n_values(g), COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++) {
        const az_gguf_value *value = az_gguf_value_at(g, i);
        assert_true(is_same(value->key, keys[i]));
        assert_ptr_equal(az_gguf_find(g, keys[i]), value);
    }
    assert_null(az_gguf_find(g, ""));
    assert_null(az_gguf_find(g, "u"));
    assert_null(az_gguf_find(g, "u323"));
    assert_null(az_gguf_find(g, "zzz"));
    const az_gguf_value *texts = az_gguf_find(g, "texts");
    assert_int_equal(texts->type, AZ_GGUF_ARRAY);
    assert_int_equal(texts->item_type, AZ_GGUF_STRING);
    assert_int_equal(texts->n_items, 3);
    size_t at = 0;
    assert_true(is_same(az_gguf_next_text(texts, &at), "one"));
    assert_true(is_same(az_gguf_next_text(texts, &at), ""));
    assert_true(is_same(az_gguf_next_text(texts, &at), "three"));
    assert_int_equal(at, texts->n_bytes);
    assert_int_equal(az_gguf_find(g, "none")->n_items, 0);
    assert_int_equal(az_gguf_find(g, "none")->n_bytes, 0);
}

static void check_tensors(const az_gguf *g, const uint8_t *data) {
    static const struct {
        const char *name;
        uint32_t n_dims, type;
        uint64_t dims[4], row_nbytes, n_rows;
        size_t offset;
    } want[] = {
        {"norm.weight", 1, F32, {4, 1, 1, 1}, 16, 1, 0},
        {"blk.0.attn_q.weight", 2, Q4_1, {64, 3, 1, 1}, 40, 3, 64},
        {"blk.0.ffn_up.weight", 3, Q8_0, {32, 2, 2, 1}, 34, 4, 192},
        {"blk.0.odd.weight", 1, IQ2_XXS, {256, 1, 1, 1}, 66, 1, 384},
    };
    assert_int_equal(az_gguf_n_tensors(g), COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        const az_gguf_tensor *t = az_gguf_tensor_at(g, i);
        assert_ptr_equal(az_gguf_find_tensor(g, want[i].name), t);
        assert_true(is_same(t->name, want[i].name));
        assert_int_equal(t->n_dims, want[i].n_dims);
        assert_int_equal(t->type, want[i].type);
        assert_memory_equal(t->dims, want[i].dims, sizeof t->dims);
        assert_int_equal(t->row_nbytes, want[i].row_nbytes);
        assert_int_equal(t->n_rows, want[i].n_rows);
        assert_ptr_equal(t->data, data + want[i].offset);
    }
    assert_null(az_gguf_find_tensor(g, "norm"));
    assert_null(az_gguf_type_of(IQ2_XXS)->dequantise);
}

static void good_file_is_read_whole(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        maker m;
        opened o;
        put_sample(&m, version);
        open_good(&o, &m);
        assert_int_equal(az_gguf_version(o.gguf), version);
        assert_int_equal(az_gguf_nbytes(o.gguf), m.n);
        check_values(o.gguf);
        check_tensors(o.gguf, o.copy + m.n - (384 + 66));
        close_opened(&o);
        LLVMFuzzerTestOneInput(m.bytes, m.n);
    }
}

static void file_may_hold_nothing(void **state) {
    (void)state;
    maker m;
    opened o;
    put_head(&m, 3, 0, 0);
    open_good(&o, &m);
    assert_int_equal(az_gguf_n_values(o.gguf), 0);
    assert_int_equal(az_gguf_n_tensors(o.gguf), 0);
    assert_null(az_gguf_find(o.gguf, "general.architecture"));
    assert_null(az_gguf_find_tensor(o.gguf, "output.weight"));
    close_opened(&o);
}

/* Without general.alignment data begins at a multiple of 32. */
static void alignment_is_32_unless_said(void **state) {
    (void)state;
    maker m;
    opened o;
    put_head(&m, 3, 2, 0);
    put_tensor(&m, "a", 1, 0, 0, F32, 0);
    put_tensor(&m, "b", 2, 0, 0, F32, 32);
    put_data(&m, 32, 40);
    open_good(&o, &m);
    assert_ptr_equal(az_gguf_tensor_at(o.gguf, 0)->data, o.copy + m.n - 40);
    assert_ptr_equal(az_gguf_tensor_at(o.gguf, 1)->data, o.copy + m.n - 8);
    close_opened(&o);
}

static void every_name_is_found(void **state) {
    (void)state;
    enum { N = 150 };
    maker m;
    opened o;
    char name[16];
    for (size_t n = 1; n <= N; n += 1 + n / 8) {
        put_head(&m, 3, n, 0);
        for (size_t i = 0; i < n; i++) {
            snprintf(name, sizeof name, "t%zu", i * 37 % 151); /* in no order */
            put_tensor(&m, name, 1, 0, 0, F32, 0);
        }
        put_data(&m, 32, 4);
        open_good(&o, &m);
        for (size_t i = 0; i < n; i++) {
            snprintf(name, sizeof name, "t%zu", i * 37 % 151);
            assert_ptr_equal(az_gguf_find_tensor(o.gguf, name), az_gguf_tensor_at(o.gguf, i));
        }
        assert_null(az_gguf_find_tensor(o.gguf, "t151"));
        assert_null(az_gguf_find_tensor(o.gguf, "a"));
        close_opened(&o);
    }
}

/* ---- Numbers ------------------------------------------------------------------------------ */

static void numbers_are_taken_whatever_their_type(void **state) {
    (void)state;
    static const struct {
        const char *key;
        const char *u32_error; /* NULL: none, and u32 is right */
        uint32_t u32;
        const char *f32_error;
        float f32;
        int64_t i64;
    } cases[] = {
        {"missing", NULL, 99, NULL, 99, 0},
        {"u8", NULL, 200, NULL, 200, 200},
        {"i8", "whole number", 0, NULL, -1, -1},
        {"u16", NULL, 12345, NULL, 12345, 12345},
        {"i16", "whole number", 0, NULL, -12345, -12345},
        {"u32", NULL, 4000000000, NULL, 4e9F, 4000000000},
        {"i32", "whole number", 0, NULL, -7, -7},
        {"f32", "whole number", 0, NULL, 0.5F, 0},
        {"u64", "whole number", 0, NULL, 0x1p64F, INT64_MAX},
        {"i64", NULL, 7, NULL, 7, 7},
        {"f64", "whole number", 0, "too large", 0, INT64_MAX},
        {"bool", "not a number", 0, "not a number", 0, 1},
        {"texts", "not a number", 0, "not a number", 0, 0},
        {"i32s", "not a number", 0, "not a number", 0, 5},
    };
    maker m;
    opened o;
    az_error e;
    put_sample(&m, 3);
    open_good(&o, &m);
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t u32 = 99;
        float f32 = 99;
        az_status status = az_gguf_get_u32(o.gguf, cases[i].key, &u32, &e);
        assert_int_equal(status, cases[i].u32_error ? AZ_ERROR_MODEL : AZ_OK);
        assert_int_equal(u32, cases[i].u32_error ? 99 : cases[i].u32);
        if (cases[i].u32_error)
            assert_true(strstr(e.text, cases[i].u32_error) && strstr(e.text, cases[i].key));
        status = az_gguf_get_f32(o.gguf, cases[i].key, &f32, &e);
        assert_int_equal(status, cases[i].f32_error ? AZ_ERROR_MODEL : AZ_OK);
        assert_true(f32 == (cases[i].f32_error ? 99 : cases[i].f32));
        if (cases[i].f32_error)
            assert_true(strstr(e.text, cases[i].f32_error) && strstr(e.text, cases[i].key));
        const az_gguf_value *value = az_gguf_find(o.gguf, cases[i].key);
        if (value)
            assert_int_equal(az_gguf_item_int(value, 0), cases[i].i64);
    }
    close_opened(&o);
}

static void reals_become_integers_only_if_whole(void **state) {
    (void)state;
    static const struct {
        double real;
        bool fits;
    } cases[] = {
        {0, true},    {4294967295.0, true}, {4294967296.0, false}, {-1, false},     {0.5, false},
        {NAN, false}, {INFINITY, false},    {-INFINITY, false},    {0x1p63, false}, {1e300, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        maker m;
        opened o;
        uint32_t u32 = 99;
        float f32 = 99;
        put_head(&m, 3, 0, 1);
        put_key(&m, "x", AZ_GGUF_F64);
        put_f64(&m, cases[i].real);
        open_good(&o, &m);
        az_status status = az_gguf_get_u32(o.gguf, "x", &u32, NULL);
        assert_int_equal(status, cases[i].fits ? AZ_OK : AZ_ERROR_MODEL);
        assert_int_equal(u32, cases[i].fits ? (uint32_t)cases[i].real : 99);
        status = az_gguf_get_f32(o.gguf, "x", &f32, NULL);
        bool finite = fabs(cases[i].real) < 1e38;
        assert_int_equal(status, finite ? AZ_OK : AZ_ERROR_MODEL);
        (void)az_gguf_item_int(az_gguf_find(o.gguf, "x"), 0);
        close_opened(&o);
    }
}

static void truth_and_text_are_of_their_type(void **state) {
    (void)state;
    maker m;
    opened o;
    az_error e;
    bool truth = false;
    az_gguf_text text = {"as before", 9};
    put_sample(&m, 3);
    open_good(&o, &m);
    assert_int_equal(az_gguf_get_bool(o.gguf, "missing", &truth, &e), AZ_OK);
    assert_false(truth);
    assert_int_equal(az_gguf_get_bool(o.gguf, "bool", &truth, &e), AZ_OK);
    assert_true(truth);
    assert_int_equal(az_gguf_get_bool(o.gguf, "u8", &truth, &e), AZ_ERROR_MODEL);
    assert_non_null(strstr(e.text, "u8 is not a truth value"));
    assert_int_equal(az_gguf_get_text(o.gguf, "missing", &text, &e), AZ_OK);
    assert_true(is_same(text, "as before"));
    assert_int_equal(az_gguf_get_text(o.gguf, "general.architecture", &text, &e), AZ_OK);
    assert_true(is_same(text, "llama"));
    assert_int_equal(az_gguf_get_text(o.gguf, "texts", &text, &e), AZ_ERROR_MODEL);
    assert_non_null(strstr(e.text, "texts is not a text"));
    close_opened(&o);
}

static void items_are_numbers(void **state) {
    (void)state;
    maker m;
    opened o;
    put_sample(&m, 3);
    open_good(&o, &m);
    const az_gguf_value *i32s = az_gguf_find(o.gguf, "i32s");
    assert_int_equal(az_gguf_item_int(i32s, 1), -5);
    assert_true(az_gguf_item_f32(i32s, 1) == -5);
    assert_int_equal(az_gguf_item_int(az_gguf_find(o.gguf, "bools"), 0), 0);
    assert_int_equal(az_gguf_item_int(az_gguf_find(o.gguf, "bools"), 2), 1);
    /* One number stands for all items. */
    assert_int_equal(az_gguf_item_int(az_gguf_find(o.gguf, "u8"), 1000), 200);
    assert_true(az_gguf_item_f32(az_gguf_find(o.gguf, "f32"), 1000) == 0.5F);
    assert_true(az_gguf_item_f32(az_gguf_find(o.gguf, "texts"), 1) == 0);
    close_opened(&o);
}

/* ---- Values of tensors ---------------------------------------------------------------------- */

static void values_are_those_of_the_formats_authors(void **state) {
    (void)state;
    az_map map;
    az_error e;
    size_t n_types = 0;
    if (az_map_open(&map, AZ_SOURCE_DIR "/tests/gguf/dequantise.bin", &e) != AZ_OK)
        fail_msg("%s", e.text);
    for (size_t pos = 0; pos < map.n_bytes; n_types++) {
        const az_gguf_type *type = az_gguf_type_of(az_read_le32(map.data + pos));
        uint32_t n_bytes = az_read_le32(map.data + pos + 4);
        uint32_t n = az_read_le32(map.data + pos + 8);
        assert_int_equal(n / type->n_items * type->n_bytes, n_bytes);
        /* Sources of exactly their size, at odd addresses. */
        uint8_t *src = malloc(n_bytes + 1);
        float *got = malloc(n * sizeof *got);
        assert_true(src && got);
        memcpy(src + 1, map.data + pos + 12, n_bytes);
        type->dequantise(src + 1, n, got);
        pos += 12 + n_bytes;
        for (size_t i = 0; i < n; i++, pos += 4) {
            uint32_t bits;
            memcpy(&bits, got + i, 4);
            if (bits != az_read_le32(map.data + pos))
                fail_msg("%s: value %zu has bits %08x, not %08x", type->name, i, bits,
                         az_read_le32(map.data + pos));
        }
        free(src);
        free(got);
    }
    assert_int_equal(n_types, 15);
    az_map_close(&map);
}

static void halves_are_exact(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        uint8_t src[2] = {(uint8_t)half, (uint8_t)(half >> 8)};
        int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
        float got, want = exponent == 0 ? ldexpf((float)fraction, -24)
                                        : ldexpf((float)(1024 + fraction), exponent - 25);
        if (exponent == 31)
            want = fraction ? NAN : INFINITY;
        az_gguf_type_of(1)->dequantise(src, 1, &got);
        assert_true(isnan(want) ? isnan(got) : fabsf(got) == want);
        assert_int_equal(!!signbit(got), half >> 15);
    }
}

static void unknown_types_have_no_name(void **state) {
    (void)state;
    static const uint32_t gone[] = {4, 5, 31, 32, 33, 36, 37, 38, 43, 1000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(gone); i++)
        assert_null(az_gguf_type_of(gone[i])->name);
    for (uint32_t i = 0; i < 100; i++) {
        const az_gguf_type *type = az_gguf_type_of(i);
        if (type->name)
            assert_true(type->n_items > 0 && type->n_bytes > 0);
        else
            assert_null(type->dequantise);
    }
}

/* ---- Files of others -------------------------------------------------------------------------------- */

static void vocabularies_of_llama_cpp_open(void **state) {
    (void)state;
    static const char *const names[] = {"deepseek-coder", "falcon", "gpt-2",
                                        "llama-spm",      "phi-3",  "starcoder"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[400];
        opened o;
        snprintf(path, sizeof path, "%s/../vocab/ggml-vocab-%s.gguf", AZ_CORPORA_DIR, names[i]);
        if (access(path, R_OK) != 0) {
            print_message("%s is left out: not here\n", path);
            continue;
        }
        if (open_path(&o, path) != AZ_OK)
            fail_msg("%s", o.error.text);
        const az_gguf_value *tokens = az_gguf_find(o.gguf, "tokenizer.ggml.tokens");
        assert_non_null(tokens);
        assert_true(tokens->n_items > 30000);
        close_opened(&o);
        az_map map;
        assert_int_equal(az_map_open(&map, path, NULL), AZ_OK);
        LLVMFuzzerTestOneInput(map.data, map.n_bytes);
        az_map_close(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_is_read_whole),
        cmocka_unit_test(file_may_hold_nothing),
        cmocka_unit_test(alignment_is_32_unless_said),
        cmocka_unit_test(every_name_is_found),
        cmocka_unit_test(numbers_are_taken_whatever_their_type),
        cmocka_unit_test(reals_become_integers_only_if_whole),
        cmocka_unit_test(truth_and_text_are_of_their_type),
        cmocka_unit_test(items_are_numbers),
        cmocka_unit_test(values_are_those_of_the_formats_authors),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(unknown_types_have_no_name),
        cmocka_unit_test(vocabularies_of_llama_cpp_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
