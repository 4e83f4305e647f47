/* One probe over a wire in memory, with the test as the server. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/protocols.h"
#include "memory_wire.h"
#include "probe.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 5000 };

static uv_loop_t loop;
static struct engine engine; /* large */
static struct memory_wire server;
static struct probe probe;
static struct probe_plan plan;
static int connect_errno;
static int refusal_errno;
static size_t pace; /* octets of one receive; 0: no bound */
static unsigned ends;

static struct wire *hook_connect(
    struct engine *dialling, const struct address *to, unsigned keepalive_s, int *failure)
{
    (void)dialling;
    (void)to;
    (void)keepalive_s;
    *failure = connect_errno;
    if (connect_errno != 0)
        return NULL;
    memory_wire_init_connecting(&server, refusal_errno);
    server.receives = (struct memory_script){.sizes = &pace, .count = pace > 0 ? 1 : 0};
    return &server.wire;
}

static const struct engine_hooks hooks = {.connect = hook_connect};

static int set_up(void **state)
{
    connect_errno = refusal_errno = 0;
    pace = 0;
    ends = 0;
    plan = (struct probe_plan){.opening = {.protocol = &protocol_smtp,
                                   .goal = OPENING_GREETING,
                                   .hostname = SLICE("me.example"),
                                   .reply = 65536,
                                   .reply_lines = 128},
        .timeout_ms = PATIENCE_MS};
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, NULL);
    return 0;
}

/* Everything is given back. */
static int tear_down(void **state)
{
    assert_int_equal(engine.lines.taken, 0);
    assert_int_equal(engine.replies.taken, 0);
    assert_int_equal(engine.deadlines.count, 0);
    assert_int_equal(engine.cork.n, 0);
    if (connect_errno == 0) {
        assert_true(server.closed);
        memory_wire_deinit(&server);
    }
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void on_done(void *owner, struct probe *over)
{
    assert_ptr_equal(owner, &ends);
    assert_ptr_equal(over, &probe);
    ends++;
}

static void start(void)
{
    struct address to = {0};

    probe_start(&probe, &engine, &plan, &to, on_done, &ends);
    assert_int_equal(ends, 0);
}

static void run(void)
{
    for (int i = 0; i < 10000 && !server.closed && memory_wire_poll(&server) != 0; i++)
        continue;
}

/* The server's words; what was said to it until then must be this. */
static void hear(const char *expected)
{
    struct slice said;

    run();
    said = memory_wire_sent(&server);
    assert_int_equal(said.n, strlen(expected));
    assert_memory_equal(said.p, expected, said.n);
    memory_wire_drop(&server, said.n);
}

static void say(const char *text)
{
    memory_wire_feed(&server, slice_from(text));
    run();
}

static void finish(void)
{
    memory_wire_feed_end(&server);
    run();
}

/* So much time passes, and the deadline comes: behind one look at the sockets. */
static void pass_time(uint64_t ms)
{
    uv_timer_t *timer = &engine.deadlines.timer;

    loop.time += ms; /* a private field */
    while (uv_is_active((uv_handle_t *)timer) && uv_timer_get_due_in(timer) == 0) {
        uv_timer_cb callback = timer->timer_cb;

        (void)uv_timer_stop(timer);
        callback(timer);
        if (engine.deadlines.has_looked)
            loop.time++;
    }
}

static void assert_over(enum opening_failure failure, const char *why)
{
    assert_int_equal(ends, 1);
    assert_int_equal(probe.result.failure, failure);
    assert_string_equal(probe.result.why, why);
}

static void assert_slice(struct slice found, const char *expected)
{
    assert_int_equal(found.n, strlen(expected));
    assert_memory_equal(found.p, expected, found.n);
}

static void test_waits_for_the_greeting_and_takes_leave(void **state)
{
    for (pace = 0; pace < 3; pace++) {
        ends = 0;
        start();
        hear("");
        say("220-hello\r\n220 there\r\n");
        hear("QUIT\r\n");
        assert_int_equal(ends, 0);
        say("221 bye\r\n");
        assert_true(server.finished);
        assert_int_equal(ends, 0);
        finish();
        assert_over(OPENING_FINE, "");
        assert_slice(probe.result.greeting, "220-hello");
        assert_false(probe.result.knows_offers);
        assert_false(server.closed_with_reset);
        if (pace < 2)
            memory_wire_deinit(&server);
    }
}

static void test_asks_for_capabilities(void **state)
{
    plan.opening.protocol = &protocol_imap;
    plan.opening.goal = OPENING_CAPABILITIES;
    pace = 1;
    start();
    say("* OK hi\r\n");
    hear("m1 CAPABILITY\r\n");
    say("* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-1-PLUS\r\nm1 OK\r\n");
    hear("m2 LOGOUT\r\n");
    say("* BYE\r\nm2 OK\r\n");
    finish();
    assert_over(OPENING_FINE, "");
    assert_true(probe.result.knows_offers);
    assert_int_equal(probe.result.offers, OPENING_OFFERS_PLUS | OPENING_OFFERS_MECHANISM);
    assert_slice(probe.result.words, "IMAP4rev1\nAUTH=SCRAM-SHA-1-PLUS\n");
}

static void test_wants_starttls_to_be_offered(void **state)
{
    plan.opening.protocol = &protocol_pop3;
    plan.opening.goal = OPENING_CAPABILITIES;
    plan.opening.starttls = true;
    start();
    say("+OK\r\n");
    hear("CAPA\r\n");
    say("+OK\r\nUSER\r\n.\r\n");
    hear("QUIT\r\n");
    say("+OK\r\n");
    finish();
    assert_over(OPENING_NO_STARTTLS, "does not offer STARTTLS");
    assert_true(probe.result.knows_offers);
}

static void test_a_header_comes_first_and_names_nobody(void **state)
{
    plan.header = 1;
    start();
    hear("PROXY UNKNOWN\r\n");
    say("220 hi\r\n");
    hear("QUIT\r\n");
    say("221 bye\r\n");
    finish();
    assert_over(OPENING_FINE, "");
}

static void test_a_header_may_name_somebody(void **state)
{
    struct opening_client client = {.tls = true};

    (void)address_parse_ip(SLICE("192.0.2.1"), 40000, &client.source);
    (void)address_parse_ip(SLICE("192.0.2.2"), 25, &client.destination);
    plan.header = 1;
    plan.client = &client;
    start();
    hear("PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n");
    say("220 hi\r\n");
    hear("QUIT\r\n");
    finish();
    assert_over(OPENING_FINE, "");
}

static void test_connecting_may_be_all(void **state)
{
    plan.opening.goal = OPENING_CONNECT;
    start();
    hear("");
    assert_over(OPENING_FINE, "");
}

/* A server that is connected and takes nothing does not pass. */
static void test_a_header_that_is_lost_fails_it(void **state)
{
    plan.opening.goal = OPENING_CONNECT;
    plan.header = 1;
    start();
    memory_wire_fail(&server, ECONNRESET);
    run();
    assert_int_equal(ends, 1);
    assert_int_equal(probe.result.failure, OPENING_HEADER_LOST);
}

static void test_asks_whether_it_relays(void **state)
{
    plan.opening.goal = OPENING_CAPABILITIES;
    plan.recipient = "a@b.example";
    pace = 1;
    start();
    say("220 hi\r\n");
    hear("EHLO me.example\r\n");
    say("250-old\r\n250 XCLIENT ADDR\r\n");
    hear("EHLO me.example\r\n");
    say("250 old\r\n");
    hear("MAIL FROM:<>\r\n");
    say("250 ok\r\n");
    hear("RCPT TO:<a@b.example>\r\n");
    say("554 5.7.1 denied\r\n");
    hear("RSET\r\n");
    say("250 ok\r\n");
    hear("QUIT\r\n");
    say("221 bye\r\n");
    finish();
    assert_over(OPENING_FINE, "");
    assert_int_equal(probe.result.relay.judgement, RELAY_REFUSED);
    assert_int_equal(probe.result.offers, OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR);
    assert_slice(probe.result.words, "XCLIENT ADDR\n");
}

static void test_a_connection_that_fails(void **state)
{
    connect_errno = ENETUNREACH;
    start();
    pass_time(0);
    assert_over(OPENING_NOT_CONNECTED, strerror(ENETUNREACH));
    ends = 0;
    connect_errno = EMFILE;
    start();
    pass_time(0);
    assert_over(OPENING_NO_MEANS, strerror(EMFILE));
}

static void test_a_connection_that_fails_later(void **state)
{
    refusal_errno = ECONNREFUSED;
    start();
    run();
    assert_over(OPENING_NOT_CONNECTED, strerror(ECONNREFUSED));
}

static void test_silence(void **state)
{
    static const struct {
        const char *said;
        enum opening_failure failure;
        const char *why;
    } cases[] = {{"", OPENING_GREETING_TIMEOUT, "no greeting in time"},
        {"220", OPENING_GREETING_TIMEOUT, "no greeting in time"},
        {"220 hi\r\n", OPENING_ANSWER_TIMEOUT, "no answer in time"},
        {"220 hi\r\n250-a\r\n", OPENING_ANSWER_TIMEOUT, "no answer in time"}};

    plan.opening.goal = OPENING_CAPABILITIES;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            memory_wire_deinit(&server);
        ends = 0;
        start();
        run();
        say(cases[i].said);
        pass_time(PATIENCE_MS - 1);
        assert_int_equal(ends, 0);
        pass_time(1);
        assert_over(cases[i].failure, cases[i].why);
    }
}

static void test_nobody_who_is_silent_at_the_end_has_failed(void **state)
{
    start();
    run();
    say("220 hi\r\n");
    hear("QUIT\r\n");
    pass_time(PATIENCE_MS);
    assert_over(OPENING_FINE, "");
    memory_wire_deinit(&server);
    ends = 0;
    start();
    run();
    say("220 hi\r\n");
    say("221 bye\r\nand so on\r\n");
    assert_int_equal(ends, 0);
    pass_time(PATIENCE_MS);
    assert_over(OPENING_FINE, "");
}

static void test_an_end_that_comes_too_soon(void **state)
{
    plan.opening.goal = OPENING_CAPABILITIES;
    start();
    run();
    finish();
    assert_over(OPENING_MUTE, "closed before its greeting");
    memory_wire_deinit(&server);
    ends = 0;
    start();
    run();
    say("220 hi\r\n");
    memory_wire_fail(&server, ECONNRESET);
    run();
    assert_over(OPENING_CLOSED, "closed before a session began: Connection reset by peer");
}

static void test_what_it_should_not_say(void **state)
{
    start();
    run();
    say("* OK IMAP\r\n");
    assert_over(OPENING_WRONG_PROTOCOL, "does not speak this protocol");
    assert_slice(probe.result.first_word, "* OK IMAP");
    memory_wire_deinit(&server);
    ends = 0;
    start();
    run();
    say("554 5.7.1 go away\r\n");
    hear("QUIT\r\n");
    say("221 bye\r\n");
    finish();
    assert_over(OPENING_GREETING_REFUSED, "refused by its greeting");
    assert_slice(probe.result.greeting, "554 5.7.1 go away");
}

static void test_may_be_cut_at_any_time(void **state)
{
    static const char *const words[] = {"220 hi\r\n", "250 old\r\n", "221 bye\r\n"};

    plan.opening.goal = OPENING_CAPABILITIES;
    for (size_t said = 0; said <= 3; said++) {
        if (said > 0)
            memory_wire_deinit(&server);
        start();
        run();
        for (size_t i = 0; i < said; i++)
            say(words[i]);
        probe_stop(&probe);
        probe_stop(&probe);
        assert_int_equal(ends, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_waits_for_the_greeting_and_takes_leave),
        TEST(test_asks_for_capabilities),
        TEST(test_wants_starttls_to_be_offered),
        TEST(test_a_header_comes_first_and_names_nobody),
        TEST(test_a_header_may_name_somebody),
        TEST(test_connecting_may_be_all),
        TEST(test_a_header_that_is_lost_fails_it),
        TEST(test_asks_whether_it_relays),
        TEST(test_a_connection_that_fails),
        TEST(test_a_connection_that_fails_later),
        TEST(test_silence),
        TEST(test_nobody_who_is_silent_at_the_end_has_failed),
        TEST(test_an_end_that_comes_too_soon),
        TEST(test_what_it_should_not_say),
        TEST(test_may_be_cut_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
