/*
 * built_in: what each piece of a text costs under the built-in predictor. The predictor codes
 * the text as the encoder does, block by block, into nothing; after each piece the coder's
 * interval tells, to a fraction of a bit, what has been spent: 8 bits for each byte that has
 * left it, and log2 of what is narrower than a whole.
 */
#include "measure.h"

az_status az_built_in_pieces(const az_built_in *b, const uint8_t *text, size_t n_bytes,
                             uint64_t *costs, az_error *error) {
    size_t block = az_predictor_block_nbytes(AZ_METHOD_CM, b->level);
    az_predictor *predictor = NULL;
    AZ_TRY(az_predictor_open(&predictor, b->heap, AZ_METHOD_CM, b->level,
                             (az_span){0, n_bytes < block ? n_bytes : block}, error));
    az_range_encoder rc;
    az_status status = AZ_OK;
    for (size_t pos = 0; pos < n_bytes && status == AZ_OK; pos += AZ_PIECE_NBYTES) {
        size_t left = n_bytes - pos;
        if (pos % block == 0) { /* a power of two, and larger than a piece */
            az_range_encoder_init(&rc, NULL, 0);
            az_predictor_begin(predictor, text + pos, (az_span){0, left < block ? left : block});
        }
        uint64_t before = az_coded_cost(&rc);
        az_predictor_encode(predictor, &rc, left < AZ_PIECE_NBYTES ? left : AZ_PIECE_NBYTES);
        *costs++ = az_coded_cost(&rc) - before;
        if (b->progress && b->progress(b->opaque, pos) != 0)
            status = az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET,
                                  "stopped by the progress function");
    }
    az_predictor_close(&predictor);
    return status;
}
