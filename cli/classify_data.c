/* Data sets as the options want them. */
#include "classification.h"

#include <stdlib.h>
#include <string.h>

/* A table taken to have no header, whose first row alone has its label: it may be one. */
static bool may_have_header(const az_dataset *dataset, const az_dataset_options *options) {
    size_t n = az_dataset_n_rows(dataset);
    if (options->header != 0 || n < 20 || az_dataset_n_labels(dataset) > n / 4 ||
        !strstr(az_dataset_describe(dataset), "without a header"))
        return false;
    int64_t label = az_dataset_row(dataset, 0).label;
    for (size_t i = 1; label >= 0 && i < n; i++)
        if (az_dataset_row(dataset, i).label == label)
            return false;
    return label >= 0;
}

int az_read_dataset(az_dataset **out, const az_classify_options *opt, const char *path,
                    const char *labels, bool unlabelled) {
    az_error error = {0};
    az_dataset_options options = opt->data;
    options.labels_path = labels;
    options.unlabelled = unlabelled;
    if (az_dataset_open(out, path, &options, NULL, &error) != AZ_OK)
        return az_say_library_error(&opt->base, NULL, &error);
    if (may_have_header(*out, &options))
        az_say_warning(&opt->base, path,
                       "no other row has the label of the first one; if that names the columns, "
                       "say --header.");
    if (opt->base.verbosity > 0)
        az_say(path, "%s; %zu rows, %zu labels.", az_dataset_describe(*out),
               az_dataset_n_rows(*out), az_dataset_n_labels(*out));
    return AZ_EXIT_OK;
}

static uint64_t mix(uint64_t z) { /* SplitMix64 */
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

typedef struct drawn {
    uint64_t key;
    size_t row;
    int64_t label;
} drawn;

/* Row i's key is mix(mix(seed) + i): a label's rows of the lowest keys are drawn. */
static int by_label_and_key(const void *a, const void *b) {
    const drawn *x = a, *y = b;
    if (x->label != y->label)
        return (x->label > y->label) - (x->label < y->label);
    if (x->key != y->key)
        return (x->key > y->key) - (x->key < y->key);
    return (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The first n_rows rows, then `shots` of each label; both in the order of the file. */
static bool choose(const az_dataset *dataset, size_t n_rows, size_t shots, uint64_t seed,
                   size_t *rows, size_t *n) {
    *n = az_dataset_n_rows(dataset);
    if (n_rows && n_rows < *n)
        *n = n_rows;
    for (size_t i = 0; i < *n; i++)
        rows[i] = i;
    if (!shots)
        return true;
    drawn *all = malloc((*n + 1) * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < *n; i++)
        all[i] = (drawn){mix(mix(seed) + i), i, az_dataset_row(dataset, i).label};
    qsort(all, *n, sizeof *all, by_label_and_key);
    size_t n_drawn = 0, n_of_label = 0;
    for (size_t i = 0; i < *n; i++) {
        n_of_label = i && all[i].label == all[i - 1].label ? n_of_label + 1 : 0;
        if (n_of_label < shots && all[i].label >= 0)
            rows[n_drawn++] = all[i].row;
    }
    free(all);
    qsort(rows, n_drawn, sizeof *rows, by_row);
    *n = n_drawn;
    return true;
}

int az_choose_rows(az_dataset **dataset, const az_classify_options *opt, int64_t n_rows,
                   int64_t shots) {
    if (!n_rows && !shots)
        return AZ_EXIT_OK;
    az_dataset *subset = NULL;
    az_error error = {.status = AZ_ERROR_MEMORY, .text = "not enough memory"};
    size_t n, *rows = malloc((az_dataset_n_rows(*dataset) + 1) * sizeof *rows);
    az_status status = AZ_ERROR_MEMORY;
    if (rows && choose(*dataset, (size_t)n_rows, (size_t)shots, (uint64_t)opt->seed, rows, &n))
        status = az_dataset_subset(&subset, *dataset, rows, n, NULL, &error);
    free(rows);
    if (status != AZ_OK)
        return az_say_library_error(&opt->base, NULL, &error);
    az_dataset_close(dataset);
    *dataset = subset;
    return AZ_EXIT_OK;
}
