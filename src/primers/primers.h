/*
 * primers: the built-in dictionaries. Each is a text of its kind, in a file of this folder, that
 * archives name by a number; SOURCES.md says where it comes from. A text that is to change gets a
 * new number, and the old one stays: archives need it.
 */
#ifndef AZ_PRIMERS_H
#define AZ_PRIMERS_H

#include "../base/base.h"

enum {
    AZ_PRIMER_NBYTES_MAX = 1 << 16,
    AZ_PRIMED_NBYTES_MAX = (1 << 16) - 1 /* of a content that chooses one itself */
};

/* NULL: there is none. */
const az_primer *az_primer_named(const char *name);
const az_primer *az_primer_numbered(int number);

/* Some lines of messages, at most 256 tokens of any model: not a dictionary that archives name. */
const az_text *az_primer_prompt(void);

/* The one that content[0..n_bytes) is most like; NULL if it is like none. */
const az_primer *az_primer_choose(const uint8_t *content, size_t n_bytes);

#endif
