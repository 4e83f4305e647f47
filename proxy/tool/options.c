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
    COMMAND_OPTION("route", COMMAND_ROUTE),
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

static bool take_option(
    int option, char *const argv[], struct options *options, struct error *error)
{
    switch (option) {
    case 'c':
        options->file = optarg;
        return true;
    case OPTION_PROBE:
        options->probe = true;
        return true;
    case ':':
        error_set(error, "%s needs a file name behind it", argv[optind - 1]);
        return false;
    case '?':
        refuse_option(argv[optind - 1], error);
        return false;
    default:
        return take_command(long_option(option), options, error);
    }
}

/* Takes what follows --route. All but the last may begin with '-'. Returns whether it did. */
static bool take_route(int argc, char *const argv[], struct options *options)
{
    size_t n = 0;

    if (options->command != COMMAND_ROUTE || options->route[0])
        return false;
    while (optind < argc && n < OPTIONS_ROUTE_MAX && (n < OPTIONS_ADDRESS || *argv[optind] != '-'))
        options->route[n++] = argv[optind++];
    return n > 0;
}

/* Checks what one option alone does not tell. */
static bool check(int argc, char *const argv[], struct options *options, struct error *error)
{
    if (options->command == COMMAND_ROUTE && !options->route[OPTIONS_LISTENER])
        error_set(error, "--route takes SNI ALPN FIRSTBYTES LISTENER; - stands for none");
    else if (optind < argc)
        error_set(
            error, "\"%s\" is not expected; the configuration is named with -c FILE", argv[optind]);
    else if (options->probe && options->command != COMMAND_CHECK && options->command != COMMAND_RUN)
        error_set(error, "--probe goes with --check");
    else
        return true;
    return false;
}

bool options_parse(int argc, char *const argv[], struct options *out, struct error *error)
{
    struct options options = {.file = OPTIONS_DEFAULT_FILE};

    optind = 0; /* makes glibc begin anew, when a command line was parsed before (in tests) */
    opterr = 0; /* getopt prints nothing itself */
    do {
        int option;

        while ((option = getopt_long(argc, argv, "+:c:htV", long_options, NULL)) != -1) {
            if (!take_option(option, argv, &options, error))
                return false;
        }
    } while (take_route(argc, argv, &options));
    if (!check(argc, argv, &options, error))
        return false;
    if (options.probe)
        options.command = COMMAND_CHECK;
    *out = options;
    return true;
}
