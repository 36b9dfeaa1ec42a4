/*
 * tables_read: a tokenizer's tables from a model file. What the keys mean is llama.cpp's
 * custom (src/llama-vocab.cpp, llama_vocab::impl::load):
 *
 *   tokenizer.ggml.model       "gpt2": byte-level BPE, "llama": SPM
 *   tokenizer.ggml.pre         BPE: name of the pre-tokenizer
 *   tokenizer.ggml.tokens      text of each token
 *   tokenizer.ggml.token_type  1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 *   tokenizer.ggml.merges      BPE: "left right", the best one first
 *   tokenizer.ggml.scores      SPM
 *   tokenizer.ggml.{bos,eos}_token_id, add_bos_token, add_space_prefix
 *
 * In BPE the text of a token is not its bytes: each byte stands there as a visible character
 * (GPT-2, encoder.py, bytes_to_unicode): 21-7E, A1-AC and AE-FF as the character of that
 * number, the 68 others in order as U+0100, U+0101... In SPM a space stands there as U+2581.
 */
#include "tables.h"

#define KEY(name) "tokenizer.ggml." name

enum { TYPE_NORMAL = 1, TYPE_USER = 4, TYPE_BYTE = 6 };

/* ---- Helpers -------------------------------------------------------------------- */

static az_status fault(az_error *error, const char *text) {
    return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET, "%s", text);
}

static void *alloc_items(const az_tokenizer *t, size_t n, size_t item_nbytes) {
    return n <= SIZE_MAX / item_nbytes ? az_alloc(t->heap, n * item_nbytes) : NULL;
}

#define ALLOC(pointer, n)                                                    \
    do {                                                                     \
        (pointer) = alloc_items(t, (n), sizeof *(pointer));                  \
        if (!(pointer))                                                      \
            return az_alloc_failed(t->heap, (n) * sizeof *(pointer), error); \
    } while (0)

/* Places for n entries, half full at most: a power of 2. */
static uint32_t places(uint32_t n) {
    uint32_t p = 16;
    while (p / 2 < n && p < 1u << 31)
        p *= 2;
    return p;
}

static az_status pairs_open(az_tokenizer *t, az_pair_table *table, uint32_t n, az_error *error) {
    uint32_t n_places = places(n);
    ALLOC(table->pairs, n_places);
    table->mask = n_places - 1;
    for (uint32_t i = 0; i < n_places; i++)
        table->pairs[i].to = AZ_TOKEN_NONE;
    return AZ_OK;
}

/* The array of that name and type; *out is NULL if there is none. */
static az_status find_array(const az_gguf *gguf, const char *key, bool strings,
                            const az_gguf_value **out, az_error *error) {
    const az_gguf_value *v = *out = az_gguf_find(gguf, key);
    if (!v)
        return AZ_OK;
    if (v->type != AZ_GGUF_ARRAY || (v->item_type == AZ_GGUF_STRING) != strings)
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET, "%s: not an array of %s",
                            key, strings ? "strings" : "numbers");
    return AZ_OK;
}

static bool same_text(az_gguf_text text, const char *other) {
    return text.n_bytes == strlen(other) && memcmp(text.bytes, other, text.n_bytes) == 0;
}

/* ---- Texts ---------------------------------------------------------------------- */

/* The byte that a character of BPE's alphabet stands for; -1: it is none of them. */
static int byte_of_char(uint32_t code) {
    if ((code >= 0x21 && code <= 0x7E) || (code >= 0xA1 && code <= 0xFF && code != 0xAD))
        return (int)code;
    if (code < 0x100 || code > 0x143)
        return -1;
    uint32_t n = code - 0x100; /* of 00-20, 7F-A0, AD */
    return (int)(n <= 0x20 ? n : n <= 0x42 ? n - 0x21 + 0x7F : 0xAD);
}

/* Bytes of a BPE text, at most room of them, into out; false if it is no such text, empty, or
 * longer. */
static bool read_bpe_text(az_gguf_text text, uint8_t *out, size_t room, size_t *n_out) {
    const uint8_t *p = (const uint8_t *)text.bytes;
    size_t n = 0, len;
    for (size_t at = 0; at < text.n_bytes; at += len) {
        int byte = byte_of_char(az_char_read(p + at, text.n_bytes - at, &len));
        if (byte < 0 || n == room)
            return false;
        out[n++] = (uint8_t)byte;
    }
    *n_out = n;
    return n > 0;
}

/* The same of an SPM text. No text that is cut has a space where one stands in the token
 * itself (it would be U+2581), so that such a token is never found. */
static bool read_spm_text(az_gguf_text text, uint8_t *out, size_t *n_out) {
    const char *p = text.bytes, *end = text.bytes + text.n_bytes;
    size_t n = 0;
    while (p < end) {
        if (*p == ' ')
            return false;
        bool space = end - p >= 3 && memcmp(p, "\xE2\x96\x81", 3) == 0;
        out[n++] = space ? ' ' : (uint8_t)*p;
        p += space ? 3 : 1;
    }
    *n_out = n;
    return n > 0;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0x0A>", or -1. */
static int byte_of_text(az_gguf_text text) {
    const char *p = text.bytes;
    if (text.n_bytes != 6 || memcmp(p, "<0x", 3) != 0 || p[5] != '>')
        return -1;
    int high = hex_digit(p[3]), low = hex_digit(p[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* ---- Tokens --------------------------------------------------------------------- */

/* Kind and bytes of a token, which go to out. */
static az_token_kind read_token(const az_tokenizer *t, az_gguf_text text, int64_t type,
                                uint8_t *out, size_t *n_out) {
    int byte = t->spm && type == TYPE_BYTE ? byte_of_text(text) : -1;
    *n_out = 0;
    if (byte >= 0) {
        out[(*n_out)++] = (uint8_t)byte;
        return AZ_KIND_BYTE;
    }
    if (type == TYPE_USER && text.n_bytes > 0) {
        memcpy(out, text.bytes, *n_out = text.n_bytes);
        return AZ_KIND_USER;
    }
    if (type == TYPE_NORMAL &&
        (t->spm ? read_spm_text(text, out, n_out) : read_bpe_text(text, out, text.n_bytes, n_out)))
        return AZ_KIND_NORMAL;
    *n_out = 0;
    return AZ_KIND_SPECIAL;
}

/* bytes, starts, kinds, normal_nbytes and start. */
static az_status read_tokens(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    const az_gguf_value *tokens, *types;
    AZ_TRY(find_array(gguf, KEY("tokens"), true, &tokens, error));
    AZ_TRY(find_array(gguf, KEY("token_type"), false, &types, error));
    if (!tokens || tokens->n_items == 0)
        return fault(error, KEY("tokens") ": there is none");
    if (tokens->n_bytes > 1u << 30 || tokens->n_items > 1u << 28)
        return fault(error, KEY("tokens") ": more than 268,435,456, or than 1 GiB of text");
    if (types && types->n_items != tokens->n_items)
        return az_error_set(
            error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET, "%llu tokens, but %llu types of tokens",
            (unsigned long long)tokens->n_items, (unsigned long long)types->n_items);
    t->n_tokens = (uint32_t)tokens->n_items;
    ALLOC(t->starts, t->n_tokens + 1u);
    ALLOC(t->kinds, t->n_tokens);
    ALLOC(t->bytes, tokens->n_bytes); /* of a token there are never more bytes than text */
    size_t at = 0, end = 0, n;
    for (uint32_t id = 0; id < t->n_tokens; id++) {
        az_gguf_text text = az_gguf_next_text(tokens, &at);
        int64_t type = types ? az_gguf_item_int(types, id) : TYPE_NORMAL;
        if (type < 0 || type > TYPE_BYTE)
            return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                                "token %lu has the type %lld, which does not exist",
                                (unsigned long)id, (long long)type);
        if (!types && byte_of_text(text) >= 0)
            type = TYPE_BYTE;
        t->starts[id] = (uint32_t)end;
        t->kinds[id] = (uint8_t)read_token(t, text, type, t->bytes + end, &n);
        end += n;
        if (t->kinds[id] == AZ_KIND_NORMAL && n > t->normal_nbytes)
            t->normal_nbytes = (uint32_t)n;
        if (t->kinds[id] == AZ_KIND_SPECIAL && t->start == AZ_TOKEN_NONE &&
            (same_text(text, "<|endoftext|>") || same_text(text, "<|end_of_text|>")))
            t->start = id;
    }
    t->starts[t->n_tokens] = (uint32_t)end;
    return AZ_OK;
}

static az_status twice(uint32_t id, uint32_t other, az_error *error) {
    return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                        "tokens %lu and %lu have the same text", (unsigned long)other,
                        (unsigned long)id);
}

/* texts and byte_ids, from normal tokens and SPM's bytes. */
static az_status index_tokens(az_tokenizer *t, az_error *error) {
    uint32_t n_places = places(t->n_tokens);
    ALLOC(t->texts, n_places);
    t->text_mask = n_places - 1;
    for (uint32_t i = 0; i < n_places; i++)
        t->texts[i].id = AZ_TOKEN_NONE;
    for (uint32_t byte = 0; byte < 256; byte++)
        t->byte_ids[byte] = AZ_TOKEN_ESCAPE + byte;
    for (uint32_t id = 0; id < t->n_tokens; id++) {
        const uint8_t *bytes = t->bytes + t->starts[id];
        uint32_t n = t->starts[id + 1] - t->starts[id];
        bool normal = t->kinds[id] == AZ_KIND_NORMAL;
        if (normal) {
            az_text_slot *slot = az_text_at(t, bytes, n);
            if (slot->id != AZ_TOKEN_NONE)
                return twice(id, slot->id, error);
            *slot = (az_text_slot){.hash = az_text_hash(bytes, n), .id = id};
        }
        if (t->spm ? t->kinds[id] == AZ_KIND_BYTE : normal && n == 1) {
            if (t->byte_ids[bytes[0]] < t->n_tokens)
                return twice(id, t->byte_ids[bytes[0]], error);
            t->byte_ids[bytes[0]] = id;
        }
    }
    return AZ_OK;
}

/* Adds a user token's path to the trie, which has *n_nodes of them. */
static az_status add_user_token(az_tokenizer *t, uint32_t id, uint32_t *n_nodes, az_error *error) {
    const uint8_t *bytes = t->bytes + t->starts[id];
    uint32_t n = t->starts[id + 1] - t->starts[id], node = 0;
    for (uint32_t i = 0; i < n; i++) {
        az_pair *edge = az_pair_at(&t->user_trie, node, bytes[i]);
        if (edge->to == AZ_TOKEN_NONE)
            *edge = (az_pair){node, bytes[i], AZ_RANK_NONE, (*n_nodes)++};
        if (i + 1 == n && edge->rank != AZ_RANK_NONE)
            return twice(id, edge->rank, error);
        if (i + 1 == n)
            edge->rank = id;
        node = edge->to;
    }
    t->user_first[bytes[0]] = true;
    return AZ_OK;
}

/* user_trie, user_first and neighbours. */
static az_status index_user_tokens(az_tokenizer *t, az_error *error) {
    uint32_t n_nodes = 1, n_user_nbytes = 0;
    for (uint32_t id = 0; id < t->n_tokens; id++)
        if (t->kinds[id] == AZ_KIND_USER)
            n_user_nbytes += t->starts[id + 1] - t->starts[id];
    AZ_TRY(pairs_open(t, &t->user_trie, n_user_nbytes, error));
    for (uint32_t id = 0; id < t->n_tokens; id++) {
        bool user = t->kinds[id] == AZ_KIND_USER;
        if (user)
            AZ_TRY(add_user_token(t, id, &n_nodes, error));
        for (uint32_t at = t->starts[id] + 1; (user || t->spm) && at < t->starts[id + 1]; at++) {
            unsigned pair = (unsigned)t->bytes[at - 1] << 8 | t->bytes[at];
            t->neighbours[pair / 64] |= (uint64_t)1 << pair % 64;
        }
    }
    return AZ_OK;
}

/* ---- Merges and scores ---------------------------------------------------------- */

/* The symbol that half of a merge names: a token, or a byte that has none. */
static bool find_half(const az_tokenizer *t, const uint8_t *bytes, size_t n_bytes, uint32_t *id) {
    *id = n_bytes == 1 ? t->byte_ids[bytes[0]] : az_text_find(t, bytes, n_bytes);
    return *id != AZ_TOKEN_NONE;
}

/* One merge "left right"; buf has room for normal_nbytes. */
static bool read_merge(const az_tokenizer *t, az_gguf_text text, uint8_t *buf, az_pair *out) {
    const char *space = text.n_bytes > 1 ? memchr(text.bytes + 1, ' ', text.n_bytes - 1) : NULL;
    if (!space)
        return false;
    size_t n = (size_t)(space - text.bytes), n_left, n_right;
    az_gguf_text left = {text.bytes, n}, right = {space + 1, text.n_bytes - n - 1};
    if (!read_bpe_text(left, buf, t->normal_nbytes, &n_left) ||
        !read_bpe_text(right, buf + n_left, t->normal_nbytes - n_left, &n_right) ||
        !find_half(t, buf, n_left, &out->left) || !find_half(t, buf + n_left, n_right, &out->right))
        return false;
    out->to = az_text_find(t, buf, n_left + n_right);
    return out->to != AZ_TOKEN_NONE;
}

static az_status read_merges(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    const az_gguf_value *merges;
    uint8_t *buf;
    AZ_TRY(find_array(gguf, KEY("merges"), true, &merges, error));
    if (!merges)
        return fault(error, KEY("merges") ": there is none");
    if (merges->n_items > 1u << 28)
        return fault(error, KEY("merges") ": more than 268,435,456");
    uint32_t n = (uint32_t)merges->n_items;
    AZ_TRY(pairs_open(t, &t->merges, n, error));
    ALLOC(buf, t->normal_nbytes);
    size_t at = 0;
    uint32_t rank = 0;
    for (; rank < n; rank++) {
        az_pair pair;
        if (!read_merge(t, az_gguf_next_text(merges, &at), buf, &pair))
            break;
        pair.rank = rank;
        az_pair *place = az_pair_at(&t->merges, pair.left, pair.right);
        if (place->to == AZ_TOKEN_NONE) /* of two the better one counts, as in llama.cpp */
            *place = pair;
    }
    az_free(t->heap, buf);
    if (rank < n)
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                            "merge %lu does not make a token of two", (unsigned long)rank);
    return AZ_OK;
}

/* The rank of a score: the higher the score, the smaller. -inf has the largest one, which is
 * less than AZ_RANK_NONE. The bits of positive numbers are in order, those of negative ones in
 * reverse order. */
static uint32_t rank_of_score(float score) {
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : 0x7FFFFFFFu - bits;
}

static az_status read_scores(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    const az_gguf_value *scores;
    AZ_TRY(find_array(gguf, KEY("scores"), false, &scores, error));
    if (!scores || scores->n_items != t->n_tokens)
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                            "%lu tokens, but %llu scores", (unsigned long)t->n_tokens,
                            scores ? (unsigned long long)scores->n_items : 0);
    ALLOC(t->ranks, t->n_tokens);
    for (uint32_t id = 0; id < t->n_tokens; id++) {
        float score = az_gguf_item_f32(scores, id);
        if (score != score)
            return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                                "the score of token %lu is not a number", (unsigned long)id);
        t->ranks[id] = rank_of_score(score);
    }
    return AZ_OK;
}

/* Finds which tokens their own merges lead to. */
static az_status mark_whole(az_tokenizer *t, az_error *error) {
    uint32_t *ids;
    ALLOC(ids, t->normal_nbytes + 1u);
    az_merger m = {.tokenizer = t, .ids = ids, .error = error};
    for (uint32_t id = 0; id < t->n_tokens && m.status == AZ_OK; id++) {
        if (t->kinds[id] != AZ_KIND_NORMAL)
            continue;
        m.n_ids = 0;
        if (az_merge_slowly(&m, t->bytes + t->starts[id], t->starts[id + 1] - t->starts[id]) &&
            m.n_ids == 1 && ids[0] == id)
            t->kinds[id] = AZ_KIND_WHOLE;
    }
    az_merger_close(&m);
    az_free(t->heap, ids);
    return m.status;
}

/* ---- The rest ------------------------------------------------------------------- */

static az_status read_id(const az_tokenizer *t, const az_gguf *gguf, const char *key, uint32_t *id,
                         az_error *error) {
    AZ_TRY(az_gguf_get_u32(gguf, key, id, error));
    if (*id != AZ_TOKEN_NONE && *id >= t->n_tokens)
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                            "%s is %lu, but there are %lu tokens", key, (unsigned long)*id,
                            (unsigned long)t->n_tokens);
    return AZ_OK;
}

static az_status read_special_ids(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    bool adds_bos = t->spm || az_pretokenizer_adds_bos(t->pre);
    if (t->spm && t->n_tokens > 2) { /* where the file doesn't say */
        t->bos = 1;
        t->eos = 2;
    }
    AZ_TRY(read_id(t, gguf, KEY("bos_token_id"), &t->bos, error));
    AZ_TRY(read_id(t, gguf, KEY("eos_token_id"), &t->eos, error));
    AZ_TRY(az_gguf_get_bool(gguf, KEY("add_bos_token"), &adds_bos, error));
    if (adds_bos && t->bos != AZ_TOKEN_NONE)
        t->start = t->bos;
    else if (t->start == AZ_TOKEN_NONE)
        t->start = t->eos;
    return AZ_OK;
}

static az_status read_kind(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    az_gguf_text model = {NULL, 0}, pre = {"default", 7};
    AZ_TRY(az_gguf_get_text(gguf, KEY("model"), &model, error));
    AZ_TRY(az_gguf_get_text(gguf, KEY("pre"), &pre, error));
    if (!model.bytes)
        return fault(error, "the model file has no tokenizer");
    t->spm = t->adds_space = same_text(model, "llama");
    if (t->spm)
        return az_gguf_get_bool(gguf, KEY("add_space_prefix"), &t->adds_space, error);
    if (!same_text(model, "gpt2"))
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                            "tokenizers of the kind '%.*s' are not supported",
                            (int)(model.n_bytes < 64 ? model.n_bytes : 64), model.bytes);
    t->pre = az_pretokenizer_find(pre.bytes, pre.n_bytes);
    if (!t->pre)
        return az_error_set(error, AZ_ERROR_MODEL, AZ_ERROR_NO_OFFSET,
                            "the pre-tokenizer '%.*s' is not supported",
                            (int)(pre.n_bytes < 64 ? pre.n_bytes : 64), pre.bytes);
    t->ignores_merges = az_pretokenizer_ignores_merges(t->pre);
    return AZ_OK;
}

az_status az_tokenizer_read(az_tokenizer *t, const az_gguf *gguf, az_error *error) {
    t->bos = t->eos = t->start = AZ_TOKEN_NONE;
    AZ_TRY(read_kind(t, gguf, error));
    AZ_TRY(read_tokens(t, gguf, error));
    AZ_TRY(index_tokens(t, error));
    AZ_TRY(index_user_tokens(t, error));
    AZ_TRY(t->spm ? read_scores(t, gguf, error) : read_merges(t, gguf, error));
    AZ_TRY(mark_whole(t, error));
    return read_special_ids(t, gguf, error);
}
