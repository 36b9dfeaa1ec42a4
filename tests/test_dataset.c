/*
 * dataset: every form is read as its document says, whatever pieces it comes in; what is wrong is
 * named by file and line; every allocation fails once.
 */
#include <unistd.h>

#include "plan.h"
#include "support.h"

/* ---- Rows as one string -------------------------------------------------------- */

/* "label|text" a row, with ~ for NUL, joined by newlines; no label is "-". */
static char *describe_rows(const az_dataset *d) {
    size_t capacity = 64, n = 0;
    for (size_t i = 0; i < az_dataset_n_rows(d); i++)
        capacity += az_dataset_row(d, i).text.n_bytes + 64;
    char *out = malloc(capacity);
    assert_non_null(out);
    for (size_t i = 0; i < az_dataset_n_rows(d); i++) {
        az_row row = az_dataset_row(d, i);
        az_text label = row.label < 0 ? (az_text){"-", 1} : az_dataset_label(d, (size_t)row.label);
        const az_text parts[4] = {label, {"|", 1}, row.text, {"\n", 1}};
        for (int p = 0; p < 4; p++)
            for (size_t k = 0; k < parts[p].n_bytes; k++) {
                char c = ((const char *)parts[p].data)[k];
                out[n++] = c ? c : '~';
            }
    }
    out[n] = '\0';
    return out;
}

static int add_row(void *opaque, az_text text, az_text label, uint64_t line) {
    (void)line;
    return az_dataset_add(opaque, text, label, NULL) != AZ_OK;
}

/* Whole, and in pieces of every small size, it gives `want`. */
static void check_n(const char *name, const char *data, size_t n, const az_dataset_options *options,
                    const char *want) {
    az_dataset *d;
    az_error error = {0};
    if (az_dataset_parse(&d, name, data, n, options, NULL, &error) != AZ_OK)
        fail_msg("%s", error.text);
    char *got = describe_rows(d);
    assert_string_equal(got, want);
    free(got);
    az_dataset_close(&d);
    for (size_t step = 1; step < 8; step++) {
        az_row_reader *r;
        assert_int_equal(az_dataset_new(&d, NULL, NULL), AZ_OK);
        assert_int_equal(az_row_reader_open(&r, name, options, NULL, NULL), AZ_OK);
        for (size_t i = 0; i < n; i += step)
            assert_int_equal(
                az_row_reader_push(r, data + i, n - i < step ? n - i : step, 0, add_row, d, NULL),
                AZ_OK);
        assert_int_equal(az_row_reader_push(r, NULL, 0, 1, add_row, d, NULL), AZ_OK);
        got = describe_rows(d);
        assert_string_equal(got, want);
        free(got);
        az_row_reader_close(&r);
        az_dataset_close(&d);
    }
}

static void check(const char *name, const char *data, const az_dataset_options *options,
                  const char *want) {
    check_n(name, data, strlen(data), options, want);
}

/* It is refused, and the sentence has `part`. */
static void refused(const char *name, const char *data, const az_dataset_options *options,
                    const char *part) {
    az_dataset *d;
    az_error error = {0};
    assert_int_equal(az_dataset_parse(&d, name, data, strlen(data), options, NULL, &error),
                     AZ_ERROR_DATA);
    assert_null(d);
    if (!strstr(error.text, part) || !strstr(error.text, name))
        fail_msg("\"%s\" lacks \"%s\"", error.text, part);
}

/* ---- CSV and TSV ------------------------------------------------------------------- */

static void csv_as_rfc_4180_says(void **state) {
    (void)state;
    check("a.csv", "1,one\n2,two\n", NULL, "1|one\n2|two\n");
    check("a.csv", "1,\"a \"\"b\"\", c\nd\"\r\n2,\r\n", NULL, "1|a \"b\", c\nd\n2|\n");
    check("a.csv", "\"1\",\"Title\",\"Text\"\n\"2\",\"\",\"x\"", NULL, "1|Title Text\n2| x\n");
    check("a.csv", "\xEF\xBB\xBFlabel,text\na,b\n\n\nc,d\n", NULL, "a|b\nc|d\n");
    check_n("a.csv", "1,a\0b\n", 6, NULL, "1|a~b\n");
    check("a.csv", "1,\xFF\xC3\n", NULL, "1|\xFF\xC3\n");
    check("a.csv", "", NULL, "");
}

static void columns_by_name_and_number(void **state) {
    (void)state;
    const char *table = "id,Text,class\n7,hello,x\n8,world,y\n";
    check("a.csv", table, NULL, "x|hello\ny|world\n");
    check("a.csv", table, &(az_dataset_options){.label_column = "id", .text_columns = "class,Text"},
          "7|x hello\n8|y world\n");
    check("a.csv", table,
          &(az_dataset_options){.label_column = "1", .text_columns = "2", .header = 1},
          "7|hello\n8|world\n");
    check("a.csv", table, &(az_dataset_options){.header = -1},
          "id|Text class\n7|hello x\n8|world y\n");
    check("a.csv", "x,y\n1,2\n", &(az_dataset_options){.unlabelled = 1}, "-|x y\n-|1 2\n");
    check("a.csv", "text\nsome\nmore\n", &(az_dataset_options){.unlabelled = 1},
          "-|some\n-|more\n");
    refused("a.csv", table, &(az_dataset_options){.label_column = "nothing"}, "no column nothing");
    refused("a.csv", "1,2\n", &(az_dataset_options){.text_columns = "3"}, "no column 3");
    refused("a.csv", "one\ntwo\n", NULL, "one column only");
}

static void broken_rows_are_named(void **state) {
    (void)state;
    refused("a.csv", "1,a\n2,b,c\n", NULL, "line 2: 3 columns, where the first row has 2");
    refused("a.csv", "1,a\n2,b\"c\n", NULL, "line 2: a quote inside");
    refused("a.csv", "1,a\n2,\"b\"c\n", NULL, "line 2: text behind a closing quote");
    refused("a.csv", "1,a\n\n2,\"b\nc\n", NULL, "line 3: quotes that are never closed");
    refused("a.tsv", "1\ta\n2\tb\tc\n", NULL, "line 2: 3 columns");
    refused("a.csv", "1,\"x\ny\"\n2,\"z\n\"\n3\n", NULL, "line 5: 1 columns");
}

static void tsv_is_literal_unless_asked(void **state) {
    (void)state;
    const char *table = "a b\tx\\n\\\\y\\q\"z\r\n";
    check("a.tsv", table, NULL, "a b|x\\n\\\\y\\q\"z\n");
    check("a.tsv", table, &(az_dataset_options){.escapes = 1}, "a b|x\n\\y\\q\"z\n");
    check("noname", "1\tone\n", NULL, "1|one\n");
}

/* ---- The others ----------------------------------------------------------------------- */

static void fasttext_and_lines(void **state) {
    (void)state;
    check("a.ft", "__label__a some text\n__label__b\tmore\n", NULL, "a|some text\nb|more\n");
    refused("a.ft", "__label__a __label__b text\n", NULL, "line 1: several labels");
    refused("a.ft", "__label__a x\ny\n", NULL, "line 2: does not begin");
    refused("a.ft", "__label__ x\n", NULL, "line 1: a label without a name");
    check("a.txt", "one\n\nthree", &(az_dataset_options){.unlabelled = 1}, "-|one\n-|\n-|three\n");
}

static void json_lines(void **state) {
    (void)state;
#if defined(AZ_HAVE_JANSSON)
    check("a.jsonl",
          "{\"text\": \"a \\u00e9\\n\", \"label\": 3}\n\n{\"label\": true, \"text\": \"\"}\n", NULL,
          "3|a \xC3\xA9\n\ntrue|\n");
    check("a.jsonl", "{\"title\": \"t\", \"text\": \"x\", \"intent\": \"i j\"}\n", NULL,
          "i j|t x\n");
    check("a.jsonl", "{\"a\": \"t\", \"b\": \"x\\u0000y\", \"c\": 1.5}\n",
          &(az_dataset_options){.text_columns = "b,a", .label_column = "c"}, "1.5|x~y t\n");
    refused("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"text\": }\n", NULL, "line 2, column");
    refused("a.jsonl", "{\"text\": \"x\"}\n", NULL, "line 1: there is no label");
    refused("a.jsonl", "{\"label\": 1}\n", NULL, "line 1: no member that is known");
    refused("a.jsonl", "{\"label\": [1], \"text\": \"x\"}\n", NULL,
            "line 1: the label is no string");
    refused("a.jsonl", "[1]\n", NULL, "line 1: no object");
    refused("a.jsonl", "{\"text\": \"\\ud800\", \"label\": 1}\n", NULL, "line 1, column");
    refused("a.jsonl", "{\"text\": \"\xFF\", \"label\": 1}\n", NULL, "line 1, column");
#else
    refused("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n", NULL, "jansson");
#endif
}

static void a_row_of_50_megabytes(void **state) {
    (void)state;
    size_t n = REPEATS((size_t)50 << 20, (size_t)1 << 20);
    char *data = malloc(n + 8);
    assert_non_null(data);
    memcpy(data, "1,\"", 3);
    memset(data + 3, 'x', n);
    data[n / 2] = '\n';
    memcpy(data + 3 + n, "\"\n", 2);
    az_row_reader *r;
    az_dataset *d;
    assert_int_equal(az_dataset_new(&d, NULL, NULL), AZ_OK);
    assert_int_equal(az_row_reader_open(&r, "a.csv", NULL, NULL, NULL), AZ_OK);
    for (size_t i = 0; i < n + 5; i += 65536)
        assert_int_equal(az_row_reader_push(r, data + i, n + 5 - i < 65536 ? n + 5 - i : 65536,
                                            i + 65536 >= n + 5, add_row, d, NULL),
                         AZ_OK);
    assert_int_equal(az_dataset_n_rows(d), 1);
    assert_int_equal(az_dataset_row(d, 0).text.n_bytes, n);
    assert_memory_equal(az_dataset_row(d, 0).text.data, data + 3, n);
    az_row_reader_close(&r);
    az_dataset_close(&d);
    free(data);
}

static void labels_are_in_order(void **state) {
    (void)state;
    az_dataset *d;
    const char *rows = "10,a\n9,b\n-1,c\n10,d\n";
    assert_int_equal(az_dataset_parse(&d, "a.csv", rows, strlen(rows), NULL, NULL, NULL), AZ_OK);
    assert_int_equal(az_dataset_n_labels(d), 3);
    assert_memory_equal(az_dataset_label(d, 0).data, "-1", 2);
    assert_memory_equal(az_dataset_label(d, 2).data, "10", 2);
    assert_int_equal(az_dataset_row(d, 1).label, 1);
    assert_int_equal(az_dataset_find_label(d, (az_text){"9", 1}), 1);
    assert_int_equal(az_dataset_find_label(d, (az_text){"90", 2}), -1);
    assert_int_equal(az_dataset_add(d, (az_text){"z", 1}, (az_text){"a b", 3}, NULL), AZ_OK);
    assert_memory_equal(az_dataset_label(d, 1).data, "10", 2); /* now by bytes: -1, 10, 9, a b */
    az_dataset_close(&d);
}

/* ---- Overlap -------------------------------------------------------------------------- */

static az_dataset *parse(const char *rows) {
    az_dataset *d;
    assert_int_equal(az_dataset_parse(&d, "a.csv", rows, strlen(rows), NULL, NULL, NULL), AZ_OK);
    return d;
}

static void overlap_is_counted_and_dropped(void **state) {
    (void)state;
    az_dataset *train = parse("1,Hello world\n1,hello - WORLD!\n2,other\n2,\n2,!!!\n2,???\n");
    az_dataset *test = parse("1,Hello world\n1,HELLO WORLD\n3,Other.\n2,new\n1,!!!\n");
    az_overlap o;
    assert_int_equal(az_dataset_overlap(&o, train, test, NULL), AZ_OK);
    assert_int_equal(o.n_exact, 2);
    assert_int_equal(o.n_near, 4);
    assert_int_equal(o.n_labels_missing, 1);
    assert_int_equal(o.n_empty_train, 1);
    assert_int_equal(o.n_empty_test, 0);
    size_t n;
    assert_int_equal(az_dataset_dedupe(train, NULL, &n, NULL), AZ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(az_dataset_dedupe(train, test, &n, NULL), AZ_OK);
    assert_int_equal(n, 3);
    char *left = describe_rows(train);
    assert_string_equal(left, "2|\n2|???\n");
    free(left);
    az_dataset_close(&train);
    az_dataset_close(&test);
}

/* ---- Files ----------------------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void images_and_their_labels(void **state) {
    (void)state;
    char images[] = "/tmp/az-images-XXXXXX", labels[] = "/tmp/az-labels-XXXXXX";
    assert_true(mkstemp(images) >= 0 && mkstemp(labels) >= 0);
    static const char idx[] = "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x02"
                              "abcd";
    static const char names[] = "\0\0\x08\x01\0\0\0\x02\x07\x02";
    write_file(images, idx, sizeof idx - 1);
    write_file(labels, names, sizeof names - 1);
    az_dataset *d;
    const az_dataset_options with = {.labels_path = labels};
    assert_int_equal(az_dataset_open(&d, images, &with, NULL, NULL), AZ_OK);
    char *rows = describe_rows(d);
    assert_string_equal(rows, "7|ab\n2|cd\n");
    free(rows);
    assert_int_equal(az_dataset_image_width(d), 2);
    az_dataset_close(&d);
    assert_int_equal(az_dataset_open(&d, images, NULL, NULL, NULL), AZ_ERROR_DATA);
    write_file(images, idx, sizeof idx - 2);
    assert_int_equal(az_dataset_open(&d, images, &with, NULL, NULL), AZ_ERROR_DATA);
    write_file(images, idx, sizeof idx - 1);
    write_file(labels, names, sizeof names - 2);
    assert_int_equal(az_dataset_open(&d, images, &with, NULL, NULL), AZ_ERROR_DATA);
    assert_int_equal(az_dataset_open(&d, "/nowhere/at/all", NULL, NULL, NULL), AZ_ERROR_READ);
    unlink(images);
    unlink(labels);
}

/* The rows that SOURCE.txt of each set states; skipped where the sets are not there. */
static void the_real_sets_are_whole(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t n_rows, n_labels;
    } sets[] = {{"20news/train.tsv", 11314, 20},
                {"20news/test.tsv", 7532, 20},
                {"ag_news/test.csv", 7600, 4},
                {"ag_news/test.tsv", 7600, 4},
                {"banking77/train.tsv", 10003, 77},
                {"banking77/test.tsv", 3080, 77},
                {"mr/train.tsv", 7108, 2},
                {"ohsumed/train.tsv", 3357, 23},
                {"r8/train.txt", 5485, 8},
                {"r8/test.txt", 2189, 8},
                {"sst2/dev.tsv", 872, 2}};
    az_dataset *ag[2] = {NULL, NULL};
    for (size_t i = 0; i < COUNT(sets); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/../classification/%s", AZ_CORPORA_DIR, sets[i].name);
        if (access(path, R_OK) != 0)
            skip();
        az_dataset *d;
        az_error error = {0};
        if (az_dataset_open(&d, path, NULL, NULL, &error) != AZ_OK)
            fail_msg("%s", error.text);
        assert_int_equal(az_dataset_n_rows(d), sets[i].n_rows);
        assert_int_equal(az_dataset_n_labels(d), sets[i].n_labels);
        if (strncmp(sets[i].name, "ag_news/", 8) == 0)
            ag[ag[0] != NULL] = d;
        else
            az_dataset_close(&d);
    }
    for (size_t i = 0; i < 7600; i++) {
        az_row a = az_dataset_row(ag[0], i), b = az_dataset_row(ag[1], i);
        assert_int_equal(a.label, b.label);
        assert_int_equal(a.text.n_bytes, b.text.n_bytes);
        assert_memory_equal(a.text.data, b.text.data, a.text.n_bytes);
    }
    az_dataset_close(&ag[0]);
    az_dataset_close(&ag[1]);
}

/* ---- Faults ------------------------------------------------------------------------------ */

static void every_allocation_fails_once(void **state) {
    (void)state;
    const char *rows = "label,title,text\na,\"x \"\"y\"\"\",z\nb,c,d\n";
    for (int i = 0; i < 200; i++) {
        plan p = {.fails_at = i};
        const az_allocator allocator = {plan_alloc, plan_free, &p};
        az_dataset *d;
        az_error error = {0};
        az_status status =
            az_dataset_parse(&d, "a.csv", rows, strlen(rows), NULL, &allocator, &error);
        assert_true(status == AZ_OK || (status == AZ_ERROR_MEMORY && error.text[0]));
        az_dataset_close(&d);
        assert_int_equal(p.n_live, 0);
        if (status == AZ_OK && p.n_allocs <= i)
            return;
    }
    fail();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_as_rfc_4180_says),
        cmocka_unit_test(columns_by_name_and_number),
        cmocka_unit_test(broken_rows_are_named),
        cmocka_unit_test(tsv_is_literal_unless_asked),
        cmocka_unit_test(fasttext_and_lines),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(a_row_of_50_megabytes),
        cmocka_unit_test(labels_are_in_order),
        cmocka_unit_test(overlap_is_counted_and_dropped),
        cmocka_unit_test(images_and_their_labels),
        cmocka_unit_test(the_real_sets_are_whole),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
