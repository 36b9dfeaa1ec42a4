/* The line on a terminal that says how far a file is; redrawn 10 times a
 * second at most. */
#include "cli.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
/* Small files are done before a line would be read. */
#define FIRST_SECONDS 0.3

double az_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void az_progress_start(az_progress *progress, const az_options *opt, const char *verb,
                       const char *name, uint64_t n_bytes) {
    *progress =
        (az_progress){.name = name,
                      .verb = verb,
                      .n_bytes = n_bytes,
                      .decoding = opt->mode != AZ_MODE_COMPRESS && opt->mode != AZ_MODE_MODEL &&
                                  opt->mode != AZ_MODE_SCORE,
                      .shown = opt->verbosity >= 0 && !opt->is_trial && isatty(STDERR_FILENO),
                      .started = az_now()};
    progress->last_drawn = progress->started + FIRST_SECONDS - REDRAW_SECONDS;
}

void az_progress_clear(az_progress *progress) {
    if (!progress->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}

static int terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

/* "1:02:03" or "2:03". */
static void format_time(char *buf, size_t size, double seconds) {
    unsigned long s = seconds < 359999.0 ? (unsigned long)(seconds + 0.5) : 359999ul;
    if (s >= 3600)
        snprintf(buf, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, size, "%lu:%02lu", s / 60, s % 60);
}

static void draw(const az_progress *progress, double elapsed, uint64_t in, uint64_t out) {
    uint64_t content = (progress->decoding ? out : in) - progress->n_before,
             archive = progress->decoding ? in : out;
    char text[128], left[24] = "";
    int n = 0;
    if (progress->n_bytes != UINT64_MAX && progress->n_bytes > 0) {
        double n_done = (double)(in - progress->n_before);
        double n_left = (double)progress->n_bytes - (double)in;
        n = snprintf(text, sizeof text, "%3.0f %%, ", (double)in / (double)progress->n_bytes * 100);
        if (n_done > 0)
            format_time(left, sizeof left, elapsed * n_left / n_done);
    }
    double speed = (double)content / elapsed;
    if (progress->counts)
        n = n > 2 && !left[0] ? n - 2 : n; /* no comma behind it */
    else
        n += speed < 1e5 ? snprintf(text + n, sizeof text - (size_t)n, "%.2f kB/s", speed / 1e3)
                         : snprintf(text + n, sizeof text - (size_t)n, "%.2f MB/s", speed / 1e6);
    if (archive > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", ratio %.2f",
                      (double)content / (double)archive);
    if (left[0])
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%s left", progress->counts ? "" : ", ",
                      left);
    text[n] = '\0';
    fputs("\r\033[K", stderr);
    /* Name only where it leaves the line on one row. */
    int room = terminal_columns() - n - 16;
    size_t name_len = 0;
    while (progress->name[name_len] && (int)name_len <= room)
        name_len++;
    if ((int)name_len <= room) {
        az_print_escaped(stderr, progress->name);
        fputs(": ", stderr);
    }
    fprintf(stderr, "%s %s", progress->verb, text);
    fflush(stderr);
}

void az_progress_count(az_progress *progress, uint64_t n) {
    progress->counts = true;
    az_progress_update(progress, n, 0);
}

int az_progress_update(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes) {
    az_progress *progress = opaque;
    if (!progress->shown)
        return 0;
    double now = az_now();
    if (now - progress->last_drawn < REDRAW_SECONDS)
        return 0;
    draw(progress, now - progress->started, in_nbytes, out_nbytes);
    progress->last_drawn = now;
    progress->drawn = true;
    return 0;
}
