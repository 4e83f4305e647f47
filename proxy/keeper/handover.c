#include "keeper_state.h"
#include "mailmux/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The other program finds in this variable the number of a descriptor, from which it reads a line
 * for each thing that it gets: "KIND DESCRIPTOR" and what belongs to it.
 */
#define VARIABLE "MAILMUX_HANDOVER"

enum { LINE_OCTETS_MAX = 128 };

/* ---- Giving ---- */

/*
 * Lets the descriptor live on. No child but the other program gets it: they close what they have.
 */
static int give(int fd)
{
    (void)fcntl(fd, F_SETFD, 0);
    return fd;
}

static void write_generation(const struct generation *one, size_t i, FILE *out)
{
    if (one->state == GENERATION_NONE)
        return;
    (void)fprintf(out, "generation %d %zu %d %u %d %llu\n", give(one->requests), i, (int)one->state,
        one->number, (int)one->pid, (unsigned long long)one->since_ms);
    (void)fprintf(out, "orders %d %zu\n", give(one->orders), i);
}

static void write_all(const struct keeper *keeper, FILE *out)
{
    const struct control *control = &keeper->control;

    (void)fprintf(out, "count -1 %u %u %d %d\n", keeper->last_number, keeper->deaths,
        keeper->reload_wanted, keeper->upgrade_wanted);
    for (size_t i = 0; i < GENERATIONS_MAX; i++)
        write_generation(&keeper->generations[i], i, out);
    for (size_t i = 0; i < keeper->sockets.count; i++)
        (void)fprintf(out, "socket %d\n", give(keeper->sockets.items[i].fd));
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd >= 0)
            (void)fprintf(
                out, "client %d %d\n", give(control->clients[i].fd), control->clients[i].order);
    }
    if (control->listener >= 0)
        (void)fprintf(out, "control %d\n", give(control->listener));
}

void handover_execute(const struct keeper *keeper)
{
    int fd = memfd_create("handover", 0);
    FILE *out = fd >= 0 ? fdopen(fd, "w+") : NULL;
    char number[16];
    int failure;

    if (!out)
        return;
    write_all(keeper, out);
    (void)snprintf(number, sizeof(number), "%d", fd);
    if (fflush(out) == 0 && setenv(VARIABLE, number, 1) == 0) {
        log_message(LOG_INFO, "upgrade", "executing %s", keeper->program);
        (void)execv(keeper->program, keeper->argv);
    }
    failure = errno;
    (void)unsetenv(VARIABLE);
    (void)fclose(out);
    errno = failure;
}

/* ---- Taking ---- */

static void take_line(struct keeper *keeper, const char *line)
{
    char kind[16];
    char *at;
    int fd = (int)strtol(line + strcspn(line, " "), &at, 10);
    long long n[5];
    socklen_t size = sizeof(keeper->control.at);

    (void)snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(line, " "), line);
    for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
        n[i] = strtoll(at, &at, 10);      /* 0 for those that are not there */
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* it may be -1 */
    if (strcmp(kind, "count") == 0) {
        keeper->last_number = (unsigned)n[0];
        keeper->deaths = (unsigned)n[1];
        keeper->reload_wanted = n[2] != 0;
        keeper->upgrade_wanted = n[3] != 0;
    } else if (strcmp(kind, "generation") == 0 && n[0] >= 0 && n[0] < GENERATIONS_MAX) {
        keeper->generations[n[0]] = (struct generation){.state = (enum generation_state)n[1],
            .number = (unsigned)n[2],
            .pid = (pid_t)n[3],
            .requests = fd,
            .orders = -1,
            .since_ms = (uint64_t)n[4]};
    } else if (strcmp(kind, "orders") == 0 && n[0] >= 0 && n[0] < GENERATIONS_MAX) {
        keeper->generations[n[0]].orders = fd;
    } else if (strcmp(kind, "socket") == 0) {
        listening_set_take(&keeper->sockets, fd);
    } else if (strcmp(kind, "client") == 0) {
        control_take(&keeper->control, fd, (char)n[0]);
    } else if (strcmp(kind, "control") == 0) {
        keeper->control.listener = fd;
        (void)getsockname(fd, (struct sockaddr *)&keeper->control.at, &size);
    }
}

bool handover_take(struct keeper *keeper)
{
    const char *number = getenv(VARIABLE);
    int fd = number ? (int)strtol(number, NULL, 10) : -1;
    FILE *in = fd > STDERR_FILENO ? fdopen(fd, "r") : NULL;
    char line[LINE_OCTETS_MAX];

    if (!in)
        return false;
    (void)unsetenv(VARIABLE);
    rewind(in);
    while (fgets(line, sizeof(line), in))
        take_line(keeper, line);
    (void)fclose(in);
    keeper->has_served = true;
    return true;
}
