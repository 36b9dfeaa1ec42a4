/* choice: by the masses that lie between their sums. */
#include "choice.h"

#include <stdlib.h>

void az_guess_strings(const uint64_t *sums, uint32_t n, uint32_t actual, az_guesses *out) {
    uint64_t mass = sums[actual + 1] - sums[actual], all = az_log2_cost(sums[n]), least = 0;
    *out = (az_guesses){.rank = 1};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t other = sums[i + 1] - sums[i];
        out->rank += other > mass || (other == mass && i < actual);
        if (other <= least)
            continue;
        az_guesses_add(out, i, all - az_log2_cost(other));
        if (out->n == AZ_GUESSES_MAX) {
            uint32_t last = out->guess[AZ_GUESSES_MAX - 1].string;
            least = sums[last + 1] - sums[last];
        }
    }
}

static int by_mass(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

void az_choose_strings(const az_mixed_choice *choice, uint32_t n, uint64_t *masses,
                       uint64_t *sums) {
    uint32_t k = 0;
    uint64_t most = choice->top_p ? sums[n] / 1000 * choice->top_p : UINT64_MAX, all = 0;
    for (uint32_t i = 0; i < n; i++)
        masses[i] = sums[i + 1] - sums[i];
    qsort(masses, n, sizeof *masses, by_mass);
    do
        all += masses[k++];
    while (k < n && all < most && (!choice->top_k || k < choice->top_k));
    uint64_t least = masses[k - 1], before = sums[0];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t mass = sums[i + 1] - before;
        before = sums[i + 1];
        sums[i + 1] = sums[i] + (mass >= least ? mass : 0);
    }
}
