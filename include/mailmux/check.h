/*
 * Invariants that stay on in production. A check that fails is logged once for each place, with
 * file and line, and counted: the exit line tells how many as `faults`. It never ends the process;
 * the caller ends the one session that it was serving. Any thread.
 *
 *     if (!check_holds(smtp->queue_len < SMTP_QUEUE_MAX))
 *         return false;
 */
#ifndef MAILMUX_CHECK_H
#define MAILMUX_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* The condition, as true or false. It is evaluated once. */
#define check_holds(condition) ((condition) || check_failed(__FILE__, __LINE__, #condition))

/* Logs and counts a failed check, and returns false. The texts must be constants. */
bool check_failed(const char *file, int line, const char *condition) __attribute__((cold));

/* How many checks have failed since the start of the process. */
uint64_t check_failures(void);

#endif
