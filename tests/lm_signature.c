/*
 * lm_signature MODEL...: prints the signature (lm_signature.h) of each model, to be compared
 * with tests/golden/lm_signature.txt, on machines without cmocka, too. AIZIP_CPU_DISABLE
 * chooses kernels.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lm_signature.h"

static void check(az_status status, const az_error *error) {
    if (status == AZ_OK)
        return;
    fprintf(stderr, "lm_signature: %s\n", error->text);
    exit(1);
}

int main(int argc, char **argv) {
    az_error error = {.text = ""};
    az_heap *heap;
    az_pool *pool;
    check(az_heap_open(&heap, NULL, &error), &error);
    check(az_pool_open(&pool, 2, heap, &error), &error);
    for (int i = 1; i < argc; i++) {
        az_gguf *gguf;
        az_lm *lm;
        uint32_t signature;
        const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        check(az_gguf_open(&gguf, argv[i], heap, &error), &error);
        check(az_lm_open(&lm, gguf, az_cpu_features(), pool, heap, &error), &error);
        check(lm_signature(&signature, lm, (signature_plan){16, 5}, pool, heap, &error), &error);
        printf("lm version %d: %s %08x\n", AZ_LM_VERSION, name, (unsigned)signature);
        az_lm_close(&lm);
        az_gguf_close(&gguf);
    }
    az_pool_close(&pool);
    az_heap_close(&heap);
    return 0;
}
