/*
 * The commands that answer and end: --check, --dump, --reference, --man, --version, --help. They
 * write the answer to standard output and problems to standard error. Main thread; no session runs.
 */
#ifndef MAILMUX_COMMAND_H
#define MAILMUX_COMMAND_H

#include "options.h"

#include "mailmux/config.h"

enum { COMMAND_USAGE_STATUS = 2 };

/* Does options->command, which is not COMMAND_RUN; returns the exit status, 0 or 1. */
int command_run(const struct options *options);

/* The line for a command line that makes no sense; returns the exit status. */
int command_refuse(const struct error *error);

/* "error: FILE:LINE: ..." and "warning: FILE:LINE: ...", a line each. */
void command_write_report(const struct config_report *report, FILE *out);

#endif
