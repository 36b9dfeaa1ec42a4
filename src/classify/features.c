/* features: a text becomes hashes of its words and runs of characters. */
#include "features.h"

/* ---- Plain text -------------------------------------------------------- */

static bool is_word_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* The lower case of the two bytes of a letter, in Latin-1, Greek and Cyrillic. */
static uint32_t lower_two(uint32_t code) {
    if (code >= 0xC0 && code <= 0xDE && code != 0xD7)
        return code + 32;
    if (code >= 0x100 && code <= 0x17F && code != 0x130 && code != 0x131 && code != 0x138 &&
        code != 0x149 && code != 0x178 && code != 0x17F) {
        /* Pairs begin at even code points, but from 0x139 to 0x148 and from 0x179 at odd ones. */
        bool odd_first = (code >= 0x139 && code <= 0x148) || code >= 0x179;
        return (code & 1) == odd_first ? code + 1 : code;
    }
    if (code >= 0x391 && code <= 0x3A9 && code != 0x3A2)
        return code + 32;
    if (code >= 0x410 && code <= 0x42F)
        return code + 32;
    if (code >= 0x400 && code <= 0x40F)
        return code + 80;
    return code;
}

/* How many bytes the character at p has; 1 if it is none of UTF-8. */
static size_t character_nbytes(const uint8_t *p, size_t left) {
    size_t n = p[0] < 0xC2 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 1;
    if (n > left)
        return 1;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 1;
    return n;
}

/* Quotation marks, dashes, the wide spaces: U+2000..U+206F. */
static bool is_general_punctuation(const uint8_t *p, size_t n) {
    return n == 3 && p[0] == 0xE2 && (p[1] == 0x80 || (p[1] == 0x81 && p[2] < 0xB0));
}

static void put(az_feature_list *list, uint8_t byte, size_t at) {
    list->plain[list->n_plain] = byte;
    list->at[list->n_plain++] = (uint32_t)at;
}

static void put_space(az_feature_list *list, size_t at) {
    if (list->n_plain == 0 || list->plain[list->n_plain - 1] != ' ')
        put(list, ' ', at);
}

static void make_plain(az_feature_list *list, const uint8_t *text, size_t n_bytes) {
    list->n_plain = 0;
    put_space(list, 0);
    for (size_t i = 0; i < n_bytes;) {
        uint8_t c = text[i];
        if (c < 0x80) {
            if (c <= ' ' || c == 0x7F)
                put_space(list, i);
            else
                put(list, c >= 'A' && c <= 'Z' ? c + 32 : c, i);
            i++;
            continue;
        }
        size_t n = character_nbytes(text + i, n_bytes - i);
        if (is_general_punctuation(text + i, n)) {
            put_space(list, i);
        } else if (n == 2) {
            uint32_t code = lower_two((uint32_t)(c & 0x1F) << 6 | (text[i + 1] & 0x3F));
            put(list, (uint8_t)(0xC0 | code >> 6), i);
            put(list, (uint8_t)(0x80 | (code & 0x3F)), i + 1);
        } else {
            for (size_t k = 0; k < n; k++)
                put(list, text[i + k], i + k);
        }
        i += n;
    }
    put_space(list, n_bytes);
    list->at[list->n_plain] = (uint32_t)n_bytes;
}

/* ---- Hashes ------------------------------------------------------------- */

#define HASH_START UINT64_C(0x9E3779B97F4A7C15)
#define HASH_STEP UINT64_C(0xD6E8FEB86659FD93)

static uint64_t hash_step(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * HASH_STEP;
    return hash ^ hash >> 32;
}

/* All bits of the result depend on all of the steps' bits. */
static uint64_t hash_end(uint64_t hash) {
    hash ^= hash >> 29;
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return hash ^ hash >> 32;
}

static void add(az_feature_list *list, uint64_t hash, size_t from, size_t to) {
    if (list->with_places) {
        list->from[list->n] = list->at[from];
        list->to[list->n] = list->at[to];
    }
    list->hashes[list->n++] = hash & AZ_FEATURE_HASH_MASK;
}

static void find_words(az_feature_list *list, const az_feature_kinds *kinds) {
    const uint8_t *p = list->plain;
    uint64_t before[AZ_FEATURE_WORDS_MAX] = {0}; /* hashes of the words before, last first */
    size_t starts[AZ_FEATURE_WORDS_MAX] = {0};
    unsigned n_before = 0;
    for (size_t i = 0; i < list->n_plain;) {
        if (p[i] == ' ') {
            i++;
            continue;
        }
        size_t end = i + 1;
        uint64_t word = hash_step(HASH_START, p[i]);
        if (is_word_byte(p[i]))
            for (; end < list->n_plain && is_word_byte(p[end]); end++)
                word = hash_step(word, p[end]);
        if (!is_word_byte(p[i]) && !kinds->marks) {
            i = end;
            continue;
        }
        uint64_t hash = word;
        add(list, hash_end(hash) & ~AZ_FEATURE_IS_RUN, i, end);
        for (unsigned k = 0; k < n_before && k + 1 < kinds->n_words; k++) {
            hash = hash_step(hash * 3, before[k]);
            add(list, hash_end(hash + k + 1) & ~AZ_FEATURE_IS_RUN, starts[k], end);
        }
        for (unsigned k = AZ_FEATURE_WORDS_MAX - 1; k > 0; k--) {
            before[k] = before[k - 1];
            starts[k] = starts[k - 1];
        }
        before[0] = word;
        starts[0] = i;
        if (n_before < AZ_FEATURE_WORDS_MAX)
            n_before++;
        i = end;
    }
}

static void find_runs(az_feature_list *list, const az_feature_kinds *kinds) {
    const uint8_t *p = list->plain;
    for (size_t i = 0; i < list->n_plain; i += character_nbytes(p + i, list->n_plain - i)) {
        uint64_t hash = ~HASH_START;
        size_t end = i;
        for (unsigned n = 1; n <= kinds->run_max && end < list->n_plain; n++) {
            size_t n_bytes = character_nbytes(p + end, list->n_plain - end);
            for (size_t k = 0; k < n_bytes; k++)
                hash = hash_step(hash, p[end + k]);
            bool ends_word = p[end] == ' ' && n > 1;
            end += n_bytes;
            if (n >= kinds->run_min)
                add(list, hash_end(hash) | AZ_FEATURE_IS_RUN, i, end);
            if (ends_word && kinds->in_words)
                break;
        }
    }
}

/* ---- Images --------------------------------------------------------------- */

/* A pixel outside of the image is 0. */
static unsigned pixel(const uint8_t *image, size_t n_bytes, size_t width, size_t x, size_t y) {
    size_t i = y * width + x;
    return x < width && i < n_bytes ? image[i] : 0;
}

/* At every place the 3 x 3 pixels around it in black and white, and the 2 x 2 in 4 shades; at
 * every second place 4 x 4 in black and white, known to two pixels only. Empty ones say nothing. */
static void find_patterns(az_feature_list *list, const uint8_t *image, size_t n_bytes,
                          size_t width) {
    for (size_t i = 0; i < n_bytes; i++) {
        size_t x = i % width, y = i / width;
        uint64_t nine = 0, four = 0, sixteen = 0;
        for (size_t k = 0; k < 9; k++)
            nine = nine << 1 | pixel(image, n_bytes, width, x + k % 3, y + k / 3) >> 7;
        for (size_t k = 0; k < 4; k++)
            four = four << 2 | pixel(image, n_bytes, width, x + k % 2, y + k / 2) >> 6;
        for (size_t k = 0; k < 16; k++)
            sixteen = sixteen << 1 | pixel(image, n_bytes, width, x + k % 4, y + k / 4) >> 7;
        uint64_t place = hash_step(HASH_START, i);
        if (nine)
            add(list, hash_end(hash_step(place, nine)) & ~AZ_FEATURE_IS_RUN, i, i + 1);
        if (four)
            add(list, hash_end(hash_step(place, four + 512)) & ~AZ_FEATURE_IS_RUN, i, i + 1);
        if (sixteen)
            add(list,
                hash_end(hash_step(hash_step(HASH_START, y / 2 * width + x / 2), sixteen + 1024)) |
                    AZ_FEATURE_IS_RUN,
                i, i + 1);
    }
}

static void find_in_image(az_feature_list *list, const uint8_t *image, size_t n_bytes,
                          size_t width) {
    for (size_t i = 0; i <= n_bytes && list->with_places; i++)
        list->at[i] = (uint32_t)i;
    find_patterns(list, image, n_bytes, width);
}

/* ---- The list ------------------------------------------------------------ */

static az_status make_room(az_feature_list *list, const az_feature_kinds *kinds, size_t n_bytes,
                           az_error *error) {
    size_t n_plain = n_bytes + 2;
    size_t n_kinds = kinds->n_words + (kinds->run_max ? kinds->run_max - kinds->run_min + 1u : 0u);
    size_t n = n_plain * (kinds->image_width ? 3 : n_kinds);
    if (n_plain > list->plain_capacity) {
        az_features_free(list);
        size_t capacity = n_plain + n_plain / 2;
        list->plain = az_alloc(list->heap, capacity);
        list->at = az_alloc(list->heap, (capacity + 1) * sizeof *list->at);
        if (!list->plain || !list->at)
            return az_alloc_failed(list->heap, capacity * 5, error);
        list->plain_capacity = capacity;
    }
    if (n > list->capacity) {
        az_free(list->heap, list->hashes);
        az_free(list->heap, list->from);
        az_free(list->heap, list->to);
        list->hashes = NULL;
        list->from = list->to = NULL;
        list->capacity = 0;
        size_t capacity = n + n / 2;
        list->hashes = az_alloc(list->heap, capacity * sizeof *list->hashes);
        if (list->with_places) {
            list->from = az_alloc(list->heap, capacity * sizeof *list->from);
            list->to = az_alloc(list->heap, capacity * sizeof *list->to);
        }
        if (!list->hashes || (list->with_places && (!list->from || !list->to)))
            return az_alloc_failed(list->heap, capacity * sizeof *list->hashes, error);
        list->capacity = capacity;
    }
    return AZ_OK;
}

az_status az_features_find(az_feature_list *list, const az_feature_kinds *kinds, az_text text,
                           az_error *error) {
    if (text.n_bytes > AZ_FEATURE_TEXT_MAX)
        return az_error_set(error, AZ_ERROR_ARGUMENT, AZ_ERROR_NO_OFFSET,
                            "a text of %zu bytes is too long: 2 GiB at most", text.n_bytes);
    AZ_TRY(make_room(list, kinds, text.n_bytes, error));
    list->n = 0;
    if (kinds->image_width > 0) {
        find_in_image(list, text.data, text.n_bytes, kinds->image_width);
        return AZ_OK;
    }
    make_plain(list, text.data, text.n_bytes);
    if (kinds->n_words > 0)
        find_words(list, kinds);
    if (kinds->run_max > 0)
        find_runs(list, kinds);
    return AZ_OK;
}

double az_feature_earns(const az_feature_list *list, size_t i, double earned, double *bits,
                        size_t n_bytes) {
    uint32_t from = list->from[i], to = list->to[i];
    if (n_bytes == 0)
        return earned;
    if (to == from) /* a space that was put at either end */
        from = from ? from - 1 : 0, to = from + 1;
    for (uint32_t at = from; at < to; at++)
        bits[at] += earned / (to - from);
    return 0;
}

void az_features_free(az_feature_list *list) {
    az_free(list->heap, list->hashes);
    az_free(list->heap, list->from);
    az_free(list->heap, list->to);
    az_free(list->heap, list->plain);
    az_free(list->heap, list->at);
    *list = (az_feature_list){.heap = list->heap, .with_places = list->with_places};
}
