/* What the process may do. Main thread, before any other thread is started. */
#ifndef MAILMUX_PRIVILEGES_H
#define MAILMUX_PRIVILEGES_H

#include "mailmux/error.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * No core file, and no look into this process for others of the same user: its memory has keys and
 * passwords (C121). After the user was changed, which undoes it.
 */
void privileges_hide_memory(bool hide);

/* Raises the soft limit of descriptors to the hard one and gives how many there may be. */
size_t privileges_raise_descriptors(void);

/*
 * Becomes the user for good: groups, group, user. As root only; for anybody else it is checked that
 * this is the user already. user NULL: nothing to do.
 */
bool privileges_drop(const char *user, struct error *error);

#endif
