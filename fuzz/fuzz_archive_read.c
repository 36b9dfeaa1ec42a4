/*
 * fuzz_archive_read: a look at arbitrary bytes. It reads only inside the
 * archive, ends, and where it succeeds its numbers fit together.
 *
 *   byte 0  1 make checks right; if its upper half is n > 0, the n-th read fails
 */
#include "fuzz.h"
#include "predict/predict.h"

typedef struct source {
    const uint8_t *data;
    size_t n_bytes;
    int n_reads;
    int fails_at;
} source;

static int read_at(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    source *s = opaque;
    MUST(offset <= s->n_bytes && n_bytes <= s->n_bytes - offset);
    if (++s->n_reads == s->fails_at)
        return -1;
    memcpy(buf, s->data + offset, n_bytes);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 1)
        return 0;
    int flags = data[0];
    n_bytes--;
    uint8_t *archive;
    n_bytes = fuzz_expand(&archive, data + 1, n_bytes);
    if (flags & 1)
        fuzz_repair(archive, n_bytes, az_predictor_version(AZ_METHOD_CM));

    az_archive_info info;
    az_error error = {.text = ""};
    uint64_t content = 0;
    source s = {.data = archive, .n_bytes = n_bytes, .fails_at = flags >> 4};
    az_status status = az_archive_read(&info, read_at, &s, n_bytes, &error);
    if (status == AZ_OK) {
        MUST(info.archive_nbytes == n_bytes);
        MUST(info.n_archives > 0 && info.n_blocks >= info.n_archives);
        MUST(info.n_stored_blocks <= info.n_blocks);
        MUST(info.block_nbytes >= 1 << 16 && info.block_nbytes <= 1 << 26);
        MUST(info.content_nbytes / info.n_blocks <= info.block_nbytes);
    } else {
        MUST(error.status == status && error.text[0] != '\0');
        MUST(status == AZ_ERROR_READ || status == AZ_ERROR_FORMAT || status == AZ_ERROR_VERSION ||
             status == AZ_ERROR_DAMAGED || status == AZ_ERROR_TRUNCATED);
    }
    status = az_content_size(&content, archive, n_bytes, &error);
    MUST(status != AZ_ERROR_READ && status != AZ_ERROR_INTERNAL);
    free(archive);
    return 0;
}
