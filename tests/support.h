/*
 * support: what the tests of container, codec and api share. Content of many
 * kinds, and whole trips through the stream functions with buffers of chosen
 * sizes.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aizip.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Sanitizers make the predictor some 5 times slower: then loops are cut short.
 * `few` under them, else `many`. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define SLOW_BUILD 1
#else
#define SLOW_BUILD 0
#endif
#define REPEATS(many, few) (SLOW_BUILD ? (few) : (many))

/* xorshift64* (Vigna 2016): the same numbers everywhere. The state is not 0. */
static inline uint64_t rnd(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

/* A number in [0, n). */
static inline size_t rnd_below(uint64_t *state, size_t n) {
    return (size_t)((rnd(state) >> 11) % n);
}

/* The smallest block size: that of a trip, unless it says another. */
enum { BLOCK = 1 << 16 };

typedef enum kind { KIND_ZEROS, KIND_REPEAT, KIND_NOISE, KIND_TEXT, KIND_MATCHES, N_KINDS } kind;

/* n_bytes of that kind; the caller frees it. Never NULL, not even for no bytes. */
static inline uint8_t *make_content(kind k, size_t n_bytes, uint64_t seed) {
    static const char *const words[] = {"the ",  "archive ",  "of ",   "a ",   "block, ", "model ",
                                        "says ", "probable ", "bit\n", "and ", "1234 ",   "zip "};
    uint8_t *p = malloc(n_bytes + 1);
    uint64_t state = seed * 2 + 1;
    assert_non_null(p);
    for (size_t i = 0; i < n_bytes;) {
        if (k == KIND_TEXT) {
            for (const char *w = words[rnd_below(&state, COUNT(words))]; *w && i < n_bytes; w++)
                p[i++] = (uint8_t)*w;
        } else if (k == KIND_MATCHES && i > 1000) {
            size_t from = rnd_below(&state, i), len = 1 + rnd_below(&state, 3000);
            for (size_t j = 0; j < len && i < n_bytes; j++)
                p[i++] = p[from + j];
        } else {
            p[i++] = k == KIND_ZEROS ? 0 : k == KIND_REPEAT ? 0xFF : (uint8_t)(rnd(&state) >> 32);
        }
    }
    return p;
}

/* An archive or its content; the caller frees data. */
typedef struct bytes {
    uint8_t *data;
    size_t n;
} bytes;

static inline void check_bytes(bytes got, const uint8_t *want, size_t n_bytes) {
    assert_int_equal(got.n, n_bytes);
    if (n_bytes > 0)
        assert_memory_equal(got.data, want, n_bytes);
}

/* How to encode or decode; zeros are the defaults. */
typedef struct trip {
    int level;         /* 0: 1, the fastest */
    int threads;       /* 0: 1 */
    size_t block_size; /* 0: 2^16, the smallest */
    size_t in_step;    /* bytes a call; 0: all, SIZE_MAX: random */
    size_t out_step;   /* the same; 0: 2^16 */
    int64_t memory_limit;
    int salvage;
    int content_size_known;
    const az_allocator *allocator;
    az_progress_fn progress;
    az_gap_fn gap;
    void *opaque; /* of both */
    az_engine *engine;
    int lanes, window, verify; /* with an engine */
    az_text dictionary;
    const char *primer; /* encoder: or NULL */
} trip;

/* An az_find_engine_fn that has one. */
static inline az_engine *only_engine(void *opaque, const uint8_t *hash, const char *name,
                                     az_error *error) {
    (void)hash, (void)name, (void)error;
    return opaque;
}

static inline void set_engine(const trip *t, az_encoder *e) {
    assert_int_equal(az_encoder_set_engine(e, t->engine, "tiny", NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_LANES, t->lanes, NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_CONTEXT, t->window, NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_VERIFY, t->verify, NULL), 0);
}

static inline size_t next_step(size_t step, size_t left, uint64_t *state) {
    size_t n = step == 0 ? left : step == SIZE_MAX ? rnd_below(state, 9000) : step;
    return n < left ? n : left;
}

static inline void bytes_room(bytes *b, size_t room, size_t *capacity) {
    if (b->n + room <= *capacity)
        return;
    *capacity = 2 * *capacity + room;
    b->data = realloc(b->data, *capacity);
    assert_non_null(b->data);
}

typedef az_status (*run_fn)(void *handle, az_input *in, az_output *out, az_action action, int *done,
                            az_error *error);

/* Runs the handle over src, cut as the trip says. Output so far goes to *out, whatever
 * the status. */
static inline az_status run_trip(const trip *t, run_fn run, void *handle, const uint8_t *src,
                                 size_t n, bytes *out, az_error *error) {
    uint64_t state = n + 12345;
    size_t capacity = 0, stalled = 0;
    az_input in = {.data = src};
    *out = (bytes){0};
    for (int done = 0; !done;) {
        if (in.pos == in.size)
            in.size += next_step(t->in_step, n - in.size, &state);
        size_t room = t->out_step == 0 ? 1 << 16 : next_step(t->out_step, SIZE_MAX, &state);
        bytes_room(out, room + 1, &capacity);
        az_output o = {.data = out->data + out->n, .size = room};
        size_t in_before = in.pos;
        az_status status = run(handle, &in, &o, in.size == n ? AZ_FINISH : AZ_RUN, &done, error);
        assert_true(o.pos <= o.size && in.pos <= in.size && in.pos >= in_before);
        out->n += o.pos;
        if (status != AZ_OK)
            return status;
        /* It may not stand still while there is input and room. */
        stalled = in.pos == in_before && o.pos == 0 && !done && room > 0 ? stalled + 1 : 0;
        assert_true(stalled < 1000);
    }
    return AZ_OK;
}

static inline az_status run_encoder(void *handle, az_input *in, az_output *out, az_action action,
                                    int *done, az_error *error) {
    return az_encoder_run(handle, in, out, action, done, error);
}

static inline az_status run_decoder(void *handle, az_input *in, az_output *out, az_action action,
                                    int *done, az_error *error) {
    return az_decoder_run(handle, in, out, action, done, error);
}

static inline void set_encoder(az_encoder *e, trip t) {
    int64_t block_size = t.block_size ? (int64_t)t.block_size : 1 << 16;
    assert_int_equal(az_encoder_set(e, AZ_PARAM_LEVEL, t.level ? t.level : 1, NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_THREADS, t.threads ? t.threads : 1, NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_MEMORY_LIMIT, t.memory_limit, NULL), 0);
    assert_int_equal(az_encoder_set(e, AZ_PARAM_BLOCK_SIZE, block_size, NULL), 0);
    if (t.engine)
        set_engine(&t, e);
    if (t.dictionary.n_bytes)
        assert_int_equal(
            az_encoder_set_dictionary(e, t.dictionary.data, t.dictionary.n_bytes, NULL), 0);
    if (t.primer)
        assert_int_equal(az_encoder_set_primer(e, t.primer, NULL), 0);
}

static inline az_status encode(trip t, const uint8_t *src, size_t n, bytes *out, az_error *error) {
    az_encoder *e = NULL;
    *out = (bytes){0};
    az_status status = az_encoder_open(&e, t.allocator, error);
    if (status == AZ_OK) {
        az_encoder_set_progress(e, t.progress, t.opaque);
        set_encoder(e, t);
        if (t.content_size_known)
            assert_int_equal(az_encoder_set(e, AZ_PARAM_CONTENT_SIZE, (int64_t)n, NULL), 0);
        status = run_trip(&t, run_encoder, e, src, n, out, error);
    }
    az_encoder_close(&e);
    assert_null(e);
    return status;
}

static inline az_status decode(trip t, const uint8_t *src, size_t n, bytes *out, az_error *error) {
    az_decoder *d = NULL;
    *out = (bytes){0};
    az_status status = az_decoder_open(&d, t.allocator, error);
    if (status == AZ_OK) {
        az_decoder_set_progress(d, t.progress, t.opaque);
        az_decoder_set_gap_fn(d, t.gap, t.opaque);
        az_decoder_set_engines(d, only_engine, t.engine);
        assert_int_equal(az_decoder_set(d, AZ_PARAM_VERIFY, t.verify, NULL), 0);
        assert_int_equal(az_decoder_set(d, AZ_PARAM_THREADS, t.threads ? t.threads : 1, NULL), 0);
        assert_int_equal(az_decoder_set(d, AZ_PARAM_MEMORY_LIMIT, t.memory_limit, NULL), 0);
        assert_int_equal(az_decoder_set(d, AZ_PARAM_SALVAGE, t.salvage, NULL), 0);
        assert_int_equal(
            az_decoder_set_dictionary(d, t.dictionary.data, t.dictionary.n_bytes, NULL), 0);
        status = run_trip(&t, run_decoder, d, src, n, out, error);
    }
    az_decoder_close(&d);
    assert_null(d);
    return status;
}

/* The archive of content that must be encodable. */
static inline bytes archive_of(trip t, const uint8_t *src, size_t n) {
    bytes out;
    az_error error = {0};
    if (encode(t, src, n, &out, &error) != AZ_OK)
        fail_msg("encoding failed: %s", error.text);
    return out;
}

/* Decodes what must be whole, and compares. */
static inline void check_archive(trip t, bytes archive, const uint8_t *want, size_t n_bytes) {
    bytes out;
    az_error error = {0};
    if (decode(t, archive.data, archive.n, &out, &error) != AZ_OK)
        fail_msg("decoding failed: %s", error.text);
    check_bytes(out, want, n_bytes);
    free(out.data);
}

/* a followed by b; frees both. */
static inline bytes joined(bytes a, bytes b) {
    bytes out = {malloc(a.n + b.n + 1), a.n + b.n};
    assert_non_null(out.data);
    memcpy(out.data, a.data, a.n);
    memcpy(out.data + a.n, b.data, b.n);
    free(a.data);
    free(b.data);
    return out;
}

/* Five blocks, four stored and the last coded, and the index. */
static inline bytes five_blocks(uint8_t **content, size_t *n) {
    *n = 4 * BLOCK + 5000;
    *content = make_content(KIND_NOISE, *n, 1);
    uint8_t *text = make_content(KIND_TEXT, 5000, 1);
    memcpy(*content + 4 * BLOCK, text, 5000);
    free(text);
    return archive_of((trip){0}, *content, *n);
}

#endif
