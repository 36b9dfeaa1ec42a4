/* Short messages as characters: there and back, what is refused, sizes. */
#include "base/base.h"
#include "plan.h"
#include "support.h"
#include "text/alphabet.h"
#include "text/digits.h"

#include <stdbool.h>

#define STORIES AZ_SOURCE_DIR "/tests/models/stories260k.gguf"

static const char *const messages[] = {
    "",
    "a",
    "See you at eight, then.",
    "Two lines\nand a third\n",
    "\n",
    "\n\n\n",
    " blanks at both ends ",
    "Grüße aus Köln, Здравствуйте, こんにちは, 😀",
    "\xff\xfe\x01 no text \xc3",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

static az_text_coder *open_coder(az_engine *engine, az_alphabet alphabet) {
    az_text_coder *t;
    assert_int_equal(az_text_open(&t, engine, NULL, NULL), AZ_OK);
    assert_int_equal(az_text_set_alphabet(t, alphabet, NULL), AZ_OK);
    return t;
}

static size_t encode_text(az_text_coder *t, const void *message, size_t n, char *text,
                          size_t room) {
    size_t n_text = 0;
    az_error error = {0};
    if (az_text_encode(t, message, n, text, room, &n_text, &error) != AZ_OK)
        fail_msg("%s", error.text);
    return n_text;
}

static void check_decodes(az_text_coder *t, const char *text, size_t n_text, const void *message,
                          size_t n) {
    char *back = malloc(n + 1);
    size_t n_back;
    az_error error = {0};
    if (az_text_decode(t, text, n_text, back, n, &n_back, &error) != AZ_OK)
        fail_msg("%s", error.text);
    assert_int_equal(n_back, n);
    if (n)
        assert_memory_equal(back, message, n);
    free(back);
}

static void check_message(az_text_coder *t, const void *message, size_t n) {
    size_t room = 8 * n + 64;
    char *text = malloc(room);
    size_t n_text = encode_text(t, message, n, text, room);
    assert_in_range(n_text, 1, room);
    check_decodes(t, text, n_text, message, n);
    free(text);
}

/* ---- Trips --------------------------------------------------------------------------- */

static void messages_come_back(void **state) {
    (void)state;
    for (az_alphabet a = AZ_ALPHABET_UNICODE; a <= AZ_ALPHABET_GSM7; a++) {
        az_text_coder *t = open_coder(NULL, a);
        for (size_t i = 0; i < COUNT(messages); i++)
            check_message(t, messages[i], strlen(messages[i]));
        for (size_t i = 0; i < N_KINDS * 3; i++) {
            uint8_t *p = make_content((kind)(i / 3), 300 * (i % 3) + 7, i);
            check_message(t, p, 300 * (i % 3) + 7);
            free(p);
        }
        az_text_close(&t);
    }
}

static void long_messages_come_back(void **state) {
    (void)state;
    static const size_t sizes[] = {4095, 4096, AZ_TEXT_NBYTES_MAX};
    az_text_coder *t = open_coder(NULL, AZ_ALPHABET_UNICODE);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *p = make_content(KIND_TEXT, sizes[i], i);
        check_message(t, p, sizes[i]);
        free(p);
    }
    uint8_t *noise = make_content(KIND_NOISE, 3000, 1);
    check_message(t, noise, 3000);
    char text[64];
    size_t n;
    assert_int_equal(az_text_encode(t, noise, AZ_TEXT_NBYTES_MAX + 1, text, sizeof text, &n, NULL),
                     AZ_ERROR_ARGUMENT);
    assert_int_equal(az_text_encode(t, noise, 3000, text, sizeof text, &n, NULL),
                     AZ_ERROR_OUTPUT_FULL);
    free(noise);
    az_text_close(&t);
}

static void kernels_make_no_difference(void **state) {
    (void)state;
    static const char *const off[] = {"", "avx512", "all"};
    char first[400], again[400];
    size_t n_first = 0;
    for (size_t i = 0; i < COUNT(off); i++) {
        setenv("AIZIP_CPU_DISABLE", off[i], 1);
        az_text_coder *t = open_coder(NULL, AZ_ALPHABET_BASE64);
        char *to = i ? again : first;
        size_t n = encode_text(t, messages[2], strlen(messages[2]), to, sizeof again);
        if (i)
            assert_int_equal(n, n_first);
        n_first = n;
        assert_memory_equal(to, first, n);
        az_text_close(&t);
    }
    unsetenv("AIZIP_CPU_DISABLE");
}

static void with_a_model(void **state) {
    (void)state;
    static const char *const off[] = {"", "all"};
    char first[400] = "";
    for (size_t k = 0; k < COUNT(off); k++) {
        az_model *model;
        az_engine *engine;
        setenv("AIZIP_CPU_DISABLE", off[k], 1);
        assert_int_equal(az_model_open(&model, STORIES, NULL, NULL), AZ_OK);
        assert_int_equal(az_engine_open(&engine, model, 2, 0, NULL, NULL), AZ_OK);
        for (az_alphabet a = AZ_ALPHABET_UNICODE; a <= AZ_ALPHABET_GSM7; a++) {
            az_text_coder *t = open_coder(engine, a);
            for (size_t i = 0; i < COUNT(messages); i++)
                check_message(t, messages[i], strlen(messages[i]));
            char text[400];
            size_t n = encode_text(t, "Once upon a time, there was a girl.", 35, text, 400);
            if (a == AZ_ALPHABET_GSM7 && k == 0)
                memcpy(first, text, n + 1 < 400 ? n : 399);
            if (a == AZ_ALPHABET_GSM7)
                assert_memory_equal(first, text, n);
            assert_int_equal(az_text_set_dictionary(t, "Lily had a ball.\n", 17, NULL), AZ_OK);
            for (size_t i = 0; i < COUNT(messages); i++)
                check_message(t, messages[i], strlen(messages[i]));
            az_text_close(&t);
        }
        az_engine_close(&engine);
        az_model_close(&model);
    }
    unsetenv("AIZIP_CPU_DISABLE");
}

/* What has been seen makes it shorter, and both sides must have seen it. */
static void dictionaries_and_earlier_messages(void **state) {
    (void)state;
    static const char said[] = "The Zwiebelkuchen of Mrs. Xanthippopoulos was quite unforgettable.";
    char plain[400], after[400], back[400];
    size_t n = sizeof said - 1, n_back;
    az_text_coder *a = open_coder(NULL, AZ_ALPHABET_BASE64),
                  *b = open_coder(NULL, AZ_ALPHABET_BASE64);
    size_t n_plain = encode_text(a, said, n, plain, 400);
    az_text_remember(a, "", 0);
    az_text_remember(a, said, n);
    size_t n_after = encode_text(a, said, n, after, 400);
    assert_true(n_after < n_plain / 2);
    assert_int_equal(az_text_decode(b, after, n_after, back, 400, &n_back, NULL), AZ_ERROR_DAMAGED);
    az_text_remember(b, "", 0);
    az_text_remember(b, said, n);
    check_decodes(b, after, n_after, said, n);
    uint8_t *lots = make_content(KIND_NOISE, 40000, 1); /* more than is kept */
    az_text_remember(a, lots, 40000);
    az_text_remember(b, lots, 40000);
    for (int i = 0; i < 3; i++) {
        az_text_remember(a, said, n);
        az_text_remember(b, said, n);
    }
    n_after = encode_text(a, said, n, after, 400);
    assert_true(n_after < n_plain / 2);
    check_decodes(b, after, n_after, said, n);
    assert_int_equal(az_text_set_dictionary(a, said, n, NULL), AZ_OK);
    check_message(a, said, n);
    assert_int_equal(az_text_set_dictionary(a, NULL, 5, NULL), AZ_ERROR_ARGUMENT);
    free(lots);
    az_text_close(&a);
    az_text_close(&b);
}

/* ---- What is refused -------------------------------------------------------------------- */

/* Of changed, left out and doubled characters few get by. */
static void wrong_characters_are_found(void **state) {
    (void)state;
    uint64_t random = 7;
    char said[64], text[400], bad[400], back[AZ_TEXT_NBYTES_MAX];
    size_t n_back, n_taken = 0, n_tried = REPEATS(600, 45);
    az_text_coder *t = open_coder(NULL, AZ_ALPHABET_BASE64);
    for (size_t i = 0; i < n_tried; i++) {
        snprintf(said, sizeof said, "See you at %zu, then.", i);
        size_t n = encode_text(t, said, strlen(said), text, sizeof text), n_bad = n;
        size_t at = rnd_below(&random, n);
        memcpy(bad, text, n);
        if (i % 3 == 0)
            bad[at] = bad[at] == 'x' ? 'y' : 'x';
        else if (i % 3 == 1)
            memmove(bad + at, bad + at + 1, --n_bad - at);
        else
            memmove(bad + at + 1, bad + at, n_bad++ - at);
        az_status status = az_text_decode(t, bad, n_bad, back, sizeof back, &n_back, NULL);
        assert_true(status == AZ_OK || status == AZ_ERROR_DAMAGED);
        n_taken += status == AZ_OK;
    }
    assert_in_range(n_taken, 0, n_tried / 32);
    az_text_close(&t);
}

static void other_characters_are_named(void **state) {
    (void)state;
    char back[100];
    size_t n;
    az_text_coder *t = open_coder(NULL, AZ_ALPHABET_BASE64);
    const struct {
        const char *text;
        az_status status;
        const char *says;
    } cases[] = {{"ab+c", AZ_ERROR_FORMAT, "character 3"},
                 {"ab\xe4\xb8\xad", AZ_ERROR_FORMAT, "character 3"},
                 {"\xff", AZ_ERROR_FORMAT, "character 1"},
                 {" \n\t ", AZ_ERROR_TRUNCATED, "no character"},
                 {"", AZ_ERROR_TRUNCATED, "no character"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        az_error error = {0};
        assert_int_equal(
            az_text_decode(t, cases[i].text, strlen(cases[i].text), back, 100, &n, &error),
            cases[i].status);
        assert_non_null(strstr(error.text, cases[i].says));
    }
    assert_int_equal(az_text_set_alphabet(t, (az_alphabet)0, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_text_set_alphabet(t, (az_alphabet)4, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_text_encode(t, NULL, 1, back, 100, &n, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_text_decode(t, NULL, 1, back, 100, &n, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_text_open(NULL, NULL, NULL, NULL), AZ_ERROR_ARGUMENT);
    az_text_close(&t);
    az_text_close(&t);
}

static void wrapping_and_blanks_do_no_harm(void **state) {
    (void)state;
    for (az_alphabet a = AZ_ALPHABET_UNICODE; a <= AZ_ALPHABET_GSM7; a++) {
        az_text_coder *t = open_coder(NULL, a);
        char text[1000], wrapped[4000] = "\xef\xbb\xbf \xe3\x80\x80";
        size_t n = encode_text(t, messages[7], strlen(messages[7]), text, sizeof text), to = 7;
        for (size_t at = 0; at < n;) {
            size_t from = at;
            az_utf8_next((uint8_t *)text, n, &at);
            memcpy(wrapped + to, text + from, at - from);
            to += at - from;
            memcpy(wrapped + to, "\r\n\xc2\xa0", 4);
            to += 4;
        }
        check_decodes(t, wrapped, to, messages[7], strlen(messages[7]));
        az_text_close(&t);
    }
}

/* Text that is none: whatever it is, it is refused, or decodes to what gives it. */
static void noise_is_no_message(void **state) {
    (void)state;
    uint64_t random = 3;
    char back[AZ_TEXT_NBYTES_MAX], text[300];
    size_t n_back;
    for (az_alphabet a = AZ_ALPHABET_UNICODE; a <= AZ_ALPHABET_GSM7; a++) {
        az_text_coder *t = open_coder(NULL, a);
        for (int i = 0; i < REPEATS(60, 8); i++) {
            size_t n = 0;
            for (size_t k = rnd_below(&random, 60) + 1; k > 0; k--)
                n += az_utf8_put(
                    (uint8_t *)text + n,
                    az_alphabet_char(a, (uint32_t)rnd_below(&random, az_alphabet_size(a))));
            az_status status = az_text_decode(t, text, n, back, sizeof back, &n_back, NULL);
            if (status == AZ_OK) {
                char again[300];
                assert_int_equal(encode_text(t, back, n_back, again, sizeof again), n);
                assert_memory_equal(again, text, n);
            } else {
                assert_int_equal(status, AZ_ERROR_DAMAGED);
            }
        }
        az_text_close(&t);
    }
}

static void allocations_fail_cleanly(void **state) {
    (void)state;
    az_status status = AZ_ERROR_MEMORY;
    for (int i = 0; status != AZ_OK; i++) {
        plan p = {.fails_at = i};
        az_allocator allocator = {plan_alloc, plan_free, &p};
        az_text_coder *t = NULL;
        char text[300], back[300];
        size_t n_text = 0, n_back;
        status = az_text_open(&t, NULL, &allocator, NULL);
        if (status == AZ_OK)
            status = az_text_encode(t, messages[2], 23, text, 300, &n_text, NULL);
        if (status == AZ_OK)
            status = az_text_decode(t, text, n_text, back, 300, &n_back, NULL);
        az_text_close(&t);
        assert_true(status == AZ_OK || status == AZ_ERROR_MEMORY);
        assert_int_equal(p.n_live, 0);
    }
}

/* ---- Parts -------------------------------------------------------------------------------- */

static void alphabets_are_what_they_say(void **state) {
    (void)state;
    static const uint32_t sizes[] = {0, 38656, 64, 124};
    for (az_alphabet a = AZ_ALPHABET_UNICODE; a <= AZ_ALPHABET_GSM7; a++) {
        assert_int_equal(az_alphabet_size(a), sizes[a]);
        for (uint32_t d = 0; d < sizes[a]; d++) {
            uint32_t c = az_alphabet_char(a, d);
            uint8_t utf8[4];
            size_t at = 0, n = az_utf8_put(utf8, c);
            assert_int_equal(az_alphabet_digit(a, c), d);
            assert_false(az_is_passed_over(c));
            assert_int_equal(az_utf8_next(utf8, n, &at), c);
            assert_int_equal(at, n);
            if (a == AZ_ALPHABET_GSM7)
                assert_int_equal(az_gsm7_septets(c), 1);
        }
        assert_int_equal(az_alphabet_digit(a, 0), -1);
        assert_int_equal(az_alphabet_digit(a, ' '), -1);
        assert_int_equal(az_alphabet_digit(a, 0x1F600), -1);
    }
}

/* What any coder holds is named by its digits, and by no fewer. */
static void digits_name_what_the_coder_holds(void **state) {
    (void)state;
    static const uint32_t radixes[] = {64, 124, 38656, 65536};
    uint64_t random = 11;
    uint16_t digits[400];
    uint32_t scratch[400];
    uint8_t out[300];
    uint32_t aligned[1000];
    for (int round = 0; round < REPEATS(3000, 200); round++) {
        az_range_encoder rc;
        az_range_encoder_init(&rc, out, sizeof out);
        size_t n_bits = rnd_below(&random, 400);
        uint64_t seed = random;
        for (size_t i = 0; i < n_bits; i++) { /* sure, even, and surprised */
            uint32_t p = (uint32_t[]){1, AZ_PROB_ONE / 2, AZ_PROB_ONE - 1,
                                      AZ_PROB_ONE / 7}[rnd_below(&random, 4)];
            az_range_encode_bit(&rc, rnd_below(&random, 3) > 0, p);
            if (rc.pos > 200) {
                n_bits = i + 1;
                break;
            }
        }
        uint64_t end = random;
        for (size_t k = 0; k < COUNT(radixes); k++) {
            size_t n = az_digits_shortest(&rc, radixes[k], digits, COUNT(digits), scratch);
            assert_in_range(n, 1, COUNT(digits));
            assert_in_range(az_digits_nbytes(radixes[k], n), 1, sizeof aligned);
            az_digits_to_bytes(digits, n, radixes[k], (uint8_t *)aligned);
            az_range_decoder dec;
            az_range_decoder_init(&dec, (uint8_t *)aligned, az_digits_nbytes(radixes[k], n));
            random = seed;
            for (size_t i = 0; i < n_bits; i++) {
                uint32_t p = (uint32_t[]){1, AZ_PROB_ONE / 2, AZ_PROB_ONE - 1,
                                          AZ_PROB_ONE / 7}[rnd_below(&random, 4)];
                assert_int_equal(az_range_decode_bit(&dec, p), rnd_below(&random, 3) > 0);
            }
            random = end;
        }
    }
}

static void sizes_are_measured(void **state) {
    (void)state;
    az_text_size s;
    const struct {
        const char *text;
        size_t characters, septets, units, sms;
    } cases[] = {{"", 0, 0, 0, 0},
                 {"Hello", 5, 5, 5, 1},
                 {"10 \xe2\x82\xac [x]", 8, 11, 8, 1},
                 {"\xe4\xb8\xad", 1, 0, 1, 1},
                 {"\xf0\x9f\x98\x80!", 2, 0, 3, 1},
                 {"\xff\xc3", 2, 0, 2, 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        az_text_measure(&s, (az_alphabet)0, cases[i].text, strlen(cases[i].text));
        assert_int_equal(s.n_characters, cases[i].characters);
        assert_int_equal(s.n_septets, cases[i].septets);
        assert_int_equal(s.n_units, cases[i].units);
        assert_int_equal(s.n_sms, cases[i].sms);
        assert_int_equal(s.cost, 8 * AZ_COST_BIT * strlen(cases[i].text));
    }
    char many[400];
    memset(many, 'x', sizeof many);
    const size_t parts[][2] = {{160, 1}, {161, 2}, {306, 2}, {307, 3}};
    for (size_t i = 0; i < COUNT(parts); i++) {
        az_text_measure(&s, AZ_ALPHABET_BASE64, many, parts[i][0]);
        assert_int_equal(s.n_sms, parts[i][1]);
        assert_int_equal(s.cost, 6 * AZ_COST_BIT * parts[i][0]);
    }
    for (size_t n = 70; n <= 71; n++) {
        many[0] = '\xff';
        az_text_measure(&s, (az_alphabet)0, many, n);
        assert_int_equal(s.n_sms, n - 69);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back),
        cmocka_unit_test(long_messages_come_back),
        cmocka_unit_test(kernels_make_no_difference),
        cmocka_unit_test(with_a_model),
        cmocka_unit_test(dictionaries_and_earlier_messages),
        cmocka_unit_test(wrong_characters_are_found),
        cmocka_unit_test(other_characters_are_named),
        cmocka_unit_test(wrapping_and_blanks_do_no_harm),
        cmocka_unit_test(noise_is_no_message),
        cmocka_unit_test(allocations_fail_cleanly),
        cmocka_unit_test(alphabets_are_what_they_say),
        cmocka_unit_test(digits_name_what_the_coder_holds),
        cmocka_unit_test(sizes_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
