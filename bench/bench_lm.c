/*
 * bench_lm MODEL [THREADS [RUNS [POSITION]]]: how fast a model runs, as one line of JSON.
 * bench/lm.py puts it beside llama.cpp.
 *
 *   load_s      to load the weights
 *   score       512 tokens of one window, in batches of 256, the probabilities of all tokens
 *               for each: tokens a second, median of the runs
 *   single      one token at a time, after 256 others
 *   lanes       16 sequences, a token each at a time, at about 256 positions, probabilities too
 *   multiply_256_gmacs, multiply_16_gmacs, peak_gmacs   int8 products a second, 10^9, of one
 *               thread: of a matrix of 1,536 rows and 576 columns with 256 and with 16 rows of
 *               activations; and in a loop of nothing but such products
 *
 * With a POSITION instead: rows_1, rows_8, rows_16, rows_64, tokens a second of as many
 * sequences, a token each at a time, from that position on, probabilities too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "transformer/transformer.h"

enum {
    PROMPT = 512,
    BATCH = 256,
    BEFORE = 256,
    LANES = 16,
    LANES_MAX = 64,
    STEPS = 16,
    SINGLES = 32,
    RUNS_MAX = 99
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(az_status status, const az_error *error) {
    if (status == AZ_OK)
        return;
    fprintf(stderr, "bench_lm: %s\n", error->text);
    exit(1);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[n / 2];
}

typedef struct bench {
    az_heap *heap;
    az_pool *pool;
    az_lm *lm;
    az_lm_batch *batch;
    az_lm_cache *caches[LANES_MAX];
    float *logits;
    uint32_t *freq;
    uint64_t sums[LANES];
    az_error error;
    uint64_t seed;
} bench;

static uint32_t token(bench *b) { /* any will do: the time is the same */
    b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((b->seed >> 33) % az_lm_get_info(b->lm)->n_vocab);
}

static void feed(bench *b, az_lm_cache *const *caches, uint32_t n_caches, uint32_t n,
                 bool probabilities) {
    az_lm_row rows[BATCH] = {{0}};
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (az_lm_row){caches[n_caches > 1 ? i : 0], token(b)};
    check(az_lm_run(b->batch, rows, n, &b->error), &b->error);
    for (uint32_t i = 0; probabilities && i < n; i += LANES) {
        uint32_t left = n - i < LANES ? n - i : LANES;
        check(az_lm_frequencies(b->batch, i, left, b->logits, b->freq, b->sums, &b->error),
              &b->error);
    }
}

static double score(bench *b) {
    az_lm_cache_reset(b->caches[0]);
    double start = now();
    for (int i = 0; i < PROMPT; i += BATCH)
        feed(b, b->caches, 1, BATCH, true);
    return PROMPT / (now() - start);
}

static double single(bench *b) {
    az_lm_cache_reset(b->caches[0]);
    feed(b, b->caches, 1, BEFORE, false);
    double start = now();
    for (int i = 0; i < SINGLES; i++)
        feed(b, b->caches, 1, 1, true);
    return SINGLES / (now() - start);
}

static double lanes(bench *b) {
    for (int i = 0; i < LANES; i++) {
        az_lm_cache_reset(b->caches[i]);
        feed(b, &b->caches[i], 1, BEFORE - STEPS / 2, false);
    }
    double start = now();
    for (int i = 0; i < STEPS; i++)
        feed(b, b->caches, LANES, LANES, true);
    return LANES * STEPS / (now() - start);
}

/* ---- Products ------------------------------------------------------------------- */

/* A matrix of this model's sizes, times rows: 10^9 products a second of one thread. */
static double multiply(const az_lm_kernels *k, size_t n_cols, size_t n_out, size_t n_rows) {
    az_matrix m = {aligned_alloc(64, n_out * n_cols), aligned_alloc(64, n_out * n_cols / 16),
                   n_cols, n_out / 16};
    size_t n_blocks = n_cols / AZ_LM_BLOCK;
    az_rows a = {aligned_alloc(64, n_rows * n_cols * k->q_nbytes),
                 aligned_alloc(64, n_rows * n_blocks * 64),
                 aligned_alloc(64, n_rows * n_blocks * 64), n_cols};
    float *x = aligned_alloc(64, n_cols * 4), *out = aligned_alloc(64, n_rows * n_out * 4);
    if (!m.groups || !m.scale || !a.q || !a.scale || !a.sum || !x || !out)
        exit(1);
    memset(m.groups, 3, n_out * n_cols);
    for (size_t i = 0; i < n_out * n_blocks; i++)
        m.scale[i] = 1;
    for (size_t i = 0; i < n_cols; i++)
        x[i] = (float)(i % 64) - 31;
    for (size_t r = 0; r < n_rows; r++)
        (void)k->quantise(x, n_cols, a.q + r * n_cols * k->q_nbytes, a.scale + r * n_blocks,
                          a.sum + r * n_blocks);
    double best = 0;
    for (int run = 0; run < 5; run++) {
        double start = now(), seconds;
        double n = 0;
        do {
            k->multiply(&m, 0, m.n_groups, &a, 0, n_rows, out, n_out);
            n += (double)n_rows * (double)n_cols * (double)n_out;
        } while ((seconds = now() - start) < 0.1);
        best = n / seconds > best ? n / seconds : best;
    }
    free(m.groups), free(m.scale), free(a.q), free(a.scale), free(a.sum), free(x), free(out);
    return best / 1e9;
}

#if defined(__x86_64__) && defined(__GNUC__)
#define TIMES12(X) X(s0) X(s1) X(s2) X(s3) X(s4) X(s5) X(s6) X(s7) X(s8) X(s9) X(s10) X(s11)

__attribute__((target("avx2"))) static double peak_avx2(void) {
    /* Each in a register of its own: an array would be kept in memory. */
    __m256i a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(5), p;
    __m256i s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a,
            s11 = a;
    double n = 0, start = now(), seconds;
    do {
        for (int i = 0; i < 100000; i++) {
#define STEP(s)                                                         \
    __asm__ volatile("vpmaddwd %2, %1, %0" : "=x"(p) : "x"(a), "x"(b)); \
    __asm__ volatile("vpaddd %1, %0, %0" : "+x"(s) : "x"(p));
            TIMES12(STEP)
#undef STEP
        }
        n += 100000.0 * 12 * 16;
    } while ((seconds = now() - start) < 0.1);
    return n / seconds / 1e9;
}

__attribute__((target("avx512f"))) static double peak_vnni(void) {
    __m512i a = _mm512_set1_epi32(3), b = _mm512_set1_epi32(5);
    __m512i s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a,
            s11 = a;
    double n = 0, start = now(), seconds;
    do {
        for (int i = 0; i < 100000; i++) {
#define STEP(s) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b));
            TIMES12(STEP)
#undef STEP
        }
        n += 100000.0 * 12 * 64;
    } while ((seconds = now() - start) < 0.1);
    return n / seconds / 1e9;
}

static double peak_amx(void) {
    _Alignas(64) uint8_t config[64] = {1};
    for (int i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
    __asm__ volatile("tilezero %%tmm6; tilezero %%tmm7" : :);
    double n = 0, start = now(), seconds;
    do {
        for (int i = 0; i < 10000; i++)
            __asm__ volatile("tdpbssd %%tmm7, %%tmm6, %%tmm0; tdpbssd %%tmm7, %%tmm6, %%tmm1;"
                             "tdpbssd %%tmm7, %%tmm6, %%tmm2; tdpbssd %%tmm7, %%tmm6, %%tmm3"
                             :
                             :);
        n += 10000.0 * 4 * 16 * 16 * 64;
    } while ((seconds = now() - start) < 0.1);
    __asm__ volatile("tilerelease" : :);
    return n / seconds / 1e9;
}
#endif

/* The most that the instructions of this set can do, as far as a loop shows it. */
static double peak(const char *set) {
    double best = 0;
#if defined(__x86_64__) && defined(__GNUC__)
    for (int i = 0; i < 5; i++) {
        double p = strcmp(set, "avx2") == 0   ? peak_avx2()
                   : strcmp(set, "vnni") == 0 ? peak_vnni()
                   : strcmp(set, "amx") == 0  ? peak_amx()
                                              : 0;
        best = p > best ? p : best;
    }
#endif
    (void)set;
    return best;
}

static void open_caches(bench *b, unsigned n, uint32_t window) {
    check(az_lm_batch_open(&b->batch, b->lm, BATCH, window, b->pool, b->heap, &b->error),
          &b->error);
    for (unsigned i = 0; i < n; i++)
        check(az_lm_cache_open(&b->caches[i], b->lm, window, BATCH, b->heap, &b->error), &b->error);
}

static void open_all(bench *b, const char *path, unsigned n_threads, double *load_s) {
    az_gguf *gguf;
    check(az_heap_open(&b->heap, NULL, &b->error), &b->error);
    check(az_gguf_open(&gguf, path, b->heap, &b->error), &b->error);
    check(az_pool_open(&b->pool, n_threads, b->heap, &b->error), &b->error);
    double start = now();
    check(az_lm_open(&b->lm, gguf, az_cpu_features(), b->pool, b->heap, &b->error), &b->error);
    *load_s = now() - start;
    size_t n = (size_t)LANES * az_lm_logits_stride(b->lm);
    b->logits = aligned_alloc(64, n * 4);
    b->freq = aligned_alloc(64, n * 4);
}

/* Sequences, a token each at a time, from a position on. */
static void print_rows(bench *b, unsigned n_threads, int n_runs, uint32_t position) {
    static const uint32_t counts[] = {1, 8, 16, 64};
    enum { N_COUNTS = sizeof counts / sizeof counts[0] };
    double speed[N_COUNTS][RUNS_MAX];
    open_caches(b, LANES_MAX, position + N_COUNTS * STEPS * (uint32_t)n_runs);
    for (int i = 0; i < LANES_MAX; i++)
        for (uint32_t left = position; left > 0; left -= left < BATCH ? left : BATCH)
            feed(b, &b->caches[i], 1, left < BATCH ? left : BATCH, false);
    for (int run = 0; run < n_runs; run++)
        for (int c = 0; c < N_COUNTS; c++) {
            double start = now();
            for (int i = 0; i < STEPS; i++)
                feed(b, b->caches, counts[c], counts[c], true);
            speed[c][run] = counts[c] * STEPS / (now() - start);
        }
    printf("{\"kernels\": \"%s\", \"threads\": %u, \"position\": %u",
           az_lm_kernels_get(az_cpu_features())->name, n_threads, position);
    for (int c = 0; c < N_COUNTS; c++)
        printf(", \"rows_%u\": %.1f", counts[c], median(speed[c], n_runs));
    printf("}\n");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "bench_lm MODEL [THREADS [RUNS [POSITION]]]\n");
        return 2;
    }
    unsigned n_threads = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)az_cpu_count();
    int n_runs = argc > 3 ? atoi(argv[3]) : 5;
    n_runs = n_runs < 1 ? 1 : n_runs > RUNS_MAX ? RUNS_MAX : n_runs;
    bench b = {.seed = 1};
    double load_s, s[RUNS_MAX], one[RUNS_MAX], many[RUNS_MAX];
    open_all(&b, argv[1], n_threads, &load_s);
    if (argc > 4) {
        print_rows(&b, n_threads, n_runs, (uint32_t)atoi(argv[4]));
        return 0;
    }
    open_caches(&b, LANES, PROMPT);
    (void)score(&b);
    for (int i = 0; i < n_runs; i++) {
        s[i] = score(&b);
        one[i] = single(&b);
        many[i] = lanes(&b);
    }
    const az_lm_kernels *k = az_lm_kernels_get(az_cpu_features());
    double p = peak(k->name), m256 = multiply(k, 576, 1536, 256), m16 = multiply(k, 576, 1536, 16);
    printf("{\"kernels\": \"%s\", \"threads\": %u, \"load_s\": %.2f, \"score\": %.1f, \"single\": "
           "%.1f, "
           "\"lanes\": %.1f, \"multiply_256_gmacs\": %.1f, \"multiply_16_gmacs\": %.1f, "
           "\"peak_gmacs\": %.1f, \"peak_memory_mb\": %.1f, \"weights_mb\": %.1f}\n",
           k->name, n_threads, load_s, median(s, n_runs), median(one, n_runs), median(many, n_runs),
           m256, m16, p, (double)az_heap_peak(b.heap) / 1e6,
           (double)az_lm_get_info(b.lm)->weights_nbytes / 1e6);
    return 0;
}
