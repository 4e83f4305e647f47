/* A visit over wires in memory: which tries it makes, one after the other, and what each is like.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_wire.h"
#include "tls_client.h"
#include "tool_test.h"
#include <errno.h>

static uv_loop_t loop;
static struct engine engine; /* large */
static struct memory_wire servers[VISIT_TRIES];
static size_t dials;
static int refusal_errno;
static unsigned ends;
static struct tls_client *lax;

static struct wire *hook_connect(
    struct engine *dialling, const struct address *to, unsigned keepalive_s, int *failure)
{
    assert_true(dials < VISIT_TRIES);
    memory_wire_init_connecting(&servers[dials], refusal_errno);
    return &servers[dials++].wire;
}

static const struct engine_hooks hooks = {.connect = hook_connect};

static int set_up(void **state)
{
    dials = 0;
    ends = 0;
    refusal_errno = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, NULL);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < dials; i++) {
        assert_true(servers[i].closed);
        memory_wire_deinit(&servers[i]);
    }
    assert_int_equal(engine.lines.taken + engine.replies.taken, 0);
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return clean_up(state);
}

static void on_done(void *owner)
{
    assert_ptr_equal(owner, &ends);
    assert_true(visit.is_over);
    ends++;
}

static void start(const char *protocol, const char *settings)
{
    unsigned before = ends;

    visit_of(protocol, settings);
    visit.is_over = false;
    visit_start(&visit, &engine, lax, on_done, &ends);
    assert_int_equal(ends, before);
}

static void run(size_t try)
{
    assert_true(try < dials);
    for (int i = 0; i < 1000 && !servers[try].closed && memory_wire_poll(&servers[try]) != 0; i++)
        continue;
}

/* The server says it, and hears that since it was last looked at. */
static void say(size_t try, const char *text, const char *hears)
{
    struct slice sent;

    run(try);
    memory_wire_feed(&servers[try], slice_from(text));
    run(try);
    sent = memory_wire_sent(&servers[try]);
    if (!slice_equal(sent, slice_from(hears)))
        fail_msg("%.*s is not %s", (int)sent.n, sent.p, hears);
    memory_wire_drop(&servers[try], sent.n);
}

static void hang_up(size_t try)
{
    run(try);
    memory_wire_feed_end(&servers[try]);
    run(try);
}

static void finish_imap(size_t try)
{
    say(try, "* OK hi\r\n", "m1 CAPABILITY\r\n");
    say(try, "* CAPABILITY IMAP4rev1\r\nm1 OK\r\n", "m2 LOGOUT\r\n");
    say(try, "* BYE\r\nm2 OK\r\n", "");
    hang_up(try);
}

static void finish_smtp(size_t try)
{
    say(try, "220 mx\r\n", "EHLO mx.example\r\n");
    say(try, "250 mx\r\n", "QUIT\r\n");
    say(try, "221 bye\r\n", "");
    hang_up(try);
}

/* ---- What is tried ---- */

static void test_a_server_as_configured_is_visited_once(void **state)
{
    start("imap", "");
    finish_imap(0);
    assert_int_equal(ends, 1);
    assert_int_equal(dials, 1);
    assert_true(visit_explains(&visit, VISIT_AS_CONFIGURED));
    assert_null(visit_result(&visit, VISIT_OTHER_HEADER));
    assert_null(visit_result(&visit, VISIT_STRANGER));
}

/* One that takes mail is asked by a stranger, too. */
static void test_a_stranger_asks_for_a_relay(void **state)
{
    start("smtp", "");
    finish_smtp(0);
    assert_int_equal(ends, 0);
    say(1, "220 mx\r\n", "EHLO mx.example\r\n");
    say(1, "250 mx\r\n", "MAIL FROM:<>\r\n");
    say(1, "250 ok\r\n", "RCPT TO:<probe@relay-probe.example>\r\n");
    say(1, "554 5.7.1 Relay access denied\r\n", "RSET\r\n");
    say(1, "250 ok\r\n", "QUIT\r\n");
    say(1, "221 bye\r\n", "");
    hang_up(1);
    assert_int_equal(ends, 1);
    assert_int_equal(visit_result(&visit, VISIT_STRANGER)->relay.judgement, RELAY_REFUSED);
}

/* Without XCLIENT there is no way to say who the stranger is. */
static void test_no_stranger_where_it_cannot_be_told(void **state)
{
    start("smtp", "send_client_address = xclient\n");
    finish_smtp(0);
    assert_int_equal(ends, 1);
    assert_int_equal(dials, 1);
}

static void test_no_word_may_be_for_want_of_a_header(void **state)
{
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n";
    struct slice sent;

    start("imap", "");
    hang_up(0);
    run(1);
    sent = memory_wire_sent(&servers[1]);
    assert_true(slice_starts(sent, slice_of(header, sizeof(header) - 1)));
    memory_wire_drop(&servers[1], sent.n);
    finish_imap(1);
    assert_int_equal(ends, 1);
    assert_true(visit_explains(&visit, VISIT_OTHER_HEADER));
    assert_false(visit_explains(&visit, VISIT_AS_CONFIGURED));
    assert_null(visit_result(&visit, VISIT_OTHER_TLS));
}

static void test_or_for_the_header_that_is_sent(void **state)
{
    struct slice sent;

    start("imap", "send_client_address = proxy-v1\n");
    assert_true(visit_sends_header(&visit));
    run(0);
    sent = memory_wire_sent(&servers[0]);
    assert_true(slice_starts(sent, SLICE("PROXY UNKNOWN\r\n")));
    memory_wire_drop(&servers[0], sent.n);
    hang_up(0);
    finish_imap(1);
    assert_true(visit_explains(&visit, VISIT_OTHER_HEADER));
}

/* Then TLS from the first byte is tried; and then all has been. */
static void test_no_word_may_be_for_want_of_tls(void **state)
{
    start("imap", "");
    hang_up(0);
    hang_up(1);
    assert_int_equal(dials, 3);
    assert_int_equal(ends, 0);
    hang_up(2);
    assert_int_equal(ends, 1);
    assert_non_null(visit_result(&visit, VISIT_OTHER_TLS));
    for (int i = 0; i < VISIT_TRIES; i++)
        assert_false(visit_explains(&visit, (enum visit_try)i));
}

/* What is clear already is not tried otherwise. */
static void test_answers_that_leave_no_question(void **state)
{
    start("imap", "");
    say(0, "220 mx ESMTP\r\n", ""); /* another protocol */
    assert_int_equal(ends, 1);
    assert_int_equal(dials, 1);
    assert_int_equal(visit_result(&visit, VISIT_AS_CONFIGURED)->failure, OPENING_WRONG_PROTOCOL);
    start("imap", "");
    say(1, "* BYE away\r\n", "m1 LOGOUT\r\n");
    hang_up(1);
    assert_int_equal(ends, 2);
    assert_int_equal(dials, 2);
    refusal_errno = ECONNREFUSED;
    start("imap", "");
    run(2);
    assert_int_equal(ends, 3);
    assert_int_equal(dials, 3);
}

/* ---- By whom the stranger's mail is ---- */

static void assert_sender(const char *settings, const char *hostname, const char *sender)
{
    size_t try = dials;

    visit_of("smtp", settings);
    ((struct config *)snapshot_config(snapshot))->proxy.hostname = hostname; /* it is ours */
    visit.is_over = false;
    visit_start(&visit, &engine, lax, on_done, &ends);
    assert_string_equal(visit.sender, sender);
    say(try, "* no SMTP\r\n", "");
}

static void test_the_sender_is_of_a_domain_that_the_server_should_know(void **state)
{
    static const char own[] = "[listener c]\nbind = @:1002\nprotocol = smtp\ntls = none\n"
                              "relay_domains = *.own.example\nbackend = b\n";

    assert_sender("", "mail.example.org", "postmaster@example.org");
    assert_sender("", "example.org", "postmaster@example.org");
    assert_sender("", "[192.0.2.1]", "postmaster@[192.0.2.1]");
    assert_sender(own, "mail.example.org", "postmaster@own.example");
}

static int make_lax(void **state)
{
    const struct tls_client_parameters parameters = {
        .rules = {.policy = TLS_INTERMEDIATE}, .no_verify = true};
    struct tls_fault fault;

    lax = tls_client_new(&parameters, &fault);
    return lax ? 0 : -1;
}

static int free_lax(void **state)
{
    tls_client_unref(&lax);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_server_as_configured_is_visited_once),
        TEST(test_a_stranger_asks_for_a_relay),
        TEST(test_no_stranger_where_it_cannot_be_told),
        TEST(test_no_word_may_be_for_want_of_a_header),
        TEST(test_or_for_the_header_that_is_sent),
        TEST(test_no_word_may_be_for_want_of_tls),
        TEST(test_answers_that_leave_no_question),
        TEST(test_the_sender_is_of_a_domain_that_the_server_should_know),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    (void)setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's store is large */
    return cmocka_run_group_tests(tests, make_lax, free_lax);
}
