/* Checks, for --check, whether the state directory can be used. Main thread. */
#ifndef MAILMUX_STATE_DIRECTORY_H
#define MAILMUX_STATE_DIRECTORY_H

#include "mailmux/config.h"

/*
 * Reports a state directory that a start by this user could not make or write to, and makes
 * nothing. needs_certificate: the self-signed certificate must be kept there, so this is an error;
 * else it is a warning. Blocks on the disk.
 */
void state_directory_check(
    const struct config *config, bool needs_certificate, struct config_report *report);

#endif
