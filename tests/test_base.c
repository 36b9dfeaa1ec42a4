/* base: errors, counted memory, numbers, checks, files as memory, threads, CPU features. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "generate.h"

/* AddressSanitizer ends the program when malloc is asked for too much, unless: */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

/* ---- Errors ----------------------------------------------------------------- */

static void error_holds_status_offset_and_sentence(void **state) {
    (void)state;
    az_error error;
    assert_int_equal(az_error_set(&error, AZ_ERROR_DAMAGED, 77, "block %d is bad", 3),
                     AZ_ERROR_DAMAGED);
    assert_int_equal(error.status, AZ_ERROR_DAMAGED);
    assert_int_equal(error.offset, 77);
    assert_string_equal(error.text, "block 3 is bad");
    assert_int_equal(az_error_set(NULL, AZ_ERROR_MEMORY, 0, "nobody reads this"), AZ_ERROR_MEMORY);
}

static void error_cuts_a_long_sentence(void **state) {
    (void)state;
    az_error error;
    memset(&error, 0x5A, sizeof error);
    az_error_set(&error, AZ_ERROR_FORMAT, 0, "%0500d", 1);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

/* ---- Memory ----------------------------------------------------------------- */

static az_heap *open_heap(const az_allocator *allocator) {
    az_heap *heap = NULL;
    assert_int_equal(az_heap_open(&heap, allocator, NULL), AZ_OK);
    return heap;
}

static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 100000, 2097151, 2097152, 2097153, 5000000};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void blocks_are_aligned_zeros(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    for (int round = 0; round < 3; round++) {
        uint8_t *blocks[N_SIZES];
        for (size_t i = 0; i < N_SIZES; i++) {
            blocks[i] = az_alloc(heap, sizes[i]);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % 64, 0);
            for (size_t j = 0; j < sizes[i]; j++)
                if (blocks[i][j] != 0)
                    fail_msg("byte %zu of %zu is not 0", j, sizes[i]);
            memset(blocks[i], 0xA5, sizes[i]); /* the next round must not see it */
        }
        for (size_t i = 0; i < N_SIZES; i++)
            az_free(heap, blocks[i]);
        assert_int_equal(az_heap_used(heap), 0);
    }
    az_free(heap, NULL);
    az_heap_close(&heap);
    assert_null(heap);
    az_heap_close(&heap);
}

static void heap_counts_use_and_peak(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    uint64_t sum = 0;
    void *blocks[N_SIZES];
    for (size_t i = 0; i < N_SIZES; i++) {
        blocks[i] = az_alloc(heap, sizes[i]);
        sum += sizes[i] + AZ_HEAP_BLOCK_NBYTES;
        assert_int_equal(az_heap_used(heap), sum);
    }
    for (size_t i = 0; i < N_SIZES; i++)
        az_free(heap, blocks[i]);
    assert_int_equal(az_heap_used(heap), 0);
    assert_int_equal(az_heap_peak(heap), sum);
    assert_int_equal(az_heap_room(heap), UINT64_MAX);
    az_heap_close(&heap);
}

static void limit_holds_to_the_byte(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    az_error error;
    az_heap_set_limit(heap, 1000 + AZ_HEAP_BLOCK_NBYTES);
    assert_int_equal(az_heap_limit(heap), 1000 + AZ_HEAP_BLOCK_NBYTES);
    assert_null(az_alloc(heap, 1001));
    assert_int_equal(az_alloc_failed(heap, 1001, &error), AZ_ERROR_MEMORY_LIMIT);
    assert_non_null(strstr(error.text, "1001"));
    void *block = az_alloc(heap, 1000);
    assert_non_null(block);
    assert_int_equal(az_heap_room(heap), 0);
    assert_null(az_alloc(heap, 0));
    az_free(heap, block);
    assert_null(az_alloc(heap, SIZE_MAX));
    assert_null(az_alloc(heap, SIZE_MAX - AZ_HEAP_BLOCK_NBYTES));
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_set_limit(heap, 0);
    assert_null(az_alloc(heap, SIZE_MAX));
    assert_null(az_alloc(heap, SIZE_MAX / 2));
    assert_int_equal(az_alloc_failed(heap, SIZE_MAX / 2, &error), AZ_ERROR_MEMORY);
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_close(&heap);
}

static void regrow_keeps_the_beginning(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    uint8_t *block = az_regrow(heap, NULL, 0, 100);
    generate_noise(block, 100, 1);
    block = az_regrow(heap, block, 100, 3000000);
    uint8_t expected[100];
    generate_noise(expected, 100, 1);
    assert_memory_equal(block, expected, 100);
    for (size_t i = 100; i < 3000000; i++)
        if (block[i] != 0)
            fail_msg("byte %zu is not 0", i);
    uint8_t *same = block;
    az_heap_set_limit(heap, az_heap_used(heap) + 10);
    assert_null(az_regrow(heap, block, 100, 200));
    assert_ptr_equal(same, block);
    assert_memory_equal(block, expected, 100);
    az_heap_set_limit(heap, 0);
    block = az_regrow(heap, block, 3000000, 50);
    assert_memory_equal(block, expected, 50);
    az_free(heap, block);
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_close(&heap);
}

/* An allocator that counts, gives memory that is neither zero nor well aligned,
 * and fails when `left` has run out. */
typedef struct counted {
    int n_live;
    int left;
} counted;

static void *counted_alloc(void *opaque, size_t n_bytes) {
    counted *c = opaque;
    if (c->left-- <= 0)
        return NULL;
    uint8_t *ptr = malloc(n_bytes + 16);
    memset(ptr, 0xCC, n_bytes + 16);
    c->n_live++;
    return ptr + 16;
}

static void counted_free(void *opaque, void *ptr) {
    counted *c = opaque;
    assert_non_null(ptr);
    c->n_live--;
    free((uint8_t *)ptr - 16);
}

static void all_memory_is_the_callers(void **state) {
    (void)state;
    counted c = {.left = 3};
    az_allocator allocator = {counted_alloc, counted_free, &c};
    az_heap *heap = open_heap(&allocator);
    uint8_t *small = az_alloc(heap, 10), *large = az_alloc(heap, 5000000);
    assert_int_equal(c.n_live, 3);
    assert_int_equal((uintptr_t)small % 64, 0);
    assert_int_equal((uintptr_t)large % 64, 0);
    for (size_t i = 0; i < 5000000; i++)
        if (large[i] != 0)
            fail_msg("byte %zu is not 0", i);
    uint64_t used = az_heap_used(heap);
    assert_null(az_alloc(heap, 10));
    assert_int_equal(az_heap_used(heap), used);
    az_free(heap, small);
    az_free(heap, large);
    az_heap_close(&heap);
    assert_int_equal(c.n_live, 0);

    az_error error;
    c.left = 0;
    assert_int_equal(az_heap_open(&heap, &allocator, &error), AZ_ERROR_MEMORY);
    az_allocator half = {counted_alloc, NULL, &c};
    assert_int_equal(az_heap_open(&heap, &half, &error), AZ_ERROR_ARGUMENT);
}

/* ---- Numbers ---------------------------------------------------------------- */

static void numbers_are_little_endian(void **state) {
    (void)state;
    uint8_t buf[8];
    az_write_le64(buf, 0x0123456789ABCDEFu);
    const uint8_t expected[8] = {0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01};
    assert_memory_equal(buf, expected, 8);
    assert_true(az_read_le64(buf) == 0x0123456789ABCDEFu);
    assert_true(az_read_le32(buf) == 0x89ABCDEFu);
    az_write_le32(buf, 0xFFFFFFFEu);
    assert_true(az_read_le32(buf) == 0xFFFFFFFEu);
}

static void varint_round_trip(uint64_t value) {
    uint8_t buf[AZ_VARINT_MAX];
    uint64_t read = 0;
    size_t n = az_varint_write(buf, value);
    assert_true(n >= 1 && n <= AZ_VARINT_MAX);
    assert_true(n == 1 || value >> (7 * (n - 1)) != 0); /* no shorter form */
    for (size_t i = 0; i < n; i++)
        assert_int_equal(az_varint_read(buf, i, &read), 0);
    assert_int_equal(az_varint_read(buf, n, &read), n);
    assert_true(read == value);
}

static void varints_of_every_length_come_back(void **state) {
    (void)state;
    dice d = {1};
    for (int log2 = 0; log2 < 64; log2++) {
        uint64_t power = (uint64_t)1 << log2;
        varint_round_trip(power);
        varint_round_trip(power - 1);
        varint_round_trip(power + (((uint64_t)dice_next(&d) << 32 | dice_next(&d)) & (power - 1)));
    }
    varint_round_trip(UINT64_MAX);
}

static void varints_have_one_form_only(void **state) {
    (void)state;
    static const uint8_t longer[2] = {0x81, 0x00};
    static const uint8_t zero[3] = {0x80, 0x80, 0x00};
    static const uint8_t beyond[10] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02};
    static const uint8_t endless[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                        0x80, 0x80, 0x80, 0x80, 0x01};
    uint64_t value = 5;
    assert_int_equal(az_varint_read(longer, 2, &value), -1);
    assert_int_equal(az_varint_read(zero, 3, &value), -1);
    assert_int_equal(az_varint_read(beyond, 10, &value), -1);
    assert_int_equal(az_varint_read(endless, 11, &value), -1);
    assert_int_equal(value, 5);
}

/* ---- Checks ----------------------------------------------------------------- */

/* From xxHash's own documents: XXH32 of "", "a", "abc", seed 0. */
static void check_is_xxh32(void **state) {
    (void)state;
    assert_true(az_check(NULL, 0) == 0x02CC5D05u);
    assert_true(az_check("a", 1) == 0x550D7456u);
    assert_true(az_check("abc", 3) == 0x32D153FFu);
}

static void check_in_pieces_is_the_same(void **state) {
    (void)state;
    uint8_t data[200];
    generate_noise(data, sizeof data, 2);
    uint32_t whole = az_check(data, sizeof data);
    for (size_t first = 0; first <= sizeof data; first++) {
        size_t second = (sizeof data - first) / 2;
        az_hash hash;
        az_hash_begin(&hash, 0);
        az_hash_add(&hash, data, first);
        az_hash_add(&hash, NULL, 0);
        az_hash_add(&hash, data + first, second);
        (void)az_hash_value(&hash); /* looking does not disturb it */
        az_hash_add(&hash, data + first + second, sizeof data - first - second);
        assert_true(az_hash_value(&hash) == whole);
        az_hash_begin(&hash, 1);
        az_hash_add(&hash, data, sizeof data);
        assert_true(az_hash_value(&hash) != whole);
    }
}

static void sha256_of(const void *data, size_t n, size_t step, uint8_t sum[32]) {
    az_sha256 hash;
    az_sha256_begin(&hash);
    for (size_t pos = 0; pos < n; pos += step)
        az_sha256_add(&hash, (const uint8_t *)data + pos, n - pos < step ? n - pos : step);
    az_sha256_end(&hash, sum);
}

/* The examples of FIPS 180-4's author, NIST (csrc.nist.gov, "Secure Hashing"). */
static void sha256_is_the_standards(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t times;
        const char *want;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
        {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (int plain = 0; plain < 2; plain++) {
        if (plain)
            setenv("AIZIP_CPU_DISABLE", "sha", 1);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            az_sha256 hash;
            uint8_t sum[32];
            char hex[65];
            az_sha256_begin(&hash);
            for (size_t k = 0; k < cases[i].times; k++)
                az_sha256_add(&hash, cases[i].text, strlen(cases[i].text));
            az_sha256_end(&hash, sum);
            for (int k = 0; k < 32; k++)
                snprintf(hex + 2 * k, 3, "%02x", sum[k]);
            assert_string_equal(hex, cases[i].want);
        }
    }
    unsetenv("AIZIP_CPU_DISABLE");
}

static void sha256_is_the_same_in_pieces_and_on_any_cpu(void **state) {
    (void)state;
    static uint8_t data[3000];
    generate_noise(data, sizeof data, 5);
    for (size_t n = 0; n < sizeof data; n += 1 + n / 200) {
        uint8_t whole[32], pieces[32], plain[32];
        size_t at = n % 7; /* any alignment */
        size_t n_here = n < sizeof data - at ? n : sizeof data - at;
        sha256_of(data + at, n_here, SIZE_MAX / 2, whole);
        sha256_of(data + at, n_here, 1 + n * 31 % 150, pieces);
        setenv("AIZIP_CPU_DISABLE", "sha", 1);
        sha256_of(data + at, n_here, SIZE_MAX / 2, plain);
        unsetenv("AIZIP_CPU_DISABLE");
        assert_memory_equal(whole, pieces, 32);
        assert_memory_equal(whole, plain, 32);
    }
}

/* ---- Files as memory -------------------------------------------------------- */

static char folder[64], path[160];

static const char *path_of(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void check_not_mapped(const char *name, const char *sentence) {
    az_error error;
    az_map map = {NULL, 77};
    assert_int_equal(az_map_open(&map, name, &error), AZ_ERROR_READ);
    assert_int_equal(error.status, AZ_ERROR_READ);
    if (!strstr(error.text, sentence))
        fail_msg("\"%s\" has no \"%s\"", error.text, sentence);
    assert_null(map.data);
}

static void map_is_the_file(void **state) {
    (void)state;
    enum { N = 3 * 65536 + 5 };
    static uint8_t data[N];
    generate_noise(data, N, 9);
    FILE *f = fopen(path_of("file"), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, N, f), N);
    assert_int_equal(fclose(f), 0);
    az_map map;
    assert_int_equal(az_map_open(&map, path, NULL), AZ_OK);
    assert_int_equal(map.n_bytes, N);
    for (size_t n = 0; n <= N; n = 2 * n + 1) { /* pages that went come back */
        assert_memory_equal(map.data, data, N);
        az_map_release(map.data + N - n, n);
    }
    assert_memory_equal(map.data, data, N);
    az_map_close(&map);
    assert_null(map.data);
    az_map_close(&map);
}

static void what_cannot_be_mapped_is_named(void **state) {
    (void)state;
    check_not_mapped(path_of("none"), "/none: there is no such file");
    check_not_mapped(path_of("file/none"), "/file/none: there is no such file");
    check_not_mapped(folder, ": is a directory");
    check_not_mapped("", "there is no such file");
    FILE *f = fopen(path_of("empty"), "wb");
    assert_non_null(f);
    fclose(f);
    check_not_mapped(path, "/empty: is empty");
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    check_not_mapped(path, "/pipe: is not a regular file");
    assert_int_equal(symlink("round", path_of("round")), 0);
    check_not_mapped(path, "/round: the symbolic links go round in circles");
    if (geteuid() != 0) {
        assert_int_equal(chmod(path_of("empty"), 0), 0);
        check_not_mapped(path, "/empty: no permission to read it");
    }
}

static void long_paths_are_shown_by_their_end(void **state) {
    (void)state;
    char name[400];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    check_not_mapped(name, "aaa: the name is too long");
    assert_int_equal(strlen(az_path_end(name)), 96);
    memcpy(name + 330, "/folder/x", 9);
    assert_string_equal(az_path_end(name), name + 331);
    assert_string_equal(az_path_end("models/a.gguf"), "models/a.gguf");
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", "/tmp/az_test_base_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/* ---- Threads ---------------------------------------------------------------- */

typedef struct shared {
    az_heap *heap;
    az_monitor *monitor;
    int turn; /* guarded by the monitor */
    int rounds;
} shared;

static void play_odd_turns(void *arg) {
    shared *s = arg;
    az_monitor_lock(s->monitor);
    for (int i = 0; i < 1000; i++) {
        while (s->turn % 2 == 0)
            az_monitor_wait(s->monitor);
        s->turn++;
        az_monitor_wake_all(s->monitor);
    }
    az_monitor_unlock(s->monitor);
}

static void threads_take_turns(void **state) {
    (void)state;
    shared s = {.heap = open_heap(NULL)};
    s.monitor = az_monitor_open(s.heap);
    az_thread *thread = az_thread_start(s.heap, play_odd_turns, &s);
    assert_non_null(thread);
    az_monitor_lock(s.monitor);
    for (int i = 0; i < 1000; i++) {
        while (s.turn % 2 == 1)
            az_monitor_wait_ms(s.monitor, 1000);
        s.turn++;
        az_monitor_wake_all(s.monitor);
    }
    az_monitor_unlock(s.monitor);
    az_thread_join(s.heap, thread);
    assert_int_equal(s.turn, 2000);
    az_monitor_close(s.heap, s.monitor);
    az_monitor_close(s.heap, NULL);
    assert_int_equal(az_heap_used(s.heap), 0);
    az_heap_close(&s.heap);
}

static void waiting_ends_by_itself(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    az_monitor *monitor = az_monitor_open(heap);
    uint64_t start = az_clock_ms();
    az_monitor_lock(monitor);
    az_monitor_wait_ms(monitor, 20);
    az_monitor_unlock(monitor);
    assert_in_range(az_clock_ms() - start, 0, 20000);
    az_monitor_close(heap, monitor);
    az_heap_close(&heap);
}

static void allocate_and_free(void *arg) {
    shared *s = arg;
    dice d = {(uintptr_t)&d}; /* a different course in each thread */
    for (int i = 0; i < s->rounds; i++) {
        uint8_t *block = az_alloc(s->heap, dice_below(&d, 3000));
        if (block)
            az_free(s->heap, block);
    }
}

static void limit_holds_for_all_threads_together(void **state) {
    (void)state;
    enum { LIMIT = 20000, N_THREADS = 8 };
    shared s = {.heap = open_heap(NULL), .rounds = 3000};
    az_heap *threads_heap = open_heap(NULL);
    az_thread *threads[N_THREADS];
    az_heap_set_limit(s.heap, LIMIT);
    for (int i = 0; i < N_THREADS; i++)
        threads[i] = az_thread_start(threads_heap, allocate_and_free, &s);
    for (int i = 0; i < N_THREADS; i++)
        az_thread_join(threads_heap, threads[i]);
    assert_int_equal(az_heap_used(s.heap), 0);
    assert_in_range(az_heap_peak(s.heap), 1, LIMIT);
    az_heap_close(&threads_heap);
    az_heap_close(&s.heap);
}

/* ---- The pool ----------------------------------------------------------------- */

enum { POOL_THREADS_MAX = 8 };

typedef struct piece {
    atomic_uint *n_done; /* of each part */
    unsigned n_threads;
    atomic_uint n_bad;
    unsigned n_own[POOL_THREADS_MAX]; /* of each worker: nobody else writes it */
} piece;

static void count_part(void *arg, uint32_t part, unsigned worker) {
    piece *p = arg;
    if (worker >= p->n_threads) {
        atomic_fetch_add(&p->n_bad, 1);
        return;
    }
    p->n_own[worker]++;
    atomic_fetch_add(&p->n_done[part], 1);
}

/* Every part once, by a worker that there is, and all of them when the run returns. */
static void check_piece(az_pool *pool, atomic_uint *n_done, uint32_t n_parts) {
    piece p = {.n_done = n_done, .n_threads = az_pool_n_threads(pool)};
    for (uint32_t i = 0; i < n_parts; i++)
        atomic_init(&n_done[i], 0);
    az_pool_run(pool, count_part, &p, n_parts);
    unsigned n_own = 0;
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        n_own += p.n_own[i];
    assert_int_equal(atomic_load(&p.n_bad), 0);
    assert_int_equal(n_own, n_parts);
    for (uint32_t i = 0; i < n_parts; i++)
        if (atomic_load(&n_done[i]) != 1)
            fail_msg("part %u of %u was done %u times", i, n_parts, atomic_load(&n_done[i]));
}

static void each_part_is_done_once(void **state) {
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 3, 7, 8, 9, 100, 1000, AZ_POOL_PARTS_MAX};
    az_heap *heap = open_heap(NULL);
    atomic_uint *n_done = calloc(AZ_POOL_PARTS_MAX, sizeof *n_done);
    assert_non_null(n_done);
    for (unsigned n_threads = 1; n_threads <= POOL_THREADS_MAX; n_threads++) {
        az_pool *pool;
        assert_int_equal(az_pool_open(&pool, n_threads, heap, NULL), AZ_OK);
        assert_int_equal(az_pool_n_threads(pool), n_threads);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            check_piece(pool, n_done, counts[i]);
        for (uint32_t i = 0; i < 2000; i++) { /* one right after the other, and after sleep */
            check_piece(pool, n_done, i % 40);
            if (i % 500 == 0)
                usleep(20000);
        }
        az_pool_close(&pool);
        assert_null(pool);
        az_pool_close(&pool);
    }
    free(n_done);
    assert_int_equal(az_heap_used(heap), 0);
    az_heap_close(&heap);
}

static void pool_says_when_memory_is_short(void **state) {
    (void)state;
    az_heap *heap = open_heap(NULL);
    az_error error = {.text = ""};
    az_pool *pool;
    az_status status = AZ_ERROR_MEMORY;
    for (uint64_t limit = 1; status != AZ_OK; limit += 40) {
        az_heap_set_limit(heap, limit);
        status = az_pool_open(&pool, 4, heap, &error);
        assert_true(status == AZ_OK ? pool != NULL : pool == NULL && error.text[0]);
        az_pool_close(&pool);
        assert_int_equal(az_heap_used(heap), 0);
    }
    az_heap_close(&heap);
}

/* ---- CPU -------------------------------------------------------------------- */

static void features_can_be_taken_away(void **state) {
    (void)state;
    /* What stands on a set goes with it. */
    enum { X86_VECTORS = AZ_CPU_AVX2 | AZ_CPU_AVX512 | AZ_CPU_VNNI | AZ_CPU_AMX };
    static const struct {
        const char *off;
        unsigned gone;
    } cases[] = {
        {"", 0},
        {"avx2", X86_VECTORS},
        {"avx512", X86_VECTORS & ~AZ_CPU_AVX2},
        {"vnni", AZ_CPU_VNNI | AZ_CPU_AMX},
        {"amx", AZ_CPU_AMX},
        {"neon", AZ_CPU_NEON | AZ_CPU_DOTPROD},
        {"dotprod", AZ_CPU_DOTPROD},
        {"sha", AZ_CPU_SHA},
        {"avx2,avx512", X86_VECTORS},
        {"all", UINT_MAX},
        {"neon,all", UINT_MAX},
        {"avx,avx2x,avx51,,", 0},
    };
    unsetenv("AIZIP_CPU_DISABLE");
    unsigned features = az_cpu_features();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("AIZIP_CPU_DISABLE", cases[i].off, 1);
        assert_int_equal(az_cpu_features(), features & ~cases[i].gone);
    }
    unsetenv("AIZIP_CPU_DISABLE");
    assert_in_range(az_cpu_count(), 1, 65535);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_holds_status_offset_and_sentence),
        cmocka_unit_test(error_cuts_a_long_sentence),
        cmocka_unit_test(blocks_are_aligned_zeros),
        cmocka_unit_test(heap_counts_use_and_peak),
        cmocka_unit_test(limit_holds_to_the_byte),
        cmocka_unit_test(regrow_keeps_the_beginning),
        cmocka_unit_test(all_memory_is_the_callers),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(varints_of_every_length_come_back),
        cmocka_unit_test(varints_have_one_form_only),
        cmocka_unit_test(check_is_xxh32),
        cmocka_unit_test(check_in_pieces_is_the_same),
        cmocka_unit_test(sha256_is_the_standards),
        cmocka_unit_test(sha256_is_the_same_in_pieces_and_on_any_cpu),
        cmocka_unit_test(map_is_the_file),
        cmocka_unit_test(what_cannot_be_mapped_is_named),
        cmocka_unit_test(long_paths_are_shown_by_their_end),
        cmocka_unit_test(threads_take_turns),
        cmocka_unit_test(waiting_ends_by_itself),
        cmocka_unit_test(limit_holds_for_all_threads_together),
        cmocka_unit_test(each_part_is_done_once),
        cmocka_unit_test(pool_says_when_memory_is_short),
        cmocka_unit_test(features_can_be_taken_away),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
