/* The signals of the keeper. Main thread, before there are others. */
#ifndef MAILMUX_SIGNALS_H
#define MAILMUX_SIGNALS_H

#include <stdbool.h>

/*
 * From now on the signals that a keeper takes (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD)
 * wait until they are read; SIGPIPE is ignored. Returns a descriptor that can be read when one
 * waits, or -1 with errno set.
 */
int signals_catch(void);

/* Returns the next signal that waits at the descriptor, or 0. */
int signals_next(int fd);

/* For a child: signals reach it again. With `ignore`, those of the keeper are ignored. */
void signals_release(bool ignore);

#endif
