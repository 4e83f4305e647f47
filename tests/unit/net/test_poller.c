/* What one turn of a poller may do to the descriptors that are ready in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "poller.h"
#include <sys/eventfd.h>
#include <unistd.h>

enum { COUNT = 2 };

struct member {
    struct polled polled;
    int fd;
    bool is_in;
};

static struct poller poller;
static struct member members[COUNT];
static unsigned calls;

static void take_out(struct member *member)
{
    poller_remove(&poller, &member->polled);
    (void)close(member->fd);
    member->is_in = false;
}

/* The first one that is called takes the other out, whose event is in the same batch. */
static void on_ready(struct polled *polled, unsigned events)
{
    struct member *member = LIST_ENTRY(polled, struct member, polled);
    struct member *other = member == &members[0] ? &members[1] : &members[0];

    (void)events;
    calls++;
    assert_true(member->is_in);
    if (other->is_in)
        take_out(other);
}

static void test_what_was_removed_is_not_called(void **state)
{
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(poller_init(&poller, &loop));
    assert_true(poller_drive(&poller));
    for (int i = 0; i < COUNT; i++) {
        members[i] = (struct member){.polled.on_ready = on_ready,
            .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK),
            .is_in = true};
        assert_true(poller_add(&poller, &members[i].polled, members[i].fd));
    }
    (void)poller_turn(&poller, 0);
    assert_int_equal(calls, 1);
    for (int i = 0; i < COUNT; i++) {
        if (members[i].is_in)
            take_out(&members[i]);
    }
    poller_deinit(&poller);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_was_removed_is_not_called)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
