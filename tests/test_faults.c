/*
 * faults: every allocation fails once, in turn (as SQLite's tests do it): the
 * first of a run, then the second, until a run needs no more. Each time the
 * call either succeeds with the right bytes or ends in AZ_ERROR_MEMORY, the
 * handle closes, and nothing is left allocated.
 *
 * Streams get an allocator that counts. The one-call functions take none: for
 * them this program is linked with --wrap of malloc,
 * calloc (which gcc makes of malloc and memset), free and mmap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "aizip.h"
#include "generate.h"

enum { MANY = 1000000, TRIES_MAX = 400 };

/* ---- The allocator ------------------------------------------------------------- */

/* Allocation number `fails_at` fails, and, if `for_ever`, all after it. Workers
 * may allocate and free, so the counts are atomic. */
typedef struct plan {
    atomic_int n_allocs;
    atomic_int n_live;
    int fails_at;
    bool for_ever;
} plan;

static bool is_to_fail(plan *p) {
    int number = atomic_fetch_add(&p->n_allocs, 1);
    return number == p->fails_at || (p->for_ever && number > p->fails_at);
}

static void *plan_alloc(void *opaque, size_t n_bytes) {
    plan *p = opaque;
    if (is_to_fail(p))
        return NULL;
    void *ptr = malloc(n_bytes);
    if (ptr)
        atomic_fetch_add(&p->n_live, 1);
    return ptr;
}

static void plan_free(void *opaque, void *ptr) {
    plan *p = opaque;
    assert_non_null(ptr);
    atomic_fetch_sub(&p->n_live, 1);
    free(ptr);
}

/* ---- malloc itself --------------------------------------------------------------- */

void *__wrap_malloc(size_t n_bytes);
void *__real_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void __wrap_free(void *ptr);
void __real_free(void *ptr);
void *__wrap_mmap(void *addr, size_t n_bytes, int prot, int flags, int fd, off_t offset);
void *__real_mmap(void *addr, size_t n_bytes, int prot, int flags, int fd, off_t offset);

static plan system_plan = {.fails_at = MANY};

void *__wrap_malloc(size_t n_bytes) {
    if (is_to_fail(&system_plan))
        return NULL;
    void *ptr = __real_malloc(n_bytes);
    if (ptr)
        atomic_fetch_add(&system_plan.n_live, 1);
    return ptr;
}

void *__wrap_calloc(size_t n, size_t n_bytes) {
    if (is_to_fail(&system_plan))
        return NULL;
    void *ptr = __real_calloc(n, n_bytes);
    if (ptr)
        atomic_fetch_add(&system_plan.n_live, 1);
    return ptr;
}

void __wrap_free(void *ptr) {
    if (ptr)
        atomic_fetch_sub(&system_plan.n_live, 1);
    __real_free(ptr);
}

void *__wrap_mmap(void *addr, size_t n_bytes, int prot, int flags, int fd, off_t offset) {
    if (is_to_fail(&system_plan))
        return MAP_FAILED;
    return __real_mmap(addr, n_bytes, prot, flags, fd, offset);
}

static void start_plan(plan *p, int fails_at, bool for_ever) {
    atomic_store(&p->n_allocs, 0);
    p->fails_at = fails_at;
    p->for_ever = for_ever;
}

/* ---- A stream, one way or the other ------------------------------------------------ */

typedef struct job {
    int level;
    int threads;
    int64_t block_nbytes; /* 0: the level's */
    bool salvage;         /* decoder */
    bool size_known;      /* encoder */
    bool surprise;        /* encoder: with parts and guesses */
    az_text dictionary;
    const char *primer; /* encoder */
    size_t step;        /* bytes of input a call */
    const uint8_t *in;  /* [in_nbytes] */
    size_t in_nbytes;
    uint8_t *out; /* [capacity] */
    size_t capacity;
    size_t out_nbytes;
    size_t n_parts; /* bytes that the surprise function was told of */
} job;

static void count_part(void *opaque, const az_surprise_part *part) {
    *(size_t *)opaque += part->n_bytes;
}

static az_status encode(job *j, const az_allocator *allocator, az_error *error) {
    az_encoder *encoder = NULL;
    az_output out = {.data = j->out, .size = j->capacity};
    int done = 0;
    j->out_nbytes = 0;
    az_status status = az_encoder_open(&encoder, allocator, error);
    if (status != AZ_OK) {
        assert_null(encoder);
        return status;
    }
    assert_int_equal(az_encoder_set(encoder, AZ_PARAM_LEVEL, j->level, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(encoder, AZ_PARAM_THREADS, j->threads, NULL), AZ_OK);
    assert_int_equal(az_encoder_set(encoder, AZ_PARAM_BLOCK_SIZE, j->block_nbytes, NULL), AZ_OK);
    if (j->surprise)
        assert_int_equal(az_encoder_set_surprise(encoder, count_part, &j->n_parts, 500, NULL),
                         AZ_OK);
    if (j->primer)
        assert_int_equal(az_encoder_set_primer(encoder, j->primer, NULL), AZ_OK);
    else
        assert_int_equal(
            az_encoder_set_dictionary(encoder, j->dictionary.data, j->dictionary.n_bytes, NULL),
            AZ_OK);
    if (j->size_known)
        az_encoder_set(encoder, AZ_PARAM_CONTENT_SIZE, (int64_t)j->in_nbytes, NULL);
    for (size_t pos = 0; status == AZ_OK && !done;) {
        size_t n = j->in_nbytes - pos < j->step ? j->in_nbytes - pos : j->step;
        az_input in = {.data = j->in + pos, .size = n};
        bool last = pos + n == j->in_nbytes;
        status = az_encoder_run(encoder, &in, &out, last ? AZ_FINISH : AZ_RUN, &done, error);
        pos += in.pos;
    }
    if (status != AZ_OK) { /* and it stays so */
        az_error again;
        assert_int_equal(az_encoder_run(encoder, NULL, &out, AZ_FINISH, &done, &again), status);
        assert_int_equal(done, 0);
    }
    j->out_nbytes = out.pos;
    az_encoder_close(&encoder);
    assert_null(encoder);
    return status;
}

static az_status decode(job *j, const az_allocator *allocator, az_error *error) {
    az_decoder *decoder = NULL;
    az_output out = {.data = j->out, .size = j->capacity};
    int done = 0;
    j->out_nbytes = 0;
    az_status status = az_decoder_open(&decoder, allocator, error);
    if (status != AZ_OK) {
        assert_null(decoder);
        return status;
    }
    assert_int_equal(az_decoder_set(decoder, AZ_PARAM_THREADS, j->threads, NULL), AZ_OK);
    assert_int_equal(az_decoder_set(decoder, AZ_PARAM_SALVAGE, j->salvage, NULL), AZ_OK);
    assert_int_equal(
        az_decoder_set_dictionary(decoder, j->dictionary.data, j->dictionary.n_bytes, NULL), AZ_OK);
    for (size_t pos = 0; status == AZ_OK && !done;) {
        size_t n = j->in_nbytes - pos < j->step ? j->in_nbytes - pos : j->step;
        az_input in = {.data = j->in + pos, .size = n};
        bool last = pos + n == j->in_nbytes;
        status = az_decoder_run(decoder, &in, &out, last ? AZ_FINISH : AZ_RUN, &done, error);
        pos += in.pos;
    }
    if (status != AZ_OK) {
        az_error again;
        assert_int_equal(az_decoder_run(decoder, NULL, &out, AZ_FINISH, &done, &again), status);
        assert_int_equal(done, 0);
    }
    j->out_nbytes = out.pos;
    az_decoder_close(&decoder);
    assert_null(decoder);
    return status;
}

/* ---- Failing in turn ------------------------------------------------------------------ */

/* Runs `way` until no allocation is left to fail; what succeeds must give
 * expected[0..n_expected). */
static void fail_in_turn(az_status (*way)(job *, const az_allocator *, az_error *), job *j,
                         const uint8_t *expected, size_t n_expected, bool for_ever) {
    int n_failed = 0;
    for (int i = 0;; i++) {
        plan p = {.fails_at = MANY};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_error error = {.text = ""};
        start_plan(&p, i, for_ever);
        az_status status = way(j, &allocator, &error);
        if (atomic_load(&p.n_live) != 0)
            fail_msg("allocation %d failed: %d blocks are left", i, atomic_load(&p.n_live));
        bool reached = atomic_load(&p.n_allocs) > i;
        if (status == AZ_OK) {
            assert_int_equal(j->out_nbytes, n_expected);
            assert_memory_equal(j->out, expected, n_expected);
        } else {
            n_failed++;
            if (!reached || status != AZ_ERROR_MEMORY || error.status != status)
                fail_msg("allocation %d failed: %s (%s)", i, az_status_name(status), error.text);
            assert_true(strlen(error.text) > 5);
            /* Nothing wrong before the failure, either. */
            assert_true(j->out_nbytes <= n_expected);
            assert_memory_equal(j->out, expected, j->out_nbytes);
        }
        if (!reached)
            break;
        assert_in_range(i, 0, TRIES_MAX);
    }
    assert_in_range(n_failed, 3, TRIES_MAX);
}

/* The archive, and back, with every allocation failing, alone and with all that
 * follow it. */
static void both_ways(job settings, const uint8_t *content, size_t n_bytes) {
    size_t capacity = az_compress_bound(n_bytes) + 1000;
    uint8_t *archive = malloc(capacity), *again = malloc(capacity), *back = malloc(n_bytes + 1);
    job first = settings;
    first.threads = 1;
    first.in = content;
    first.in_nbytes = n_bytes;
    first.out = archive;
    first.capacity = capacity;
    assert_int_equal(encode(&first, NULL, NULL), AZ_OK);

    job forward = first;
    forward.threads = settings.threads;
    forward.out = again;
    job backward = settings;
    backward.in = archive;
    backward.in_nbytes = first.out_nbytes;
    backward.out = back;
    backward.capacity = n_bytes + 1;
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (int surprise = 0; surprise < 2; surprise++) {
            forward.surprise = surprise;
            fail_in_turn(encode, &forward, archive, first.out_nbytes, for_ever);
        }
        fail_in_turn(decode, &backward, content, n_bytes, for_ever);
    }
    free(archive);
    free(again);
    free(back);
}

static void small_inputs_fail_cleanly(void **state) {
    (void)state;
    static uint8_t content[600];
    static const int levels[] = {1, 5, 9};
    generate_text(content, sizeof content, 1);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        for (int threads = 1; threads <= 2; threads++) {
            job settings = {.level = levels[i], .threads = threads, .step = 400};
            both_ways(settings, content, sizeof content);
        }
}

/* Text, noise (a stored block), zeros, a short last block. */
static void several_blocks_fail_cleanly(void **state) {
    (void)state;
    enum { N = 2 * 65536 + 1000 };
    static uint8_t content[N];
    memset(content, 'x', N);
    generate_text(content, 3000, 1);
    generate_noise(content + 65536, 65536, 2);
    for (int threads = 1; threads <= 2; threads++) {
        bool all_at_once = threads == 2;
        job settings = {.level = 1,
                        .threads = threads,
                        .block_nbytes = 65536,
                        .step = all_at_once ? N : 10000,
                        .size_known = all_at_once,
                        .salvage = all_at_once};
        both_ways(settings, content, N);
    }
}

/* One that is given, over blocks; one that is chosen, and may be left out. */
static void dictionaries_fail_cleanly(void **state) {
    (void)state;
    enum { N = 2 * 65536 + 1000 };
    static uint8_t content[N], seen[5000];
    memset(content, 'x', N);
    generate_text(content, 3000, 1);
    generate_text(content + 65536, 3000, 2);
    generate_text(seen, sizeof seen, 3);
    for (int threads = 1; threads <= 2; threads++) {
        job given = {.level = 1,
                     .threads = threads,
                     .block_nbytes = 65536,
                     .step = 10000,
                     .dictionary = {seen, sizeof seen}};
        both_ways(given, content, N);
        both_ways((job){.level = 1, .threads = threads, .step = 400, .primer = "auto"}, content,
                  1000);
    }
}

static void empty_input_fails_cleanly(void **state) {
    (void)state;
    static const uint8_t content[1] = {0};
    for (int threads = 1; threads <= 2; threads++)
        both_ways((job){.level = 5, .threads = threads, .step = 1}, content, 0);
}

/* Blocks of several levels and frames: predictors come and go. */
static void concatenated_archives_fail_cleanly(void **state) {
    (void)state;
    static uint8_t content[6000], archive[30000], back[3 * sizeof content + 1];
    static uint8_t expected[3 * sizeof content];
    size_t n = 0;
    generate_mixture(content, sizeof content, 3);
    for (int i = 0; i < 3; i++) {
        size_t n_one = 0;
        assert_int_equal(az_compress(archive + n, sizeof archive - n, &n_one, content,
                                     sizeof content / (i == 1 ? 3 : 1), i == 2 ? 2 : 1, NULL),
                         AZ_OK);
        n += n_one;
    }
    size_t n_expected = 0;
    assert_int_equal(az_decompress(expected, sizeof expected, &n_expected, archive, n, NULL),
                     AZ_OK);
    for (int threads = 1; threads <= 2; threads++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            job j = {.threads = threads,
                     .step = 1000,
                     .in = archive,
                     .in_nbytes = n,
                     .out = back,
                     .capacity = sizeof back};
            fail_in_turn(decode, &j, expected, n_expected, for_ever);
        }
}

/* ---- The one-call functions ------------------------------------------------------------ */

static void one_call_functions_fail_cleanly(void **state) {
    (void)state;
    enum { N = 1000 };
    static uint8_t content[N], back[N], archive[2 * N], again[2 * N];
    static const int levels[] = {1, 5, 9};
    generate_text(content, N, 1);
    for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
        size_t n = 0, n_again = 0, n_back = 0;
        assert_int_equal(az_compress(archive, sizeof archive, &n, content, N, levels[l], NULL),
                         AZ_OK);
        for (int decodes = 0; decodes < 2; decodes++)
            for (int i = 0;; i++) {
                az_error error = {.text = ""};
                int before = atomic_load(&system_plan.n_live);
                start_plan(&system_plan, i, i % 2);
                az_status status = decodes ? az_decompress(back, N, &n_back, archive, n, &error)
                                           : az_compress(again, sizeof again, &n_again, content, N,
                                                         levels[l], &error);
                bool reached = atomic_load(&system_plan.n_allocs) > i;
                start_plan(&system_plan, MANY, false);
                assert_int_equal(atomic_load(&system_plan.n_live), before);
                /* One failure may be got over, by freeing what is not needed. */
                if (!reached || status != AZ_OK || i % 2)
                    assert_int_equal(status, reached ? AZ_ERROR_MEMORY : AZ_OK);
                assert_int_equal(error.status, status);
                if (!reached) {
                    assert_in_range(i, 3, TRIES_MAX);
                    break;
                }
            }
        assert_int_equal(n_again, n);
        assert_memory_equal(again, archive, n);
        assert_int_equal(n_back, N);
        assert_memory_equal(back, content, N);
    }
}

/* ---- Limits ------------------------------------------------------------------------------ */

/* What an encoder says it needs is enough, and less is refused with a sentence;
 * in either case it never takes more than it may. */
static void limits_are_refused_or_kept(void **state) {
    (void)state;
    enum { N = 65536 + 5000 };
    static uint8_t content[N], archive[2 * N];
    memset(content, 'y', N);
    generate_text(content, 2000, 4);
    for (int threads = 1; threads <= 4; threads++)
        for (int percent = 10; percent <= 300; percent += 29) {
            bool surprise = threads > 2;
            size_t n_parts = 0;
            az_encoder *encoder = NULL;
            az_error error = {.text = ""};
            az_input in = {.data = content, .size = N};
            az_output out = {.data = archive, .size = sizeof archive};
            int done = 0;
            assert_int_equal(az_encoder_open(&encoder, NULL, NULL), AZ_OK);
            az_encoder_set(encoder, AZ_PARAM_LEVEL, 1, NULL);
            az_encoder_set(encoder, AZ_PARAM_THREADS, 1 + threads % 2, NULL);
            az_encoder_set(encoder, AZ_PARAM_BLOCK_SIZE, 65536, NULL);
            if (surprise)
                az_encoder_set_surprise(encoder, count_part, &n_parts, 70000, NULL);
            uint64_t need = az_encoder_memory(encoder, UINT64_MAX);
            az_encoder_set(encoder, AZ_PARAM_MEMORY_LIMIT, (int64_t)(need * percent / 100), NULL);
            az_status status = az_encoder_run(encoder, &in, &out, AZ_FINISH, &done, &error);
            if (percent >= 100 && status != AZ_OK)
                fail_msg("%d threads, %d %%: %s", threads, percent, error.text);
            assert_true(status == AZ_OK ? done : status == AZ_ERROR_MEMORY_LIMIT);
            assert_int_equal(n_parts, surprise && status == AZ_OK ? N : n_parts);
            az_encoder_close(&encoder);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_input_fails_cleanly),
        cmocka_unit_test(small_inputs_fail_cleanly),
        cmocka_unit_test(dictionaries_fail_cleanly),
        cmocka_unit_test(several_blocks_fail_cleanly),
        cmocka_unit_test(concatenated_archives_fail_cleanly),
        cmocka_unit_test(one_call_functions_fail_cleanly),
        cmocka_unit_test(limits_are_refused_or_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
