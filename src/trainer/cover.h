/*
 * cover: picks from a text the segments that hold most of what returns in it. The text is cut into
 * epochs, as many as segments fit, and each gives the segment whose grams (short strings) occur in
 * the most pieces; what a segment holds counts for no other one. (Liao et al., "Effective
 * construction of relative Lempel-Ziv dictionaries", 2016; zstd's trainers do the same.)
 */
#ifndef AZ_COVER_H
#define AZ_COVER_H

#include "../base/base.h"

typedef struct az_cover az_cover;

/* pieces: of the text, [n_pieces + 1] places where each begins, and its end. The text stays the
 * caller's. */
az_status az_cover_open(az_cover **out, const uint8_t *text, const size_t *pieces, size_t n_pieces,
                        az_heap *heap, az_error *error);
void az_cover_close(az_cover **cover); /* takes NULL */

/* Picks segments of about segment_nbytes by grams of gram_nbytes (4..16) into
 * dictionary[0..capacity), the best last. Returns how many bytes; fewer than capacity where the
 * text has no more that returns. */
size_t az_cover_pick(az_cover *cover, uint32_t gram_nbytes, size_t segment_nbytes,
                     uint8_t *dictionary, size_t capacity);

#endif
