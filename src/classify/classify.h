/*
 * classify: the label of a text.
 *
 *   features.c     a text's words and runs of characters
 *   table.c        those that a model knows
 *   rows.c         training texts as counts of them
 *   linear.c       log-count ratios and the weights of a linear layer
 *   calibrate.c    what scores are worth
 *   class_model.c  the two, calibrated; class_file.c keeps it
 *   counts.c       texts counted by label: what comes and goes without training again
 *   compressor.c   sizes under other compressors
 *   deflate_size.c the size of two texts joined, by gzip, without joining them
 *   distance.c     distances by size; knn.c the nearest texts; tree.c which belong together
 *   evaluate.c     how good answers are
 *   maths.c, pack.c
 */
#ifndef AZ_CLASSIFY_H
#define AZ_CLASSIFY_H

#include "class_model.h"
#include "counts.h"
#include "evaluate.h"
#include "knn.h"
#include "tree.h"

#endif
