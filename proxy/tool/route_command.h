/*
 * --route: what would become of a client of a listener, by what it says first. It connects and
 * binds nothing, and reads no certificate. Main thread.
 */
#ifndef MAILMUX_ROUTE_COMMAND_H
#define MAILMUX_ROUTE_COMMAND_H

#include "mailmux/config.h"

/* The client, as words of the command line; "-" stands for none. */
struct route_question {
    const char *sni;
    const char *alpn;  /* with commas between several */
    const char *bytes; /* \r, \n, \t, \\ and \xNN are understood */
    const char *listener;
    const char *address; /* of the client; NULL: it is not known */
};

/*
 * Prints the answer to standard output, and what is wrong with the question to standard error.
 * Returns the exit status: 0, or 2 for a question that cannot be answered.
 */
int route_command(const struct config *config, const struct route_question *question);

#endif
