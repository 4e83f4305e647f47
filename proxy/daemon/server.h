/*
 * Private to daemon: the whole of a service process, and how its parts change it. effect.c brings
 * configurations into effect, drain.c ends the process, status.c says how it is, and serve.c starts
 * it and hears the keeper. Main thread.
 */
#ifndef MAILMUX_SERVER_H
#define MAILMUX_SERVER_H

#include "acceptor.h"
#include "certificate_watch.h"
#include "checks.h"
#include "directory_changes.h"
#include "keeper_link.h"
#include "load.h"
#include "lockdown.h"
#include "memory_return.h"
#include "names.h"
#include "state_dump.h"

enum {
    DESCRIPTORS_KEPT = 64, /* for all that is neither a session nor a listening socket */
    DESCRIPTORS_PER_SESSION = 2
};

/*
 * A configuration on its way into effect: its sockets are bound, and its names are being looked up.
 * If it is zeroed, no configuration is on its way.
 */
struct coming {
    struct snapshot *snapshot;
    struct plan *plan;
    struct names *names;
};

/* How far the process is. Each state goes to the next or to a later one. */
enum server_state {
    SERVER_BEGINS,     /* until its first configuration is in effect */
    SERVER_ACCEPTS,    /* connections come */
    SERVER_IS_RETIRED, /* another process accepts; sessions go on to their end */
    SERVER_DRAINS      /* sessions end at their next boundary */
};

struct server {
    const struct service_start *from; /* what the keeper started it with */
    struct keeper_link keeper;
    enum server_state state;
    size_t descriptors;
    size_t session_limit; /* of the configuration that was planned last */
    uv_loop_t loop;
    uv_async_t worker_over;
    uv_timer_t patience;   /* with the names of `coming`; while draining, with the drain */
    uv_timer_t status;     /* until the next word to the keeper */
    uv_timer_t retirement; /* until a retired process drains */
    struct snapshot *snapshot;
    struct acceptor *acceptor;
    struct names *names;
    struct checks *checks;
    struct coming coming;
    struct worker **workers;
    size_t worker_count;
    atomic_size_t workers_over;
    struct totals totals;
    struct memory_return memory;
    struct state_dump state_dump;
    struct certificate_watch certificates;
    struct directory_changes directories;
    struct lockdown_words lock;
    bool checks_over; /* while retired or draining */
    bool failed;
};

/* Gives up a configuration that is on its way, if there is one. */
static inline void coming_drop(struct coming *coming)
{
    names_stop(&coming->names);
    plan_free(&coming->plan);
    snapshot_unref(&coming->snapshot);
}

/* ---- effect.c ---- */

/*
 * Takes a configuration as far as it can fail at once: its sockets are bound, and its names are
 * being looked up. Takes the snapshot; NULL: it could not be loaded. On failure nothing has
 * changed.
 */
bool effect_begin(struct server *server, struct snapshot *snapshot);

/* Loads the configuration again. One that is on its way into effect is given up for it. */
void effect_reload(struct server *server);

/* For the timer `patience` while a configuration is coming. */
void effect_on_patience_over(uv_timer_t *timer);

/* ---- drain.c ---- */

/* Begins to drain. A second call cuts what is left. why: for the log. */
void drain_begin(struct server *server, const char *why);

/* Accepts no more; when the last session is over, or upgrade_drain is, the process ends. */
void drain_retire(struct server *server);

/* On a worker's thread: for worker_start. */
void drain_worker_is_over(void *server);
void drain_on_worker_over(uv_async_t *async);

/* Closes what is left on the main loop, so that uv_run returns. May be called twice. */
void drain_end_loop(struct server *server);

/* ---- status.c ---- */

/* Logs the counters, as the event that is given. */
void status_log_counters(const struct server *server, const char *event);

/*
 * Tells the keeper that a configuration is in effect, and then the log. before: the one that was in
 * effect; NULL: it is the first of this process.
 */
void status_log_effect(struct server *server, const struct snapshot *before);

/* Tells the keeper that the process is alive, and how it is. status_begin: at regular times. */
void status_tell(struct server *server);
void status_begin(struct server *server);

/* ---- changed.c ---- */

/*
 * Writes what differs between two snapshots: certificates of our own that have been replaced in
 * their files, with the time of their end, and sections of the configuration; "nothing" if it is
 * the same. What does not fit is left out.
 */
void changed_list(const struct snapshot *before, const struct snapshot *now, char *out, size_t cap);

#endif
