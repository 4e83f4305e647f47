/* Changes that meet a service which does not answer. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper_test.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct played played;

static int set_up(void **state)
{
    play_begin(&played);
    return 0;
}

static int tear_down(void **state)
{
    play_end(&played);
    return 0;
}

static int end_well(const struct service_start *start)
{
    struct word word;

    while (word_receive(start->orders, true, &word) == WORD_OK)
        continue;
    return 0;
}

/* The service hangs in a reload: another one takes over beside it. */
static void test_a_service_that_does_not_reload_is_passed_over(void **state)
{
    struct keeper *keeper = &played.keeper;

    keeper->run = end_well;
    changes_reload(keeper);
    assert_int_equal(keeper->state, KEEPER_RELOADING);
    assert_true(keeper->due_ms < UINT64_MAX);
    changes_due(keeper);
    assert_int_equal(keeper->state, KEEPER_REPLACING);
    assert_int_equal(keeper->generations[1].state, GENERATION_STARTING);
    /* The first goes on, and gets nothing until it hears that it is retired. */
    assert_int_equal(strtol(play_request(&played, WORD_COMMIT, "").text, NULL, 10), EPERM);
    changes_due(keeper); /* the second hangs as well, and is ended */
    assert_int_equal(waitpid(keeper->generations[1].pid, NULL, 0), keeper->generations[1].pid);
    changes_service_over(keeper, &keeper->generations[1], SIGKILL);
    assert_int_equal(keeper->state, KEEPER_SERVING);
    assert_int_equal(keeper->generations[0].state, GENERATION_SERVING);
    assert_true(keeper->due_ms == UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_service_that_does_not_reload_is_passed_over),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
