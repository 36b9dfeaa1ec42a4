/*
 * aizip rank: every model over every file; the models in the order of their bits per byte.
 *
 * Intervals come from a bootstrap (bootstrap.c). Its blocks are the same bytes for all models:
 * windows would not be, since each model has tokens of its own. A file is cut every
 * block_nbytes; a token belongs to the block that it begins in. Blocks are long enough to be
 * nearly independent where the text allows it, and many enough to draw from: about 200,
 * 512 bytes at least, 64 KiB at most.
 */
#include "score.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_BLOCK = 512, MAX_BLOCK = 1 << 16, MIN_BLOCKS = 200 };

typedef struct ranked {
    const char *name;
    az_contender contender;
    az_score sum;    /* over all files */
    uint64_t *costs; /* [n_blocks] */
    az_interval interval;
    az_interval behind; /* less the first one's figure */
    double behind_by;
} ranked;

typedef struct run {
    const az_score_options *opt;
    az_file_text *texts; /* [n_texts], room for capacity */
    size_t n_texts, capacity;
    char **names; /* [n_texts]: copies, as those of a walk do not last */
    uint64_t n_bytes;
    uint64_t block_nbytes;
    size_t n_blocks;
    uint64_t *nbytes; /* [n_blocks] */
    double *samples;  /* [AZ_N_RESAMPLES] */
    ranked *models;   /* [n_models], those that could be scored */
    size_t n_models;
} run;

static int out_of_memory(const run *r) {
    az_say_error(&r->opt->base, NULL, "not enough memory for the files and their blocks.");
    return AZ_EXIT_MEMORY;
}

/* ---- Texts ------------------------------------------------------------ */

static bool make_room(run *r) {
    if (r->n_texts < r->capacity)
        return true;
    size_t capacity = r->capacity ? 2 * r->capacity : 16;
    az_file_text *texts = realloc(r->texts, capacity * sizeof *texts);
    if (texts)
        r->texts = texts;
    char **names = texts ? realloc(r->names, capacity * sizeof *names) : NULL;
    if (names)
        r->names = names;
    r->capacity = names ? capacity : r->capacity;
    return names != NULL;
}

/* An az_file_fn. All are held at once: stdin can be read only once. */
static int read_file(void *opaque, const az_options *base, const char *name, bool *stop) {
    run *r = opaque;
    az_options rest = *base;
    if (!make_room(r)) {
        *stop = true;
        return out_of_memory(r);
    }
    if (base->memlimit) /* what those before have left; 0 would be no limit */
        rest.memlimit = r->n_bytes < base->memlimit ? base->memlimit - r->n_bytes : 1;
    int rc = az_file_text_read(&r->texts[r->n_texts], &rest, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    char *copy = strdup(r->texts[r->n_texts].name);
    if (!copy) {
        az_file_text_free(&r->texts[r->n_texts]);
        return out_of_memory(r);
    }
    r->n_bytes += r->texts[r->n_texts].n_bytes;
    r->texts[r->n_texts].name = r->names[r->n_texts] = copy;
    r->n_texts++;
    return AZ_EXIT_OK;
}

static size_t blocks_of(const run *r, size_t n_bytes) {
    return (size_t)((n_bytes + r->block_nbytes - 1) / r->block_nbytes);
}

static int cut(run *r) {
    r->block_nbytes = MIN_BLOCK;
    while (r->block_nbytes < MAX_BLOCK && r->n_bytes / (2 * r->block_nbytes) >= MIN_BLOCKS)
        r->block_nbytes *= 2;
    for (size_t i = 0; i < r->n_texts; i++)
        r->n_blocks += blocks_of(r, r->texts[i].n_bytes);
    r->nbytes = calloc(r->n_blocks + 1, sizeof *r->nbytes);
    r->samples = calloc(AZ_N_RESAMPLES, sizeof *r->samples);
    r->models = calloc(r->opt->n_models, sizeof *r->models);
    if (!r->nbytes || !r->samples || !r->models)
        return out_of_memory(r);
    uint64_t *to = r->nbytes;
    for (size_t i = 0; i < r->n_texts; i++)
        for (uint64_t at = 0; at < r->texts[i].n_bytes; at += r->block_nbytes) {
            uint64_t left = r->texts[i].n_bytes - at;
            *to++ = left < r->block_nbytes ? left : r->block_nbytes;
        }
    return AZ_EXIT_OK;
}

/* ---- Models ----------------------------------------------------------- */

struct target {
    uint64_t *costs; /* of the text's first block on */
    uint64_t block_nbytes;
};

static void add_part(void *opaque, uint64_t first_byte, uint64_t n_bytes, uint64_t cost) {
    const struct target *target = opaque;
    (void)n_bytes;
    target->costs[first_byte / target->block_nbytes] += cost;
}

static void add_up(az_score *sum, const az_score *score) {
    sum->n_bytes += score->n_bytes;
    sum->n_characters += score->n_characters;
    sum->n_tokens += score->n_tokens;
    sum->n_escapes += score->n_escapes;
    sum->cost += score->cost;
}

static int score_text(run *r, ranked *m, const az_file_text *text, struct target *target) {
    az_score score;
    char *label = NULL;
    if (asprintf(&label, "%s, %s", text->name, m->name) < 0)
        return out_of_memory(r);
    int rc = az_contender_run(&m->contender, r->opt, text, label, add_part, target, &score);
    free(label);
    if (rc == AZ_EXIT_OK)
        add_up(&m->sum, &score);
    return rc;
}

/* All texts under one model; its weights are given back. */
static int score_texts(run *r, ranked *m) {
    struct target target = {m->costs, r->block_nbytes};
    int rc = az_contender_open(&m->contender, r->opt, m->name);
    for (size_t i = 0; i < r->n_texts && rc == AZ_EXIT_OK; i++) {
        rc = score_text(r, m, &r->texts[i], &target);
        target.costs += blocks_of(r, r->texts[i].n_bytes);
    }
    az_scorer_close(&m->contender.scorer); /* what the file says of itself is still shown */
    return rc;
}

static int score_models(run *r) {
    int rc = AZ_EXIT_OK;
    for (size_t i = 0; i < r->opt->n_models; i++) {
        ranked *m = &r->models[r->n_models];
        *m = (ranked){.name = r->opt->models[i]};
        m->costs = calloc(r->n_blocks + 1, sizeof *m->costs);
        int one = m->costs ? score_texts(r, m) : out_of_memory(r);
        rc = one > rc ? one : rc;
        if (one == AZ_EXIT_OK) {
            r->n_models++;
            continue;
        }
        az_contender_close(&m->contender);
        free(m->costs);
    }
    return rc;
}

/* By cost, and as they were named where that is the same. */
static void sort(run *r) {
    for (size_t i = 1; i < r->n_models; i++)
        for (size_t k = i; k > 0 && r->models[k].sum.cost < r->models[k - 1].sum.cost; k--) {
            ranked m = r->models[k];
            r->models[k] = r->models[k - 1];
            r->models[k - 1] = m;
        }
}

static double bits_per_byte(const ranked *m) {
    return (double)m->sum.cost / (double)AZ_COST_BIT / (double)m->sum.n_bytes;
}

static void find_intervals(run *r) {
    for (size_t i = 0; i < r->n_models; i++) {
        ranked *m = &r->models[i];
        m->interval = az_bootstrap(m->costs, NULL, r->nbytes, r->n_blocks, r->samples);
        if (i == 0)
            continue;
        m->behind = az_bootstrap(m->costs, r->models[0].costs, r->nbytes, r->n_blocks, r->samples);
        m->behind_by = bits_per_byte(m) - bits_per_byte(&r->models[0]);
    }
}

/* ---- Showing ---------------------------------------------------------- */

/* One block says nothing of how much blocks vary. */
static bool has_intervals(const run *r) {
    return r->n_blocks > 1;
}

static void print_number(const char *before, double x, bool known, const char *none) {
    if (known)
        printf("%s%.9f", before, x);
    else
        printf("%s%s", before, none);
}

static void print_json_model(const run *r, size_t i) {
    const ranked *m = &r->models[i];
    bool known = r->n_bytes > 0, interval = has_intervals(r);
    printf("%s{\"rank\":%zu,\"model\":", i ? ",\n " : "", i + 1);
    az_print_json_string(m->name);
    print_number(",\"bits_per_byte\":", known ? bits_per_byte(m) : 0, known, "null");
    print_number(",\"low\":", m->interval.low, interval, "null");
    print_number(",\"high\":", m->interval.high, interval, "null");
    print_number(",\"behind\":", m->behind_by, known, "null");
    print_number(",\"behind_low\":", m->behind.low, interval, "null");
    print_number(",\"behind_high\":", m->behind.high, interval, "null");
    printf(",\"cost\":%ju,\"size_bytes\":%ju,\"model_bytes\":%ju,\"tokens\":%ju,\"escapes\":%ju,",
           (uintmax_t)m->sum.cost, (uintmax_t)az_cost_nbytes(m->sum.cost),
           (uintmax_t)m->contender.info.file_nbytes, (uintmax_t)m->sum.n_tokens,
           (uintmax_t)m->sum.n_escapes);
    az_print_json_windows(&m->contender);
    putchar('}');
}

static void print_json(const run *r) {
    fputs("{\"models\":[", stdout);
    for (size_t i = 0; i < r->n_models; i++)
        print_json_model(r, i);
    fputs("],\n\"files\":[", stdout);
    for (size_t i = 0; i < r->n_texts; i++) {
        fputs(i ? ",\n " : "", stdout);
        az_print_json_string(r->texts[i].name);
    }
    printf("],\n\"bytes\":%ju,\"blocks\":%zu,\"block_bytes\":%ju,\"resamples\":%d,"
           "\"confidence\":0.95,\"level\":%d,\"cost_per_bit\":%ju}\n",
           (uintmax_t)r->n_bytes, r->n_blocks, (uintmax_t)r->block_nbytes, AZ_N_RESAMPLES,
           r->opt->base.level, (uintmax_t)AZ_COST_BIT);
}

static void print_csv(const run *r) {
    bool known = r->n_bytes > 0, interval = has_intervals(r);
    puts("rank,model,bits_per_byte,low,high,behind,behind_low,behind_high,cost,size_bytes,"
         "model_bytes,tokens,context,stride,start");
    for (size_t i = 0; i < r->n_models; i++) {
        const ranked *m = &r->models[i];
        printf("%zu,", i + 1);
        az_print_csv(m->name);
        print_number(",", known ? bits_per_byte(m) : 0, known, "");
        print_number(",", m->interval.low, interval, "");
        print_number(",", m->interval.high, interval, "");
        print_number(",", m->behind_by, known, "");
        print_number(",", m->behind.low, interval, "");
        print_number(",", m->behind.high, interval, "");
        printf(",%ju,%ju,%ju,%ju", (uintmax_t)m->sum.cost, (uintmax_t)az_cost_nbytes(m->sum.cost),
               (uintmax_t)m->contender.info.file_nbytes, (uintmax_t)m->sum.n_tokens);
        if (m->contender.model)
            printf(",%u,%u,%jd\n", (unsigned)m->contender.windows.context,
                   (unsigned)m->contender.windows.stride, (intmax_t)m->contender.windows.start);
        else
            puts(",,,");
    }
}

static void print_for_people(const run *r) {
    char a[AZ_NUMBER_MAX], b[AZ_NUMBER_MAX];
    bool interval = has_intervals(r);
    printf("%s bytes in %zu %s; 95 %% intervals from %zu blocks of %s bytes\n\n",
           az_format_number(a, r->n_bytes), r->n_texts, r->n_texts == 1 ? "file" : "files",
           r->n_blocks, az_format_number(b, r->block_nbytes));
    printf("   bits/byte  %-19s %-29s model\n", "95 % interval", "behind the first");
    for (size_t i = 0; i < r->n_models; i++) {
        const ranked *m = &r->models[i];
        char figure[24] = "-", range[48] = "-", behind[80] = "-";
        if (r->n_bytes > 0)
            snprintf(figure, sizeof figure, "%.6f", bits_per_byte(m));
        if (interval)
            snprintf(range, sizeof range, "%.4f to %.4f", m->interval.low, m->interval.high);
        if (interval && i > 0)
            snprintf(behind, sizeof behind, "%.4f (%.4f to %.4f)", m->behind_by, m->behind.low,
                     m->behind.high);
        printf("%2zu %9s  %-19s %-29s ", i + 1, figure, range, behind);
        az_show_contender(r->opt, &m->contender);
        putchar('\n');
    }
}

/* ---- The command ------------------------------------------------------ */

static int rank_all(run *r) {
    int rc = az_walk(&r->opt->base, read_file, r);
    if (r->n_texts == 0)
        return rc;
    int cut_rc = cut(r);
    if (cut_rc != AZ_EXIT_OK)
        return cut_rc;
    int models_rc = score_models(r);
    rc = models_rc > rc ? models_rc : rc;
    if (r->n_models == 0)
        return rc;
    sort(r);
    if (has_intervals(r))
        find_intervals(r);
    if (r->opt->base.json)
        print_json(r);
    else if (r->opt->csv)
        print_csv(r);
    else
        print_for_people(r);
    return rc;
}

static void free_all(run *r) {
    for (size_t i = 0; i < r->n_models; i++) {
        az_contender_close(&r->models[i].contender);
        free(r->models[i].costs);
    }
    for (size_t i = 0; i < r->n_texts; i++) {
        az_file_text_free(&r->texts[i]);
        free(r->names[i]);
    }
    free(r->models);
    free(r->texts);
    free(r->names);
    free(r->nbytes);
    free(r->samples);
}

int az_rank_command(int argc, char **argv) {
    az_score_options opt;
    int rc = az_score_options_parse(&opt, true, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help) {
        rc = az_rank_print_help();
    } else if (rc == AZ_EXIT_OK) {
        run r = {.opt = &opt};
        rc = rank_all(&r);
        free_all(&r);
    }
    az_score_options_free(&opt);
    return rc;
}
