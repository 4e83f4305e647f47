/*
 * Deadlines of one worker on one libuv timer. Deadlines of one class are kept in the order in which
 * they expire; as a class has one duration this makes arming and clearing O(1). (After a reload the
 * durations of a class may differ for a while: insertion then walks back from the end.)
 * One thread. Nothing is allocated: the node lives in its owner.
 */
#ifndef MAILMUX_DEADLINE_H
#define MAILMUX_DEADLINE_H

#include "mailmux/list.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { DEADLINE_CLASSES = 16 };

struct deadline;

/* The deadline has been cleared before the call; it may be set again from inside. */
typedef void deadline_callback(struct deadline *deadline);

struct deadline {
    struct list node;
    uint64_t expires_ms; /* monotonic; 0: not set */
    deadline_callback *on_expiry;
};

struct deadline_queue {
    uv_timer_t timer;
    uint64_t armed_ms; /* what the timer is set to; 0: stopped */
    struct list classes[DEADLINE_CLASSES];
    unsigned count;
};

/* The timer does not keep the loop alive. */
void deadline_queue_init(struct deadline_queue *queue, uv_loop_t *loop);

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
