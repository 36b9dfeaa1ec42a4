/*
 * evaluate: how good answers are.
 */
#ifndef AZ_EVALUATE_H
#define AZ_EVALUATE_H

#include "../base/base.h"

/* What the public az_evaluate() says. */
void az_evaluate_answers(az_evaluation *out, uint64_t *confusion, const int64_t *truth,
                         const int64_t *answers, const double *probabilities, size_t n,
                         size_t n_labels);

#endif
