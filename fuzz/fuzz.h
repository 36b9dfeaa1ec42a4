/*
 * fuzz: what the fuzzers share. The first bytes of an input choose options, the
 * rest is data. `repair` makes the checks of an archive right, as far as its
 * blocks can be read, so that what lies behind them is fuzzed as well.
 */
#ifndef AZ_FUZZ_H
#define AZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "aizip.h"
#include "base/base.h"
#include "container/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* Fails even where assert is compiled out. */
#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* A block that says it holds more is left with its wrong check: decoding it
 * would take minutes, and rightly so. */
enum { FUZZ_CONTENT_MAX = 1 << 13 };

/* The check of block `block` of `frame`, whose header and payload are at p. */
static inline uint32_t fuzz_block_check(const az_frame *frame, const az_block_header *block,
                                        const uint8_t *p) {
    az_hash hash;
    az_hash_begin(&hash, az_frame_seed(frame));
    az_hash_add(&hash, p, block->header_nbytes - 4);
    az_hash_add(&hash, p + block->header_nbytes, block->payload_nbytes);
    return az_hash_value(&hash);
}

/* One frame of p[0..n_bytes): the method version is set to method_version.
 * Returns what was understood of it, 0 for nothing. */
static inline size_t fuzz_repair_frame(uint8_t *p, size_t n_bytes, int method_version) {
    az_frame frame;
    az_block_header block = {0};
    size_t n_used, pos = AZ_FRAME_HEADER_NBYTES;
    if (n_bytes < AZ_FRAME_HEADER_NBYTES)
        return 0;
    p[6] = (uint8_t)method_version;
    p[8] = (uint8_t)az_check(p, 8);
    if (az_frame_header_read(&frame, p, n_bytes, 0, &n_used, NULL) != AZ_OK || n_used == 0)
        return 0;
    pos = n_used;
    frame.id_known = false;
    for (uint64_t number = 0; !block.last; number++) {
        if (number > 0 && n_bytes - pos > 8) { /* the id follows the first block's check */
            az_write_le32(p + pos + 4, frame.id);
        }
        if (az_block_header_read(&block, &frame, number, p + pos, n_bytes - pos, pos, &n_used,
                                 NULL) != AZ_OK ||
            n_used == 0 || block.payload_nbytes > n_bytes - pos - n_used ||
            (!block.stored && block.content_nbytes > FUZZ_CONTENT_MAX))
            return pos;
        uint32_t check = fuzz_block_check(&frame, &block, p + pos);
        az_write_le32(p + pos + n_used - 4, check);
        if (number == 0)
            frame.id = check;
        pos += n_used + block.payload_nbytes;
    }
    return pos;
}

/* Each 0xFE 0xFD stands for 65,536 zeros, the content of a stored block, so that
 * a short input can be an archive of several. The caller frees *out, which is
 * as large as it has to be, to the byte, for ASan. */
static inline size_t fuzz_expand(uint8_t **out, const uint8_t *data, size_t n_bytes) {
    enum { RUN = 65536, RUNS_MAX = 5 };
    size_t n_runs = 0, n_out = 0;
    for (size_t i = 0; i + 1 < n_bytes; i++)
        n_runs += data[i] == 0xFE && data[i + 1] == 0xFD;
    n_runs = n_runs < RUNS_MAX ? n_runs : RUNS_MAX;
    *out = calloc(1, n_bytes + n_runs * (RUN - 2) + !n_bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        if (n_runs > 0 && i + 1 < n_bytes && data[i] == 0xFE && data[i + 1] == 0xFD) {
            n_runs--;
            n_out += RUN;
            i++;
        } else {
            (*out)[n_out++] = data[i];
        }
    }
    return n_out;
}

/* All frames that follow one another. */
static inline void fuzz_repair(uint8_t *p, size_t n_bytes, int method_version) {
    while (n_bytes > 0) {
        size_t n = fuzz_repair_frame(p, n_bytes, method_version);
        if (n == 0)
            return;
        p += n;
        n_bytes -= n;
    }
}

#endif
