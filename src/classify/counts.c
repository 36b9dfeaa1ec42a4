/* counts: see counts.h. */
#include "counts.h"

#include <stdlib.h>

#include "maths.h"

#define COUNTS_ALPHA 0.1 /* docs/classification.md */
/* A score is minus a label's nats; of independent features they would be log-odds as they are. */
#define SHARPNESS_LOW 0.01
#define SHARPNESS_HIGH 1.0
#define SHARPNESS_USUAL 0.3

enum {
    SLOTS_MIN = 1 << 10,
    CALIBRATION_TEXTS = 2000,
    HASH_SHIFT = 64 - AZ_FEATURE_HASH_BITS,
    NONE = 0
};
#define CELLS_MAX ((uint64_t)1 << 28) /* 1 GiB */
#define NEVER (-1e9)

az_feature_kinds az_counts_kinds(uint32_t image_width) {
    return (az_feature_kinds){.image_width = image_width, .n_words = 2};
}

/* ---- A text's features ------------------------------------------------------------ */

static int compare(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static az_status find_features(az_counts_scratch *s, const az_feature_kinds *kinds, az_text text,
                               az_error *error) {
    s->n = 0;
    AZ_TRY(az_features_find(&s->list, kinds, text, error));
    if (s->list.n > s->capacity) {
        az_free(s->list.heap, s->hashes);
        s->capacity = 0;
        s->hashes = az_alloc(s->list.heap, 2 * s->list.n * sizeof *s->hashes);
        if (!s->hashes)
            return az_alloc_failed(s->list.heap, 2 * s->list.n * sizeof *s->hashes, error);
        s->capacity = 2 * s->list.n;
    }
    if (s->list.n)
        memcpy(s->hashes, s->list.hashes, s->list.n * sizeof *s->hashes);
    qsort(s->hashes, s->list.n, sizeof *s->hashes, compare);
    for (size_t i = 0; i < s->list.n; i++)
        if (s->n == 0 || s->hashes[s->n - 1] != s->hashes[i])
            s->hashes[s->n++] = s->hashes[i];
    return AZ_OK;
}

/* Where among a text's features. */
static size_t index_of(const az_counts_scratch *s, uint64_t hash) {
    size_t low = 0, high = s->n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void az_counts_scratch_free(az_counts_scratch *s) {
    if (!s->list.heap)
        return;
    az_free(s->list.heap, s->hashes);
    az_features_free(&s->list);
    s->hashes = NULL;
    s->n = s->capacity = 0;
}

/* ---- The table --------------------------------------------------------------------- */

static size_t slot_of(const az_counts *c, uint64_t hash) {
    size_t slot = (size_t)((hash >> HASH_SHIFT) * UINT64_C(0x9E3779B97F4A7C15) >> 20) % c->n_slots;
    while (c->slots[slot] != NONE && c->hashes[c->slots[slot] - 1] != hash)
        slot = slot + 1 < c->n_slots ? slot + 1 : 0;
    return slot;
}

/* The feature's row of counts, or NULL. */
static uint32_t *row_of(const az_counts *c, uint64_t hash) {
    uint32_t number = c->slots[slot_of(c, hash)];
    return number == NONE ? NULL : c->counts + (size_t)(number - 1) * c->n_labels;
}

static az_status make_room(az_counts *c, size_t n_more, az_error *error) {
    if (c->n + n_more <= c->capacity)
        return AZ_OK;
    size_t capacity = 2 * c->capacity > c->n + n_more ? 2 * c->capacity : c->n + n_more;
    size_t n_slots = 2 * capacity > SLOTS_MIN ? 2 * capacity : SLOTS_MIN;
    uint64_t *hashes = NULL;
    uint32_t *counts = NULL, *slots = NULL;
    if (capacity < UINT32_MAX && (uint64_t)capacity * c->n_labels <= CELLS_MAX) {
        hashes = az_alloc(c->heap, capacity * sizeof *hashes);
        counts = az_alloc(c->heap, capacity * c->n_labels * sizeof *counts);
        slots = az_alloc(c->heap, n_slots * sizeof *slots);
    }
    if (!hashes || !counts || !slots) {
        az_free(c->heap, hashes);
        az_free(c->heap, counts);
        az_free(c->heap, slots);
        return az_alloc_failed(c->heap, capacity * c->n_labels * sizeof *counts, error);
    }
    if (c->n) {
        memcpy(hashes, c->hashes, c->n * sizeof *hashes);
        memcpy(counts, c->counts, c->n * c->n_labels * sizeof *counts);
    }
    az_free(c->heap, c->hashes);
    az_free(c->heap, c->counts);
    az_free(c->heap, c->slots);
    c->hashes = hashes;
    c->counts = counts;
    c->slots = slots;
    c->capacity = capacity;
    c->n_slots = n_slots;
    for (size_t i = 0; i < c->n; i++)
        c->slots[slot_of(c, hashes[i])] = (uint32_t)(i + 1);
    return AZ_OK;
}

az_status az_counts_open(az_counts *c, uint32_t n_labels, const az_feature_kinds *kinds,
                         az_heap *heap, az_error *error) {
    *c = (az_counts){.heap = heap,
                     .n_labels = n_labels,
                     .kinds = *kinds,
                     .calibration = {.sharpness = SHARPNESS_USUAL, .held_out_accuracy = -1}};
    c->n_texts = az_alloc(heap, n_labels * sizeof *c->n_texts);
    c->sums = az_alloc(heap, n_labels * sizeof *c->sums);
    if (!c->n_texts || !c->sums)
        return az_alloc_failed(heap, n_labels * sizeof *c->sums, error);
    return make_room(c, SLOTS_MIN / 2, error);
}

void az_counts_close(az_counts *c) {
    if (!c->heap)
        return;
    az_free(c->heap, c->n_texts);
    az_free(c->heap, c->sums);
    az_free(c->heap, c->slots);
    az_free(c->heap, c->hashes);
    az_free(c->heap, c->counts);
    *c = (az_counts){0};
}

az_status az_counts_add_label(az_counts *c, az_error *error) {
    size_t n = c->n_labels;
    uint64_t *n_texts = az_alloc(c->heap, (n + 1) * sizeof *n_texts);
    uint64_t *sums = az_alloc(c->heap, (n + 1) * sizeof *sums);
    uint32_t *counts = az_alloc(c->heap, c->capacity * (n + 1) * sizeof *counts);
    if (!n_texts || !sums || !counts) {
        az_free(c->heap, n_texts);
        az_free(c->heap, sums);
        az_free(c->heap, counts);
        return az_alloc_failed(c->heap, c->capacity * (n + 1) * sizeof *counts, error);
    }
    memcpy(n_texts, c->n_texts, n * sizeof *n_texts);
    memcpy(sums, c->sums, n * sizeof *sums);
    for (size_t i = 0; i < c->n; i++)
        memcpy(counts + i * (n + 1), c->counts + i * n, n * sizeof *counts);
    az_free(c->heap, c->n_texts);
    az_free(c->heap, c->sums);
    az_free(c->heap, c->counts);
    c->n_texts = n_texts;
    c->sums = sums;
    c->counts = counts;
    c->n_labels++;
    return AZ_OK;
}

static bool is_alive(const az_counts *c, const uint32_t *row) {
    for (uint32_t l = 0; l < c->n_labels; l++)
        if (row[l])
            return true;
    return false;
}

static az_status take_away(az_counts *c, const az_counts_scratch *s, uint32_t label,
                           az_error *error) {
    bool has = c->n_texts[label] > 0;
    for (size_t i = 0; i < s->n && has; i++) {
        const uint32_t *row = row_of(c, s->hashes[i]);
        has = row && row[label] > 0;
    }
    if (!has)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "the label has no such text to be taken away");
    for (size_t i = 0; i < s->n; i++) {
        uint32_t *row = row_of(c, s->hashes[i]);
        row[label]--;
        c->n_alive -= !is_alive(c, row);
    }
    c->sums[label] -= s->n;
    c->n_texts[label]--;
    return AZ_OK;
}

az_status az_counts_change(az_counts *c, az_counts_scratch *s, az_text text, uint32_t label,
                           int sign, az_error *error) {
    AZ_TRY(find_features(s, &c->kinds, text, error));
    if (sign < 0)
        return take_away(c, s, label, error);
    if (c->n_texts[label] == UINT32_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a label has at most %u texts", UINT32_MAX);
    AZ_TRY(make_room(c, s->n, error));
    for (size_t i = 0; i < s->n; i++) {
        size_t slot = slot_of(c, s->hashes[i]);
        if (c->slots[slot] == NONE) {
            c->hashes[c->n++] = s->hashes[i];
            c->slots[slot] = (uint32_t)c->n;
        }
        uint32_t *row = c->counts + (size_t)(c->slots[slot] - 1) * c->n_labels;
        c->n_alive += !is_alive(c, row);
        row[label]++;
    }
    c->sums[label] += s->n;
    c->n_texts[label]++;
    return AZ_OK;
}

/* ---- Scores --------------------------------------------------------------------------- */

/* Minus the nats of each label, scores [n_labels]; own: the label that the text itself was counted
 * for, as if it had not been, or n_labels. */
static void find_scores(const az_counts *c, const az_counts_scratch *s, uint32_t own,
                        double *scores) {
    size_t n_known = 0;
    for (uint32_t l = 0; l < c->n_labels; l++)
        scores[l] = 0;
    for (size_t i = 0; i < s->n; i++) {
        const uint32_t *row = row_of(c, s->hashes[i]);
        if (!row)
            continue;
        n_known++;
        for (uint32_t l = 0; l < c->n_labels; l++)
            scores[l] += az_ln(row[l] - (l == own) + COUNTS_ALPHA);
    }
    for (uint32_t l = 0; l < c->n_labels; l++) {
        double n_texts = (double)c->n_texts[l] - (l == own);
        double sum = (double)c->sums[l] - (l == own ? (double)s->n : 0);
        if (n_texts > 0)
            scores[l] += az_ln(n_texts) -
                         (double)n_known * az_ln(sum + COUNTS_ALPHA * (double)(c->n_alive + 1));
        else
            scores[l] = NEVER;
    }
}

az_status az_counts_run(const az_counts *c, az_counts_scratch *s, az_text text,
                        double *probabilities, az_error *error) {
    AZ_TRY(find_features(s, &c->kinds, text, error));
    find_scores(c, s, c->n_labels, probabilities);
    az_make_probabilities(probabilities, c->n_labels, c->calibration.sharpness, probabilities);
    return AZ_OK;
}

az_status az_counts_calibrate(az_counts *c, az_counts_scratch *s, const az_text *texts,
                              const uint32_t *labels, size_t n, az_error *error) {
    size_t step = (n + CALIBRATION_TEXTS - 1) / CALIBRATION_TEXTS, n_seen = 0;
    size_t n_most = step ? n / step + 1 : 1;
    float *scores = az_alloc(c->heap, n_most * c->n_labels * sizeof *scores);
    uint32_t *rows = az_alloc(c->heap, 2 * n_most * sizeof *rows), *truth = rows + n_most;
    double *exact = az_alloc(c->heap, c->n_labels * sizeof *exact);
    az_status status = AZ_OK;
    if (!scores || !rows || !exact)
        status = az_alloc_failed(c->heap, n_most * c->n_labels * sizeof *scores, error);
    for (size_t i = 0; i < n && status == AZ_OK; i += step) {
        if (c->n_texts[labels[i]] < 2)
            continue; /* without it the label would not be there */
        status = find_features(s, &c->kinds, texts[i], error);
        if (status != AZ_OK)
            break;
        find_scores(c, s, labels[i], exact);
        for (uint32_t l = 0; l < c->n_labels; l++)
            scores[n_seen * c->n_labels + l] = (float)(exact[l] - exact[labels[i]]);
        truth[n_seen] = labels[i];
        rows[n_seen] = (uint32_t)n_seen;
        n_seen++;
    }
    const az_held_out seen = {.scores = scores,
                              .labels = truth,
                              .rows = rows,
                              .n = n_seen,
                              .n_labels = c->n_labels,
                              .low = SHARPNESS_LOW,
                              .high = SHARPNESS_HIGH,
                              .usual = SHARPNESS_USUAL};
    if (status == AZ_OK)
        status = az_calibrate(&c->calibration, &seen, c->heap, error);
    az_free(c->heap, scores);
    az_free(c->heap, rows);
    az_free(c->heap, exact);
    return status;
}

az_status az_counts_explain(const az_counts *c, az_counts_scratch *s, az_text text, uint32_t a,
                            uint32_t b, double *bits, double *constant, az_error *error) {
    if (!s->list.with_places) {
        az_features_free(&s->list);
        s->list.with_places = true;
    }
    AZ_TRY(find_features(s, &c->kinds, text, error));
    const double bits_of_score = c->calibration.sharpness * 1.4426950408889634; /* 1 / ln 2 */
    const double alive = COUNTS_ALPHA * (double)(c->n_alive + 1);
    const double base = az_ln((double)c->sums[b] + alive) - az_ln((double)c->sums[a] + alive);
    for (size_t i = 0; i < text.n_bytes; i++)
        bits[i] = 0;
    *constant = 0;
    if (c->n_texts[a] == 0 || c->n_texts[b] == 0) {
        *constant = NEVER * bits_of_score * ((c->n_texts[a] == 0) - (c->n_texts[b] == 0));
        return AZ_OK;
    }
    *constant = (az_ln((double)c->n_texts[a]) - az_ln((double)c->n_texts[b])) * bits_of_score;
    uint32_t *n_places = az_alloc(c->heap, s->n * sizeof *n_places);
    if (!n_places)
        return az_alloc_failed(c->heap, s->n * sizeof *n_places, error);
    for (size_t i = 0; i < s->list.n; i++)
        n_places[index_of(s, s->list.hashes[i])]++;
    for (size_t i = 0; i < s->list.n; i++) {
        const uint32_t *row = row_of(c, s->list.hashes[i]);
        if (!row)
            continue;
        double earned = (az_ln(row[a] + COUNTS_ALPHA) - az_ln(row[b] + COUNTS_ALPHA) + base) *
                        bits_of_score / n_places[index_of(s, s->list.hashes[i])];
        *constant += az_feature_earns(&s->list, i, earned, bits, text.n_bytes);
    }
    az_free(c->heap, n_places);
    return AZ_OK;
}

/* ---- Files --------------------------------------------------------------------------------- */

typedef struct sorted {
    uint64_t hash;
    size_t number;
} sorted;

static int compare_sorted(const void *a, const void *b) {
    return compare(&((const sorted *)a)->hash, &((const sorted *)b)->hash);
}

void az_counts_save(const az_counts *c, az_packer *p) {
    az_pack_varint(p, c->kinds.image_width);
    for (uint32_t l = 0; l < c->n_labels; l++)
        az_pack_varint(p, c->n_texts[l]);
    az_calibration_save(&c->calibration, p);
    az_pack_varint(p, c->n_alive);
    sorted *order = az_alloc(c->heap, c->n * sizeof *order);
    if (!order) {
        p->failed = true;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (is_alive(c, c->counts + i * c->n_labels))
            order[n++] = (sorted){c->hashes[i], i};
    qsort(order, n, sizeof *order, compare_sorted);
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = c->counts + order[i].number * c->n_labels;
        uint64_t hash = order[i].hash >> HASH_SHIFT;
        uint32_t n_here = 0, next = 0;
        for (uint32_t l = 0; l < c->n_labels; l++)
            n_here += row[l] != 0;
        az_pack_varint(p, hash - before - 1);
        before = hash;
        az_pack_varint(p, n_here);
        for (uint32_t l = 0; l < c->n_labels; l++) {
            if (!row[l])
                continue;
            az_pack_varint(p, l - next);
            az_pack_varint(p, row[l]);
            next = l + 1;
        }
    }
    az_free(c->heap, order);
}

static void load_row(az_counts *c, az_unpacker *u, uint32_t *row) {
    uint64_t n = az_unpack_varint(u, c->n_labels), label = 0;
    if (n == 0)
        u->failed = true;
    for (uint64_t k = 0; k < n && !u->failed; k++, label++) {
        label += az_unpack_varint(u, c->n_labels);
        uint64_t count = az_unpack_varint(u, UINT32_MAX);
        if (label >= c->n_labels || count == 0 || count > c->n_texts[label]) {
            u->failed = true;
            return;
        }
        row[label] = (uint32_t)count;
        c->sums[label] += count;
    }
}

az_status az_counts_load(az_counts *c, uint32_t n_labels, az_unpacker *u, az_heap *heap,
                         az_error *error) {
    az_feature_kinds kinds = az_counts_kinds((uint32_t)az_unpack_varint(u, UINT32_MAX));
    AZ_TRY(az_counts_open(c, n_labels, &kinds, heap, error));
    for (uint32_t l = 0; l < n_labels; l++)
        c->n_texts[l] = az_unpack_varint(u, UINT32_MAX);
    az_calibration_load(&c->calibration, u);
    uint64_t n = az_unpack_varint(u, UINT32_MAX - 1);
    if (n > (u->n_bytes - u->pos) / 4) /* memory only for what can be there */
        u->failed = true;
    if (!u->failed)
        AZ_TRY(make_room(c, (size_t)n, error));
    uint64_t hash = UINT64_MAX;
    const uint64_t max = ((uint64_t)1 << AZ_FEATURE_HASH_BITS) - 1;
    for (uint64_t i = 0; i < n && !u->failed; i++) {
        hash += 1 + az_unpack_varint(u, max);
        if (hash > max) {
            u->failed = true;
            break;
        }
        c->hashes[c->n] = hash << HASH_SHIFT;
        c->slots[slot_of(c, c->hashes[c->n])] = (uint32_t)(c->n + 1);
        load_row(c, u, c->counts + c->n * n_labels);
        c->n++;
    }
    c->n_alive = c->n;
    return u->failed ? az_error_set(error, AZ_ERROR_DAMAGED, u->pos,
                                    "the classifier is damaged near byte %zu", u->pos)
                     : AZ_OK;
}
