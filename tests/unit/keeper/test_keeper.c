/* A keeper with services that do not behave. They are processes, and so is the keeper. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper.h"
#include "keeper_test.h"
#include <sys/socket.h>
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

static int keep(generation_run *run)
{
    static char name[] = "mailmux";
    char *arguments[] = {name, NULL};
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(keeper_run(played.file, arguments, run));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int hear_nothing(const struct service_start *start)
{
    (void)close(start->orders);
    (void)pause();
    return 0;
}

/* It could neither be reloaded nor ended. */
static void test_a_service_that_hears_no_orders_is_ended(void **state)
{
    assert_int_equal(keep(hear_nothing), 1);
}

static int say_nothing(const struct service_start *start)
{
    (void)send(start->orders, "", 0, MSG_NOSIGNAL);
    (void)pause();
    return 0;
}

/* An empty message looks like the end of the socket. */
static void test_an_empty_message_ends_it_too(void **state)
{
    assert_int_equal(keep(say_nothing), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_service_that_hears_no_orders_is_ended),
        TEST(test_an_empty_message_ends_it_too),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
