/*
 * The command `aizip surprise`: where the bits of an archive go.
 *
 *   surprise.c          the command line; runs the models over the file
 *   surprise_map.c      what each byte costs, and what it was cut into
 *   surprise_show.c     for people: coloured text, hex, tables
 *   surprise_rows.c     JSON and CSV
 *   surprise_data.c     the map as JSON, for cli/page/map.js
 *   surprise_html.c     one page; what is in cli/page/ is inside it
 *   surprise_png.c      the strip as a picture
 */
#ifndef AZ_CLI_SURPRISE_H
#define AZ_CLI_SURPRISE_H

#include "classification.h"

typedef enum az_unit { AZ_UNIT_BYTE, AZ_UNIT_TOKEN, AZ_UNIT_WORD, AZ_UNIT_LINE } az_unit;

typedef struct az_surprise_options {
    az_options base;     /* mode AZ_MODE_COMPRESS: level, threads, memlimit, model, lanes ... */
    const char *against; /* another model, or AZ_BUILT_IN; NULL: none */
    const char *html, *png;
    az_unit unit;
    bool has_unit; /* else bytes, or with a model tokens */
    bool csv, hex;
} az_surprise_options;

/* ---- surprise_map.c --------------------------------------------------------- */

/* What might have come. */
typedef struct az_map_guess {
    uint64_t cost;
    size_t text; /* where in the map's guess_bytes, */
    uint32_t n_bytes;
} az_map_guess;

typedef struct az_map_token {
    uint64_t first_byte;
    uint32_t rank, n_guesses;
    size_t guess; /* the first of them */
} az_map_token;

typedef struct az_surprise_map {
    const char *model; /* its name, or "built-in" */
    size_t n_bytes;
    uint32_t *costs; /* [n_bytes] times AZ_COST_BIT */
    uint8_t *ends;   /* [n_bytes] 1: a token ends */
    uint64_t cost;   /* of all bytes */
    uint64_t archive_nbytes;
    int64_t frame_cost;
    az_map_token *tokens; /* [n_tokens] those with a rank */
    size_t n_tokens, tokens_max;
    az_map_guess *guesses;
    size_t n_guesses, guesses_max;
    uint8_t *guess_bytes;
    size_t n_guess_bytes, guess_bytes_max;
    bool failed; /* no memory */
} az_surprise_map;

/* Guesses are kept for the first so many bytes. */
enum { AZ_GUESSED_NBYTES = 256 << 10 };

/* Runs `model` (NULL or "built-in": none) over the text. n_guessed: bytes with guesses. Says what
 * is wrong and returns an exit code. */
int az_map_make(az_surprise_map *map, const az_surprise_options *opt, const char *model,
                const az_file_text *text, uint64_t n_guessed);
/* An empty map for a text of n_bytes; `model` must live as long. False: no memory, and az_map_free()
 * is still to be called. */
bool az_map_begin(az_surprise_map *map, const char *model, size_t n_bytes);
/* An az_surprise_fn; opaque is the map. */
void az_map_add(void *opaque, const az_surprise_part *part);
void az_map_free(az_surprise_map *map);
/* Of bytes from..to - 1, in bits. */
double az_map_bits(const az_surprise_map *map, size_t from, size_t to);
/* The token that begins at `at`, or NULL. They are in order: hint is where to look first. */
const az_map_token *az_map_token_at(const az_surprise_map *map, size_t at, size_t *hint);
/* Where the unit that begins at `at`, below n_bytes, ends. */
size_t az_unit_end(const az_surprise_map *map, const uint8_t *text, size_t at, az_unit unit);
/* The same, with the units that finish its last character. */
size_t az_unit_whole_end(const az_surprise_map *map, const uint8_t *text, size_t at, az_unit unit);
const char *az_unit_name(az_unit unit);
/* Whether the text would be better read in hex. */
bool az_looks_binary(const uint8_t *text, size_t n_bytes);

typedef struct az_dear {
    size_t from, to;
    double bits, difference; /* to what the other model takes */
} az_dear;
/* The dearest lines or words, without the blanks behind them, dearest first (with `against`, by how
 * far the two are apart): at most n, returns how many. */
size_t az_dearest(const az_surprise_map *map, const az_surprise_map *against, const uint8_t *text,
                  az_unit unit, az_dear *dear, size_t n);

/* ---- The forms: each says what is wrong and returns an exit code --------------- */

/* against: NULL, or the other model's. */
typedef struct az_surprise_view {
    const az_surprise_options *opt;
    const az_file_text *text;
    const az_surprise_map *map, *against;
    az_unit unit;
    bool hex;
} az_surprise_view;

/* How much of the text is shown, of at most n_max bytes: whole characters, unless in hex. */
size_t az_shown_nbytes(const az_surprise_view *view, size_t n_max);
/* The line that byte `at` is in, from 1. */
size_t az_line_number(const uint8_t *text, size_t at);

void az_surprise_show(const az_surprise_view *view);
void az_surprise_rows(const az_surprise_view *view);
/* One JSON object, for cli/page/map.js: units of the first n bytes; whole characters, or in hex
 * bytes. {"bytes": of the whole text, "hex": whether text[i] is a byte, "shades": from how many bits
 * a byte each begins, "models": [{"name"}], "text": [], "sizes": [] in bytes, "bits": [], "rank": []
 * (0: not known), "guesses": [[text, bits, ...]], "other": [] with v->against}. */
void az_surprise_data(FILE *stream, const az_surprise_view *v, size_t n);
int az_surprise_html(const az_surprise_view *view, const char *path);
int az_surprise_png(const az_surprise_view *view, const char *path);
/* For --version. */
void az_surprise_print_library(FILE *stream);

/* Shades of a surprise, from none to eight bits a byte and more: what each begins with, in bits a
 * byte. */
enum { AZ_N_SHADES = 7 };
extern const double az_shade_from[AZ_N_SHADES];
int az_shade_of(double bits_per_byte);
/* Of eight bits a byte and less, on a scale that all eyes can read (cividis): rgb. */
void az_shade_colour(double bits_per_byte, uint8_t *rgb);
/* Of a difference of so many bits a byte: blue, the other model takes more; orange, less. */
void az_difference_colour(double bits_per_byte, uint8_t *rgb);

#endif
