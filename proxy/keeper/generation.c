#include "generation.h"

#include "child.h"
#include "mailmux/clock.h"
#include <signal.h>
#include <unistd.h>

/* What the child needs, in the parent's memory at the moment of the fork. */
struct plan {
    const struct service_start *start;
    generation_run *run;
};

static int run_service(const struct child_sockets *sockets, void *argument)
{
    const struct plan *plan = argument;
    struct service_start start = *plan->start;

    start.requests = sockets->requests;
    start.orders = sockets->orders;
    return plan->run(&start);
}

bool generation_start(
    struct generation *generation, const struct service_start *start, generation_run *run)
{
    struct plan plan = {start, run};
    struct child_sockets sockets;
    pid_t pid = child_start("mailmux-service", run_service, &plan, &sockets);

    if (pid < 0)
        return false;
    *generation = (struct generation){.state = GENERATION_STARTING,
        .number = start->generation,
        .pid = pid,
        .requests = sockets.requests,
        .orders = sockets.orders,
        .since_ms = clock_monotonic_ms()};
    return true;
}

void generation_end(struct generation *generation)
{
    (void)close(generation->requests); /* -1, which is none, does no harm */
    (void)close(generation->orders);
    *generation = (struct generation){0};
}

void generation_kill(const struct generation *generation)
{
    if (generation->pid > 0)
        (void)kill(generation->pid, SIGKILL);
}

void generation_order(const struct generation *generation, enum word_order order)
{
    if (generation->orders >= 0)
        (void)word_send(generation->orders, (char)order, "", -1);
}
