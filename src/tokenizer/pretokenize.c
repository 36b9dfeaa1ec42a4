/*
 * pretokenize: see the header. A pre-tokenizer is a sequence of patterns. The first one cuts
 * the text into its matches and the gaps between them; each next one does the same to the
 * pieces that the one before has left, as if each were a text of its own. A pattern is a list
 * of alternatives, of which the first that matches is taken (as in PCRE, Python and Rust).
 * Which names stand for which patterns: llama.cpp, src/llama-vocab.cpp.
 *
 * Where may text be cut, so that the pieces of both parts are those of the whole? Between two
 * pieces of the first patterns (n_safe of them), but for one case:
 * - the right part is the same, as each match begins anew where the one before ended;
 * - the left part could only differ where a matcher looks beyond its end. `\s+(?!\S)` does:
 *   " \t!" is " ", "\t", "!", but " \t" is one piece. So not after a piece that is a single
 *   white space and follows another one.
 * Patterns from n_safe on cut within matches of those before: "  12" is " ", " 12" and then,
 * if digits are by themselves, " ", " ", "12"; but "  " would be one piece.
 */
#include "pretokenize.h"

/* ---- Characters ----------------------------------------------------------------- */

/* ASCII, a bit for each class, to be quick: L, N, S and P as letters. */
static const uint8_t ascii_class[128] = {
#define O AZ_CHAR_OTHER
#define L AZ_CHAR_LETTER
#define N AZ_CHAR_NUMBER
#define P AZ_CHAR_PUNCTUATION
#define S AZ_CHAR_SYMBOL
#define W AZ_CHAR_SPACE
    O, O, O, O, O, O, O, O, O, W, W, W, W, W, O, O, /* 00 */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* 10 */
    W, P, P, P, S, P, P, P, P, P, P, S, P, P, P, P, /*  !"#$%&'()*+,-./ */
    N, N, N, N, N, N, N, N, N, N, P, P, S, S, S, P, /* 0-9:;<=>? */
    P, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* @A-O */
    L, L, L, L, L, L, L, L, L, L, L, P, P, P, S, P, /* P-Z[\]^_ */
    S, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* `a-o */
    L, L, L, L, L, L, L, L, L, L, L, P, S, P, S, O, /* p-z{|}~ 7F */
#undef O
#undef L
#undef N
#undef P
#undef S
#undef W
};

static bool is_continuation(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

uint32_t az_char_read(const uint8_t *text, size_t n_bytes, size_t *len) {
    uint32_t lead = text[0];
    *len = 1;
    if (lead < 0x80)
        return lead;
    size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || n > n_bytes)
        return AZ_CHAR_INVALID;
    uint32_t code = lead & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(text[i]))
            return AZ_CHAR_INVALID;
        code = code << 6 | (text[i] & 0x3Fu);
    }
    /* Too long a form, a surrogate, or beyond the last code point. */
    if ((n == 3 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) ||
        (n == 4 && (code < 0x10000 || code > 0x10FFFF)))
        return AZ_CHAR_INVALID;
    *len = n;
    return code;
}

/* What a matcher works on: text[0..end) of the piece; it may look no further. */
typedef struct view {
    const uint8_t *text;
    size_t end;
} view;

/* The class of the character at pos < end, and its length. */
static inline az_char_class class_at(view v, size_t pos, size_t *len) {
    if (v.text[pos] < 0x80) {
        *len = 1;
        return (az_char_class)ascii_class[v.text[pos]];
    }
    return az_char_class_of(az_char_read(v.text + pos, v.end - pos, len));
}

/* Bits of the classes that a run may consist of. */
enum {
    LETTERS = 1 << AZ_CHAR_LETTER,
    NUMBERS = 1 << AZ_CHAR_NUMBER,
    SPACES = 1 << AZ_CHAR_SPACE,
    PUNCTUATION = 1 << AZ_CHAR_PUNCTUATION,
    OTHERS = 1 << AZ_CHAR_OTHER | 1 << AZ_CHAR_PUNCTUATION | 1 << AZ_CHAR_SYMBOL
};

/* Where the run of characters of these classes that begins at pos ends. */
static inline size_t run_end(view v, size_t pos, unsigned classes) {
    size_t len;
    while (pos < v.end && (classes >> class_at(v, pos, &len) & 1))
        pos += len;
    return pos;
}

static inline bool is_newline(view v, size_t pos) {
    return pos < v.end && (v.text[pos] == '\n' || v.text[pos] == '\r');
}

/* ---- Matchers ------------------------------------------------------------------- */

/* Each returns where its match at pos < end ends, or pos if there is none. */
typedef size_t (*matcher)(view v, size_t pos);

/* An apostrophe and s, t, m, d, re, ve or ll; fold is 0x20 to take capitals as well. */
static size_t contraction_end(view v, size_t pos, uint8_t fold) {
    if (v.text[pos] != '\'' || pos + 1 == v.end)
        return pos;
    uint8_t first = v.text[pos + 1] | fold;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return pos + 2;
    if (pos + 2 == v.end)
        return pos;
    uint8_t second = v.text[pos + 2] | fold;
    bool two = ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l');
    return two ? pos + 3 : pos;
}

/* 's|'t|'re|'ve|'m|'ll|'d */
static size_t contraction(view v, size_t pos) {
    return contraction_end(v, pos, 0);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d) */
static size_t contraction_any_case(view v, size_t pos) {
    return contraction_end(v, pos, 0x20);
}

/* A run, with one space before it or not: " ?X+". */
static inline size_t spaced_run(view v, size_t pos, unsigned classes) {
    size_t from = pos + (v.text[pos] == ' '), to = run_end(v, from, classes);
    return to > from ? to : pos;
}

/*  ?\p{L}+ */
static size_t space_letters(view v, size_t pos) {
    return spaced_run(v, pos, LETTERS);
}

/*  ?\p{N}+ */
static size_t space_numbers(view v, size_t pos) {
    return spaced_run(v, pos, NUMBERS);
}

/*  ?[^\s\p{L}\p{N}]+ */
static size_t space_others(view v, size_t pos) {
    return spaced_run(v, pos, OTHERS);
}

/*  ?[^\s\p{L}\p{N}]+[\r\n]* */
static size_t space_others_newlines(view v, size_t pos) {
    size_t to = spaced_run(v, pos, OTHERS);
    while (to > pos && is_newline(v, to))
        to++;
    return to;
}

/* \s+(?!\S): all white space, but for the last character where something follows. */
static size_t spaces_before_last(view v, size_t pos) {
    size_t to = pos, last = pos, len;
    while (to < v.end && class_at(v, to, &len) == AZ_CHAR_SPACE) {
        last = to;
        to += len;
    }
    return to == v.end ? to : last;
}

/* \s+ */
static size_t spaces(view v, size_t pos) {
    return run_end(v, pos, SPACES);
}

/* \s*[\r\n]+: white space up to the last newline in it. */
static size_t spaces_newlines(view v, size_t pos) {
    size_t found = pos, len;
    while (pos < v.end && class_at(v, pos, &len) == AZ_CHAR_SPACE) {
        if (is_newline(v, pos))
            found = pos + 1;
        pos += len;
    }
    return found;
}

/* [^\r\n\p{L}\p{N}]?\p{L}+ */
static size_t any_letters(view v, size_t pos) {
    size_t len, from = pos;
    if (is_newline(v, pos))
        return pos;
    az_char_class class = class_at(v, pos, &len);
    if (class == AZ_CHAR_NUMBER)
        return pos;
    if (class != AZ_CHAR_LETTER)
        from += len;
    size_t to = run_end(v, from, LETTERS);
    return to > from ? to : pos;
}

/* \p{N} */
static size_t number(view v, size_t pos) {
    size_t len;
    return class_at(v, pos, &len) == AZ_CHAR_NUMBER ? pos + len : pos;
}

/* \p{N}{1,3} */
static size_t numbers_3(view v, size_t pos) {
    size_t to = pos, next;
    for (int i = 0; i < 3 && to < v.end && (next = number(v, to)) > to; i++)
        to = next;
    return to;
}

/* \p{N}+ */
static size_t numbers(view v, size_t pos) {
    return run_end(v, pos, NUMBERS);
}

/* [0-9][0-9][0-9] */
static size_t three_digits(view v, size_t pos) {
    for (size_t i = pos; i < pos + 3; i++)
        if (i >= v.end || v.text[i] < '0' || v.text[i] > '9')
            return pos;
    return pos + 3;
}

/* [\p{P}$+<=>^~|more]+; all of ASCII's symbols but ` are in the list. */
static inline size_t marks_end(view v, size_t pos, bool with_backtick) {
    for (size_t len; pos < v.end; pos += len) {
        az_char_class class = class_at(v, pos, &len);
        bool ascii_symbol =
            class == AZ_CHAR_SYMBOL && v.text[pos] < 0x80 && (with_backtick || v.text[pos] != '`');
        if (class != AZ_CHAR_PUNCTUATION && !ascii_symbol)
            break;
    }
    return pos;
}

/* [\p{P}\$\+<=>\^~\|]+ */
static size_t marks(view v, size_t pos) {
    return marks_end(v, pos, false);
}

/* [\p{P}\$\+<=>\^~\|`]+ */
static size_t marks_backtick(view v, size_t pos) {
    return marks_end(v, pos, true);
}

/* [\r\n] */
static size_t newline(view v, size_t pos) {
    return pos + is_newline(v, pos);
}

/* \s?X+ */
static inline size_t white_run(view v, size_t pos, unsigned classes) {
    size_t len, from = pos;
    if (class_at(v, pos, &len) == AZ_CHAR_SPACE)
        from += len;
    size_t to = run_end(v, from, classes);
    return to > from ? to : pos;
}

/* \s?\p{L}+ */
static size_t white_letters(view v, size_t pos) {
    return white_run(v, pos, LETTERS);
}

/* \s?\p{P}+ */
static size_t white_punctuation(view v, size_t pos) {
    return white_run(v, pos, PUNCTUATION);
}

/* [U+4E00-U+9FA5 U+0800-U+4E00 U+AC00-U+D7FF]+; white space is never in such a list. */
static size_t east_asian(view v, size_t pos) {
    for (size_t len; pos < v.end; pos += len) {
        uint32_t code = az_char_read(v.text + pos, v.end - pos, &len);
        bool listed = (code >= 0x800 && code <= 0x9FA5) || (code >= 0xAC00 && code <= 0xD7FF);
        if (!listed || az_char_class_of(code) == AZ_CHAR_SPACE)
            break;
    }
    return pos;
}

/* ---- Pre-tokenizers ------------------------------------------------------------- */

enum { ALTERNATIVES_MAX = 8, PATTERNS_MAX = 5 };

struct az_pretokenizer {
    matcher patterns[PATTERNS_MAX][ALTERNATIVES_MAX]; /* NULL after the last of each */
    int n_safe; /* how many patterns have pieces that text may be cut between, see above */
    bool ignores_merges;
    bool adds_bos;
    const char *names; /* each with a space after it */
};

#define GPT2 \
    { contraction, space_letters, space_numbers, space_others, spaces_before_last, spaces }
#define LLAMA3(numbers_of)                                                                     \
    {                                                                                          \
        contraction_any_case, any_letters, numbers_of, space_others_newlines, spaces_newlines, \
            spaces_before_last, spaces                                                         \
    }

/* clang-format off */
static const az_pretokenizer pretokenizers[] = {
    {
        .patterns = {GPT2},
        .n_safe = 1,
        .names = "gpt-2 phi-2 mpt olmo jais roberta-bpe jina-es jina-de jina-v1-en jina-v2-es "
                 "jina-v2-de jina-v2-code gigachat a.x-4.0 mellum modern-bert exaone4 trillion "
                 "granite-docling ",
    },
    {
        .patterns = {{number}, GPT2},
        .n_safe = 2,
        .names = "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2 ",
    },
    {
        .patterns = {LLAMA3(numbers_3)},
        .n_safe = 1,
        .ignores_merges = true,
        .adds_bos = true,
        .names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
    },
    {
        .patterns = {LLAMA3(numbers_3)},
        .n_safe = 1,
        .ignores_merges = true,
        .names = "glm4 glm5 ",
    },
    {
        .patterns = {LLAMA3(numbers_3)},
        .n_safe = 1,
        .names = "dbrx smaug-bpe chatglm-bpe ",
    },
    {
        .patterns = {LLAMA3(number)},
        .n_safe = 1,
        .names = "qwen2 deepseek-r1-qwen stablelm2 megrez kormo f2llmv2 hunyuan solar-open "
                 "grok-2 ",
    },
    {
        .patterns = {{marks_backtick}, GPT2, {three_digits}},
        .n_safe = 2,
        .names = "falcon ",
    },
    {
        .patterns = {{newline}, {white_letters}, {white_punctuation}, {east_asian}, {number}},
        .n_safe = 3, /* the next one parts a space from the word after it */
        .names = "deepseek-coder ",
    },
    {
        .patterns = {{marks}, GPT2, {numbers}, {three_digits}},
        .n_safe = 2,
        .names = "default ",
    },
};
/* clang-format on */

const az_pretokenizer *az_pretokenizer_find(const char *name, size_t n_bytes) {
    for (size_t i = 0; i < sizeof pretokenizers / sizeof *pretokenizers; i++) {
        const char *at = pretokenizers[i].names, *end;
        for (; *at; at = end + 1) {
            end = strchr(at, ' ');
            if ((size_t)(end - at) == n_bytes && memcmp(at, name, n_bytes) == 0)
                return &pretokenizers[i];
        }
    }
    return NULL;
}

bool az_pretokenizer_ignores_merges(const az_pretokenizer *pre) {
    return pre->ignores_merges;
}

bool az_pretokenizer_adds_bos(const az_pretokenizer *pre) {
    return pre->adds_bos;
}

/* ---- Pieces --------------------------------------------------------------------- */

typedef struct splitter {
    const az_pretokenizer *pre;
    int n_patterns;
    az_piece_fn take;
    void *context;
} splitter;

/* The end of the first alternative that matches at pos, or pos. */
static inline size_t match(const matcher *alternatives, view v, size_t pos) {
    for (int i = 0; i < ALTERNATIVES_MAX && alternatives[i]; i++) {
        size_t to = alternatives[i](v, pos);
        if (to > pos)
            return to;
    }
    return pos;
}

/* Cuts text[from..to) by the patterns from number `at` on; no deeper than PATTERNS_MAX. */
static bool split(const splitter *s, int at, const uint8_t *text, size_t from, size_t to) {
    if (at == s->n_patterns || !s->pre->patterns[at][0])
        return s->take(s->context, text, from, to);
    view v = {.text = text, .end = to};
    size_t gap = from, pos = from;
    while (pos < to) {
        size_t end = match(s->pre->patterns[at], v, pos);
        if (end == pos) {
            size_t len;
            class_at(v, pos, &len);
            pos += len;
            continue;
        }
        if (gap < pos && !split(s, at + 1, text, gap, pos))
            return false;
        if (!split(s, at + 1, text, pos, end))
            return false;
        gap = pos = end;
    }
    return gap == to || split(s, at + 1, text, gap, to);
}

bool az_pretokenize(const az_pretokenizer *pre, const uint8_t *text, size_t from, size_t to,
                    az_piece_fn take, void *context) {
    splitter s = {.pre = pre, .n_patterns = PATTERNS_MAX, .take = take, .context = context};
    return split(&s, 0, text, from, to);
}

/* Looks for the first end of a piece at or after `at` that is safe. */
typedef struct cut {
    size_t from, at, found;
} cut;

static bool take_end(void *context, const uint8_t *text, size_t from, size_t to) {
    cut *c = context;
    size_t len;
    if (to < c->at)
        return true;
    view v = {.text = text, .end = to};
    bool one_space = class_at(v, from, &len) == AZ_CHAR_SPACE && len == to - from;
    /* Of a character before it that is not ASCII, it is enough that it may be white space. */
    bool after_space =
        from > c->from && (text[from - 1] >= 0x80 || ascii_class[text[from - 1]] == AZ_CHAR_SPACE);
    if (one_space && after_space)
        return true;
    c->found = to;
    return false;
}

size_t az_pretokenizer_cut(const az_pretokenizer *pre, const uint8_t *text, size_t from, size_t to,
                           size_t at) {
    cut c = {.from = from, .at = at, .found = to};
    splitter s = {.pre = pre, .n_patterns = pre->n_safe, .take = take_end, .context = &c};
    split(&s, 0, text, from, to);
    return c.found;
}
