/*
 * Tells one thread which of its descriptors can be read or written: an epoll descriptor of its own,
 * in which each of them stands once, from its beginning to its close. The kernel reports a change
 * once (EPOLLET), so to wait for something else costs no system call. The owner of a descriptor
 * keeps what on_ready has reported, and asks by poller_call for another turn if it has left
 * something undone.
 *
 * At first a poller is a guest in a loop of libuv, as one descriptor of it. After poller_drive it
 * is the other way round: the thread calls poller_turn, which also says when the loop has work. So
 * a wait is one system call.
 *
 * One thread. A turn calls on_ready once for each descriptor that has events, and once for each
 * that has asked for a call.
 */
#ifndef MAILMUX_POLLER_H
#define MAILMUX_POLLER_H

#include "mailmux/list.h"
#include <sys/epoll.h>
#include <uv.h>

enum { POLLER_BATCH = 256 /* descriptors of one turn; the others have the next one */ };

/* A descriptor's place in a poller. It is a part of its owner. */
struct polled {
    struct list node;
    /*
     * events: bits of epoll that hold now, or 0 if it has asked for the call. It may remove and
     * free this or any other.
     */
    void (*on_ready)(struct polled *polled, unsigned events);
};

struct poller {
    uv_loop_t *loop;
    uv_poll_t poll; /* of fd, while it is a guest and has descriptors */
    uv_idle_t idle; /* active while it is a guest and `due` is not empty */
    int fd;
    bool drives;
    bool loop_is_ready; /* the loop has something to read; only where it drives */
    struct polled in_loop;
    unsigned count;
    struct list due; /* those that have asked for a call */
    int batch_at;    /* the next of the batch */
    int batch_end;
    struct epoll_event batch[POLLER_BATCH];
};

/* Makes a guest of the loop, which must outlive it. Returns false without descriptors or memory. */
bool poller_init(struct poller *poller, uv_loop_t *loop);

/*
 * Nothing may be in it any more. The loop must run once more before its memory goes.
 */
void poller_deinit(struct poller *poller);

/* Changes sides, before the first descriptor. Returns false without memory. */
bool poller_drive(struct poller *poller);

/*
 * Waits for events, up to timeout_ms (-1: for ever), and tells them; then makes the calls that were
 * asked for. Returns whether the loop has something to read. After poller_drive only.
 */
bool poller_turn(struct poller *poller, int timeout_ms);

/*
 * Adds a non-blocking descriptor. The next turn reports what holds at this moment. Returns false
 * with errno set.
 */
bool poller_add(struct poller *poller, struct polled *polled, int fd)
    __attribute__((warn_unused_result));

/*
 * Removes it. Nothing is reported afterwards. The caller closes the descriptor now, of which there
 * may be no duplicate.
 */
void poller_remove(struct poller *poller, struct polled *polled);

/* Calls it in the next turn, with 0. Asking twice is the same. */
void poller_call(struct poller *poller, struct polled *polled);

#endif
