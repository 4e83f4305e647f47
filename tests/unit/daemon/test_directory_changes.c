/* Changes of certificates that the kernel tells of, and those that it cannot tell of. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "directory_changes.h"
#include "directory_watch.h"
#include "log_catch.h"
#include "mailmux/files.h"
#include "snapshots.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { POLL_MS = 3000, GUARD_MS = 30000 };

static char *directory;
static bool can_watch;
static size_t reads; /* how often files were read */
static uv_loop_t loop;
static uv_timer_t guard;
static struct directory_changes changes;
static struct snapshot *snapshot;

static int open_on_disk(void *owner, const char *path)
{
    return files_open_on_disk(FILE_NAMED, path);
}

/* What a keeper does, whose kernel may have no watch left. */
static int get(void *owner, enum file_kind kind, const char *name)
{
    struct stat info;

    reads += kind == FILE_BELOW ? 1 : 0;
    if (kind != FILE_WATCH)
        return files_open_on_disk(kind, name);
    if (!can_watch)
        return -ENOSPC;
    return stat(name, &info) == 0 && S_ISDIR(info.st_mode)
               ? directory_watch_open(name, open_on_disk, NULL)
               : directory_watch_open_files(name, open_on_disk, NULL);
}

static void add(const char *name)
{
    char file[64];
    char host[64];

    (void)snprintf(file, sizeof(file), "live/%s", name);
    (void)snprintf(host, sizeof(host), "%s.example", name);
    certificates_make(directory, &(struct certificate_request){.file = file, .name = host});
}

static int set_up(void **state)
{
    char text[1024];

    directory = certificates_directory_new();
    (void)snprintf(text, sizeof(text), "%s/live", directory);
    assert_int_equal(mkdir(text, 0700), 0);
    certificates_make(
        directory, &(struct certificate_request){.file = "own", .name = "own.example"});
    add("a");
    (void)snprintf(text, sizeof(text),
        "[proxy]\nhostname = a.example\n[tls]\ncertificate = %s\nkey = %s\n"
        "certificate_directory = %s/live\n"
        "[listener a]\nbind = @:1001\nprotocol = imap\nbackend = one\n"
        "[backend one]\nserver = 10.0.0.5:143\n",
        certificates_path(directory, "own", "pem"), certificates_path(directory, "own", "key"),
        directory);
    log_catch(LOG_INFO);
    snapshot = snapshot_of(text);
    assert_int_equal(uv_loop_init(&loop), 0);
    (void)uv_timer_init(&loop, &guard);
    directory_changes_init(&changes, &loop);
    files_set_source(get, NULL);
    can_watch = true;
    return 0;
}

static int tear_down(void **state)
{
    directory_changes_close(&changes);
    directory_changes_close(&changes);
    uv_close((uv_handle_t *)&guard, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    files_set_source(NULL, NULL);
    snapshot_unref(&snapshot);
    certificates_directory_free(&directory);
    log_release();
    return 0;
}

static size_t count(void)
{
    struct tls_directory *now = snapshot_directory(snapshot, 0);
    size_t n = tls_directory_count(now);

    tls_directory_unref(&now);
    return n;
}

static void on_guard(uv_timer_t *unused)
{
    (void)unused;
    fail_msg("it was not heard of");
}

/* The reading behind a start, and each poll, without the time that they would wait. */
static void fire(void)
{
    assert_true(uv_is_active((uv_handle_t *)&changes.timer));
    assert_true(uv_timer_get_due_in(&changes.timer) < POLL_MS + GUARD_MS);
    (void)uv_timer_start(&changes.timer, changes.timer.timer_cb, 0, 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* Lets events come until there are so many certificates. */
static void wait_for(size_t wanted)
{
    (void)uv_timer_start(&guard, on_guard, GUARD_MS, 0);
    while (count() != wanted)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&guard);
}

static void test_what_the_kernel_tells_of(void **state)
{
    directory_changes_follow(&changes, snapshot);
    fire();
    assert_false(uv_is_active((uv_handle_t *)&changes.timer)); /* nothing wakes it but a change */
    add("b");
    wait_for(2);
}

static void test_what_it_cannot_tell_of_is_looked_at(void **state)
{
    can_watch = false;
    directory_changes_follow(&changes, snapshot);
    fire();
    assert_int_equal(count(), 1);
    add("b");
    fire();
    assert_int_equal(count(), 2);
    assert_int_equal(log_count(log_caught(), "certificates-changed"), 1);
    assert_int_equal(unlink(certificates_path(directory, "live/b", "pem")), 0);
    fire();
    assert_int_equal(count(), 1);
}

static void test_an_answer_that_it_cannot_tell_of(void **state)
{
    const char *answer = certificates_path(directory, "own.pem", "ocsp");
    FILE *file;

    can_watch = false;
    directory_changes_follow(&changes, snapshot);
    fire();
    file = fopen(answer, "we");
    assert_non_null(file);
    (void)fclose(file);
    fire();
    assert_int_equal(log_count(log_caught(), "own.pem.ocsp is not stapled: it is no answer"), 1);
    fire();
    assert_int_equal(log_count(log_caught(), "own.pem.ocsp"), 0); /* it has been said */
}

static void test_it_hears_again_when_it_can(void **state)
{
    can_watch = false;
    directory_changes_follow(&changes, snapshot);
    fire();
    can_watch = true;
    fire();
    assert_false(uv_is_active((uv_handle_t *)&changes.timer));
    add("b");
    wait_for(2);
}

/* A change of the one has the other left alone. */
static void test_directories_are_not_read_for_an_answer(void **state)
{
    directory_changes_follow(&changes, snapshot);
    fire();
    reads = 0;
    (void)close(open(certificates_path(directory, "own.pem", "ocsp"), O_CREAT | O_WRONLY, 0600));
    (void)uv_timer_start(&guard, on_guard, GUARD_MS, 0);
    while (log_count(log_caught(), "own.pem.ocsp is not stapled") == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&guard);
    assert_int_equal(reads, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_the_kernel_tells_of),
        TEST(test_what_it_cannot_tell_of_is_looked_at),
        TEST(test_an_answer_that_it_cannot_tell_of),
        TEST(test_it_hears_again_when_it_can),
        TEST(test_directories_are_not_read_for_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
