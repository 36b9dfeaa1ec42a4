/*
 * --base64: an archive as text (RFC 4648, lines of 76 characters), for mail and chat. White space
 * between the characters doesn't matter when it is read.
 */
#include "cli.h"

#include <string.h>

enum { LINE = 76 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t put(az_armour *a, char *out, size_t n, char c) {
    out[n++] = c;
    if (++a->column == LINE && !a->one_line) {
        out[n++] = '\n';
        a->column = 0;
    }
    return n;
}

size_t az_armour_encode(az_armour *a, const uint8_t *in, size_t n_bytes, bool last, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        a->bits = a->bits << 8 | in[i];
        a->n_bits += 8;
        while (a->n_bits >= 6) {
            a->n_bits -= 6;
            n = put(a, out, n, digits[a->bits >> a->n_bits & 63]);
        }
    }
    if (!last)
        return n;
    if (a->n_bits > 0) {
        int missing = a->n_bits == 4 ? 1 : 2;
        n = put(a, out, n, digits[a->bits << (6 - a->n_bits) & 63]);
        for (int i = 0; i < missing; i++)
            n = put(a, out, n, '=');
    }
    if (a->column > 0)
        out[n++] = '\n';
    return n;
}

bool az_armour_decode(az_armour *a, uint8_t *buf, size_t *n_bytes) {
    size_t n = 0;
    for (size_t i = 0; i < *n_bytes; i++, a->offset++) {
        char c = (char)buf[i];
        const char *digit = c ? strchr(digits, c) : NULL;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (c == '=' && a->n_bits > 0 && a->n_padding < 2) {
            a->n_padding++;
            continue;
        }
        if (!digit || a->n_padding)
            return false;
        a->bits = a->bits << 6 | (uint32_t)(digit - digits);
        a->n_bits += 6;
        if (a->n_bits >= 8) {
            a->n_bits -= 8;
            buf[n++] = (uint8_t)(a->bits >> a->n_bits);
        }
    }
    *n_bytes = n;
    return true;
}

bool az_armour_is_whole(const az_armour *a) {
    int missing = a->n_bits == 4 ? 2 : a->n_bits == 2 ? 1 : 0;
    uint32_t rest = a->bits & (((uint32_t)1 << a->n_bits) - 1);
    return a->n_bits < 6 && rest == 0 && (a->n_padding == missing || a->n_padding == 0);
}

bool az_looks_armoured(const uint8_t *data, size_t n_bytes) {
    return n_bytes >= 5 && memcmp(data, "mkFJW", 5) == 0; /* 9A 41 49 5A */
}
