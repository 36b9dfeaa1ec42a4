/* aizip classify: train or load, then answer, test or cross-validate. */
#include "classification.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run {
    const az_classify_options *opt;
    az_dataset *train, *test;
    az_model *model; /* -m, or NULL */
    az_classifier *classifier;
    az_classifier_info info;
    double threshold; /* of --reject */
    double train_seconds;
    size_t n_dropped;
    az_progress progress;
} run;

static int out_of_memory(const az_classify_options *opt) {
    az_say_error(&opt->base, NULL, "not enough memory.");
    return AZ_EXIT_MEMORY;
}

/* ---- SIGINT: what is done so far is shown --------------------------------------- */

/* A handler has no argument to find its state by. */
static volatile sig_atomic_t interrupted;

static void note_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* The second time it stops the program, as always. */
static void catch_interrupts(void) {
    struct sigaction action = {.sa_handler = note_interrupt};
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
}

static int report_progress(void *opaque, uint64_t done, uint64_t of) {
    run *r = opaque;
    r->progress.n_bytes = of;
    az_progress_count(&r->progress, done);
    return interrupted;
}

/* ---- Train or load ----------------------------------------------------------------- */

static int write_stream(void *opaque, const void *data, size_t n_bytes) {
    return fwrite(data, 1, n_bytes, opaque) != n_bytes;
}

static int save(const run *r, az_whole_file *file) {
    az_error error;
    const az_options *opt = &r->opt->base;
    int rc = az_whole_file_open(file, opt, r->opt->save);
    if (rc != AZ_EXIT_OK)
        return rc;
    errno = 0;
    az_status status = az_classifier_save(r->classifier, write_stream, file->stream, &error);
    if (status == AZ_OK)
        return az_whole_file_commit(file, opt);
    if (status == AZ_ERROR_CANCELLED)
        az_say_error(opt, r->opt->save, "can't be written: %s.", strerror(errno ? errno : EIO));
    else
        rc = az_say_library_error(opt, r->opt->save, &error);
    az_whole_file_drop(file);
    return rc ? rc : AZ_EXIT_FILE;
}

static int load(run *r) {
    const az_options *opt = &r->opt->base;
    az_file_text file;
    int rc = az_file_text_read(&file, opt, r->opt->load);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_error error;
    az_classifier_options options = r->opt->classifier;
    options.progress = report_progress;
    options.opaque = r;
    if (az_classifier_load(&r->classifier, file.data, file.n_bytes, &options, NULL, &error) !=
        AZ_OK)
        rc = az_say_library_error(opt, r->opt->load, &error);
    az_file_text_free(&file);
    return rc;
}

static int train_on(run *r, const az_dataset *data, az_classifier **out) {
    az_classifier_options options = r->opt->classifier;
    if (r->model) {
        options.method = AZ_METHOD_PROMPTED;
        options.model = r->model;
        if (r->opt->labels)
            options.n_examples = 0;
    }
    options.progress = report_progress;
    options.opaque = r;
    az_error error;
    az_progress_start(&r->progress, &r->opt->base, "training", r->opt->train, 100);
    double start = az_now();
    az_status status = az_classifier_train(out, data, &options, NULL, &error);
    r->train_seconds += az_now() - start;
    az_progress_clear(&r->progress);
    return status == AZ_OK ? AZ_EXIT_OK
                           : az_say_library_error(&r->opt->base, r->opt->train, &error);
}

static int read_train(run *r) {
    const az_classify_options *opt = r->opt;
    int rc = az_read_dataset(&r->train, opt, opt->train, opt->train_labels, false);
    if (rc == AZ_EXIT_OK)
        rc = az_choose_rows(&r->train, opt, opt->train_rows, 0);
    az_error error;
    if (rc == AZ_EXIT_OK && opt->dedupe &&
        az_dataset_dedupe(r->train, r->test, &r->n_dropped, &error) != AZ_OK)
        rc = az_say_library_error(&opt->base, opt->train, &error);
    if (rc == AZ_EXIT_OK)
        rc = az_choose_rows(&r->train, opt, 0, opt->shots);
    if (rc == AZ_EXIT_OK && az_dataset_n_labels(r->train) == 1)
        az_say_warning(&opt->base, opt->train, "has one label only: it will be every answer.");
    return rc;
}

static int open_model(run *r) {
    const az_options *opt = &r->opt->base;
    char *path;
    int rc = az_models_find(opt, r->opt->model, &path);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_error error;
    if (az_model_open(&r->model, path, NULL, &error) != AZ_OK)
        rc = az_say_library_error(opt, r->opt->model, &error);
    free(path);
    return rc;
}

/* --labels: a row a label, without a text. */
static int name_labels(run *r) {
    const az_options *opt = &r->opt->base;
    az_error error;
    az_status status = az_dataset_new(&r->train, NULL, &error);
    for (const char *from = r->opt->labels; status == AZ_OK;) {
        size_t n = strcspn(from, ",");
        if (n == 0) {
            az_say_error(opt, NULL, "--labels %.100s: a name is empty; names are joined by commas.",
                         r->opt->labels);
            return AZ_EXIT_USAGE;
        }
        status = az_dataset_add(r->train, (az_text){0}, (az_text){from, n}, &error);
        if (!from[n])
            break;
        from += n + 1;
    }
    return status == AZ_OK ? AZ_EXIT_OK : az_say_library_error(opt, NULL, &error);
}

/* --add, --remove: each row of the file. */
static int change(const run *r, const char *path, bool add) {
    const az_options *opt = &r->opt->base;
    az_dataset *data = NULL;
    az_error error;
    int rc = az_read_dataset(&data, r->opt, path, NULL, false);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < az_dataset_n_rows(data); i++) {
        az_row row = az_dataset_row(data, i);
        if (row.label < 0)
            continue;
        az_text label = az_dataset_label(data, (size_t)row.label);
        az_status status = add ? az_classifier_add(r->classifier, row.text, label, &error)
                               : az_classifier_remove(r->classifier, row.text, label, &error);
        if (status == AZ_OK)
            continue;
        if (row.line)
            az_say_error(opt, path, "line %llu: %s.", (unsigned long long)row.line, error.text);
        else
            az_say_error(opt, path, "row %zu: %s.", i + 1, error.text);
        rc = AZ_EXIT_FILE;
    }
    az_dataset_close(&data);
    return rc;
}

static int get_classifier(run *r) {
    int rc = r->opt->load ? load(r) : train_on(r, r->train, &r->classifier);
    if (rc == AZ_EXIT_OK && r->opt->add)
        rc = change(r, r->opt->add, true);
    if (rc == AZ_EXIT_OK && r->opt->remove)
        rc = change(r, r->opt->remove, false);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_classifier_get_info(r->classifier, &r->info);
    if (r->opt->reject > 0)
        r->threshold = az_classifier_threshold(r->classifier, r->opt->reject);
    if (r->opt->base.verbosity > 0 && r->info.n_features > 0)
        az_say(NULL, "%zu features.", r->info.n_features);
    if (r->opt->base.verbosity > 0 && r->info.held_out_accuracy >= 0)
        az_say(NULL, "%.4f right on training rows that it had not seen.",
               r->info.held_out_accuracy);
    if (r->info.n_left_out > 0)
        az_say_warning(&r->opt->base, r->opt->train,
                       "the predictors of labels had no room for %zu of %zu rows; a higher --level "
                       "has more.",
                       r->info.n_left_out, r->info.n_rows);
    return AZ_EXIT_OK;
}

/* ---- A test -------------------------------------------------------------------------- */

typedef struct tested {
    az_text *texts;        /* [n] */
    int64_t *truth;        /* [n] numbers of `labels` */
    int64_t *answers;      /* [n] */
    double *probabilities; /* [n][n_labels] */
    az_text *labels;       /* [n_labels]: the classifier's, then those that only the test has */
    uint64_t *confusion;   /* [n_labels][n_labels] */
    size_t n, n_labels, n_known;
} tested;

static void free_tested(tested *t) {
    free(t->texts);
    free(t->truth);
    free(t->answers);
    free(t->probabilities);
    free(t->labels);
    free(t->confusion);
}

static bool is_same(az_text a, az_text b) {
    return a.n_bytes == b.n_bytes && (a.n_bytes == 0 || memcmp(a.data, b.data, a.n_bytes) == 0);
}

/* Numbers of test's labels among t->labels, to which the missing ones are added. */
static bool match_labels(tested *t, const run *r, const az_dataset *test, int64_t *numbers) {
    size_t n_test = az_dataset_n_labels(test);
    t->labels = calloc(r->info.n_labels + n_test + 1, sizeof *t->labels);
    if (!t->labels)
        return false;
    for (size_t i = 0; i < r->info.n_labels; i++)
        t->labels[i] = az_classifier_label(r->classifier, i);
    t->n_labels = t->n_known = r->info.n_labels;
    for (size_t i = 0; i < n_test; i++) {
        az_text name = az_dataset_label(test, i);
        numbers[i] = -1;
        for (size_t k = 0; k < t->n_known && numbers[i] < 0; k++)
            if (is_same(t->labels[k], name))
                numbers[i] = (int64_t)k;
        if (numbers[i] < 0) {
            numbers[i] = (int64_t)t->n_labels;
            t->labels[t->n_labels++] = name;
        }
    }
    return true;
}

static bool make_tested(tested *t, const run *r, const az_dataset *test) {
    t->n = az_dataset_n_rows(test);
    int64_t *numbers = calloc(az_dataset_n_labels(test) + 1, sizeof *numbers);
    bool good = numbers && match_labels(t, r, test, numbers);
    if (good) {
        t->texts = calloc(t->n + 1, sizeof *t->texts);
        t->truth = calloc(t->n + 1, sizeof *t->truth);
        t->answers = calloc(t->n + 1, sizeof *t->answers);
        t->probabilities = calloc((t->n + 1) * t->n_labels, sizeof *t->probabilities);
        t->confusion = calloc(t->n_labels * t->n_labels, sizeof *t->confusion);
        good = t->texts && t->truth && t->answers && t->probabilities && t->confusion;
    }
    for (size_t i = 0; good && i < t->n; i++) {
        az_row row = az_dataset_row(test, i);
        t->texts[i] = row.text;
        t->truth[i] = row.label < 0 ? -1 : numbers[row.label];
    }
    free(numbers);
    return good;
}

/* The classifier's probabilities have n_known columns; those of labels that it lacks become 0. */
static void spread(tested *t) {
    for (size_t i = t->n; t->n_labels > t->n_known && i-- > 0;) {
        memmove(t->probabilities + i * t->n_labels, t->probabilities + i * t->n_known,
                t->n_known * sizeof *t->probabilities);
        for (size_t c = t->n_known; c < t->n_labels; c++)
            t->probabilities[i * t->n_labels + c] = 0;
    }
}

static void reject(const run *r, tested *t) {
    for (size_t i = 0; r->threshold > 0 && i < t->n; i++)
        if (t->probabilities[i * t->n_labels + (size_t)t->answers[i]] < r->threshold)
            t->answers[i] = -1;
}

static int write_predictions(const run *r, const tested *t, const char *path) {
    az_whole_file file;
    int rc = az_whole_file_open(&file, &r->opt->base, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_answer_writer writer = {.stream = file.stream,
                               .form = r->opt->form,
                               .proba = r->opt->proba,
                               .classifier = r->classifier,
                               .n_labels = r->info.n_labels};
    for (size_t i = 0; i < t->n; i++)
        az_answer_write(&writer, t->answers[i], t->probabilities + i * t->n_labels);
    return az_whole_file_commit(&file, &r->opt->base);
}

static int show_report(const run *r, const az_report *report) {
    /* Predictions on stdout leave it to themselves. */
    bool taken = r->opt->predictions && strcmp(r->opt->predictions, "-") == 0;
    if (r->opt->base.json)
        az_report_json(taken ? stderr : stdout, report);
    else if (!taken || r->opt->base.verbosity >= 0)
        az_report_text(taken ? stderr : stdout, report);
    if (!r->opt->report)
        return AZ_EXIT_OK;
    az_whole_file file;
    int rc = az_whole_file_open(&file, &r->opt->base, r->opt->report);
    if (rc != AZ_EXIT_OK)
        return rc;
    az_report_html(file.stream, report);
    return az_whole_file_commit(&file, &r->opt->base);
}

static int evaluate(run *r, tested *t, az_report *report) {
    az_error error;
    report->opt = r->opt;
    report->confusion = t->confusion;
    report->labels = t->labels;
    report->n_labels = t->n_labels;
    report->texts = t->texts;
    report->truth = t->truth;
    report->answers = t->answers;
    report->probabilities = t->probabilities;
    report->n = t->n;
    report->n_dropped = r->n_dropped;
    report->train_seconds = r->train_seconds;
    report->train_name = r->opt->train ? r->opt->train : r->opt->load;
    report->test_name = r->opt->test;
    if (az_evaluate(&report->evaluation, t->confusion, t->truth, t->answers, t->probabilities, t->n,
                    t->n_labels, &error) != AZ_OK)
        return az_say_library_error(&r->opt->base, NULL, &error);
    return show_report(r, report);
}

/* Answers all of t; what an interrupt left out is cut off. */
static int answer_all(run *r, tested *t, const char *name, double *seconds) {
    az_error error;
    az_progress_start(&r->progress, &r->opt->base, "classifying", name, t->n);
    double start = az_now();
    size_t n_done = 0;
    az_status status = az_classifier_run(r->classifier, t->texts, t->n, t->answers,
                                         t->probabilities, &n_done, &error);
    *seconds = az_now() - start;
    az_progress_clear(&r->progress);
    if (status == AZ_ERROR_CANCELLED && n_done > 0) {
        az_say_warning(&r->opt->base, name,
                       "interrupted: the figures are of the first %zu of %zu rows.", n_done, t->n);
        t->n = n_done;
    } else if (status != AZ_OK) {
        return az_say_library_error(&r->opt->base, name, &error);
    }
    spread(t);
    reject(r, t);
    return AZ_EXIT_OK;
}

static int test(run *r) {
    tested t = {0};
    az_report report = {.classifier = r->classifier, .n_train = r->info.n_rows};
    int rc = AZ_EXIT_OK;
    if (!make_tested(&t, r, r->test))
        rc = out_of_memory(r->opt);
    if (rc == AZ_EXIT_OK)
        rc = answer_all(r, &t, r->opt->test, &report.test_seconds);
    bool has_truth = az_dataset_n_labels(r->test) > 0;
    if (rc == AZ_EXIT_OK && (r->opt->predictions || !has_truth))
        rc = write_predictions(r, &t, r->opt->predictions ? r->opt->predictions : "-");
    if (rc == AZ_EXIT_OK && has_truth) {
        az_error error;
        report.has_overlap =
            r->train && az_dataset_overlap(&report.overlap, r->train, r->test, &error) == AZ_OK;
        rc = evaluate(r, &t, &report);
    }
    free_tested(&t);
    return rc;
}

/* ---- Cross-validation ------------------------------------------------------------------ */

/* Each label's rows go to the folds in turn. */
static size_t fold_of(const az_dataset *data, size_t row, size_t *seen, size_t n_folds) {
    int64_t label = az_dataset_row(data, row).label;
    return label < 0 ? n_folds : (seen[label]++ + (size_t)label) % n_folds;
}

static int run_fold(run *r, tested *all, const size_t *folds, size_t fold, double *seconds) {
    size_t *rows = calloc(all->n + 1, sizeof *rows);
    az_text *texts = calloc(all->n + 1, sizeof *texts);
    int64_t *answers = calloc(all->n + 1, sizeof *answers);
    double *probabilities = calloc((all->n + 1) * all->n_labels, sizeof *probabilities);
    az_dataset *part = NULL;
    az_classifier *classifier = NULL;
    az_error error = {.status = AZ_ERROR_MEMORY, .text = "not enough memory"};
    size_t n_train = 0, n = 0;
    int rc = AZ_EXIT_OK;
    if (!rows || !texts || !answers || !probabilities)
        rc = out_of_memory(r->opt);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < all->n; i++)
        if (folds[i] != fold)
            rows[n_train++] = i;
        else
            texts[n++] = all->texts[i];
    if (rc == AZ_EXIT_OK &&
        az_dataset_subset(&part, r->train, rows, n_train, NULL, &error) != AZ_OK)
        rc = az_say_library_error(&r->opt->base, NULL, &error);
    if (rc == AZ_EXIT_OK)
        rc = train_on(r, part, &classifier);
    double start = az_now();
    if (rc == AZ_EXIT_OK &&
        az_classifier_run(classifier, texts, n, answers, probabilities, NULL, &error) != AZ_OK)
        rc = az_say_library_error(&r->opt->base, r->opt->train, &error);
    *seconds += az_now() - start;
    for (size_t i = 0, k = 0; rc == AZ_EXIT_OK && i < all->n; i++) {
        if (folds[i] != fold)
            continue;
        all->answers[i] = answers[k];
        memcpy(all->probabilities + i * all->n_labels, probabilities + k * all->n_labels,
               all->n_labels * sizeof *probabilities);
        k++;
    }
    az_classifier_close(&classifier);
    az_dataset_close(&part);
    free(rows);
    free(texts);
    free(answers);
    free(probabilities);
    return rc;
}

static bool make_cross(tested *t, const az_dataset *data, size_t **folds, size_t n_folds) {
    t->n = az_dataset_n_rows(data);
    t->n_labels = t->n_known = az_dataset_n_labels(data);
    size_t *seen = calloc(t->n_labels + 1, sizeof *seen);
    *folds = calloc(t->n + 1, sizeof **folds);
    t->labels = calloc(t->n_labels + 1, sizeof *t->labels);
    t->texts = calloc(t->n + 1, sizeof *t->texts);
    t->truth = calloc(t->n + 1, sizeof *t->truth);
    t->answers = calloc(t->n + 1, sizeof *t->answers);
    t->probabilities = calloc((t->n + 1) * (t->n_labels + 1), sizeof *t->probabilities);
    t->confusion = calloc(t->n_labels * t->n_labels + 1, sizeof *t->confusion);
    bool good = seen && *folds && t->labels && t->texts && t->truth && t->answers &&
                t->probabilities && t->confusion;
    for (size_t i = 0; good && i < t->n_labels; i++)
        t->labels[i] = az_dataset_label(data, i);
    for (size_t i = 0; good && i < t->n; i++) {
        az_row row = az_dataset_row(data, i);
        t->texts[i] = row.text;
        t->truth[i] = row.label;
        t->answers[i] = -1;
        (*folds)[i] = fold_of(data, i, seen, n_folds);
    }
    free(seen);
    return good;
}

static int cross_validate(run *r) {
    tested t = {0};
    size_t *folds = NULL, n_folds = (size_t)(r->opt->folds > 1 ? r->opt->folds : 2);
    az_report report = {0};
    int rc = AZ_EXIT_OK;
    if (!make_cross(&t, r->train, &folds, n_folds))
        rc = out_of_memory(r->opt);
    if (rc == AZ_EXIT_OK && t.n < n_folds) {
        az_say_error(&r->opt->base, r->opt->train, "%zu rows are too few for %zu folds.", t.n,
                     n_folds);
        rc = AZ_EXIT_USAGE;
    }
    for (size_t fold = 0; rc == AZ_EXIT_OK && fold < n_folds; fold++)
        rc = run_fold(r, &t, folds, fold, &report.test_seconds);
    report.n_train = t.n - t.n / n_folds;
    if (rc == AZ_EXIT_OK)
        rc = evaluate(r, &t, &report);
    free(folds);
    free_tested(&t);
    return rc;
}

/* ---- Texts as they come -------------------------------------------------------------------- */

typedef struct stream {
    run *r;
    az_answer_writer writer;
    az_dataset *batch;
    az_status status;
    az_error error;
} stream;

static int collect(void *opaque, az_text text, az_text label, uint64_t line) {
    stream *s = opaque;
    (void)label, (void)line;
    s->status = az_dataset_add(s->batch, text, (az_text){0}, &s->error);
    return s->status != AZ_OK;
}

static int answer_row(stream *s, az_text text, int64_t answer, const double *p) {
    const az_classify_options *opt = s->r->opt;
    if (s->r->threshold > 0 && p[answer] < s->r->threshold)
        answer = -1;
    if (!opt->explain) {
        az_answer_write(&s->writer, answer, p);
        return AZ_EXIT_OK;
    }
    if (!opt->base.json)
        az_answer_write(&s->writer, answer, p);
    int rc = az_explain(opt, s->r->classifier, text, p, stdout);
    if (opt->base.json)
        fputc('\n', stdout);
    return rc;
}

/* What came in one piece is answered together, and goes out at once. */
static int answer_batch(stream *s) {
    size_t n = az_dataset_n_rows(s->batch), n_labels = s->r->info.n_labels;
    az_text *texts = calloc(n + 1, sizeof *texts);
    int64_t *answers = calloc(n + 1, sizeof *answers);
    double *probabilities = calloc((n + 1) * n_labels, sizeof *probabilities);
    az_error error;
    int rc = AZ_EXIT_OK;
    if (!texts || !answers || !probabilities)
        rc = out_of_memory(s->r->opt);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < n; i++)
        texts[i] = az_dataset_row(s->batch, i).text;
    if (rc == AZ_EXIT_OK && az_classifier_run(s->r->classifier, texts, n, answers, probabilities,
                                              NULL, &error) != AZ_OK)
        rc = az_say_library_error(&s->r->opt->base, NULL, &error);
    for (size_t i = 0; rc == AZ_EXIT_OK && i < n; i++)
        rc = answer_row(s, texts[i], answers[i], probabilities + i * n_labels);
    if (rc == AZ_EXIT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        rc = AZ_EXIT_FILE; /* said by main */
    free(texts);
    free(answers);
    free(probabilities);
    return rc;
}

static int answer_piece(stream *s, az_row_reader *reader, const void *data, size_t n, int last) {
    az_error error;
    const az_options *opt = &s->r->opt->base;
    if (az_dataset_new(&s->batch, NULL, &error) != AZ_OK)
        return az_say_library_error(opt, NULL, &error);
    az_status status = az_row_reader_push(reader, data, n, last, collect, s, &error);
    int rc = AZ_EXIT_OK;
    if (s->status != AZ_OK)
        rc = az_say_library_error(opt, NULL, &s->error);
    if (rc == AZ_EXIT_OK) /* rows before a bad one are answered, too */
        rc = answer_batch(s);
    if (rc == AZ_EXIT_OK && status != AZ_OK)
        rc = az_say_library_error(opt, NULL, &error);
    az_dataset_close(&s->batch);
    return rc;
}

static int answer_stream(run *r, const char *path) {
    az_source source;
    int rc = az_source_open(&source, &r->opt->base, path);
    if (rc != AZ_EXIT_OK)
        return rc;
    stream s = {.r = r,
                .writer = {.stream = stdout,
                           .form = r->opt->base.json ? AZ_FORM_JSONL : r->opt->form,
                           .proba = r->opt->proba,
                           .classifier = r->classifier,
                           .n_labels = r->info.n_labels}};
    az_dataset_options options = r->opt->data;
    options.unlabelled = 1;
    if (!r->opt->has_format && source.path == NULL)
        options.format = AZ_DATASET_LINES;
    az_row_reader *reader = NULL;
    az_error error;
    if (az_row_reader_open(&reader, source.name, &options, NULL, &error) != AZ_OK)
        rc = az_say_library_error(&r->opt->base, NULL, &error);
    char buf[65536];
    for (size_t n = 1; rc == AZ_EXIT_OK && n > 0;) {
        rc = az_source_read(&source, &r->opt->base, buf, sizeof buf, &n);
        if (rc == AZ_EXIT_OK)
            rc = answer_piece(&s, reader, buf, n, n == 0);
    }
    az_row_reader_close(&reader);
    az_source_close(&source);
    return rc;
}

static int answer_text(run *r) {
    int64_t answer;
    double *p = calloc(r->info.n_labels, sizeof *p);
    az_error error;
    az_text text = {r->opt->text, strlen(r->opt->text)};
    if (!p)
        return out_of_memory(r->opt);
    stream s = {.r = r,
                .writer = {.stream = stdout,
                           .form = r->opt->base.json ? AZ_FORM_JSONL : r->opt->form,
                           .proba = r->opt->proba || r->opt->base.json,
                           .classifier = r->classifier,
                           .n_labels = r->info.n_labels}};
    int rc = AZ_EXIT_OK;
    if (az_classifier_run(r->classifier, &text, 1, &answer, p, NULL, &error) != AZ_OK)
        rc = az_say_library_error(&r->opt->base, NULL, &error);
    else
        rc = answer_row(&s, text, answer, p);
    free(p);
    return rc;
}

/* ---- The command --------------------------------------------------------------------------- */

static int answer(run *r) {
    const az_classify_options *opt = r->opt;
    if (opt->explain && r->info.method == AZ_METHOD_KNN) {
        az_say_error(
            &opt->base, NULL,
            "--explain goes with methods whose classifier has words to show; knn has none.");
        return AZ_EXIT_USAGE;
    }
    if (opt->test)
        return test(r);
    if (opt->text)
        return answer_text(r);
    if (opt->save && opt->base.n_files == 0)
        return AZ_EXIT_OK;
    int rc = opt->base.n_files ? AZ_EXIT_OK : answer_stream(r, "-");
    for (size_t i = 0; i < opt->base.n_files && rc == AZ_EXIT_OK; i++)
        rc = answer_stream(r, opt->base.files[i]);
    return rc;
}

static int classify(run *r) {
    const az_classify_options *opt = r->opt;
    int rc = AZ_EXIT_OK;
    if (opt->test) {
        rc = az_read_dataset(&r->test, opt, opt->test, opt->test_labels, opt->test_unlabelled);
        if (rc == AZ_EXIT_OK)
            rc = az_choose_rows(&r->test, opt, opt->test_rows, 0);
        if (rc == AZ_EXIT_OK && az_dataset_n_rows(r->test) == 0)
            az_say_warning(&opt->base, opt->test, "has no rows.");
    }
    if (rc == AZ_EXIT_OK && opt->model)
        rc = open_model(r);
    if (rc == AZ_EXIT_OK && opt->train)
        rc = read_train(r);
    if (rc == AZ_EXIT_OK && opt->labels)
        rc = name_labels(r);
    if (opt->test || opt->folds)
        catch_interrupts();
    if (rc == AZ_EXIT_OK && opt->folds)
        return cross_validate(r);
    if (rc == AZ_EXIT_OK)
        rc = get_classifier(r);
    az_whole_file file = {0};
    if (rc == AZ_EXIT_OK && opt->save)
        rc = save(r, &file);
    if (rc == AZ_EXIT_OK)
        rc = answer(r);
    return rc;
}

int az_classify_command(int argc, char **argv) {
    az_classify_options opt;
    int rc = az_classify_options_parse(&opt, AZ_CLASSIFY, argc, argv);
    if (rc == AZ_EXIT_OK && opt.base.help) {
        rc = az_classify_print_help(AZ_CLASSIFY);
    } else if (rc == AZ_EXIT_OK) {
        run r = {.opt = &opt};
        rc = classify(&r);
        az_classifier_close(&r.classifier);
        az_model_close(&r.model);
        az_dataset_close(&r.train);
        az_dataset_close(&r.test);
    }
    az_classify_options_free(&opt);
    return rc;
}
