/* aizip surprise: the command line, and the models over the file. */
#include "surprise.h"

#include <stdlib.h>
#include <string.h>

#include "score.h"

static int print_help(void) {
    fputs("Usage: aizip surprise [OPTION]... FILE\n"
          "Shows where the bits of FILE's archive go (- is stdin): on a terminal the text on\n"
          "shades of what it costs, and the dearest lines and words. All bits add up to the\n"
          "archive that the same options make.\n"
          "\n"
          "  -m MODEL        a GGUF file, the name of a model, or built-in (the default)\n"
          "  --against=MODEL what this one takes for the same text, and the difference\n"
          "  --html=PAGE     one page, without any request: point at a token, or go there\n"
          "                  by arrow keys, for its bits, its rank and the likeliest five\n"
          "                  (of the first 256 KB); a strip to jump by\n"
          "  --png=PICTURE   the strip as a picture\n"
          "  --json, --csv   a row a byte, token, word or line; the last row of --csv is\n"
          "                  what headers and checks take\n"
          "  --by=UNIT       byte (the default without a model), token (with one), word or\n"
          "                  line\n"
          "  --hex           bytes in hex; without it, if FILE looks binary\n"
          "  -D FILE (--dictionary=), --prime=NAME, -1 ... -9, --block-size=SIZE, --lanes=N,\n"
          "  --window=N, --overlap=N, -T#, --memlimit=SIZE, -q\n"
          "                  as for compressing\n",
          stdout);
    fputs("\n"
          "Examples:\n"
          "  aizip surprise book.txt\n"
          "  aizip surprise -m smollm2-135m --html map.html book.txt\n"
          "  aizip surprise -9 --csv --by word book.txt\n"
          "  aizip surprise -m smollm2-135m --against built-in --png strip.png book.txt\n",
          stdout);
    return AZ_EXIT_OK;
}

enum {
    OPTION_AGAINST = 256,
    OPTION_HTML,
    OPTION_PNG,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_BY,
    OPTION_HEX,
    OPTION_BLOCK_SIZE,
    OPTION_LANES,
    OPTION_WINDOW,
    OPTION_OVERLAP,
    OPTION_PRIME
};

static const az_option_name long_options[] = {
    {"model", 'm', true, 1},
    {"against", OPTION_AGAINST, true, 1},
    {"html", OPTION_HTML, true, 1},
    {"png", OPTION_PNG, true, 1},
    {"json", OPTION_JSON, false, 1},
    {"csv", OPTION_CSV, false, 1},
    {"by", OPTION_BY, true, 1},
    {"hex", OPTION_HEX, false, 1},
    {"dictionary", 'D', true, 1},
    {"prime", OPTION_PRIME, true, 1},
    {"block-size", OPTION_BLOCK_SIZE, true, 1},
    {"lanes", OPTION_LANES, true, 1},
    {"window", OPTION_WINDOW, true, 1},
    {"overlap", OPTION_OVERLAP, true, 1},
    {"threads", 'T', true, 1},
    {"memlimit", 'M', true, 1},
    {"quiet", 'q', false, 1},
    {"verbose", 'v', false, 1},
    {"help", 'h', false, 1},
};

static int usage(const az_surprise_options *opt, const char *what, const char *text,
                 const char *why) {
    return az_say_usage(&opt->base, "surprise", what, text, why);
}

static int set_unit(az_surprise_options *opt, const char *value) {
    for (az_unit unit = AZ_UNIT_BYTE; unit <= AZ_UNIT_LINE; unit++)
        if (strcmp(value, az_unit_name(unit)) == 0) {
            opt->unit = unit;
            opt->has_unit = true;
            return AZ_EXIT_OK;
        }
    return usage(opt, "--by", value, "expected byte, token, word or line");
}

static int apply(void *opaque, int id, const char *name, const char *value) {
    az_surprise_options *opt = opaque;
    switch (id) {
    case 'm': opt->base.model = value; break;
    case 'D': opt->base.dictionary_path = value; break;
    case OPTION_PRIME: opt->base.primer = value; break;
    case OPTION_AGAINST: opt->against = value; break;
    case OPTION_HTML: opt->html = value; break;
    case OPTION_PNG: opt->png = value; break;
    case OPTION_JSON: opt->base.json = true; break;
    case OPTION_CSV: opt->csv = true; break;
    case OPTION_HEX: opt->hex = true; break;
    case OPTION_BY: return set_unit(opt, value);
    case 'q': opt->base.verbosity--; break;
    case 'v': opt->base.verbosity++; break;
    case 'h': opt->base.help = true; break;
    default: return az_options_set_coding(&opt->base, name, value);
    }
    return AZ_EXIT_OK;
}

static int check(const az_surprise_options *opt) {
    if (opt->base.json && opt->csv)
        return usage(opt, "options", "--json and --csv", "only one of them can be written");
    int to_stdout = (opt->html && strcmp(opt->html, "-") == 0) +
                    (opt->png && strcmp(opt->png, "-") == 0) + (opt->base.json || opt->csv);
    if (to_stdout > 1)
        return usage(opt, "options", "--html -, --png -, --json and --csv",
                     "only one of them can go to standard output");
    if (opt->base.dictionary_path && opt->base.primer)
        return usage(opt, "options", "-D and --prime", "the text is seen after one of them");
    if (opt->base.n_files != 1)
        return usage(opt, "command", "surprise", "the name of one file is needed (- is stdin)");
    bool with_model = (opt->base.model && strcmp(opt->base.model, AZ_BUILT_IN) != 0) ||
                      (opt->against && strcmp(opt->against, AZ_BUILT_IN) != 0);
    if (!with_model && (opt->base.n_lanes || opt->base.window || opt->base.overlap))
        return usage(opt, "options", "--lanes, --window and --overlap",
                     "they go with a language model, -m");
    return az_dictionary_check_primer(&opt->base);
}

static int parse(az_surprise_options *opt, int argc, char **argv) {
    *opt = (az_surprise_options){0};
    az_options_init(&opt->base);
    opt->base.to_stdout = true; /* no archive is made: links and pipes may be read */
    const az_arguments arguments = {.command = "surprise",
                                    .base = &opt->base,
                                    .options = long_options,
                                    .n_options = sizeof long_options / sizeof *long_options,
                                    .letters = "mDTMqvh",
                                    .letters_with_value = "mDTM",
                                    .level = &opt->base.level,
                                    .commands = 1,
                                    .elsewhere = "",
                                    .apply = apply,
                                    .opaque = opt};
    int rc = az_arguments_parse(&arguments, argc, argv);
    return rc != AZ_EXIT_OK || opt->base.help ? rc : check(opt);
}

static int show(az_surprise_view *v) {
    const az_surprise_options *opt = v->opt;
    int rc = AZ_EXIT_OK;
    bool binary = az_looks_binary(v->text->data, v->text->n_bytes);
    v->hex = opt->hex || (binary && !opt->has_unit);
    if (opt->html)
        rc = az_surprise_html(v, opt->html);
    if (rc == AZ_EXIT_OK && opt->png)
        rc = az_surprise_png(v, opt->png);
    if (rc != AZ_EXIT_OK)
        return rc;
    if (opt->base.json || opt->csv)
        az_surprise_rows(v);
    else if (!(opt->html && strcmp(opt->html, "-") == 0) &&
             !(opt->png && strcmp(opt->png, "-") == 0) && opt->base.verbosity >= 0)
        az_surprise_show(v);
    return rc;
}

static int run(az_surprise_options *opt) {
    az_file_text text = {0}, dictionary;
    az_surprise_map map = {0}, against = {0};
    int rc = az_dictionary_read(&dictionary, &opt->base);
    if (rc == AZ_EXIT_OK)
        rc = az_file_text_read(&text, &opt->base, opt->base.files[0]);
    az_surprise_view v = {.opt = opt, .text = &text, .map = &map};
    bool has_model = opt->base.model && strcmp(opt->base.model, AZ_BUILT_IN) != 0;
    v.unit = opt->has_unit ? opt->unit : has_model ? AZ_UNIT_TOKEN : AZ_UNIT_BYTE;
    bool guesses = (opt->html || opt->base.json || opt->csv) && v.unit <= AZ_UNIT_TOKEN;
    if (rc == AZ_EXIT_OK)
        rc = az_map_make(&map, opt, opt->base.model, &text, guesses ? AZ_GUESSED_NBYTES : 0);
    if (rc == AZ_EXIT_OK && opt->against) {
        rc = az_map_make(&against, opt, opt->against, &text, 0);
        v.against = &against;
    }
    if (rc == AZ_EXIT_OK)
        rc = show(&v);
    az_map_free(&map);
    az_map_free(&against);
    az_file_text_free(&text);
    az_file_text_free(&dictionary);
    return rc;
}

int az_surprise_command(int argc, char **argv) {
    az_surprise_options opt;
    int rc = parse(&opt, argc, argv);
    if (rc == AZ_EXIT_OK)
        rc = opt.base.help ? print_help() : run(&opt);
    free(opt.base.files);
    return rc;
}
