/*
 * base: what every other layer stands on. Status and error text, allocation,
 * numbers as bytes, checks, files as memory, threads, CPU features. Includes nothing of
 * ours but the public header, for its types.
 */
#ifndef AZ_BASE_H
#define AZ_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "aizip.h"

/* ---- Errors ----------------------------------------------------------- */

/* Fills *error (if not NULL) and returns `status`. */
az_status az_error_set(az_error *error, az_status status, uint64_t offset, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/* Passes a failure up. */
#define AZ_TRY(expr)                      \
    do {                                  \
        az_status az_try_status = (expr); \
        if (az_try_status != AZ_OK)       \
            return az_try_status;         \
    } while (0)

/* ---- Allocation ------------------------------------------------------- */

/* All memory of a handle comes through one heap: the caller's allocator or the
 * system's, with the bytes in use counted against a limit. Safe from several
 * threads. Large system blocks are aligned to 2 MiB and ask for huge pages:
 * the predictor reads its tables at random. They are fresh zero pages, so that
 * a table costs no time before it is used. */
typedef struct az_heap az_heap;

/* What a block counts, and takes at most, besides its own bytes. */
#define AZ_HEAP_BLOCK_NBYTES 128

az_status az_heap_open(az_heap **out, const az_allocator *allocator, az_error *error);
void az_heap_close(az_heap **heap); /* all of its blocks must be freed before */
void az_heap_set_limit(az_heap *heap, uint64_t n_bytes); /* 0: none */
uint64_t az_heap_limit(const az_heap *heap);             /* 0: none */
uint64_t az_heap_used(const az_heap *heap);
uint64_t az_heap_peak(const az_heap *heap);
/* What may still be allocated; UINT64_MAX without a limit. */
uint64_t az_heap_room(const az_heap *heap);

/* n_bytes of zeros, aligned to 64, or NULL (n_bytes 0 gives a pointer that may
 * be freed). az_free takes NULL. */
void *az_alloc(az_heap *heap, size_t n_bytes);
void az_free(az_heap *heap, void *ptr);
/* A block of new_nbytes that begins with the first old_nbytes of ptr (NULL: of
 * nothing), which is freed; on failure NULL, and ptr stays as it is. */
void *az_regrow(az_heap *heap, void *ptr, size_t old_nbytes, size_t new_nbytes);
/* *ptr, a pointer to items of `size` bytes, gets room for n of them unless it has it; what it held is
 * lost then. *have: for how many it has room. */
az_status az_room(az_heap *heap, void *ptr, size_t *have, size_t size, size_t n, az_error *error);
az_status az_alloc_say_failed(const az_heap *heap, size_t n_bytes, az_error *error);
/* AZ_ERROR_MEMORY or AZ_ERROR_MEMORY_LIMIT with a sentence that has the numbers. Inline, so that a
 * checker sees that it never returns AZ_OK. */
static inline az_status az_alloc_failed(const az_heap *heap, size_t n_bytes, az_error *error) {
    az_status status = az_alloc_say_failed(heap, n_bytes, error);
    return status != AZ_OK ? status : AZ_ERROR_MEMORY;
}

/* ---- Bytes ------------------------------------------------------------ */

static inline uint32_t az_read_le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void az_write_le32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

/* Base-128 number, least significant group first, at most 10 bytes, shortest
 * form only. Write returns the bytes written (buf has room for 10). Read
 * returns the bytes read, 0 if more are needed, -1 if no valid number. */
#define AZ_VARINT_MAX 10
size_t az_varint_write(uint8_t *buf, uint64_t value);
int az_varint_read(const uint8_t *buf, size_t n_bytes, uint64_t *value);

static inline uint64_t az_read_le64(const uint8_t *p) {
    return (uint64_t)az_read_le32(p) | (uint64_t)az_read_le32(p + 4) << 32;
}

/* How many high bits are 0; v is not 0. */
static inline int az_leading_zeros(uint64_t v) {
#if defined(__GNUC__)
    return __builtin_clzll(v);
#else
    int n = 0;
    while (!(v >> (63 - n)))
        n++;
    return n;
#endif
}

/* How many low bits are 0; v is not 0. */
static inline int az_trailing_zeros(uint64_t v) {
#if defined(__GNUC__)
    return __builtin_ctzll(v);
#else
    int n = 0;
    while (!(v >> n & 1))
        n++;
    return n;
#endif
}

static inline void az_write_le64(uint8_t *p, uint64_t v) {
    az_write_le32(p, (uint32_t)v);
    az_write_le32(p + 4, (uint32_t)(v >> 32));
}

/* ---- Checks ----------------------------------------------------------- */

/* XXH32 with seed 0, as docs/format.md says. */
uint32_t az_check(const void *data, size_t n_bytes);

/* The same with a seed, of data that comes in pieces. */
typedef struct az_hash {
    uint64_t state[8]; /* an XXH32_state_t */
} az_hash;

void az_hash_begin(az_hash *hash, uint32_t seed);
void az_hash_add(az_hash *hash, const void *data, size_t n_bytes); /* data may be NULL if empty */
uint32_t az_hash_value(const az_hash *hash);

/* SHA-256 of data that comes in pieces. */
typedef struct az_sha256 {
    uint32_t state[8];
    uint64_t n_bytes; /* so far */
    uint8_t kept[64]; /* the n_bytes % 64 that are no whole block yet */
    void (*blocks)(uint32_t state[8], const uint8_t *data, size_t n_blocks);
} az_sha256;

void az_sha256_begin(az_sha256 *hash);
void az_sha256_add(az_sha256 *hash, const void *data, size_t n_bytes); /* NULL if empty */
void az_sha256_end(az_sha256 *hash, uint8_t sum[32]); /* then it must begin again */

/* ---- Files as memory --------------------------------------------------- */

/* A file's bytes, to be read only. */
typedef struct az_map {
    const uint8_t *data; /* NULL: none */
    size_t n_bytes;
} az_map;

/* A regular file that isn't empty, or AZ_ERROR_READ with the path and the reason. */
az_status az_map_open(az_map *out, const char *path, az_error *error);
void az_map_close(az_map *map); /* takes an empty one */
/* Part of a map that won't be needed soon: its whole pages may go back to the system. */
void az_map_release(const uint8_t *data, size_t n_bytes);

/* The part of a path that an error shows: all of it, or the end of a long one. */
const char *az_path_end(const char *path);

/* ---- Threads ---------------------------------------------------------- */

/* POSIX threads, mutexes and conditions; signals stay with the threads that the
 * caller made. */
typedef struct az_thread az_thread;
typedef struct az_monitor az_monitor; /* a mutex and a condition that goes with it */

/* Both return NULL when there is no memory, or no thread can be made. */
az_monitor *az_monitor_open(az_heap *heap);
az_thread *az_thread_start(az_heap *heap, void (*run)(void *arg), void *arg);
void az_thread_join(az_heap *heap, az_thread *thread);     /* waits for its end, frees it */
void az_monitor_close(az_heap *heap, az_monitor *monitor); /* takes NULL */

void az_monitor_lock(az_monitor *monitor);
void az_monitor_unlock(az_monitor *monitor);
void az_monitor_wake_all(az_monitor *monitor);
void az_monitor_wait(az_monitor *monitor);                     /* locked before and after */
void az_monitor_wait_ms(az_monitor *monitor, unsigned max_ms); /* the same, for a while at most */

/* Milliseconds since some moment, never going back. */
uint64_t az_clock_ms(void);

/* A pool of threads for pieces of work that follow each other closely. Parts are numbered
 * from 0, worker from 0 (the caller's thread) to n_threads - 1; which worker does which part
 * is by chance. One run at a time. */
typedef struct az_pool az_pool;
typedef void (*az_pool_part_fn)(void *arg, uint32_t part, unsigned worker);

az_status az_pool_open(az_pool **out, unsigned n_threads, az_heap *heap, az_error *error);
void az_pool_close(az_pool **pool);
unsigned az_pool_n_threads(const az_pool *pool);
#define AZ_POOL_PARTS_MAX 65535
/* Returns when all parts are done. */
void az_pool_run(az_pool *pool, az_pool_part_fn part, void *arg, uint32_t n_parts);

/* ---- Floating point ----------------------------------------------------- */

/* How this thread computes: set to what every machine does alike, and back. A pool's own
 * threads have it set. */
typedef struct az_fp_state {
    uint64_t control;
} az_fp_state;

void az_fp_enter(az_fp_state *saved);
void az_fp_leave(const az_fp_state *saved);

/* ---- CPU -------------------------------------------------------------- */

enum {
    AZ_CPU_AVX2 = 1 << 0,
    AZ_CPU_AVX512 = 1 << 1, /* F, BW, VL, DQ and operating-system support */
    AZ_CPU_NEON = 1 << 2,
    AZ_CPU_SHA = 1 << 3,    /* x86's for SHA-256, and SSE4.1 */
    AZ_CPU_VNNI = 1 << 4,   /* AVX-512's, with all of AZ_CPU_AVX512 */
    AZ_CPU_AMX = 1 << 5,    /* tiles of int8, and leave to use them; with AZ_CPU_VNNI */
    AZ_CPU_DOTPROD = 1 << 6 /* arm's sdot */
};

/* What this CPU has, less what the environment variable AIZIP_CPU_DISABLE takes
 * away (a comma-separated list of avx2, avx512, vnni, amx, neon, dotprod, sha; or all). */
unsigned az_cpu_features(void);
int az_cpu_count(void);

#endif
