/* What the process may do. Each test is a process of its own: nothing of it can be undone. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "privileges.h"
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 1024 * 1024 };

/* NULL: all was as it should be. Else what was not. */
typedef const char *deed(void);

static void in_a_process(deed *act)
{
    int status;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const char *wrong = act();

        if (wrong)
            (void)fprintf(stderr, "%s\n", wrong);
        _exit(wrong ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Descriptors ---- */

static const char *raise_descriptors(void)
{
    struct rlimit limit;
    size_t possible;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return "getrlimit";
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return "setrlimit";
    possible = privileges_raise_descriptors();
    if (possible != (limit.rlim_max > MANY ? MANY : limit.rlim_max))
        return "they are not as many as there may be";
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != limit.rlim_max)
        return "the limit was not raised";
    limit.rlim_cur = limit.rlim_max = 100;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || privileges_raise_descriptors() != 100)
        return "a hard limit is no more";
    return NULL;
}

static void test_raises_descriptors(void **state)
{
    in_a_process(raise_descriptors);
}

/* ---- Memory ---- */

static const char *hide(void)
{
    struct rlimit core = {4096, 4096};

    (void)setrlimit(RLIMIT_CORE, &core);
    privileges_hide_memory(true);
    if (prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0)
        return "it can be dumped";
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0)
        return "a core may be written";
    return NULL;
}

static const char *show(void)
{
    struct rlimit core;
    rlim_t before;

    if (getrlimit(RLIMIT_CORE, &core) != 0 || prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0)
        return "cannot begin";
    before = core.rlim_cur;
    privileges_hide_memory(false);
    if (prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 1)
        return "it cannot be dumped";
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != before)
        return "the limit of cores has changed";
    return NULL;
}

static void test_hides_memory(void **state)
{
    in_a_process(hide);
}

static void test_shows_memory_where_that_is_wanted(void **state)
{
    in_a_process(show);
}

/* ---- The user ---- */

static void test_no_user_is_nothing_to_do(void **state)
{
    struct error error;

    assert_true(privileges_drop(NULL, &error));
}

static void test_a_user_that_is_not_there(void **state)
{
    struct error error;

    assert_false(privileges_drop("no-such-user-here", &error));
    assert_string_equal(error.text,
        "there is no account no-such-user-here; make one (useradd --system --shell "
        "/usr/sbin/nologin no-such-user-here), or name another");
}

static void test_the_user_that_it_is_already(void **state)
{
    const struct passwd *self = getpwuid(geteuid());
    struct error error;

    if (!self)
        skip(); /* it has no name here */
    assert_true(privileges_drop(self->pw_name, &error));
}

/* For good: neither group nor way back is left. */
static const char *become_nobody(void)
{
    const struct passwd *nobody = getpwnam("nobody");
    struct error error;
    gid_t groups[2];
    uid_t uids[3];
    gid_t gids[3];

    if (!nobody)
        return "there is no nobody here";
    if (!privileges_drop("nobody", &error))
        return "cannot";
    if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
        getresgid(&gids[0], &gids[1], &gids[2]) != 0)
        return "cannot ask";
    for (int i = 0; i < 3; i++) {
        if (uids[i] != nobody->pw_uid || gids[i] != nobody->pw_gid)
            return "an id was kept";
    }
    if (getgroups(2, groups) != 1 || groups[0] != nobody->pw_gid)
        return "a group was kept";
    return setuid(0) == 0 ? "the way back is open" : NULL;
}

static void test_becomes_another_user_for_good(void **state)
{
    if (geteuid() != 0)
        skip();
    in_a_process(become_nobody);
}

static const char *become_root(void)
{
    struct error error = {""};

    if (geteuid() == 0 && !privileges_drop("nobody", &error))
        return "cannot begin";
    if (privileges_drop("root", &error))
        return "it did";
    return strcmp(error.text, "only root can become root; let root start mailmux") == 0
               ? NULL
               : "other words";
}

static void test_only_root_can(void **state)
{
    in_a_process(become_root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raises_descriptors),
        cmocka_unit_test(test_hides_memory),
        cmocka_unit_test(test_shows_memory_where_that_is_wanted),
        cmocka_unit_test(test_no_user_is_nothing_to_do),
        cmocka_unit_test(test_a_user_that_is_not_there),
        cmocka_unit_test(test_the_user_that_it_is_already),
        cmocka_unit_test(test_becomes_another_user_for_good),
        cmocka_unit_test(test_only_root_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
