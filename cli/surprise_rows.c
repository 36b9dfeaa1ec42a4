/*
 * JSON and CSV: a row a byte, token, word or line.
 *   --csv   first_byte,n_bytes,text,bits,rank[,against_bits,difference]
 * The last row, of no bytes, is what headers and checks take: bits add up to the archive.
 */
#include "surprise.h"

#include <stdlib.h>
#include <string.h>

static double bits_of(int64_t cost) {
    return (double)cost / (double)AZ_COST_BIT;
}

/* A cell that no program that reads it can be driven with. */
static void write_cell(az_text text) {
    const char *p = text.data;
    fputc('"', stdout);
    for (size_t at = 0, end; at < text.n_bytes; at = end + 1) {
        const char *quote = memchr(p + at, '"', text.n_bytes - at);
        end = quote ? (size_t)(quote - p) : text.n_bytes;
        az_write_text(stdout, (az_text){p + at, end - at}, AZ_ESCAPE_TERMINAL);
        if (quote)
            fputs("\"\"", stdout);
    }
    fputc('"', stdout);
}

static void write_csv_end(const az_surprise_view *v, double bits, double other) {
    if (v->against)
        printf(",%.6f,%.6f", other, other - bits);
    fputc('\n', stdout);
}

static void write_csv(const az_surprise_view *v) {
    const az_surprise_map *map = v->map;
    size_t hint = 0;
    printf("first_byte,n_bytes,text,bits,rank%s\n", v->against ? ",against_bits,difference" : "");
    for (size_t at = 0, end; at < map->n_bytes; at = end) {
        end = az_unit_end(map, v->text->data, at, v->unit);
        double bits = az_map_bits(map, at, end);
        const az_map_token *token = az_map_token_at(map, at, &hint);
        printf("%zu,%zu,", at, end - at);
        write_cell((az_text){v->text->data + at, end - at});
        printf(",%.6f,", bits);
        if (token && v->unit <= AZ_UNIT_TOKEN)
            printf("%u", (unsigned)token->rank);
        write_csv_end(v, bits, v->against ? az_map_bits(v->against, at, end) : 0);
    }
    printf("%zu,0,\"(headers and checks)\",%.6f,", map->n_bytes, bits_of(map->frame_cost));
    write_csv_end(v, bits_of(map->frame_cost), v->against ? bits_of(v->against->frame_cost) : 0);
}

static void write_map(const az_surprise_map *map) {
    fputs("{\"model\":", stdout);
    az_print_json_string(map->model);
    printf(",\"archive_bytes\":%ju,\"bits\":%.6f,\"frame_bits\":%.6f,\"bits_per_byte\":",
           (uintmax_t)map->archive_nbytes, bits_of((int64_t)map->cost), bits_of(map->frame_cost));
    if (map->n_bytes)
        printf("%.9f}", (double)map->archive_nbytes * 8 / (double)map->n_bytes);
    else
        fputs("null}", stdout);
}

static void write_guesses(const az_surprise_map *map, const az_map_token *token) {
    printf(",\"rank\":%u,\"guesses\":[", (unsigned)token->rank);
    for (uint32_t i = 0; i < token->n_guesses; i++) {
        const az_map_guess *g = &map->guesses[token->guess + i];
        fputs(i ? ",{\"text\":" : "{\"text\":", stdout);
        az_write_json(stdout, (az_text){map->guess_bytes + g->text, g->n_bytes});
        printf(",\"bits\":%.6f}", bits_of((int64_t)g->cost));
    }
    fputc(']', stdout);
}

static void write_json(const az_surprise_view *v) {
    const az_surprise_map *map = v->map;
    size_t hint = 0;
    fputs("{\"file\":", stdout);
    az_print_json_string(v->text->name);
    printf(",\"bytes\":%zu,\"unit\":\"%s\",\"models\":[", map->n_bytes, az_unit_name(v->unit));
    write_map(map);
    if (v->against) {
        fputc(',', stdout);
        write_map(v->against);
    }
    fputs("],\n\"rows\":[", stdout);
    for (size_t at = 0, end; at < map->n_bytes; at = end) {
        end = az_unit_end(map, v->text->data, at, v->unit);
        const az_map_token *token = az_map_token_at(map, at, &hint);
        printf("%s{\"first_byte\":%zu,\"n_bytes\":%zu,\"text\":", at ? ",\n" : "\n", at, end - at);
        az_write_json(stdout, (az_text){v->text->data + at, end - at});
        printf(",\"bits\":%.6f", az_map_bits(map, at, end));
        if (v->against)
            printf(",\"against_bits\":%.6f,\"difference\":%.6f", az_map_bits(v->against, at, end),
                   az_map_bits(v->against, at, end) - az_map_bits(map, at, end));
        if (token && v->unit <= AZ_UNIT_TOKEN)
            write_guesses(map, token);
        fputc('}', stdout);
    }
    fputs("\n]}\n", stdout);
}

void az_surprise_rows(const az_surprise_view *v) {
    if (v->opt->csv)
        write_csv(v);
    else
        write_json(v);
}
