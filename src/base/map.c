/*
 * map: a file as memory. The pages come from the file when they are first read, are shared
 * with everyone who maps it, and the system may drop them at any time, as they can be read
 * again: a model larger than the memory can still be used, if slowly.
 *
 * If someone else makes the file shorter while it is mapped, reading what is gone ends the
 * program with a signal; there is no way around that but to copy the file.
 */
#if defined(__linux__) || defined(__APPLE__)
#define _DEFAULT_SOURCE /* madvise */
#define _DARWIN_C_SOURCE
#endif
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *az_path_end(const char *path) {
    enum { SHOWN_MAX = 96 }; /* leaves most of an az_error's text to the sentence */
    size_t n = strlen(path);
    if (n <= SHOWN_MAX)
        return path;
    const char *end = path + n - SHOWN_MAX;
    const char *slash = strchr(end, '/');
    return slash ? slash + 1 : end;
}

static az_status failed(const char *path, const char *what, az_error *error) {
    return az_error_set(error, AZ_ERROR_READ, AZ_ERROR_NO_OFFSET, "%s: %s", az_path_end(path),
                        what);
}

/* strerror() is not for several threads, and speaks the user's language. */
static az_status failed_by_system(const char *path, const char *verb, int number, az_error *error) {
    switch (number) {
    case ENOENT:
    case ENOTDIR: return failed(path, "there is no such file", error);
    case EACCES:
    case EPERM: return failed(path, "no permission to read it", error);
    case ELOOP: return failed(path, "the symbolic links go round in circles", error);
    case ENAMETOOLONG: return failed(path, "the name is too long", error);
    case EMFILE:
    case ENFILE: return failed(path, "too many files are open", error);
    case ENOMEM: return failed(path, "no memory to map it", error);
    default:
        return az_error_set(error, AZ_ERROR_READ, AZ_ERROR_NO_OFFSET,
                            "%s: can't be %s (system error %d)", az_path_end(path), verb, number);
    }
}

static az_status map_open_file(az_map *out, int file, const char *path, az_error *error) {
    struct stat about;
    if (fstat(file, &about) != 0)
        return failed_by_system(path, "looked at", errno, error);
    if (S_ISDIR(about.st_mode))
        return failed(path, "is a directory", error);
    if (!S_ISREG(about.st_mode))
        return failed(path, "is not a regular file", error);
    if (about.st_size <= 0)
        return failed(path, "is empty", error);
    if ((uint64_t)about.st_size > SIZE_MAX / 2)
        return failed(path, "is too large for this machine's addresses", error);
    size_t n_bytes = (size_t)about.st_size;
    void *data = mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED)
        return failed_by_system(path, "mapped", errno, error);
    *out = (az_map){.data = data, .n_bytes = n_bytes};
    return AZ_OK;
}

az_status az_map_open(az_map *out, const char *path, az_error *error) {
    /* Not to wait for a writer where the path is a pipe. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return failed_by_system(path, "opened", errno, error);
    az_status status = map_open_file(out, file, path, error);
    close(file); /* the pages stay */
    return status;
}

void az_map_close(az_map *map) {
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->n_bytes);
    *map = (az_map){0};
}

void az_map_release(const uint8_t *data, size_t n_bytes) {
#ifdef MADV_DONTNEED
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0)
        return;
    uintptr_t mask = (uintptr_t)page - 1;
    uintptr_t begin = ((uintptr_t)data + mask) & ~mask, end = ((uintptr_t)data + n_bytes) & ~mask;
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* advice: it may fail */
#else
    (void)data;
    (void)n_bytes;
#endif
}
