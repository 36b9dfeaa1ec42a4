/*
 * Sentences on stderr. Names of files come from strangers: an escape sequence
 * in one could drive the terminal, so everything is written through
 * az_print_escaped().
 */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool az_shows_warnings(const az_options *opt) {
    return opt->verbosity >= 0;
}

bool az_shows_summary(const az_options *opt) {
    return opt->verbosity > 0 || (opt->verbosity == 0 && isatty(STDERR_FILENO));
}

size_t az_utf8_decode(const char *text, uint32_t *c) {
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t min[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n <= 1) {
        *c = p[0];
        return n;
    }
    *c = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        *c = *c << 6 | (p[i] & 0x3fu);
    }
    return *c >= min[n] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? n : 0;
}

/* C0, DEL, C1; line and paragraph separators; those that turn the direction of
 * writing, which could make a name look like another. */
bool az_is_harmful(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x200e ||
           c == 0x200f || c == 0x061c || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

void az_print_escaped(FILE *stream, const char *text) {
    for (const char *p = text; *p;) {
        uint32_t c;
        size_t n = az_utf8_decode(p, &c);
        bool escape = n == 0 || az_is_harmful(c);
        if (n == 0)
            n = 1;
        for (size_t i = 0; i < n; i++) {
            if (escape)
                fprintf(stream, "\\x%02x", (unsigned char)p[i]);
            else
                fputc(p[i], stream);
        }
        p += n;
    }
}

static void say(const char *prefix, const char *name, const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    flockfile(stderr);
    fputs(prefix, stderr);
    if (name) {
        az_print_escaped(stderr, name);
        fputs(": ", stderr);
    }
    az_print_escaped(stderr, text ? text : format);
    fputc('\n', stderr);
    funlockfile(stderr);
    free(text);
}

void az_say_error(const az_options *opt, const char *name, const char *format, ...) {
    if (opt->verbosity < -1 || opt->is_trial)
        return;
    va_list args;
    va_start(args, format);
    say("aizip: ", name, format, args);
    va_end(args);
}

void az_say_warning(const az_options *opt, const char *name, const char *format, ...) {
    if (!az_shows_warnings(opt))
        return;
    va_list args;
    va_start(args, format);
    say("aizip: ", name, format, args);
    va_end(args);
}

void az_say(const char *name, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("", name, format, args);
    va_end(args);
}

int az_say_library_error(const az_options *opt, const char *name, const az_error *error) {
    int rc = AZ_EXIT_FILE;
    const char *advice = "";
    switch (error->status) {
    case AZ_ERROR_DICTIONARY: advice = "; -D FILE names it"; break;
    case AZ_ERROR_FORMAT: rc = AZ_EXIT_DAMAGED; break;
    case AZ_ERROR_MODEL: /* an archive's model that is not there, or a file that is no model */
        rc = opt->mode == AZ_MODE_MODEL || opt->mode == AZ_MODE_SCORE ||
                     opt->mode == AZ_MODE_COMPRESS
                 ? AZ_EXIT_DAMAGED
                 : AZ_EXIT_FILE;
        break;
    case AZ_ERROR_DAMAGED:
    case AZ_ERROR_TRUNCATED:
        rc = AZ_EXIT_DAMAGED;
        if (opt->mode == AZ_MODE_DECOMPRESS)
            advice = "; -d --salvage writes what is undamaged";
        break;
    case AZ_ERROR_MEMORY:
        rc = AZ_EXIT_MEMORY;
        if (opt->mode != AZ_MODE_MODEL && opt->mode != AZ_MODE_SCORE)
            advice = "; a lower level or fewer threads (-T1) need less";
        break;
    case AZ_ERROR_MEMORY_LIMIT:
        rc = AZ_EXIT_MEMORY;
        advice = "; raise --memlimit to allow it";
        break;
    case AZ_ERROR_VERSION: rc = AZ_EXIT_VERSION; break;
    default: break;
    }
    int len = (int)strlen(error->text);
    if (len > 0 && error->text[len - 1] == '.')
        len--;
    char at[48] = "";
    if (error->offset != AZ_ERROR_NO_OFFSET)
        snprintf(at, sizeof at, " (at byte %llu)", (unsigned long long)error->offset);
    az_say_error(opt, name, "%.*s%s%s.", len, error->text, at, advice);
    return rc;
}

const char *az_format_number(char buf[AZ_NUMBER_MAX], uint64_t n) {
    char *p = buf + AZ_NUMBER_MAX;
    *--p = '\0';
    int n_digits = 0;
    do {
        if (n_digits && n_digits % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + n % 10);
        n /= 10;
        n_digits++;
    } while (n);
    return memmove(buf, p, (size_t)(buf + AZ_NUMBER_MAX - p));
}
