/*
 * From the configuration file to a snapshot, with every problem in the log. Main thread; blocks on
 * the disk.
 */
#ifndef MAILMUX_LOAD_H
#define MAILMUX_LOAD_H

#include "snapshot.h"

/* At the start; sets the log up as the file wants it. NULL on any error. */
struct snapshot *load_first(const char *file);

/*
 * The same file once more, while `before` serves; its settings that need a restart are named where
 * they differ, and stay. NULL on any error: then nothing has changed.
 */
struct snapshot *load_again(const char *file, struct snapshot *before);

#endif
