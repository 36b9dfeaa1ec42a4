/*
 * A signal that ends the program must not leave half-made files. The handler unlinks the temporary
 * files that there are, and raises the signal again with its usual effect, so that the caller sees
 * what ended us (a shell says 128 + the signal's number). Where threads make files (together.c) all
 * of them keep signals blocked, and the first one waits for them.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEMPS_MAX = 32 };

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
#define N_STOPPING (sizeof stopping / sizeof *stopping)

/* A handler has no argument to find its state by: the globals that change. paths[i] is only written
 * while has_path[i] is 0, and under the lock, which is held, too, while a file is made. */
static char paths[TEMPS_MAX][PATH_MAX + 64];
static volatile sig_atomic_t has_path[TEMPS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void unlink_all(void) {
    for (int i = 0; i < TEMPS_MAX; i++)
        if (has_path[i])
            unlink(paths[i]);
}

static void stop(int signal_number) {
    unlink_all();
    /* SA_RESETHAND has put the default back; it acts when this returns. */
    raise(signal_number);
}

void az_signals_init(void) {
    for (size_t i = 0; i < N_STOPPING; i++) {
        struct sigaction action;
        /* What the caller ignores (nohup) stays ignored. */
        if (sigaction(stopping[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = stop;
        action.sa_flags = (int)SA_RESETHAND;
        sigfillset(&action.sa_mask);
        sigaction(stopping[i], &action, NULL);
    }
    /* Beyond the file size limit a write then fails, with a sentence. */
    signal(SIGXFSZ, SIG_IGN);
}

void az_signals_block(sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_STOPPING; i++)
        sigaddset(&set, stopping[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void az_signals_restore(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int az_signals_wait(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    struct sigaction action;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_STOPPING; i++)
        if (sigaction(stopping[i], NULL, &action) != 0 || action.sa_handler != SIG_IGN)
            sigaddset(&set, stopping[i]);
    int number = sigtimedwait(&set, NULL, &time);
    return number > 0 ? number : 0;
}

void az_signals_end(int signal_number) {
    sigset_t set;
    pthread_mutex_lock(&lock); /* no file is being made; and none will be */
    unlink_all();
    signal(signal_number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number);
}

void az_signals_begin_temp(sigset_t *before) {
    az_signals_block(before);
    pthread_mutex_lock(&lock);
}

void az_signals_end_temp(const sigset_t *before, const char *path) {
    int saved = errno;
    for (int i = 0; path && i < TEMPS_MAX; i++)
        if (!has_path[i] && strlen(path) < sizeof paths[i]) {
            strcpy(paths[i], path);
            has_path[i] = 1;
            break;
        }
    pthread_mutex_unlock(&lock);
    az_signals_restore(before);
    errno = saved;
}

void az_signals_forget_temp(const char *path) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < TEMPS_MAX; i++)
        if (has_path[i] && strcmp(paths[i], path) == 0)
            has_path[i] = 0;
    pthread_mutex_unlock(&lock);
}
