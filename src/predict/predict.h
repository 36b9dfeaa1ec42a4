/*
 * predict: the one predictor interface. A predictor is asked, bit by bit, most
 * significant bit first, how likely the next bit is a 1, and told what it was.
 * Encoder and decoder drive it the same way, so they see the same
 * probabilities.
 */
#ifndef AZ_PREDICT_H
#define AZ_PREDICT_H

#include "../base/base.h"
#include "../coder/coder.h"
#include "mixed.h"

/* Methods, as the archive's header numbers them. */
enum { AZ_METHOD_CM = 1, AZ_METHOD_LM = 2 };

/* The numeric version of a method, of cm or of cm with a language model: raised by every change that
 * alters a probability. */
int az_predictor_version(int method);

/* One line for people, a constant: version of aizip and of cm, and the kernels that
 * this machine uses. */
const char *az_predictor_info(void);

/* Block size that a level uses unless told otherwise: a power of two. */
uint32_t az_predictor_block_nbytes(int method, int level);

/* Memory for spans that are no longer than `most`, in either part. */
uint64_t az_predictor_memory(int method, int level, az_span most);

typedef struct az_predictor az_predictor;

/* Makes a predictor that can code spans of up to `most`, in either part. All memory
 * is taken here; what follows can't fail. *out belongs to the caller. */
az_status az_predictor_open(az_predictor **out, az_heap *heap, int method, int level, az_span most,
                            az_error *error);
void az_predictor_close(az_predictor **predictor);

/* Starts anew, as if just opened, for a span, whose code depends on the level, the dictionary and
 * the content's size alone. `block` is the buffer that holds the dictionary, and behind it the
 * content: the encoder's input, or where the decoder puts it. The predictor reads it only below
 * the byte being decoded. Returns how many bytes of the dictionary, its last, are to be coded into
 * nothing before the content. */
size_t az_predictor_begin(az_predictor *predictor, const uint8_t *block, az_span span);

/* Makes `to` what `from` is, which goes on to be what it was: the same method and level, and opened
 * for blocks of no less than from's. `block` holds the same bytes so far, and those to come. */
void az_predictor_copy(az_predictor *to, const az_predictor *from, const uint8_t *block);

/* From now on az_predictor_decode() obeys the decoder's temper (az_cm_temper). Slower. */
void az_predictor_sample(az_predictor *predictor);

/* Which bytes may come next, where `actual` will: exactly what each would cost. The predictor is as
 * before. */
void az_predictor_guess(az_predictor *predictor, uint32_t actual, az_guesses *guesses);

/* Codes the next n_bytes of the span. How a block is cut into calls does not
 * matter. */
void az_predictor_encode(az_predictor *predictor, az_range_encoder *rc, size_t n_bytes);
void az_predictor_decode(az_predictor *predictor, az_range_decoder *rc, uint8_t *block,
                         size_t n_bytes);

#endif
