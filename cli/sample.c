/* aizip sample: text that a model makes up. */
#include <stdlib.h>
#include <string.h>

#include "score.h"

typedef struct sample {
    az_options base;
    az_sampling settings;
    size_t n_bytes;
    const char *compressor; /* or NULL */
    const char *prompt;
    size_t context;
    bool has_context;
    az_file_text dictionary;
} sample;

enum {
    OPTION_PROMPT = 256,
    OPTION_PRIME,
    OPTION_SEED,
    OPTION_TEMPERATURE,
    OPTION_TOP_K,
    OPTION_TOP_P,
    OPTION_COMPRESSOR,
    OPTION_CONTEXT,
    OPTION_JSON
};

static const az_option_name long_options[] = {
    {"model", 'm', true, 1},
    {"dictionary", 'D', true, 1},
    {"prime", OPTION_PRIME, true, 1},
    {"prompt", OPTION_PROMPT, true, 1},
    {"bytes", 'n', true, 1},
    {"seed", OPTION_SEED, true, 1},
    {"temperature", OPTION_TEMPERATURE, true, 1},
    {"top-k", OPTION_TOP_K, true, 1},
    {"top-p", OPTION_TOP_P, true, 1},
    {"compressor", OPTION_COMPRESSOR, true, 1},
    {"context", OPTION_CONTEXT, true, 1},
    {"json", OPTION_JSON, false, 1},
    {"threads", 'T', true, 1},
    {"memlimit", 'M', true, 1},
    {"quiet", 'q', false, 1},
    {"verbose", 'v', false, 1},
    {"help", 'h', false, 1},
};

static int print_help(void) {
    fputs("Usage: aizip sample [OPTION]... -n BYTES\n"
          "Writes text that a model makes up: random bits go through the decoder, so that what\n"
          "comes out is as likely as the model thinks. The same for a seed on every machine.\n"
          "\n"
          "  -m MODEL        a language model, a name or a GGUF file, mixed with the built-in\n"
          "                  predictor; without it that one alone\n"
          "  -D FILE         what it has seen (--dictionary=FILE); --prime=NAME: a built-in text,\n"
          "                  prose, code, json, logs or messages\n"
          "  --prompt=TEXT   what comes first; it is not written\n"
          "  -n BYTES        how much (--bytes=), 1 to 16M; a last character may be cut off\n"
          "  --seed=N        0 by default\n"
          "  --temperature=T log-odds of each decision are divided by it: 1 by default; 0 takes\n"
          "                  the likelier one always\n"
          "  --top-k=K --top-p=P\n"
          "                  with -m: of tokens only the K likeliest, or those that together have\n"
          "                  the probability P\n"
          "  -1 ... -9       level of the built-in predictor; 5 by default\n",
          stdout);
    fputs("  --compressor=NAME\n"
          "                  by gzip, xz, zstd or cm (aizip -1) instead: the next byte is b with\n"
          "                  a probability in proportion to 2^(-8 * size / T), the size of what\n"
          "                  has been seen and b. 256 compressions a byte: for 1,024 bytes of\n"
          "                  context some 3 ms with gzip or zstd, 45 ms with cm, 65 ms with xz\n"
          "  --context=BYTES with --compressor: how much of what has been seen, 1024 by default\n"
          "  --json          the text with its settings, for programs\n"
          "  -T#, --memlimit=SIZE, -q\n"
          "                  as for compressing\n"
          "\n"
          "Examples:\n"
          "  aizip sample -D book.txt -n 500\n"
          "  aizip sample -m smollm2-135m --prompt \"Once upon a time\" -n 200 --seed 7\n"
          "  aizip sample -m smollm2-135m --top-p 0.9 --temperature 0.8 -n 200\n"
          "  aizip sample --compressor gzip -D book.txt -n 20\n",
          stdout);
    return AZ_EXIT_OK;
}

static int usage(const sample *s, const char *what, const char *word, const char *why) {
    return az_say_usage(&s->base, "sample", what, word, why);
}

/* A number with a decimal point to thousandths. */
static bool parse_thousandths(const char *value, double most, uint32_t *out) {
    char *end;
    double x = strtod(value, &end);
    if ((*value != '.' && (*value < '0' || *value > '9')) || *end || !(x >= 0 && x <= most))
        return false;
    *out = (uint32_t)(x * 1000 + 0.5);
    return true;
}

static int apply(void *opaque, int id, const char *name, const char *value) {
    sample *s = opaque;
    int64_t number;
    uint64_t size;
    char *end;
    switch (id) {
    case 'm': s->base.model = strcmp(value, AZ_BUILT_IN) == 0 ? NULL : value; break;
    case 'D': s->base.dictionary_path = value; break;
    case OPTION_PRIME: s->base.primer = value; break;
    case OPTION_PROMPT: s->prompt = value; break;
    case 'n':
        if (!az_parse_size(value, &size) || size < 1 || size > AZ_SAMPLE_NBYTES_MAX)
            return usage(s, "-n", value, "expected a number of bytes from 1 to 16M");
        s->n_bytes = (size_t)size;
        break;
    case OPTION_SEED:
        s->settings.seed = strtoull(value, &end, 10);
        if (*value < '0' || *value > '9' || *end)
            return usage(s, "--seed", value, "expected a whole number");
        break;
    case OPTION_TEMPERATURE:
        if (!parse_thousandths(value, 100, &s->settings.temperature))
            return usage(s, "--temperature", value, "expected a number from 0 to 100");
        break;
    case OPTION_TOP_P:
        if (!parse_thousandths(value, 1, &s->settings.top_p) || s->settings.top_p == 0)
            return usage(s, "--top-p", value, "expected a number from 0.001 to 1");
        break;
    case OPTION_TOP_K:
        if (!az_parse_number(value, 1, 1 << 20, &number))
            return usage(s, "--top-k", value, "expected a number from 1 on");
        s->settings.top_k = (uint32_t)number;
        break;
    case OPTION_COMPRESSOR: s->compressor = value; break;
    case OPTION_CONTEXT:
        if (!az_parse_number(value, 1, 1 << 20, &number))
            return usage(s, "--context", value, "expected a number of bytes from 1 to 1048576");
        s->context = (size_t)number;
        s->has_context = true;
        break;
    case OPTION_JSON: s->base.json = true; break;
    case 'q': s->base.verbosity--; break;
    case 'v': s->base.verbosity++; break;
    case 'h': s->base.help = true; break;
    default: return az_options_set_coding(&s->base, name, value);
    }
    return AZ_EXIT_OK;
}

static int check(sample *s) {
    static const char *const compressors[] = {"gzip", "xz", "zstd", "cm"};
    bool known = !s->compressor;
    for (size_t i = 0; s->compressor && i < sizeof compressors / sizeof *compressors; i++)
        known |= strcmp(s->compressor, compressors[i]) == 0;
    if (!known)
        return usage(s, "--compressor", s->compressor, "expected gzip, xz, zstd or cm");
    if (s->base.n_files > 0)
        return usage(s, "command", "sample", "it takes no files; --prompt says what comes first");
    if (s->n_bytes == 0)
        return usage(s, "command", "sample", "-n BYTES says how much");
    if (s->base.dictionary_path && s->base.primer)
        return usage(s, "options", "-D and --prime", "one of them can have been seen");
    if (s->base.primer && strcmp(s->base.primer, "auto") == 0)
        return usage(s, "--prime", "auto", "there is no input that it could be chosen for");
    if (s->compressor && s->base.model)
        return usage(s, "options", "--compressor and -m", "only one of them can be the model");
    if ((s->settings.top_k || s->settings.top_p) && !s->base.model)
        return usage(s, "options", "--top-k and --top-p", "they choose among tokens, with -m");
    if (s->has_context && !s->compressor)
        return usage(s, "option", "--context", "it goes with --compressor");
    return az_dictionary_check_primer(&s->base);
}

static int parse(sample *s, int argc, char **argv) {
    *s = (sample){.settings.temperature = 1000, .context = 1024, .prompt = ""};
    az_options_init(&s->base);
    const az_arguments arguments = {.command = "sample",
                                    .base = &s->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = "mDnTMqvh",
                                    .letters_with_value = "mDnTM",
                                    .level = &s->base.level,
                                    .commands = 1,
                                    .elsewhere = "",
                                    .apply = apply,
                                    .opaque = s};
    int rc = az_arguments_parse(&arguments, argc, argv);
    return rc != AZ_EXIT_OK || s->base.help ? rc : check(s);
}

static void write_out(const sample *s, const char *text) {
    if (!s->base.json) {
        fwrite(text, 1, s->n_bytes, stdout);
        return;
    }
    char *copy = strndup(text, s->n_bytes);
    fputs("{\"text\":", stdout);
    az_print_json_string(copy ? copy : "");
    printf(",\"bytes\":%zu,\"seed\":%ju,\"temperature\":%.3f,\"model\":", s->n_bytes,
           (uintmax_t)s->settings.seed, s->settings.temperature / 1000.0);
    az_print_json_string(s->compressor   ? s->compressor
                         : s->base.model ? s->base.model
                                         : AZ_BUILT_IN);
    puts("}");
    free(copy);
}

static const az_primer *primer_of(const az_options *opt) {
    for (size_t i = 0; opt->primer && i < az_primer_count(); i++)
        if (strcmp(az_primer_get(i)->name, opt->primer) == 0)
            return az_primer_get(i);
    return NULL;
}

static int draw(sample *s, char *text) {
    az_error error = {.status = AZ_OK};
    az_progress progress;
    const az_primer *primer = primer_of(&s->base);
    s->settings.level = s->base.level;
    s->settings.memory_limit = s->base.memlimit;
    s->settings.prompt = (az_text){s->prompt, strlen(s->prompt)};
    if (s->base.dictionary)
        s->settings.dictionary = (az_text){s->dictionary.data, s->dictionary.n_bytes};
    else if (primer)
        s->settings.dictionary = primer->text;
    az_progress_start(&progress, &s->base, "sampling", "text", s->n_bytes);
    progress.decoding = true;
    s->settings.progress = az_progress_update;
    s->settings.progress_opaque = &progress;
    bool cm = s->compressor && strcmp(s->compressor, "cm") == 0;
    az_status status = s->compressor
                           ? az_sample_by_size(text, s->n_bytes, cm ? "aizip" : s->compressor,
                                               s->context, &s->settings, NULL, &error)
                           : az_sample(text, s->n_bytes, &s->settings, NULL, &error);
    az_progress_clear(&progress);
    return status == AZ_OK ? AZ_EXIT_OK : az_say_library_error(&s->base, "sample", &error);
}

static int run(sample *s) {
    const char *name;
    char *text = malloc(s->n_bytes);
    int rc = text ? AZ_EXIT_OK : AZ_EXIT_MEMORY;
    if (!text)
        az_say_error(&s->base, NULL, "not enough memory for the sample.");
    if (rc == AZ_EXIT_OK)
        rc = az_dictionary_read(&s->dictionary, &s->base);
    if (rc == AZ_EXIT_OK)
        rc = az_engines_open(&s->base.engines, &s->base);
    if (rc == AZ_EXIT_OK && s->base.model)
        rc = az_engines_named(s->base.engines, &s->settings.engine, &name);
    if (rc == AZ_EXIT_OK)
        rc = draw(s, text);
    if (rc == AZ_EXIT_OK)
        write_out(s, text);
    az_engines_close(&s->base.engines);
    az_file_text_free(&s->dictionary);
    free(text);
    return rc;
}

int az_sample_command(int argc, char **argv) {
    sample s;
    int rc = parse(&s, argc, argv);
    if (rc == AZ_EXIT_OK)
        rc = s.base.help ? print_help() : run(&s);
    free(s.base.files);
    return rc;
}
