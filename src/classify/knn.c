/* knn: every pair of texts is joined and measured; what a training text costs alone is known. */
#include "knn.h"

#include <stdio.h>

static az_status open_compressor(const az_knn *knn, az_knn_scratch *s, az_error *error) {
    if (s->compressor)
        return AZ_OK;
    return az_compressor_open(&s->compressor, knn->options.compressor, knn->options.level,
                              knn->heap, error);
}

az_status az_knn_size(const az_knn *knn, az_knn_scratch *s, az_text text, uint64_t *size,
                      az_error *error) {
    AZ_TRY(open_compressor(knn, s, error));
    return az_compressor_size(s->compressor, text.data, text.n_bytes, size, error);
}

az_status az_knn_joined_size(const az_knn *knn, az_knn_scratch *s, az_text x, az_text y,
                             uint64_t *size, az_error *error) {
    AZ_TRY(open_compressor(knn, s, error));
    const az_text parts[3] = {knn->options.train_first ? y : x, knn->options.separator,
                              knn->options.train_first ? x : y};
    size_t n_bytes = parts[0].n_bytes + parts[1].n_bytes + parts[2].n_bytes;
    if (n_bytes > s->capacity) {
        az_free(knn->heap, s->joined);
        s->capacity = 0;
        s->joined = az_alloc(knn->heap, n_bytes * 2);
        if (!s->joined)
            return az_alloc_failed(knn->heap, n_bytes * 2, error);
        s->capacity = n_bytes * 2;
    }
    uint8_t *to = s->joined;
    for (int i = 0; i < 3; i++) {
        if (parts[i].n_bytes)
            memcpy(to, parts[i].data, parts[i].n_bytes);
        to += parts[i].n_bytes;
    }
    return az_compressor_size(s->compressor, s->joined, n_bytes, size, error);
}

void az_knn_scratch_free(const az_knn *knn, az_knn_scratch *s) {
    az_compressor_close(&s->compressor);
    az_free(knn->heap, s->joined);
    *s = (az_knn_scratch){0};
}

/* ---- Open ---------------------------------------------------------------------- */

typedef struct measuring {
    az_knn *knn;
    az_knn_scratch *scratch; /* [n_threads] */
    az_status *statuses;     /* [n_threads] */
    az_error *errors;        /* [n_threads] */
    size_t part_rows;
} measuring;

static void measure_part(void *arg, uint32_t part, unsigned worker) {
    measuring *m = arg;
    az_knn *knn = m->knn;
    size_t from = part * m->part_rows, to = from + m->part_rows;
    for (size_t i = from; i < to && i < knn->n && m->statuses[worker] == AZ_OK; i++)
        m->statuses[worker] = az_knn_size(knn, m->scratch + worker, knn->texts[i], knn->sizes + i,
                                          m->errors + worker);
}

static az_status measure_all(az_knn *knn, az_pool *pool, az_error *error) {
    unsigned n_threads = az_pool_n_threads(pool);
    measuring m = {.knn = knn, .part_rows = knn->n / 1024 + 1};
    m.scratch = az_alloc(knn->heap, n_threads * sizeof *m.scratch);
    m.statuses = az_alloc(knn->heap, n_threads * sizeof *m.statuses);
    m.errors = az_alloc(knn->heap, n_threads * sizeof *m.errors);
    az_status status = AZ_OK;
    if (m.scratch && m.statuses && m.errors) {
        az_pool_run(pool, measure_part, &m, (uint32_t)((knn->n + m.part_rows - 1) / m.part_rows));
        for (unsigned i = 0; i < n_threads; i++) {
            if (m.statuses[i] != AZ_OK && status == AZ_OK) {
                status = m.statuses[i];
                if (error)
                    *error = m.errors[i];
            }
            az_knn_scratch_free(knn, m.scratch + i);
        }
    } else {
        status = az_alloc_failed(knn->heap, n_threads * sizeof *m.errors, error);
    }
    az_free(knn->heap, m.scratch);
    az_free(knn->heap, m.statuses);
    az_free(knn->heap, m.errors);
    return status;
}

static az_status copy_options(az_knn *knn, const az_knn_options *options, az_error *error) {
    knn->options = *options;
    if (!knn->options.compressor)
        knn->options.compressor = "gzip";
    if (knn->options.k == 0)
        knn->options.k = 1;
    size_t n_name = strlen(knn->options.compressor) + 1, n_separator = options->separator.n_bytes;
    knn->names = az_alloc(knn->heap, n_name + n_separator);
    if (!knn->names)
        return az_alloc_failed(knn->heap, n_name + n_separator, error);
    memcpy(knn->names, knn->options.compressor, n_name);
    if (n_separator)
        memcpy(knn->names + n_name, options->separator.data, n_separator);
    knn->options.compressor = knn->names;
    knn->options.separator = (az_text){knn->names + n_name, n_separator};
    if (knn->options.k > AZ_KNN_MAX || (int)options->distance < 0 ||
        options->distance > AZ_DISTANCE_CONDITIONAL || (int)options->votes < 0 ||
        options->votes > AZ_VOTES_DISTANCE)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "k %u: a number from 1 to %d is expected, and a known distance and "
                            "rule of votes",
                            knn->options.k, AZ_KNN_MAX);
    return AZ_OK;
}

az_status az_knn_open(az_knn *knn, const az_knn_options *options, const az_text *texts,
                      const uint32_t *labels, size_t n, uint32_t n_labels, az_pool *pool,
                      az_heap *heap, az_error *error) {
    *knn = (az_knn){.heap = heap, .texts = texts, .labels = labels, .n = n, .n_labels = n_labels};
    az_status status = copy_options(knn, options, error);
    if (status == AZ_OK) {
        az_knn_scratch scratch = {0}; /* asks for the compressor before threads do */
        status = open_compressor(knn, &scratch, error);
        az_knn_scratch_free(knn, &scratch);
    }
    if (status == AZ_OK) {
        knn->sizes = az_alloc(heap, n * sizeof *knn->sizes);
        status = knn->sizes ? measure_all(knn, pool, error)
                            : az_alloc_failed(heap, n * sizeof *knn->sizes, error);
    }
    if (status != AZ_OK)
        az_knn_close(knn);
    return status;
}

void az_knn_close(az_knn *knn) {
    if (!knn->heap)
        return;
    az_free(knn->heap, knn->names);
    az_free(knn->heap, knn->sizes);
    *knn = (az_knn){0};
}

/* ---- Neighbours ------------------------------------------------------------------ */

/* Rows come in order, so that an equal distance stays behind those that are there. */
static void insert(az_near *near, unsigned *n_near, unsigned k, az_near new_one) {
    if (*n_near == k && az_fraction_compare(new_one.distance, near[k - 1].distance) >= 0)
        return;
    unsigned i = *n_near < k ? (*n_near)++ : k - 1;
    for (; i > 0 && az_fraction_compare(new_one.distance, near[i - 1].distance) < 0; i--)
        near[i] = near[i - 1];
    near[i] = new_one;
}

az_status az_knn_find(const az_knn *knn, az_knn_scratch *s, az_text text, unsigned k, az_near *near,
                      unsigned *n_near, az_error *error) {
    uint64_t x, xy;
    *n_near = 0;
    AZ_TRY(az_knn_size(knn, s, text, &x, error));
    for (size_t i = 0; i < knn->n; i++) {
        AZ_TRY(az_knn_joined_size(knn, s, text, knn->texts[i], &xy, error));
        insert(near, n_near, k,
               (az_near){az_distance_of(knn->options.distance, x, knn->sizes[i], xy), (uint32_t)i});
    }
    return AZ_OK;
}

/* ---- Votes ------------------------------------------------------------------------- */

/* Votes of the first n into shares (as counts); whether one label alone has most. The winner is
 * the lowest label of those that have most. */
static bool count_votes(const az_knn *knn, const az_near *near, unsigned n, double *shares,
                        uint32_t *winner) {
    for (uint32_t c = 0; c < knn->n_labels; c++)
        shares[c] = 0;
    for (unsigned i = 0; i < n; i++)
        shares[knn->labels[near[i].row]]++;
    bool alone = true;
    *winner = 0;
    for (uint32_t c = 1; c < knn->n_labels; c++) {
        alone = shares[c] > shares[*winner] || (alone && shares[c] < shares[*winner]);
        *winner = shares[c] > shares[*winner] ? c : *winner;
    }
    return alone;
}

/* Of the labels that have most votes, the one whose neighbours' distances add up to least; the
 * lowest label where that is equal, too. */
static uint32_t nearest_label(const az_knn *knn, const az_near *near, unsigned n,
                              const double *shares, uint32_t winner) {
    double least = 0;
    uint32_t best = winner;
    for (uint32_t c = 0; c < knn->n_labels; c++) {
        if (shares[c] < shares[winner])
            continue;
        double sum = 0;
        for (unsigned i = 0; i < n; i++)
            if (knn->labels[near[i].row] == c)
                sum += az_fraction_value(near[i].distance);
        if (c == winner || sum < least) {
            least = sum;
            best = c;
        }
    }
    return best;
}

uint32_t az_knn_vote(const az_knn *knn, const az_near *near, unsigned n_near, double *shares) {
    unsigned n = n_near;
    uint32_t winner;
    while (!count_votes(knn, near, n, shares, &winner) && n > 1 &&
           knn->options.votes == AZ_VOTES_LOWEST_K)
        n--;
    if (knn->options.votes == AZ_VOTES_DISTANCE)
        winner = nearest_label(knn, near, n, shares, winner);
    for (uint32_t c = 0; c < knn->n_labels; c++)
        shares[c] /= n;
    return winner;
}
