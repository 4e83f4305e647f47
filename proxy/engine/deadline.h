/*
 * Deadlines of one worker, on one libuv timer. Nothing is allocated: a deadline lives in its owner.
 * One thread.
 *
 * Each class of deadlines is a list in the order of expiry. All deadlines of a class usually have
 * one duration, so a new one belongs at the end of the list, and setting and clearing are O(1).
 * After a reload the durations may differ for a while; then insertion walks back from the end.
 *
 * A deadline that is due does not expire before the loop has looked at its sockets once more. So
 * what came in time counts, however late it is read.
 *
 * A pause of the process (SIGSTOP, a suspended machine, no CPU time) is not held against a peer.
 * The loop takes it for a pause when it wakes DEADLINE_STALL_MS or more after its timer. Then each
 * deadline that became due in the pause begins anew with its full duration, and all others move by
 * the length of the pause. Each time that a deadline is set this can happen to it
 * DEADLINE_RENEWALS_MAX times at most, so that deadlines also expire on a machine that is always
 * late.
 */
#ifndef MAILMUX_DEADLINE_H
#define MAILMUX_DEADLINE_H

#include "mailmux/list.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    DEADLINE_CLASSES = 24,
    DEADLINE_STALL_MS = 300, /* the loop woke this late: it stood still */
    DEADLINE_RENEWALS_MAX = 3
};

struct deadline;

/*
 * Called when a deadline expires. It has been cleared before, and the callback may set it again.
 * The callback may also clear and free any other deadline.
 */
typedef void deadline_callback(struct deadline *deadline);

struct deadline_queue;

/* Called after a pause. ms: how late the loop was. The deadlines have been put off already. */
typedef void deadline_stalled(struct deadline_queue *queue, uint64_t ms);

struct deadline {
    struct list node;
    uint64_t expires_ms;  /* monotonic; 0: not set */
    uint64_t duration_ms; /* from deadline_set to expiry */
    unsigned renewals;    /* pauses since deadline_set */
    unsigned class_index; /* of its last setting */
    deadline_callback *on_expiry;
};

struct deadline_queue {
    uv_timer_t timer;
    uint64_t armed_ms; /* when the timer fires; 0: it is stopped */
    struct list classes[DEADLINE_CLASSES];
    unsigned count;
    bool has_looked;   /* the loop has looked at its sockets since the timer found a deadline due */
    uint64_t stall_ms; /* when the last pause ended; 0: there was none */
    deadline_stalled *on_stall; /* may be NULL */
};

/* on_stall may be NULL. The timer does not keep the loop alive. */
void deadline_queue_init(struct deadline_queue *queue, uv_loop_t *loop, deadline_stalled *on_stall);

/* Returns whether a pause of the loop ended at began_ms (of uv_now) or later. */
bool deadline_queue_has_stalled(const struct deadline_queue *queue, uint64_t began_ms);

/*
 * No deadline may be set any more. The queue's memory must live until the loop has run its close
 * callbacks.
 */
void deadline_queue_close(struct deadline_queue *queue);

/* Makes a deadline that is not set. Needed once, before the first deadline_set. */
void deadline_init(struct deadline *deadline, deadline_callback *on_expiry);

/*
 * Sets the deadline, or sets it anew, to expire_ms of uv_now. class_index must be below
 * DEADLINE_CLASSES.
 */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, unsigned class_index,
    uint64_t expires_ms);

/* Clears the deadline, so that it does not expire. It may be cleared already. */
void deadline_clear(struct deadline_queue *queue, struct deadline *deadline);
bool deadline_is_set(const struct deadline *deadline);

#endif
