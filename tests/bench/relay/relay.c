/*
 * The floor of the benchmark: a relay with TLS on either leg and nothing else. It knows no
 * protocol, no limit and no deadline, and writes no log; what it costs nobody who uses this library
 * can avoid.
 *
 *   bench_relay CERTIFICATE KEY CA LISTEN-PORT:SERVER-PORT:FRONT:BACK...    FRONT and BACK: tls,
 * plain
 *
 * It ends by a signal.
 */
#include "leg.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { DOORS_MAX = 8, EVENTS = 256, PIECE = 49152 };

struct door {
    bool is_door; /* before anything else in what epoll gives back */
    int fd;
    unsigned server;
    SSL_CTX *front;
    SSL_CTX *back;
};

/* What one leg has sent and the other has not taken yet; `held` is NULL while there is nothing. */
struct way {
    char *held;
    size_t length;
    size_t taken;
    bool at_end;
};

struct session {
    bool is_door;
    bool is_over;
    struct door *door;
    struct leg client;
    struct leg server;
    struct way down;
    struct way up;
    bool client_ready; /* its TLS is there */
    bool server_ready;
    struct session *next; /* of those that are over in this turn */
};

static char scratch[PIECE];
static SSL_SESSION *resumed; /* of the last connection to a server */
static struct session *ended;
static int poll_fd;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(resumed);
    resumed = session;
    return 1;
}

/* Writes what is held. False: the connection is gone. */
static bool flush(struct way *way, struct leg *to)
{
    while (way->held) {
        const ssize_t count = leg_write(to, way->held + way->taken, way->length - way->taken);

        if (count == LEG_AGAIN)
            return true;
        if (count < 0)
            return false;
        way->taken += (size_t)count;
        if (way->taken == way->length) {
            free(way->held);
            *way = (struct way){0};
        }
    }
    return true;
}

static bool hold(struct way *way, const char *from, size_t length)
{
    way->held = malloc(length);
    if (!way->held)
        return false;
    memcpy(way->held, from, length);
    way->length = length;
    way->taken = 0;
    return true;
}

static bool pass(struct way *way, struct leg *to, const char *from, size_t length)
{
    while (length > 0) {
        const ssize_t count = leg_write(to, from, length);

        if (count == LEG_AGAIN)
            return hold(way, from, length);
        if (count < 0)
            return false;
        from += count;
        length -= (size_t)count;
    }
    return true;
}

/* As much in one piece as there is: a record of TLS is less than the scratch holds. */
static ssize_t fill(struct leg *from)
{
    size_t length = 0;

    while (length < PIECE) {
        const ssize_t count = leg_read(from, scratch + length, PIECE - length);

        if (count <= 0)
            return length > 0 ? (ssize_t)length : count;
        length += (size_t)count;
        if (!from->ssl)
            break;
    }
    return (ssize_t)length;
}

/* One direction, until it has to wait. False: the session is over. */
static bool move(struct way *way, struct leg *from, struct leg *to)
{
    if (!flush(way, to))
        return false;
    while (!way->held) {
        const ssize_t count = fill(from);

        if (count == LEG_AGAIN)
            return true;
        if (count <= 0 || !pass(way, to, scratch, (size_t)count))
            return false;
    }
    return true;
}

/* Brings one leg to TLS if it has any. False: it failed. */
static bool prepare(struct leg *leg, bool *is_ready)
{
    int result = 1;

    if (leg->ssl && !*is_ready)
        result = leg_handshake(leg);
    *is_ready = result == 1;
    return result != LEG_BROKEN;
}

static bool dial(struct session *session)
{
    session->server.fd = leg_connect(session->door->server, 0);
    if (session->server.fd < 0)
        return false;
    leg_watch(poll_fd, session->server.fd, session);
    return !session->door->back ||
           leg_begin_tls(&session->server, session->door->back, false, resumed);
}

static bool step(struct session *session)
{
    if (!session->client_ready && !prepare(&session->client, &session->client_ready))
        return false;
    if (!session->client_ready)
        return true;
    if (session->server.fd < 0 && !dial(session))
        return false;
    if (!session->server_ready && !prepare(&session->server, &session->server_ready))
        return false;
    if (!session->server_ready)
        return true;
    return move(&session->down, &session->server, &session->client) &&
           move(&session->up, &session->client, &session->server);
}

/* Both of its sockets may be in one turn's events: it is freed behind them. */
static void end(struct session *session)
{
    free(session->down.held);
    free(session->up.held);
    session->down.held = session->up.held = NULL;
    leg_close(&session->client);
    leg_close(&session->server);
    session->is_over = true;
    session->next = ended;
    ended = session;
}

static void run(struct session *session)
{
    if (!session->is_over && !step(session))
        end(session);
}

static void take(struct door *door)
{
    for (int fd = leg_accept(door->fd); fd >= 0; fd = leg_accept(door->fd)) {
        struct session *session = calloc(1, sizeof *session);

        if (!session)
            leg_die("calloc");
        session->door = door;
        session->client.fd = fd;
        session->server.fd = -1;
        leg_watch(poll_fd, fd, session);
        if (door->front && !leg_begin_tls(&session->client, door->front, true, NULL))
            leg_die("SSL_new");
        run(session);
    }
}

static void open_door(struct door *door, const char *word, SSL_CTX *front, SSL_CTX *back)
{
    char how[2][8];
    unsigned port;

    if (sscanf(word, "%u:%u:%7[a-z]:%7[a-z]", &port, &door->server, how[0], how[1]) != 4)
        leg_die(word);
    door->is_door = true;
    door->front = strcmp(how[0], "tls") == 0 ? front : NULL;
    door->back = strcmp(how[1], "tls") == 0 ? back : NULL;
    door->fd = leg_listen(&port);
    leg_watch(poll_fd, door->fd, door);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(poll_fd, events, EVENTS, -1);

    for (int i = 0; i < count; i++) {
        if (*(bool *)events[i].data.ptr)
            take(events[i].data.ptr);
        else
            run(events[i].data.ptr);
    }
    while (ended) {
        struct session *session = ended;

        ended = session->next;
        free(session);
    }
}

int main(int argc, char **argv)
{
    static struct door doors[DOORS_MAX];
    SSL_CTX *front;
    SSL_CTX *back;

    if (argc < 5 || argc > 4 + DOORS_MAX)
        leg_die("usage: bench_relay CERTIFICATE KEY CA LISTEN-PORT:SERVER-PORT:FRONT:BACK...");
    (void)signal(SIGPIPE, SIG_IGN);
    front = leg_server_context(argv[1], argv[2]);
    back = leg_client_context(argv[3]);
    SSL_CTX_sess_set_new_cb(back, keep_session);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 4; i < argc; i++)
        open_door(&doors[i - 4], argv[i], front, back);
    for (;;)
        turn();
}
