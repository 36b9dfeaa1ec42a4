/*
 * fuzz_decode: arbitrary bytes as an archive, through the stream and the
 * one-call function. Both must end, within the memory limit, and agree.
 *
 *   byte 0  1 salvage, 2 two threads, 4 make checks right, 8 no one-call decode
 *   byte 1  sizes of the pieces: input low half, output high half, as powers of 2
 */
#include "fuzz.h"
#include "predict/predict.h"

enum { SALVAGE = 1, THREADS = 2, REPAIR = 4, ONLY_STREAM = 8 };
enum { OUT_MAX = 1 << 19 };

#define MEMORY_LIMIT ((int64_t)256 << 20)

/* Decoding what a few bytes stand for can take long, rightly. */
static int stop_after_some_seconds(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes) {
    int *n_calls = opaque;
    (void)in_nbytes;
    return ++*n_calls > 30 || out_nbytes > 4 * OUT_MAX;
}

typedef struct gaps {
    uint64_t archive, to;
} gaps;

/* In order, not empty, not overlapping. */
static void see_gap(void *opaque, uint64_t archive, uint64_t from, uint64_t to) {
    gaps *seen = opaque;
    MUST(from < to);
    MUST(archive >= seen->archive);
    MUST(archive > seen->archive || from >= seen->to);
    seen->archive = archive;
    seen->to = to;
}

static az_status decode(const uint8_t *data, size_t n_bytes, int flags, int sizes, uint8_t *out,
                        size_t *n_out) {
    az_decoder *decoder = NULL;
    az_error error = {.text = ""};
    int n_calls = 0, done = 0;
    gaps seen = {0};
    size_t in_step = (size_t)1 << (sizes & 15), out_step = (size_t)1 << (sizes >> 4 & 15);
    az_status status = az_decoder_open(&decoder, NULL, NULL);
    MUST(status == AZ_OK);
    az_decoder_set(decoder, AZ_PARAM_MEMORY_LIMIT, MEMORY_LIMIT, NULL);
    az_decoder_set(decoder, AZ_PARAM_SALVAGE, flags & SALVAGE ? 1 : 0, NULL);
    az_decoder_set(decoder, AZ_PARAM_THREADS, flags & THREADS ? 2 : 1, NULL);
    az_decoder_set_progress(decoder, stop_after_some_seconds, &n_calls);
    az_decoder_set_gap_fn(decoder, see_gap, &seen);
    *n_out = 0;
    for (size_t pos = 0; status == AZ_OK && !done;) {
        size_t n = n_bytes - pos < in_step ? n_bytes - pos : in_step;
        size_t room = OUT_MAX - *n_out < out_step ? OUT_MAX - *n_out : out_step;
        if (room == 0)
            break; /* more than anybody wants to see */
        az_input in = {.data = data + pos, .size = n};
        az_output to = {.data = out + *n_out, .size = room};
        bool last = pos + n == n_bytes;
        status = az_decoder_run(decoder, &in, &to, last ? AZ_FINISH : AZ_RUN, &done, &error);
        MUST(in.pos <= n && to.pos <= room);
        /* It can't stand still. */
        MUST(status != AZ_OK || done || in.pos > 0 || to.pos > 0);
        pos += in.pos;
        *n_out += to.pos;
    }
    MUST(status == AZ_OK || (error.status == status && error.text[0] != '\0'));
    MUST(status != AZ_ERROR_INTERNAL && status != AZ_ERROR_ARGUMENT);
    az_decoder_close(&decoder);
    return done || status != AZ_OK ? status : AZ_ERROR_OUTPUT_FULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static uint8_t out[OUT_MAX], out_again[OUT_MAX];
    size_t n_out = 0, n_again = 0;
    if (n_bytes < 2)
        return 0;
    int flags = data[0], sizes = data[1];
    n_bytes -= 2;
    uint8_t *archive;
    n_bytes = fuzz_expand(&archive, data + 2, n_bytes);
    if (flags & REPAIR)
        fuzz_repair(archive, n_bytes, az_predictor_version(AZ_METHOD_CM));
    az_status status = decode(archive, n_bytes, flags, sizes, out, &n_out);
    if (!(flags & (SALVAGE | ONLY_STREAM)) && status != AZ_ERROR_CANCELLED &&
        status != AZ_ERROR_MEMORY_LIMIT) {
        az_error error;
        az_status again = az_decompress(out_again, OUT_MAX, &n_again, archive, n_bytes, &error);
        MUST(again == status);
        MUST(status != AZ_OK || (n_again == n_out && memcmp(out, out_again, n_out) == 0));
    }
    free(archive);
    return 0;
}
