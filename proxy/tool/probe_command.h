/*
 * --check --probe: visits every server of every backend, and prints a block of lines for each, in
 * the order of the file. Main thread; it runs a loop of its own during the call.
 */
#ifndef MAILMUX_PROBE_COMMAND_H
#define MAILMUX_PROBE_COMMAND_H

#include "snapshot.h"

/*
 * Prints to standard output; warnings of the log go to standard error. Returns how many errors it
 * has found.
 */
size_t probe_command(struct snapshot *snapshot);

#endif
