/*
 * For the tests of the daemon: blocking sockets of clients and servers on the addresses of this
 * process, and the words that are heard on them. Comes behind cmocka.h.
 */
#ifndef MAILMUX_DAEMON_TEST_H
#define MAILMUX_DAEMON_TEST_H

#include "listening.h"
#include "log_catch.h"
#include "plan.h"
#include "snapshots.h"
#include <errno.h>
#include <sched.h>

enum { SERVER_PORT = 1143, CLOSED_PORT = 1144, LISTENER_PORT = 1001 };

static inline int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static inline int listen_at(uint16_t port)
{
    struct address at = own_address(port);
    const int yes = 1;
    int fd = new_socket();

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, &at.socket.any, address_len(&at)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static inline void connect_on(int fd, uint16_t port)
{
    struct address at = own_address(port);

    assert_int_equal(connect(fd, &at.socket.any, address_len(&at)), 0);
}

static inline int connect_to(uint16_t port)
{
    int fd = new_socket();

    connect_on(fd, port);
    return fd;
}

static inline bool is_listening(uint16_t port)
{
    struct address at = own_address(port);
    int fd = new_socket();
    bool is = connect(fd, &at.socket.any, address_len(&at)) == 0;

    assert_true(is || errno == ECONNREFUSED);
    (void)close(fd);
    return is;
}

/* Opens sockets as the keeper does, though in this process. */
static inline int bind_here(void *owner, const char *listener, const struct address *at)
{
    int fd;

    (void)owner;
    (void)listener;
    fd = listening_bind(at, false, false);
    return fd < 0 || listening_begin(fd) ? fd : -errno;
}

static const struct plan_binder here = {bind_here, NULL};

static inline int accept_from(int listening)
{
    int fd = accept(listening, NULL, NULL);

    assert_true(fd >= 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line, or what there is of it before the end: empty at the end, "reset" at a reset. */
static inline const char *hear(int fd)
{
    static char line[1024];
    size_t n = 0;

    while (n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n')) {
        ssize_t got = recv(fd, line + n, 1, 0);

        if (got < 0)
            return errno == ECONNRESET ? "reset" : strerror(errno);
        if (got == 0)
            break;
        n++;
    }
    line[n] = '\0';
    return line;
}

static inline void assert_hears(int fd, const char *text)
{
    assert_string_equal(hear(fd), text);
}

/* Nothing more comes, and that is closed, too. */
static inline void assert_ends(int fd)
{
    assert_hears(fd, "");
    assert_int_equal(close(fd), 0);
}

#endif
