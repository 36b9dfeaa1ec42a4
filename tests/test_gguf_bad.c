/*
 * gguf: bad model files of every kind are refused with the right sentence, no cut or changed
 * byte makes the reader look outside, memory may run out, and a model's files must belong
 * together.
 */
#include "gguf_maker.h"
#include "plan.h"

#include <unistd.h>

/* ---- Bad files ------------------------------------------------------------------------------- */

/* Each makes a file with one fault. */
static void bad_magic(maker *m) {
    put_head(m, 3, 0, 0);
    m->bytes[3] = 'f';
}
static void bad_version_1(maker *m) {
    put_head(m, 1, 0, 0);
}
static void bad_version_4(maker *m) {
    put_head(m, 4, 0, 0);
}
static void bad_big_endian(maker *m) {
    put_head(m, 0x03000000, 0, 0);
}
static void bad_n_values(maker *m) {
    put_head(m, 3, 0, UINT64_MAX);
}
static void bad_n_tensors(maker *m) {
    put_head(m, 3, UINT64_MAX / 33, 0);
}
static void bad_key_length(maker *m) {
    put_head(m, 3, 0, 1);
    put_u64(m, UINT64_MAX - 3);
    put(m, "key of no great length", 22);
}
static void bad_key_empty(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "", AZ_GGUF_U32);
    put_u32(m, 1);
}
static void bad_key_bytes(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "caf\xC3\xA9", AZ_GGUF_U32);
    put_u32(m, 1);
}
static void bad_key_twice(maker *m) {
    put_head(m, 3, 0, 3);
    for (int i = 0; i < 3; i++) {
        put_key(m, i == 1 ? "other" : "same", AZ_GGUF_U32);
        put_u32(m, 1);
    }
}
static void bad_value_type(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "key", 13);
    put_u32(m, 1);
}
static void bad_item_type(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "key", 77, 1);
    put_u32(m, 1);
}
static void bad_truth(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "key", AZ_GGUF_BOOL, 2);
    put(m, "\1\2", 2);
}
static void bad_nested(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "key", AZ_GGUF_ARRAY, 1);
    put_u32(m, AZ_GGUF_U32);
    put_u64(m, 1);
    put_u32(m, 1);
}
static void bad_n_items(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "key", AZ_GGUF_U32, UINT64_MAX / 4 + 2); /* times 4: 4 */
    put_u64(m, 1);
}
static void bad_n_texts(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "key", AZ_GGUF_STRING, UINT64_MAX / 8 + 2); /* times 8: 8 */
    put_text(m, "only one");
}
static void bad_text_length(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "key", AZ_GGUF_STRING);
    put_u64(m, (uint64_t)INT64_MAX);
    put_u64(m, 0);
}
static void bad_alignment_0(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "general.alignment", AZ_GGUF_U32);
    put_u32(m, 0);
}
static void bad_alignment_48(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "general.alignment", AZ_GGUF_U32);
    put_u32(m, 48);
}
static void bad_alignment_type(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "general.alignment", AZ_GGUF_U64);
    put_u64(m, 32);
}
static void bad_tensor_name(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "0123456789012345678901234567890123456789012345678901234567890123x", 1, 0, 0, F32,
               0);
    put_data(m, 32, 4);
}
static void bad_tensor_twice(maker *m) {
    put_head(m, 3, 2, 0);
    put_tensor(m, "same", 1, 0, 0, F32, 0);
    put_tensor(m, "same", 1, 0, 0, F32, 0);
    put_data(m, 32, 4);
}
static void bad_n_dims_0(maker *m) {
    put_head(m, 3, 1, 0);
    put_text(m, "t");
    put_u32(m, 0);
    put_data(m, 32, 32);
}
static void bad_n_dims_5(maker *m) {
    put_head(m, 3, 1, 0);
    put_text(m, "t");
    put_u32(m, 5);
    put_data(m, 32, 64);
}
static void bad_dim_0(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 0, 0, 0, F32, 0);
    put_data(m, 32, 4);
}
static void bad_product(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 1ULL << 32, 1ULL << 31, 2, F32, 0); /* 2^64 values */
    put_data(m, 32, 4);
}
static void bad_product_of_bytes(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 1ULL << 32, 1ULL << 29, 0, F32, 0); /* 2^63 bytes */
    put_data(m, 32, 4);
}
static void bad_type(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 32, 0, 0, 4, 0);
    put_data(m, 32, 128);
}
static void bad_row(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 48, 2, 0, Q4_1, 0);
    put_data(m, 32, 128);
}
static void bad_offset(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 1, 0, 0, F32, 16);
    put_data(m, 32, 32);
}
static void bad_offset_huge(maker *m) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "t", 1, 0, 0, F32, UINT64_MAX - 31); /* plus data's begin: inside the file */
    put_data(m, 32, 32);
}
static void bad_end(maker *m) {
    put_head(m, 3, 2, 0);
    put_tensor(m, "a", 8, 0, 0, F32, 0);
    put_tensor(m, "blk.3.attn_q.weight", 8, 2, 0, F32, 32);
    put_data(m, 32, 32 + 63);
}

static void bad_files_are_refused_with_the_right_sentence(void **state) {
    (void)state;
    static const struct {
        void (*make)(maker *m);
        uint64_t offset;
        const char *sentence;
    } cases[] = {
        {bad_magic, 0, "is not a GGUF model file"},
        {bad_version_1, 4, "is of GGUF version 1, only 2 and 3 are supported"},
        {bad_version_4, 4, "is of GGUF version 4,"},
        {bad_big_endian, 4, "is a big-endian GGUF file"},
        {bad_n_values, 16, "has 18446744073709551615 values by its head, too many for 24 bytes"},
        {bad_n_tensors, 8, "has 558992244657865200 tensors by its head, too many for 24 bytes"},
        {bad_key_length, 32,
         "name of key 0 needs 18446744073709551612 bytes at byte 32, but the "
         "file ends at 54"},
        {bad_key_empty, 24, "name of key 0 has 0 bytes, not 1 to 65535"},
        {bad_key_bytes, 35, "name of key 0 has a byte 0xC3, which is not printable ASCII"},
        {bad_key_twice, 73, "key same is there twice"},
        {bad_value_type, 35, "key key has a value of type 13, not 0 to 12"},
        {bad_item_type, 39, "key key has a value of type 77, not 0 to 12"},
        {bad_truth, 52, "key key has a truth value of 2, not 0 or 1"},
        {bad_nested, 39, "key key is an array of arrays, which is not supported"},
        {bad_n_items, 51, "key key needs"},
        {bad_n_texts, 51, "key key needs"},
        {bad_text_length, 47,
         "key key needs 9223372036854775807 bytes at byte 47, but the file "
         "ends at 55"},
        {bad_alignment_0, 53, "general.alignment is 0, which is not a power of two"},
        {bad_alignment_48, 53, "general.alignment is 48, which"},
        {bad_alignment_type, 53, "general.alignment has type 10, not 4"},
        {bad_tensor_name, 24, "name of tensor 0 has 65 bytes, not 1 to 64"},
        {bad_tensor_twice, 68, "tensor same is there twice"},
        {bad_n_dims_0, 33, "tensor t has 0 dimensions, not 1 to 4"},
        {bad_n_dims_5, 33, "tensor t has 5 dimensions, not 1 to 4"},
        {bad_dim_0, 33, "tensor t has a dimension of 0"},
        {bad_product, 33, "tensor t has more values than there are addresses"},
        {bad_product_of_bytes, 33, "tensor t is larger than any file"},
        {bad_type, 33, "tensor t has type 4, which is not known"},
        {bad_row, 33, "tensor t has rows of 48 values, but Q4_1 comes in blocks of 32"},
        {bad_offset, 49, "tensor t lies at offset 16, not a multiple of 32"},
        {bad_offset_huge, 49, "tensor t ends at byte 18446744073709551615, the file at 96"},
        {bad_end, 108, "tensor blk.3.attn_q.weight ends at byte 224, the file at 223"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        maker m;
        opened o;
        cases[i].make(&m);
        LLVMFuzzerTestOneInput(m.bytes, m.n);
        az_status status = open_bytes(&o, m.bytes, m.n);
        if (o.error.offset != cases[i].offset)
            fail_msg("offset %llu, not %llu: %s", (unsigned long long)o.error.offset,
                     (unsigned long long)cases[i].offset, o.error.text);
        assert_int_equal(strncmp(o.error.text, "model in memory: ", 17), 0);
        check_refused(&o, status, AZ_ERROR_MODEL, cases[i].sentence);
    }
}

static void cut_files_are_refused(void **state) {
    (void)state;
    maker m;
    put_sample(&m, 3);
    for (size_t n = 0; n < m.n; n++) {
        opened o;
        az_status status = open_bytes(&o, m.bytes, n);
        check_refused(&o, status, AZ_ERROR_MODEL, "model in memory: ");
    }
    opened o = {0};
    assert_int_equal(az_heap_open(&o.heap, NULL, NULL), AZ_OK);
    check_refused(&o, az_gguf_open_memory(&o.gguf, NULL, 0, o.heap, &o.error), AZ_ERROR_MODEL,
                  "is not a GGUF model file");
}

static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    maker m;
    put_sample(&m, 3);
    uint8_t *copy = malloc(m.n);
    assert_non_null(copy);
    for (size_t i = 0; i < m.n; i++)
        for (int bit = 0; bit < 9; bit++) { /* each of 8, then all */
            memcpy(copy, m.bytes, m.n);
            copy[i] ^= bit < 8 ? (uint8_t)(1 << bit) : 0xFF;
            LLVMFuzzerTestOneInput(copy, m.n);
        }
    free(copy);
}

/* ---- Memory runs out --------------------------------------------------------------------------- */

/* Opens path, or the bytes, with each allocation failing in turn. Returns how many there are. */
static int fail_each_allocation(const char *path, const maker *m) {
    for (int fails_at = 1;; fails_at++) { /* 0 is the heap's own */
        plan p = {.fails_at = fails_at};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_heap *heap = NULL;
        az_gguf *gguf = NULL;
        az_error e = {0};
        assert_int_equal(az_heap_open(&heap, &allocator, NULL), AZ_OK);
        az_status status = path ? az_gguf_open(&gguf, path, heap, &e)
                                : az_gguf_open_memory(&gguf, m->bytes, m->n, heap, &e);
        bool failed = p.n_allocs > fails_at;
        assert_int_equal(status, failed ? AZ_ERROR_MEMORY : AZ_OK);
        assert_int_equal(e.status, status);
        assert_true(!gguf == failed);
        az_gguf_close(&gguf);
        assert_int_equal(az_heap_used(heap), 0);
        az_heap_close(&heap);
        assert_int_equal(p.n_live, 0);
        if (!failed)
            return fails_at - 1;
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    maker m;
    put_sample(&m, 3);
    assert_in_range(fail_each_allocation(NULL, &m), 5, 20);
}

static void memory_limit_holds(void **state) {
    (void)state;
    maker m;
    opened o = {0};
    put_sample(&m, 3);
    assert_int_equal(az_heap_open(&o.heap, NULL, NULL), AZ_OK);
    az_heap_set_limit(o.heap, 1000);
    check_refused(&o, az_gguf_open_memory(&o.gguf, m.bytes, m.n, o.heap, &o.error),
                  AZ_ERROR_MEMORY_LIMIT, "");
}

/* ---- Files ---------------------------------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", "/tmp/az_test_gguf_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void save(const char *name, const maker *m) {
    FILE *f = fopen(path_of(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(m->bytes, 1, m->n, f), m->n);
    assert_int_equal(fclose(f), 0);
}

static void file_is_mapped(void **state) {
    (void)state;
    maker m;
    opened o;
    uint8_t got[32], want[32];
    put_sample(&m, 3);
    save("a.gguf", &m);
    assert_int_equal(open_path(&o, path_of("a.gguf")), AZ_OK);
    assert_int_equal(az_gguf_n_values(o.gguf), 17);
    assert_int_equal(az_gguf_n_tensors(o.gguf), 4);
    const az_gguf_tensor *last = az_gguf_find_tensor(o.gguf, "blk.0.odd.weight");
    assert_memory_equal(last->data, m.bytes + m.n - 66, 66);
    assert_int_equal(az_gguf_nbytes(o.gguf), m.n);
    az_gguf_sha256(o.gguf, got);
    az_sha256 hash;
    az_sha256_begin(&hash);
    az_sha256_add(&hash, m.bytes, m.n);
    az_sha256_end(&hash, want);
    assert_memory_equal(got, want, 32);
    close_opened(&o);
    assert_in_range(fail_each_allocation(path_of("a.gguf"), NULL), 6, 20);
}

static void faults_of_a_file_name_it(void **state) {
    (void)state;
    maker m;
    opened o;
    bad_end(&m);
    save("bad.gguf", &m);
    check_refused(&o, open_path(&o, path_of("bad.gguf")), AZ_ERROR_MODEL,
                  "/bad.gguf: tensor blk.3.attn_q.weight ends at byte 224, the file at 223");
    check_refused(&o, open_path(&o, path_of("none.gguf")), AZ_ERROR_READ,
                  "/none.gguf: there is no such file");
    check_refused(&o, open_path(&o, folder), AZ_ERROR_READ, "is a directory");
    m.n = 0;
    save("empty.gguf", &m);
    check_refused(&o, open_path(&o, path_of("empty.gguf")), AZ_ERROR_READ, "/empty.gguf: is empty");
}

/* A tensor of many pages, whose bytes count up. */
static void released_tensor_can_still_be_read(void **state) {
    (void)state;
    enum { N = 100000 };
    maker m;
    opened o;
    put_head(&m, 3, 1, 0);
    put_tensor(&m, "t", N / 4, 0, 0, F32, 0);
    put_data(&m, 32, 0);
    save("long.gguf", &m);
    FILE *f = fopen(path_of("long.gguf"), "ab");
    assert_non_null(f);
    for (int i = 0; i < N; i++)
        assert_true(fputc(i % 251, f) != EOF);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(open_path(&o, path_of("long.gguf")), AZ_OK);
    const az_gguf_tensor *t = az_gguf_find_tensor(o.gguf, "t");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            assert_int_equal(t->data[i], i % 251);
        az_gguf_release(o.gguf, t);
    }
    close_opened(&o);
}

/* ---- Several files --------------------------------------------------------------------------------- */

enum { COUNT_KEY = 1, NUMBER_KEY = 2, TOTAL_KEY = 4 };

/* File `number` (from 0) of `count`, with one tensor of that name, whose first value is
 * `number`. */
static void put_part(maker *m, int keys, unsigned number, unsigned count, unsigned total,
                     const char *tensor) {
    put_head(m, 3, 1,
             (unsigned)(!!(keys & COUNT_KEY) + !!(keys & NUMBER_KEY) + !!(keys & TOTAL_KEY)));
    if (keys & NUMBER_KEY) {
        put_key(m, "split.no", AZ_GGUF_U16);
        put(m, (uint8_t[]){(uint8_t)number, (uint8_t)(number >> 8)}, 2);
    }
    if (keys & COUNT_KEY) {
        put_key(m, "split.count", AZ_GGUF_U16);
        put(m, (uint8_t[]){(uint8_t)count, (uint8_t)(count >> 8)}, 2);
    }
    if (keys & TOTAL_KEY) {
        put_key(m, "split.tensors.count", AZ_GGUF_I32);
        put_u32(m, total);
    }
    put_tensor(m, tensor, 4, 0, 0, F32, 0);
    put_data(m, 32, 0);
    put_f32(m, (float)number);
    put_data(m, 1, 12);
}

enum { ALL_KEYS = COUNT_KEY | NUMBER_KEY | TOTAL_KEY };

static void save_three(void) {
    maker m;
    put_part(&m, ALL_KEYS, 0, 3, 3, "zero");
    save("m-00001-of-00003.gguf", &m);
    put_part(&m, ALL_KEYS, 1, 3, 3, "one");
    save("m-00002-of-00003.gguf", &m);
    put_part(&m, COUNT_KEY | NUMBER_KEY, 2, 3, 3, "two");
    save("m-00003-of-00003.gguf", &m);
}

static void files_of_a_model_are_opened_together(void **state) {
    (void)state;
    static const char *const names[] = {"zero", "one", "two"};
    opened o;
    uint8_t got[32], want[32];
    uint64_t n_bytes = 0;
    az_sha256 hash;
    save_three();
    if (open_path(&o, path_of("m-00001-of-00003.gguf")) != AZ_OK)
        fail_msg("%s", o.error.text);
    assert_int_equal(az_gguf_n_tensors(o.gguf), 3);
    assert_int_equal(az_gguf_n_values(o.gguf), 3);
    for (size_t i = 0; i < 3; i++) {
        const az_gguf_tensor *t = az_gguf_find_tensor(o.gguf, names[i]);
        float row[4];
        assert_ptr_equal(t, az_gguf_tensor_at(o.gguf, i));
        az_gguf_type_of(t->type)->dequantise(t->data, 4, row);
        assert_true(row[0] == (float)i);
        az_gguf_release(o.gguf, t);
    }
    az_sha256_begin(&hash);
    for (int i = 1; i <= 3; i++) {
        char name[32];
        az_map map;
        snprintf(name, sizeof name, "m-%05d-of-00003.gguf", i);
        assert_int_equal(az_map_open(&map, path_of(name), NULL), AZ_OK);
        az_sha256_add(&hash, map.data, map.n_bytes);
        n_bytes += map.n_bytes;
        az_map_close(&map);
    }
    az_sha256_end(&hash, want);
    az_gguf_sha256(o.gguf, got);
    assert_memory_equal(got, want, 32);
    assert_int_equal(az_gguf_nbytes(o.gguf), n_bytes);
    close_opened(&o);
    assert_in_range(fail_each_allocation(path_of("m-00001-of-00003.gguf"), NULL), 15, 40);
}

/* Opens the first of three, the second of which is as given. */
static void check_three(const maker *second, az_status want, const char *sentence) {
    opened o;
    save_three();
    if (second)
        save("m-00002-of-00003.gguf", second);
    else
        assert_int_equal(unlink(path_of("m-00002-of-00003.gguf")), 0);
    check_refused(&o, open_path(&o, path_of("m-00001-of-00003.gguf")), want, sentence);
}

static void faults_of_files_that_belong_together_are_found(void **state) {
    (void)state;
    maker m;
    opened o;
    check_three(NULL, AZ_ERROR_READ, "/m-00002-of-00003.gguf: there is no such file");
    put_part(&m, NUMBER_KEY | COUNT_KEY, 2, 3, 3, "one");
    check_three(&m, AZ_ERROR_MODEL,
                "/m-00002-of-00003.gguf: does not say that it is file 2 of 3 of a model");
    put_part(&m, NUMBER_KEY | COUNT_KEY, 1, 4, 3, "one");
    check_three(&m, AZ_ERROR_MODEL, "does not say that it is file 2 of 3");
    put_part(&m, COUNT_KEY, 1, 3, 3, "one");
    check_three(&m, AZ_ERROR_MODEL, "does not say that it is file 2 of 3");
    put_part(&m, ALL_KEYS, 1, 3, 3, "two");
    check_three(&m, AZ_ERROR_MODEL, "tensor two is there twice");
    bad_type(&m);
    check_three(&m, AZ_ERROR_MODEL, "/m-00002-of-00003.gguf: tensor t has type 4");

    save_three();
    check_refused(&o, open_path(&o, path_of("m-00003-of-00003.gguf")), AZ_ERROR_MODEL,
                  "/m-00003-of-00003.gguf: is file 3 of 3 of a model: open the one that ends in "
                  "-00001-of-00003.gguf");
    put_part(&m, ALL_KEYS, 0, 3, 4, "zero");
    save("m-00001-of-00003.gguf", &m);
    check_refused(&o, open_path(&o, path_of("m-00001-of-00003.gguf")), AZ_ERROR_MODEL,
                  "the model has 4 tensors by its head, its 3 files have 3");
    save("other.gguf", &m);
    check_refused(&o, open_path(&o, path_of("other.gguf")), AZ_ERROR_MODEL,
                  "is the first of 3 files of a model, so its name must end in "
                  "-00001-of-00003.gguf");
    check_refused(&o, open_bytes(&o, m.bytes, m.n), AZ_ERROR_MODEL,
                  "is one of 3 files of a model, which must be opened by name");
    put_head(&m, 3, 0, 1);
    put_key(&m, "split.count", AZ_GGUF_U32);
    put_u32(&m, 70000);
    check_refused(&o, open_bytes(&o, m.bytes, m.n), AZ_ERROR_MODEL,
                  "split.count is not a whole number from 0 to 65535");
}

static void one_file_may_say_that_it_is_the_only_one(void **state) {
    (void)state;
    maker m;
    opened o;
    put_part(&m, ALL_KEYS, 0, 1, 1, "t");
    open_good(&o, &m);
    close_opened(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_are_refused_with_the_right_sentence),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(memory_limit_holds),
        cmocka_unit_test(file_is_mapped),
        cmocka_unit_test(faults_of_a_file_name_it),
        cmocka_unit_test(released_tensor_can_still_be_read),
        cmocka_unit_test(files_of_a_model_are_opened_together),
        cmocka_unit_test(faults_of_files_that_belong_together_are_found),
        cmocka_unit_test(one_file_may_say_that_it_is_the_only_one),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
