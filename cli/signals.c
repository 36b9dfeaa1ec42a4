/*
 * A signal that ends the program must not leave a half-made file. The handler
 * unlinks the one temporary file there can be, and raises the signal again with
 * its usual effect, so that the caller sees what ended us (a shell says 128 +
 * the signal's number).
 */
#include "cli.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
#define N_STOPPING (sizeof stopping / sizeof *stopping)

/* A handler has no argument to find its state by: the one global that changes.
 * temp_path is only written while has_temp is 0. */
static char temp_path[PATH_MAX + 64];
static volatile sig_atomic_t has_temp;

static void stop(int signal_number) {
    if (has_temp)
        unlink(temp_path);
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

static void mask(int how) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_STOPPING; i++)
        sigaddset(&set, stopping[i]);
    pthread_sigmask(how, &set, NULL);
}

void az_signals_block(void) {
    mask(SIG_BLOCK);
}

void az_signals_unblock(void) {
    mask(SIG_UNBLOCK);
}

void az_signals_set_temp(const char *path) {
    has_temp = 0;
    if (path && strlen(path) < sizeof temp_path) {
        strcpy(temp_path, path);
        has_temp = 1;
    }
}
