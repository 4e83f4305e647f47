/*
 * Which sockets a snapshot wants to listen on: bound on the main thread, so that a plan that cannot
 * be carried out changes nothing; then handed, whole, to the acceptor's thread.
 */
#ifndef MAILMUX_PLAN_H
#define MAILMUX_PLAN_H

#include "mailmux/address.h"
#include "mailmux/list.h"
#include "snapshot.h"

enum { PLAN_BACKLOG = 1024 }; /* connections that may wait at one socket */

struct plan_door {
    int fd; /* -1: it is open already */
    struct address at;
    size_t listener; /* index in the configuration */
};

struct plan {
    struct list node; /* in the acceptor's inbox: each builds on the one before it */
    struct snapshot *snapshot;
    size_t session_limit; /* sessions at once */
    size_t count;
    struct plan_door doors[];
};

/* Where somebody listens already. Zeroed: nowhere. */
struct plan_open {
    size_t count;
    struct address *at;
};

/*
 * Opens the listening sockets that the snapshot wants and that are not open yet; takes a reference
 * of it. Each bind that fails is logged, and then it is NULL.
 */
struct plan *plan_new(
    const struct plan_open *open, struct snapshot *snapshot, size_t session_limit);

/* Closes what was opened for it and not taken over. Sets the pointer to NULL; NULL is allowed. */
void plan_free(struct plan **plan);

/*
 * What will be open when the plan has been carried out. Without memory nothing is known to be open,
 * and the next plan that wants the same address fails.
 */
void plan_note_open(struct plan_open *open, const struct plan *plan);

#endif
