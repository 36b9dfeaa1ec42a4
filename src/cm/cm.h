/*
 * cm: the built-in predictor, context mixing in integers.
 */
#ifndef AZ_CM_H
#define AZ_CM_H

#include "../base/base.h"
#include "../coder/coder.h"

#define AZ_CM_VERSION 2

typedef struct az_cm az_cm;

/* Codes the next n_bytes of the block: into enc; or, when that is NULL, out of dec and
 * into block, which is the one that az_cm_begin() was given. */
typedef void (*az_cm_code_fn)(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec,
                              uint8_t *block, size_t n_bytes);

/* What is coded at once: the content of a block, before it, in the same buffer, the bytes of a
 * dictionary, which are never coded but are what the predictor has seen already. Both together are
 * below 2^30. */
typedef struct az_span {
    size_t dictionary_nbytes; /* 0: none */
    size_t content_nbytes;
} az_span;

uint32_t az_cm_block_nbytes(int level);
uint64_t az_cm_memory(int level, az_span most);
az_status az_cm_open(az_cm **out, az_heap *heap, int level, az_span most, az_error *error);
void az_cm_close(az_cm **cm);
/* block[dictionary_nbytes + content_nbytes]. Of a long dictionary the match models know all when
 * this returns, and the contexts are to see the end: returns how many bytes of it are left, to be
 * coded into nothing. */
size_t az_cm_begin(az_cm *cm, const uint8_t *block, az_span span);
void az_cm_code(az_cm *cm, az_range_encoder *enc, az_range_decoder *dec, uint8_t *block,
                size_t n_bytes);

/* Makes `to` what `from` is: the same level, and opened for blocks of no less than from's. From then
 * on it reads `block`, which holds the same bytes so far. */
void az_cm_copy(az_cm *to, const az_cm *from, const uint8_t *block);

/* ---- Sampling ----------------------------------------------------------------------
 *
 * Decoding random bytes is sampling. A temper makes likely decisions likelier, or less so. */

typedef struct az_cm_temper az_cm_temper;
/* temperature: thousandths, 0..100,000; what log-odds are divided by. 0: the likelier bit is sure.
 * az_free'd by the caller. NULL: no memory. */
az_cm_temper *az_cm_temper_open(uint32_t temperature, az_heap *heap);

/* From now on decoding obeys the decoder's temper, until az_cm_open(). Slower. */
void az_cm_sample(az_cm *cm);

/* ---- What may come --------------------------------------------------------------- */

enum { AZ_GUESSES_MAX = AZ_SURPRISE_GUESSES_MAX };

/* The likeliest of all that may come, the likeliest first. */
typedef struct az_guesses {
    uint32_t rank; /* of what comes: one more than there are likelier ones */
    uint32_t n;
    struct {
        uint32_t string; /* a byte, or with a language model a string of the vocabulary */
        uint32_t cost;   /* bits times AZ_COST_BIT */
    } guess[AZ_GUESSES_MAX];
} az_guesses;

/* Puts one in its place, if it belongs there: of equal ones the lower string first. */
void az_guesses_add(az_guesses *guesses, uint32_t string, uint64_t cost);

/* Which bytes may come next in az_cm_code(), where `actual` will: exactly what each would cost.
 * Not at level AZ_CM_HINTED. The predictor is as before. Takes as long as
 * coding some 15 bytes, at level 1 twice that. */
void az_cm_guess(az_cm *cm, uint32_t actual, az_guesses *guesses);

/* ---- With a language model -------------------------------------------------------
 *
 * Level AZ_CM_HINTED: the block is cut into lanes, each a course of tokens; the tokens of all
 * lanes are coded in turn. What a language model says of the next token is one more input of
 * the mixer. */

enum { AZ_CM_HINTED = 10 };

/* A vocabulary: strings of bytes, sorted, no two equal, none empty; every byte alone is one of
 * them. */
typedef struct az_cm_strings {
    uint32_t n;
    const uint32_t *starts; /* [n + 1], in bytes */
    const uint8_t *bytes;   /* [starts[n]] */
    const uint32_t *first;  /* [257] the first string that begins with a byte, or a greater one */
} az_cm_strings;

/* A lane: bytes first..end - 1 of the block, and where in them coding stands. */
typedef struct az_cm_lane az_cm_lane;
uint64_t az_cm_lane_nbytes(void);
/* A dictionary's tokens have been coded, after hints that said nothing: what that has taught of the
 * worth of hints is forgotten, what it has taught of the text is not. */
void az_cm_forget_hints(az_cm *cm);
/* lane: az_cm_lane_nbytes() bytes, aligned for anything. After az_cm_begin, whose block must
 * be zeros and is written to here, in both directions. */
void az_cm_lane_begin(const az_cm *cm, az_cm_lane *lane, uint32_t first, uint32_t end);
uint32_t az_cm_lane_left(const az_cm_lane *lane); /* bytes still to be coded */

/* From now on what each byte costs, with what says whether the token ends there, is added to
 * costs[its place in the block - first], times AZ_COST_BIT; NULL: no more. For encoding. */
void az_cm_trace(az_cm *cm, uint32_t *costs, size_t first);

/* Codes the next token of a lane that has bytes left: number `index` of the strings, into enc;
 * or, when that is NULL, out of dec. sums[n + 1]: the mass of the strings before each, each
 * string has 1 at least and all together are below 2^62. What of it lies beyond the lane's end
 * is not coded. Returns index, or strings->n if the lane has ended within a string. */
typedef uint32_t (*az_cm_string_fn)(az_cm *cm, az_cm_lane *lane, az_range_encoder *enc,
                                    az_range_decoder *dec, uint8_t *block,
                                    const az_cm_strings *strings, const uint64_t *sums,
                                    uint32_t index);
uint32_t az_cm_code_string(az_cm *cm, az_cm_lane *lane, az_range_encoder *enc,
                           az_range_decoder *dec, uint8_t *block, const az_cm_strings *strings,
                           const uint64_t *sums, uint32_t index);

#endif
