/*
 * aizip: lossless compression with a model that predicts the data.
 *
 * This is the whole public interface. Three ways to use it:
 *
 *   memory   az_compress() and az_decompress(), one call each;
 *   stream   az_encoder and az_decoder: az_*_run() takes whatever input there
 *            is (push) and fills whatever output there is room for (pull),
 *            any buffer sizes, as in zlib and zstd;
 *   look     az_archive_read(): what an archive holds, without decoding it;
 *            az_model: what a model file holds.
 *
 * Rules that hold everywhere:
 *  - A function that can fail returns az_status; AZ_OK is 0. Results go out
 *    through pointers, which are only written on success unless said.
 *  - `error` may be NULL. Otherwise, on failure, it is filled with the status,
 *    the byte offset in the archive (or in the input, while encoding) and one
 *    English sentence. It is left alone on success.
 *  - The library has no globals that change, never prints, never exits, and may
 *    be used from several threads at once on separate handles.
 *  - An archive depends on the input, the level and the block size only: never
 *    on threads, machine, buffer sizes, or how the input was cut into calls.
 *  - All sizes are in bytes.
 */
#ifndef AIZIP_H
#define AIZIP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AZ_VERSION_MAJOR 0
#define AZ_VERSION_MINOR 1
#define AZ_VERSION_PATCH 0
#define AZ_VERSION_STRING "0.1.0"

#if defined(AZ_STATIC)
#define AZ_API
#elif defined(__GNUC__)
#define AZ_API __attribute__((visibility("default")))
#else
#define AZ_API
#endif

/* Levels: 1 is fastest, 9 smallest. */
#define AZ_LEVEL_MIN 1
#define AZ_LEVEL_MAX 9
#define AZ_LEVEL_DEFAULT 5

typedef enum az_status {
    AZ_OK = 0,
    AZ_ERROR_ARGUMENT = 1,     /* the caller passed what the function does not take */
    AZ_ERROR_MEMORY = 2,       /* an allocation failed */
    AZ_ERROR_MEMORY_LIMIT = 3, /* more memory is needed than the caller allows */
    AZ_ERROR_FORMAT = 4,       /* the input is not an aizip archive */
    AZ_ERROR_VERSION = 5,     /* an archive of a version or method that this library can't decode */
    AZ_ERROR_DAMAGED = 6,     /* a check does not match, or a field is impossible */
    AZ_ERROR_TRUNCATED = 7,   /* the archive ends too early */
    AZ_ERROR_OUTPUT_FULL = 8, /* the caller's output buffer is too small */
    AZ_ERROR_READ = 9,        /* a caller's read function failed */
    AZ_ERROR_CANCELLED = 10,  /* the progress function asked to stop */
    AZ_ERROR_THREAD = 11,     /* no thread could be started */
    AZ_ERROR_INTERNAL = 12,   /* a fault of the library's own: please report it */
    AZ_ERROR_MODEL = 13,      /* a model file that is no model, is damaged, or is not supported */
    AZ_ERROR_DATA = 14,       /* labelled texts that can't be read as asked: the sentence names the
                                 file and the line */
    AZ_ERROR_DICTIONARY = 15  /* the archive needs a dictionary that was not given */
} az_status;

#define AZ_ERROR_NO_OFFSET UINT64_MAX

typedef struct az_error {
    az_status status;
    uint64_t offset; /* where in the archive or input; AZ_ERROR_NO_OFFSET if nowhere */
    char text[240];  /* one sentence, no newline, always NUL-terminated */
} az_error;

/* Where the library takes its memory. `alloc` returns memory aligned for any
 * type or NULL; `free` takes what `alloc` gave (never NULL). Both may be called
 * from the library's threads. A NULL az_allocator means the system's. */
typedef struct az_allocator {
    void *(*alloc)(void *opaque, size_t n_bytes);
    void (*free)(void *opaque, void *ptr);
    void *opaque;
} az_allocator;

/* Called now and then, in the thread that called az_*_run(), az_compress() or
 * az_decompress(). in_nbytes: input worked through so far; out_nbytes: output
 * made so far. Return 0 to go on, anything else to stop with
 * AZ_ERROR_CANCELLED. */
typedef int (*az_progress_fn)(void *opaque, uint64_t in_nbytes, uint64_t out_nbytes);

/* "0.1.0", of the library that is linked in (not of the header). */
AZ_API const char *az_version(void);

/* One line for people: version, predictor's numeric version, kernels in use
 * on this machine. */
AZ_API const char *az_build_info(void);

/* The name of a status in plain words: "damaged archive". Never NULL. */
AZ_API const char *az_status_name(az_status status);

/* ---- Memory: one call ------------------------------------------------- */

/* The most that az_compress() writes for n_bytes of input. */
AZ_API size_t az_compress_bound(size_t n_bytes);

/* Compresses src[0..src_nbytes) at `level` into dst. *dst_nbytes receives the
 * archive's size. src may be NULL when src_nbytes is 0. One thread.
 * AZ_ERROR_OUTPUT_FULL when dst_capacity is too small: az_compress_bound() is
 * always enough. */
AZ_API az_status az_compress(void *dst, size_t dst_capacity, size_t *dst_nbytes, const void *src,
                             size_t src_nbytes, int level, az_error *error);

/* Decompresses the archive, or several one after the other, in
 * src[0..src_nbytes). On AZ_ERROR_OUTPUT_FULL nothing useful is in dst;
 * az_content_size() says how much is needed. One thread. */
AZ_API az_status az_decompress(void *dst, size_t dst_capacity, size_t *dst_nbytes, const void *src,
                               size_t src_nbytes, az_error *error);

/* The content size of the archive, or archives, in src, read from their block
 * headers without decoding. */
AZ_API az_status az_content_size(uint64_t *content_nbytes, const void *src, size_t src_nbytes,
                                 az_error *error);

/* ---- Streams ---------------------------------------------------------- */

/* Bytes that somebody else owns. data may be NULL where n_bytes is 0. */
typedef struct az_text {
    const void *data;
    size_t n_bytes;
} az_text;

typedef struct az_encoder az_encoder;
typedef struct az_decoder az_decoder;

/* A window on the caller's bytes. az_*_run() moves `pos` forward; the caller
 * owns `data`. Input: data[pos..size) is unread. Output: data[pos..size) is
 * free. */
typedef struct az_input {
    const void *data;
    size_t size;
    size_t pos;
} az_input;

typedef struct az_output {
    void *data;
    size_t size;
    size_t pos;
} az_output;

typedef enum az_param {
    AZ_PARAM_LEVEL = 1,        /* encoder: 1..9, default 5 */
    AZ_PARAM_THREADS = 2,      /* both: 1..256; 0 = all cores; default 1 */
    AZ_PARAM_MEMORY_LIMIT = 3, /* both: the most the handle may allocate, in bytes; 0 = no limit.
                                  Fewer threads are used before it fails. */
    AZ_PARAM_BLOCK_SIZE = 4,   /* encoder: 2^16..2^26, a power of two; 0 = the level's own */
    AZ_PARAM_CONTENT_SIZE = 5, /* encoder: the input's size, if known, -1 if not (default). Makes
                                  no difference to the archive; lets tables be sized early. A
                                  different real size is AZ_ERROR_ARGUMENT at the end. */
    AZ_PARAM_SALVAGE = 6,      /* decoder: 1 = go on after damage; see az_decoder_set_gap_fn() */
    AZ_PARAM_CONTEXT = 7, /* scorer: tokens of a window, 2..32768; 0 (default): 2,048, or as many
                                  as the model was trained with, if fewer. Encoder with an engine:
                                  64..16384; by default the same, at level 1 1,024, at level 9 as
                                  many as the model was trained with, at most 8,192 */
    AZ_PARAM_STRIDE = 8,  /* scorer: tokens by which windows advance, at most the context;
                                  0 (default): the context, so that windows share nothing */
    AZ_PARAM_START = 9,   /* scorer: the token before each window; -1 (default): the model's
                                  own for the beginning of a text */
    AZ_PARAM_PERPLEXITY = 10, /* scorer: 1 = llama.cpp's convention: windows that share nothing,
                                  the second half of each counts, the last one is left out */
    AZ_PARAM_LANES = 11,      /* encoder with an engine: into how many lanes a block is cut, 1..64;
                                  0 (default): about 4,096 tokens each, level 1: 64, level 9: 1 */
    AZ_PARAM_OVERLAP = 12, /* encoder with an engine, for models of learnt positions: tokens that a
                                  new window begins with; 0 (default): half of the window */
    AZ_PARAM_VERIFY = 13   /* with an engine. Encoder: 1 = each block is decoded again before it is
                            given out. Both: while decoding, in one step of 16 a lane in turn is
                            computed again with other kernels; AZ_ERROR_INTERNAL if they differ */
} az_param;

typedef enum az_action {
    AZ_RUN = 0,   /* more input will come */
    AZ_FINISH = 1 /* the input given with this call is the last */
} az_action;

/* Makes a handle. `allocator` may be NULL, and is copied. On success the caller
 * owns *out and gives it back with az_encoder_close(). */
AZ_API az_status az_encoder_open(az_encoder **out, const az_allocator *allocator, az_error *error);

/* Sets a parameter; only before the first az_encoder_run(). */
AZ_API az_status az_encoder_set(az_encoder *encoder, az_param param, int64_t value,
                                az_error *error);
AZ_API void az_encoder_set_progress(az_encoder *encoder, az_progress_fn fn, void *opaque);

/* The memory that the handle needs as it is set, with one thread, for
 * in_nbytes of input (UINT64_MAX: any). */
AZ_API uint64_t az_encoder_memory(const az_encoder *encoder, uint64_t in_nbytes);

/* Takes input and gives archive bytes, as much of each as it can. With
 * AZ_FINISH, call again with more room in `out` until *done is 1. Without
 * progress on either side (no room, no input) it returns AZ_OK at once. After
 * an error the handle can only be closed. */
AZ_API az_status az_encoder_run(az_encoder *encoder, az_input *in, az_output *out, az_action action,
                                int *done, az_error *error);

/* Frees the handle and sets it to NULL; takes a pointer to NULL. Stops the
 * handle's threads first. */
AZ_API void az_encoder_close(az_encoder **encoder);

/* The decoder: the same habits. It takes concatenated archives; with AZ_FINISH
 * it checks that the last one is whole. Content is given out a block at a time,
 * after its checks have passed: never a wrong byte. */
AZ_API az_status az_decoder_open(az_decoder **out, const az_allocator *allocator, az_error *error);
AZ_API az_status az_decoder_set(az_decoder *decoder, az_param param, int64_t value,
                                az_error *error);
AZ_API void az_decoder_set_progress(az_decoder *decoder, az_progress_fn fn, void *opaque);
AZ_API az_status az_decoder_run(az_decoder *decoder, az_input *in, az_output *out, az_action action,
                                int *done, az_error *error);
AZ_API void az_decoder_close(az_decoder **decoder);

/* Salvage: called for each range of content that is lost, [from, to) in bytes of
 * the content of the archive numbered `archive` (from 0); to is UINT64_MAX
 * where the end is unknown. The lost bytes are left out of the output. */
typedef void (*az_gap_fn)(void *opaque, uint64_t archive, uint64_t from, uint64_t to);
AZ_API void az_decoder_set_gap_fn(az_decoder *decoder, az_gap_fn fn, void *opaque);

/* ---- Looking at an archive -------------------------------------------- */

#define AZ_MODEL_HASH_NBYTES 16     /* of a SHA-256: what an archive keeps of it */
#define AZ_DICTIONARY_HASH_NBYTES 8 /* the same of a dictionary's */

typedef struct az_archive_info {
    uint64_t archive_nbytes; /* of all archives that follow one another */
    uint64_t content_nbytes;
    uint64_t n_archives;
    uint64_t n_blocks;
    uint64_t n_stored_blocks; /* of them, those kept as they are */
    uint64_t block_nbytes;    /* the largest block size set in any of them */
    uint64_t memory_nbytes;   /* to decode with one thread; 0 where a language model is needed */
    int format_version;
    int method;         /* 1 = cm; 2 = a language model mixed with it */
    int method_version; /* the predictor's numeric version */
    int level;          /* -1 where the archives differ */
    char method_name[16];
    char check_name[16]; /* "XXH32" or the like */
    /* With a language model; zeros and "" otherwise, and where the archives differ. */
    uint8_t model_hash[AZ_MODEL_HASH_NBYTES];
    char model_name[64]; /* as the archive says it: any bytes */
    int model_version;   /* of the arithmetic that runs it */
    uint32_t window;     /* tokens */
    /* With a dictionary; zeros otherwise, and where the archives differ. */
    int primer; /* the number of a built-in one; else: */
    uint64_t dictionary_nbytes;
    uint8_t dictionary_hash[AZ_DICTIONARY_HASH_NBYTES]; /* the start of its SHA-256 */
} az_archive_info;

/* Reads n_bytes at `offset` into buf; returns 0, or anything else on failure.
 * Called only for ranges inside the size that az_archive_read() was given. */
typedef int (*az_read_at_fn)(void *opaque, uint64_t offset, void *buf, size_t n_bytes);

/* Fills *info from the indexes and headers alone; block contents are neither
 * read nor checked. */
AZ_API az_status az_archive_read(az_archive_info *info, az_read_at_fn read_at, void *opaque,
                                 uint64_t archive_nbytes, az_error *error);

/* ---- Models ----------------------------------------------------------- */

/* A language model in a GGUF file. Opening reads and checks the metadata and the
 * list of tensors, no weights, so it is quick however large the file is. */
typedef struct az_model az_model;

typedef struct az_model_info {
    const char *architecture; /* "llama"; "" if the file does not say. Lives as long as the handle,
                                 as do all texts here. */
    const char *type;      /* how the weights are kept, "Q4_1": what the file says of itself, else
                                 the type of most of the bytes */
    uint64_t file_nbytes;  /* of all files, where the model is split */
    uint64_t n_parameters; /* values in all tensors */
    size_t n_values;       /* of metadata */
    size_t n_tensors;
    uint32_t gguf_version;
} az_model_info;

typedef struct az_model_value {
    const char *key;
    const char *type; /* of each item: "u8" ... "i64", "f32", "f64", "bool", "string" */
    uint64_t n_items; /* of an array; 1 otherwise */
    int is_array;
} az_model_value;

typedef struct az_model_tensor {
    const char *name;
    const char *type; /* "Q4_1" */
    uint64_t n_bytes;
    uint64_t dims[4]; /* dims[0]: columns, contiguous; unused ones are 1 */
    int n_dims;
} az_model_tensor;

/* Opens the model at `path`; of a split model the first file, which finds the
 * others. `allocator` may be NULL, and is copied. AZ_ERROR_READ when a file
 * can't be read, AZ_ERROR_MODEL when it is no model, damaged or cut short. On
 * success the caller owns *out and gives it back with az_model_close(). The
 * file must not be changed while it is open. */
AZ_API az_status az_model_open(az_model **out, const char *path, const az_allocator *allocator,
                               az_error *error);

/* Frees the handle and sets it to NULL; takes a pointer to NULL. */
AZ_API void az_model_close(az_model **model);

AZ_API void az_model_get_info(const az_model *model, az_model_info *info);

/* i below n_values or n_tensors, in the order of the file. */
AZ_API void az_model_get_value(const az_model *model, size_t i, az_model_value *value);
AZ_API void az_model_get_tensor(const az_model *model, size_t i, az_model_tensor *tensor);

/* Item `item` (below n_items) of value i as text: a number in decimal, "true" or
 * "false", a string as it is in the file: any bytes. At most capacity - 1 bytes
 * go to buf, and a NUL. Returns the length that the whole text has. In an array
 * of strings it walks over those before. */
AZ_API size_t az_model_item_text(const az_model *model, size_t i, uint64_t item, char *buf,
                                 size_t capacity);

/* The memory that the model takes in use: each weight of a matrix as one byte,
 * and the keys and values of `window` tokens. An estimate, from the metadata;
 * UINT64_MAX where that makes no sense. */
AZ_API uint64_t az_model_memory(const az_model *model, uint32_t window);

/* The SHA-256 of the file (of a split model: of its files, one after the
 * other), 32 bytes. Reads all of it. */
AZ_API void az_model_sha256(const az_model *model, uint8_t *sum);

/* ---- Compressing with a language model ---------------------------------- */

/* A model at work: weights loaded, threads started. Encoders and decoders that are given the same
 * engine share its batches, from any number of threads, so that ten small files go as fast as a
 * large one; an archive never depends on what else is under way. */
typedef struct az_engine az_engine;

/* Loads the weights. n_threads: 1..256; 0 = all cores. memory_limit: the most that the engine may
 * allocate, in bytes; 0 = no limit; what coding takes beside it counts towards each encoder's and
 * decoder's own limit. The model must live as long as the engine. */
AZ_API az_status az_engine_open(az_engine **out, const az_model *model, int n_threads,
                                uint64_t memory_limit, const az_allocator *allocator,
                                az_error *error);
/* Frees the handle and sets it to NULL; takes a pointer to NULL. No encoder or decoder that was
 * given it may be open. */
AZ_API void az_engine_close(az_engine **engine);

/* Memory in use at most so far. */
AZ_API uint64_t az_engine_peak_memory(const az_engine *engine);

/* From now on the encoder uses the model, mixed with the built-in predictor at its strongest; the
 * level chooses lanes and window (AZ_PARAM_LANES, AZ_PARAM_CONTEXT). `name`: what the archive
 * calls the model, for people; at most 63 bytes. Only before the first az_encoder_run(). */
AZ_API az_status az_encoder_set_engine(az_encoder *encoder, az_engine *engine, const char *name,
                                       az_error *error);

/* Asked for the model that an archive needs, by the first AZ_MODEL_HASH_NBYTES of the SHA-256 of its
 * file (az_model_sha256()); `name` is what
 * the archive calls it, any bytes. Gives an engine that stays open as long as the decoder, or NULL:
 * then decoding fails with AZ_ERROR_MODEL before anything is given out. May fill *error itself. */
typedef az_engine *(*az_find_engine_fn)(void *opaque, const uint8_t *hash, const char *name,
                                        az_error *error);
AZ_API void az_decoder_set_engines(az_decoder *decoder, az_find_engine_fn find, void *opaque);

/* az_compress() and az_decompress() with a model; any number of times, from several threads. */
AZ_API az_status az_engine_compress(az_engine *engine, void *dst, size_t dst_capacity,
                                    size_t *dst_nbytes, const void *src, size_t src_nbytes,
                                    int level, az_error *error);
AZ_API az_status az_engine_decompress(az_engine *engine, void *dst, size_t dst_capacity,
                                      size_t *dst_nbytes, const void *src, size_t src_nbytes,
                                      az_error *error);

/* ---- Dictionaries -------------------------------------------------------- */

#define AZ_DICTIONARY_NBYTES_MAX ((size_t)1 << 29)

/* Compresses as if these bytes had just been seen, before every block: an older version of the
 * file, or a text like it. They are not in the archive, which keeps size and hash of them; decoding
 * needs the same bytes. Of a long dictionary (4 MiB; 256 KiB with a model) the predictor's match
 * models know all and its contexts the end; a model sees its last tokens, a quarter of its window.
 * The caller keeps data[0..n_bytes) as it is until the handle is closed; n_bytes 0: none.
 * AZ_ERROR_ARGUMENT if there are more than AZ_DICTIONARY_NBYTES_MAX. */
AZ_API az_status az_encoder_set_dictionary(az_encoder *encoder, const void *data, size_t n_bytes,
                                           az_error *error);
/* The dictionary for archives that need one: AZ_ERROR_DICTIONARY if it is another. */
AZ_API az_status az_decoder_set_dictionary(az_decoder *decoder, const void *data, size_t n_bytes,
                                           az_error *error);

/* A dictionary that is built in: every decoder has it. */
typedef struct az_primer {
    const char *name; /* "prose" */
    const char *what; /* "English prose" */
    int number;       /* in archives, 1..255 */
    az_text text;     /* at most 64 KiB */
} az_primer;

AZ_API size_t az_primer_count(void);
AZ_API const az_primer *az_primer_get(size_t i); /* i < az_primer_count(), else NULL */
/* Compresses after the one of this name. "auto": content of less than 64 KiB after the one that it
 * is most like, if it is like any, and if its archive is no shorter without (that is not tried with a
 * model). */
AZ_API az_status az_encoder_set_primer(az_encoder *encoder, const char *name, az_error *error);

#define AZ_TRAINED_NBYTES_MIN ((size_t)1 << 10)
#define AZ_TRAINED_NBYTES_MAX ((size_t)1 << 22)

typedef struct az_training {
    size_t capacity;         /* bytes of the dictionary at most: AZ_TRAINED_NBYTES_MIN..MAX */
    int level;               /* that it is measured with, 1..9 */
    int n_threads;           /* 1..256; 0 = all cores */
    uint64_t memory_limit;   /* in bytes; 0: none */
    az_progress_fn progress; /* or NULL; told how many of about ten steps are done */
    void *progress_opaque;
} az_training;

typedef struct az_training_report {
    uint64_t picked_from_nbytes; /* of the samples, what the dictionary is made from; */
    uint64_t n_held_out;         /* pieces, of at most 4 KiB, that it is not made from; */
    uint64_t n_measured;         /* of these, those that it was measured on, */
    uint64_t measured_nbytes;
    uint64_t cost_without, cost_with; /* each piece by itself, without and after the dictionary:
                                         bits times AZ_COST_BIT */
} az_training_report;

/* Makes a dictionary for content like the samples: picks from seven eighths of them, in several
 * ways, the segments that hold most of what returns, and takes the way that serves the rest best. The
 * samples are whole files, or records; where there are fewer than 16 they are held out by pieces.
 * dictionary[settings->capacity]; *n_bytes receives its size. AZ_ERROR_DATA where there is too
 * little to learn from. The same on every machine. */
AZ_API az_status az_dictionary_train(void *dictionary, size_t *n_bytes, const az_text *samples,
                                     size_t n, const az_training *settings,
                                     az_training_report *report, const az_allocator *allocator,
                                     az_error *error);

/* ---- Short messages as text ------------------------------------------------ */

#define AZ_TEXT_NBYTES_MAX 16384                /* of a message */
#define AZ_TEXT_CHARACTERS_NBYTES_MAX (1 << 16) /* of what stands for one */

typedef enum az_alphabet {
    AZ_ALPHABET_UNICODE = 1, /* 38,656 characters, CJK and Hangul: 15.24 bits each */
    AZ_ALPHABET_BASE64 = 2,  /* letters, digits, - and _: 6 bits */
    AZ_ALPHABET_GSM7 = 3     /* those of SMS but blanks and controls, 124: 6.95 bits */
} az_alphabet;

/* Turns messages into few characters, which survive SMS, chat and copying, and back. Nothing but
 * the characters is needed, and the same model and dictionary on both sides; the same on every
 * machine. */
typedef struct az_text_coder az_text_coder;

/* engine: a language model mixed with the built-in predictor, or NULL. It must live as long as the
 * handle, which the caller gives back with az_text_close(). */
AZ_API az_status az_text_open(az_text_coder **out, az_engine *engine, const az_allocator *allocator,
                              az_error *error);
AZ_API void az_text_close(az_text_coder **coder); /* takes a pointer to NULL */
/* The most that the handle may allocate, in bytes; 0 = no limit, the default. */
AZ_API void az_text_set_memory_limit(az_text_coder *coder, uint64_t n_bytes);
/* AZ_ALPHABET_UNICODE unless set. */
AZ_API az_status az_text_set_alphabet(az_text_coder *coder, az_alphabet alphabet, az_error *error);
/* What has been seen before a message, in place of the built-in texts; as
 * az_encoder_set_dictionary(). Lines of it that are messages teach best. */
AZ_API az_status az_text_set_dictionary(az_text_coder *coder, const void *data, size_t n_bytes,
                                        az_error *error);
/* An earlier message, sent or received: those that follow are coded after it, too. The last 16 KiB
 * count. Both sides must remember the same. */
AZ_API void az_text_remember(az_text_coder *coder, const void *message, size_t n_bytes);

/* text[capacity] receives UTF-8; *n_text its bytes: 8 * n_bytes + 64 are always enough.
 * AZ_ERROR_ARGUMENT for a message longer than AZ_TEXT_NBYTES_MAX, or if it would take more than
 * AZ_TEXT_CHARACTERS_NBYTES_MAX bytes. */
AZ_API az_status az_text_encode(az_text_coder *coder, const void *message, size_t n_bytes,
                                char *text, size_t capacity, size_t *n_text, az_error *error);
/* Blanks and line ends in text[n_text] are passed over. AZ_ERROR_FORMAT at a character of another
 * alphabet, AZ_ERROR_DAMAGED if no message has these characters: one wrong character gets by with a
 * probability of 1/64 or less. */
AZ_API az_status az_text_decode(az_text_coder *coder, const char *text, size_t n_text,
                                void *message, size_t capacity, size_t *n_bytes, az_error *error);

/* What a text takes to be sent. */
typedef struct az_text_size {
    size_t n_bytes;      /* UTF-8 */
    size_t n_characters; /* bytes that are no UTF-8 count as one each */
    uint64_t cost;       /* bits that these characters could hold, times AZ_COST_BIT */
    int is_gsm7;         /* all are of the GSM 7-bit alphabet or its extension */
    size_t n_septets;    /* then; else 0 */
    size_t n_units;      /* of UTF-16 */
    size_t n_sms;        /* parts of an SMS: 160 septets, or 153 each; 70 units, or 67 each */
} az_text_size;
/* alphabet: that it is made of; 0: any text, 8 bits a byte. */
AZ_API void az_text_measure(az_text_size *size, az_alphabet alphabet, const void *text,
                            size_t n_bytes);

/* ---- Sampling ---------------------------------------------------------------- */

#define AZ_SAMPLE_NBYTES_MAX ((size_t)1 << 24)

typedef struct az_sampling {
    az_engine *engine; /* a language model mixed with the built-in predictor, or NULL */
    int level;         /* of the built-in predictor alone, 1..9 */
    uint64_t seed;     /* of the random bytes */
    uint32_t
        temperature;    /* thousandths, 0..100,000: what the log-odds of every decision are divided
                                by; 0: the likelier one is taken, but for one in 4 million */
    uint32_t top_k;     /* with an engine: of tokens only the likeliest so many; 0: all */
    uint32_t top_p;     /* with an engine: only those that together have so many thousandths; 0 */
    az_text dictionary; /* what has been seen; as az_encoder_set_dictionary() */
    az_text prompt;     /* and then */
    uint64_t memory_limit;   /* in bytes; 0: none */
    az_progress_fn progress; /* or NULL; told the random bytes used and those made */
    void *progress_opaque;
} az_sampling;

/* Decodes random bytes: out[n_bytes] (1..AZ_SAMPLE_NBYTES_MAX) is as likely as the predictor thinks.
 * With temperature 1000 and no dictionary, prompt or engine, the coded bytes of an archive of out at
 * that level begin like the random bytes that made it. The same on every machine. */
AZ_API az_status az_sample(void *out, size_t n_bytes, const az_sampling *settings,
                           const az_allocator *allocator, az_error *error);

/* The same by a compressor: gzip, zlib, deflate, bz2, xz, zstd, brotli or aizip (level 1). The next
 * byte is b with a probability in proportion to 2^(-8 * size / temperature), the size of the last
 * `window` bytes seen and b. 256 compressions a byte. The same wherever the compressor's library
 * makes the same sizes. AZ_ERROR_ARGUMENT for one that is not built in. */
AZ_API az_status az_sample_by_size(void *out, size_t n_bytes, const char *compressor, size_t window,
                                   const az_sampling *settings, const az_allocator *allocator,
                                   az_error *error);

/* ---- Labelled texts ----------------------------------------------------- */

/* Texts, each with a label or none, from a file in one of the usual forms. The bytes are kept as
 * they are, UTF-8 or not. */
typedef struct az_dataset az_dataset;

typedef enum az_dataset_format {
    AZ_DATASET_AUTO = 0,     /* by the name, else by the first line; az_dataset_describe() tells */
    AZ_DATASET_CSV = 1,      /* RFC 4180; several text columns are joined by a space */
    AZ_DATASET_TSV = 2,      /* label, tab, text; taken literally */
    AZ_DATASET_JSONL = 3,    /* an object a line */
    AZ_DATASET_FASTTEXT = 4, /* __label__NAME and the text, a line */
    AZ_DATASET_LINES = 5,    /* a text a line, without labels */
    AZ_DATASET_FOLDER = 6,   /* a folder a label, a file a text */
    AZ_DATASET_IDX = 7       /* images, a byte a pixel, and labels in a file of their own */
} az_dataset_format;

typedef struct az_dataset_options {
    az_dataset_format format;
    int header;     /* CSV, TSV. 1: the first row has the columns' names, -1: it has not; 0: it has
                       if columns are asked for by name, or if it names both a label and a text as
                       data sets do ("label", "class", ...; "text", "title", ...) */
    int unlabelled; /* 1: there is no label */
    int escapes;    /* 1: in TSV a backslash and n, t, r or a backslash stand for one byte */
    const char *text_columns; /* names or numbers from 1, joined by commas; NULL: those of a known
                                 name if there is a header or JSON, else all but the label's */
    const char *label_column; /* a name or number; NULL: of a known name, else the first column */
    const char *labels_path;  /* of IDX */
    uint64_t memory_limit;    /* 0: none */
} az_dataset_options;

typedef struct az_row {
    az_text text;
    int64_t label; /* a number below n_labels; -1: none */
    uint64_t line; /* where it begins, from 1; 0 where there are no lines */
} az_row;

/* Reads all of `path`: a file, or a folder of folders. It may be compressed by gzip, bzip2, xz,
 * zstd or aizip. options and allocator may be NULL. AZ_ERROR_READ where the file can't be read,
 * AZ_ERROR_DATA where it isn't what it should be. The caller owns *out. */
AZ_API az_status az_dataset_open(az_dataset **out, const char *path,
                                 const az_dataset_options *options, const az_allocator *allocator,
                                 az_error *error);
/* The same of bytes in memory (not of folders and images); `name` is for sentences. */
AZ_API az_status az_dataset_parse(az_dataset **out, const char *name, const void *data,
                                  size_t n_bytes, const az_dataset_options *options,
                                  const az_allocator *allocator, az_error *error);
/* An empty one to add rows to. label.data NULL: none. The bytes are copied. */
AZ_API az_status az_dataset_new(az_dataset **out, const az_allocator *allocator, az_error *error);
AZ_API az_status az_dataset_add(az_dataset *dataset, az_text text, az_text label, az_error *error);
/* A new set of the rows named, in that order, with all labels of `from`. */
AZ_API az_status az_dataset_subset(az_dataset **out, const az_dataset *from, const size_t *rows,
                                   size_t n, const az_allocator *allocator, az_error *error);
AZ_API void az_dataset_close(az_dataset **dataset);

AZ_API size_t az_dataset_n_rows(const az_dataset *dataset);
/* i below n_rows. Numbers of labels change while rows are added. */
AZ_API az_row az_dataset_row(const az_dataset *dataset, size_t i);
/* Labels are numbered in the order of their names: of the numbers, if all are whole numbers, else
 * of the bytes. */
AZ_API size_t az_dataset_n_labels(const az_dataset *dataset);
AZ_API az_text az_dataset_label(const az_dataset *dataset, size_t label);
/* The number of the label of this name, or -1. */
AZ_API int64_t az_dataset_find_label(const az_dataset *dataset, az_text name);
/* Of images, else 0. */
AZ_API uint32_t az_dataset_image_width(const az_dataset *dataset);
/* One sentence: what the file was taken for. Lives as long as the handle. */
AZ_API const char *az_dataset_describe(const az_dataset *dataset);

/* The SHA-256 of bytes in memory, 32 bytes: what published data sets are known by. */
AZ_API void az_sha256_of(const void *data, size_t n_bytes, uint8_t *sum);

/* Rows as they come, for a program in a pipe. Bytes go in, in pieces of any size; `row` is called
 * for each row that is complete, with its label's name (data NULL: none). Return 0 to go on. Not
 * for folders and images. */
typedef struct az_row_reader az_row_reader;
typedef int (*az_row_fn)(void *opaque, az_text text, az_text label, uint64_t line);

AZ_API az_status az_row_reader_open(az_row_reader **out, const char *name,
                                    const az_dataset_options *options,
                                    const az_allocator *allocator, az_error *error);
/* With `last`, what is left over is the last row. After an error the handle can only be closed. */
AZ_API az_status az_row_reader_push(az_row_reader *reader, const void *data, size_t n_bytes,
                                    int last, az_row_fn row, void *opaque, az_error *error);
AZ_API const char *az_row_reader_describe(const az_row_reader *reader);
AZ_API void az_row_reader_close(az_row_reader **reader);

/* How two data sets overlap. "Near": the same letters and digits, whatever the case and the
 * marks between them. */
typedef struct az_overlap {
    size_t n_exact;       /* rows of test whose text is in train, too */
    size_t n_near;        /* nearly, those included */
    size_t n_empty_train; /* texts without a byte */
    size_t n_empty_test;
    size_t n_labels_missing; /* labels of test that train lacks */
} az_overlap;

AZ_API az_status az_dataset_overlap(az_overlap *overlap, const az_dataset *train,
                                    const az_dataset *test, az_error *error);
/* Drops the rows of train whose text is nearly that of an earlier one, or of a row of test (which
 * may be NULL). *n_dropped says how many. */
AZ_API az_status az_dataset_dedupe(az_dataset *train, const az_dataset *test, size_t *n_dropped,
                                   az_error *error);

/* ---- Classification ------------------------------------------------------- */

/* A text's label by what it costs, in bits, under what is known of each label. */
typedef struct az_classifier az_classifier;

typedef enum az_method {
    AZ_METHOD_CLASS = 0,    /* words, pairs of words and runs of characters, each with its log-count
                            ratio between the labels, weighed by a linear layer */
    AZ_METHOD_KNN = 1,      /* the nearest training texts by compressed size */
    AZ_METHOD_PRIMED = 2,   /* the fewest bits after all of a label's texts, built-in predictor */
    AZ_METHOD_PROMPTED = 3, /* the same by a language model, after a label's name and some texts */
    AZ_METHOD_COUNTS = 4    /* naive Bayes over words and pairs of words: texts and labels come and
                               go without training again */
} az_method;

typedef enum az_distance {
    AZ_DISTANCE_NCD = 0,        /* (C(xy) - min(C(x), C(y))) / max(C(x), C(y)) */
    AZ_DISTANCE_CDM = 1,        /* C(xy) / (C(x) + C(y)) */
    AZ_DISTANCE_CLM = 2,        /* 1 - (C(x) + C(y) - C(xy)) / C(xy) */
    AZ_DISTANCE_CONDITIONAL = 3 /* C(xy) - C(y), in bytes; y: the training text */
} az_distance;

typedef enum az_votes { /* who wins if several labels have the most of k votes */
                        AZ_VOTES_LOWEST_K =
                            0, /* the last neighbours fall away until one label has the most */
                        AZ_VOTES_LOWEST_LABEL = 1, /* the label of the lowest number */
                        AZ_VOTES_DISTANCE =
                            2 /* the label whose neighbours' distances add up to least */
} az_votes;

#define AZ_KNN_MAX 10000

typedef struct az_knn_options {
    const char *compressor; /* gzip (as Python's gzip.compress() counts), zlib, deflate, bz2, xz,
                               zstd, brotli, aizip; NULL: gzip */
    int level;              /* -1: the compressor's usual one here, 9 for most */
    az_distance distance;
    int train_first;   /* 1: training text, separator, text; 0: the other way */
    az_text separator; /* between the two */
    unsigned k;        /* neighbours, 1 to AZ_KNN_MAX; 0: 1. Equally near ones: in the order of
                          training rows */
    az_votes votes;
} az_knn_options;

typedef struct az_classifier_options {
    az_method method;
    int n_threads;           /* 1..256; 0: all cores. No result depends on it */
    uint64_t memory_limit;   /* in bytes; 0: none */
    az_knn_options knn;      /* for AZ_METHOD_KNN */
    int level;               /* AZ_METHOD_PRIMED: of the built-in predictor; 0: 3 */
    const az_model *model;   /* AZ_METHOD_PROMPTED: must live as long as the classifier */
    unsigned n_examples;     /* AZ_METHOD_PROMPTED: the first so many texts of each label are shown;
                              with 0, names alone, a row may be a label with an empty text */
    az_progress_fn progress; /* may be NULL; gets what is done, and of how much */
    void *opaque;
} az_classifier_options;

typedef struct az_classifier_info {
    az_method method;
    size_t n_labels;
    size_t n_rows;            /* trained on; 0: not known */
    size_t n_features;        /* AZ_METHOD_CLASS */
    double held_out_accuracy; /* on training rows that were held out; -1: none. Not of
                                 AZ_METHOD_KNN */
    size_t n_left_out;        /* AZ_METHOD_PRIMED: rows for which a label's predictor had no room */
    int level;                /* AZ_METHOD_PRIMED */
    uint32_t image_width;     /* 0: texts */
    az_knn_options knn;       /* AZ_METHOD_KNN; lives as long as the handle */
} az_classifier_info;

/* Trains on the rows that have a label; train may be closed afterwards. options and allocator may
 * be NULL. AZ_ERROR_DATA where no row has one. The caller owns *out. */
AZ_API az_status az_classifier_train(az_classifier **out, const az_dataset *train,
                                     const az_classifier_options *options,
                                     const az_allocator *allocator, az_error *error);
/* A classifier out of the bytes that az_classifier_save() wrote. Of the options the method and
 * knn are not used. */
AZ_API az_status az_classifier_load(az_classifier **out, const void *data, size_t n_bytes,
                                    const az_classifier_options *options,
                                    const az_allocator *allocator, az_error *error);
/* Returns 0, or anything else to stop with AZ_ERROR_CANCELLED. */
typedef int (*az_write_fn)(void *opaque, const void *data, size_t n_bytes);
/* AZ_METHOD_PROMPTED can't be saved: AZ_ERROR_ARGUMENT. */
AZ_API az_status az_classifier_save(const az_classifier *classifier, az_write_fn write,
                                    void *opaque, az_error *error);
AZ_API void az_classifier_close(az_classifier **classifier);

/* AZ_METHOD_COUNTS: counts one text more for a label, which may be new, or one less: then all is as
 * if it had never been there, but for the label's name and number, and the calibration.
 * AZ_ERROR_ARGUMENT, and no change, where the label has no such text, or with another method. */
AZ_API az_status az_classifier_add(az_classifier *classifier, az_text text, az_text label,
                                   az_error *error);
AZ_API az_status az_classifier_remove(az_classifier *classifier, az_text text, az_text label,
                                      az_error *error);

AZ_API void az_classifier_get_info(const az_classifier *classifier, az_classifier_info *info);
/* The name of label i, below n_labels; lives as long as the handle. */
AZ_API az_text az_classifier_label(const az_classifier *classifier, size_t i);

/* Labels of n texts, answers[n], and, where not NULL, probabilities [n][n_labels] (of
 * AZ_METHOD_KNN: shares of the votes). When progress stops it, *n_done, which may be NULL, says
 * how many of the first answers are there. One run at a time. */
AZ_API az_status az_classifier_run(az_classifier *classifier, const az_text *texts, size_t n,
                                   int64_t *answers, double *probabilities, size_t *n_done,
                                   az_error *error);

/* The probability of the answer below which the least sure `share` (0..1) of texts lie, as rows
 * held out have shown; 0 if there were none, and for AZ_METHOD_KNN. */
AZ_API double az_classifier_threshold(const az_classifier *classifier, double share);

/* The bits that speak for label a against label b (not of AZ_METHOD_KNN): bits[n_bytes], a byte of
 * the text each, and *constant for none of them; they add up to log2 of the quotient of the two
 * probabilities. */
AZ_API az_status az_classifier_explain(az_classifier *classifier, az_text text, size_t a, size_t b,
                                       double *bits, double *constant, az_error *error);

typedef struct az_neighbour {
    size_t row; /* of the training set, among those with a label */
    double distance;
    az_text text; /* lives as long as the handle */
    size_t label;
} az_neighbour;

/* AZ_METHOD_KNN: the k nearest training texts, nearest first. *n is k, or fewer. */
AZ_API az_status az_classifier_neighbours(az_classifier *classifier, az_text text, unsigned k,
                                          az_neighbour *neighbours, unsigned *n, az_error *error);

/* ---- How good answers are ---- */

#define AZ_EVALUATION_N_BINS 15

typedef struct az_evaluation {
    size_t n;          /* rows whose truth is known */
    size_t n_answered; /* of them, those with an answer; accuracy and F1 are of these */
    double accuracy;
    double accuracy_low, accuracy_high; /* 95 %: percentiles of 2,000 resamples of fixed seed */
    double macro_f1;                    /* mean over the labels that occur, in truth or answers */
    double log_loss;                    /* nats a row; probabilities below 1e-15 count as that */
    double calibration_error;           /* mean of |share right - probability| over the bins */
    struct {
        size_t n, n_right;
        double surety;            /* mean probability of the answer */
    } bins[AZ_EVALUATION_N_BINS]; /* by the answer's probability, of equal width */
} az_evaluation;

typedef struct az_class_figure {
    size_t n; /* rows of this truth */
    double precision, recall, f1;
} az_class_figure;

/* truth[n], answers[n]: labels below n_labels, -1: none. probabilities [n][n_labels] or NULL.
 * confusion [n_labels][n_labels] receives the counts, a truth a row. */
AZ_API az_status az_evaluate(az_evaluation *out, uint64_t *confusion, const int64_t *truth,
                             const int64_t *answers, const double *probabilities, size_t n,
                             size_t n_labels, az_error *error);
AZ_API void az_class_figures(az_class_figure *out, const uint64_t *confusion, size_t n_labels,
                             size_t label);

/* ---- Distances between texts ---- */

/* matrix [n][n]: the mean of both orders' distances; 0 on the diagonal. Of the options
 * train_first, k and votes are not used. */
AZ_API az_status az_distance_matrix(double *matrix, const az_text *texts, size_t n,
                                    const az_classifier_options *options,
                                    const az_allocator *allocator, az_error *error);

/* Groups a and b become one: texts are 0..n-1, the group of merge i is n + i. */
typedef struct az_tree_merge {
    uint32_t a, b;
    double height; /* half of their distance */
} az_tree_merge;

/* merges [n - 1] by UPGMA; of equally near pairs, that of the lowest numbers comes first. */
AZ_API az_status az_distance_tree(az_tree_merge *merges, const double *matrix, size_t n,
                                  const az_allocator *allocator, az_error *error);

/* ---- Scoring ---------------------------------------------------------- */

/* What a text costs, in bits: under a language model alone, in windows of a
 * stated size, or as az_compress() would write it. The same number to the last
 * bit on every machine, for any number of threads. */
typedef struct az_scorer az_scorer;

/* A cost is bits times this. */
#define AZ_COST_BIT ((uint64_t)1 << 24)

typedef struct az_score {
    uint64_t n_bytes;
    uint64_t n_characters; /* code points of UTF-8; a byte that is part of none is one */
    uint64_t n_tokens;     /* 0 without a model */
    uint64_t n_escapes;    /* bytes for which the model has no token: log2 of the least likely
                              token's share and 8 bits each; the model sees the start token */
    uint64_t n_scored;     /* tokens whose cost is counted: all, but for AZ_PARAM_PERPLEXITY */
    uint64_t cost;         /* of all that is counted */
    uint32_t context;      /* as used; 0 without a model */
    uint32_t stride;
    int64_t start;
} az_score;

/* Called for each part of the text that counts, in order: a token (with a model,
 * when its window is done) or 256 bytes (without; that takes twice the time). The
 * parts add up to the cost. */
typedef void (*az_score_part_fn)(void *opaque, uint64_t first_byte, uint64_t n_bytes,
                                 uint64_t cost);

/* Makes a handle. model: NULL for the built-in predictor, else it must live as
 * long as the handle; its weights are loaded by the first run. Parameters:
 * THREADS, MEMORY_LIMIT, LEVEL (without a model), and the last four (with). */
AZ_API az_status az_scorer_open(az_scorer **out, const az_model *model,
                                const az_allocator *allocator, az_error *error);
AZ_API az_status az_scorer_set(az_scorer *scorer, az_param param, int64_t value, az_error *error);
/* in_nbytes: bytes scored so far. */
AZ_API void az_scorer_set_progress(az_scorer *scorer, az_progress_fn fn, void *opaque);
AZ_API void az_scorer_set_part_fn(az_scorer *scorer, az_score_part_fn fn, void *opaque);

/* Scores one text. Without a model *score holds the whole archive's size. A
 * failure leaves the handle fit for other texts. */
AZ_API az_status az_scorer_run(az_scorer *scorer, const void *text, size_t n_bytes, az_score *score,
                               az_error *error);
/* Memory in use at most so far. */
AZ_API uint64_t az_scorer_peak_memory(const az_scorer *scorer);
AZ_API void az_scorer_close(az_scorer **scorer);

/* ---- Surprise --------------------------------------------------------- */

/* Where the bits of an archive go. An encoder that is told to says of each token, with a language
 * model, or each byte, without, what it has spent on it, and what it had expected instead. */

typedef struct az_surprise_guess {
    az_text text;  /* a byte, or with a model a token's bytes */
    uint64_t cost; /* what it would have cost, times AZ_COST_BIT */
} az_surprise_guess;

#define AZ_SURPRISE_GUESSES_MAX 5

typedef struct az_surprise_part {
    uint64_t first_byte; /* in the content */
    size_t n_bytes;
    const uint32_t *costs; /* [n_bytes] of each byte, times AZ_COST_BIT; stored: 8 bits */
    uint64_t cost;         /* of all of them */
    uint32_t rank;         /* 1: nothing was likelier; 0: not known */
    uint32_t n_guesses;    /* at most AZ_SURPRISE_GUESSES_MAX */
    const az_surprise_guess *guesses; /* the likeliest first. Without a model what each would cost
                                         in the archive; with one what the model alone thinks */
} az_surprise_part;

/* Called for each part, in order, when its block is given out. What it points to lives until it
 * returns. */
typedef void (*az_surprise_fn)(void *opaque, const az_surprise_part *part);

/* Parts that begin before byte n_guessed of the content have a rank and guesses. Takes 5 bytes of
 * memory more for each byte of a block, and 48 for each with guesses. fn NULL: none. Only before the
 * first az_encoder_run(). */
AZ_API az_status az_encoder_set_surprise(az_encoder *encoder, az_surprise_fn fn, void *opaque,
                                         uint64_t n_guessed, az_error *error);

/* Encodes the text, as the encoder is set, and throws the archive away: for its size and for what
 * the surprise function says. The costs and *frame_cost, which is what headers, checks and the
 * index take, add up to *archive_nbytes. Afterwards the encoder can only be closed. */
AZ_API az_status az_surprise_run(az_encoder *encoder, const void *text, size_t n_bytes,
                                 uint64_t *archive_nbytes, int64_t *frame_cost, az_error *error);

#ifdef __cplusplus
}
#endif
#endif
