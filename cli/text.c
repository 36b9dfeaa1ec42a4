/* aizip text: short messages as characters, and back. */
#include <stdlib.h>
#include <string.h>

#include "score.h"

typedef struct text {
    az_options base;
    az_alphabet alphabet; /* 0: not said */
    bool decode;
    bool remember;
    az_text_coder *coder;
    az_file_text dictionary;
} text;

enum { OPTION_ALPHABET = 256, OPTION_JSON, OPTION_REMEMBER };

static const az_option_name long_options[] = {
    {"decode", 'd', false, 1},
    {"decompress", 'd', false, 1},
    {"model", 'm', true, 1},
    {"dictionary", 'D', true, 1},
    {"alphabet", OPTION_ALPHABET, true, 1},
    {"interactive", 'i', false, 1},
    {"remember", OPTION_REMEMBER, false, 1},
    {"json", OPTION_JSON, false, 1},
    {"threads", 'T', true, 1},
    {"memlimit", 'M', true, 1},
    {"quiet", 'q', false, 1},
    {"verbose", 'v', false, 1},
    {"help", 'h', false, 1},
};

static const struct {
    const char *name;
    az_alphabet alphabet;
} alphabets[] = {
    {"unicode", AZ_ALPHABET_UNICODE}, {"base64", AZ_ALPHABET_BASE64}, {"gsm7", AZ_ALPHABET_GSM7}};
enum { N_ALPHABETS = sizeof alphabets / sizeof alphabets[0] };

static int print_help(void) {
    fputs(
        "Usage: aizip text [OPTION]... [MESSAGE]...\n"
        "Turns a message (standard input without one) into few characters that survive SMS, chat\n"
        "and copying; with -d such characters into the message. Both sides need the same model or\n"
        "dictionary, and nothing else. At most 16,384 bytes.\n"
        "\n"
        "  -d              decode\n"
        "  -m MODEL        with a language model, a name or a GGUF file\n"
        "  -D FILE         messages that both sides have, a line each, in place of the built-in\n"
        "                  text (--dictionary=FILE): what aizip train makes of such, or all\n"
        "  --alphabet=NAME unicode (the default): CJK and Hangul, 15 bits each; base64: letters,\n"
        "                  digits, - and _; gsm7: what a plain SMS has. -d finds out by itself\n"
        "  -i              as a chat: each line of standard input is encoded, or decoded where it\n"
        "                  is of the alphabet unicode; with -d each is decoded\n"
        "  --remember      with -i: each message is coded after those before it\n"
        "  --json          sizes for programs, with the text\n"
        "  -q              no sizes on standard error\n"
        "  -T#, --memlimit=SIZE\n"
        "                  as for compressing\n"
        "\n"
        "Examples:\n"
        "  aizip text \"See you at eight, then.\"\n"
        "  aizip text -d \"$(aizip text -q 'See you at eight, then.')\"\n"
        "  aizip text --alphabet=gsm7 -m smollm2-135m < letter.txt\n"
        "  aizip text -i --remember\n",
        stdout);
    return AZ_EXIT_OK;
}

static int usage(const text *t, const char *what, const char *word, const char *why) {
    return az_say_usage(&t->base, "text", what, word, why);
}

static int apply(void *opaque, int id, const char *name, const char *value) {
    text *t = opaque;
    switch (id) {
    case 'd': t->decode = true; break;
    case 'm': t->base.model = strcmp(value, AZ_BUILT_IN) == 0 ? NULL : value; break;
    case 'D': t->base.dictionary_path = value; break;
    case 'i': t->base.interactive = true; break;
    case 'q': t->base.verbosity--; break;
    case 'v': t->base.verbosity++; break;
    case 'h': t->base.help = true; break;
    case OPTION_REMEMBER: t->remember = true; break;
    case OPTION_JSON: t->base.json = true; break;
    case OPTION_ALPHABET:
        for (size_t i = 0; i < N_ALPHABETS; i++)
            if (strcmp(value, alphabets[i].name) == 0) {
                t->alphabet = alphabets[i].alphabet;
                return AZ_EXIT_OK;
            }
        return usage(t, "--alphabet", value, "expected unicode, base64 or gsm7");
    default: return az_options_set_coding(&t->base, name, value);
    }
    return AZ_EXIT_OK;
}

static int parse(text *t, int argc, char **argv) {
    *t = (text){0};
    az_options_init(&t->base);
    const az_arguments arguments = {.command = "text",
                                    .base = &t->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = "dmDiTMqvh",
                                    .letters_with_value = "mDTM",
                                    .level = NULL,
                                    .commands = 1,
                                    .elsewhere = "",
                                    .apply = apply,
                                    .opaque = t};
    int rc = az_arguments_parse(&arguments, argc, argv);
    if (rc != AZ_EXIT_OK || t->base.help)
        return rc;
    if (t->base.interactive && t->base.n_files > 0)
        return usage(t, "option", "-i", "it takes lines from standard input, and no message");
    if (t->remember && !t->base.interactive)
        return usage(t, "option", "--remember", "it goes with -i");
    if (t->base.interactive && t->base.json)
        return usage(t, "option", "--json", "it does not go with -i");
    return AZ_EXIT_OK;
}

/* ---- One message ---------------------------------------------------------------------- */

static int out_of_memory(const text *t) {
    az_say_error(&t->base, NULL, "not enough memory for the message.");
    return AZ_EXIT_MEMORY;
}

static int fail(const text *t, const az_error *error) {
    return az_say_library_error(&t->base, "message", error);
}

static const char *alphabet_name(az_alphabet alphabet) {
    for (size_t i = 0; i < N_ALPHABETS; i++)
        if (alphabets[i].alphabet == alphabet)
            return alphabets[i].name;
    return "none";
}

static double bits_of(const az_text_size *size) {
    return (double)size->cost / (double)AZ_COST_BIT;
}

/* "43 bytes, 344 bits, 43 characters, 1 SMS (43 of 160 septets)" */
static void describe(char *buf, size_t capacity, const az_text_size *s) {
    snprintf(buf, capacity, "%zu bytes, %.0f bits, %zu characters, %zu SMS (%zu %s)", s->n_bytes,
             bits_of(s), s->n_characters, s->n_sms, s->is_gsm7 ? s->n_septets : s->n_units,
             s->is_gsm7 ? "septets" : "units");
}

static void print_json_size(const char *name, const az_text_size *s) {
    printf("\"%s\":{\"bytes\":%zu,\"bits\":%.3f,\"characters\":%zu,\"septets\":", name, s->n_bytes,
           bits_of(s), s->n_characters);
    if (s->is_gsm7)
        printf("%zu", s->n_septets);
    else
        fputs("null", stdout);
    printf(",\"units\":%zu,\"sms\":%zu}", s->n_units, s->n_sms);
}

/* Sizes of a message and of what stands for it. */
static void report(const text *t, az_alphabet alphabet, const char *message, size_t n_message,
                   const char *characters, size_t n_characters, bool decoded) {
    az_text_size before, after;
    char from[128], to[128];
    az_text_measure(&before, (az_alphabet)0, message, n_message);
    az_text_measure(&after, alphabet, characters, n_characters);
    if (t->base.json) {
        char *copy = strndup(decoded ? message : characters, decoded ? n_message : n_characters);
        fputs("{\"text\":", stdout);
        az_print_json_string(copy ? copy : "");
        printf(",\"alphabet\":\"%s\",", alphabet_name(alphabet));
        print_json_size("message", &before);
        putchar(',');
        print_json_size("encoded", &after);
        puts("}");
        free(copy);
    } else if (az_shows_warnings(&t->base)) {
        describe(from, sizeof from, &before);
        describe(to, sizeof to, &after);
        az_say(NULL, "%s => %s, %.2f bits a byte", from, to,
               n_message ? bits_of(&after) / (double)n_message : 0.0);
    }
}

static int encode(text *t, const char *message, size_t n_bytes) {
    az_error error = {.status = AZ_OK};
    size_t capacity = 8 * n_bytes + 64, n = 0;
    az_alphabet alphabet = t->alphabet ? t->alphabet : AZ_ALPHABET_UNICODE;
    char *characters = malloc(capacity);
    if (!characters)
        return out_of_memory(t);
    int rc = AZ_EXIT_OK;
    if (az_text_set_alphabet(t->coder, alphabet, &error) != AZ_OK ||
        az_text_encode(t->coder, message, n_bytes, characters, capacity, &n, &error) != AZ_OK)
        rc = fail(t, &error);
    if (rc == AZ_EXIT_OK && !t->base.json) {
        fwrite(characters, 1, n, stdout);
        putchar('\n');
    }
    if (rc == AZ_EXIT_OK)
        report(t, alphabet, message, n_bytes, characters, n, false);
    free(characters);
    return rc;
}

/* The first alphabet that gives a message; else what the last one said. */
static az_status try_alphabets(text *t, const char *characters, size_t n, char *message,
                               size_t *n_bytes, az_alphabet *alphabet, az_error *error) {
    az_status status = AZ_ERROR_FORMAT;
    for (size_t i = 0; i < N_ALPHABETS; i++) {
        az_error now = {.status = AZ_OK};
        *alphabet = alphabets[i].alphabet;
        if (t->alphabet && *alphabet != t->alphabet)
            continue;
        az_text_set_alphabet(t->coder, *alphabet, NULL);
        az_status found =
            az_text_decode(t->coder, characters, n, message, AZ_TEXT_NBYTES_MAX, n_bytes, &now);
        if (found == AZ_OK || (found != AZ_ERROR_FORMAT && found != AZ_ERROR_DAMAGED)) {
            *error = now;
            return found;
        }
        /* Damage says more than a character of another alphabet. */
        if (status == AZ_ERROR_FORMAT) {
            status = found;
            *error = now;
        }
    }
    return status;
}

static int decode(text *t, const char *characters, size_t n) {
    az_error error = {.status = AZ_OK};
    size_t n_bytes = 0;
    az_alphabet alphabet;
    char *message = malloc(AZ_TEXT_NBYTES_MAX);
    if (!message)
        return out_of_memory(t);
    int rc = AZ_EXIT_OK;
    if (try_alphabets(t, characters, n, message, &n_bytes, &alphabet, &error) != AZ_OK) {
        rc = az_say_library_error(&t->base, "message", &error);
        rc = error.status == AZ_ERROR_FORMAT ? AZ_EXIT_DAMAGED : rc;
    } else if (!t->base.json) {
        fwrite(message, 1, n_bytes, stdout);
        putchar('\n');
    }
    while (n > 0 && characters[n - 1] == '\n')
        n--;
    if (rc == AZ_EXIT_OK)
        report(t, alphabet, message, n_bytes, characters, n, true);
    if (rc == AZ_EXIT_OK && t->remember)
        az_text_remember(t->coder, message, n_bytes);
    free(message);
    return rc;
}

/* ---- Many ------------------------------------------------------------------------------- */

/* Whether a line is made of the characters of Unicode's alphabet, which begin with bytes from E3. */
static bool looks_encoded(const char *line, size_t n) {
    az_text_size size;
    size_t n_ascii = 0;
    for (size_t i = 0; i < n; i++)
        n_ascii += (unsigned char)line[i] < 128;
    az_text_measure(&size, AZ_ALPHABET_UNICODE, line, n);
    return n > 0 && n_ascii == 0 && size.n_bytes == 3 * size.n_characters;
}

static int chat(text *t) {
    char *line = NULL;
    size_t capacity = 0;
    int worst = AZ_EXIT_OK;
    if (az_shows_summary(&t->base))
        az_say(NULL, "type a message, or paste one that is encoded; end with Ctrl-D");
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) >= 0;) {
        size_t n_bytes = (size_t)n - (n > 0 && line[n - 1] == '\n');
        bool decodes =
            t->decode || (t->alphabet <= AZ_ALPHABET_UNICODE && looks_encoded(line, n_bytes));
        int rc = decodes ? decode(t, line, n_bytes) : encode(t, line, n_bytes);
        if (!decodes && rc == AZ_EXIT_OK && t->remember)
            az_text_remember(t->coder, line, n_bytes);
        worst = rc > worst ? rc : worst;
        fflush(stdout);
    }
    free(line);
    return worst;
}

/* The words of the command line, or standard input. */
static int one(text *t) {
    az_file_text input = {0};
    size_t n = 0;
    bool from_stdin = t->base.n_files == 0;
    int rc = from_stdin ? az_file_text_read(&input, &t->base, "-") : AZ_EXIT_OK;
    for (size_t i = 0; i < t->base.n_files; i++)
        n += strlen(t->base.files[i]) + 1;
    char *words = rc == AZ_EXIT_OK && !from_stdin ? malloc(n) : NULL;
    if (rc == AZ_EXIT_OK && !from_stdin && !words)
        rc = out_of_memory(t);
    n = 0;
    for (size_t i = 0; words && i < t->base.n_files; i++) {
        size_t more = strlen(t->base.files[i]);
        if (i > 0)
            words[n++] = ' ';
        memcpy(words + n, t->base.files[i], more);
        n += more;
    }
    const char *message = from_stdin ? (char *)input.data : words;
    if (from_stdin) /* the last line end is the shell's */
        n = input.n_bytes - (input.n_bytes > 0 && input.data[input.n_bytes - 1] == '\n');
    if (rc == AZ_EXIT_OK)
        rc = t->decode ? decode(t, message, n) : encode(t, message, n);
    free(words);
    az_file_text_free(&input);
    return rc;
}

static int run(text *t) {
    az_engine *engine = NULL;
    const char *name;
    az_error error = {.status = AZ_OK};
    t->base.to_stdout = true;
    int rc = az_dictionary_read(&t->dictionary, &t->base);
    if (rc == AZ_EXIT_OK)
        rc = az_engines_open(&t->base.engines, &t->base);
    if (rc == AZ_EXIT_OK && t->base.model)
        rc = az_engines_named(t->base.engines, &engine, &name);
    if (rc == AZ_EXIT_OK &&
        (az_text_open(&t->coder, engine, NULL, &error) != AZ_OK ||
         (t->base.dictionary &&
          az_text_set_dictionary(t->coder, t->base.dictionary->data, t->base.dictionary->n_bytes,
                                 &error) != AZ_OK)))
        rc = fail(t, &error);
    if (rc == AZ_EXIT_OK)
        az_text_set_memory_limit(t->coder, t->base.memlimit);
    if (rc == AZ_EXIT_OK)
        rc = t->base.interactive ? chat(t) : one(t);
    az_text_close(&t->coder);
    az_engines_close(&t->base.engines);
    az_file_text_free(&t->dictionary);
    return rc;
}

int az_text_command(int argc, char **argv) {
    text t;
    int rc = parse(&t, argc, argv);
    if (rc == AZ_EXIT_OK)
        rc = t.base.help ? print_help() : run(&t);
    free(t.base.files);
    return rc;
}
