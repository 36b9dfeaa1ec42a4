/*
 * cm_engine: codes the bytes of a block, once for every instruction set. Each file
 * cm_SET.c includes this with its own compiler flags and so gets its own copy,
 * with the mixer's loops of that set (kernels/mix.h) inside; integers only, so
 * all are equal. In each copy there is one function for each level, whose numbers
 * are constants there, so that all loops over contexts are unrolled, and predictor
 * and coder are one piece of code.
 */
#ifndef AZ_CM_ENGINE_H
#define AZ_CM_ENGINE_H

#include "cm_bits.h"

AZ_INLINE void code_of_level(az_cm *cm, const az_cm_level *l, az_range_encoder *encoder,
                             az_range_decoder *decoder, uint8_t *block, size_t n_bytes) {
    az_cm_now now;
    uint8_t state[AZ_CM_LANES_MAX]; /* apart: the one array that is not taken to pieces */
    now.state = state;
    now.turn = cm->turn;
    az_range_encoder enc = encoder ? *encoder : (az_range_encoder){0};
    az_range_decoder dec = decoder ? *decoder : (az_range_decoder){0};
    uint32_t stop = cm->at.pos + (uint32_t)n_bytes;
    bool aimed = false;
    while (cm->at.pos < stop) {
        if (l->sure_len && cm->sure && code_sure(cm, &enc, &dec, block)) {
            uint32_t byte = cm->at.match[0].expected & 255;
            if (block)
                block[cm->at.pos] = (uint8_t)byte;
            end_byte(cm, l, byte);
            find_matches(cm, l);
            aimed = false;
            continue;
        }
        if (!aimed)
            aim_first(cm, l, &now, false);
        code_byte(cm, l, &now, &enc, &dec, block);
        aimed = true;
    }
    cm->turn = now.turn;
    if (decoder)
        *decoder = dec;
    else
        *encoder = enc;
}

#include "cm_hinted.h"

/* For each level one, and the table of them. */
#if AZ_CM_ONE_ENGINE
static void code_any(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, uint8_t *block,
                     size_t n_bytes) {
    code_of_level(cm, cm->level, enc, dec, block, n_bytes);
}
#define LEVEL(n) code_any
#else
#define CODE(n)                                                                                  \
    static void code##n(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, uint8_t *block, \
                        size_t n_bytes) {                                                        \
        code_of_level(cm, &az_cm_levels[n], enc, dec, block, n_bytes);                           \
    }
CODE(1)
CODE(2)
CODE(3)
CODE(4)
CODE(5)
CODE(6)
CODE(7)
CODE(8)
CODE(9)
#undef CODE
#define LEVEL(n) code##n
#endif
#define ENGINE(name)                                              \
    {                                                             \
        name, {NULL,     LEVEL(1), LEVEL(2), LEVEL(3), LEVEL(4),  \
               LEVEL(5), LEVEL(6), LEVEL(7), LEVEL(8), LEVEL(9)}, \
            code_string                                           \
    }

#endif
