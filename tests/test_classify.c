/*
 * classify: figures equal those of a peer, ties go as the rules say, and no result depends on
 * threads, on saving and loading, or on the order of anything but the rows.
 */
#include <math.h>

#include "classify/classify.h"
#include "classify/maths.h"
#include "measure/measure.h"
#include "plan.h"
#include "support.h"

/* ---- A small set of texts of three kinds ---------------------------------------- */

enum { N_TEXTS = 240, N_KINDS_OF_TEXT = 3 };

static az_text make_text(size_t topic, uint64_t *state, char *room, size_t capacity) {
    static const char *const words[N_KINDS_OF_TEXT][6] = {
        {"goal", "match", "team", "player", "coach", "season"},
        {"shares", "market", "profit", "bank", "deal", "price"},
        {"planet", "orbit", "rocket", "launch", "moon", "crew"}};
    static const char *const common[] = {"the", "a", "of", "today", "new", "says"};
    int n = 0;
    for (int i = 0; i < 8; i++) {
        size_t from = rnd_below(state, 10) < 4 ? topic : rnd_below(state, N_KINDS_OF_TEXT);
        const char *word =
            rnd_below(state, 2) ? common[rnd_below(state, 6)] : words[from][rnd_below(state, 6)];
        n += snprintf(room + n, capacity - (size_t)n, "%s ", word);
    }
    return (az_text){room, (size_t)n};
}

static az_dataset *make_set(uint64_t seed, size_t n) {
    az_dataset *d;
    uint64_t state = seed;
    char room[256];
    assert_int_equal(az_dataset_new(&d, NULL, NULL), AZ_OK);
    for (size_t i = 0; i < n; i++) {
        static const char *const names[] = {"sport", "money", "space"};
        size_t topic = i % N_KINDS_OF_TEXT;
        assert_int_equal(az_dataset_add(d, make_text(topic, &state, room, sizeof room),
                                        (az_text){names[topic], 5}, NULL),
                         AZ_OK);
    }
    return d;
}

/* Answers and probabilities to all rows of a set. */
typedef struct answers {
    int64_t labels[N_TEXTS];
    double p[N_TEXTS * 8];
} answers;

static void run(az_classifier *c, const az_dataset *test, answers *out) {
    az_text texts[N_TEXTS];
    size_t n = az_dataset_n_rows(test), n_done;
    for (size_t i = 0; i < n; i++)
        texts[i] = az_dataset_row(test, i).text;
    memset(out, 0, sizeof *out);
    assert_int_equal(az_classifier_run(c, texts, n, out->labels, out->p, &n_done, NULL), AZ_OK);
    assert_int_equal(n_done, n);
}

static az_classifier *train(const az_dataset *d, az_method method, int n_threads) {
    az_classifier *c;
    const az_classifier_options options = {
        .method = method, .n_threads = n_threads, .knn = {.level = -1, .k = 3}};
    az_error error = {0};
    if (az_classifier_train(&c, d, &options, NULL, &error) != AZ_OK)
        fail_msg("%s", error.text);
    return c;
}

/* ---- Maths ------------------------------------------------------------------------- */

static void logarithm_and_exponential(void **state) {
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < REPEATS(300000, 20000); i++) {
        double x = (double)(rnd(&random) >> 11) * 0x1p-53, scale = exp2((double)(i % 2000) - 1000);
        if (x == 0)
            continue;
        long double want = logl((long double)(x * scale));
        long double error = fabsl(az_ln(x * scale) - want) / fmaxl(1, fabsl(want));
        assert_true(error < 1e-15L);
        double y = (x - 0.5) * 1380;
        assert_true(fabsl(az_exp(y) / expl(y) - 1) < 1e-14L);
    }
    assert_true(az_ln(1) == 0 && az_exp(0) == 1 && az_exp(-701) == 0);
    assert_true(az_ln(5e-324) < -744.4 && az_ln(5e-324) > -744.5);
}

/* ---- Features ------------------------------------------------------------------------ */

static size_t count_features(const char *text, az_feature_kinds kinds) {
    az_heap *heap;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    az_feature_list list = {.heap = heap};
    assert_int_equal(az_features_find(&list, &kinds, (az_text){text, strlen(text)}, NULL), AZ_OK);
    size_t n = list.n;
    az_features_free(&list);
    az_heap_close(&heap);
    return n;
}

static void features_of_a_text(void **state) {
    (void)state;
    const az_feature_kinds words = {.n_words = 2, .run_min = 1};
    assert_int_equal(count_features("One two, THREE", words), 5); /* 3 words, 2 pairs */
    assert_int_equal(count_features("", words), 0);
    const az_feature_kinds marks = {.n_words = 1, .marks = true, .run_min = 1};
    assert_int_equal(count_features("One two, THREE!", marks), 5);
    const az_feature_kinds runs = {.run_min = 2, .run_max = 3};
    assert_int_equal(count_features("ab", runs), 3 + 2);       /* " ab ": 3 pairs, 2 threes */
    assert_int_equal(count_features("\xC3\xA9", runs), 2 + 1); /* one character */
    assert_int_equal(count_features("\xE9", runs), 2 + 1);
}

static uint64_t first_hash(const char *text) {
    az_heap *heap;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    az_feature_list list = {.heap = heap};
    const az_feature_kinds kinds = {.n_words = 1, .run_min = 1};
    assert_int_equal(az_features_find(&list, &kinds, (az_text){text, strlen(text)}, NULL), AZ_OK);
    assert_true(list.n == 1);
    uint64_t hash = list.hashes[0];
    az_features_free(&list);
    az_heap_close(&heap);
    return hash;
}

static void case_makes_no_difference(void **state) {
    (void)state;
    assert_true(first_hash("HELLO") == first_hash("hello"));
    assert_true(first_hash("\xC3\x89T\xC3\x89") == first_hash("\xC3\xA9t\xC3\xA9")); /* ÉTÉ */
    assert_true(first_hash("\xD0\x9C\xD0\x98\xD0\xA0") == first_hash("\xD0\xBC\xD0\xB8\xD1\x80"));
    assert_true(first_hash("\xCE\xA9") == first_hash("\xCF\x89"));
    assert_true(first_hash("\xC5\xBD") == first_hash("\xC5\xBE"));
    assert_true(first_hash("hello") != first_hash("hellp"));
}

/* ---- Class model ------------------------------------------------------------------------ */

static void it_learns(void **state) {
    (void)state;
    az_dataset *d = make_set(1, N_TEXTS), *test = make_set(2, N_TEXTS);
    az_classifier *c = train(d, AZ_METHOD_CLASS, 1);
    answers got;
    run(c, test, &got);
    int n_right = 0;
    for (size_t i = 0; i < N_TEXTS; i++) {
        n_right += got.labels[i] == az_dataset_row(test, i).label;
        double sum = 0;
        for (size_t k = 0; k < 3; k++)
            sum += got.p[i * 3 + k];
        assert_true(fabs(sum - 1) < 1e-12);
    }
    assert_true(n_right > N_TEXTS * 6 / 10);
    az_classifier_info info;
    az_classifier_get_info(c, &info);
    assert_true(info.held_out_accuracy > 0.6 && info.n_labels == 3 && info.n_rows == N_TEXTS);
    double low = az_classifier_threshold(c, 0.1), high = az_classifier_threshold(c, 0.5);
    assert_true(low > 1.0 / 3 && high > low && high < 1);
    az_classifier_close(&c);
    az_dataset_close(&d);
    az_dataset_close(&test);
}

static void same_answers_for_any_thread_count(void **state) {
    (void)state;
    az_dataset *d = make_set(1, N_TEXTS), *test = make_set(2, N_TEXTS);
    for (int method = 0; method <= AZ_METHOD_COUNTS; method++) {
        if (method == AZ_METHOD_PROMPTED)
            continue;
        answers want, got;
        for (int n_threads = 1; n_threads <= 8; n_threads = n_threads == 1 ? 2 : n_threads * 4) {
            az_classifier *c = train(d, (az_method)method, n_threads);
            run(c, test, n_threads == 1 ? &want : &got);
            if (n_threads > 1)
                assert_memory_equal(&want, &got, sizeof want);
            az_classifier_close(&c);
        }
    }
    az_dataset_close(&d);
    az_dataset_close(&test);
}

static void check_reasons(az_method method) {
    az_dataset *d = make_set(1, N_TEXTS), *test = make_set(2, 30);
    az_classifier *c = train(d, method, 1);
    answers got;
    run(c, test, &got);
    for (size_t i = 0; i < 30; i++) {
        az_text text = az_dataset_row(test, i).text;
        double bits[512], constant, sum;
        for (size_t b = 0; b < 3; b++) {
            assert_int_equal(az_classifier_explain(c, text, 0, b, bits, &constant, NULL), AZ_OK);
            sum = constant;
            for (size_t k = 0; k < text.n_bytes; k++)
                sum += bits[k];
            assert_true(fabs(sum - log2(got.p[i * 3] / got.p[i * 3 + b])) < 1e-4);
        }
    }
    az_classifier_close(&c);
    az_dataset_close(&d);
    az_dataset_close(&test);
}

static void reasons_add_up_to_the_log_odds(void **state) {
    (void)state;
    check_reasons(AZ_METHOD_CLASS);
    check_reasons(AZ_METHOD_PRIMED);
    check_reasons(AZ_METHOD_COUNTS);
}

/* A text costs after a prime what it adds to the code of both together, whatever was measured
 * before, and a longer prime goes on from where it was. */
static void a_primed_text_costs_what_it_adds(void **state) {
    (void)state;
    static const char *const texts[] = {"the match of the season", "a", "",
                                        "the match of the season, and the bank"};
    az_heap *heap;
    az_pool *pool;
    assert_int_equal(az_heap_open(&heap, NULL, NULL), AZ_OK);
    assert_int_equal(az_pool_open(&pool, 2, heap, NULL), AZ_OK);
    const uint64_t sizes[2] = {2000, 100};
    for (int level = 1; level <= 5; level += 2) {
        az_primed *primed;
        assert_int_equal(az_primed_open(&primed, level, sizes, 2, pool, heap, NULL), AZ_OK);
        uint8_t *joined = calloc(2000 + 65536, 1);
        size_t n = 0;
        for (int i = 0; i < 20; i++) {
            az_text text = {"the match of the season and the player", (size_t)(20 + i % 7)};
            assert_true(az_primed_add(primed, 0, text));
            assert_int_equal(az_primed_add(primed, 1, text), i < 4);
            memcpy(joined + n, text.data, text.n_bytes);
            n += text.n_bytes;
            joined[n++] = '\n';
            for (int t = 0; t < 4; t++) {
                az_predictor *p;
                az_range_encoder rc;
                az_text asked = {texts[t], strlen(texts[t])};
                uint64_t costs[2], by_byte[64], sum = 0;
                memcpy(joined + n, asked.data, asked.n_bytes);
                assert_int_equal(az_predictor_open(&p, heap, AZ_METHOD_CM, level,
                                                   (az_span){0, 2000 + 65536}, NULL),
                                 AZ_OK);
                az_predictor_begin(p, joined, (az_span){0, 2000 + 65536});
                az_range_encoder_init(&rc, NULL, 0);
                az_predictor_encode(p, &rc, n);
                az_range_encoder_init(&rc, NULL, 0);
                uint64_t before = az_coded_cost(&rc);
                az_predictor_encode(p, &rc, asked.n_bytes);
                az_primed_run(primed, &asked, 1, costs);
                assert_int_equal(costs[0], az_coded_cost(&rc) - before);
                az_primed_bytes(primed, 0, asked, by_byte);
                for (size_t k = 0; k < asked.n_bytes; k++)
                    sum += by_byte[k];
                assert_int_equal(sum, costs[0]);
                az_predictor_close(&p);
            }
        }
        free(joined);
        az_primed_close(&primed);
    }
    az_pool_close(&pool);
    az_heap_close(&heap);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static int append(void *opaque, const void *data, size_t n_bytes) {
    bytes *b = opaque;
    b->data = realloc(b->data, b->n + n_bytes);
    assert_non_null(b->data);
    memcpy(b->data + b->n, data, n_bytes);
    b->n += n_bytes;
    return 0;
}

static int refuse(void *opaque, const void *data, size_t n_bytes) {
    (void)opaque, (void)data, (void)n_bytes;
    return 1;
}

static void a_saved_classifier_says_the_same(void **state) {
    (void)state;
    az_dataset *d = make_set(1, N_TEXTS), *test = make_set(2, N_TEXTS);
    for (int method = 0; method <= AZ_METHOD_COUNTS; method++) {
        if (method == AZ_METHOD_PROMPTED)
            continue;
        az_classifier *c = train(d, (az_method)method, 1), *loaded;
        bytes file = {0}, again = {0};
        assert_int_equal(az_classifier_save(c, append, &file, NULL), AZ_OK);
        assert_int_equal(az_classifier_save(c, refuse, NULL, NULL), AZ_ERROR_CANCELLED);
        assert_int_equal(az_classifier_load(&loaded, file.data, file.n, NULL, NULL, NULL), AZ_OK);
        assert_int_equal(az_classifier_save(loaded, append, &again, NULL), AZ_OK);
        assert_int_equal(again.n, file.n);
        assert_memory_equal(again.data, file.data, file.n);
        answers want, got;
        run(c, test, &want);
        run(loaded, test, &got);
        assert_memory_equal(&want, &got, sizeof want);
        az_classifier_close(&c);
        az_classifier_close(&loaded);
        free(file.data);
        free(again.data);
    }
    az_dataset_close(&d);
    az_dataset_close(&test);
}

static bytes saved(const az_classifier *c) {
    bytes file = {0};
    assert_int_equal(az_classifier_save(c, append, &file, NULL), AZ_OK);
    return file;
}

static void change_all(az_classifier *c, const az_dataset *d, bool add, az_status want) {
    for (size_t i = 0; i < az_dataset_n_rows(d); i++) {
        az_row row = az_dataset_row(d, i);
        az_text label = az_dataset_label(d, (size_t)row.label);
        az_error error = {0};
        assert_int_equal(add ? az_classifier_add(c, row.text, label, &error)
                             : az_classifier_remove(c, row.text, label, &error),
                         want);
        assert_true(want == AZ_OK || error.text[0]);
    }
}

/* Added and taken away again, texts leave nothing behind; added, they are as if they had always been
 * there. A label may be new; one without texts is never the answer. */
static void texts_come_and_go(void **state) {
    (void)state;
    az_dataset *a = make_set(1, N_TEXTS), *b = make_set(7, N_TEXTS), *test = make_set(2, N_TEXTS);
    az_dataset *both = make_set(1, N_TEXTS);
    for (size_t i = 0; i < N_TEXTS; i++) {
        az_row row = az_dataset_row(b, i);
        az_text label = az_dataset_label(b, (size_t)row.label);
        assert_int_equal(az_dataset_add(both, row.text, label, NULL), AZ_OK);
    }
    az_classifier *c = train(a, AZ_METHOD_COUNTS, 2), *all = train(both, AZ_METHOD_COUNTS, 1);
    bytes before = saved(c);
    change_all(c, b, true, AZ_OK);
    answers got, want;
    run(c, test, &got);
    run(all, test, &want);
    assert_memory_equal(got.labels, want.labels, sizeof got.labels);
    change_all(c, b, false, AZ_OK);
    bytes after = saved(c);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.data, after.data, after.n);
    az_text news = {"xyzzy", 5}, fresh = {"fresh", 5}, space = az_dataset_label(a, 1);
    assert_int_equal(az_classifier_remove(c, news, space, NULL), AZ_ERROR_ARGUMENT);
    assert_int_equal(az_classifier_remove(c, news, fresh, NULL), AZ_ERROR_ARGUMENT);
    for (int i = 0; i < 20; i++)
        assert_int_equal(az_classifier_add(c, news, fresh, NULL), AZ_OK);
    double p[4], bits[8], constant;
    int64_t label;
    assert_int_equal(az_classifier_run(c, &news, 1, &label, p, NULL, NULL), AZ_OK);
    assert_int_equal(label, 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(az_classifier_remove(c, news, fresh, NULL), AZ_OK);
    assert_int_equal(az_classifier_run(c, &news, 1, &label, p, NULL, NULL), AZ_OK);
    assert_true(label < 3 && p[3] == 0);
    assert_int_equal(az_classifier_explain(c, news, 0, 3, bits, &constant, NULL), AZ_OK);
    assert_true(constant > 1e6);
    change_all(c, a, false, AZ_OK);
    change_all(c, a, false, AZ_ERROR_ARGUMENT);
    az_classifier_info info;
    az_classifier_get_info(c, &info);
    assert_int_equal(info.n_rows, 0);
    assert_int_equal(info.n_features, 0);
    az_classifier *knn = train(a, AZ_METHOD_KNN, 1);
    change_all(knn, b, true, AZ_ERROR_ARGUMENT);
    az_classifier_close(&knn);
    az_classifier_close(&c);
    az_classifier_close(&all);
    free(before.data);
    free(after.data);
    az_dataset_close(&a);
    az_dataset_close(&b);
    az_dataset_close(&both);
    az_dataset_close(&test);
}

/* Cut anywhere, a byte changed, or (with the check made right) a field changed: a status, no
 * crash; what loads answers. */
static void damaged_files_are_refused(void **state) {
    (void)state;
    az_dataset *d = make_set(1, 30), *test = make_set(2, 10);
    for (int method = 0; method <= AZ_METHOD_COUNTS; method++) {
        if (method == AZ_METHOD_PROMPTED)
            continue;
        az_classifier *c = train(d, (az_method)method, 1), *loaded;
        bytes file = {0};
        assert_int_equal(az_classifier_save(c, append, &file, NULL), AZ_OK);
        az_classifier_close(&c);
        for (size_t n = 0; n < file.n; n += 1 + file.n / 200) {
            assert_int_not_equal(az_classifier_load(&loaded, file.data, n, NULL, NULL, NULL),
                                 AZ_OK);
            assert_null(loaded);
        }
        for (size_t i = 0; i < file.n; i += 1 + file.n / 300) {
            uint8_t kept = file.data[i], sum[4];
            file.data[i] ^= 0xFF;
            assert_int_not_equal(az_classifier_load(&loaded, file.data, file.n, NULL, NULL, NULL),
                                 AZ_OK);
            memcpy(sum, file.data + file.n - 4, 4);
            az_write_le32(file.data + file.n - 4, az_check(file.data, file.n - 4));
            if (az_classifier_load(&loaded, file.data, file.n, NULL, NULL, NULL) == AZ_OK) {
                az_text text = az_dataset_row(test, 0).text;
                int64_t label;
                (void)az_classifier_run(loaded, &text, 1, &label, NULL, NULL, NULL);
                az_classifier_close(&loaded);
            }
            memcpy(file.data + file.n - 4, sum, 4);
            file.data[i] = kept;
        }
        free(file.data);
    }
    az_dataset_close(&d);
    az_dataset_close(&test);
}

/* ---- Neighbours ---------------------------------------------------------------------------- */

static void distances_are_fractions(void **state) {
    (void)state;
    az_fraction ncd = az_distance_of(AZ_DISTANCE_NCD, 30, 40, 55);
    assert_int_equal(ncd.above, 25);
    assert_int_equal(ncd.below, 40);
    az_fraction cdm = az_distance_of(AZ_DISTANCE_CDM, 30, 40, 55);
    assert_int_equal(cdm.above, 55);
    assert_int_equal(cdm.below, 70);
    az_fraction clm = az_distance_of(AZ_DISTANCE_CLM, 30, 40, 55);
    assert_true(fabs(az_fraction_value(clm) - (1 - (30 + 40 - 55) / 55.0)) < 1e-15);
    assert_int_equal(az_distance_of(AZ_DISTANCE_CONDITIONAL, 30, 40, 55).above, 15);
    assert_true(az_fraction_compare((az_fraction){1, 3}, (az_fraction){2, 6}) == 0);
    assert_true(az_fraction_compare((az_fraction){-1, 3}, (az_fraction){0, 6}) < 0);
    assert_true(az_fraction_compare((az_fraction){INT64_C(3000000001), 3000000000},
                                    (az_fraction){INT64_C(3000000000), 2999999999}) < 0);
    assert_int_equal(az_distance_of(AZ_DISTANCE_NCD, 0, 0, 0).below, 1);
}

static uint32_t vote(az_votes rule, const uint32_t *labels, const int64_t *distances, unsigned n,
                     double *shares) {
    az_near near[8];
    for (unsigned i = 0; i < n; i++)
        near[i] = (az_near){{distances[i], 10}, i};
    const az_knn knn = {.options = {.votes = rule}, .labels = labels, .n_labels = 3};
    return az_knn_vote(&knn, near, n, shares);
}

static void ties_go_as_the_rules_say(void **state) {
    (void)state;
    const uint32_t labels[] = {2, 1, 1, 2, 0};
    const int64_t distances[] = {1, 2, 3, 9, 10};
    double shares[3];
    /* 2, 1, 1, 2, 0: two labels have two votes; of the first three, 1 has the most. */
    assert_int_equal(vote(AZ_VOTES_LOWEST_K, labels, distances, 5, shares), 1);
    assert_true(fabs(shares[1] - 2.0 / 3) < 1e-15 && shares[0] == 0);
    assert_int_equal(vote(AZ_VOTES_LOWEST_K, labels, distances, 2, shares), 2);
    assert_int_equal(vote(AZ_VOTES_LOWEST_LABEL, labels, distances, 5, shares), 1);
    assert_true(shares[0] == 0.2 && shares[1] == 0.4 && shares[2] == 0.4);
    assert_int_equal(vote(AZ_VOTES_DISTANCE, labels, distances, 5, shares), 1); /* 5 against 10 */
    const int64_t nearer[] = {1, 7, 8, 2, 10};
    assert_int_equal(vote(AZ_VOTES_DISTANCE, labels, nearer, 5, shares), 2);
    const uint32_t others[] = {2, 0};
    assert_int_equal(vote(AZ_VOTES_LOWEST_LABEL, others, distances, 2, shares), 0);
    assert_int_equal(vote(AZ_VOTES_LOWEST_K, others, distances, 2, shares), 2);
}

static void equal_distances_keep_the_order_of_rows(void **state) {
    (void)state;
    az_dataset *d;
    static const char *const texts[] = {"xyzxyz", "hello there", "hello there", "hello there", "q"};
    assert_int_equal(az_dataset_new(&d, NULL, NULL), AZ_OK);
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(
            az_dataset_add(d, (az_text){texts[i], strlen(texts[i])}, (az_text){"x", 1}, NULL),
            AZ_OK);
    az_classifier *c = train(d, AZ_METHOD_KNN, 1);
    az_neighbour near[8];
    unsigned n;
    assert_int_equal(az_classifier_neighbours(c, (az_text){"hello there", 11}, 8, near, &n, NULL),
                     AZ_OK);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(near[i].row, i + 1);
    az_classifier_close(&c);
    az_dataset_close(&d);
}

static void compressors_that_are_not_there_are_named(void **state) {
    (void)state;
    az_dataset *d = make_set(1, 10);
    az_classifier *c;
    az_error error;
    az_classifier_options options = {.method = AZ_METHOD_KNN, .knn = {.compressor = "pkzip"}};
    assert_int_equal(az_classifier_train(&c, d, &options, NULL, &error), AZ_ERROR_ARGUMENT);
    assert_non_null(strstr(error.text, "pkzip"));
    options.knn = (az_knn_options){.compressor = "aizip", .level = 11};
    assert_int_equal(az_classifier_train(&c, d, &options, NULL, &error), AZ_ERROR_ARGUMENT);
    assert_non_null(strstr(error.text, "level 11"));
    options.knn = (az_knn_options){.compressor = "aizip", .level = 1, .k = AZ_KNN_MAX + 1};
    assert_int_equal(az_classifier_train(&c, d, &options, NULL, &error), AZ_ERROR_ARGUMENT);
    az_dataset_close(&d);
    assert_int_equal(az_dataset_new(&d, NULL, NULL), AZ_OK);
    assert_int_equal(az_classifier_train(&c, d, NULL, NULL, &error), AZ_ERROR_DATA);
    az_dataset_close(&d);
}

/* ---- Trees ------------------------------------------------------------------------------------ */

static void a_tree_by_mean_distances(void **state) {
    (void)state;
    /* Of the usual textbook kind: 0 and 1 at 2, 3 and 4 at 4, then 2 with 0, 1 at 6. */
    const double m[5][5] = {
        {0, 2, 6, 10, 9}, {2, 0, 6, 9, 8}, {6, 6, 0, 8, 7}, {10, 9, 8, 0, 4}, {9, 8, 7, 4, 0}};
    az_tree_merge merges[4];
    assert_int_equal(az_distance_tree(merges, &m[0][0], 5, NULL, NULL), AZ_OK);
    const az_tree_merge want[4] = {{0, 1, 1}, {3, 4, 2}, {5, 2, 3}, {7, 6, 8.5 / 2}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(merges[i].a, want[i].a);
        assert_int_equal(merges[i].b, want[i].b);
        assert_true(fabs(merges[i].height - want[i].height) < 1e-12);
    }
    const double same[3][3] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}};
    assert_int_equal(az_distance_tree(merges, &same[0][0], 3, NULL, NULL), AZ_OK);
    assert_true(merges[0].a == 0 && merges[0].b == 1 && merges[1].a == 3 && merges[1].b == 2);
}

/* ---- Figures ------------------------------------------------------------------------------------ */

/* What scikit-learn 1.9 says of the same: f1_score(average="macro"), log_loss(labels=[0, 1, 2]),
 * precision_recall_fscore_support. */
static void figures_equal_scikit_learns(void **state) {
    (void)state;
    static const int64_t truth[] = {0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 2, 1};
    static const int64_t answer[] = {0, 1, 2, 1, 1, 0, 0, 2, 1, 2, 2, 0};
    double p[12][3];
    for (int i = 0; i < 12; i++)
        for (int k = 0; k < 3; k++)
            p[i][k] = 0.2 + (k == answer[i] ? 0.3 : 0) + (k == truth[i] ? 0.1 : 0);
    az_evaluation e;
    uint64_t confusion[9];
    assert_int_equal(az_evaluate(&e, confusion, truth, answer, &p[0][0], 12, 3, NULL), AZ_OK);
    assert_true(fabs(e.accuracy - 2.0 / 3) < 1e-12);
    assert_true(fabs(e.macro_f1 - 2.0 / 3) < 1e-12);
    assert_true(fabs(e.log_loss - 0.7418746839526391) < 1e-12);
    /* 8 answers of 0.6 in bin 9 (of 15), all right; 4 of 0.5 in bin 7, all wrong. */
    assert_true(fabs(e.calibration_error - (8 * 0.4 + 4 * 0.5) / 12) < 1e-12);
    assert_true(e.accuracy_low > 0.3 && e.accuracy_low < 0.5 && e.accuracy_high > 0.85);
    az_class_figure f;
    az_class_figures(&f, confusion, 3, 1);
    assert_true(f.precision == 0.75 && f.recall == 0.75 && f.f1 == 0.75 && f.n == 4);
}

static void rows_without_truth_or_answer(void **state) {
    (void)state;
    az_evaluation e;
    uint64_t confusion[16];
    const int64_t truth[] = {0, -1, 3, 1}, answer[] = {0, 1, -1, 0};
    assert_int_equal(az_evaluate(&e, confusion, truth, answer, NULL, 4, 4, NULL), AZ_OK);
    assert_true(e.n == 3 && e.n_answered == 2 && e.accuracy == 0.5);
    assert_true(fabs(e.macro_f1 - (2.0 / 3 + 0) / 2) < 1e-12); /* label 2 and 3 do not occur */
    assert_int_equal(az_evaluate(&e, confusion, truth, answer, NULL, 0, 4, NULL), AZ_OK);
    assert_true(e.n == 0 && e.accuracy == 0);
    assert_int_equal(az_evaluate(&e, confusion, truth, answer, NULL, 4, 3, NULL),
                     AZ_ERROR_ARGUMENT);
}

/* ---- Faults ------------------------------------------------------------------------------------- */

static az_status train_and_run(const az_dataset *d, az_method method,
                               const az_allocator *allocator) {
    az_classifier *c = NULL;
    const az_classifier_options options = {
        .method = method, .n_threads = 1, .knn = {.level = 1, .compressor = "aizip"}};
    az_error error = {0};
    az_status status = az_classifier_train(&c, d, &options, allocator, &error);
    bytes file = {0};
    az_text text = az_dataset_row(d, 0).text;
    int64_t label;
    double bits[512], constant;
    if (status == AZ_OK)
        status = az_classifier_run(c, &text, 1, &label, NULL, NULL, &error);
    if (status == AZ_OK && method == AZ_METHOD_COUNTS) {
        status = az_classifier_add(c, text, (az_text){"new", 3}, &error);
        if (status != AZ_OK) /* and it goes on as it was */
            assert_int_equal(az_classifier_run(c, &text, 1, &label, NULL, NULL, NULL), AZ_OK);
    }
    if (status == AZ_OK && method != AZ_METHOD_KNN)
        status = az_classifier_explain(c, text, 0, 1, bits, &constant, &error);
    if (status == AZ_OK)
        status = az_classifier_save(c, append, &file, &error);
    az_classifier_close(&c);
    if (status == AZ_OK)
        status = az_classifier_load(&c, file.data, file.n, NULL, allocator, &error);
    az_classifier_close(&c);
    free(file.data);
    assert_true(status == AZ_OK || error.text[0]);
    return status;
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    az_dataset *d = make_set(1, 24);
    for (int method = 0; method <= AZ_METHOD_COUNTS; method++) {
        if (method == AZ_METHOD_PROMPTED)
            continue;
        int i = 0, step = 1;
        for (;; i += step) {
            plan p = {.fails_at = i};
            const az_allocator allocator = {plan_alloc, plan_free, &p};
            az_status status = train_and_run(d, (az_method)method, &allocator);
            assert_true(status == AZ_OK || status == AZ_ERROR_MEMORY);
            assert_int_equal(p.n_live, 0);
            if (p.n_allocs <= i)
                break;
            assert_true(i < 5000);
        }
        assert_true(i > 10);
    }
    az_dataset_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithm_and_exponential),
        cmocka_unit_test(features_of_a_text),
        cmocka_unit_test(case_makes_no_difference),
        cmocka_unit_test(it_learns),
        cmocka_unit_test(same_answers_for_any_thread_count),
        cmocka_unit_test(reasons_add_up_to_the_log_odds),
        cmocka_unit_test(a_primed_text_costs_what_it_adds),
        cmocka_unit_test(a_saved_classifier_says_the_same),
        cmocka_unit_test(texts_come_and_go),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(distances_are_fractions),
        cmocka_unit_test(ties_go_as_the_rules_say),
        cmocka_unit_test(equal_distances_keep_the_order_of_rows),
        cmocka_unit_test(compressors_that_are_not_there_are_named),
        cmocka_unit_test(a_tree_by_mean_distances),
        cmocka_unit_test(figures_equal_scikit_learns),
        cmocka_unit_test(rows_without_truth_or_answer),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
