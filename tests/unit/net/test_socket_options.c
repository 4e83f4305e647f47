/* What connections have from their listening socket, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "listening.h"
#include "socket.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

static int listening;
static struct address at;

static int set_up(void **state)
{
    struct address any;

    assert_true(address_parse_ip(SLICE("127.0.0.1"), 0, &any));
    listening = listening_bind(&any, false, false);
    return listening >= 0 && listening_begin(listening) && socket_name(listening, &at) ? 0 : -1;
}

static int tear_down(void **state)
{
    return close(listening);
}

/* Returns when the connection waits in the queue. */
static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd query = {.fd = listening, .events = POLLIN};

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &at.socket.any, address_len(&at)), 0);
    assert_int_equal(poll(&query, 1, 30000), 1);
    return fd;
}

static int accept_one(void)
{
    struct address peer;
    int fd = socket_accept(listening, &peer);

    assert_true(fd >= 0);
    return fd;
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t n = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &n), 0);
    return value;
}

static void assert_options(int fd, bool is_kept, int idle_s, int patience_ms)
{
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), is_kept);
    if (is_kept) {
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 30);
    }
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), patience_ms);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* All but those that came before it was prepared, which it counts. */
static void test_connections_have_them_from_it(void **state)
{
    const struct socket_options on = {.keepalive_s = 600, .patience_ms = 7000};
    const struct socket_options off = {.keepalive_s = 0, .patience_ms = 8000};
    int clients[3];
    int fds[3];

    assert_int_equal(socket_prepare(listening, &on), 0);
    clients[0] = connect_one();
    fds[0] = accept_one();
    assert_options(fds[0], true, 600, 7000);
    clients[1] = connect_one();
    assert_int_equal(socket_prepare(listening, &off), 1);
    fds[1] = accept_one();
    assert_options(fds[1], true, 600, 7000);
    socket_set_options(fds[1], &off);
    assert_options(fds[1], false, 0, 8000);
    clients[2] = connect_one();
    fds[2] = accept_one();
    assert_options(fds[2], false, 0, 8000);
    for (size_t i = 0; i < 3; i++) {
        (void)close(fds[i]);
        (void)close(clients[i]);
    }
}

/* The kernel takes no more than nine hours of silence. */
static void test_the_longest_keepalive(void **state)
{
    const struct socket_options options = {.keepalive_s = 100000, .patience_ms = 1};
    int client;
    int fd;

    (void)socket_prepare(listening, &options);
    client = connect_one();
    fd = accept_one();
    assert_options(fd, true, 32767, 1);
    (void)close(fd);
    (void)close(client);
}

/* A patience that the connection has already costs no call. */
static void test_patience(void **state)
{
    const struct socket_options options = {.keepalive_s = 600, .patience_ms = 7000};
    int client = connect_one();
    int fd = accept_one();
    struct poller poller;
    struct wire *wire;
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(poller_init(&poller, &loop));
    wire = socket_from_accepted(&poller, fd, &options);
    assert_non_null(wire);
    wire->ops->set_patience(wire, 7000);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0); /* nothing was set here */
    wire->ops->set_patience(wire, 9000);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
    wire_close(wire, false);
    poller_deinit(&poller);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    (void)close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connections_have_them_from_it),
        TEST(test_the_longest_keepalive),
        TEST(test_patience),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
