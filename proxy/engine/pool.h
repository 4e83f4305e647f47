/*
 * A backend at run time: its servers with their present addresses and session counts. Made by the
 * daemon with a configuration, shared by all workers, freed after the last session that uses it.
 * Any thread: one mutex, held for the length of a choice.
 */
#ifndef MAILMUX_POOL_H
#define MAILMUX_POOL_H

#include "mailmux/balance.h"
#include "mailmux/config.h"

struct pool;

/* What a session needs to know about the server that was chosen for it. */
struct pool_choice {
    size_t slot; /* for pool_release and as the mark of what was tried */
    const char *name;
    struct address address;
};

/* The backend must outlive the pool. Servers given by name have no address yet. NULL: no memory. */
struct pool *pool_new(const struct config_backend *backend);

/* No session may be open. Sets the pointer to NULL; NULL is allowed. */
void pool_free(struct pool **pool);

const struct config_backend *pool_backend(const struct pool *pool);

/*
 * The present addresses of a server that is known by name (its index in the backend). An address
 * that is gone gets no new session.
 */
void pool_set_addresses(
    struct pool *pool, size_t server, const struct address *addresses, size_t count);

/* Chooses among the servers not tried, marks the choice as tried and counts a session on it. */
bool pool_pick(struct pool *pool, struct balance_tried *tried, struct pool_choice *choice);

/* The same, for a session that goes back to the server it had. */
bool pool_pick_slot(
    struct pool *pool, size_t slot, struct balance_tried *tried, struct pool_choice *choice);

/* The session on that slot is over, or never came to be. */
void pool_release(struct pool *pool, size_t slot);

#endif
