/* What the log says of checks: what is new, once, and nothing else. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_news.h"
#include "log_catch.h"
#include "mailmux/clock.h"
#include <string.h>

enum { DAY_S = 24 * 60 * 60, DAY_MS = 1000 * DAY_S };

static uint64_t now_ms;
static struct config_backend backend;
static struct pool *pool;
static struct pool_server servers[2];
static struct check_subject first;
static struct check_subject second;
static struct check_news news[2];
static struct check_reference reference;

/* ---- In the place of base/clock.c ---- */

uint64_t clock_monotonic_ms(void)
{
    return now_ms;
}

void clock_stamp(char out[CLOCK_STAMP_MAX])
{
    (void)snprintf(out, CLOCK_STAMP_MAX, "now");
}

static int set_up(void **state)
{
    now_ms = 1000;
    backend = (struct config_backend){.name = "b", .protocol = CONFIG_PROTOCOL_IMAP};
    pool = pool_new("b");
    assert_non_null(pool);
    for (size_t i = 0; i < 2; i++)
        servers[i] = (struct pool_server){.name = {(char)('p' + i)}};
    assert_true(address_parse_ip(SLICE("192.0.2.1"), 143, &servers[0].address));
    assert_true(address_parse_ip(SLICE("192.0.2.2"), 143, &servers[1].address));
    first = (struct check_subject){&backend, pool, &servers[0], 0};
    second = (struct check_subject){&backend, pool, &servers[1], 7};
    memset(news, 0, sizeof(news));
    memset(&reference, 0, sizeof(reference));
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    pool_unref(&pool);
    return 0;
}

static struct probe_result failed(enum opening_failure failure, const char *why)
{
    struct probe_result result = {.failure = failure};

    (void)snprintf(result.why, sizeof(result.why), "%s", why);
    return result;
}

static struct probe_result offering(const char *words, unsigned offers)
{
    return (struct probe_result){
        .knows_offers = true, .words = slice_from(words), .offers = offers};
}

static struct probe_result certificate_for(int64_t seconds)
{
    return (struct probe_result){
        .has_tls = true, .has_certificate = true, .tls_peer = "mx", .tls_seconds = seconds};
}

static void tell(const struct check_subject *subject, struct probe_result result)
{
    check_news_tell(&news[subject == &second], &reference, subject, &result);
}

static void assert_said(const char *text)
{
    assert_string_equal(log_caught(), text);
}

#define FIRST "backend=b server=p address=192.0.2.1:143"
#define SECOND "backend=b server=q address=192.0.2.2:143"

static void test_a_server_that_is_well_is_no_news(void **state)
{
    for (int i = 0; i < 3; i++)
        tell(&first, offering("IMAP4rev1\n", OPENING_OFFERS_PASSWORDS));
    assert_said("");
}

static void test_a_failure_is_told_once_and_its_end(void **state)
{
    struct probe_result refused = failed(OPENING_GREETING_REFUSED, "refuses");

    tell(&first, failed(OPENING_NOT_CONNECTED, "cannot be connected"));
    assert_said("now warning check-failed " FIRST " why=\"cannot be connected\"\n");
    tell(&first, failed(OPENING_NOT_CONNECTED, "cannot be connected"));
    assert_said("");
    refused.first_word = SLICE("* BYE away\x01");
    tell(&first, refused); /* another one */
    assert_said("now warning check-failed " FIRST " why=refuses said=\"* BYE away\\x01\"\n");
    tell(&first, offering("", OPENING_OFFERS_PASSWORDS));
    assert_said("now info check-passed " FIRST "\n");
    tell(&first, offering("", OPENING_OFFERS_PASSWORDS));
    assert_said("");
}

/* The first that is known is the measure; each that differs is named, until it does no more. */
static void test_servers_that_offer_different_things(void **state)
{
    const unsigned usual = OPENING_OFFERS_PASSWORDS;

    tell(&first, offering("IMAP4rev1\nIDLE\nAUTH=PLAIN\n", usual));
    tell(&second, offering("auth=plain\nIDLE\nIMAP4rev1\n", usual));
    assert_said("");
    tell(&second, offering("IMAP4rev1\nAUTH=PLAIN\nCONDSTORE\n", usual));
    assert_said(
        "now warning capabilities-differ " SECOND " other=p only_here=CONDSTORE only_there=IDLE\n");
    tell(&second, offering("IMAP4rev1\nAUTH=PLAIN\nCONDSTORE\n", usual));
    assert_said("");
    tell(&first, offering("IMAP4rev1\nAUTH=PLAIN\nCONDSTORE\n", usual)); /* it has learnt, too */
    tell(&second, offering("IMAP4rev1\nAUTH=PLAIN\nCONDSTORE\n", usual));
    assert_said("");
    tell(&second, offering("IMAP4rev1\nAUTH=PLAIN\n", usual));
    assert_said(
        "now warning capabilities-differ " SECOND " other=p only_here=\"\" only_there=CONDSTORE\n");
}

static void test_what_is_not_known_is_not_compared(void **state)
{
    tell(&first, offering("IDLE\n", OPENING_OFFERS_PASSWORDS));
    tell(&second, (struct probe_result){.failure = OPENING_FINE});
    assert_said("");
}

/* Without the server that was the measure the next one is. */
static void test_the_measure_goes_with_its_server(void **state)
{
    tell(&first, offering("IDLE\n", OPENING_OFFERS_PASSWORDS));
    check_reference_forget(&reference, second.slot); /* it is not that one's */
    assert_true(reference.is_known);
    check_reference_forget(&reference, first.slot);
    tell(&second, offering("SORT\n", OPENING_OFFERS_PASSWORDS));
    assert_said("");
    tell(&first, offering("IDLE\n", OPENING_OFFERS_PASSWORDS));
    assert_said(
        "now warning capabilities-differ " FIRST " other=q only_here=IDLE only_there=SORT\n");
}

/* It harms only where mailmux has TLS with the server, which the client's is not. */
static void test_channel_binding(void **state)
{
    const unsigned binds = OPENING_OFFERS_PLUS | OPENING_OFFERS_PASSWORDS;

    tell(&first, offering("", binds));
    assert_said("");
    backend.tls = BACKEND_TLS_IMPLICIT;
    tell(&first, offering("", binds));
    assert_memory_equal(log_caught(), "now warning channel-binding " FIRST,
        strlen("now warning channel-binding " FIRST));
    tell(&first, offering("", binds));
    assert_said("");
    tell(&first, offering("", OPENING_OFFERS_PASSWORDS));
    tell(&first, offering("", binds));
    assert_int_equal(log_count(log_caught(), "channel-binding"), 1);
}

/* Told once, and then no session has to say it again. */
static void test_refused_logins(void **state)
{
    struct probe_result result = offering("", OPENING_SHOWS_LOGINDISABLED);
    const char *said;

    result.failure = OPENING_TLS_FAILED;
    tell(&first, result); /* of one that failed nothing is judged */
    assert_int_equal(log_count(log_caught(), "logins-refused"), 0);
    result.failure = OPENING_FINE;
    tell(&first, result);
    said = log_caught();
    assert_int_equal(log_count(said, "warning logins-refused " FIRST), 1);
    assert_int_equal(log_count(said, "remedy=\"tls = starttls;"), 1);
    tell(&first, result);
    assert_said("");
    assert_false(pool_note_logins_refused(pool));
    tell(&first, offering("", OPENING_OFFERS_PASSWORDS));
    tell(&first, result);
    assert_int_equal(log_count(log_caught(), "logins-refused"), 1);
}

static void test_no_word_of_logins_where_the_server_is_told_of_tls(void **state)
{
    backend.send_client_address = SEND_ADDRESS_PROXY_V2;
    backend.proxy_tlvs = PROXY_TLV_SSL;
    tell(&first, offering("", OPENING_SHOWS_LOGINDISABLED));
    assert_said("");
    assert_true(pool_note_logins_refused(pool));
}

/* Two weeks before its end, and then once a day. */
static void test_certificates_that_come_to_their_end(void **state)
{
    const int64_t week_s = 7 * DAY_S;

    tell(&first, certificate_for(2 * week_s));
    assert_said("");
    tell(&first, certificate_for(2 * week_s - 1));
    assert_said("now warning certificate-expires " FIRST " name=mx days=13\n");
    now_ms += DAY_MS - 1;
    tell(&first, certificate_for(2 * week_s - DAY_S));
    assert_said("");
    now_ms += 1;
    tell(&first, certificate_for(2 * week_s - DAY_S - 1));
    assert_said("now warning certificate-expires " FIRST " name=mx days=12\n");
    tell(&first, (struct probe_result){.failure = OPENING_FINE}); /* it showed none */
    tell(&first, certificate_for(DAY_S));
    assert_said("");
}

static void test_a_renewed_certificate_is_a_new_one(void **state)
{
    tell(&first, certificate_for(DAY_S));
    assert_said("now warning certificate-expires " FIRST " name=mx days=1\n");
    tell(&first, certificate_for(90 * (int64_t)DAY_S));
    assert_said("");
    tell(&first, certificate_for(-1));
    assert_said("now warning certificate-expires " FIRST " name=mx why=\"it has expired\"\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_server_that_is_well_is_no_news),
        TEST(test_a_failure_is_told_once_and_its_end),
        TEST(test_servers_that_offer_different_things),
        TEST(test_what_is_not_known_is_not_compared),
        TEST(test_the_measure_goes_with_its_server),
        TEST(test_channel_binding),
        TEST(test_refused_logins),
        TEST(test_no_word_of_logins_where_the_server_is_told_of_tls),
        TEST(test_certificates_that_come_to_their_end),
        TEST(test_a_renewed_certificate_is_a_new_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
