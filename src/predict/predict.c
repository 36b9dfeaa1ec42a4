/*
 * predict: chooses the predictor by method.
 */
#include "predict.h"

#include "../cm/cm.h"
#include "../kernels/kernels.h"

/* The only method so far; others will be told apart here. */
struct az_predictor {
    az_cm *cm;
    az_heap *heap;
};

int az_predictor_version(int method) {
    return method == AZ_METHOD_CM ? AZ_CM_VERSION : method == AZ_METHOD_LM ? AZ_MIXED_VERSION : 0;
}

#define AS_TEXT(x) #x
#define LINE(version, kernels) \
    "aizip " AZ_VERSION_STRING ", cm version " AS_TEXT(version) ", kernels: " kernels
#define KERNELS(name) \
    { name, LINE(AZ_CM_VERSION, name) }

const char *az_predictor_info(void) {
    static const struct {
        const char *kernels, *line;
    } lines[] = {KERNELS("reference"), KERNELS("avx2"), KERNELS("avx512"), KERNELS("neon")};
    const char *kernels = az_kernels_get(az_cpu_features())->name;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strcmp(lines[i].kernels, kernels) == 0)
            return lines[i].line;
    return LINE(AZ_CM_VERSION, "others");
}

uint32_t az_predictor_block_nbytes(int method, int level) {
    (void)method;
    return az_cm_block_nbytes(level);
}

uint64_t az_predictor_memory(int method, int level, az_span most) {
    (void)method;
    return sizeof(az_predictor) + AZ_HEAP_BLOCK_NBYTES + az_cm_memory(level, most);
}

az_status az_predictor_open(az_predictor **out, az_heap *heap, int method, int level, az_span most,
                            az_error *error) {
    if (method != AZ_METHOD_CM)
        return az_error_set(error, AZ_ERROR_VERSION, AZ_ERROR_NO_OFFSET, "unknown method %d",
                            method);
    az_predictor *predictor = az_alloc(heap, sizeof *predictor);
    if (!predictor)
        return az_alloc_failed(heap, sizeof *predictor, error);
    predictor->heap = heap;
    az_status status = az_cm_open(&predictor->cm, heap, level, most, error);
    if (status != AZ_OK) {
        az_free(heap, predictor);
        return status;
    }
    *out = predictor;
    return AZ_OK;
}

void az_predictor_close(az_predictor **predictor) {
    if (!*predictor)
        return;
    az_cm_close(&(*predictor)->cm);
    az_free((*predictor)->heap, *predictor);
    *predictor = NULL;
}

size_t az_predictor_begin(az_predictor *predictor, const uint8_t *block, az_span span) {
    return az_cm_begin(predictor->cm, block, span);
}

void az_predictor_copy(az_predictor *to, const az_predictor *from, const uint8_t *block) {
    az_cm_copy(to->cm, from->cm, block);
}

void az_predictor_sample(az_predictor *predictor) {
    az_cm_sample(predictor->cm);
}

void az_predictor_guess(az_predictor *predictor, uint32_t actual, az_guesses *guesses) {
    az_cm_guess(predictor->cm, actual, guesses);
}

void az_predictor_encode(az_predictor *predictor, az_range_encoder *rc, size_t n_bytes) {
    az_cm_code(predictor->cm, rc, NULL, NULL, n_bytes);
}

void az_predictor_decode(az_predictor *predictor, az_range_decoder *rc, uint8_t *block,
                         size_t n_bytes) {
    az_cm_code(predictor->cm, NULL, rc, block, n_bytes);
}
