/*
 * api: the part of aizip.h that stands on the rest: one-call functions, names,
 * and the look at an archive. The streams are in codec/encoder.c and decoder.c.
 */
#include "codec/codec.h"

#include <stdio.h>

/* ---- Names ------------------------------------------------------------------------ */

const char *az_version(void) {
    return AZ_VERSION_STRING;
}

const char *az_build_info(void) {
    return az_predictor_info();
}

const char *az_status_name(az_status status) {
    switch (status) {
    case AZ_OK: return "no error";
    case AZ_ERROR_ARGUMENT: return "invalid argument";
    case AZ_ERROR_MEMORY: return "out of memory";
    case AZ_ERROR_MEMORY_LIMIT: return "memory limit reached";
    case AZ_ERROR_FORMAT: return "not an aizip archive";
    case AZ_ERROR_VERSION: return "unsupported version";
    case AZ_ERROR_DAMAGED: return "damaged archive";
    case AZ_ERROR_TRUNCATED: return "truncated archive";
    case AZ_ERROR_OUTPUT_FULL: return "output buffer too small";
    case AZ_ERROR_READ: return "read error";
    case AZ_ERROR_CANCELLED: return "cancelled";
    case AZ_ERROR_THREAD: return "no thread could be started";
    case AZ_ERROR_INTERNAL: return "internal error";
    case AZ_ERROR_MODEL: return "unusable model file";
    case AZ_ERROR_DATA: return "unusable data set";
    case AZ_ERROR_DICTIONARY: return "missing dictionary";
    }
    return "unknown status";
}

/* ---- Memory ------------------------------------------------------------------------- */

/* A frame costs at most 9 bytes and, with two blocks or more, 42 of index; a
 * block at most 34 bytes of header and index that are not payload, and levels'
 * own blocks have at least 2^20 bytes. */
size_t az_compress_bound(size_t n_bytes) {
    size_t growth = n_bytes / 10000 + 64;
    return n_bytes > SIZE_MAX - growth ? SIZE_MAX : n_bytes + growth;
}

static az_status output_full(az_error *error, size_t capacity) {
    return az_error_set(error, AZ_ERROR_OUTPUT_FULL, AZ_ERROR_NO_OFFSET,
                        "the output does not fit into %llu bytes", (unsigned long long)capacity);
}

static az_status compress(az_engine *engine, void *dst, size_t dst_capacity, size_t *dst_nbytes,
                          const void *src, size_t src_nbytes, int level, az_error *error) {
    az_encoder *encoder;
    int done = 0;
    if (!dst_nbytes || (!src && src_nbytes > 0) || (!dst && dst_capacity > 0))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_compress: a pointer is NULL");
    AZ_TRY(az_encoder_open(&encoder, NULL, error));
    az_input in = {.data = src, .size = src_nbytes};
    az_output out = {.data = dst, .size = dst_capacity};
    az_status status = az_encoder_set(encoder, AZ_PARAM_LEVEL, level, error);
    if (status == AZ_OK && engine)
        status = az_encoder_set_engine(encoder, engine, "", error);
    if (status == AZ_OK && src_nbytes <= INT64_MAX)
        status = az_encoder_set(encoder, AZ_PARAM_CONTENT_SIZE, (int64_t)src_nbytes, error);
    if (status == AZ_OK)
        status = az_encoder_run(encoder, &in, &out, AZ_FINISH, &done, error);
    az_encoder_close(&encoder);
    AZ_TRY(status);
    if (!done)
        return output_full(error, dst_capacity);
    *dst_nbytes = out.pos;
    return AZ_OK;
}

az_status az_compress(void *dst, size_t dst_capacity, size_t *dst_nbytes, const void *src,
                      size_t src_nbytes, int level, az_error *error) {
    return compress(NULL, dst, dst_capacity, dst_nbytes, src, src_nbytes, level, error);
}

az_status az_engine_compress(az_engine *engine, void *dst, size_t dst_capacity, size_t *dst_nbytes,
                             const void *src, size_t src_nbytes, int level, az_error *error) {
    if (!engine)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_engine_compress: a pointer is NULL");
    return compress(engine, dst, dst_capacity, dst_nbytes, src, src_nbytes, level, error);
}

static az_engine *this_engine(void *opaque, const uint8_t *hash, const char *name,
                              az_error *error) {
    (void)hash, (void)name, (void)error;
    return opaque;
}

static az_status decompress(az_engine *engine, void *dst, size_t dst_capacity, size_t *dst_nbytes,
                            const void *src, size_t src_nbytes, az_error *error) {
    az_decoder *decoder;
    int done = 0;
    if (!dst_nbytes || (!src && src_nbytes > 0) || (!dst && dst_capacity > 0))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_decompress: a pointer is NULL");
    AZ_TRY(az_decoder_open(&decoder, NULL, error));
    az_decoder_set_engines(decoder, this_engine, engine);
    az_input in = {.data = src, .size = src_nbytes};
    az_output out = {.data = dst, .size = dst_capacity};
    az_status status = az_decoder_run(decoder, &in, &out, AZ_FINISH, &done, error);
    az_decoder_close(&decoder);
    AZ_TRY(status);
    if (!done)
        return output_full(error, dst_capacity);
    *dst_nbytes = out.pos;
    return AZ_OK;
}

az_status az_decompress(void *dst, size_t dst_capacity, size_t *dst_nbytes, const void *src,
                        size_t src_nbytes, az_error *error) {
    return decompress(NULL, dst, dst_capacity, dst_nbytes, src, src_nbytes, error);
}

az_status az_engine_decompress(az_engine *engine, void *dst, size_t dst_capacity,
                               size_t *dst_nbytes, const void *src, size_t src_nbytes,
                               az_error *error) {
    return decompress(engine, dst, dst_capacity, dst_nbytes, src, src_nbytes, error);
}

/* ---- Looking at an archive ------------------------------------------------------------ */

static int read_memory(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    memcpy(buf, (const uint8_t *)opaque + offset, n_bytes);
    return 0;
}

static az_status ignore_frame(void *opaque, const az_frame *frame, uint64_t offset,
                              uint32_t largest_nbytes, az_error *error) {
    (void)opaque, (void)frame, (void)offset, (void)largest_nbytes, (void)error;
    return AZ_OK;
}

az_status az_content_size(uint64_t *content_nbytes, const void *src, size_t src_nbytes,
                          az_error *error) {
    az_archive_sums sums;
    if (!content_nbytes || (!src && src_nbytes > 0))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_content_size: a pointer is NULL");
    /* read_memory only reads through the pointer */
    AZ_TRY(az_archive_sum(&sums, false, read_memory, (void *)(uintptr_t)src, src_nbytes,
                          ignore_frame, NULL, error));
    *content_nbytes = sums.content_nbytes;
    return AZ_OK;
}

/* Archives that differ in their models have none in common. */
static void see_model(az_archive_info *info, const az_frame *frame, bool first) {
    const az_frame_model *m = &frame->model;
    bool same = memcmp(info->model_hash, m->hash, sizeof m->hash) == 0 &&
                info->model_version == m->version && info->window == m->window;
    bool take = first && frame->has_model;
    static const uint8_t none[AZ_MODEL_HASH_NBYTES];
    memcpy(info->model_hash, take || same ? m->hash : none, sizeof none);
    if (take)
        memcpy(info->model_name, m->name, sizeof info->model_name);
    else if (!same)
        info->model_name[0] = 0;
    info->model_version = take || same ? m->version : 0;
    info->window = take || same ? m->window : 0;
}

/* The same of dictionaries. */
static void see_dictionary(az_archive_info *info, const az_frame *frame, bool first) {
    const az_frame_dictionary *d = &frame->dictionary; /* zeros if there is none */
    bool same = info->primer == d->primer && info->dictionary_nbytes == d->n_bytes &&
                memcmp(info->dictionary_hash, d->hash, sizeof d->hash) == 0;
    bool take = first || same;
    static const uint8_t none[AZ_DICTIONARY_HASH_NBYTES];
    info->primer = take ? d->primer : 0;
    info->dictionary_nbytes = take ? d->n_bytes : 0;
    memcpy(info->dictionary_hash, take ? d->hash : none, sizeof none);
}

static az_status see_frame(void *opaque, const az_frame *frame, uint64_t offset,
                           uint32_t largest_nbytes, az_error *error) {
    az_archive_info *info = opaque;
    (void)offset, (void)error;
    bool first = info->n_archives++ == 0;
    if (first || info->method != frame->method)
        info->method = first ? frame->method : -1;
    if (first || info->method_version != frame->method_version)
        info->method_version = first ? frame->method_version : -1;
    if (first || info->level != frame->level)
        info->level = first ? frame->level : -1;
    if (az_frame_block_nbytes(frame) > info->block_nbytes)
        info->block_nbytes = az_frame_block_nbytes(frame);
    see_model(info, frame, first);
    see_dictionary(info, frame, first);
    if (frame->method == AZ_METHOD_CM) {
        const az_primer *primer = az_primer_numbered(frame->dictionary.primer);
        az_coding coding = {.method = frame->method, .level = frame->level};
        coding.dictionary.n_bytes = primer ? primer->text.n_bytes : frame->dictionary.n_bytes;
        uint64_t memory = az_codec_memory(&coding, largest_nbytes);
        if (memory > info->memory_nbytes)
            info->memory_nbytes = memory;
    }
    return AZ_OK;
}

static az_status look(az_archive_info *info, bool use_index, az_read_at_fn read_at, void *opaque,
                      uint64_t archive_nbytes, az_error *error) {
    az_archive_sums sums;
    memset(info, 0, sizeof *info);
    AZ_TRY(
        az_archive_sum(&sums, use_index, read_at, opaque, archive_nbytes, see_frame, info, error));
    info->archive_nbytes = archive_nbytes;
    info->content_nbytes = sums.content_nbytes;
    info->n_archives = sums.n_archives;
    info->n_blocks = sums.n_blocks;
    info->n_stored_blocks = sums.n_stored_blocks;
    info->format_version = AZ_FORMAT_VERSION;
    snprintf(info->method_name, sizeof info->method_name, "%s",
             info->method == AZ_METHOD_CM   ? "cm"
             : info->method == AZ_METHOD_LM ? "lm+cm"
                                            : "unknown");
    snprintf(info->check_name, sizeof info->check_name, "XXH32");
    return AZ_OK;
}

az_status az_archive_read(az_archive_info *info, az_read_at_fn read_at, void *opaque,
                          uint64_t archive_nbytes, az_error *error) {
    az_archive_info found;
    if (!info || !read_at)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_archive_read: a pointer is NULL");
    if (look(&found, true, read_at, opaque, archive_nbytes, NULL) != AZ_OK)
        AZ_TRY(look(&found, false, read_at, opaque, archive_nbytes, error));
    *info = found;
    return AZ_OK;
}
