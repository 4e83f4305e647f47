/* A poller over pairs of sockets, as a guest of a loop and as its host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "poller.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = POLLER_BATCH + 50 };

struct end {
    struct polled polled;
    int fd;
    int peer;
    unsigned calls;
    unsigned events;   /* of the last call */
    struct end *kills; /* the first call removes and frees it */
    unsigned again;    /* so many more calls are asked for */
};

static uv_loop_t loop;
static struct poller poller;

static int set_up(void **state)
{
    return uv_loop_init(&loop) == 0 && poller_init(&poller, &loop) ? 0 : -1;
}

static int tear_down(void **state)
{
    poller_deinit(&poller);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void end_free(struct end *end)
{
    poller_remove(&poller, &end->polled);
    (void)close(end->fd);
    (void)close(end->peer);
    free(end);
}

static void on_ready(struct polled *polled, unsigned events)
{
    struct end *end = LIST_ENTRY(polled, struct end, polled);
    struct end *other = end->kills;

    end->calls++;
    end->events = events;
    if (end->again > 0) {
        end->again--;
        poller_call(&poller, polled);
    }
    end->kills = NULL;
    if (other)
        end_free(other);
}

static struct end *end_new(void)
{
    struct end *end = calloc(1, sizeof(*end));
    int fds[2];

    assert_non_null(end);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end->fd = fds[0];
    end->peer = fds[1];
    end->polled.on_ready = on_ready;
    assert_true(poller_add(&poller, &end->polled, end->fd));
    return end;
}

static void say(const struct end *end)
{
    assert_int_equal(send(end->peer, "x", 1, MSG_NOSIGNAL), 1);
}

static void turn(void)
{
    if (poller.drives)
        (void)poller_turn(&poller, 0);
    else
        (void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* Nothing is read here, and nothing is told twice. */
static void tells_each_change_once(void)
{
    struct end *end = end_new();

    turn();
    assert_int_equal(end->calls, 1); /* what holds at the beginning */
    assert_int_equal(end->events, EPOLLOUT);
    turn();
    assert_int_equal(end->calls, 1);
    say(end);
    turn();
    turn();
    assert_int_equal(end->calls, 2);
    assert_int_equal(end->events, EPOLLIN | EPOLLOUT);
    assert_int_equal(shutdown(end->peer, SHUT_WR), 0);
    turn();
    turn();
    assert_int_equal(end->calls, 3);
    assert_true((end->events & EPOLLRDHUP) != 0);
    end_free(end);
}

static void test_tells_each_change_once(void **state)
{
    tells_each_change_once();
    assert_true(poller_drive(&poller));
    tells_each_change_once();
}

/* A call that is asked for comes in the next turn, and once; what asks again is not in the way. */
static void test_calls_what_asks(void **state)
{
    for (int drives = 0; drives < 2; drives++) {
        struct end *end = end_new();
        struct end *other;

        turn();
        end->again = 2;
        poller_call(&poller, &end->polled);
        poller_call(&poller, &end->polled);
        assert_int_equal(end->calls, 1);
        turn();
        assert_int_equal(end->calls, 2);
        assert_int_equal(end->events, 0);
        other = end_new();
        turn();
        assert_int_equal(end->calls, 3);
        assert_int_equal(other->calls, 1);
        turn();
        turn();
        assert_int_equal(end->calls, 4);
        poller_call(&poller, &end->polled); /* withdrawn by the end */
        end_free(end);
        turn();
        end_free(other);
        if (!drives)
            assert_true(poller_drive(&poller));
    }
}

/* Both are in one batch, and the first ends the other: its event must not reach freed memory. */
static void test_one_ends_another_of_its_batch(void **state)
{
    for (int first = 0; first < 2; first++) {
        struct end *ends[2] = {end_new(), end_new()};

        turn();
        say(ends[0]);
        say(ends[1]);
        ends[0]->kills = ends[1];
        ends[1]->kills = ends[0];
        turn();
        /* One of them was told, and is left. */
        end_free(ends[poller.batch[0].data.ptr == &ends[0]->polled ? 0 : 1]);
    }
}

/* Both have asked for a call, and one ends the other. */
static void test_one_ends_another_that_has_asked(void **state)
{
    struct end *one = end_new();
    struct end *other = end_new();

    turn();
    one->kills = other;
    poller_call(&poller, &one->polled);
    poller_call(&poller, &other->polled);
    turn();
    assert_int_equal(one->calls, 2);
    end_free(one);
}

/* More than a batch: all are told in the turns that follow, however busy the first are. */
static void test_more_than_a_batch(void **state)
{
    static struct end *ends[MANY];

    for (int drives = 0; drives < 2; drives++) {
        for (size_t i = 0; i < MANY; i++)
            ends[i] = end_new();
        turn();
        turn();
        for (size_t i = 0; i < MANY; i++) {
            ends[i]->again = 10;
            say(ends[i]);
        }
        turn();
        turn();
        for (size_t i = 0; i < MANY; i++) {
            assert_true((ends[i]->events & EPOLLIN) != 0 || ends[i]->again < 10);
            end_free(ends[i]);
        }
        if (!drives)
            assert_true(poller_drive(&poller));
    }
}

static unsigned woken;

static void on_async(uv_async_t *async)
{
    woken++;
}

/* Where it drives, it says that the loop has something to read. */
static void test_the_loop_is_ready(void **state)
{
    static uv_async_t async;

    assert_int_equal(uv_async_init(&loop, &async, on_async), 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* it is in the loop's epoll from now on */
    assert_true(poller_drive(&poller));
    assert_false(poller_turn(&poller, 0));
    assert_int_equal(uv_async_send(&async), 0);
    assert_true(poller_turn(&poller, -1));
    assert_true(poller_turn(&poller, -1));
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(woken, 1);
    assert_false(poller_turn(&poller, 0));
    uv_close((uv_handle_t *)&async, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tells_each_change_once),
        TEST(test_calls_what_asks),
        TEST(test_one_ends_another_of_its_batch),
        TEST(test_one_ends_another_that_has_asked),
        TEST(test_more_than_a_batch),
        TEST(test_the_loop_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
