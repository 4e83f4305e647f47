#include "keeper_link.h"

#include "mailmux/files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Returns a descriptor, 0 where none came and nothing failed, or a negative errno. */
static int ask(const struct keeper_link *link, enum word_request request, const char *text)
{
    static struct word word; /* only the main thread asks */
    long failure;

    if (!word_send(link->requests, (char)request, text, -1) ||
        word_receive(link->requests, true, &word) != WORD_OK)
        return -EPIPE; /* the keeper is gone */
    if (word.fd >= 0)
        return word.fd;
    failure = strtol(word.text, NULL, 10);
    return failure >= 0 && failure < 4096 ? (int)-failure : -EPROTO;
}

static int get_file(void *owner, enum file_kind kind, const char *name)
{
    int fd = ask(owner, word_for_file(kind), name);

    if (fd == -EPERM && kind == FILE_NAMED) /* no setting names it: the service has made it */
        return files_open_on_disk(kind, name);
    return fd == 0 ? -EPROTO : fd;
}

void keeper_link_init(struct keeper_link *link, const struct service_start *start)
{
    *link = (struct keeper_link){.requests = start->requests, .orders = start->orders};
    files_set_source(get_file, link);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct keeper_link *link = poll->data;
    static struct word word;
    enum word_received received;

    (void)status;
    (void)events;
    received = word_receive(link->orders, false, &word);
    if (received == WORD_AGAIN)
        return;
    if (received == WORD_GONE)
        (void)uv_poll_stop(poll);
    else if (word.fd >= 0)
        (void)close(word.fd);
    link->on_order(link->owner, received == WORD_GONE ? '\0' : word.letter);
}

void keeper_link_hear(
    struct keeper_link *link, uv_loop_t *loop, keeper_link_order *on_order, void *owner)
{
    link->on_order = on_order;
    link->owner = owner;
    link->poll.data = link;
    (void)uv_poll_init(loop, &link->poll, link->orders);
    (void)uv_poll_start(&link->poll, UV_READABLE, on_readable);
}

void keeper_link_close(struct keeper_link *link)
{
    if (!uv_is_closing((const uv_handle_t *)&link->poll))
        uv_close((uv_handle_t *)&link->poll, NULL);
}

int keeper_link_bind(void *link, const char *listener, const struct address *at)
{
    char address[ADDRESS_TEXT_MAX];
    char text[WORD_MAX];
    int fd;

    (void)snprintf(text, sizeof(text), "%s %s", listener, address_text(at, address));
    fd = ask(link, WORD_BIND, text);
    return fd == 0 ? -EPROTO : fd;
}

bool keeper_link_commit(struct keeper_link *link)
{
    return ask(link, WORD_COMMIT, "") == 0;
}

void keeper_link_tell(struct keeper_link *link, enum word_news news, const char *text)
{
    (void)word_send(link->orders, (char)news, text, -1);
}
