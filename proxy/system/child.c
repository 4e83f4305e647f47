#include "child.h"

#include "mailmux/log.h"
#include "signals.h"
#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the two sockets are in a child. All descriptors behind them are closed there. */
enum { REQUESTS_FD = 3, ORDERS_FD, FIRST_FREE_FD };

enum {
    NOT_EXECUTED = 255, /* the exit status of a trial whose words say why */
    TRIAL_WORDS_MAX = 64 * 1024 * 1024,
    TRIAL_READ_MAX = 8192 /* of them, where they are no configuration */
};

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

/* What it says goes into the file, which it cannot fill the memory with. */
static _Noreturn void be_trial(const char *program, const char *configuration, int words)
{
    const struct rlimit most = {TRIAL_WORDS_MAX, TRIAL_WORDS_MAX};

    signals_release(false);
    (void)setrlimit(RLIMIT_FSIZE, &most);
    (void)dup2(words, STDOUT_FILENO);
    (void)dup2(words, STDERR_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execl(program, program, "-c", configuration, "--dump", (char *)NULL);
    (void)dprintf(STDERR_FILENO, "%s", strerror(errno));
    _exit(NOT_EXECUTED);
}

struct child_trial child_try(const char *program, const char *configuration)
{
    struct child_trial trial = {.words = memfd_create("trial", MFD_CLOEXEC)};

    trial.pid = trial.words < 0 ? -1 : fork();
    if (trial.pid == 0)
        be_trial(program, configuration, trial.words);
    if (trial.pid < 0 && trial.words >= 0)
        (void)close(trial.words);
    return trial;
}

/* The mistakes of the configuration, as --dump reports them. Returns whether there are any. */
static bool log_mistakes(const char *words)
{
    static const char mark[] = "error: ";
    bool any = false;

    for (const char *at = words; *at; at += strcspn(at, "\n"), at += *at ? 1 : 0) {
        if (strncmp(at, mark, sizeof(mark) - 1) != 0)
            continue;
        at += sizeof(mark) - 1;
        log_message(LOG_ERROR, "config", "%.*s", (int)strcspn(at, "\n"), at);
        any = true;
    }
    return any;
}

/* Writes why a program that has ended so does not run. */
static void tell_end(int status, const char *words, char out[CHILD_END_MAX])
{
    size_t n = strcspn(words, "\n");
    char end[CHILD_END_MAX];

    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_EXECUTED && n > 0)
        (void)snprintf(out, CHILD_END_MAX, "%.*s", (int)n, words);
    else if (status == 0)
        (void)snprintf(out, CHILD_END_MAX, "it is no mailmux");
    else
        (void)snprintf(
            out, CHILD_END_MAX, "%s%s%.*s", child_end(status, end), n ? ": " : "", (int)n, words);
}

/* Returns whether the file has a line that begins as a section of a configuration does. */
static bool has_section(int words)
{
    off_t n = lseek(words, 0, SEEK_END);
    void *at = n > 0 ? mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, words, 0) : MAP_FAILED;
    bool is_there = at != MAP_FAILED && memmem(at, (size_t)n, "[listener ", 10) != NULL;

    if (at != MAP_FAILED)
        (void)munmap(at, (size_t)n);
    return is_there;
}

bool child_trial_end(struct child_trial *trial, int status, char out[CHILD_END_MAX])
{
    char words[TRIAL_READ_MAX];
    ssize_t n = pread(trial->words, words, sizeof(words) - 1, 0);
    bool runs = status == 0 && has_section(trial->words);

    words[n > 0 ? n : 0] = '\0';
    (void)close(trial->words);
    *trial = (struct child_trial){.words = -1};
    if (runs)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && log_mistakes(words))
        (void)snprintf(out, CHILD_END_MAX, "it finds mistakes in the configuration");
    else
        tell_end(status, words, out);
    return false;
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
