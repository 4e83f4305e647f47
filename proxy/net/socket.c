#include "socket.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct socket {
    struct wire wire; /* must be first: see socket_of */
    uv_poll_t poll;
    int fd;
    unsigned polled;      /* events that the poll is armed for, in enum wire_event */
    bool fin_is_reported; /* each of the two is reported once */
    bool hangup_is_reported;
    int failure; /* errno found by a poll, since the kernel gives each error once */
};

static struct socket *socket_of(struct wire *wire)
{
    return (struct socket *)(void *)wire;
}

static int fd_of(const struct wire *wire)
{
    return ((const struct socket *)(const void *)wire)->fd;
}

static enum io receive(struct wire *wire, char *into, size_t cap, size_t *got)
{
    struct socket *sock = socket_of(wire);
    ssize_t n;

    do
        n = recv(sock->fd, into, cap, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *got = (size_t)n;
        return IO_OK;
    }
    if (n == 0 && (sock->failure == 0 || sock->failure == EPIPE))
        return IO_EOF;
    /*
     * recv gives an end after a poll has cleared the socket's error, so the kept error counts.
     * EPIPE is the exception: the peer had ended cleanly before our write failed.
     */
    if (n == 0)
        errno = sock->failure;
    return errno == EAGAIN ? IO_AGAIN : IO_ERR;
}

static enum io transmit(struct wire *wire, struct slice bytes, size_t *sent)
{
    struct socket *sock = socket_of(wire);
    ssize_t n;

    do
        n = send(sock->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return n > 0 ? IO_OK : IO_AGAIN;
    }
    if (errno == EAGAIN)
        return IO_AGAIN;
    if (sock->failure != 0)
        errno = sock->failure;
    return IO_ERR;
}

/* The kernel counts an unacknowledged FIN as one octet. */
static size_t unacknowledged(const struct wire *wire)
{
    int n = 0;

    if (ioctl(fd_of(wire), SIOCOUTQ, &n) != 0 || n < 0)
        return 0;
    return (size_t)n;
}

static void set_number(int fd, int level, int option, int value)
{
    /* Failures are ignored: a connection works without any of these options. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_patience(struct wire *wire, uint64_t ms)
{
    /* Without it TCP itself gives up only after a quarter of an hour or more. */
    set_number(fd_of(wire), IPPROTO_TCP, TCP_USER_TIMEOUT, ms < INT_MAX ? (int)ms : INT_MAX);
}

static void finish(struct wire *wire)
{
    /* It fails only if the connection is gone already, and receive finds that. */
    (void)shutdown(fd_of(wire), SHUT_WR);
}

/* UV_DISCONNECT also comes for a mere FIN. Returns whether the peer is gone both ways. */
static bool is_hung_up(int fd)
{
    struct pollfd query = {.fd = fd};

    return poll(&query, 1, 0) > 0 && (query.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(struct socket *sock, unsigned wanted)
{
    int events = 0;

    if (sock->hangup_is_reported)
        wanted &= ~(unsigned)WIRE_HANGUP;
    if (wanted == sock->polled)
        return;
    if (wanted & WIRE_READABLE)
        events |= UV_READABLE;
    if (wanted & WIRE_WRITABLE)
        events |= UV_WRITABLE;
    /*
     * After a FIN, UV_DISCONNECT would be reported for ever. A poll for any event also reports
     * hang-ups and errors, so the harmless UV_PRIORITIZED is armed instead.
     */
    if (wanted & WIRE_HANGUP)
        events |= sock->fin_is_reported ? UV_PRIORITIZED : UV_DISCONNECT;
    sock->polled = wanted;
    if (events == 0)
        (void)uv_poll_stop(&sock->poll);
    else if (uv_poll_start(&sock->poll, events, on_poll) != 0)
        sock->polled = 0; /* impossible unless the handle closes; deadlines cover it */
}

static void watch(struct wire *wire, unsigned events)
{
    arm(socket_of(wire), events);
}

/*
 * Decides what UV_DISCONNECT or UV_PRIORITIZED means, and returns the event to report, or 0. What
 * is reported now is not polled for again: the poll is level-triggered and would not stop.
 */
static unsigned take_disconnect(struct socket *sock, bool is_fin)
{
    unsigned wanted = sock->polled;
    bool is_gone = is_hung_up(sock->fd);

    sock->hangup_is_reported = is_gone || !is_fin; /* urgent data would repeat, too */
    sock->fin_is_reported = true;
    sock->polled = 0;
    arm(sock, wanted);
    if (is_gone)
        return WIRE_HANGUP;
    return is_fin ? (unsigned)WIRE_FIN : 0;
}

/* Returns the socket's error and clears it: the next call would see a mere end. */
static int take_error(int fd)
{
    int problem = 0;
    socklen_t n = sizeof(problem);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &n) == 0 ? problem : errno;
}

static int connect_result(const struct wire *wire)
{
    const struct socket *sock = (const struct socket *)(const void *)wire;

    return sock->failure != 0 ? sock->failure : take_error(sock->fd);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct socket *sock = poll->data;
    unsigned report = 0;

    if (status < 0) {
        /*
         * POLLERR: libuv has stopped the poll. All that was watched is reported, so that the owner
         * calls and learns the error.
         */
        int problem = take_error(sock->fd);

        report = sock->polled;

        sock->polled = 0;
        sock->hangup_is_reported = true;
        if (problem != 0)
            sock->failure = problem;
        wire_fail(&sock->wire, problem);
    } else {
        if (events & UV_READABLE)
            report |= WIRE_READABLE;
        if (events & UV_WRITABLE)
            report |= WIRE_WRITABLE;
        if (events & (UV_DISCONNECT | UV_PRIORITIZED))
            report |= take_disconnect(sock, (events & UV_DISCONNECT) != 0);
    }
    if (report != 0)
        wire_report(&sock->wire, report); /* may free the socket: nothing after this */
}

bool socket_name(int fd, struct address *out)
{
    struct sockaddr_storage storage = {0};
    socklen_t n = sizeof(storage);

    return getsockname(fd, (struct sockaddr *)&storage, &n) == 0 &&
           address_from_socket((const struct sockaddr *)&storage, out);
}

static bool local_address(const struct wire *wire, struct address *out)
{
    return socket_name(fd_of(wire), out);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void socket_discard(int fd, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)close(fd);
}

static void close_socket(struct wire *wire, bool reset)
{
    struct socket *sock = socket_of(wire);

    uv_close((uv_handle_t *)&sock->poll, on_closed);
    socket_discard(sock->fd, reset);
    sock->fd = -1;
}

static const struct wire_ops socket_ops = {
    .receive = receive,
    .send = transmit,
    .finish = finish,
    .connect_result = connect_result,
    .local_address = local_address,
    .unacknowledged = unacknowledged,
    .set_patience = set_patience,
    .watch = watch,
    .close = close_socket,
};

static void set_options(int fd, unsigned keepalive_s)
{
    enum { PROBE_INTERVAL_S = 30, PROBES = 5 };

    /* The options of TCP do nothing at a unix socket. */
    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_s == 0)
        return;
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)(keepalive_s > 32767 ? 32767 : keepalive_s));
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_INTERVAL_S);
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
}

static struct wire *socket_new(uv_loop_t *loop, int fd, unsigned ready)
{
    struct socket *sock = calloc(1, sizeof(*sock));

    if (!sock || uv_poll_init(loop, &sock->poll, fd) != 0) {
        free(sock);
        return NULL;
    }
    sock->poll.data = sock;
    sock->fd = fd;
    wire_init(&sock->wire, &socket_ops, ready);
    return &sock->wire;
}

struct wire *socket_from_accepted(uv_loop_t *loop, int fd, unsigned keepalive_s)
{
    struct wire *wire;

    set_options(fd, keepalive_s);
    wire = socket_new(loop, fd, WIRE_WRITABLE); /* uv_poll_init makes the descriptor non-blocking */
    if (!wire)
        socket_discard(fd, false);
    return wire;
}

struct wire *socket_connect(
    uv_loop_t *loop, const struct address *to, unsigned keepalive_s, int *failure)
{
    struct wire *wire;
    bool is_local = address_family(to) == AF_UNIX;
    int fd = socket(address_family(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        *failure = errno;
        return NULL;
    }
    set_options(fd, keepalive_s);
    /* After EINTR the kernel goes on connecting, too. */
    if (connect(fd, &to->socket.any, address_len(to)) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        /* A unix socket whose queue is full says EAGAIN, which for TCP means that ports lack. */
        *failure = is_local && errno == EAGAIN ? EBUSY : errno;
        (void)close(fd);
        return NULL;
    }
    wire = socket_new(loop, fd, 0);
    if (!wire) {
        *failure = ENOMEM;
        (void)close(fd);
    }
    return wire;
}

/* Returns whether the error is about a connection that died in the queue [accept(2)]. */
static bool is_stillborn(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == ENETUNREACH || error == EPERM;
}

int socket_accept(int listener, struct address *peer)
{
    for (;;) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof(from);
        int fd = accept4(listener, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0 && address_from_socket((const struct sockaddr *)&from, peer))
            return fd;
        if (fd >= 0)
            (void)close(fd);
        else if (!is_stillborn(errno))
            return -errno;
    }
}
