/*
 * A backend at run time: its servers with their present addresses, marks and numbers of sessions,
 * and the queue of sessions that wait for a place. It outlives configurations: each one that has
 * the backend configures it anew, and what is known of a server stays while its name and address
 * stay. It has counted references, which the snapshots hold.
 *
 * Any thread. One mutex guards it, and is held for the length of one choice. Nothing is called
 * under it except a waiter's `wake`. All times are of the monotonic clock (clock_monotonic_ms).
 */
#ifndef MAILMUX_POOL_H
#define MAILMUX_POOL_H

#include "mailmux/balance.h"
#include "mailmux/config.h"
#include "mailmux/list.h"

struct pool;

enum { POOL_NAME_MAX = 320 /* a server's name: HOST:PORT at the longest, and NUL */ };

/* The state of a server when it was chosen. */
enum pool_standing {
    POOL_UP,
    POOL_ON_TRIAL,   /* it is down, and this session finds out whether it still is */
    POOL_LAST_RESORT /* it is down, and no other server is left */
};

/* What the sessions that are over have counted. */
struct pool_counts {
    uint64_t tries;     /* places that were taken and given back */
    uint64_t failed;    /* tries that came to nothing */
    uint64_t bytes_in;  /* to the server, of what clients have said */
    uint64_t bytes_out; /* from the server */
};

/* The server that was chosen for a session. The members are valid until pool_release. */
struct pool_choice {
    size_t slot;
    unsigned generation; /* the slot may get another server; then this changes */
    enum pool_standing standing;
    const char *name; /* owned by the pool */
    struct address address;
    /* For the counts of the server, set by the session before pool_release: */
    bool has_failed;
    uint64_t bytes_in;
    uint64_t bytes_out;
};

enum pool_answer {
    POOL_CHOSEN,
    POOL_WAITING,    /* in the queue; `wake` will be called */
    POOL_QUEUE_FULL, /* all servers are full, and so is the queue */
    POOL_NONE        /* no server is left that could serve the session */
};

struct pool_waiter;

/*
 * Called by the thread that has made room, under the pool's lock. It may only send a message to the
 * waiter's own thread, which then calls pool_take.
 */
typedef void pool_wake(struct pool_waiter *waiter);

/*
 * A session that looks for a server. It is a part of the session and belongs to the session's
 * thread. While it is in the queue, node, arrival, answer, hold_ms, tried and choice are the
 * pool's. Its owner ends `tried` by balance_end_tried.
 */
struct pool_waiter {
    struct list node;
    uint64_t arrival; /* its place in the order of the queue */
    uint64_t key;     /* balance_key of the client */
    struct balance_tried tried;
    pool_wake *wake;
    enum pool_answer answer; /* POOL_WAITING while it is in the queue */
    uint64_t held_until_ms;  /* when a hold-back ends and pool_serve may find a place; 0: never */
    uint64_t hold_ms;        /* the pool's newest value of it; `wake` tells of a change */
    struct pool_choice choice;
};

/* A copy of a server's state, for the log and for checks. */
struct pool_server {
    unsigned generation; /* for pool_note_check */
    char name[POOL_NAME_MAX];
    struct address address;
    enum config_server_state state; /* SERVER_MAINTENANCE: it must not be checked */
    bool backup;
    uint32_t sessions;
    uint32_t max_sessions; /* 0: no limit */
    struct health health;
    struct pool_counts counts;
};

/*
 * Makes a pool without servers and returns the first reference, or NULL without memory. The name is
 * copied. pool_ref takes one more reference and returns it.
 */
struct pool *pool_new(const char *name);
struct pool *pool_ref(struct pool *pool);

/*
 * Gives a reference back and sets the pointer to NULL. NULL is allowed. When the last one goes, no
 * session may have a place or wait for one.
 */
void pool_unref(struct pool **pool);

/*
 * Sets the servers and settings. They are copied, so the configuration may be freed before the
 * pool. A server given by name has no address until pool_set_addresses, or keeps those it has.
 * Returns false without memory; nothing has changed then.
 */
bool pool_configure(struct pool *pool, const struct config_backend *backend, uint64_t now_ms);

/*
 * For a reload: takes over the servers, settings and addresses of `newer`, as if by pool_configure
 * and pool_set_addresses. `newer` was made for the new configuration, and no session has used it.
 * It has no servers afterwards.
 */
void pool_take_over(struct pool *pool, struct pool *newer, uint64_t now_ms);

/*
 * An address of a name, and what its DNS record says. For the name of a host, the weight is 1 and
 * backup is false.
 */
struct pool_address {
    struct address address;
    unsigned weight; /* multiplies the weight of the server's line; at least 1 */
    bool backup;     /* it is a backup even if the server's line does not say so */
};

/*
 * Sets the present addresses of a server that is configured by the name of its host or service. An
 * address that is gone gets no new session; one that stays keeps its state. It does nothing if
 * there is no such server. Returns how many addresses are left out: those for which the backend has
 * no room (BALANCE_SERVERS_MAX) or the process no memory.
 */
size_t pool_set_addresses(struct pool *pool, const char *server,
    const struct pool_address *addresses, size_t count, uint64_t now_ms);

/* ---- For a session ---- */

/*
 * Prepares a waiter for the first pool_pick. key: balance_key of the client. wake: see pool_wake.
 */
void pool_waiter_init(struct pool_waiter *waiter, uint64_t key, pool_wake *wake);

/*
 * Chooses among the servers that the waiter has not tried, marks the choice as tried and takes a
 * place there: the caller owes a pool_release. If all are full the waiter joins the end of the
 * queue: the caller owes a pool_leave. *choice is written only with POOL_CHOSEN.
 */
enum pool_answer pool_pick(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice);

/*
 * Chooses among the servers with a mark, for a session that cannot wait. It takes a place as
 * pool_pick does, and does not use the queue. Returns false if there is none.
 */
bool pool_pick_marked(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice);

/*
 * Returns whether a session may connect once more to the server that it has. It keeps its place;
 * the choice's standing is set to POOL_LAST_RESORT if the server is down.
 */
bool pool_may_return(struct pool *pool, struct pool_choice *choice);

/* Returns whether a server is left that the waiter has not tried, is up and has room. */
bool pool_has_other(struct pool *pool, const struct pool_waiter *waiter);

/*
 * Returns why there was no server to try, for the log, after POOL_NONE without a try. A constant.
 * If that is new it logs it as well.
 */
const char *pool_why_none(struct pool *pool, uint64_t now_ms);

/*
 * Gives free places to waiting sessions. It is needed when time alone may have freed one, at the
 * end of a hold-back.
 */
void pool_serve(struct pool *pool, uint64_t now_ms);

/*
 * The configuration no longer has the backend, or has replaced it. Sessions that wait get POOL_NONE
 * at once; sessions that have a server keep it.
 */
void pool_retire(struct pool *pool);

/*
 * Returns how the wait stands, after `wake`: like pool_pick, but never POOL_QUEUE_FULL. With
 * POOL_CHOSEN *choice is written, and the caller owes a pool_release.
 */
enum pool_answer pool_take(
    struct pool *pool, struct pool_waiter *waiter, struct pool_choice *choice);

/*
 * Ends the wait. A place that the waiter has been given but has not taken goes to the next one.
 * `wake` is not called any more. It is harmless if the waiter does not wait.
 */
void pool_leave(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms);

/*
 * Report that the server has proved good (the greeting is right and all went well), or has failed,
 * and why. mailmux/health.h says what may be reported. Call one of them at most once for each try.
 */
void pool_note_passed(struct pool *pool, struct pool_choice *choice, uint64_t now_ms);
void pool_note_failed(
    struct pool *pool, struct pool_choice *choice, const char *why, uint64_t now_ms);

/*
 * Writes the host of a server's line: a name, an IP literal, or nothing for a unix socket. Returns
 * false if the configuration no longer has the server.
 */
bool pool_host_of(struct pool *pool, const char *server, char host[POOL_NAME_MAX]);

/*
 * Gives back the place at the server. The session there is over or never came to be. A trial that
 * has no result yet ends.
 */
void pool_release(struct pool *pool, struct pool_choice *choice, uint64_t now_ms);

/*
 * Notes that the servers refuse logins. Returns true to the first caller, which then logs it, and
 * false to every later one.
 */
bool pool_note_logins_refused(struct pool *pool);

/* ---- For checks and for the log ---- */

/* Returns how many slots there are. They are numbered from 0, and never become fewer. */
size_t pool_slots(struct pool *pool);

/* Returns a number that changes when a slot may have got a server, lost it, or another setting. */
unsigned pool_changes(struct pool *pool);

/* Copies the state of a slot. Returns false if there is no such slot, or no server in it. */
bool pool_look(struct pool *pool, size_t slot, struct pool_server *server);

/*
 * Logs the state of the backend: a line for each server with its mark and its places, then a line
 * with the queue. A server that is no longer configured has a line while sessions are open on it.
 */
void pool_log_state(struct pool *pool, uint64_t now_ms);

/* Returns how many of its servers are marked down. */
size_t pool_count_down(struct pool *pool);

/*
 * Reports that a check of the server has failed and why, or passed (why is NULL). It is ignored if
 * the slot has got another server since. If the configuration has checks, sessions do not try a
 * server whose last check failed.
 */
void pool_note_check(
    struct pool *pool, size_t slot, unsigned generation, const char *why, uint64_t now_ms);

#endif
