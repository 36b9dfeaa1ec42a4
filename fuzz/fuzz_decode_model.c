/*
 * fuzz_decode_model: a block's payload as a language model's archive, behind headers that are
 * right. Whatever it is, decoding ends, within bounds.
 *
 *   byte 0  content size; byte 1  1: two blocks' worth of it, 2: learnt positions
 */
#include "fuzz.h"
#include "codec/codec.h"

enum { CONTENT_MAX = 600 };

static az_model *models[2];
static az_engine *engines[2];

static void open_engine(int i, const char *path) {
    az_error error;
    MUST(az_model_open(&models[i], path, NULL, &error) == AZ_OK);
    MUST(az_engine_open(&engines[i], models[i], 1, 0, NULL, &error) == AZ_OK);
}

static void decode(az_engine *engine, const uint8_t *payload, size_t n_bytes, size_t n_content) {
    uint8_t *archive = malloc(AZ_FRAME_HEADER_MAX + AZ_BLOCK_HEADER_MAX + n_bytes);
    uint8_t content[CONTENT_MAX];
    size_t n_out;
    az_error error;
    az_frame frame = {.method = AZ_METHOD_LM,
                      .method_version = (uint8_t)az_predictor_version(AZ_METHOD_LM),
                      .level = 5,
                      .block_log2 = 16,
                      .has_model = true,
                      .model = {.version = AZ_LM_VERSION, .window = 64, .overlap = 16}};
    memcpy(frame.model.hash, engine->sha256, sizeof frame.model.hash);
    az_block_header block = {
        .last = true, .content_nbytes = (uint32_t)n_content, .payload_nbytes = (uint32_t)n_bytes};
    size_t n = az_frame_header_write(archive, &frame);
    n += az_block_header_write(archive + n, &frame, &block, payload);
    memcpy(archive + n, payload, n_bytes);
    az_status status =
        az_engine_decompress(engine, content, sizeof content, &n_out, archive, n + n_bytes, &error);
    MUST(status == AZ_ERROR_DAMAGED || status == AZ_OK);
    free(archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (!engines[0]) {
        open_engine(0, AZ_SOURCE_DIR "/tests/models/tiny-llama.gguf");
        open_engine(1, AZ_SOURCE_DIR "/tests/models/tiny-gpt2.gguf");
    }
    if (n_bytes < 3)
        return 0;
    size_t n_content = (size_t)data[0] + 1 + (data[1] & 1 ? 300 : 0);
    if (n_bytes - 2 < n_content)
        decode(engines[data[1] >> 1 & 1], data + 2, n_bytes - 2, n_content);
    return 0;
}
