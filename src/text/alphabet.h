/*
 * alphabet: the characters that stand for a message, and their numbers. All survive trimming and
 * wrapping, as no alphabet has a blank, and those of Unicode are the same under NFC and NFKC.
 */
#ifndef AZ_ALPHABET_H
#define AZ_ALPHABET_H

#include "../base/base.h"

/* How many characters; at most 2^16. */
uint32_t az_alphabet_size(az_alphabet alphabet);
uint32_t az_alphabet_char(az_alphabet alphabet, uint32_t digit);
/* -1: the character is not of the alphabet. */
int32_t az_alphabet_digit(az_alphabet alphabet, uint32_t c);

/* Septets that a character takes in the GSM 7-bit default alphabet and its extension: 1, 2, or 0 if
 * it has none. (3GPP TS 23.038) */
uint32_t az_gsm7_septets(uint32_t c);

/* Blanks, line ends and marks of no width that copying may add: they are passed over. */
bool az_is_passed_over(uint32_t c);

/* The character at text[*at..n), which is moved behind it; UINT32_MAX where the bytes are no valid
 * UTF-8. */
uint32_t az_utf8_next(const uint8_t *text, size_t n, size_t *at);
/* Returns how many bytes, 1 to 4. */
size_t az_utf8_put(uint8_t *to, uint32_t c);

#endif
