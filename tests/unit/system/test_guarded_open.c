/* Links on the way to a file: root's lead anywhere, those of the account to its own files. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded_open.h"
#include "proves.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/mailmux-guarded-XXXXXX";
static uid_t other; /* an account that has none of the links */

static void assert_reads(const char *path, uid_t account)
{
    char bytes[8] = "";
    int fd = guarded_open(path, account);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, sizeof(bytes) - 1), 5);
    assert_string_equal(bytes, "here\n");
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);
}

static int set_up(void **state)
{
    int fd;

    other = geteuid() + 1;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "here\n", 5), 5);
    (void)close(fd);
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(symlink("../../.././/", "up"), 0);
    assert_int_equal(symlink(directory, "whole"), 0);
    assert_int_equal(symlink("round", "round"), 0);
    assert_int_equal(symlink("/etc/passwd", "away"), 0);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"file", "link", "up", "whole", "round", "away"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(names[i]);
    (void)rmdir(directory);
    return 0;
}

static void test_goes_where_the_kernel_goes(void **state)
{
    char path[256];

    assert_reads("file", other);
    assert_reads("link", other);
    assert_reads("whole/link", other);
    assert_reads(".//./link", other);
    (void)snprintf(path, sizeof(path), "%s//whole/../%s/link", directory, directory + 5);
    assert_reads(path, other);
    (void)snprintf(path, sizeof(path), "up%s/file", directory);
    assert_reads(path, other);
}

static void test_fails_as_the_kernel_fails(void **state)
{
    char path[5000];

    assert_int_equal(guarded_open("round", other), -ELOOP);
    assert_int_equal(guarded_open("none", other), -ENOENT);
    assert_int_equal(guarded_open("none/file", other), -ENOENT);
    assert_int_equal(guarded_open("file/none", other), -ENOTDIR);
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(guarded_open(path, other), -ENAMETOOLONG);
    path[300] = '\0';
    assert_int_equal(guarded_open(path, other), -ENAMETOOLONG);
}

static void test_a_link_of_the_account_leads_to_its_files_alone(void **state)
{
    proves("C141");
    assert_reads("link", geteuid());
    assert_reads("whole/file", geteuid());
    if (geteuid() != 0) {
        assert_int_equal(guarded_open("away", geteuid()), -EPERM);
        return;
    }
    assert_int_equal(lchown("link", 65534, 0), 0);
    assert_int_equal(lchown("whole", 65534, 0), 0);
    assert_int_equal(guarded_open("link", 65534), -EPERM);
    assert_int_equal(guarded_open("whole/file", 65534), -EPERM);
    assert_int_equal(guarded_open("link", GUARDED_ANY), -EPERM);
    assert_reads("link", 65533);
    assert_int_equal(chown("file", 65534, 0), 0);
    assert_reads("whole/link", 65534);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_where_the_kernel_goes),
        cmocka_unit_test(test_fails_as_the_kernel_fails),
        cmocka_unit_test(test_a_link_of_the_account_leads_to_its_files_alone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
