/* calibrate: the sharpness by its loss, on texts held out. */
#include "calibrate.h"

#include "maths.h"

void az_make_probabilities(const double *scores, uint32_t n, double sharpness,
                           double *probabilities) {
    double best = scores[0], sum = 0;
    for (uint32_t c = 1; c < n; c++)
        best = scores[c] > best ? scores[c] : best;
    for (uint32_t c = 0; c < n; c++)
        sum += probabilities[c] = az_exp(sharpness * (scores[c] - best));
    for (uint32_t c = 0; c < n; c++)
        probabilities[c] /= sum;
}

/* The mean loss, in nats. */
static double mean_loss(const az_held_out *h, double sharpness) {
    double sum = 0;
    for (size_t i = 0; i < h->n; i++) {
        const float *scores = h->scores + (size_t)h->rows[i] * h->n_labels;
        float best = scores[0];
        double z = 0;
        for (uint32_t c = 1; c < h->n_labels; c++)
            best = scores[c] > best ? scores[c] : best;
        for (uint32_t c = 0; c < h->n_labels; c++)
            z += az_exp(sharpness * ((double)scores[c] - best));
        sum += az_ln(z) - sharpness * ((double)scores[h->labels[h->rows[i]]] - best);
    }
    return sum / (double)h->n;
}

/* It is convex; thirds of low..high fall away. */
static double find_sharpness(const az_held_out *h) {
    double low = h->low, high = h->high;
    for (int i = 0; i < 24; i++) {
        double step = (high - low) / 3;
        if (mean_loss(h, low + step) < mean_loss(h, high - step))
            high -= step;
        else
            low += step;
    }
    return (low + high) / 2;
}

static void sort_up(double *values, size_t n) { /* heap sort */
    for (size_t end = n, start = n / 2; end > 1;) {
        if (start) {
            start--;
        } else {
            double last = values[--end];
            values[end] = values[0];
            values[0] = last;
        }
        double value = values[start];
        size_t i = start;
        for (size_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end && values[child + 1] > values[child])
                child++;
            if (values[child] <= value)
                break;
            values[i] = values[child];
        }
        values[i] = value;
    }
}

az_status az_calibrate(az_calibration *out, const az_held_out *h, az_heap *heap, az_error *error) {
    *out = (az_calibration){.sharpness = h->usual, .held_out_accuracy = -1};
    if (h->n == 0)
        return AZ_OK;
    out->sharpness = find_sharpness(h);
    double *sure = az_alloc(heap, (h->n + 2 * (size_t)h->n_labels) * sizeof *sure);
    if (!sure)
        return az_alloc_failed(heap, h->n * sizeof *sure, error);
    double *scores = sure + h->n, *probabilities = scores + h->n_labels;
    size_t n_right = 0;
    for (size_t i = 0; i < h->n; i++) {
        for (uint32_t c = 0; c < h->n_labels; c++)
            scores[c] = h->scores[(size_t)h->rows[i] * h->n_labels + c];
        az_make_probabilities(scores, h->n_labels, out->sharpness, probabilities);
        uint32_t best = 0;
        for (uint32_t c = 1; c < h->n_labels; c++)
            if (probabilities[c] > probabilities[best])
                best = c;
        n_right += best == h->labels[h->rows[i]];
        sure[i] = probabilities[best];
    }
    sort_up(sure, h->n);
    for (int i = 0; i < AZ_CLASS_N_PERCENTILES; i++)
        out->sure[i] = sure[(h->n - 1) * (size_t)i / (AZ_CLASS_N_PERCENTILES - 1)];
    out->held_out_accuracy = (double)n_right / (double)h->n;
    az_free(heap, sure);
    return AZ_OK;
}

void az_calibration_save(const az_calibration *calibration, az_packer *p) {
    az_pack_double(p, calibration->sharpness);
    az_pack_double(p, calibration->held_out_accuracy);
    for (int i = 0; i < AZ_CLASS_N_PERCENTILES; i++)
        az_pack_double(p, calibration->sure[i]);
}

void az_calibration_load(az_calibration *calibration, az_unpacker *u) {
    calibration->sharpness = az_unpack_double(u, 0, 1e6);
    calibration->held_out_accuracy = az_unpack_double(u, -1, 1);
    for (int i = 0; i < AZ_CLASS_N_PERCENTILES; i++)
        calibration->sure[i] = az_unpack_double(u, 0, 1);
}
