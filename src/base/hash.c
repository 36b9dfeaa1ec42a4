/*
 * hash: XXH32 (Yann Collet's xxHash, github.com/Cyan4973/xxHash), compiled in
 * from its header, so that nothing is needed at run time. It finds damage; it
 * doesn't stop a forger.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base.h"

_Static_assert(sizeof(XXH32_state_t) <= sizeof(az_hash), "az_hash holds the state");
_Static_assert(_Alignof(az_hash) >= _Alignof(XXH32_state_t), "az_hash is aligned for the state");

uint32_t az_check(const void *data, size_t n_bytes) {
    return data ? XXH32(data, n_bytes, 0) : XXH32("", 0, 0);
}

/* The state is copied in and out: az_hash is an object of another type. */
void az_hash_begin(az_hash *hash, uint32_t seed) {
    XXH32_state_t state;
    memset(&state, 0, sizeof state);
    XXH32_reset(&state, seed);
    memcpy(hash, &state, sizeof state);
}

void az_hash_add(az_hash *hash, const void *data, size_t n_bytes) {
    if (n_bytes == 0)
        return;
    XXH32_state_t state;
    memcpy(&state, hash, sizeof state);
    XXH32_update(&state, data, n_bytes);
    memcpy(hash, &state, sizeof state);
}

uint32_t az_hash_value(const az_hash *hash) {
    XXH32_state_t state;
    memcpy(&state, hash, sizeof state);
    return XXH32_digest(&state);
}
