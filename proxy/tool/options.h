/*
 * Parses the command line; opens and prints nothing. Main thread, since getopt has state of its
 * own.
 */
#ifndef MAILMUX_OPTIONS_H
#define MAILMUX_OPTIONS_H

#include "mailmux/error.h"
#include <stdbool.h>

enum options_command {
    COMMAND_RUN, /* no command is given: serve */
    COMMAND_CHECK,
    COMMAND_DUMP,
    COMMAND_ROUTE,
    COMMAND_REFERENCE,
    COMMAND_MANUAL,
    COMMAND_RELOAD, /* the three ask the mailmux that runs with this file */
    COMMAND_UPGRADE,
    COMMAND_STATUS,
    COMMAND_VERSION,
    COMMAND_HELP
};

#define OPTIONS_DEFAULT_FILE "/etc/mailmux/proxy.ini"

/* What follows --route; the last one may be left out. */
enum options_route {
    OPTIONS_SNI,
    OPTIONS_ALPN,
    OPTIONS_FIRST_BYTES,
    OPTIONS_LISTENER,
    OPTIONS_ADDRESS
};
enum { OPTIONS_ROUTE_MAX = OPTIONS_ADDRESS + 1 };

struct options {
    enum options_command command;
    const char *file; /* borrowed from argv, or OPTIONS_DEFAULT_FILE */
    bool probe;       /* with COMMAND_CHECK: visit the servers, too */
    /* With COMMAND_ROUTE, by enum options_route; borrowed from argv. */
    const char *route[OPTIONS_ROUTE_MAX];
};

/* Returns false with the error's text when the command line is wrong; *out is then unchanged. */
bool options_parse(int argc, char *const argv[], struct options *out, struct error *error);

#endif
