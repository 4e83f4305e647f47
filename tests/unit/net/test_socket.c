/* Sockets over loopback, with a real loop: what is reported, how often, and what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "descriptors.h"
#include "listening.h"
#include "mailmux/clock.h"
#include "socket.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { GIVE_UP_MS = 30000 };

struct listener {
    uv_loop_t loop;
    struct poller poller;
    int fd;
    struct address address;
};

/* Those of libuv are not among them: see --wrap in CMakeLists.txt. */
static unsigned epoll_calls;

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    epoll_calls++;
    return __real_epoll_ctl(epoll, operation, fd, event);
}

/* What a wire has reported. */
struct heard {
    unsigned events;
    unsigned calls;
};

static void on_event(void *owner, unsigned events)
{
    struct heard *heard = owner;

    heard->events |= events;
    heard->calls++;
}

static int setup(void **state)
{
    static struct listener listener;
    struct address any;

    listener = (struct listener){0};
    *state = &listener;
    if (uv_loop_init(&listener.loop) != 0 || !poller_init(&listener.poller, &listener.loop) ||
        !address_parse_ip(SLICE("127.0.0.1"), 0, &any))
        return -1;
    listener.fd = listening_bind(&any, false, false);
    return listener.fd >= 0 && listening_begin(listener.fd) &&
                   socket_name(listener.fd, &listener.address)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct listener *listener = *state;

    (void)close(listener->fd);
    poller_deinit(&listener->poller);
    (void)uv_run(&listener->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&listener->loop);
}

/* Turns until the events have come; a ceiling, not a measure. */
static void run_until(uv_loop_t *loop, const struct heard *heard, unsigned events)
{
    uint64_t end = clock_monotonic_ms() + GIVE_UP_MS;

    while ((heard->events & events) != events && clock_monotonic_ms() < end)
        (void)uv_run(loop, UV_RUN_NOWAIT);
    assert_int_equal(heard->events & events, events);
}

static struct wire *connect_to(struct listener *listener, struct heard *heard)
{
    int failure = 0;
    struct wire *wire = socket_connect(&listener->poller, &listener->address, 60, &failure);

    assert_non_null(wire);
    wire->on_event = on_event;
    wire->owner = heard;
    return wire;
}

/* Until our kernel has the end of the peer, with all that it sent before. */
static void await_end_of(int peer)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof(info);

    while (info.tcpi_state != TCP_FIN_WAIT2)
        assert_int_equal(getsockopt(peer, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
}

static int accept_next(struct listener *listener)
{
    struct pollfd query = {.fd = listener->fd, .events = POLLIN};
    struct address peer;
    int fd;

    assert_int_equal(poll(&query, 1, GIVE_UP_MS), 1);
    fd = socket_accept(listener->fd, &peer);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return fd;
}

static void end(struct listener *listener, struct wire *wire, bool reset)
{
    wire_close(wire, reset);
    (void)uv_run(&listener->loop, UV_RUN_DEFAULT);
}

/* A connected socket, and the plain descriptor of its peer. */
static struct wire *connected(struct listener *listener, struct heard *heard, int *peer)
{
    struct wire *wire = connect_to(listener, heard);
    char byte;
    size_t n;

    wire_watch(wire, WIRE_WRITABLE);
    run_until(&listener->loop, heard, WIRE_WRITABLE);
    assert_int_equal(wire_connected(wire), IO_OK);
    assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_AGAIN); /* it looks for early words */
    wire_watch(wire, 0);
    *peer = accept_next(listener);
    *heard = (struct heard){0};
    return wire;
}

/* No port of ours lacks when the queue of a unix socket is full: the server is too slow. */
static void test_a_full_unix_socket(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char name[64];
    struct address at;
    struct wire *first;
    int failure = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(name, sizeof(name), "@mailmux-test-%d", (int)getpid());
    assert_true(address_parse_unix(slice_from(name), &at));
    assert_null(socket_connect(&listener->poller, &at, 0, &failure));
    assert_int_equal(failure, ECONNREFUSED);
    assert_int_equal(bind(fd, &at.socket.any, address_len(&at)), 0);
    assert_int_equal(listen(fd, 0), 0);
    first = socket_connect(&listener->poller, &at, 60, &failure);
    assert_non_null(first);
    first->on_event = on_event;
    first->owner = &heard;
    wire_watch(first, WIRE_WRITABLE);
    run_until(&listener->loop, &heard, WIRE_WRITABLE);
    assert_int_equal(wire_connected(first), IO_OK);
    assert_null(socket_connect(&listener->poller, &at, 60, &failure));
    assert_int_equal(failure, EBUSY);
    end(listener, first, false);
    (void)close(fd);
}

static void test_connect_and_talk(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    struct address local;
    char bytes[16];
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    assert_true(wire->ops->local_address(wire, &local));
    assert_int_equal(wire_send(wire, SLICE("hello"), &n), IO_OK);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
    assert_int_equal(send(fd, "there", 5, MSG_NOSIGNAL), 5);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_AGAIN);
    wire_watch(wire, WIRE_READABLE);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 5);
    wire->ops->finish(wire);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
    (void)close(fd);
    end(listener, wire, false);
}

static void test_refused(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    struct wire *wire;

    (void)close(listener->fd);
    listener->fd = -1;
    wire = connect_to(listener, &heard);
    wire_watch(wire, WIRE_WRITABLE);
    run_until(&listener->loop, &heard, WIRE_WRITABLE);
    assert_int_equal(wire_connected(wire), IO_ERR);
    assert_int_equal(wire->error, ECONNREFUSED);
    assert_int_equal(wire->watched, 0); /* the poll has stopped itself */
    assert_int_equal(heard.calls, 1);
    end(listener, wire, false);
}

static void turn(uv_loop_t *loop, int turns)
{
    for (int i = 0; i < turns; i++)
        (void)uv_run(loop, UV_RUN_NOWAIT);
}

/* A FIN that is watched as HANGUP is no hang-up, and is not told for ever; it is an EOF later. */
static void test_fin_is_no_hangup(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char byte;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_HANGUP);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn(&listener->loop, 100);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.events, WIRE_FIN);
    assert_true((wire->ready & (unsigned)WIRE_FIN) != 0);
    wire_watch(wire, WIRE_READABLE);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_EOF);
    heard = (struct heard){0};
    wire_watch(wire, WIRE_READABLE); /* refused: it would never stop */
    turn(&listener->loop, 100);
    assert_int_equal(heard.calls, 0);
    (void)close(fd);
    end(listener, wire, false);
}

static void test_reset_is_a_hangup(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char byte;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_HANGUP);
    socket_discard(fd, true);
    run_until(&listener->loop, &heard, WIRE_HANGUP);
    assert_int_equal(heard.events, WIRE_HANGUP);
    wire_watch(wire, WIRE_HANGUP);
    turn(&listener->loop, 100);
    assert_int_equal(heard.calls, 1);
    wire->ready |= WIRE_READABLE;
    assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_ERR);
    assert_int_equal(wire->error, ECONNRESET);
    end(listener, wire, false);
}

static void test_reset_while_reading(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char byte;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_READABLE);
    socket_discard(fd, true);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(heard.events, WIRE_READABLE);
    assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_ERR);
    turn(&listener->loop, 100);
    assert_int_equal(heard.calls, 1);
    end(listener, wire, false);
}

/* Closing with reset: the peer gets RST; and the descriptors are as many as before. */
static void test_close_with_reset(void **state)
{
    struct listener *listener = *state;
    int before;

    turn(&listener->loop, 1);
    before = count_descriptors();
    for (int i = 0; i < 50; i++) {
        struct heard heard = {0};
        char byte;
        int fd;
        struct wire *wire = connected(listener, &heard, &fd);
        struct pollfd query = {.fd = fd, .events = POLLIN};

        end(listener, wire, i % 2 == 0);
        assert_int_equal(poll(&query, 1, GIVE_UP_MS), 1);
        assert_int_equal(recv(fd, &byte, 1, 0), i % 2 == 0 ? -1 : 0);
        (void)close(fd);
    }
    assert_int_equal(count_descriptors(), before);
}

/* A write that the kernel does not take whole: the bit is cleared, and WRITABLE comes back. */
static void test_full_send_buffer(void **state)
{
    static char bytes[1 << 20];
    struct listener *listener = *state;
    struct heard heard = {0};
    size_t total = 0;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    while (wire_send(wire, slice_of(bytes, sizeof(bytes)), &n) == IO_OK)
        total += n;
    assert_int_equal(wire->ready & WIRE_WRITABLE, 0);
    assert_int_equal(wire->sent, total);
    wire_watch(wire, WIRE_WRITABLE);
    for (uint64_t until = clock_monotonic_ms() + GIVE_UP_MS;
         !(heard.events & WIRE_WRITABLE) && clock_monotonic_ms() < until;) {
        (void)recv(fd, bytes, sizeof(bytes), 0);
        (void)uv_run(&listener->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(heard.events, WIRE_WRITABLE);
    (void)close(fd);
    end(listener, wire, true);
}

/* The last words and the end behind them come by one event. */
static void test_the_end_behind_octets(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char bytes[16];
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(send(fd, "bye", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    await_end_of(fd);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_EOF);
    (void)close(fd);
    end(listener, wire, false);
}

/* The kernel says that it hangs up when both have ended, though octets wait to be read. */
static void test_both_ends_behind_octets(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char bytes[16];
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_HANGUP);
    wire->ops->finish(wire);
    assert_int_equal(send(fd, "bye", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    run_until(&listener->loop, &heard, WIRE_FIN);
    assert_int_equal(heard.events & (unsigned)WIRE_HANGUP, 0);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_EOF);
    (void)close(fd);
    end(listener, wire, false);
}

/* A read stops at the place of an urgent octet, and what stands behind it is not told anew. */
static void test_octets_behind_an_urgent_one(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char bytes[16];
    size_t total = 0;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(send(fd, "ab", 2, MSG_NOSIGNAL), 2);
    assert_int_equal(send(fd, "!", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    assert_int_equal(send(fd, "cd", 2, MSG_NOSIGNAL), 2);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    await_end_of(fd);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    while (wire_receive(wire, bytes + total, sizeof(bytes) - total, &n) == IO_OK)
        total += n;
    assert_int_equal(total, 4);
    assert_memory_equal(bytes, "abcd", 4);
    assert_true(wire->ended);
    (void)close(fd);
    end(listener, wire, false);
}

/* What came while nothing was watched is told when it is. */
static void test_what_came_before_it_was_watched(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    char byte;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    while (!(wire->ready & (unsigned)WIRE_READABLE))
        (void)uv_run(&listener->loop, UV_RUN_NOWAIT);
    assert_int_equal(heard.calls, 0);
    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(heard.calls, 0); /* from the loop alone */
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_OK);
    socket_discard(fd, true);
    while (!(wire->ready & (unsigned)WIRE_WRITABLE) || wire->error == 0)
        (void)uv_run(&listener->loop, UV_RUN_NOWAIT);
    wire_watch(wire, WIRE_HANGUP);
    run_until(&listener->loop, &heard, WIRE_HANGUP);
    end(listener, wire, false);
}

/* However much was watched and moved, the kernel was asked for events once. */
static void test_one_place_in_epoll(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    unsigned before = epoll_calls;
    char byte;
    size_t n;
    int fd;
    struct wire *wire = connected(listener, &heard, &fd);

    for (int i = 0; i < 10; i++) {
        wire_watch(wire, WIRE_READABLE);
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        heard = (struct heard){0};
        run_until(&listener->loop, &heard, WIRE_READABLE);
        assert_int_equal(wire_receive(wire, &byte, 1, &n), IO_OK);
        wire_watch(wire, WIRE_HANGUP | WIRE_WRITABLE);
        assert_int_equal(wire_send(wire, SLICE("y"), &n), IO_OK);
    }
    (void)close(fd);
    end(listener, wire, false);
    assert_int_equal(epoll_calls - before, 1);
}

/* From one peer to the other through a duct; then the end, and a reset. */
static void test_by_way_of_a_duct(void **state)
{
    enum { OCTETS = 100000 };
    static char said[OCTETS], heard_by_peer[OCTETS];
    struct listener *listener = *state;
    struct heard heard = {0}, heard_there = {0};
    struct duct_pool pool;
    struct duct *duct;
    int peer, other;
    struct wire *from = connected(listener, &heard, &peer);
    struct wire *to = connected(listener, &heard_there, &other);
    size_t passed = 0, n;

    for (size_t i = 0; i < OCTETS; i++)
        said[i] = (char)(i * 31 / 7);
    duct_pool_init(&pool);
    duct = duct_take(&pool);
    assert_non_null(duct);
    assert_int_equal(send(peer, said, OCTETS, 0), OCTETS);
    wire_watch(from, WIRE_READABLE);
    while (passed < OCTETS) {
        enum io status = wire_receive_into(from, duct, DUCT_READ, &n);

        assert_true(status == IO_OK || status == IO_AGAIN);
        assert_int_equal(duct->held, n);
        while (duct->held > 0)
            assert_int_equal(wire_send_from(to, duct, &n), IO_OK);
        passed = to->sent;
        (void)uv_run(&listener->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(from->received, OCTETS);
    assert_int_equal(recv(other, heard_by_peer, OCTETS, MSG_WAITALL), OCTETS);
    assert_memory_equal(heard_by_peer, said, OCTETS);
    (void)shutdown(peer, SHUT_WR);
    heard.events = 0;
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive_into(from, duct, DUCT_READ, &n), IO_EOF);
    socket_discard(other, true);
    wire_watch(to, WIRE_READABLE);
    run_until(&listener->loop, &heard_there, WIRE_READABLE);
    assert_int_equal(wire_receive_into(to, duct, DUCT_READ, &n), IO_ERR);
    duct_give(&pool, &duct);
    duct_pool_deinit(&pool);
    (void)close(peer);
    wire_close(to, false);
    end(listener, from, false);
}

/* As on a kernel that splices no sockets: the octets are still there to be received. */
static void test_a_duct_that_the_kernel_does_not_take(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    struct duct none = {.into = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    char bytes[8];
    int peer;
    struct wire *wire = connected(listener, &heard, &peer);
    size_t n;

    assert_int_equal(send(peer, "abc", 3, 0), 3);
    wire_watch(wire, WIRE_READABLE);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive_into(wire, &none, DUCT_READ, &n), IO_OK);
    assert_int_equal(n, 0);
    assert_int_equal(wire_receive(wire, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 3);
    (void)close(none.into);
    (void)close(peer);
    end(listener, wire, false);
}

/* What waits is counted, and a duct takes no more of it than is asked for. */
static void test_a_part_by_way_of_a_duct(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    struct duct_pool pool;
    struct duct *duct;
    int peer;
    struct wire *wire = connected(listener, &heard, &peer);
    size_t n;

    duct_pool_init(&pool);
    duct = duct_take(&pool);
    assert_non_null(duct);
    assert_int_equal(wire->ops->waiting(wire), 0);
    assert_int_equal(send(peer, "what waits", 10, 0), 10);
    (void)shutdown(peer, SHUT_WR);
    wire_watch(wire, WIRE_READABLE);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire->ops->waiting(wire), 10);
    assert_int_equal(wire_receive_into(wire, duct, 7, &n), IO_OK);
    assert_int_equal(n, 7);
    assert_int_equal(wire->ops->waiting(wire), 3);
    duct_give(&pool, &duct);
    duct_pool_deinit(&pool);
    (void)close(peer);
    end(listener, wire, false);
}

static void test_no_connection_waits(void **state)
{
    struct listener *listener = *state;
    struct address peer;

    assert_int_equal(socket_accept(listener->fd, &peer), -EAGAIN);
}

static void test_from_accepted(void **state)
{
    struct listener *listener = *state;
    struct heard heard = {0};
    int plain;
    struct wire *client = connected(listener, &heard, &plain);
    const struct socket_options options = {.keepalive_s = 600, .patience_ms = 7000};
    struct wire *server = socket_from_accepted(&listener->poller, plain, &options);
    char bytes[8];
    size_t n;

    assert_non_null(server);
    assert_int_equal(wire_send(server, SLICE("* OK\r\n"), &n), IO_OK);
    wire_watch(client, WIRE_READABLE);
    run_until(&listener->loop, &heard, WIRE_READABLE);
    assert_int_equal(wire_receive(client, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 6);
    wire_close(server, false);
    end(listener, client, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connect_and_talk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fin_is_no_hangup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_is_a_hangup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_while_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_with_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_send_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_behind_octets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_octets_behind_an_urgent_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_came_before_it_was_watched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_place_in_epoll, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_ends_behind_octets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_way_of_a_duct, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_duct_that_the_kernel_does_not_take, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_part_by_way_of_a_duct, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_connection_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_accepted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
