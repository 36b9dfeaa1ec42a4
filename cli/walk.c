/*
 * The files to work on: those named, and with -r those in named directories.
 * A directory's names are read and sorted before its files are touched, so the
 * archives made there meanwhile are not met again.
 */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const az_options *opt;
    az_file_fn each;
    void *opaque;
    bool stop;
    int rc; /* the largest so far */
} walk;

static void note(walk *w, int rc) {
    if (rc > w->rc)
        w->rc = rc;
}

static bool is_archive_name(const char *name) {
    size_t len = strlen(name), suffix_len = strlen(AZ_SUFFIX);
    return len > suffix_len && strcmp(name + len - suffix_len, AZ_SUFFIX) == 0;
}

static bool takes_archives(az_mode mode) {
    return mode != AZ_MODE_COMPRESS && mode != AZ_MODE_SCORE;
}

static void walk_directory(walk *w, const char *path);

/* A file met in a directory, not named. Links and devices stay out of it
 * silently; so do archives when compressing or scoring, and other files when not. */
static void walk_found(walk *w, const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0) {
        az_say_error(w->opt, path, "cannot be read: %s.", strerror(errno));
        note(w, AZ_EXIT_FILE);
    } else if (S_ISDIR(st.st_mode)) {
        walk_directory(w, path);
    } else if (S_ISREG(st.st_mode) && is_archive_name(path) == takes_archives(w->opt->mode)) {
        note(w, w->each(w->opaque, w->opt, path, &w->stop));
    }
}

static int is_entry(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void walk_directory(walk *w, const char *path) {
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_entry, alphasort);
    if (n < 0) {
        az_say_error(w->opt, path, "cannot be read: %s.", strerror(errno));
        note(w, AZ_EXIT_FILE);
        return;
    }
    const char *separator = path[strlen(path) - 1] == '/' ? "" : "/";
    for (int i = 0; i < n; i++) {
        char *found = NULL;
        if (!w->stop && asprintf(&found, "%s%s%s", path, separator, entries[i]->d_name) < 0) {
            az_say_error(w->opt, path, "not enough memory for a name in it.");
            note(w, AZ_EXIT_MEMORY);
            found = NULL;
        }
        if (found)
            walk_found(w, found);
        free(found);
        free(entries[i]);
    }
    free(entries);
}

int az_walk(const az_options *opt, az_file_fn each, void *opaque) {
    walk w = {.opt = opt, .each = each, .opaque = opaque};
    for (size_t i = 0; i < opt->n_files && !w.stop; i++) {
        struct stat st;
        const char *path = opt->files[i];
        if (opt->recursive && *path && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            walk_directory(&w, path);
        else
            note(&w, each(opaque, opt, path, &w.stop));
    }
    return w.rc;
}
