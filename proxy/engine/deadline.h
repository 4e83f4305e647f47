/*
 * Deadlines of one worker on one libuv timer. Deadlines of one class are kept in the order in which
 * they expire; as a class has one duration this makes arming and clearing O(1). (After a reload the
 * durations of a class may differ for a while: insertion then walks back from the end.)
 * One thread. Nothing is allocated: the node lives in its owner.
 *
 * Time is measured fairly. A deadline that is due expires only after the loop has looked at its
 * sockets once more: what came in time counts, however late it is read. And a pause of the process
 * (SIGSTOP, a stopped machine, a starved one) is not held against a peer: when the loop wakes
 * DEADLINE_STALL_MS after its timer or later, what became due meanwhile begins anew and all else is
 * put off by the pause. That happens DEADLINE_RENEWALS_MAX times at most between two settings, so
 * that deadlines end on a machine that is always late, too.
 */
#ifndef MAILMUX_DEADLINE_H
#define MAILMUX_DEADLINE_H

#include "mailmux/list.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    DEADLINE_CLASSES = 24,
    DEADLINE_STALL_MS = 300, /* the loop woke so late that it must have stood still */
    DEADLINE_RENEWALS_MAX = 3
};

struct deadline;

/* The deadline has been cleared before the call; it may be set again from inside. */
typedef void deadline_callback(struct deadline *deadline);

struct deadline_queue;

/* The loop stood still for so long, at least. */
typedef void deadline_stalled(struct deadline_queue *queue, uint64_t ms);

struct deadline {
    struct list node;
    uint64_t expires_ms;  /* monotonic; 0: not set */
    uint64_t duration_ms; /* from its setting */
    unsigned renewals;    /* since its setting */
    unsigned class_index; /* of its last setting */
    deadline_callback *on_expiry;
};

struct deadline_queue {
    uv_timer_t timer;
    uint64_t armed_ms; /* what the timer is set to; 0: stopped */
    struct list classes[DEADLINE_CLASSES];
    unsigned count;
    bool has_looked;   /* the loop has seen to its sockets since the timer said that one is due */
    uint64_t stall_ms; /* when the last pause ended; 0: there was none */
    deadline_stalled *on_stall; /* may be NULL */
};

/* The timer does not keep the loop alive. */
void deadline_queue_init(struct deadline_queue *queue, uv_loop_t *loop, deadline_stalled *on_stall);

/* Whether the loop stood still at some time after began_ms (of uv_now). */
bool deadline_queue_has_stalled(const struct deadline_queue *queue, uint64_t began_ms);

/* No deadline may be set. The queue's memory must live until the loop has run its close callbacks.
 */
void deadline_queue_close(struct deadline_queue *queue);

void deadline_init(struct deadline *deadline, deadline_callback *on_expiry);

/* (Re)arms it to expire_ms on the queue's clock; class < DEADLINE_CLASSES. */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, unsigned class_index,
    uint64_t expires_ms);

/* Harmless when it is not set. */
void deadline_clear(struct deadline_queue *queue, struct deadline *deadline);
bool deadline_is_set(const struct deadline *deadline);

#endif
