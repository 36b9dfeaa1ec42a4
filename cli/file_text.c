/* Files that are held whole while they are used. */
#include "cli.h"

#include <stdlib.h>

/* Room for twice as much, or for what is known to come and one byte, which shows that a
 * file has grown. */
static int make_room(az_file_text *text, const az_options *opt, size_t *capacity,
                     uint64_t n_known) {
    uint64_t n = n_known < UINT64_MAX ? n_known + 1 : 1 << 16;
    if (n <= *capacity)
        n = 2 * (uint64_t)*capacity;
    if (opt->memlimit && n > opt->memlimit) {
        az_say_error(opt, text->name,
                     "%llu bytes of memory are needed to hold it, but the limit is %llu; raise "
                     "--memlimit to allow it.",
                     (unsigned long long)n, (unsigned long long)opt->memlimit);
        return AZ_EXIT_MEMORY;
    }
    uint8_t *data = n <= SIZE_MAX ? realloc(text->data, (size_t)n) : NULL;
    if (!data) {
        az_say_error(opt, text->name, "not enough memory to hold it (%llu bytes).",
                     (unsigned long long)n);
        return AZ_EXIT_MEMORY;
    }
    text->data = data;
    *capacity = (size_t)n;
    return AZ_EXIT_OK;
}

int az_file_text_read(az_file_text *text, const az_options *opt, const char *path) {
    az_source source;
    size_t capacity = 0, n = 1;
    *text = (az_file_text){.name = path};
    int rc = az_source_open(&source, opt, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    text->name = source.name;
    while (rc == AZ_EXIT_OK && n > 0) {
        if (text->n_bytes == capacity)
            rc = make_room(text, opt, &capacity, source.n_bytes);
        if (rc == AZ_EXIT_OK)
            rc = az_source_read(&source, opt, text->data + text->n_bytes, capacity - text->n_bytes,
                                &n);
        if (rc == AZ_EXIT_OK)
            text->n_bytes += n;
    }
    az_source_close(&source);
    if (rc != AZ_EXIT_OK)
        az_file_text_free(text);
    return rc;
}

void az_file_text_free(az_file_text *text) {
    free(text->data);
    text->data = NULL;
    text->n_bytes = 0;
}
