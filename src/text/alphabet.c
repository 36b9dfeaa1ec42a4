/* alphabet: three of them. */
#include "alphabet.h"

/* CJK unified ideographs, those of extension A, Hangul syllables: as they were in Unicode 3.0. */
static const struct range {
    uint32_t first, n;
} ranges[] = {{0x4E00, 0x9FA5 - 0x4E00 + 1}, {0x3400, 0x4DB5 - 0x3400 + 1}, {0xAC00, 11172}};

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The GSM 7-bit default alphabet, by number; 0: LF, CR, the escape, and the blank. */
static const uint16_t gsm7[128] = {
    '@',    0x00A3, '$',    0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC, 0x00F2, 0x00C7, 0,      0x00D8,
    0x00F8, 0,      0x00C5, 0x00E5, 0x0394, '_',    0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8,
    0x03A3, 0x0398, 0x039E, 0,      0x00C6, 0x00E6, 0x00DF, 0x00C9, 0,      '!',    '"',    '#',
    0x00A4, '%',    '&',    '\'',   '(',    ')',    '*',    '+',    ',',    '-',    '.',    '/',
    '0',    '1',    '2',    '3',    '4',    '5',    '6',    '7',    '8',    '9',    ':',    ';',
    '<',    '=',    '>',    '?',    0x00A1, 'A',    'B',    'C',    'D',    'E',    'F',    'G',
    'H',    'I',    'J',    'K',    'L',    'M',    'N',    'O',    'P',    'Q',    'R',    'S',
    'T',    'U',    'V',    'W',    'X',    'Y',    'Z',    0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7,
    0x00BF, 'a',    'b',    'c',    'd',    'e',    'f',    'g',    'h',    'i',    'j',    'k',
    'l',    'm',    'n',    'o',    'p',    'q',    'r',    's',    't',    'u',    'v',    'w',
    'x',    'y',    'z',    0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0};

enum { N_RANGES = sizeof ranges / sizeof ranges[0], GSM7_LEFT_OUT = 4 };

uint32_t az_alphabet_size(az_alphabet alphabet) {
    switch (alphabet) {
    case AZ_ALPHABET_UNICODE: return ranges[0].n + ranges[1].n + ranges[2].n;
    case AZ_ALPHABET_BASE64: return 64;
    default: return 128 - GSM7_LEFT_OUT;
    }
}

uint32_t az_alphabet_char(az_alphabet alphabet, uint32_t digit) {
    if (alphabet == AZ_ALPHABET_BASE64)
        return (uint8_t)base64[digit];
    if (alphabet == AZ_ALPHABET_UNICODE) {
        uint32_t i = 0;
        for (; digit >= ranges[i].n; i++)
            digit -= ranges[i].n;
        return ranges[i].first + digit;
    }
    for (uint32_t i = 0;; i++)
        if (gsm7[i] && digit-- == 0)
            return gsm7[i];
}

int32_t az_alphabet_digit(az_alphabet alphabet, uint32_t c) {
    int32_t digit = 0;
    if (alphabet == AZ_ALPHABET_BASE64) {
        const char *at = c > 0 && c < 128 ? strchr(base64, (int)c) : NULL;
        return at ? (int32_t)(at - base64) : -1;
    }
    for (uint32_t i = 0; alphabet == AZ_ALPHABET_UNICODE && i < N_RANGES; i++) {
        if (c - ranges[i].first < ranges[i].n)
            return digit + (int32_t)(c - ranges[i].first);
        digit += (int32_t)ranges[i].n;
    }
    for (uint32_t i = 0; alphabet == AZ_ALPHABET_GSM7 && i < 128; i++) {
        if (gsm7[i] && gsm7[i] == c)
            return digit;
        digit += gsm7[i] != 0;
    }
    return -1;
}

uint32_t az_gsm7_septets(uint32_t c) {
    if (c == '\n' || c == '\r' || c == ' ')
        return 1;
    if (c == 0x20AC || (c < 128 && c > 0 && strchr("\f^{}\\[~]|", (int)c)))
        return 2;
    return az_alphabet_digit(AZ_ALPHABET_GSM7, c) >= 0;
}

bool az_is_passed_over(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) || c == 0x205F ||
           c == 0x2060 || c == 0x3000 || c == 0xFEFF;
}

uint32_t az_utf8_next(const uint8_t *text, size_t n, size_t *at) {
    uint32_t c = text[*at];
    size_t more = c < 0x80                ? 0
                  : c >= 0xC2 && c < 0xE0 ? 1
                  : c < 0xE0              ? 9
                  : c < 0xF0              ? 2
                  : c < 0xF5              ? 3
                                          : 9;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (more > 3 || n - *at <= more)
        return UINT32_MAX;
    c &= more ? 0x3Fu >> more : 0x7Fu;
    for (size_t i = 1; i <= more; i++) {
        if ((text[*at + i] & 0xC0) != 0x80)
            return UINT32_MAX;
        c = c << 6 | (text[*at + i] & 0x3Fu);
    }
    if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return UINT32_MAX;
    *at += more + 1;
    return c;
}

size_t az_utf8_put(uint8_t *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (uint8_t)(first[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        to[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3F));
    return more + 1;
}
