/* The news of certificates, with a clock that only the test moves. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificate_watch.h"
#include "certificates.h"
#include "log_catch.h"
#include "snapshots.h"
#include <time.h>

enum { DAY_S = 24 * 60 * 60 };

/* The certificates of the harness begin two days before they are made, and last 32 days. */
static const int64_t left_of_third_s = INT64_C(32) * DAY_S / 3;

time_t __wrap_time(time_t *unused);

static char *directory;
static int64_t now_s;
static int64_t end_s;
static uv_loop_t loop;
static struct certificate_watch watch;
static struct snapshot *snapshot;

time_t __wrap_time(time_t *unused)
{
    (void)unused;
    return (time_t)now_s;
}

static void note_end(void *owner, const struct own_certificate *certificate)
{
    (void)owner;
    end_s = certificate->dates.end_s;
}

static struct snapshot *make_snapshot(void)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "[proxy]\nhostname = a.example\n[tls]\ncertificate = %s\nkey = %s\n"
        "[listener a]\nbind = @:1001\nprotocol = imap\nbackend = one\n"
        "[backend one]\nserver = 10.0.0.5:143\ntls = implicit\nclient_certificate = %s\n"
        "client_key = %s\n",
        certificates_path(directory, "a", "pem"), certificates_path(directory, "a", "key"),
        certificates_path(directory, "b", "pem"), certificates_path(directory, "b", "key"));
    return snapshot_of(text);
}

static int set_up(void **state)
{
    struct timespec real;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    now_s = real.tv_sec;
    directory = certificates_directory_new();
    certificates_make(directory, &(struct certificate_request){.file = "a", .name = "a.example"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    snapshot = make_snapshot();
    snapshot_each_certificate(snapshot, note_end, NULL);
    assert_int_equal(uv_loop_init(&loop), 0);
    certificate_watch_init(&watch, &loop);
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    certificate_watch_close(&watch);
    certificate_watch_close(&watch);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    snapshot_unref(&snapshot);
    certificates_directory_free(&directory);
    log_release();
    return 0;
}

/* Lets the watch look at this time; returns what it has said. */
static const char *look_at(int64_t time_s)
{
    now_s = time_s;
    assert_true(uv_timer_get_due_in(&watch.timer) <= 3600 * 1000); /* it will, by itself */
    (void)uv_timer_start(&watch.timer, watch.timer.timer_cb, 0, 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    return log_caught();
}

static void test_each_stage_is_said_once(void **state)
{
    const char *said;

    certificate_watch_follow(&watch, snapshot);
    assert_string_equal(look_at(end_s - left_of_third_s - 1), "");
    said = look_at(end_s - left_of_third_s + 60);
    assert_int_equal(log_count(said, " warning own-certificate "), 2);
    assert_int_equal(log_count(said, "own-certificate set=default certificate="), 1);
    assert_int_equal(log_count(said, "own-certificate backend=one certificate="), 1);
    assert_int_equal(log_count(said, " days=10 why=\"ends in 10 days ("), 2);
    assert_string_equal(look_at(end_s - left_of_third_s + 3600), "");
    assert_int_equal(log_count(look_at(end_s - 3 * DAY_S), "less than a tenth"), 2);
    assert_string_equal(look_at(end_s - 2 * DAY_S - 10), "");
    assert_int_equal(log_count(look_at(end_s - 2 * DAY_S + 10), "own-certificate"), 2);
    assert_int_equal(log_count(look_at(end_s - DAY_S), "own-certificate"), 2);
    said = look_at(end_s);
    assert_int_equal(log_count(said, " error own-certificate "), 2);
    assert_int_equal(log_count(said, "why=\"has expired\""), 2);
    assert_string_equal(look_at(end_s + 3600), "");
    assert_int_equal(log_count(look_at(end_s + DAY_S), " error own-certificate "), 2);
}

/* A renewal that no reload has followed is a mistake of its own, which certbot makes for many. */
static void test_the_file_has_a_newer_one(void **state)
{
    const char *said;

    certificate_watch_follow(&watch, snapshot);
    said = look_at(end_s - left_of_third_s);
    assert_int_equal(log_count(said, "remedy=\"renew it, and let mailmux reload (SIGHUP)\""), 2);
    certificates_make(
        directory, &(struct certificate_request){.file = "b", .name = "b.example", .days = 90});
    said = look_at(end_s - DAY_S);
    assert_int_equal(log_count(said, "remedy=\"renew it, and let mailmux reload (SIGHUP)\""), 1);
    assert_int_equal(log_count(said, "remedy=\"the file has a newer one already: let "), 1);
}

/* After a pause of the machine the news of the pause is one piece of news. */
static void test_a_long_pause(void **state)
{
    certificate_watch_follow(&watch, snapshot);
    assert_int_equal(log_count(look_at(end_s - DAY_S / 2), "own-certificate"), 2);
}

/* What a load has judged already is its report's, and what came since is not lost. */
static void test_what_was_news_at_the_load(void **state)
{
    struct snapshot *later;

    certificate_watch_follow(&watch, snapshot);
    now_s = end_s - left_of_third_s + 10;
    later = make_snapshot();
    certificate_watch_follow(&watch, later);
    snapshot_unref(&later);
    assert_string_equal(look_at(now_s + 1), "");
    now_s = end_s - left_of_third_s * 2;
    later = make_snapshot();
    now_s = end_s - left_of_third_s + 10;
    certificate_watch_follow(&watch, later);
    snapshot_unref(&later);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(log_count(log_caught(), "own-certificate"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_stage_is_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_file_has_a_newer_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_news_at_the_load, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
