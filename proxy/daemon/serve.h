/* Runs a service process: from reading the configuration to the last line of its log. */
#ifndef MAILMUX_SERVE_H
#define MAILMUX_SERVE_H

#include "generation.h"

/*
 * Serves until the keeper's order has ended all sessions; a generation_run. Returns the exit
 * status: 0, or 1 when it could not start or when a session is still counted as alive at the end,
 * which is a fault. Main thread, before there are others.
 */
int serve(const struct service_start *start);

/*
 * Raises the limit of descriptors, and returns whether there are enough for a process and one
 * session; logs it if not, in the form that the configuration file wants.
 */
bool serve_has_descriptors(const char *file);

#endif
