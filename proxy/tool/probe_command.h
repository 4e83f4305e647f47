/*
 * --check --probe: visits every server of every backend and prints what it is like, a block for
 * each in the order of the file. Main thread, with a loop of its own that lives during the call.
 */
#ifndef MAILMUX_PROBE_COMMAND_H
#define MAILMUX_PROBE_COMMAND_H

#include "snapshot.h"

/* How many of the findings are errors. */
size_t probe_command(struct snapshot *snapshot);

#endif
