/* gguf_parse: one file of a model, read and checked; private to this layer. */
#ifndef AZ_GGUF_PARSE_H
#define AZ_GGUF_PARSE_H

#include "gguf.h"

/* One file. Texts and data point into its bytes. */
typedef struct az_gguf_part {
    char *path; /* the part's own; NULL: in memory */
    az_map map; /* empty if in memory */
    const uint8_t *data;
    size_t n_bytes;

    uint32_t version;
    az_gguf_value *values;              /* [n_values], in the file's order; owned */
    const az_gguf_text **sorted_values; /* [n_values] by key: each the key of a value; owned */
    size_t n_values;
    az_gguf_tensor *tensors; /* [n_tensors], in the file's order; owned */
    size_t n_tensors;
} az_gguf_part;

/* Reads part->data. What it allocated before a failure is the part's, too: the caller gives
 * it back with az_gguf_part_close() in any case. */
az_status az_gguf_part_parse(az_gguf_part *part, az_heap *heap, az_error *error);
/* Frees and unmaps all; path, too. */
void az_gguf_part_close(az_gguf_part *part, az_heap *heap);

const az_gguf_value *az_gguf_part_find(const az_gguf_part *part, const char *key);

/* AZ_ERROR_MODEL with a sentence that begins with the file. */
az_status az_gguf_bad(const az_gguf_part *part, az_error *error, uint64_t offset,
                      const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/* Texts as printf's arguments for %.*s, cut to what an error has room for. */
enum { AZ_GGUF_SHOWN_MAX = 64 };
#define AZ_GGUF_SHOWN(text) \
    ((text).n_bytes < AZ_GGUF_SHOWN_MAX ? (int)(text).n_bytes : AZ_GGUF_SHOWN_MAX), (text).bytes

/* Puts texts in order; bytes are compared without sign, a beginning comes before the whole. */
void az_gguf_sort(const az_gguf_text **texts, size_t n);
/* A text that is equal to one before it in memory, or NULL. */
const az_gguf_text *az_gguf_twice(const az_gguf_text *const *sorted, size_t n);
/* Where `sorted` has the name; NULL: nowhere. */
const az_gguf_text *az_gguf_search(const az_gguf_text *const *sorted, size_t n, const char *name);

/* Bytes of one value of that type; 0 for strings and arrays, and for no type. */
size_t az_gguf_value_nbytes(uint32_t type);
/* The one number of a value as an integer, if it is a whole number that an int64_t or a
 * uint64_t holds, and so on: see gguf_value.c. */
bool az_gguf_as_u64(const az_gguf_value *value, uint64_t *out);

#endif
