/*
 * Deadlines of one worker, on one libuv timer. Nothing is allocated: a deadline lives in its owner.
 * One thread.
 *
 * They form one leftist heap in the order of expiry. To set or to clear one visits as many others
 * as the binary logarithm of their number, at most, whatever their durations are.
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

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
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

/*
 * None of both branches expires earlier. The rank is the number of steps to the right until there
 * is no further one; it is no higher on the right than on the left.
 */
struct deadline {
    struct deadline *above; /* NULL: it is the first */
    struct deadline *left;
    struct deadline *right;
    uint64_t expires_ms;  /* monotonic; 0: not set */
    uint64_t duration_ms; /* from deadline_set to expiry */
    uint32_t order;       /* of two that expire together, the one that was set first is first */
    uint8_t rank;
    uint8_t renewals;    /* pauses since deadline_set */
    uint8_t class_index; /* what it is for, for the log */
    deadline_callback *on_expiry;
};

struct deadline_queue {
    uv_timer_t timer;
    uint64_t armed_ms;      /* when the timer fires; 0: it is stopped */
    struct deadline *first; /* the earliest; NULL: none is set */
    unsigned count;
    uint32_t order;       /* that of the last setting */
    uint64_t expiring_ms; /* callbacks run for what was due then; 0: none runs */
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
 * Sets the deadline, or sets it anew, to expires_ms of uv_now. class_index says what it is for
 * (enum engine_class).
 */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, unsigned class_index,
    uint64_t expires_ms);

/* Clears the deadline, so that it does not expire. It may be cleared already. */
void deadline_clear(struct deadline_queue *queue, struct deadline *deadline);
bool deadline_is_set(const struct deadline *deadline);

#endif
