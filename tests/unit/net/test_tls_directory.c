/* What is read of a directory of certificates when something in it has changed, and what is kept.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_directory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILES_MAX = 16, NOW_S = 1000000, NS_PER_S = 1000000000 };

/* A file of the tree that is read: no disk is in the way. */
struct entry {
    const char *path;
    char bytes[4096];
    int64_t changed_s;
    int64_t mode;
};

static struct entry tree[FILES_MAX];
static size_t count;
static char *made; /* where the harness makes certificates */
static struct tls_file files[FILES_MAX];
static size_t reads;
static struct tls_directory *directory;

static struct entry *find(const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tree[i].path, path) == 0)
            return &tree[i];
    }
    return NULL;
}

/* Writes a file that is one of the harness's: "a.pem". */
static void put(const char *path, const char *name, const char *suffix)
{
    FILE *file = fopen(certificates_path(made, name, suffix), "re");
    struct entry *entry = find(path);
    size_t n;

    if (!entry)
        entry = &tree[count++];
    assert_non_null(file);
    n = fread(entry->bytes, 1, sizeof(entry->bytes) - 1, file);
    entry->bytes[n] = '\0';
    (void)fclose(file);
    entry->path = path;
    entry->changed_s = entry->changed_s ? entry->changed_s + 1 : 1;
}

static void append(const char *path, const char *other)
{
    struct entry *to = find(path);
    const struct entry *from = find(other);

    if (to && from)
        (void)strcat(to->bytes, from->bytes);
    else
        fail_msg("%s or %s is not in the tree", path, other);
}

static void drop(const char *path)
{
    struct entry *entry = find(path);

    *entry = tree[--count];
}

static bool read_needed(void *owner)
{
    for (size_t i = 0; i < count; i++) {
        if (!files[i].is_needed || files[i].is_read)
            continue;
        files[i].bytes = slice_from(find(files[i].path)->bytes);
        files[i].is_read = true;
        reads++;
    }
    return true;
}

/* Looks at the tree again. Returns how many files were read for that. */
static size_t look(void)
{
    struct tls_directory_source source = {.files = files,
        .count = count,
        .read = read_needed,
        .listed_s = NOW_S,
        .before = directory,
        .only_news = true,
        .now_s = (int64_t)time(NULL)};
    struct tls_directory *now;

    reads = 0;
    for (size_t i = 0; i < count; i++)
        files[i] = (struct tls_file){.path = tree[i].path,
            .stamp = {
                .inode = 1, .mode = tree[i].mode, .changed_ns = tree[i].changed_s * NS_PER_S}};
    now = tls_directory_new(&source);
    assert_non_null(now);
    tls_directory_unref(&directory);
    directory = now;
    return reads;
}

static bool has_problem(const char *words)
{
    const char *problem;

    for (size_t i = 0; (problem = tls_directory_problem(directory, i)) != NULL; i++) {
        if (strstr(problem, words))
            return true;
    }
    return false;
}

/* Returns whether the name is served from this file. */
static bool is_served(const char *name, const char *path)
{
    for (size_t i = 0; i < tls_directory_count(directory); i++) {
        if (strcmp(tls_directory_path(directory, i), path) == 0)
            return strcmp(tls_directory_first_name(directory, i), name) == 0;
    }
    return false;
}

static int set_up_group(void **state)
{
    static const char *const names[] = {"a", "a2", "b", "c"};

    made = certificates_directory_new();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%c.test", names[i][0]);
        certificates_make(made, &(struct certificate_request){.file = names[i], .name = name});
    }
    return 0;
}

static int tear_down_group(void **state)
{
    certificates_directory_free(&made);
    return 0;
}

/* Two pairs in one directory, and one in another. */
static int set_up(void **state)
{
    memset(tree, 0, sizeof(tree));
    count = 0;
    put("/d/a.crt", "a", "pem");
    put("/d/a.key", "a", "key");
    put("/d/b.crt", "b", "pem");
    put("/d/b.key", "b", "key");
    put("/d/c/tls.crt", "c", "pem");
    put("/d/c/tls.key", "c", "key");
    assert_int_equal(look(), 6);
    assert_int_equal(tls_directory_count(directory), 3);
    return 0;
}

static int tear_down(void **state)
{
    tls_directory_unref(&directory);
    return 0;
}

static void test_what_has_not_changed_is_not_read(void **state)
{
    struct tls_directory *before = tls_directory_ref(directory);

    assert_int_equal(look(), 0);
    assert_true(tls_directory_is_same(before, directory));
    tls_directory_unref(&before);
}

/* Two changes within the time that a stamp can tell apart look like one. */
static void test_what_has_changed_of_late_is_read_again(void **state)
{
    find("/d/c/tls.crt")->changed_s = NOW_S - 1;
    assert_int_equal(look(), 2);
    assert_int_equal(look(), 2);
    find("/d/c/tls.crt")->changed_s = NOW_S - 10;
    assert_int_equal(look(), 2);
    assert_int_equal(look(), 0);
}

static void test_a_renewal_reads_its_pair(void **state)
{
    put("/d/a.crt", "a2", "pem");
    put("/d/a.key", "a2", "key");
    assert_int_equal(look(), 2);
    assert_true(is_served("a.test", "/d/a.crt") && is_served("b.test", "/d/b.crt"));
    assert_int_equal(tls_directory_count(directory), 3);
    put("/d/b.crt", "b", "pem"); /* with the same key */
    assert_int_equal(look(), 2);
    assert_int_equal(tls_directory_count(directory), 3);
    assert_null(tls_directory_problem(directory, 0));
}

static void test_a_key_may_be_in_a_file_that_was_not_read(void **state)
{
    put("/d/0.crt", "b", "pem");
    assert_int_equal(look(), 5);                  /* all of its directory */
    assert_true(is_served("b.test", "/d/0.crt")); /* the first by its path */
    assert_null(tls_directory_problem(directory, 0));
    assert_int_equal(look(), 0);
}

static void test_a_key_that_is_gone_is_missed(void **state)
{
    drop("/d/b.key");
    assert_int_equal(look(), 3);
    assert_true(has_problem("/d/b.crt: no private key in its directory belongs to it"));
    assert_true(is_served("b.test", "/d/b.crt"));
    /* What is wrong is looked at each time, and told each time. */
    assert_int_equal(look(), 3);
    assert_true(has_problem("/d/b.crt: no private key in its directory belongs to it"));
    put("/d/b.key", "b", "key");
    (void)look();
    assert_null(tls_directory_problem(directory, 0));
    assert_int_equal(look(), 0);
}

static void test_a_pair_that_is_gone_is_served_no_more(void **state)
{
    drop("/d/b.key");
    drop("/d/b.crt");
    assert_int_equal(look(), 0);
    assert_int_equal(tls_directory_count(directory), 2);
    drop("/d/c/tls.crt");
    drop("/d/c/tls.key");
    assert_int_equal(look(), 0);
    assert_int_equal(tls_directory_count(directory), 1);
}

/* Of two for one name the one that is not served is remembered. */
static void test_the_second_best_comes_back(void **state)
{
    put("/d/z/a.crt", "a2", "pem");
    put("/d/z/a.key", "a2", "key");
    assert_int_equal(look(), 2);
    assert_int_equal(tls_directory_count(directory), 3);
    drop("/d/a.crt");
    drop("/d/a.key");
    (void)look();
    assert_true(is_served("a.test", "/d/z/a.crt"));
}

static void test_an_answer_is_read_with_its_pair(void **state)
{
    put("/d/a.crt.ocsp", "a", "key"); /* which it is not */
    assert_int_equal(look(), 3);
    assert_true(has_problem("/d/a.crt.ocsp: it is not stapled: it is no answer"));
    assert_true(is_served("a.test", "/d/a.crt"));
    drop("/d/a.crt.ocsp");
    assert_int_equal(look(), 0);
    assert_null(tls_directory_problem(directory, 0));
}

/* What is passed over while it stands beside fullchain.pem is read when that is gone. */
static void test_a_part_is_read_when_the_whole_is_gone(void **state)
{
    put("/d/x/fullchain.pem", "a2", "pem");
    put("/d/x/cert.pem", "a2", "pem");
    put("/d/x/privkey.pem", "a2", "key");
    assert_int_equal(look(), 2);
    drop("/d/x/fullchain.pem");
    drop("/d/a.crt");
    drop("/d/a.key");
    assert_int_equal(look(), 2);
    assert_true(is_served("a.test", "/d/x/cert.pem"));
    assert_int_equal(look(), 0);
    put("/d/x/fullchain.pem", "a2", "pem");
    assert_int_equal(look(), 2);
    assert_true(is_served("a.test", "/d/x/fullchain.pem"));
}

/* The key of a certificate that has changed is beside another that has not. */
static void test_a_file_with_a_pair_and_the_key_of_another(void **state)
{
    append("/d/a.crt", "/d/a.key");
    append("/d/a.crt", "/d/b.key");
    find("/d/a.crt")->changed_s++;
    drop("/d/a.key");
    drop("/d/b.key");
    assert_int_equal(look(), 2);
    assert_null(tls_directory_problem(directory, 0));
    put("/d/b.crt", "b", "pem");
    assert_int_equal(look(), 2);
    assert_int_equal(tls_directory_count(directory), 3);
    assert_int_equal(look(), 0);
}

static void test_a_file_that_is_listed_twice(void **state)
{
    tree[count++] = *find("/d/c/tls.crt");
    tree[count++] = *find("/d/c/tls.key");
    assert_int_equal(look(), 0);
    assert_int_equal(tls_directory_count(directory), 3);
}

/* One line for all of them, of which there may be thousands; of certificates nothing is said. */
static void test_keys_that_all_users_can_read(void **state)
{
    find("/d/b.crt")->mode = 0644;
    (void)look();
    assert_null(tls_directory_problem(directory, 0));
    find("/d/b.key")->mode = 0644;
    (void)look();
    assert_string_equal(tls_directory_problem(directory, 0),
        "/d/b.key: its key can be read by everybody; chmod o= /d/b.key");
    assert_int_equal(look(), 0);
    assert_true(has_problem("/d/b.key: its key can be read")); /* it is said again in a report */
    find("/d/c/tls.key")->mode = 0604;
    (void)look();
    assert_string_equal(tls_directory_problem(directory, 0),
        "/d/b.key: its key can be read by everybody, as can 1 more; chmod o= these files");
    assert_null(tls_directory_problem(directory, 1));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_has_not_changed_is_not_read),
        TEST(test_what_has_changed_of_late_is_read_again),
        TEST(test_a_renewal_reads_its_pair),
        TEST(test_a_key_may_be_in_a_file_that_was_not_read),
        TEST(test_a_key_that_is_gone_is_missed),
        TEST(test_a_pair_that_is_gone_is_served_no_more),
        TEST(test_the_second_best_comes_back),
        TEST(test_an_answer_is_read_with_its_pair),
        TEST(test_a_part_is_read_when_the_whole_is_gone),
        TEST(test_a_file_with_a_pair_and_the_key_of_another),
        TEST(test_a_file_that_is_listed_twice),
        TEST(test_keys_that_all_users_can_read),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
