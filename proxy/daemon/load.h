/*
 * Makes a snapshot from the configuration file and logs every problem of it. The caller owns the
 * reference that is returned. Main thread; blocks on the disk.
 */
#ifndef MAILMUX_LOAD_H
#define MAILMUX_LOAD_H

#include "snapshot.h"

/* Loads the file at the start, and sets the log up as it says. Returns NULL on any error. */
struct snapshot *load_first(const char *file);

/*
 * Loads the file again, while `before` is in effect. Logs which changed settings need a restart;
 * those keep their old values. Returns NULL on any error; then nothing has changed.
 */
struct snapshot *load_again(const char *file, struct snapshot *before);

#endif
