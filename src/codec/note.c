/* note: what an archive keeps of the one that was given. */
#include "codec.h"

az_status az_dictionary_note(az_frame_dictionary *note, const void *data, size_t n_bytes,
                             az_error *error) {
    uint8_t sum[32];
    az_sha256 hash;
    if (!data && n_bytes > 0)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "data is NULL");
    if (n_bytes > AZ_DICTIONARY_NBYTES_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a dictionary can have %lu bytes at most",
                            (unsigned long)AZ_DICTIONARY_NBYTES_MAX);
    *note = (az_frame_dictionary){.n_bytes = (uint32_t)n_bytes};
    az_sha256_begin(&hash);
    az_sha256_add(&hash, data, n_bytes);
    az_sha256_end(&hash, sum);
    memcpy(note->hash, sum, sizeof note->hash);
    return AZ_OK;
}
