/* aizip ncd: distances between files and their tree. aizip nearest: neighbours of a text. */
#include "classification.h"

#include <stdlib.h>
#include <string.h>

/* ---- Files ------------------------------------------------------------------- */

typedef struct files {
    const az_classify_options *opt;
    az_file_text *files; /* [n] */
    az_text *texts;      /* [n] their bytes */
    az_text *names;      /* [n] */
    double *matrix;      /* [n][n] */
    az_tree_merge *merges;
    size_t n;
    az_progress progress;
} files;

static void free_files(files *f) {
    for (size_t i = 0; f->files && i < f->n; i++)
        az_file_text_free(f->files + i);
    free(f->files);
    free(f->texts);
    free(f->names);
    free(f->matrix);
    free(f->merges);
}

static int read_files(files *f) {
    const az_options *opt = &f->opt->base;
    f->n = opt->n_files;
    f->files = calloc(f->n, sizeof *f->files);
    f->texts = calloc(f->n, sizeof *f->texts);
    f->names = calloc(f->n, sizeof *f->names);
    f->matrix = calloc(f->n * f->n, sizeof *f->matrix);
    f->merges = calloc(f->n, sizeof *f->merges);
    if (!f->files || !f->texts || !f->names || !f->matrix || !f->merges) {
        az_say_error(opt, NULL, "not enough memory.");
        return AZ_EXIT_MEMORY;
    }
    int rc = AZ_EXIT_OK;
    for (size_t i = 0; i < f->n && rc == AZ_EXIT_OK; i++) {
        rc = az_file_text_read(f->files + i, opt, opt->files[i]);
        f->texts[i] = (az_text){f->files[i].data, f->files[i].n_bytes};
        f->names[i] = (az_text){opt->files[i], strlen(opt->files[i])};
    }
    return rc;
}

/* ---- The matrix --------------------------------------------------------------- */

static void print_matrix(const files *f) {
    size_t width = 4;
    for (size_t i = 0; i < f->n; i++)
        width = f->names[i].n_bytes > width ? f->names[i].n_bytes : width;
    width = width < 32 ? width : 32;
    for (size_t i = 0; i < f->n; i++) {
        az_text shown = az_text_begin(f->names[i], width);
        az_write_text(stdout, shown, AZ_ESCAPE_TERMINAL);
        for (size_t k = shown.n_bytes; k < width; k++)
            putchar(' ');
        for (size_t k = 0; k < f->n; k++)
            printf(" %7.4f", f->matrix[i * f->n + k]);
        putchar('\n');
    }
}

static void print_csv(const files *f) {
    fputs("file", stdout);
    for (size_t i = 0; i < f->n; i++) {
        putchar(',');
        az_write_csv(stdout, f->names[i]);
    }
    for (size_t i = 0; i < f->n; i++) {
        putchar('\n');
        az_write_csv(stdout, f->names[i]);
        for (size_t k = 0; k < f->n; k++)
            printf(",%.9f", f->matrix[i * f->n + k]);
    }
    putchar('\n');
}

static void print_json(const files *f) {
    fputs("{\"files\": [", stdout);
    for (size_t i = 0; i < f->n; i++) {
        fputs(i ? ", " : "", stdout);
        az_write_json(stdout, f->names[i]);
    }
    fputs("],\n \"matrix\": [", stdout);
    for (size_t i = 0; i < f->n; i++) {
        fputs(i ? ",\n  [" : "\n  [", stdout);
        for (size_t k = 0; k < f->n; k++)
            printf("%s%.9f", k ? ", " : "", f->matrix[i * f->n + k]);
        putchar(']');
    }
    fputs("]}\n", stdout);
}

/* ---- The tree ------------------------------------------------------------------- */

static double height_of(const files *f, size_t node) {
    return node < f->n ? 0 : f->merges[node - f->n].height;
}

/* A name in quotes, which are doubled inside. */
static void write_newick_name(FILE *out, az_text name) {
    const char *p = name.data;
    fputc('\'', out);
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (p[i] == '\'')
            fputc('\'', out);
        az_write_text(out, (az_text){p + i, 1}, AZ_ESCAPE_TERMINAL);
    }
    fputc('\'', out);
}

static void write_newick(FILE *out, const files *f, size_t node, double above) {
    if (node < f->n) {
        write_newick_name(out, f->names[node]);
    } else {
        const az_tree_merge *m = f->merges + (node - f->n);
        fputc('(', out);
        write_newick(out, f, m->a, m->height);
        fputc(',', out);
        write_newick(out, f, m->b, m->height);
        fputc(')', out);
    }
    if (above >= 0)
        fprintf(out, ":%.6f", above - height_of(f, node));
}

enum { ROW_PIXELS = 22, TREE_PIXELS = 420, NAME_PIXELS = 300, EDGE_PIXELS = 10 };

/* Draws the node and all below it; returns its y. Leaves take the rows in turn. */
static double draw_node(FILE *out, const files *f, size_t node, double scale, size_t *row) {
    double x = EDGE_PIXELS + TREE_PIXELS - height_of(f, node) * scale;
    if (node < f->n) {
        double y = EDGE_PIXELS + ((double)(*row)++ + 0.5) * ROW_PIXELS;
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", x + 6, y + 4);
        az_write_text(out, f->names[node], AZ_ESCAPE_HTML);
        fputs("</text>\n", out);
        return y;
    }
    const az_tree_merge *m = f->merges + (node - f->n);
    double top = draw_node(out, f, m->a, scale, row), bottom = draw_node(out, f, m->b, scale, row);
    double left = EDGE_PIXELS + TREE_PIXELS - height_of(f, m->a) * scale,
           right = EDGE_PIXELS + TREE_PIXELS - height_of(f, m->b) * scale;
    fprintf(out, "<path d=\"M%.1f %.1fH%.1fV%.1fH%.1f\"><title>distance %.4f</title></path>\n",
            left, top, x, bottom, right, 2 * m->height);
    return (top + bottom) / 2;
}

static void write_svg(FILE *out, const files *f) {
    double highest = f->merges[f->n - 2].height;
    size_t row = 0;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" role=\"img\">\n"
            "<title>Tree of %zu files by compression distance</title>\n"
            "<style>svg{color-scheme:light dark;background:Canvas}text{font:13px "
            "sans-serif;fill:CanvasText}path{fill:none;stroke:CanvasText}</style>\n",
            2 * EDGE_PIXELS + TREE_PIXELS + NAME_PIXELS, 2 * EDGE_PIXELS + f->n * ROW_PIXELS, f->n);
    draw_node(out, f, 2 * f->n - 2, highest > 0 ? TREE_PIXELS / highest : 0, &row);
    fputs("</svg>\n", out);
}

static int write_tree(files *f) {
    const az_options *opt = &f->opt->base;
    const char *path = f->opt->tree;
    az_error error;
    if (az_distance_tree(f->merges, f->matrix, f->n, NULL, &error) != AZ_OK)
        return az_say_library_error(opt, NULL, &error);
    az_whole_file file;
    int rc = az_whole_file_open(&file, opt, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".svg") == 0) {
        write_svg(file.stream, f);
    } else {
        write_newick(file.stream, f, 2 * f->n - 2, -1);
        fputs(";\n", file.stream);
    }
    return az_whole_file_commit(&file, opt);
}

static int count_pairs(void *opaque, uint64_t done, uint64_t of) {
    files *f = opaque;
    f->progress.n_bytes = of;
    az_progress_count(&f->progress, done);
    return 0;
}

static int measure(files *f) {
    az_classifier_options options = f->opt->classifier;
    options.progress = count_pairs;
    options.opaque = f;
    az_error error;
    az_progress_start(&f->progress, &f->opt->base, "measuring", "pairs", f->n * f->n);
    az_status status = az_distance_matrix(f->matrix, f->texts, f->n, &options, NULL, &error);
    az_progress_clear(&f->progress);
    if (status != AZ_OK)
        return az_say_library_error(&f->opt->base, NULL, &error);
    bool taken = f->opt->tree && strcmp(f->opt->tree, "-") == 0;
    if (f->opt->base.json)
        print_json(f);
    else if (f->opt->csv)
        print_csv(f);
    else if (!taken)
        print_matrix(f);
    return f->opt->tree ? write_tree(f) : AZ_EXIT_OK;
}

int az_ncd_command(int argc, char **argv) {
    az_classify_options opt;
    int rc = az_classify_options_parse(&opt, AZ_NCD, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help) {
        rc = az_classify_print_help(AZ_NCD);
    } else if (rc == AZ_EXIT_OK) {
        files f = {.opt = &opt};
        rc = read_files(&f);
        if (rc == AZ_EXIT_OK)
            rc = measure(&f);
        free_files(&f);
    }
    az_classify_options_free(&opt);
    return rc;
}

/* ---- Neighbours of a text --------------------------------------------------------- */

enum { SHOWN_TEXT_MAX = 100 };

static void print_neighbour(const az_classify_options *opt, az_classifier *classifier,
                            const az_neighbour *near, bool first) {
    az_text label = az_classifier_label(classifier, near->label);
    if (!opt->base.json) {
        printf("%.6f\t", near->distance);
        az_write_text(stdout, label, AZ_ESCAPE_TERMINAL);
        printf("\t%zu\t", near->row + 1);
        az_text shown = az_text_begin(near->text, SHOWN_TEXT_MAX);
        az_write_text(stdout, shown, AZ_ESCAPE_TERMINAL);
        puts(shown.n_bytes < near->text.n_bytes ? " ..." : "");
        return;
    }
    printf("%s{\"distance\": %.17g, \"label\": ", first ? "" : ",\n  ", near->distance);
    az_write_json(stdout, label);
    printf(", \"row\": %zu, \"text\": ", near->row + 1);
    az_write_json(stdout, near->text);
    putchar('}');
}

static int print_neighbours(const az_classify_options *opt, az_classifier *classifier,
                            const char *words) {
    unsigned k = (unsigned)opt->neighbours, n;
    az_neighbour *near = calloc(k, sizeof *near);
    az_error error = {.status = AZ_ERROR_MEMORY, .text = "not enough memory"};
    az_text text = {words, strlen(words)};
    az_status status = AZ_ERROR_MEMORY;
    if (near)
        status = az_classifier_neighbours(classifier, text, k, near, &n, &error);
    if (status == AZ_OK) {
        if (opt->base.json) {
            fputs("{\"text\": ", stdout);
            az_write_json(stdout, text);
            fputs(", \"neighbours\": [\n  ", stdout);
        }
        for (unsigned i = 0; i < n; i++)
            print_neighbour(opt, classifier, near + i, i == 0);
        if (opt->base.json)
            fputs("]}\n", stdout);
    }
    free(near);
    return status == AZ_OK ? AZ_EXIT_OK : az_say_library_error(&opt->base, NULL, &error);
}

static int nearest(const az_classify_options *opt) {
    az_dataset *train = NULL;
    az_classifier *classifier = NULL;
    az_error error;
    size_t n_dropped;
    int rc = az_read_dataset(&train, opt, opt->train, opt->train_labels, false);
    if (rc == AZ_EXIT_OK)
        rc = az_choose_rows(&train, opt, opt->train_rows, opt->shots);
    if (rc == AZ_EXIT_OK && opt->dedupe &&
        az_dataset_dedupe(train, NULL, &n_dropped, &error) != AZ_OK)
        rc = az_say_library_error(&opt->base, opt->train, &error);
    if (rc == AZ_EXIT_OK &&
        az_classifier_train(&classifier, train, &opt->classifier, NULL, &error) != AZ_OK)
        rc = az_say_library_error(&opt->base, opt->train, &error);
    az_dataset_close(&train);
    if (rc == AZ_EXIT_OK && opt->text)
        rc = print_neighbours(opt, classifier, opt->text);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < opt->base.n_files; i++)
        rc = print_neighbours(opt, classifier, opt->base.files[i]);
    az_classifier_close(&classifier);
    return rc;
}

int az_nearest_command(int argc, char **argv) {
    az_classify_options opt;
    int rc = az_classify_options_parse(&opt, AZ_NEAREST, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help) {
        rc = az_classify_print_help(AZ_NEAREST);
    } else if (rc == AZ_EXIT_OK && !opt.text && opt.base.n_files == 0) {
        az_say_error(&opt.base, NULL,
                     "command nearest: a text is missing; see aizip nearest "
                     "--help.");
        rc = AZ_EXIT_USAGE;
    } else if (rc == AZ_EXIT_OK) {
        rc = nearest(&opt);
    }
    az_classify_options_free(&opt);
    return rc;
}
