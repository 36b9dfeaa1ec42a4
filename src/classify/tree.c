/* tree: see tree.h. Cubic in n, which is small. */
#include "tree.h"

typedef struct group {
    uint32_t name;
    uint32_t n; /* things in it */
} group;

/* The nearest pair a < b of groups that are left. */
static void find_nearest(const double *matrix, size_t stride, size_t n, size_t *a, size_t *b) {
    *a = 0;
    *b = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (matrix[i * stride + k] < matrix[*a * stride + *b]) {
                *a = i;
                *b = k;
            }
}

/* Group a becomes the union with b; those behind b move up, and stay in the order of
 * their making. */
static void join(double *matrix, size_t stride, group *groups, size_t n, size_t a, size_t b) {
    double total = groups[a].n + groups[b].n;
    for (size_t i = 0; i < n; i++) {
        double mean =
            (matrix[a * stride + i] * groups[a].n + matrix[b * stride + i] * groups[b].n) / total;
        matrix[a * stride + i] = matrix[i * stride + a] = mean;
    }
    groups[a].n += groups[b].n;
    for (size_t i = b; i + 1 < n; i++) { /* row and column b go */
        groups[i] = groups[i + 1];
        for (size_t k = 0; k < n; k++)
            matrix[i * stride + k] = matrix[(i + 1) * stride + k];
    }
    for (size_t i = b; i + 1 < n; i++)
        for (size_t k = 0; k + 1 < n; k++)
            matrix[k * stride + i] = matrix[k * stride + i + 1];
}

az_status az_tree_join(az_tree_merge *merges, const double *matrix, size_t n, az_heap *heap,
                       az_error *error) {
    if (n < 2)
        return AZ_OK;
    double *copy = az_alloc(heap, n * n * sizeof *copy);
    group *groups = az_alloc(heap, n * sizeof *groups);
    az_status status = AZ_OK;
    if (copy && groups) {
        memcpy(copy, matrix, n * n * sizeof *copy);
        for (size_t i = 0; i < n; i++)
            groups[i] = (group){(uint32_t)i, 1};
        for (size_t i = 0; i + 1 < n; i++) {
            size_t a, b;
            find_nearest(copy, n, n - i, &a, &b);
            merges[i] = (az_tree_merge){groups[a].name, groups[b].name, copy[a * n + b] / 2};
            join(copy, n, groups, n - i, a, b);
            groups[a].name = (uint32_t)(n + i);
        }
    } else {
        status = az_alloc_failed(heap, n * n * sizeof *copy, error);
    }
    az_free(heap, copy);
    az_free(heap, groups);
    return status;
}
