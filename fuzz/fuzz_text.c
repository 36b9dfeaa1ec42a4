/*
 * fuzz_text: arbitrary characters as a message. What decodes has these characters and no others.
 *
 *   byte 0  alphabet, by its remainder; the rest is text
 */
#include "fuzz.h"

enum { N_ALPHABETS = 3, TEXT_MAX = 300 };

static const char seen[] = "The river is slow in the evening.\nWhere are you?\n";

/* The characters of text, without what is passed over; it has no other than the alphabet's. */
static size_t squeeze(char *text, size_t n) {
    size_t to = 0;
    for (size_t at = 0; at < n; at++) {
        bool blank = text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r');
        if (!blank)
            text[to++] = text[at];
    }
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static az_text_coder *coder;
    static char message[AZ_TEXT_NBYTES_MAX], again[8 * AZ_TEXT_NBYTES_MAX + 64];
    char text[TEXT_MAX];
    size_t n_message, n_again;
    if (n_bytes < 1 || n_bytes > TEXT_MAX)
        return 0;
    if (!coder) {
        MUST(az_text_open(&coder, NULL, NULL, NULL) == AZ_OK);
        MUST(az_text_set_dictionary(coder, seen, sizeof seen - 1, NULL) == AZ_OK);
    }
    az_alphabet alphabet = (az_alphabet)(1 + data[0] % N_ALPHABETS);
    MUST(az_text_set_alphabet(coder, alphabet, NULL) == AZ_OK);
    memcpy(text, data + 1, n_bytes - 1);
    az_error error = {.status = AZ_OK};
    az_status status =
        az_text_decode(coder, text, n_bytes - 1, message, sizeof message, &n_message, &error);
    MUST(status == AZ_OK || (error.status == status && error.text[0]));
    if (status != AZ_OK)
        return 0;
    MUST(az_text_encode(coder, message, n_message, again, sizeof again, &n_again, NULL) == AZ_OK);
    size_t n = squeeze(text, n_bytes - 1);
    if (alphabet != AZ_ALPHABET_UNICODE && n == n_again) /* others have wide blanks */
        MUST(memcmp(again, text, n) == 0);
    return 0;
}
