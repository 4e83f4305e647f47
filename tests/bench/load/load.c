/*
 * The load client of the benchmark: many connections that follow one script (script.h).
 *
 *   bench_load --port P --script FILE --count N [--at-once C | --rate R] [--resume] [--sources S]
 *              [--names N --stride S] [--limit SECONDS]
 *
 * In a closed loop C clients are busy at once, in an open one R begin each second, whether or not
 * those before have ended; then the time of each counts from when it was due. When all that are
 * left hold, it prints {"holding": N} and goes on with a line on standard input. The last line has
 * the figures.
 */
#include "client.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EVENTS = 256, SECOND = 1000000000, MILLISECOND = 1000000 };

struct plan {
    unsigned long long count;
    unsigned long long at_once;
    unsigned long long rate;  /* 0: a closed loop */
    unsigned long long limit; /* seconds */
};

static struct load load;
static struct plan plan = {.count = 1, .at_once = 1, .limit = 120};
static unsigned long long busy; /* neither hold nor are over */
static struct client *holding;
static struct client *ended;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    if (!load.resumes || load.tickets_count == load.tickets_room)
        return 0;
    load.tickets[load.tickets_count++] = session;
    return 1;
}

static void run(struct client *client)
{
    const enum client_state state =
        client->is_over || client->is_holding ? CLIENT_WAITS : client_step(client);

    switch (state) {
    case CLIENT_WAITS:
        return;
    case CLIENT_HOLDS:
        client->is_holding = true;
        client->next = holding;
        holding = client;
        load.holding++;
        busy--;
        return;
    case CLIENT_DONE:
    case CLIENT_FAILED:
        client_close(client);
        client->next = ended;
        ended = client;
        busy--;
        return;
    }
}

/* Those that are due by now, or that there is room for. */
static void begin_due(void)
{
    while (load.figures.begun < plan.count) {
        const unsigned long long now = leg_now();
        const unsigned long long due =
            plan.rate == 0 ? now : load.figures.began + load.figures.begun * SECOND / plan.rate;
        struct client *client;

        if (plan.rate == 0 ? busy >= plan.at_once : due > now)
            return;
        client = client_new(&load, due);
        if (!client)
            continue;
        busy++;
        run(client);
    }
}

/* Milliseconds until the next is due; it is rounded down, and the rest of it is spent awake. */
static int wait_time(void)
{
    unsigned long long due;
    const unsigned long long now = leg_now();

    if (plan.rate == 0 || load.figures.begun >= plan.count)
        return 1000;
    due = load.figures.began + load.figures.begun * SECOND / plan.rate;
    return due > now ? (int)((due - now) / MILLISECOND) : 0;
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(load.poll, events, EVENTS, wait_time());

    for (int i = 0; i < count; i++)
        run(events[i].data.ptr);
    while (ended) {
        struct client *client = ended;

        ended = client->next;
        free(client);
    }
    begin_due();
}

/* A connection that holds and is lost is found when it goes on. */
static void release(void)
{
    char line[64];

    (void)printf("{\"holding\": %llu}\n", load.holding);
    (void)fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(EXIT_FAILURE);
    load.figures.began = leg_now();
    while (holding) {
        struct client *client = holding;

        holding = client->next;
        load.holding--;
        busy++;
        client->is_holding = false;
        client_go(client);
        run(client);
    }
}

static const struct option options[] = {
    {"port", required_argument, NULL, 'p'},
    {"script", required_argument, NULL, 's'},
    {"count", required_argument, NULL, 'n'},
    {"at-once", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"resume", no_argument, NULL, 't'},
    {"sources", required_argument, NULL, 'a'},
    {"limit", required_argument, NULL, 'l'},
    {"names", required_argument, NULL, 'm'},
    {"stride", required_argument, NULL, 'd'},
    {0},
};

static void take_option(int option, const char *value)
{
    const unsigned long long number = value ? strtoull(value, NULL, 10) : 0;

    switch (option) {
    case 'p':
        load.port = (unsigned)number;
        break;
    case 's':
        script_read(value, &load.script);
        break;
    case 'n':
        plan.count = number;
        break;
    case 'c':
        plan.at_once = number;
        break;
    case 'r':
        plan.rate = number;
        break;
    case 't':
        load.resumes = true;
        break;
    case 'a':
        load.sources = (unsigned)number;
        break;
    case 'l':
        plan.limit = number;
        break;
    case 'm':
        load.names = (unsigned)number;
        break;
    case 'd':
        load.stride = (unsigned)number;
        break;
    default:
        leg_die("an option that is not known");
    }
}

static void read_options(int argc, char **argv)
{
    for (int o = getopt_long(argc, argv, "", options, NULL); o != -1;
         o = getopt_long(argc, argv, "", options, NULL))
        take_option(o, optarg);
}

static void prepare(void)
{
    struct rlimit files;

    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    load.context = leg_client_context(NULL);
    SSL_CTX_sess_set_new_cb(load.context, keep_ticket);
    load.tickets_room = plan.at_once;
    load.tickets = calloc(plan.at_once, sizeof load.tickets[0]);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.tickets || load.poll < 0)
        leg_die("start");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    prepare();
    load.figures.began = leg_now();
    begin_due();
    while (busy > 0 || load.figures.begun < plan.count || holding) {
        if (busy == 0 && load.figures.begun == plan.count)
            release();
        else
            turn();
        if (leg_now() - load.figures.began > plan.limit * SECOND) {
            figures_fail(&load.figures, "%llu sessions were not over in time", busy);
            break;
        }
    }
    figures_print(&load.figures);
    return load.figures.failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
