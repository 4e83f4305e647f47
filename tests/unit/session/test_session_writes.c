/* How often a session writes: what comes together goes on together. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_test.h"
#define ENVELOPE "MAIL FROM:<a@c.example>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n"
#define MESSAGE "Subject: x\r\n\r\n.. one\r\ntwo.\r\n.\r\n"

static const char configuration[] =
    "[listener smtps]\nbind = 127.0.0.1:11\nprotocol = smtp\ntls = implicit\nbackend = mta\n"
    "[backend mta]\nserver = 10.0.0.5:25\n";

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

/* Up to the go-ahead for the first message. Returns how often was written to the server. */
static unsigned begin(void)
{
    session_bench_begin(&bench, 0);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    say(BENCH_SERVER, "250-x\r\n250 PIPELINING\r\n");
    say(BENCH_CLIENT, ENVELOPE);
    assert_memory_equal(session_bench_heard(&bench, BENCH_SERVER).p, "EHLO", 4);
    say(BENCH_SERVER, "250 x\r\n250 x\r\n354 x\r\n");
    session_bench_forget(&bench);
    return bench.server->send_calls;
}

/* RFC 2920: the next envelope comes with the message before it. */
static void test_a_message_and_what_follows_are_one_write(void **state)
{
    unsigned before = begin();

    (void)state;
    say(BENCH_CLIENT, MESSAGE ENVELOPE);
    assert_heard(BENCH_SERVER, MESSAGE ENVELOPE);
    assert_int_equal(bench.server->send_calls - before, 1);
    end();
}

static void test_a_message_and_its_end_are_one_write(void **state)
{
    unsigned before = begin();

    (void)state;
    say(BENCH_CLIENT, MESSAGE);
    assert_heard(BENCH_SERVER, MESSAGE);
    assert_int_equal(bench.server->send_calls - before, 1);
    end();
}

/* A server gets all before a look-alike of the end, as if it had come alone. */
static void test_what_comes_before_a_look_alike(void **state)
{
    (void)begin();
    (void)state;
    say(BENCH_CLIENT, "Subject: x\r\n\r\none\n.\r\ntwo\r\n.\r\n");
    assert_heard(BENCH_SERVER, "Subject: x\r\n\r\none\n");
    assert_true(bench.server->closed);
    end();
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_and_what_follows_are_one_write),
        TEST(test_a_message_and_its_end_are_one_write),
        TEST(test_what_comes_before_a_look_alike),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
