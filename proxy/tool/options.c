#include "options.h"

#include <getopt.h>
#include <stddef.h>

/* The values of options without a letter; no character has such a value. */
enum { OPTION_PROBE = 256, OPTION_FIRST_COMMAND };

#define COMMAND_OPTION(word, command)                                                              \
    {                                                                                              \
        word, no_argument, NULL, OPTION_FIRST_COMMAND + (command)                                  \
    }

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    COMMAND_OPTION("check", COMMAND_CHECK),
    {"probe", no_argument, NULL, OPTION_PROBE},
    COMMAND_OPTION("dump", COMMAND_DUMP),
    COMMAND_OPTION("reference", COMMAND_REFERENCE),
    COMMAND_OPTION("man", COMMAND_MANUAL),
    COMMAND_OPTION("reload", COMMAND_RELOAD),
    COMMAND_OPTION("upgrade", COMMAND_UPGRADE),
    COMMAND_OPTION("status", COMMAND_STATUS),
    COMMAND_OPTION("version", COMMAND_VERSION),
    COMMAND_OPTION("help", COMMAND_HELP),
    {NULL, 0, NULL, 0},
};

/* The command of a letter: the letters are those of nginx. Other options are what they are. */
static int long_option(int option)
{
    switch (option) {
    case 't':
        return OPTION_FIRST_COMMAND + COMMAND_CHECK;
    case 'V':
        return OPTION_FIRST_COMMAND + COMMAND_VERSION;
    case 'h':
        return OPTION_FIRST_COMMAND + COMMAND_HELP;
    default:
        return option;
    }
}

/* The same command may be given twice, as -t and --check. */
static bool take_command(int option, struct options *options, struct error *error)
{
    enum options_command command = (enum options_command)(option - OPTION_FIRST_COMMAND);

    if (options->command != COMMAND_RUN && options->command != command) {
        error_set(error, "give one command at a time");
        return false;
    }
    options->command = command;
    return true;
}

/* A letter of several ("-xt") is named alone; its word is not over, and `word` is not it. */
static void refuse_option(const char *word, struct error *error)
{
    if (optopt > ' ' && optopt < 0x7f)
        error_set(error, "there is no option -%c", optopt);
    else
        error_set(error, "there is no option %s", word);
}

bool options_parse(int argc, char *const argv[], struct options *out, struct error *error)
{
    struct options options = {COMMAND_RUN, OPTIONS_DEFAULT_FILE, false};
    int option;

    optind = 0; /* makes glibc begin anew, when a command line was parsed before (in tests) */
    opterr = 0; /* getopt prints nothing itself */
    while ((option = getopt_long(argc, argv, "+:c:htV", long_options, NULL)) != -1) {
        if (option == 'c') {
            options.file = optarg;
        } else if (option == OPTION_PROBE) {
            options.probe = true;
        } else if (option == ':') {
            error_set(error, "%s needs a file name behind it", argv[optind - 1]);
            return false;
        } else if (option == '?') {
            refuse_option(argv[optind - 1], error);
            return false;
        } else if (!take_command(long_option(option), &options, error)) {
            return false;
        }
    }
    if (optind < argc) {
        error_set(
            error, "\"%s\" is not expected; the configuration is named with -c FILE", argv[optind]);
        return false;
    }
    if (options.probe && options.command == COMMAND_RUN)
        options.command = COMMAND_CHECK;
    if (options.probe && options.command != COMMAND_CHECK) {
        error_set(error, "--probe goes with --check");
        return false;
    }
    *out = options;
    return true;
}
