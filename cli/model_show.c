/*
 * aizip model list and info. What a model file says of itself is a stranger's
 * text: it is printed escaped. With --json:
 *   list  {"models": [{"name": ..., "bytes": ..., ...}, ...]}
 *   info  {"name": ..., "sha256": ..., "metadata": [...], "tensors": [...]}
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* Of an array, and of a text, only the beginning is shown. */
#define MAX_ITEMS 8
#define MAX_TEXT 240
/* The window whose keys and values are counted in the memory needed. */
#define WINDOW 2048

int az_model_open_or_say(const az_options *opt, az_model **model, const char *path) {
    az_error error = {.status = AZ_OK, .offset = AZ_ERROR_NO_OFFSET};
    if (az_model_open(model, path, NULL, &error) == AZ_OK)
        return AZ_EXIT_OK;
    return az_say_library_error(opt, NULL, &error); /* its sentence begins with the path */
}

/* ---- list ------------------------------------------------------------- */

static void print_list_row(const az_model_file *file, const az_model_info *info) {
    char n_bytes[AZ_NUMBER_MAX];
    az_print_escaped(stdout, file->name);
    for (size_t n = strlen(file->name); n < 28; n++)
        putchar(' ');
    printf(" %15s  ", az_format_number(n_bytes, info->file_nbytes));
    az_print_escaped(stdout, *info->architecture ? info->architecture : "-");
    for (size_t n = strlen(info->architecture); n < 12; n++)
        putchar(' ');
    printf(" %-7s  ", *info->type ? info->type : "-");
    az_print_escaped(stdout, file->path);
    putchar('\n');
}

static void print_list_json(const az_model_file *file, const az_model_info *info, bool first) {
    fputs(first ? "{\"name\":" : ",\n {\"name\":", stdout);
    az_print_json_string(file->name);
    printf(",\"bytes\":%ju,\"architecture\":", (uintmax_t)info->file_nbytes);
    az_print_json_string(info->architecture);
    fputs(",\"type\":", stdout);
    az_print_json_string(info->type);
    printf(",\"parameters\":%ju,\"path\":", (uintmax_t)info->n_parameters);
    az_print_json_string(file->path);
    putchar('}');
}

int az_model_list(const az_model_options *opt) {
    az_models models;
    bool first = true;
    int rc = az_models_list(&models, &opt->base);
    if (rc != AZ_EXIT_OK)
        return rc;
    if (opt->base.json)
        fputs("{\"models\":[", stdout);
    for (size_t i = 0; i < models.n; i++) {
        az_model *model = NULL;
        az_model_info info;
        int one = az_model_open_or_say(&opt->base, &model, models.files[i].path);
        rc = one > rc ? one : rc;
        if (one != AZ_EXIT_OK)
            continue;
        az_model_get_info(model, &info);
        if (first && !opt->base.json)
            printf("%-28s %15s  %-12s %-7s  %s\n", "name", "bytes", "architecture", "type", "path");
        if (opt->base.json)
            print_list_json(&models.files[i], &info, first);
        else
            print_list_row(&models.files[i], &info);
        first = false;
        az_model_close(&model);
    }
    if (opt->base.json)
        puts("]}");
    else if (first && az_shows_summary(&opt->base) && rc == AZ_EXIT_OK)
        az_say(NULL, "No models are there yet; aizip model fetch smollm2-135m gets one.");
    az_models_free(&models);
    return rc;
}

/* ---- info: numbers ---------------------------------------------------- */

static void format_sum(char hex[65], const az_model *model) {
    uint8_t sum[AZ_SHA256_NBYTES];
    az_model_sha256(model, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/* "49152 x 576" */
static void print_shape(const az_model_tensor *tensor, const char *separator) {
    for (int i = 0; i < tensor->n_dims; i++)
        printf("%s%ju", i ? separator : "", (uintmax_t)tensor->dims[i]);
}

/* The first `max` bytes of an item's text; NULL without memory. The caller frees it. */
static char *item_text(const az_model *model, size_t i, uint64_t item, size_t max) {
    size_t len = az_model_item_text(model, i, item, NULL, 0);
    size_t capacity = (len < max ? len : max) + 1;
    char *text = malloc(capacity);
    if (text)
        az_model_item_text(model, i, item, text, capacity);
    return text;
}

/* ---- info: for people ------------------------------------------------- */

/* A text on one line, cut short. */
static void print_text(const az_model *model, size_t i, uint64_t item) {
    size_t len = az_model_item_text(model, i, item, NULL, 0);
    char *text = item_text(model, i, item, MAX_TEXT);
    az_print_escaped(stdout, text ? text : "");
    if (len > MAX_TEXT)
        printf("... (%zu bytes)", len);
    free(text);
}

static void print_value(const az_model *model, size_t i) {
    az_model_value value;
    az_model_get_value(model, i, &value);
    fputs("  ", stdout);
    az_print_escaped(stdout, value.key);
    fputs(" = ", stdout);
    if (value.is_array)
        putchar('[');
    for (uint64_t item = 0; item < value.n_items && item < MAX_ITEMS; item++) {
        if (item)
            fputs(", ", stdout);
        print_text(model, i, item);
    }
    if (value.is_array)
        printf("%s] (%ju of %s)", value.n_items > MAX_ITEMS ? ", ..." : "",
               (uintmax_t)value.n_items, value.type);
    putchar('\n');
}

static void print_tensor(const az_model *model, size_t i) {
    az_model_tensor tensor;
    az_model_get_tensor(model, i, &tensor);
    printf("  %-7s ", tensor.type);
    az_print_escaped(stdout, tensor.name);
    fputs("  ", stdout);
    print_shape(&tensor, " x ");
    putchar('\n');
}

static void print_info(const az_model *model, const char *path) {
    az_model_info info;
    char a[AZ_NUMBER_MAX], hex[65];
    az_model_get_info(model, &info);
    format_sum(hex, model);
    fputs("file:         ", stdout);
    az_print_escaped(stdout, path);
    printf("\nbytes:        %s\nsha256:       %s\nformat:       GGUF version %u\narchitecture: ",
           az_format_number(a, info.file_nbytes), hex, (unsigned)info.gguf_version);
    az_print_escaped(stdout, *info.architecture ? info.architecture : "not said");
    printf("\ntype:         %s\nparameters:   %s\n", *info.type ? info.type : "unknown",
           az_format_number(a, info.n_parameters));
    uint64_t memory = az_model_memory(model, WINDOW);
    if (memory != UINT64_MAX)
        printf("memory:       %s bytes in use, with a window of %d tokens\n",
               az_format_number(a, memory), WINDOW);
    printf("metadata:     %zu\n", info.n_values);
    for (size_t i = 0; i < info.n_values; i++)
        print_value(model, i);
    printf("tensors:      %zu\n", info.n_tensors);
    for (size_t i = 0; i < info.n_tensors; i++)
        print_tensor(model, i);
}

/* ---- info: for programs ----------------------------------------------- */

/* A number as such, unless it is one that JSON lacks (inf, nan). */
static void print_json_item(const az_model *model, size_t i, uint64_t item, const char *type) {
    char *text = item_text(model, i, item, SIZE_MAX - 1);
    if (!text)
        fputs("null", stdout);
    else if (strcmp(type, "string") == 0 || strpbrk(text, "ni") || !*text)
        az_print_json_string(text);
    else
        fputs(text, stdout);
    free(text);
}

static void print_json_value(const az_model *model, size_t i) {
    az_model_value value;
    az_model_get_value(model, i, &value);
    fputs(i ? ",\n  {\"key\":" : "\n  {\"key\":", stdout);
    az_print_json_string(value.key);
    printf(",\"type\":\"%s\",", value.type);
    if (value.is_array)
        printf("\"items\":%ju,\"first\":[", (uintmax_t)value.n_items);
    else
        fputs("\"value\":", stdout);
    for (uint64_t item = 0; item < value.n_items && item < MAX_ITEMS; item++) {
        if (item)
            putchar(',');
        print_json_item(model, i, item, value.type);
    }
    fputs(value.is_array ? "]}" : "}", stdout);
}

static void print_json_tensor(const az_model *model, size_t i) {
    az_model_tensor tensor;
    az_model_get_tensor(model, i, &tensor);
    fputs(i ? ",\n  {\"name\":" : "\n  {\"name\":", stdout);
    az_print_json_string(tensor.name);
    printf(",\"type\":\"%s\",\"shape\":[", tensor.type);
    print_shape(&tensor, ",");
    printf("],\"bytes\":%ju}", (uintmax_t)tensor.n_bytes);
}

static void print_json(const az_model *model, const char *path) {
    az_model_info info;
    char hex[65];
    az_model_get_info(model, &info);
    format_sum(hex, model);
    fputs("{\"path\":", stdout);
    az_print_json_string(path);
    printf(",\"bytes\":%ju,\"sha256\":\"%s\",\"gguf_version\":%u,\"architecture\":",
           (uintmax_t)info.file_nbytes, hex, (unsigned)info.gguf_version);
    az_print_json_string(info.architecture);
    fputs(",\"type\":", stdout);
    az_print_json_string(info.type);
    uint64_t memory = az_model_memory(model, WINDOW);
    printf(",\"parameters\":%ju,\"window\":%d,\"memory_bytes\":", (uintmax_t)info.n_parameters,
           WINDOW);
    if (memory == UINT64_MAX)
        fputs("null", stdout);
    else
        printf("%ju", (uintmax_t)memory);
    fputs(",\n \"metadata\":[", stdout);
    for (size_t i = 0; i < info.n_values; i++)
        print_json_value(model, i);
    fputs("],\n \"tensors\":[", stdout);
    for (size_t i = 0; i < info.n_tensors; i++)
        print_json_tensor(model, i);
    puts("]}");
}

int az_model_info_of(const az_model_options *opt, const char *name) {
    char *path;
    az_model *model = NULL;
    int rc = az_models_find(&opt->base, name, &path);
    if (rc != AZ_EXIT_OK)
        return rc;
    rc = az_model_open_or_say(&opt->base, &model, path);
    if (rc == AZ_EXIT_OK) {
        if (opt->base.json)
            print_json(model, path);
        else
            print_info(model, path);
    }
    az_model_close(&model);
    free(path);
    return rc;
}
