/*
 * Preloaded into aizip by tests/cli: makes the n-th call of a kind fail, so that
 * every place where a disk can fail is walked through.
 *
 *   AIZIP_FAIL_KIND   io      open, mkostemp, read, pread, write, fsync, close, rename fail: EIO
 *                     full    write fails: ENOSPC
 *                     memory  malloc and its kin return NULL
 *                     short   write takes half of what it is given; no failure
 *                     touch   before read, a byte is added to AIZIP_FAIL_TOUCH
 *   AIZIP_FAIL_AT     which one, from 1
 *   AIZIP_FAIL_MARK   a file that is made, with the call's name, when it happens
 *
 * Calls on standard error are left alone, so that the sentence can be seen.
 */
#undef _FILE_OFFSET_BITS /* both open and open64 are wanted */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* What this file puts in the place of libc's; declared here to be warned of
 * nothing. */
ssize_t pread64(int fd, void *buf, size_t n, off64_t at);
int open64(const char *path, int flags, ...);
int mkostemp64(char *template, int flags);

static atomic_long n_calls;

static int kind_is(const char *kind) {
    const char *set = getenv("AIZIP_FAIL_KIND");
    return set && strcmp(set, kind) == 0;
}

/* Counts a call; 1 if it is the one. */
static int hit(const char *name) {
    const char *at = getenv("AIZIP_FAIL_AT");
    if (!at || atomic_fetch_add(&n_calls, 1) + 1 != atol(at))
        return 0;
    const char *mark = getenv("AIZIP_FAIL_MARK");
    if (mark) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        syscall(SYS_write, fd, name, strlen(name));
        syscall(SYS_close, fd);
    }
    return 1;
}

static int fails_io(const char *name) {
    if (!kind_is("io") || !hit(name))
        return 0;
    errno = EIO;
    return 1;
}

ssize_t write(int fd, const void *buf, size_t n) {
    if (fd != 2 && fails_io("write"))
        return -1;
    if (fd != 2 && kind_is("full") && hit("write")) {
        errno = ENOSPC;
        return -1;
    }
    if (fd != 2 && n > 1 && kind_is("short") && hit("write"))
        n /= 2;
    return syscall(SYS_write, fd, buf, n);
}

static void touch(void) {
    const char *path = getenv("AIZIP_FAIL_TOUCH");
    if (!path || !kind_is("touch") || !hit("read"))
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND);
    syscall(SYS_write, fd, "x", 1);
    syscall(SYS_close, fd);
}

ssize_t read(int fd, void *buf, size_t n) {
    touch();
    if (fails_io("read"))
        return -1;
    return syscall(SYS_read, fd, buf, n);
}

ssize_t pread(int fd, void *buf, size_t n, off_t at) {
    if (fails_io("pread"))
        return -1;
    return syscall(SYS_pread64, fd, buf, n, at);
}

ssize_t pread64(int fd, void *buf, size_t n, off64_t at) {
    return pread(fd, buf, n, at);
}

int fsync(int fd) {
    if (fails_io("fsync"))
        return -1;
    return (int)syscall(SYS_fsync, fd);
}

int close(int fd) {
    int fails = fd > 2 && fails_io("close");
    int rc = (int)syscall(SYS_close, fd);
    if (fails) {
        errno = EIO;
        return -1;
    }
    return rc;
}

int rename(const char *from, const char *to) {
    if (fails_io("rename"))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    if (fails_io("rename"))
        return -1;
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static int open_file(const char *path, int flags, mode_t mode) {
    /* /proc and /sys: what libc and the library ask about the machine. */
    if (strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/sys/", 5) != 0 && fails_io("open"))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_file(path, flags, mode);
}

int mkostemp(char *template, int flags) {
    if (fails_io("mkostemp"))
        return -1;
    int (*next)(char *, int);
    void *symbol = dlsym(RTLD_NEXT, "mkostemp");
    memcpy(&next, &symbol, sizeof next);
    return next(template, flags);
}

int mkostemp64(char *template, int flags) {
    return mkostemp(template, flags);
}

static int fails_memory(void) {
    if (!kind_is("memory") || !hit("malloc"))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) {
    return fails_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return fails_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return fails_memory() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n) {
    return fails_memory() ? NULL : __libc_memalign(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    if (fails_memory())
        return ENOMEM;
    *p = __libc_memalign(alignment, n);
    return *p ? 0 : ENOMEM;
}
