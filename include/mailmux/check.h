/*
 * Invariants that are also checked in production. A check that fails never ends the process: the
 * caller ends the one session that it was serving. Each failure is counted, and the exit line tells
 * the count as `faults`. The first failure at each place is logged with file and line, for at most
 * 32 places. Any thread.
 *
 *     if (!check_holds(smtp->queue_len < SMTP_QUEUE_MAX))
 *         return false;
 */
#ifndef MAILMUX_CHECK_H
#define MAILMUX_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Returns whether the condition is true. The condition is evaluated once. */
#define check_holds(condition) ((condition) || check_failed(__FILE__, __LINE__, #condition))

/*
 * Logs and counts a failed check, and returns false. The texts must be constants. Called by
 * check_holds.
 */
bool check_failed(const char *file, int line, const char *condition) __attribute__((cold));

/* Returns how many checks have failed since the start of the process. */
uint64_t check_failures(void);

#endif
