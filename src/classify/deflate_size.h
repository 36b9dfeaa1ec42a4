/*
 * deflate_size: how many bytes zlib's level 9 makes of two texts, one behind the other, without
 * making them, and without doing again for every pair what depends on one of the two texts alone.
 *
 * A distance matrix asks for very many pairs of a few texts. What zlib does at level 9 is lazy
 * matching (the longest earlier string at each place, the nearest of equals, unless the next place
 * has a longer one), then one block whose codes are Huffman's. Of that, the parse of the first text
 * up to about its end, and the longest matches of the second text within itself, are the same
 * in every pair. Left for each pair: the second text's matches in the first, the lazy choices, and
 * the lengths of the codes.
 *
 * The size is zlib's to the byte (1.2.12 to 1.3.1, windowBits 15, memLevel 8) for every pair that is
 * covered; the few that are not are left to zlib.
 */
#ifndef AZ_DEFLATE_SIZE_H
#define AZ_DEFLATE_SIZE_H

#include "../base/base.h"

/* Both texts together: zlib's window, within which it has nothing to forget. */
#define AZ_DEFLATE_PAIR_MAX (32768 - 262)

/* A text as the second of pairs. */
typedef struct az_deflate_second {
    const uint8_t *text; /* [n] somebody else's */
    uint32_t n;
    uint32_t n_most_alike; /* places whose three bytes have the same hash, at most */
    uint16_t *places;      /* [3][n]: hashes of three bytes; the longest match within the text, 0 if
                              it is shorter than 3; and how far back it is */
} az_deflate_second;

/* For one thread: the first text of pairs, and room to work. */
typedef struct az_deflate_first az_deflate_first;

az_status az_deflate_first_open(az_deflate_first **out, az_heap *heap, az_error *error);
void az_deflate_first_close(az_deflate_first **first);
/* The pairs that follow begin with the n_parts parts, one behind the other. They are copied. */
void az_deflate_first_set(az_deflate_first *first, const az_text *parts, int n_parts);

/* n_bytes at most AZ_DEFLATE_PAIR_MAX, or second->places is NULL and no pair is covered. `room` is
 * any first; what it was set to is lost. second->places is freed with az_free. */
az_status az_deflate_second_make(az_deflate_second *second, az_text text, az_deflate_first *room,
                                 az_heap *heap, az_error *error);

/* The bytes of raw deflate for the first text and the second behind it; 0: not covered. */
size_t az_deflate_pair_size(az_deflate_first *first, const az_deflate_second *second);

#endif
