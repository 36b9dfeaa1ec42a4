/* Archives after a dictionary, one given or one built in; and how one is trained. */
#include "base/base.h"
#include "plan.h"
#include "support.h"

#include <stdbool.h>

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"

static az_text text_of(const uint8_t *data, size_t n) {
    return (az_text){data, n};
}

/* Content that a dictionary helps with: pieces of it, and some bytes of its own. */
static uint8_t *make_like(az_text dictionary, size_t n, uint64_t seed) {
    uint8_t *p = make_content(KIND_TEXT, n, seed);
    uint64_t state = seed * 2 + 1;
    for (size_t i = 0; i < n;) {
        size_t from = rnd_below(&state, dictionary.n_bytes), len = 1 + rnd_below(&state, 200);
        for (size_t j = from; j < from + len && j < dictionary.n_bytes && i < n; j++)
            p[i++] = ((const uint8_t *)dictionary.data)[j];
        i += rnd_below(&state, 20);
    }
    return p;
}

/* ---- Trips ----------------------------------------------------------------------- */

static void trips_at_every_level(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 6, 7, 8, 300, 5000, 70000};
    for (int level = 1; level <= 9; level += REPEATS(2, 4))
        for (size_t i = 0; i < COUNT(sizes) * N_KINDS; i += REPEATS(1, 3)) {
            size_t n = sizes[i / N_KINDS];
            uint8_t *seen = make_content((kind)(i % N_KINDS), n, i);
            uint8_t *content = make_like(text_of(seen, n), 3000, i);
            trip t = {.level = level, .dictionary = text_of(seen, n), .content_size_known = i & 1};
            bytes archive = archive_of(t, content, 3000);
            check_archive(t, archive, content, 3000);
            free(archive.data);
            free(content);
            free(seen);
        }
}

/* The archive depends on nothing but content, dictionary and settings. */
static void threads_steps_and_kernels_make_no_difference(void **state) {
    (void)state;
    enum { N = 3 * BLOCK + 777, SEEN = 40000 };
    static const char *const off[] = {"", "avx512", "all"};
    uint8_t *seen = make_content(KIND_MATCHES, SEEN, 3);
    uint8_t *content = make_like(text_of(seen, SEEN), N, 4);
    uint8_t *noise = make_content(KIND_NOISE, BLOCK, 5);
    memcpy(content + BLOCK, noise, BLOCK); /* a stored block */
    free(noise);
    trip t = {.level = 2, .dictionary = text_of(seen, SEEN)};
    bytes first = archive_of(t, content, N);
    for (size_t i = 0; i < COUNT(off); i++) {
        setenv("AIZIP_CPU_DISABLE", off[i], 1);
        t.threads = 1 + (int)i;
        t.in_step = i == 1 ? SIZE_MAX : 0;
        t.out_step = i == 2 ? SIZE_MAX : 0;
        bytes again = archive_of(t, content, N);
        check_bytes(again, first.data, first.n);
        check_archive(t, again, content, N);
        free(again.data);
    }
    unsetenv("AIZIP_CPU_DISABLE");
    free(first.data);
    free(content);
    free(seen);
}

/* Longer than what contexts see: its start is only known to the match models. */
static void a_long_dictionary_is_known_from_its_start(void **state) {
    (void)state;
    enum { SEEN = (4 << 20) + 300001, N = 9000 };
    uint8_t *seen = make_content(KIND_NOISE, SEEN, 8);
    memset(seen + 20000, 'x', SEEN - 40000); /* quick to see */
    trip t = {.level = 1, .dictionary = text_of(seen, SEEN)};
    for (int i = 0; i < 2; i++) {
        const uint8_t *content = i ? seen + SEEN - N : seen + 500;
        bytes archive = archive_of(t, content, N);
        assert_in_range(archive.n, 1, 200);
        check_archive(t, archive, content, N);
        free(archive.data);
    }
    free(seen);
}

static void nothing_to_compress(void **state) {
    (void)state;
    trip t = {.dictionary = text_of((const uint8_t *)"abc", 3), .level = 5};
    for (size_t n = 0; n < 4; n++) {
        bytes archive = archive_of(t, (const uint8_t *)"abcd", n);
        check_archive(t, archive, (const uint8_t *)"abcd", n);
        free(archive.data);
    }
}

/* Frames with different dictionaries, or none, one after the other. */
static void joined_archives(void **state) {
    (void)state;
    enum { N = 4000 };
    uint8_t *seen = make_content(KIND_TEXT, N, 1), *content = make_content(KIND_TEXT, N, 2);
    trip t = {.level = 5, .dictionary = text_of(seen, N)};
    bytes all = joined(archive_of(t, content, N), archive_of((trip){.level = 5}, content, N));
    all = joined(all, archive_of((trip){.primer = "json", .level = 5}, content, N));
    all = joined(all, archive_of(t, content, N));
    uint8_t *want = malloc(4 * N);
    for (size_t i = 0; i < 4 * N; i++)
        want[i] = content[i % N];
    for (t.threads = 1; t.threads <= 3; t.threads++) {
        check_archive(t, all, want, 4 * N);
        t.salvage = 1;
        check_archive(t, all, want, 4 * N);
        t.salvage = 0;
    }
    /* What stands before a frame whose dictionary is missing comes out first. */
    bytes out, last = joined(archive_of((trip){.level = 5}, content, N), archive_of(t, content, N));
    for (int threads = 1; threads <= 3; threads++) {
        assert_int_equal(decode((trip){.threads = threads}, last.data, last.n, &out, NULL),
                         AZ_ERROR_DICTIONARY);
        check_bytes(out, content, N);
        free(out.data);
    }
    free(last.data);
    free(want);
    free(all.data);
    free(content);
    free(seen);
}

/* ---- What is refused ---------------------------------------------------------------- */

static void without_the_dictionary_nothing_comes_out(void **state) {
    (void)state;
    enum { N = 3000 };
    uint8_t *seen = make_content(KIND_TEXT, N + 1, 1), *content = make_content(KIND_TEXT, N, 2);
    trip t = {.level = 5, .dictionary = text_of(seen, N)};
    bytes archive = archive_of(t, content, N), out;
    const az_text wrong[] = {{NULL, 0}, {seen, N - 1}, {seen, N + 1}, {content, N}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        az_error error = {0};
        t.dictionary = wrong[i];
        assert_int_equal(decode(t, archive.data, archive.n, &out, &error), AZ_ERROR_DICTIONARY);
        assert_int_equal(error.status, AZ_ERROR_DICTIONARY);
        assert_non_null(strstr(error.text, " 3000 bytes"));
        assert_int_equal(out.n, 0);
        free(out.data);
    }
    free(archive.data);
    free(content);
    free(seen);
}

static void a_number_that_names_none_is_refused(void **state) {
    (void)state;
    bytes archive = archive_of((trip){.primer = "logs", .level = 5}, (const uint8_t *)STORIES, 9);
    bytes out;
    az_error error = {0};
    assert_int_equal(archive.data[10], 4);
    archive.data[10] = 200;
    az_hash hash;
    az_hash_begin(&hash, az_read_le32(archive.data + 4));
    az_hash_add(&hash, archive.data + 9, 2);
    archive.data[11] = (uint8_t)az_hash_value(&hash);
    assert_int_equal(decode((trip){0}, archive.data, archive.n, &out, &error), AZ_ERROR_VERSION);
    assert_non_null(strstr(error.text, "200"));
    free(out.data);
    free(archive.data);
}

static void bad_calls_are_refused(void **state) {
    (void)state;
    az_encoder *e;
    az_decoder *d;
    uint8_t out[200];
    int done;
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    assert_int_equal(az_decoder_open(&d, NULL, NULL), AZ_OK);
    assert_int_equal(az_encoder_set_dictionary(e, NULL, 1, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_decoder_set_dictionary(d, NULL, 1, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_set_dictionary(e, out, AZ_DICTIONARY_NBYTES_MAX + 1, NULL),
                     AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_set_primer(e, "", NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_set_primer(e, NULL, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_set_primer(e, "Prose", NULL), AZ_ERROR_ARGUMENT);
    az_output o = {out, sizeof out, 0};
    assert_int_equal(az_encoder_run(e, NULL, &o, AZ_FINISH, &done, NULL), AZ_OK);
    az_input in = {out, o.pos, 0};
    o.pos = 0;
    assert_int_equal(az_decoder_run(d, &in, &o, AZ_RUN, &done, NULL), AZ_OK);
    assert_int_equal(az_encoder_set_dictionary(e, "a", 1, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_encoder_set_primer(e, "prose", NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_decoder_set_dictionary(d, "a", 1, NULL), AZ_ERROR_ARGUMENT);
    az_encoder_close(&e);
    az_decoder_close(&d);
}

static int read_bytes(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    memcpy(buf, ((bytes *)opaque)->data + offset, n_bytes);
    return 0;
}

static void a_look_says_which(void **state) {
    (void)state;
    az_archive_info info;
    trip given = {.level = 5, .dictionary = {"some bytes", 10}};
    bytes a = archive_of(given, (const uint8_t *)"some bytes and more", 19);
    assert_int_equal(az_archive_read(&info, read_bytes, &a, a.n, NULL), AZ_OK);
    assert_int_equal(info.dictionary_nbytes, 10);
    assert_int_equal(info.primer, 0);
    uint8_t sum[32];
    az_sha256 hash;
    az_sha256_begin(&hash);
    az_sha256_add(&hash, "some bytes", 10);
    az_sha256_end(&hash, sum);
    assert_memory_equal(info.dictionary_hash, sum, sizeof info.dictionary_hash);
    bytes b =
        archive_of((trip){.primer = "code", .level = 5}, (const uint8_t *)"int main(void)", 14);
    assert_int_equal(az_archive_read(&info, read_bytes, &b, b.n, NULL), AZ_OK);
    assert_int_equal(info.primer, 2);
    assert_int_equal(info.dictionary_nbytes, 0);
    assert_true(info.memory_nbytes > 65536);
    bytes both = joined(a, b);
    assert_int_equal(az_archive_read(&info, read_bytes, &both, both.n, NULL), AZ_OK);
    assert_int_equal(info.primer, 0);
    assert_int_equal(info.dictionary_nbytes, 0);
    free(both.data);
}

/* ---- Built-in ones -------------------------------------------------------------------- */

/* A changed byte would make archives undecodable. The document names the same hashes. */
static void primers_are_what_they_were(void **state) {
    (void)state;
    static char document[200000];
    FILE *file = fopen(AZ_SOURCE_DIR "/docs/format.md", "rb");
    assert_non_null(file);
    size_t n = fread(document, 1, sizeof document - 1, file);
    fclose(file);
    document[n] = 0;
    assert_null(az_primer_get(az_primer_count()));
    for (size_t i = 0; i < az_primer_count(); i++) {
        const az_primer *p = az_primer_get(i);
        char row[200], hex[65];
        uint8_t sum[32];
        az_sha256 hash;
        az_sha256_begin(&hash);
        az_sha256_add(&hash, p->text.data, p->text.n_bytes);
        az_sha256_end(&hash, sum);
        for (size_t k = 0; k < 32; k++)
            snprintf(hex + 2 * k, 3, "%02x", sum[k]);
        snprintf(row, sizeof row, "| %d | %s.txt | %zu,%03zu | %s |", p->number, p->name,
                 p->text.n_bytes / 1000, p->text.n_bytes % 1000, hex);
        assert_non_null(strstr(document, row));
        assert_in_range(p->text.n_bytes, 1000, 65536);
        assert_int_equal(p->number, i + 1);
    }
}

static size_t size_after(const char *primer, const uint8_t *content, size_t n, int *number) {
    trip t = {.level = 5, .primer = primer, .block_size = 1 << 20};
    bytes a = archive_of(t, content, n);
    az_archive_info info;
    assert_int_equal(az_archive_read(&info, read_bytes, &a, a.n, NULL), AZ_OK);
    check_archive((trip){0}, a, content, n);
    *number = info.primer;
    free(a.data);
    return a.n;
}

/* auto: the one that fits, and never a longer archive for it. */
static void a_primer_is_chosen(void **state) {
    (void)state;
    static const char *const texts[] = {
        "When she came home in the evening there was nobody in the house, and the door stood open; "
        "she went from room to room and called, but there was no answer.\n",
        "static int count(const char *s) {\n    int n = 0;\n    for (; *s; s++)\n        if (*s == "
        "'\\n')\n            n++;\n    return n;\n}\n",
        "[{\"id\": 17, \"name\": \"Anna\", \"active\": true, \"email\": \"anna@example.com\", "
        "\"created_at\": \"2021-03-04T05:06:07Z\", \"tags\": []}]\n",
        "Nov 27 06:11:30 web01 sshd[1234]: Failed password for root from 10.0.0.7 port 2222 ssh2\n"
        "Nov 27 06:11:31 web01 systemd[1]: Started Session 5 of user root.\n"};
    int number;
    for (size_t i = 0; i < COUNT(texts); i++) {
        const uint8_t *content = (const uint8_t *)texts[i];
        size_t n = strlen(texts[i]), without = size_after(NULL, content, n, &number);
        assert_int_equal(number, 0);
        size_t with = size_after("auto", content, n, &number);
        assert_int_equal(number, i + 1);
        assert_true(with < without - without / 8);
    }
    for (int k = 0; k < N_KINDS * 3; k++) {
        size_t n = (size_t[]){0, 1, 2000}[k / N_KINDS];
        uint8_t *content = make_content((kind)(k % N_KINDS), n, 7);
        size_t without = size_after(NULL, content, n, &number);
        assert_in_range(size_after("auto", content, n, &number), 0, without);
        free(content);
    }
}

static void long_content_chooses_none(void **state) {
    (void)state;
    const az_primer *prose = az_primer_get(0);
    int number;
    uint8_t *content = malloc(65537);
    memset(content, ' ', 65537);
    memcpy(content, prose->text.data, prose->text.n_bytes);
    size_after("auto", content, 65535, &number);
    assert_int_equal(number, 1);
    size_after("auto", content, 65536, &number);
    assert_int_equal(number, 0);
    /* More than one block: the first one's size is no input's. */
    trip t = {.level = 1, .primer = "auto", .block_size = 1 << 16};
    bytes a = archive_of(t, content, 65537);
    az_archive_info info;
    assert_int_equal(az_archive_read(&info, read_bytes, &a, a.n, NULL), AZ_OK);
    assert_int_equal(info.primer, 0);
    free(a.data);
    free(content);
}

/* ---- Surprise ---------------------------------------------------------------------------- */

typedef struct sums {
    uint64_t cost, n_bytes;
} sums;

static void add_part(void *opaque, const az_surprise_part *part) {
    sums *s = opaque;
    assert_int_equal(part->first_byte, s->n_bytes);
    for (size_t i = 0; i < part->n_bytes; i++)
        s->cost += part->costs[i];
    s->n_bytes += part->n_bytes;
}

static void check_surprise(trip t, const uint8_t *content, size_t n) {
    az_encoder *e;
    sums s = {0};
    uint64_t archive_nbytes;
    int64_t frame_cost;
    assert_int_equal(az_encoder_open(&e, NULL, NULL), AZ_OK);
    set_encoder(e, t);
    assert_int_equal(az_encoder_set_surprise(e, add_part, &s, 500, NULL), AZ_OK);
    assert_int_equal(az_surprise_run(e, content, n, &archive_nbytes, &frame_cost, NULL), AZ_OK);
    az_encoder_close(&e);
    bytes archive = archive_of(t, content, n);
    assert_int_equal(archive_nbytes, archive.n);
    assert_int_equal(s.n_bytes, n);
    assert_int_equal((int64_t)s.cost + frame_cost, (int64_t)(archive.n * 8 * AZ_COST_BIT));
    assert_true(frame_cost > 0 && frame_cost < (int64_t)(130 * 8 * AZ_COST_BIT));
    check_archive(t, archive, content, n);
    free(archive.data);
}

static void surprise_is_that_of_the_archive(void **state) {
    (void)state;
    uint8_t *seen = make_content(KIND_TEXT, 5000, 1);
    uint8_t *content = make_like(text_of(seen, 5000), 2500, 2);
    for (int level = 1; level <= 9; level += 4) {
        check_surprise((trip){.level = level, .dictionary = text_of(seen, 5000)}, content, 2500);
        check_surprise((trip){.level = level, .primer = "auto"}, content, 2500);
        check_surprise((trip){.level = level, .primer = "auto"}, seen, 30);
    }
    free(content);
    free(seen);
}

/* ---- A model -------------------------------------------------------------------------------- */

static void with_a_model(void **state) {
    (void)state;
    static const char story[] =
        "Once upon a time, there was a little girl named Lily. She loved to play in the park. "
        "One day, she saw a big, red ball. \"Can I play with it?\" asked Lily. Her mom said yes.\n";
    static const char *const off[] = {"", "all"};
    const uint8_t *content = (const uint8_t *)story;
    size_t n = sizeof story - 1, n_seen = 3000;
    uint8_t *seen = malloc(n_seen), *lots = malloc(20 * n);
    for (size_t i = 0; i < n_seen; i++)
        seen[i] = (uint8_t)story[(i * 7 / 5 + i / 50) % n];
    for (size_t i = 0; i < 20 * n; i++)
        lots[i] = (uint8_t)story[(i + i / 170 * 31) % n];
    bytes first = {0};
    for (size_t i = 0; i < COUNT(off); i++) {
        az_model *model;
        az_engine *engine;
        setenv("AIZIP_CPU_DISABLE", off[i], 1);
        assert_int_equal(az_model_open(&model, STORIES, NULL, NULL), AZ_OK);
        assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, NULL), AZ_OK);
        trip t = {.engine = engine, .level = 5, .dictionary = text_of(seen, n_seen), .window = 64};
        bytes archive = archive_of(t, content, n);
        if (i == 0)
            first = archive;
        else
            check_bytes(archive, first.data, first.n);
        check_archive(t, archive, content, n);
        if (i > 0)
            free(archive.data);
        for (t.lanes = 1; t.lanes <= 4; t.lanes += 3) {
            t.verify = t.lanes > 1;
            check_surprise(t, lots, 20 * n);
        }
        t.dictionary.n_bytes = 1;
        check_surprise(t, content, n);
        t.dictionary = text_of(lots, 20 * n); /* a part of it the content itself */
        archive = archive_of(t, lots + n, 8 * n);
        check_archive(t, archive, lots + n, 8 * n);
        assert_in_range(archive.n, 1, 150);
        free(archive.data);
        t.dictionary = (az_text){0};
        t.primer = "prose";
        check_surprise(t, content, n);
        az_engine_close(&engine);
        az_model_close(&model);
    }
    unsetenv("AIZIP_CPU_DISABLE");
    free(first.data);
    free(lots);
    free(seen);
}

/* More than what cm's contexts see beside a model. */
static void a_long_dictionary_and_a_model(void **state) {
    (void)state;
    enum { SEEN = (256 << 10) + 30000, N = 3000 };
    az_model *model;
    az_engine *engine;
    if (SLOW_BUILD)
        skip();
    uint8_t *seen = make_content(KIND_TEXT, SEEN, 8);
    assert_int_equal(az_model_open(&model, STORIES, NULL, NULL), AZ_OK);
    assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, NULL), AZ_OK);
    trip t = {.engine = engine, .level = 5, .dictionary = text_of(seen, SEEN), .window = 128};
    bytes archive = archive_of(t, seen + 500, N);
    assert_in_range(archive.n, 1, 150);
    check_archive(t, archive, seen + 500, N);
    free(archive.data);
    az_engine_close(&engine);
    az_model_close(&model);
    free(seen);
}

/* ---- Training --------------------------------------------------------------------------------- */

enum { SAMPLES = 40, SAMPLE_NBYTES = 3000 };

static void make_samples(az_text *samples, uint8_t *all) {
    uint8_t *common = make_content(KIND_NOISE, 20000, 1);
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t *p = make_like(text_of(common, 20000), SAMPLE_NBYTES, i);
        memcpy(all + i * SAMPLE_NBYTES, p, SAMPLE_NBYTES);
        samples[i] = text_of(all + i * SAMPLE_NBYTES, SAMPLE_NBYTES);
        free(p);
    }
    free(common);
}

static void what_is_trained_helps(void **state) {
    (void)state;
    static uint8_t all[SAMPLES * SAMPLE_NBYTES], out[2][40000];
    az_text samples[SAMPLES];
    az_training_report reports[2];
    size_t n[2];
    make_samples(samples, all);
    for (int i = 0; i < 2; i++) { /* the same with any number of threads */
        az_training s = {.capacity = 16000, .level = 1, .n_threads = 1 + 2 * i};
        assert_int_equal(
            az_dictionary_train(out[i], &n[i], samples, SAMPLES, &s, &reports[i], NULL, NULL),
            AZ_OK);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(out[0], out[1], n[0]);
    assert_memory_equal(&reports[0], &reports[1], sizeof reports[0]);
    assert_in_range(n[0], 1000, 16000);
    assert_int_equal(reports[0].n_held_out, SAMPLES / 8);
    assert_int_equal(reports[0].measured_nbytes, SAMPLES / 8 * SAMPLE_NBYTES);
    assert_int_equal(reports[0].picked_from_nbytes, SAMPLES / 8 * 7 * SAMPLE_NBYTES);
    assert_true(reports[0].cost_with < reports[0].cost_without / 10 * 8);
    /* What was held out does take that, but for headers. */
    trip t = {.level = 1, .dictionary = text_of(out[0], n[0])};
    size_t with = 0;
    for (size_t i = 7; i < SAMPLES; i += 8) {
        bytes archive = archive_of(t, samples[i].data, SAMPLE_NBYTES);
        with += archive.n - 35;
        free(archive.data);
    }
    assert_in_range(with * 8 * AZ_COST_BIT, reports[0].cost_with / 100 * 95,
                    reports[0].cost_with / 100 * 105);
}

static void few_samples_are_held_out_by_pieces(void **state) {
    (void)state;
    enum { N = 10 * 4096 + 5 };
    static uint8_t out[1 << 16];
    uint8_t *p = make_content(KIND_TEXT, N, 1);
    az_text sample = text_of(p, N);
    az_training s = {.capacity = sizeof out, .level = 1, .n_threads = 1};
    az_training_report report;
    size_t n;
    assert_int_equal(az_dictionary_train(out, &n, &sample, 1, &s, &report, NULL, NULL), AZ_OK);
    assert_int_equal(report.n_held_out, 1);
    assert_int_equal(n, N - 4096); /* all fits */
    assert_memory_equal(out, p, 7 * 4096);
    free(p);
}

static void too_little_is_refused(void **state) {
    (void)state;
    static uint8_t out[1024];
    az_text samples[4] = {{"abcd", 4}, {"efgh", 4}, {"", 0}, {"ijkl", 4}};
    az_training s = {.capacity = 1024, .level = 1};
    az_training_report report;
    size_t n;
    az_error error = {0};
    for (size_t i = 0; i <= 4; i++)
        assert_int_equal(az_dictionary_train(out, &n, samples, i, &s, &report, NULL, &error),
                         AZ_ERROR_DATA);
    assert_true(strlen(error.text) > 5);
    samples[2].n_bytes = 1;
    samples[2].data = "x";
    assert_int_equal(az_dictionary_train(out, &n, samples, 4, &s, &report, NULL, NULL), AZ_OK);
    const az_training bad[] = {{.capacity = 1023, .level = 1},
                               {.capacity = AZ_TRAINED_NBYTES_MAX + 1, .level = 1},
                               {.capacity = 1024, .level = 0},
                               {.capacity = 1024, .level = 10},
                               {.capacity = 1024, .level = 1, .n_threads = -1}};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(az_dictionary_train(out, &n, samples, 4, &bad[i], &report, NULL, NULL),
                         AZ_ERROR_ARGUMENT);
}

static int stop_at_once(void *opaque, uint64_t in, uint64_t out) {
    (void)opaque, (void)in, (void)out;
    return 1;
}

static void training_stops_and_fails_cleanly(void **state) {
    (void)state;
    static uint8_t all[SAMPLES * SAMPLE_NBYTES], out[4000];
    az_text samples[SAMPLES];
    az_training_report report;
    size_t n;
    make_samples(samples, all);
    az_training s = {.capacity = sizeof out, .level = 1, .n_threads = 1, .progress = stop_at_once};
    assert_int_equal(az_dictionary_train(out, &n, samples, SAMPLES, &s, &report, NULL, NULL),
                     AZ_ERROR_CANCELLED);
    s.progress = NULL;
    s.memory_limit = 1 << 20;
    assert_int_equal(az_dictionary_train(out, &n, samples, SAMPLES, &s, &report, NULL, NULL),
                     AZ_ERROR_MEMORY_LIMIT);
    s.memory_limit = 0;
    az_status status = AZ_ERROR_MEMORY;
    for (int i = 0; status != AZ_OK; i += REPEATS(3, 10)) {
        plan p = {.fails_at = i};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        status = az_dictionary_train(out, &n, samples, SAMPLES, &s, &report, &allocator, NULL);
        assert_true(status == AZ_ERROR_MEMORY || p.n_allocs <= i);
        assert_int_equal(p.n_live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trips_at_every_level),
        cmocka_unit_test(threads_steps_and_kernels_make_no_difference),
        cmocka_unit_test(a_long_dictionary_is_known_from_its_start),
        cmocka_unit_test(nothing_to_compress),
        cmocka_unit_test(joined_archives),
        cmocka_unit_test(without_the_dictionary_nothing_comes_out),
        cmocka_unit_test(a_number_that_names_none_is_refused),
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(a_look_says_which),
        cmocka_unit_test(primers_are_what_they_were),
        cmocka_unit_test(a_primer_is_chosen),
        cmocka_unit_test(long_content_chooses_none),
        cmocka_unit_test(surprise_is_that_of_the_archive),
        cmocka_unit_test(with_a_model),
        cmocka_unit_test(a_long_dictionary_and_a_model),
        cmocka_unit_test(what_is_trained_helps),
        cmocka_unit_test(few_samples_are_held_out_by_pieces),
        cmocka_unit_test(too_little_is_refused),
        cmocka_unit_test(training_stops_and_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
