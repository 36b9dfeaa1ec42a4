/*
 * cm_tables: the logistic function, its inverse, and the bit-history states.
 *
 * A bit history is one byte that says what a context has seen: how many 0s
 * (n0), how many 1s (n1), and the order of the last few. Its 231 states are the
 * ones reachable from "nothing seen" by step(), numbered in the order in which
 * a breadth-first walk meets them. When a bit arrives that contradicts a long
 * run, most of the run is forgotten: recent bits predict better than old ones
 * (Mahoney, "Adaptive weighing of context models", 2005).
 */
#include "cm_tables.h"

#include <assert.h>

typedef struct history {
    int n0, n1;
    int recent; /* while both counts are above 0 and their sum is at most 4: the last bits,
                   newest lowest; otherwise the last bit */
} history;

/* The largest count kept beside a smaller one of m: pairs out of these bounds are
 * brought back in. */
static const int bound[] = {48, 30, 12, 6, 5};
enum { N_BOUNDS = sizeof bound / sizeof bound[0] };

static int allowed(int n0, int n1) {
    int low = n0 < n1 ? n0 : n1;
    int high = n0 < n1 ? n1 : n0;
    return low < N_BOUNDS && high <= bound[low];
}

/* What is left of a count when the other bit arrives. */
static int discount(int n) {
    static const int keep[] = {0, 1, 2, 3, 4, 5, 5, 6, 6, 6, 7};
    return n < (int)(sizeof keep / sizeof keep[0]) ? keep[n]
                                                   : keep[sizeof keep / sizeof keep[0] - 1];
}

static history step(history h, int bit) {
    int *same = bit ? &h.n1 : &h.n0;
    int *other = bit ? &h.n0 : &h.n1;
    *other = discount(*other);
    (*same)++;
    while (!allowed(h.n0, h.n1)) {
        /* A full count stays where it is; if that is not enough, the other shrinks. */
        if (*same > 1 && allowed(*same - 1, *other))
            (*same)--;
        else if (*other > 0)
            (*other)--;
        else
            (*same)--;
    }
    int total = h.n0 + h.n1;
    h.recent = total <= 4 ? (h.recent << 1 | bit) & ((1 << total) - 1) : bit;
    if (h.n0 == 0 || h.n1 == 0)
        h.recent = h.n1 > 0;
    return h;
}

static void states_init(az_cm_tables *t) {
    history states[256];
    int n = 1;
    states[0] = (history){0, 0, 0};
    memset(t->next, 0, sizeof t->next);
    for (int i = 0; i < n; i++) {
        for (int bit = 0; bit < 2; bit++) {
            history h = step(states[i], bit);
            int j = 1;
            while (j < n &&
                   (states[j].n0 != h.n0 || states[j].n1 != h.n1 || states[j].recent != h.recent))
                j++;
            if (j == n) {
                assert(n < 256);
                states[n++] = h;
            }
            t->next[bit][i] = (uint8_t)j;
        }
        t->count[i][0] = (uint8_t)states[i].n0;
        t->count[i][1] = (uint8_t)states[i].n1;
        t->worth[i] = (uint8_t)(states[i].n0 + states[i].n1);
    }
}

/* The upper 64 bits of a product. */
static uint64_t multiply_high(uint64_t a, uint64_t b) {
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t mid = a1 * b0 + (a0 * b0 >> 32);
    uint64_t mid2 = a0 * b1 + (uint32_t)mid;
    return a1 * b1 + (mid >> 32) + (mid2 >> 32);
}

/* fine: [x + AZ_STRETCH_MAX] probability of x times 2^22. */
static void logistic_init(az_cm_tables *t, uint32_t *fine) {
    /* e = exp(-x / 256) times 2^64, stepped by exp(-1 / 256). */
    uint64_t e = UINT64_MAX;
    fine[AZ_STRETCH_MAX] = 1u << 21;
    for (int x = 1; x <= AZ_STRETCH_MAX; x++) {
        e = multiply_high(e, 0xff007fd55ffdde39u);
        uint64_t odds = e >> 24; /* times 2^40 */
        uint32_t p = (uint32_t)((odds << 22) / (((uint64_t)1 << 40) + odds));
        fine[AZ_STRETCH_MAX - x] = p ? p : 1;
        fine[AZ_STRETCH_MAX + x] = (1u << 22) - (p ? p : 1);
    }
    for (int i = 0; i <= 2 * AZ_STRETCH_MAX / 4; i++)
        t->squash[i] = fine[4 * i];
    /* The inverse: the largest x whose probability is not above p. */
    int x = -AZ_STRETCH_MAX;
    for (uint32_t p = 0; p < 4096; p++) {
        while (x < AZ_STRETCH_MAX && fine[x + 1 + AZ_STRETCH_MAX] <= p)
            x++;
        t->stretch[p] = (int16_t)x;
        t->stretch[4096 + p] = (int16_t)-x;
    }
    x = -AZ_STRETCH_MAX;
    for (uint32_t i = 0; i < 4096; i++) {
        uint32_t p = (i << 10) + 512;
        while (x < AZ_STRETCH_MAX && fine[x + 1 + AZ_STRETCH_MAX] <= p)
            x++;
        t->stretch12[i] = (int16_t)x;
    }
}

void az_cm_tables_init(az_cm_tables *t) {
    uint32_t fine[2 * AZ_STRETCH_MAX + 1];
    logistic_init(t, fine);
    states_init(t);
    for (int n = 0; n < 1024; n++)
        t->reciprocal[n] = (int16_t)(16384 / (2 * n + 3));
}
