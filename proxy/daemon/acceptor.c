#include "acceptor.h"

#include "mailmux/log.h"
#include "socket.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_EVENT = 16, /* then the other listeners have their turn */
    ACCEPT_BACKLOG = 1024,
    PAUSE_MS = 250 /* after descriptors ran out */
};

/* One listening socket. */
struct door {
    struct acceptor *acceptor;
    uv_poll_t poll;
    int fd;
    size_t listener; /* index in the configuration */
};

struct acceptor {
    pthread_t thread;
    bool started;
    uv_loop_t loop;
    uv_async_t stop;
    uv_timer_t pause;
    struct snapshot *snapshot;
    struct worker *const *workers;
    size_t worker_count;
    size_t session_limit;
    int reserve;
    size_t door_count;
    struct door *doors;
};

static void on_readable(uv_poll_t *poll, int status, int events);

/* ---- Opening ---- */

static void log_bind_failure(const struct config_listener *listener, int failure, const char *text)
{
    const char *remedy = failure == EACCES
                             ? "; ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, "
                               "or a lower net.ipv4.ip_unprivileged_port_start"
                             : "";

    log_message(LOG_ERROR, "bind-failed", "listener %s: %s%s", listener->name, text, remedy);
}

static bool has_no_ipv6(const struct address *at, int failure)
{
    return address_family(at) == AF_INET6 && (failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL);
}

/* False: the address should be there and is not. */
static bool open_door(struct acceptor *acceptor, size_t listener, size_t bind)
{
    const struct config_listener *config =
        &snapshot_config(acceptor->snapshot)->listeners[listener];
    const struct address *at = &config->bind[bind];
    struct door *door = &acceptor->doors[acceptor->door_count];
    struct error error;
    int failure = 0;
    int fd = socket_listen(at, ACCEPT_BACKLOG, &failure, &error);

    if (fd < 0 && has_no_ipv6(at, failure)) {
        log_message(LOG_WARNING, "no-ipv6", "listener %s: %s; skipped, as there is no IPv6 here",
            config->name, error.text);
        return true;
    }
    if (fd < 0) {
        log_bind_failure(config, failure, error.text);
        return false;
    }
    *door = (struct door){.acceptor = acceptor, .fd = fd, .listener = listener};
    acceptor->door_count++;
    return true;
}

static bool open_doors(struct acceptor *acceptor)
{
    const struct config *config = snapshot_config(acceptor->snapshot);
    size_t count = 0;
    bool all = true;

    for (size_t i = 0; i < config->listener_count; i++)
        count += config->listeners[i].bind_count;
    acceptor->doors = calloc(count ? count : 1, sizeof(*acceptor->doors));
    if (!acceptor->doors)
        return false;
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].bind_count; j++)
            all = open_door(acceptor, i, j) && all;
    }
    return all;
}

static void take_reserve(struct acceptor *acceptor)
{
    if (acceptor->reserve < 0)
        acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

struct acceptor *acceptor_open(struct snapshot *snapshot, size_t session_limit)
{
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

    if (!acceptor || uv_loop_init(&acceptor->loop) != 0) {
        free(acceptor);
        log_message(LOG_ERROR, "start-failed", "out of memory");
        return NULL;
    }
    acceptor->snapshot = snapshot_ref(snapshot);
    acceptor->session_limit = session_limit;
    acceptor->reserve = -1;
    take_reserve(acceptor);
    if (!open_doors(acceptor))
        acceptor_stop(&acceptor);
    return acceptor;
}

/* ---- Accepting ---- */

static void for_each_door(struct acceptor *acceptor, void (*act)(struct door *door))
{
    for (size_t i = 0; i < acceptor->door_count; i++)
        act(&acceptor->doors[i]);
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

    take_reserve(acceptor);
    for_each_door(acceptor, listen_at);
}

/* The one in front of the queue is let in and closed, so that its client knows; then we wait. */
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

/* Over the limit: a word on a plaintext port, nothing on an implicit one, where it would cost a
 * handshake (C108). */
static void turn_away(const struct service *service, int fd, const struct address *client)
{
    char text[ADDRESS_TEXT_MAX];
    char farewell[DIALOG_EXTRA];
    struct buffer words;
    struct log_line line;

    if (service->listener->tls != LISTENER_TLS_IMPLICIT) {
        buffer_init(&words, farewell, sizeof(farewell));
        service->protocol->farewell(
            FAREWELL_TOO_MANY_SESSIONS, service->dialog_policy.hostname, &words);
        (void)send(fd, buffer_held(&words).p, buffer_held(&words).n, MSG_NOSIGNAL);
    }
    socket_discard(fd, false);
    log_open(&line, LOG_WARNING, "refused");
    log_text(&line, "listener", slice_from(service->listener->name));
    log_text(&line, "client", slice_from(address_text(client, text)));
    log_text(&line, "reason", slice_from(reason_text(REASON_TOO_MANY_SESSIONS)));
    log_write(&line);
}

static void let_in(
    struct acceptor *acceptor, const struct door *door, int fd, const struct address *client)
{
    if (open_sessions(acceptor) >= acceptor->session_limit)
        turn_away(snapshot_service(acceptor->snapshot, door->listener), fd, client);
    else
        (void)worker_give(least_loaded(acceptor), fd, client, acceptor->snapshot, door->listener);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct door *door = poll->data;
    struct acceptor *acceptor = door->acceptor;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct address client;
        int fd = socket_accept(door->fd, &client);

        if (fd == -EAGAIN || fd == -EWOULDBLOCK)
            return;
        if (fd < 0) {
            run_out(acceptor, door, fd);
            return;
        }
        let_in(acceptor, door, fd, &client);
    }
}

/* ---- The thread ---- */

static void close_door(struct door *door)
{
    uv_close((uv_handle_t *)&door->poll, NULL);
    (void)close(door->fd);
    door->fd = -1;
}

static void on_stop(uv_async_t *stop)
{
    struct acceptor *acceptor = stop->data;

    for_each_door(acceptor, close_door);
    uv_close((uv_handle_t *)&acceptor->pause, NULL);
    uv_close((uv_handle_t *)&acceptor->stop, NULL);
}

static void *run(void *argument)
{
    struct acceptor *acceptor = argument;

    (void)uv_run(&acceptor->loop, UV_RUN_DEFAULT);
    return NULL;
}

bool acceptor_start(struct acceptor *acceptor, struct worker *const *workers, size_t worker_count)
{
    acceptor->workers = workers;
    acceptor->worker_count = worker_count;
    if (uv_async_init(&acceptor->loop, &acceptor->stop, on_stop) != 0)
        return false;
    (void)uv_timer_init(&acceptor->loop, &acceptor->pause);
    acceptor->stop.data = acceptor;
    acceptor->pause.data = acceptor;
    for (size_t i = 0; i < acceptor->door_count; i++) {
        struct door *door = &acceptor->doors[i];

        if (uv_poll_init(&acceptor->loop, &door->poll, door->fd) != 0)
            return false;
        door->poll.data = door;
    }
    for_each_door(acceptor, listen_at);
    acceptor->started = pthread_create(&acceptor->thread, NULL, run, acceptor) == 0;
    return acceptor->started;
}

void acceptor_stop(struct acceptor **pointer)
{
    struct acceptor *acceptor = *pointer;

    *pointer = NULL;
    if (!acceptor)
        return;
    if (acceptor->started) {
        (void)uv_async_send(&acceptor->stop);
        (void)pthread_join(acceptor->thread, NULL);
    }
    for (size_t i = 0; i < acceptor->door_count; i++) {
        if (acceptor->doors[i].fd >= 0)
            (void)close(acceptor->doors[i].fd);
    }
    if (acceptor->reserve >= 0)
        (void)close(acceptor->reserve);
    (void)uv_loop_close(&acceptor->loop);
    snapshot_unref(&acceptor->snapshot);
    free(acceptor->doors);
    free(acceptor);
}
