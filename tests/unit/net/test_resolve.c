#include "resolve_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- A DNS server on the loop of the test ---- */

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33, PACKET_MAX = 512, HEADER = 12 };
enum { NXDOMAIN = 3, SERVFAIL = 2, NO_ANSWER = -1 };

/* What is answered to a question for a name and a type; several rows are several records. */
struct row {
    const char *name;
    int type;
    int rcode;
    const char *address; /* or of a service: */
    uint16_t priority;
    uint16_t weight;
    uint16_t port;
    const char *target;
};

#define HOST(host, kind, ip)                                                                       \
    {                                                                                              \
        .name = (host), .type = (kind), .address = (ip)                                            \
    }
#define FAILS(host, kind, how)                                                                     \
    {                                                                                              \
        .name = (host), .type = (kind), .rcode = (how)                                             \
    }
#define SERVICE(service, rank, share, number, host)                                                \
    {                                                                                              \
        .name = (service), .type = TYPE_SRV, .priority = (rank), .weight = (share),                \
        .port = (number), .target = (host)                                                         \
    }

static const struct row rows[] = {
    HOST("two.test", TYPE_A, "192.0.2.1"),
    HOST("two.test", TYPE_A, "192.0.2.2"),
    HOST("two.test", TYPE_A, "192.0.2.1"),
    HOST("mapped.test", TYPE_AAAA, "::ffff:192.0.2.7"),
    HOST("six.test", TYPE_AAAA, "2001:db8::1"),
    HOST("hostile.test", TYPE_A, "0.0.0.0"),
    HOST("hostile.test", TYPE_AAAA, "::"),
    HOST("half.test", TYPE_A, "192.0.2.9"),
    HOST("mail.whole", TYPE_A, "192.0.2.1"),
    HOST("mail.whole.search.test", TYPE_AAAA, "2001:db8::9"),
    HOST("six.whole", TYPE_AAAA, "2001:db8::6"),
    HOST("six.whole.search.test", TYPE_A, "192.0.2.99"),
    HOST("short.search.test", TYPE_A, "192.0.2.2"),
    HOST("short.search.test", TYPE_AAAA, "2001:db8::2"),
    FAILS("half.test", TYPE_AAAA, SERVFAIL),
    FAILS("broken.test", TYPE_A, SERVFAIL),
    FAILS("broken.test", TYPE_AAAA, SERVFAIL),
    FAILS("silent.test", TYPE_A, NO_ANSWER),
    FAILS("silent.test", TYPE_AAAA, NO_ANSWER),
    SERVICE("_imap._tcp.test", 20, 7, 1143, "six.test"),
    SERVICE("_imap._tcp.test", 10, 0, 143, "two.test"),
    SERVICE("_partial._tcp.test", 0, 1, 1, "two.test"),
    SERVICE("_partial._tcp.test", 0, 1, 2, "broken.test"),
    SERVICE("_partial._tcp.test", 0, 1, 3, "gone.test"),
    SERVICE("_gone._tcp.test", 0, 1, 3, "gone.test"),
    SERVICE("_none._tcp.test", 0, 0, 0, ""),
    SERVICE("_wrong._tcp.test", 0, 0, 0, "two.test"),
    SERVICE("_silent._tcp.test", 0, 0, 25, "silent.test"),
    SERVICE("_silent._tcp.test", 0, 0, 25, "two.test"),
};

static void put_16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static size_t put_name(unsigned char *at, const char *name)
{
    size_t n = 0;

    while (*name) {
        size_t label = strcspn(name, ".");

        at[n++] = (unsigned char)label;
        memcpy(at + n, name, label);
        n += label;
        name += label + (name[label] == '.' ? 1 : 0);
    }
    at[n++] = 0;
    return n;
}

static size_t get_name(const unsigned char *at, char *name)
{
    size_t n = 0;

    while (at[n] != 0) {
        memcpy(name + n, at + n + 1, at[n]);
        name[n + at[n]] = '.';
        n += 1U + at[n];
    }
    name[n > 0 ? n - 1 : 0] = '\0';
    return n + 1;
}

static size_t put_record(unsigned char *at, const struct row *row)
{
    unsigned char *data = at + 12;
    size_t n;

    put_16(at, 0xc000 + HEADER); /* the name of the question */
    put_16(at + 2, (unsigned)row->type);
    put_16(at + 4, 1);
    memset(at + 6, 0, 4);
    if (row->type == TYPE_SRV) {
        put_16(data, row->priority);
        put_16(data + 2, row->weight);
        put_16(data + 4, row->port);
        n = 6 + put_name(data + 6, row->target);
    } else {
        struct address address;

        assert_true(address_parse_ip(slice_from(row->address), 1, &address));
        n = row->type == TYPE_A ? 4 : 16;
        memcpy(data,
            row->type == TYPE_A ? (const void *)&address.socket.v4.sin_addr
                                : (const void *)&address.socket.v6.sin6_addr,
            n);
    }
    put_16(at + 10, (unsigned)n);
    return 12 + n;
}

/* Turns the question into its answer; 0: none. */
static size_t answer(unsigned char *packet, size_t n)
{
    char name[PACKET_MAX];
    size_t end = HEADER + get_name(packet + HEADER, name);
    int type = packet[end] << 8 | packet[end + 1];
    bool is_known = false;
    unsigned count = 0;
    int rcode = 0;

    n = end + 4;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        is_known = true;
        if (rows[i].type != type)
            continue;
        if (rows[i].rcode == NO_ANSWER)
            return 0;
        rcode = rows[i].rcode;
        if (rcode == 0) {
            n += put_record(packet + n, &rows[i]);
            count++;
        }
    }
    put_16(packet + 2, 0x8180U + (unsigned)(is_known ? rcode : NXDOMAIN));
    put_16(packet + 6, count);
    return n;
}

/* ---- The bench ---- */

struct bench {
    uv_loop_t loop;
    uv_udp_t server;
    unsigned char packet[2 * PACKET_MAX];
    struct address address; /* of the server */
    struct resolver *resolver;
    bool frees_resolver;
    unsigned questions;
    unsigned calls;
    const char *error;
    size_t gap_count;
    struct resolve_gap gaps[2 * RESOLVE_MAX];
    size_t count;
    struct resolve_address found[RESOLVE_MAX];
};

static void give_packet(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct bench *bench = handle->data;

    *buffer = uv_buf_init((char *)bench->packet, PACKET_MAX);
}

static void on_question(uv_udp_t *server, ssize_t n, const uv_buf_t *buffer,
    const struct sockaddr *from, unsigned flags)
{
    struct bench *bench = server->data;
    uv_buf_t out;

    if (n <= 0)
        return;
    bench->questions++;
    n = (ssize_t)answer(bench->packet, (size_t)n);
    out = uv_buf_init((char *)bench->packet, (unsigned)n);
    if (n > 0)
        assert_int_equal(uv_udp_try_send(server, &out, 1, from), n);
}

static void open_bench(struct bench *bench)
{
    struct sockaddr_storage bound;
    int len = sizeof(bound);
    struct address address;

    *bench = (struct bench){.error = "no callback"};
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_true(address_parse_ip(SLICE("127.0.0.1"), 0, &address));
    assert_int_equal(uv_udp_init(&bench->loop, &bench->server), 0);
    bench->server.data = bench;
    assert_int_equal(uv_udp_bind(&bench->server, &address.socket.any, 0), 0);
    assert_int_equal(
        uv_udp_getsockname(&bench->server, (struct sockaddr *)(void *)&bound, &len), 0);
    assert_true(address_from_socket((struct sockaddr *)(void *)&bound, &address));
    assert_int_equal(uv_udp_recv_start(&bench->server, give_packet, on_question), 0);
    uv_unref((uv_handle_t *)&bench->server);
    bench->address = address;
    bench->resolver = resolver_new(&bench->loop, &address, 1);
    assert_non_null(bench->resolver);
}

/* Runs until nothing is looked up any more, and takes everything down. */
static void close_bench(struct bench *bench)
{
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    resolver_free(&bench->resolver);
    uv_close((uv_handle_t *)&bench->server, NULL);
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
    assert_int_equal(bench.questions, 0);
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
