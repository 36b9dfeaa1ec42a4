/*
 * tree: which of n things belong together, by their distances: UPGMA (Sokal and Michener 1958),
 * the two nearest groups are joined, again and again, a group's distance being the mean.
 */
#ifndef AZ_TREE_H
#define AZ_TREE_H

#include "../base/base.h"

/* matrix [n][n], symmetric; it is copied. merges [n - 1]: things are 0..n-1, the group of merge i
 * is n + i; of equally near pairs, the one with the lowest numbers. */
az_status az_tree_join(az_tree_merge *merges, const double *matrix, size_t n, az_heap *heap,
                       az_error *error);

#endif
