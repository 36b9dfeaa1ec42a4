/* aizip: finds the command and runs it over the named files. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A caller may have closed 0, 1 or 2; the next file opened would become stdout.
 * Each is taken by /dev/null, opened so that its use fails. */
static void reserve_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(AZ_EXIT_FILE);
}

/* What printf held back may only fail now. */
static int flush_stdout(const az_options *opt, int rc) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    az_say_error(opt, "stdout", "cannot be written: %s.", strerror(errno));
    return rc > AZ_EXIT_FILE ? rc : AZ_EXIT_FILE;
}

static int run_list(const az_options *opt) {
    az_list list = {0};
    az_list_begin(opt);
    int rc = az_walk(opt, az_list_file, &list);
    az_list_end(opt, &list);
    return rc;
}

static int run_transcode(az_options *opt) {
    az_file_text dictionary;
    int rc = az_dictionary_read(&dictionary, opt);
    if (rc == AZ_EXIT_OK)
        rc = az_engines_open(&opt->engines, opt);
    if (rc == AZ_EXIT_OK)
        rc = opt->interactive        ? az_interact(opt)
             : az_goes_together(opt) ? az_transcode_together(opt)
                                     : az_walk(opt, az_transcode, NULL);
    az_engines_close(&opt->engines);
    az_file_text_free(&dictionary);
    return rc;
}

/* Words that are commands when they come first; ./model is a file. */
static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"classify", az_classify_command}, {"data", az_data_command},       {"model", az_model_command},
    {"ncd", az_ncd_command},           {"nearest", az_nearest_command}, {"rank", az_rank_command},
    {"sample", az_sample_command},     {"score", az_score_command},     {"serve", az_serve_command},
    {"surprise", az_surprise_command}, {"text", az_text_command},       {"train", az_train_command},
};

/* unaizip and aizcat have no commands. */
static const struct command *find_command(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    if (strcmp(name, "unaizip") == 0 || strcmp(name, "aizcat") == 0)
        return NULL;
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv) {
    az_options opt;
    reserve_standard_files();
    /* A whole line at a time, so that lines of several programs don't mix. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    az_signals_init();
    const struct command *command = find_command(argc, argv);
    if (command)
        return flush_stdout(&(az_options){0}, command->run(argc - 1, argv + 1));
    int rc = az_options_parse(&opt, argc, argv);
    if (rc == AZ_EXIT_OK) {
        if (opt.help)
            rc = az_print_help();
        else if (opt.version)
            rc = az_print_version();
        else if (opt.mode == AZ_MODE_LIST)
            rc = run_list(&opt);
        else
            rc = run_transcode(&opt);
        rc = flush_stdout(&opt, rc);
    }
    free(opt.files);
    return rc;
}
