/*
 * choice: which of the strings that may come are the likeliest. sums [n + 1]: the mass of the strings
 * before each.
 */
#ifndef AZ_CHOICE_H
#define AZ_CHOICE_H

#include "trace.h"

/* The likeliest strings, and the rank of the one that comes, by the model alone. */
void az_guess_strings(const uint64_t *sums, uint32_t n, uint32_t actual, az_guesses *out);

/* What of the model's strings may come; zeros: all. */
typedef struct az_mixed_choice {
    uint32_t top_k; /* the likeliest so many */
    uint32_t top_p; /* the likeliest that together have so many thousandths of the mass */
} az_mixed_choice;

/* Takes the mass of all but the likeliest away; those that are as likely as the last stay. masses [n]:
 * scratch. */
void az_choose_strings(const az_mixed_choice *choice, uint32_t n, uint64_t *masses, uint64_t *sums);

#endif
