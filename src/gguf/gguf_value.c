/*
 * gguf_value: numbers and texts out of a model's metadata. Writers of such files choose among
 * eleven types of number, and not always the same for one key, so a number is taken whatever
 * its type, if its value fits.
 */
#include "gguf_parse.h"
#include "gguf_view.h"

static float f32_of(const uint8_t *p) {
    uint32_t bits = az_read_le32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double f64_of(const uint8_t *p) {
    uint64_t bits = az_read_le64(p);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* One number of whatever type, as the widest type of its kind. */
typedef struct number {
    enum { NO_NUMBER, UNSIGNED, SIGNED, REAL } kind;
    uint64_t u; /* UNSIGNED */
    int64_t s;  /* SIGNED, less than 0 */
    double r;   /* REAL */
} number;

static number of_signed(int64_t s) {
    return s < 0 ? (number){.kind = SIGNED, .s = s} : (number){.kind = UNSIGNED, .u = (uint64_t)s};
}

static number read_number(uint32_t type, const uint8_t *p) {
    switch (type) {
    case AZ_GGUF_U8:
    case AZ_GGUF_BOOL: return (number){.kind = UNSIGNED, .u = p[0]};
    case AZ_GGUF_I8: return of_signed((int8_t)p[0]);
    case AZ_GGUF_U16: return (number){.kind = UNSIGNED, .u = (uint64_t)(p[0] | p[1] << 8)};
    case AZ_GGUF_I16: return of_signed((int16_t)(p[0] | p[1] << 8));
    case AZ_GGUF_U32: return (number){.kind = UNSIGNED, .u = az_read_le32(p)};
    case AZ_GGUF_I32: return of_signed((int32_t)az_read_le32(p));
    case AZ_GGUF_U64: return (number){.kind = UNSIGNED, .u = az_read_le64(p)};
    case AZ_GGUF_I64: return of_signed((int64_t)az_read_le64(p));
    case AZ_GGUF_F32: return (number){.kind = REAL, .r = f32_of(p)};
    case AZ_GGUF_F64: return (number){.kind = REAL, .r = f64_of(p)};
    default: return (number){.kind = NO_NUMBER};
    }
}

/* ---- One value by key ---------------------------------------------------------------- */

static az_status bad_value(const az_gguf *gguf, const az_gguf_value *value, az_error *error,
                           const char *what) {
    const az_gguf_part *part = &gguf->parts[0];
    return az_gguf_bad(part, error, (uint64_t)(value->data - part->data), "%.*s is %s",
                       AZ_GGUF_SHOWN(value->key), what);
}

static number number_of(const az_gguf_value *value) {
    if (value->type == AZ_GGUF_BOOL)
        return (number){.kind = NO_NUMBER};
    return read_number(value->type, value->data);
}

bool az_gguf_as_u64(const az_gguf_value *value, uint64_t *out) {
    number x = number_of(value);
    /* A real: whole, and below 2^53, where not all whole numbers are reals any more. */
    if (x.kind == REAL && x.r >= 0 && x.r < 9007199254740992.0 && (double)(uint64_t)x.r == x.r)
        x = (number){.kind = UNSIGNED, .u = (uint64_t)x.r};
    if (x.kind != UNSIGNED)
        return false;
    *out = x.u;
    return true;
}

az_status az_gguf_get_u32(const az_gguf *gguf, const char *key, uint32_t *out, az_error *error) {
    const az_gguf_value *value = az_gguf_find(gguf, key);
    uint64_t u;
    if (!value)
        return AZ_OK;
    if (number_of(value).kind == NO_NUMBER)
        return bad_value(gguf, value, error, "not a number");
    if (!az_gguf_as_u64(value, &u) || u > UINT32_MAX)
        return bad_value(gguf, value, error, "not a whole number from 0 to 4294967295");
    *out = (uint32_t)u;
    return AZ_OK;
}

az_status az_gguf_get_f32(const az_gguf *gguf, const char *key, float *out, az_error *error) {
    const az_gguf_value *value = az_gguf_find(gguf, key);
    if (!value)
        return AZ_OK;
    number x = number_of(value);
    if (x.kind == NO_NUMBER)
        return bad_value(gguf, value, error, "not a number");
    const double max = 0x1.fffffep127; /* the largest binary32 */
    if (x.kind == REAL && !(x.r >= -max && x.r <= max))
        return bad_value(gguf, value, error, "infinite, or too large for 32 bits");
    *out = az_gguf_item_f32(value, 0);
    return AZ_OK;
}

az_status az_gguf_get_bool(const az_gguf *gguf, const char *key, bool *out, az_error *error) {
    const az_gguf_value *value = az_gguf_find(gguf, key);
    if (!value)
        return AZ_OK;
    if (value->type != AZ_GGUF_BOOL)
        return bad_value(gguf, value, error, "not a truth value");
    *out = value->data[0] != 0;
    return AZ_OK;
}

az_status az_gguf_get_text(const az_gguf *gguf, const char *key, az_gguf_text *out,
                           az_error *error) {
    const az_gguf_value *value = az_gguf_find(gguf, key);
    if (!value)
        return AZ_OK;
    if (value->type != AZ_GGUF_STRING)
        return bad_value(gguf, value, error, "not a text");
    size_t at = 0;
    *out = az_gguf_next_text(value, &at);
    return AZ_OK;
}

/* ---- Items of arrays ------------------------------------------------------------------ */

static number item(const az_gguf_value *value, uint64_t i) {
    size_t size = az_gguf_value_nbytes(value->item_type);
    if (value->type != AZ_GGUF_ARRAY)
        i = 0;
    return read_number(value->item_type, value->data + size * (size_t)i);
}

int64_t az_gguf_item_int(const az_gguf_value *value, uint64_t i) {
    number x = item(value, i);
    switch (x.kind) {
    case UNSIGNED: return x.u < INT64_MAX ? (int64_t)x.u : INT64_MAX;
    case SIGNED: return x.s;
    case REAL: /* towards 0; 2^63 is the first that is too large */
        if (x.r >= 0x1p63)
            return INT64_MAX;
        if (x.r <= -0x1p63)
            return INT64_MIN;
        return x.r == x.r ? (int64_t)x.r : 0;
    default: return 0;
    }
}

float az_gguf_item_f32(const az_gguf_value *value, uint64_t i) {
    number x = item(value, i);
    switch (x.kind) {
    case UNSIGNED: return (float)x.u;
    case SIGNED: return (float)x.s;
    case REAL: return (float)x.r;
    default: return 0;
    }
}

az_gguf_text az_gguf_next_text(const az_gguf_value *value, size_t *at) {
    /* Lengths were checked when the file was opened. */
    az_gguf_text text = {(const char *)value->data + *at + 8,
                         (size_t)az_read_le64(value->data + *at)};
    *at += 8 + text.n_bytes;
    return text;
}
