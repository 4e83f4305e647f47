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

enum { DOORS_MAX = 8, EVENTS = 256, PIECE = 127 * 1024, READ_AHEAD = 49152 };

/* What an event is for; stands first in what epoll gives back. */
enum side_kind { SIDE_DOOR, SIDE_CLIENT, SIDE_SERVER };

struct door {
    enum side_kind kind;
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
};

struct side {
    enum side_kind kind;
    struct session *session;
    struct leg leg;
    bool is_ready; /* its TLS is there, or it has none */
    bool is_watched;
    unsigned events;
    struct way way; /* to this side */
};

struct session {
    bool is_over;
    struct door *door;
    struct side client;
    struct side server;
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

/* As much in one piece as one read of the socket has brought: several records of TLS. */
static ssize_t fill(struct leg *from)
{
    size_t length = 0;

    do {
        const ssize_t count = leg_read(from, scratch + length, PIECE - length);

        if (count <= 0)
            return length > 0 ? (ssize_t)length : count;
        length += (size_t)count;
    } while (length < PIECE && from->ssl && SSL_has_pending(from->ssl));
    return (ssize_t)length;
}

/* What has come on one side goes to the other. False: the session is over. */
static bool move(struct side *from, struct side *to)
{
    do {
        const ssize_t count = to->way.held ? LEG_AGAIN : fill(&from->leg);

        if (count == LEG_AGAIN)
            return true;
        if (count <= 0 || !pass(&to->way, &to->leg, scratch, (size_t)count))
            return false;
    } while (from->leg.ssl && SSL_has_pending(from->leg.ssl));
    return true;
}

/* Brings a side to TLS if it has any. False: it failed. */
static bool prepare(struct side *side)
{
    const int result = side->leg.ssl ? leg_handshake(&side->leg) : 1;

    side->is_ready = result == 1;
    return result != LEG_BROKEN;
}

static bool dial(struct session *session)
{
    struct leg *leg = &session->server.leg;

    leg->fd = leg_connect(session->door->server, 0);
    return leg->fd >= 0 &&
           (!session->door->back || leg_begin_tls(leg, session->door->back, false, resumed));
}

/* What there is to do after an event of one side. False: the session is over. */
static bool step(struct session *session, struct side *side)
{
    struct side *other = side == &session->client ? &session->server : &session->client;

    if (!session->client.is_ready && !prepare(&session->client))
        return false;
    if (!session->client.is_ready)
        return true;
    if (session->server.leg.fd < 0 && !dial(session))
        return false;
    if (!session->server.is_ready) {
        if (!prepare(&session->server))
            return false;
        return !session->server.is_ready || move(&session->client, &session->server);
    }
    if (!flush(&side->way, &side->leg))
        return false;
    return (side->way.held || move(other, side)) && move(side, other);
}

static void watch(struct side *side, const struct side *other, bool may_read)
{
    struct epoll_event event = {
        .events = may_read && !other->way.held ? EPOLLIN : 0, .data.ptr = side};

    if (side->leg.fd < 0)
        return;
    if (side->way.held || (!side->is_ready && side->leg.ssl && SSL_want_write(side->leg.ssl)))
        event.events |= EPOLLOUT;
    if (side->is_watched && event.events == side->events)
        return;
    if (epoll_ctl(
            poll_fd, side->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, side->leg.fd, &event) != 0)
        leg_die("epoll_ctl");
    side->events = event.events;
    side->is_watched = true;
}

/* Both of its sockets may be in one turn's events: it is freed behind them. */
static void end(struct session *session)
{
    free(session->client.way.held);
    free(session->server.way.held);
    session->client.way.held = session->server.way.held = NULL;
    leg_close(&session->client.leg);
    leg_close(&session->server.leg);
    session->is_over = true;
    session->next = ended;
    ended = session;
}

static void run(struct side *side)
{
    struct session *session = side->session;

    if (session->is_over)
        return;
    if (!step(session, side)) {
        end(session);
        return;
    }
    watch(
        &session->client, &session->server, !session->client.is_ready || session->server.is_ready);
    watch(&session->server, &session->client, true);
}

static void take(struct door *door)
{
    for (int fd = leg_accept(door->fd); fd >= 0; fd = leg_accept(door->fd)) {
        struct session *session = calloc(1, sizeof *session);

        if (!session)
            leg_die("calloc");
        session->door = door;
        session->client = (struct side){SIDE_CLIENT, session, .leg.fd = fd};
        session->server = (struct side){SIDE_SERVER, session, .leg.fd = -1};
        if (door->front && !leg_begin_tls(&session->client.leg, door->front, true, NULL))
            leg_die("SSL_new");
        run(&session->client);
    }
}

static void open_door(struct door *door, const char *word, SSL_CTX *front, SSL_CTX *back)
{
    char how[2][8];
    unsigned port;

    if (sscanf(word, "%u:%u:%7[a-z]:%7[a-z]", &port, &door->server, how[0], how[1]) != 4)
        leg_die(word);
    door->kind = SIDE_DOOR;
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
        if (*(enum side_kind *)events[i].data.ptr == SIDE_DOOR)
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

/* One read of the socket brings several records. */
static void read_ahead(SSL_CTX *context)
{
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
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
    read_ahead(front);
    read_ahead(back);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 4; i < argc; i++)
        open_door(&doors[i - 4], argv[i], front, back);
    for (;;)
        turn();
}
