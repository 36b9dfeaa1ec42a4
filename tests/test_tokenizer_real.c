/* tokenizer: the vocabularies of real models, and what llama.cpp makes of text with them. */
#include "tokenizer_support.h"

#include <dirent.h>

/* ---- Whole vocabularies --------------------------------------------------------- */

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *data = calloc(1, 1 << 21);
    assert_non_null(data);
    *n = fread(data, 1, (1 << 21) - 1, f);
    fclose(f);
    return data;
}

/* One line of ids. */
static void check_golden(const az_tokenizer *t, const char *text, size_t n, char *line,
                         const char *where) {
    uint32_t *ids = malloc((2 * n + 2) * sizeof *ids);
    size_t n_ids, i = 0;
    assert_non_null(ids);
    assert_int_equal(az_tokenize_plain(t, (const uint8_t *)text, n, ids, &n_ids, NULL), AZ_OK);
    for (char *p = line, *end; i <= n_ids; i++, p = end) {
        unsigned long id = strtoul(p, &end, 10);
        if (end == p)
            break;
        if (i == n_ids || ids[i] != id)
            fail_msg("%s: token %d of \"%s\" is %lu, not %ld", where, (int)i, text, id,
                     i < n_ids ? (long)ids[i] : -1L);
    }
    if (i != n_ids)
        fail_msg("%s: \"%s\" has %d tokens, not %d", where, text, (int)n_ids, (int)i);
    free(ids);
}

/* NAME.gguf with NAME.gguf.inp, texts between lines __ggml_vocab_test__, and .out, lines of
 * ids; how many texts there were. */
static int check_vocab_file(const char *path) {
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char in_path[600], out_path[600];
    snprintf(in_path, sizeof in_path, "%s.inp", path);
    snprintf(out_path, sizeof out_path, "%s.out", path);
    size_t n_in, n_out;
    char *in = read_file(in_path, &n_in), *out = in ? read_file(out_path, &n_out) : NULL;
    int n_texts = 0;
    opened o;
    if (!out) {
        free(in);
        return 0;
    }
    if (open_file(&o, path)) {
        char *line = out, *next;
        for (char *text = in, *end; (end = strstr(text, mark)); text = end + strlen(mark)) {
            *end = '\0';
            next = strchr(line, '\n');
            assert_non_null(next);
            *next = '\0';
            check_golden(o.tokenizer, text, (size_t)(end - text), line, path);
            check_lossless(o.tokenizer, (const uint8_t *)text, (size_t)(end - text));
            line = next + 1;
            n_texts++;
        }
    } else {
        assert_int_equal(o.error.status, AZ_ERROR_MODEL);
        assert_non_null(strstr(o.error.text, "not supported"));
    }
    close_opened(&o);
    free(in);
    free(out);
    return n_texts;
}

static void vocabularies_give_llama_cpps_ids(void **state) {
    (void)state;
    DIR *folder = opendir(AZ_VOCAB_DIR);
    if (!folder)
        skip();
    int n_vocabularies = 0, n_texts = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[512];
        size_t n = strlen(entry->d_name);
        if (n < 5 || strcmp(entry->d_name + n - 5, ".gguf") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", AZ_VOCAB_DIR, entry->d_name);
        int more = check_vocab_file(path);
        n_vocabularies += more > 0;
        n_texts += more;
    }
    closedir(folder);
    print_message("%d vocabularies, %d texts\n", n_vocabularies, n_texts);
    assert_true(n_vocabularies > 0);
}

/* From other implementations of the same rules; the first is published, too. */
static void smollm2_gives_known_ids(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"Hello, we can use", "19556 28 392 416 722"},
        {"The capital of France is", "504 3575 282 4649 314"},
        {"\n", "198"},
        {"Hello world! 123", "19556 905 17 216 33 34 35"},
        {"Café déjà vu.", "51 1939 2756 32564 90 16739 386 101 30"},
        {"  multiple   spaces", "216 2701 256 5600"},
        {"int main(void) { return 0; }\n", "591 1085 24 32439 25 1662 1003 216 32 43 4029 198"},
        {"don't we'll I'M", "12420 982 392 3060 339 23 61"},
        {"a  \n\n b\t\tc", "81 256 1116 278 197 197 83"},
        {"東京は日本の首都です。",
         "30679 126 16736 122 7365 124 23274 115 40993 26453 180 116 240 180 "
         "38466 7365 117 39958 19076"},
        {"𝒜 🙂🙂", "23159 236 246 47526 10813 38887"},
        {"   ", "333"},
        {"x²+½=Ⅷ", "104 19133 27 16738 45 173 223 117"},
        {"<|im_start|>user", "44 108 306 79 3738 108 46 4093"},
    };
    const char *path = getenv("AIZIP_TEST_MODEL");
    opened o;
    if (!path)
        skip();
    assert_true(open_file(&o, path));
    if (az_tokenizer_n_tokens(o.tokenizer) != 49152) {
        close_opened(&o);
        skip();
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[200];
        strcpy(line, cases[i][1]);
        check_golden(o.tokenizer, cases[i][0], strlen(cases[i][0]), line, path);
    }
    uint8_t every[256];
    for (int i = 0; i < 256; i++)
        every[i] = (uint8_t)i;
    check_lossless(o.tokenizer, every, sizeof every);
    assert_int_equal(az_tokenizer_start(o.tokenizer), 0);
    close_opened(&o);
}

/* With real vocabularies: text, noise, runs, and cuts. */
static void real_vocabularies_lose_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"gpt-2",          "starcoder", "falcon",
                                        "deepseek-coder", "llama-spm", "phi-3"};
    static uint8_t text[300000];
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[600];
        uint64_t seed = i + 1;
        opened o;
        snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf", AZ_VOCAB_DIR, names[i]);
        FILE *f = fopen(path, "rb");
        if (!f)
            skip();
        fclose(f);
        assert_true(open_file(&o, path));
        check_lossless(o.tokenizer, text, odd_text(text, sizeof text, &seed));
        memset(text, i % 2 ? ' ' : 'a', sizeof text);
        check_lossless(o.tokenizer, text, sizeof text);
        for (int round = 0; round < REPEATS(400, 50); round++) {
            size_t n = odd_text(text, rnd_below(&seed, 500), &seed);
            check_cut(o.tokenizer, text, n, rnd_below(&seed, n + 1));
        }
        close_opened(&o);
    }
}

static void text_is_cut_near_the_place_asked_for(void **state) {
    (void)state;
    static const char *const names[] = {"gpt-2", "llama-spm"};
    uint8_t *text = make_content(KIND_TEXT, 30000, 1);
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[600];
        opened o;
        snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf", AZ_VOCAB_DIR, names[i]);
        FILE *f = fopen(path, "rb");
        if (!f) {
            free(text);
            skip();
        }
        fclose(f);
        assert_true(open_file(&o, path));
        for (size_t at = 0; at < 30000; at += 997)
            assert_true(check_cut(o.tokenizer, text, 30000, at) < at + 20);
        assert_int_equal(az_tokenizer_cut(o.tokenizer, text, 30000, 30000), 30000);
        close_opened(&o);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabularies_give_llama_cpps_ids),
        cmocka_unit_test(smollm2_gives_known_ids),
        cmocka_unit_test(real_vocabularies_lose_nothing),
        cmocka_unit_test(text_is_cut_near_the_place_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
