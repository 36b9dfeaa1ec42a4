/*
 * Labels and probabilities, a line an input, in input order:
 *   TSV    label, and with probabilities one column a label; a header names them
 *   CSV    the same
 *   JSONL  {"label": "x", "probabilities": {"x": 0.9, ...}}
 * In a pipe labels are as they are, but for tabs and newlines in TSV; on a terminal harmless.
 */
#include "classification.h"

#include <unistd.h>

static void write_cell(const az_answer_writer *w, az_text text) {
    if (w->form == AZ_FORM_CSV)
        az_write_csv(w->stream, text);
    else
        az_write_text(w->stream, text,
                      isatty(fileno(w->stream)) ? AZ_ESCAPE_TERMINAL : AZ_ESCAPE_TSV);
}

static void write_header(const az_answer_writer *w) {
    char between = w->form == AZ_FORM_CSV ? ',' : '\t';
    fputs("label", w->stream);
    for (size_t i = 0; i < w->n_labels; i++) {
        fputc(between, w->stream);
        write_cell(w, az_classifier_label(w->classifier, i));
    }
    fputc('\n', w->stream);
}

static void write_json_line(const az_answer_writer *w, int64_t label, const double *p) {
    fputs("{\"label\": ", w->stream);
    if (label >= 0)
        az_write_json(w->stream, az_classifier_label(w->classifier, (size_t)label));
    else
        fputs("null", w->stream);
    if (w->proba) {
        fputs(", \"probabilities\": {", w->stream);
        for (size_t i = 0; i < w->n_labels; i++) {
            fputs(i ? ", " : "", w->stream);
            az_write_json(w->stream, az_classifier_label(w->classifier, i));
            fprintf(w->stream, ": %.6f", p[i]);
        }
        fputc('}', w->stream);
    }
    fputs("}\n", w->stream);
}

void az_answer_write(az_answer_writer *w, int64_t label, const double *probabilities) {
    if (w->form == AZ_FORM_JSONL) {
        write_json_line(w, label, probabilities);
        return;
    }
    if (!w->begun && w->proba)
        write_header(w);
    w->begun = true;
    if (label >= 0)
        write_cell(w, az_classifier_label(w->classifier, (size_t)label));
    for (size_t i = 0; w->proba && i < w->n_labels; i++)
        fprintf(w->stream, "%c%.6f", w->form == AZ_FORM_CSV ? ',' : '\t', probabilities[i]);
    fputc('\n', w->stream);
}
