/*
 * The command line. Parsing only: nothing is opened or printed. Main thread, at the start (getopt
 * keeps state of its own).
 */
#ifndef MAILMUX_OPTIONS_H
#define MAILMUX_OPTIONS_H

#include "mailmux/error.h"
#include <stdbool.h>

enum options_command {
    COMMAND_RUN, /* no command given: serve */
    COMMAND_CHECK,
    COMMAND_DUMP,
    COMMAND_REFERENCE,
    COMMAND_MANUAL,
    COMMAND_VERSION,
    COMMAND_HELP
};

#define OPTIONS_DEFAULT_FILE "/etc/mailmux/proxy.ini"

struct options {
    enum options_command command;
    const char *file; /* borrowed from argv, or OPTIONS_DEFAULT_FILE */
    bool probe;       /* with COMMAND_CHECK: the servers are visited, too */
};

/* False, with what is wrong, for a command line that makes no sense; *out is then unchanged. */
bool options_parse(int argc, char *const argv[], struct options *out, struct error *error);

#endif
