/*
 * The command `aizip serve`: a page on this machine, and the JSON endpoints that it uses
 * (docs/openapi.json).
 *
 *   serve.c         the command line; says the address, and waits for a signal
 *   serve_guard.c   who may ask: host, origin, token
 *   serve_http.c    libmicrohttpd: connections, bodies, answers
 *   serve_routes.c  what is asked for
 *   serve_jobs.c    work that takes time: queue, workers, progress, what is kept of it
 *   serve_work.c    what a job does, and its result as JSON
 *
 * One thread talks to all clients and never waits; jobs run in threads of their own. Whatever a
 * client can make grow has a limit.
 */
#ifndef AZ_CLI_SERVE_H
#define AZ_CLI_SERVE_H

#include <pthread.h>

#include "score.h"
#include "surprise.h"

enum { SERVE_HOSTS_MAX = 16, SERVE_CLASSIFIERS_MAX = 16 };

typedef struct az_serve_options {
    az_options base;                    /* threads, memlimit, model, verbosity, json */
    const char *address;                /* numeric */
    int64_t port;                       /* 0: any that is free */
    const char *hosts[SERVE_HOSTS_MAX]; /* names that it may be called by, beside its address */
    size_t n_hosts;
    const char *classifiers[SERVE_CLASSIFIERS_MAX]; /* paths */
    size_t n_classifiers;
    uint64_t max_nbytes; /* of a text, a file, an archive's content */
    int64_t max_seconds; /* of a job */
    int64_t max_jobs;    /* waiting and running */
} az_serve_options;

/* ---- serve_guard.c ------------------------------------------------------------ */

enum { TOKEN_LENGTH = 32 }; /* hexadecimal digits: 128 random bits */

typedef struct az_guard {
    char token[TOKEN_LENGTH + 1];
    char cookie[16]; /* its name: ports share cookies */
    unsigned port;
    const char *address;
    bool is_loopback, is_any; /* the address: 127.0.0.1 or the like; 0.0.0.0 or :: */
    const char *const *hosts; /* [n_hosts] */
    size_t n_hosts;
} az_guard;

/* False: the machine gives no random bytes. */
bool az_guard_init(az_guard *guard, const az_serve_options *opt);
void az_guard_set_port(az_guard *guard, unsigned port);
/* What follows takes text from strangers, or NULL. */
bool az_guard_is_token(const az_guard *guard, const char *text);
/* Whether a Host: header names this server: by its address, or a name that it was given, and the
 * port. A page elsewhere whose name is made to lead here has another one. */
bool az_guard_is_host(const az_guard *guard, const char *host);
/* Whether an Origin: header is this server's own. */
bool az_guard_is_origin(const az_guard *guard, const char *origin);

/* ---- serve_jobs.c --------------------------------------------------------------- */

typedef enum az_job_kind {
    AZ_JOB_COMPRESS,
    AZ_JOB_DECOMPRESS,
    AZ_JOB_COMPARE, /* with other compressors */
    AZ_JOB_CLASSIFY
} az_job_kind;

typedef enum az_job_state {
    AZ_JOB_WAITING,
    AZ_JOB_RUNNING,
    AZ_JOB_DONE,
    AZ_JOB_FAILED,
    AZ_JOB_CANCELLED
} az_job_state;

enum { PRIMER_NAME_MAX = 15 };

typedef struct az_job_settings {
    az_job_kind kind;
    int level;
    int model;      /* number of the server's; -1: none */
    int classifier; /* number of the server's */
    bool verify, map;
    char primer[PRIMER_NAME_MAX + 1]; /* "": none */
} az_job_settings;

typedef struct az_jobs az_jobs;

typedef struct az_job {
    az_job_settings settings;
    uint64_t id;
    uint8_t *in; /* [in_nbytes], room for in_capacity */
    size_t in_nbytes, in_capacity;
    bool is_short; /* takes little time */

    /* Written by the worker before `state` says that it is done. */
    uint8_t *out; /* an archive, or a file */
    size_t out_nbytes;
    char *result, *map; /* JSON */
    size_t result_nbytes, map_nbytes;
    az_error error;

    /* The rest is under the lock of `jobs`. */
    az_jobs *jobs;
    struct az_job *next;
    az_job_state state;
    int n_users;                  /* the table, the worker, answers under way */
    uint64_t held_nbytes;         /* of memory, counted for it */
    const char *phase;            /* what is done */
    uint64_t done, of;            /* bytes; `of` 0: not known */
    double began, ended, touched; /* seconds; 0: not yet */
    bool is_stopped, is_late;
} az_job;

/* What of a job can be told while it runs. */
typedef struct az_job_report {
    az_job_state state;
    const char *phase;
    uint64_t done, of;
    double seconds; /* that it has run */
} az_job_report;

/* Fills the job. Called in a worker's thread. */
typedef void (*az_work_fn)(void *opaque, az_job *job);

/* Starts the workers. held_nbytes: of memory, for all jobs and results together. NULL: no memory or
 * no threads. */
az_jobs *az_jobs_open(int64_t max_jobs, uint64_t held_nbytes, int64_t max_seconds, az_work_fn work,
                      void *opaque);
/* Stops all jobs. False: one can't be stopped; then nothing is freed. */
bool az_jobs_close(az_jobs **jobs);

/* A job that is not in the table yet, with room for in_capacity bytes. NULL: there is no room for
 * it now. Its settings are to be filled. */
az_job *az_job_new(az_jobs *jobs, const az_job_settings *settings, size_t in_capacity,
                   uint64_t out_nbytes_max);
/* More room for input. False: there is none now. */
bool az_job_grow(az_job *job, size_t in_capacity);
/* Gives it to the workers and returns its number; 0: there are too many, and it is gone. The caller
 * has it no longer in any case. */
uint64_t az_job_start(az_job *job);
/* That of this number, for a while: az_job_release(). NULL: there is none. */
az_job *az_job_find(az_jobs *jobs, uint64_t id);
void az_job_release(az_job *job);
void az_job_get_report(az_job *job, az_job_report *report);
/* Stops it; one that has ended is forgotten. */
void az_job_cancel(az_job *job);

/* For workers: an az_progress_fn; opaque is the job. Not 0: stop. */
int az_job_progress(void *opaque, uint64_t done, uint64_t unused);
/* Another part of the work begins. Not 0: stop. */
int az_job_begin(az_job *job, const char *phase, uint64_t of);
const char *az_job_state_name(az_job_state state);

/* ---- serve_work.c ------------------------------------------------------------------ */

/* Of a text, this much is drawn. */
enum { SERVE_MAP_NBYTES = 64 << 10 };

typedef struct az_served_model {
    char *path, *name;
} az_served_model;

typedef struct az_served_classifier {
    const char *name;
    az_classifier *classifier;
    pthread_mutex_t lock; /* one run at a time */
    az_job *job;          /* that runs */
} az_served_classifier;

typedef struct az_server {
    const az_serve_options *opt;
    az_guard guard;
    az_jobs *jobs;
    az_served_model *models; /* [n_models] */
    size_t n_models;
    az_served_classifier *classifiers; /* [n_classifiers] */
    size_t n_classifiers;
    az_engines *engines;
    uint64_t job_memory; /* for one, 0: no limit */
} az_server;

/* Models and classifiers. Says what is wrong and returns an exit code; to be closed in any case. */
int az_work_open(az_server *server);
void az_work_close(az_server *server);
/* An az_work_fn; opaque is the server. */
void az_work(void *opaque, az_job *job);
/* Whether a job, whose input is there, takes little time: of an archive by what it says of itself, to
 * which decoding keeps. */
bool az_work_is_short(const az_job *job);
/* The most that a job of this kind takes in. */
uint64_t az_work_max_nbytes(const az_server *server, az_job_kind kind);
/* The most that the job's result takes. */
uint64_t az_work_result_nbytes(const az_server *server, const az_job_settings *settings,
                               size_t in_nbytes);

/* ---- serve_http.c and serve_routes.c ---------------------------------------------- */

/* An answer: bytes that are there for ever, or those of a job, which is released when they are
 * sent, or malloc'd ones, which are freed. */
typedef struct az_answer {
    int status; /* of HTTP */
    const char *type, *location;
    const void *data;
    size_t n_bytes;
    az_job *job;
    char *owned; /* NULL, or data itself */
    bool sets_cookie, is_download;
    const char *allow; /* of 405 */
} az_answer;

/* What is known of a request when its headers are there. Headers that are missing are NULL. */
typedef struct az_request {
    const char *method, *path;
    const char *host, *origin, *fetch_site, *type, *cookie, *bearer, *token;
    uint64_t n_bytes; /* of the body; UINT64_MAX: not said */
    /* A value of the query, or NULL. */
    const char *(*query)(void *opaque, const char *name);
    void *opaque;
} az_request;

/* The answer to a request, or, where status is 0, *job to be filled with the body and started. */
az_answer az_route(az_server *server, const az_request *request, az_job **job);
/* To a body that has been received. Takes the job. */
az_answer az_route_started(az_job *job);
/* {"error": sentence} */
az_answer az_answer_error(int status, const char *sentence);
void az_answer_free(az_answer *answer);

typedef struct az_http az_http;

/* Begins to answer, at a port that the guard then knows. Says what is wrong and returns an exit
 * code; to be closed in any case. */
int az_http_open(az_http **out, az_server *server);
/* To be called about once a second: ends connections that are too slow. */
void az_http_sweep(az_http *http);
void az_http_close(az_http **http);

/* For --version. */
void az_serve_print_library(FILE *stream);
int az_serve_command(int argc, char **argv);

#endif
