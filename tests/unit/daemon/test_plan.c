/* Which sockets a configuration opens, and which of them are open already. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon_test.h"
#include "plan.h"
#include <fcntl.h>

#define BACKEND "[backend b]\nserver = 127.0.0.1:1143\n"
#define LISTENER(name, binds)                                                                      \
    "[listener " name "]\n" binds "protocol = imap\ntls = none\nbackend = b\n"

static int tear_down(void **state)
{
    log_release();
    return 0;
}

static struct plan *plan_of(const struct plan_open *open, const char *text, size_t limit)
{
    struct snapshot *snapshot = snapshot_of(text);
    struct plan *plan = plan_new(open, snapshot, limit, &here);

    snapshot_unref(&snapshot); /* the plan has its own reference */
    return plan;
}

static void assert_door(const struct plan *plan, size_t i, uint16_t port, size_t listener)
{
    struct address at = own_address(port);

    assert_true(i < plan->count);
    assert_true(address_equal(&plan->doors[i].at, &at));
    assert_int_equal(plan->doors[i].listener, listener);
}

static void test_opens_every_bind_of_every_listener(void **state)
{
    const struct plan_open nowhere = {0};
    struct plan *plan = plan_of(&nowhere,
        LISTENER("one", "bind = @:1001\nbind = @:1002\n") LISTENER("two", "bind = @:1003\n")
            BACKEND,
        77);

    assert_non_null(plan);
    assert_int_equal(plan->session_limit, 77);
    assert_int_equal(plan->count, 3);
    assert_door(plan, 0, 1001, 0);
    assert_door(plan, 1, 1002, 0);
    assert_door(plan, 2, 1003, 1);
    for (uint16_t port = 1001; port <= 1003; port++)
        assert_true(is_listening(port));
    plan_free(&plan);
    assert_null(plan);
    for (uint16_t port = 1001; port <= 1003; port++)
        assert_false(is_listening(port));
}

/* A reload: what stays is not bound again, though its listener may be another one. */
static void test_leaves_open_what_is_open(void **state)
{
    struct plan_open open = {0};
    struct plan *first =
        plan_of(&open, LISTENER("one", "bind = @:1001\nbind = @:1002\n") BACKEND, 1);
    struct plan *second;

    assert_non_null(first);
    plan_note_open(&open, first);
    assert_int_equal(open.count, 2);
    second = plan_of(
        &open, LISTENER("new", "bind = @:1003\n") LISTENER("one", "bind = @:1002\n") BACKEND, 1);
    assert_non_null(second);
    assert_int_equal(second->count, 2);
    assert_door(second, 0, 1003, 0);
    assert_true(second->doors[0].fd >= 0);
    assert_door(second, 1, 1002, 1);
    assert_int_equal(second->doors[1].fd, -1);
    plan_note_open(&open, second);
    assert_int_equal(open.count, 2);
    plan_free(&second);
    assert_false(is_listening(1003));
    assert_true(is_listening(1002)); /* it is the first one's */
    plan_free(&first);
    free(open.at);
}

/* All or nothing: the one that could be bound is given back, and each that could not is named. */
static void test_one_bind_that_fails_undoes_all(void **state)
{
    const struct plan_open nowhere = {0};
    struct address taken = own_address(1002);
    struct address also = own_address(1004);
    int first = bind_here(NULL, "", &taken);
    int second = bind_here(NULL, "", &also);
    const char *said;

    assert_true(first >= 0 && second >= 0);
    log_catch(LOG_INFO);
    assert_null(plan_of(&nowhere,
        LISTENER("one", "bind = @:1001\nbind = @:1002\n") LISTENER("two", "bind = @:1004\n")
            BACKEND,
        1));
    said = log_caught();
    assert_int_equal(log_count(said, " error bind-failed "), 2);
    assert_int_equal(log_count(said, "listener one: "), 1);
    assert_int_equal(log_count(said, "listener two: "), 1);
    assert_int_equal(log_count(said, "Address already in use; `ss -ltnp 'sport = :"), 2);
    assert_int_equal(log_count(said, "CAP_NET_BIND_SERVICE"), 0);
    assert_false(is_listening(1001));
    (void)close(first);
    (void)close(second);
}

/* An address of this machine is a mistake where it is missing, of either family. */
static void test_an_address_that_is_not_ours(void **state)
{
    const struct plan_open nowhere = {0};
    const char *said;

    log_catch(LOG_INFO);
    assert_null(plan_of(&nowhere, LISTENER("one", "bind = 192.0.2.1:1001\n") BACKEND, 1));
    assert_null(plan_of(
        &nowhere, LISTENER("one", "bind = [2001:db8::1]:1001\nbind = @:1002\n") BACKEND, 1));
    said = log_caught();
    assert_int_equal(log_count(said, "error bind-failed"), 2);
    assert_int_equal(log_count(said, "freebind = yes"), 2);
    assert_false(is_listening(1002));
}

static int bind_without_ipv6(void *owner, const char *listener, const struct address *at)
{
    return address_family(at) == AF_INET6 ? -EAFNOSUPPORT : bind_here(owner, listener, at);
}

/* Where the kernel has no IPv6, [::] is left out; but a listener has one address at least. */
static void test_a_kernel_without_ipv6(void **state)
{
    const struct plan_binder binder = {bind_without_ipv6, NULL};
    const struct plan_open nowhere = {0};
    struct snapshot *both =
        snapshot_of(LISTENER("one", "bind = [::]:1001\nbind = @:1002\n") BACKEND);
    struct snapshot *one = snapshot_of(LISTENER("one", "bind = [::]:1001\n") BACKEND);
    struct plan *plan;
    const char *said;

    log_catch(LOG_INFO);
    plan = plan_new(&nowhere, both, 1, &binder);
    assert_non_null(plan);
    assert_int_equal(plan->count, 1);
    assert_door(plan, 0, 1002, 0);
    assert_null(plan_new(&nowhere, one, 1, &binder));
    said = log_caught();
    assert_int_equal(log_count(said, "warning no-ipv6"), 2);
    assert_int_equal(log_count(said, "error bind-failed"), 1);
    plan_free(&plan);
    snapshot_unref(&both);
    snapshot_unref(&one);
}

/* It is for the routes of another listener, and so has no address of its own. */
static void test_a_listener_without_a_bind(void **state)
{
    const struct plan_open nowhere = {0};
    struct plan *plan = plan_of(&nowhere,
        LISTENER("inside", "") "[listener front]\nbind = @:1002\nprotocol = auto\n"
                               "route = default -> inside\n" BACKEND,
        1);

    assert_non_null(plan);
    assert_int_equal(plan->count, 1);
    assert_door(plan, 0, 1002, 1);
    plan_free(&plan);
}

static void test_nothing_is_inherited_by_other_programs(void **state)
{
    const struct plan_open nowhere = {0};
    struct plan *plan = plan_of(&nowhere, LISTENER("one", "bind = @:1001\n") BACKEND, 1);

    assert_non_null(plan);
    assert_true(fcntl(plan->doors[0].fd, F_GETFD) & FD_CLOEXEC);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_opens_every_bind_of_every_listener, tear_down),
        cmocka_unit_test_teardown(test_leaves_open_what_is_open, tear_down),
        cmocka_unit_test_teardown(test_one_bind_that_fails_undoes_all, tear_down),
        cmocka_unit_test_teardown(test_an_address_that_is_not_ours, tear_down),
        cmocka_unit_test_teardown(test_a_kernel_without_ipv6, tear_down),
        cmocka_unit_test_teardown(test_a_listener_without_a_bind, tear_down),
        cmocka_unit_test_teardown(test_nothing_is_inherited_by_other_programs, tear_down),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
