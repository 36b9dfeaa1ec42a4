/*
 * A URL into a file, with libcurl. What has come stays in the .part file when
 * the connection ends early; the next run asks for the rest (a range). That must
 * be the rest of the same file: the sidecar beside the .part file has the URL,
 * the ETag (or the time of the last change) that the server gave, and the
 * length. The ETag goes back with the range (If-Range): a server where the file
 * has changed sends all of it. So does one that knows no ranges. Without an ETag
 * the parts are only joined if the whole's SHA-256 is known.
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef AZ_HAVE_CURL

int az_download_run(az_download *download, const az_model_options *opt) {
    az_say_error(&opt->base, download->url,
                 "this aizip was built without libcurl, which fetches URLs; install it (on Debian "
                 "and Ubuntu: apt install libcurl4-openssl-dev) and build again.");
    return AZ_EXIT_FILE;
}

void az_download_print_library(FILE *stream) {
    fputs("built without: model fetch URL (libcurl)\n", stream);
}

#else

#include <curl/curl.h>

#define MAX_REDIRECTS 10
#define VALIDATOR_MAX 512
#define UNKNOWN UINT64_MAX

typedef struct transfer {
    az_download *download;
    const az_model_options *opt;
    CURL *curl;
    az_progress progress;
    char validator[VALIDATOR_MAX]; /* of what is in the part file; "" without one */
    uint64_t total;                /* bytes of the whole; UNKNOWN */
    uint64_t n_bytes;              /* in the part file */
    bool began;                    /* the answer's first bytes are here */
    bool start_over;               /* the rest is not of the same file */
    int rc;                        /* an error that has been said */
} transfer;

void az_download_print_library(FILE *stream) {
    fprintf(stream, "fetches models with: libcurl %s\n",
            curl_version_info(CURLVERSION_NOW)->version);
}

static int fail(transfer *t, const char *path, const char *doing) {
    int saved = errno;
    az_progress_clear(&t->progress);
    az_say_error(&t->opt->base, path, "%s: %s.", doing, strerror(saved));
    return t->rc = AZ_EXIT_FILE;
}

/* ---- The sidecar ------------------------------------------------------ */

static bool read_line(FILE *file, char *buf, size_t size) {
    if (!fgets(buf, (int)size, file))
        return false;
    size_t len = strcspn(buf, "\n");
    bool is_whole = buf[len] == '\n';
    buf[len] = '\0';
    return is_whole;
}

/* What an earlier run has left, if it can be gone on with; else nothing. */
static void read_sidecar(transfer *t) {
    char url[4096] = "", total[32] = "";
    struct stat st;
    FILE *file = fopen(t->download->sidecar, "re");
    t->n_bytes = 0;
    t->total = UNKNOWN;
    if (file && fstat(t->download->fd, &st) == 0 && read_line(file, url, sizeof url) &&
        read_line(file, t->validator, sizeof t->validator) &&
        read_line(file, total, sizeof total) && strcmp(url, t->download->url) == 0 &&
        (t->validator[0] || t->download->has_hash)) {
        t->n_bytes = (uint64_t)st.st_size;
        if (*total >= '0' && *total <= '9')
            t->total = strtoull(total, NULL, 10);
    } else {
        t->validator[0] = '\0';
    }
    if (file)
        fclose(file);
}

/* 0600: a URL may have a password in it. */
static int write_sidecar(transfer *t) {
    int fd = open(t->download->sidecar, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(t, t->download->sidecar, "cannot be written");
    char total[32] = "";
    if (t->total != UNKNOWN)
        snprintf(total, sizeof total, "%ju", (uintmax_t)t->total);
    bool ok = dprintf(fd, "%s\n%s\n%s\n", t->download->url, t->validator, total) >= 0;
    ok = close(fd) == 0 && ok;
    return ok ? AZ_EXIT_OK : fail(t, t->download->sidecar, "cannot be written");
}

/* ---- The answer ------------------------------------------------------- */

/* The value of a header of the last answer, "" without it. */
static const char *header(CURL *curl, const char *name) {
    struct curl_header *found;
    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value
                                                                                  : "";
}

/* If-Range takes strong ETags only (RFC 9110, 13.1.5); a date is one in most
 * servers' practice. */
static void take_validator(transfer *t) {
    const char *etag = header(t->curl, "ETag"), *modified = header(t->curl, "Last-Modified");
    const char *best = etag[0] == '"' ? etag : modified;
    if (strlen(best) >= sizeof t->validator || strpbrk(best, "\r\n"))
        best = "";
    strcpy(t->validator, best);
}

/* 206: whether it is the range that was asked for. */
static bool is_our_range(const transfer *t) {
    unsigned long long from, to, total;
    const char *range = header(t->curl, "Content-Range");
    return sscanf(range, "bytes %llu-%llu/%llu", &from, &to, &total) == 3 && from == t->n_bytes &&
           to >= from && to < total && (t->total == UNKNOWN || total == t->total);
}

/* 200: all of it, from the start. */
static int take_whole(transfer *t) {
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->total = length < 0 ? UNKNOWN : (uint64_t)length;
    t->n_bytes = 0;
    if (ftruncate(t->download->fd, 0) != 0)
        return fail(t, t->download->part, "cannot be emptied");
    take_validator(t);
    return write_sidecar(t);
}

static int check_space(transfer *t) {
    struct statvfs fs;
    char need[AZ_NUMBER_MAX], have[AZ_NUMBER_MAX];
    if (t->total == UNKNOWN || fstatvfs(t->download->fd, &fs) != 0)
        return AZ_EXIT_OK;
    uint64_t n_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (t->total - t->n_bytes <= n_free)
        return AZ_EXIT_OK;
    az_say_error(&t->opt->base, t->download->url,
                 "needs %s bytes more, and the disk of %s has only %s.",
                 az_format_number(need, t->total - t->n_bytes), t->download->part,
                 az_format_number(have, n_free));
    return t->rc = AZ_EXIT_FILE;
}

/* Once the headers of the last answer are there. */
static int begin(transfer *t) {
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    t->began = true;
    if (code == 206 && !is_our_range(t)) {
        t->start_over = true;
        return t->rc = AZ_EXIT_FILE;
    }
    if (code != 206 && code != 200) {
        az_say_error(&t->opt->base, t->download->url, "the server's answer is no file (HTTP %ld).",
                     code);
        return t->rc = AZ_EXIT_FILE;
    }
    t->download->resumed = code == 206;
    if (code == 200 && take_whole(t) != AZ_EXIT_OK)
        return t->rc;
    if (lseek(t->download->fd, (off_t)t->n_bytes, SEEK_SET) < 0)
        return fail(t, t->download->part, "cannot be written");
    t->progress.n_bytes = t->total;
    t->progress.n_before = t->n_bytes;
    return check_space(t);
}

/* A curl_write_callback: anything but n_bytes stops the transfer. */
static size_t take(char *data, size_t size, size_t n_items, void *opaque) {
    transfer *t = opaque;
    size_t n_bytes = size * n_items, done = 0;
    if (!t->began && begin(t) != AZ_EXIT_OK)
        return 0;
    while (done < n_bytes) {
        ssize_t n = write(t->download->fd, data + done, n_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int saved = errno;
            az_progress_clear(&t->progress);
            az_say_error(&t->opt->base, t->download->part,
                         "cannot be written at byte %ju: %s; what is there is kept, and the same "
                         "command goes on from there.",
                         (uintmax_t)t->n_bytes, strerror(saved));
            t->rc = AZ_EXIT_FILE;
            return 0;
        }
        done += (size_t)n;
        t->n_bytes += (uint64_t)n;
    }
    az_progress_update(&t->progress, t->n_bytes, 0);
    return n_bytes;
}

/* ---- The request ------------------------------------------------------ */

/* The certificates that curl(1) would take. */
static void set_certificates(CURL *curl) {
    const char *file = getenv("CURL_CA_BUNDLE");
    if (!file || !*file)
        file = getenv("SSL_CERT_FILE");
    if (file && *file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, file);
}

/* Sets all up; the caller frees *headers afterwards. */
static bool set_request(transfer *t, char *why, struct curl_slist **headers) {
    CURL *curl = t->curl;
    bool is_secure = strncasecmp(t->download->url, "https:", 6) == 0;
    curl_easy_setopt(curl, CURLOPT_URL, t->download->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "aizip/" AZ_VERSION_STRING);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    /* Nobody may send us to a file of this machine, or from https back to http. */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)t->opt->timeout);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)t->opt->timeout);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    set_certificates(curl);
    if (t->n_bytes == 0)
        return true;
    char text[VALIDATOR_MAX + 32];
    snprintf(text, sizeof text, "%ju-", (uintmax_t)t->n_bytes);
    curl_easy_setopt(curl, CURLOPT_RANGE, text);
    if (!t->validator[0])
        return true;
    snprintf(text, sizeof text, "If-Range: %s", t->validator);
    *headers = curl_slist_append(NULL, text);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
    return *headers != NULL;
}

/* "; 1,000 of 2,000 bytes are kept, and the same command goes on from there" */
static const char *what_is_kept(const transfer *t, char *buf, size_t size) {
    char have[AZ_NUMBER_MAX], all[AZ_NUMBER_MAX + 4] = "";
    if (t->total != UNKNOWN) {
        strcpy(all, "of ");
        az_format_number(all + 3, t->total);
        strcat(all, " ");
    }
    if (t->n_bytes == 0)
        snprintf(buf, size, "nothing has come; try again");
    else if (t->validator[0] || t->download->has_hash)
        snprintf(buf, size, "%s %sbytes are kept, and the same command goes on from there",
                 az_format_number(have, t->n_bytes), all);
    else
        snprintf(buf, size, "%s %sbytes had come; the same command begins again",
                 az_format_number(have, t->n_bytes), all);
    return buf;
}

static int say_http(const transfer *t, long code) {
    const char *sentence = code == 404 || code == 410   ? "the server has no such file"
                           : code == 401 || code == 403 ? "the server does not give it to us"
                           : code >= 500                ? "the server has a fault; try again later"
                                                        : "the server refuses the request";
    az_say_error(&t->opt->base, t->download->url, "%s (HTTP %ld).", sentence, code);
    return AZ_EXIT_FILE;
}

/* Says why curl has failed, if that has not been said. */
static int say_why(transfer *t, CURLcode result, const char *why) {
    const az_options *opt = &t->opt->base;
    const char *name = t->download->url;
    char kept[200];
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    az_progress_clear(&t->progress);
    if (t->rc != AZ_EXIT_OK)
        return t->rc;
    what_is_kept(t, kept, sizeof kept);
    switch (result) {
    case CURLE_HTTP_RETURNED_ERROR: return say_http(t, code);
    case CURLE_TOO_MANY_REDIRECTS:
        az_say_error(opt, name, "the server sends us on more than %d times.", MAX_REDIRECTS);
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
        az_say_error(opt, name, "the server sends us on to what is not %s; refused.",
                     strncasecmp(t->download->url, "https:", 6) == 0 ? "https" : "http or https");
        break;
    case CURLE_OPERATION_TIMEDOUT:
        az_say_error(opt, name, "nothing came for %d seconds; %s.", t->opt->timeout, kept);
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING: az_say_error(opt, name, "the connection was cut; %s.", kept); break;
    default:
        az_say_error(opt, name, "cannot be fetched: %s; %s.",
                     *why ? why : curl_easy_strerror(result), kept);
    }
    return AZ_EXIT_FILE;
}

/* One request. AZ_EXIT_OK when all is there. */
static int request(transfer *t) {
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    long code = 0;
    t->began = t->start_over = false;
    t->rc = AZ_EXIT_OK;
    uint64_t n_before = t->n_bytes;
    t->curl = curl_easy_init();
    if (!t->curl || !set_request(t, why, &headers)) {
        curl_slist_free_all(headers);
        curl_easy_cleanup(t->curl);
        az_say_error(&t->opt->base, t->download->url, "not enough memory to fetch it.");
        return AZ_EXIT_MEMORY;
    }
    az_progress_start(&t->progress, &t->opt->base, "fetching", t->download->name, UNKNOWN);
    CURLcode result = curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    int rc = AZ_EXIT_OK;
    if (result == CURLE_HTTP_RETURNED_ERROR && code == 416 && n_before > 0) {
        /* Nothing is left to send: all was there, or the file has become shorter. */
        t->start_over = n_before != t->total;
        t->download->resumed = true;
    } else if (result == CURLE_OK && !t->began) {
        rc = begin(t); /* an empty file */
    } else if (result != CURLE_OK && !t->start_over) {
        rc = say_why(t, result, why);
    }
    az_progress_clear(&t->progress);
    if (rc == AZ_EXIT_OK && !t->start_over && t->total != UNKNOWN && t->n_bytes != t->total)
        rc = say_why(t, CURLE_PARTIAL_FILE, why);
    curl_slist_free_all(headers);
    curl_easy_cleanup(t->curl);
    return rc;
}

int az_download_run(az_download *download, const az_model_options *opt) {
    transfer t = {.download = download, .opt = opt};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        az_say_error(&opt->base, download->url, "libcurl can't be started.");
        return AZ_EXIT_FILE;
    }
    read_sidecar(&t);
    int rc = request(&t);
    if (t.start_over) {
        /* What is there is of another file. */
        t.n_bytes = 0;
        t.total = UNKNOWN;
        t.validator[0] = '\0';
        download->resumed = false;
        rc = request(&t);
    }
    curl_global_cleanup();
    return rc;
}

#endif
