/*
 * heap: counted memory. Each block is preceded, in the 64 bytes before it, by a
 * note of where it really starts and how it was got. What is in use is counted
 * before memory is asked for, so the limit holds at every moment and for every
 * thread.
 *
 * Three sources: the caller's allocator; the system's, for small blocks; and
 * for large ones pages straight from the kernel, which are zero already, cost
 * nothing until touched, and can be huge (a predictor's tables are read at
 * random, and with 4 KiB pages nearly each read would miss the TLB as well).
 */
#if defined(__linux__)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#endif
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ALIGN ((size_t)64)                 /* a cache line; also the room for the note */
#define PAGES_MIN ((size_t)2 << 20)        /* from here on blocks are pages of their own */
#define HUGE_PAGE_NBYTES ((size_t)2 << 20) /* x86-64's and arm64's */

/* Under AddressSanitizer everything comes from malloc, whose ends it guards. */
#if defined(__SANITIZE_ADDRESS__)
#define USE_PAGES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define USE_PAGES 0
#endif
#endif
#ifndef USE_PAGES
#ifdef MAP_ANONYMOUS
#define USE_PAGES 1
#else
#define USE_PAGES 0
#endif
#endif

struct az_heap {
    az_allocator allocator; /* alloc is NULL: the system's */
    atomic_size_t used;     /* bytes, notes included */
    atomic_size_t peak;
    size_t limit; /* SIZE_MAX: none */
};

typedef struct block_note {
    void *start;          /* what to give back */
    size_t counted;       /* bytes counted */
    size_t mapped_nbytes; /* pages' size; 0: not pages */
} block_note;

_Static_assert(sizeof(block_note) <= ALIGN, "the note fits before the block");
_Static_assert(2 * ALIGN <= AZ_HEAP_BLOCK_NBYTES, "note and alignment are counted");

az_status az_heap_open(az_heap **out, const az_allocator *allocator, az_error *error) {
    if (allocator && (!allocator->alloc || !allocator->free))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "an allocator needs both functions");
    az_heap *heap =
        allocator ? allocator->alloc(allocator->opaque, sizeof *heap) : malloc(sizeof *heap);
    if (!heap)
        return az_error_set(error, AZ_ERROR_MEMORY, AZ_ERROR_NO_OFFSET, "no memory for a handle");
    memset(heap, 0, sizeof *heap);
    if (allocator)
        heap->allocator = *allocator;
    atomic_init(&heap->used, 0);
    atomic_init(&heap->peak, 0);
    heap->limit = SIZE_MAX;
    *out = heap;
    return AZ_OK;
}

void az_heap_close(az_heap **heap) {
    if (!*heap)
        return;
    az_allocator allocator = (*heap)->allocator;
    if (allocator.alloc)
        allocator.free(allocator.opaque, *heap);
    else
        free(*heap);
    *heap = NULL;
}

void az_heap_set_limit(az_heap *heap, uint64_t n_bytes) {
    heap->limit = n_bytes == 0 || n_bytes > SIZE_MAX ? SIZE_MAX : (size_t)n_bytes;
}

uint64_t az_heap_limit(const az_heap *heap) {
    return heap->limit == SIZE_MAX ? 0 : heap->limit;
}

uint64_t az_heap_used(const az_heap *heap) {
    return atomic_load(&heap->used);
}

uint64_t az_heap_peak(const az_heap *heap) {
    return atomic_load(&heap->peak);
}

uint64_t az_heap_room(const az_heap *heap) {
    if (heap->limit == SIZE_MAX)
        return UINT64_MAX;
    size_t used = atomic_load(&heap->used);
    return used < heap->limit ? heap->limit - used : 0;
}

/* Adds n_bytes to what is in use, unless that passes the limit. */
static bool count_in(az_heap *heap, size_t n_bytes) {
    size_t used = atomic_load(&heap->used);
    do {
        if (used > heap->limit || n_bytes > heap->limit - used)
            return false;
    } while (!atomic_compare_exchange_weak(&heap->used, &used, used + n_bytes));
    size_t now = used + n_bytes;
    size_t peak = atomic_load(&heap->peak);
    while (now > peak && !atomic_compare_exchange_weak(&heap->peak, &peak, now)) {
    }
    return true;
}

#if USE_PAGES
/* Pages whose block, one alignment step after its note, starts on a huge page.
 * More are asked for than needed; the ends that stick out go back at once. */
static uint8_t *alloc_pages(size_t n_bytes, block_note *note) {
    size_t page = (size_t)4096 > ALIGN ? 4096 : ALIGN;
    if (n_bytes > SIZE_MAX / 2)
        return NULL;
    size_t need = page + ((n_bytes + page - 1) & ~(page - 1));
    size_t asked = need + HUGE_PAGE_NBYTES;
    uint8_t *map = mmap(NULL, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    uintptr_t first = (uintptr_t)map + page;
    size_t shift = (size_t)(-first & (HUGE_PAGE_NBYTES - 1));
    /* munmap wants whole pages of whatever size this machine has; where it
     * refuses, the ends stay ours, untouched. */
    note->start = map;
    note->mapped_nbytes = asked;
    if (shift > 0 && munmap(map, shift) == 0) {
        note->start = map + shift;
        note->mapped_nbytes -= shift;
    }
    size_t tail = asked - shift - need;
    if (tail > 0 && munmap(map + shift + need, tail) == 0)
        note->mapped_nbytes -= tail;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    (void)madvise(map + shift + page, n_bytes & ~(HUGE_PAGE_NBYTES - 1), MADV_HUGEPAGE);
#endif
    return map + shift + page;
}
#endif

static uint8_t *alloc_small(const az_heap *heap, size_t n_bytes, block_note *note) {
    size_t asked = n_bytes + 2 * ALIGN;
    uint8_t *start = heap->allocator.alloc ? heap->allocator.alloc(heap->allocator.opaque, asked)
                                           : malloc(asked);
    if (!start)
        return NULL;
    note->start = start;
    note->mapped_nbytes = 0;
    size_t shift = (size_t)(-(uintptr_t)start & (ALIGN - 1));
    uint8_t *block = start + shift + ALIGN;
    memset(block, 0, n_bytes);
    return block;
}

void *az_alloc(az_heap *heap, size_t n_bytes) {
    if (n_bytes > SIZE_MAX - AZ_HEAP_BLOCK_NBYTES)
        return NULL;
    block_note note = {.counted = n_bytes + AZ_HEAP_BLOCK_NBYTES};
    if (!count_in(heap, note.counted))
        return NULL;
    uint8_t *block = NULL;
#if USE_PAGES
    if (!heap->allocator.alloc && n_bytes >= PAGES_MIN)
        block = alloc_pages(n_bytes, &note);
    else
#endif
        block = alloc_small(heap, n_bytes, &note);
    if (!block) {
        atomic_fetch_sub(&heap->used, note.counted);
        return NULL;
    }
    memcpy(block - ALIGN, &note, sizeof note);
    return block;
}

void az_free(az_heap *heap, void *ptr) {
    if (!ptr)
        return;
    block_note note;
    memcpy(&note, (uint8_t *)ptr - ALIGN, sizeof note);
    if (heap->allocator.alloc)
        heap->allocator.free(heap->allocator.opaque, note.start);
    else if (note.mapped_nbytes == 0)
        free(note.start);
    else
        (void)munmap(note.start, note.mapped_nbytes);
    atomic_fetch_sub(&heap->used, note.counted);
}

void *az_regrow(az_heap *heap, void *ptr, size_t old_nbytes, size_t new_nbytes) {
    void *grown = az_alloc(heap, new_nbytes);
    if (!grown)
        return NULL;
    if (ptr && old_nbytes > 0)
        memcpy(grown, ptr, old_nbytes < new_nbytes ? old_nbytes : new_nbytes);
    az_free(heap, ptr);
    return grown;
}

az_status az_room(az_heap *heap, void *ptr, size_t *have, size_t size, size_t n, az_error *error) {
    void *old;
    if (*have >= n)
        return AZ_OK;
    memcpy(&old, ptr, sizeof old);
    az_free(heap, old);
    *have = 0;
    void *new = az_alloc(heap, n * size);
    memcpy(ptr, &new, sizeof new);
    if (!new)
        return az_alloc_failed(heap, n * size, error);
    *have = n;
    return AZ_OK;
}

az_status az_alloc_say_failed(const az_heap *heap, size_t n_bytes, az_error *error) {
    uint64_t used = az_heap_used(heap);
    if (heap->limit != SIZE_MAX && (uint64_t)n_bytes + AZ_HEAP_BLOCK_NBYTES > az_heap_room(heap))
        return az_error_set(error, AZ_ERROR_MEMORY_LIMIT, AZ_ERROR_NO_OFFSET,
                            "%llu bytes of memory are needed beside %llu in use, but the limit is "
                            "%llu",
                            (unsigned long long)n_bytes, (unsigned long long)used,
                            (unsigned long long)heap->limit);
    return az_error_set(error, AZ_ERROR_MEMORY, AZ_ERROR_NO_OFFSET,
                        "no memory: %llu bytes could not be allocated beside %llu in use",
                        (unsigned long long)n_bytes, (unsigned long long)used);
}
