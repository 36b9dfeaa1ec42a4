/*
 * fuzz_dataset: a file of labelled texts of arbitrary bytes. It is refused with a sentence, or
 * gives the same rows whole and in pieces; the first bytes choose form, options and pieces.
 */
#include "fuzz.h"

#include <string.h>

typedef struct seen {
    uint64_t hash;
    size_t n_rows;
} seen;

static int see(void *opaque, az_text text, az_text label, uint64_t line) {
    seen *s = opaque;
    s->hash = s->hash * 31 + az_check(text.data ? text.data : "", text.n_bytes);
    s->hash = s->hash * 31 + (label.data ? az_check(label.data, label.n_bytes) : 7);
    s->hash = s->hash * 31 + line;
    s->n_rows++;
    return 0;
}

static az_status read_in_pieces(seen *s, const az_dataset_options *options, const uint8_t *data,
                                size_t n, size_t step) {
    az_row_reader *r;
    az_error error = {0};
    MUST(az_row_reader_open(&r, "fuzz", options, NULL, NULL) == AZ_OK);
    az_status status = AZ_OK;
    size_t i = 0;
    do {
        size_t piece = n - i < step ? n - i : step;
        status = az_row_reader_push(r, data + i, piece, i + piece == n, see, s, &error);
        i += piece;
    } while (status == AZ_OK && i < n);
    MUST(status == AZ_OK || (error.text[0] && strchr(error.text, ',')));
    az_row_reader_close(&r);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 3)
        return 0;
    const char *const columns[] = {NULL, "1", "text,title", "2,1"};
    const az_dataset_options options = {.format = (az_dataset_format)(data[0] % AZ_DATASET_FOLDER),
                                        .header = data[1] % 3 - 1,
                                        .unlabelled = data[1] >> 2 & 1,
                                        .escapes = data[1] >> 3 & 1,
                                        .text_columns = columns[data[1] >> 4 & 3],
                                        .label_column = data[1] >> 6 & 1 ? "label" : NULL,
                                        .memory_limit = 1 << 26};
    seen whole = {0}, pieces = {0};
    data += 3;
    n_bytes -= 3;
    az_status a = read_in_pieces(&whole, &options, data, n_bytes, n_bytes + 1);
    az_status b = read_in_pieces(&pieces, &options, data, n_bytes, 1 + data[-1] % 64);
    MUST(a == b && whole.hash == pieces.hash && whole.n_rows == pieces.n_rows);
    return 0;
}
