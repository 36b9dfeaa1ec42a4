/* The map as JSON, for cli/page/map.js to draw. */
#include "surprise.h"

#include <string.h>

/* Units of whole characters, in the part that is shown; each is told `one` of. */
static void each_unit(FILE *f, const az_surprise_view *v, size_t n,
                      void (*one)(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                                  const az_map_token *token)) {
    size_t hint = 0;
    for (size_t at = 0, end; at < n; at = end) {
        end = v->hex ? at + 1 : az_unit_whole_end(v->map, v->text->data, at, v->unit);
        end = end < n ? end : n;
        const az_map_token *token = az_map_token_at(v->map, at, &hint);
        if (at)
            fputc(',', f);
        one(f, v, at, end, v->unit <= AZ_UNIT_TOKEN ? token : NULL);
    }
}

static void one_text(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                     const az_map_token *token) {
    (void)token;
    if (v->hex)
        fprintf(f, "\"\\u00%02x\"", v->text->data[from]);
    else
        az_write_json(f, (az_text){v->text->data + from, to - from});
}

static void one_size(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                     const az_map_token *token) {
    (void)v;
    (void)token;
    fprintf(f, "%zu", to - from);
}

static void one_cost(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                     const az_map_token *token) {
    (void)token;
    fprintf(f, "%.2f", az_map_bits(v->map, from, to));
}

static void one_other(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                      const az_map_token *token) {
    (void)token;
    fprintf(f, "%.2f", az_map_bits(v->against, from, to));
}

static void one_rank(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                     const az_map_token *token) {
    (void)v;
    (void)from;
    (void)to;
    fprintf(f, "%u", token ? (unsigned)token->rank : 0);
}

static void one_guesses(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                        const az_map_token *token) {
    (void)from;
    (void)to;
    fputc('[', f);
    for (uint32_t i = 0; token && i < token->n_guesses; i++) {
        const az_map_guess *g = &v->map->guesses[token->guess + i];
        fputs(i ? "," : "", f);
        az_write_json(f, (az_text){v->map->guess_bytes + g->text, g->n_bytes});
        fprintf(f, ",%.2f", (double)g->cost / (double)AZ_COST_BIT);
    }
    fputc(']', f);
}

void az_surprise_data(FILE *f, const az_surprise_view *v, size_t n) {
    const struct {
        const char *name;
        void (*one)(FILE *f, const az_surprise_view *v, size_t from, size_t to,
                    const az_map_token *token);
    } lists[] = {{"text", one_text}, {"sizes", one_size},      {"bits", one_cost},
                 {"rank", one_rank}, {"guesses", one_guesses}, {"other", one_other}};
    size_t n_lists = sizeof lists / sizeof *lists - !v->against;
    fprintf(f, "{\"bytes\":%zu,\"hex\":%s,", v->map->n_bytes, v->hex ? "true" : "false");
    fputs("\"shades\":[", f);
    for (int i = 0; i < AZ_N_SHADES; i++)
        fprintf(f, "%s%g", i ? "," : "", az_shade_from[i]);
    fputs("],\"models\":[", f);
    for (int i = 0; i < 1 + (v->against != NULL); i++) {
        const char *name = i ? v->against->model : v->map->model;
        fputs(i ? ",{\"name\":" : "{\"name\":", f);
        az_write_json(f, (az_text){name, strlen(name)});
        fputc('}', f);
    }
    fputc(']', f);
    for (size_t i = 0; i < n_lists; i++) {
        fprintf(f, ",\n\"%s\":[", lists[i].name);
        each_unit(f, v, n, lists[i].one);
        fputc(']', f);
    }
    fputs("}", f);
}
