/* --help of classify, ncd and nearest. */
#include "classification.h"

static const struct library {
    const char *name;
    bool present;
} libraries[] = {
#if defined(AZ_HAVE_ZLIB)
    {"zlib", true},
#else
    {"zlib", false},
#endif
#if defined(AZ_HAVE_BZ2)
    {"bzip2", true},
#else
    {"bzip2", false},
#endif
#if defined(AZ_HAVE_LZMA)
    {"liblzma", true},
#else
    {"liblzma", false},
#endif
#if defined(AZ_HAVE_ZSTD)
    {"libzstd", true},
#else
    {"libzstd", false},
#endif
#if defined(AZ_HAVE_BROTLI)
    {"brotli", true},
#else
    {"brotli", false},
#endif
#if defined(AZ_HAVE_JANSSON)
    {"jansson (JSON Lines)", true},
#else
    {"jansson (JSON Lines)", false},
#endif
};

void az_classify_print_libraries(FILE *stream) {
    for (int present = 1; present >= 0; present--) {
        const char *separator = present ? "classifies with:" : "classifies without:";
        for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
            if (libraries[i].present != present)
                continue;
            fprintf(stream, "%s %s", separator, libraries[i].name);
            separator = ",";
        }
        if (*separator == ',')
            fputc('\n', stream);
    }
}

static void print_data_options(void) {
    fputs("\n"
          "What the files are (by name and first line unless said; any of them may be packed\n"
          "by gzip, bzip2, xz, zstd or aizip):\n"
          "  --format=F      csv, tsv, jsonl, fasttext, lines, folder (a folder a label, a file\n"
          "                  a text) or idx (images)\n"
          "  --label-column=C, --text-columns=C,...\n"
          "                  names or numbers from 1; several texts are joined by a space. By\n"
          "                  default columns of known names, or the first and all others\n"
          "  --header, --no-header\n"
          "                  whether the first row has the columns' names\n"
          "  --escapes       \\n, \\t, \\r and \\\\ in TSV stand for one byte\n"
          "  --train-labels=FILE\n"
          "                  labels of IDX images\n"
          "  --train-rows=N, --shots=N, --seed=N\n"
          "                  the first N rows; N rows a label, drawn with a seed\n"
          "  --dedupe        training rows that (nearly) equal another, or a test row, go\n",
          stdout);
}

static void print_knn_options(bool votes) {
    fputs("  --compressor=C, --level=N\n"
          "                  gzip (the default, level 9), zlib, deflate, bz2, xz, zstd, brotli\n"
          "                  or aizip\n"
          "  --distance=D    ncd (the default), cdm, clm or conditional\n"
          "  --separator=S   between two texts; nothing by default\n",
          stdout);
    if (!votes)
        return;
    fputs("  --order=O       test-first (the default) or train-first\n"
          "  -k N            neighbours; 1 by default\n"
          "  --votes=V       ties: lowest-k (fewer neighbours, the default), lowest-label,\n"
          "                  distance (the least sum)\n"
          "  --preset=P      seed (train first, k 5, lowest-label, 12,000 training and 760 test\n"
          "                  rows) or npc-gzip (Jiang et al. 2023: test first, a space; k 1)\n",
          stdout);
}

static void print_common_options(void) {
    fputs("  -T#, --memlimit=SIZE, -q, -v\n"
          "                  as for compressing; by default all cores\n",
          stdout);
}

static void print_classify(void) {
    fputs(
        "Usage: aizip classify --train FILE [--test FILE | --text TEXT | FILE...] [OPTION]...\n"
        "Labels texts. The default method learns words, pairs of words and runs of 2 to 5\n"
        "characters, each with the bits by which it speaks for a label; --method knn takes\n"
        "the nearest training texts by compressed size. Without --test, --text and FILE it\n"
        "reads stdin, a text a line, and answers as they come.\n"
        "\n"
        "  --train=FILE    texts with labels; or --load=MODEL, which --save wrote\n"
        "  --test=FILE     texts with labels: prints how good the answers are\n"
        "  --unlabelled    the test texts have no labels\n"
        "  --text=TEXT     one text\n"
        "  --cv=N          cross-validates in N folds of the training texts\n"
        "  --save=MODEL    keeps the classifier\n"
        "  --predictions=FILE\n"
        "                  writes the answers to the test, a line a row (- is stdout)\n"
        "  --proba         with the probabilities of all labels (knn: shares of the votes)\n"
        "  --answers=F     tsv (the default), csv or jsonl\n"
        "  --reject=S      no answer to the least sure share S, as the folds show it\n"
        "  --explain       the words that earned the bits\n"
        "  --report=FILE   the report as a page that needs no network\n"
        "  --json          the report, or the answer, for programs\n"
        "  --test-labels=FILE, --test-rows=N\n"
        "                  as those of the training texts below\n"
        "\n"
        "  --method=M      class (the default); cm: the built-in predictor reads all texts of a\n"
        "                  label, then the text: the label of the fewest bits wins (--level, 3\n"
        "                  by default); counts: naive Bayes, whose texts come and go; or knn\n"
        "  --add=FILE, --remove=FILE\n"
        "                  counts: labelled texts more, and less, without training again\n"
        "  -m, --model=M   the same with a language model, which sees --examples=N texts of each\n"
        "                  label (8); -m cm is --method cm\n"
        "  --labels=A,B,...\n"
        "                  with -m: names of labels instead of training texts\n"
        "\n"
        "For --method knn:\n",
        stdout);
    print_knn_options(true);
    print_common_options();
    print_data_options();
    fputs("\n"
          "Examples:\n"
          "  aizip classify --train train.csv --test test.csv --report report.html\n"
          "  aizip classify --train train.tsv --save news.aizc\n"
          "  aizip classify --load news.aizc --text 'Shares fall after the merger' --explain\n"
          "  aizip classify --load counts.aizc --add today.tsv --save counts.aizc\n"
          "  tail -f headlines.txt | aizip classify --load news.aizc --proba\n"
          "  aizip classify -m smollm2-135m --labels Sports,Business --text 'Shares fall'\n"
          "  aizip classify --method knn --preset npc-gzip --train r8.txt --test t.txt -k 1\n",
          stdout);
}

static void print_ncd(void) {
    fputs("Usage: aizip ncd [OPTION]... FILE FILE...\n"
          "Prints how far files are from each other by compressed size: the mean of the\n"
          "distances in both orders.\n"
          "\n",
          stdout);
    print_knn_options(false);
    fputs("  --tree=FILE     which belong together (UPGMA): FILE.svg is drawn, any other name\n"
          "                  is Newick (- is stdout)\n"
          "  --json, --csv   the matrix for programs\n",
          stdout);
    print_common_options();
    fputs("\n"
          "Examples:\n"
          "  aizip ncd a.txt b.txt c.txt\n"
          "  aizip ncd --compressor aizip --level 5 --tree languages.svg udhr/*.txt\n",
          stdout);
}

static void print_nearest(void) {
    fputs("Usage: aizip nearest --train FILE [OPTION]... TEXT...\n"
          "Prints the training texts that are nearest to each TEXT by compressed size: their\n"
          "distance, label, row and text.\n"
          "\n"
          "  --train=FILE    texts with labels; or --load=MODEL of --method knn\n",
          stdout);
    print_knn_options(true);
    fputs("  --json          for programs\n", stdout);
    print_common_options();
    print_data_options();
    fputs("\n"
          "Examples:\n"
          "  aizip nearest --train train.tsv -k 3 'Shares fall after the merger'\n",
          stdout);
}

int az_classify_print_help(az_classify_command_name command) {
    if (command == AZ_CLASSIFY)
        print_classify();
    else if (command == AZ_NCD)
        print_ncd();
    else
        print_nearest();
    return AZ_EXIT_OK;
}
