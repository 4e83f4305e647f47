#include "acceptor.h"

#include "listening.h"
#include "mailmux/log.h"
#include "socket.h"
#include "tally.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_EVENT = 16, /* of one door; then the other doors have their turn */
    PAUSE_MS = 250          /* when descriptors have run out */
};

/* One listening socket. */
struct door {
    struct list node;
    struct acceptor *acceptor;
    uv_poll_t poll;
    int fd;
    struct address at;
    size_t listener;               /* index in the configuration */
    bool is_wanted;                /* by the plan that is being carried out */
    struct socket_options options; /* what its connections have from it */
    bool is_prepared;
    unsigned unprepared; /* so many wait at most that came before it had the options */
};

struct acceptor {
    pthread_t thread;
    bool started;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t pause;
    bool paused;
    struct snapshot *snapshot;
    struct worker *const *workers;
    size_t worker_count;
    size_t session_limit;
    struct totals *totals;
    struct tallies tallies; /* whom it turns away; its own thread writes them */
    int reserve; /* a descriptor that is closed to have one when there are none; -1: it is lost */
    struct list doors;
    pthread_mutex_t lock;    /* guards inbox, is_carried_out and stop_ordered */
    pthread_cond_t has_done; /* is_carried_out has become true */
    struct list inbox;       /* plans */
    bool is_carried_out;     /* all of them */
    bool stop_ordered;
    enum acceptor_end end;
    struct plan_open open; /* as of the last plan; only the main thread uses it and the binder */
    struct plan_binder binder;
};

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_wake(uv_async_t *wake);

struct plan *acceptor_plan(
    const struct acceptor *acceptor, struct snapshot *snapshot, size_t session_limit)
{
    return plan_new(&acceptor->open, snapshot, session_limit, &acceptor->binder);
}

static void take_reserve(struct acceptor *acceptor)
{
    if (acceptor->reserve < 0)
        acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool init_loop(struct acceptor *acceptor)
{
    if (uv_loop_init(&acceptor->loop) != 0)
        return false;
    if (uv_async_init(&acceptor->loop, &acceptor->wake, on_wake) != 0) {
        (void)uv_loop_close(&acceptor->loop);
        return false;
    }
    (void)uv_timer_init(&acceptor->loop, &acceptor->pause);
    acceptor->wake.data = acceptor;
    acceptor->pause.data = acceptor;
    return true;
}

struct acceptor *acceptor_new(struct totals *totals, const struct plan_binder *binder)
{
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

    if (!acceptor || !init_loop(acceptor)) {
        free(acceptor);
        log_message(LOG_ERROR, "start-failed", "out of memory");
        return NULL;
    }
    acceptor->totals = totals;
    acceptor->binder = *binder;
    totals->doors = &acceptor->tallies;
    acceptor->reserve = -1;
    list_init(&acceptor->doors);
    list_init(&acceptor->inbox);
    (void)pthread_mutex_init(&acceptor->lock, NULL);
    (void)pthread_cond_init(&acceptor->has_done, NULL);
    take_reserve(acceptor);
    return acceptor;
}

/* ---- Accepting ---- */

/* `act` may take its door, and no other, off the list. */
static void for_each_door(struct acceptor *acceptor, void (*act)(struct door *door))
{
    struct list *node = acceptor->doors.next;

    while (node != &acceptor->doors) {
        struct list *next = node->next;

        act(LIST_ENTRY(node, struct door, node));
        node = next;
    }
}

static void listen_at(struct door *door)
{
    (void)uv_poll_start(&door->poll, UV_READABLE, on_readable);
}

static void stop_at(struct door *door)
{
    (void)uv_poll_stop(&door->poll);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct acceptor *acceptor = timer->data;

    acceptor->paused = false;
    take_reserve(acceptor);
    for_each_door(acceptor, listen_at);
}

/*
 * Descriptors have run out. The first connection in the queue is accepted with the reserve
 * descriptor and reset, so that its client does not wait. Then all doors pause.
 */
static void run_out(struct acceptor *acceptor, const struct door *door, int failure)
{
    struct address client;
    int fd;

    log_message(LOG_WARNING, "accept-paused", "%s", strerror(-failure));
    if (acceptor->reserve >= 0) {
        (void)close(acceptor->reserve);
        acceptor->reserve = -1;
        fd = socket_accept(door->fd, &client);
        if (fd >= 0)
            socket_discard(fd, true);
        take_reserve(acceptor);
    }
    acceptor->paused = true;
    for_each_door(acceptor, stop_at);
    (void)uv_timer_start(&acceptor->pause, on_pause_over, PAUSE_MS, 0);
}

static struct worker *least_loaded(const struct acceptor *acceptor)
{
    struct worker *best = acceptor->workers[0];

    for (size_t i = 1; i < acceptor->worker_count; i++) {
        if (worker_load(acceptor->workers[i]) < worker_load(best))
            best = acceptor->workers[i];
    }
    return best;
}

static size_t open_sessions(const struct acceptor *acceptor)
{
    size_t sum = 0;

    for (size_t i = 0; i < acceptor->worker_count; i++)
        sum += worker_load(acceptor->workers[i]);
    return sum;
}

/* Why a client gets no session. */
struct refusal {
    enum reason reason;
    enum dialog_farewell farewell;
};

static const struct refusal too_many = {REASON_TOO_MANY_SESSIONS, FAREWELL_TOO_MANY_SESSIONS};
static const struct refusal shutting_down = {REASON_SHUTDOWN, FAREWELL_SHUTDOWN};

/*
 * Refuses a client. Where the connection begins in clear, the client gets a farewell. With implicit
 * TLS it gets none, since that would cost a handshake (C108), and none where its protocol is not
 * known yet.
 */
static void turn_away(struct acceptor *acceptor, const struct service *service, int fd,
    const struct address *client, const struct refusal *refusal)
{
    char text[ADDRESS_TEXT_MAX];
    char farewell[DIALOG_EXTRA];
    struct buffer words;
    struct log_line line;

    if (service->protocol && service->listener->tls != LISTENER_TLS_IMPLICIT) {
        buffer_init(&words, farewell, sizeof(farewell));
        protocol_farewell(
            service->protocol, refusal->farewell, service->dialog_policy.hostname, &words);
        (void)send(fd, buffer_held(&words).p, buffer_held(&words).n, MSG_NOSIGNAL);
    }
    socket_discard(fd, false);
    log_open(&line, LOG_WARNING, "refused");
    log_text(&line, "listener", slice_from(service->listener->name));
    log_text(&line, "client", slice_from(address_text(client, text)));
    log_text(&line, "reason", slice_from(reason_text(refusal->reason)));
    log_write(&line);
    (void)atomic_fetch_add(&acceptor->totals->attacks[reason_attack(refusal->reason)], 1);
    tally_add(tallies_of(&acceptor->tallies, service->listener->name), TALLY_REFUSED, 1);
}

static void let_in(
    struct acceptor *acceptor, const struct door *door, int fd, const struct address *client)
{
    const struct service *service = snapshot_service(acceptor->snapshot, door->listener);

    if (open_sessions(acceptor) >= acceptor->session_limit)
        turn_away(acceptor, service, fd, client, &too_many);
    else
        (void)worker_give(least_loaded(acceptor), fd, client, acceptor->snapshot, door->listener);
}

/* Sets what the connections of the door have from it, as its listener wants. */
static void prepare(struct door *door)
{
    const struct socket_options options =
        service_client_options(snapshot_service(door->acceptor->snapshot, door->listener));

    if (door->is_prepared && options.keepalive_s == door->options.keepalive_s &&
        options.patience_ms == door->options.patience_ms)
        return;
    door->options = options;
    door->is_prepared = true;
    door->unprepared = socket_prepare(door->fd, &options);
}

/* Accepts one connection. Returns false when none is waiting, or when descriptors have run out. */
static bool accept_one(struct door *door)
{
    struct address client;
    int fd = socket_accept(door->fd, &client);

    if (fd == -EAGAIN || fd == -EWOULDBLOCK)
        return false;
    if (fd < 0) {
        run_out(door->acceptor, door, fd);
        return false;
    }
    if (door->unprepared > 0) {
        door->unprepared--;
        socket_set_options(fd, &door->options);
    }
    let_in(door->acceptor, door, fd, &client);
    return true;
}

/* Accepts up to so many connections, and wakes each worker that has got some of them, once. */
static void accept_some(struct door *door, int most)
{
    const struct acceptor *acceptor = door->acceptor;

    for (int i = 0; i < most && accept_one(door); i++)
        continue;
    for (size_t i = 0; i < acceptor->worker_count; i++)
        worker_deliver(acceptor->workers[i]);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_some(poll->data, ACCEPTS_PER_EVENT);
}

/* ---- Doors come and go ---- */

static void on_door_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_door(struct door *door)
{
    list_remove(&door->node);
    uv_close((uv_handle_t *)&door->poll, on_door_closed);
    (void)close(door->fd);
}

static struct door *find_door(const struct acceptor *acceptor, const struct address *at)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no node of a ring has NULL behind it. */
    for (struct list *node = acceptor->doors.next; node != &acceptor->doors; node = node->next) {
        struct door *door = LIST_ENTRY(node, struct door, node);

        if (address_equal(&door->at, at))
            return door;
    }
    return NULL;
}

/* Makes a door for a socket that the plan has bound. Takes the descriptor, also on failure. */
static void open_door(struct acceptor *acceptor, const struct plan_door *planned)
{
    struct door *door = calloc(1, sizeof(*door));

    if (!door || uv_poll_init(&acceptor->loop, &door->poll, planned->fd) != 0) {
        log_message(LOG_ERROR, "bind-failed", "out of memory");
        (void)close(planned->fd);
        free(door);
        return;
    }
    door->acceptor = acceptor;
    door->poll.data = door;
    door->fd = planned->fd;
    door->at = planned->at;
    door->listener = planned->listener;
    door->is_wanted = true;
    list_append(&acceptor->doors, &door->node);
    if (!acceptor->paused)
        listen_at(door);
}

static void want_not(struct door *door)
{
    door->is_wanted = false;
}

/*
 * Connections in the queue came while the old snapshot was in effect, and are served by it:
 * carry_out calls this before it takes the new one. When descriptors run out, the rest are lost.
 */
static void close_unwanted(struct door *door)
{
    if (door->is_wanted)
        return;
    accept_some(door, LISTENING_BACKLOG);
    close_door(door);
}

/* Closes and opens doors as the plan says, and takes its snapshot. Frees the plan. */
static void carry_out(struct acceptor *acceptor, struct plan *plan)
{
    for_each_door(acceptor, want_not);
    for (size_t i = 0; i < plan->count; i++) {
        struct door *door = find_door(acceptor, &plan->doors[i].at);

        if (door)
            door->is_wanted = true;
    }
    for_each_door(acceptor, close_unwanted);
    snapshot_unref(&acceptor->snapshot);
    acceptor->snapshot = snapshot_ref(plan->snapshot);
    acceptor->session_limit = plan->session_limit;
    for (size_t i = 0; i < plan->count; i++) {
        struct door *door = find_door(acceptor, &plan->doors[i].at);

        if (door)
            door->listener = plan->doors[i].listener;
        else
            open_door(acceptor, &plan->doors[i]);
        plan->doors[i].fd = -1;
    }
    for_each_door(acceptor, prepare);
    plan_free(&plan);
}

/* ---- The thread ---- */

/* Gives all connections in the queue of the door their word. */
static void turn_away_queue(struct door *door)
{
    struct acceptor *acceptor = door->acceptor;
    struct address client;
    int fd;

    for (int i = 0; i < LISTENING_BACKLOG && (fd = socket_accept(door->fd, &client)) >= 0; i++)
        turn_away(acceptor, snapshot_service(acceptor->snapshot, door->listener), fd, &client,
            &shutting_down);
}

static void close_all(struct acceptor *acceptor)
{
    if (acceptor->end == ACCEPTOR_TURN_AWAY)
        for_each_door(acceptor, turn_away_queue);
    for_each_door(acceptor, close_door);
    uv_close((uv_handle_t *)&acceptor->pause, NULL);
    uv_close((uv_handle_t *)&acceptor->wake, NULL);
}

static struct plan *next_plan(struct acceptor *acceptor)
{
    struct list *node = list_shift(&acceptor->inbox);

    return node ? LIST_ENTRY(node, struct plan, node) : NULL;
}

static void on_wake(uv_async_t *wake)
{
    struct acceptor *acceptor = wake->data;
    struct plan *plan;
    bool stop;

    /* One wake may stand for several plans. None is skipped: each builds on the one before it. */
    do {
        (void)pthread_mutex_lock(&acceptor->lock);
        plan = next_plan(acceptor);
        if (!plan) {
            acceptor->is_carried_out = true;
            (void)pthread_cond_signal(&acceptor->has_done);
        }
        stop = acceptor->stop_ordered;
        (void)pthread_mutex_unlock(&acceptor->lock);
        if (plan)
            carry_out(acceptor, plan);
    } while (plan);
    if (stop)
        close_all(acceptor);
}

static void *run(void *argument)
{
    struct acceptor *acceptor = argument;

    (void)uv_run(&acceptor->loop, UV_RUN_DEFAULT);
    return NULL;
}

bool acceptor_start(struct acceptor *acceptor, struct worker *const *workers, size_t worker_count,
    struct plan **plan)
{
    acceptor->workers = workers;
    acceptor->worker_count = worker_count;
    acceptor->started = pthread_create(&acceptor->thread, NULL, run, acceptor) == 0;
    if (acceptor->started)
        acceptor_switch(acceptor, plan);
    return acceptor->started;
}

void acceptor_switch(struct acceptor *acceptor, struct plan **plan)
{
    plan_note_open(&acceptor->open, *plan);
    (void)pthread_mutex_lock(&acceptor->lock);
    list_append(&acceptor->inbox, &(*plan)->node);
    *plan = NULL;
    acceptor->is_carried_out = false;
    (void)uv_async_send(&acceptor->wake);
    while (!acceptor->is_carried_out)
        (void)pthread_cond_wait(&acceptor->has_done, &acceptor->lock);
    (void)pthread_mutex_unlock(&acceptor->lock);
}

void acceptor_stop(struct acceptor **pointer, enum acceptor_end end)
{
    struct acceptor *acceptor = *pointer;

    *pointer = NULL;
    if (!acceptor)
        return;
    acceptor->end = end; /* the thread reads it behind stop_ordered */
    if (acceptor->started) {
        (void)pthread_mutex_lock(&acceptor->lock);
        acceptor->stop_ordered = true;
        (void)pthread_mutex_unlock(&acceptor->lock);
        (void)uv_async_send(&acceptor->wake);
        (void)pthread_join(acceptor->thread, NULL);
    } else { /* without its thread, the handles are closed on this one */
        close_all(acceptor);
        (void)uv_run(&acceptor->loop, UV_RUN_DEFAULT);
    }
    if (acceptor->reserve >= 0)
        (void)close(acceptor->reserve);
    (void)uv_loop_close(&acceptor->loop);
    (void)pthread_mutex_destroy(&acceptor->lock);
    (void)pthread_cond_destroy(&acceptor->has_done);
    snapshot_unref(&acceptor->snapshot);
    acceptor->totals->doors = NULL;
    tallies_deinit(&acceptor->tallies);
    free(acceptor->open.at);
    free(acceptor);
}
