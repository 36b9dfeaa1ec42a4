/* tokenizer: pre-tokenizers, merges, SPM, tables that are wrong; on small vocabularies. */
#include "tokenizer_support.h"

#include "tokenizer/pretokenize.h"

/* ---- Characters ----------------------------------------------------------------- */

static void only_strict_utf8_is_read_as_characters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t code;
        size_t len;
    } cases[] = {
        {"a", 'a', 1},
        {"\xC2\x80", 0x80, 2},
        {"\xDF\xBF", 0x7FF, 2},
        {"\xE0\xA0\x80", 0x800, 3},
        {"\xEF\xBF\xBF", 0xFFFF, 3},
        {"\xF0\x90\x80\x80", 0x10000, 4},
        {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4},
        {"\x80", AZ_CHAR_INVALID, 1},
        {"\xC1\xBF", AZ_CHAR_INVALID, 1},
        {"\xE0\x9F\xBF", AZ_CHAR_INVALID, 1},
        {"\xED\xA0\x80", AZ_CHAR_INVALID, 1},
        {"\xF0\x8F\xBF\xBF", AZ_CHAR_INVALID, 1},
        {"\xF4\x90\x80\x80", AZ_CHAR_INVALID, 1},
        {"\xF5\x80\x80\x80", AZ_CHAR_INVALID, 1},
        {"\xE2\x96", AZ_CHAR_INVALID, 1},
        {"\xE2\x96z", AZ_CHAR_INVALID, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len;
        const uint8_t *text = (const uint8_t *)cases[i].text;
        assert_int_equal(az_char_read(text, strlen(cases[i].text), &len), cases[i].code);
        assert_int_equal(len, cases[i].len);
    }
}

static void classes_are_those_of_unicode_15_1(void **state) {
    (void)state;
    static const struct {
        uint32_t code;
        az_char_class want;
    } cases[] = {
        {'a', AZ_CHAR_LETTER},         {0xAA, AZ_CHAR_LETTER},
        {0x4E00, AZ_CHAR_LETTER},      {0x2EBF0, AZ_CHAR_LETTER},
        {'7', AZ_CHAR_NUMBER},         {0xBD, AZ_CHAR_NUMBER},
        {0x2167, AZ_CHAR_NUMBER},      {'_', AZ_CHAR_PUNCTUATION},
        {0x3002, AZ_CHAR_PUNCTUATION}, {'`', AZ_CHAR_SYMBOL},
        {0x1F642, AZ_CHAR_SYMBOL},     {0x2FFC, AZ_CHAR_SYMBOL},
        {0x85, AZ_CHAR_SPACE},         {0x3000, AZ_CHAR_SPACE},
        {0x200B, AZ_CHAR_OTHER},       {0x301, AZ_CHAR_OTHER},
        {0x897, AZ_CHAR_OTHER},        {0x10FFFF, AZ_CHAR_OTHER},
        {0x110000, AZ_CHAR_OTHER},     {AZ_CHAR_INVALID, AZ_CHAR_OTHER},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(az_char_class_of(cases[i].code), cases[i].want);
    size_t counts[6] = {0};
    for (uint32_t code = 0; code < 0x110000; code++)
        counts[az_char_class_of(code)]++;
    /* As unicodedata2 15.1.0 counts them. */
    assert_int_equal(counts[AZ_CHAR_LETTER], 136726);
    assert_int_equal(counts[AZ_CHAR_NUMBER], 1831);
    assert_int_equal(counts[AZ_CHAR_PUNCTUATION], 842);
    assert_int_equal(counts[AZ_CHAR_SYMBOL], 7775);
    assert_int_equal(counts[AZ_CHAR_SPACE], 25);
}

/* ---- Pre-tokenizers ------------------------------------------------------------- */

static bool add_piece(void *context, const uint8_t *text, size_t from, size_t to) {
    char *out = context;
    assert_true(to > from);
    strncat(out, (const char *)text + from, to - from);
    strcat(out, "|");
    return true;
}

/* Each text as it is cut, with a | after each piece. */
static void pieces_are_what_the_patterns_say(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"gpt-2", "Hello| world|!!|  | 12345|a|'s| '|S|'|LL|\n|"},
        {"gpt-2", "I|'ll| don|'t|  \n| x|\t|y| é| \xC2\xA0|\xE3\x80\x80|²½|"},
        {"gpt-2", "a|   |"},
        {"smollm", "a|  |1|2| b| |3| +=|4|'re|\n\n|\n|c|"},
        {"smollm", "x|²|+|½|=|Ⅷ|"},
        {"llama-bpe", "Hello| world|!!\n\n|  \n|  | x|\ty|123|45|a|'S| '|ll|!a|\xC2\xA0"
                      "b|"},
        {"llama-bpe", "(foo|,| |1| ...|bar|.\r\n|  |"},
        {"qwen2", "a|1|2|3|4|.|5|\n  \n|  | b|"},
        {"dbrx", "a|123|4|"},
        {"falcon", "a|,$|b| |,|123|45| |123|4| |`| |"},
        {"default", "a|,$|b|12|`|c| |123|4|"},
        {"deepseek-coder", "a| b|1|2|\r|\n| .,|$ +|\tc|\n|\n| | d|"},
        {"deepseek-coder", "1|2| +|3|"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200] = "", got[400] = "";
        for (const char *p = cases[i][1]; *p; p++)
            if (*p != '|')
                strncat(text, p, 1);
        const az_pretokenizer *pre = az_pretokenizer_find(cases[i][0], strlen(cases[i][0]));
        assert_non_null(pre);
        assert_true(az_pretokenize(pre, (const uint8_t *)text, 0, strlen(text), add_piece, got));
        assert_string_equal(got, cases[i][1]);
    }
}

static void only_known_pretokenizers_are_found(void **state) {
    (void)state;
    static const char *const known[] = {"gpt-2",     "smollm",      "refact",
                                        "stablelm2", "default",     "deepseek-r1-qwen",
                                        "olmo",      "roberta-bpe", "smaug-bpe"};
    for (size_t i = 0; i < COUNT(known); i++)
        assert_non_null(az_pretokenizer_find(known[i], strlen(known[i])));
    assert_null(az_pretokenizer_find("gpt", 3));
    assert_null(az_pretokenizer_find("gpt-2 phi-2", 11));
    assert_null(az_pretokenizer_find("", 0));
    assert_null(az_pretokenizer_find("gpt-2\0", 6));
}

/* ---- Small vocabularies --------------------------------------------------------- */

/* BPE with all bytes but `missing` (256: none), and merges of random tokens of letters. */
static vocab *random_bpe(uint64_t *state, int missing, int n_merges) {
    vocab *v = vocab_new(false);
    size_t letters[VOCAB_TOKENS_MAX], n_letters = 0;
    for (int byte = 0; byte < 256; byte++) {
        uint8_t b = (uint8_t)byte;
        if (byte == missing)
            continue;
        if (byte >= 'a' && byte <= 'c')
            letters[n_letters++] = v->n_tokens;
        vocab_add(v, vocab_bpe_text(&b, 1), 1, 0);
    }
    for (int i = 0; i < n_merges; i++) {
        vocab_text left = v->tokens[letters[rnd_below(state, n_letters)]], joined = left;
        vocab_text right = v->tokens[letters[rnd_below(state, n_letters)]];
        memcpy(joined.bytes + joined.n, right.bytes, right.n);
        joined.n += right.n;
        bool known = joined.n > 12;
        for (size_t t = 0; t < v->n_tokens; t++)
            known = known || (v->tokens[t].n == joined.n &&
                              memcmp(v->tokens[t].bytes, joined.bytes, joined.n) == 0);
        if (joined.n <= 12)
            vocab_add_merge(v, left, right);
        if (known)
            continue;
        letters[n_letters++] = v->n_tokens;
        vocab_add(v, joined, 1, 0);
    }
    return v;
}

static size_t find_text(const vocab *v, const uint8_t *text, size_t n) {
    for (size_t i = 0; i < v->n_tokens; i++)
        if (v->types[i] == 1 && v->tokens[i].n == n && memcmp(v->tokens[i].bytes, text, n) == 0)
            return i;
    return SIZE_MAX;
}

/* "Join the best pair, the leftmost of equals", as it is said; ends[] are the symbols' ends.
 * Text is ASCII, so that a token's text is its bytes; spaces are the caller's. */
static size_t naive_merge(const vocab *v, const uint8_t *text, size_t *ends, size_t n) {
    for (;;) {
        size_t best = SIZE_MAX;
        double best_rank = 1e30;
        for (size_t i = 0; i + 1 < n; i++) {
            size_t from = i ? ends[i - 1] : 0, middle = ends[i], to = ends[i + 1];
            double rank = 1e30;
            size_t id = v->has_scores ? find_text(v, text + from, to - from) : SIZE_MAX;
            if (id != SIZE_MAX)
                rank = -(double)v->scores[id];
            for (size_t m = 0; m < v->n_merges && rank == 1e30; m++) {
                const vocab_text *t = &v->merges[m];
                if (t->n == to - from + 1 && t->bytes[middle - from] == ' ' &&
                    memcmp(t->bytes, text + from, middle - from) == 0 &&
                    memcmp(t->bytes + (middle - from) + 1, text + middle, to - middle) == 0)
                    rank = (double)m;
            }
            if (rank < best_rank) {
                best_rank = rank;
                best = i;
            }
        }
        if (best == SIZE_MAX)
            return n;
        memmove(ends + best, ends + best + 1, (n - best - 1) * sizeof *ends);
        n--;
    }
}

static void check_naively(const az_tokenizer *t, const vocab *v, const uint8_t *text, size_t n) {
    size_t *ends = malloc((n + 1) * sizeof *ends);
    uint32_t *want = malloc((n + 1) * sizeof *want);
    assert_true(ends && want);
    for (size_t i = 0; i < n; i++)
        ends[i] = i + 1;
    size_t n_symbols = naive_merge(v, text, ends, n);
    for (size_t i = 0; i < n_symbols; i++) {
        size_t from = i ? ends[i - 1] : 0, id = find_text(v, text + from, ends[i] - from);
        if (id == SIZE_MAX && v->has_scores) /* SPM's bytes are ids 0 to 255 there */
            id = text[from];
        want[i] = id == SIZE_MAX ? AZ_TOKEN_ESCAPE + text[from] : (uint32_t)id;
    }
    check_ids(cut_text(t, text, n), want, n_symbols);
    free(ends);
    free(want);
}

static void random_letters(uint8_t *text, size_t n, uint64_t *state, const char *letters) {
    for (size_t i = 0; i < n; i++) /* runs, too, that long tokens come about */
        text[i] = i > 0 && rnd_below(state, 3) == 0
                      ? text[i - 1]
                      : (uint8_t)letters[rnd_below(state, strlen(letters))];
}

static void bpe_is_the_best_pair_first(void **state) {
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < REPEATS(60, 12); round++) {
        opened o;
        vocab *v = random_bpe(&seed, round % 3 ? 256 : 'b', 1 + (int)rnd_below(&seed, 80));
        open_good(&o, v);
        for (int i = 0; i < 8; i++) {
            uint8_t text[600];
            size_t n = 1 + rnd_below(&seed, i == 0 ? sizeof text : 90);
            random_letters(text, n, &seed, "abc");
            check_naively(o.tokenizer, v, text, n);
        }
        close_opened(&o);
        free(v);
    }
}

/* <0x00> to <0xFF> as ids 0 to 255. */
static vocab *spm_bytes(void) {
    vocab *v = vocab_new(true);
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        vocab_add(v, vocab_raw_text(text, 6), 6, 0);
    }
    v->adds_space = 0;
    return v;
}

static vocab_text spm(const char *text) {
    return vocab_spm_text((const uint8_t *)text, strlen(text));
}

static void spm_is_the_highest_score_first(void **state) {
    (void)state;
    uint64_t seed = 9;
    for (int round = 0; round < REPEATS(60, 12); round++) {
        opened o;
        vocab *v = spm_bytes(), *raw = spm_bytes(); /* raw: the same without U+2581 */
        for (int i = 0; i < 60; i++) {
            uint8_t text[6];
            size_t n = i < 3 ? 1 : 2 + rnd_below(&seed, 4);
            random_letters(text, n, &seed, "ab ");
            float score = (float)rnd_below(&seed, 20) - 10;
            if (find_text(raw, text, n) != SIZE_MAX)
                continue;
            vocab_add(v, vocab_spm_text(text, n), 1, score);
            vocab_add(raw, vocab_raw_text(text, n), 1, score);
        }
        open_good(&o, v);
        for (int i = 0; i < 8; i++) {
            uint8_t text[400];
            size_t n = 1 + rnd_below(&seed, i == 0 ? sizeof text : 90);
            random_letters(text, n, &seed, "abbaad ");
            check_naively(o.tokenizer, raw, text, n);
        }
        close_opened(&o);
        free(v);
        free(raw);
    }
}

static void spm_keeps_what_only_looks_like_a_token(void **state) {
    (void)state;
    opened o;
    vocab *v = spm_bytes();
    size_t x = vocab_add(v, spm("x"), 1, -1), the = vocab_add(v, spm(" the"), 1, -5);
    vocab_add(v, spm(" t"), 1, -2);
    vocab_add(v, spm("he"), 1, -3);
    vocab_add(v, spm("<s"), 1, -1);
    size_t control = vocab_add(v, spm("<s>"), 3, 0);
    size_t user = vocab_add(v, vocab_raw_text("<b>", 3), 4, 0), n;
    v->adds_space = -1;
    open_good(&o, v);
    uint32_t spaces[] = {0xE2, 0x96, 0x81, (uint32_t)x}, word[] = {(uint32_t)the};
    check_ids(cut_text(o.tokenizer, "\xE2\x96\x81x", 4), spaces, 4);
    check_ids(cut_text(o.tokenizer, " the", 4), word, 1);
    uint32_t bold[] = {(uint32_t)user, (uint32_t)the, (uint32_t)user};
    check_ids(cut_text(o.tokenizer, "<b> the<b>", 10), bold, 3);
    for (const char *const *p = (const char *const[]){"<s>", "<0x41>", "", "the", NULL}; *p; p++) {
        check_lossless(o.tokenizer, (const uint8_t *)*p, strlen(*p));
        id_list list = cut_text(o.tokenizer, *p, strlen(*p));
        for (size_t i = 0; i < list.n; i++)
            assert_true(list.ids[i] != control && list.ids[i] != 0x41);
        free(list.ids);
    }
    az_tokenizer_bytes(o.tokenizer, (uint32_t)control, &n);
    assert_int_equal(n, 0);
    uint32_t ids[20];
    assert_true(az_tokenizer_adds_space(o.tokenizer));
    assert_int_equal(az_tokenize_plain(o.tokenizer, (const uint8_t *)"the<b>the", 9, ids, &n, NULL),
                     AZ_OK);
    check_ids((id_list){memcpy(malloc(12), ids, 12), n},
              (uint32_t[]){(uint32_t)the, (uint32_t)user, (uint32_t)the}, 3);
    close_opened(&o);
    free(v);
}

static void special_ids_are_the_models(void **state) {
    (void)state;
    opened o;
    uint64_t seed = 1;
    vocab *v = random_bpe(&seed, 256, 3);
    open_good(&o, v);
    assert_int_equal(az_tokenizer_start(o.tokenizer), AZ_TOKEN_NONE);
    assert_int_equal(az_tokenizer_n_tokens(o.tokenizer), v->n_tokens);
    close_opened(&o);
    v->eos = 7;
    v->bos = 5;
    open_good(&o, v);
    assert_int_equal(az_tokenizer_start(o.tokenizer), 7);
    assert_int_equal(az_tokenizer_bos(o.tokenizer), 5);
    assert_int_equal(az_tokenizer_eos(o.tokenizer), 7);
    close_opened(&o);
    v->adds_bos = 1;
    open_good(&o, v);
    assert_int_equal(az_tokenizer_start(o.tokenizer), 5);
    close_opened(&o);
    v->adds_bos = 0;
    size_t end = vocab_add(v, vocab_raw_text("<|endoftext|>", 13), 3, 0);
    open_good(&o, v);
    assert_int_equal(az_tokenizer_start(o.tokenizer), end);
    close_opened(&o);
    free(v);
}

static void any_bytes_come_back_and_may_be_cut(void **state) {
    (void)state;
    static const char *const pres[] = {"gpt-2",  "smollm",         "llama-bpe", "qwen2",
                                       "falcon", "deepseek-coder", "default"};
    uint64_t seed = 3;
    for (size_t i = 0; i < COUNT(pres) + 1; i++) {
        opened o;
        vocab *v = i < COUNT(pres) ? random_bpe(&seed, i % 2 ? 256 : 0xFF, 50) : spm_bytes();
        v->pre = pres[i % COUNT(pres)];
        if (i == COUNT(pres)) {
            vocab_add(v, spm("th"), 1, 1);
            vocab_add(v, spm(" the"), 1, 2);
            vocab_add(v, spm("e  "), 1, 3);
        }
        vocab_add(v, vocab_raw_text("\n\n", 2), 4, 0);
        vocab_add(v, vocab_raw_text("  ", 2), 4, 0);
        vocab_add(v, vocab_raw_text("e a", 3), 4, 0);
        open_good(&o, v);
        for (int round = 0; round < REPEATS(600, 80); round++) {
            uint8_t text[300];
            size_t n = odd_text(text, rnd_below(&seed, sizeof text), &seed);
            check_lossless(o.tokenizer, text, n);
            check_cut(o.tokenizer, text, n, rnd_below(&seed, n + 1));
        }
        uint8_t *noise = make_content(KIND_NOISE, 20000, i + 1);
        check_lossless(o.tokenizer, noise, 20000);
        check_lossless(o.tokenizer, noise, 0);
        free(noise);
        close_opened(&o);
        free(v);
    }
}

static void long_runs_take_no_time(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    uint64_t seed = 11;
    vocab *v = random_bpe(&seed, 256, 0);
    vocab_text a = vocab_raw_text("a", 1);
    for (int i = 0; i < 3; i++) { /* aa, aaaa, aaaaaaaa */
        vocab_text two = a;
        vocab_add_merge(v, a, a);
        memcpy(two.bytes + two.n, a.bytes, a.n);
        two.n *= 2;
        a = two;
        vocab_add(v, a, 1, 0);
    }
    opened o;
    open_good(&o, v);
    uint8_t *text = malloc(N);
    assert_non_null(text);
    memset(text, 'a', N);
    uint64_t start = az_clock_ms();
    id_list list = cut_text(o.tokenizer, text, N);
    assert_int_equal(list.n, N / 8);
    free(list.ids);
    memset(text, ' ', N);
    check_lossless(o.tokenizer, text, N);
    assert_int_equal(az_tokenizer_cut(o.tokenizer, text, N, N / 2), N);
    assert_true(az_clock_ms() - start < 30000); /* in the square of N it were hours */
    free(text);
    close_opened(&o);
    free(v);
}

/* ---- What is wrong -------------------------------------------------------------- */

static void check_refused(const vocab *v, const char *sentence) {
    opened o;
    az_status status = open_vocab(&o, v, NULL);
    if (status != AZ_ERROR_MODEL || o.error.status != status || !strstr(o.error.text, sentence))
        fail_msg("status %d, \"%s\", not \"...%s...\"", (int)status, o.error.text, sentence);
    assert_null(o.tokenizer);
    close_opened(&o);
}

static void tables_that_contradict_each_other_are_refused(void **state) {
    (void)state;
    uint64_t seed = 1;
    vocab *good = random_bpe(&seed, 256, 5), *good_spm = spm_bytes(), *v = malloc(sizeof *v);
    assert_non_null(v);
    vocab_add(good_spm, spm("ab"), 1, -1);
#define BAD(from, change, sentence) \
    do {                            \
        *v = *(from);               \
        change;                     \
        check_refused(v, sentence); \
    } while (0)
    BAD(good, v->model = NULL, "no tokenizer");
    BAD(good, v->model = "bert", "'bert'");
    BAD(good, v->pre = "gpt-3", "'gpt-3'");
    BAD(good, v->n_tokens = v->n_types = 0, "tokens");
    BAD(good, v->n_types--, "types");
    BAD(good, v->types[3] = 7, "type 7");
    BAD(good, v->types[3] = -1, "type -1");
    BAD(good, v->has_merges = false, "merges");
    BAD(good, v->merges[2] = vocab_raw_text("a xyz", 5), "merge 2");
    BAD(good, v->merges[2] = vocab_raw_text("a a", 2), "merge 2");
    BAD(good, v->merges[2] = vocab_raw_text("ab", 2), "merge 2");
    BAD(good, v->merges[2] = vocab_raw_text("", 0), "merge 2");
    BAD(good, v->merges[2] = vocab_raw_text("d e", 3), "merge 2");
    BAD(good, vocab_add(v, v->tokens[66], 1, 0), "same text");
    BAD(good, v->bos = (int64_t)v->n_tokens, "bos_token_id");
    BAD(good, v->eos = 0xFFFFFF, "eos_token_id");
    BAD(good_spm, v->has_scores = false, "scores");
    BAD(good_spm, v->n_scores--, "scores");
    BAD(good_spm, v->scores[9] = strtof("nan", NULL), "score of token 9");
    BAD(good_spm, vocab_add(v, v->tokens[66], 6, 0), "same text");
    BAD(good_spm, vocab_add(v, spm("ab"), 1, 0), "same text");
    BAD(good_spm, vocab_add(v, spm("u"), 4, 0); vocab_add(v, spm("u"), 4, 0), "same text");
    BAD(good_spm, v->bos = 100000, "bos_token_id");
#undef BAD
    free(good);
    free(good_spm);
    free(v);
}

/* The n-th allocation fails. */
static void *failing_alloc(void *opaque, size_t n_bytes) {
    int *left = opaque;
    return (*left)-- > 0 ? malloc(n_bytes) : NULL;
}

static void failing_free(void *opaque, void *ptr) {
    (void)opaque;
    free(ptr);
}

/* Cutting, with more and more allocations allowed, until it succeeds. */
static void check_failing_cuts(opened *o, int *left, const uint8_t *text, size_t n) {
    uint32_t *ids = malloc((2 * n + 2) * sizeof *ids);
    size_t n_ids = 99;
    assert_non_null(ids);
    for (int n_allowed = 0;; n_allowed++) {
        *left = n_allowed;
        az_status status = az_tokenize_plain(o->tokenizer, text, n, ids, &n_ids, &o->error);
        if (status == AZ_OK) {
            assert_int_equal(n_allowed, az_tokenizer_adds_space(o->tokenizer) ? 2 : 1);
            break;
        }
        assert_int_equal(status, AZ_ERROR_MEMORY);
        assert_int_equal(o->error.status, status);
        assert_int_equal(n_ids, 0);
    }
    free(ids);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    uint64_t seed = 1;
    vocab *vocabularies[] = {random_bpe(&seed, 256, 5), spm_bytes()};
    vocabularies[1]->adds_space = 1;
    vocab_add(vocabularies[1], spm("aa"), 1, 1);
    uint8_t text[200]; /* one long piece */
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < COUNT(vocabularies); i++) {
        az_status status = AZ_ERROR_MEMORY;
        for (int n_allowed = 1; status != AZ_OK; n_allowed++) {
            int left = n_allowed;
            az_allocator allocator = {failing_alloc, failing_free, &left};
            opened o;
            status = open_vocab(&o, vocabularies[i], &allocator);
            if (status == AZ_OK) {
                check_failing_cuts(&o, &left, text, sizeof text);
            } else {
                assert_int_equal(status, AZ_ERROR_MEMORY);
                assert_int_equal(o.error.status, status);
            }
            close_opened(&o);
        }
        free(vocabularies[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_strict_utf8_is_read_as_characters),
        cmocka_unit_test(classes_are_those_of_unicode_15_1),
        cmocka_unit_test(pieces_are_what_the_patterns_say),
        cmocka_unit_test(only_known_pretokenizers_are_found),
        cmocka_unit_test(bpe_is_the_best_pair_first),
        cmocka_unit_test(spm_is_the_highest_score_first),
        cmocka_unit_test(spm_keeps_what_only_looks_like_a_token),
        cmocka_unit_test(special_ids_are_the_models),
        cmocka_unit_test(any_bytes_come_back_and_may_be_cut),
        cmocka_unit_test(long_runs_take_no_time),
        cmocka_unit_test(tables_that_contradict_each_other_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
