/* Text from strangers, made harmless for where it goes. */
#include "classification.h"

#include <string.h>

/* A whole character at text[i], or one byte that is none (*c is then UINT32_MAX). */
static size_t next_character(az_text text, size_t i, uint32_t *c) {
    const char *p = text.data;
    char copy[5] = "";
    size_t left = text.n_bytes - i;
    memcpy(copy, p + i, left < 4 ? left : 4);
    size_t n = copy[0] ? az_utf8_decode(copy, c) : 1;
    if (!copy[0])
        *c = 0;
    if (n == 0) {
        *c = UINT32_MAX;
        return 1;
    }
    return n;
}

static void write_plain(FILE *stream, const char *p, size_t n) {
    fwrite(p, 1, n, stream);
}

static void write_hex(FILE *stream, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        fprintf(stream, "\\x%02x", (unsigned char)p[i]);
}

static void write_json(FILE *stream, const char *p, size_t n, uint32_t c) {
    if (c == UINT32_MAX)
        fprintf(stream, "\\udc%02x", (unsigned char)*p);
    else if (c == '"' || c == '\\')
        fprintf(stream, "\\%c", (int)c);
    else if (c < 0x10000 && (az_is_harmful(c) || c == '<' || c == 0xFEFF))
        fprintf(stream, "\\u%04x", (unsigned)c);
    else
        write_plain(stream, p, n);
}

static void write_html(FILE *stream, const char *p, size_t n, uint32_t c) {
    switch (c) {
    case '<': fputs("&lt;", stream); break;
    case '>': fputs("&gt;", stream); break;
    case '&': fputs("&amp;", stream); break;
    case '"': fputs("&quot;", stream); break;
    case '\'': fputs("&#39;", stream); break;
    case '\n':
    case '\t': fputc(' ', stream); break;
    default:
        if (c == UINT32_MAX || az_is_harmful(c))
            write_hex(stream, p, n);
        else
            write_plain(stream, p, n);
    }
}

static void write_tsv(FILE *stream, const char *p, size_t n, uint32_t c) {
    switch (c) {
    case '\t': fputs("\\t", stream); break;
    case '\n': fputs("\\n", stream); break;
    case '\r': fputs("\\r", stream); break;
    case '\\': fputs("\\\\", stream); break;
    default: write_plain(stream, p, n);
    }
}

void az_write_text(FILE *stream, az_text text, az_escape escape) {
    const char *p = text.data;
    uint32_t c;
    for (size_t i = 0, n; i < text.n_bytes; i += n) {
        n = next_character(text, i, &c);
        switch (escape) {
        case AZ_ESCAPE_TERMINAL:
            if (c == UINT32_MAX || az_is_harmful(c))
                write_hex(stream, p + i, n);
            else
                write_plain(stream, p + i, n);
            break;
        case AZ_ESCAPE_JSON: write_json(stream, p + i, n, c); break;
        case AZ_ESCAPE_HTML: write_html(stream, p + i, n, c); break;
        case AZ_ESCAPE_TSV: write_tsv(stream, p + i, n, c); break;
        case AZ_ESCAPE_CSV:
            if (c == '"')
                fputc('"', stream);
            write_plain(stream, p + i, n);
            break;
        }
    }
}

void az_write_json(FILE *stream, az_text text) {
    fputc('"', stream);
    az_write_text(stream, text, AZ_ESCAPE_JSON);
    fputc('"', stream);
}

void az_print_json_string(const char *text) {
    az_write_json(stdout, (az_text){text, strlen(text)});
}

void az_write_csv(FILE *stream, az_text text) {
    const char *p = text.data;
    bool quotes = false;
    for (size_t i = 0; i < text.n_bytes && !quotes; i++)
        quotes = p[i] == ',' || p[i] == '"' || p[i] == '\n' || p[i] == '\r';
    if (quotes)
        fputc('"', stream);
    az_write_text(stream, text, AZ_ESCAPE_CSV);
    if (quotes)
        fputc('"', stream);
}

az_text az_text_begin(az_text text, size_t n_max) {
    const unsigned char *p = text.data;
    if (text.n_bytes > n_max) {
        size_t n = n_max;
        while (n > 0 && n + 4 > n_max && (p[n] & 0xC0) == 0x80)
            n--;
        text.n_bytes = n;
    }
    return text;
}
