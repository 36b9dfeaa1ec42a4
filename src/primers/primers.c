/* primers: the texts, and which of them a content is like. */
#include "primers.h"

#include "primer_code.h"
#include "primer_json.h"
#include "primer_logs.h"
#include "primer_prose.h"

static const az_primer primers[] = {
    {"prose", "English prose", 1, {primer_prose, sizeof primer_prose}},
    {"code", "source code", 2, {primer_code, sizeof primer_code}},
    {"json", "JSON", 3, {primer_json, sizeof primer_json}},
    {"logs", "log files", 4, {primer_logs, sizeof primer_logs}},
};

enum { N_PRIMERS = sizeof primers / sizeof primers[0] };

_Static_assert(sizeof primer_prose <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_code <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_json <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_logs <= AZ_PRIMER_NBYTES_MAX,
               "a primer is too long");

size_t az_primer_count(void) {
    return N_PRIMERS;
}

const az_primer *az_primer_get(size_t i) {
    return i < N_PRIMERS ? &primers[i] : NULL;
}

const az_primer *az_primer_named(const char *name) {
    for (size_t i = 0; i < N_PRIMERS; i++)
        if (strcmp(primers[i].name, name) == 0)
            return &primers[i];
    return NULL;
}

const az_primer *az_primer_numbered(int number) {
    for (size_t i = 0; i < N_PRIMERS; i++)
        if (primers[i].number == number)
            return &primers[i];
    return NULL;
}

/* ---- What a content is like ------------------------------------------------------ */

enum {
    GRAM = 6,            /* bytes that are looked for together */
    LOOKED_AT = 1 << 14, /* of the content, its first */
    SET_LOG2 = 18,       /* bits of the set of a primer's grams */
    LIKE_LEAST = 16      /* one gram of so many is in the primer, at least */
};

static uint32_t gram_at(const uint8_t *p) {
    uint64_t v = az_read_le32(p) | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40;
    return (uint32_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SET_LOG2));
}

/* How many of the content's grams the primer has. */
static size_t count_grams(const az_primer *primer, const uint8_t *content, size_t n_bytes) {
    uint8_t set[(1 << SET_LOG2) / 8] = {0};
    const uint8_t *text = primer->text.data;
    size_t n = 0;
    for (size_t i = 0; i + GRAM <= primer->text.n_bytes; i++) {
        uint32_t gram = gram_at(text + i);
        set[gram >> 3] |= (uint8_t)(1 << (gram & 7));
    }
    for (size_t i = 0; i + GRAM <= n_bytes; i++) {
        uint32_t gram = gram_at(content + i);
        n += set[gram >> 3] >> (gram & 7) & 1;
    }
    return n;
}

const az_primer *az_primer_choose(const uint8_t *content, size_t n_bytes) {
    const az_primer *best = NULL;
    size_t n_looked = n_bytes < LOOKED_AT ? n_bytes : LOOKED_AT;
    size_t most = n_looked / LIKE_LEAST;
    for (size_t i = 0; i < N_PRIMERS; i++) {
        size_t n = count_grams(&primers[i], content, n_looked);
        if (n > most) {
            most = n;
            best = &primers[i];
        }
    }
    return best;
}
