/*
 * text_coder: az_text_coder: short messages as characters.
 *
 *   characters = the fewest digits that name a number in the coder's interval after
 *       a bit that says whether the message is a long one          (nearly free)
 *       the message and a line end, by the predictor
 *       behind each line end a bit: is this the message's end?     (nearly free)
 *       6 bits of the message's check, and as many more as fit the last character
 *
 * A decoder encodes again what it has decoded and compares, so that only characters that an encoder
 * gives are taken.
 */
#include "../codec/codec.h"
#include "../primers/primers.h"
#include "alphabet.h"
#include "digits.h"

enum {
    CM_LEVEL = 7,
    SHORT_NBYTES = 4096, /* content of a short message, its line end included; and of a long one */
    LONG_NBYTES = AZ_TEXT_NBYTES_MAX + 1,
    CHECK_BITS = 6,
    MORE_CHECK_NBYTES = 512, /* of coded bytes, up to which more bits of the check are tried */
    CONTEXT_NBYTES = 1 << 14,
    WINDOW = 1024, /* tokens: of these a quarter is for what was seen before */
    PROB_LONG = AZ_PROB_ONE / 64
};

struct az_text_coder {
    az_heap *heap;
    az_engine *engine; /* or NULL */
    az_alphabet alphabet;
    az_text dictionary; /* that was given; n_bytes 0: the built-in */
    uint8_t *context;   /* [n_context] earlier messages, a line each; at most CONTEXT_NBYTES */
    size_t n_context;
    /* Ready for messages of one size. */
    uint8_t *block; /* [span] */
    az_span span;   /* content_nbytes 0: not ready */
    az_predictor *primed, *predictor;
    az_mixed *mixed;
    /* Of one call. */
    uint8_t *coded; /* [coded_capacity] */
    size_t coded_capacity;
    uint8_t *saved; /* [MORE_CHECK_NBYTES + 64] */
    uint16_t *digits;
    size_t digits_capacity;
    uint32_t *scratch;
    size_t scratch_capacity;
};

/* ---- The handle -------------------------------------------------------------------- */

az_status az_text_open(az_text_coder **out, az_engine *engine, const az_allocator *allocator,
                       az_error *error) {
    if (!out)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET, "out is NULL");
    *out = NULL;
    az_heap *heap;
    AZ_TRY(az_heap_open(&heap, allocator, error));
    az_text_coder *t = az_alloc(heap, sizeof *t);
    uint8_t *context = az_alloc(heap, CONTEXT_NBYTES);
    uint8_t *saved = az_alloc(heap, MORE_CHECK_NBYTES + 64);
    if (!t || !context || !saved) {
        az_status failed = az_alloc_failed(heap, CONTEXT_NBYTES, error);
        az_free(heap, t);
        az_free(heap, context);
        az_free(heap, saved);
        az_heap_close(&heap);
        return failed;
    }
    *t = (az_text_coder){.heap = heap,
                         .engine = engine,
                         .alphabet = AZ_ALPHABET_UNICODE,
                         .context = context,
                         .saved = saved};
    *out = t;
    return AZ_OK;
}

static void unready(az_text_coder *t) {
    az_predictor_close(&t->primed);
    az_predictor_close(&t->predictor);
    az_free(t->heap, t->block);
    t->block = NULL;
    t->span = (az_span){0};
}

void az_text_close(az_text_coder **out) {
    if (!out || !*out)
        return;
    az_text_coder *t = *out;
    *out = NULL;
    az_heap *heap = t->heap;
    unready(t);
    az_mixed_close(&t->mixed);
    az_free(heap, t->context);
    az_free(heap, t->saved);
    az_free(heap, t->coded);
    az_free(heap, t->digits);
    az_free(heap, t->scratch);
    az_free(heap, t);
    az_heap_close(&heap);
}

void az_text_set_memory_limit(az_text_coder *t, uint64_t n_bytes) {
    az_heap_set_limit(t->heap, n_bytes);
}

az_status az_text_set_alphabet(az_text_coder *t, az_alphabet alphabet, az_error *error) {
    if (alphabet < AZ_ALPHABET_UNICODE || alphabet > AZ_ALPHABET_GSM7)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "there is no alphabet number %d", (int)alphabet);
    t->alphabet = alphabet;
    return AZ_OK;
}

az_status az_text_set_dictionary(az_text_coder *t, const void *data, size_t n_bytes,
                                 az_error *error) {
    az_frame_dictionary note;
    AZ_TRY(az_dictionary_note(&note, data, n_bytes, error));
    t->dictionary = (az_text){data, n_bytes};
    unready(t);
    return AZ_OK;
}

void az_text_remember(az_text_coder *t, const void *message, size_t n_bytes) {
    const uint8_t *from = message;
    if (n_bytes + 1 > CONTEXT_NBYTES) {
        from += n_bytes + 1 - CONTEXT_NBYTES;
        n_bytes = CONTEXT_NBYTES - 1;
    }
    size_t most = CONTEXT_NBYTES - n_bytes - 1;
    if (t->n_context > most) {
        memmove(t->context, t->context + t->n_context - most, most);
        t->n_context = most;
    }
    if (n_bytes)
        memcpy(t->context + t->n_context, from, n_bytes);
    t->context[t->n_context + n_bytes] = '\n';
    t->n_context += n_bytes + 1;
    unready(t);
}

/* ---- What messages are coded after --------------------------------------------------- */

enum { PARTS_MAX = 2 };

/* The built-in predictor knows prose and messages, a model has some messages before its eyes. */
static size_t dictionary_parts(const az_text_coder *t, az_text parts[PARTS_MAX]) {
    if (t->dictionary.n_bytes) {
        parts[0] = t->dictionary;
        return 1;
    }
    if (t->engine) {
        parts[0] = *az_primer_prompt();
        return 1;
    }
    parts[0] = az_primer_named("prose")->text;
    parts[1] = az_primer_named("messages")->text;
    return 2;
}

static az_status open_predictors(az_text_coder *t, az_error *error) {
    AZ_TRY(az_predictor_open(&t->primed, t->heap, AZ_METHOD_CM, CM_LEVEL, t->span, error));
    AZ_TRY(az_predictor_open(&t->predictor, t->heap, AZ_METHOD_CM, CM_LEVEL, t->span, error));
    az_range_encoder nothing;
    az_range_encoder_init(&nothing, NULL, 0);
    size_t left = az_predictor_begin(t->primed, t->block, t->span);
    az_predictor_encode(t->primed, &nothing, left);
    return AZ_OK;
}

static az_status ready(az_text_coder *t, bool is_long, az_error *error) {
    size_t content = is_long ? LONG_NBYTES : SHORT_NBYTES, n = 0;
    az_text parts[PARTS_MAX];
    if (t->span.content_nbytes == content)
        return AZ_OK;
    unready(t);
    size_t n_parts = dictionary_parts(t, parts);
    for (size_t i = 0; i < n_parts; i++)
        n += parts[i].n_bytes;
    t->block = az_alloc(t->heap, n + t->n_context + content);
    if (!t->block)
        return az_alloc_failed(t->heap, n + t->n_context + content, error);
    n = 0;
    for (size_t i = 0; i < n_parts; i++) {
        memcpy(t->block + n, parts[i].data, parts[i].n_bytes);
        n += parts[i].n_bytes;
    }
    memcpy(t->block + n, t->context, t->n_context);
    t->span = (az_span){n + t->n_context, content};
    az_status status = !t->engine  ? open_predictors(t, error)
                       : !t->mixed ? az_mixed_open(&t->mixed, t->engine->server, t->heap, error)
                                   : AZ_OK;
    if (status != AZ_OK)
        unready(t);
    return status;
}

static az_mixed_settings settings_of(const az_text_coder *t) {
    const az_lm_info *info = az_lm_get_info(az_lm_server_model(t->engine->server));
    uint32_t window = info->n_trained < WINDOW ? info->n_trained : WINDOW;
    window = window < AZ_MIXED_WINDOW_MIN ? AZ_MIXED_WINDOW_MIN : window;
    return (az_mixed_settings){window, window / 2};
}

/* ---- Encoding -------------------------------------------------------------------------- */

static az_status encode_lines(az_text_coder *t, size_t n_bytes, az_range_encoder *rc,
                              az_error *error) {
    const uint8_t *content = t->block + t->span.dictionary_nbytes;
    if (t->engine) {
        az_mixed_settings settings = settings_of(t);
        return az_mixed_encode_message(t->mixed, &settings, t->block, t->span, n_bytes, rc, error);
    }
    az_predictor_copy(t->predictor, t->primed, t->block);
    for (size_t i = 0; i < n_bytes; i++) {
        az_predictor_encode(t->predictor, rc, 1);
        if (content[i] == '\n')
            az_range_encode_bit(rc, i + 1 == n_bytes, AZ_MIXED_END);
    }
    return AZ_OK;
}

static void encode_check_bit(az_range_encoder *rc, uint32_t check, int i) {
    az_range_encode_bit(rc, check >> (31 - i) & 1, AZ_PROB_ONE / 2);
}

/* The digits of what the coder holds: t->digits. */
static az_status take_digits(az_text_coder *t, const az_range_encoder *rc, size_t *n,
                             az_error *error) {
    size_t capacity = 2 * rc->pos + 32; /* 6 bits each at least */
    AZ_TRY(az_room(t->heap, &t->digits, &t->digits_capacity, sizeof *t->digits, capacity, error));
    AZ_TRY(az_room(t->heap, &t->scratch, &t->scratch_capacity, sizeof *t->scratch,
                   az_digits_scratch(rc) + 64, error));
    *n = az_digits_shortest(rc, az_alphabet_size(t->alphabet), t->digits, capacity, t->scratch);
    return AZ_OK;
}

/* Ends the message with its check, of as many bits as make it no longer. */
static az_status finish(az_text_coder *t, az_range_encoder *rc, uint32_t check, size_t *n,
                        az_error *error) {
    for (int i = 0; i < CHECK_BITS; i++)
        encode_check_bit(rc, check, i);
    AZ_TRY(take_digits(t, rc, n, error));
    for (int i = CHECK_BITS; i < 32 && rc->pos < MORE_CHECK_NBYTES; i++) {
        az_range_encoder before = *rc;
        size_t more;
        memcpy(t->saved, rc->out, rc->pos);
        encode_check_bit(rc, check, i);
        AZ_TRY(take_digits(t, rc, &more, error));
        if (more == *n)
            continue;
        *rc = before;
        memcpy(rc->out, t->saved, rc->pos);
        break;
    }
    return take_digits(t, rc, n, error);
}

/* The message's digits: t->digits[*n]. */
static az_status encode(az_text_coder *t, const uint8_t *message, size_t n_bytes, size_t *n,
                        az_error *error) {
    bool is_long = n_bytes + 1 > SHORT_NBYTES;
    az_range_encoder rc;
    AZ_TRY(ready(t, is_long, error));
    AZ_TRY(az_room(t->heap, &t->coded, &t->coded_capacity, 1, 8 * n_bytes + 1024, error));
    uint8_t *content = t->block + t->span.dictionary_nbytes;
    if (n_bytes)
        memcpy(content, message, n_bytes);
    content[n_bytes] = '\n';
    az_range_encoder_init(&rc, t->coded, t->coded_capacity);
    az_range_encode_bit(&rc, is_long, PROB_LONG);
    AZ_TRY(encode_lines(t, n_bytes + 1, &rc, error));
    return finish(t, &rc, az_check(content, n_bytes), n, error);
}

az_status az_text_encode(az_text_coder *t, const void *message, size_t n_bytes, char *text,
                         size_t capacity, size_t *n_text, az_error *error) {
    size_t n, at = 0;
    if (!t || !n_text || (!message && n_bytes) || (!text && capacity))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_text_encode: a pointer is NULL");
    if (n_bytes > AZ_TEXT_NBYTES_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a message can have %d bytes at most", AZ_TEXT_NBYTES_MAX);
    AZ_TRY(encode(t, message, n_bytes, &n, error));
    for (size_t i = 0; i < n; i++) {
        uint8_t utf8[4];
        size_t more = az_utf8_put(utf8, az_alphabet_char(t->alphabet, t->digits[i]));
        if (at + more > AZ_TEXT_CHARACTERS_NBYTES_MAX) /* so that whatever is given decodes */
            return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                                "the message's characters would take more than %d bytes",
                                AZ_TEXT_CHARACTERS_NBYTES_MAX);
        if (!text || at + more > capacity)
            return az_error_set(error, AZ_ERROR_OUTPUT_FULL, AZ_ERROR_NO_OFFSET,
                                "the text does not fit into %zu bytes", capacity);
        memcpy(text + at, utf8, more);
        at += more;
    }
    *n_text = at;
    return AZ_OK;
}

/* ---- Decoding --------------------------------------------------------------------------- */

static az_status wrong(az_error *error) {
    return az_error_set(error, AZ_ERROR_DAMAGED, AZ_ERROR_NO_OFFSET,
                        "a character is wrong or missing, or it was made with another model or "
                        "dictionary, or after other messages");
}

static az_status decode_lines(az_text_coder *t, az_range_decoder *rc, size_t *n_bytes,
                              az_error *error) {
    uint8_t *content = t->block + t->span.dictionary_nbytes;
    memset(content, 0, t->span.content_nbytes);
    if (t->engine) {
        az_mixed_settings settings = settings_of(t);
        return az_mixed_decode_message(t->mixed, &settings, t->block, t->span, n_bytes, rc, error);
    }
    az_predictor_copy(t->predictor, t->primed, t->block);
    for (size_t i = 0; i < t->span.content_nbytes; i++) {
        az_predictor_decode(t->predictor, rc, t->block, 1);
        if (content[i] == '\n' && az_range_decode_bit(rc, AZ_MIXED_END)) {
            *n_bytes = i + 1;
            return AZ_OK;
        }
    }
    return wrong(error);
}

/* Whether the message's digits are these; it is in t->block. */
static az_status compare(az_text_coder *t, const uint16_t *digits, size_t n, size_t n_bytes,
                         az_error *error) {
    size_t n_again;
    uint8_t *copy = az_alloc(t->heap, n_bytes + 1);
    if (!copy)
        return az_alloc_failed(t->heap, n_bytes + 1, error);
    memcpy(copy, t->block + t->span.dictionary_nbytes, n_bytes);
    az_status status = encode(t, copy, n_bytes, &n_again, error);
    az_free(t->heap, copy);
    AZ_TRY(status);
    return n_again == n && memcmp(digits, t->digits, n * sizeof *digits) == 0 ? AZ_OK
                                                                              : wrong(error);
}

static az_status decode(az_text_coder *t, const uint16_t *digits, size_t n, const uint8_t *bytes,
                        size_t n_coded, size_t *n_bytes, az_error *error) {
    az_range_decoder rc;
    az_range_decoder_init(&rc, bytes, n_coded);
    bool is_long = az_range_decode_bit(&rc, PROB_LONG);
    *n_bytes = 1;
    AZ_TRY(ready(t, is_long, error));
    az_status status = decode_lines(t, &rc, n_bytes, error);
    if (status == AZ_ERROR_DAMAGED)
        return wrong(error);
    AZ_TRY(status);
    --*n_bytes; /* the line end */
    uint32_t check = az_check(t->block + t->span.dictionary_nbytes, *n_bytes);
    for (int i = 0; i < CHECK_BITS; i++)
        if (az_range_decode_bit(&rc, AZ_PROB_ONE / 2) != (int)(check >> (31 - i) & 1))
            return wrong(error);
    return compare(t, digits, n, *n_bytes, error);
}

/* The characters' digits. */
static az_status read_digits(const az_text_coder *t, const uint8_t *text, size_t n_text,
                             uint16_t *digits, size_t *n, az_error *error) {
    *n = 0;
    for (size_t at = 0, count = 1; at < n_text; count++) {
        uint32_t c = az_utf8_next(text, n_text, &at);
        int32_t digit = c == UINT32_MAX ? -1 : az_alphabet_digit(t->alphabet, c);
        if (digit < 0 && (c == UINT32_MAX || !az_is_passed_over(c)))
            return az_error_set(error, AZ_ERROR_FORMAT, at,
                                "character %zu is none of the alphabet's", count);
        if (digit >= 0)
            digits[(*n)++] = (uint16_t)digit;
    }
    return *n ? AZ_OK
              : az_error_set(error, AZ_ERROR_TRUNCATED, 0, "there is no character of a message");
}

az_status az_text_decode(az_text_coder *t, const char *text, size_t n_text, void *message,
                         size_t capacity, size_t *n_bytes, az_error *error) {
    size_t n = 0, n_found = 0;
    if (!t || !n_bytes || (!text && n_text) || (!message && capacity))
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "az_text_decode: a pointer is NULL");
    if (n_text > AZ_TEXT_CHARACTERS_NBYTES_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "no message has so many characters");
    uint16_t *digits = az_alloc(t->heap, (n_text + 1) * sizeof *digits);
    if (!digits)
        return az_alloc_failed(t->heap, (n_text + 1) * sizeof *digits, error);
    az_status status = read_digits(t, (const uint8_t *)text, n_text, digits, &n, error);
    uint32_t radix = az_alphabet_size(t->alphabet);
    size_t n_coded = az_digits_nbytes(radix, n);
    uint8_t *bytes = status == AZ_OK ? az_alloc(t->heap, n_coded) : NULL;
    if (status == AZ_OK && !bytes)
        status = az_alloc_failed(t->heap, n_coded, error);
    if (status == AZ_OK) {
        az_digits_to_bytes(digits, n, radix, bytes);
        status = decode(t, digits, n, bytes, n_coded, &n_found, error);
    }
    az_free(t->heap, bytes);
    az_free(t->heap, digits);
    AZ_TRY(status);
    if (n_found > capacity)
        return az_error_set(error, AZ_ERROR_OUTPUT_FULL, AZ_ERROR_NO_OFFSET,
                            "the message does not fit into %zu bytes", capacity);
    if (n_found)
        memcpy(message, t->block + t->span.dictionary_nbytes, n_found);
    *n_bytes = n_found;
    return AZ_OK;
}

/* ---- Sizes -------------------------------------------------------------------------------- */

void az_text_measure(az_text_size *size, az_alphabet alphabet, const void *text, size_t n_bytes) {
    const uint8_t *p = text;
    bool gsm7 = true;
    *size = (az_text_size){.n_bytes = n_bytes};
    for (size_t at = 0; at < n_bytes;) {
        uint32_t c = az_utf8_next(p, n_bytes, &at);
        if (c == UINT32_MAX)
            at++; /* a byte that is no text: one character */
        uint32_t septets = c == UINT32_MAX ? 0 : az_gsm7_septets(c);
        gsm7 &= septets > 0;
        size->n_septets += septets;
        size->n_units += c != UINT32_MAX && c > 0xFFFF ? 2 : 1;
        size->n_characters++;
    }
    size->is_gsm7 = gsm7;
    if (!gsm7)
        size->n_septets = 0;
    size_t n = gsm7 ? size->n_septets : size->n_units;
    size_t alone = gsm7 ? 160 : 70, part = gsm7 ? 153 : 67;
    size->n_sms = n == 0 ? 0 : n <= alone ? 1 : (n + part - 1) / part;
    size->cost = alphabet < AZ_ALPHABET_UNICODE || alphabet > AZ_ALPHABET_GSM7
                     ? 8 * AZ_COST_BIT * n_bytes
                     : az_log2_cost(az_alphabet_size(alphabet)) * size->n_characters;
}
