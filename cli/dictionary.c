/* -D and --prime: what is taken to have been seen before a file. */
#include <string.h>

#include "cli.h"

int az_dictionary_read(az_file_text *text, az_options *opt) {
    *text = (az_file_text){0};
    if (!opt->dictionary_path)
        return AZ_EXIT_OK;
    az_options reading = *opt;
    reading.to_stdout = true; /* it may be a link or a pipe */
    int rc = az_file_text_read(text, &reading, opt->dictionary_path);
    if (rc != AZ_EXIT_OK)
        return rc;
    opt->dictionary = text;
    if (opt->memlimit) /* it stays in memory; 0 would be no limit */
        opt->memlimit = text->n_bytes < opt->memlimit ? opt->memlimit - text->n_bytes : 1;
    if (text->n_bytes > 0 && text->n_bytes <= AZ_DICTIONARY_NBYTES_MAX)
        return AZ_EXIT_OK;
    if (text->n_bytes == 0)
        az_say_error(opt, text->name, "an empty file is no dictionary.");
    else
        az_say_error(opt, text->name, "a dictionary can have %zu bytes at most.",
                     AZ_DICTIONARY_NBYTES_MAX);
    return AZ_EXIT_FILE;
}

int az_dictionary_set(az_encoder *encoder, const az_options *opt, const char *name) {
    az_error error = {.status = AZ_OK};
    az_status status = AZ_OK;
    if (opt->dictionary)
        status = az_encoder_set_dictionary(encoder, opt->dictionary->data, opt->dictionary->n_bytes,
                                           &error);
    else if (opt->primer)
        status = az_encoder_set_primer(encoder, opt->primer, &error);
    return status == AZ_OK ? AZ_EXIT_OK : az_say_library_error(opt, name, &error);
}

int az_dictionary_check_primer(const az_options *opt) {
    char names[256] = "auto";
    if (!opt->primer || strcmp(opt->primer, "auto") == 0)
        return AZ_EXIT_OK;
    for (size_t i = 0; i < az_primer_count(); i++) {
        size_t n = strlen(names);
        if (strcmp(opt->primer, az_primer_get(i)->name) == 0)
            return AZ_EXIT_OK;
        snprintf(names + n, sizeof names - n, "%s%s", i + 1 < az_primer_count() ? ", " : " and ",
                 az_primer_get(i)->name);
    }
    az_say_error(opt, NULL, "--prime %s: there is no such primer; there are %s.", opt->primer,
                 names);
    return AZ_EXIT_USAGE;
}

void az_dictionary_print_primers(FILE *stream) {
    for (size_t i = 0; i < az_primer_count(); i++)
        fprintf(stream, "  %-6s %s\n", az_primer_get(i)->name, az_primer_get(i)->what);
}
