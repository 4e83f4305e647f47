/*
 * The periodic checks: each server of a backend with `check` is checked every check_interval, at
 * times of its own. Results go to the pools, which outlive configurations, and to the log
 * (check_news). Main thread.
 *
 * At most CHECKS_AT_ONCE checks run at once; a server that is due meanwhile waits. Only checks_new
 * and checks_follow allocate memory.
 */
#ifndef MAILMUX_CHECKS_H
#define MAILMUX_CHECKS_H

#include "snapshot.h"

enum { CHECKS_AT_ONCE = 32 };

struct checks;

typedef void checks_finished(void *owner);

/*
 * Returns checks that follow no snapshot yet, or NULL without memory. End them with checks_stop and
 * checks_free.
 */
struct checks *checks_new(uv_loop_t *loop);

/*
 * From now on checks the servers of this snapshot, to which it takes a reference; NULL: none.
 * Backends that keep their pool keep the times of their checks, and what was logged about them is
 * not logged again. Checks under way go on to their end. Does nothing when `checks` is NULL.
 */
void checks_follow(struct checks *checks, struct snapshot *snapshot);

/*
 * Begins no check any more. Checks under way go on to their end, which comes at most check_timeout
 * after they began. Then on_finished is called once, from the loop and never from inside this
 * call, unless checks_stop is called first.
 */
void checks_finish(struct checks *checks, checks_finished *on_finished, void *owner);

/*
 * Cuts all checks. The loop must then run until its handles are closed, before checks_free. NULL
 * and a second call are allowed.
 */
void checks_stop(struct checks *checks);

/* Frees the memory and sets the pointer to NULL; a pointer to NULL is allowed. */
void checks_free(struct checks **checks);

#endif
