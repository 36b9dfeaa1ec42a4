/*
 * gguf: the view of a model, over one file or several. Each file is parsed by itself
 * (gguf_parse.c); here their tensors are put together.
 *
 * A model in N files is named NAME-00001-of-0000N.gguf and so on. Each file says which of them
 * it is (split.no, from 0) and how many there are (split.count); the first has the model's
 * metadata, and may say how many tensors there are in all (split.tensors.count).
 */
#include "gguf_view.h"

#include <stdio.h>

/* A file name's end: "-00001-of-00003.gguf". */
enum { SPLIT_END_NBYTES = 20, PARTS_MAX = 65535 };

static void split_end(char end[SPLIT_END_NBYTES + 1], unsigned number, unsigned count) {
    snprintf(end, SPLIT_END_NBYTES + 1, "-%05u-of-%05u.gguf", number % 100000, count % 100000);
}

/* ---- Parts ----------------------------------------------------------------------------- */

/* The part's fields are all zero. A path of our own, so that it can be named later. */
static az_status part_open(az_gguf_part *part, const char *path, az_heap *heap, az_error *error) {
    size_t n_bytes = strlen(path) + 1;
    part->path = az_alloc(heap, n_bytes);
    if (!part->path)
        return az_alloc_failed(heap, n_bytes, error);
    memcpy(part->path, path, n_bytes);
    AZ_TRY(az_map_open(&part->map, path, error));
    part->data = part->map.data;
    part->n_bytes = part->map.n_bytes;
    return az_gguf_part_parse(part, heap, error);
}

/* A number that may be missing, then *out stays. */
static az_status split_number(const az_gguf_part *part, const char *key, uint64_t max,
                              uint64_t *out, az_error *error) {
    const az_gguf_value *value = az_gguf_part_find(part, key);
    if (!value)
        return AZ_OK;
    if (!az_gguf_as_u64(value, out) || *out > max)
        return az_gguf_bad(part, error, (uint64_t)(value->data - part->data),
                           "%s is not a whole number from 0 to %llu", key, (unsigned long long)max);
    return AZ_OK;
}

/* How many files the model has, which may not be opened by another than the first. */
static az_status count_parts(const az_gguf_part *part, uint64_t *count, az_error *error) {
    uint64_t number = 0;
    *count = 1;
    AZ_TRY(split_number(part, "split.count", PARTS_MAX, count, error));
    AZ_TRY(split_number(part, "split.no", PARTS_MAX - 1, &number, error));
    if (*count <= 1) {
        *count = 1;
        return AZ_OK;
    }
    if (!part->path)
        return az_gguf_bad(part, error, AZ_ERROR_NO_OFFSET,
                           "is one of %llu files of a model, which must be opened by name",
                           (unsigned long long)*count);
    char end[SPLIT_END_NBYTES + 1], first[SPLIT_END_NBYTES + 1];
    split_end(end, (unsigned)number + 1, (unsigned)*count);
    split_end(first, 1, (unsigned)*count);
    if (number != 0)
        return az_gguf_bad(part, error, AZ_ERROR_NO_OFFSET,
                           "is file %llu of %llu of a model: open the one that ends in %s",
                           (unsigned long long)number + 1, (unsigned long long)*count, first);
    size_t n = strlen(part->path);
    if (n < SPLIT_END_NBYTES || strcmp(part->path + n - SPLIT_END_NBYTES, end) != 0)
        return az_gguf_bad(part, error, AZ_ERROR_NO_OFFSET,
                           "is the first of %llu files of a model, so its name must end in %s",
                           (unsigned long long)*count, end);
    return AZ_OK;
}

/* Part i, beside the first. */
static az_status open_next_part(az_gguf *gguf, size_t i, az_error *error) {
    const az_gguf_part *first = &gguf->parts[0];
    az_gguf_part *part = &gguf->parts[i];
    size_t n = strlen(first->path);
    char *path = az_alloc(gguf->heap, n + 1);
    if (!path)
        return az_alloc_failed(gguf->heap, n + 1, error);
    memcpy(path, first->path, n - SPLIT_END_NBYTES);
    split_end(path + n - SPLIT_END_NBYTES, (unsigned)i + 1, (unsigned)gguf->n_parts);
    az_status status = part_open(part, path, gguf->heap, error);
    az_free(gguf->heap, path);
    AZ_TRY(status);
    uint64_t number = UINT64_MAX, count = 0;
    AZ_TRY(split_number(part, "split.count", PARTS_MAX, &count, error));
    AZ_TRY(split_number(part, "split.no", PARTS_MAX - 1, &number, error));
    if (number != i || count != gguf->n_parts)
        return az_gguf_bad(part, error, AZ_ERROR_NO_OFFSET,
                           "does not say that it is file %zu of %zu of a model", i + 1,
                           gguf->n_parts);
    return AZ_OK;
}

static az_status open_next_parts(az_gguf *gguf, az_error *error) {
    uint64_t count, n_tensors = UINT64_MAX;
    AZ_TRY(count_parts(&gguf->parts[0], &count, error));
    if (count == 1)
        return AZ_OK;
    az_gguf_part *parts =
        az_regrow(gguf->heap, gguf->parts, sizeof *parts, (size_t)count * sizeof *parts);
    if (!parts)
        return az_alloc_failed(gguf->heap, (size_t)count * sizeof *parts, error);
    gguf->parts = parts;
    memset(parts + 1, 0, (size_t)(count - 1) * sizeof *parts);
    gguf->n_parts = (size_t)count;
    size_t n_found = parts[0].n_tensors;
    for (size_t i = 1; i < gguf->n_parts; i++) {
        AZ_TRY(open_next_part(gguf, i, error));
        n_found += gguf->parts[i].n_tensors;
    }
    AZ_TRY(split_number(&parts[0], "split.tensors.count", UINT64_MAX, &n_tensors, error));
    if (n_tensors != UINT64_MAX && n_tensors != n_found)
        return az_gguf_bad(&parts[0], error, AZ_ERROR_NO_OFFSET,
                           "the model has %llu tensors by its head, its %zu files have %zu",
                           (unsigned long long)n_tensors, gguf->n_parts, n_found);
    return AZ_OK;
}

/* ---- Tensors of all parts ----------------------------------------------------------------- */

/* Moves the parts' tensors into one array. */
static az_status gather_tensors(az_gguf *gguf, az_error *error) {
    size_t n = 0;
    for (size_t i = 0; i < gguf->n_parts; i++)
        n += gguf->parts[i].n_tensors;
    if (gguf->n_parts == 1) {
        gguf->tensors = gguf->parts[0].tensors;
        gguf->parts[0].tensors = NULL;
    } else {
        gguf->tensors = az_alloc(gguf->heap, n * sizeof *gguf->tensors);
        if (!gguf->tensors)
            return az_alloc_failed(gguf->heap, n * sizeof *gguf->tensors, error);
        size_t at = 0;
        for (size_t i = 0; i < gguf->n_parts; i++) {
            az_gguf_part *part = &gguf->parts[i];
            if (part->n_tensors > 0)
                memcpy(gguf->tensors + at, part->tensors, part->n_tensors * sizeof *part->tensors);
            at += part->n_tensors;
            az_free(gguf->heap, part->tensors);
            part->tensors = NULL;
        }
    }
    gguf->n_tensors = n;
    return AZ_OK;
}

static az_status sort_tensors(az_gguf *gguf, az_error *error) {
    size_t n = gguf->n_tensors;
    gguf->sorted_tensors = az_alloc(gguf->heap, n * sizeof(az_gguf_text *));
    if (!gguf->sorted_tensors)
        return az_alloc_failed(gguf->heap, n * sizeof(az_gguf_text *), error);
    for (size_t i = 0; i < n; i++)
        gguf->sorted_tensors[i] = &gguf->tensors[i].name;
    az_gguf_sort(gguf->sorted_tensors, n);
    const az_gguf_text *twice = az_gguf_twice(gguf->sorted_tensors, n);
    if (!twice)
        return AZ_OK;
    const az_gguf_part *part = &gguf->parts[0];
    uint64_t where = gguf->n_parts > 1 ? AZ_ERROR_NO_OFFSET
                                       : (uint64_t)(twice->bytes - (const char *)part->data);
    return az_gguf_bad(part, error, where, "tensor %.*s is there twice", AZ_GGUF_SHOWN(*twice));
}

/* ---- The view --------------------------------------------------------------------------- */

static az_status open_view(az_gguf *gguf, const char *path, const void *data, size_t n_bytes,
                           az_error *error) {
    gguf->parts = az_alloc(gguf->heap, sizeof *gguf->parts);
    if (!gguf->parts)
        return az_alloc_failed(gguf->heap, sizeof *gguf->parts, error);
    gguf->n_parts = 1;
    if (path) {
        AZ_TRY(part_open(&gguf->parts[0], path, gguf->heap, error));
    } else {
        gguf->parts[0].data = data;
        gguf->parts[0].n_bytes = n_bytes;
        AZ_TRY(az_gguf_part_parse(&gguf->parts[0], gguf->heap, error));
    }
    AZ_TRY(open_next_parts(gguf, error));
    AZ_TRY(gather_tensors(gguf, error));
    return sort_tensors(gguf, error);
}

static az_status open_either(az_gguf **out, const char *path, const void *data, size_t n_bytes,
                             az_heap *heap, az_error *error) {
    az_gguf *gguf = az_alloc(heap, sizeof *gguf);
    if (!gguf)
        return az_alloc_failed(heap, sizeof *gguf, error);
    gguf->heap = heap;
    az_status status = open_view(gguf, path, data, n_bytes, error);
    if (status != AZ_OK) {
        az_gguf_close(&gguf);
        return status;
    }
    *out = gguf;
    return AZ_OK;
}

az_status az_gguf_open(az_gguf **out, const char *path, az_heap *heap, az_error *error) {
    return open_either(out, path, NULL, 0, heap, error);
}

az_status az_gguf_open_memory(az_gguf **out, const void *data, size_t n_bytes, az_heap *heap,
                              az_error *error) {
    return open_either(out, NULL, data, n_bytes, heap, error);
}

void az_gguf_close(az_gguf **gguf) {
    az_gguf *g = *gguf;
    if (!g)
        return;
    az_free(g->heap, g->sorted_tensors);
    az_free(g->heap, g->tensors);
    for (size_t i = 0; i < g->n_parts; i++)
        az_gguf_part_close(&g->parts[i], g->heap);
    az_free(g->heap, g->parts);
    az_free(g->heap, g);
    *gguf = NULL;
}

uint32_t az_gguf_version(const az_gguf *gguf) {
    return gguf->parts[0].version;
}

uint64_t az_gguf_nbytes(const az_gguf *gguf) {
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < gguf->n_parts; i++)
        n_bytes += gguf->parts[i].n_bytes;
    return n_bytes;
}

void az_gguf_sha256(const az_gguf *gguf, uint8_t sum[32]) {
    az_sha256 hash;
    az_sha256_begin(&hash);
    for (size_t i = 0; i < gguf->n_parts; i++)
        az_sha256_add(&hash, gguf->parts[i].data, gguf->parts[i].n_bytes);
    az_sha256_end(&hash, sum);
}

size_t az_gguf_n_values(const az_gguf *gguf) {
    return gguf->parts[0].n_values;
}

const az_gguf_value *az_gguf_value_at(const az_gguf *gguf, size_t i) {
    return &gguf->parts[0].values[i];
}

size_t az_gguf_n_tensors(const az_gguf *gguf) {
    return gguf->n_tensors;
}

const az_gguf_tensor *az_gguf_tensor_at(const az_gguf *gguf, size_t i) {
    return &gguf->tensors[i];
}

const az_gguf_value *az_gguf_find(const az_gguf *gguf, const char *key) {
    return az_gguf_part_find(&gguf->parts[0], key);
}

const az_gguf_tensor *az_gguf_find_tensor(const az_gguf *gguf, const char *name) {
    /* The name is a tensor's first member. */
    return (const az_gguf_tensor *)(const void *)az_gguf_search(gguf->sorted_tensors,
                                                                gguf->n_tensors, name);
}

void az_gguf_release(const az_gguf *gguf, const az_gguf_tensor *tensor) {
    if (gguf->parts[0].map.data) /* all parts are mapped, or none */
        az_map_release(tensor->data, (size_t)(tensor->row_nbytes * tensor->n_rows));
}
