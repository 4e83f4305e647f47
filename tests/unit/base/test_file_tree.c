/* What is found below a directory, what is read of it, and which paths count as below. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/file_tree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/mailmux-tree-XXXXXX";
static const char *forbidden; /* what open_one refuses */

static int open_one(void *owner, const char *path)
{
    int fd;

    if (forbidden && strcmp(path, forbidden) == 0)
        return -EACCES;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void write_file(const char *name, const char *bytes)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    (void)close(fd);
}

static int set_up(void **state)
{
    forbidden = NULL;
    (void)strcpy(directory, "/tmp/mailmux-tree-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(system(command), 0);
    return 0;
}

/* Returns how many files are listed; `names` gets their names behind the directory, in any order.
 */
static size_t list(char *names, size_t cap)
{
    static char bytes[1 << 16];
    int fd = file_tree_list(directory, open_one, NULL);
    ssize_t n;
    size_t count = 0;

    assert_true(fd >= 0);
    n = read(fd, bytes, sizeof(bytes));
    (void)close(fd);
    assert_true(n >= 0);
    names[0] = '\0';
    for (const char *at = bytes; at < bytes + n;
         at += strlen(at) + 1 + sizeof(struct file_tree_stamp), count++) {
        assert_int_equal(strncmp(at, directory, strlen(directory)), 0);
        (void)snprintf(names + strlen(names), cap - strlen(names), "%s ", at + strlen(directory));
    }
    return count;
}

/* Returns the stamp of the one file that is listed. */
static struct file_tree_stamp stamp_of_one(void)
{
    char bytes[256];
    struct file_tree_stamp stamp;
    int fd = file_tree_list(directory, open_one, NULL);
    ssize_t n = read(fd, bytes, sizeof(bytes));

    (void)close(fd);
    assert_int_equal(n, strlen(bytes) + 1 + sizeof(stamp));
    memcpy(&stamp, bytes + strlen(bytes) + 1, sizeof(stamp));
    return stamp;
}

static void assert_has(const char *names, const char *name)
{
    char word[64];

    (void)snprintf(word, sizeof(word), "%s ", name);
    if (!strstr(names, word))
        fail_msg("%s is not in %s", name, names);
}

static void test_lists_files_below(void **state)
{
    char names[512];

    assert_int_equal(mkdir("one", 0700), 0);
    assert_int_equal(mkdir("one/two", 0700), 0);
    write_file("a.pem", "a");
    write_file("one/two/b.pem", "b");
    assert_int_equal(symlink("one", "way"), 0);        /* to a directory */
    assert_int_equal(symlink("../a.pem", "one/c"), 0); /* to a file */
    assert_int_equal(list(names, sizeof(names)), 5);
    assert_has(names, "/a.pem");
    assert_has(names, "/one/two/b.pem");
    assert_has(names, "/one/c");
    assert_has(names, "/way/two/b.pem");
    assert_has(names, "/way/c");
}

static void test_tells_what_changes_with_a_file(void **state)
{
    struct file_tree_stamp first;
    struct file_tree_stamp second;

    write_file(".one", "a");
    write_file(".two", "b");
    assert_int_equal(symlink(".one", "link"), 0);
    first = stamp_of_one(); /* of what the link leads to */
    assert_true(first.inode != 0 && first.octets == 1 && first.changed_ns != 0);
    second = stamp_of_one();
    assert_memory_equal(&first, &second, sizeof(first));
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(symlink(".two", "link"), 0);
    second = stamp_of_one();
    assert_true(first.inode != second.inode);
    write_file(".two", "longer");
    assert_int_equal(stamp_of_one().octets, 6);
    assert_int_equal(unlink(".two"), 0); /* the link leads nowhere */
    assert_int_equal(stamp_of_one().inode, 0);
    assert_int_equal(unlink("link"), 0);
    write_file("plain", "abc");
    assert_int_equal(stamp_of_one().octets, 3);
    assert_int_equal(stamp_of_one().mode, S_IFREG | 0600);
}

/* Kubernetes' ..data, editors' copies, and what a line could not name. */
static void test_passes_over(void **state)
{
    char names[512];

    write_file(".hidden", "");
    write_file("a.pem~", "");
    write_file("two\nlines", "");
    write_file("a.pem", "");
    assert_int_equal(mkdir("..data", 0700), 0);
    write_file("..data/b.pem", "");
    assert_int_equal(list(names, sizeof(names)), 1);
    assert_has(names, "/a.pem");
}

static void test_goes_round_no_circle(void **state)
{
    char names[512];

    assert_int_equal(mkdir("one", 0700), 0);
    write_file("one/a.pem", "");
    assert_int_equal(symlink(".", "round"), 0);
    assert_int_equal(symlink("..", "one/up"), 0);
    assert_int_equal(symlink("one", "other"), 0); /* a second way to it is no circle */
    assert_int_equal(list(names, sizeof(names)), 2);
    assert_has(names, "/one/a.pem");
    assert_has(names, "/other/a.pem");
}

static void test_goes_so_deep(void **state)
{
    char names[512];
    char path[64] = "";

    for (int depth = 0; depth <= FILE_TREE_DEPTH_MAX; depth++) {
        (void)strcat(path, depth ? "/d" : "d");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)strcat(path, "/deep.pem");
    write_file(path, "");
    assert_int_equal(list(names, sizeof(names)), 0); /* one level too deep */
}

static void test_says_why_there_is_no_listing(void **state)
{
    assert_int_equal(file_tree_list("/nowhere/at/all", open_one, NULL), -ENOENT);
    forbidden = directory;
    assert_int_equal(file_tree_list(directory, open_one, NULL), -EACCES);
}

static int32_t take_number(int fd)
{
    int32_t n = 0;

    assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
    return n;
}

static void test_reads_many_at_once(void **state)
{
    static char large[FILE_TREE_OCTETS_MAX + 2];
    char bytes[8] = "";
    int fd;

    (void)memset(large, 'x', sizeof(large) - 1);
    write_file("a", "first");
    write_file("empty", "");
    write_file("large", large);
    write_file("secret", "no");
    forbidden = "secret";
    fd = file_tree_read("a\nempty\nnone\nlarge\n.\nsecret\na", open_one, NULL);
    assert_true(fd >= 0);
    assert_int_equal(take_number(fd), 5);
    assert_int_equal(read(fd, bytes, 5), 5);
    assert_string_equal(bytes, "first");
    assert_int_equal(take_number(fd), 0);
    assert_int_equal(take_number(fd), -ENOENT);
    assert_int_equal(take_number(fd), -EFBIG);
    assert_int_equal(take_number(fd), -EINVAL); /* a directory */
    assert_int_equal(take_number(fd), -EACCES);
    assert_int_equal(take_number(fd), 5);
    (void)close(fd);
}

static void test_what_is_below(void **state)
{
    assert_true(file_tree_is_below("/d/a", "/d"));
    assert_true(file_tree_is_below("/d/a/b.pem", "/d"));
    assert_false(file_tree_is_below("/d", "/d"));
    assert_false(file_tree_is_below("/d/", "/d"));
    assert_false(file_tree_is_below("/da", "/d"));
    assert_false(file_tree_is_below("/e/a", "/d"));
    assert_false(file_tree_is_below("/d/../etc/shadow", "/d"));
    assert_false(file_tree_is_below("/d/a/../b", "/d"));
    assert_false(file_tree_is_below("/d/./a", "/d"));
    assert_false(file_tree_is_below("/d//a", "/d"));
    assert_false(file_tree_is_below("/d/..data/a", "/d"));
    assert_false(file_tree_is_below("", "/d"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lists_files_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tells_what_changes_with_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_round_no_circle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_so_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_why_there_is_no_listing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reads_many_at_once, set_up, tear_down),
        cmocka_unit_test(test_what_is_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
