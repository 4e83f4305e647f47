#include "checks.h"

#include "check_news.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "pool.h"
#include <stdlib.h>
#include <sys/random.h>

/* The pools are looked through at least so often, since a lookup of a name may bring servers. */
enum { LOOK_MS = 1000 };

/* The server in one slot of a pool. */
struct target {
    unsigned generation; /* of the slot; 0: no server is known there */
    bool is_running;     /* a check of it is under way */
    uint64_t due_ms;     /* of the monotonic clock: when the next check begins */
    struct check_news news;
};

/* The servers of one backend. */
struct watch {
    struct pool *pool; /* borrowed from checks->snapshot; tells one backend from another */
    size_t backend;    /* its index in that snapshot */
    struct check_reference reference;
    struct target targets[BALANCE_SERVERS_MAX]; /* by slot */
};

/* A check that is under way. It keeps its snapshot, which may be older than that of the checks. */
struct job {
    struct checks *checks;
    struct snapshot *snapshot; /* a reference; NULL: the job is free */
    struct watch *watch;       /* NULL: its backend is not checked any more */
    size_t backend;            /* its index in the snapshot */
    size_t slot;
    struct pool_server server; /* as it was when the check began */
    uint64_t began_ms;         /* of uv_now */
    char host[POOL_NAME_MAX];  /* plan.tls_name of the probe points here */
    struct probe probe;
};

struct checks {
    struct engine engine;
    uv_timer_t timer;
    bool is_stopped;
    checks_finished *on_finished; /* NULL: checks_finish has not been called */
    void *owner;
    struct snapshot *snapshot; /* a reference; NULL: none is followed */
    size_t watch_count;
    struct watch **watches;
    size_t cursor; /* over the targets of all watches: the first that schedule looks at */
    uint64_t random;
    struct job jobs[CHECKS_AT_ONCE];
};

static const struct engine_hooks hooks = {.connect = leg_connect};

static const struct config_backend *backend_of(const struct snapshot *snapshot, size_t backend)
{
    return &snapshot_config(snapshot)->backends[backend];
}

/* ---- When ---- */

/*
 * Returns a random number below the bound, to spread checks. It is no secret, so xorshift will do.
 */
static uint64_t draw(struct checks *checks, uint64_t bound)
{
    checks->random ^= checks->random << 13;
    checks->random ^= checks->random >> 7;
    checks->random ^= checks->random << 17;
    return checks->random % bound;
}

/* Returns the interval, up to a tenth shorter or longer, so that checks do not fall together. */
static uint64_t vary(struct checks *checks, uint64_t interval_ms)
{
    return interval_ms - interval_ms / 10 + draw(checks, interval_ms / 5 + 1);
}

/* ---- A check ---- */

static void schedule(struct checks *checks);

static void on_last_over(uv_timer_t *timer)
{
    struct checks *checks = timer->data;

    checks->on_finished(checks->owner);
}

/*
 * Has on_finished called when no check is left. It is called from a timer, since this may run in a
 * callback of the engine, and on_finished may stop the engine.
 */
static void tell_if_finished(struct checks *checks)
{
    if (!checks->on_finished)
        return;
    for (size_t i = 0; i < CHECKS_AT_ONCE; i++) {
        if (checks->jobs[i].snapshot)
            return;
    }
    (void)uv_timer_start(&checks->timer, on_last_over, 0, 0);
}

/*
 * Returns whether the check failed while the process stood still: the server may have answered in
 * time.
 */
static bool is_spoilt_by_pause(const struct job *job)
{
    return job->probe.result.failure != OPENING_FINE &&
           deadline_queue_has_stalled(&job->checks->engine.deadlines, job->began_ms);
}

static void note_result(struct job *job, const struct probe_result *result)
{
    const char *why = result->failure != OPENING_FINE ? result->why : NULL;

    if (result->failure !=
        OPENING_NO_MEANS) /* what this process lacks says nothing about a server */
        pool_note_check(snapshot_pool(job->snapshot, job->backend), job->slot,
            job->server.generation, why, clock_monotonic_ms());
}

/*
 * A check is over. Its result counts for the server that it began with: the pool and the target
 * compare the generation, as another server may be in the slot by now.
 */
static void on_done(void *owner, struct probe *probe)
{
    struct job *job = owner;
    struct checks *checks = job->checks;
    struct watch *watch = job->watch;
    struct check_subject subject = {backend_of(job->snapshot, job->backend),
        snapshot_pool(job->snapshot, job->backend), &job->server, job->slot};
    bool is_spoilt = is_spoilt_by_pause(job);

    if (log_is_on(LOG_DEBUG))
        check_news_trace(&subject, &probe->result, uv_now(checks->engine.loop) - job->began_ms);
    if (!is_spoilt)
        note_result(job, &probe->result);
    if (watch && watch->targets[job->slot].generation == job->server.generation) {
        struct target *target = &watch->targets[job->slot];

        target->is_running = false;
        if (!is_spoilt)
            check_news_tell(&target->news, &watch->reference, &subject, &probe->result);
    }
    job->watch = NULL;
    snapshot_unref(&job->snapshot);
    schedule(checks);
    tell_if_finished(checks);
}

static void begin(struct checks *checks, struct watch *watch, size_t slot, struct job *job)
{
    const struct config_backend *backend = backend_of(checks->snapshot, watch->backend);
    struct probe_plan plan = snapshot_probe_plan(checks->snapshot, watch->backend);

    job->snapshot = snapshot_ref(checks->snapshot);
    job->backend = watch->backend;
    job->watch = watch;
    job->slot = slot;
    plan.opening.goal = backend->check;
    if (!plan.tls_name && pool_host_of(watch->pool, job->server.name, job->host))
        plan.tls_name = job->host;
    watch->targets[slot].is_running = true;
    watch->targets[slot].due_ms = clock_monotonic_ms() + vary(checks, backend->check_interval);
    job->began_ms = uv_now(checks->engine.loop);
    probe_start(&job->probe, &checks->engine, &plan, &job->server.address, on_done, job);
}

/* ---- Which server is due ---- */

static struct job *find_free(struct checks *checks)
{
    for (size_t i = 0; i < CHECKS_AT_ONCE; i++) {
        if (!checks->jobs[i].snapshot)
            return &checks->jobs[i];
    }
    return NULL;
}

/*
 * Looks at a slot of the pool; *server is what is there. Returns whether it is to be checked. A
 * server that is new in the slot gets a random time within its interval for its first check.
 */
static bool look(
    struct checks *checks, struct watch *watch, size_t slot, struct pool_server *server)
{
    uint64_t interval_ms = backend_of(checks->snapshot, watch->backend)->check_interval;
    struct target *target = &watch->targets[slot];
    bool is_there = pool_look(watch->pool, slot, server);

    if (target->generation != 0 && (!is_there || target->generation != server->generation)) {
        check_reference_forget(&watch->reference, slot);
        target->generation = 0;
    }
    if (!is_there)
        return false;
    if (target->generation == 0)
        *target = (struct target){.generation = server->generation,
            .due_ms = clock_monotonic_ms() + draw(checks, interval_ms)};
    return server->state != SERVER_MAINTENANCE;
}

/*
 * Begins the check of one target if it is due. Returns when it is due next (monotonic clock), or
 * UINT64_MAX if the timer need not wait for it.
 */
static uint64_t attend(struct checks *checks, size_t position, uint64_t now_ms)
{
    struct watch *watch = checks->watches[position / BALANCE_SERVERS_MAX];
    size_t slot = position % BALANCE_SERVERS_MAX;
    struct target *target = &watch->targets[slot];
    struct pool_server server;
    struct job *job;

    if (!look(checks, watch, slot, &server) || target->is_running)
        return UINT64_MAX;
    if (target->due_ms > now_ms)
        return target->due_ms;
    job = find_free(checks);
    if (!job)
        return UINT64_MAX; /* the end of a check calls schedule again */
    job->server = server;
    begin(checks, watch, slot, job);
    checks->cursor = position + 1;
    return target->due_ms;
}

static void on_timer(uv_timer_t *timer)
{
    schedule(timer->data);
}

/*
 * Begins all checks that are due and sets the timer for the next. It starts behind the server that
 * was checked last, so that each has its turn when there are too few jobs.
 */
static void schedule(struct checks *checks)
{
    size_t count = checks->watch_count * BALANCE_SERVERS_MAX;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t next_ms = now_ms + LOOK_MS;
    size_t first = checks->cursor;

    if (count == 0 || checks->is_stopped)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t due_ms = attend(checks, (first + i) % count, now_ms);

        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    (void)uv_timer_start(&checks->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 1, 0);
}

/* ---- Configurations ---- */

/*
 * Takes the watch of this pool out of checks->watches, or makes one. The caller owns it. Returns
 * NULL without memory.
 */
static struct watch *take_watch(struct checks *checks, struct pool *pool)
{
    struct watch *watch;

    for (size_t i = 0; i < checks->watch_count; i++) {
        watch = checks->watches[i];
        if (watch && watch->pool == pool) {
            checks->watches[i] = NULL;
            return watch;
        }
    }
    watch = calloc(1, sizeof(*watch));
    if (watch)
        watch->pool = pool;
    return watch;
}

/*
 * Frees the watches that take_watch has left. A check of their servers that is under way goes on,
 * and tells its result only to the pool.
 */
static void free_watches(struct checks *checks)
{
    for (size_t i = 0; i < checks->watch_count; i++) {
        struct watch *watch = checks->watches[i];

        for (size_t j = 0; watch && j < CHECKS_AT_ONCE; j++) {
            if (checks->jobs[j].watch == watch)
                checks->jobs[j].watch = NULL;
        }
        free(watch);
    }
    free(checks->watches);
    checks->watches = NULL;
    checks->watch_count = 0;
    checks->cursor = 0;
}

/*
 * Fills `watches`, one for each backend of the snapshot that has checks. Returns how many there
 * are. When memory runs out, the backends that are left are not checked.
 */
static size_t collect(struct checks *checks, struct snapshot *snapshot, struct watch **watches)
{
    size_t count = 0;

    for (size_t i = 0; i < snapshot_config(snapshot)->backend_count; i++) {
        if (backend_of(snapshot, i)->check == OPENING_NONE)
            continue;
        watches[count] = take_watch(checks, snapshot_pool(snapshot, i));
        if (!watches[count])
            break;
        watches[count++]->backend = i;
    }
    return count;
}

void checks_follow(struct checks *checks, struct snapshot *snapshot)
{
    struct watch **watches = NULL;
    size_t count = 0;

    if (!checks)
        return;
    if (snapshot)
        watches = calloc(snapshot_config(snapshot)->backend_count, sizeof(struct watch *));
    if (watches)
        count = collect(checks, snapshot, watches);
    if (snapshot && !watches)
        log_message(LOG_ERROR, "checks", "no checks are made: out of memory");
    free_watches(checks);
    snapshot_unref(&checks->snapshot);
    checks->snapshot = snapshot ? snapshot_ref(snapshot) : NULL;
    checks->watches = watches;
    checks->watch_count = count;
    (void)uv_timer_stop(&checks->timer);
    schedule(checks);
}

struct checks *checks_new(uv_loop_t *loop)
{
    struct checks *checks = calloc(1, sizeof(*checks));

    if (!checks || !engine_init(&checks->engine, loop, &hooks, NULL)) {
        free(checks);
        return NULL;
    }
    if (getrandom(&checks->random, sizeof(checks->random), 0) < 0 || checks->random == 0)
        checks->random = clock_monotonic_ms() + 1;
    (void)uv_timer_init(loop, &checks->timer);
    checks->timer.data = checks;
    for (size_t i = 0; i < CHECKS_AT_ONCE; i++)
        checks->jobs[i].checks = checks;
    return checks;
}

void checks_finish(struct checks *checks, checks_finished *on_finished, void *owner)
{
    checks_follow(checks, NULL);
    checks->on_finished = on_finished;
    checks->owner = owner;
    tell_if_finished(checks);
}

void checks_stop(struct checks *checks)
{
    if (!checks || checks->is_stopped)
        return;
    checks->is_stopped = true;
    checks_follow(checks, NULL);
    for (size_t i = 0; i < CHECKS_AT_ONCE; i++) {
        probe_stop(&checks->jobs[i].probe);
        snapshot_unref(&checks->jobs[i].snapshot);
    }
    uv_close((uv_handle_t *)&checks->timer, NULL);
    engine_deinit(&checks->engine);
}

void checks_free(struct checks **checks)
{
    free(*checks);
    *checks = NULL;
}
