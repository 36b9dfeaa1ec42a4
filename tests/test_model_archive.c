/* Archives made with a language model, through aizip.h. */
#include "plan.h"
#include "support.h"

#include <pthread.h>

#include "container/container.h"

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"
#define GPT2 AZ_SOURCE_DIR "/tests/models/tiny-gpt2.gguf"

static const char sentence[] =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
    "park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n";

static az_model *model, *other_model;
static az_engine *engine, *other;

static int open_engines(void **state) {
    (void)state;
    az_error error;
    assert_int_equal(az_model_open(&model, STORIES, NULL, &error), AZ_OK);
    assert_int_equal(az_model_open(&other_model, GPT2, NULL, &error), AZ_OK);
    assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, &error), AZ_OK);
    assert_int_equal(az_engine_open(&other, other_model, 1, 0, NULL, &error), AZ_OK);
    return 0;
}

static int close_engines(void **state) {
    (void)state;
    az_engine_close(&engine);
    az_engine_close(&other);
    az_model_close(&model);
    az_model_close(&other_model);
    return 0;
}

/* Stories: what the model knows. The caller frees it. */
static uint8_t *stories(size_t n_bytes) {
    uint8_t *p = malloc(n_bytes + 1);
    for (size_t i = 0; i < n_bytes; i++)
        p[i] = (uint8_t)sentence[i % (sizeof sentence - 1)];
    uint64_t seed = 11;
    for (size_t i = 0; i < n_bytes / 50; i++) /* not just a repetition */
        p[rnd_below(&seed, n_bytes)] = (uint8_t)('a' + rnd_below(&seed, 26));
    return p;
}

static void archives_decode(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 255, 5000};
    for (int k = 0; k <= N_KINDS; k++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (int level = 1; level <= 9; level += SLOW_BUILD ? 9 : 4) {
                uint8_t *p = k < N_KINDS ? make_content((kind)k, sizes[i], 3) : stories(sizes[i]);
                trip t = {.engine = engine, .level = level, .verify = i % 2};
                bytes archive = archive_of(t, p, sizes[i]);
                check_archive(t, archive, p, sizes[i]);
                free(archive.data);
                free(p);
            }
}

static void never_larger_than_the_built_in(void **state) {
    (void)state;
    size_t n = REPEATS(70000, 9000);
    for (int k = 0; k < N_KINDS; k++) {
        uint8_t *p = make_content((kind)k, n, 3);
        bytes with = archive_of((trip){.engine = engine, .block_size = 1 << 20}, p, n);
        bytes without = archive_of((trip){.level = 9, .block_size = 1 << 20}, p, n);
        assert_true(with.n <= without.n + 70);
        free(with.data);
        free(without.data);
        free(p);
    }
}

static void blocks_threads_and_buffers_make_no_difference(void **state) {
    (void)state;
    size_t n = 70000;
    uint8_t *p = stories(n);
    trip t = {.engine = engine, .lanes = 16};
    bytes first = archive_of(t, p, n);
    check_archive(t, first, p, n);
    assert_true(first.n < n / 8);
    for (int threads = 2; threads <= 8; threads += SLOW_BUILD ? 9 : 3) {
        t.threads = threads;
        t.in_step = t.out_step = SIZE_MAX;
        bytes again = archive_of(t, p, n);
        check_bytes(again, first.data, first.n);
        check_archive(t, again, p, n);
        free(again.data);
    }
    free(first.data);
    free(p);
}

typedef struct worker {
    size_t n;
    uint8_t *content;
    bytes alone, together;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    size_t capacity = az_compress_bound(w->n) + 200, n;
    az_error error;
    w->together.data = malloc(capacity);
    if (az_engine_compress(engine, w->together.data, capacity, &w->together.n, w->content, w->n, 5,
                           &error) != AZ_OK)
        return "compress";
    uint8_t *again = malloc(w->n + 1);
    if (az_engine_decompress(engine, again, w->n, &n, w->together.data, w->together.n, &error) !=
            AZ_OK ||
        n != w->n || memcmp(again, w->content, n) != 0)
        return "decompress";
    free(again);
    return NULL;
}

static void ten_at_once_are_what_each_is_alone(void **state) {
    (void)state;
    worker w[10];
    pthread_t threads[10];
    for (size_t i = 0; i < COUNT(w); i++) {
        w[i] = (worker){.n = 500 + 300 * i};
        w[i].content = stories(w[i].n);
        size_t capacity = az_compress_bound(w[i].n) + 200;
        w[i].alone.data = malloc(capacity);
        assert_int_equal(az_engine_compress(engine, w[i].alone.data, capacity, &w[i].alone.n,
                                            w[i].content, w[i].n, 5, NULL),
                         AZ_OK);
    }
    for (size_t i = 0; i < COUNT(w); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &w[i]), 0);
    for (size_t i = 0; i < COUNT(w); i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
        check_bytes(w[i].together, w[i].alone.data, w[i].alone.n);
        free(w[i].alone.data);
        free(w[i].together.data);
        free(w[i].content);
    }
}

/* ---- What is wrong ------------------------------------------------------------------- */

static void damage_is_found(void **state) {
    (void)state;
    enum { N = 1200 };
    uint8_t *p = stories(N);
    trip t = {.engine = engine};
    bytes archive = archive_of(t, p, N), got;
    az_error error;
    for (size_t bit = 0; bit < archive.n * 8; bit += SLOW_BUILD ? 97 : 3) {
        archive.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        az_status status = decode(t, archive.data, archive.n, &got, &error);
        if (status == AZ_OK)
            check_bytes(got, p, N); /* a letter of the model's name, say */
        else
            assert_int_equal(got.n, 0);
        free(got.data);
        archive.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < archive.n; n++) {
        assert_int_equal(decode(t, archive.data, n, &got, &error), AZ_ERROR_TRUNCATED);
        assert_int_equal(got.n, 0);
        free(got.data);
    }
    free(archive.data);
    free(p);
}

static void a_missing_or_wrong_model_is_named(void **state) {
    (void)state;
    uint8_t *p = stories(600);
    bytes archive = archive_of((trip){.engine = engine}, p, 600), got;
    az_error error;
    assert_int_equal(decode((trip){0}, archive.data, archive.n, &got, &error), AZ_ERROR_MODEL);
    assert_non_null(strstr(error.text, "needs the language model tiny (its SHA-256 begins with 9"));
    assert_int_equal(got.n, 0);
    free(got.data);
    assert_int_equal(decode((trip){.engine = other}, archive.data, archive.n, &got, &error),
                     AZ_ERROR_MODEL);
    free(got.data);
    free(archive.data);
    free(p);
}

/* Method and arithmetic of the future: settings, and their checks, made anew. */
static void other_versions_are_refused(void **state) {
    (void)state;
    uint8_t *p = stories(600);
    trip t = {.engine = engine};
    for (int what = 0; what < 2; what++) {
        bytes archive = archive_of(t, p, 600), got;
        az_error error;
        uint8_t *d = archive.data;
        if (what == 0)
            d[6]++;
        else
            d[9 + 1 + AZ_MODEL_HASH_NBYTES]++;
        d[8] = (uint8_t)az_check(d, 8);
        size_t n = 1u + d[9];
        az_hash hash;
        az_hash_begin(&hash, az_read_le32(d + 4));
        az_hash_add(&hash, d + 9, n);
        d[9 + n] = (uint8_t)az_hash_value(&hash);
        assert_int_equal(decode(t, d, archive.n, &got, &error), AZ_ERROR_VERSION);
        free(got.data);
        free(archive.data);
    }
    free(p);
}

static int read_at(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    memcpy(buf, (const uint8_t *)opaque + offset, n_bytes);
    return 0;
}

static void a_look_tells_the_model(void **state) {
    (void)state;
    uint8_t *p = stories(70000), sum[32];
    bytes archive = archive_of((trip){.engine = engine, .lanes = 8, .window = 256}, p, 70000);
    az_archive_info info;
    assert_int_equal(az_archive_read(&info, read_at, archive.data, archive.n, NULL), AZ_OK);
    az_model_sha256(model, sum);
    assert_int_equal(info.method, 2);
    assert_string_equal(info.method_name, "lm+cm");
    assert_string_equal(info.model_name, "tiny");
    assert_memory_equal(info.model_hash, sum, AZ_MODEL_HASH_NBYTES);
    assert_int_equal(info.window, 256);
    assert_int_equal(info.content_nbytes, 70000);
    assert_int_equal(info.n_blocks, 2);
    /* Beside one of the built-in predictor there is none in common. */
    bytes plain = archive_of((trip){0}, p, 1000);
    uint8_t *both = malloc(archive.n + plain.n);
    memcpy(both, plain.data, plain.n);
    memcpy(both + plain.n, archive.data, archive.n);
    assert_int_equal(az_archive_read(&info, read_at, both, archive.n + plain.n, NULL), AZ_OK);
    assert_int_equal(info.method, -1);
    assert_string_equal(info.model_name, "");
    free(both);
    free(plain.data);
    free(archive.data);
    free(p);
}

static void salvage_gives_what_is_whole(void **state) {
    (void)state;
    size_t n = 3 * 65536;
    uint8_t *p = stories(n);
    trip t = {.engine = engine, .lanes = 32, .salvage = 1};
    bytes archive = archive_of(t, p, n), got;
    az_error error;
    archive.data[archive.n / 2] ^= 1; /* in block 1 */
    assert_int_equal(decode(t, archive.data, archive.n, &got, &error), AZ_OK);
    assert_int_equal(got.n, n - 65536);
    assert_memory_equal(got.data, p, 65536);
    assert_memory_equal(got.data + 65536, p + 2 * 65536, 65536);
    free(got.data);
    free(archive.data);
    free(p);
}

static void too_little_memory_is_said(void **state) {
    (void)state;
    uint8_t *p = stories(2000);
    az_engine *small;
    az_error error;
    bytes out;
    assert_int_equal(az_engine_open(&small, model, 1, 100000, NULL, &error), AZ_ERROR_MEMORY_LIMIT);
    assert_null(small);
    trip t = {.engine = engine, .memory_limit = 1 << 20};
    assert_int_equal(encode(t, p, 2000, &out, &error), AZ_ERROR_MEMORY_LIMIT);
    free(out.data);
    free(p);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    uint8_t *p = stories(300);
    trip t = {.engine = engine};
    bytes want = archive_of(t, p, 300), out;
    for (int decoding = 0; decoding < 2; decoding++)
        for (int fails_at = 0;; fails_at++) {
            plan fails = {.fails_at = fails_at};
            az_allocator allocator = {plan_alloc, plan_free, &fails};
            az_error error = {0};
            t.allocator = &allocator;
            az_status status = decoding ? decode(t, want.data, want.n, &out, &error)
                                        : encode(t, p, 300, &out, &error);
            if (status == AZ_OK)
                check_bytes(out, decoding ? p : want.data, decoding ? 300 : want.n);
            else
                assert_int_equal(status, AZ_ERROR_MEMORY);
            free(out.data);
            assert_int_equal(fails.n_live, 0);
            if (fails_at >= fails.n_allocs)
                break;
        }
    free(want.data);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_decode),
        cmocka_unit_test(never_larger_than_the_built_in),
        cmocka_unit_test(blocks_threads_and_buffers_make_no_difference),
        cmocka_unit_test(ten_at_once_are_what_each_is_alone),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(a_missing_or_wrong_model_is_named),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(a_look_tells_the_model),
        cmocka_unit_test(salvage_gives_what_is_whole),
        cmocka_unit_test(too_little_memory_is_said),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
