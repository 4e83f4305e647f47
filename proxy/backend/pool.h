/*
 * A backend at run time: its servers with their present addresses, marks and session counts, and
 * the queue of sessions that wait for a place. Outlives configurations: each one that names the
 * backend configures it anew, and what is known of a server stays while its name and address do.
 * Counted references, held by the daemon's snapshots.
 *
 * Any thread. One mutex, held for the length of a choice; nothing is called with it but a waiter's
 * `wake`. Times are those of the monotonic clock.
 */
#ifndef MAILMUX_POOL_H
#define MAILMUX_POOL_H

#include "mailmux/balance.h"
#include "mailmux/config.h"
#include "mailmux/list.h"

struct pool;

enum { POOL_NAME_MAX = 320 /* of a server: HOST:PORT at the longest, and its NUL */ };

/* How a server stood when it was chosen. */
enum pool_standing {
    POOL_UP,
    POOL_ON_TRIAL,   /* it is down, and this session finds out whether it still is */
    POOL_LAST_RESORT /* it is down, and no other server is left */
};

/* What a session needs to know about the server that was chosen for it. */
struct pool_choice {
    size_t slot;
    unsigned generation; /* of the slot: it may be another server's one day */
    enum pool_standing standing;
    const char *name; /* until pool_release */
    struct address address;
};

enum pool_answer {
    POOL_CHOSEN,
    POOL_WAITING,    /* in the queue; `wake` will be called */
    POOL_QUEUE_FULL, /* all are full, and the queue as well */
    POOL_NONE        /* no server is left that could serve this session */
};

struct pool_waiter;

/*
 * Called by the thread that has made room, with the pool's lock: it may do no more than send a
 * message to the waiter's own thread, which then calls pool_take.
 */
typedef void pool_wake(struct pool_waiter *waiter);

/* A session that looks for a server: a part of it, and of its own thread, but for the queue. */
struct pool_waiter {
    struct list node;
    uint64_t key; /* balance_key of the client */
    struct balance_tried tried;
    pool_wake *wake;
    enum pool_answer answer; /* POOL_WAITING while it is in the queue */
    uint64_t held_until_ms;  /* with POOL_WAITING: pool_serve may find a place then; 0: never */
    uint64_t hold_ms;        /* the same as the pool knows it: `wake` tells of a change */
    struct pool_choice choice;
};

/* A server's state as it is now: for the log, for checks. */
struct pool_server {
    unsigned generation; /* for pool_note_check */
    char name[POOL_NAME_MAX];
    struct address address;
    enum config_server_state state; /* in maintenance it is not to be checked */
    bool backup;
    uint32_t sessions;
    uint32_t max_sessions; /* 0: no limit */
    struct health health;
};

/* One reference. No server yet. The name is copied. NULL: no memory. */
struct pool *pool_new(const char *name);
struct pool *pool_ref(struct pool *pool);
/* With the last one, no session may be open or waiting. Sets the pointer to NULL; NULL is allowed.
 */
void pool_unref(struct pool **pool);

/*
 * Its servers and settings from now on; the configuration is copied and may go before the pool.
 * Servers given by name have no address until pool_set_addresses, or keep those they have. False
 * without memory: all is as before.
 */
bool pool_configure(struct pool *pool, const struct config_backend *backend, uint64_t now_ms);

/*
 * For a reload: the servers, settings and addresses of `newer`, which was made for the new
 * configuration and which no session has used, as if by pool_configure and pool_set_addresses.
 * `newer` is left without servers.
 */
void pool_take_over(struct pool *pool, struct pool *newer, uint64_t now_ms);

/* An address that a name has, with what its DNS record says of it; of a host's: 1 and false. */
struct pool_address {
    struct address address;
    unsigned weight; /* times that of the server's line; at least 1 */
    bool backup;     /* as if the server's line said so */
};

/*
 * The present addresses of a server that is known by the name of its host or service. An address
 * that is gone gets no new session; one that stays keeps its state. Nothing happens when there is
 * no such server.
 */
void pool_set_addresses(struct pool *pool, const char *server, const struct pool_address *addresses,
    size_t count, uint64_t now_ms);

/* ---- For a session ---- */

void pool_waiter_init(struct pool_waiter *waiter, uint64_t key, pool_wake *wake);

/*
 * Chooses among the servers that it has not tried, marks the choice as tried and counts a session
 * on it; else puts it at the end of the queue. The choice is written with POOL_CHOSEN only.
 */
enum pool_answer pool_pick(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice);

/* The same among those that have a mark, and without the queue: for a session that cannot wait. */
bool pool_pick_marked(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice);

/* Whether a session may connect once more to the server that it has, and keep its place there. */
bool pool_may_return(struct pool *pool, struct pool_choice *choice);

/* Whether a server that is up and has room is left beside those that the waiter has tried. */
bool pool_has_other(struct pool *pool, const struct pool_waiter *waiter);

/* After POOL_NONE without a try: why there is none to try, for the log. A constant. */
const char *pool_why_none(struct pool *pool);

/* Gives places to sessions that wait, where time alone has made some. */
void pool_serve(struct pool *pool, uint64_t now_ms);

/*
 * The configuration has it no more, or has another one in its place. Sessions that wait are
 * answered POOL_NONE, at once; those that have a server keep it.
 */
void pool_retire(struct pool *pool);

/* What became of the wait: as pool_pick, POOL_QUEUE_FULL excepted. */
enum pool_answer pool_take(
    struct pool *pool, struct pool_waiter *waiter, struct pool_choice *choice);

/* Waits no longer. A place that it was just given goes to the next. `wake` comes no more. */
void pool_leave(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms);

/*
 * The server proved good (its greeting is right and all went well), or failed, and why. Only what
 * health.h allows. At most once for a choice.
 */
void pool_note_passed(struct pool *pool, struct pool_choice *choice, uint64_t now_ms);
void pool_note_failed(
    struct pool *pool, struct pool_choice *choice, const char *why, uint64_t now_ms);

/*
 * The host in the line of that server: a name, or an IP literal. False: the configuration has it no
 * more.
 */
bool pool_host_of(struct pool *pool, const char *server, char host[POOL_NAME_MAX]);

/* The session on that server is over, or never came to be. */
void pool_release(struct pool *pool, struct pool_choice *choice, uint64_t now_ms);

/* False for the first to tell that its servers refuse logins, a session or a check; then true. */
bool pool_has_told_logins(struct pool *pool);

/* ---- For checks, and for whoever wants to look ---- */

/* Slots are numbered from 0 to below BALANCE_SERVERS_MAX. False: no server is there at present. */
bool pool_look(struct pool *pool, size_t slot, struct pool_server *server);

/*
 * Logs its state: one line for each server with its mark and its places, then one for the backend
 * with its queue. A server that is no longer configured has a line while sessions are open on it.
 */
void pool_log_state(struct pool *pool, uint64_t now_ms);

/*
 * A check of that server passed, or failed and why (NULL: it passed); ignored when the slot is
 * another's by now. Where the configuration says that there are checks, sessions do not try what is
 * down.
 */
void pool_note_check(
    struct pool *pool, size_t slot, unsigned generation, const char *why, uint64_t now_ms);

#endif
