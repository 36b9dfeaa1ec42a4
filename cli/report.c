/* How good the answers were: for people, and as one object of JSON. */
#include "classification.h"

#include <stdlib.h>

enum { MATRIX_MAX = 12, CONFUSIONS_MAX = 10, NAME_WIDTH_MAX = 28 };

static uint64_t cell(const az_report *r, size_t truth, size_t answer) {
    return r->confusion[truth * r->n_labels + answer];
}

/* ---- For people ---------------------------------------------------------------- */

static size_t name_width(const az_report *r) {
    size_t width = 5;
    for (size_t i = 0; i < r->n_labels; i++)
        width = r->labels[i].n_bytes > width ? r->labels[i].n_bytes : width;
    return width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
}

static void print_name(FILE *stream, az_text name, size_t width) {
    az_text shown = az_text_begin(name, width);
    az_write_text(stream, shown, AZ_ESCAPE_TERMINAL);
    for (size_t i = shown.n_bytes; i < width; i++)
        fputc(' ', stream);
}

static void print_labels(FILE *stream, const az_report *r, size_t width) {
    fputc('\n', stream);
    print_name(stream, (az_text){"label", 5}, width);
    fputs("  precision  recall      F1    rows\n", stream);
    for (size_t i = 0; i < r->n_labels; i++) {
        az_class_figure f;
        az_class_figures(&f, r->confusion, r->n_labels, i);
        print_name(stream, r->labels[i], width);
        fprintf(stream, "  %9.4f  %6.4f  %6.4f  %6zu\n", f.precision, f.recall, f.f1, f.n);
    }
}

static void print_matrix(FILE *stream, const az_report *r, size_t width) {
    fputs("\nTruth down, answers across:\n", stream);
    for (size_t i = 0; i < r->n_labels; i++) {
        print_name(stream, r->labels[i], width);
        for (size_t k = 0; k < r->n_labels; k++)
            fprintf(stream, " %6llu", (unsigned long long)cell(r, i, k));
        fputc('\n', stream);
    }
}

/* The most frequent mistakes, where a matrix would be too wide. */
static void print_confusions(FILE *stream, const az_report *r) {
    uint64_t limit = UINT64_MAX;
    int n_shown = 0;
    fputs("\nMost frequent mistakes, truth -> answer:\n", stream);
    while (n_shown < CONFUSIONS_MAX) {
        uint64_t most = 0;
        for (size_t i = 0; i < r->n_labels * r->n_labels; i++)
            if (i / r->n_labels != i % r->n_labels && r->confusion[i] < limit &&
                r->confusion[i] > most)
                most = r->confusion[i];
        if (most == 0)
            return;
        for (size_t i = 0; i < r->n_labels * r->n_labels && n_shown < CONFUSIONS_MAX; i++) {
            if (i / r->n_labels == i % r->n_labels || r->confusion[i] != most)
                continue;
            fprintf(stream, "%6llu  ", (unsigned long long)most);
            az_write_text(stream, r->labels[i / r->n_labels], AZ_ESCAPE_TERMINAL);
            fputs(" -> ", stream);
            az_write_text(stream, r->labels[i % r->n_labels], AZ_ESCAPE_TERMINAL);
            fputc('\n', stream);
            n_shown++;
        }
        limit = most;
    }
}

static void print_overlap(FILE *stream, const az_report *r) {
    const az_overlap *o = &r->overlap;
    if (r->has_overlap)
        fprintf(stream,
                "Rows of test also in train: %zu exactly, %zu nearly (same letters and digits). "
                "Labels that train lacks: %zu. Empty texts: %zu in train, %zu in test.\n",
                o->n_exact, o->n_near, o->n_labels_missing, o->n_empty_train, o->n_empty_test);
    if (r->opt->dedupe)
        fprintf(stream, "Left out of train by --dedupe: %zu rows.\n", r->n_dropped);
}

void az_report_text(FILE *stream, const az_report *r) {
    const az_evaluation *e = &r->evaluation;
    fprintf(stream, "Rows: %zu, trained on %zu. ", e->n, r->n_train);
    if (e->n_answered < e->n)
        fprintf(stream, "Answered: %zu (%.2f %%). ", e->n_answered,
                100.0 * (double)e->n_answered / (double)e->n);
    fprintf(stream, "Seconds: %.2f training, %.2f answering.\n", r->train_seconds, r->test_seconds);
    print_overlap(stream, r);
    fprintf(stream, "\nAccuracy  %.4f (95 %%: %.4f to %.4f)\nMacro F1  %.4f\n", e->accuracy,
            e->accuracy_low, e->accuracy_high, e->macro_f1);
    if (r->probabilities)
        fprintf(stream, "Log loss  %.4f nats\nCalibration error  %.4f\n", e->log_loss,
                e->calibration_error);
    size_t width = name_width(r);
    print_labels(stream, r, width);
    if (r->n_labels <= MATRIX_MAX)
        print_matrix(stream, r, width);
    else
        print_confusions(stream, r);
}

/* ---- JSON -------------------------------------------------------------------------- */

static void write_labels(FILE *stream, const az_report *r) {
    fputs(",\n \"per_class\": {", stream);
    for (size_t i = 0; i < r->n_labels; i++) {
        az_class_figure f;
        az_class_figures(&f, r->confusion, r->n_labels, i);
        fputs(i ? ",\n  " : "\n  ", stream);
        az_write_json(stream, r->labels[i]);
        fprintf(stream, ": {\"precision\": %.9f, \"recall\": %.9f, \"f1\": %.9f, \"rows\": %zu}",
                f.precision, f.recall, f.f1, f.n);
    }
    fputs("},\n \"labels\": [", stream);
    for (size_t i = 0; i < r->n_labels; i++) {
        fputs(i ? ", " : "", stream);
        az_write_json(stream, r->labels[i]);
    }
    fputs("],\n \"confusion\": [", stream);
    for (size_t i = 0; i < r->n_labels; i++) {
        fputs(i ? ",\n  [" : "\n  [", stream);
        for (size_t k = 0; k < r->n_labels; k++)
            fprintf(stream, "%s%llu", k ? ", " : "", (unsigned long long)cell(r, i, k));
        fputc(']', stream);
    }
    fputc(']', stream);
}

static void write_bins(FILE *stream, const az_report *r) {
    const az_evaluation *e = &r->evaluation;
    fprintf(stream, ",\n \"log_loss\": %.9f, \"calibration_error\": %.9f,\n \"calibration\": [",
            e->log_loss, e->calibration_error);
    for (int b = 0; b < AZ_EVALUATION_N_BINS; b++)
        fprintf(stream, "%s{\"rows\": %zu, \"right\": %zu, \"probability\": %.6f}",
                b ? ",\n  " : "", e->bins[b].n, e->bins[b].n_right, e->bins[b].surety);
    fputc(']', stream);
}

void az_report_json(FILE *stream, const az_report *r) {
    const az_evaluation *e = &r->evaluation;
    fprintf(stream,
            "{\"accuracy\": %.9f, \"accuracy_low\": %.9f, \"accuracy_high\": %.9f,\n"
            " \"macro_f1\": %.9f, \"rows\": %zu, \"answered\": %zu, \"train_rows\": %zu,\n"
            " \"train_seconds\": %.3f, \"test_seconds\": %.3f",
            e->accuracy, e->accuracy_low, e->accuracy_high, e->macro_f1, e->n, e->n_answered,
            r->n_train, r->train_seconds, r->test_seconds);
    if (r->has_overlap)
        fprintf(stream,
                ",\n \"test_rows_in_train\": %zu, \"test_rows_nearly_in_train\": %zu,\n"
                " \"labels_not_in_train\": %zu, \"empty_train\": %zu, \"empty_test\": %zu",
                r->overlap.n_exact, r->overlap.n_near, r->overlap.n_labels_missing,
                r->overlap.n_empty_train, r->overlap.n_empty_test);
    if (r->opt->dedupe)
        fprintf(stream, ",\n \"dropped_from_train\": %zu", r->n_dropped);
    if (r->probabilities)
        write_bins(stream, r);
    write_labels(stream, r);
    fputs("}\n", stream);
}
