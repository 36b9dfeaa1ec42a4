/*
 * cli: the program `aizip`. It stands on aizip.h alone; one file a concern:
 *
 *   main.c      finds the command and runs it over the named files
 *   options.c   the command line; arguments.c that of commands with options of their own
 *   help.c      --help and --version
 *   message.c   sentences on stderr, with hostile names made harmless
 *   walk.c      the named files, and what is in directories (-r)
 *   source.c    input: what may be read, and whether it changed meanwhile
 *   file_text.c input that is held whole
 *   sink.c      output: a temporary file that becomes the real one at the end
 *   signals.c   removes that temporary file when the program is stopped
 *   transcode.c compress, decompress, test: source -> library -> sink
 *   together.c  small files at once, with a language model
 *   verify.c    decodes what was just written
 *   progress.c  the line on a terminal that says how far it is
 *   compare.c   -v: the same file through gzip, xz and zstd
 *   list.c      -l
 *   armour.c    --base64; interact.c  -i
 *   dictionary.c  -D and --prime
 *   sample.c    the command `aizip sample`
 *   text.c      the command `aizip text`
 *   train.c     the command `aizip train`
 *   models.c    where models are: names become paths
 *   engines.c   -m, and the models that archives need: loaded once
 *   model*.c    the command `aizip model` (model.h)
 *   classify*.c, ncd.c ...  the commands `aizip classify`, `ncd`, `nearest` (classification.h)
 *   data.c      the command `aizip data`
 *   surprise*.c the command `aizip surprise` (surprise.h)
 *   serve*.c    the command `aizip serve` (serve.h)
 *   score*.c, rank.c  the commands `aizip score` and `aizip rank` (score.h)
 */
#ifndef AZ_CLI_H
#define AZ_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "aizip.h"

#define AZ_SUFFIX ".aiz"

/* Exit codes, as docs/aizip.1 lists them. With several files the largest is
 * the program's. */
enum {
    AZ_EXIT_OK = 0,
    AZ_EXIT_FILE = 1,    /* a file can't be read, written, or was left out */
    AZ_EXIT_USAGE = 2,   /* the command line makes no sense */
    AZ_EXIT_DAMAGED = 3, /* not an archive, damaged, or cut short */
    AZ_EXIT_MEMORY = 4,  /* not enough memory, or more than --memlimit allows */
    AZ_EXIT_VERSION = 5  /* the archive needs another version of aizip */
};

/* ---- options.c -------------------------------------------------------- */

typedef enum az_mode {
    AZ_MODE_COMPRESS,
    AZ_MODE_DECOMPRESS,
    AZ_MODE_TEST,
    AZ_MODE_LIST,
    AZ_MODE_MODEL, /* aizip model */
    AZ_MODE_SCORE  /* aizip score, aizip rank */
} az_mode;
typedef enum az_verify { AZ_VERIFY_AUTO, AZ_VERIFY_ON, AZ_VERIFY_OFF } az_verify;

typedef struct az_engines az_engines;
typedef struct az_file_text az_file_text;

typedef struct az_options {
    az_mode mode;
    az_verify verify;
    int level;
    int n_threads;                  /* 0: all cores */
    uint64_t memlimit;              /* bytes; 0: none */
    uint64_t block_size;            /* bytes; 0: the level's own */
    const char *output;             /* -o, or NULL */
    const char *model;              /* -m, or NULL */
    const char *dictionary_path;    /* -D, or NULL */
    const char *primer;             /* --prime, or NULL */
    const az_file_text *dictionary; /* what -D names, once it has been read, or NULL */
    int n_lanes;                    /* --lanes, --window, --overlap; 0: by the level */
    int window;
    int overlap;
    az_engines *engines; /* of this run */
    bool base64;
    bool interactive;
    bool to_stdout;
    bool force;
    bool remove_source;
    bool recursive;
    bool json;
    bool salvage;
    bool is_trial; /* what fails is done again: errors are not said, progress is not shown */
    bool help;
    bool version;
    int verbosity;      /* 0; +1 for each -v, -1 for each -q */
    const char **files; /* [n_files], the caller frees the array; at least "-" */
    size_t n_files;
} az_options;

/* Fills *opt from the command line; says what is wrong and returns an exit
 * code, AZ_EXIT_OK on success. */
int az_options_parse(az_options *opt, int argc, char **argv);

/* For commands with options of their own: the defaults; and what -T and --memlimit
 * take. They say what is wrong and return an exit code. */
void az_options_init(az_options *opt);
/* A size in bytes, with an optional K, M, G or T (powers of 1024; "KiB", "KB" and lower case too).
 * False if `text` is none or does not fit. */
bool az_parse_size(const char *text, uint64_t *n_bytes);
int az_options_set_threads(az_options *opt, const char *value);
int az_options_set_memlimit(az_options *opt, const char *value);
/* Of block-size, lanes, window, overlap, threads (or T) and memlimit (or M) the one of that name. */
int az_options_set_coding(az_options *opt, const char *name, const char *value);

/* ---- arguments.c ------------------------------------------------------ */

typedef struct az_option_name {
    const char *name; /* without its -- */
    int id;           /* a short option's letter, or a number above them */
    bool takes_value;
    int commands; /* a bit for each that has it */
} az_option_name;

/* A command with options of its own. */
typedef struct az_arguments {
    const char *command;
    az_options *base;              /* its files are filled */
    const az_option_name *options; /* [n_options] */
    size_t n_options;
    const char *letters, *letters_with_value; /* of short options */
    int *level;                               /* what -1 to -9 set; NULL: there are none */
    int commands;                             /* the bit of this one */
    const char *elsewhere;                    /* what an option of another one is told */
    /* One option; value "" where it takes none. Returns an exit code, having said why. */
    int (*apply)(void *opaque, int id, const char *name, const char *value);
    void *opaque;
} az_arguments;

/* argv[0] is the command. Says what is wrong and returns an exit code; the caller frees
 * base->files in any case. */
int az_arguments_parse(const az_arguments *arguments, int argc, char **argv);
/* "aizip: WHAT TEXT: WHY; see aizip COMMAND --help." */
int az_say_usage(const az_options *opt, const char *command, const char *what, const char *text,
                 const char *why);
/* A decimal number from min to max. */
bool az_parse_number(const char *text, int64_t min, int64_t max, int64_t *n);

/* ---- help.c ----------------------------------------------------------- */

int az_print_help(void);
int az_print_version(void);

/* ---- message.c -------------------------------------------------------- */

/* Whether warnings, or lines that only inform, are to be shown. */
bool az_shows_warnings(const az_options *opt);
bool az_shows_summary(const az_options *opt);

/* One line on stderr: "aizip: NAME: SENTENCE" (name may be NULL). Control
 * characters in the name or the sentence are written as \xNN. Errors are
 * silenced by -qq, warnings by -q. */
void az_say_error(const az_options *opt, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void az_say_warning(const az_options *opt, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same without "aizip: ": summaries. */
void az_say(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void az_print_escaped(FILE *stream, const char *text);

/* Whether a character could drive a terminal or make a text look like another: controls, line
 * separators, marks that turn the direction of writing. */
bool az_is_harmful(uint32_t c);

/* Decodes the UTF-8 character at the start of `text`. Returns its length, 0 if
 * the bytes there are not valid UTF-8. */
size_t az_utf8_decode(const char *text, uint32_t *c);

/* Says what the library found wrong with `name` and returns the exit code. */
int az_say_library_error(const az_options *opt, const char *name, const az_error *error);

/* "1,234,567" in buf, which is returned. */
#define AZ_NUMBER_MAX 32
const char *az_format_number(char buf[AZ_NUMBER_MAX], uint64_t n);

/* ---- escape.c --------------------------------------------------------- */

/* A JSON string, with its quotes, on stdout. JSON is Unicode and a name may be any bytes: a byte
 * that is not valid UTF-8 becomes \udc80 + its low bits, as Python's os.fsdecode does. Characters
 * that are harmful (message.c) are written by their numbers. */
void az_print_json_string(const char *text);

/* ---- walk.c ----------------------------------------------------------- */

/* Runs `each` over the files of the command line, and over those in
 * directories with -r. `each` sets *stop to end early. Returns the largest exit
 * code. */
typedef int (*az_file_fn)(void *opaque, const az_options *opt, const char *name, bool *stop);
int az_walk(const az_options *opt, az_file_fn each, void *opaque);

/* ---- source.c --------------------------------------------------------- */

typedef struct az_source {
    const char *name; /* for messages: "stdin" for "-" */
    const char *path; /* NULL for stdin */
    int fd;           /* -1 when closed */
    struct stat st;   /* as it was opened */
    bool is_regular;  /* has a size, can be read again */
    uint64_t start;   /* where reading began, for stdin */
    uint64_t n_bytes; /* size from start; UINT64_MAX if not regular */
    uint64_t n_read;
} az_source;

/* Opens `path` ("-": stdin) for reading if the options allow what it is.
 * Returns an exit code, having said why. */
int az_source_open(az_source *source, const az_options *opt, const char *path);

/* Reads up to capacity bytes; *n is 0 at the end, where a regular file must
 * still have the size and time that it had at first. */
int az_source_read(az_source *source, const az_options *opt, void *buf, size_t capacity, size_t *n);
void az_source_close(az_source *source);

/* ---- file_text.c ------------------------------------------------------ */

/* A file's bytes. */
struct az_file_text {
    const char *name; /* as named on the command line, "stdin" for "-" */
    uint8_t *data;    /* [n_bytes], or NULL */
    size_t n_bytes;
};

int az_file_text_read(az_file_text *text, const az_options *opt, const char *path);
void az_file_text_free(az_file_text *text);

/* ---- dictionary.c ----------------------------------------------------- */

/* Reads what -D names into *text, which must stay where it is, and notes it in *opt; without -D
 * *text is empty. Returns an exit code. The caller frees the text. */
int az_dictionary_read(az_file_text *text, az_options *opt);
/* The dictionary of -D or --prime, if there is one. Returns an exit code. */
int az_dictionary_set(az_encoder *encoder, const az_options *opt, const char *name);
/* Whether --prime may name this; says why not, and returns an exit code. */
int az_dictionary_check_primer(const az_options *opt);
/* The names of the primers, one line each. */
void az_dictionary_print_primers(FILE *stream);

/* ---- sink.c ----------------------------------------------------------- */

typedef struct az_sink {
    const char *name; /* for messages */
    char *path;       /* where the output goes in the end; NULL for stdout */
    char *temp_path;  /* written meanwhile; NULL for stdout and devices */
    int fd;           /* -1 when closed, or for -t: nothing is written */
    bool to_stdout;
    bool replace; /* a file at path may be replaced */
    bool failed;  /* a write failed: there is no use in another */
    uint64_t n_written;
} az_sink;

/* The name that goes with `path`: with .aiz, or without it when decompressing;
 * NULL, having said why, if there is none. The caller frees it. */
char *az_sink_name(const az_options *opt, const char *path);

/* Makes the output for `source`: stdout, the file of -o, or the file beside the
 * source. Refuses what must not be overwritten. */
int az_sink_open(az_sink *sink, const az_options *opt, const az_source *source);
int az_sink_write(az_sink *sink, const az_options *opt, const void *data, size_t n_bytes);

/* Gives the finished file the source's mode, times and owner, and its name. */
int az_sink_commit(az_sink *sink, const az_options *opt, const az_source *source);

/* Frees the sink; if it was not committed, no trace of it stays. */
void az_sink_close(az_sink *sink);

/* ---- signals.c -------------------------------------------------------- */

void az_signals_init(void);
/* Between these two, signals that would stop the program wait, in this thread and those that it
 * starts. */
void az_signals_block(sigset_t *before);
void az_signals_restore(const sigset_t *before);
/* With signals blocked: waits for one that would stop the program, and returns it, or 0. */
int az_signals_wait(double seconds);
/* Removes temporary files, and ends the program as the signal would have. */
_Noreturn void az_signals_end(int signal_number);
/* Between these two a temporary file is made, or gets its name. From then on a signal removes it,
 * until it is forgotten; path NULL: none was made. The path is copied; errno stays as it is. */
void az_signals_begin_temp(sigset_t *before);
void az_signals_end_temp(const sigset_t *before, const char *path);
void az_signals_forget_temp(const char *path);

/* ---- progress.c ------------------------------------------------------- */

typedef struct az_progress {
    const char *name;
    bool shown; /* a terminal is there, and -q is not */
    bool drawn; /* the line is on the screen now */
    bool decoding;
    bool counts; /* things, not bytes: no speed is shown */
    const char *verb;
    uint64_t n_bytes;  /* of input; UINT64_MAX: unknown */
    uint64_t n_before; /* of them, done before this began */
    double started;    /* seconds */
    double last_drawn;
} az_progress;

void az_progress_start(az_progress *progress, const az_options *opt, const char *verb,
                       const char *name, uint64_t n_bytes);
/* An az_progress_fn; opaque is the az_progress. */
int az_progress_update(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes);
/* The same for things that are no bytes. */
void az_progress_count(az_progress *progress, uint64_t n);
void az_progress_clear(az_progress *progress);
double az_now(void); /* seconds, monotonic */

/* ---- verify.c --------------------------------------------------------- */

/* A sum over bytes in order, to compare what went in with what comes out. */
typedef struct az_digest {
    uint64_t hash;
    uint64_t n_bytes;
} az_digest;

void az_digest_init(az_digest *digest);
void az_digest_add(az_digest *digest, const void *data, size_t n_bytes);

typedef struct az_verifier {
    az_decoder *decoder;
    uint8_t *buf;
    az_digest digest; /* of the content decoded so far */
} az_verifier;

int az_verifier_open(az_verifier *verifier, const az_options *opt, const char *name);
int az_verifier_push(az_verifier *verifier, const az_options *opt, const char *name,
                     const void *data, size_t n_bytes, az_action action);
/* Compares with the digest of the input. */
int az_verifier_finish(const az_verifier *verifier, const az_options *opt, const char *name,
                       const az_digest *expected);
void az_verifier_close(az_verifier *verifier);
/* Reads the whole of fd back and compares. */
int az_verify_file(const az_options *opt, const char *name, int fd, uint64_t n_bytes,
                   const az_digest *expected, az_progress *progress);

/* ---- armour.c --------------------------------------------------------- */

/* The state of one text, in either direction; zeros at first. */
typedef struct az_armour {
    uint32_t bits; /* the lowest n_bits have not been used */
    int n_bits;
    int column;
    bool one_line;   /* encoding: no breaks but at the end */
    int n_padding;   /* decoding */
    uint64_t offset; /* decoding: characters read; where the wrong one is */
} az_armour;

/* Writes the text of in[0..n_bytes), and with `last` its end, to out, which has room for
 * 2 * n_bytes + 16. Returns its length. */
size_t az_armour_encode(az_armour *a, const uint8_t *in, size_t n_bytes, bool last, char *out);
/* The text in buf[0..*n_bytes) becomes bytes, in place. False at a character that is none. */
bool az_armour_decode(az_armour *a, uint8_t *buf, size_t *n_bytes);
bool az_armour_is_whole(const az_armour *a); /* whether the text may end here */
bool az_looks_armoured(const uint8_t *data, size_t n_bytes);

/* ---- interact.c ------------------------------------------------------- */

/* Returns the largest exit code of all lines. */
int az_interact(const az_options *opt);

/* ---- transcode.c ------------------------------------------------------ */

/* An az_file_fn: compresses, decompresses or tests one file. */
int az_transcode(void *opaque, const az_options *opt, const char *name, bool *stop);
/* The same for all files of the command line, small ones at once; together.c. */
int az_transcode_together(const az_options *opt);
/* Whether that is of use. */
bool az_goes_together(const az_options *opt);
/* Level, threads, limits into a new handle. */
int az_decoder_setup(az_decoder **decoder, const az_options *opt, const char *name);

/* Options, and with -m the engine, into a new encoder for `name`, of n_bytes (-1: unknown).
 * memlimit: bytes, 0: none; *left (or NULL) receives what of it the model leaves. */
int az_encoder_setup(az_encoder **encoder, const az_options *opt, const char *name,
                     uint64_t memlimit, int64_t n_bytes, uint64_t *left);

/* ---- compare.c -------------------------------------------------------- */

typedef struct az_measure {
    uint64_t in_nbytes;
    uint64_t out_nbytes;
    double encode_seconds;
    double decode_seconds; /* 0: not decoded */
} az_measure;

/* The table of -v on stderr: aizip's figures beside the peers' for the bytes
 * that source->fd holds. */
void az_compare(const az_options *opt, const az_source *source, const az_measure *ours);
enum { AZ_N_PEERS = 4 };
/* The size that a peer (0: gzip -9, 1: xz -9e, 2: zstd -19, 3: brotli -11) makes of in[0..n_bytes), which
 * decodes again; UINT64_MAX if this program is built without it, or it failed. */
uint64_t az_compare_size(size_t peer, const uint8_t *in, size_t n_bytes);
const char *az_compare_name(size_t peer);
/* The peers built in, and those missing, one line each. */
void az_compare_print_libraries(FILE *stream);

/* ---- list.c ----------------------------------------------------------- */

typedef struct az_list {
    uint64_t n_files;
    az_archive_info total;
} az_list;

/* An az_file_fn; opaque is an az_list of zeros. */
int az_list_file(void *opaque, const az_options *opt, const char *name, bool *stop);
void az_list_begin(const az_options *opt);
void az_list_end(const az_options *opt, const az_list *list);

/* ---- models.c --------------------------------------------------------- */

typedef struct az_model_file {
    char *path;
    char *name; /* without folder and .gguf */
    dev_t device;
    ino_t inode;
    uint64_t n_bytes;
} az_model_file;

typedef struct az_models {
    az_model_file *files; /* [n] */
    size_t n;
} az_models;

/* The folder that aizip keeps models in; it may not exist. NULL if the
 * environment names none, or without memory. The caller frees it. */
char *az_models_folder(void);

/* All models found, those of the model folder first. Returns an exit code. */
int az_models_list(az_models *models, const az_options *opt);
void az_models_free(az_models *models);

/* What -m takes, a path or a name, to a path, which the caller frees. Says why
 * not and returns an exit code if there is no such model, or several. */
int az_models_find(const az_options *opt, const char *name, char **path);

/* Whether a file of the model folder may have this name: letters, digits and
 * ._-+@, not first a dot or a minus. */
#define AZ_MODEL_NAME_MAX 200
bool az_model_name_is_valid(const char *name);

/* ---- engines.c -------------------------------------------------------- */

/* opt must stay where it is. Nothing is loaded yet. Returns an exit code. The engines may be used by
 * several threads. */
int az_engines_open(az_engines **out, const az_options *opt);
void az_engines_close(az_engines **engines); /* takes NULL */
/* The model of -m, which there is, and what archives call it. */
int az_engines_named(az_engines *engines, az_engine **engine, const char **name);
/* That of the model at path; NULL, and *error says why. Not of -m. */
az_engine *az_engines_at(az_engines *engines, const char *path, az_error *error);
/* An az_find_engine_fn; opaque: the engines. */
az_engine *az_engines_find(void *opaque, const uint8_t *hash, const char *name, az_error *error);

/* ---- model.c ---------------------------------------------------------- */

/* aizip model ...; argv[0] is "model". Returns an exit code. */
int az_model_command(int argc, char **argv);
void az_model_print_libraries(FILE *stream);
/* The name under which fetch knows the model whose SHA-256 begins with these digits, or NULL. */
const char *az_model_known_name(const char *hex);

/* ---- data.c ----------------------------------------------------------- */

/* aizip data ... */
int az_data_command(int argc, char **argv);

/* ---- score.c and rank.c ------------------------------------------------ */

/* aizip score ...; aizip rank ... */
int az_score_command(int argc, char **argv);
int az_rank_command(int argc, char **argv);

/* ---- sample.c ----------------------------------------------------------- */

/* aizip sample ... */
int az_sample_command(int argc, char **argv);

/* ---- text.c ------------------------------------------------------------- */

/* aizip text ... */
int az_text_command(int argc, char **argv);

/* ---- train.c ------------------------------------------------------------ */

/* aizip train ... */
int az_train_command(int argc, char **argv);

/* ---- surprise.c --------------------------------------------------------- */

/* aizip surprise ...; argv[0] is "surprise". Returns an exit code. */
int az_surprise_command(int argc, char **argv);

#endif
