/*
 * fuzz_tokenizer: a small vocabulary and a text. Whatever opens cuts text without loss, and
 * the same on both sides of a place where it may be cut.
 *
 *   byte 0  1 SPM, 2 space before text, 4 tables as they come (else consistent ones); upper
 *           half: the pre-tokenizer
 *   byte 1  how many tokens follow, each a byte of size and kind and that many bytes (or, where
 *           tables are to be consistent and it is no user token, two tokens to be joined)
 *   the rest is text
 */
#include "tokenizer/tokenizer.h"

#include "fuzz.h"
#include "vocab_maker.h"

enum { SPM = 1, SPACE = 2, WILD = 4, PIECE_MAX = 16 };

typedef struct input {
    const uint8_t *data;
    size_t n;
} input;

static uint8_t next_byte(input *in) {
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->data++;
}

static size_t next_bytes(input *in, uint8_t *out, size_t n) {
    n = n < in->n ? n : in->n;
    memcpy(out, in->data, n);
    in->data += n;
    in->n -= n;
    return n;
}

/* The bytes of each token, beside its text. */
typedef struct piece {
    size_t n;
    uint8_t bytes[PIECE_MAX];
} piece;

/* Bytes alone, and of BPE some are missing; then unions of two, and user tokens. */
static void add_consistent(vocab *v, input *in, bool spm, int n_tokens) {
    static piece pieces[VOCAB_TOKENS_MAX];
    uint8_t step = next_byte(in);
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        pieces[v->n_tokens] = (piece){1, {(uint8_t)byte}};
        if (spm && byte % 8 == step % 8 && byte < 0x80)
            vocab_add(v, vocab_spm_text(pieces[v->n_tokens].bytes, 1), 1, 0);
        else if (spm)
            vocab_add(v, vocab_raw_text(text, 6), 6, 0);
        else if (step == 0 || byte % (step + 1) != 1)
            vocab_add(v, vocab_bpe_text(pieces[v->n_tokens].bytes, 1), 1, 0);
    }
    for (int i = 0; i < n_tokens && in->n > 0; i++) {
        uint8_t kind = next_byte(in);
        piece *p = &pieces[v->n_tokens];
        if (kind >= 0xF0) {
            p->n = next_bytes(in, p->bytes, kind & 3);
            vocab_add(v, vocab_raw_text(p->bytes, p->n), 4, 0);
            continue;
        }
        size_t a = kind % v->n_tokens, b = next_byte(in);
        b = kind % 3 ? b % v->n_tokens : v->n_tokens - 1 - b % 4;
        if (pieces[a].n + pieces[b].n > PIECE_MAX || v->types[a] == 4 || v->types[b] == 4)
            continue;
        p->n = pieces[a].n + pieces[b].n;
        memcpy(p->bytes, pieces[a].bytes, pieces[a].n);
        memcpy(p->bytes + pieces[a].n, pieces[b].bytes, pieces[b].n);
        if (spm) {
            vocab_add(v, vocab_spm_text(p->bytes, p->n), 1, (float)(int8_t)(kind ^ i));
        } else {
            vocab_add_merge(v, v->tokens[a], v->tokens[b]);
            vocab_add(v, vocab_bpe_text(p->bytes, p->n), 1, 0);
        }
    }
}

static void add_wild(vocab *v, input *in, int n_tokens) {
    uint8_t bytes[32];
    for (int i = 0; i < n_tokens && in->n > 0; i++) {
        uint8_t kind = next_byte(in);
        size_t n = next_bytes(in, bytes, kind & 31);
        if (kind & 0x80)
            v->merges[v->n_merges++] = vocab_raw_text(bytes, n);
        else
            vocab_add(v, vocab_raw_text(bytes, n), kind >> 5 == 3 ? kind & 7 : 1, (float)kind);
    }
    v->bos = next_byte(in) % 8 - 1;
    if (next_byte(in) == 1 && v->n_types > 0)
        v->n_types--;
}

static uint32_t *cut_text(const az_tokenizer *t, const uint8_t *text, size_t n, size_t *n_ids) {
    uint32_t *ids = malloc(n * sizeof *ids + 1);
    az_error error = {.text = ""};
    MUST(ids && az_tokenize(t, text, n, ids, n_ids, &error) == AZ_OK);
    MUST(*n_ids <= n);
    return ids;
}

static void check_lossless(const az_tokenizer *t, const uint8_t *text, size_t n,
                           const uint32_t *ids, size_t n_ids) {
    size_t pos = 0;
    for (size_t i = 0; i < n_ids; i++) {
        uint8_t byte = (uint8_t)(ids[i] - AZ_TOKEN_ESCAPE);
        const uint8_t *bytes = &byte;
        size_t len = 1;
        if (ids[i] < AZ_TOKEN_ESCAPE) {
            MUST(ids[i] < az_tokenizer_n_tokens(t));
            bytes = az_tokenizer_bytes(t, ids[i], &len);
        }
        MUST(len > 0 && len <= n - pos && memcmp(bytes, text + pos, len) == 0);
        pos += len;
    }
    MUST(pos == n);
}

static void check_cuts(const az_tokenizer *t, const uint8_t *text, size_t n, const uint32_t *ids,
                       size_t n_ids) {
    for (size_t at = 1; at < n; at += 1 + at / 4) {
        size_t n_left, n_right, cut = az_tokenizer_cut(t, text, n, at);
        MUST(cut >= at && cut <= n);
        uint32_t *left = cut_text(t, text, cut, &n_left);
        uint32_t *right = cut_text(t, text + cut, n - cut, &n_right);
        MUST(n_left + n_right == n_ids);
        MUST(memcmp(left, ids, n_left * sizeof *ids) == 0);
        MUST(memcmp(right, ids + n_left, n_right * sizeof *ids) == 0);
        free(left);
        free(right);
    }
}

static void check_text(const az_tokenizer *t, const uint8_t *data, size_t n) {
    uint8_t *text = malloc(n + !n); /* to the byte, for ASan */
    uint32_t *plain = malloc((2 * n + 2) * sizeof *plain);
    MUST(text && plain);
    memcpy(text, data, n);
    size_t n_ids, n_plain;
    uint32_t *ids = cut_text(t, text, n, &n_ids);
    check_lossless(t, text, n, ids, n_ids);
    check_cuts(t, text, n, ids, n_ids);
    MUST(az_tokenize_plain(t, text, n, plain, &n_plain, NULL) == AZ_OK);
    MUST(n_plain <= 2 * n + 2);
    if (!az_tokenizer_adds_space(t))
        MUST(n_plain == n_ids && memcmp(plain, ids, n_ids * sizeof *ids) == 0);
    free(ids);
    free(plain);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static const char *const pres[] = {"gpt-2",  "smollm",         "llama-bpe", "qwen2",
                                       "falcon", "deepseek-coder", "default",   "dbrx"};
    input in = {data, n_bytes < 4096 ? n_bytes : 4096};
    uint8_t flags = next_byte(&in);
    int n_tokens = next_byte(&in);
    vocab *v = vocab_new(flags & SPM);
    v->pre = pres[flags >> 4 & 7];
    v->adds_space = flags & SPACE ? 1 : 0;
    if (flags & WILD)
        add_wild(v, &in, n_tokens);
    else
        add_consistent(v, &in, flags & SPM, n_tokens);
    vocab_file f = vocab_write(v);

    az_heap *heap = NULL;
    az_gguf *gguf = NULL;
    az_tokenizer *t = NULL;
    az_error error = {.text = ""};
    MUST(az_heap_open(&heap, NULL, NULL) == AZ_OK);
    MUST(az_gguf_open_memory(&gguf, f.bytes, f.n, heap, &error) == AZ_OK);
    az_status status = az_tokenizer_open(&t, gguf, heap, &error);
    az_gguf_close(&gguf);
    if (status == AZ_OK)
        check_text(t, in.data, in.n);
    else
        MUST(status == AZ_ERROR_MODEL && error.status == status && error.text[0] != '\0' && !t);
    az_tokenizer_close(&t);
    MUST(az_heap_used(heap) == 0);
    az_heap_close(&heap);
    free(f.bytes);
    free(v);
    return 0;
}
