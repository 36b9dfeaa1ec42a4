/*
 * sha256: the hash by which a model is known, so that an archive can say which file it needs.
 * As in FIPS 180-4 (nist.gov), section 6.2.
 *
 * The message is cut into blocks of 64 bytes; each is mixed into a state of eight 32-bit words
 * in 64 rounds. At the end come a bit 1, zeros, and the length in bits as 64 bits, big endian,
 * so that the whole is a number of blocks.
 *
 * The rounds of a CPU that has instructions for them are in sha256_x86.c.
 */
#include "base.h"
#include "sha256.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const uint32_t az_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static uint32_t read_be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_be32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void az_sha256_blocks_ref(uint32_t state[8], const uint8_t *data, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, data += 64) {
        uint32_t w[64]; /* the block's words, and 48 made of those before */
        for (int t = 0; t < 16; t++)
            w[t] = read_be32(data + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t s0 = rotated(w[t - 15], 7) ^ rotated(w[t - 15], 18) ^ w[t - 15] >> 3;
            uint32_t s1 = rotated(w[t - 2], 17) ^ rotated(w[t - 2], 19) ^ w[t - 2] >> 10;
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++) {
            uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
            uint32_t choice = (e & f) ^ (~e & g);
            uint32_t t1 = h + s1 + choice + az_sha256_constants[t] + w[t];
            uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
            uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + s0 + majority;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}

void az_sha256_begin(az_sha256 *hash) {
    /* The same of the square roots of the first 8 primes. */
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, first, sizeof first);
    hash->blocks = az_sha256_blocks_ref;
#if defined(__x86_64__)
    if (az_cpu_features() & AZ_CPU_SHA)
        hash->blocks = az_sha256_blocks_x86;
#endif
}

void az_sha256_add(az_sha256 *hash, const void *data, size_t n_bytes) {
    if (n_bytes == 0)
        return;
    const uint8_t *p = data;
    size_t n_kept = (size_t)(hash->n_bytes % 64);
    hash->n_bytes += n_bytes;
    if (n_kept > 0) {
        size_t n = n_bytes < 64 - n_kept ? n_bytes : 64 - n_kept;
        memcpy(hash->kept + n_kept, p, n);
        if (n_kept + n < 64)
            return;
        hash->blocks(hash->state, hash->kept, 1);
        p += n;
        n_bytes -= n;
    }
    hash->blocks(hash->state, p, n_bytes / 64);
    memcpy(hash->kept, p + n_bytes / 64 * 64, n_bytes % 64);
}

void az_sha256_end(az_sha256 *hash, uint8_t sum[32]) {
    size_t n_kept = (size_t)(hash->n_bytes % 64);
    uint64_t n_bits = hash->n_bytes * 8;
    uint8_t end[128] = {0}; /* one block, or two where the length doesn't fit the first */
    size_t n_end = n_kept < 56 ? 64 : 128;
    memcpy(end, hash->kept, n_kept);
    end[n_kept] = 0x80;
    write_be32(end + n_end - 8, (uint32_t)(n_bits >> 32));
    write_be32(end + n_end - 4, (uint32_t)n_bits);
    hash->blocks(hash->state, end, n_end / 64);
    for (int i = 0; i < 8; i++)
        write_be32(sum + 4 * i, hash->state[i]);
}
