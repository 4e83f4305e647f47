/* The block that is printed of a visit: what was seen, in lines, and then the findings. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tool_test.h"

enum { DAY_S = 24 * 60 * 60 };

#define TRUSTED "verify = no\n"

/* One of the lines is this: "what: the rest". */
static void assert_line(const char *text, const char *what, const char *rest)
{
    char line[1024];

    (void)snprintf(line, sizeof(line), "\n  %-13s %s\n", what, rest);
    if (!strstr(text, line))
        fail_msg("%s\nhas no line%s", text, line);
}

/* It begins with the server, and goes on so. */
static void assert_title(const char *text, const char *after)
{
    char title[256];

    (void)snprintf(title, sizeof(title), "[backend b] server one at %s:143%s", own_ip(), after);
    if (strncmp(text, title, strlen(title)) != 0)
        fail_msg("%s\ndoes not begin with %s", text, title);
}

static void test_a_whole_block(void **state)
{
    char expected[1024];

    visit_of("pop3", "send_client_address = proxy-v2\n");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.greeting = SLICE("+OK ready"),
                                   .knows_offers = true,
                                   .words = SLICE("TOP\nUSER\n\nSASL PLAIN\n"),
                                   .offers = OPENING_OFFERS_PASSWORDS | OPENING_OFFERS_STARTTLS});
    (void)snprintf(expected, sizeof(expected),
        "[backend b] server one at %s:143\n"
        "  greeting      +OK ready\n"
        "  capabilities  TOP, USER, SASL PLAIN\n"
        "  tls           none; the server offers STARTTLS\n"
        "  proxy header  sent, and taken\n"
        "  xclient       not offered to this machine\n",
        own_ip());
    assert_string_equal(print(visit_report), expected);
    assert_int_equal(counts.errors, 0);
}

static void test_what_servers_say_is_escaped(void **state)
{
    const char *text;

    visit_of("imap", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.failure = OPENING_WRONG_PROTOCOL,
                                   .first_word = SLICE("\x16\x03\x01 \x1b[2J\xff~")});
    text = print(visit_report);
    assert_line(text, "greeting", "\\x16\\x03\\x01 \\x1b[2J\\xff~");
    assert_null(strstr(text, "capabilities")); /* they are not known */
    assert_int_equal(counts.errors, 1);
}

static void test_nothing_is_offered(void **state)
{
    visit_of("imap", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.knows_offers = true});
    assert_line(print(visit_report), "capabilities", "none");
}

/* Without a connection nothing was seen; without an address there was none. */
static void test_a_server_that_was_not_seen(void **state)
{
    const char *text;

    visit_of("imap", "");
    found(VISIT_AS_CONFIGURED,
        (struct probe_result){.failure = OPENING_NOT_CONNECTED, .why = "refused"});
    text = print(visit_report);
    assert_title(text, "\n  error: it cannot be reached: refused");
    assert_int_equal(log_count(text, "\n"), 2);
    visit.has_address = false;
    text = print(visit_report);
    assert_non_null(
        strstr(text, "[backend b] server one\n  error: its name could not be resolved"));
    assert_int_equal(counts.errors, 1);
}

static void test_the_state_of_a_server(void **state)
{
    struct config_server *server;

    visit_of("imap", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.failure = OPENING_NO_MEANS});
    server = snapshot_config(snapshot)->backends[0].servers;
    server->state = SERVER_DRAIN;
    assert_title(print(visit_report), " (drain)\n");
    server->state = SERVER_MAINTENANCE;
    assert_title(print(visit_report), " (maintenance)\n");
}

/* ---- TLS ---- */

static struct probe_result with_certificate(enum opening_failure failure, int64_t days)
{
    return (struct probe_result){.failure = failure,
        .has_tls = true,
        .has_certificate = true,
        .tls_version = "TLSv1.3",
        .tls_peer = "mx.example",
        .tls_seconds = days * DAY_S + (days < 0 ? 0 : DAY_S / 2)};
}

/* The line of TLS, with the date left out: it depends on today. */
static const char *tls_line(void)
{
    static char line[256];
    const char *at = strstr(print(visit_report), "  tls           ");
    char *date;

    assert_non_null(at);
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at + 16);
    line[strcspn(line, "\n")] = '\0';
    date = strstr(line, " 20");
    if (date)
        memmove(date, date + 11, strlen(date + 11) + 1);
    return line;
}

static void test_certificates(void **state)
{
    visit_of("imap", "tls = implicit\n");
    found(VISIT_AS_CONFIGURED, with_certificate(OPENING_FINE, 90));
    assert_string_equal(
        tls_line(), "implicit, TLSv1.3, certificate of mx.example, good until (90 days), verified");
    found(VISIT_AS_CONFIGURED, with_certificate(OPENING_FINE, 1));
    assert_string_equal(
        tls_line(), "implicit, TLSv1.3, certificate of mx.example, good until (1 day), verified");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.failure = OPENING_CERTIFICATE});
    assert_string_equal(tls_line(), "implicit");
    found(VISIT_ANY_CERTIFICATE, with_certificate(OPENING_FINE, -3));
    assert_string_equal(
        tls_line(), "implicit, TLSv1.3, certificate of mx.example, expired on, not verified");
    visit_of("imap", "tls = starttls\n" TRUSTED);
    found(VISIT_AS_CONFIGURED, with_certificate(OPENING_FINE, 90));
    visit.probes[VISIT_AS_CONFIGURED].result.tls_peer[0] = '\0';
    assert_string_equal(tls_line(), "starttls, TLSv1.3, certificate of no name, good until (90 "
                                    "days), not verified (verify = no)");
}

/* ---- The client's address, and relaying ---- */

static void assert_header(
    const char *settings, enum opening_failure failure, bool other_explains, const char *line)
{
    visit_of("imap", settings);
    found(VISIT_AS_CONFIGURED, (struct probe_result){.failure = failure});
    if (other_explains)
        found(VISIT_OTHER_HEADER, (struct probe_result){.failure = OPENING_FINE});
    assert_line(print(visit_report), "proxy header", line);
}

static void test_the_header(void **state)
{
    static const char sent[] = "send_client_address = proxy-v2\n";

    assert_header("", OPENING_FINE, false, "not sent, and not expected");
    assert_header(sent, OPENING_FINE, false, "sent, and taken");
    assert_header("", OPENING_MUTE, true, "not sent, and expected");
    assert_header(sent, OPENING_MUTE, true, "sent, and not expected");
    assert_header("", OPENING_MUTE, false, "not sent");
    assert_header(sent, OPENING_MUTE, false, "sent");
}

static void test_xclient(void **state)
{
    visit_of("smtp", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.knows_offers = true,
                                   .offers = OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_NAME |
                                             OPENING_OFFERS_XCLIENT_DESTPORT});
    assert_line(print(visit_report), "xclient", "offered to this machine: NAME DESTPORT");
    visit_of("imap", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.knows_offers = true});
    assert_null(strstr(print(visit_report), "xclient      ")); /* IMAP has none */
}

static void test_relaying(void **state)
{
    visit_of("smtp", "");
    found(VISIT_AS_CONFIGURED, (struct probe_result){.knows_offers = true});
    assert_null(strstr(print(visit_report), "\n  relay"));
    found(VISIT_STRANGER,
        (struct probe_result){.relay = {.judgement = RELAY_REFUSED, .n = 6, .text = "554 no"}});
    assert_line(print(visit_report), "relay", "for probe@relay-probe.example it says 554 no");
    visit.probes[VISIT_STRANGER].result.relay.sender = RELAY_OWN_SENDER;
    (void)snprintf(visit.sender, sizeof(visit.sender), "postmaster@x");
    assert_line(print(visit_report), "relay",
        "for probe@relay-probe.example from postmaster@x it says 554 no");
    found(VISIT_STRANGER, (struct probe_result){.failure = OPENING_MUTE, .why = "gone"});
    assert_line(print(visit_report), "relay", "not tested: gone");
    found(VISIT_STRANGER, (struct probe_result){.failure = OPENING_FINE});
    assert_line(print(visit_report), "relay", "not tested: the probe did not get that far");
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_block),
        TEST(test_what_servers_say_is_escaped),
        TEST(test_nothing_is_offered),
        TEST(test_a_server_that_was_not_seen),
        TEST(test_the_state_of_a_server),
        TEST(test_certificates),
        TEST(test_the_header),
        TEST(test_xclient),
        TEST(test_relaying),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    (void)setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's store is large */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
