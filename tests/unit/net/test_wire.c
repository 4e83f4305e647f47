/* What every wire has: the memory of what the kernel said last, and the counts. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_wire.h"
#include <errno.h>

static struct memory_wire memory;
static struct wire *const wire = &memory.wire;
static char into[16];
static size_t n;

static int set_up(void **state)
{
    memory_wire_init(&memory);
    return 0;
}

static int tear_down(void **state)
{
    memory_wire_deinit(&memory);
    return 0;
}

/* A call that would only learn that there is nothing is not made. */
static void test_a_short_read_is_the_last(void **state)
{
    memory_wire_feed(&memory, SLICE("abc"));
    wire->ready = WIRE_READABLE;
    assert_int_equal(wire_receive(wire, into, 2, &n), IO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_OK);
    assert_int_equal(n, 1);
    assert_int_equal(memory.receive_calls, 2);
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_AGAIN);
    assert_int_equal(n, 0);
    assert_int_equal(memory.receive_calls, 2);
    assert_int_equal(wire->received, 3);
}

/* Left armed it would be reported for ever. */
static void test_the_end_is_told_and_not_watched(void **state)
{
    wire_watch(wire, WIRE_READABLE | WIRE_HANGUP);
    memory_wire_feed_end(&memory);
    wire->ready = WIRE_READABLE;
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_EOF);
    assert_int_equal(wire->watched, WIRE_HANGUP);
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_EOF);
    assert_int_equal(memory.receive_calls, 1);
}

/* A send that fails does not end the other direction: there may be last words. */
static void test_a_send_that_fails(void **state)
{
    memory_wire_feed(&memory, SLICE("why"));
    memory_wire_fail(&memory, ECONNRESET);
    wire->ready = WIRE_WRITABLE;
    assert_int_equal(wire_send(wire, SLICE("x"), &n), IO_ERR);
    assert_int_equal(n, 0);
    assert_int_equal(wire_receive(wire, into, 3, &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(wire_receive(wire, into, 3, &n), IO_ERR);
    assert_int_equal(wire_receive(wire, into, 3, &n), IO_ERR);
}

static void test_a_short_write_is_the_last(void **state)
{
    static const size_t sizes[] = {2, 100};

    memory.sends = (struct memory_script){.sizes = sizes, .count = 2};
    wire->ready = WIRE_WRITABLE;
    assert_int_equal(wire_send(wire, SLICE(""), &n), IO_OK);
    assert_int_equal(memory.send_calls, 0);
    assert_int_equal(wire_send(wire, SLICE("abc"), &n), IO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(wire_send(wire, SLICE("c"), &n), IO_AGAIN);
    assert_int_equal(memory.send_calls, 1);
    wire_report(wire, WIRE_WRITABLE);
    assert_int_equal(wire_send(wire, SLICE("c"), &n), IO_OK);
    assert_int_equal(wire->sent, 3);
}

static void test_watching_costs_only_where_it_changes(void **state)
{
    wire->ready = 0;
    wire_watch(wire, WIRE_READABLE);
    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(memory.watch_calls, 1);
    wire_watch(wire, WIRE_READABLE | WIRE_WRITABLE);
    assert_int_equal(memory.watch_calls, 2);
}

/* What was left unread is told again, though the kernel has told it already. */
static void test_what_is_ready_is_told_again(void **state)
{
    wire->ready = WIRE_READABLE;
    wire_watch(wire, WIRE_READABLE);
    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(memory.watch_calls, 2);
    wire->ready = WIRE_WRITABLE;
    wire_watch(wire, WIRE_READABLE);
    assert_int_equal(memory.watch_calls, 2);
}

/* The end that stands behind the last octets is not told by itself. */
static void test_a_short_read_before_the_end(void **state)
{
    memory_wire_feed(&memory, SLICE("abc"));
    memory_wire_feed_end(&memory);
    wire->ready = WIRE_READABLE;
    wire->is_last = true;
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(wire_receive(wire, into, sizeof(into), &n), IO_EOF);
}

static unsigned reported;

static void on_event(void *owner, unsigned events)
{
    assert_ptr_equal(owner, into);
    reported = events;
}

/* The end of a direction is there to be read; a hang-up is told and not remembered. */
static void test_reports(void **state)
{
    wire->ready = 0;
    wire_report(wire, WIRE_READABLE); /* there is no owner yet */
    assert_int_equal(wire->ready, WIRE_READABLE);
    wire->on_event = on_event;
    wire->owner = into;
    wire->ready = 0;
    wire_report(wire, WIRE_FIN | WIRE_HANGUP);
    assert_int_equal(reported, WIRE_FIN | WIRE_HANGUP);
    assert_int_equal(wire->ready, WIRE_FIN | WIRE_READABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_short_read_is_the_last),
        TEST(test_the_end_is_told_and_not_watched),
        TEST(test_a_send_that_fails),
        TEST(test_a_short_write_is_the_last),
        TEST(test_watching_costs_only_where_it_changes),
        TEST(test_what_is_ready_is_told_again),
        TEST(test_a_short_read_before_the_end),
        TEST(test_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
