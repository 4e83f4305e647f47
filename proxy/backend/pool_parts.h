/*
 * What the files of the pool share: pool.c (its servers), pool_slots.c (where they are),
 * pool_session.c (choosing, reports), pool_queue.c (waiting), pool_state.c (its state, for the log
 * and for checks), pool_news.c (what the log says of changes).
 */
#ifndef MAILMUX_POOL_PARTS_H
#define MAILMUX_POOL_PARTS_H

#include "mailmux/refcount.h"
#include "mailmux/table.h"
#include "pool.h"
#include <pthread.h>
#include <stdatomic.h>

/* A slot is one address of one server. Its counts and marks are in the table, at the same index. */
struct slot {
    char *name;       /* a copy of its own, which stays while the slot has sessions */
    uint32_t next;    /* the next slot in the same chain of the index, plus 1; 0: there is none */
    uint32_t waiting; /* sessions in the queue that have tried it */
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
    struct table by_name; /* the servers */
    struct balance_table table;
    struct slot *slots; /* as many as the table has room for */
    uint32_t *index;    /* chains of slots by their identity, as many as slots; slot plus 1 */
    unsigned changes;   /* of the slots */
    size_t next_place;  /* below it, each slot was in use when it was last looked for a free one */
    bool is_retired;
    bool is_out; /* no server is left that could serve, and the log has been told */
    uint64_t out_since_ms;
    struct list fresh;   /* the waiters that have tried no server, in their order */
    struct list refused; /* the others, in theirs */
    size_t refused_len;
    size_t queue_len; /* of both */
    size_t queue_size;
    uint64_t arrivals; /* gives waiters their order */
};

/* ---- pool_slots.c; the lock is held ---- */

/*
 * Finds the slot of a server's name and address, whether or not it is listed. Returns
 * BALANCE_SERVERS_MAX if there is none.
 */
size_t pool_find_slot(const struct pool *pool, const char *name, const struct address *address);

/*
 * Returns a slot for a new server: one that no server and no session uses, or a new one, which is
 * table.count. Returns BALANCE_SERVERS_MAX without room or memory. A caller that takes servers off
 * the list sets next_place to 0.
 */
size_t pool_find_place(struct pool *pool);

/* Gives the slot, as pool_find_place has returned it, to that server. The name is the pool's. */
void pool_fill_slot(struct pool *pool, size_t i, char *name, const struct pool_address *at);

/* Returns the state of a server in a word, for the log. A constant. */
const char *pool_state_name(const struct pool_server *server, bool is_listed);

/* Copies the state of a slot. The lock is held. */
void pool_copy_server(const struct pool *pool, size_t slot, struct pool_server *server);

/* ---- pool_queue.c; the lock is held ---- */

/* Takes a place at the slot for the waiter, and marks it as tried. */
void pool_take_place(struct pool *pool, size_t slot, struct pool_waiter *waiter, uint64_t now_ms,
    struct pool_choice *choice);

/*
 * Goes through the queue in order and answers each waiter that can be answered: after any change
 * but a place that was taken or given back.
 */
void pool_serve_queue(struct pool *pool, uint64_t now_ms);

/* A server may be chosen now and could not be before: gives its places to those that wait. */
void pool_serve_places(struct pool *pool, size_t slot, uint64_t now_ms);

/* Serves the queue if a hold-back has ended. */
void pool_pass_time(struct pool *pool, uint64_t now_ms);

enum pool_answer pool_join_queue(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms);
void pool_leave_queue(struct pool *pool, struct pool_waiter *waiter);

/* Tells all that wait that no place can come any more. */
void pool_end_queue(struct pool *pool);

#endif
