/* primers: the texts, and which of them a content is like. */
#include "primers.h"

#include <primer_code.h>
#include <primer_json.h>
#include <primer_logs.h>
#include <primer_messages.h>
#include <primer_prompt.h>
#include <primer_prose.h>

static const az_primer primers[] = {
    {"prose", "English prose", 1, {primer_prose, sizeof primer_prose}},
    {"code", "source code", 2, {primer_code, sizeof primer_code}},
    {"json", "JSON", 3, {primer_json, sizeof primer_json}},
    {"logs", "log files", 4, {primer_logs, sizeof primer_logs}},
    {"messages", "short messages", 5, {primer_messages, sizeof primer_messages}},
};

enum { N_PRIMERS = sizeof primers / sizeof primers[0] };

_Static_assert(sizeof primer_prose <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_code <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_json <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_logs <= AZ_PRIMER_NBYTES_MAX &&
                   sizeof primer_messages <= AZ_PRIMER_NBYTES_MAX,
               "a primer is too long");

static const az_text prompt = {primer_prompt, sizeof primer_prompt};

const az_text *az_primer_prompt(void) {
    return &prompt;
}

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
    GRAM_SHORT = 3, /* bytes that are looked for together */
    GRAM_LONG = 4,
    LOOKED_AT = 1 << 14, /* of the content, its first */
    SET_LOG2 = 18,
    LIKE_LEAST = 4 /* one gram of so many is in the primer, at least */
};

/* Grams, by hash. */
typedef struct gram_set {
    uint8_t bits[(1 << SET_LOG2) / 8];
} gram_set;

static uint32_t gram_at(const uint8_t *p, uint32_t n_bytes) {
    uint32_t v = 0;
    for (uint32_t i = 0; i < n_bytes; i++)
        v = v << 8 | p[i];
    return (v + n_bytes) * 0x9e3779b1u >> (32 - SET_LOG2);
}

/* False if it is there already. */
static bool add_gram(gram_set *set, uint32_t gram) {
    uint8_t bit = (uint8_t)(1 << (gram & 7)), old = set->bits[gram >> 3];
    set->bits[gram >> 3] = old | bit;
    return !(old & bit);
}

static bool has_gram(const gram_set *set, uint32_t gram) {
    return set->bits[gram >> 3] >> (gram & 7) & 1;
}

/* How many different grams of the content the primer has, and of all; each counts once, so that
 * runs of spaces don't decide. */
static void count_grams(const az_primer *primer, const uint8_t *content, size_t n_bytes,
                        size_t *n_common, size_t *n_all) {
    const uint8_t *text = primer->text.data;
    *n_common = *n_all = 0;
    for (uint32_t n = GRAM_SHORT; n <= GRAM_LONG; n++) {
        gram_set of_primer = {{0}}, of_content = {{0}};
        for (size_t i = 0; i + n <= primer->text.n_bytes; i++)
            add_gram(&of_primer, gram_at(text + i, n));
        for (size_t i = 0; i + n <= n_bytes; i++) {
            uint32_t gram = gram_at(content + i, n);
            bool is_new = add_gram(&of_content, gram);
            *n_all += is_new;
            *n_common += is_new && has_gram(&of_primer, gram);
        }
    }
}

const az_primer *az_primer_choose(const uint8_t *content, size_t n_bytes) {
    const az_primer *best = NULL;
    size_t n_looked = n_bytes < LOOKED_AT ? n_bytes : LOOKED_AT;
    size_t most = 0, n_common, n_all;
    for (size_t i = 0; i < N_PRIMERS; i++) {
        count_grams(&primers[i], content, n_looked, &n_common, &n_all);
        if (n_common > most && n_common >= n_all / LIKE_LEAST) {
            most = n_common;
            best = &primers[i];
        }
    }
    return best;
}
