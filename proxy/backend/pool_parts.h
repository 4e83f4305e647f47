/* What the files of the pool share: pool.c (its servers), pool_session.c (choosing, waiting,
 * marks), pool_state.c (its state, for the log and for checks). */
#ifndef MAILMUX_POOL_PARTS_H
#define MAILMUX_POOL_PARTS_H

#include "mailmux/refcount.h"
#include "pool.h"
#include <pthread.h>
#include <stdatomic.h>

/* A slot is one address of one server; its counts and marks are in the table, at the same place. */
struct slot {
    char *name; /* its own copy: it lives as long as its last session */
    struct pool_address at;
    unsigned generation;
};

struct pool {
    struct refcount references;
    char *name;
    atomic_flag logins_told;
    pthread_mutex_t lock;          /* of all that follows */
    struct config_server *servers; /* copies, with names and hosts of their own */
    size_t server_count;
    struct balance_table table;
    struct slot slots[BALANCE_SERVERS_MAX];
    bool is_retired;
    struct list queue;
    size_t queue_len;
    size_t queue_size;
};

/* The state of a slot. The lock is held. */
void pool_copy_server(const struct pool *pool, size_t slot, struct pool_server *server);

/* Gives the waiting sessions, in order, what there is for them. The lock is held. */
void pool_serve_queue(struct pool *pool, uint64_t now_ms);

#endif
