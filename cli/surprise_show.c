/* For people: the text, or its bytes in hex, on shades of what it costs, and tables of what costs
 * most. Colour only on a terminal. */
#include "surprise.h"

#include <stdlib.h>
#include <unistd.h>

enum { SHOWN_NBYTES = 64 << 10, LISTED = 10, LISTED_NBYTES = 60, HEX_ROW = 16 };

/* Background and text of each shade, of the 256 colours that terminals have: ever lighter. */
static const char *const colours[AZ_N_SHADES] = {
    "",
    "\033[38;5;255;48;5;17m",
    "\033[38;5;255;48;5;60m",
    "\033[38;5;16;48;5;102m",
    "\033[38;5;16;48;5;143m",
    "\033[38;5;16;48;5;185m",
    "\033[38;5;16;48;5;227m",
};

static void show_legend(void) {
    fputs("bits a byte: ", stdout);
    for (int i = 0; i < AZ_N_SHADES; i++)
        printf("%s from %g %s ", colours[i], az_shade_from[i], i ? "\033[0m" : "");
    fputs("\n\n", stdout);
}

static void show_piece(az_text text, double bits_per_byte) {
    const char *colour = colours[az_shade_of(bits_per_byte)];
    fputs(colour, stdout);
    az_write_text(stdout, text, AZ_ESCAPE_TERMINAL);
    fputs(colour[0] ? "\033[0m" : "", stdout);
}

static bool ends_line(const uint8_t *text, size_t at, size_t n) {
    return text[at] == '\n' || (text[at] == '\r' && at + 1 < n && text[at + 1] == '\n');
}

/* A line end is shown as a sign on its shade, if it was dear, and then made; a tab is one. */
static void show_unit(const uint8_t *text, size_t n, size_t from, size_t to, double bits_per_byte) {
    for (size_t at = from, end; at < to; at = end) {
        for (end = at; end < to && text[end] != '\t' && !ends_line(text, end, n); end++) {
        }
        if (end > at)
            show_piece((az_text){text + at, end - at}, bits_per_byte);
        if (end == to)
            break;
        if (text[end] != '\t' && az_shade_of(bits_per_byte) > 0)
            show_piece((az_text){"\xe2\x86\xb5", 3}, bits_per_byte);
        if (text[end] != '\r')
            fputc(text[end], stdout);
        end++;
    }
}

static void show_text(const az_surprise_view *v, size_t n) {
    const uint8_t *text = v->text->data;
    for (size_t at = 0, end; at < n; at = end) {
        end = az_unit_whole_end(v->map, text, at, v->unit);
        end = end < n ? end : n;
        show_unit(text, v->map->n_bytes, at, end,
                  az_map_bits(v->map, at, end) / (double)(end - at));
    }
    if (n > 0 && text[n - 1] != '\n')
        fputc('\n', stdout);
}

static void show_hex(const az_surprise_view *v, size_t n) {
    for (size_t at = 0; at < n; at += HEX_ROW) {
        printf("%08zx ", at);
        for (size_t i = at; i < at + HEX_ROW; i++) {
            if (i >= n) {
                fputs("   ", stdout);
                continue;
            }
            const char *colour = colours[az_shade_of(az_map_bits(v->map, i, i + 1))];
            printf("%s%02x%s ", colour, v->text->data[i], colour[0] ? "\033[0m" : "");
        }
        fputs(" ", stdout);
        for (size_t i = at; i < at + HEX_ROW && i < n; i++)
            fputc(v->text->data[i] >= ' ' && v->text->data[i] < 127 ? v->text->data[i] : '.',
                  stdout);
        fputc('\n', stdout);
    }
}

static void show_sum(const az_surprise_map *map) {
    char size[AZ_NUMBER_MAX];
    fputs("  ", stdout);
    az_print_escaped(stdout, map->model);
    printf(": %s bytes", az_format_number(size, map->archive_nbytes));
    if (map->n_bytes)
        printf(", %.3f bits a byte; %.0f bytes of it are headers and checks",
               (double)map->archive_nbytes * 8 / (double)map->n_bytes,
               (double)map->frame_cost / (double)AZ_COST_BIT / 8);
    fputc('\n', stdout);
}

static void show_dearest(const az_surprise_view *v, az_unit unit) {
    az_dear dear[LISTED];
    size_t n = az_dearest(v->map, v->against, v->text->data, unit, dear, LISTED);
    if (n == 0)
        return;
    if (v->against)
        printf("\n%ss of which the two think most differently:\n      bits     other  %-10s %s\n",
               unit == AZ_UNIT_LINE ? "Line" : "Word", unit == AZ_UNIT_LINE ? "line" : "byte",
               "text");
    else
        printf("\nThe dearest %ss:\n      bits  a byte  %-10s %s\n", az_unit_name(unit),
               unit == AZ_UNIT_LINE ? "line" : "byte", "text");
    for (size_t i = 0; i < n; i++) {
        const az_dear *d = &dear[i];
        size_t place = unit == AZ_UNIT_LINE ? az_line_number(v->text->data, d->from) : d->from;
        double other = v->against        ? d->bits + d->difference
                       : d->to > d->from ? d->bits / (double)(d->to - d->from)
                                         : d->bits;
        printf(v->against ? "%10.2f%10.2f  %-10zu " : "%10.2f%8.2f  %-10zu ", d->bits, other,
               place);
        az_write_text(
            stdout,
            az_text_begin((az_text){v->text->data + d->from, d->to - d->from}, LISTED_NBYTES),
            AZ_ESCAPE_TERMINAL);
        fputc('\n', stdout);
    }
}

void az_surprise_show(const az_surprise_view *v) {
    char size[AZ_NUMBER_MAX];
    size_t n = az_shown_nbytes(v, SHOWN_NBYTES);
    if (isatty(STDOUT_FILENO) && !getenv("NO_COLOR")) {
        show_legend();
        if (v->hex)
            show_hex(v, n);
        else
            show_text(v, n);
        if (n < v->map->n_bytes)
            printf("... and %s bytes more: --html shows more of them.\n",
                   az_format_number(size, v->map->n_bytes - n));
        fputc('\n', stdout);
    }
    az_print_escaped(stdout, v->text->name);
    printf(": %s bytes\n", az_format_number(size, v->map->n_bytes));
    show_sum(v->map);
    if (v->against)
        show_sum(v->against);
    if (v->hex)
        return;
    show_dearest(v, AZ_UNIT_LINE);
    show_dearest(v, AZ_UNIT_WORD);
}
