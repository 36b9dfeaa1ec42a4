/*
 * Output files. Nothing that exists is touched before the new file is whole:
 * output goes to a temporary file in the same directory, which gets the
 * source's mode, times and owner and then, by rename, the name. Without -f the
 * rename itself refuses to replace a file, so that one that appeared meanwhile
 * is safe too. With --rm, file and directory are on the disk (fsync) before
 * the source goes.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEMP_TEMPLATE ".aizip-XXXXXX"

static int fail(const az_options *opt, const char *name, const char *doing) {
    az_say_error(opt, name, "%s: %s.", doing, strerror(errno));
    return AZ_EXIT_FILE;
}

static int fail_memory(const az_options *opt, const char *name) {
    az_say_error(opt, name, "not enough memory for its name.");
    return AZ_EXIT_MEMORY;
}

char *az_sink_name(const az_options *opt, const char *path) {
    size_t len = strlen(path), suffix_len = strlen(AZ_SUFFIX);
    const char *slash = strrchr(path, '/');
    size_t base_len = slash ? strlen(slash + 1) : len;
    char *name = NULL;
    if (opt->mode == AZ_MODE_COMPRESS) {
        if (asprintf(&name, "%s" AZ_SUFFIX, path) < 0)
            name = NULL;
    } else if (base_len <= suffix_len || strcmp(path + len - suffix_len, AZ_SUFFIX) != 0) {
        az_say_error(opt, path,
                     "the name does not end in " AZ_SUFFIX
                     ", skipped; give the output's name with -o, or -c.");
        return NULL;
    } else {
        name = strndup(path, len - suffix_len);
    }
    if (!name)
        fail_memory(opt, path);
    return name;
}

/* Asks on the terminal, if a person is there. */
static bool may_overwrite(const az_options *opt, const char *path) {
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || opt->verbosity < 0)
        return false;
    az_print_escaped(stderr, path);
    fputs(" exists; overwrite it (y/n)? ", stderr);
    fflush(stderr);
    char answer[16] = "";
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

static int open_stdout(az_sink *sink, const az_options *opt) {
    sink->name = "stdout";
    sink->fd = STDOUT_FILENO;
    sink->to_stdout = true;
    if (opt->mode == AZ_MODE_COMPRESS && !opt->force && isatty(sink->fd)) {
        az_say_error(opt, sink->name,
                     "is a terminal, which can't show an archive; name a file with -o, or "
                     "use -f.");
        return AZ_EXIT_USAGE;
    }
    return AZ_EXIT_OK;
}

/* For a path that exists: AZ_EXIT_OK if the output may go there. Sets *direct
 * if it is a device or a pipe, which is written to as it is. */
static int check_existing(const az_sink *sink, const az_options *opt, const az_source *source,
                          const struct stat *st, bool *direct, bool *replace) {
    if (st->st_dev == source->st.st_dev && st->st_ino == source->st.st_ino &&
        S_ISREG(st->st_mode)) {
        az_say_error(opt, sink->path, "is both input and output; choose another name with -o.");
        return AZ_EXIT_FILE;
    }
    if (S_ISDIR(st->st_mode)) {
        az_say_error(opt, sink->path, "is a directory; choose another name with -o.");
        return AZ_EXIT_FILE;
    }
    if (S_ISCHR(st->st_mode) || S_ISFIFO(st->st_mode)) {
        *direct = true; /* nothing there can be lost */
        return AZ_EXIT_OK;
    }
    if (!opt->force && !may_overwrite(opt, sink->path)) {
        az_say_error(opt, sink->path, "exists already; -f overwrites it.");
        return AZ_EXIT_FILE;
    }
    *direct = !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode);
    *replace = !*direct;
    return AZ_EXIT_OK;
}

static int open_direct(az_sink *sink, const az_options *opt) {
    sink->fd = open(sink->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (sink->fd < 0)
        return fail(opt, sink->name, "cannot be opened for writing");
    if (opt->mode == AZ_MODE_COMPRESS && !opt->force && isatty(sink->fd)) {
        az_say_error(opt, sink->name, "is a terminal, which can't show an archive; -f writes it.");
        return AZ_EXIT_USAGE;
    }
    return AZ_EXIT_OK;
}

static int open_temp(az_sink *sink, const az_options *opt) {
    const char *slash = strrchr(sink->path, '/');
    int dir_len = slash ? (int)(slash - sink->path) + 1 : 0;
    if (asprintf(&sink->temp_path, "%.*s" TEMP_TEMPLATE, dir_len, sink->path) < 0) {
        sink->temp_path = NULL;
        return fail_memory(opt, sink->name);
    }
    sigset_t before;
    az_signals_begin_temp(&before);
    sink->fd = mkostemp(sink->temp_path, O_CLOEXEC);
    az_signals_end_temp(&before, sink->fd >= 0 ? sink->temp_path : NULL);
    if (sink->fd >= 0)
        return AZ_EXIT_OK;
    free(sink->temp_path);
    sink->temp_path = NULL;
    return fail(opt, sink->name, "no file can be made in that directory");
}

static int open_file(az_sink *sink, const az_options *opt, const az_source *source) {
    struct stat st;
    bool direct = false;
    /* A link to a device (/dev/stdout) is followed; a link to a file is what
     * would be replaced. */
    bool exists = stat(sink->path, &st) == 0;
    if (!exists)
        exists = lstat(sink->path, &st) == 0;
    if (exists) {
        int rc = check_existing(sink, opt, source, &st, &direct, &sink->replace);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return direct ? open_direct(sink, opt) : open_temp(sink, opt);
}

int az_sink_open(az_sink *sink, const az_options *opt, const az_source *source) {
    *sink = (az_sink){.fd = -1};
    if (opt->mode == AZ_MODE_TEST)
        return AZ_EXIT_OK;
    if (opt->to_stdout || (!opt->output && !source->path))
        return open_stdout(sink, opt);
    if (opt->output && strcmp(opt->output, "-") == 0)
        return open_stdout(sink, opt);
    sink->path = opt->output ? strdup(opt->output) : az_sink_name(opt, source->path);
    if (!sink->path)
        return opt->output ? fail_memory(opt, opt->output) : AZ_EXIT_FILE;
    sink->name = sink->path;
    return open_file(sink, opt, source);
}

int az_sink_write(az_sink *sink, const az_options *opt, const void *data, size_t n_bytes) {
    const uint8_t *p = data;
    if (sink->fd < 0)
        return AZ_EXIT_OK;
    while (n_bytes > 0) {
        ssize_t n = write(sink->fd, p, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sink->failed = true;
            az_say_error(opt, sink->name, "cannot be written at byte %ju: %s%s.",
                         (uintmax_t)sink->n_written, strerror(errno),
                         sink->temp_path ? "; nothing of it is kept" : "");
            return AZ_EXIT_FILE;
        }
        p += n;
        n_bytes -= (size_t)n;
        sink->n_written += (uint64_t)n;
    }
    return AZ_EXIT_OK;
}

/* Mode, owner and times; a file system that can't keep them is no failure. */
static void copy_attributes(const az_sink *sink, const az_source *source) {
    mode_t mode = source->st.st_mode & 0777;
    if (!source->path || !source->is_regular) {
        mode_t mask = umask(0);
        umask(mask);
        fchmod(sink->fd, 0666 & ~mask);
        return;
    }
    if (geteuid() == 0 && fchown(sink->fd, source->st.st_uid, (gid_t)-1) != 0)
        mode &= 0700;
    struct stat st;
    /* In another group, that group gets no more than everybody. */
    if (fchown(sink->fd, (uid_t)-1, source->st.st_gid) != 0 &&
        (fstat(sink->fd, &st) != 0 || st.st_gid != source->st.st_gid))
        mode &= ~070 | (mode & 007) << 3;
    fchmod(sink->fd, mode);
    const struct timespec times[2] = {source->st.st_atim, source->st.st_mtim};
    futimens(sink->fd, times);
}

static int sync_directory(const az_sink *sink, const az_options *opt) {
    char *dir = strdup(sink->path);
    if (!dir)
        return fail_memory(opt, sink->name);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    /* Some file systems can't sync a directory: EINVAL. */
    int rc = AZ_EXIT_OK;
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        rc = fail(opt, sink->name, "the directory cannot be synced, so the source is kept");
    if (fd >= 0)
        close(fd);
    return rc;
}

/* temp_path -> path. Only with `replace` may a file be there. */
static int rename_temp(const az_sink *sink) {
    if (sink->replace)
        return rename(sink->temp_path, sink->path);
    if (renameat2(AT_FDCWD, sink->temp_path, AT_FDCWD, sink->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A file system or kernel without RENAME_NOREPLACE. */
    if (link(sink->temp_path, sink->path) == 0)
        return unlink(sink->temp_path);
    if (errno == EEXIST)
        return -1;
    return rename(sink->temp_path, sink->path);
}

int az_sink_commit(az_sink *sink, const az_options *opt, const az_source *source) {
    if (sink->fd < 0 || sink->to_stdout)
        return AZ_EXIT_OK;
    if (sink->temp_path) {
        copy_attributes(sink, source);
        if (opt->remove_source && fsync(sink->fd) != 0)
            return fail(opt, sink->name, "cannot be synced to the disk");
    }
    int fd = sink->fd;
    sink->fd = -1;
    if (close(fd) != 0)
        return fail(opt, sink->name, "cannot be closed");
    if (!sink->temp_path)
        return AZ_EXIT_OK;
    if (rename_temp(sink) != 0) {
        if (errno == EEXIST)
            az_say_error(opt, sink->name, "appeared meanwhile; -f overwrites it.");
        else
            fail(opt, sink->name, "cannot be given its name");
        return AZ_EXIT_FILE;
    }
    az_signals_forget_temp(sink->temp_path);
    free(sink->temp_path);
    sink->temp_path = NULL;
    return opt->remove_source ? sync_directory(sink, opt) : AZ_EXIT_OK;
}

void az_sink_close(az_sink *sink) {
    if (sink->fd >= 0 && !sink->to_stdout)
        close(sink->fd);
    sink->fd = -1;
    if (sink->temp_path) {
        unlink(sink->temp_path);
        az_signals_forget_temp(sink->temp_path);
    }
    free(sink->temp_path);
    free(sink->path);
    sink->temp_path = sink->path = NULL;
}
