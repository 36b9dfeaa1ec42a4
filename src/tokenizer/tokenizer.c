/*
 * tokenizer: text goes through three sieves. First user-defined tokens are found, wherever
 * they stand. What is between them is cut into pieces: in byte-level BPE by the model's
 * pre-tokenizer, in SPM (which has none) at places that no token covers. Last, each piece is
 * one token, as most words are, or merges cut it (merge.c). Pieces don't influence each other.
 *
 * Why SPM's pieces change nothing: a merge makes a token of two neighbours, so a symbol that
 * covers the place between bytes a and b would be a token with a b in it. Where no token has
 * that, no merge ever reaches from one side to the other. With few exceptions each word is a
 * piece: a token may begin with a space, but hardly any has one after a letter.
 */
#include "tables.h"

enum { TEXT_MAX = 1 << 30 };

/* ---- Opening -------------------------------------------------------------------- */

az_status az_tokenizer_open(az_tokenizer **out, const az_gguf *gguf, az_heap *heap,
                            az_error *error) {
    az_tokenizer *t = *out = az_alloc(heap, sizeof *t);
    if (!t)
        return az_alloc_failed(heap, sizeof *t, error);
    t->heap = heap;
    az_status status = az_tokenizer_read(t, gguf, error);
    if (status != AZ_OK)
        az_tokenizer_close(out);
    return status;
}

void az_tokenizer_close(az_tokenizer **tokenizer) {
    az_tokenizer *t = *tokenizer;
    *tokenizer = NULL;
    if (!t)
        return;
    az_heap *heap = t->heap;
    az_free(heap, t->bytes);
    az_free(heap, t->starts);
    az_free(heap, t->kinds);
    az_free(heap, t->texts);
    az_free(heap, t->merges.pairs);
    az_free(heap, t->ranks);
    az_free(heap, t->user_trie.pairs);
    az_free(heap, t);
}

uint32_t az_tokenizer_n_tokens(const az_tokenizer *tokenizer) {
    return tokenizer->n_tokens;
}

const uint8_t *az_tokenizer_bytes(const az_tokenizer *tokenizer, uint32_t id, size_t *n_bytes) {
    uint32_t start = tokenizer->starts[id];
    *n_bytes = tokenizer->starts[id + 1] - start;
    return tokenizer->bytes + start;
}

uint32_t az_tokenizer_start(const az_tokenizer *tokenizer) {
    return tokenizer->start;
}

uint32_t az_tokenizer_bos(const az_tokenizer *tokenizer) {
    return tokenizer->bos;
}

uint32_t az_tokenizer_eos(const az_tokenizer *tokenizer) {
    return tokenizer->eos;
}

bool az_tokenizer_adds_space(const az_tokenizer *tokenizer) {
    return tokenizer->adds_space;
}

/* ---- User-defined tokens -------------------------------------------------------- */

/* The longest user-defined token at text[at]; its length, 0 if there is none. */
static size_t user_token_at(const az_tokenizer *t, const uint8_t *text, size_t n_bytes, size_t at,
                            uint32_t *id) {
    size_t found = 0;
    uint32_t node = 0;
    for (size_t i = at; i < n_bytes; i++) {
        const az_pair *edge = az_pair_at(&t->user_trie, node, text[i]);
        if (edge->to == AZ_TOKEN_NONE)
            break;
        node = edge->to;
        if (edge->rank != AZ_RANK_NONE) {
            found = i + 1 - at;
            *id = edge->rank;
        }
    }
    return found;
}

/* The first place from `at` on where a user-defined token stands, n_bytes if there is none. */
static size_t next_user_token(const az_tokenizer *t, const uint8_t *text, size_t n_bytes, size_t at,
                              uint32_t *id, size_t *len) {
    for (; at < n_bytes; at++)
        if (t->user_first[text[at]] && (*len = user_token_at(t, text, n_bytes, at, id)) > 0)
            break;
    return at;
}

/* ---- Pieces --------------------------------------------------------------------- */

/* Whether SPM text may be cut before text[at], at > 0. Not within a character: its parts would
 * be characters of their own. */
static inline bool spm_cuts(const az_tokenizer *t, const uint8_t *text, size_t at) {
    return (text[at] & 0xC0) != 0x80 && !az_tokens_join(t, text[at - 1], text[at]);
}

static bool take_piece(void *context, const uint8_t *text, size_t from, size_t to) {
    return az_merge(context, text + from, to - from);
}

/* Text without user-defined tokens. */
static bool take_text(az_merger *m, const uint8_t *text, size_t from, size_t to) {
    const az_tokenizer *t = m->tokenizer;
    if (!t->spm)
        return az_pretokenize(t->pre, text, from, to, take_piece, m);
    while (from < to) {
        size_t end = from + 1;
        while (end < to && !spm_cuts(t, text, end))
            end++;
        if (!az_merge(m, text + from, end - from))
            return false;
        from = end;
    }
    return true;
}

/* spaced: n_bytes + 1 bytes for text with a space before it, or NULL. */
static az_status run(az_merger *m, const uint8_t *text, size_t n_bytes, uint8_t *spaced) {
    for (size_t at = 0; at < n_bytes;) {
        uint32_t id = AZ_TOKEN_NONE;
        size_t len = 0, end = next_user_token(m->tokenizer, text, n_bytes, at, &id, &len);
        bool taken = true;
        if (at < end && spaced) {
            spaced[0] = ' ';
            memcpy(spaced + 1, text + at, end - at);
            taken = take_text(m, spaced, 0, end - at + 1);
        } else if (at < end) {
            taken = take_text(m, text, at, end);
        }
        if (!taken)
            return m->status;
        if (end < n_bytes)
            m->ids[m->n_ids++] = id;
        at = end + len;
    }
    return AZ_OK;
}

static az_status tokenize(const az_tokenizer *t, const uint8_t *text, size_t n_bytes, bool plain,
                          uint32_t *ids, size_t *n_ids, az_error *error) {
    az_merger m = {.tokenizer = t, .ids = ids, .error = error};
    uint8_t *spaced = NULL;
    *n_ids = 0;
    if (n_bytes >= TEXT_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "text of %llu bytes, at most %d can be cut into tokens at once",
                            (unsigned long long)n_bytes, TEXT_MAX - 1);
    if (plain && t->adds_space) {
        spaced = az_alloc(t->heap, n_bytes + 1);
        if (!spaced)
            return az_alloc_failed(t->heap, n_bytes + 1, error);
    }
    az_status status = run(&m, text, n_bytes, spaced);
    az_free(t->heap, spaced);
    az_merger_close(&m);
    if (status == AZ_OK)
        *n_ids = m.n_ids;
    return status;
}

az_status az_tokenize(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                      uint32_t *ids, size_t *n_ids, az_error *error) {
    return tokenize(tokenizer, text, n_bytes, false, ids, n_ids, error);
}

az_status az_tokenize_plain(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                            uint32_t *ids, size_t *n_ids, az_error *error) {
    return tokenize(tokenizer, text, n_bytes, true, ids, n_ids, error);
}

/* ---- Where to cut --------------------------------------------------------------- */

static bool is_ascii_letter(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* A place at or before `at` where a piece ends, whatever stands before it: between a letter
 * and a space, unless a user-defined token has both. In no pre-tokenizer does a match with a
 * letter go on with white space, or one with both have the letter first. */
static size_t sure_end(const az_tokenizer *t, const uint8_t *text, size_t at) {
    for (; at > 0; at--)
        if (text[at] == ' ' && is_ascii_letter(text[at - 1]) &&
            !az_tokens_join(t, text[at - 1], ' '))
            break;
    return at;
}

size_t az_tokenizer_cut(const az_tokenizer *tokenizer, const uint8_t *text, size_t n_bytes,
                        size_t at) {
    const az_tokenizer *t = tokenizer;
    if (at == 0 || at >= n_bytes)
        return at == 0 ? 0 : n_bytes;
    if (t->spm) {
        while (at < n_bytes && !spm_cuts(t, text, at))
            at++;
        return at;
    }
    size_t end = sure_end(t, text, at);
    while (end < at) {
        uint32_t id;
        size_t len = 0, user = next_user_token(t, text, n_bytes, end, &id, &len);
        end = user < at ? user + len : az_pretokenizer_cut(t->pre, text, end, user, at);
    }
    return end;
}
