/*
 * digits: what a coder holds, as the fewest digits of any radix, and back. A coder's message is a
 * number in [0, 1); so are digits behind a point.
 */
#ifndef AZ_DIGITS_H
#define AZ_DIGITS_H

#include "../coder/coder.h"

/* 32-bit words of scratch for what the coder holds. */
size_t az_digits_scratch(const az_range_encoder *rc);

/* The fewest digits, one at least, that name a number in the coder's interval; the coder stays as
 * it is. digits[capacity]; returns how many, or SIZE_MAX if there is no room. */
size_t az_digits_shortest(const az_range_encoder *rc, uint32_t radix, uint16_t *digits,
                          size_t capacity, uint32_t *scratch);

/* Bytes that hold the number that n digits name, near enough for every coder that gave them. */
size_t az_digits_nbytes(uint32_t radix, size_t n);
/* bytes[az_digits_nbytes()], aligned for words, which it works in. */
void az_digits_to_bytes(const uint16_t *digits, size_t n, uint32_t radix, uint8_t *bytes);

#endif
