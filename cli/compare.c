/*
 * aizip -v: the same bytes through gzip -9, xz -9e and zstd -19, in this
 * process by their libraries, each decoded again and compared. The peers see
 * the first 64 MiB of a longer file: xz needs about a second for each.
 */
#include "cli.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef AZ_HAVE_BROTLI
#include <brotli/decode.h>
#include <brotli/encode.h>
#endif
#ifdef AZ_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef AZ_HAVE_LZMA
#include <lzma.h>
#endif
#ifdef AZ_HAVE_ZSTD
#include <zstd.h>
#endif

#define PEER_MAX_NBYTES ((uint64_t)1 << 26)

/* Fills *out_nbytes and the seconds; false if it failed or does not decode to
 * the same bytes. `spare` has room for in_nbytes. */
typedef bool (*peer_fn)(const uint8_t *in, size_t in_nbytes, uint8_t *spare, az_measure *measure);

#ifdef AZ_HAVE_ZLIB
static bool zlib_peer(const uint8_t *in, size_t in_nbytes, uint8_t *spare, az_measure *measure) {
    /* 15 window bits, + 16 for gzip's frame, + 32 to take it again. */
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t capacity = deflateBound(&z, in_nbytes);
    uint8_t *packed = malloc(capacity);
    double start = az_now();
    z.next_in = (Bytef *)(uintptr_t)in; /* zlib reads it only */
    z.avail_in = (uInt)in_nbytes;
    z.next_out = packed;
    z.avail_out = (uInt)capacity;
    bool ok = packed && deflate(&z, Z_FINISH) == Z_STREAM_END;
    measure->encode_seconds = az_now() - start;
    measure->out_nbytes = z.total_out;
    deflateEnd(&z);

    z_stream y = {0};
    if (ok && inflateInit2(&y, 15 + 32) == Z_OK) {
        start = az_now();
        y.next_in = packed;
        y.avail_in = (uInt)measure->out_nbytes;
        y.next_out = spare;
        y.avail_out = (uInt)in_nbytes;
        ok = inflate(&y, Z_FINISH) == Z_STREAM_END && y.total_out == in_nbytes;
        measure->decode_seconds = az_now() - start;
        inflateEnd(&y);
        ok = ok && memcmp(in, spare, in_nbytes) == 0;
    } else {
        ok = false;
    }
    free(packed);
    return ok;
}
#endif

#ifdef AZ_HAVE_LZMA
static bool lzma_peer(const uint8_t *in, size_t in_nbytes, uint8_t *spare, az_measure *measure) {
    size_t capacity = lzma_stream_buffer_bound(in_nbytes), n = 0, in_pos = 0, out_pos = 0;
    uint8_t *packed = malloc(capacity);
    double start = az_now();
    /* As a stream, like the program: a call for the whole buffer notes sizes in 4 bytes more. */
    lzma_stream stream = LZMA_STREAM_INIT;
    bool ok =
        packed && lzma_easy_encoder(&stream, 9 | LZMA_PRESET_EXTREME, LZMA_CHECK_CRC64) == LZMA_OK;
    stream.next_in = in;
    stream.avail_in = in_nbytes;
    stream.next_out = packed;
    stream.avail_out = capacity;
    ok = ok && lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END;
    n = (size_t)stream.total_out;
    lzma_end(&stream);
    measure->encode_seconds = az_now() - start;
    measure->out_nbytes = n;
    uint64_t memlimit = UINT64_MAX;
    start = az_now();
    ok = ok && lzma_stream_buffer_decode(&memlimit, 0, NULL, packed, &in_pos, n, spare, &out_pos,
                                         in_nbytes) == LZMA_OK;
    measure->decode_seconds = az_now() - start;
    free(packed);
    return ok && out_pos == in_nbytes && memcmp(in, spare, in_nbytes) == 0;
}
#endif

#ifdef AZ_HAVE_ZSTD
static bool zstd_peer(const uint8_t *in, size_t in_nbytes, uint8_t *spare, az_measure *measure) {
    size_t capacity = ZSTD_compressBound(in_nbytes);
    uint8_t *packed = malloc(capacity);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    bool ok = packed && context &&
              !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 19)) &&
              !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1));
    double start = az_now();
    size_t n = ok ? ZSTD_compress2(context, packed, capacity, in, in_nbytes) : 0;
    measure->encode_seconds = az_now() - start;
    measure->out_nbytes = n;
    ok = ok && !ZSTD_isError(n);
    start = az_now();
    ok = ok && ZSTD_decompress(spare, in_nbytes, packed, n) == in_nbytes;
    measure->decode_seconds = az_now() - start;
    ZSTD_freeCCtx(context);
    free(packed);
    return ok && memcmp(in, spare, in_nbytes) == 0;
}
#endif

#ifdef AZ_HAVE_BROTLI
static bool brotli_peer(const uint8_t *in, size_t in_nbytes, uint8_t *spare, az_measure *measure) {
    size_t n = BrotliEncoderMaxCompressedSize(in_nbytes), n_decoded = in_nbytes;
    uint8_t *packed = malloc(n ? n : 1);
    double start = az_now();
    bool ok = packed && n &&
              BrotliEncoderCompress(BROTLI_MAX_QUALITY, BROTLI_MAX_WINDOW_BITS, BROTLI_MODE_GENERIC,
                                    in_nbytes, in, &n, packed);
    measure->encode_seconds = az_now() - start;
    measure->out_nbytes = n;
    start = az_now();
    ok = ok &&
         BrotliDecoderDecompress(n, packed, &n_decoded, spare) == BROTLI_DECODER_RESULT_SUCCESS;
    measure->decode_seconds = az_now() - start;
    free(packed);
    return ok && n_decoded == in_nbytes && memcmp(in, spare, in_nbytes) == 0;
}
#endif

#ifndef AZ_HAVE_BROTLI
#define brotli_peer NULL
#endif
#ifndef AZ_HAVE_ZLIB
#define zlib_peer NULL
#endif
#ifndef AZ_HAVE_LZMA
#define lzma_peer NULL
#endif
#ifndef AZ_HAVE_ZSTD
#define zstd_peer NULL
#endif

static const struct peer {
    const char *name;
    const char *library;
    peer_fn run; /* NULL: built without it */
} peers[] = {
    {"gzip -9", "zlib", zlib_peer},
    {"xz -9e", "liblzma", lzma_peer},
    {"zstd -19", "libzstd", zstd_peer},
    {"brotli -11", "libbrotli", brotli_peer},
};
static_assert(sizeof peers / sizeof *peers == AZ_N_PEERS, "the header says how many");
/* In the table of -v; brotli takes twice as long as all others together. */
#define N_PEERS 3

void az_compare_print_libraries(FILE *stream) {
    for (int present = 1; present >= 0; present--) {
        const char *separator = present ? "compares with (-v):" : "built without:";
        for (size_t i = 0; i < N_PEERS; i++) {
            if ((peers[i].run != NULL) != present)
                continue;
            fprintf(stream, "%s %s (%s)", separator, peers[i].name, peers[i].library);
            separator = ",";
        }
        if (*separator == ',')
            fputc('\n', stream);
    }
}

/* MB a second; language models need more digits. */
static void format_speed(char buf[32], double n_bytes, double seconds) {
    double speed = seconds > 0 ? n_bytes / seconds / 1e6 : 0;
    if (seconds > 0)
        snprintf(buf, 32, speed < 0.1 ? "%.4f" : "%.2f", speed);
    else
        snprintf(buf, 32, "-");
}

static void print_row(const char *name, const az_measure *m) {
    char bytes[AZ_NUMBER_MAX], encode[32], decode[32];
    double n = (double)m->in_nbytes;
    format_speed(encode, n, m->encode_seconds);
    format_speed(decode, n, m->decode_seconds);
    fprintf(stderr, "  %-10s %15s %8.2f %10.3f %12s %12s\n", name,
            az_format_number(bytes, m->out_nbytes), n / (double)m->out_nbytes,
            (double)m->out_nbytes * 8 / n, encode, decode);
}

/* The first n bytes of the source, or NULL. */
static uint8_t *read_source(const az_source *source, size_t n) {
    uint8_t *buf = malloc(n);
    size_t got = 0;
    while (buf && got < n) {
        ssize_t k = pread(source->fd, buf + got, n - got, (off_t)(source->start + got));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            free(buf);
            return NULL;
        }
        got += (size_t)k;
    }
    return buf;
}

static void print_peer(const struct peer *peer, const az_options *opt, const uint8_t *in, size_t n,
                       uint8_t *spare) {
    az_measure measure = {.in_nbytes = n};
    bool on_terminal = isatty(STDERR_FILENO);
    if (!peer->run) {
        fprintf(stderr, "  %-10s built without %s\n", peer->name, peer->library);
        return;
    }
    if (on_terminal) {
        fprintf(stderr, "  %-10s ...", peer->name);
        fflush(stderr);
    }
    bool ok = peer->run(in, n, spare, &measure);
    if (on_terminal)
        fputs("\r\033[K", stderr);
    if (ok)
        print_row(peer->name, &measure);
    else
        az_say_warning(opt, NULL, "%s failed on this file.", peer->name);
}

const char *az_compare_name(size_t peer) {
    return peers[peer].name;
}

uint64_t az_compare_size(size_t peer, const uint8_t *in, size_t n_bytes) {
    az_measure measure = {.in_nbytes = n_bytes};
    if (!peers[peer].run)
        return UINT64_MAX;
    uint8_t *spare = malloc(n_bytes + 1);
    bool ok = spare && peers[peer].run(in, n_bytes, spare, &measure);
    free(spare);
    return ok ? measure.out_nbytes : UINT64_MAX;
}

void az_compare(const az_options *opt, const az_source *source, const az_measure *ours) {
    if (ours->in_nbytes == 0)
        return;
    size_t n = (size_t)(ours->in_nbytes < PEER_MAX_NBYTES ? ours->in_nbytes : PEER_MAX_NBYTES);
    char name[16];
    snprintf(name, sizeof name, "aizip -%d%s", opt->level, opt->model ? "m" : "");
    fprintf(stderr, "  %-10s %15s %8s %10s %12s %12s\n", "", "bytes", "ratio", "bits/byte",
            "comp. MB/s", "decomp. MB/s");
    print_row(name, ours);
    uint8_t *in = read_source(source, n), *spare = malloc(n);
    if (!in || !spare)
        az_say_warning(opt, source->name, "cannot be read again for the comparison.");
    for (size_t i = 0; i < N_PEERS && in && spare; i++)
        print_peer(&peers[i], opt, in, n, spare);
    if (n < ours->in_nbytes && in && spare)
        fprintf(stderr, "  (gzip, xz and zstd on the first 64 MiB only; they use one thread)\n");
    free(in);
    free(spare);
}
