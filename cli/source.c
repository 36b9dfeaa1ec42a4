/*
 * Input files. What is no plain file is only read when asked for: a name that
 * turns out to be a device could block for ever, and an archive beside a
 * symbolic link would hide what it was made from.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int fail(const az_options *opt, const az_source *source, const char *doing) {
    az_say_error(opt, source->name, "%s: %s.", doing, strerror(errno));
    return AZ_EXIT_FILE;
}

/* Whether only reading happens: no file is made beside the source. */
static bool only_reads(const az_options *opt) {
    return opt->to_stdout || opt->output || opt->mode == AZ_MODE_TEST || opt->mode == AZ_MODE_LIST;
}

/* By what `path` is; the source's st is that of the file itself. */
static int check_kind(az_source *source, const az_options *opt) {
    if (lstat(source->path, &source->st) != 0)
        return fail(opt, source, "cannot be read");
    if (S_ISLNK(source->st.st_mode)) {
        if (!opt->force && !only_reads(opt)) {
            az_say_warning(opt, source->name, "is a symbolic link, skipped; -f follows it.");
            return AZ_EXIT_FILE;
        }
        if (stat(source->path, &source->st) != 0)
            return fail(opt, source, "cannot be read");
    }
    if (S_ISDIR(source->st.st_mode)) {
        az_say_warning(opt, source->name, "is a directory, skipped; -r takes the files in it.");
        return AZ_EXIT_FILE;
    }
    if (!S_ISREG(source->st.st_mode) && !opt->force && !opt->to_stdout) {
        const char *kind = S_ISFIFO(source->st.st_mode)   ? "a named pipe"
                           : S_ISSOCK(source->st.st_mode) ? "a socket"
                                                          : "a device";
        az_say_warning(opt, source->name, "is %s, skipped; -f or -c reads it.", kind);
        return AZ_EXIT_FILE;
    }
    if (opt->remove_source && S_ISREG(source->st.st_mode) && source->st.st_nlink > 1 &&
        !opt->to_stdout)
        az_say_warning(opt, source->name, "has %ju names (hard links): --rm removes only this one.",
                       (uintmax_t)source->st.st_nlink);
    return AZ_EXIT_OK;
}

static int open_stdin(az_source *source, const az_options *opt) {
    source->name = "stdin";
    source->path = NULL;
    source->fd = STDIN_FILENO;
    if (fstat(source->fd, &source->st) != 0)
        return fail(opt, source, "cannot be read");
    if (isatty(source->fd) && opt->mode != AZ_MODE_COMPRESS && opt->mode != AZ_MODE_SCORE) {
        az_say_error(opt, source->name,
                     "is a terminal, which holds no archive; name a file, or see aizip --help.");
        return AZ_EXIT_USAGE;
    }
    return AZ_EXIT_OK;
}

static int open_path(az_source *source, const az_options *opt) {
    int rc = check_kind(source, opt);
    if (rc != AZ_EXIT_OK)
        return rc;
    mode_t kind = source->st.st_mode & S_IFMT;
    source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->fd < 0)
        return fail(opt, source, "cannot be opened");
    if (fstat(source->fd, &source->st) != 0)
        return fail(opt, source, "cannot be read");
    if ((source->st.st_mode & S_IFMT) != kind) {
        az_say_error(opt, source->name, "was replaced while it was opened; try again.");
        return AZ_EXIT_FILE;
    }
    return AZ_EXIT_OK;
}

int az_source_open(az_source *source, const az_options *opt, const char *path) {
    *source = (az_source){.name = path, .path = path, .fd = -1, .n_bytes = UINT64_MAX};
    bool is_stdin = strcmp(path, "-") == 0;
    int rc = is_stdin ? open_stdin(source, opt) : open_path(source, opt);
    if (rc != AZ_EXIT_OK) {
        az_source_close(source);
        return rc;
    }
    source->is_regular = S_ISREG(source->st.st_mode);
    if (source->is_regular) {
        off_t start = is_stdin ? lseek(source->fd, 0, SEEK_CUR) : 0;
        if (start < 0 || start > source->st.st_size)
            start = source->st.st_size;
        source->start = (uint64_t)start;
        source->n_bytes = (uint64_t)(source->st.st_size - start);
        posix_fadvise(source->fd, start, 0, POSIX_FADV_SEQUENTIAL);
    }
    return AZ_EXIT_OK;
}

/* At the end, or once there is more than there should be. */
static int check_unchanged(const az_source *source, const az_options *opt) {
    struct stat now;
    if (!source->is_regular)
        return AZ_EXIT_OK;
    if (fstat(source->fd, &now) != 0)
        return fail(opt, source, "cannot be read");
    if (source->n_read == source->n_bytes && now.st_size == source->st.st_size &&
        now.st_mtim.tv_sec == source->st.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == source->st.st_mtim.tv_nsec)
        return AZ_EXIT_OK;
    az_say_error(opt, source->name,
                 "changed while it was read (%ju bytes at first, %ju read, %ju now); try again.",
                 (uintmax_t)source->n_bytes, (uintmax_t)source->n_read,
                 (uintmax_t)(now.st_size > (off_t)source->start
                                 ? (uint64_t)now.st_size - source->start
                                 : 0));
    return AZ_EXIT_FILE;
}

int az_source_read(az_source *source, const az_options *opt, void *buf, size_t capacity,
                   size_t *n) {
    ssize_t got;
    do {
        got = read(source->fd, buf, capacity);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        az_say_error(opt, source->name, "cannot be read at byte %ju: %s.",
                     (uintmax_t)(source->start + source->n_read), strerror(errno));
        return AZ_EXIT_FILE;
    }
    *n = (size_t)got;
    source->n_read += *n;
    if (got == 0 || (source->is_regular && source->n_read > source->n_bytes))
        return check_unchanged(source, opt);
    return AZ_EXIT_OK;
}

void az_source_close(az_source *source) {
    if (source->fd > STDIN_FILENO)
        close(source->fd);
    source->fd = -1;
}
