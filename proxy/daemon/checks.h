/*
 * The periodic checks of all servers of the backends that ask for them, each at its own time. What
 * they find goes to the pools, which live longer than configurations; what servers offer is
 * compared, and certificates that come to their end are told of. Main thread.
 *
 * So many at once and no more; who is due meanwhile waits. Nothing is allocated but for a backend
 * that is new.
 */
#ifndef MAILMUX_CHECKS_H
#define MAILMUX_CHECKS_H

#include "snapshot.h"

enum { CHECKS_AT_ONCE = 32 };

struct checks;

typedef void checks_finished(void *owner);

/* NULL: no memory. */
struct checks *checks_new(uv_loop_t *loop);

/*
 * From now on the servers of this snapshot are checked, of which a reference is taken. Backends
 * that were checked before keep their times, and what was said about them is not said again.
 * Checks that are under way end by themselves.
 */
void checks_follow(struct checks *checks, struct snapshot *snapshot);

/*
 * None begins any more. Those under way take their leave of the servers first, at most
 * check_timeout from their beginning; then, from the loop, on_finished is called once, unless
 * checks_stop comes before it.
 */
void checks_finish(struct checks *checks, checks_finished *on_finished, void *owner);

/* All end now, in mid-sentence. The loop must then run to its end before checks_free. NULL: none.
 */
void checks_stop(struct checks *checks);
void checks_free(struct checks **checks);

#endif
