/* The client's first bytes decide: TLS or not, and where the session goes. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proves.h"
#include "session_test.h"
#include <errno.h>
#include <string.h>

enum { AUTO, PLAIN, IMAPS, FRONT, SECURE, EARLY, BALANCED, CLOSED, DROPS, ALL, NEAR };
enum { SNIFF_MS = 300, HANDSHAKE_MS = 30000, LINE_MS = 60000, PASS_IDLE_MS = 3600000 };

static const char configuration[] =
    "[listener auto]\nbind = 127.0.0.1:11\nprotocol = smtp\ntls = auto\nbackend = mta\n"
    "[listener plain]\nbind = 127.0.0.1:12\nprotocol = smtp\nbackend = mta\n"
    "[listener imaps]\nprotocol = imap\ntls = implicit\nbackend = mailboxes\n"
    "[listener front]\nbind = 127.0.0.1:13\nprotocol = auto\n"
    "route = alpn imap -> imaps\n"
    "route = alpn bad -> refuse\n"
    "route = first smtp -> plain\nroute = first pop3 -> drops\n"
    "route = first ssh -> pass 10.0.0.8:22 send_client_address=proxy-v1\n"
    "route = default -> pass 10.0.0.9:8443\n"
    "[listener secure]\nbind = 127.0.0.1:14\nprotocol = auto\n"
    "route = tls -> imaps\nroute = default -> refuse\n"
    "[listener early]\nbind = 127.0.0.1:15\nprotocol = smtp\ntls = auto\nbackend = mta\n"
    "early_talker = refuse\n"
    "[listener balanced]\nbind = 127.0.0.1:16\nprotocol = smtp\ntls = auto\nbackend = mta\n"
    "accept_proxy_from = 192.0.2.0/24\n"
    "[listener closed]\nbind = 127.0.0.1:17\nprotocol = auto\nroute = tls -> imaps\n"
    "[listener drops]\nprotocol = pop3\nbackend = drops\nearly_talker = refuse\n"
    "[listener all]\nbind = 127.0.0.1:18\nprotocol = auto\nroute = default -> auto\n"
    "[listener near]\nbind = 127.0.0.1:19\nprotocol = auto\n"
    "route = from 192.0.2.0/24 -> auto\nroute = default -> refuse\n"
    "[backend drops]\nserver = 10.0.0.5:110\n"
    "[backend mta]\nserver = 10.0.0.5:25\n"
    "[backend mailboxes]\nserver = 10.0.0.5:143\n";

static const enum bench_pace paces[] = {PACE_WHOLE, PACE_BYTES, PACE_STUTTER};
enum { PACES = sizeof(paces) / sizeof(*paces) };

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

static void begin(size_t listener)
{
    session_bench_begin(&bench, listener);
    assert_true(session_bench_run(&bench));
}

static void offer(const char *protocol)
{
    unsigned char list[32];

    list[0] = (unsigned char)strlen(protocol);
    memcpy(list + 1, protocol, list[0]);
    assert_int_equal(SSL_set_alpn_protos(bench.tls.ssl, list, list[0] + 1u), 0);
}

/* A client that speaks TLS from its first byte, and offers this protocol (or NULL). */
static void begin_tls(size_t listener, const char *protocol)
{
    session_bench_begin(&bench, listener);
    session_bench_start_tls(&bench);
    if (protocol)
        offer(protocol);
    assert_true(session_bench_run(&bench));
}

static void feed(const char *text)
{
    memory_wire_feed(&bench.client, slice_from(text));
    assert_true(session_bench_run(&bench));
}

static void assert_ended(enum reason reason)
{
    assert_null(bench.session);
    assert_string_equal(reason_text(bench.reason), reason_text(reason));
    assert_heard(BENCH_CLIENT, "");
}

/* ---- tls = auto ---- */

static void test_without_auto_nothing_waits(void **state)
{
    (void)state;
    proves("C148");
    begin(PLAIN);
    assert_int_equal(bench.dials, 1);
    say(BENCH_SERVER, "220 mx\r\n");
    assert_heard(BENCH_CLIENT, "220 mx\r\n");
    end();
}

/* The greeting waits for nothing but the time, and meanwhile nothing is held. */
static void test_silence_is_for_the_greeting(void **state)
{
    (void)state;
    begin(AUTO);
    assert_int_equal(bench.session->phase, SESSION_SNIFF);
    assert_int_equal(session_bench_held(&bench), 0);
    assert_true(session_bench_pass(&bench, SNIFF_MS - 1));
    assert_int_equal(bench.dials, 0);
    assert_true(session_bench_pass(&bench, 1));
    assert_int_equal(bench.dials, 1);
    say(BENCH_SERVER, "220 mx\r\n");
    assert_heard(BENCH_CLIENT, "220 mx\r\n");
    say(BENCH_CLIENT, "NOOP\r\n");
    assert_heard(BENCH_SERVER, "NOOP\r\n");
    end();
}

static void test_words_in_clear_wait_for_the_greeting(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin(AUTO);
        say(BENCH_CLIENT, "NOOP\r\n");
        assert_int_equal(bench.dials, 1);
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_CLIENT, "220 mx\r\n");
        assert_heard(BENCH_SERVER, "NOOP\r\n");
        assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, 6);
        end();
    }
}

static void test_tls_begins_with_its_first_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin_tls(AUTO, NULL);
        assert_true(bench.tls.is_up);
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_CLIENT, "220 mx\r\n");
        say(BENCH_CLIENT, "EHLO c.example\r\n");
        say(BENCH_SERVER, "250-old.example\r\n250-STARTTLS\r\n250 SIZE 1\r\n");
        assert_heard(BENCH_CLIENT, "250-old.example\r\n250 SIZE 1\r\n");
        end();
    }
}

static void test_starttls_is_offered_too(void **state)
{
    (void)state;
    begin(AUTO);
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    say(BENCH_SERVER, "220 mx\r\n");
    say(BENCH_SERVER, "250-old.example\r\n250 SIZE 1\r\n");
    assert_heard(BENCH_CLIENT, "220 mx\r\n250-old.example\r\n250-STARTTLS\r\n250 SIZE 1\r\n");
    say(BENCH_CLIENT, "STARTTLS\r\n");
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    assert_true(bench.tls.is_up);
    end();
}

/* The client that speaks before the greeting is turned away; one that begins TLS is not. */
static void test_early_talkers_are_turned_away_where_the_listener_says_so(void **state)
{
    (void)state;
    begin(EARLY);
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    assert_heard(BENCH_CLIENT, "554 5.5.1 proxy.example Wait for the greeting\r\n");
    end();
    begin_tls(EARLY, NULL);
    assert_true(bench.tls.is_up);
    say(BENCH_SERVER, "220 mx\r\n");
    assert_heard(BENCH_CLIENT, "220 mx\r\n");
    end();
}

static void test_first_bytes_stand_behind_a_proxy_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin(BALANCED);
        feed("PROXY TCP4 203.0.113.7 203.0.113.1 50000 25\r\n");
        assert_int_equal(bench.session->phase, SESSION_SNIFF);
        say(BENCH_CLIENT, "NOOP\r\n");
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_SERVER, "NOOP\r\n");
        end();
        begin(BALANCED);
        feed("PROXY TCP4 203.0.113.7 203.0.113.1 50000 25\r\nNOOP\r\n");
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_CLIENT, "220 mx\r\n");
        assert_heard(BENCH_SERVER, "NOOP\r\n");
        assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, 6);
        end();
        begin(BALANCED);
        feed("PROXY TCP4 203.0.113.7 203.0.113.1 50000 25\r\n");
        session_bench_start_tls(&bench);
        assert_true(session_bench_run(&bench));
        assert_true(bench.tls.is_up);
        end();
    }
}

/* ---- Ends while the first bytes are waited for ---- */

static void test_a_client_that_leaves_without_a_word(void **state)
{
    (void)state;
    begin(AUTO);
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_ended(REASON_CLIENT_CLOSED);
    end();
    begin(FRONT);
    session_bench_reset(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_ended(REASON_CLIENT_RESET);
    end();
}

/* A script says all and ends its direction. It is served all the same. */
static void test_a_fin_behind_the_first_words(void **state)
{
    (void)state;
    begin(FRONT);
    memory_wire_feed(&bench.client, SLICE("SS"));
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_heard(BENCH_SERVER, "SS");
    say(BENCH_SERVER, "what?");
    assert_heard(BENCH_CLIENT, "what?");
    end();
}

static void test_a_part_of_a_hello_has_the_time_of_a_handshake(void **state)
{
    (void)state;
    begin(FRONT);
    feed("\x16\x03\x01");
    assert_true(session_bench_pass(&bench, HANDSHAKE_MS - 1));
    feed("\x02");
    assert_non_null(bench.session);
    assert_true(session_bench_pass(&bench, 1));
    assert_ended(REASON_TIMEOUT_HANDSHAKE);
    end();
}

/* Then the words that have come decide. */
static void test_a_part_of_a_word_has_the_time_of_a_line(void **state)
{
    (void)state;
    begin(FRONT);
    feed("SS");
    assert_true(session_bench_pass(&bench, LINE_MS - 1));
    assert_int_equal(bench.dials, 0);
    assert_true(session_bench_pass(&bench, 1));
    assert_heard(BENCH_SERVER, "SS");
    end();
}

/* What has come of its first words is no command, so that nothing is lost with it. */
static void test_the_end_of_the_process(void **state)
{
    static const char *const parts[] = {"\x16\x03\x01", "EHL", "S"};

    (void)state;
    begin(AUTO);
    sessions_drain(&bench.sessions);
    assert_true(session_bench_run(&bench));
    assert_ended(REASON_SHUTDOWN);
    bench.sessions.is_draining = false;
    end();
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        begin(FRONT);
        feed(parts[i]);
        assert_int_equal(bench.session->phase, SESSION_SNIFF);
        sessions_drain(&bench.sessions);
        assert_true(session_bench_run(&bench));
        assert_ended(REASON_SHUTDOWN);
        bench.sessions.is_draining = false;
        end();
    }
}

/* Nothing has been answered to a part of a ClientHello. Behind a whole one the client hears a word.
 */
static void test_the_end_of_the_process_in_a_handshake(void **state)
{
    (void)state;
    begin(AUTO);
    feed("\x16\x03\x01");
    assert_int_equal(bench.session->phase, SESSION_HANDSHAKE);
    sessions_drain(&bench.sessions);
    assert_true(session_bench_run(&bench));
    assert_ended(REASON_SHUTDOWN);
    bench.sessions.is_draining = false;
    end();
}

static void test_something_like_tls_fails_as_tls(void **state)
{
    (void)state;
    begin(AUTO);
    feed("\x16no TLS at all");
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_HANDSHAKE_FAILED);
    end();
}

/* ---- Routes ---- */

static void test_alpn_leads_to_a_listener(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin_tls(FRONT, "imap");
        assert_true(bench.tls.is_up);
        assert_string_equal(bench.session->service->listener->name, "imaps");
        assert_string_equal(bench.session->door->listener->name, "front");
        assert_string_equal(bench.session->target->text, "alpn imap -> imaps");
        say(BENCH_SERVER, "* OK ready\r\n");
        assert_heard(BENCH_CLIENT, "* OK ready\r\n");
        end();
    }
}

static void test_words_lead_to_a_listener(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin(FRONT);
        say(BENCH_CLIENT, "EHLO c.example\r\n");
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_CLIENT, "220 mx\r\n");
        assert_heard(BENCH_SERVER, "EHLO c.example\r\n");
        end();
    }
}

/* The route is known without an octet, but not what its target does first. */
static void test_a_route_by_no_octet_to_a_listener_for_either_kind(void **state)
{
    static const size_t listeners[] = {ALL, NEAR};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin_tls(listeners[i], NULL);
        assert_true(bench.tls.is_up);
        end();
        begin(listeners[i]);
        assert_int_equal(bench.dials, 0);
        say(BENCH_CLIENT, "NOOP\r\n");
        assert_int_equal(bench.dials, 1);
        end();
        begin(listeners[i]);
        assert_true(session_bench_pass(&bench, SNIFF_MS - 1));
        assert_int_equal(bench.dials, 0);
        assert_true(session_bench_pass(&bench, 1));
        assert_int_equal(bench.dials, 1);
        say(BENCH_SERVER, "220 mx\r\n");
        assert_heard(BENCH_CLIENT, "220 mx\r\n");
        end();
    }
}

/* It had to speak for its route to be known. */
static void test_a_client_that_was_routed_is_no_early_talker(void **state)
{
    (void)state;
    begin(FRONT);
    say(BENCH_CLIENT, "CAPA\r\n");
    assert_string_equal(bench.session->service->listener->name, "drops");
    say(BENCH_CLIENT, "QUIT\r\n");
    say(BENCH_SERVER, "+OK ready\r\n");
    assert_heard(BENCH_CLIENT, "+OK ready\r\n");
    assert_heard(BENCH_SERVER, "CAPA\r\n");
    end();
}

static void test_a_route_refuses(void **state)
{
    (void)state;
    begin_tls(FRONT, "bad");
    assert_ended(REASON_ROUTE_REFUSED);
    assert_int_equal(bench.dials, 0);
    end();
    begin(CLOSED);
    feed("EHLO x\r\n");
    assert_ended(REASON_NO_ROUTE);
    end();
}

/* A segment that is lost on its way comes a second later; its route is that of its bytes. */
static void test_silence_chooses_no_route_that_waits_for_tls(void **state)
{
    (void)state;
    begin(SECURE);
    assert_true(session_bench_pass(&bench, 10 * SNIFF_MS));
    assert_int_equal(bench.session->phase, SESSION_SNIFF);
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    assert_true(bench.tls.is_up);
    end();
    begin(SECURE);
    assert_true(session_bench_pass(&bench, SNIFF_MS));
    assert_true(session_bench_pass(&bench, HANDSHAKE_MS));
    assert_ended(REASON_TIMEOUT_HANDSHAKE);
    end();
}

/* ---- Passed connections ---- */

static void test_a_connection_is_passed_from_its_first_byte(void **state)
{
    (void)state;
    proves("C147");
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        begin(FRONT);
        say(BENCH_CLIENT, "SSH-2.0-x\r\n");
        assert_heard(BENCH_SERVER, "PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\nSSH-2.0-x\r\n");
        assert_int_equal(bench.session->phase, SESSION_RELAY);
        assert_int_equal(session_bench_held(&bench), 0);
        say(BENCH_SERVER, "SSH-2.0-y\r\n");
        assert_heard(BENCH_CLIENT, "SSH-2.0-y\r\n");
        say(BENCH_CLIENT, "a\0b");
        session_bench_finish(&bench, BENCH_CLIENT);
        assert_true(session_bench_run(&bench));
        assert_true(bench.server->finished);
        say(BENCH_SERVER, "late");
        assert_heard(BENCH_CLIENT, "late");
        session_bench_finish(&bench, BENCH_SERVER);
        assert_true(session_bench_run(&bench));
        assert_true(session_bench_pass(&bench, 1));
        end();
    }
}

/* The server may speak first. */
static void test_silence_is_passed_on(void **state)
{
    (void)state;
    begin(FRONT);
    assert_true(session_bench_pass(&bench, SNIFF_MS));
    assert_int_equal(bench.dials, 1);
    say(BENCH_SERVER, "hello");
    assert_heard(BENCH_CLIENT, "hello");
    say(BENCH_CLIENT, "you");
    assert_heard(BENCH_SERVER, "you");
    assert_int_equal(bench.dials, 1);
    end();
}

static uint64_t begun(const char *label)
{
    uint64_t sum[TALLY_KINDS] = {0};

    tallies_sum(&bench.sessions.tallies, label, sum);
    return sum[TALLY_BEGUN];
}

/* Its first segment was lost, and came a second later. The server has said nothing, and is left. */
static void assert_thinks_again(bool is_connected)
{
    struct memory_wire *left;
    const char *guess;
    uint64_t before;

    bench.has_no_answer = !is_connected;
    begin(FRONT);
    assert_true(session_bench_pass(&bench, SNIFF_MS));
    assert_int_equal(bench.session->phase, is_connected ? SESSION_RELAY : SESSION_DIAL);
    left = bench.server;
    guess = bench.session->target->label;
    before = begun(guess);
    bench.has_no_answer = false;
    session_bench_start_tls(&bench);
    offer("imap");
    assert_true(session_bench_run(&bench));
    assert_true(bench.tls.is_up);
    assert_true(left->closed);
    assert_int_equal(left->outbox.n, 0);
    assert_string_equal(bench.session->target->text, "alpn imap -> imaps");
    assert_int_equal(begun(guess), before - 1);
    assert_true(begun(bench.session->target->label) > 0);
    say(BENCH_SERVER, "* OK ready\r\n");
    assert_heard(BENCH_CLIENT, "* OK ready\r\n");
    end();
}

static void test_late_words_choose_the_route_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        bench.pace = paces[i];
        assert_thinks_again(true);
        assert_thinks_again(false);
    }
}

/* Here silence was right. */
static void test_where_the_server_has_spoken_the_route_stays(void **state)
{
    (void)state;
    begin(FRONT);
    assert_true(session_bench_pass(&bench, SNIFF_MS));
    say(BENCH_SERVER, "hello");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    assert_heard(BENCH_CLIENT, "hello");
    assert_heard(BENCH_SERVER, "EHLO c.example\r\n");
    assert_string_equal(bench.session->target->text, "default -> pass 10.0.0.9:8443");
    end();
}

static void test_tls_is_passed_as_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACES; i++) {
        struct slice passed;

        bench.pace = paces[i];
        begin_tls(FRONT, "h2");
        assert_int_equal(bench.session->phase, SESSION_RELAY);
        passed = session_bench_heard(&bench, BENCH_SERVER);
        assert_true(passed.n > 100);
        assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, passed.n);
        assert_false(bench.tls.is_up);
        end();
    }
}

/* No words are known for such a client, and no server gets a goodbye. */
static void test_no_server_is_there(void **state)
{
    (void)state;
    bench.connect_errno = ECONNREFUSED;
    begin(FRONT);
    feed("SSH-2.0-x\r\n");
    assert_heard(BENCH_CLIENT, "");
    assert_true(bench.client.finished);
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_NO_BACKEND);
    end();
}

static void test_a_passed_connection_may_be_idle_for_so_long(void **state)
{
    (void)state;
    begin(FRONT);
    feed("SSH-2.0-x\r\n");
    assert_true(session_bench_pass(&bench, PASS_IDLE_MS - 1));
    assert_non_null(bench.session);
    assert_true(session_bench_pass(&bench, 1));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_TIMEOUT_IDLE);
    assert_true(bench.client.closed_with_reset);
    assert_true(bench.server->closed_with_reset);
    end();
}

/* A reset reaches the other side as a reset: an end would look like the end of a message. */
static void test_a_reset_is_passed_on(void **state)
{
    (void)state;
    begin(FRONT);
    feed("SSH-2.0-x\r\n");
    session_bench_reset(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_CLIENT_RESET);
    assert_true(bench.server->closed_with_reset);
    assert_false(bench.server->finished);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_without_auto_nothing_waits, fresh),
        cmocka_unit_test_setup(test_silence_is_for_the_greeting, fresh),
        cmocka_unit_test_setup(test_words_in_clear_wait_for_the_greeting, fresh),
        cmocka_unit_test_setup(test_tls_begins_with_its_first_byte, fresh),
        cmocka_unit_test_setup(test_starttls_is_offered_too, fresh),
        cmocka_unit_test_setup(
            test_early_talkers_are_turned_away_where_the_listener_says_so, fresh),
        cmocka_unit_test_setup(test_first_bytes_stand_behind_a_proxy_header, fresh),
        cmocka_unit_test_setup(test_a_client_that_leaves_without_a_word, fresh),
        cmocka_unit_test_setup(test_a_fin_behind_the_first_words, fresh),
        cmocka_unit_test_setup(test_a_part_of_a_hello_has_the_time_of_a_handshake, fresh),
        cmocka_unit_test_setup(test_a_part_of_a_word_has_the_time_of_a_line, fresh),
        cmocka_unit_test_setup(test_the_end_of_the_process, fresh),
        cmocka_unit_test_setup(test_the_end_of_the_process_in_a_handshake, fresh),
        cmocka_unit_test_setup(test_something_like_tls_fails_as_tls, fresh),
        cmocka_unit_test_setup(test_alpn_leads_to_a_listener, fresh),
        cmocka_unit_test_setup(test_words_lead_to_a_listener, fresh),
        cmocka_unit_test_setup(test_a_route_by_no_octet_to_a_listener_for_either_kind, fresh),
        cmocka_unit_test_setup(test_a_client_that_was_routed_is_no_early_talker, fresh),
        cmocka_unit_test_setup(test_a_route_refuses, fresh),
        cmocka_unit_test_setup(test_silence_chooses_no_route_that_waits_for_tls, fresh),
        cmocka_unit_test_setup(test_a_connection_is_passed_from_its_first_byte, fresh),
        cmocka_unit_test_setup(test_silence_is_passed_on, fresh),
        cmocka_unit_test_setup(test_late_words_choose_the_route_anew, fresh),
        cmocka_unit_test_setup(test_where_the_server_has_spoken_the_route_stays, fresh),
        cmocka_unit_test_setup(test_tls_is_passed_as_it_is, fresh),
        cmocka_unit_test_setup(test_no_server_is_there, fresh),
        cmocka_unit_test_setup(test_a_passed_connection_may_be_idle_for_so_long, fresh),
        cmocka_unit_test_setup(test_a_reset_is_passed_on, fresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
