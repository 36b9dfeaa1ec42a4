/* pack: see pack.h. */
#include "pack.h"

void az_pack_bytes(az_packer *p, const void *data, size_t n_bytes) {
    if (p->failed || n_bytes == 0)
        return;
    if (p->n_bytes + n_bytes > p->capacity) {
        size_t capacity = (p->n_bytes + n_bytes) * 2 + 64;
        uint8_t *grown = az_regrow(p->heap, p->data, p->n_bytes, capacity);
        if (!grown) {
            p->failed = true;
            return;
        }
        p->data = grown;
        p->capacity = capacity;
    }
    memcpy(p->data + p->n_bytes, data, n_bytes);
    p->n_bytes += n_bytes;
}

void az_pack_varint(az_packer *p, uint64_t value) {
    uint8_t buf[AZ_VARINT_MAX];
    az_pack_bytes(p, buf, az_varint_write(buf, value));
}

void az_pack_le32(az_packer *p, uint32_t value) {
    uint8_t buf[4];
    az_write_le32(buf, value);
    az_pack_bytes(p, buf, sizeof buf);
}

void az_pack_float(az_packer *p, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    az_pack_le32(p, bits);
}

void az_pack_double(az_packer *p, double value) {
    uint64_t bits;
    uint8_t buf[8];
    memcpy(&bits, &value, sizeof bits);
    az_write_le64(buf, bits);
    az_pack_bytes(p, buf, sizeof buf);
}

const uint8_t *az_unpack_bytes(az_unpacker *u, uint64_t n_bytes) {
    if (u->failed || n_bytes > u->n_bytes - u->pos) {
        u->failed = true;
        return NULL;
    }
    const uint8_t *at = u->data + u->pos;
    u->pos += (size_t)n_bytes;
    return at;
}

uint64_t az_unpack_varint(az_unpacker *u, uint64_t max) {
    uint64_t value = 0;
    int n = u->failed ? -1 : az_varint_read(u->data + u->pos, u->n_bytes - u->pos, &value);
    if (n <= 0 || value > max) {
        u->failed = true;
        return 0;
    }
    u->pos += (size_t)n;
    return value;
}

uint32_t az_unpack_le32(az_unpacker *u) {
    const uint8_t *at = az_unpack_bytes(u, 4);
    return at ? az_read_le32(at) : 0;
}

float az_unpack_float(az_unpacker *u, float min, float max) {
    uint32_t bits = az_unpack_le32(u);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (u->failed || !(value >= min && value <= max)) {
        u->failed = true;
        return 0;
    }
    return value;
}

double az_unpack_double(az_unpacker *u, double min, double max) {
    const uint8_t *at = az_unpack_bytes(u, 8);
    uint64_t bits = at ? az_read_le64(at) : 0;
    double value;
    memcpy(&value, &bits, sizeof value);
    if (u->failed || !(value >= min && value <= max)) {
        u->failed = true;
        return 0;
    }
    return value;
}
