/* unpack: what wraps a data file is told by its first bytes, and taken off. The output grows by
 * halves, within the heap's limit. */
#include "dataset.h"

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

typedef struct unpacking {
    az_heap *heap;
    const uint8_t *in;
    size_t n_in;
    uint8_t *out; /* [n_out] */
    size_t n_out, capacity;
    bool no_memory;
} unpacking;

#if defined(AZ_HAVE_ZLIB) || defined(AZ_HAVE_BZ2) || defined(AZ_HAVE_LZMA) || defined(AZ_HAVE_ZSTD)
/* Room for at least 64 KiB more. */
static bool make_room(unpacking *u) {
    if (u->capacity - u->n_out >= 65536)
        return true;
    size_t capacity = u->capacity + u->capacity / 2 + u->n_in * 3 + 65536;
    uint8_t *out = az_regrow(u->heap, u->out, u->n_out, capacity);
    if (!out) {
        u->no_memory = true;
        return false;
    }
    u->out = out;
    u->capacity = capacity;
    return true;
}
#endif

#if defined(AZ_HAVE_ZLIB)
/* Several members may follow each other. zlib counts in 32 bits. */
static bool unpack_gzip(unpacking *u) {
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return false;
    size_t pos = 0;
    bool good = false;
    while (make_room(u)) {
        size_t left = u->n_in - pos, room = u->capacity - u->n_out;
        z.next_in = (Bytef *)(uintptr_t)(u->in + pos);
        z.avail_in = (uInt)(left < 1u << 30 ? left : 1u << 30);
        z.next_out = u->out + u->n_out;
        z.avail_out = (uInt)(room < 1u << 30 ? room : 1u << 30);
        uInt in_before = z.avail_in, out_before = z.avail_out;
        int rc = inflate(&z, Z_NO_FLUSH);
        pos += in_before - z.avail_in;
        u->n_out += out_before - z.avail_out;
        if (rc == Z_STREAM_END) {
            good = pos == u->n_in;
            if (good || u->n_in - pos < 2 || u->in[pos] != 0x1F || inflateReset(&z) != Z_OK)
                break;
        } else if (rc != Z_OK || (in_before == z.avail_in && out_before == z.avail_out)) {
            break;
        }
    }
    inflateEnd(&z);
    return good;
}
#endif

#if defined(AZ_HAVE_BZ2)
static bool unpack_bz2(unpacking *u) {
    bz_stream b = {0};
    size_t pos = 0;
    bool good = false, open = BZ2_bzDecompressInit(&b, 0, 0) == BZ_OK;
    while (open && make_room(u)) {
        size_t left = u->n_in - pos, room = u->capacity - u->n_out;
        b.next_in = (char *)(uintptr_t)(u->in + pos);
        b.avail_in = (unsigned)(left < 1u << 30 ? left : 1u << 30);
        b.next_out = (char *)u->out + u->n_out;
        b.avail_out = (unsigned)(room < 1u << 30 ? room : 1u << 30);
        unsigned in_before = b.avail_in, out_before = b.avail_out;
        int rc = BZ2_bzDecompress(&b);
        pos += in_before - b.avail_in;
        u->n_out += out_before - b.avail_out;
        if (rc == BZ_STREAM_END) {
            good = pos == u->n_in;
            BZ2_bzDecompressEnd(&b);
            b = (bz_stream){0};
            open = !good && BZ2_bzDecompressInit(&b, 0, 0) == BZ_OK;
        } else if (rc != BZ_OK || (in_before == b.avail_in && out_before == b.avail_out)) {
            break;
        }
    }
    if (open)
        BZ2_bzDecompressEnd(&b);
    return good;
}
#endif

#if defined(AZ_HAVE_LZMA)
static bool unpack_xz(unpacking *u) {
    lzma_stream x = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&x, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK)
        return false;
    x.next_in = u->in;
    x.avail_in = u->n_in;
    lzma_ret rc = LZMA_OK;
    while (rc == LZMA_OK && make_room(u)) {
        x.next_out = u->out + u->n_out;
        x.avail_out = u->capacity - u->n_out;
        size_t before = x.avail_out;
        rc = lzma_code(&x, LZMA_FINISH);
        u->n_out += before - x.avail_out;
    }
    lzma_end(&x);
    return rc == LZMA_STREAM_END;
}
#endif

#if defined(AZ_HAVE_ZSTD)
static bool unpack_zstd(unpacking *u) {
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {u->in, u->n_in, 0};
    bool good = false;
    while (z && make_room(u)) {
        ZSTD_outBuffer out = {u->out, u->capacity, u->n_out};
        size_t before = in.pos;
        size_t rc = ZSTD_decompressStream(z, &out, &in);
        bool moved = in.pos != before || out.pos != u->n_out;
        u->n_out = out.pos;
        if (ZSTD_isError(rc) || (rc == 0 && in.pos == in.size) || !moved) {
            good = rc == 0;
            break;
        }
    }
    ZSTD_freeDStream(z);
    return good;
}
#endif

static bool unpack_aizip(unpacking *u) {
    uint64_t n_bytes;
    if (az_content_size(&n_bytes, u->in, u->n_in, NULL) != AZ_OK || n_bytes > SIZE_MAX / 2)
        return false;
    u->out = az_alloc(u->heap, (size_t)n_bytes + 1);
    u->no_memory = !u->out;
    return u->out &&
           az_decompress(u->out, (size_t)n_bytes, &u->n_out, u->in, u->n_in, NULL) == AZ_OK;
}

static const struct {
    const char *name, *magic;
    size_t n_magic;
    bool (*unpack)(unpacking *u); /* NULL: not built in */
} wrappings[] = {
#if defined(AZ_HAVE_ZLIB)
    {"gzip", "\x1F\x8B", 2, unpack_gzip},
#else
    {"gzip", "\x1F\x8B", 2, NULL},
#endif
#if defined(AZ_HAVE_BZ2)
    {"bzip2", "BZh", 3, unpack_bz2},
#else
    {"bzip2", "BZh", 3, NULL},
#endif
#if defined(AZ_HAVE_LZMA)
    {"xz",
     "\xFD"
     "7zXZ",
     6, unpack_xz},
#else
    {"xz",
     "\xFD"
     "7zXZ",
     6, NULL},
#endif
#if defined(AZ_HAVE_ZSTD)
    {"zstd", "\x28\xB5\x2F\xFD", 4, unpack_zstd},
#else
    {"zstd", "\x28\xB5\x2F\xFD", 4, NULL},
#endif
    {"aizip", NULL, 0, unpack_aizip},
};

static bool has_magic(size_t i, const uint8_t *data, size_t n_bytes) {
    if (!wrappings[i].magic) { /* the library itself knows */
        uint64_t content;
        az_error error = {0};
        return n_bytes && (az_content_size(&content, data, n_bytes, &error) == AZ_OK ||
                           error.status != AZ_ERROR_FORMAT);
    }
    return n_bytes >= wrappings[i].n_magic &&
           memcmp(data, wrappings[i].magic, wrappings[i].n_magic) == 0;
}

az_status az_unpack_file(uint8_t **out, size_t *out_nbytes, const uint8_t *data, size_t n_bytes,
                         const char *name, az_heap *heap, az_error *error) {
    *out = NULL;
    *out_nbytes = 0;
    for (size_t i = 0; i < sizeof wrappings / sizeof *wrappings; i++) {
        if (!has_magic(i, data, n_bytes))
            continue;
        if (!wrappings[i].unpack)
            return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                                "%s: compressed by %s, which this aizip is built without",
                                az_path_end(name), wrappings[i].name);
        unpacking u = {.heap = heap, .in = data, .n_in = n_bytes};
        if (wrappings[i].unpack(&u)) {
            *out = u.out;
            *out_nbytes = u.n_out;
            return AZ_OK;
        }
        az_free(heap, u.out);
        if (u.no_memory)
            return az_alloc_failed(heap, u.capacity, error);
        return az_error_set(error, AZ_ERROR_DATA, AZ_ERROR_NO_OFFSET,
                            "%s: begins as a file of %s, but is damaged or cut short",
                            az_path_end(name), wrappings[i].name);
    }
    return AZ_OK;
}
