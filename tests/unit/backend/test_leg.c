/* The leg toward a server: its socket, and the buffers of what is said and heard on it. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "leg.h"
#include "memory_wire.h"
#include "snapshots.h"
#include <errno.h>

enum { SERVER_PORT = 1143 };

static uv_loop_t loop;
static struct engine engine; /* large */
static struct memory_wire server;
static struct stream leg;
static struct buffer *input;
static struct buffer *output;

static const struct engine_hooks hooks = {.connect = leg_connect};

static void on_nothing(void *owner, struct stream *stream, unsigned events) {}

static int set_up(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, NULL);
    memory_wire_init(&server);
    stream_open(&leg, &engine.streams, &server.wire, on_nothing, NULL);
    return 0;
}

static int tear_down(void **state)
{
    stream_close(&leg, false);
    memory_wire_deinit(&server);
    buffer_give(&engine.replies, &input);
    buffer_give(&engine.lines, &output);
    assert_int_equal(engine.lines.taken + engine.replies.taken, 0);
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void assert_sent(const char *text)
{
    struct slice sent = memory_wire_sent(&server);

    assert_int_equal(sent.n, strlen(text));
    assert_memory_equal(sent.p, text, sent.n);
}

/* ---- Sockets ---- */

struct end {
    bool has_come;
};

static void on_event(void *owner, struct stream *stream, unsigned events)
{
    struct end *end = owner;

    end->has_come = true;
    stream_watch(stream, 0);
}

/* What connecting to that port came to. The connection is closed again. */
static int connected(uint16_t port, struct address *local)
{
    struct address to = own_address(port);
    struct end end = {false};
    int failure = 0;
    struct wire *wire = leg_connect(&engine, &to, 0, &failure);
    struct stream stream = {0};
    enum io result;
    int error;

    assert_non_null(wire);
    assert_int_equal(failure, 0);
    stream_open(&stream, &engine.streams, wire, on_event, &end);
    stream_watch(&stream, WIRE_WRITABLE);
    while (!end.has_come)
        (void)uv_run(&loop, UV_RUN_ONCE);
    result = stream_connected(&stream);
    error = stream_error(&stream);
    if (result == IO_OK)
        assert_true(stream_local_address(&stream, local));
    stream_close(&stream, false);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return result == IO_OK ? 0 : error;
}

static void test_connects(void **state)
{
    struct address at = own_address(SERVER_PORT);
    struct address local = {0};
    struct address seen = {0};
    socklen_t n = sizeof(seen.socket);
    const int yes = 1;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    int fd;

    (void)setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(listening, &at.socket.any, address_len(&at)), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(connected(SERVER_PORT, &local), 0);
    fd = accept(listening, &seen.socket.any, &n);
    assert_true(fd >= 0);
    assert_true(address_equal(&seen, &local));
    (void)close(fd);
    (void)close(listening);
    assert_int_equal(connected(SERVER_PORT, &local), ECONNREFUSED);
}

static void test_no_way_to_connect(void **state)
{
    struct address to = {0};
    int failure = 0;

    assert_null(leg_connect(&engine, &to, 0, &failure));
    assert_int_not_equal(failure, 0);
}

/* No server is worse for what we lack ourselves. */
static void test_wants_of_our_own(void **state)
{
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN, EADDRNOTAVAIL};
    static const int theirs[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNRESET};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_true(leg_lacks_means(ours[i]));
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        assert_false(leg_lacks_means(theirs[i]));
}

/* ---- What is said ---- */

static void test_one_buffer_until_all_is_said(void **state)
{
    static const size_t sizes[] = {4, 0, 100};
    struct buffer *first;

    server.sends = (struct memory_script){.sizes = sizes, .count = 3};
    assert_true(leg_reserve_output(&engine, &output));
    first = output;
    assert_true(leg_reserve_output(&engine, &output));
    assert_ptr_equal(output, first);
    assert_true(buffer_append(output, SLICE("EHLO x\r\n")));
    assert_int_equal(leg_flush(&engine, &leg, &output), IO_AGAIN);
    assert_sent("EHLO");
    assert_ptr_equal(output, first);
    server.wire.ready |= (unsigned)WIRE_WRITABLE;
    assert_int_equal(leg_flush(&engine, &leg, &output), IO_AGAIN);
    server.wire.ready |= (unsigned)WIRE_WRITABLE;
    assert_int_equal(leg_flush(&engine, &leg, &output), IO_OK);
    assert_sent("EHLO x\r\n");
    assert_null(output); /* and it costs nothing while it waits */
    assert_int_equal(engine.lines.taken, 0);
    assert_int_equal(leg_flush(&engine, &leg, &output), IO_OK);
}

static void test_a_server_that_is_gone_takes_nothing(void **state)
{
    memory_wire_fail(&server, EPIPE);
    assert_true(leg_reserve_output(&engine, &output));
    assert_true(buffer_append(output, SLICE("QUIT\r\n")));
    assert_int_equal(leg_flush(&engine, &leg, &output), IO_ERR);
    assert_int_equal(buffer_held(output).n, 6);
}

/* ---- What is heard ---- */

static void test_reads_once(void **state)
{
    assert_int_equal(leg_read(&engine, &leg, &input), IO_AGAIN);
    assert_non_null(input);
    memory_wire_feed(&server, SLICE("220 mx\r\n"));
    memory_wire_refresh(&server);
    assert_int_equal(leg_read(&engine, &leg, &input), IO_OK);
    assert_true(slice_equal(buffer_held(input), SLICE("220 mx\r\n")));
    memory_wire_feed_end(&server);
    memory_wire_refresh(&server);
    assert_int_equal(leg_read(&engine, &leg, &input), IO_ERR); /* an end is a loss, too */
    assert_true(slice_equal(buffer_held(input), SLICE("220 mx\r\n")));
}

static void test_a_reply_without_end(void **state)
{
    size_t room;

    assert_int_equal(leg_read(&engine, &leg, &input), IO_AGAIN);
    (void)buffer_space(input, &room);
    buffer_filled(input, room);
    memory_wire_feed(&server, SLICE("more"));
    memory_wire_refresh(&server);
    assert_int_equal(leg_read(&engine, &leg, &input), IO_ERR);
}

static void test_waiting_costs_no_buffer(void **state)
{
    assert_int_equal(leg_read(&engine, &leg, &input), IO_AGAIN);
    assert_true(leg_reserve_output(&engine, &output));
    leg_wait(&engine, &leg, &input, &output, false);
    assert_null(input);
    assert_null(output);
    assert_int_equal(server.wire.watched, WIRE_READABLE);
    assert_true(leg_reserve_output(&engine, &output));
    assert_true(buffer_append(output, SLICE("x")));
    leg_wait(&engine, &leg, &input, &output, true);
    assert_non_null(output); /* it is still to be said */
    assert_int_equal(server.wire.watched, WIRE_WRITABLE);
}

/* ---- Why ---- */

static void test_the_librarys_words_where_it_has_any(void **state)
{
    char why[LEG_WHY_MAX];

    assert_string_equal(leg_why(&leg, "closed", why), "closed");
    server.wire.error = ECONNRESET;
    assert_string_equal(leg_why(&leg, "closed", why), "closed: Connection reset by peer");
    leg.failure = STREAM_NOT_TLS;
    assert_string_equal(leg_why(&leg, "TLS failed", why), "TLS failed: it answers in clear");
    leg.detail = strdup("no shared cipher"); /* the stream frees it */
    assert_string_equal(leg_why(&leg, "TLS failed", why), "TLS failed: no shared cipher");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connects),
        TEST(test_no_way_to_connect),
        TEST(test_wants_of_our_own),
        TEST(test_one_buffer_until_all_is_said),
        TEST(test_a_server_that_is_gone_takes_nothing),
        TEST(test_reads_once),
        TEST(test_a_reply_without_end),
        TEST(test_waiting_costs_no_buffer),
        TEST(test_the_librarys_words_where_it_has_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
