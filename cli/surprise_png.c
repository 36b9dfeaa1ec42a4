/*
 * The strip as a picture: the file in rows of equal length, left to right and down, each pixel on
 * the shade of its bytes. With another model three strips: the first, the other, the difference.
 */
#include "surprise.h"

#if defined(AZ_HAVE_PNG)

#include <png.h>
#include <stdlib.h>
#include <string.h>

/* Pixels are small squares, so that a short file's are seen. */
enum { WIDTH = 1024, CELL = 4, COLUMNS = WIDTH / CELL, ROWS_MAX = 64, GAP = 2 * CELL };

typedef struct picture {
    uint8_t *rgb; /* [height][WIDTH][3] */
    size_t height;
} picture;

static void fill_cell(const picture *p, size_t x, size_t y, const uint8_t *rgb) {
    for (size_t i = 0; i < CELL; i++)
        for (size_t k = 0; k < CELL; k++)
            memcpy(p->rgb + ((y + i) * WIDTH + x + k) * 3, rgb, 3);
}

/* One strip of `rows` rows that begins at y. which: 0, 1, 2: the first, the other, difference. */
static void draw_strip(const picture *p, const az_surprise_view *v, size_t y, size_t rows,
                       int which) {
    size_t n = v->map->n_bytes, cells = rows * COLUMNS;
    for (size_t i = 0; i < cells; i++) {
        size_t from = (size_t)((uint64_t)n * i / cells),
               to = (size_t)((uint64_t)n * (i + 1) / cells);
        uint8_t rgb[3];
        if (to == from)
            to = from + 1 < n ? from + 1 : n;
        if (to == from)
            continue;
        double bits = az_map_bits(which == 1 ? v->against : v->map, from, to);
        if (which == 2)
            az_difference_colour((az_map_bits(v->against, from, to) - bits) / (double)(to - from),
                                 rgb);
        else
            az_shade_colour(bits / (double)(to - from), rgb);
        fill_cell(p, i % COLUMNS * CELL, y + i / COLUMNS * CELL, rgb);
    }
}

static bool write_png(FILE *f, const picture *p) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, WIDTH, (png_uint_32)p->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < p->height; y++)
        png_write_row(png, p->rgb + y * WIDTH * 3);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return true;
}

void az_surprise_print_library(FILE *stream) {
    fprintf(stream, "draws pictures with: libpng %s\n", png_get_libpng_ver(NULL));
}

int az_surprise_png(const az_surprise_view *v, const char *path) {
    const az_options *opt = &v->opt->base;
    size_t n = v->map->n_bytes, rows = n / (COLUMNS * 4) + 1;
    rows = rows > ROWS_MAX ? ROWS_MAX : rows;
    size_t strip = rows * CELL, n_strips = v->against ? 3 : 1;
    picture p = {.height = n_strips * strip + (n_strips - 1) * GAP};
    p.rgb = malloc(p.height * WIDTH * 3);
    if (!p.rgb) {
        az_say_error(opt, path, "not enough memory for a picture.");
        return AZ_EXIT_MEMORY;
    }
    memset(p.rgb, 255, p.height * WIDTH * 3);
    for (size_t i = 0; i < n_strips; i++)
        draw_strip(&p, v, i * (strip + GAP), rows, (int)i);
    az_whole_file file;
    int rc = az_whole_file_open(&file, opt, path);
    if (rc == AZ_EXIT_OK && write_png(file.stream, &p)) {
        rc = az_whole_file_commit(&file, opt);
    } else if (rc == AZ_EXIT_OK) {
        az_whole_file_drop(&file);
        az_say_error(opt, path, "the picture can't be written.");
        rc = AZ_EXIT_FILE;
    }
    free(p.rgb);
    return rc;
}

#else

void az_surprise_print_library(FILE *stream) {
    fputs("built without: surprise --png (libpng)\n", stream);
}

int az_surprise_png(const az_surprise_view *v, const char *path) {
    az_say_error(&v->opt->base, path, "this aizip is built without libpng.");
    return AZ_EXIT_USAGE;
}

#endif
