/*
 * thread: POSIX threads, behind a few functions. A thread of the library blocks
 * all signals, so that the program's handlers run in the program's threads.
 */
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* Waiting by the monotonic clock, where the system lets a condition do so:
 * else a clock that is set back makes a wait long. */
#if defined(_POSIX_CLOCK_SELECTION) && _POSIX_CLOCK_SELECTION > 0 && \
    defined(_POSIX_MONOTONIC_CLOCK) && _POSIX_MONOTONIC_CLOCK >= 0
#define WAIT_CLOCK CLOCK_MONOTONIC
#define SET_WAIT_CLOCK 1
#else
#define WAIT_CLOCK CLOCK_REALTIME
#define SET_WAIT_CLOCK 0
#endif

struct az_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
};

struct az_monitor {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
};

static int open_cond(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return -1;
    int rc = 0;
#if SET_WAIT_CLOCK
    rc = pthread_condattr_setclock(&attr, WAIT_CLOCK);
#endif
    if (rc == 0)
        rc = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return rc;
}

az_monitor *az_monitor_open(az_heap *heap) {
    az_monitor *monitor = az_alloc(heap, sizeof *monitor);
    if (!monitor)
        return NULL;
    if (pthread_mutex_init(&monitor->mutex, NULL) != 0) {
        az_free(heap, monitor);
        return NULL;
    }
    if (open_cond(&monitor->cond) != 0) {
        pthread_mutex_destroy(&monitor->mutex);
        az_free(heap, monitor);
        return NULL;
    }
    return monitor;
}

void az_monitor_close(az_heap *heap, az_monitor *monitor) {
    if (!monitor)
        return;
    pthread_cond_destroy(&monitor->cond);
    pthread_mutex_destroy(&monitor->mutex);
    az_free(heap, monitor);
}

static void *thread_main(void *arg) {
    az_thread *thread = arg;
    thread->run(thread->arg);
    return NULL;
}

az_thread *az_thread_start(az_heap *heap, void (*run)(void *arg), void *arg) {
    az_thread *thread = az_alloc(heap, sizeof *thread);
    if (!thread)
        return NULL;
    thread->run = run;
    thread->arg = arg;
    /* A thread inherits its maker's mask. */
    sigset_t all, before;
    sigfillset(&all);
    int masked = pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->id, NULL, thread_main, thread);
    if (masked == 0)
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        az_free(heap, thread);
        return NULL;
    }
    return thread;
}

void az_thread_join(az_heap *heap, az_thread *thread) {
    int rc = pthread_join(thread->id, NULL);
    assert(rc == 0);
    (void)rc;
    az_free(heap, thread);
}

void az_monitor_lock(az_monitor *monitor) {
    int rc = pthread_mutex_lock(&monitor->mutex);
    assert(rc == 0);
    (void)rc;
}

void az_monitor_unlock(az_monitor *monitor) {
    int rc = pthread_mutex_unlock(&monitor->mutex);
    assert(rc == 0);
    (void)rc;
}

void az_monitor_wake_all(az_monitor *monitor) {
    pthread_cond_broadcast(&monitor->cond);
}

void az_monitor_wait(az_monitor *monitor) {
    pthread_cond_wait(&monitor->cond, &monitor->mutex);
}

void az_monitor_wait_ms(az_monitor *monitor, unsigned max_ms) {
    struct timespec until;
    clock_gettime(WAIT_CLOCK, &until);
    until.tv_sec += (time_t)(max_ms / 1000);
    until.tv_nsec += (long)(max_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&monitor->cond, &monitor->mutex, &until);
}

uint64_t az_clock_ms(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)(now.tv_nsec / 1000000);
}
