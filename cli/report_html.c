/*
 * The report as one page: no script, no address, nothing to fetch; light and dark, and readable by
 * keyboard and screen reader (tables with captions and scopes; colours only repeat what the
 * numbers say).
 */
#include "classification.h"

#include <stdlib.h>

enum { MATRIX_MAX = 40, ERRORS_MAX = 25, TEXT_MAX = 400 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<title>Classification report</title>\n<style>\n"
    ":root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--mute:#57606a;--line:#d0d7de;"
    "--hit:0,92,175;--miss:176,80,0}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--mute:#9da7b1;"
    "--line:#30363d;--hit:88,166,255;--miss:240,160,80}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);margin:0 auto;"
    "max-width:70rem;padding:1rem}\n"
    "h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}\n"
    "table{border-collapse:collapse;min-width:min(24rem,100%);font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;color:var(--mute);padding-bottom:.4rem}\n"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right}\n"
    "th[scope=row],.text{text-align:left}.scroll{overflow-x:auto}\n"
    ".figures{display:flex;flex-wrap:wrap;gap:1rem;padding:0;margin:0;list-style:none}\n"
    ".figures li{border:1px solid var(--line);border-radius:.5rem;padding:.6rem 1rem}\n"
    ".figures b{display:block;font-size:1.5rem}.mute{color:var(--mute)}\n"
    "td.text{white-space:normal;overflow-wrap:anywhere;min-width:14rem}\n"
    "svg{max-width:22rem;width:100%;height:auto}svg text{fill:var(--fg);font-size:11px}\n"
    "</style></head><body><main>\n";

static void put(FILE *f, az_text text) {
    az_write_text(f, text, AZ_ESCAPE_HTML);
}

static void put_name(FILE *f, const char *name) {
    size_t n = 0;
    while (name[n])
        n++;
    put(f, (az_text){name, n});
}

static void write_figure(FILE *f, const char *name, const char *format, double value) {
    fprintf(f, "<li><b>");
    fprintf(f, format, value); /* NOLINT: the formats are below */
    fprintf(f, "</b>%s</li>\n", name);
}

static void write_summary(FILE *f, const az_report *r) {
    const az_evaluation *e = &r->evaluation;
    fputs("<h1>Classification report</h1>\n<p class=\"mute\">", f);
    put_name(f, r->train_name);
    if (r->test_name) {
        fputs(" tested on ", f);
        put_name(f, r->test_name);
    } else {
        fputs(", cross-validated", f);
    }
    fprintf(f, ": %zu rows, trained on %zu; %.2f s training, %.2f s answering.</p>\n", e->n,
            r->n_train, r->train_seconds, r->test_seconds);
    fputs("<ul class=\"figures\">\n", f);
    write_figure(f, "accuracy", "%.4f", e->accuracy);
    write_figure(f, "macro F1", "%.4f", e->macro_f1);
    if (r->probabilities) {
        write_figure(f, "log loss, nats", "%.4f", e->log_loss);
        write_figure(f, "calibration error", "%.4f", e->calibration_error);
    }
    if (e->n_answered < e->n)
        write_figure(f, "% answered", "%.2f", 100.0 * (double)e->n_answered / (double)e->n);
    fprintf(f, "</ul>\n<p>95 %% interval of the accuracy, by bootstrap: %.4f to %.4f.</p>\n",
            e->accuracy_low, e->accuracy_high);
    if (r->has_overlap)
        fprintf(f,
                "<p>Rows of the test that are also in the training set: %zu exactly, %zu nearly. "
                "Labels that training lacks: %zu. Empty texts: %zu in training, %zu in the test."
                "</p>\n",
                r->overlap.n_exact, r->overlap.n_near, r->overlap.n_labels_missing,
                r->overlap.n_empty_train, r->overlap.n_empty_test);
}

static void write_labels(FILE *f, const az_report *r) {
    fputs("<h2>Labels</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Figures by label\">"
          "<table><caption>Of each label: how many answers of it are right (precision), how many "
          "of its rows are found (recall)</caption>\n<thead><tr><th scope=\"col\">label</th>"
          "<th scope=\"col\">precision</th><th scope=\"col\">recall</th><th scope=\"col\">F1</th>"
          "<th scope=\"col\">rows</th></tr></thead><tbody>\n",
          f);
    for (size_t i = 0; i < r->n_labels; i++) {
        az_class_figure g;
        az_class_figures(&g, r->confusion, r->n_labels, i);
        fputs("<tr><th scope=\"row\">", f);
        put(f, r->labels[i]);
        fprintf(f, "</th><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%zu</td></tr>\n", g.precision,
                g.recall, g.f1, g.n);
    }
    fputs("</tbody></table></div>\n", f);
}

static void write_matrix(FILE *f, const az_report *r) {
    if (r->n_labels > MATRIX_MAX)
        return;
    fputs("<h2>Confusion</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Confusion matrix\">"
          "<table><caption>Truth down, answers across; the darker, the more of the truth's rows; "
          "blue is right</caption>\n<thead><tr><td></td>",
          f);
    for (size_t i = 0; i < r->n_labels; i++) {
        fputs("<th scope=\"col\">", f);
        put(f, r->labels[i]);
        fputs("</th>", f);
    }
    fputs("</tr></thead><tbody>\n", f);
    for (size_t i = 0; i < r->n_labels; i++) {
        uint64_t n = 0;
        for (size_t k = 0; k < r->n_labels; k++)
            n += r->confusion[i * r->n_labels + k];
        fputs("<tr><th scope=\"row\">", f);
        put(f, r->labels[i]);
        fputs("</th>", f);
        for (size_t k = 0; k < r->n_labels; k++) {
            uint64_t count = r->confusion[i * r->n_labels + k];
            fprintf(f, "<td style=\"background:rgba(var(--%s),%.2f)\">%llu</td>",
                    i == k ? "hit" : "miss", n ? 0.5 * (double)count / (double)n : 0,
                    (unsigned long long)count);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

static void write_calibration(FILE *f, const az_report *r) {
    if (!r->probabilities)
        return;
    fputs("<h2>Calibration</h2>\n<svg viewBox=\"0 0 240 230\" role=\"img\" "
          "aria-labelledby=\"ct cd\"><title id=\"ct\">Calibration</title><desc id=\"cd\">Share of "
          "right answers by the probability given to them; on the line, both are equal</desc>\n"
          "<rect x=\"30\" y=\"10\" width=\"200\" height=\"190\" fill=\"none\" "
          "stroke=\"var(--line)\"/><line x1=\"30\" y1=\"200\" x2=\"230\" y2=\"10\" "
          "stroke=\"var(--mute)\" stroke-dasharray=\"4 4\"/>\n",
          f);
    for (int b = 0; b < AZ_EVALUATION_N_BINS; b++) {
        if (!r->evaluation.bins[b].n)
            continue;
        double right = (double)r->evaluation.bins[b].n_right / (double)r->evaluation.bins[b].n;
        fprintf(f,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"rgb(var(--hit))\"><title>%zu "
                "answers of probability %.3f: %.3f right</title></circle>\n",
                30 + 200 * r->evaluation.bins[b].surety, 200 - 190 * right, r->evaluation.bins[b].n,
                r->evaluation.bins[b].surety, right);
    }
    fputs("<text x=\"95\" y=\"222\">probability</text><text x=\"2\" y=\"14\">right</text>"
          "<text x=\"22\" y=\"213\">0</text><text x=\"226\" y=\"213\">1</text></svg>\n",
          f);
}

typedef struct mistake {
    size_t row;
    double probability; /* that the truth was given */
} mistake;

static int dearest_first(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    if (x->probability != y->probability)
        return (x->probability > y->probability) - (x->probability < y->probability);
    return (x->row > y->row) - (x->row < y->row);
}

/* The text, shortened, each word on the colour of what it earned for the answer against the
 * truth. */
static void write_marked(FILE *f, const az_report *r, size_t row) {
    az_text text = az_text_begin(r->texts[row], TEXT_MAX);
    az_classifier_info info = {.method = AZ_METHOD_KNN};
    if (r->classifier)
        az_classifier_get_info(r->classifier, &info);
    double *bits = NULL;
    if (info.method == AZ_METHOD_CLASS && !info.image_width && r->truth[row] >= 0 &&
        r->truth[row] < (int64_t)info.n_labels && r->answers[row] >= 0)
        bits = az_explain_bytes(r->classifier, r->texts[row], (size_t)r->answers[row],
                                (size_t)r->truth[row]);
    const char *p = text.data;
    for (size_t i = 0; bits && i < text.n_bytes;) {
        size_t end = i;
        double sum = 0;
        do
            sum += bits[end++];
        while (end < text.n_bytes && !(p[end] != ' ' && p[end - 1] == ' '));
        double strength = (sum < 0 ? -sum : sum) / 4;
        if (strength > 0.12)
            fprintf(f, "<span style=\"background:rgba(var(--%s),%.2f)\" title=\"%+.2f bits\">",
                    sum > 0 ? "miss" : "hit", strength < 0.6 ? strength : 0.6, sum);
        put(f, (az_text){p + i, end - i});
        if (strength > 0.12)
            fputs("</span>", f);
        i = end;
    }
    if (!bits)
        put(f, text);
    if (text.n_bytes < r->texts[row].n_bytes)
        fputs(" &hellip;", f);
    free(bits);
}

static void write_mistakes(FILE *f, const az_report *r) {
    mistake *mistakes = calloc(r->n + 1, sizeof *mistakes);
    size_t n = 0;
    for (size_t i = 0; mistakes && r->probabilities && i < r->n; i++)
        if (r->truth[i] >= 0 && r->answers[i] >= 0 && r->truth[i] != r->answers[i])
            mistakes[n++] = (mistake){i, r->probabilities[i * r->n_labels + (size_t)r->truth[i]]};
    if (n) {
        qsort(mistakes, n, sizeof *mistakes, dearest_first);
        fputs("<h2>Most surprising mistakes</h2>\n<div class=\"scroll\" tabindex=\"0\" "
              "role=\"region\" aria-label=\"Most surprising mistakes\">"
              "<table><caption>Words that spoke for the wrong answer are orange, for the truth "
              "blue</caption>\n<thead><tr><th scope=\"col\">row</th><th scope=\"col\">truth</th>"
              "<th scope=\"col\">its probability</th><th scope=\"col\">answer</th>"
              "<th scope=\"col\" class=\"text\">text</th></tr></thead><tbody>\n",
              f);
    }
    for (size_t i = 0; i < n && i < ERRORS_MAX; i++) {
        size_t row = mistakes[i].row;
        fprintf(f, "<tr><td>%zu</td><td>", row + 1);
        put(f, r->labels[r->truth[row]]);
        fprintf(f, "</td><td>%.4f</td><td>", mistakes[i].probability);
        put(f, r->labels[r->answers[row]]);
        fputs("</td><td class=\"text\">", f);
        write_marked(f, r, row);
        fputs("</td></tr>\n", f);
    }
    if (n)
        fputs("</tbody></table></div>\n", f);
    free(mistakes);
}

void az_report_html(FILE *f, const az_report *r) {
    fputs(head, f);
    write_summary(f, r);
    write_labels(f, r);
    write_matrix(f, r);
    write_calibration(f, r);
    write_mistakes(f, r);
    fputs("</main></body></html>\n", f);
}
