/* dataset: rows and labels in memory, and the files that they come from. */
#define _POSIX_C_SOURCE 200809L
#include "dataset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_NBYTES ((size_t)1 << 20)

/* ---- Memory -------------------------------------------------------------------- */

static az_status make(az_dataset **out, const az_allocator *allocator, uint64_t memory_limit,
                      az_error *error) {
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_heap_set_limit(heap, memory_limit);
    az_dataset *dataset = az_alloc(heap, sizeof *dataset);
    if (!dataset) {
        az_status status = az_alloc_failed(heap, sizeof *dataset, error);
        az_heap_close(&heap);
        return status;
    }
    dataset->heap = heap;
    *out = dataset;
    return AZ_OK;
}

az_status az_dataset_new(az_dataset **out, const az_allocator *allocator, az_error *error) {
    if (!out)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_new: a pointer is NULL");
    *out = NULL;
    AZ_TRY(make(out, allocator, 0, error));
    snprintf((*out)->description, sizeof(*out)->description, "rows given one by one");
    return AZ_OK;
}

void az_dataset_close(az_dataset **dataset) {
    if (!dataset || !*dataset)
        return;
    az_dataset *d = *dataset;
    az_heap *heap = d->heap;
    while (d->chunk) {
        uint8_t *before;
        memcpy(&before, d->chunk, sizeof before);
        az_free(heap, d->chunk);
        d->chunk = before;
    }
    az_free(heap, d->rows);
    az_free(heap, d->names);
    az_free(heap, d->numbers);
    az_free(heap, d->by_number);
    az_free(heap, d->buckets);
    az_free(heap, d);
    az_heap_close(&heap);
    *dataset = NULL;
}

/* A copy that lives as long as the set. */
static az_status keep(az_dataset *d, az_text *out, az_text text, az_error *error) {
    size_t n = text.n_bytes;
    if (d->chunk_used + n > d->chunk_nbytes || !d->chunk) {
        size_t n_bytes = sizeof d->chunk + (n > CHUNK_NBYTES / 4 ? n : CHUNK_NBYTES);
        uint8_t *chunk = az_alloc(d->heap, n_bytes);
        if (!chunk)
            return az_alloc_failed(d->heap, n_bytes, error);
        memcpy(chunk, &d->chunk, sizeof d->chunk);
        d->chunk = chunk;
        d->chunk_used = sizeof d->chunk;
        d->chunk_nbytes = n_bytes;
    }
    uint8_t *at = d->chunk + d->chunk_used;
    if (n && text.data)
        memcpy(at, text.data, n);
    d->chunk_used += n;
    *out = (az_text){at, n};
    return AZ_OK;
}

/* ---- Labels ---------------------------------------------------------------------- */

static size_t bucket_of(const az_dataset *d, az_text name) {
    size_t i = az_check(name.data ? name.data : "", name.n_bytes) & (d->n_buckets - 1);
    for (; d->buckets[i]; i = (i + 1) & (d->n_buckets - 1)) {
        const az_text *other = d->names + d->buckets[i] - 1;
        if (other->n_bytes == name.n_bytes &&
            (name.n_bytes == 0 || !name.data || memcmp(other->data, name.data, name.n_bytes) == 0))
            break;
    }
    return i;
}

static az_status grow_names(az_dataset *d, az_error *error) {
    if (d->n_names == d->names_capacity) {
        size_t capacity = d->names_capacity * 2 + 16;
        az_text *names = az_regrow(d->heap, d->names, d->names_capacity * sizeof *names,
                                   capacity * sizeof *names);
        if (!names)
            return az_alloc_failed(d->heap, capacity * sizeof *names, error);
        d->names = names;
        d->names_capacity = capacity;
    }
    if (d->n_names * 2 >= d->n_buckets) {
        size_t n_buckets = d->n_buckets ? d->n_buckets * 2 : 64;
        uint32_t *buckets = az_alloc(d->heap, n_buckets * sizeof *buckets);
        if (!buckets)
            return az_alloc_failed(d->heap, n_buckets * sizeof *buckets, error);
        az_free(d->heap, d->buckets);
        d->buckets = buckets;
        d->n_buckets = n_buckets;
        for (size_t i = 0; i < d->n_names; i++)
            d->buckets[bucket_of(d, d->names[i])] = (uint32_t)i + 1;
    }
    return AZ_OK;
}

static az_status find_name(az_dataset *d, az_text label, uint32_t *name, az_error *error) {
    AZ_TRY(grow_names(d, error));
    size_t bucket = bucket_of(d, label);
    if (!d->buckets[bucket]) {
        if (d->n_names == UINT16_MAX)
            return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                                "more than %d labels: is the label's column the right one?",
                                UINT16_MAX);
        AZ_TRY(keep(d, &d->names[d->n_names], label, error));
        d->buckets[bucket] = (uint32_t)++d->n_names;
        d->sorted = false;
    }
    *name = d->buckets[bucket] - 1;
    return AZ_OK;
}

/* At most 18 digits and a minus, no zeros before. */
static bool is_whole_number(az_text name, int64_t *value) {
    const char *p = name.data;
    size_t i = 0, n = name.n_bytes;
    bool minus = n > 0 && p[0] == '-';
    i += minus;
    if (n == i || n - i > 18 || (p[i] == '0' && n > i + 1))
        return false;
    for (*value = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *value = *value * 10 + (p[i] - '0');
    }
    *value = minus ? -*value : *value;
    return true;
}

static int compare_names(const az_text *a, const az_text *b, bool as_numbers) {
    int64_t x, y;
    if (as_numbers && is_whole_number(*a, &x) && is_whole_number(*b, &y))
        return (x > y) - (x < y);
    size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    int order = n ? memcmp(a->data, b->data, n) : 0;
    return order ? order : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

/* Merge sort of names, by_number from `from`, with room behind. */
static void sort_names(const az_dataset *d, uint32_t *order, uint32_t *room, size_t n,
                       bool as_numbers) {
    if (n < 2)
        return;
    size_t half = n / 2;
    sort_names(d, order, room, half, as_numbers);
    sort_names(d, order + half, room, n - half, as_numbers);
    memcpy(room, order, half * sizeof *order);
    for (size_t i = 0, k = half, to = 0; i < half; to++) {
        bool second =
            k < n && compare_names(d->names + order[k], d->names + room[i], as_numbers) < 0;
        order[to] = second ? order[k++] : room[i++];
    }
}

static az_status sort_labels(az_dataset *d, az_error *error) {
    if (d->sorted)
        return AZ_OK;
    az_free(d->heap, d->numbers);
    az_free(d->heap, d->by_number);
    d->numbers = az_alloc(d->heap, d->n_names * sizeof *d->numbers);
    d->by_number = az_alloc(d->heap, d->n_names * sizeof *d->by_number);
    if (!d->numbers || !d->by_number)
        return az_alloc_failed(d->heap, d->n_names * sizeof *d->numbers, error);
    bool as_numbers = true;
    int64_t value;
    for (size_t i = 0; i < d->n_names; i++) {
        d->by_number[i] = (uint32_t)i;
        as_numbers = as_numbers && is_whole_number(d->names[i], &value);
    }
    sort_names(d, d->by_number, d->numbers, d->n_names, as_numbers);
    for (size_t i = 0; i < d->n_names; i++)
        d->numbers[d->by_number[i]] = (uint32_t)i;
    d->sorted = true;
    return AZ_OK;
}

/* ---- Rows ---------------------------------------------------------------------------- */

az_status az_dataset_add_line(az_dataset *d, az_text text, az_text label, uint64_t line,
                              az_error *error) {
    if (d->n_rows == d->rows_capacity) {
        size_t capacity = d->rows_capacity * 2 + 64;
        az_stored_row *rows =
            az_regrow(d->heap, d->rows, d->rows_capacity * sizeof *rows, capacity * sizeof *rows);
        if (!rows)
            return az_alloc_failed(d->heap, capacity * sizeof *rows, error);
        d->rows = rows;
        d->rows_capacity = capacity;
    }
    if (d->n_rows == UINT32_MAX - 1)
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET, "more than 2^32 - 2 rows");
    az_stored_row row = {.line = line, .name = UINT32_MAX};
    if (label.data)
        AZ_TRY(find_name(d, label, &row.name, error));
    AZ_TRY(keep(d, &row.text, text, error));
    d->rows[d->n_rows++] = row;
    return AZ_OK;
}

az_status az_dataset_add(az_dataset *dataset, az_text text, az_text label, az_error *error) {
    if (!dataset || (!text.data && text.n_bytes))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_add: a pointer is NULL");
    AZ_TRY(az_dataset_add_line(dataset, text, label, 0, error));
    return sort_labels(dataset, error);
}

static az_status copy_rows(az_dataset *d, const az_dataset *from, const size_t *rows, size_t n,
                           az_error *error) {
    uint32_t name;
    for (size_t i = 0; i < from->n_names; i++)
        AZ_TRY(find_name(d, from->names[i], &name, error));
    for (size_t i = 0; i < n; i++) {
        const az_stored_row *row = from->rows + rows[i];
        az_text label = row->name == UINT32_MAX ? (az_text){0} : from->names[row->name];
        AZ_TRY(az_dataset_add_line(d, row->text, label, row->line, error));
    }
    d->image_width = from->image_width;
    memcpy(d->description, from->description, sizeof d->description);
    return sort_labels(d, error);
}

az_status az_dataset_subset(az_dataset **out, const az_dataset *from, const size_t *rows, size_t n,
                            const az_allocator *allocator, az_error *error) {
    if (!out || !from || (n && !rows))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_subset: a pointer is NULL");
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= from->n_rows)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "az_dataset_subset: there is no row %zu", rows[i]);
    AZ_TRY(make(out, allocator, az_heap_limit(from->heap), error));
    az_status status = copy_rows(*out, from, rows, n, error);
    if (status != AZ_OK)
        az_dataset_close(out);
    return status;
}

size_t az_dataset_n_rows(const az_dataset *dataset) {
    return dataset->n_rows;
}

az_row az_dataset_row(const az_dataset *dataset, size_t i) {
    const az_stored_row *row = dataset->rows + i;
    return (az_row){.text = row->text,
                    .label = row->name == UINT32_MAX ? -1 : (int64_t)dataset->numbers[row->name],
                    .line = row->line};
}

size_t az_dataset_n_labels(const az_dataset *dataset) {
    return dataset->n_names;
}

az_text az_dataset_label(const az_dataset *dataset, size_t label) {
    return dataset->names[dataset->by_number[label]];
}

int64_t az_dataset_find_label(const az_dataset *dataset, az_text name) {
    if (dataset->n_buckets == 0)
        return -1;
    uint32_t found = dataset->buckets[bucket_of(dataset, name)];
    return found ? (int64_t)dataset->numbers[found - 1] : -1;
}

uint32_t az_dataset_image_width(const az_dataset *dataset) {
    return dataset->image_width;
}

const char *az_dataset_describe(const az_dataset *dataset) {
    return dataset->description;
}

/* ---- Files ------------------------------------------------------------------------------ */

static az_status unreadable(const char *path, int number, az_error *error) {
    const char *why = number == ENOENT || number == ENOTDIR ? "there is no such file"
                      : number == EACCES                    ? "no permission to read it"
                      : number == EISDIR                    ? "is a directory"
                                                            : "can't be read";
    return az_error_set(error, AZ_ERROR_READ, AZ_ERROR_NO_OFFSET, "%s: %s", az_path_end(path), why);
}

static az_status read_all(uint8_t **data, size_t *n_bytes, int file, const char *path,
                          az_heap *heap, az_error *error) {
    size_t n = 0, capacity = 0;
    uint8_t *buf = NULL;
    struct stat about;
    size_t guess = fstat(file, &about) == 0 && about.st_size > 0 ? (size_t)about.st_size : 65536;
    for (;;) {
        if (n == capacity) {
            size_t more = capacity ? capacity * 2 : guess + 1;
            uint8_t *grown = az_regrow(heap, buf, capacity, more);
            if (!grown) {
                az_free(heap, buf);
                return az_alloc_failed(heap, more, error);
            }
            buf = grown;
            capacity = more;
        }
        ssize_t got = read(file, buf + n, capacity - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            az_free(heap, buf);
            return unreadable(path, errno, error);
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *data = buf;
    *n_bytes = n;
    return AZ_OK;
}

az_status az_dataset_read_file(uint8_t **data, size_t *n_bytes, const char *path, az_heap *heap,
                               az_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return unreadable(path, errno, error);
    az_status status = read_all(data, n_bytes, file, path, heap, error);
    close(file);
    AZ_TRY(status);
    uint8_t *content;
    size_t content_nbytes;
    status = az_unpack_file(&content, &content_nbytes, *data, *n_bytes, path, heap, error);
    if (status != AZ_OK || content) {
        az_free(heap, *data);
        *data = content;
        *n_bytes = content_nbytes;
    }
    return status;
}

void az_sha256_of(const void *data, size_t n_bytes, uint8_t *sum) {
    az_sha256 hash;
    az_sha256_begin(&hash);
    az_sha256_add(&hash, data, n_bytes);
    az_sha256_end(&hash, sum);
}

/* ---- Folders ------------------------------------------------------------------------------ */

typedef struct names {
    char **names; /* [n] */
    size_t n;
} names;

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(names *list, az_heap *heap) {
    for (size_t i = 0; i < list->n; i++)
        az_free(heap, list->names[i]);
    az_free(heap, list->names);
    *list = (names){0};
}

/* What is in a folder, sorted; names that begin with a dot are left out. */
static az_status list_folder(names *list, const char *path, az_heap *heap, az_error *error) {
    *list = (names){0};
    DIR *dir = opendir(path);
    if (!dir)
        return unreadable(path, errno, error);
    az_status status = AZ_OK;
    size_t capacity = 0;
    for (struct dirent *entry; status == AZ_OK && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        size_t n_bytes = strlen(path) + strlen(entry->d_name) + 2;
        char *name = az_alloc(heap, n_bytes);
        if (name && list->n == capacity) {
            char **grown = az_regrow(heap, list->names, capacity * sizeof *grown,
                                     (capacity * 2 + 16) * sizeof *grown);
            if (!grown) {
                az_free(heap, name);
                name = NULL;
            } else {
                list->names = grown;
                capacity = capacity * 2 + 16;
            }
        }
        if (!name) {
            status = az_alloc_failed(heap, n_bytes, error);
            break;
        }
        snprintf(name, n_bytes, "%s/%s", path, entry->d_name);
        list->names[list->n++] = name;
    }
    closedir(dir);
    if (status != AZ_OK)
        free_names(list, heap);
    else if (list->n)
        qsort(list->names, list->n, sizeof *list->names, by_bytes);
    return status;
}

static bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static az_status add_files(az_dataset *d, const char *folder, bool unlabelled, az_error *error) {
    names files;
    AZ_TRY(list_folder(&files, folder, d->heap, error));
    const char *slash = strrchr(folder, '/');
    az_text label = {slash ? slash + 1 : folder, strlen(slash ? slash + 1 : folder)};
    if (unlabelled)
        label = (az_text){0};
    az_status status = AZ_OK;
    for (size_t i = 0; i < files.n && status == AZ_OK; i++) {
        if (is_folder(files.names[i]))
            continue;
        uint8_t *data = NULL;
        size_t n_bytes = 0;
        status = az_dataset_read_file(&data, &n_bytes, files.names[i], d->heap, error);
        if (status == AZ_OK)
            status = az_dataset_add_line(d, (az_text){data, n_bytes}, label, 0, error);
        az_free(d->heap, data);
    }
    free_names(&files, d->heap);
    return status;
}

static az_status read_folder(az_dataset *d, const char *path, const az_dataset_options *options,
                             az_error *error) {
    names folders;
    AZ_TRY(list_folder(&folders, path, d->heap, error));
    az_status status = AZ_OK;
    size_t n_folders = 0;
    for (size_t i = 0; i < folders.n && status == AZ_OK; i++) {
        if (!is_folder(folders.names[i]))
            continue;
        n_folders++;
        status = add_files(d, folders.names[i], options->unlabelled, error);
    }
    if (status == AZ_OK && n_folders == 0)
        status = az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                              "%s: a folder with no folder in it; one folder a label is expected",
                              az_path_end(path));
    snprintf(d->description, sizeof d->description, "%zu folders, a label each, a file a text",
             n_folders);
    free_names(&folders, d->heap);
    return status;
}

/* ---- All forms ------------------------------------------------------------------------------ */

typedef struct adding {
    az_dataset *dataset;
    az_status status;
    az_error error;
} adding;

static int add_row(void *opaque, az_text text, az_text label, uint64_t line) {
    adding *a = opaque;
    a->status = az_dataset_add_line(a->dataset, text, label, line, &a->error);
    return a->status != AZ_OK;
}

static az_status parse(az_dataset *d, const char *name, const uint8_t *data, size_t n_bytes,
                       const az_dataset_options *options, const az_allocator *allocator,
                       az_error *error) {
    az_row_reader *reader;
    AZ_TRY(az_row_reader_open(&reader, name, options, allocator, error));
    adding a = {.dataset = d};
    az_status status = az_row_reader_push(reader, data, n_bytes, 1, add_row, &a, error);
    if (a.status != AZ_OK) {
        status = a.status;
        if (error)
            *error = a.error;
    }
    snprintf(d->description, sizeof d->description, "%s", az_row_reader_describe(reader));
    az_row_reader_close(&reader);
    return status;
}

static az_status read_path(az_dataset *d, const char *path, const az_dataset_options *options,
                           const az_allocator *allocator, az_error *error) {
    if (is_folder(path)) {
        if (options->format != AZ_DATASET_AUTO && options->format != AZ_DATASET_FOLDER)
            return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                                "%s: a folder, where a file is expected", az_path_end(path));
        return read_folder(d, path, options, error);
    }
    uint8_t *data = NULL;
    size_t n_bytes = 0;
    AZ_TRY(az_dataset_read_file(&data, &n_bytes, path, d->heap, error));
    az_status status;
    if (options->format == AZ_DATASET_IDX ||
        (options->format == AZ_DATASET_AUTO && az_is_idx(data, n_bytes)))
        status = az_idx_read(d, path, data, n_bytes, options, error);
    else
        status = parse(d, path, data, n_bytes, options, allocator, error);
    az_free(d->heap, data);
    return status;
}

static az_status finish(az_dataset **out, az_status status, az_error *error) {
    if (status == AZ_OK)
        status = sort_labels(*out, error);
    if (status != AZ_OK)
        az_dataset_close(out);
    return status;
}

az_status az_dataset_open(az_dataset **out, const char *path, const az_dataset_options *options,
                          const az_allocator *allocator, az_error *error) {
    if (!out || !path)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_open: a pointer is NULL");
    *out = NULL;
    const az_dataset_options none = {0};
    if (!options)
        options = &none;
    AZ_TRY(make(out, allocator, options->memory_limit, error));
    return finish(out, read_path(*out, path, options, allocator, error), error);
}

az_status az_dataset_parse(az_dataset **out, const char *name, const void *data, size_t n_bytes,
                           const az_dataset_options *options, const az_allocator *allocator,
                           az_error *error) {
    if (!out || !name || (!data && n_bytes))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_dataset_parse: a pointer is NULL");
    *out = NULL;
    const az_dataset_options none = {0};
    if (!options)
        options = &none;
    AZ_TRY(make(out, allocator, options->memory_limit, error));
    return finish(out, parse(*out, name, data, n_bytes, options, allocator, error), error);
}
