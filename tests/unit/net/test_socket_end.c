/* Our end goes out with the octets before it: each segment costs both kernels, and wakes the peer.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "listening.h"
#include "socket.h"
#include "stream.h"
#include "tcp_segments.h"
#include <poll.h>
#include <unistd.h>

enum { GIVE_UP_MS = 60000 };

static uv_loop_t loop;
static struct poller poller;
static struct cork cork;
static struct buffer_pool pool;
static const struct stream_context context = {.cork = &cork, .pool = &pool};
static struct stream stream;
static int peer;

/* A stream on one end of a connection; the other end is `peer`. */
static int set_up(void **state)
{
    const struct socket_options options = {.keepalive_s = 60, .patience_ms = 60000};
    struct address any;
    struct address at;
    int listener;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(poller_init(&poller, &loop));
    buffer_pool_init(&pool, 1024, 1);
    assert_true(address_parse_ip(SLICE("127.0.0.1"), 0, &any));
    listener = listening_bind(&any, false, false);
    assert_true(listener >= 0 && listening_begin(listener) && socket_name(listener, &at));
    assert_int_equal(socket_prepare(listener, &options), 0);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer, &at.socket.any, address_len(&at)), 0);
    stream_open(&stream, &context,
        socket_from_accepted(&poller, accept(listener, NULL, NULL), &options), NULL, NULL);
    return close(listener);
}

static int tear_down(void **state)
{
    stream_close(&stream, false);
    poller_deinit(&poller);
    buffer_pool_deinit(&pool);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return close(peer) == 0 ? uv_loop_close(&loop) : -1;
}

/* Returns how many segments have come, when the end has. */
static unsigned segments_until_end(void)
{
    struct pollfd query = {.fd = peer, .events = POLLRDHUP};

    assert_int_equal(poll(&query, 1, GIVE_UP_MS), 1);
    return tcp_segments_in(peer);
}

static void test_the_end_goes_with_the_last_octets(void **state)
{
    unsigned before = tcp_segments_in(peer);
    char bytes[8];
    size_t put;

    assert_int_equal(stream_write_last(&stream, SLICE("bye\r\n"), false, &put), IO_OK);
    assert_int_equal(put, 5);
    assert_int_equal(segments_until_end() - before, 1);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 5);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 0);
}

/* What has no end behind it waits for nothing. */
static void test_other_octets_go_at_once(void **state)
{
    unsigned before = tcp_segments_in(peer);
    char bytes[8];
    size_t put;

    assert_int_equal(stream_write(&stream, SLICE("hello"), &put), IO_OK);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 5);
    assert_int_equal(tcp_segments_in(peer) - before, 1);
    stream_shutdown(&stream, false);
    assert_int_equal(segments_until_end() - before, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_end_goes_with_the_last_octets),
        TEST(test_other_octets_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
