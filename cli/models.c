/*
 * Where models are, and names for them. A model is named by its file, with or
 * without .gguf. A path comes first, then the model folder, then the caches of
 * llama.cpp and of Hugging Face's hub, where other programs have left models:
 *
 *   $AIZIP_MODELS, else $XDG_DATA_HOME/aizip/models, else ~/.local/share/aizip/models
 *   $LLAMA_CACHE, else $XDG_CACHE_HOME/llama.cpp, else ~/.cache/llama.cpp
 *   $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 *   ~/.cache/huggingface/hub: models--OWNER--NAME/snapshots/COMMIT/.../FILE.gguf
 */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GGUF_SUFFIX ".gguf"
/* snapshots/COMMIT/a folder of types/... */
#define MAX_DEPTH 6
#define MAX_FOUND 100000

/* ---- Folders ---------------------------------------------------------- */

/* "$variable" + tail; NULL if it is not set, or no absolute path where the XDG
 * specification wants one. */
static char *from_variable(const char *variable, const char *tail, bool must_be_absolute) {
    const char *value = getenv(variable);
    char *path = NULL;
    if (!value || !*value || (must_be_absolute && *value != '/'))
        return NULL;
    return asprintf(&path, "%s%s", value, tail) < 0 ? NULL : path;
}

char *az_models_folder(void) {
    char *path = from_variable("AIZIP_MODELS", "", false);
    if (!path)
        path = from_variable("XDG_DATA_HOME", "/aizip/models", true);
    return path ? path : from_variable("HOME", "/.local/share/aizip/models", true);
}

static char *llama_folder(void) {
    char *path = from_variable("LLAMA_CACHE", "", false);
    if (!path)
        path = from_variable("XDG_CACHE_HOME", "/llama.cpp", true);
    return path ? path : from_variable("HOME", "/.cache/llama.cpp", true);
}

static char *hub_folder(void) {
    char *path = from_variable("HF_HUB_CACHE", "", false);
    if (!path)
        path = from_variable("HF_HOME", "/hub", false);
    if (!path)
        path = from_variable("XDG_CACHE_HOME", "/huggingface/hub", true);
    return path ? path : from_variable("HOME", "/.cache/huggingface/hub", true);
}

/* ---- Files ------------------------------------------------------------ */

static bool has_suffix(const char *name) {
    size_t len = strlen(name), suffix_len = strlen(GGUF_SUFFIX);
    return len > suffix_len && strcasecmp(name + len - suffix_len, GGUF_SUFFIX) == 0;
}

/* The length of the name without its suffix. */
static size_t stem_length(const char *name) {
    return strlen(name) - (has_suffix(name) ? strlen(GGUF_SUFFIX) : 0);
}

/* Whether it is the second or a later file of a split model:
 * NAME-00002-of-00003.gguf. Only the first stands for the model. */
static bool is_later_part(const char *name) {
    unsigned part, n_parts;
    size_t len = stem_length(name);
    static const char pattern[] = "-00001-of-00001";
    return len > strlen(pattern) &&
           sscanf(name + len - strlen(pattern), "-%5u-of-%5u", &part, &n_parts) == 2 && part > 1;
}

static bool same_name(const char *file, const char *name) {
    size_t len = stem_length(file);
    return len == stem_length(name) && memcmp(file, name, len) == 0;
}

/* Takes the file if it fits; a file met before under another path (snapshots of
 * the hub are links to one file) is left out. */
static bool add(az_models *models, const char *path, const char *file, const char *name) {
    struct stat st;
    if (!has_suffix(file) || (name ? !same_name(file, name) : is_later_part(file)) ||
        models->n == MAX_FOUND || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return true;
    for (size_t i = 0; i < models->n; i++)
        if (models->files[i].device == st.st_dev && models->files[i].inode == st.st_ino)
            return true;
    if ((models->n & (models->n + 1)) == 0) { /* 0, 1, 3, 7, ...: room for twice as many */
        az_model_file *files = realloc(models->files, (2 * models->n + 1) * sizeof *models->files);
        if (!files)
            return false;
        models->files = files;
    }
    az_model_file found = {.path = strdup(path),
                           .name = strndup(file, stem_length(file)),
                           .device = st.st_dev,
                           .inode = st.st_ino,
                           .n_bytes = (uint64_t)st.st_size};
    models->files[models->n++] = found;
    return found.path && found.name;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* All in the folder that fit, down to `depth` folders below it; in order of
 * name. What can't be read is left out. */
static bool scan(az_models *models, const char *folder, const char *name, int depth) {
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, alphasort);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        struct stat st;
        if (ok && asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0) {
            path = NULL;
            ok = false;
        }
        /* lstat: links to folders could lead in circles. */
        if (path && depth > 0 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            ok = scan(models, path, name, depth - 1);
        else if (path)
            ok = add(models, path, entries[i]->d_name, name);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* models--* /snapshots of the hub's cache. */
static bool scan_hub(az_models *models, const char *folder, const char *name) {
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, alphasort);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (ok && strncmp(entries[i]->d_name, "models--", 8) == 0) {
            if (asprintf(&path, "%s/%s/snapshots", folder, entries[i]->d_name) < 0)
                path = NULL;
            ok = path && scan(models, path, name, MAX_DEPTH);
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* Those called `name` (NULL: all) in the model folder, and in the caches of
 * others. */
static bool find_own(az_models *models, const char *name) {
    char *folder = az_models_folder();
    bool ok = !folder || scan(models, folder, name, 0);
    free(folder);
    return ok;
}

static bool find_others(az_models *models, const char *name) {
    char *folder = llama_folder();
    bool ok = !folder || scan(models, folder, name, 0);
    free(folder);
    folder = hub_folder();
    ok = ok && (!folder || scan_hub(models, folder, name));
    free(folder);
    return ok;
}

void az_models_free(az_models *models) {
    for (size_t i = 0; i < models->n; i++) {
        free(models->files[i].path);
        free(models->files[i].name);
    }
    free(models->files);
    *models = (az_models){0};
}

static int out_of_memory(const az_options *opt) {
    az_say_error(opt, NULL, "not enough memory for the list of models.");
    return AZ_EXIT_MEMORY;
}

int az_models_list(az_models *models, const az_options *opt) {
    *models = (az_models){0};
    if (find_own(models, NULL) && find_others(models, NULL))
        return AZ_EXIT_OK;
    az_models_free(models);
    return out_of_memory(opt);
}

/* ---- Names ------------------------------------------------------------ */

bool az_model_name_is_valid(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > AZ_MODEL_NAME_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-+@", *p)))
            return false;
    return true;
}

static int say_ambiguous(const az_options *opt, const char *name, const az_models *models) {
    char *list = NULL;
    size_t n_bytes = 0;
    FILE *stream = open_memstream(&list, &n_bytes);
    if (!stream)
        return out_of_memory(opt);
    for (size_t i = 0; i < models->n; i++)
        fprintf(stream, "%s%s", i ? ", " : "", models->files[i].path);
    if (fclose(stream) == 0)
        az_say_error(opt, name, "is the name of %zu models; give the path of one: %s.", models->n,
                     list);
    free(list);
    return AZ_EXIT_FILE;
}

static int say_missing(const az_options *opt, const char *name) {
    if (strchr(name, '/')) {
        az_say_error(opt, name, "cannot be read: %s.", strerror(errno));
        return AZ_EXIT_FILE;
    }
    char *folder = az_models_folder();
    az_say_error(opt, name,
                 "there is no such file, and no model of that name in %s or in the caches of "
                 "llama.cpp and Hugging Face; aizip model list shows those that are there.",
                 folder ? folder : "a model folder");
    free(folder);
    return AZ_EXIT_FILE;
}

int az_models_find(const az_options *opt, const char *name, char **path) {
    struct stat st;
    int rc = AZ_EXIT_OK;
    bool exists = stat(name, &st) == 0;
    *path = NULL;
    if ((exists && !S_ISDIR(st.st_mode)) || strchr(name, '/')) {
        if (!exists)
            return say_missing(opt, name);
        *path = strdup(name);
        return *path ? AZ_EXIT_OK : out_of_memory(opt);
    }
    az_models models = {0};
    bool ok = find_own(&models, name);
    if (ok && models.n == 0)
        ok = find_others(&models, name);
    if (!ok)
        rc = out_of_memory(opt);
    else if (models.n > 1)
        rc = say_ambiguous(opt, name, &models);
    else if (models.n == 0)
        rc = say_missing(opt, name);
    else if (!(*path = strdup(models.files[0].path)))
        rc = out_of_memory(opt);
    az_models_free(&models);
    return rc;
}
