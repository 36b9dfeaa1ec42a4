/*
 * -i: line by line, text becomes an archive in base64, and such an archive becomes its text again.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static int compress_line(const az_options *opt, const char *line, size_t n_bytes) {
    az_error error = {.status = AZ_OK};
    az_encoder *encoder = NULL;
    int done = 0;
    size_t capacity = az_compress_bound(n_bytes) + 256, n = 0;
    uint8_t *archive = malloc(capacity);
    char *text = malloc(2 * capacity + 16);
    int rc = archive && text ? AZ_EXIT_OK : AZ_EXIT_MEMORY;
    az_input in = {line, n_bytes, 0};
    az_output out = {archive, capacity, 0};
    if (rc == AZ_EXIT_OK)
        rc = az_encoder_setup(&encoder, opt, "stdin", opt->memlimit, (int64_t)n_bytes, NULL);
    if (rc == AZ_EXIT_OK && az_encoder_run(encoder, &in, &out, AZ_FINISH, &done, &error) != AZ_OK)
        rc = az_say_library_error(opt, "stdin", &error);
    az_encoder_close(&encoder);
    n = out.pos;
    if (rc == AZ_EXIT_OK) {
        az_armour armour = {.one_line = true};
        size_t n_text = az_armour_encode(&armour, archive, n, true, text);
        fwrite(text, 1, n_text, stdout);
        if (az_shows_summary(opt))
            az_say(NULL, "%zu bytes => %zu", n_bytes, n);
    }
    free(archive);
    free(text);
    return rc;
}

static int decompress_line(const az_options *opt, uint8_t *line, size_t n_bytes) {
    az_error error = {.status = AZ_OK};
    az_armour armour = {0};
    az_decoder *decoder = NULL;
    if (!az_armour_decode(&armour, line, &n_bytes) || !az_armour_is_whole(&armour)) {
        az_say_error(opt, "stdin",
                     "this begins like an archive in base64, but is none that is whole.");
        return AZ_EXIT_DAMAGED;
    }
    int rc = az_decoder_setup(&decoder, opt, "stdin");
    az_input in = {line, n_bytes, 0};
    for (int done = 0; rc == AZ_EXIT_OK && !done;) {
        uint8_t buf[4096];
        az_output out = {buf, sizeof buf, 0};
        if (az_decoder_run(decoder, &in, &out, AZ_FINISH, &done, &error) != AZ_OK)
            rc = az_say_library_error(opt, "stdin", &error);
        fwrite(buf, 1, out.pos, stdout);
    }
    if (rc == AZ_EXIT_OK)
        putchar('\n');
    az_decoder_close(&decoder);
    return rc;
}

int az_interact(const az_options *opt) {
    char *line = NULL;
    size_t capacity = 0;
    int worst = AZ_EXIT_OK;
    if (az_shows_summary(opt))
        az_say(NULL, "type a line of text to get base64, or paste base64 to get its text; "
                     "end with Ctrl-D");
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) >= 0;) {
        size_t n_bytes = (size_t)n - (n > 0 && line[n - 1] == '\n');
        int rc = az_looks_armoured((uint8_t *)line, n_bytes)
                     ? decompress_line(opt, (uint8_t *)line, n_bytes)
                     : compress_line(opt, line, n_bytes);
        worst = rc > worst ? rc : worst;
        fflush(stdout);
    }
    free(line);
    return worst;
}
