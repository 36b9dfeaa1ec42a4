/*
 * tables: what an open tokenizer holds, and the look-ups that cutting text consists of. All of
 * it is built once and then only read, so that threads may share it.
 */
#ifndef AZ_TOKENIZER_TABLES_H
#define AZ_TOKENIZER_TABLES_H

#include "pretokenize.h"
#include "tokenizer.h"

/* Rank of a pair that doesn't merge; no real rank is as large. */
#define AZ_RANK_NONE UINT32_MAX
/* An id that is no token and no escape: an SPM character that only byte tokens can spell. */
#define AZ_ID_UNKNOWN (AZ_TOKEN_ESCAPE - 1)

/* What a token is to text. */
typedef enum az_token_kind {
    AZ_KIND_SPECIAL, /* never in text; no bytes */
    AZ_KIND_BYTE,    /* SPM's <0x0A> */
    AZ_KIND_USER,    /* found in text before anything else is done */
    AZ_KIND_NORMAL,  /* comes about by merges */
    AZ_KIND_WHOLE    /* normal, and the merges of its own bytes end in it: no need to run them */
} az_token_kind;

/* (left, right) -> (rank, to). Two uses:
 * merges:      ids left and right next to each other become `to`; a smaller rank goes first.
 * user tokens: a trie; from node left by byte right to node `to`; rank is the token that ends
 *              there, or AZ_RANK_NONE. */
typedef struct az_pair {
    uint32_t left, right, rank, to; /* to is AZ_TOKEN_NONE in an empty place */
} az_pair;

/* Open addressing, linear probing, half full at most. */
typedef struct az_pair_table {
    az_pair *pairs; /* [mask + 1] */
    uint32_t mask;
} az_pair_table;

typedef struct az_text_slot {
    uint32_t hash; /* to compare before the bytes */
    uint32_t id;   /* AZ_TOKEN_NONE in an empty place */
} az_text_slot;

struct az_tokenizer {
    az_heap *heap; /* the caller's */
    uint32_t n_tokens;
    bool spm;        /* else byte-level BPE */
    bool adds_space; /* SPM */
    bool ignores_merges;
    const az_pretokenizer *pre; /* NULL if spm */
    uint32_t bos, eos, start;   /* AZ_TOKEN_NONE if there is none */

    uint8_t *bytes;         /* of all tokens, in order of ids */
    uint32_t *starts;       /* [n_tokens + 1], in bytes */
    uint8_t *kinds;         /* [n_tokens], az_token_kind */
    uint32_t normal_nbytes; /* of the longest normal token */
    uint32_t byte_ids[256]; /* token of a byte alone, or AZ_TOKEN_ESCAPE + byte */
    az_text_slot *texts;    /* [text_mask + 1], normal tokens by their bytes; half full */
    uint32_t text_mask;
    az_pair_table merges; /* BPE */
    uint32_t *ranks;      /* [n_tokens], SPM: the higher a score, the smaller */

    az_pair_table user_trie;
    bool user_first[256]; /* whether a user token begins with that byte */
    /* A bit for each two bytes that stand next to each other in a user token; in SPM, in a
     * normal one, too. No token can cover a place between two others. */
    uint64_t neighbours[65536 / 64];
};

/* ---- Look-ups ------------------------------------------------------------------- */

static inline bool az_tokens_join(const az_tokenizer *t, uint8_t left, uint8_t right) {
    unsigned pair = (unsigned)left << 8 | right;
    return t->neighbours[pair / 64] >> pair % 64 & 1;
}

static inline uint32_t az_pair_hash(uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32 ^ h >> 15);
}

/* The pair, or the empty place for it. */
static inline az_pair *az_pair_at(const az_pair_table *table, uint32_t left, uint32_t right) {
    uint32_t i = az_pair_hash(left, right) & table->mask;
    az_pair *p = &table->pairs[i];
    while (p->to != AZ_TOKEN_NONE && (p->left != left || p->right != right)) {
        i = (i + 1) & table->mask;
        p = &table->pairs[i];
    }
    return p;
}

static inline uint64_t az_load_word(const uint8_t *p, size_t n_bytes) {
    if (n_bytes >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        return word;
    }
    if (n_bytes >= 4) {
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + n_bytes - 4, 4);
        return (uint64_t)high << 32 | low;
    }
    return p[0] | (uint32_t)p[n_bytes / 2] << 8 | (uint32_t)p[n_bytes - 1] << 16;
}

/* Only for the table in memory: it depends on the byte order. n_bytes >= 1. */
static inline uint32_t az_text_hash(const uint8_t *p, size_t n_bytes) {
    uint64_t h = n_bytes * 0x9E3779B97F4A7C15u;
    for (; n_bytes > 8; p += 8, n_bytes -= 8) {
        h = (h ^ az_load_word(p, 8)) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    h = (h ^ az_load_word(p, n_bytes)) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(h >> 32 ^ h >> 13);
}

/* The place of the normal token with these bytes, or the empty one for it. */
static inline az_text_slot *az_text_at(const az_tokenizer *t, const uint8_t *text, size_t n_bytes) {
    uint32_t hash = az_text_hash(text, n_bytes), i = hash & t->text_mask;
    for (;; i = (i + 1) & t->text_mask) {
        az_text_slot *slot = &t->texts[i];
        if (slot->id == AZ_TOKEN_NONE)
            return slot;
        uint32_t start = t->starts[slot->id];
        if (slot->hash == hash && t->starts[slot->id + 1] - start == n_bytes &&
            memcmp(t->bytes + start, text, n_bytes) == 0)
            return slot;
    }
}

/* The normal token with these bytes, or AZ_TOKEN_NONE. */
static inline uint32_t az_text_find(const az_tokenizer *t, const uint8_t *text, size_t n_bytes) {
    if (n_bytes == 0 || n_bytes > t->normal_nbytes)
        return AZ_TOKEN_NONE;
    return az_text_at(t, text, n_bytes)->id;
}

/* ---- Merges --------------------------------------------------------------------- */

/* Where ids go, and memory for pieces that are long; one for a call. */
typedef struct az_merger {
    const az_tokenizer *tokenizer;
    uint32_t *ids;
    size_t n_ids;
    void *work; /* freed by az_merger_close */
    size_t work_nbytes;
    az_status status; /* AZ_OK, or memory was missing */
    az_error *error;
} az_merger;

/* Adds the ids of a piece; their number is n_bytes at most. False if memory is missing. */
bool az_merge(az_merger *m, const uint8_t *piece, size_t n_bytes);
/* The same by the merges alone, without a look whether the whole piece is a token. */
bool az_merge_slowly(az_merger *m, const uint8_t *piece, size_t n_bytes);
void az_merger_close(az_merger *m);

/* Reads the tables of a file into *t, all zeros but for heap. What it has allocated stands in
 * *t, after a failure, too. */
az_status az_tokenizer_read(az_tokenizer *t, const az_gguf *gguf, az_error *error);

#endif
