/*
 * pool: threads that share out the parts of one piece of work after another. A piece is
 * short (tens of microseconds), so waiting threads first look again and again, and sleep
 * only when nothing has come for a while. A thread that is late is not waited for: what it
 * would have done the others do.
 *
 * A part is claimed by raising `ticket`, which holds the number of the piece, how many
 * parts it has, and the next part; a thread that has read the description of an older piece
 * fails to raise it.
 */
#include "base.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>

enum { N_LOOKS = 20000, N_LOOKS_ALONE = 2000 };

struct az_pool {
    az_heap *heap;
    az_monitor *monitor;
    unsigned n_threads;      /* with the caller's */
    struct worker *workers;  /* [n_threads], of which the caller's is not used */
    _Atomic uint64_t ticket; /* piece << 32 | its parts << 16 | next part */
    _Atomic(az_pool_part_fn) part;
    _Atomic(void *) arg;
    atomic_uint n_done;
    atomic_uint n_asleep;
    atomic_bool stop;
};

struct worker {
    az_pool *pool;
    unsigned number;
    az_thread *thread; /* NULL: not started */
};

static void pause_a_little(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Claims parts of the current piece and does them, until there are none. */
static void work(az_pool *pool, unsigned number) {
    uint64_t ticket = atomic_load(&pool->ticket);
    for (;;) {
        az_pool_part_fn part = atomic_load_explicit(&pool->part, memory_order_relaxed);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_relaxed);
        if ((ticket & 0xffff) == (ticket >> 16 & 0xffff))
            return;
        if (!atomic_compare_exchange_strong(&pool->ticket, &ticket, ticket + 1))
            continue; /* ticket has been read again */
        part(arg, (uint32_t)ticket & 0xffff, number);
        atomic_fetch_add(&pool->n_done, 1);
        ticket = atomic_load(&pool->ticket);
    }
}

static void run_worker(void *arg) {
    const struct worker *me = arg;
    az_pool *pool = me->pool;
    az_fp_state saved;
    az_fp_enter(&saved);
    uint32_t seen = 0;
    while (!atomic_load(&pool->stop)) {
        unsigned looks = 0;
        while ((uint32_t)(atomic_load(&pool->ticket) >> 32) == seen && !atomic_load(&pool->stop)) {
            if (++looks < N_LOOKS) {
                pause_a_little();
                continue;
            }
            az_monitor_lock(pool->monitor);
            atomic_fetch_add(&pool->n_asleep, 1);
            while ((uint32_t)(atomic_load(&pool->ticket) >> 32) == seen &&
                   !atomic_load(&pool->stop))
                az_monitor_wait(pool->monitor);
            atomic_fetch_sub(&pool->n_asleep, 1);
            az_monitor_unlock(pool->monitor);
        }
        seen = (uint32_t)(atomic_load(&pool->ticket) >> 32);
        work(pool, me->number);
    }
    az_fp_leave(&saved);
}

static void wake(az_pool *pool) {
    if (atomic_load(&pool->n_asleep) == 0)
        return;
    az_monitor_lock(pool->monitor);
    az_monitor_wake_all(pool->monitor);
    az_monitor_unlock(pool->monitor);
}

void az_pool_run(az_pool *pool, az_pool_part_fn part, void *arg, uint32_t n_parts) {
    if (n_parts == 0)
        return;
    assert(n_parts <= AZ_POOL_PARTS_MAX);
    if (pool->n_threads == 1 || n_parts == 1) {
        for (uint32_t i = 0; i < n_parts; i++)
            part(arg, i, 0);
        return;
    }
    /* No part is left of the piece before, so nobody can claim one while this changes. */
    atomic_store(&pool->part, part);
    atomic_store(&pool->arg, arg);
    atomic_store(&pool->n_done, 0);
    uint64_t piece = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, piece << 32 | (uint64_t)n_parts << 16);
    wake(pool);
    work(pool, 0);
    for (unsigned looks = 0; atomic_load(&pool->n_done) < n_parts; looks++)
        if (looks < N_LOOKS_ALONE)
            pause_a_little();
        else
            sched_yield();
}

unsigned az_pool_n_threads(const az_pool *pool) {
    return pool->n_threads;
}

void az_pool_close(az_pool **out) {
    az_pool *pool = *out;
    *out = NULL;
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    if (pool->monitor) {
        az_monitor_lock(pool->monitor);
        az_monitor_wake_all(pool->monitor);
        az_monitor_unlock(pool->monitor);
    }
    for (unsigned i = 0; pool->workers && i < pool->n_threads; i++)
        if (pool->workers[i].thread)
            az_thread_join(pool->heap, pool->workers[i].thread);
    az_monitor_close(pool->heap, pool->monitor);
    az_free(pool->heap, pool->workers);
    az_free(pool->heap, pool);
}

az_status az_pool_open(az_pool **out, unsigned n_threads, az_heap *heap, az_error *error) {
    *out = NULL;
    az_pool *pool = az_alloc(heap, sizeof *pool);
    if (!pool)
        return az_alloc_failed(heap, sizeof *pool, error);
    pool->heap = heap;
    pool->n_threads = n_threads;
    pool->monitor = az_monitor_open(heap);
    pool->workers = az_alloc(heap, n_threads * sizeof *pool->workers);
    if (!pool->monitor || !pool->workers) {
        az_pool_close(&pool);
        return az_alloc_failed(heap, n_threads * sizeof *pool->workers, error);
    }
    for (unsigned i = 1; i < n_threads; i++) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->number = i;
        worker->thread = az_thread_start(heap, run_worker, worker);
        if (!worker->thread) {
            az_pool_close(&pool);
            return az_error_set(error, AZ_ERROR_THREAD, AZ_ERROR_NO_OFFSET,
                                "thread %u of %u could not be started", i + 1, n_threads);
        }
    }
    *out = pool;
    return AZ_OK;
}
