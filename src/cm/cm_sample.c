/* cm_sample: the engine for sampling, in plain C: decisions are tempered. */
#define AZ_MIX_PLAIN
#define AZ_CM_SAMPLES
#define AZ_CM_ONE_ENGINE 1
#include "cm_engine.h"

const az_cm_engine az_cm_engine_sample = ENGINE("sample");

az_cm_temper *az_cm_temper_open(uint32_t temperature, az_heap *heap) {
    az_cm_temper *t = az_alloc(heap, sizeof *t);
    if (!t)
        return NULL;
    az_cm_tables_init(&t->tables);
    for (int x = -AZ_STRETCH_MAX; x <= AZ_STRETCH_MAX; x++) {
        int64_t y = temperature ? (int64_t)x * 1000 / temperature : (int64_t)x * AZ_STRETCH_MAX;
        y = y > AZ_STRETCH_MAX ? AZ_STRETCH_MAX : y < -AZ_STRETCH_MAX ? -AZ_STRETCH_MAX : y;
        t->p[x + AZ_STRETCH_MAX] = az_squash(&t->tables, (int)y);
        if (temperature == 0 && x != 0)
            t->p[x + AZ_STRETCH_MAX] = x > 0 ? AZ_PROB_ONE - 1 : 1;
    }
    return t;
}

void az_cm_sample(az_cm *cm) {
    cm->code = az_cm_engine_sample.code[AZ_LEVEL_MIN]; /* the same for all */
    cm->code_string = az_cm_engine_sample.code_string;
}
