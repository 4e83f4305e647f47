/* From a file to a snapshot, and what the log says on the way. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ini_file.h"
#include "load.h"

#define LISTENER                                                                                   \
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"              \
    "[backend b]\nserver = 127.0.0.1:1143\n"

/* As the keeper does it: its own problems are in the log before those of the snapshot. */
static struct snapshot *load(void)
{
    struct config_report report;
    struct config *config;
    struct snapshot *snapshot = NULL;

    if (config_load(file, &config, &report))
        snapshot = load_first(&config);
    config_report_free(&report);
    return snapshot;
}

static void test_loads(void **state)
{
    struct snapshot *snapshot;

    write_file("[proxy]\nhostname = mx.example\n" LISTENER);
    snapshot = load();
    assert_non_null(snapshot);
    assert_string_equal(snapshot_config(snapshot)->proxy.hostname, "mx.example");
    assert_string_equal(snapshot_service(snapshot, 0)->listener->name, "a");
    snapshot_unref(&snapshot);
}

/* From its first line on the log is as the file wants it. */
static void test_the_first_load_sets_the_log_up(void **state)
{
    struct snapshot *snapshot;

    write_file("[proxy]\nlog_format = json\nlog_level = error\n" LISTENER);
    snapshot = load();
    assert_non_null(snapshot);
    log_message(LOG_WARNING, "quiet", "not wanted");
    log_message(LOG_ERROR, "loud", "wanted");
    assert_non_null(strstr(log_caught(), "\"event\":\"loud\",\"message\":\"wanted\"}\n"));
    snapshot_unref(&snapshot);
}

/* What is said before the file is loaded has its form, too, and nothing is said of its problems. */
static void test_the_form_alone(void **state)
{
    write_file("[proxy]\nlog_format = json\nworkers = many\n");
    load_log_form(file);
    log_message(LOG_ERROR, "event", "x");
    assert_non_null(strstr(log_caught(), "\"event\":\"event\",\"message\":\"x\"}\n"));
    write_file("[proxy]\nlog_format = xml\nlog_level = loud\n"); /* in error: the defaults */
    load_log_form(file);
    log_message(LOG_DEBUG, "quiet", "x");
    log_message(LOG_INFO, "event", "x");
    assert_null(strstr(log_caught(), "quiet"));
}

/* What only the snapshot finds out is a problem of the file, too. */
static void test_certificates_are_looked_at(void **state)
{
    FILE *junk = fopen(certificates_path(directory, "junk", "pem"), "w");
    char text[1024];

    assert_non_null(junk);
    assert_true(fputs("junk", junk) >= 0);
    assert_int_equal(fclose(junk), 0);
    (void)snprintf(text, sizeof(text),
        "[tls]\ncertificate = %s\nkey = %s\n[listener a]\nbind = 127.0.0.1:1001\n"
        "protocol = imap\nbackend = b\n[backend b]\nserver = 127.0.0.1:1143\n",
        certificates_path(directory, "junk", "pem"), certificates_path(directory, "junk", "pem"));
    write_file(text);
    assert_null(load());
    assert_int_equal(log_count(log_caught(), "proxy.ini:2: [tls] certificate = "), 1);
}

/* ---- Once more ---- */

static void test_a_second_load_that_fails(void **state)
{
    struct snapshot *before;
    char why[1024];

    write_file(LISTENER);
    before = load();
    assert_non_null(before);
    write_file("[proxy]\nworkers = many\nhostname =\n" LISTENER);
    log_keep_errors(why, sizeof(why));
    assert_null(load_again(file, before));
    log_keep_errors(NULL, 0);
    assert_non_null(strstr(why, "proxy.ini:2: [proxy] workers"));
    assert_non_null(strstr(why, "\n"));
    assert_non_null(strstr(why, "proxy.ini:3: [proxy] hostname"));
    assert_string_equal(snapshot_service(before, 0)->listener->name, "a");
    snapshot_unref(&before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loads),
        TEST(test_the_first_load_sets_the_log_up),
        TEST(test_the_form_alone),
        TEST(test_certificates_are_looked_at),
        TEST(test_a_second_load_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
