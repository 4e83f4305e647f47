/*
 * Makes a snapshot from the configuration file and logs every problem of it. The caller owns the
 * reference that is returned. Main thread; blocks on the disk.
 */
#ifndef MAILMUX_LOAD_H
#define MAILMUX_LOAD_H

#include "snapshot.h"

/*
 * Sets the log up as the file says, and does nothing else with it: for what is to be said before it
 * is read.
 */
void load_log_form(const char *file);

/*
 * Makes the first snapshot, from a configuration that was read already, and sets the log up as it
 * says. Takes it and sets the pointer to NULL. Returns NULL on any error.
 */
struct snapshot *load_first(struct config **config);

/*
 * Loads the file again, while `before` is in effect. Returns NULL on any error; then nothing has
 * changed.
 */
struct snapshot *load_again(const char *file, struct snapshot *before);

#endif
