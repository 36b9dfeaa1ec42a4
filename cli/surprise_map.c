/* What each byte costs, as the library says it, and what the file is cut into. */
#include "surprise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

/* ---- Filling ------------------------------------------------------------------- */

/* Room for `more` items of that size behind n; false: no memory. */
static bool grow(void *items, size_t n, size_t more, size_t *max, size_t size) {
    void *old;
    memcpy(&old, items, sizeof old);
    if (n + more <= *max)
        return true;
    size_t wanted = 2 * *max + more + 64;
    void *new = realloc(old, wanted * size);
    if (!new)
        return false;
    *max = wanted;
    memcpy(items, &new, sizeof new);
    return true;
}

static void keep_guesses(az_surprise_map *map, const az_surprise_part *part) {
    if (part->rank == 0)
        return;
    if (!grow(&map->tokens, map->n_tokens, 1, &map->tokens_max, sizeof *map->tokens) ||
        !grow(&map->guesses, map->n_guesses, part->n_guesses, &map->guesses_max,
              sizeof *map->guesses)) {
        map->failed = true;
        return;
    }
    map->tokens[map->n_tokens++] =
        (az_map_token){part->first_byte, part->rank, part->n_guesses, map->n_guesses};
    for (uint32_t i = 0; i < part->n_guesses; i++) {
        az_text text = part->guesses[i].text;
        if (!grow(&map->guess_bytes, map->n_guess_bytes, text.n_bytes, &map->guess_bytes_max, 1)) {
            map->failed = true;
            map->tokens[map->n_tokens - 1].n_guesses = i;
            return;
        }
        memcpy(map->guess_bytes + map->n_guess_bytes, text.data, text.n_bytes);
        map->guesses[map->n_guesses++] =
            (az_map_guess){part->guesses[i].cost, map->n_guess_bytes, (uint32_t)text.n_bytes};
        map->n_guess_bytes += text.n_bytes;
    }
}

void az_map_add(void *opaque, const az_surprise_part *part) {
    az_surprise_map *map = opaque;
    size_t at = (size_t)part->first_byte;
    memcpy(map->costs + at, part->costs, part->n_bytes * sizeof *map->costs);
    map->ends[at + part->n_bytes - 1] = 1;
    map->cost += part->cost;
    keep_guesses(map, part);
}

bool az_map_begin(az_surprise_map *map, const char *model, size_t n_bytes) {
    *map = (az_surprise_map){.model = model, .n_bytes = n_bytes};
    map->costs = calloc(n_bytes + 1, sizeof *map->costs);
    map->ends = calloc(n_bytes + 1, 1);
    return map->costs && map->ends;
}

/* ---- Running ------------------------------------------------------------------- */

static int run(az_surprise_map *map, const az_options *opt, const az_file_text *text,
               uint64_t n_guessed) {
    az_error error = {.status = AZ_OK};
    az_encoder *encoder = NULL;
    az_progress progress;
    int rc =
        az_encoder_setup(&encoder, opt, text->name, opt->memlimit, (int64_t)text->n_bytes, NULL);
    az_progress_start(&progress, opt, "measuring", text->name, text->n_bytes);
    if (rc == AZ_EXIT_OK) {
        az_encoder_set_progress(encoder, az_progress_update, &progress);
        if (az_encoder_set_surprise(encoder, az_map_add, map, n_guessed, &error) != AZ_OK ||
            az_surprise_run(encoder, text->data, text->n_bytes, &map->archive_nbytes,
                            &map->frame_cost, &error) != AZ_OK) {
            az_progress_clear(&progress);
            rc = az_say_library_error(opt, text->name, &error);
        }
    }
    az_progress_clear(&progress);
    az_encoder_close(&encoder);
    return rc;
}

static int no_memory(const az_options *opt, const char *name) {
    az_say_error(opt, name, "not enough memory to map it.");
    return AZ_EXIT_MEMORY;
}

int az_map_make(az_surprise_map *map, const az_surprise_options *opt, const char *model,
                const az_file_text *text, uint64_t n_guessed) {
    az_options base = opt->base;
    bool built_in = !model || strcmp(model, AZ_BUILT_IN) == 0;
    base.model = built_in ? NULL : model;
    if (!az_map_begin(map, built_in ? AZ_BUILT_IN : model, text->n_bytes))
        return no_memory(&base, text->name);
    int rc = az_engines_open(&base.engines, &base);
    if (rc == AZ_EXIT_OK)
        rc = run(map, &base, text, n_guessed);
    az_engines_close(&base.engines);
    return rc == AZ_EXIT_OK && map->failed ? no_memory(&base, text->name) : rc;
}

void az_map_free(az_surprise_map *map) {
    free(map->costs);
    free(map->ends);
    free(map->tokens);
    free(map->guesses);
    free(map->guess_bytes);
    *map = (az_surprise_map){0};
}

/* ---- Reading ------------------------------------------------------------------- */

double az_map_bits(const az_surprise_map *map, size_t from, size_t to) {
    uint64_t sum = 0;
    for (size_t i = from; i < to; i++)
        sum += map->costs[i];
    return (double)sum / (double)AZ_COST_BIT;
}

const az_map_token *az_map_token_at(const az_surprise_map *map, size_t at, size_t *hint) {
    while (*hint < map->n_tokens && map->tokens[*hint].first_byte < at)
        ++*hint;
    return *hint < map->n_tokens && map->tokens[*hint].first_byte == at ? &map->tokens[*hint]
                                                                        : NULL;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t az_unit_end(const az_surprise_map *map, const uint8_t *text, size_t at, az_unit unit) {
    size_t end = at + 1;
    switch (unit) {
    case AZ_UNIT_BYTE: break;
    case AZ_UNIT_TOKEN:
        while (end < map->n_bytes && !map->ends[end - 1])
            end++;
        break;
    case AZ_UNIT_WORD: /* with the blanks behind it */
        while (end < map->n_bytes && (is_blank(text[end]) || !is_blank(text[end - 1])))
            end++;
        break;
    case AZ_UNIT_LINE:
        while (end < map->n_bytes && text[end - 1] != '\n')
            end++;
        break;
    }
    return end;
}

size_t az_unit_whole_end(const az_surprise_map *map, const uint8_t *text, size_t at, az_unit unit) {
    size_t end = az_unit_end(map, text, at, unit);
    while (end < map->n_bytes && (text[end] & 0xC0) == 0x80)
        end = az_unit_end(map, text, end, unit);
    return end;
}

const char *az_unit_name(az_unit unit) {
    static const char *const names[] = {"byte", "token", "word", "line"};
    return names[unit];
}

bool az_looks_binary(const uint8_t *text, size_t n_bytes) {
    size_t n = n_bytes < 1 << 16 ? n_bytes : 1 << 16, strange = 0;
    for (size_t i = 0; i < n; i++)
        strange += text[i] < ' ' ? !is_blank(text[i]) + 31u * (text[i] == 0) : text[i] == 127;
    for (size_t i = 0; i < n;) { /* and what is no UTF-8 */
        uint32_t c;
        char copy[5] = "";
        memcpy(copy, text + i, n - i < 4 ? n - i : 4);
        size_t step = copy[0] ? az_utf8_decode(copy, &c) : 1;
        strange += step == 0 && n - i >= 4;
        i += step ? step : 1;
    }
    return strange > n / 32;
}

static bool is_dearer(const az_dear *a, const az_dear *b, bool by_difference) {
    double x = by_difference ? fabs(a->difference) : a->bits;
    double y = by_difference ? fabs(b->difference) : b->bits;
    return x != y ? x > y : a->from < b->from;
}

size_t az_dearest(const az_surprise_map *map, const az_surprise_map *against, const uint8_t *text,
                  az_unit unit, az_dear *dear, size_t n) {
    size_t found = 0;
    for (size_t at = 0, end; at < map->n_bytes; at = end) {
        end = az_unit_end(map, text, at, unit);
        az_dear d = {.from = at, .to = end, .bits = az_map_bits(map, at, end)};
        d.difference = against ? az_map_bits(against, at, end) - d.bits : 0;
        while (d.to > d.from && is_blank(text[d.to - 1]))
            d.to--;
        if (found == n && !is_dearer(&d, &dear[n - 1], against != NULL))
            continue;
        size_t to = found < n ? found++ : n - 1;
        for (; to > 0 && is_dearer(&d, &dear[to - 1], against != NULL); to--)
            dear[to] = dear[to - 1];
        dear[to] = d;
    }
    return found;
}

size_t az_shown_nbytes(const az_surprise_view *v, size_t n_max) {
    az_text all = {v->text->data, v->map->n_bytes};
    if (v->hex)
        return all.n_bytes < n_max ? all.n_bytes : n_max;
    return az_text_begin(all, n_max).n_bytes;
}

size_t az_line_number(const uint8_t *text, size_t at) {
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* ---- Colours ------------------------------------------------------------------- */

const double az_shade_from[AZ_N_SHADES] = {0, 0.5, 1, 2, 3, 5, 8};

int az_shade_of(double bits_per_byte) {
    int shade = 0;
    while (shade + 1 < AZ_N_SHADES && bits_per_byte >= az_shade_from[shade + 1])
        shade++;
    return shade;
}

static void blend(const uint8_t (*stops)[3], int n_stops, double part, uint8_t *rgb) {
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    double at = part * (n_stops - 1);
    int i = (int)at < n_stops - 1 ? (int)at : n_stops - 2;
    for (int k = 0; k < 3; k++)
        rgb[k] = (uint8_t)(stops[i][k] + (at - i) * (stops[i + 1][k] - stops[i][k]) + 0.5);
}

void az_shade_colour(double bits_per_byte, uint8_t *rgb) {
    static const uint8_t stops[][3] = {{0, 34, 78},     {53, 69, 108},   {102, 105, 112},
                                       {148, 142, 119}, {200, 184, 102}, {254, 232, 56}};
    blend(stops, 6, sqrt(bits_per_byte / 8), rgb);
}

void az_difference_colour(double bits_per_byte, uint8_t *rgb) {
    static const uint8_t stops[][3] = {{230, 120, 20}, {240, 240, 240}, {20, 90, 190}};
    blend(stops, 3, 0.5 + bits_per_byte / 8, rgb);
}
