/* The names of servers: what the pool gets of each answer, and what the log says. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns_server.h"
#include "log_catch.h"
#include "names.h"
#include "pool.h"
#include "snapshots.h"

enum { DNS_PORT = 18153, TEXT_MAX = 512 };

#define LISTENER                                                                                   \
    "[proxy]\nresolver = @:18153\n"                                                                \
    "[listener a]\nbind = @:1001\nprotocol = imap\ntls = none\nbackend = b\n[backend b]\n"
#define BY_NAME LISTENER "server = one mx.test:143\n"
#define BY_SERVICE LISTENER "server = one srv:_imap._tcp.test\n"

#define A(ip) DNS_HOST("mx.test", DNS_TYPE_A, ip)
#define FAILS(type) DNS_FAILS("mx.test", type, DNS_SERVFAIL)
#define ANSWERS(...)                                                                               \
    answers((const struct dns_row[]){__VA_ARGS__},                                                 \
        sizeof((const struct dns_row[]){__VA_ARGS__}) / sizeof(struct dns_row))

static uv_loop_t loop;
static struct dns_server dns;
static struct dns_row rows[8];
static struct snapshot *snapshot;
static struct names *names;
static unsigned ready;

static int set_up(void **state)
{
    struct address at = own_address(DNS_PORT);

    ready = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    dns_server_open(&dns, &loop, &at);
    dns.rows = rows;
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    names_stop(&names);
    dns_server_close(&dns);
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
        continue;
    snapshot_unref(&snapshot);
    return uv_loop_close(&loop);
}

static void answers(const struct dns_row *with, size_t count)
{
    assert_true(count <= sizeof(rows) / sizeof(rows[0]));
    memcpy(rows, with, count * sizeof(*with));
    dns.count = count;
}

static void on_ready(void *owner)
{
    assert_ptr_equal(owner, &ready);
    ready++;
}

static void begin(const char *text)
{
    snapshot = snapshot_of(text);
    names = names_start(&loop, snapshot, NULL, on_ready, &ready);
    assert_non_null(names);
}

/* Until all names are known, or have failed. */
static void await(void)
{
    while (ready == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

static void start(const char *text)
{
    begin(text);
    assert_int_equal(ready, 0);
    await();
}

static void fire(uv_handle_t *handle, void *unused)
{
    if (handle->data == names && handle->type == UV_TIMER)
        ((uv_timer_t *)handle)->timer_cb((uv_timer_t *)handle);
}

/* The interval is over: all is asked again, and this is what the log says then. */
static const char *look_up_again(void)
{
    static char said[LOG_CATCH_MAX];
    unsigned before = dns.questions;

    uv_walk(&loop, fire, NULL);
    while (dns.questions < before + 2) /* A and AAAA */
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 100; i++) /* the answers are in the loop's own sockets */
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)snprintf(said, sizeof(said), "%s", log_caught());
    return said;
}

/* "ADDRESS ADDRESS(backup)", as the pool has them, in its order. */
static const char *pool_has(const struct snapshot *of)
{
    static char text[TEXT_MAX];
    char address[ADDRESS_TEXT_MAX];
    struct pool_server server;
    size_t n = 0;

    text[0] = '\0';
    for (size_t slot = 0; slot < BALANCE_SERVERS_MAX; slot++) {
        if (pool_look(snapshot_pool(of, 0), slot, &server))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s", n > 0 ? " " : "",
                address_text(&server.address, address), server.backup ? "(backup)" : "");
    }
    return text;
}

#define assert_pool(text) assert_string_equal(pool_has(snapshot), text)

/* ---- Answers ---- */

static void test_every_address_is_a_server(void **state)
{
    const char *said;

    ANSWERS(A("192.0.2.1"), A("192.0.2.2"));
    start(BY_NAME);
    assert_pool("192.0.2.1:143 192.0.2.2:143");
    said = log_caught();
    assert_int_equal(log_count(said, "info name-resolved backend=b server=one name=mx.test count=2 "
                                     "addresses=\"192.0.2.1:143 192.0.2.2:143\"\n"),
        1);
    (void)look_up_again();
    assert_int_equal(ready, 1);
}

static void test_the_order_is_no_news(void **state)
{
    ANSWERS(A("192.0.2.1"), A("192.0.2.2"));
    start(BY_NAME);
    (void)log_caught();
    ANSWERS(A("192.0.2.2"), A("192.0.2.1"));
    assert_string_equal(look_up_again(), "");
}

static void test_addresses_come_and_go(void **state)
{
    ANSWERS(A("192.0.2.1"), A("192.0.2.2"));
    start(BY_NAME);
    (void)log_caught();
    ANSWERS(A("192.0.2.2"), A("192.0.2.3"));
    assert_int_equal(log_count(look_up_again(), "info name-resolved "), 1);
    assert_non_null(strstr(pool_has(snapshot), "192.0.2.2:143"));
    assert_non_null(strstr(pool_has(snapshot), "192.0.2.3:143"));
    assert_null(strstr(pool_has(snapshot), "192.0.2.1:143"));
}

/* Of a service: the best priority first, the others where those are not to be had. */
static void test_services(void **state)
{
    ANSWERS(DNS_SERVICE("_imap._tcp.test", 10, 0, 1143, "mx.test"),
        DNS_SERVICE("_imap._tcp.test", 20, 0, 2143, "old.test"), A("192.0.2.1"),
        DNS_HOST("old.test", DNS_TYPE_A, "192.0.2.9"));
    start(BY_SERVICE);
    assert_pool("192.0.2.1:1143 192.0.2.9:2143(backup)");
}

static void test_a_service_that_is_not_offered(void **state)
{
    ANSWERS(DNS_SERVICE("_imap._tcp.test", 0, 0, 0, ""));
    start(BY_SERVICE);
    assert_pool("");
    assert_int_equal(log_count(log_caught(), "warning name-resolved backend=b server=one "
                                             "name=_imap._tcp.test count=0"),
        1);
}

static void test_without_names_all_is_known(void **state)
{
    begin(LISTENER "server = one 192.0.2.1:143\n");
    assert_int_equal(ready, 1);
    assert_int_equal(dns.questions, 0);
    assert_pool("192.0.2.1:143");
}

/* ---- Failures ---- */

static void test_a_name_that_fails_is_ready_and_told_once(void **state)
{
    ANSWERS(FAILS(DNS_TYPE_A), FAILS(DNS_TYPE_AAAA));
    start(BY_NAME);
    assert_pool("");
    assert_int_equal(
        log_count(log_caught(), "warning name-failed backend=b server=one name=mx.test why="), 1);
    assert_string_equal(look_up_again(), "");
    ANSWERS(A("192.0.2.1"));
    assert_int_equal(log_count(look_up_again(), "info name-resolved "), 1);
    assert_pool("192.0.2.1:143");
}

static void test_a_failure_keeps_the_addresses(void **state)
{
    const char *said;

    ANSWERS(A("192.0.2.1"), A("192.0.2.2"));
    start(BY_NAME);
    (void)log_caught();
    ANSWERS(FAILS(DNS_TYPE_A), FAILS(DNS_TYPE_AAAA));
    said = look_up_again();
    assert_int_equal(log_count(said, "warning name-failed "), 1);
    assert_int_equal(log_count(said, " kept=2\n"), 1);
    assert_pool("192.0.2.1:143 192.0.2.2:143");
    ANSWERS(A("192.0.2.1"), A("192.0.2.2"));
    assert_int_equal(log_count(look_up_again(), "info name-resolved "), 1); /* it is well again */
}

/* A and AAAA are two questions: what one of them does not answer stays as it was. */
static void test_half_an_answer(void **state)
{
    ANSWERS(A("192.0.2.1"), DNS_HOST("mx.test", DNS_TYPE_AAAA, "2001:db8::1"));
    start(BY_NAME);
    ANSWERS(A("192.0.2.2"), FAILS(DNS_TYPE_AAAA));
    (void)look_up_again();
    assert_non_null(strstr(pool_has(snapshot), "192.0.2.2:143"));
    assert_non_null(strstr(pool_has(snapshot), "[2001:db8::1]:143"));
    assert_null(strstr(pool_has(snapshot), "192.0.2.1:143"));
    ANSWERS(A("192.0.2.2")); /* there is none any more */
    (void)look_up_again();
    assert_pool("192.0.2.2:143");
}

/* ---- A reload, and the end ---- */

/* While the DNS is away: nothing is lost, and nothing that is known is said again. */
static void test_a_reload_begins_with_what_is_known(void **state)
{
    struct snapshot *next;
    struct names *of_next;

    ANSWERS(A("192.0.2.1"));
    start(BY_NAME);
    (void)log_caught();
    ANSWERS(FAILS(DNS_TYPE_A), FAILS(DNS_TYPE_AAAA));
    ready = 0;
    next = snapshot_of(BY_NAME "server = two other.test:143\n");
    of_next = names_start(&loop, next, names, on_ready, &ready);
    assert_string_equal(pool_has(next), "192.0.2.1:143");
    await();
    assert_string_equal(pool_has(next), "192.0.2.1:143");
    assert_int_equal(log_count(log_caught(), "server=one name=mx.test why="), 1);
    names_stop(&of_next);
    snapshot_unref(&next);
}

static void test_another_host_begins_anew(void **state)
{
    struct snapshot *next;
    struct names *of_next;

    ANSWERS(A("192.0.2.1"));
    start(BY_NAME);
    next = snapshot_of(LISTENER "server = one mx.test:144\n");
    of_next = names_start(&loop, next, names, on_ready, &ready);
    assert_string_equal(pool_has(next), "");
    names_stop(&of_next);
    snapshot_unref(&next);
}

static void test_stopped_while_it_asks(void **state)
{
    ANSWERS(DNS_FAILS("mx.test", DNS_TYPE_A, DNS_NO_ANSWER));
    begin(BY_NAME);
    names_stop(&names);
    assert_null(names);
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
        continue;
    assert_int_equal(ready, 0);
    names_stop(&names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_address_is_a_server),
        TEST(test_the_order_is_no_news),
        TEST(test_addresses_come_and_go),
        TEST(test_services),
        TEST(test_a_service_that_is_not_offered),
        TEST(test_without_names_all_is_known),
        TEST(test_a_name_that_fails_is_ready_and_told_once),
        TEST(test_a_failure_keeps_the_addresses),
        TEST(test_half_an_answer),
        TEST(test_a_reload_begins_with_what_is_known),
        TEST(test_another_host_begins_anew),
        TEST(test_stopped_while_it_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
