/*
 * --verify: decodes an archive that was just written and compares a sum of what
 * comes out with that of what went in. A file is read back whole before it gets
 * its name; towards a pipe each piece is decoded as it is written.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_NBYTES ((size_t)1 << 18)

/* FNV-1a, 64 bits: one line, and independent of the archive's own checks. */
#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

void az_digest_init(az_digest *digest) {
    digest->hash = FNV_OFFSET;
    digest->n_bytes = 0;
}

void az_digest_add(az_digest *digest, const void *data, size_t n_bytes) {
    const uint8_t *p = data;
    uint64_t hash = digest->hash;
    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    digest->hash = hash;
    digest->n_bytes += n_bytes;
}

int az_verifier_open(az_verifier *verifier, const az_options *opt, const char *name) {
    *verifier = (az_verifier){0};
    az_digest_init(&verifier->digest);
    int rc = az_decoder_setup(&verifier->decoder, opt, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_decoder_set(verifier->decoder, AZ_PARAM_VERIFY, 1, NULL);
    verifier->buf = malloc(BUF_NBYTES);
    if (!verifier->buf) {
        az_say_error(opt, name, "not enough memory to verify it.");
        az_verifier_close(verifier);
        return AZ_EXIT_MEMORY;
    }
    return AZ_EXIT_OK;
}

static int fail(const az_options *opt, const char *name, const char *why) {
    az_say_error(opt, name,
                 "verifying failed (%s), so it is not kept; please report this with the file.",
                 why);
    return AZ_EXIT_DAMAGED;
}

int az_verifier_push(az_verifier *verifier, const az_options *opt, const char *name,
                     const void *data, size_t n_bytes, az_action action) {
    az_input in = {data, n_bytes, 0};
    for (;;) {
        az_output out = {verifier->buf, BUF_NBYTES, 0};
        az_error error = {.status = AZ_OK};
        int done = 0;
        size_t before = in.pos;
        if (az_decoder_run(verifier->decoder, &in, &out, action, &done, &error) != AZ_OK) {
            if (error.status == AZ_ERROR_MEMORY || error.status == AZ_ERROR_MEMORY_LIMIT)
                return az_say_library_error(opt, name, &error);
            return fail(opt, name, error.text);
        }
        az_digest_add(&verifier->digest, out.data, out.pos);
        if (done || (action == AZ_RUN && in.pos == in.size && out.pos < out.size))
            return AZ_EXIT_OK;
        if (in.pos == before && out.pos == 0)
            return action == AZ_RUN ? AZ_EXIT_OK : fail(opt, name, "the archive does not end");
    }
}

int az_verifier_finish(const az_verifier *verifier, const az_options *opt, const char *name,
                       const az_digest *expected) {
    if (verifier->digest.n_bytes != expected->n_bytes)
        return fail(opt, name, "the size differs");
    if (verifier->digest.hash != expected->hash)
        return fail(opt, name, "the content differs");
    return AZ_EXIT_OK;
}

void az_verifier_close(az_verifier *verifier) {
    az_decoder_close(&verifier->decoder);
    free(verifier->buf);
    verifier->buf = NULL;
}

/* buf[0..n_bytes) of the file; nothing is its end. */
static int push_piece(az_verifier *verifier, const az_options *opt, const char *name, uint8_t *buf,
                      size_t n_bytes, az_armour *armour) {
    az_action action = n_bytes ? AZ_RUN : AZ_FINISH;
    if (opt->base64 && !az_armour_decode(armour, buf, &n_bytes))
        return fail(opt, name, "its text is not base64");
    return az_verifier_push(verifier, opt, name, buf, n_bytes, action);
}

int az_verify_file(const az_options *opt, const char *name, int fd, uint64_t n_bytes,
                   const az_digest *expected, az_progress *progress) {
    az_verifier verifier;
    int rc = az_verifier_open(&verifier, opt, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_decoder_set_progress(verifier.decoder, az_progress_update, progress);
    uint8_t *buf = malloc(BUF_NBYTES);
    uint64_t pos = 0;
    az_armour armour = {0};
    while (rc == AZ_EXIT_OK && buf) {
        ssize_t n = pread(fd, buf, BUF_NBYTES, (off_t)pos);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = fail(opt, name, strerror(errno));
        else if ((uint64_t)n > n_bytes - pos || (n == 0 && pos != n_bytes))
            rc = fail(opt, name, "the file has another size");
        else
            rc = push_piece(&verifier, opt, name, buf, (size_t)n, &armour);
        if (n == 0)
            break;
        pos += n > 0 ? (uint64_t)n : 0;
    }
    if (!buf)
        rc = fail(opt, name, "not enough memory");
    if (rc == AZ_EXIT_OK)
        rc = az_verifier_finish(&verifier, opt, name, expected);
    az_progress_clear(progress);
    free(buf);
    az_verifier_close(&verifier);
    return rc;
}
