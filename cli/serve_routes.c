/*
 * What is asked for. docs/openapi.json says the same for those who write clients; the page is one.
 * Nothing changes but by POST, and all but the first address wants the token, as a cookie or as
 * "Authorization: Bearer TOKEN".
 */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "page_icon_svg.h"
#include "page_map_css.h"
#include "page_map_js.h"
#include "page_openapi_json.h"
#include "page_serve_css.h"
#include "page_serve_html.h"
#include "page_serve_js.h"

#define JSON_TYPE "application/json"
#define HTML_TYPE "text/html; charset=utf-8"
#define BYTES_TYPE "application/octet-stream"

/* ---- Answers --------------------------------------------------------------------- */

/* A JSON answer is written to a stream in memory. */
typedef struct writing {
    FILE *stream;
    char *text;
    size_t n_bytes;
} writing;

static bool begin(writing *w) {
    *w = (writing){0};
    w->stream = open_memstream(&w->text, &w->n_bytes);
    return w->stream != NULL;
}

static az_answer end(writing *w, int status) {
    bool failed = ferror(w->stream);
    if (fclose(w->stream) != 0 || failed) {
        free(w->text);
        return (az_answer){.status = 500};
    }
    return (az_answer){.status = status,
                       .type = JSON_TYPE,
                       .data = w->text,
                       .n_bytes = w->n_bytes,
                       .owned = w->text};
}

static void write_string(FILE *f, const char *text) {
    az_write_json(f, (az_text){text, strlen(text)});
}

az_answer az_answer_error(int status, const char *sentence) {
    writing w;
    if (!begin(&w))
        return (az_answer){.status = 500};
    fputs("{\"error\": ", w.stream);
    write_string(w.stream, sentence);
    fputs("}\n", w.stream);
    return end(&w, status);
}

void az_answer_free(az_answer *answer) {
    free(answer->owned);
    if (answer->job)
        az_job_release(answer->job);
    *answer = (az_answer){0};
}

static az_answer html(int status, const char *text) {
    return (az_answer){.status = status, .type = HTML_TYPE, .data = text, .n_bytes = strlen(text)};
}

static az_answer not_found(void) {
    return az_answer_error(404, "there is nothing of that name");
}

static az_answer not_allowed(const char *methods) {
    az_answer answer = az_answer_error(405, "this is not done by that method");
    answer.allow = methods;
    return answer;
}

/* ---- Pages ------------------------------------------------------------------------ */

static const struct page {
    const char *path, *type;
    const void *data;
    size_t n_bytes;
} pages[] = {
    {"/", HTML_TYPE, page_serve_html, sizeof page_serve_html},
    {"/icon.svg", "image/svg+xml", page_icon_svg, sizeof page_icon_svg},
    {"/map.css", "text/css; charset=utf-8", page_map_css, sizeof page_map_css},
    {"/map.js", "text/javascript; charset=utf-8", page_map_js, sizeof page_map_js},
    {"/serve.css", "text/css; charset=utf-8", page_serve_css, sizeof page_serve_css},
    {"/serve.js", "text/javascript; charset=utf-8", page_serve_js, sizeof page_serve_js},
    {"/api/openapi.json", JSON_TYPE, page_openapi_json, sizeof page_openapi_json},
};

/* Two small pages for those who have no token yet. */
#define SMALL_PAGE(head, text)                                                                    \
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "     \
    "content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"/icon.svg\">" head \
    "<title>aizip</title></head><body><main><h1>aizip</h1><p>" text "</p></main></body></html>\n"

/* The first address. A page that goes on by itself: after a redirection from elsewhere the browser
 * would keep the cookie back. */
static az_answer enter(void) {
    az_answer answer = html(200, SMALL_PAGE("<meta http-equiv=\"refresh\" content=\"0;url=/\">",
                                            "<a href=\"/\">Go on</a>"));
    answer.sets_cookie = true;
    return answer;
}

static az_answer refuse_page(void) {
    return html(401, SMALL_PAGE("", "This page opens at the whole address that <code>aizip "
                                    "serve</code> has printed, with the token at its end."));
}

/* ---- The state of the server --------------------------------------------------------- */

static az_answer state(const az_server *s) {
    const az_serve_options *opt = s->opt;
    writing w;
    if (!begin(&w))
        return (az_answer){.status = 500};
    fputs("{\"version\": ", w.stream);
    write_string(w.stream, az_version());
    fputs(", \"models\": [", w.stream);
    for (size_t i = 0; i < s->n_models; i++) {
        fputs(i ? ", " : "", w.stream);
        write_string(w.stream, s->models[i].name);
    }
    fputs("], \"model\": ", w.stream);
    if (opt->base.model)
        write_string(w.stream, s->models[0].name);
    else
        fputs("null", w.stream);
    fputs(", \"classifiers\": [", w.stream);
    for (size_t i = 0; i < s->n_classifiers; i++) {
        fputs(i ? ", " : "", w.stream);
        write_string(w.stream, s->classifiers[i].name);
    }
    fputs("], \"primers\": [", w.stream);
    for (size_t i = 0; i < az_primer_count(); i++) {
        const az_primer *primer = az_primer_get(i);
        fputs(i ? ", {\"name\": " : "{\"name\": ", w.stream);
        write_string(w.stream, primer->name);
        fputs(", \"what\": ", w.stream);
        write_string(w.stream, primer->what);
        fputc('}', w.stream);
    }
    fprintf(w.stream,
            "], \"level\": %d, \"limits\": {\"bytes\": %llu, \"classified_bytes\": %llu, "
            "\"seconds\": %lld, \"jobs\": %lld}}\n",
            opt->base.level, (unsigned long long)opt->max_nbytes,
            (unsigned long long)az_work_max_nbytes(s, AZ_JOB_CLASSIFY), (long long)opt->max_seconds,
            (long long)opt->max_jobs);
    return end(&w, 200);
}

/* ---- Jobs ---------------------------------------------------------------------------- */

static az_answer job_state(az_job *job) {
    az_job_report r;
    writing w;
    az_job_get_report(job, &r);
    if (!begin(&w))
        return (az_answer){.status = 500};
    fprintf(w.stream, "{\"id\": %llu, \"state\": \"%s\", \"phase\": ", (unsigned long long)job->id,
            az_job_state_name(r.state));
    write_string(w.stream, r.phase);
    fprintf(w.stream, ", \"done\": %llu, \"of\": ", (unsigned long long)r.done);
    if (r.of)
        fprintf(w.stream, "%llu", (unsigned long long)r.of);
    else
        fputs("null", w.stream);
    fprintf(w.stream, ", \"seconds\": %.3f, \"error\": ", r.seconds);
    bool failed = r.state == AZ_JOB_FAILED;
    if (failed)
        write_string(w.stream, *job->error.text ? job->error.text : "it failed");
    else
        fputs("null", w.stream);
    fputs(", \"offset\": ", w.stream);
    if (failed && job->error.offset != AZ_ERROR_NO_OFFSET)
        fprintf(w.stream, "%llu", (unsigned long long)job->error.offset);
    else
        fputs("null", w.stream);
    fputs(", \"result\": ", w.stream);
    if (r.state == AZ_JOB_DONE)
        fwrite(job->result, 1, job->result_nbytes, w.stream);
    else
        fputs("null", w.stream);
    fputs("}\n", w.stream);
    return end(&w, 200);
}

/* A part of what a job has made; the job stays until it is sent. */
static az_answer job_part(az_job *job, const char *type, const void *data, size_t n_bytes) {
    az_job_report r;
    az_job_get_report(job, &r);
    if (r.state == AZ_JOB_DONE && data)
        return (az_answer){
            .status = 200, .type = type, .data = data, .n_bytes = n_bytes, .job = job};
    az_job_release(job);
    return r.state == AZ_JOB_DONE
               ? not_found()
               : az_answer_error(409, "the job has not ended, or has failed: ask for its state");
}

static az_answer job_get(az_job *job, const char *part) {
    if (strcmp(part, "/map") == 0)
        return job_part(job, JSON_TYPE, job->map, job->map_nbytes);
    if (strcmp(part, "/output") == 0) {
        az_answer answer = job_part(job, BYTES_TYPE, job->out, job->out_nbytes);
        answer.is_download = answer.status == 200;
        return answer;
    }
    az_answer answer = *part ? not_found() : job_state(job);
    az_job_release(job);
    return answer;
}

static az_answer job_post(az_job *job, const char *part) {
    bool cancel = strcmp(part, "/cancel") == 0;
    if (cancel)
        az_job_cancel(job);
    az_answer answer = cancel ? job_state(job) : not_allowed("GET, HEAD");
    az_job_release(job);
    return answer;
}

/* "/17/map": the job, and what of it. */
static az_answer one_job(az_server *s, const char *path, bool is_post) {
    char *part;
    errno = 0;
    unsigned long long id = strtoull(path + 1, &part, 10);
    az_job *job = NULL;
    if (path[1] >= '1' && path[1] <= '9' && errno == 0)
        job = az_job_find(s->jobs, id);
    if (!job)
        return az_answer_error(404, "there is no such job, or it was forgotten");
    if (!is_post && strcmp(part, "/cancel") == 0) {
        az_job_release(job);
        return not_allowed("POST");
    }
    return is_post ? job_post(job, part) : job_get(job, part);
}

/* ---- A new job -------------------------------------------------------------------------- */

static int find_model(const az_server *s, const char *name) {
    for (size_t i = 0; i < s->n_models; i++)
        if (strcmp(s->models[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int find_classifier(const az_server *s, const char *name) {
    for (size_t i = 0; i < s->n_classifiers; i++)
        if (strcmp(s->classifiers[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool find_primer(const char *name) {
    bool found = strcmp(name, "auto") == 0;
    for (size_t i = 0; i < az_primer_count() && !found; i++)
        found = strcmp(name, az_primer_get(i)->name) == 0;
    return found;
}

static bool read_flag(const az_request *r, const char *name, bool *flag) {
    const char *value = r->query(r->opaque, name);
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return false;
    *flag = value && *value == '1';
    return true;
}

/* NULL, or what is wrong. */
static const char *read_settings(const az_server *s, const az_request *r, az_job_settings *set) {
    static const char *const kinds[] = {"compress", "decompress", "compare", "classify"};
    const char *kind = r->query(r->opaque, "kind"), *model = r->query(r->opaque, "model"),
               *level = r->query(r->opaque, "level"), *primer = r->query(r->opaque, "primer"),
               *classifier = r->query(r->opaque, "classifier");
    int64_t n = s->opt->base.level;
    size_t i = 0;
    while (i < 4 && (!kind || strcmp(kind, kinds[i]) != 0))
        i++;
    if (i == 4)
        return "kind: expected compress, decompress, compare or classify";
    *set = (az_job_settings){.kind = (az_job_kind)i, .model = -1, .classifier = -1};
    if (level && !az_parse_number(level, AZ_LEVEL_MIN, AZ_LEVEL_MAX, &n))
        return "level: expected 1 to 9";
    set->level = (int)n;
    if (model && strcmp(model, AZ_BUILT_IN) != 0 && (set->model = find_model(s, model)) < 0)
        return "model: there is none of that name; /api/state lists them";
    if (primer && *primer && !find_primer(primer))
        return "primer: there is none of that name; /api/state lists them, and there is auto";
    snprintf(set->primer, sizeof set->primer, "%s", primer ? primer : "");
    if (!read_flag(r, "verify", &set->verify) || !read_flag(r, "map", &set->map))
        return "verify and map: expected 0 or 1";
    if (set->kind != AZ_JOB_CLASSIFY)
        return NULL;
    if (!classifier || (set->classifier = find_classifier(s, classifier)) < 0)
        return "classifier: there is none of that name; /api/state lists them";
    return NULL;
}

static az_answer new_job(az_server *s, const az_request *r, az_job **job) {
    az_job_settings set;
    if (!r->type || strcmp(r->type, BYTES_TYPE) != 0)
        return az_answer_error(415, "Content-Type: expected " BYTES_TYPE);
    const char *wrong = read_settings(s, r, &set);
    if (wrong)
        return az_answer_error(400, wrong);
    bool known = r->n_bytes != UINT64_MAX;
    uint64_t max = az_work_max_nbytes(s, set.kind);
    if (known && r->n_bytes > max)
        return az_answer_error(413, "it is larger than this server takes (/api/state: limits)");
    size_t n = (size_t)(known ? r->n_bytes : max);
    *job = az_job_new(s->jobs, &set, known ? n : 0, az_work_result_nbytes(s, &set, n));
    if (!*job)
        return az_answer_error(503, "there is no room for another job now: try again later");
    return (az_answer){0};
}

az_answer az_route_started(az_job *job) {
    job->is_short = az_work_is_short(job);
    uint64_t id = az_job_start(job);
    writing w;
    if (!id)
        return az_answer_error(503, "too many jobs are waiting: try again later");
    if (!begin(&w))
        return (az_answer){.status = 500};
    fprintf(w.stream, "{\"id\": %llu}\n", (unsigned long long)id);
    return end(&w, 202);
}

/* ---- All requests ------------------------------------------------------------------------ */

static bool is_authorised(const az_server *s, const az_request *r) {
    static const char bearer[] = "Bearer ";
    if (r->bearer && strncmp(r->bearer, bearer, sizeof bearer - 1) == 0 &&
        az_guard_is_token(&s->guard, r->bearer + sizeof bearer - 1))
        return true;
    return az_guard_is_token(&s->guard, r->cookie);
}

/* From another site's page; not where somebody has typed or followed the address. */
static bool is_foreign(const az_server *s, const az_request *r) {
    if (r->origin && !az_guard_is_origin(&s->guard, r->origin))
        return true;
    return r->fetch_site && strcmp(r->fetch_site, "same-origin") != 0 &&
           strcmp(r->fetch_site, "none") != 0 && strcmp(r->path, "/") != 0;
}

static az_answer get(az_server *s, const az_request *r) {
    if (strcmp(r->path, "/") == 0 && az_guard_is_token(&s->guard, r->token))
        return enter();
    if (!is_authorised(s, r) && strcmp(r->path, "/icon.svg") != 0)
        return strncmp(r->path, "/api", 4) == 0
                   ? az_answer_error(401, "the token of this server's first address is needed, as "
                                          "its cookie or as Authorization: Bearer TOKEN")
                   : refuse_page();
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(r->path, pages[i].path) == 0)
            return (az_answer){.status = 200,
                               .type = pages[i].type,
                               .data = pages[i].data,
                               .n_bytes = pages[i].n_bytes};
    if (strcmp(r->path, "/api/state") == 0)
        return state(s);
    if (strcmp(r->path, "/api/jobs") == 0)
        return not_allowed("POST");
    if (strncmp(r->path, "/api/jobs/", 10) == 0)
        return one_job(s, r->path + 9, false);
    return not_found();
}

static bool is_readable(const char *path) {
    bool found = strcmp(path, "/api/state") == 0;
    for (size_t i = 0; i < sizeof pages / sizeof *pages && !found; i++)
        found = strcmp(path, pages[i].path) == 0;
    return found;
}

static az_answer post(az_server *s, const az_request *r, az_job **job) {
    if (!is_authorised(s, r))
        return az_answer_error(401, "the token of this server's first address is needed, as its "
                                    "cookie or as Authorization: Bearer TOKEN");
    if (strcmp(r->path, "/api/jobs") == 0)
        return new_job(s, r, job);
    if (strncmp(r->path, "/api/jobs/", 10) == 0)
        return one_job(s, r->path + 9, true);
    return is_readable(r->path) ? not_allowed("GET, HEAD") : not_found();
}

az_answer az_route(az_server *s, const az_request *r, az_job **job) {
    *job = NULL;
    if (!az_guard_is_host(&s->guard, r->host))
        return az_answer_error(403, "Host: this server is not called so (--host allows a name)");
    if (is_foreign(s, r))
        return az_answer_error(403, "Origin: pages of other sites can't use this server");
    if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
        return get(s, r);
    if (strcmp(r->method, "POST") == 0)
        return post(s, r, job);
    return not_allowed("GET, HEAD, POST");
}
