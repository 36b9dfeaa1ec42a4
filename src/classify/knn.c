/* knn: every pair of texts is joined and measured; what a training text costs alone is known. */
#include "knn.h"

/* Of two texts together: their distances' cross products have 63 bits. */
#define TEXTS_MAX ((size_t)1 << 30)

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
    if (n_bytes > TEXTS_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "two texts of %zu bytes together are too long: 1 GiB at most", n_bytes);
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

static void free_seconds(const az_knn *knn, az_knn_scratch *s) {
    for (size_t i = 0; i < s->n_seconds; i++)
        az_free(knn->heap, s->seconds[i].places);
    s->n_seconds = 0;
}

void az_knn_scratch_free(const az_knn *knn, az_knn_scratch *s) {
    az_compressor_close(&s->compressor);
    free_seconds(knn, s);
    az_free(knn->heap, s->seconds);
    az_deflate_first_close(&s->first);
    az_free(knn->heap, s->joined);
    *s = (az_knn_scratch){0};
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

/* ---- Pairs by deflate_size ---- */

static az_status make_seconds(const az_knn *knn, az_knn_scratch *s, const az_text *texts, size_t n,
                              az_error *error) {
    if (!s->first)
        AZ_TRY(az_deflate_first_open(&s->first, knn->heap, error));
    if (!s->seconds)
        s->seconds = az_alloc(knn->heap, AZ_KNN_BLOCK * sizeof *s->seconds);
    if (!s->seconds)
        return az_alloc_failed(knn->heap, AZ_KNN_BLOCK * sizeof *s->seconds, error);
    free_seconds(knn, s);
    for (size_t i = 0; i < n; i++) {
        AZ_TRY(az_deflate_second_make(s->seconds + i, texts[i], s->first, knn->heap, error));
        s->n_seconds++;
    }
    return AZ_OK;
}

static void set_first(const az_knn *knn, az_knn_scratch *s, az_text text) {
    const az_text parts[2] = {text, knn->options.separator};
    az_deflate_first_set(s->first, parts, 2);
}

/* The size of a pair whose first text is set, with `second` behind it; x and y as in
 * az_knn_joined_size(), which does what is not covered. */
static az_status quick_size(const az_knn *knn, az_knn_scratch *s, size_t second, az_text x,
                            az_text y, uint64_t *size, az_error *error) {
    *size = az_deflate_pair_size(s->first, s->seconds + second);
    if (*size == 0)
        return az_knn_joined_size(knn, s, x, y, size, error);
    *size += knn->wrapping;
    return AZ_OK;
}

/* Whether some pairs of training texts have the sizes that this zlib makes of them. */
static az_status check_quick(az_knn *knn, az_error *error) {
    az_knn_scratch s = {0};
    az_status status = open_compressor(knn, &s, error);
    knn->is_quick = status == AZ_OK && az_compressor_is_deflate_9(s.compressor, &knn->wrapping);
    for (size_t i = 0; knn->is_quick && status == AZ_OK && i < 16; i++) {
        az_text x = knn->texts[i * 31 % knn->n], y = knn->texts[(i * 17 + 1) % knn->n];
        uint64_t quick = 0, slow = 0;
        status = make_seconds(knn, &s, knn->options.train_first ? &x : &y, 1, error);
        if (status != AZ_OK)
            break;
        set_first(knn, &s, knn->options.train_first ? y : x);
        status = quick_size(knn, &s, 0, x, y, &quick, error);
        if (status == AZ_OK)
            status = az_knn_joined_size(knn, &s, x, y, &slow, error);
        knn->is_quick = status == AZ_OK && quick == slow;
    }
    az_knn_scratch_free(knn, &s);
    return status;
}

/* ---- All rows ---- */

/* What a search is doing. */
typedef struct search {
    const az_text *texts; /* [n_texts] */
    size_t n_texts;
    uint64_t sizes[AZ_KNN_TEXTS];
    unsigned k;
    az_near *near;    /* [n_texts][k] */
    unsigned *n_near; /* [n_texts] */
} search;

static void take(const az_knn *knn, const search *f, size_t text, size_t row, uint64_t xy) {
    insert(f->near + text * f->k, f->n_near + text, f->k,
           (az_near){az_distance_of(knn->options.distance, f->sizes[text], knn->sizes[row], xy),
                     (uint32_t)row});
}

/* Each training text is the first of pairs with all texts. */
static az_status find_train_first(const az_knn *knn, az_knn_scratch *s, const search *f,
                                  az_error *error) {
    uint64_t xy;
    AZ_TRY(make_seconds(knn, s, f->texts, f->n_texts, error));
    for (size_t row = 0; row < knn->n; row++) {
        set_first(knn, s, knn->texts[row]);
        for (size_t i = 0; i < f->n_texts; i++) {
            AZ_TRY(quick_size(knn, s, i, f->texts[i], knn->texts[row], &xy, error));
            take(knn, f, i, row, xy);
        }
    }
    return AZ_OK;
}

/* Each text is the first of pairs with a block of training texts. */
static az_status find_test_first(const az_knn *knn, az_knn_scratch *s, const search *f,
                                 az_error *error) {
    uint64_t xy;
    for (size_t from = 0; from < knn->n; from += AZ_KNN_BLOCK) {
        size_t n = knn->n - from < AZ_KNN_BLOCK ? knn->n - from : AZ_KNN_BLOCK;
        AZ_TRY(make_seconds(knn, s, knn->texts + from, n, error));
        for (size_t i = 0; i < f->n_texts; i++) {
            set_first(knn, s, f->texts[i]);
            for (size_t k = 0; k < n; k++) {
                AZ_TRY(quick_size(knn, s, k, f->texts[i], knn->texts[from + k], &xy, error));
                take(knn, f, i, from + k, xy);
            }
        }
    }
    return AZ_OK;
}

static az_status find_slowly(const az_knn *knn, az_knn_scratch *s, const search *f,
                             az_error *error) {
    uint64_t xy;
    for (size_t i = 0; i < f->n_texts; i++)
        for (size_t row = 0; row < knn->n; row++) {
            AZ_TRY(az_knn_joined_size(knn, s, f->texts[i], knn->texts[row], &xy, error));
            take(knn, f, i, row, xy);
        }
    return AZ_OK;
}

az_status az_knn_find(const az_knn *knn, az_knn_scratch *s, const az_text *texts, size_t n_texts,
                      unsigned k, az_near *near, unsigned *n_near, az_error *error) {
    search f = {.texts = texts, .n_texts = n_texts, .k = k, .near = near, .n_near = n_near};
    for (size_t i = 0; i < n_texts; i++) {
        n_near[i] = 0;
        AZ_TRY(az_knn_size(knn, s, texts[i], f.sizes + i, error));
    }
    if (!knn->is_quick)
        return find_slowly(knn, s, &f, error);
    return knn->options.train_first ? find_train_first(knn, s, &f, error)
                                    : find_test_first(knn, s, &f, error);
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
    if (status == AZ_OK && n > 0)
        status = check_quick(knn, error);
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
