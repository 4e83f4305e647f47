/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/log.h"
#include "session_parts.h"
#include "session_test.h"
#include <string.h>

enum { SMTP, IMAP, IMAPS, BALANCED };
enum { MANY = 100 };

static const char configuration[] =
    "[listener smtp]\nbind = 127.0.0.1:11\nprotocol = smtp\nbackend = mta\n"
    "[listener imap]\nbind = 127.0.0.1:12\nprotocol = imap\ntls = none\nbackend = mailboxes\n"
    "[listener imaps]\nbind = 127.0.0.1:13\nprotocol = imap\ntls = implicit\nbackend = mailboxes\n"
    "[listener balanced]\nbind = 127.0.0.1:14\nprotocol = smtp\nbackend = mta\n"
    "accept_proxy_from = 192.0.2.0/24\n"
    "[backend mta]\nserver = 10.0.0.5:25\n"
    "[backend mailboxes]\nserver = 10.0.0.5:143\n"
    "[timeouts]\nline = 1s\nhandshake = 7s\nstalled = 3m\n";

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

static struct log_line line;

/* " key=value" stands in what its line says now. */
static void assert_says(const char *field)
{
    log_setup(LOG_FORMAT_TEXT, LOG_INFO);
    session_describe_state(bench.session, &line);
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    line.text[line.n] = '\0';
    if (!strstr(line.text, field))
        fail_msg("%s is not in: %s", field, line.text);
}

static void begin(size_t listener, const char *greeting)
{
    session_bench_begin(&bench, listener);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, greeting);
}

static void test_a_session_that_dials(void **state)
{
    (void)state;
    bench.has_no_answer = true;
    session_bench_begin(&bench, SMTP);
    assert_true(session_bench_run(&bench));
    assert_says(" phase=dial ");
    assert_says(" way=connecting ");
    assert_says(" server=10.0.0.5:25 ");
    assert_says(" server_watch=write ");
    assert_says(" deadline=connect ");
    bench.has_no_answer = false;
    assert_true(session_bench_run(&bench));
    assert_says(" way=opening ");
    assert_says(" server_watch=read ");
    end();
}

static void test_the_first_of_its_deadlines(void **state)
{
    (void)state;
    begin(SMTP, "220 x\r\n");
    assert_says(" phase=dialog ");
    assert_says(" deadline=first-command ");
    say(BENCH_CLIENT, "EHL");
    assert_says(" from_client=3 ");
    assert_says(" deadline=line deadline_ms=1000 ");
    assert_true(session_bench_pass(&bench, 400));
    assert_says(" phase_ms=400 ");
    assert_says(" deadline=line deadline_ms=600 ");
    end();
}

static void test_what_waits_for_a_peer_that_does_not_read(void **state)
{
    static const char much[4000];

    (void)state;
    begin(IMAP, "* OK x\r\n");
    say(BENCH_CLIENT, "a LOGIN alice secret\r\n");
    say(BENCH_SERVER, "a OK in\r\n");
    assert_says(" phase=relay ");
    assert_says(" user=alice ");
    assert_says(" deadline=idle ");
    bench.is_deaf[BENCH_CLIENT] = true;
    bench.client.window = 1000;
    session_bench_say(&bench, BENCH_SERVER, slice_of(much, sizeof(much)));
    assert_true(session_bench_run(&bench));
    assert_says(" to_client=3000 ");
    assert_says(" client_watch=read+write ");
    assert_says(" server_watch=nothing ");
    assert_says(" deadline=stalled ");
    end();
}

/*
 * A relay holds nothing of its dialog and of the way to its server, and the log still has the login
 * and the server. The bound is what leaves an idle session with TLS of our own below 4,096 octets.
 */
static void test_a_relay_holds_no_prelude(void **state)
{
    (void)state;
    begin(IMAP, "* OK x\r\n");
    assert_non_null(bench.session->prelude);
    say(BENCH_CLIENT, "a LOGIN alice secret\r\n");
    say(BENCH_SERVER, "a OK in\r\n");
    assert_says(" phase=relay ");
    assert_null(bench.session->prelude);
    assert_null(bench.session->dialog);
    assert_true(sizeof(*bench.session) <= 2048);
    assert_says(" user=alice ");
    assert_says(" server=10.0.0.5:143 ");
    assert_says(" tries=1 ");
    end();
}

static void test_a_goodbye_that_is_not_answered(void **state)
{
    (void)state;
    begin(IMAP, "* OK x\r\n");
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_says(" phase=goodbye ");
    assert_says(" goodbye=asked ");
    assert_says(" reason=client-closed ");
    wait_out_the_goodbye();
    end();
}

static void test_tls_that_does_not_begin(void **state)
{
    (void)state;
    session_bench_begin(&bench, IMAPS);
    assert_says(" phase=handshake ");
    assert_says(" tls=none ");
    assert_says(" deadline=handshake deadline_ms=7000 ");
    assert_null(strstr(line.text, " server"));
    end();
}

/* A row of looks, while the session comes and goes. */
static void test_looks_do_no_harm(void **state)
{
    (void)state;
    sessions_log_state(&bench.sessions);
    begin(IMAP, "* OK x\r\n");
    for (int i = 0; i < 3; i++)
        sessions_log_state(&bench.sessions);
    assert_true(session_bench_run(&bench));
    assert_null(bench.sessions.logged);
    end();
    sessions_log_state(&bench.sessions);
    assert_null(bench.sessions.logged);
}

static struct session *begin_another(struct memory_wire *wire)
{
    struct address client;
    struct address local = {0};

    assert_true(address_parse_ip(SLICE("192.0.2.1"), 40000, &client));
    memory_wire_init(wire);
    return session_start(&bench.sessions, snapshot_service(bench.snapshot, BALANCED), &wire->wire,
        &client, &local, bench.snapshot);
}

/* Others have their turn, and may end in it, wherever the look has come to. */
static void test_many_are_told_in_portions(void **state)
{
    static struct memory_wire wires[MANY];
    struct session *sessions[MANY];

    (void)state;
    session_bench_begin(&bench, BALANCED);
    for (int i = 0; i < MANY; i++)
        sessions[i] = begin_another(&wires[i]);
    sessions_log_state(&bench.sessions);
    assert_non_null(bench.sessions.logged);
    assert_ptr_not_equal(bench.sessions.logged, &bench.sessions.live);
    for (int i = MANY / 2; i >= 0; i--)
        session_cut(sessions[i], REASON_SHUTDOWN);
    engine_end_turn(&bench.engine); /* their memory is gone */
    assert_true(session_bench_run(&bench));
    assert_null(bench.sessions.logged);
    sessions_log_state(&bench.sessions);
    sessions_cut(&bench.sessions);
    assert_true(session_bench_run(&bench));
    end();
    for (int i = 0; i < MANY; i++)
        memory_wire_deinit(&wires[i]);
}

#define FRESH(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_a_session_that_dials),
        FRESH(test_the_first_of_its_deadlines),
        FRESH(test_what_waits_for_a_peer_that_does_not_read),
        FRESH(test_a_relay_holds_no_prelude),
        FRESH(test_a_goodbye_that_is_not_answered),
        FRESH(test_tls_that_does_not_begin),
        FRESH(test_looks_do_no_harm),
        FRESH(test_many_are_told_in_portions),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
