#include "keeper.h"

#include "child.h"
#include "keeper_state.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "rights.h"
#include "signals.h"
#include "systemd.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a turn waits for, by its place in the array for poll. */
enum {
    WATCH_SIGNALS,
    WATCH_CONTROL,
    WATCH_CLIENTS,
    WATCH_REQUESTS = WATCH_CLIENTS + CONTROL_CLIENTS_MAX,
    WATCH_ORDERS = WATCH_REQUESTS + GENERATIONS_MAX,
    WATCHES = WATCH_ORDERS + GENERATIONS_MAX
};

/* ---- What the services tell ---- */

typedef void word_taker(
    struct keeper *keeper, struct generation *generation, const struct word *word);

/* Takes one word, so that a service that never stops does not keep the others waiting. */
static bool hear(
    struct keeper *keeper, struct generation *generation, int *socket, word_taker *take)
{
    static struct word word;
    enum word_received received = *socket < 0 ? WORD_AGAIN : word_receive(*socket, false, &word);

    if (received == WORD_GONE) {
        (void)close(*socket);
        *socket = -1;
        if (take == requests_take_news) /* it has ended, or hears no order any more */
            generation_kill(generation);
    }
    if (received != WORD_OK)
        return false;
    if (word.fd >= 0)
        (void)close(word.fd); /* a service has nothing to hand over */
    take(keeper, generation, &word);
    return true;
}

/* ---- Processes that end ---- */

static struct generation *find_process(struct keeper *keeper, pid_t pid)
{
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (keeper->generations[i].state != GENERATION_NONE && keeper->generations[i].pid == pid)
            return &keeper->generations[i];
    }
    return NULL;
}

static void reap(struct keeper *keeper)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct generation *generation = find_process(keeper, pid);

        if (pid == keeper->trial.pid)
            changes_trial_over(keeper, status);
        if (!generation)
            continue;
        while (hear(keeper, generation, &generation->orders, requests_take_news))
            continue; /* its last words */
        changes_service_over(keeper, generation, status);
    }
}

/* ---- Signals ---- */

static void take_signal(struct keeper *keeper, int number)
{
    if (number == SIGTERM)
        changes_end(keeper, WORD_TERMINATE);
    else if (number == SIGINT)
        changes_end(keeper, WORD_INTERRUPT);
    else if (number == SIGHUP)
        changes_reload(keeper);
    else if (number == SIGUSR1)
        services_order(keeper, WORD_STATE);
    else if (number == SIGUSR2)
        changes_upgrade(keeper);
}

/* ---- The control socket ---- */

static const char *const state_words[] = {[GENERATION_STARTING] = "starting",
    [GENERATION_SERVING] = "serving",
    [GENERATION_RETIRED] = "retired"};

static void reply_status(const struct keeper *keeper, struct control_client *client)
{
    char text[WORD_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), "mailmux %s, pid %d, %u services died%s",
        MAILMUX_VERSION, (int)getpid(), keeper->deaths,
        keeper->state == KEEPER_ENDING ? ", ending" : "");

    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        const struct generation *one = &keeper->generations[i];

        if (one->state != GENERATION_NONE && n < sizeof(text))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "\ngeneration %u: %s, pid %d, %s",
                one->number, state_words[one->state], (int)one->pid,
                one->status[0] ? one->status : "its sessions are not known yet");
    }
    control_reply(client, CONTROL_DONE, text);
}

static void take_order(struct keeper *keeper, struct control_client *client)
{
    char order = control_read(client, keeper->file);

    if (order == CONTROL_STATUS)
        reply_status(keeper, client);
    else if (keeper->state == KEEPER_ENDING)
        control_refuse(&keeper->control);
    else if (order == CONTROL_RELOAD)
        changes_reload(keeper);
    else if (order == CONTROL_UPGRADE)
        changes_upgrade(keeper);
    else if (order)
        control_reply(client, CONTROL_FAILED, "there is no such order");
}

/* ---- The loop ---- */

static int patience(const struct keeper *keeper)
{
    uint64_t now = clock_monotonic_ms();

    if (keeper->due_ms == UINT64_MAX)
        return -1;
    return keeper->due_ms > now ? (int)(keeper->due_ms - now) : 0;
}

static void watch(const struct keeper *keeper, int signal_fd, struct pollfd out[WATCHES])
{
    for (size_t i = 0; i < WATCHES; i++)
        out[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    out[WATCH_SIGNALS].fd = signal_fd;
    out[WATCH_CONTROL].fd = keeper->control.listener;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        out[WATCH_CLIENTS + i].fd = keeper->control.clients[i].fd;
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        const struct generation *one = &keeper->generations[i];
        bool is_used = one->state != GENERATION_NONE;

        out[WATCH_REQUESTS + i].fd = is_used ? one->requests : -1;
        out[WATCH_ORDERS + i].fd = is_used ? one->orders : -1;
    }
}

/*
 * A descriptor may be closed by what comes before it in a turn, and its number may be used again:
 * everything is read without waiting.
 */
static void turn(struct keeper *keeper, int signal_fd)
{
    struct pollfd watched[WATCHES];
    int number;

    watch(keeper, signal_fd, watched);
    if (poll(watched, WATCHES, patience(keeper)) < 0)
        return;
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        struct generation *one = &keeper->generations[i];

        if (watched[WATCH_ORDERS + i].revents)
            (void)hear(keeper, one, &one->orders, requests_take_news);
        if (watched[WATCH_REQUESTS + i].revents)
            (void)hear(keeper, one, &one->requests, requests_answer);
    }
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (watched[WATCH_CLIENTS + i].revents && keeper->control.clients[i].fd >= 0)
            take_order(keeper, &keeper->control.clients[i]);
    }
    if (watched[WATCH_CONTROL].revents)
        control_accept(&keeper->control);
    while ((number = signals_next(signal_fd)) != 0)
        take_signal(keeper, number);
    reap(keeper);
    if (patience(keeper) == 0)
        changes_due(keeper);
}

static bool is_over(const struct keeper *keeper)
{
    size_t count = 0;

    for (size_t i = 0; i < GENERATIONS_MAX; i++)
        count += keeper->generations[i].state != GENERATION_NONE ? 1 : 0;
    return keeper->is_over || (keeper->state == KEEPER_ENDING && count == 0);
}

static bool begin(struct keeper *keeper)
{
    if (handover_take(keeper)) {
        changes_resume(keeper);
        return true;
    }
    for (int fd = SYSTEMD_FIRST_SOCKET, count = systemd_take_sockets(CONFIG_SOCKETS_VARIABLE);
         count > 0; fd++, count--)
        listening_set_take(&keeper->sockets, fd);
    return changes_start(keeper);
}

int keeper_run(const char *file, char *const argv[], generation_run *run)
{
    static struct keeper keeper; /* static: a service process has it, too, and never frees it */
    int signal_fd = signals_catch();

    if (signal_fd < 0) {
        log_message(LOG_ERROR, "start-failed", "signals cannot be read: %s", strerror(errno));
        return 1;
    }
    log_keep_errors(keeper.errors, sizeof(keeper.errors));
    keeper.file = file;
    keeper.argv = argv;
    keeper.run = run;
    child_find_program(argv[0], keeper.program);
    keeper.due_ms = UINT64_MAX;
    control_init(&keeper.control);
    rights_reduce();
    if (!begin(&keeper))
        return 1;
    while (!is_over(&keeper))
        turn(&keeper, signal_fd);
    control_close(&keeper.control); /* all else ends with the process */
    return keeper.exit_status;
}
