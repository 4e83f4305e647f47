#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct socket {
    struct wire wire; /* must be first: see socket_of */
    struct polled polled;
    struct poller *poller;
    int fd;
    unsigned ends;     /* FIN, HANGUP: they have come */
    unsigned reported; /* those of them that were reported, each once */
    bool is_finished;  /* our direction has ended */
    int failure;       /* errno found by a poll, since the kernel gives each error once */
    uint64_t patience_ms;
};

static struct socket *socket_of(struct wire *wire)
{
    return (struct socket *)(void *)wire;
}

static int fd_of(const struct wire *wire)
{
    return ((const struct socket *)(const void *)wire)->fd;
}

/* What the kernel's answer n to a receive means. */
static enum io received(const struct socket *sock, ssize_t n, size_t *got)
{
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

static enum io receive(struct wire *wire, char *into, size_t cap, size_t *got)
{
    struct socket *sock = socket_of(wire);
    ssize_t n;

    do
        n = recv(sock->fd, into, cap, 0);
    while (n < 0 && errno == EINTR);
    return received(sock, n, got);
}

static enum io receive_into(struct wire *wire, struct duct *duct, size_t cap, size_t *got)
{
    struct socket *sock = socket_of(wire);
    ssize_t n;

    do
        n = splice(sock->fd, NULL, duct->into, NULL, cap, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EINVAL || errno == ENOSYS))
        return IO_OK; /* not on this kernel, or in this container */
    return received(sock, n, got);
}

/* What the kernel's answer n to a send means. */
static enum io transmitted(const struct socket *sock, ssize_t n, size_t *sent)
{
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

static enum io transmit(struct wire *wire, struct slice bytes, size_t *sent)
{
    struct socket *sock = socket_of(wire);
    const int flags = MSG_NOSIGNAL | (wire->ends_next ? MSG_MORE : 0);
    ssize_t n;

    do
        n = send(sock->fd, bytes.p, bytes.n, flags);
    while (n < 0 && errno == EINTR);
    return transmitted(sock, n, sent);
}

/* The kernel waits for more if it is asked for more than the duct holds. */
static enum io send_from(struct wire *wire, struct duct *duct, size_t *sent)
{
    struct socket *sock = socket_of(wire);
    ssize_t n;

    do
        n = splice(duct->out, NULL, sock->fd, NULL, duct->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return transmitted(sock, n, sent);
}

/* Octets before an urgent one alone are counted, and of a FIN none. */
static size_t waiting(const struct wire *wire)
{
    int n = 0;

    if (ioctl(fd_of(wire), FIONREAD, &n) != 0 || n < 0)
        return 0;
    return (size_t)n;
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

static void set_user_timeout(int fd, uint64_t ms)
{
    /* Without it TCP itself gives up only after a quarter of an hour or more. */
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms < INT_MAX ? (int)ms : INT_MAX);
}

static void set_patience(struct wire *wire, uint64_t ms)
{
    struct socket *sock = socket_of(wire);

    if (sock->patience_ms == ms)
        return;
    sock->patience_ms = ms;
    set_user_timeout(sock->fd, ms);
}

static void finish(struct wire *wire)
{
    /* It fails only if the connection is gone already, and receive finds that. */
    (void)shutdown(fd_of(wire), SHUT_WR);
    socket_of(wire)->is_finished = true;
}

/* Returns the socket's error and clears it: the next call would see a mere end. */
static int take_error(int fd)
{
    int problem = 0;
    socklen_t n = sizeof(problem);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &n) == 0 ? problem : errno;
}

/* The kernel has told of every error by now, so the socket is asked only if it is gone. */
static int connect_result(const struct wire *wire)
{
    const struct socket *sock = (const struct socket *)(const void *)wire;

    if (sock->failure != 0 || !(sock->ends & (unsigned)WIRE_HANGUP))
        return sock->failure;
    return take_error(sock->fd);
}

/* ---- What the kernel tells ---- */

/* Returns what is watched, holds, and was not reported yet. */
static unsigned due_events(const struct socket *sock)
{
    unsigned ready = sock->wire.ready & (unsigned)(WIRE_READABLE | WIRE_WRITABLE);

    /* An end is reported where HANGUP is watched, as what it is. */
    if (sock->wire.watched & (unsigned)WIRE_HANGUP)
        return (sock->wire.watched & ready) | (sock->ends & ~sock->reported);
    return sock->wire.watched & ready;
}

/*
 * Returns whether the peer is gone. Behind our own end a hang-up is its FIN alone, and what it has
 * sent before may still wait to be read.
 */
static bool is_gone(const struct socket *sock, unsigned events)
{
    return (events & (unsigned)EPOLLERR) || ((events & (unsigned)EPOLLHUP) && !sock->is_finished);
}

/* Keeps what the kernel tells, as it tells it once, whatever is watched at this time. */
static void note_events(struct socket *sock, unsigned events)
{
    enum { GONE = EPOLLHUP | EPOLLERR, LAST = EPOLLRDHUP | EPOLLPRI };

    if (events & (unsigned)(EPOLLIN | GONE))
        sock->wire.ready |= (unsigned)WIRE_READABLE;
    if (events & (unsigned)(EPOLLOUT | GONE))
        sock->wire.ready |= (unsigned)WIRE_WRITABLE;
    if (events & (unsigned)(LAST | GONE))
        sock->wire.is_last = true;
    if (is_gone(sock, events))
        sock->ends |= (unsigned)WIRE_HANGUP;
    else if (events & (unsigned)(EPOLLRDHUP | EPOLLHUP))
        sock->ends |= (unsigned)WIRE_FIN;
}

/*
 * Takes an error. All that was watched is reported, so that the owner calls and learns it, and
 * nothing is watched until the owner says so again.
 */
static unsigned fail(struct socket *sock)
{
    unsigned watched = sock->wire.watched;
    int problem = take_error(sock->fd);

    if (problem != 0)
        sock->failure = problem;
    wire_fail(&sock->wire, problem);
    if (watched & (unsigned)WIRE_HANGUP)
        sock->reported |= (unsigned)WIRE_HANGUP;
    return watched;
}

static void on_ready(struct polled *polled, unsigned events)
{
    struct socket *sock = LIST_ENTRY(polled, struct socket, polled);
    unsigned report;

    note_events(sock, events);
    if (sock->ends & (unsigned)WIRE_HANGUP) /* with it the FIN is no news */
        sock->reported |= (unsigned)WIRE_FIN;
    if (events & (unsigned)EPOLLERR) {
        report = fail(sock);
    } else {
        report = due_events(sock);
        sock->reported |= report & (unsigned)(WIRE_FIN | WIRE_HANGUP);
    }
    if (report != 0)
        wire_report(&sock->wire, report); /* may free the socket: nothing after this */
}

static void watch(struct wire *wire, unsigned events)
{
    struct socket *sock = socket_of(wire);

    (void)events;
    if (due_events(sock) != 0)
        poller_call(sock->poller, &sock->polled);
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

    poller_remove(sock->poller, &sock->polled);
    socket_discard(sock->fd, reset);
    free(sock);
}

static const struct wire_ops socket_ops = {
    .receive = receive,
    .send = transmit,
    .receive_into = receive_into,
    .send_from = send_from,
    .finish = finish,
    .connect_result = connect_result,
    .local_address = local_address,
    .waiting = waiting,
    .unacknowledged = unacknowledged,
    .set_patience = set_patience,
    .watch = watch,
    .close = close_socket,
};

/*
 * The options of TCP do nothing at a unix socket. How many probes are lost before the connection
 * is (TCP_KEEPCNT) is not said, as the patience decides that.
 */
static void begin_options(int fd, unsigned keepalive_s)
{
    enum { PROBE_INTERVAL_S = 30, IDLE_MAX_S = 32767 };

    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_s == 0)
        return;
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(
        fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)(keepalive_s > IDLE_MAX_S ? IDLE_MAX_S : keepalive_s));
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_INTERVAL_S);
}

void socket_set_options(int fd, const struct socket_options *options)
{
    /* A listening socket may have it from its last configuration, or from systemd. */
    if (options->keepalive_s == 0)
        set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    begin_options(fd, options->keepalive_s);
    set_user_timeout(fd, options->patience_ms);
}

/* The queue is counted last: a connection that comes in between is counted for nothing. */
unsigned socket_prepare(int listener, const struct socket_options *options)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof(info);

    socket_set_options(listener, options);
    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        info.tcpi_state != TCP_LISTEN)
        return 0;
    return info.tcpi_unacked; /* of a listening socket: what waits in its queue */
}

static struct wire *socket_new(struct poller *poller, int fd, unsigned ready)
{
    struct socket *sock = calloc(1, sizeof(*sock));

    if (!sock)
        return NULL;
    sock->poller = poller;
    sock->fd = fd;
    sock->polled.on_ready = on_ready;
    wire_init(&sock->wire, &socket_ops, ready);
    if (poller_add(poller, &sock->polled, fd))
        return &sock->wire;
    free(sock);
    return NULL;
}

struct wire *socket_from_accepted(
    struct poller *poller, int fd, const struct socket_options *options)
{
    struct wire *wire = socket_new(poller, fd, WIRE_WRITABLE);

    if (wire)
        socket_of(wire)->patience_ms = options->patience_ms;
    else
        socket_discard(fd, false);
    return wire;
}

struct wire *socket_connect(
    struct poller *poller, const struct address *to, unsigned keepalive_s, int *failure)
{
    struct wire *wire;
    bool is_local = address_family(to) == AF_UNIX;
    int fd = socket(address_family(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        *failure = errno;
        return NULL;
    }
    begin_options(fd, keepalive_s);
    /* After EINTR the kernel goes on connecting, too. */
    if (connect(fd, &to->socket.any, address_len(to)) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        /* A unix socket whose queue is full says EAGAIN, which for TCP means that ports lack. */
        *failure = is_local && errno == EAGAIN ? EBUSY : errno;
        (void)close(fd);
        return NULL;
    }
    /* Not before: a socket that has not begun to connect would be told as one that is gone. */
    wire = socket_new(poller, fd, 0);
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
