/*
 * -l: what archives hold, from their headers and indexes; nothing is decoded.
 * With --json one object, for programs:
 *   {"archives": [{"name": ..., ...}, ...], "total": {...}}
 */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int read_at(void *opaque, uint64_t offset, void *buf, size_t n_bytes) {
    const az_source *source = opaque;
    uint8_t *p = buf;
    while (n_bytes > 0) {
        ssize_t n = pread(source->fd, p, n_bytes, (off_t)(source->start + offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        offset += (uint64_t)n;
        n_bytes -= (size_t)n;
    }
    return 0;
}

static double ratio(const az_archive_info *info) {
    return info->archive_nbytes ? (double)info->content_nbytes / (double)info->archive_nbytes : 0;
}

static double bits_per_byte(const az_archive_info *info) {
    return info->content_nbytes ? (double)info->archive_nbytes * 8 / (double)info->content_nbytes
                                : 0;
}

/* ---- For people ------------------------------------------------------- */

static void print_head(void) {
    printf("%15s %15s %7s %9s  %-8s %5s  %-6s %7s %7s  %s\n", "archive", "content", "ratio",
           "bits/byte", "method", "level", "check", "blocks", "stored", "name");
}

static void print_row(const az_archive_info *info, const char *method, const char *level,
                      const char *check, const char *name) {
    char archive[AZ_NUMBER_MAX], content[AZ_NUMBER_MAX];
    printf("%15s %15s %7.2f %9.3f  %-8s %5s  %-6s %7ju %7ju  ",
           az_format_number(archive, info->archive_nbytes),
           az_format_number(content, info->content_nbytes), ratio(info), bits_per_byte(info),
           method, level, check, (uintmax_t)info->n_blocks, (uintmax_t)info->n_stored_blocks);
    az_print_escaped(stdout, name);
    putchar('\n');
}

static void print_hash(const uint8_t *hash, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++)
        printf("%02x", hash[i]);
}

/* The name of the primer that the archive needs, "" if it needs none. */
static const char *primer_name(const az_archive_info *info) {
    for (size_t i = 0; i < az_primer_count(); i++)
        if (az_primer_get(i)->number == info->primer)
            return az_primer_get(i)->name;
    return info->primer ? "unknown" : "";
}

static void print_info(const az_archive_info *info, const char *name) {
    char method[40], level[16] = "mixed";
    snprintf(method, sizeof method, "%s v%d", info->method_name, info->method_version);
    if (info->level >= 0)
        snprintf(level, sizeof level, "%d", info->level);
    print_row(info, method, level, info->check_name, name);
    if (info->model_version > 0) {
        fputs("                needs the language model ", stdout);
        az_print_escaped(stdout, info->model_name);
        fputs(", SHA-256 ", stdout);
        print_hash(info->model_hash, sizeof info->model_hash);
        printf("..., arithmetic version %d, window %u\n", info->model_version, info->window);
    }
    if (info->primer)
        printf("                after the built-in dictionary number %d, %s\n", info->primer,
               primer_name(info));
    if (info->dictionary_nbytes) {
        printf("                needs a dictionary of %ju bytes, SHA-256 ",
               (uintmax_t)info->dictionary_nbytes);
        print_hash(info->dictionary_hash, sizeof info->dictionary_hash);
        puts("...");
    }
}

/* ---- For programs ----------------------------------------------------- */

/* The fields that add up over files; without the closing brace. */
static void print_json_sizes(const az_archive_info *info) {
    printf("\"archive_bytes\":%ju,\"content_bytes\":%ju,\"ratio\":%.6g,\"bits_per_byte\":%.6g,"
           "\"archives\":%ju,\"blocks\":%ju,\"stored_blocks\":%ju",
           (uintmax_t)info->archive_nbytes, (uintmax_t)info->content_nbytes, ratio(info),
           bits_per_byte(info), (uintmax_t)info->n_archives, (uintmax_t)info->n_blocks,
           (uintmax_t)info->n_stored_blocks);
}

static void print_json_model(const az_archive_info *info) {
    fputs(",\"model\":{\"name\":", stdout);
    az_print_json_string(info->model_name);
    fputs(",\"sha256_prefix\":\"", stdout);
    print_hash(info->model_hash, sizeof info->model_hash);
    printf("\",\"version\":%d,\"window\":%u}", info->model_version, info->window);
}

static void print_json_info(const az_archive_info *info, const char *name, bool first) {
    fputs(first ? "{\"name\":" : ",\n {\"name\":", stdout);
    az_print_json_string(name);
    putchar(',');
    print_json_sizes(info);
    printf(",\"block_bytes\":%ju,\"memory_bytes\":%ju,\"format_version\":%d,\"method\":",
           (uintmax_t)info->block_nbytes, (uintmax_t)info->memory_nbytes, info->format_version);
    az_print_json_string(info->method_name);
    printf(",\"method_version\":%d,\"level\":", info->method_version);
    if (info->level >= 0)
        printf("%d", info->level);
    else
        fputs("null", stdout);
    if (info->model_version > 0)
        print_json_model(info);
    if (info->primer)
        printf(",\"primer\":{\"number\":%d,\"name\":\"%s\"}", info->primer, primer_name(info));
    if (info->dictionary_nbytes) {
        printf(",\"dictionary\":{\"bytes\":%ju,\"sha256_prefix\":\"",
               (uintmax_t)info->dictionary_nbytes);
        print_hash(info->dictionary_hash, sizeof info->dictionary_hash);
        fputs("\"}", stdout);
    }
    fputs(",\"check\":", stdout);
    az_print_json_string(info->check_name);
    putchar('}');
}

/* ---- Files ------------------------------------------------------------ */

void az_list_begin(const az_options *opt) {
    if (opt->json)
        fputs("{\"archives\":[", stdout);
}

int az_list_file(void *opaque, const az_options *opt, const char *name, bool *stop) {
    az_list *list = opaque;
    az_source source;
    (void)stop;
    int rc = az_source_open(&source, opt, name);
    if (rc != AZ_EXIT_OK)
        return rc;
    if (!source.is_regular) {
        az_say_error(opt, source.name,
                     "-l needs a file, since it reads the end of the archive; "
                     "save it to one first.");
        az_source_close(&source);
        return AZ_EXIT_FILE;
    }
    az_archive_info info;
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    az_status status = az_archive_read(&info, read_at, &source, source.n_bytes, &error);
    az_source_close(&source);
    if (status != AZ_OK)
        return az_say_library_error(opt, source.name, &error);
    if (opt->json) {
        print_json_info(&info, source.name, list->n_files == 0);
    } else {
        if (list->n_files == 0)
            print_head();
        print_info(&info, source.name);
    }
    list->n_files++;
    list->total.archive_nbytes += info.archive_nbytes;
    list->total.content_nbytes += info.content_nbytes;
    list->total.n_archives += info.n_archives;
    list->total.n_blocks += info.n_blocks;
    list->total.n_stored_blocks += info.n_stored_blocks;
    return AZ_EXIT_OK;
}

void az_list_end(const az_options *opt, const az_list *list) {
    if (opt->json) {
        printf("],\n\"total\":{\"files\":%ju,", (uintmax_t)list->n_files);
        print_json_sizes(&list->total);
        puts("}}");
    } else if (list->n_files > 1) {
        char name[48];
        snprintf(name, sizeof name, "total of %ju files", (uintmax_t)list->n_files);
        print_row(&list->total, "", "", "", name);
    }
}
