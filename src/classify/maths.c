/* maths: a number is taken apart into its exponent and a rest near 1 or 0, whose series is
 * summed. */
#include "maths.h"

#include <stdint.h>
#include <string.h>

/* ln 2 as a sum: the first part has few enough bits for exact products with exponents. */
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10

/* 2 to the k, -1022..1023. */
static double power_of_two(int k) {
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

double az_ln(double x) {
    int k = 0;
    if (x < 2.2250738585072014e-308) { /* subnormal */
        x *= 18014398509481984.0;      /* 2^54 */
        k = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    k += (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFF) | (uint64_t)1023 << 52;
    memcpy(&x, &bits, sizeof x);
    if (x > 1.4142135623730951) {
        x *= 0.5;
        k++;
    }
    /* ln x = 2 artanh s, |s| <= 0.172: s^2 below 0.0295, so that 11 terms are enough. */
    double s = (x - 1) / (x + 1), s2 = s * s, sum = 0;
    for (int i = 21; i >= 3; i -= 2)
        sum = (sum + 1.0 / i) * s2;
    return k * LN2_HIGH + (2 * s + (2 * s * sum + k * LN2_LOW));
}

double az_exp(double x) {
    if (x < -700)
        return 0;
    if (x > 700)
        x = 700;
    double scaled = x * 1.4426950408889634;
    int k = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW; /* |r| <= 0.347 */
    double sum = 1;
    for (int i = 14; i >= 1; i--)
        sum = 1 + r / i * sum;
    return sum * power_of_two(k);
}
