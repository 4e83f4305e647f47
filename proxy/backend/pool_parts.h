/*
 * What the files of the pool share: pool.c (its servers), pool_session.c (choosing, waiting,
 * marks), pool_state.c (its state, for the log and for checks), pool_news.c (what the log says of
 * changes).
 */
#ifndef MAILMUX_POOL_PARTS_H
#define MAILMUX_POOL_PARTS_H

#include "mailmux/refcount.h"
#include "pool.h"
#include <pthread.h>
#include <stdatomic.h>

/* A slot is one address of one server. Its counts and marks are in the table, at the same index. */
struct slot {
    char *name; /* a copy of its own, which stays while the slot has sessions */
    struct pool_address at;
    unsigned generation;
    bool leaves; /* it gets no new session: see pool_news.h */
    uint64_t leaves_since_ms;
    uint64_t told_ms; /* when the log was last told of the sessions that are left */
    uint32_t told;    /* how many there were then */
    struct pool_counts counts;
};

struct pool {
    struct refcount references;
    char *name;
    atomic_flag logins_told;
    pthread_mutex_t lock;          /* guards all members below */
    struct config_server *servers; /* copies; they own their names and hosts */
    size_t server_count;
    struct balance_table table;
    struct slot slots[BALANCE_SERVERS_MAX];
    bool is_retired;
    bool is_out; /* no server is left that could serve, and the log has been told */
    uint64_t out_since_ms;
    struct list queue;
    size_t queue_len;
    size_t queue_size;
};

/* Returns the state of a server in a word, for the log. A constant. */
const char *pool_state_name(const struct pool_server *server, bool is_listed);

/* Copies the state of a slot. The lock is held. */
void pool_copy_server(const struct pool *pool, size_t slot, struct pool_server *server);

/*
 * Goes through the queue in order and answers each waiter that can be answered. The lock is held.
 */
void pool_serve_queue(struct pool *pool, uint64_t now_ms);

#endif
