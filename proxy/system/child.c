#include "child.h"

#include "signals.h"
#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the two sockets are in a child. All descriptors behind them are closed there. */
enum { REQUESTS_FD = 3, ORDERS_FD, FIRST_FREE_FD };

/* The exit status of a trial is above this where the program could not be executed: by errno. */
enum { NOT_EXECUTED = 120 };

static void close_pair(const int pair[2])
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Each may be in the place of the other at first, so both are moved out of the way. */
static bool move_descriptors(int requests, int orders)
{
    int high_requests = fcntl(requests, F_DUPFD, FIRST_FREE_FD);
    int high_orders = fcntl(orders, F_DUPFD, FIRST_FREE_FD);

    return high_requests >= 0 && high_orders >= 0 &&
           dup3(high_requests, REQUESTS_FD, O_CLOEXEC) >= 0 &&
           dup3(high_orders, ORDERS_FD, O_CLOEXEC) >= 0 && close_range(FIRST_FREE_FD, ~0U, 0) == 0;
}

static _Noreturn void be_child(
    const char *title, child_run *run, void *argument, int requests, int orders)
{
    const struct child_sockets sockets = {REQUESTS_FD, ORDERS_FD};

    signals_release(true); /* those that a terminal or systemd sends to all reach it as orders */
    if (!move_descriptors(requests, orders))
        _exit(1);
    (void)prctl(PR_SET_NAME, title, 0UL, 0UL, 0UL);
    exit(run(&sockets, argument));
}

pid_t child_start(const char *title, child_run *run, void *argument, struct child_sockets *out)
{
    int requests[2];
    int orders[2];
    pid_t pid;

    if (!word_pair(requests))
        return -1;
    if (!word_pair(orders)) {
        close_pair(requests);
        return -1;
    }
    pid = fork();
    if (pid == 0)
        be_child(title, run, argument, requests[1], orders[1]);
    if (pid < 0) {
        close_pair(requests);
        close_pair(orders);
        return -1;
    }
    (void)close(requests[1]);
    (void)close(orders[1]);
    *out = (struct child_sockets){requests[0], orders[0]};
    return pid;
}

pid_t child_try(const char *program)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    signals_release(false);
    (void)close(STDOUT_FILENO);
    (void)open("/dev/null", O_WRONLY); /* it takes that place */
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execl(program, program, "--version", (char *)NULL);
    _exit(NOT_EXECUTED + errno);
}

const char *child_trial_end(int status, char out[CHILD_END_MAX])
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) <= NOT_EXECUTED)
        return child_end(status, out);
    (void)snprintf(out, CHILD_END_MAX, "%s", strerror(WEXITSTATUS(status) - NOT_EXECUTED));
    return out;
}

const char *child_end(int status, char out[CHILD_END_MAX])
{
    if (WIFSIGNALED(status))
        (void)snprintf(
            out, CHILD_END_MAX, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(out, CHILD_END_MAX, "exit status %d", WEXITSTATUS(status));
    return out;
}

/* A whole path may go by a link that another version is put behind. */
static bool is_this_program(const char *name)
{
    struct stat named;
    struct stat own;

    return name[0] == '/' && stat(name, &named) == 0 && stat("/proc/self/exe", &own) == 0 &&
           named.st_dev == own.st_dev && named.st_ino == own.st_ino;
}

void child_find_program(const char *name, char out[PATH_MAX])
{
    ssize_t n = -1;

    if (!is_this_program(name))
        n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n < 0)
        (void)snprintf(out, PATH_MAX, "%s", name);
    else
        out[n] = '\0';
}
