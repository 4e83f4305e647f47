/* The rights of the process. Main thread, before any other thread is started. */
#ifndef MAILMUX_PRIVILEGES_H
#define MAILMUX_PRIVILEGES_H

#include "mailmux/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * With hide: the kernel writes no core file, and other processes of the user cannot read this
 * one's memory, which holds keys and passwords (C121). Without: both are allowed. Call it after
 * privileges_drop: a change of the user sets this anew.
 */
void privileges_hide_memory(bool hide);

/* Raises the soft limit of descriptors to the hard one. Returns how many the process may have. */
size_t privileges_raise_descriptors(void);

/*
 * Returns the account that a process has behind privileges_drop with this user, or the present one
 * where it cannot become that.
 */
uid_t privileges_account(const char *user);

/*
 * Becomes the user for good: supplementary groups, group, user. This needs root, unless the
 * process runs as that user already; then nothing is changed. user NULL: nothing to do. Returns
 * false with the error's text.
 */
bool privileges_drop(const char *user, struct error *error);

#endif
