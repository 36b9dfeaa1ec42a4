/*
 * features: the contexts of a text that a class model counts: words, words in a row, and runs
 * of characters, each as a hash of 64 bits.
 *
 * The text is first made plain: letters in lower case, blanks and controls as one space, and
 * a space at either end. A word is a run of letters, digits, and bytes from 0x80 (but for
 * Unicode's general punctuation); any other mark is a word of its own. Runs of characters
 * count code points, a byte that is part of none is one, and may stop at a space.
 *
 * A hash has AZ_FEATURE_HASH_BITS high bits, the rest are 0: among ten million features a few
 * dozen share theirs with another, which nobody notices.
 */
#ifndef AZ_FEATURES_H
#define AZ_FEATURES_H

#include "../base/base.h"

#define AZ_FEATURE_RUN_MAX 8   /* characters */
#define AZ_FEATURE_WORDS_MAX 3 /* in a row */

typedef struct az_feature_kinds {
    uint32_t image_width; /* not 0: the text is an image, a byte a pixel, and its features are
                             patterns of neighbours where they lie; the rest is not used */
    uint8_t n_words;      /* up to how many words in a row, 0..AZ_FEATURE_WORDS_MAX */
    bool marks;           /* whether words in a row count marks, too */
    bool in_words;        /* runs of characters stop at a word's end: the space is their last */
    uint8_t run_min;      /* characters of a run, at least 1 */
    uint8_t run_max;      /* at most AZ_FEATURE_RUN_MAX; 0: no runs */
} az_feature_kinds;

/* A feature of runs has the highest bit set, one of words has not. */
#define AZ_FEATURE_IS_RUN ((uint64_t)1 << 63)
#define AZ_FEATURE_HASH_BITS 40
#define AZ_FEATURE_HASH_MASK (~UINT64_C(0) << (64 - AZ_FEATURE_HASH_BITS))

/* The features of one text; filled anew for each. Zeros but for the heap at first. */
typedef struct az_feature_list {
    az_heap *heap;
    uint64_t *hashes; /* [capacity] */
    uint32_t *from;   /* [capacity] where each lies in the text, */
    uint32_t *to;     /* up to here; NULL unless with_places */
    size_t n, capacity;
    bool with_places;
    /* The plain text and where its bytes come from. */
    uint8_t *plain; /* [n_plain] */
    uint32_t *at;   /* [n_plain + 1] */
    size_t n_plain, plain_capacity;
} az_feature_list;

/* The longest text: offsets have 32 bits. */
#define AZ_FEATURE_TEXT_MAX ((uint64_t)1 << 31)

/* Fills the list. AZ_ERROR_ARGUMENT for a text that is too long. */
az_status az_features_find(az_feature_list *list, const az_feature_kinds *kinds, az_text text,
                           az_error *error);
/* Spreads what feature i has earned over its place's bytes: onto bits [n_bytes] of the text, the
 * list with_places. Returns what no byte earns: of an empty text, all. */
double az_feature_earns(const az_feature_list *list, size_t i, double earned, double *bits,
                        size_t n_bytes);
void az_features_free(az_feature_list *list);

#endif
