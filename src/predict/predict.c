/* predict: stand-in (order 2, direct) until cm is in; same interface. */
#include "predict.h"

struct az_predictor {
    az_heap *heap;
    uint16_t *table; /* [65536][256] */
    const uint8_t *block;
    size_t pos;
    uint32_t c0, c2;
    uint16_t *p;
};

int az_predictor_version(int method) { (void)method; return 0; }
uint32_t az_predictor_block_nbytes(int method, int level) {
    (void)method;
    return level == 1 ? 1u << 23 : level < 5 ? 1u << 23 : level < 8 ? 1u << 24 : 1u << 26;
}
uint64_t az_predictor_memory(int method, int level, size_t n) {
    (void)method; (void)level; (void)n;
    return 65536 * 256 * 2 + sizeof(az_predictor);
}
az_status az_predictor_open(az_predictor **out, az_heap *heap, int method, int level, size_t n, az_error *error) {
    (void)method; (void)level; (void)n;
    az_predictor *p = az_alloc(heap, sizeof *p);
    if (!p) return az_alloc_failed(heap, sizeof *p, error);
    p->heap = heap;
    p->table = az_alloc(heap, 65536 * 256 * 2);
    if (!p->table) { az_free(heap, p); return az_alloc_failed(heap, 65536 * 512, error); }
    *out = p;
    return AZ_OK;
}
void az_predictor_close(az_predictor **p) {
    if (!*p) return;
    az_heap *heap = (*p)->heap;
    az_free(heap, (*p)->table);
    az_free(heap, *p);
    *p = NULL;
}
static uint32_t ask(az_predictor *p) {
    p->p = p->table + ((size_t)p->c2 * 256 + p->c0);
    uint32_t q = (uint32_t)(*p->p ^ 0x8000) << 6;
    return q < 64 ? 64 : q;
}
uint32_t az_predictor_begin(az_predictor *p, const uint8_t *block, size_t n) {
    (void)n;
    memset(p->table, 0, 65536 * 512);
    p->block = block; p->pos = 0; p->c0 = 1; p->c2 = 0;
    return ask(p);
}
uint32_t az_predictor_next(az_predictor *p, int bit) {
    uint16_t v = *p->p ^ 0x8000;
    v = (uint16_t)(bit ? v + ((65535 - v) >> 4) : v - (v >> 4));
    *p->p = v ^ 0x8000;
    p->c0 = p->c0 << 1 | (uint32_t)bit;
    if (p->c0 >= 256) {
        p->c2 = (p->c2 << 8 | (p->c0 & 255)) & 0xffff;
        p->c0 = 1; p->pos++;
    }
    return ask(p);
}
