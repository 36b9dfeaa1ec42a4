/* The command line of a command with a table of options: short ones may be joined and long ones
 * take a value after = or as the next word, in any order; -- ends the options. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool az_parse_number(const char *text, int64_t min, int64_t max, int64_t *n) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
        return false;
    *n = value;
    return true;
}

int az_say_usage(const az_options *opt, const char *command, const char *what, const char *text,
                 const char *why) {
    az_say_error(opt, NULL, "%s %s: %s; see aizip %s --help.", what, text, why, command);
    return AZ_EXIT_USAGE;
}

static int usage(const az_arguments *a, const char *what, const char *text, const char *why) {
    return az_say_usage(a->base, a->command, what, text, why);
}

/* Takes argv[*i], which begins with "--", and its value, if that is the next. */
static int parse_long(const az_arguments *a, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    size_t len = strcspn(arg, "=");
    bool equals = arg[len] == '=';
    for (size_t k = 0; k < a->n_options; k++) {
        const az_option_name *option = a->options + k;
        if (strlen(option->name) != len - 2 || memcmp(option->name, arg + 2, len - 2) != 0)
            continue;
        if (!(option->commands & a->commands))
            return usage(a, "option", arg, a->elsewhere);
        if (!option->takes_value && equals)
            return usage(a, "option", arg, "it takes no value");
        if (option->takes_value && !equals && *i + 1 >= argc)
            return usage(a, "option", arg, "its value is missing");
        const char *value = equals ? arg + len + 1 : option->takes_value ? argv[++*i] : "";
        return a->apply(a->opaque, option->id, option->name, value);
    }
    return usage(a, "option", arg, "there is no such option");
}

/* Whether the options have this letter, and whether it takes a value. */
static bool find_letter(const az_arguments *a, char letter, bool *takes_value) {
    *takes_value = strchr(a->letters_with_value, letter) != NULL;
    return strchr(a->letters, letter) != NULL;
}

/* Takes argv[*i], one "-" and letters, and the value, if that is the next. */
static int parse_short(const az_arguments *a, int argc, char **argv, int *i) {
    for (const char *p = argv[*i] + 1; *p;) {
        char letter[2] = {*p++, '\0'};
        bool takes_value;
        if (a->level && letter[0] >= '1' && letter[0] <= '9' && (*p < '0' || *p > '9')) {
            *a->level = letter[0] - '0';
            continue;
        }
        if (a->level && letter[0] >= '0' && letter[0] <= '9')
            return usage(a, "level", argv[*i], "levels are -1 (fastest) to -9 (smallest)");
        if (!find_letter(a, letter[0], &takes_value))
            return usage(a, "option", argv[*i], "there is no such option");
        const char *value = "";
        if (takes_value) {
            if (!*p && *i + 1 >= argc)
                return usage(a, "option", argv[*i], "its value is missing");
            value = *p ? p : argv[++*i];
            p = "";
        }
        int rc = a->apply(a->opaque, letter[0], letter, value);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return AZ_EXIT_OK;
}

int az_arguments_parse(const az_arguments *a, int argc, char **argv) {
    a->base->files = calloc((size_t)argc + 1, sizeof *a->base->files);
    if (!a->base->files) {
        az_say_error(a->base, NULL, "not enough memory for the command line.");
        return AZ_EXIT_MEMORY;
    }
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        int rc = AZ_EXIT_OK;
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0')
            a->base->files[a->base->n_files++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (argv[i][1] == '-')
            rc = parse_long(a, argc, argv, &i);
        else
            rc = parse_short(a, argc, argv, &i);
        if (rc != AZ_EXIT_OK)
            return rc;
    }
    return AZ_EXIT_OK;
}
