/*
 * A plan: the sockets on which a snapshot wants to listen. The main thread binds them all, and then
 * hands the plan to the acceptor's thread. So if a bind fails, nothing has changed.
 */
#ifndef MAILMUX_PLAN_H
#define MAILMUX_PLAN_H

#include "mailmux/address.h"
#include "mailmux/list.h"
#include "snapshot.h"

/*
 * Opens the listening socket at one of the listener's addresses. Returns its descriptor, which the
 * caller closes, or a negative errno.
 */
typedef int plan_bind(void *owner, const char *listener, const struct address *at);

struct plan_binder {
    plan_bind *bind;
    void *owner;
};

/* One listening socket. */
struct plan_door {
    int fd; /* the plan's; -1: the acceptor has this socket already, or has taken it over */
    struct address at;
    size_t listener; /* index in the configuration */
};

struct plan {
    struct list node;          /* in the acceptor's inbox */
    struct snapshot *snapshot; /* a reference */
    size_t session_limit;      /* sessions at once */
    size_t count;
    struct plan_door doors[];
};

/* The addresses that the acceptor listens on; none if it is zeroed. Its owner frees `at`. */
struct plan_open {
    size_t count;
    struct address *at;
};

/*
 * Opens the listening sockets that the snapshot wants and that are not open yet. The plan takes a
 * reference to the snapshot. Logs each bind that fails, and then returns NULL. [::] on a machine
 * without IPv6 is no failure: it is left out, with a warning, unless nothing else is left.
 */
struct plan *plan_new(const struct plan_open *open, struct snapshot *snapshot, size_t session_limit,
    const struct plan_binder *binder);

/*
 * Closes the sockets that were opened for the plan and not taken over, and frees it. Sets the
 * pointer to NULL; NULL is allowed.
 */
void plan_free(struct plan **plan);

/*
 * Sets *open to the addresses that will be open when the plan has been carried out. Without memory
 * it becomes empty, and the next plan that wants one of these addresses fails to bind it.
 */
void plan_note_open(struct plan_open *open, const struct plan *plan);

#endif
