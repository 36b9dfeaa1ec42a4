/* evaluate: counts first, then what is made of them. Only + - * / and our own logarithm, so that
 * a report says the same everywhere. */
#include "evaluate.h"

#include "maths.h"

enum { RESAMPLES = 2000, BINS = AZ_EVALUATION_N_BINS };

/* How many of n draws with replacement are right, where n_right of n are. */
static uint64_t draw(uint64_t n, uint64_t n_right, uint64_t *state) {
    uint64_t right = 0;
    for (uint64_t i = 0; i < n; i += 2) { /* 32 bits a draw */
        uint64_t bits = az_random_next(state);
        right += (bits >> 32) * n >> 32 < n_right;
        if (i + 1 < n)
            right += (bits & UINT32_MAX) * n >> 32 < n_right;
    }
    return right;
}

/* The 2.5th and the 97.5th percentile of resampled accuracies. */
static void find_interval(az_evaluation *out, uint64_t n, uint64_t n_right) {
    uint64_t counts[RESAMPLES], state = 1;
    for (int i = 0; i < RESAMPLES; i++) {
        uint64_t right = draw(n, n_right, &state);
        int k = i;
        for (; k > 0 && counts[k - 1] > right; k--)
            counts[k] = counts[k - 1];
        counts[k] = right;
    }
    const int tail = RESAMPLES / 40;
    out->accuracy_low = (double)counts[tail - 1] / (double)n;
    out->accuracy_high = (double)counts[RESAMPLES - tail] / (double)n;
}

void az_class_figures(az_class_figure *out, const uint64_t *confusion, size_t n_labels,
                      size_t label) {
    uint64_t truth = 0, answers = 0, right = confusion[label * n_labels + label];
    for (size_t i = 0; i < n_labels; i++) {
        truth += confusion[label * n_labels + i];
        answers += confusion[i * n_labels + label];
    }
    out->n = truth;
    out->precision = answers ? (double)right / (double)answers : 0;
    out->recall = truth ? (double)right / (double)truth : 0;
    out->f1 = truth + answers ? 2 * (double)right / (double)(truth + answers) : 0;
}

static double find_macro_f1(const uint64_t *confusion, size_t n_labels) {
    double sum = 0;
    size_t n = 0;
    for (size_t c = 0; c < n_labels; c++) {
        bool occurs = false;
        for (size_t i = 0; i < n_labels && !occurs; i++)
            occurs = confusion[c * n_labels + i] || confusion[i * n_labels + c];
        if (!occurs)
            continue;
        az_class_figure figure;
        az_class_figures(&figure, confusion, n_labels, c);
        sum += figure.f1;
        n++;
    }
    return n ? sum / (double)n : 0;
}

/* Log loss over all rows with a truth, calibration over the answers. */
static void find_losses(az_evaluation *out, const int64_t *truth, const int64_t *answers,
                        const double *probabilities, size_t n, size_t n_labels) {
    double loss = 0, surety[BINS] = {0};
    uint64_t n_loss = 0;
    for (size_t i = 0; i < n; i++) {
        if (truth[i] < 0)
            continue;
        const double *p = probabilities + i * n_labels;
        double given = (size_t)truth[i] < n_labels ? p[truth[i]] : 0;
        loss -= az_ln(given < 1e-15 ? 1e-15 : given);
        n_loss++;
        if (answers[i] < 0)
            continue;
        double top = p[answers[i]];
        int bin = (int)(top * BINS);
        bin = bin >= BINS ? BINS - 1 : bin < 0 ? 0 : bin;
        out->bins[bin].n++;
        out->bins[bin].n_right += answers[i] == truth[i];
        surety[bin] += top;
    }
    out->log_loss = n_loss ? loss / (double)n_loss : 0;
    for (int b = 0; b < BINS; b++) {
        if (!out->bins[b].n)
            continue;
        out->bins[b].surety = surety[b] / (double)out->bins[b].n;
        double gap = surety[b] - (double)out->bins[b].n_right;
        out->calibration_error += (gap < 0 ? -gap : gap) / (double)out->n_answered;
    }
}

void az_evaluate_answers(az_evaluation *out, uint64_t *confusion, const int64_t *truth,
                         const int64_t *answers, const double *probabilities, size_t n,
                         size_t n_labels) {
    *out = (az_evaluation){0};
    memset(confusion, 0, n_labels * n_labels * sizeof *confusion);
    uint64_t n_right = 0;
    for (size_t i = 0; i < n; i++) {
        if (truth[i] < 0)
            continue;
        out->n++;
        if (answers[i] < 0)
            continue;
        out->n_answered++;
        n_right += answers[i] == truth[i];
        confusion[(size_t)truth[i] * n_labels + (size_t)answers[i]]++;
    }
    if (out->n_answered == 0)
        return;
    out->accuracy = (double)n_right / (double)out->n_answered;
    find_interval(out, out->n_answered, n_right);
    out->macro_f1 = find_macro_f1(confusion, n_labels);
    if (probabilities)
        find_losses(out, truth, answers, probabilities, n, n_labels);
}
