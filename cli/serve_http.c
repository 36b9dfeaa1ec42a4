/*
 * HTTP, by libmicrohttpd. All clients are served by one thread, which never waits: whatever takes
 * time is a job. What clients can hold is limited: connections by number, headers by size, bodies
 * by --max-size, and all of it by time, which a sweep looks after, since a client that sends a byte
 * now and then is never silent.
 */
#include "serve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef AZ_HAVE_MICROHTTPD
#include <microhttpd.h>

enum {
    CONNECTIONS_MAX = 512,
    BACKLOG = 511,             /* connections that wait to be taken */
    HEADERS_NBYTES = 16 << 10, /* of memory for a connection */
    SILENT_SECONDS = 30,
    HEADERS_SECONDS = 15, /* from the first byte, or the end of the last answer */
    CROWDED_SECONDS = 2,  /* the same where there are many */
    BODY_SECONDS = 20,    /* and a second for each: */
    NBYTES_PER_SECOND = 64 << 10,
    GROWTH_NBYTES = 64 << 10 /* of a body whose size is not said */
};

/* Nothing from elsewhere, no script or style but this server's own. */
#define CONTENT_SECURITY                                                            \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* A client's, for as long as it is open. */
typedef struct connection {
    struct connection *before, *after;
    int fd;
    double idle_since; /* 0: a request is under way */
    double deadline;
} connection;

struct az_http {
    az_server *server;
    struct MHD_Daemon *daemon;
    unsigned n_max;
    pthread_mutex_t lock; /* guards what follows, and that sockets in it are open */
    connection *first;
    unsigned n;
};

/* One request. */
typedef struct exchange {
    bool routed;
    az_job *job;       /* that its body is for */
    const char *wrong; /* NULL, or why the body can't be taken */
    int wrong_status;
    az_answer refusal; /* status 0, or what is said at the end of the body: a client that is still
                          sending may not hear it before */
} exchange;

/* ---- Connections -------------------------------------------------------------------- */

static connection *connection_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void notify_connection(void *opaque, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code) {
    az_http *http = opaque;
    pthread_mutex_lock(&http->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection *c = calloc(1, sizeof *c);
        *context = c;
        if (c) {
            const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
            c->fd = info ? info->connect_fd : -1;
            c->idle_since = az_now();
            c->deadline = c->idle_since + HEADERS_SECONDS;
            c->after = http->first;
            if (c->after)
                c->after->before = c;
            http->first = c;
            http->n++;
        }
    } else if (*context) {
        connection *c = *context;
        if (c->before)
            c->before->after = c->after;
        else
            http->first = c->after;
        if (c->after)
            c->after->before = c->before;
        http->n--;
        free(c);
        *context = NULL;
    }
    pthread_mutex_unlock(&http->lock);
}

/* The request, or its answer, has n_bytes: it may take so long. */
static void allow_time(az_http *http, struct MHD_Connection *mhd, uint64_t n_bytes) {
    connection *c = connection_of(mhd);
    pthread_mutex_lock(&http->lock);
    if (c) {
        c->idle_since = 0;
        c->deadline = az_now() + BODY_SECONDS + (double)n_bytes / NBYTES_PER_SECOND;
    }
    pthread_mutex_unlock(&http->lock);
}

void az_http_sweep(az_http *http) {
    double now = az_now();
    pthread_mutex_lock(&http->lock);
    bool crowded = http->n > http->n_max / 2;
    for (connection *c = http->first; c; c = c->after) {
        bool in_the_way = crowded && c->idle_since > 0 && now - c->idle_since > CROWDED_SECONDS;
        if (now > c->deadline || in_the_way)
            shutdown(c->fd, SHUT_RDWR); /* the other thread sees its end */
    }
    pthread_mutex_unlock(&http->lock);
}

/* ---- Answers ------------------------------------------------------------------------- */

static void sent(void *opaque) {
    az_answer *answer = opaque;
    az_answer_free(answer);
    free(answer);
}

/* Takes the answer. */
static enum MHD_Result give(az_http *http, struct MHD_Connection *mhd, const az_request *r,
                            az_answer answer) {
    const az_guard *guard = &http->server->guard;
    az_answer *kept = malloc(sizeof *kept);
    if (!kept || answer.status == 500) { /* no memory */
        az_answer_free(&answer);
        free(kept);
        return MHD_NO;
    }
    *kept = answer;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        answer.n_bytes, (void *)(uintptr_t)answer.data, sent, kept);
    if (!response) {
        sent(kept);
        return MHD_NO;
    }
    static const char *const headers[][2] = {{"Content-Security-Policy", CONTENT_SECURITY},
                                             {"X-Content-Type-Options", "nosniff"},
                                             {"Cache-Control", "no-store"},
                                             {"Referrer-Policy", "no-referrer"},
                                             {"Cross-Origin-Opener-Policy", "same-origin"},
                                             {"Cross-Origin-Resource-Policy", "same-origin"}};
    bool ok = true;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        ok = ok && MHD_add_response_header(response, headers[i][0], headers[i][1]) == MHD_YES;
    ok = ok && MHD_add_response_header(response, "Content-Type", answer.type) == MHD_YES;
    if (answer.allow)
        ok = ok && MHD_add_response_header(response, "Allow", answer.allow) == MHD_YES;
    if (answer.status == 503)
        ok = ok && MHD_add_response_header(response, "Retry-After", "1") == MHD_YES;
    if (answer.is_download)
        ok =
            ok && MHD_add_response_header(response, "Content-Disposition", "attachment") == MHD_YES;
    if (answer.sets_cookie) {
        char cookie[128];
        snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", guard->cookie,
                 guard->token);
        ok = ok && MHD_add_response_header(response, "Set-Cookie", cookie) == MHD_YES;
    }
    if (http->server->opt->base.verbosity > 0)
        az_say(NULL, "%s %s: %d, %zu bytes", r->method, r->path, answer.status, answer.n_bytes);
    allow_time(http, mhd, answer.n_bytes);
    enum MHD_Result result =
        ok ? MHD_queue_response(mhd, (unsigned)answer.status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* ---- Requests -------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *mhd, const char *name) {
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static const char *query(void *opaque, const char *name) {
    return MHD_lookup_connection_value(opaque, MHD_GET_ARGUMENT_KIND, name);
}

static bool is_number(const char *text, uint64_t *n) {
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static az_request request_of(const az_http *http, struct MHD_Connection *mhd, const char *path,
                             const char *method) {
    az_request r = {
        .method = method,
        .path = path,
        .host = header(mhd, "Host"),
        .origin = header(mhd, "Origin"),
        .fetch_site = header(mhd, "Sec-Fetch-Site"),
        .type = header(mhd, "Content-Type"),
        .bearer = header(mhd, "Authorization"),
        .cookie = MHD_lookup_connection_value(mhd, MHD_COOKIE_KIND, http->server->guard.cookie),
        .token = query(mhd, "token"),
        .n_bytes = UINT64_MAX,
        .query = query,
        .opaque = mhd};
    const char *length = header(mhd, "Content-Length");
    if (!length && !header(mhd, "Transfer-Encoding"))
        r.n_bytes = 0;
    else if (length && !is_number(length, &r.n_bytes))
        r.n_bytes = UINT64_MAX;
    return r;
}

/* Takes a part of a body. What is too much is passed over, for a while: the answer can only be
 * given at its end. */
static enum MHD_Result take(az_http *http, exchange *x, const char *data, size_t n) {
    az_job *job = x->job;
    if (x->refusal.status)
        return MHD_YES;
    if (x->wrong || !job)
        return MHD_NO; /* it was told nothing yet, but goes on for ever */
    size_t max = (size_t)az_work_max_nbytes(http->server, job->settings.kind);
    if (n > job->in_capacity - job->in_nbytes) {
        if (n > max - job->in_nbytes) {
            x->wrong = "it is larger than this server takes (/api/state: limits)";
            x->wrong_status = 413;
            return MHD_YES;
        }
        size_t more = n > GROWTH_NBYTES ? n : GROWTH_NBYTES;
        more = more > job->in_capacity / 2 ? more : job->in_capacity / 2;
        size_t capacity = job->in_capacity + more;
        if (capacity > max)
            capacity = max;
        if (!az_job_grow(job, capacity)) {
            x->wrong = "there is no room for another job now: try again later";
            x->wrong_status = 503;
            return MHD_YES;
        }
    }
    memcpy(job->in + job->in_nbytes, data, n);
    job->in_nbytes += n;
    return MHD_YES;
}

static az_answer start(exchange *x) {
    az_job *job = x->job;
    if (x->refusal.status) {
        az_answer refusal = x->refusal;
        x->refusal = (az_answer){0};
        return refusal;
    }
    x->job = NULL;
    if (x->wrong) {
        az_job_release(job);
        return az_answer_error(x->wrong_status, x->wrong);
    }
    return az_route_started(job);
}

/* An MHD_AccessHandlerCallback: called when the headers are there, for each part of the body, and
 * at its end. Refusals go out at once, but for that there is no room now. */
static enum MHD_Result handle(void *opaque, struct MHD_Connection *mhd, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *n_bytes, void **context) {
    az_http *http = opaque;
    exchange *x = *context;
    (void)version;
    az_request r = request_of(http, mhd, path, method);
    if (!x) {
        *context = x = calloc(1, sizeof *x);
        if (!x)
            return MHD_NO;
        uint64_t max = http->server->opt->max_nbytes;
        allow_time(http, mhd, r.n_bytes < max ? r.n_bytes : max);
        if (strcmp(method, "POST") != 0 && r.n_bytes == 0)
            return MHD_YES;
        x->routed = true;
        az_answer answer = az_route(http->server, &r, &x->job);
        if (answer.status == 503 && r.n_bytes <= max) {
            x->refusal = answer;
            return MHD_YES;
        }
        return answer.status ? give(http, mhd, &r, answer) : MHD_YES;
    }
    if (*n_bytes) {
        enum MHD_Result result = x->routed ? take(http, x, data, *n_bytes) : MHD_YES;
        *n_bytes = 0;
        return result;
    }
    return give(http, mhd, &r, x->routed ? start(x) : az_route(http->server, &r, &x->job));
}

/* An MHD_RequestCompletedCallback. */
static void completed(void *opaque, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode code) {
    az_http *http = opaque;
    exchange *x = *context;
    (void)code;
    *context = NULL;
    if (x && x->job)
        az_job_release(x->job);
    if (x)
        az_answer_free(&x->refusal);
    free(x);
    connection *c = connection_of(mhd);
    pthread_mutex_lock(&http->lock);
    if (c) {
        c->idle_since = az_now();
        c->deadline = c->idle_since + HEADERS_SECONDS;
    }
    pthread_mutex_unlock(&http->lock);
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* As many connections as files may be open. */
static unsigned connections_max(void) {
    struct rlimit limit;
    const rlim_t others = 64; /* models, pipes */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return CONNECTIONS_MAX / 2;
    if (limit.rlim_cur < CONNECTIONS_MAX + others && limit.rlim_cur < limit.rlim_max) {
        rlim_t wanted = CONNECTIONS_MAX + others;
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= CONNECTIONS_MAX + others)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * others ? (unsigned)(limit.rlim_cur - others) : (unsigned)others;
}

/* libmicrohttpd's complaints are of clients. */
static void ignore_log(void *opaque, const char *format, va_list args) {
    (void)opaque;
    (void)format;
    (void)args;
}

static int cannot_start(const az_serve_options *opt) {
    az_say_error(&opt->base, NULL, "cannot serve at %s, port %lld: %s.", opt->address,
                 (long long)opt->port, strerror(errno));
    return AZ_EXIT_FILE;
}

/* A socket that listens at the address, or -1; *port receives the real one. */
static int listen_at(const az_serve_options *opt, unsigned *port) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM},
                    *address = NULL;
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    char digits[8], name[8];
    const int yes = 1;
    snprintf(digits, sizeof digits, "%u", (unsigned)opt->port);
    errno = EADDRNOTAVAIL;
    if (getaddrinfo(opt->address, digits, &hints, &address) != 0)
        return -1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok =
        fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, (struct sockaddr *)&bound, &n) == 0 &&
        getnameinfo((struct sockaddr *)&bound, n, NULL, 0, name, sizeof name, NI_NUMERICSERV) == 0;
    int error = errno;
    freeaddrinfo(address);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        errno = error;
        return -1;
    }
    *port = (unsigned)strtoul(name, NULL, 10);
    return fd;
}

int az_http_open(az_http **out, az_server *server) {
    az_http *http = *out = calloc(1, sizeof *http);
    if (!http) {
        az_say_error(&server->opt->base, NULL, "not enough memory.");
        return AZ_EXIT_MEMORY;
    }
    http->server = server;
    http->n_max = connections_max();
    pthread_mutex_init(&http->lock, NULL);
    unsigned port;
    int fd = listen_at(server->opt, &port);
    if (fd < 0)
        return cannot_start(server->opt);
    az_guard_set_port(&server->guard, port);
    errno = ENOMEM;
    http->daemon = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, http,
        MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, http->n_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADERS_NBYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_SECONDS,
        MHD_OPTION_NOTIFY_CONNECTION, notify_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        completed, http, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (http->daemon)
        return AZ_EXIT_OK;
    close(fd);
    return cannot_start(server->opt);
}

void az_http_close(az_http **out) {
    az_http *http = *out;
    *out = NULL;
    if (!http)
        return;
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

void az_serve_print_library(FILE *stream) {
    fprintf(stream, "serves a page (serve): libmicrohttpd %s\n", MHD_get_version());
}

#else

int az_http_open(az_http **out, az_server *server) {
    *out = NULL;
    az_say_error(&server->opt->base, NULL,
                 "this aizip was built without libmicrohttpd, which serve needs: install "
                 "libmicrohttpd-dev and build it again.");
    return AZ_EXIT_FILE;
}

void az_http_sweep(az_http *http) {
    (void)http;
}

void az_http_close(az_http **http) {
    (void)http;
}

void az_serve_print_library(FILE *stream) {
    fputs("built without: a page to look at (serve; libmicrohttpd)\n", stream);
}

#endif
