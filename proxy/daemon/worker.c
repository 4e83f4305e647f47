#include "worker.h"

#include "leg.h"
#include "session.h"
#include "socket.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker {
    pthread_t thread;
    uv_loop_t loop;
    int wake_fd; /* an eventfd, which is written to and never read: each write is an edge */
    struct polled wake;
    atomic_bool is_woken; /* it has not looked since */
    atomic_bool has_mail; /* it was given connections since worker_deliver */
    pthread_mutex_t lock; /* guards inbox and the four orders */
    struct list inbox;    /* connections */
    bool drain_ordered;
    bool cut_ordered;
    bool retire_ordered;
    bool state_ordered; /* until it is carried out */
    atomic_size_t load;
    bool ends; /* when no session is left: it drains, or is retired */
    bool over; /* no session is left: its handles are being closed */
    worker_done *on_done;
    void *owner;
    struct engine engine;
    struct sessions sessions;
};

/* An accepted connection on its way to the worker's thread. */
struct connection {
    struct list node;
    int fd;
    struct address client;
    struct snapshot *snapshot;
    size_t listener;
};

/* ---- What it does for its engine and its sessions ---- */

/* A connection is over, or never became a session. */
static void release(struct worker *worker, struct snapshot *snapshot)
{
    snapshot_unref(&snapshot);
    (void)atomic_fetch_sub(&worker->load, 1);
}

static void on_ended(struct sessions *sessions, struct session *session)
{
    release(LIST_ENTRY(sessions, struct worker, sessions), session->snapshot);
}

/* Any thread. One write stands for all that comes until the worker looks. */
static void wake(struct worker *worker)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&worker->is_woken, true))
        (void)!write(worker->wake_fd, &one, sizeof(one));
}

static void hook_wake(struct engine *engine)
{
    wake(LIST_ENTRY(engine, struct worker, engine));
}

static const struct engine_hooks hooks = {.connect = leg_connect, .wake = hook_wake};

/* ---- The inbox ---- */

static void begin_session(struct worker *worker, struct connection *connection)
{
    const struct service *service = snapshot_service(connection->snapshot, connection->listener);
    const struct socket_options options = service_client_options(service);
    const struct address local = {0}; /* the session asks for it if a server gets it */
    struct wire *wire = socket_from_accepted(&worker->engine.poller, connection->fd, &options);

    if (!wire || !session_start(&worker->sessions, service, wire, &connection->client, &local,
                     connection->snapshot))
        release(worker, connection->snapshot);
    free(connection);
}

/*
 * For a connection that arrives when the worker drains already. One that came with the order begins
 * a session, which then gets its farewell.
 */
static void refuse(struct worker *worker, struct connection *connection)
{
    socket_discard(connection->fd, false);
    release(worker, connection->snapshot);
    free(connection);
}

static void end_if_over(struct worker *worker)
{
    if (!worker->ends || worker->sessions.count > 0 || worker->over)
        return;
    worker->over = true;
    poller_remove(&worker->engine.poller, &worker->wake);
    engine_deinit(&worker->engine);
}

/*
 * One wake may stand for many messages, so all of the inbox is taken. The lock is not held while
 * they are carried out.
 */
static void on_wake(struct polled *polled, unsigned events)
{
    struct worker *worker = LIST_ENTRY(polled, struct worker, wake);
    struct list taken;
    struct list *node;
    bool drain;
    bool cut;
    bool retire;
    bool log_state;

    (void)events;
    atomic_store(&worker->is_woken, false); /* before it looks */
    list_init(&taken);
    (void)pthread_mutex_lock(&worker->lock);
    while ((node = list_shift(&worker->inbox)) != NULL)
        list_append(&taken, node);
    drain = worker->drain_ordered;
    cut = worker->cut_ordered;
    retire = worker->retire_ordered;
    log_state = worker->state_ordered;
    worker->state_ordered = false;
    (void)pthread_mutex_unlock(&worker->lock);
    while ((node = list_shift(&taken)) != NULL) {
        struct connection *connection = LIST_ENTRY(node, struct connection, node);

        if (worker->sessions.is_draining)
            refuse(worker, connection);
        else
            begin_session(worker, connection);
    }
    engine_read_post(&worker->engine);
    if (drain && !worker->sessions.is_draining)
        sessions_drain(&worker->sessions);
    if (cut)
        sessions_cut(&worker->sessions);
    if (log_state)
        sessions_log_state(&worker->sessions);
    worker->ends = worker->sessions.is_draining || retire;
}

/* ---- The thread ---- */

static void *run(void *argument)
{
    struct worker *worker = argument;

    /* The last session may end in any callback, so each turn is followed by a look. */
    while (!worker->over) {
        engine_turn(&worker->engine);
        end_if_over(worker);
    }
    while (uv_run(&worker->loop, UV_RUN_DEFAULT) != 0)
        continue;
    worker->on_done(worker->owner);
    return NULL;
}

/* Undoes init_engine, or what of it was done. */
static void deinit_engine(struct worker *worker, bool has_engine)
{
    if (has_engine)
        engine_deinit(&worker->engine);
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&worker->loop);
    if (worker->wake_fd >= 0)
        (void)close(worker->wake_fd);
}

static bool init_engine(struct worker *worker, struct totals *totals)
{
    bool has_engine = false;

    if (uv_loop_init(&worker->loop) != 0)
        return false;
    worker->wake.on_ready = on_wake;
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd >= 0)
        has_engine = engine_init(&worker->engine, &worker->loop, &hooks, &totals->stalls);
    if (has_engine && engine_drive(&worker->engine) &&
        poller_add(&worker->engine.poller, &worker->wake, worker->wake_fd))
        return true;
    deinit_engine(worker, has_engine);
    return false;
}

struct worker *worker_start(
    unsigned number, struct totals *totals, worker_done *on_done, void *owner, struct error *error)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker || !init_engine(worker, totals)) {
        error_set(error, "cannot start a worker: %s", strerror(errno));
        free(worker);
        return NULL;
    }
    worker->on_done = on_done;
    worker->owner = owner;
    list_init(&worker->inbox);
    (void)pthread_mutex_init(&worker->lock, NULL);
    sessions_init(&worker->sessions, &worker->engine, totals, on_ended);
    worker->sessions.worker = number;
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        error_set(error, "cannot start a worker: no thread could be started");
        deinit_engine(worker, true);
        free(worker);
        return NULL;
    }
    return worker;
}

bool worker_give(struct worker *worker, int fd, const struct address *client,
    struct snapshot *snapshot, size_t listener)
{
    struct connection *connection = malloc(sizeof(*connection));

    if (!connection) {
        socket_discard(fd, true);
        return false;
    }
    connection->fd = fd;
    connection->client = *client;
    connection->snapshot = snapshot_ref(snapshot);
    connection->listener = listener;
    (void)atomic_fetch_add(&worker->load, 1);
    (void)pthread_mutex_lock(&worker->lock);
    list_append(&worker->inbox, &connection->node);
    (void)pthread_mutex_unlock(&worker->lock);
    atomic_store(&worker->has_mail, true);
    return true;
}

void worker_deliver(struct worker *worker)
{
    if (atomic_exchange(&worker->has_mail, false))
        wake(worker);
}

size_t worker_load(const struct worker *worker)
{
    return atomic_load(&worker->load);
}

static void order(struct worker *worker, bool cut)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->drain_ordered = true;
    worker->cut_ordered = worker->cut_ordered || cut;
    (void)pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_drain(struct worker *worker)
{
    order(worker, false);
}

void worker_cut(struct worker *worker)
{
    order(worker, true);
}

void worker_retire(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->retire_ordered = true;
    (void)pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_log_state(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->state_ordered = true;
    (void)pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void worker_join(struct worker **pointer)
{
    struct worker *worker = *pointer;
    struct list *node;

    *pointer = NULL;
    (void)pthread_join(worker->thread, NULL);
    while ((node = list_shift(&worker->inbox)) != NULL)
        refuse(worker, LIST_ENTRY(node, struct connection, node));
    (void)uv_loop_close(&worker->loop);
    (void)close(worker->wake_fd);
    (void)pthread_mutex_destroy(&worker->lock);
    tallies_deinit(&worker->sessions.tallies);
    free(worker);
}

void worker_sum(const struct worker *worker, const char *listener, uint64_t sum[TALLY_KINDS])
{
    tallies_sum(&worker->sessions.tallies, listener, sum);
}

const struct tallies *worker_doors(const struct worker *worker)
{
    return worker->sessions.totals->doors;
}
