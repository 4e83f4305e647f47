#include "resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct answer {
    unsigned calls;
    int status;
    size_t count;
    struct address first;
};

static void on_done(void *owner, int status, const struct address *addresses, size_t count)
{
    struct answer *answer = owner;

    answer->calls++;
    answer->status = status;
    answer->count = count;
    if (count > 0)
        answer->first = addresses[0];
}

static struct answer ask(const char *host, bool cancel)
{
    struct answer answer = {0};
    struct resolve *resolve;
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    resolve = resolve_start(&loop, host, 143, on_done, &answer);
    assert_non_null(resolve);
    assert_int_equal(answer.calls, 0);
    if (cancel)
        resolve_cancel(&resolve);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    return answer;
}

/* Literals and local names alone: no question leaves the machine. */
static void test_found(void **state)
{
    struct answer answer = ask("127.0.0.1", false);
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.count, 1);
    assert_string_equal(address_text(&answer.first, text), "127.0.0.1:143");
    answer = ask("::1", false);
    assert_string_equal(address_text(&answer.first, text), "[::1]:143");
    answer = ask("localhost", false);
    assert_int_equal(answer.status, 0);
    assert_int_equal(address_port(&answer.first), 143);
}

static void test_not_found(void **state)
{
    struct answer answer = ask("not a name", false);

    (void)state;
    assert_int_equal(answer.calls, 1);
    assert_true(answer.status < 0);
    assert_int_equal(answer.count, 0);
    assert_non_null(resolve_error_text(answer.status));
}

static void test_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask("127.0.0.1", true).calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
