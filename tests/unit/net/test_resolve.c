#include "dns_server.h"
#include "resolve_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- What the DNS server of the test knows ---- */

static const struct dns_row rows[] = {
    DNS_HOST("two.test", DNS_TYPE_A, "192.0.2.1"),
    DNS_HOST("two.test", DNS_TYPE_A, "192.0.2.2"),
    DNS_HOST("two.test", DNS_TYPE_A, "192.0.2.1"),
    DNS_HOST("mapped.test", DNS_TYPE_AAAA, "::ffff:192.0.2.7"),
    DNS_HOST("six.test", DNS_TYPE_AAAA, "2001:db8::1"),
    DNS_HOST("hostile.test", DNS_TYPE_A, "0.0.0.0"),
    DNS_HOST("hostile.test", DNS_TYPE_AAAA, "::"),
    DNS_HOST("half.test", DNS_TYPE_A, "192.0.2.9"),
    DNS_HOST("mail.whole", DNS_TYPE_A, "192.0.2.1"),
    DNS_HOST("mail.whole.search.test", DNS_TYPE_AAAA, "2001:db8::9"),
    DNS_HOST("six.whole", DNS_TYPE_AAAA, "2001:db8::6"),
    DNS_HOST("six.whole.search.test", DNS_TYPE_A, "192.0.2.99"),
    DNS_HOST("short.search.test", DNS_TYPE_A, "192.0.2.2"),
    DNS_HOST("short.search.test", DNS_TYPE_AAAA, "2001:db8::2"),
    DNS_FAILS("half.test", DNS_TYPE_AAAA, DNS_SERVFAIL),
    DNS_FAILS("broken.test", DNS_TYPE_A, DNS_SERVFAIL),
    DNS_FAILS("broken.test", DNS_TYPE_AAAA, DNS_SERVFAIL),
    DNS_FAILS("silent.test", DNS_TYPE_A, DNS_NO_ANSWER),
    DNS_FAILS("silent.test", DNS_TYPE_AAAA, DNS_NO_ANSWER),
    DNS_SERVICE("_imap._tcp.test", 20, 7, 1143, "six.test"),
    DNS_SERVICE("_imap._tcp.test", 10, 0, 143, "two.test"),
    DNS_SERVICE("_partial._tcp.test", 0, 1, 1, "two.test"),
    DNS_SERVICE("_partial._tcp.test", 0, 1, 2, "broken.test"),
    DNS_SERVICE("_partial._tcp.test", 0, 1, 3, "gone.test"),
    DNS_SERVICE("_gone._tcp.test", 0, 1, 3, "gone.test"),
    DNS_SERVICE("_none._tcp.test", 0, 0, 0, ""),
    DNS_SERVICE("_wrong._tcp.test", 0, 0, 0, "two.test"),
    DNS_SERVICE("_silent._tcp.test", 0, 0, 25, "silent.test"),
    DNS_SERVICE("_silent._tcp.test", 0, 0, 25, "two.test"),
};

/* ---- The bench ---- */

struct bench {
    uv_loop_t loop;
    struct dns_server dns;
    struct address address; /* of the server */
    struct resolver *resolver;
    bool frees_resolver;
    unsigned calls;
    const char *error;
    size_t gap_count;
    struct resolve_gap gaps[2 * RESOLVE_MAX];
    size_t count;
    struct resolve_address found[RESOLVE_MAX];
};

static void open_bench(struct bench *bench)
{
    struct address address;

    *bench = (struct bench){.error = "no callback"};
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_true(address_parse_ip(SLICE("127.0.0.1"), 0, &address));
    dns_server_open(&bench->dns, &bench->loop, &address);
    bench->dns.rows = rows;
    bench->dns.count = sizeof(rows) / sizeof(rows[0]);
    bench->address = bench->dns.address;
    bench->resolver = resolver_new(&bench->loop, &bench->address, 1);
    assert_non_null(bench->resolver);
}

/* Runs until nothing is looked up any more, and takes everything down. */
static void close_bench(struct bench *bench)
{
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    resolver_free(&bench->resolver);
    dns_server_close(&bench->dns);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static void on_done(void *owner, const struct resolve_result *result)
{
    struct bench *bench = owner;

    bench->calls++;
    bench->error = result->error;
    bench->gap_count = result->gap_count;
    if (result->gap_count > 0)
        memcpy(bench->gaps, result->gaps, result->gap_count * sizeof(*bench->gaps));
    bench->count = result->count;
    if (result->count > 0)
        memcpy(bench->found, result->addresses, result->count * sizeof(*bench->found));
    if (bench->frees_resolver)
        resolver_free(&bench->resolver);
}

static void assert_found(
    const struct bench *bench, size_t i, const char *address, unsigned priority, unsigned weight)
{
    char text[ADDRESS_TEXT_MAX];

    assert_true(i < bench->count);
    assert_string_equal(address_text(&bench->found[i].address, text), address);
    assert_int_equal(bench->found[i].priority, priority);
    assert_int_equal(bench->found[i].weight, weight);
}

static void ask_host(struct bench *bench, const char *host)
{
    open_bench(bench);
    assert_non_null(resolve_host(bench->resolver, host, 143, on_done, bench));
    assert_int_equal(bench->calls, 0);
    close_bench(bench);
    assert_int_equal(bench->calls, 1);
}

static void ask_service(struct bench *bench, const char *name)
{
    open_bench(bench);
    assert_non_null(resolve_service(bench->resolver, name, on_done, bench));
    close_bench(bench);
    assert_int_equal(bench->calls, 1);
}

static void test_hosts(void **state)
{
    struct bench bench;

    ask_host(&bench, "two.test");
    assert_null(bench.error);
    assert_int_equal(bench.count, 2);
    assert_found(&bench, 0, "192.0.2.1:143", 0, 1);
    assert_found(&bench, 1, "192.0.2.2:143", 0, 1);
    ask_host(&bench, "six.test");
    assert_int_equal(bench.count, 1);
    assert_found(&bench, 0, "[2001:db8::1]:143", 0, 1);
    ask_host(&bench, "mapped.test");
    assert_found(&bench, 0, "192.0.2.7:143", 0, 1);
    ask_host(&bench, "half.test");
    assert_null(bench.error);
    assert_found(&bench, 0, "192.0.2.9:143", 0, 1);
    assert_int_equal(bench.gap_count, 1);
    assert_int_equal(bench.gaps[0].family, AF_INET6);
    assert_int_equal(bench.gaps[0].origin, bench.found[0].origin);
}

static void test_no_address(void **state)
{
    static const char *const names[] = {
        "gone.test", "broken.test", "hostile.test", "_imap._tcp.test", "not a name", "x..y", ""};
    struct bench bench;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ask_host(&bench, names[i]);
        assert_non_null(bench.error);
        assert_int_equal(bench.count, 0);
    }
}

/* /etc/hosts and what every system knows: no question leaves the machine. */
static void test_of_the_system(void **state)
{
    struct bench bench;

    open_bench(&bench);
    resolver_free(&bench.resolver);
    bench.resolver = resolver_new(&bench.loop, NULL, 0);
    assert_non_null(resolve_host(bench.resolver, "localhost", 143, on_done, &bench));
    assert_int_equal(bench.calls, 0);
    close_bench(&bench);
    assert_int_equal(bench.calls, 1);
    assert_null(bench.error);
    assert_int_equal(address_port(&bench.found[0].address), 143);
    assert_int_equal(bench.dns.questions, 0);
}

/* A wildcard of a search domain adds nothing to a name that is whole. */
static void test_search_domains(void **state)
{
    static const struct {
        const char *host;
        const char *found[2];
    } cases[] = {
        {"mail.whole", {"192.0.2.1:143"}},
        {"six.whole", {"[2001:db8::6]:143"}},
        {"short", {"192.0.2.2:143", "[2001:db8::2]:143"}},
    };

    (void)setenv("LOCALDOMAIN", "search.test", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resolve *keeper = calloc(1, sizeof(*keeper));
        struct ares_addr_port_node server = {.family = AF_INET};
        struct bench bench;
        char text[ADDRESS_TEXT_MAX];
        size_t count = cases[i].found[1] ? 2 : 1;

        open_bench(&bench);
        server.addr.addr4.s_addr = htonl(INADDR_LOOPBACK);
        server.udp_port = address_port(&bench.address);
        resolver_free(&bench.resolver);
        bench.resolver = resolver_new(&bench.loop, NULL, 0);
        assert_true(resolver_enter(bench.resolver, keeper)); /* opens the channel */
        assert_int_equal(ares_set_servers_ports(keeper->channel, &server), ARES_SUCCESS);
        assert_non_null(resolve_host(bench.resolver, cases[i].host, 143, on_done, &bench));
        resolver_leave(keeper);
        close_bench(&bench);
        assert_null(bench.error);
        assert_int_equal(bench.gap_count, 0);
        assert_int_equal(bench.count, count);
        for (size_t j = 0; j < count; j++) {
            bool is_there = false;

            for (size_t k = 0; k < count; k++)
                is_there = is_there || strcmp(address_text(&bench.found[k].address, text),
                                           cases[i].found[j]) == 0;
            assert_true(is_there);
        }
    }
    (void)unsetenv("LOCALDOMAIN");
}

static void test_services(void **state)
{
    struct bench bench;

    ask_service(&bench, "_imap._tcp.test");
    assert_null(bench.error);
    assert_int_equal(bench.gap_count, 0);
    assert_int_equal(bench.count, 3);
    assert_found(&bench, 0, "192.0.2.1:143", 10, 1);
    assert_found(&bench, 1, "192.0.2.2:143", 10, 1);
    assert_found(&bench, 2, "[2001:db8::1]:1143", 20, 7);
}

static void test_a_service_in_part(void **state)
{
    struct bench bench;

    ask_service(&bench, "_partial._tcp.test");
    assert_null(bench.error);
    assert_int_equal(bench.gap_count, 2);
    assert_int_equal(bench.count, 2);
    assert_found(&bench, 0, "192.0.2.1:1", 0, 1);
}

static void test_services_without_a_server(void **state)
{
    static const char *const names[] = {
        "_gone._tcp.test", "_wrong._tcp.test", "_nothing._tcp.test", "two.test"};
    struct bench bench;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ask_service(&bench, names[i]);
        assert_non_null(bench.error);
        assert_int_equal(bench.count, 0);
    }
    ask_service(&bench, "_none._tcp.test");
    assert_null(bench.error);
    assert_int_equal(bench.count, 0);
}

static void test_the_resolver_is_freed(void **state)
{
    struct bench bench;

    open_bench(&bench);
    assert_non_null(resolve_host(bench.resolver, "silent.test", 25, on_done, &bench));
    assert_non_null(resolve_host(bench.resolver, "not a name", 25, on_done, &bench));
    assert_non_null(resolve_service(bench.resolver, "_silent._tcp.test", on_done, &bench));
    resolver_free(&bench.resolver);
    close_bench(&bench);
    assert_int_equal(bench.calls, 0);

    open_bench(&bench);
    bench.frees_resolver = true;
    assert_non_null(resolve_host(bench.resolver, "two.test", 25, on_done, &bench));
    assert_non_null(resolve_host(bench.resolver, "silent.test", 25, on_done, &bench));
    assert_non_null(resolve_service(bench.resolver, "_silent._tcp.test", on_done, &bench));
    close_bench(&bench);
    assert_int_equal(bench.calls, 1);
}

/* The deadline itself is too far away to be waited for. */
static void test_a_deadline(void **state)
{
    struct bench bench;
    struct resolve *resolve;

    open_bench(&bench);
    resolve = resolve_host(bench.resolver, "silent.test", 25, on_done, &bench);
    assert_true(resolve->deadline_ms >= uv_now(&bench.loop) + RESOLVE_PATIENCE_MS);
    resolve->deadline_ms = 0;
    close_bench(&bench);
    assert_int_equal(bench.calls, 1);
    assert_string_equal(bench.error, "no DNS server answered in time");

    open_bench(&bench);
    resolve = resolve_service(bench.resolver, "_silent._tcp.test", on_done, &bench);
    while (resolve->target_count < 2 || resolve->pending > 2) /* those about the silent host */
        (void)uv_run(&bench.loop, UV_RUN_ONCE);
    assert_int_equal(bench.calls, 0);
    resolve->deadline_ms = 0;
    assert_non_null(resolve_host(bench.resolver, "two.test", 25, on_done, &bench));
    (void)uv_run(&bench.loop, UV_RUN_ONCE);
    assert_int_equal(bench.calls, 1);
    assert_null(bench.error);
    assert_int_equal(bench.gap_count, 2);
    assert_int_equal(bench.count, 2);
    close_bench(&bench);
    assert_int_equal(bench.calls, 2);
    assert_int_equal(bench.gap_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_of_the_system),
        cmocka_unit_test(test_search_domains),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_a_service_in_part),
        cmocka_unit_test(test_services_without_a_server),
        cmocka_unit_test(test_the_resolver_is_freed),
        cmocka_unit_test(test_a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
