/* compressor: each library's quickest way to a size; what can be used again is. */
#include "compressor.h"

#include <stdlib.h>

#if defined(AZ_HAVE_ZLIB)
#include <zlib.h>
#endif
#if defined(AZ_HAVE_BZ2)
#include <bzlib.h>
#endif
#if defined(AZ_HAVE_LZMA)
#include <lzma.h>
#endif
#if defined(AZ_HAVE_ZSTD)
#include <zstd.h>
#endif
#if defined(AZ_HAVE_BROTLI)
#include <brotli/encode.h>
#endif

struct kind;

struct az_compressor {
    az_heap *heap;
    const struct kind *kind;
    int level;
    uint8_t *out; /* [capacity] what is made, and not looked at */
    size_t capacity;
#if defined(AZ_HAVE_ZLIB)
    z_stream z;
    bool z_open;
#endif
#if defined(AZ_HAVE_ZSTD)
    ZSTD_CCtx *zstd;
#endif
};

typedef struct kind {
    const char *name;
    int default_level, level_min, level_max;
    size_t wrapping;                 /* bytes beside what size() says */
    size_t (*bound)(size_t n_bytes); /* the most that it makes; NULL: not built in */
    bool (*size)(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size);
} kind;

#if defined(AZ_HAVE_ZLIB)
static size_t deflate_bound(size_t n_bytes) {
    return n_bytes + n_bytes / 1000 + 1024;
}

static bool deflate_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    if (!c->z_open)
        c->z_open = deflateInit2(&c->z, c->level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    else if (deflateReset(&c->z) != Z_OK)
        return false;
    if (!c->z_open || n_bytes > UINT32_MAX / 2)
        return false;
    c->z.next_in = (Bytef *)(uintptr_t)data;
    c->z.avail_in = (uInt)n_bytes;
    c->z.next_out = c->out;
    c->z.avail_out = (uInt)c->capacity;
    if (deflate(&c->z, Z_FINISH) != Z_STREAM_END)
        return false;
    *size = c->capacity - c->z.avail_out;
    return true;
}
#else
#define deflate_bound NULL
#define deflate_size NULL
#endif

#if defined(AZ_HAVE_BZ2)
static size_t bz2_bound(size_t n_bytes) {
    return n_bytes + n_bytes / 100 + 1024;
}

static bool bz2_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    unsigned n = (unsigned)c->capacity;
    if (n_bytes > UINT32_MAX / 2 ||
        BZ2_bzBuffToBuffCompress((char *)c->out, &n, (char *)(uintptr_t)data, (unsigned)n_bytes,
                                 c->level, 0, 0) != BZ_OK)
        return false;
    *size = n;
    return true;
}
#else
#define bz2_bound NULL
#define bz2_size NULL
#endif

#if defined(AZ_HAVE_LZMA)
static size_t xz_bound(size_t n_bytes) {
    return lzma_stream_buffer_bound(n_bytes);
}

static bool xz_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    size_t pos = 0;
    if (lzma_easy_buffer_encode((uint32_t)c->level, LZMA_CHECK_CRC64, NULL, data, n_bytes, c->out,
                                &pos, c->capacity) != LZMA_OK)
        return false;
    *size = pos;
    return true;
}
#else
#define xz_bound NULL
#define xz_size NULL
#endif

#if defined(AZ_HAVE_ZSTD)
static size_t zstd_bound(size_t n_bytes) {
    return ZSTD_compressBound(n_bytes);
}

static bool zstd_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    if (!c->zstd)
        c->zstd = ZSTD_createCCtx();
    if (!c->zstd)
        return false;
    *size = ZSTD_compressCCtx(c->zstd, c->out, c->capacity, data, n_bytes, c->level);
    return !ZSTD_isError(*size);
}
#else
#define zstd_bound NULL
#define zstd_size NULL
#endif

#if defined(AZ_HAVE_BROTLI)
static size_t brotli_bound(size_t n_bytes) {
    return n_bytes + n_bytes / 1000 + 1024;
}

static bool brotli_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    *size = c->capacity;
    return BrotliEncoderCompress(c->level, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, n_bytes,
                                 data, size, c->out) == BROTLI_TRUE;
}
#else
#define brotli_bound NULL
#define brotli_size NULL
#endif

static size_t aizip_bound(size_t n_bytes) {
    return az_compress_bound(n_bytes);
}

static bool aizip_size(az_compressor *c, const uint8_t *data, size_t n_bytes, size_t *size) {
    return az_compress(c->out, c->capacity, size, data, n_bytes, c->level, NULL) == AZ_OK;
}

static const kind kinds[] = {
    {"gzip", 9, 0, 9, 18, deflate_bound, deflate_size},
    {"zlib", 9, 0, 9, 6, deflate_bound, deflate_size},
    {"deflate", 9, 0, 9, 0, deflate_bound, deflate_size},
    {"bz2", 9, 1, 9, 0, bz2_bound, bz2_size},
    {"xz", 6, 0, 9, 0, xz_bound, xz_size},
    {"zstd", 9, 1, 22, 0, zstd_bound, zstd_size},
    {"brotli", 9, 0, 11, 0, brotli_bound, brotli_size},
    {"aizip", 1, AZ_LEVEL_MIN, AZ_LEVEL_MAX, 0, aizip_bound, aizip_size},
};

static az_status find_kind(const kind **out, const char *name, int *level, az_error *error) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        *out = kinds + i;
        if (!kinds[i].size)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "compressor %s: this aizip is built without it", name);
        if (*level == -1)
            *level = kinds[i].default_level;
        if (*level < kinds[i].level_min || *level > kinds[i].level_max)
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "compressor %s: level %d; it has levels %d to %d", name, *level,
                                kinds[i].level_min, kinds[i].level_max);
        return AZ_OK;
    }
    return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                        "compressor %.40s is not known; there are gzip, zlib, deflate, bz2, xz, "
                        "zstd, brotli and aizip",
                        name);
}

az_status az_compressor_open(az_compressor **out, const char *name, int level, az_heap *heap,
                             az_error *error) {
    const kind *found = NULL;
    *out = NULL;
    AZ_TRY(find_kind(&found, name, &level, error));
    az_compressor *c = az_alloc(heap, sizeof *c);
    if (!c)
        return az_alloc_failed(heap, sizeof *c, error);
    c->heap = heap;
    c->kind = found;
    c->level = level;
    *out = c;
    return AZ_OK;
}

bool az_compressor_is_deflate_9(const az_compressor *compressor, uint64_t *wrapping) {
    *wrapping = compressor->kind->wrapping;
    return compressor->kind->level_max == 9 && compressor->kind->level_min == 0 &&
           compressor->level == 9 && strcmp(compressor->kind->name, "xz") != 0;
}

void az_compressor_close(az_compressor **compressor) {
    if (!*compressor)
        return;
    az_compressor *c = *compressor;
#if defined(AZ_HAVE_ZLIB)
    if (c->z_open)
        deflateEnd(&c->z);
#endif
#if defined(AZ_HAVE_ZSTD)
    ZSTD_freeCCtx(c->zstd);
#endif
    az_free(c->heap, c->out);
    az_free(c->heap, c);
    *compressor = NULL;
}

az_status az_compressor_size(az_compressor *c, const uint8_t *data, size_t n_bytes, uint64_t *size,
                             az_error *error) {
    size_t capacity = c->kind->bound(n_bytes);
    if (capacity > c->capacity) {
        az_free(c->heap, c->out);
        c->capacity = 0;
        c->out = az_alloc(c->heap, capacity + capacity / 4);
        if (!c->out)
            return az_alloc_failed(c->heap, capacity + capacity / 4, error);
        c->capacity = capacity + capacity / 4;
    }
    size_t made;
    if (!c->kind->size(c, data ? data : (const uint8_t *)"", n_bytes, &made))
        return az_error_set(error, AZ_ERROR_MEMORY, AZ_ERROR_NO_OFFSET,
                            "compressor %s failed on a text of %zu bytes (memory?)", c->kind->name,
                            n_bytes);
    *size = made + c->kind->wrapping;
    return AZ_OK;
}
