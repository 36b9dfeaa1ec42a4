/*
 * cm_record: finds the period of fixed-length records, table rows, picture
 * lines and samples. Now and then the last WINDOW bytes are compared with those
 * p bytes before, for every p; the p with by far the most equal bytes is the
 * period. A byte that repeats its predecessor says nothing and is not counted.
 * What earlier looks found fades by a quarter each time.
 */
#include "cm_state.h"

enum { WINDOW = 4096 };

/* pos is at least WINDOW + AZ_CM_PERIOD_MAX. scores[AZ_CM_PERIOD_MAX + 1] keeps what
 * was found, zeros at first. */
uint32_t az_cm_period_find(const uint8_t *block, uint32_t pos, uint32_t *scores) {
    const uint8_t *window = block + pos - WINDOW;
    uint8_t counts[WINDOW];
    for (int i = 0; i < WINDOW; i++)
        counts[i] = i > 0 && window[i] != window[i - 1];
    uint32_t best = 0, best_score = 0, total = 0;
    for (uint32_t p = 2; p <= AZ_CM_PERIOD_MAX; p++) {
        uint32_t score = 0;
        for (int row = 0; row < WINDOW; row += 128) { /* a byte holds 128 */
            uint8_t sum = 0;
            for (int i = row; i < row + 128; i++)
                sum = (uint8_t)(sum + (counts[i] & (window[i] == window[i - (int32_t)p])));
            score += sum;
        }
        scores[p] += score - scores[p] / 4;
        total += scores[p];
        if (scores[p] > best_score + best_score / 16) {
            best = p;
            best_score = scores[p];
        }
    }
    uint32_t mean = total / (AZ_CM_PERIOD_MAX - 1);
    return best_score > mean + mean / 2 + 32 ? best : 0;
}
