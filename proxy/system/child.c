#include "child.h"

#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Where the two sockets are in a child. All descriptors behind them are closed there. */
enum { REQUESTS_FD = 3, ORDERS_FD, FIRST_FREE_FD };

static void close_pair(const int pair[2])
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void unblock_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Signals that a terminal or systemd sends to all processes reach a child as orders. */
static void leave_signals_to_parent(void)
{
    static const int left[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        (void)signal(left[i], SIG_IGN);
    unblock_signals();
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

    leave_signals_to_parent();
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
    unblock_signals();
    (void)close(STDOUT_FILENO);
    (void)open("/dev/null", O_WRONLY); /* it takes that place */
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execl(program, program, "--version", (char *)NULL);
    _exit(127);
}
