/* digits: long multiplication and division by a radix. Numbers are words, the highest first. */
#include "digits.h"

enum { LOW_NBYTES = 8, WORD_NBYTES = 4 };

static size_t n_words(const az_range_encoder *rc) {
    return (rc->pos + LOW_NBYTES + WORD_NBYTES - 1) / WORD_NBYTES;
}

size_t az_digits_scratch(const az_range_encoder *rc) {
    return 2 * n_words(rc);
}

static void put_byte(uint32_t *words, size_t i, uint8_t byte) {
    words[i / WORD_NBYTES] |= (uint32_t)byte << (24 - 8 * (i % WORD_NBYTES));
}

/* words *= radix; returns what leaves at the top. */
static uint32_t multiply(uint32_t *words, size_t n, uint32_t radix) {
    uint64_t carry = 0;
    for (size_t i = n; i-- > 0;) {
        carry += (uint64_t)words[i] * radix;
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

/* Whether 1 - low < width, for low > 0. */
static bool reaches_one(const uint32_t *low, const uint32_t *width, size_t n) {
    size_t last = n; /* the last word that is not 0: there 1 - low is the two's complement */
    while (low[last - 1] == 0)
        last--;
    for (size_t i = 0; i < n; i++) {
        uint32_t word = i + 1 < last ? ~low[i] : i + 1 == last ? 0 - low[i] : 0;
        if (word != width[i])
            return word < width[i];
    }
    return false;
}

static bool is_zero(const uint32_t *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (words[i])
            return false;
    return true;
}

size_t az_digits_shortest(const az_range_encoder *rc, uint32_t radix, uint16_t *digits,
                          size_t capacity, uint32_t *scratch) {
    size_t n = n_words(rc), k = 0;
    uint32_t *low = scratch, *width = scratch + n;
    memset(scratch, 0, 2 * n * sizeof *scratch);
    for (size_t i = 0; i < rc->pos; i++)
        put_byte(low, i, rc->out[i]);
    for (size_t i = 0; i < LOW_NBYTES; i++) {
        put_byte(low, rc->pos + i, (uint8_t)(rc->low >> (56 - 8 * i)));
        put_byte(width, rc->pos + i, (uint8_t)(rc->range >> (56 - 8 * i)));
    }
    for (bool wide = false;;) {
        if (k == capacity)
            return SIZE_MAX;
        digits[k++] = (uint16_t)multiply(low, n, radix);
        wide |= multiply(width, n, radix) != 0;
        if (is_zero(low, n))
            return k;
        if (wide || reaches_one(low, width, n))
            break;
    }
    /* Rounded up: inside the interval, which ends at 1 at most. */
    for (size_t i = k; i-- > 0 && ++digits[i] == radix;)
        digits[i] = 0;
    return k;
}

/* Twice the bits that n digits have: then what is lost by rounding is less than any two numbers of
 * coder and digits can differ by. */
size_t az_digits_nbytes(uint32_t radix, size_t n) {
    size_t n_bits = 1;
    while ((uint32_t)1 << n_bits < radix)
        n_bits++;
    return (2 * n * n_bits + 256) / 32 * WORD_NBYTES + WORD_NBYTES;
}

void az_digits_to_bytes(const uint16_t *digits, size_t n, uint32_t radix, uint8_t *bytes) {
    size_t words = az_digits_nbytes(radix, n) / WORD_NBYTES;
    uint32_t *number = (uint32_t *)(void *)bytes;
    memset(number, 0, words * WORD_NBYTES);
    for (size_t k = n; k-- > 0;) {
        uint64_t rest = digits[k];
        for (size_t i = 0; i < words; i++) {
            rest = rest << 32 | number[i];
            number[i] = (uint32_t)(rest / radix);
            rest %= radix;
        }
    }
    /* Each division has lost less than 1, all together less than 2: never below what was meant. */
    for (int more = 0; more < 2; more++)
        for (size_t i = words; i-- > 0 && ++number[i] == 0;) {
        }
    for (size_t i = 0; i < words; i++) {
        uint32_t word = number[i];
        for (size_t j = 0; j < WORD_NBYTES; j++)
            bytes[i * WORD_NBYTES + j] = (uint8_t)(word >> (24 - 8 * j));
    }
}
