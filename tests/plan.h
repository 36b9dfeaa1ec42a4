/* plan: an allocator of which one call fails, for tests of what happens then. */
#ifndef TESTS_PLAN_H
#define TESTS_PLAN_H

#include <stdlib.h>

typedef struct plan {
    int n_allocs, n_live;
    int fails_at; /* the number, from 0, of the call that fails */
} plan;

static inline void *plan_alloc(void *opaque, size_t n_bytes) {
    plan *p = opaque;
    if (p->n_allocs++ == p->fails_at)
        return NULL;
    p->n_live++;
    return malloc(n_bytes);
}

static inline void plan_free(void *opaque, void *ptr) {
    ((plan *)opaque)->n_live--;
    free(ptr);
}

#endif
