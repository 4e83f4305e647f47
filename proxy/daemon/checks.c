#include "checks.h"

#include "check_news.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "pool.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    LOOK_MS = 1000,  /* a pool is looked at so often, since a lookup of a name may bring servers */
    SPACING_MS = 10, /* checks that are due within this time may begin together */
};

/* The server in one slot of a pool. */
struct target {
    unsigned generation; /* of the slot; 0: no server is known there */
    bool is_running;     /* a check of it is under way */
    bool is_due_never;   /* no server is there, or one in maintenance */
    uint64_t due_ms;     /* of the monotonic clock: when the next check begins */
    struct check_news news;
};

/* The servers of one backend. */
struct watch {
    struct pool *pool; /* borrowed from checks->snapshot; tells one backend from another */
    size_t backend;    /* its index in that snapshot */
    struct check_reference reference;
    unsigned changes;       /* of the pool, when it was last looked through */
    size_t count;           /* of targets */
    struct target *targets; /* by slot */
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
    size_t cursor;      /* the watch that schedule looks at first */
    size_t cursor_slot; /* and the slot in it */
    bool is_short;      /* a check is due that could not begin yet */
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
        checks->is_short = checks->is_short || target->due_ms <= clock_monotonic_ms();
        if (!is_spoilt)
            check_news_tell(&target->news, &watch->reference, &subject, &probe->result);
    }
    job->watch = NULL;
    snapshot_unref(&job->snapshot);
    if (checks->is_short)
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

/* Makes targets for slots that the pool has got since. Without memory they are not checked. */
static void grow(struct watch *watch)
{
    size_t count = pool_slots(watch->pool);
    struct target *targets;

    if (count <= watch->count)
        return;
    targets = realloc(watch->targets, count * sizeof(*targets));
    if (!targets)
        return;
    memset(targets + watch->count, 0, (count - watch->count) * sizeof(*targets));
    watch->targets = targets;
    watch->count = count;
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

/* Takes note of what has changed in the pool. */
static void look_through(struct checks *checks, struct watch *watch)
{
    unsigned changes = pool_changes(watch->pool);
    struct pool_server server;

    if (watch->changes == changes)
        return;
    watch->changes = changes;
    grow(watch);
    for (size_t slot = 0; slot < watch->count; slot++)
        watch->targets[slot].is_due_never = !look(checks, watch, slot, &server);
}

/*
 * Begins the check of one target if it is due. Returns when it is due next (monotonic clock), or
 * UINT64_MAX if the timer need not wait for it.
 */
static uint64_t attend(struct checks *checks, size_t at, size_t slot, uint64_t now_ms)
{
    struct watch *watch = checks->watches[at];
    struct target *target = &watch->targets[slot];
    struct job *job;

    if (target->is_running || target->is_due_never)
        return UINT64_MAX;
    if (target->due_ms > now_ms)
        return target->due_ms;
    job = find_free(checks);
    checks->is_short = checks->is_short || !job;
    if (!job || !look(checks, watch, slot, &job->server))
        return UINT64_MAX; /* the end of a check calls schedule again, as a change of the pool does
                            */
    begin(checks, watch, slot, job);
    checks->cursor = at;
    checks->cursor_slot = slot + 1;
    return target->due_ms;
}

/* Attends to the targets of a watch from one slot to another. Returns what attend returns. */
static uint64_t attend_all(
    struct checks *checks, size_t at, size_t from, size_t to, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;

    for (size_t slot = from; slot < to && slot < checks->watches[at]->count; slot++) {
        uint64_t due_ms = attend(checks, at, slot, now_ms);

        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    return next_ms;
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
    size_t count = checks->watch_count;
    size_t first = checks->cursor;
    size_t first_slot = checks->cursor_slot;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t next_ms = now_ms + LOOK_MS;

    if (count == 0 || checks->is_stopped)
        return;
    checks->is_short = false;
    for (size_t i = 0; i < count; i++)
        look_through(checks, checks->watches[i]);
    for (size_t i = 0; i <= count; i++) {
        uint64_t due_ms = attend_all(checks, (first + i) % count, i == 0 ? first_slot : 0,
            i == count ? first_slot : SIZE_MAX, now_ms);

        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    if (next_ms < now_ms + SPACING_MS)
        next_ms = now_ms + SPACING_MS;
    (void)uv_timer_start(&checks->timer, on_timer, next_ms - now_ms, 0);
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
        if (watch)
            free(watch->targets);
        free(watch);
    }
    free(checks->watches);
    checks->watches = NULL;
    checks->watch_count = 0;
    checks->cursor = 0;
    checks->cursor_slot = 0;
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
