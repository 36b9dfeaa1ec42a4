/*
 * fuzz_roundtrip: arbitrary bytes with arbitrary options become an archive and
 * come back; the archive does not depend on threads and buffer sizes; with a
 * byte changed it is an error or still the right content.
 *
 *   byte 0  level: 1..3, rarely more
 *   byte 1  block size: 2^16, 2^17, 2^18, or the level's own; 4 two threads to
 *           encode, 8 to decode; 16 content size is told; all upper bits many repeats
 *   byte 2  encoder's pieces, input low half, output high half, as powers of 2
 *   byte 3  decoder's pieces
 *   4, 5    where a byte is changed; byte 6: by what (0: not)
 */
#include "fuzz.h"

enum { N_OPTIONS = 7, CONTENT_MAX = 70000 };

typedef struct options {
    int level, threads, decode_threads;
    int64_t block_nbytes;
    bool size_told;
    int encode_sizes, decode_sizes;
} options;

static size_t step(int sizes) {
    return (size_t)1 << (sizes & 15);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t encode(const options *o, const uint8_t *content, size_t n_bytes, uint8_t *archive,
                     size_t capacity) {
    az_encoder *encoder = NULL;
    size_t pos = 0, n_out = 0;
    int done = 0;
    MUST(az_encoder_open(&encoder, NULL, NULL) == AZ_OK);
    MUST(az_encoder_set(encoder, AZ_PARAM_LEVEL, o->level, NULL) == AZ_OK);
    MUST(az_encoder_set(encoder, AZ_PARAM_BLOCK_SIZE, o->block_nbytes, NULL) == AZ_OK);
    MUST(az_encoder_set(encoder, AZ_PARAM_THREADS, o->threads, NULL) == AZ_OK);
    if (o->size_told)
        az_encoder_set(encoder, AZ_PARAM_CONTENT_SIZE, (int64_t)n_bytes, NULL);
    while (!done) {
        az_input in = {.data = content + pos, .size = least(step(o->encode_sizes), n_bytes - pos)};
        az_output out = {.data = archive + n_out,
                         .size = least(step(o->encode_sizes >> 4), capacity - n_out)};
        bool last = pos + in.size == n_bytes;
        MUST(out.size > 0);
        MUST(az_encoder_run(encoder, &in, &out, last ? AZ_FINISH : AZ_RUN, &done, NULL) == AZ_OK);
        MUST(in.pos > 0 || out.pos > 0 || done);
        pos += in.pos;
        n_out += out.pos;
    }
    MUST(pos == n_bytes);
    az_encoder_close(&encoder);
    return n_out;
}

static az_status decode(const options *o, const uint8_t *archive, size_t n_bytes, uint8_t *content,
                        size_t capacity, size_t *n_out) {
    az_decoder *decoder = NULL;
    az_status status = AZ_OK;
    size_t pos = 0;
    int done = 0;
    *n_out = 0;
    MUST(az_decoder_open(&decoder, NULL, NULL) == AZ_OK);
    MUST(az_decoder_set(decoder, AZ_PARAM_THREADS, o->decode_threads, NULL) == AZ_OK);
    while (!done && status == AZ_OK) {
        az_input in = {.data = archive + pos, .size = least(step(o->decode_sizes), n_bytes - pos)};
        az_output out = {.data = content + *n_out,
                         .size = least(step(o->decode_sizes >> 4), capacity - *n_out)};
        bool last = pos + in.size == n_bytes;
        MUST(out.size > 0);
        status = az_decoder_run(decoder, &in, &out, last ? AZ_FINISH : AZ_RUN, &done, NULL);
        MUST(status != AZ_OK || in.pos > 0 || out.pos > 0 || done);
        pos += in.pos;
        *n_out += out.pos;
    }
    az_decoder_close(&decoder);
    return status;
}

static options read_options(const uint8_t *data) {
    options o = {.level = 1 + data[0] % 3, .encode_sizes = data[2], .decode_sizes = data[3]};
    if (data[0] >= 0xF8)
        o.level = 4 + data[0] % 6;
    int block = data[1] & 3;
    o.block_nbytes = block == 3 ? 0 : (int64_t)65536 << block;
    o.threads = data[1] & 4 ? 2 : 1;
    o.decode_threads = data[1] & 8 ? 2 : 1;
    o.size_told = data[1] & 16;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static uint8_t content[CONTENT_MAX], back[CONTENT_MAX + 1];
    static uint8_t archive[2 * CONTENT_MAX], again[2 * CONTENT_MAX];
    if (n_bytes < N_OPTIONS)
        return 0;
    options o = read_options(data);
    const uint8_t *rest = data + N_OPTIONS;
    size_t n = least(n_bytes - N_OPTIONS, 2000), n_content = n;
    if (data[1] >= 0xFC && n > 0 && o.level == 1) /* dear: more than a block */
        n_content = least(n * (1 + (size_t)data[4] * 16), CONTENT_MAX);
    for (size_t i = 0; i < n_content; i++)
        content[i] = rest[i % n];

    size_t n_archive = encode(&o, content, n_content, archive, sizeof archive), n_back = 0;
    MUST(n_archive <= n_content + n_content / 1000 + 128);
    options plain = {.level = o.level,
                     .threads = 3 - o.threads,
                     .block_nbytes = o.block_nbytes,
                     .encode_sizes = 0xFF};
    size_t n_again = encode(&plain, content, n_content, again, sizeof again);
    MUST(n_again == n_archive && memcmp(again, archive, n_archive) == 0);

    MUST(decode(&o, archive, n_archive, back, sizeof back, &n_back) == AZ_OK);
    MUST(n_back == n_content && memcmp(back, content, n_back) == 0);
    if (data[6] != 0) {
        archive[(data[4] << 8 | data[5]) % n_archive] ^= data[6];
        az_status status = decode(&o, archive, n_archive, back, sizeof back, &n_back);
        MUST(status != AZ_OK || n_back == n_content);
        MUST(n_back <= n_content && memcmp(back, content, n_back) == 0);
    }
    return 0;
}
