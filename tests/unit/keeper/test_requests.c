/* What a service gets, whatever it asks: what the configuration names, and nothing else. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper_test.h"
#include "proves.h"
#include <errno.h>
#include <fcntl.h>

static struct played played;

static int set_up(void **state)
{
    play_begin(&played);
    return 0;
}

static int tear_down(void **state)
{
    play_end(&played);
    return 0;
}

static void assert_refused(char letter, const char *text, int failure)
{
    struct word answer = play_request(&played, letter, text);

    assert_int_equal(answer.fd, -1);
    assert_int_equal(strtol(answer.text, NULL, 10), failure);
}

static void assert_given(char letter, const char *text, const char *content)
{
    struct word answer = play_request(&played, letter, text);
    char bytes[64] = "";

    assert_true(answer.fd >= 0);
    if (content) {
        assert_true(read(answer.fd, bytes, sizeof(bytes) - 1) >= 0);
        assert_memory_equal(bytes, content, strlen(content));
    }
    (void)close(answer.fd);
}

static void test_gives_what_is_named(void **state)
{
    char pattern[64];

    assert_given(WORD_CONFIG, played.file, "include = ");
    assert_given(WORD_FILE, played.named, "named\n");
    assert_given(WORD_BIND, "a " PLAYED_ADDRESS, NULL);
    (void)snprintf(pattern, sizeof(pattern), "%s/conf.d/*.ini", played.directory);
    assert_refused(WORD_LIST, pattern, ENOENT); /* nothing matches */
}

static void test_refuses_what_is_not_named(void **state)
{
    char text[128];

    proves("C141");
    assert_refused(WORD_FILE, played.other, EPERM);
    assert_refused(WORD_FILE, "/etc/shadow", EPERM);
    assert_refused(WORD_FILE, "", EPERM);
    assert_refused(WORD_FILE, played.file, EPERM); /* it is no file of a setting */
    assert_refused(WORD_CONFIG, played.named, EPERM);
    assert_refused(WORD_LIST, "/etc/*", EPERM);
    assert_refused(WORD_BIND, "a 127.82.0.1:25", EPERM);
    assert_refused(WORD_BIND, "b " PLAYED_ADDRESS, EPERM);
    assert_refused(WORD_BIND, "a 0.0.0.0:18143", EPERM);
    /* The same file by another name is not what is named. */
    (void)snprintf(text, sizeof(text), "%s/./named.pem", played.directory);
    assert_refused(WORD_FILE, text, EPERM);
    (void)snprintf(text, sizeof(text), "%s\n", played.named);
    assert_refused(WORD_FILE, text, EPERM);
}

/* Only what is below it, and by a path that says so. */
static void test_gives_what_is_below_a_named_directory(void **state)
{
    char certificates[48];
    char inside[64];
    char both[200];
    struct config_report report;

    proves("C141");
    (void)snprintf(certificates, sizeof(certificates), "%s/live", played.directory);
    (void)snprintf(inside, sizeof(inside), "%s/a.pem", certificates);
    assert_int_equal(mkdir(certificates, 0700), 0);
    write_text(inside, "inside\n");
    assert_refused(WORD_TREE, certificates, EPERM);
    assert_refused(WORD_BELOW, inside, EPERM);
    (void)snprintf(both, sizeof(both), "[tls two]\ncertificate_directory = %s\n", certificates);
    write_configuration(&played, both);
    permit_free(&played.keeper.current);
    played.keeper.current = permit_read(played.file, &report);
    assert_int_equal(report.error_count, 0);
    config_report_free(&report);
    assert_given(WORD_TREE, certificates, inside);
    assert_given(WORD_WATCH, certificates, NULL);
    assert_given(WORD_BELOW, inside, "\7\0\0\0inside");
    assert_refused(WORD_FILE, inside, EPERM);
    assert_refused(WORD_FILE, certificates, EPERM);
    assert_refused(WORD_TREE, played.directory, EPERM);
    assert_refused(WORD_WATCH, played.directory, EPERM);
    assert_refused(WORD_BELOW, played.other, EPERM);
    (void)snprintf(both, sizeof(both), "%s\n%s", inside, played.other);
    assert_refused(WORD_BELOW, both, EPERM);
    (void)snprintf(both, sizeof(both), "%s/../other.pem", certificates);
    assert_refused(WORD_BELOW, both, EPERM);
    (void)snprintf(both, sizeof(both), "%s/", certificates);
    assert_refused(WORD_BELOW, both, EPERM);
    assert_refused(WORD_BELOW, "", EPERM);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(rmdir(certificates), 0);
}

/* It is told of a change in the directory, also of a file that was not there. */
static void test_watches_the_directory_of_a_named_file(void **state)
{
    struct word answer = play_request(&played, WORD_WATCH, played.named);
    char both[200];
    char events[512];

    assert_true(answer.fd >= 0);
    assert_int_equal(read(answer.fd, events, sizeof(events)), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(unlink(played.named), 0);
    assert_true(read(answer.fd, events, sizeof(events)) > 0);
    write_text(played.named, "named\n");
    assert_true(read(answer.fd, events, sizeof(events)) > 0);
    (void)close(answer.fd);
    assert_refused(WORD_WATCH, played.other, EPERM);
    (void)snprintf(both, sizeof(both), "%s\n%s", played.named, played.other);
    assert_refused(WORD_WATCH, both, EPERM);
    assert_refused(WORD_WATCH, "", EPERM);
}

static void test_takes_no_letter_for_another(void **state)
{
    static const char known[] = {WORD_CONFIG, WORD_LIST, WORD_FILE, WORD_BIND, WORD_COMMIT,
        WORD_TREE, WORD_BELOW, WORD_WATCH};

    proves("C141");
    for (int letter = 0; letter < 256; letter++) {
        if (!memchr(known, letter, sizeof(known)))
            assert_refused((char)letter, played.named, EINVAL);
    }
}

/*
 * A new configuration is in effect when the service that was asked to load it says so, not before.
 */
static void test_commits_only_what_was_ordered(void **state)
{
    const struct permit *before = played.keeper.current;
    struct config_report report;

    assert_refused(WORD_COMMIT, "", EPERM);
    write_configuration(&played, "server = 127.0.0.2:1143\n");
    played.keeper.coming = permit_read(played.file, &report);
    config_report_free(&report);
    assert_refused(WORD_COMMIT, "", EPERM);
    assert_ptr_equal(played.keeper.current, before);
    played.keeper.state = KEEPER_RELOADING;
    assert_refused(WORD_COMMIT, "", 0);
    assert_ptr_not_equal(played.keeper.current, before);
    assert_null(played.keeper.coming);
}

/* One with errors never is, though its files are there for a service that wants to say so. */
static void test_commits_no_configuration_with_errors(void **state)
{
    struct config_report report;

    proves("C141");
    write_configuration(&played, "nonsense = 1\n");
    played.keeper.coming = permit_read(played.file, &report);
    config_report_free(&report);
    played.keeper.state = KEEPER_RELOADING;
    assert_given(WORD_CONFIG, played.file, "include = ");
    assert_refused(WORD_BIND, "a " PLAYED_ADDRESS, EPERM);
    assert_refused(WORD_COMMIT, "", EPERM);
}

static void test_a_retired_service_gets_nothing(void **state)
{
    proves("C141");
    played.keeper.generations[0].state = GENERATION_RETIRED;
    assert_refused(WORD_CONFIG, played.file, EPERM);
    assert_refused(WORD_FILE, played.named, EPERM);
    assert_refused(WORD_BIND, "a " PLAYED_ADDRESS, EPERM);
    assert_refused(WORD_COMMIT, "", EPERM);
}

/* News that were not asked for change nothing. */
static void test_news_out_of_turn(void **state)
{
    struct generation *one = &played.keeper.generations[0];
    struct word word = {.text = "line\nSTATUS=injected"};

    for (int letter = 0; letter < 256; letter++) {
        word.letter = (char)letter;
        requests_take_news(&played.keeper, one, &word);
        assert_int_equal(played.keeper.state, KEEPER_SERVING);
        assert_int_equal(one->state, GENERATION_SERVING);
    }
    assert_string_equal(one->status, "line?STATUS=injected");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gives_what_is_named),
        TEST(test_refuses_what_is_not_named),
        TEST(test_gives_what_is_below_a_named_directory),
        TEST(test_watches_the_directory_of_a_named_file),
        TEST(test_takes_no_letter_for_another),
        TEST(test_commits_only_what_was_ordered),
        TEST(test_commits_no_configuration_with_errors),
        TEST(test_a_retired_service_gets_nothing),
        TEST(test_news_out_of_turn),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
