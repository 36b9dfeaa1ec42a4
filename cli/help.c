/* --help and --version. */
#include "serve.h"

int az_print_help(void) {
    /* In parts: C11 promises string literals of 4095 bytes only. */
    fputs("Usage: aizip [OPTION]... [FILE]...\n"
          "Compresses each FILE to FILE.aiz, which is kept, with a model that predicts it;\n"
          "stdin to stdout without FILE, or where FILE is -.\n"
          "\n"
          "  -d              decompress (the default as unaizip)\n"
          "  -t              test: decompress, but write nothing\n"
          "  -l              list what archives hold; with --json for programs\n"
          "  -1 ... -9       level, fastest to smallest; 5 by default\n"
          "  -o FILE         write to FILE\n"
          "  -c              write to stdout (-dc is the default as aizcat)\n"
          "  -f              overwrite; follow symbolic links; read devices\n"
          "  -k              keep the source (the default)\n"
          "  --rm            remove the source once the output is whole and on the disk\n"
          "  -r              the files in directories too\n"
          "  -v              verify, and compare with gzip, xz and zstd\n"
          "  -q              no warnings; -qq: no errors either\n",
          stdout);
    fputs(
        "  -T#             threads: 1 to 256, or 0 for all cores (the default)\n"
        "  --memlimit=SIZE most memory to use: 500M, 2G, 50%, 0 for no limit; by default 75%\n"
        "                  of the machine's; fewer threads are used before it fails\n"
        "  --block-size=SIZE\n"
        "                  a power of two from 64K to 64M; by default the level's own\n"
        "  --verify, --no-verify\n"
        "                  decode the archive before it gets its name (-v does)\n"
        "  -m MODEL        compress with a language model, a name or a GGUF file, mixed with the\n"
        "                  built-in predictor: smaller, far slower; verified by decoding. -d\n"
        "                  finds an archive's model by itself in the model folders\n"
        "  --lanes=N --window=N --overlap=N\n"
        "                  with -m: lanes of a block (1 to 64), tokens that the model sees, and\n"
        "                  tokens that a new window begins with (models of learnt positions)\n"
        "  -D FILE, --patch-from=FILE\n"
        "                  compress as if FILE had been seen first: an older version, or what\n"
        "                  aizip train makes; -d needs the same FILE\n"
        "  --prime=NAME    the same with a built-in text: prose, code, json, logs or messages, or\n"
        "                  auto, the one that fits, for inputs under 64 KB\n"
        "  --base64        the archive is text\n"
        "  -i              text lines to base64, and back\n"
        "  --salvage       with -d: write what undamaged blocks hold, say what is missing\n"
        "  --help, --version\n",
        stdout);
    fputs("\n"
          "Examples:\n"
          "  aizip book.txt               makes book.txt.aiz\n"
          "  aizip -d book.txt.aiz        makes book.txt\n"
          "  aizip -9v book.txt           smallest, verified, beside gzip, xz and zstd\n"
          "  aizip -r --rm logs/          every file under logs/, removed when compressed\n"
          "  aizip -l *.aiz               sizes and settings\n"
          "  tar -I aizip -cf dir.tar.aiz dir; tar -I aizip -xf dir.tar.aiz\n"
          "  aizip -d --salvage -o part.txt damaged.aiz\n"
          "  aizip model fetch smollm2-135m\n"
          "  aizip -m smollm2-135m book.txt\n"
          "  aizip --prime auto note.txt\n"
          "  aizip -D old.txt new.txt; aizip -d -D old.txt new.txt.aiz\n"
          "  aizip -m smollm2-135m --base64 -c message.txt\n"
          "  aizip score -m smollm2-135m book.txt\n"
          "  aizip classify --train train.csv --test test.csv\n"
          "\n"
          "Commands, as the first word, each with its own --help:\n"
          "  aizip model     fetches and shows language models\n"
          "  aizip score     says how many bits a text costs under a model\n"
          "  aizip rank      orders models by the bits that texts cost under them\n"
          "  aizip surprise  shows where the bits of a file's archive go\n"
          "  aizip serve     shows all this in a browser, on this machine\n"
          "  aizip sample    writes text that a model makes up\n"
          "  aizip text      turns short messages into characters for SMS and chat, and back\n"
          "  aizip train     makes a dictionary for -D from samples\n"
          "  aizip classify  labels texts, and says how well\n"
          "  aizip data      fetches public data sets to classify\n"
          "  aizip nearest   finds the texts that are nearest by compressed size\n"
          "  aizip ncd       measures how far files are from each other, and draws their tree\n"
          "\n"
          "Exit code: 0 success, 1 a file can't be read or written, 2 usage, 3 damaged or no\n"
          "archive, 4 memory, 5 the archive needs another version of aizip.\n",
          stdout);
    return AZ_EXIT_OK;
}

int az_print_version(void) {
    puts(az_build_info());
    az_compare_print_libraries(stdout);
    az_classify_print_libraries(stdout);
    az_model_print_libraries(stdout);
    az_surprise_print_library(stdout);
    az_serve_print_library(stdout);
    return AZ_EXIT_OK;
}
