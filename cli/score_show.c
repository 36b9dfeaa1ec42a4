/*
 * What score prints. For people a few lines a file; for programs the fields of one list, as
 *   --json  {"files": [{"file": ..., "bytes": ..., ...}, ...], "total": {...}, "model": ...}
 *   --csv   a line of names, and one for each file
 * "cost" is the exact figure, the number of bits times 2^24, the same on every machine; the
 * others are quotients of it.
 */
#include "score.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

uint64_t az_cost_nbytes(uint64_t cost) {
    uint64_t byte = 8 * AZ_COST_BIT;
    return cost / byte + (cost % byte != 0);
}

static double bits_of(uint64_t cost) {
    return (double)cost / (double)AZ_COST_BIT;
}

/* Of two to the bits of a token. libm's exp2 differs between systems in the last place, of
 * more than are shown: it is good enough to look at, and nothing is made from it. */
static double perplexity_of(const az_score *score) {
    return exp2(bits_of(score->cost) / (double)score->n_scored);
}

/* ---- For programs: fields --------------------------------------------- */

enum { FIELD_MAX = 48, N_FIELDS = 17 };

typedef struct field {
    const char *name;
    char text[FIELD_MAX]; /* a number; "": there is none */
} field;

typedef struct fields {
    field field[N_FIELDS];
    size_t n;
} fields;

static field *add(fields *f, const char *name) {
    field *new = &f->field[f->n++];
    new->name = name;
    new->text[0] = '\0';
    return new;
}

static void add_count(fields *f, const char *name, uint64_t n) {
    snprintf(add(f, name)->text, FIELD_MAX, "%ju", (uintmax_t)n);
}

static void add_quotient(fields *f, const char *name, uint64_t cost, uint64_t n) {
    field *new = add(f, name);
    if (n)
        snprintf(new->text, FIELD_MAX, "%.9f", bits_of(cost) / (double)n);
}

static void add_size(fields *f, const char *name, uint64_t n_bytes) {
    field *new = add(f, name);
    if (n_bytes != UINT64_MAX)
        snprintf(new->text, FIELD_MAX, "%ju", (uintmax_t)n_bytes);
}

/* In --perplexity a part of the text counts: then there is no size of it all. */
static void fill(fields *f, const az_score_options *opt, const az_contender *contender,
                 const az_score_row *row) {
    const az_score *s = &row->score;
    uint64_t size = opt->perplexity ? UINT64_MAX : az_cost_nbytes(s->cost);
    f->n = 0;
    add_count(f, "bytes", s->n_bytes);
    add_count(f, "characters", s->n_characters);
    add_count(f, "tokens", s->n_tokens);
    add_count(f, "escapes", s->n_escapes);
    add_count(f, "bytes_scored", row->n_scored_bytes);
    add_count(f, "tokens_scored", s->n_scored);
    add_count(f, "cost", s->cost);
    snprintf(add(f, "bits")->text, FIELD_MAX, "%.9f", bits_of(s->cost));
    add_quotient(f, "bits_per_byte", s->cost, row->n_scored_bytes);
    add_quotient(f, "bits_per_character", s->cost, opt->perplexity ? 0 : s->n_characters);
    add_quotient(f, "bits_per_token", s->cost, s->n_scored);
    field *perplexity = add(f, "perplexity");
    if (s->n_scored)
        snprintf(perplexity->text, FIELD_MAX, "%.9g", perplexity_of(s));
    add_size(f, "size_bytes", size);
    add_size(f, "size_with_model_bytes",
             size == UINT64_MAX ? size : size + contender->info.file_nbytes);
    if (opt->no_peers)
        return;
    add_size(f, "xz_bytes", row->beside[AZ_BESIDE_XZ]);
    add_size(f, "zstd_bytes", row->beside[AZ_BESIDE_ZSTD]);
    add_size(f, "built_in_bytes", row->beside[AZ_BESIDE_BUILT_IN]);
}

static void print_json_fields(const fields *f) {
    for (size_t i = 0; i < f->n; i++)
        printf("%s\"%s\":%s", i ? "," : "", f->field[i].name,
               f->field[i].text[0] ? f->field[i].text : "null");
    putchar('}');
}

void az_print_json_windows(const az_contender *contender) {
    if (contender->model && !contender->as_archive)
        printf("\"context\":%u,\"stride\":%u,\"start\":%jd", (unsigned)contender->windows.context,
               (unsigned)contender->windows.stride, (intmax_t)contender->windows.start);
    else
        fputs("\"context\":null,\"stride\":null,\"start\":null", stdout);
}

static void print_json_end(const az_score_options *opt, const az_contender *contender) {
    fputs(",\n\"model\":", stdout);
    az_print_json_string(contender->name);
    if (contender->path) {
        fputs(",\"model_path\":", stdout);
        az_print_json_string(contender->path);
    }
    printf(",\"model_bytes\":%ju,", (uintmax_t)contender->info.file_nbytes);
    az_print_json_windows(contender);
    printf(",\"convention\":\"%s\",\"level\":%d,\"cost_per_bit\":%ju}\n",
           !contender->model || contender->as_archive ? "archive"
           : opt->perplexity                          ? "perplexity"
                                                      : "windows",
           opt->base.level, (uintmax_t)AZ_COST_BIT);
}

void az_print_csv(const char *text) {
    bool quoted =
        *text == '\0' || strpbrk(text, ",\"\r\n") || *text == ' ' || text[strlen(text) - 1] == ' ';
    if (isatty(STDOUT_FILENO)) { /* where a name could drive the terminal */
        az_print_escaped(stdout, text);
        return;
    }
    if (quoted)
        putchar('"');
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            putchar('"');
        putchar(*p);
    }
    if (quoted)
        putchar('"');
}

static void print_csv_head(const az_score_options *opt, const az_contender *contender) {
    fields f;
    fill(&f, opt, contender, &(az_score_row){.name = ""});
    fputs("file", stdout);
    for (size_t i = 0; i < f.n; i++)
        printf(",%s", f.field[i].name);
    puts(",model,context,stride,start");
}

static void print_csv_row(const fields *f, const az_contender *contender, const char *name) {
    az_print_csv(name);
    for (size_t i = 0; i < f->n; i++)
        printf(",%s", f->field[i].text);
    putchar(',');
    az_print_csv(contender->name);
    if (contender->model && !contender->as_archive)
        printf(",%u,%u,%jd\n", (unsigned)contender->windows.context,
               (unsigned)contender->windows.stride, (intmax_t)contender->windows.start);
    else
        puts(",,,");
}

/* ---- For people ------------------------------------------------------- */

void az_show_contender(const az_score_options *opt, const az_contender *contender) {
    char a[AZ_NUMBER_MAX];
    if (!contender->model) {
        printf("aizip -%d, the built-in predictor", opt->base.level);
        return;
    }
    az_print_escaped(stdout, contender->name);
    fputs(" (", stdout);
    az_print_escaped(stdout, contender->info.architecture);
    printf(", %s, %s bytes)", contender->info.type,
           az_format_number(a, contender->info.file_nbytes));
    if (contender->as_archive)
        printf(", mixed with the built-in predictor, aizip -%d", opt->base.level);
    else
        printf(", context %u, stride %u, start token %jd", (unsigned)contender->windows.context,
               (unsigned)contender->windows.stride, (intmax_t)contender->windows.start);
}

static void print_quotient(const char *before, uint64_t cost, uint64_t n) {
    if (n)
        printf("%s%.6f", before, bits_of(cost) / (double)n);
    else
        printf("%s-", before);
}

static void print_sizes(const az_contender *contender, const az_score_row *row) {
    char a[AZ_NUMBER_MAX], b[AZ_NUMBER_MAX];
    uint64_t size = az_cost_nbytes(row->score.cost);
    printf("  size %s bytes", az_format_number(a, size));
    if (contender->model)
        printf(", %s with the model", az_format_number(b, size + contender->info.file_nbytes));
    putchar('\n');
}

static void print_beside(const az_score_options *opt, const az_contender *contender,
                         const az_score_row *row) {
    static const char *const names[] = {"xz -9e", "zstd -19"};
    char a[AZ_NUMBER_MAX];
    fputs("  beside:", stdout);
    for (size_t i = 0; i < AZ_N_BESIDE; i++) {
        if (i == AZ_BESIDE_BUILT_IN && !contender->model)
            continue;
        if (i == AZ_BESIDE_BUILT_IN)
            printf(", aizip -%d", opt->base.level);
        else
            printf("%s %s", i ? "," : "", names[i]);
        printf(" %s", row->beside[i] == UINT64_MAX ? "-" : az_format_number(a, row->beside[i]));
    }
    fputs(" bytes\n", stdout);
}

static void print_for_people(const az_score_options *opt, const az_contender *contender,
                             const az_score_row *row) {
    const az_score *s = &row->score;
    char a[AZ_NUMBER_MAX], b[AZ_NUMBER_MAX], c[AZ_NUMBER_MAX];
    putchar('\n');
    az_print_escaped(stdout, row->name);
    printf(": %s bytes, %s characters", az_format_number(a, s->n_bytes),
           az_format_number(b, s->n_characters));
    if (contender->model && !contender->as_archive)
        printf(", %s tokens", az_format_number(c, s->n_tokens));
    if (opt->perplexity)
        printf(", %s of them counted", az_format_number(c, s->n_scored));
    if (s->n_escapes)
        printf(", %s bytes without a token", az_format_number(c, s->n_escapes));
    print_quotient("\n  bits per byte ", s->cost, row->n_scored_bytes);
    if (!opt->perplexity)
        print_quotient(", per character ", s->cost, s->n_characters);
    if (contender->model && !contender->as_archive) {
        print_quotient(", per token ", s->cost, s->n_scored);
        if (s->n_scored)
            printf("; perplexity %.6g", perplexity_of(s));
    }
    putchar('\n');
    if (!opt->perplexity)
        print_sizes(contender, row);
    if (!opt->no_peers)
        print_beside(opt, contender, row);
}

/* ---- What score calls ------------------------------------------------- */

void az_score_show_begin(const az_score_options *opt, const az_contender *contender) {
    if (opt->base.json) {
        fputs("{\"files\":[", stdout);
    } else if (opt->csv) {
        print_csv_head(opt, contender);
    } else {
        az_show_contender(opt, contender);
        putchar('\n');
    }
}

void az_score_show_file(const az_score_options *opt, const az_contender *contender,
                        const az_score_row *row, bool first) {
    fields f;
    fill(&f, opt, contender, row);
    if (opt->base.json) {
        fputs(first ? "{\"file\":" : ",\n {\"file\":", stdout);
        az_print_json_string(row->name);
        putchar(',');
        print_json_fields(&f);
    } else if (opt->csv) {
        print_csv_row(&f, contender, row->name);
    } else {
        print_for_people(opt, contender, row);
    }
}

void az_score_show_end(const az_score_options *opt, const az_contender *contender,
                       const az_score_row *total, size_t n_files) {
    fields f;
    char name[48];
    if (opt->base.json) {
        fill(&f, opt, contender, total);
        printf("],\n\"total\":{\"files\":%zu,", n_files);
        print_json_fields(&f);
        print_json_end(opt, contender);
    } else if (!opt->csv && n_files > 1) {
        az_score_row row = *total;
        snprintf(name, sizeof name, "total of %zu files", n_files);
        row.name = name;
        print_for_people(opt, contender, &row);
    }
}
