/* One configuration with all that is built from it: whole or not at all, and over a reload. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/protocols.h"
#include "pool.h"
#include "setup_test.h"
#include "snapshot.h"
#include "tls_visit.h"

enum { CHECKING, SERVING };

#define PAIR(file) "certificate = $/" file ".pem\nkey = $/" file ".key\n"
#define PLAIN "[listener plain]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"
#define BACKEND "[backend b]\nserver = one 127.0.0.1:1143\n"

static struct snapshot *build(const char *text, struct snapshot *before, bool make)
{
    struct config *config = config_of(text);
    struct snapshot *snapshot = snapshot_new(&config, before, make, &report);

    assert_null(config);
    return snapshot;
}

static struct snapshot *built(const char *text, struct snapshot *before)
{
    struct snapshot *snapshot = build(text, before, CHECKING);

    if (!snapshot)
        fail_msg("%s", report.problems[0].text);
    return snapshot;
}

static void assert_shown(const struct snapshot *snapshot, const char *sni, const char *name)
{
    struct tls_visit seen =
        tls_visited(snapshot_service(snapshot, 0)->tls, (struct tls_visit){.sni = sni});

    assert_int_equal(seen.status, IO_OK);
    assert_string_equal(seen.common_name, name);
}

/* ---- Names ---- */

#define SECURE(sets)                                                                               \
    "[listener s]\nbind = 127.0.0.1:1002\nprotocol = imap\nbackend = b\ntls_set = " sets "\n"

static void assert_warned_of_hostname(const char *text, const char *warning)
{
    struct snapshot *snapshot = built(text, NULL);

    size_t said = 0;

    for (size_t i = 0; i < report.count; i++) {
        if (!strstr(report.problems[i].text, "hostname in [proxy]"))
            continue; /* of root, which these tests may be run by */
        said++;
        assert_non_null(warning);
        assert_problem(i, false, warning);
    }
    assert_int_equal(said, warning ? 1 : 0);
    config_report_free(&report);
    snapshot_unref(&snapshot);
}

static void test_a_certificate_is_for_hostname(void **state)
{
    assert_warned_of_hostname(
        "[proxy]\nhostname = A.example\n[tls]\n" PAIR("a") SECURE("default") BACKEND, NULL);
    assert_warned_of_hostname("[proxy]\nhostname = b.example\n[tls]\n" PAIR("a") "[tls two]\n" PAIR(
                                  "b") SECURE("default, two") BACKEND,
        NULL);
    assert_warned_of_hostname("[proxy]\nhostname = c.example\n[tls]\n" PAIR("a") "[tls two]\n" PAIR(
                                  "b") SECURE("two, default") BACKEND,
        "x.ini:7: [tls two] certificate = ");
    assert_warned_of_hostname("[proxy]\nhostname = c.example\n[tls]\n" PAIR("a") SECURE("default")
                                  BACKEND,
        "x.ini:4: [tls] certificate = ");
    /* One is made for it; and no client asks where there is no TLS. */
    assert_warned_of_hostname(
        "[proxy]\nhostname = c.example\n[tls]\ntickets = 1\n" SECURE("default") BACKEND, NULL);
    assert_warned_of_hostname(
        "[proxy]\nhostname = c.example\n[tls]\n" PAIR("a") PLAIN BACKEND, NULL);
}

/* ---- Whole ---- */

static void test_a_service_for_each_listener(void **state)
{
    struct snapshot *snapshot =
        built("[tls]\n" PAIR("a") "[listener drops]\nbind = 127.0.0.1:110\nbackend = d\n" PLAIN
                                  "[backend d]\nserver = 127.0.0.1:1110\ntls = implicit\n"
                                  "verify = no\n" BACKEND,
            NULL);
    const struct service *drops = snapshot_service(snapshot, 0);
    const struct service *plain = snapshot_service(snapshot, 1);

    assert_string_equal(drops->listener->name, "drops");
    assert_ptr_equal(drops->protocol, &protocol_pop3);
    assert_non_null(drops->tls);
    assert_string_equal(drops->tls->listener, "drops");
    assert_int_equal(drops->tls->alpn_count, 2);
    assert_string_equal(drops->tls->alpn[0], "pop3");
    assert_string_equal(drops->tls->alpn[1], "pop3s");
    assert_non_null(drops->tls->tickets);
    assert_ptr_equal(drops->route.pool, snapshot_pool(snapshot, drops->listener->backend));
    assert_non_null(drops->route.tls);
    assert_ptr_equal(plain->protocol, &protocol_imap);
    assert_null(plain->tls);
    assert_null(plain->route.tls);
    assert_ptr_equal(plain->route.pool, snapshot_pool(snapshot, plain->listener->backend));
    assert_ptr_not_equal(plain->route.pool, drops->route.pool);
    snapshot_unref(&snapshot);
}

static void test_the_servers_are_in_the_pool(void **state)
{
    struct snapshot *snapshot = built(
        PLAIN "[backend b]\nserver = one 127.0.0.1:1143\nserver = two mx.example:1143\n", NULL);
    struct pool_server server;

    assert_true(pool_look(snapshot_pool(snapshot, 0), 0, &server));
    assert_string_equal(server.name, "one");
    assert_false(pool_look(snapshot_pool(snapshot, 0), 1, &server)); /* by name: not known yet */
    snapshot_unref(&snapshot);
}

/* In the order of the listener: the first is for clients that name none. */
static void test_the_sets_of_a_listener(void **state)
{
    struct snapshot *snapshot = built(
        "[tls one]\n" PAIR("a") "[tls two]\n" PAIR(
            "b") "[listener x]\nbind = 127.0.0.1:143\ntls_set = two, one\nbackend = b\n" BACKEND,
        NULL);

    assert_shown(snapshot, NULL, "b.example");
    assert_shown(snapshot, "a.example", "a.example");
    assert_shown(snapshot, "other.example", "b.example");
    snapshot_unref(&snapshot);
}

/* The default set that no listener names needs no certificate, and none is made for it. */
static void test_a_set_that_serves_no_client(void **state)
{
    struct snapshot *snapshot =
        build("[proxy]\nstate_directory = $/state.d\n[tls one]\n" PAIR("a") "[listener x]\nbind = "
                                                                            "127.0.0.1:143\n"
                                                                            "tls_set = one\n"
                                                                            "backend = b\n" BACKEND,
            NULL, SERVING);

    assert_non_null(snapshot);
    assert_int_equal(access(certificates_path(directory, "state", "d"), F_OK), -1);
    snapshot_unref(&snapshot);
    snapshot = build("[proxy]\nstate_directory = $/state.d\n" PLAIN BACKEND, NULL, SERVING);
    assert_non_null(snapshot);
    snapshot_unref(&snapshot);
}

/* But one that it is told to have is looked at. */
static void test_a_set_that_serves_none_must_be_good(void **state)
{
    assert_null(build("[tls]\n" PAIR("none") PLAIN BACKEND, NULL, CHECKING));
    assert_one_error("x.ini:2: [tls] certificate = ");
}

/* ---- Or not at all ---- */

static void test_all_that_is_wrong_is_told(void **state)
{
    assert_null(build("[tls]\n" PAIR("none") "[tls two]\n" PAIR("nil") PLAIN
        "[backend b]\nserver = 127.0.0.1:1143\ntls = implicit\n"
        "pin = sha256:0\n",
        NULL, CHECKING));
    assert_int_equal(report.error_count, 3);
    assert_problem(0, true, "x.ini:2: [tls] certificate = ");
    assert_problem(1, true, "x.ini:5: [tls two] certificate = ");
    assert_problem(2, true, "x.ini:15: [backend b] pin = ");
}

/* After an earlier problem there is no snapshot, but further problems are found. */
static void test_a_report_with_problems(void **state)
{
    struct config *config = config_of("[tls]\n" PAIR("none") PLAIN BACKEND);

    config_report_add(&report, true, (struct config_origin){0}, "of another");
    assert_null(snapshot_new(&config, NULL, false, &report));
    assert_int_equal(report.error_count, 2);
}

/* ---- References ---- */

static void test_lives_until_the_last_reference_goes(void **state)
{
    struct snapshot *snapshot = built(PLAIN BACKEND, NULL);
    struct snapshot *other = snapshot_ref(snapshot);

    assert_ptr_equal(other, snapshot);
    snapshot_unref(&snapshot);
    assert_null(snapshot);
    assert_string_equal(snapshot_config(other)->listeners[0].name, "plain");
    snapshot_unref(&other);
    snapshot_unref(&other);
}

/* ---- Over a reload ---- */

#define TLS_LISTENER "[listener x]\nbind = 127.0.0.1:143\nprotocol = imap\nbackend = b\n"

/* Whether a client's session of before is resumed by what comes after. */
static bool resumes(const char *first, const char *second)
{
    struct snapshot *before = built(first, NULL);
    struct snapshot *after = built(second, before);
    struct tls_visit visit = {0};
    struct tls_visit again = {0};

    tls_visit_go(snapshot_service(before, 0)->tls, &visit);
    assert_non_null(visit.given);
    snapshot_unref(&before);
    again.session = visit.given;
    again = tls_visited(snapshot_service(after, 0)->tls, again);
    assert_int_equal(again.status, IO_OK);
    SSL_SESSION_free(visit.given);
    snapshot_unref(&after);
    return again.resumed;
}

static void test_tickets_stay_good(void **state)
{
    assert_true(resumes("[tls]\n" PAIR("a") TLS_LISTENER BACKEND,
        "[tls]\n" PAIR("a") TLS_LISTENER BACKEND "retries = 1\n"));
}

static void test_tickets_of_another_period_do_not(void **state)
{
    assert_false(resumes("[tls]\n" PAIR("a") TLS_LISTENER BACKEND,
        "[tls]\nticket_period = 1h\n" PAIR("a") TLS_LISTENER BACKEND));
}

static struct snapshot *replaced(struct snapshot *before, const char *text)
{
    struct snapshot *after = built(text, before);

    snapshot_take_pools(after, before);
    return after;
}

/* By the name of the backend; its servers are those of the new configuration. */
static void test_pools_go_on(void **state)
{
    struct snapshot *before = built(PLAIN BACKEND, NULL);
    struct pool *pool = snapshot_pool(before, 0);
    struct pool_server server;
    struct snapshot *after = replaced(before,
        "[listener first]\nbind = 127.0.0.1:1\nprotocol = pop3\ntls = none\nbackend = new\n"
        "[backend new]\nserver = 127.0.0.1:2\n" PLAIN "[backend b]\nserver = two 127.0.0.1:3\n");

    assert_ptr_equal(snapshot_pool(after, 1), pool);
    assert_ptr_not_equal(snapshot_pool(after, 0), pool);
    assert_ptr_equal(snapshot_service(after, 1)->route.pool, pool);
    assert_ptr_equal(snapshot_service(after, 0)->route.pool, snapshot_pool(after, 0));
    snapshot_unref(&before);
    assert_true(pool_look(pool, 0, &server) || pool_look(pool, 1, &server));
    assert_string_equal(server.name, "two");
    snapshot_unref(&after);
}

/* A session that waits would otherwise come to a server with the TLS of before. */
static void test_pools_begin_anew_where_tls_has_changed(void **state)
{
    static const char *const texts[] = {PLAIN BACKEND "tls = starttls\nverify = no\n",
        PLAIN BACKEND "send_client_address = proxy-v2\n"};

    for (size_t i = 0; i < 2; i++) {
        struct snapshot *before = built(PLAIN BACKEND, NULL);
        struct snapshot *after = replaced(before, texts[i]);

        assert_ptr_not_equal(snapshot_pool(after, 0), snapshot_pool(before, 0));
        assert_ptr_equal(snapshot_service(after, 0)->route.pool, snapshot_pool(after, 0));
        snapshot_unref(&before);
        snapshot_unref(&after);
    }
}

/* A listener's service, a backend of its own, and no place at all. */
static void test_where_routes_lead(void **state)
{
    static const char text[] =
        "[listener front]\nbind = 127.0.0.1:1\nprotocol = auto\nroute = first imap -> plain\n"
        "route = tls -> refuse\nroute = default -> pass backend web\n" PLAIN BACKEND
        "[backend web]\nserver = 127.0.0.1:8443\n";
    struct snapshot *before = built(text, NULL);
    const struct service *front = snapshot_service(before, 0);
    struct pool *pool = front->targets[2].service->route.pool;
    struct snapshot *after;

    assert_string_equal(front->targets[0].text, "first imap -> plain");
    assert_string_equal(front->targets[0].label, "front first imap -> plain");
    assert_ptr_equal(front->targets[0].service, snapshot_service(before, 1));
    assert_string_equal(front->targets[1].text, "tls -> refuse");
    assert_null(front->targets[1].service);
    assert_string_equal(front->targets[2].text, "default -> pass web");
    assert_string_equal(front->targets[2].service->route.backend->name, "web");
    assert_ptr_equal(pool, snapshot_pool(before, front->listener->routes[2].index));
    after = replaced(before, text);
    assert_ptr_equal(snapshot_service(after, 0)->targets[2].service->route.pool, pool);
    snapshot_unref(&before);
    snapshot_unref(&after);
}

static unsigned woken;

static void on_wake(struct pool_waiter *waiter)
{
    woken++;
}

/* The backend is gone: whoever waits for a place there is told now. */
static void test_pools_that_are_left_answer(void **state)
{
    struct snapshot *before =
        built(PLAIN "[backend b]\nserver = one 127.0.0.1:1143 max_sessions=1\n", NULL);
    struct pool *pool = snapshot_pool(before, 0);
    struct pool_waiter waiters[2];
    struct pool_choice choices[2];
    struct snapshot *after;

    woken = 0;
    for (size_t i = 0; i < 2; i++)
        pool_waiter_init(&waiters[i], 1, on_wake);
    assert_int_equal(pool_pick(pool, &waiters[0], 1, &choices[0]), POOL_CHOSEN);
    assert_int_equal(pool_pick(pool, &waiters[1], 1, &choices[1]), POOL_WAITING);
    after = replaced(before,
        "[listener plain]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = other\n"
        "[backend other]\nserver = 127.0.0.1:1143\n");
    assert_int_equal(woken, 1);
    assert_int_equal(pool_take(pool, &waiters[1], &choices[1]), POOL_NONE);
    pool_release(pool, &choices[0], 2);
    snapshot_unref(&before);
    snapshot_unref(&after);
}

/* ---- Probes ---- */

static void test_how_a_backend_is_probed(void **state)
{
    struct snapshot *snapshot = built(PLAIN BACKEND "tls = implicit\nverify = no\n"
                                                    "tls_name = mx.example\n"
                                                    "send_client_address = proxy-v2\n"
                                                    "check_timeout = 3s\n",
        NULL);
    struct probe_plan plan = snapshot_probe_plan(snapshot, 0);

    assert_ptr_equal(plan.opening.protocol, &protocol_imap);
    assert_true(plan.implicit_tls);
    assert_false(plan.opening.starttls);
    assert_ptr_equal(plan.tls, snapshot_service(snapshot, 0)->route.tls);
    assert_string_equal(plan.tls_name, "mx.example");
    assert_int_equal(plan.header, 2);
    assert_int_equal(plan.timeout_ms, 3000);
    assert_null(plan.client);
    snapshot_unref(&snapshot);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_certificate_is_for_hostname),
        TEST(test_a_service_for_each_listener),
        TEST(test_the_servers_are_in_the_pool),
        TEST(test_the_sets_of_a_listener),
        TEST(test_a_set_that_serves_no_client),
        TEST(test_a_set_that_serves_none_must_be_good),
        TEST(test_all_that_is_wrong_is_told),
        TEST(test_a_report_with_problems),
        TEST(test_lives_until_the_last_reference_goes),
        TEST(test_tickets_stay_good),
        TEST(test_tickets_of_another_period_do_not),
        TEST(test_pools_go_on),
        TEST(test_pools_begin_anew_where_tls_has_changed),
        TEST(test_where_routes_lead),
        TEST(test_pools_that_are_left_answer),
        TEST(test_how_a_backend_is_probed),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, set_up_directory, tear_down_directory);
}
