/* Sampling is decoding random bytes: so encoding gives them back. */
#include "base/base.h"
#include "plan.h"
#include "sample/sample.h"
#include "support.h"

#include <stdbool.h>

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"

static az_sampling settings_of(int level, uint64_t seed) {
    return (az_sampling){.level = level, .seed = seed, .temperature = 1000};
}

static void sample(void *out, size_t n, const az_sampling *s) {
    az_error error = {0};
    if (az_sample(out, n, s, NULL, &error) != AZ_OK)
        fail_msg("%s", error.text);
}

static void random_bytes_are_a_stream(void **state) {
    (void)state;
    uint8_t all[300], part[300];
    /* SHA-256 of 16 zeros, and of seed 1, block 0. */
    static const uint8_t first[] = {0x37, 0x47, 0x08, 0xff, 0xf7, 0x71, 0x9d, 0xd5};
    az_random_bytes(0, 0, all, sizeof all);
    assert_memory_equal(all, first, sizeof first);
    for (size_t at = 0; at < 100; at += 7)
        for (size_t n = 0; n < 200; n += 33) {
            az_random_bytes(0, at, part, n);
            assert_memory_equal(part, all + at, n);
        }
    az_random_bytes(1, 0, part, sizeof part);
    assert_memory_not_equal(part, all, sizeof all);
}

/* The payload of the sample's archive: behind frame header 9, flags 1, sizes, checks 8. */
static size_t payload_at(bytes archive) {
    size_t at = 10;
    for (int field = 0; field < 2; field++)
        while (archive.data[at++] & 0x80) {
        }
    return at + 8;
}

static void encoding_gives_the_random_bytes_back(void **state) {
    (void)state;
    enum { N = 3000 };
    uint8_t out[N], random[2 * N];
    for (int level = 1; level <= 9; level++) {
        az_sampling s = settings_of(level, 40 + (uint64_t)level);
        sample(out, N, &s);
        az_random_bytes(s.seed, 0, random, sizeof random);
        bytes archive = archive_of((trip){.level = level}, out, N);
        bool stored = archive.data[9] & 2; /* what an untaught model makes up is long */
        if (!stored) {
            size_t at = payload_at(archive), n = archive.n - at;
            assert_in_range(n, 20, N);
            assert_memory_equal(archive.data + at, random, n - 9);
        }
        check_archive((trip){0}, archive, out, N);
        free(archive.data);
    }
}

/* After a dictionary it is text, and is coded in far less than it has bytes. */
static void after_a_dictionary(void **state) {
    (void)state;
    enum { N = 2000 };
    uint8_t out[N], random[N];
    const az_primer *prose = az_primer_get(0);
    for (int level = 1; level <= 9; level += 4) {
        az_sampling s = settings_of(level, 3);
        s.dictionary = prose->text;
        sample(out, N, &s);
        az_random_bytes(3, 0, random, N);
        bytes archive = archive_of((trip){.level = level, .primer = "prose"}, out, N);
        size_t at = payload_at((bytes){archive.data + 3, archive.n}) + 3; /* a note of 3 bytes */
        assert_in_range(archive.n, N / 8, N / 2);
        assert_memory_equal(archive.data + at, random, archive.n - at - 9);
        free(archive.data);
        /* A prompt is the end of what has been seen. */
        az_sampling parts = s;
        uint8_t again[N];
        parts.dictionary.n_bytes -= 1000;
        parts.prompt =
            (az_text){(const uint8_t *)prose->text.data + parts.dictionary.n_bytes, 1000};
        sample(again, N, &parts);
        assert_memory_equal(again, out, N);
    }
}

static void temperatures(void **state) {
    (void)state;
    enum { N = 1500 };
    uint8_t out[5][N];
    static const uint32_t temperatures[] = {0, 300, 1000, 2000, 100000};
    size_t sizes[5];
    for (size_t i = 0; i < 5; i++) {
        az_sampling s = settings_of(5, 9);
        s.dictionary = az_primer_get(0)->text;
        s.temperature = temperatures[i];
        sample(out[i], N, &s);
        bytes archive = archive_of((trip){.level = 5, .primer = "prose"}, out[i], N);
        sizes[i] = archive.n;
        free(archive.data);
        if (i)
            assert_true(sizes[i] > sizes[i - 1]);
    }
    assert_true(sizes[0] < 120);
    assert_true(sizes[4] > N - 100);
}

static void kernels_make_no_difference(void **state) {
    (void)state;
    enum { N = 500 };
    static const char *const off[] = {"", "avx512", "all"};
    for (int hot = 0; hot < 2; hot++) {
        uint8_t first[N], out[N];
        for (size_t i = 0; i < COUNT(off); i++) {
            setenv("AIZIP_CPU_DISABLE", off[i], 1);
            az_sampling s = settings_of(7, 5);
            s.temperature = hot ? 800 : 1000;
            sample(i ? out : first, N, &s);
            if (i)
                assert_memory_equal(out, first, N);
        }
    }
    unsetenv("AIZIP_CPU_DISABLE");
}

static void with_a_model(void **state) {
    (void)state;
    enum { N = 300 };
    static const char *const off[] = {"", "all"};
    uint8_t first[6][N], out[N], random[N];
    for (size_t k = 0; k < COUNT(off); k++) {
        az_model *model;
        az_engine *engine;
        setenv("AIZIP_CPU_DISABLE", off[k], 1);
        assert_int_equal(az_model_open(&model, STORIES, NULL, NULL), AZ_OK);
        assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, NULL), AZ_OK);
        for (uint32_t i = 0; i < 6; i++) {
            az_sampling s = settings_of(5, 1);
            s.engine = engine;
            s.temperature = (uint32_t[]){1000, 700, 1000, 1000, 900, 0}[i];
            s.top_k = i == 2 ? 1 : i == 4 ? 40 : 0;
            s.top_p = i == 3 ? 500 : i == 4 ? 900 : 0;
            s.prompt = i > 0 ? (az_text){"Once upon a time, there was a", 29} : (az_text){0};
            sample(k ? out : first[i], N, &s);
            if (k)
                assert_memory_equal(out, first[i], N);
        }
        if (k == 0) { /* one lane: its number, and the message */
            trip t = {.engine = engine, .level = 5, .lanes = 1};
            bytes archive = archive_of(t, first[0], N);
            az_random_bytes(1, 0, random, N);
            size_t note = 1u + archive.data[9] + 1;
            size_t at = payload_at((bytes){archive.data + note, archive.n}) + note;
            if (archive.data[at] == 1) /* the model's, not cm's alone */
                assert_memory_equal(archive.data + at + 1, random, archive.n - at - 10);
            check_archive(t, archive, first[0], N);
            free(archive.data);
        }
        az_engine_close(&engine);
        az_model_close(&model);
    }
    unsetenv("AIZIP_CPU_DISABLE");
    /* The likeliest token each time: words of a story. */
    assert_non_null(strstr((char *)memcpy(out, first[2], N), " "));
}

static void by_a_compressor(void **state) {
    (void)state;
    enum { N = 12 };
    static const char *const names[] = {"deflate", "gzip", "aizip"};
    static const char seen[] = "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc";
    uint8_t out[N], again[N];
    for (size_t i = 0; i < COUNT(names); i++) {
        az_sampling s = settings_of(1, 2);
        s.dictionary = (az_text){seen, sizeof seen - 1};
        s.temperature = 0;
        az_error error = {0};
        az_status status = az_sample_by_size(out, N, names[i], 60, &s, NULL, &error);
        if (status == AZ_ERROR_ARGUMENT && strstr(error.text, "built"))
            continue; /* this library is without it */
        assert_int_equal(status, AZ_OK);
        assert_int_equal(az_sample_by_size(again, N, names[i], 60, &s, NULL, NULL), AZ_OK);
        assert_memory_equal(out, again, N);
        s.temperature = 20000;
        assert_int_equal(az_sample_by_size(out, N, names[i], 60, &s, NULL, NULL), AZ_OK);
        s.seed++;
        assert_int_equal(az_sample_by_size(again, N, names[i], 60, &s, NULL, NULL), AZ_OK);
        assert_memory_not_equal(out, again, N);
    }
}

static int stop_at_once(void *opaque, uint64_t in, uint64_t out) {
    (void)opaque, (void)in, (void)out;
    return 1;
}

static void bad_calls_and_failures(void **state) {
    (void)state;
    uint8_t out[400];
    const az_sampling good = settings_of(5, 1);
    az_sampling bad[] = {good, good, good, good, good, good};
    bad[0].level = 0;
    bad[1].level = 10;
    bad[2].temperature = 100001;
    bad[3].top_k = 3; /* without an engine */
    bad[4].top_p = 1001;
    bad[5].dictionary.n_bytes = 1;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(az_sample(out, 100, &bad[i], NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_sample(out, 0, &good, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_sample(NULL, 1, &good, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_sample(out, 1, NULL, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_sample_by_size(out, 9, "none", 9, &good, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_sample_by_size(out, 9, "aizip", 0, &good, NULL, NULL), AZ_ERROR_ARGUMENT);
    az_sampling stopped = good, limited = good;
    stopped.progress = stop_at_once;
    limited.memory_limit = 1 << 16;
    assert_int_equal(az_sample(out, 400, &stopped, NULL, NULL), AZ_ERROR_CANCELLED);
    assert_int_equal(az_sample(out, 400, &limited, NULL, NULL), AZ_ERROR_MEMORY_LIMIT);
    assert_int_equal(az_sample_by_size(out, 9, "aizip", 9, &stopped, NULL, NULL),
                     AZ_ERROR_CANCELLED);
    az_status status = AZ_ERROR_MEMORY;
    for (int i = 0; status != AZ_OK; i++) {
        plan p = {.fails_at = i};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_sampling s = good;
        s.temperature = 500;
        status = az_sample(out, 400, &s, &allocator, NULL);
        assert_true(status == AZ_OK || status == AZ_ERROR_MEMORY);
        assert_int_equal(p.n_live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_are_a_stream),
        cmocka_unit_test(encoding_gives_the_random_bytes_back),
        cmocka_unit_test(after_a_dictionary),
        cmocka_unit_test(temperatures),
        cmocka_unit_test(kernels_make_no_difference),
        cmocka_unit_test(with_a_model),
        cmocka_unit_test(by_a_compressor),
        cmocka_unit_test(bad_calls_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
