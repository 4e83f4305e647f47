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

static bool take_command(int option, struct options *options, struct error *error)
{
    if (options->command != COMMAND_RUN) {
        error_set(error, "give one command at a time");
        return false;
    }
    options->command = (enum options_command)(option - OPTION_FIRST_COMMAND);
    return true;
}

bool options_parse(int argc, char *const argv[], struct options *out, struct error *error)
{
    struct options options = {COMMAND_RUN, OPTIONS_DEFAULT_FILE, false};
    int option;

    optind = 0; /* makes glibc begin anew, when a command line was parsed before (in tests) */
    opterr = 0; /* getopt prints nothing itself */
    while ((option = getopt_long(argc, argv, "+:c:h", long_options, NULL)) != -1) {
        if (option == 'c') {
            options.file = optarg;
        } else if (option == OPTION_PROBE) {
            options.probe = true;
        } else if (option == ':') {
            error_set(error, "%s needs a file name behind it", argv[optind - 1]);
            return false;
        } else if (option == '?') {
            error_set(error, "there is no option %s", argv[optind - 1]);
            return false;
        } else if (!take_command(option == 'h' ? OPTION_FIRST_COMMAND + COMMAND_HELP : option,
                       &options, error)) {
            return false;
        }
    }
    if (optind < argc) {
        error_set(
            error, "\"%s\" is not expected; the configuration is named with -c FILE", argv[optind]);
        return false;
    }
    if (options.probe && options.command != COMMAND_CHECK) {
        error_set(error, "--probe goes with --check");
        return false;
    }
    *out = options;
    return true;
}
