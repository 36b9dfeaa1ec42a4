/*
 * The map as one page that fetches nothing: the data as JSON, and a script that draws the text
 * where it is looked at. Hover, click or the arrow keys show a token's bits, rank and what was
 * likelier; a strip of the whole file and the tables jump.
 */
#include "surprise.h"

#include <string.h>

#include "page_map_css.h"
#include "page_map_js.h"
#include "page_surprise_css.h"
#include "page_surprise_js.h"

/* Text beyond is in strip and tables only. */
enum { PAGE_NBYTES = 1 << 20, LISTED = 15, LISTED_NBYTES = 120, STRIP_COLUMNS = 600 };

static void put(FILE *f, const char *data, size_t n_bytes) {
    az_write_text(f, (az_text){data, n_bytes}, AZ_ESCAPE_HTML);
}

static void put_string(FILE *f, const char *text) {
    put(f, text, strlen(text));
}

/* ---- The strip ------------------------------------------------------------------- */

static void write_strip(FILE *f, const az_surprise_view *v) {
    const az_surprise_map *map = v->map;
    size_t n = map->n_bytes < STRIP_COLUMNS ? map->n_bytes : STRIP_COLUMNS;
    fprintf(
        f,
        "<div id=\"strip\"><svg viewBox=\"0 0 %zu 1\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"Bits a byte over the whole file, dark is cheap, bright is dear\">\n",
        n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        size_t from = map->n_bytes * i / n, to = map->n_bytes * (i + 1) / n;
        uint8_t rgb[3];
        az_shade_colour(az_map_bits(map, from, to) / (double)(to - from), rgb);
        fprintf(f, "<rect x=\"%zu\" width=\"1.05\" height=\"1\" fill=\"#%02x%02x%02x\"/>", i,
                rgb[0], rgb[1], rgb[2]);
    }
    fprintf(f,
            "</svg>\n<label for=\"place\">Place in the file, bytes</label> <input id=\"place\" "
            "type=\"range\" min=\"0\" max=\"%zu\" value=\"0\"></div>\n",
            map->n_bytes ? map->n_bytes - 1 : 0);
}

/* ---- Figures and tables ------------------------------------------------------------ */

static void write_figures(FILE *f, const az_surprise_map *map) {
    char size[AZ_NUMBER_MAX], all[AZ_NUMBER_MAX];
    fputs("<p><b>", f);
    put_string(f, map->model);
    fprintf(f, "</b>: %s bytes become %s", az_format_number(all, map->n_bytes),
            az_format_number(size, map->archive_nbytes));
    if (map->n_bytes)
        fprintf(f, ", %.3f bits a byte; headers and checks are %.0f bytes of that",
                (double)map->archive_nbytes * 8 / (double)map->n_bytes,
                (double)map->frame_cost / (double)AZ_COST_BIT / 8);
    fputs(".</p>\n", f);
}

static void write_legend(FILE *f, const az_surprise_view *v) {
    fputs("<ul class=\"legend\" aria-label=\"Legend\"><li>bits a byte</li>", f);
    for (int i = 0; i < AZ_N_SHADES; i++)
        if (i + 1 < AZ_N_SHADES)
            fprintf(f, "<li class=\"s%d\">%g to %g</li>", i, az_shade_from[i],
                    az_shade_from[i + 1]);
        else
            fprintf(f, "<li class=\"s%d\">%g and more</li>", i, az_shade_from[i]);
    fputs("</ul>\n", f);
    if (!v->against)
        return;
    fputs("<fieldset><legend>Colour by</legend><label><input type=\"radio\" name=\"mode\" "
          "value=\"bits\" checked> ",
          f);
    put_string(f, v->map->model);
    fputs("</label> <label><input type=\"radio\" name=\"mode\" value=\"other\"> ", f);
    put_string(f, v->against->model);
    fputs(
        "</label> <label><input type=\"radio\" name=\"mode\" value=\"difference\"> the "
        "difference: <span class=\"d1\">the first is cheaper</span>, <span class=\"e1\">the second "
        "is</span> (by half a bit a byte; filled: by two)</label></fieldset>\n",
        f);
}

static void write_table(FILE *f, const az_surprise_view *v, az_unit unit) {
    az_dear dear[LISTED];
    const uint8_t *text = v->text->data;
    size_t n = az_dearest(v->map, v->against, text, unit, dear, LISTED);
    const char *name = az_unit_name(unit);
    fprintf(
        f,
        "<h2>%s %ss</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s "
        "%ss\"><table><caption>%s</caption><thead><tr><th scope=\"col\">%s</th><th "
        "scope=\"col\">bits</th>%s<th scope=\"col\" class=\"text\">text</th></tr></thead><tbody>\n",
        v->against ? "Differing" : "Dearest", name, v->against ? "Differing" : "Dearest", name,
        v->against ? "Where the two models are furthest apart" : "What costs most bits",
        unit == AZ_UNIT_LINE ? "line" : "at byte",
        v->against ? "<th scope=\"col\">the other</th>" : "<th scope=\"col\">a byte</th>");
    for (size_t i = 0; i < n; i++) {
        const az_dear *d = &dear[i];
        size_t place = unit == AZ_UNIT_LINE ? az_line_number(text, d->from) : d->from;
        double other = v->against        ? d->bits + d->difference
                       : d->to > d->from ? d->bits / (double)(d->to - d->from)
                                         : d->bits;
        if (d->from < az_shown_nbytes(v, PAGE_NBYTES))
            fprintf(f, "<tr><td><a href=\"#text\" data-byte=\"%zu\">%zu</a></td>", d->from, place);
        else
            fprintf(f, "<tr><td>%zu</td>", place);
        fprintf(f, "<td>%.2f</td><td>%.2f</td><td class=\"text\">", d->bits, other);
        az_text shown = az_text_begin((az_text){text + d->from, d->to - d->from}, LISTED_NBYTES);
        put(f, shown.data, shown.n_bytes);
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

static void write_page(FILE *f, const az_surprise_view *v) {
    char size[AZ_NUMBER_MAX];
    size_t n = az_shown_nbytes(v, PAGE_NBYTES);
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
          "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
          "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>Where the bits of ",
          f);
    put_string(f, v->text->name);
    fputs(" go</title>\n<style>\n", f);
    fwrite(page_map_css, 1, sizeof page_map_css, f);
    fwrite(page_surprise_css, 1, sizeof page_surprise_css, f);
    fputs("</style></head><body><main>\n<h1>Where the bits of ", f);
    put_string(f, v->text->name);
    fputs(" go</h1>\n", f);
    write_figures(f, v->map);
    if (v->against)
        write_figures(f, v->against);
    write_legend(f, v);
    write_strip(f, v);
    if (n < v->map->n_bytes)
        fprintf(f, "<p>The first %s bytes are shown; strip and tables are of all.</p>\n",
                az_format_number(size, n));
    fputs(
        "<div id=\"text\" tabindex=\"0\" role=\"group\" aria-label=\"The file on shades of what it "
        "costs; arrow keys go from token to token\"></div>\n<noscript><p>The text is drawn by a "
        "script of this page.</p></noscript>\n",
        f);
    if (!v->hex) {
        write_table(f, v, AZ_UNIT_LINE);
        write_table(f, v, AZ_UNIT_WORD);
    }
    fputs(
        "</main>\n<aside id=\"detail\" aria-live=\"polite\" aria-label=\"What is pointed at\"><div>"
        "Point at the text, or go through it with the arrow keys: bits, rank, and what was "
        "likelier.</div></aside>\n",
        f);
    fputs("<script id=\"data\" type=\"application/json\">", f);
    az_surprise_data(f, v, n);
    fputs("</script>\n<script>\n", f);
    fwrite(page_map_js, 1, sizeof page_map_js, f);
    fwrite(page_surprise_js, 1, sizeof page_surprise_js, f);
    fputs("</script></body></html>\n", f);
}

int az_surprise_html(const az_surprise_view *v, const char *path) {
    az_whole_file file;
    int rc = az_whole_file_open(&file, &v->opt->base, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    write_page(file.stream, v);
    return az_whole_file_commit(&file, &v->opt->base);
}
