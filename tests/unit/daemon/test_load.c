/* From a file to a snapshot, and what the log says on the way. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "load.h"
#include "log_catch.h"

#define LISTENER                                                                                   \
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"              \
    "[backend b]\nserver = 127.0.0.1:1143\n"

static char *directory;
static const char *file;

static int set_up(void **state)
{
    directory = certificates_directory_new();
    file = certificates_path(directory, "proxy", "ini");
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    certificates_directory_free(&directory);
    return 0;
}

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void test_loads_with_warnings(void **state)
{
    struct snapshot *snapshot;

    write_file("[proxy]\nhostname = mx.example\n" LISTENER);
    snapshot = load_first(file);
    assert_non_null(snapshot);
    assert_string_equal(snapshot_config(snapshot)->proxy.hostname, "mx.example");
    assert_string_equal(snapshot_service(snapshot, 0)->listener->name, "a");
    assert_int_equal(log_count(log_caught(), "proxy.ini:6: [listener a] tls = none: "), 1);
    snapshot_unref(&snapshot);
}

/* From its first line on the log is as the file wants it. */
static void test_the_first_load_sets_the_log_up(void **state)
{
    struct snapshot *snapshot;

    write_file("[proxy]\nlog_format = json\nlog_level = error\n" LISTENER);
    snapshot = load_first(file);
    assert_non_null(snapshot);
    log_message(LOG_WARNING, "quiet", "not wanted");
    log_message(LOG_ERROR, "loud", "wanted");
    assert_non_null(strstr(log_caught(), "\"event\":\"loud\",\"message\":\"wanted\"}\n"));
    snapshot_unref(&snapshot);
}

static void test_every_problem_is_in_the_log(void **state)
{
    const char *said;

    write_file("[proxy]\nworkers = many\nhostnam = x\n" LISTENER);
    assert_null(load_first(file));
    said = log_caught();
    assert_int_equal(log_count(said, " error config message=\""), 2);
    assert_int_equal(log_count(said, "proxy.ini:2: [proxy] workers"), 1);
    assert_int_equal(log_count(said, "proxy.ini:3: "), 1);
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
    assert_null(load_first(file));
    assert_int_equal(log_count(log_caught(), "proxy.ini:2: [tls] certificate = "), 1);
}

static void test_a_file_that_is_not_there(void **state)
{
    assert_null(load_first(file));
    assert_int_equal(log_count(log_caught(), " error config message=\""), 1);
}

/* ---- Once more ---- */

static void test_what_needs_a_restart_is_named(void **state)
{
    struct snapshot *before;
    struct snapshot *after;
    const char *said;

    write_file("[proxy]\nworkers = 2\nhostname = one.example\n" LISTENER);
    before = load_first(file);
    assert_non_null(before);
    write_file("[proxy]\nworkers = 3\nhostname = two.example\n" LISTENER);
    after = load_again(file, before);
    assert_non_null(after);
    said = log_caught();
    assert_int_equal(log_count(said, "needs a restart"), 1);
    assert_int_equal(log_count(said, "[proxy] workers: the change needs a restart"), 1);
    assert_string_equal(snapshot_config(after)->proxy.hostname, "two.example");
    snapshot_unref(&after);
    snapshot_unref(&before);
}

static void test_the_second_load_leaves_the_log_alone(void **state)
{
    struct snapshot *before;
    struct snapshot *after;

    write_file("[proxy]\nlog_level = info\n" LISTENER);
    before = load_first(file);
    assert_non_null(before);
    write_file("[proxy]\nlog_level = error\n" LISTENER);
    after = load_again(file, before);
    assert_non_null(after);
    assert_int_equal(log_count(log_caught(), "[proxy] log_level: the change needs a restart"), 1);
    log_message(LOG_INFO, "still", "here");
    assert_int_equal(log_count(log_caught(), "info still"), 1);
    snapshot_unref(&after);
    snapshot_unref(&before);
}

static void test_a_second_load_that_fails(void **state)
{
    struct snapshot *before;

    write_file(LISTENER);
    before = load_first(file);
    assert_non_null(before);
    write_file("[proxy]\nworkers = 2\nhostname =\n" LISTENER);
    assert_null(load_again(file, before));
    assert_int_equal(log_count(log_caught(), "needs a restart"), 0);
    assert_string_equal(snapshot_service(before, 0)->listener->name, "a");
    snapshot_unref(&before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loads_with_warnings),
        TEST(test_the_first_load_sets_the_log_up),
        TEST(test_every_problem_is_in_the_log),
        TEST(test_certificates_are_looked_at),
        TEST(test_a_file_that_is_not_there),
        TEST(test_what_needs_a_restart_is_named),
        TEST(test_the_second_load_leaves_the_log_alone),
        TEST(test_a_second_load_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
