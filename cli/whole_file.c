/* Output that is there as a whole, or not at all: written beside its place, and renamed. */
#include "classification.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(az_whole_file *file, const az_options *opt, int number) {
    az_say_error(opt, file->path, "can't be written: %s.", strerror(number));
    az_whole_file_drop(file);
    return AZ_EXIT_FILE;
}

/* A device or pipe is written in place. */
static bool is_in_place(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

int az_whole_file_open(az_whole_file *file, const az_options *opt, const char *path) {
    *file = (az_whole_file){.path = path};
    if (strcmp(path, "-") == 0) {
        file->stream = stdout;
        return AZ_EXIT_OK;
    }
    if (is_in_place(path)) {
        file->stream = fopen(path, "wb");
        return file->stream ? AZ_EXIT_OK : failed(file, opt, errno);
    }
    size_t n = strlen(path) + 16;
    file->temp_path = malloc(n);
    if (!file->temp_path)
        return failed(file, opt, ENOMEM);
    snprintf(file->temp_path, n, "%s.XXXXXX", path);
    sigset_t before;
    az_signals_begin_temp(&before);
    int fd = mkstemp(file->temp_path);
    az_signals_end_temp(&before, fd >= 0 ? file->temp_path : NULL);
    if (fd < 0) {
        free(file->temp_path);
        file->temp_path = NULL;
        return failed(file, opt, errno);
    }
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0 || !(file->stream = fdopen(fd, "wb"))) {
        int number = errno;
        close(fd);
        return failed(file, opt, number);
    }
    return AZ_EXIT_OK;
}

int az_whole_file_commit(az_whole_file *file, const az_options *opt) {
    errno = EIO;
    if (fflush(file->stream) != 0 || ferror(file->stream))
        return failed(file, opt, errno);
    if (file->stream == stdout) {
        file->stream = NULL;
        return AZ_EXIT_OK;
    }
    if (file->temp_path && fsync(fileno(file->stream)) != 0)
        return failed(file, opt, errno);
    int rc = fclose(file->stream);
    file->stream = NULL;
    if (rc != 0)
        return failed(file, opt, errno);
    if (!file->temp_path)
        return AZ_EXIT_OK;
    if (rename(file->temp_path, file->path) != 0)
        return failed(file, opt, errno);
    az_signals_forget_temp(file->temp_path);
    free(file->temp_path);
    file->temp_path = NULL;
    return AZ_EXIT_OK;
}

void az_whole_file_drop(az_whole_file *file) {
    if (file->stream && file->stream != stdout)
        fclose(file->stream);
    file->stream = NULL;
    if (file->temp_path) {
        unlink(file->temp_path);
        az_signals_forget_temp(file->temp_path);
        free(file->temp_path);
        file->temp_path = NULL;
    }
}
