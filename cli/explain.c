/* The words that decided: bits by byte become bits by word (what stands between blanks), shown
 * as the text with its dearest words marked, and as a list. All of them and the constant add up
 * to the log-odds, in bits, of the answer against the next best label. */
#include "classification.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTED_MAX = 10 };

typedef struct word {
    size_t from, to;
    double bits;
} word;

void az_two_best(const double *probabilities, size_t n, size_t *first, size_t *second) {
    *first = 0;
    for (size_t i = 1; i < n; i++)
        if (probabilities[i] > probabilities[*first])
            *first = i;
    *second = *first == 0 && n > 1 ? 1 : 0;
    for (size_t i = 0; i < n; i++)
        if (i != *first && probabilities[i] > probabilities[*second])
            *second = i;
}

double *az_explain_bytes(az_classifier *classifier, az_text text, size_t a, size_t b) {
    double constant, *bits = calloc(text.n_bytes + 1, sizeof *bits);
    if (bits && az_classifier_explain(classifier, text, a, b, bits, &constant, NULL) != AZ_OK) {
        free(bits);
        bits = NULL;
    }
    return bits;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Words with the blanks behind each; words [n_bytes + 1]. */
static size_t cut_words(az_text text, const double *bits, word *words) {
    const char *p = text.data;
    size_t n = 0;
    for (size_t i = 0; i < text.n_bytes; i++) {
        if (i == 0 || (!is_blank(p[i]) && is_blank(p[i - 1])))
            words[n++] = (word){i, i, 0};
        words[n - 1].to = i + 1;
        words[n - 1].bits += bits[i];
    }
    return n;
}

static int by_size(const void *a, const void *b) {
    const word *x = a, *y = b;
    double p = x->bits < 0 ? -x->bits : x->bits, q = y->bits < 0 ? -y->bits : y->bits;
    if (p != q)
        return (p < q) - (p > q);
    return (x->from > y->from) - (x->from < y->from);
}

static az_text word_text(az_text text, const word *w) {
    const char *p = text.data;
    size_t to = w->to;
    while (to > w->from && is_blank(p[to - 1]))
        to--;
    return (az_text){p + w->from, to - w->from};
}

/* For: bold green; against: red. Below a fifth of the largest it stays plain. */
static void show_coloured(FILE *stream, az_text text, const word *words, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double size = words[i].bits < 0 ? -words[i].bits : words[i].bits;
        largest = size > largest ? size : largest;
    }
    fputs("  ", stream);
    for (size_t i = 0; i < n; i++) {
        double part = largest > 0 ? words[i].bits / largest : 0;
        fputs(part > 0.2 ? "\033[1;32m" : part < -0.2 ? "\033[31m" : "", stream);
        az_write_text(stream, word_text(text, words + i), AZ_ESCAPE_TERMINAL);
        fputs(part > 0.2 || part < -0.2 ? "\033[0m " : " ", stream);
    }
    fputc('\n', stream);
}

static void show_text(FILE *stream, az_classifier *classifier, az_text text, size_t a, size_t b,
                      double constant, word *words, size_t n) {
    double sum = constant;
    for (size_t i = 0; i < n; i++)
        sum += words[i].bits;
    fputs("  ", stream);
    az_write_text(stream, az_classifier_label(classifier, a), AZ_ESCAPE_TERMINAL);
    fputs(" against ", stream);
    az_write_text(stream, az_classifier_label(classifier, b), AZ_ESCAPE_TERMINAL);
    fprintf(stream, ": %+.2f bits, %+.2f of them before any word\n", sum, constant);
    if (isatty(fileno(stream)) && !getenv("NO_COLOR"))
        show_coloured(stream, text, words, n);
    qsort(words, n, sizeof *words, by_size);
    for (size_t i = 0; i < n && i < LISTED_MAX; i++) {
        fprintf(stream, "  %+7.2f  ", words[i].bits);
        az_write_text(stream, word_text(text, words + i), AZ_ESCAPE_TERMINAL);
        fputc('\n', stream);
    }
}

static void show_json(FILE *stream, az_classifier *classifier, az_text text, size_t a, size_t b,
                      double constant, word *words, size_t n) {
    fputs("{\"for\": ", stream);
    az_write_json(stream, az_classifier_label(classifier, a));
    fputs(", \"against\": ", stream);
    az_write_json(stream, az_classifier_label(classifier, b));
    fprintf(stream, ", \"constant_bits\": %.6f, \"words\": [", constant);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", {\"word\": " : "{\"word\": ", stream);
        az_write_json(stream, word_text(text, words + i));
        fprintf(stream, ", \"byte\": %zu, \"bits\": %.6f}", words[i].from, words[i].bits);
    }
    fputs("]}", stream);
}

typedef void show_fn(FILE *stream, az_classifier *classifier, az_text text, size_t a, size_t b,
                     double constant, word *words, size_t n);

static az_status explain(FILE *stream, az_classifier *classifier, az_text text,
                         const double *probabilities, show_fn *show, az_error *error) {
    az_classifier_info info;
    az_classifier_get_info(classifier, &info);
    size_t a, b;
    az_two_best(probabilities, info.n_labels, &a, &b);
    double constant = 0, *bits = calloc(text.n_bytes + 1, sizeof *bits);
    word *words = calloc(text.n_bytes + 1, sizeof *words);
    az_status status = AZ_ERROR_MEMORY;
    if (bits && words)
        status = az_classifier_explain(classifier, text, a, b, bits, &constant, error);
    else
        *error =
            (az_error){.status = status, .offset = AZ_ERROR_NO_OFFSET, .text = "not enough memory"};
    if (status == AZ_OK)
        show(stream, classifier, text, a, b, constant, words, cut_words(text, bits, words));
    free(bits);
    free(words);
    return status;
}

az_status az_explain_json(FILE *stream, az_classifier *classifier, az_text text,
                          const double *probabilities, az_error *error) {
    return explain(stream, classifier, text, probabilities, show_json, error);
}

int az_explain(const az_classify_options *opt, az_classifier *classifier, az_text text,
               const double *probabilities, FILE *stream) {
    az_error error = {.status = AZ_OK};
    return explain(stream, classifier, text, probabilities, opt->base.json ? show_json : show_text,
                   &error) == AZ_OK
               ? AZ_EXIT_OK
               : az_say_library_error(&opt->base, NULL, &error);
}
