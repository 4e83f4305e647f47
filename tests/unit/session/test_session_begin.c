/* What comes before a client's first byte: the PROXY header of a load balancer. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_test.h"
#include <string.h>

enum { PLAIN, IMPLICIT, OTHER };

/* The bench's client is 192.0.2.1:40000 and has connected to 198.51.100.1:25. */
static const char configuration[] =
    "[listener plain]\nbind = 127.0.0.1:11\nprotocol = smtp\ntls = none\nbackend = mta\n"
    "accept_proxy_from = 192.0.2.0/24\n"
    "[listener implicit]\nbind = 127.0.0.1:12\nprotocol = smtp\ntls = implicit\nbackend = mta\n"
    "accept_proxy_from = 2001:db8::/32, ::ffff:192.0.2.1\n"
    "[listener other]\nbind = 127.0.0.1:13\nprotocol = smtp\ntls = none\nbackend = mta\n"
    "accept_proxy_from = 192.0.2.2, 198.51.100.0/24\n"
    "[backend mta]\nserver = 10.0.0.5:25\n";

#define HEADER SLICE("PROXY TCP4 203.0.113.7 203.0.113.1 50000 465\r\n")

static int set_up(void **state)
{
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

/* Below the client's TLS, if it has any. */
static void feed(struct slice bytes)
{
    memory_wire_feed(&bench.client, bytes);
    assert_true(session_bench_run(&bench));
}

static void assert_address(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];

    assert_string_equal(address_text(address, text), expected);
}

static void assert_ends(const char *client, const char *local, const char *via)
{
    assert_non_null(bench.session);
    assert_int_equal(bench.dials, 1);
    assert_address(&bench.session->client, client);
    assert_address(&bench.session->prelude->local, local);
    if (via)
        assert_address(bench.session->via, via);
    else
        assert_null(bench.session->via);
}

/* Both ends of the true connection are known, and the peer that told them. */
static void test_a_header_tells_both_ends(void **state)
{
    session_bench_begin(&bench, PLAIN);
    assert_int_equal(bench.session->phase, SESSION_PROXY_HEADER);
    assert_int_equal(bench.dials, 0);
    feed(HEADER);
    assert_ends("203.0.113.7:50000", "203.0.113.1:465", "192.0.2.1:40000");
    assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, 0);
    end();
}

static void test_without_addresses_the_connection_speaks_for_itself(void **state)
{
    session_bench_begin(&bench, PLAIN);
    feed(SLICE("PROXY UNKNOWN\r\n"));
    assert_ends("192.0.2.1:40000", "198.51.100.1:25", NULL);
    end();
}

static void test_others_are_served_at_once(void **state)
{
    session_bench_begin(&bench, OTHER);
    assert_true(session_bench_run(&bench));
    assert_ends("192.0.2.1:40000", "198.51.100.1:25", NULL);
    end();
}

/* What comes is taken out of the kernel at once: a part left there would call for ever. */
static void test_a_part_of_a_header_is_taken(void **state)
{
    struct slice header = HEADER;

    session_bench_begin(&bench, PLAIN);
    for (size_t i = 0; i < header.n; i++) {
        assert_int_equal(bench.dials, 0);
        feed(slice_of(header.p + i, 1));
        assert_int_equal(bench.client.inbox.n, 0);
    }
    assert_ends("203.0.113.7:50000", "203.0.113.1:465", "192.0.2.1:40000");
    assert_false(bench.spins);
    end();
}

static void test_waiting_for_a_header_holds_nothing(void **state)
{
    session_bench_begin(&bench, PLAIN);
    assert_true(session_bench_run(&bench));
    assert_int_equal(session_bench_held(&bench), 0);
    feed(HEADER);
    assert_int_equal(session_bench_held(&bench), 0);
    end();
}

/* Exactly the header: what stands behind it is the client's, byte for byte, at every pace. */
static void test_what_follows_is_the_clients(void **state)
{
    static const enum bench_pace paces[] = {PACE_WHOLE, PACE_BYTES, PACE_STUTTER};

    for (size_t i = 0; i < sizeof(paces) / sizeof(*paces); i++) {
        bench.pace = paces[i];
        session_bench_begin(&bench, PLAIN);
        memory_wire_feed(&bench.client, HEADER);
        feed(SLICE("NOOP\r\n"));
        session_bench_say(&bench, BENCH_SERVER, SLICE("220 mx\r\n"));
        assert_true(session_bench_run(&bench));
        assert_true(slice_equal(session_bench_heard(&bench, BENCH_CLIENT), SLICE("220 mx\r\n")));
        assert_true(slice_equal(session_bench_heard(&bench, BENCH_SERVER), SLICE("NOOP\r\n")));
        assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, 6);
        end();
    }
}

/* The client's TLS begins behind it, also where both came in one segment. */
static void test_tls_follows(void **state)
{
    static const enum bench_pace paces[] = {PACE_WHOLE, PACE_BYTES, PACE_STUTTER};

    for (size_t i = 0; i < sizeof(paces) / sizeof(*paces); i++) {
        bench.pace = paces[i];
        session_bench_begin(&bench, IMPLICIT);
        assert_int_equal(bench.session->phase, SESSION_PROXY_HEADER);
        feed(HEADER);
        session_bench_say(&bench, BENCH_SERVER, SLICE("220 mx\r\n"));
        session_bench_say(&bench, BENCH_CLIENT, SLICE("NOOP\r\n"));
        assert_true(session_bench_run(&bench));
        assert_ends("203.0.113.7:50000", "203.0.113.1:465", "192.0.2.1:40000");
        assert_true(slice_equal(session_bench_heard(&bench, BENCH_CLIENT), SLICE("220 mx\r\n")));
        assert_true(slice_equal(session_bench_heard(&bench, BENCH_SERVER), SLICE("NOOP\r\n")));
        assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, 6);
        end();
    }
}

/* Not a byte is said, no server is asked, and it is counted. */
static void assert_refused(enum reason reason, unsigned attacks)
{
    assert_null(bench.session);
    assert_int_equal(bench.reason, reason);
    assert_int_equal(bench.dials, 0);
    assert_int_equal(session_bench_heard(&bench, BENCH_CLIENT).n, 0);
    assert_int_equal(atomic_load(&bench.totals.attacks[ATTACK_PROXY]), attacks);
    end();
}

static void test_what_is_wrong_ends_it_without_a_word(void **state)
{
    unsigned before = (unsigned)atomic_load(&bench.totals.attacks[ATTACK_PROXY]);

    session_bench_begin(&bench, PLAIN);
    feed(SLICE("EHLO c.test\r\n"));
    assert_refused(REASON_PROXY_HEADER, before + 1);
    session_bench_begin(&bench, PLAIN);
    feed(SLICE("PROXY TCP4 203.0.113.7"));
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_refused(REASON_PROXY_HEADER, before + 2);
}

static void test_silence_is_no_attack(void **state)
{
    unsigned before = (unsigned)atomic_load(&bench.totals.attacks[ATTACK_PROXY]);

    session_bench_begin(&bench, PLAIN);
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_refused(REASON_CLIENT_CLOSED, before);
    session_bench_begin(&bench, PLAIN);
    session_bench_reset(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_refused(REASON_CLIENT_RESET, before);
}

/* From the connection on, however it drips. */
static void test_a_late_header(void **state)
{
    unsigned before = (unsigned)atomic_load(&bench.totals.attacks[ATTACK_PROXY]);

    session_bench_begin(&bench, PLAIN);
    for (int i = 0; i < 4; i++) {
        feed(slice_of(&"PROX"[i], 1));
        assert_true(session_bench_pass(&bench, 1000));
        assert_non_null(bench.session);
    }
    feed(SLICE("Y"));
    assert_true(session_bench_pass(&bench, 1001));
    assert_refused(REASON_TIMEOUT_PROXY_HEADER, before + 1);
}

static void test_drain_does_not_wait_for_a_header(void **state)
{
    session_bench_begin(&bench, PLAIN);
    feed(SLICE("PROXY "));
    session_drain(bench.session);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_SHUTDOWN);
    assert_int_equal(session_bench_heard(&bench, BENCH_CLIENT).n, 0);
    end();
}

#define FRESH(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_a_header_tells_both_ends),
        FRESH(test_without_addresses_the_connection_speaks_for_itself),
        FRESH(test_others_are_served_at_once),
        FRESH(test_a_part_of_a_header_is_taken),
        FRESH(test_waiting_for_a_header_holds_nothing),
        FRESH(test_what_follows_is_the_clients),
        FRESH(test_tls_follows),
        FRESH(test_what_is_wrong_ends_it_without_a_word),
        FRESH(test_silence_is_no_attack),
        FRESH(test_a_late_header),
        FRESH(test_drain_does_not_wait_for_a_header),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
