/*
 * The commands that print an answer and end: --check, --dump, --route, --reference, --man,
 * --version and
 * --help. The answer goes to standard output, problems of the configuration go to standard error.
 * Main thread; no session runs.
 */
#ifndef MAILMUX_COMMAND_H
#define MAILMUX_COMMAND_H

#include "mailmux/error.h"
#include "options.h"

enum { COMMAND_USAGE_STATUS = 2 };

/* Runs options->command, which is not COMMAND_RUN. Returns the exit status. */
int command_run(const struct options *options);

/* Prints what is wrong with the command line. Returns the exit status COMMAND_USAGE_STATUS. */
int command_refuse(const struct error *error);

#endif
