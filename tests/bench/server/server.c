/*
 * The light server of the benchmark: just enough of IMAP, POP3 and SMTP that every proxy under test
 * is content with it, in clear and in TLS; and the answer that the mail proxy of nginx asks by
 * HTTP.
 *
 *   bench_server CERTIFICATE KEY
 *
 * It chooses its ports, says them in one line of JSON, and ends, with another line of what it has
 * seen, at the end of its standard input.
 */
#include "talk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct door {
    struct talk_kind kind;
    int fd;
    unsigned port;
};

static struct door doors[] = {
    {.kind = {.name = "imap", .protocol = TALK_IMAP}},
    {.kind = {.name = "pop3", .protocol = TALK_POP3}},
    {.kind = {.name = "smtp", .protocol = TALK_SMTP}},
    {.kind = {.name = "imap-tls", .protocol = TALK_IMAP, .is_tls = true}},
    {.kind = {.name = "pop3-tls", .protocol = TALK_POP3, .is_tls = true}},
    {.kind = {.name = "smtp-tls", .protocol = TALK_SMTP, .is_tls = true}},
    {.kind = {.name = "http", .protocol = TALK_HTTP}},
};

enum { DOORS = sizeof doors / sizeof doors[0] };

static int poll_fd;
static struct talk *ended;

static void run(struct talk *talk)
{
    if (talk->is_over || talk_step(talk))
        return;
    talk_close(talk);
    talk->next = ended;
    ended = talk;
}

static void take(struct door *door, SSL_CTX *context)
{
    for (int fd = leg_accept(door->fd); fd >= 0; fd = leg_accept(door->fd)) {
        struct talk *talk = talk_new(fd, &door->kind, context);

        leg_watch(poll_fd, fd, talk);
        run(talk);
    }
}

static void open_doors(void)
{
    for (int i = 0; i < DOORS; i++) {
        doors[i].fd = leg_listen(&doors[i].port);
        leg_watch(poll_fd, doors[i].fd, &doors[i]);
        (void)printf("%c\"%s\": %u", i == 0 ? '{' : ',', doors[i].kind.name, doors[i].port);
        talk_set_port(&doors[i].kind, doors[i].port);
    }
    (void)printf("}\n");
    (void)fflush(stdout);
}

static struct door *door_of(void *holder)
{
    for (int i = 0; i < DOORS; i++)
        if (holder == &doors[i])
            return &doors[i];
    return NULL;
}

/* False at the end of standard input. */
static bool turn(SSL_CTX *context)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(poll_fd, events, EVENTS, -1);
    bool goes_on = true;

    for (int i = 0; i < count; i++) {
        void *holder = events[i].data.ptr;
        struct door *door = door_of(holder);

        if (!holder)
            goes_on = false;
        else if (door)
            take(door, context);
        else
            run(holder);
    }
    while (ended) {
        struct talk *talk = ended;

        ended = talk->next;
        free(talk);
    }
    return goes_on;
}

int main(int argc, char **argv)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    SSL_CTX *context;

    if (argc != 3)
        leg_die("usage: bench_server CERTIFICATE KEY");
    (void)signal(SIGPIPE, SIG_IGN);
    context = leg_server_context(argv[1], argv[2]);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        leg_die("standard input");
    open_doors();
    while (turn(context))
        continue;
    talk_print_counts();
    SSL_CTX_free(context);
    return 0;
}
