/* overlap: rows whose texts are the same, or nearly. A table keeps the row that had a text first;
 * the texts themselves are compared, not only hashes. */
#include "dataset.h"

typedef struct text_set {
    az_heap *heap;
    const az_dataset *dataset;
    uint32_t *buckets; /* [mask + 1] row + 1; 0: free */
    size_t mask;
    bool nearly;
} text_set;

/* The next letter or digit at or behind *at, ASCII in lower case; -1 at the end. */
static int next_letter(az_text text, size_t *at) {
    const uint8_t *p = text.data;
    while (*at < text.n_bytes) {
        uint8_t c = p[(*at)++];
        if (c >= 'A' && c <= 'Z')
            return c + 32;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80)
            return c;
    }
    return -1;
}

static bool has_letters(az_text text) {
    size_t at = 0;
    return next_letter(text, &at) >= 0;
}

/* Texts without a letter or digit are near to none but their like. */
static uint64_t hash_of(az_text text, bool nearly) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    const uint8_t *p = text.data;
    nearly = nearly && has_letters(text);
    size_t at = 0;
    for (int c; nearly && (c = next_letter(text, &at)) >= 0;)
        hash = (hash ^ (uint64_t)c) * UINT64_C(0x100000001B3);
    for (size_t i = 0; !nearly && i < text.n_bytes; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 32;
}

static bool are_same(az_text a, az_text b, bool nearly) {
    if (!nearly || !has_letters(a))
        return a.n_bytes == b.n_bytes && (a.n_bytes == 0 || memcmp(a.data, b.data, a.n_bytes) == 0);
    size_t at_a = 0, at_b = 0;
    for (;;) {
        int x = next_letter(a, &at_a), y = next_letter(b, &at_b);
        if (x != y)
            return false;
        if (x < 0)
            return true;
    }
}

/* The bucket of this text, or the free one where it would be. */
static uint32_t *find(const text_set *set, az_text text) {
    size_t i = hash_of(text, set->nearly) & set->mask;
    while (set->buckets[i] &&
           !are_same(set->dataset->rows[set->buckets[i] - 1].text, text, set->nearly))
        i = (i + 1) & set->mask;
    return set->buckets + i;
}

static az_status open_set(text_set *set, const az_dataset *dataset, bool nearly, az_heap *heap,
                          az_error *error) {
    *set = (text_set){.heap = heap, .dataset = dataset, .nearly = nearly, .mask = 63};
    while (set->mask < dataset->n_rows * 2)
        set->mask = set->mask * 2 + 1;
    set->buckets = az_alloc(heap, (set->mask + 1) * sizeof *set->buckets);
    return set->buckets ? AZ_OK
                        : az_alloc_failed(heap, (set->mask + 1) * sizeof *set->buckets, error);
}

static az_status fill_set(text_set *set, const az_dataset *dataset, bool nearly, az_heap *heap,
                          az_error *error) {
    AZ_TRY(open_set(set, dataset, nearly, heap, error));
    for (size_t i = 0; i < dataset->n_rows; i++) {
        uint32_t *bucket = find(set, dataset->rows[i].text);
        if (!*bucket)
            *bucket = (uint32_t)i + 1;
    }
    return AZ_OK;
}

static size_t count_empty(const az_dataset *d) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_rows; i++)
        n += d->rows[i].text.n_bytes == 0;
    return n;
}

az_status az_dataset_overlap(az_overlap *overlap, const az_dataset *train, const az_dataset *test,
                             az_error *error) {
    if (!overlap || !train || !test)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_overlap: a pointer is NULL");
    az_overlap found = {.n_empty_train = count_empty(train), .n_empty_test = count_empty(test)};
    for (size_t i = 0; i < test->n_names; i++)
        found.n_labels_missing += az_dataset_find_label(train, test->names[i]) < 0;
    for (int nearly = 0; nearly <= 1; nearly++) {
        text_set set;
        AZ_TRY(fill_set(&set, train, nearly, train->heap, error));
        for (size_t i = 0; i < test->n_rows; i++)
            *(nearly ? &found.n_near : &found.n_exact) += *find(&set, test->rows[i].text) != 0;
        az_free(set.heap, set.buckets);
    }
    *overlap = found;
    return AZ_OK;
}

az_status az_dataset_dedupe(az_dataset *train, const az_dataset *test, size_t *n_dropped,
                            az_error *error) {
    if (!train || !n_dropped)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_dedupe: a pointer is NULL");
    text_set in_test = {0}, kept;
    if (test)
        AZ_TRY(fill_set(&in_test, test, true, train->heap, error));
    az_status status = open_set(&kept, train, true, train->heap, error);
    size_t n = 0;
    for (size_t i = 0; status == AZ_OK && i < train->n_rows; i++) {
        if (test && *find(&in_test, train->rows[i].text))
            continue;
        /* Kept rows move up, never past the row that is looked at. */
        uint32_t *bucket = find(&kept, train->rows[i].text);
        if (*bucket)
            continue;
        *bucket = (uint32_t)n + 1;
        train->rows[n++] = train->rows[i];
    }
    if (status == AZ_OK) {
        *n_dropped = train->n_rows - n;
        train->n_rows = n;
        az_free(train->heap, kept.buckets);
    }
    if (test)
        az_free(train->heap, in_test.buckets);
    return status;
}
