/*
 * Jobs. A client gives one in, gets its number, and asks how far it is. Workers take them in the
 * order in which they came; the first worker takes short ones only, so that what somebody types is
 * served while others wait for hours. What is kept, of inputs and results, has a limit: finished
 * jobs go, the one that nobody has asked for longest first, when room is needed or after ten minutes.
 */
#include "serve.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_WORKERS = 4, KEPT_SECONDS = 600, CLOSE_SECONDS = 3 };

struct az_jobs {
    pthread_mutex_t lock; /* guards all that follows, but for what is set once */
    pthread_cond_t wake;  /* work is there, or the end */
    pthread_cond_t ended; /* a worker has */
    az_job *first;        /* all jobs of the table, the oldest first */
    uint64_t n_given;     /* numbers given out */
    uint64_t held_nbytes;
    int n_workers;
    bool is_closing;

    int64_t max_jobs, max_seconds; /* set once */
    uint64_t max_held_nbytes;
    az_work_fn work;
    void *opaque;
};

typedef struct worker {
    az_jobs *jobs;
    bool only_short;
} worker;

static bool has_ended(const az_job *job) {
    return job->state >= AZ_JOB_DONE;
}

/* ---- Under the lock ------------------------------------------------------------ */

/* Gives back what no one uses. */
static void drop_user(az_job *job) {
    if (--job->n_users > 0)
        return;
    job->jobs->held_nbytes -= job->held_nbytes;
    free(job->in);
    free(job->out);
    free(job->result);
    free(job->map);
    free(job);
}

static void take_out(az_job *job) {
    for (az_job **at = &job->jobs->first; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            drop_user(job);
            return;
        }
}

static void drop_old(az_jobs *jobs, double now) {
    for (az_job *job = jobs->first, *next; job; job = next) {
        next = job->next;
        if (has_ended(job) && now - job->touched > KEPT_SECONDS)
            take_out(job);
    }
}

static bool may_go(const az_job *job) {
    return has_ended(job) && job->n_users == 1;
}

/* Counts n bytes more, finished jobs making room, if that helps. */
static bool hold(az_jobs *jobs, uint64_t n_bytes) {
    drop_old(jobs, az_now());
    uint64_t needed = jobs->held_nbytes; /* less what can go: */
    for (az_job *job = jobs->first; job; job = job->next)
        needed -= may_go(job) ? job->held_nbytes : 0;
    if (needed > jobs->max_held_nbytes || n_bytes > jobs->max_held_nbytes - needed)
        return false;
    while (jobs->held_nbytes > jobs->max_held_nbytes - n_bytes) {
        az_job *oldest = NULL;
        for (az_job *job = jobs->first; job; job = job->next)
            if (may_go(job) && (!oldest || job->touched < oldest->touched))
                oldest = job;
        take_out(oldest);
    }
    jobs->held_nbytes += n_bytes;
    return true;
}

static az_job *next_job(const az_jobs *jobs, bool only_short) {
    for (az_job *job = jobs->first; job; job = job->next)
        if (job->state == AZ_JOB_WAITING && (!only_short || job->is_short))
            return job;
    return NULL;
}

/* The input is not needed any more; the rest counts as what it is. */
static void shrink_to_result(az_job *job) {
    free(job->in);
    job->in = NULL;
    job->in_capacity = 0;
    uint64_t held = job->out_nbytes + job->result_nbytes + job->map_nbytes;
    job->jobs->held_nbytes -= job->held_nbytes;
    job->jobs->held_nbytes += held;
    job->held_nbytes = held;
}

static void end(az_job *job) {
    if (job->is_stopped)
        job->state = AZ_JOB_CANCELLED;
    else if (job->is_late) {
        job->state = AZ_JOB_FAILED;
        job->error = (az_error){.status = AZ_ERROR_CANCELLED, .offset = AZ_ERROR_NO_OFFSET};
        snprintf(job->error.text, sizeof job->error.text,
                 "it took more than the %lld seconds that this server gives a job (--max-time)",
                 (long long)job->jobs->max_seconds);
    } else
        job->state = job->error.status == AZ_OK ? AZ_JOB_DONE : AZ_JOB_FAILED;
    shrink_to_result(job);
    job->ended = job->touched = az_now();
}

/* ---- Workers --------------------------------------------------------------------- */

static void *run_worker(void *opaque) {
    worker me = *(worker *)opaque;
    az_jobs *jobs = me.jobs;
    free(opaque);
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->is_closing) {
        az_job *job = next_job(jobs, me.only_short);
        if (!job) {
            pthread_cond_wait(&jobs->wake, &jobs->lock);
            continue;
        }
        job->state = AZ_JOB_RUNNING;
        job->began = az_now();
        job->n_users++;
        pthread_mutex_unlock(&jobs->lock);
        jobs->work(jobs->opaque, job);
        pthread_mutex_lock(&jobs->lock);
        end(job);
        drop_user(job);
    }
    jobs->n_workers--;
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static bool start_worker(az_jobs *jobs, bool only_short) {
    pthread_t thread;
    worker *w = malloc(sizeof *w);
    if (!w)
        return false;
    *w = (worker){jobs, only_short};
    jobs->n_workers++;
    if (pthread_create(&thread, NULL, run_worker, w) == 0) {
        pthread_detach(thread);
        return true;
    }
    free(w);
    jobs->n_workers--;
    return false;
}

az_jobs *az_jobs_open(int64_t max_jobs, uint64_t held_nbytes, int64_t max_seconds, az_work_fn work,
                      void *opaque) {
    az_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return NULL;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->wake, NULL);
    pthread_cond_init(&jobs->ended, NULL);
    jobs->max_jobs = max_jobs;
    jobs->max_held_nbytes = held_nbytes;
    jobs->max_seconds = max_seconds;
    jobs->work = work;
    jobs->opaque = opaque;
    pthread_mutex_lock(&jobs->lock);
    bool ok = true;
    for (int i = 0; i < N_WORKERS && ok; i++)
        ok = start_worker(jobs, i == 0);
    pthread_mutex_unlock(&jobs->lock);
    if (!ok)
        az_jobs_close(&jobs);
    return jobs;
}

bool az_jobs_close(az_jobs **out) {
    az_jobs *jobs = *out;
    struct timespec until;
    if (!jobs)
        return true;
    *out = NULL;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_SECONDS;
    pthread_mutex_lock(&jobs->lock);
    jobs->is_closing = true;
    for (az_job *job = jobs->first; job; job = job->next)
        job->is_stopped = true;
    pthread_cond_broadcast(&jobs->wake);
    while (jobs->n_workers > 0 && pthread_cond_timedwait(&jobs->ended, &jobs->lock, &until) == 0) {
    }
    bool ended = jobs->n_workers == 0;
    while (ended && jobs->first)
        take_out(jobs->first);
    pthread_mutex_unlock(&jobs->lock);
    if (!ended)
        return false;
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->wake);
    pthread_cond_destroy(&jobs->ended);
    free(jobs);
    return true;
}

/* ---- Jobs ------------------------------------------------------------------------ */

az_job *az_job_new(az_jobs *jobs, const az_job_settings *settings, size_t in_capacity,
                   uint64_t out_nbytes_max) {
    uint64_t held = in_capacity + out_nbytes_max;
    pthread_mutex_lock(&jobs->lock);
    bool fits = hold(jobs, held);
    pthread_mutex_unlock(&jobs->lock);
    if (!fits)
        return NULL;
    az_job *job = calloc(1, sizeof *job);
    uint8_t *in = malloc(in_capacity + 1);
    if (job && in) {
        *job = (az_job){.settings = *settings,
                        .in = in,
                        .in_capacity = in_capacity,
                        .jobs = jobs,
                        .n_users = 1,
                        .held_nbytes = held,
                        .phase = "waiting",
                        .touched = az_now()};
        return job;
    }
    free(job);
    free(in);
    pthread_mutex_lock(&jobs->lock);
    jobs->held_nbytes -= held;
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

bool az_job_grow(az_job *job, size_t in_capacity) {
    uint64_t more = in_capacity - job->in_capacity;
    pthread_mutex_lock(&job->jobs->lock);
    bool fits = hold(job->jobs, more);
    if (fits)
        job->held_nbytes += more;
    pthread_mutex_unlock(&job->jobs->lock);
    uint8_t *in = fits ? realloc(job->in, in_capacity + 1) : NULL;
    if (!in)
        return false;
    job->in = in;
    job->in_capacity = in_capacity;
    return true;
}

uint64_t az_job_start(az_job *job) {
    az_jobs *jobs = job->jobs;
    int64_t n_open = 0;
    uint64_t id = 0;
    pthread_mutex_lock(&jobs->lock);
    az_job **at = &jobs->first;
    for (; *at; at = &(*at)->next)
        n_open += !has_ended(*at);
    if (n_open < jobs->max_jobs) {
        *at = job;
        id = job->id = ++jobs->n_given;
        pthread_cond_broadcast(&jobs->wake); /* not every worker takes every job */
    } else {
        drop_user(job);
    }
    pthread_mutex_unlock(&jobs->lock);
    return id;
}

az_job *az_job_find(az_jobs *jobs, uint64_t id) {
    pthread_mutex_lock(&jobs->lock);
    az_job *job = jobs->first;
    while (job && job->id != id)
        job = job->next;
    if (job) {
        job->n_users++;
        job->touched = az_now();
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

void az_job_release(az_job *job) {
    az_jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    drop_user(job);
    pthread_mutex_unlock(&jobs->lock);
}

void az_job_get_report(az_job *job, az_job_report *report) {
    pthread_mutex_lock(&job->jobs->lock);
    double now = has_ended(job) ? job->ended : az_now();
    *report = (az_job_report){job->state, job->phase, job->done, job->of,
                              job->began > 0 ? now - job->began : 0};
    pthread_mutex_unlock(&job->jobs->lock);
}

void az_job_cancel(az_job *job) {
    az_jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    job->is_stopped = true;
    if (job->state == AZ_JOB_WAITING)
        end(job);
    else if (has_ended(job))
        take_out(job);
    pthread_mutex_unlock(&jobs->lock);
}

int az_job_progress(void *opaque, uint64_t done, uint64_t unused) {
    az_job *job = opaque;
    (void)unused;
    pthread_mutex_lock(&job->jobs->lock);
    job->done = done;
    job->is_late = job->is_late || az_now() - job->began > (double)job->jobs->max_seconds;
    int stop = job->is_stopped || job->is_late;
    pthread_mutex_unlock(&job->jobs->lock);
    return stop;
}

int az_job_begin(az_job *job, const char *phase, uint64_t of) {
    pthread_mutex_lock(&job->jobs->lock);
    job->phase = phase;
    job->of = of;
    pthread_mutex_unlock(&job->jobs->lock);
    return az_job_progress(job, 0, 0);
}

const char *az_job_state_name(az_job_state state) {
    static const char *const names[] = {"waiting", "running", "done", "failed", "cancelled"};
    return names[state];
}
