#include "poller.h"

#include <unistd.h>

static void take_loop(struct polled *polled, unsigned events)
{
    (void)events;
    LIST_ENTRY(polled, struct poller, in_loop)->loop_is_ready = true;
}

bool poller_init(struct poller *poller, uv_loop_t *loop)
{
    *poller = (struct poller){.loop = loop, .in_loop.on_ready = take_loop};
    list_init(&poller->due);
    list_init(&poller->in_loop.node);
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0)
        return false;
    if (uv_poll_init(loop, &poller->poll, poller->fd) != 0) {
        (void)close(poller->fd);
        return false;
    }
    (void)uv_idle_init(loop, &poller->idle); /* cannot fail */
    poller->poll.data = poller;
    poller->idle.data = poller;
    return true;
}

void poller_deinit(struct poller *poller)
{
    uv_close((uv_handle_t *)&poller->poll, NULL);
    uv_close((uv_handle_t *)&poller->idle, NULL);
    (void)close(poller->fd);
    poller->fd = -1;
}

bool poller_drive(struct poller *poller)
{
    /* It stays readable until the loop has run, so it is no edge. */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &poller->in_loop};

    poller->drives = true;
    return epoll_ctl(poller->fd, EPOLL_CTL_ADD, uv_backend_fd(poller->loop), &event) == 0;
}

/* ---- Telling ---- */

/* Those that ask again meanwhile have their turn after the others. */
static void call_due(struct poller *poller)
{
    struct list due;
    struct list *node;

    list_init(&due);
    while ((node = list_shift(&poller->due)) != NULL)
        list_append(&due, node);
    while ((node = list_shift(&due)) != NULL) {
        struct polled *polled = LIST_ENTRY(node, struct polled, node);

        polled->on_ready(polled, 0);
    }
}

/* The batch may lose members while they are told: see poller_remove. */
static void tell(struct poller *poller, int timeout_ms)
{
    poller->batch_at = 0;
    poller->batch_end = epoll_wait(poller->fd, poller->batch, POLLER_BATCH, timeout_ms);
    if (poller->drives)
        uv_update_time(poller->loop);
    while (poller->batch_at < poller->batch_end) {
        const struct epoll_event *event = &poller->batch[poller->batch_at++];
        struct polled *polled = event->data.ptr;

        if (polled)
            polled->on_ready(polled, event->events);
    }
}

bool poller_turn(struct poller *poller, int timeout_ms)
{
    poller->loop_is_ready = false;
    tell(poller, list_is_empty(&poller->due) ? timeout_ms : 0);
    call_due(poller);
    return poller->loop_is_ready;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    tell(poll->data, 0);
}

static void on_idle(uv_idle_t *idle)
{
    struct poller *poller = idle->data;

    call_due(poller);
    if (list_is_empty(&poller->due))
        (void)uv_idle_stop(idle);
}

/* ---- What is in it ---- */

bool poller_add(struct poller *poller, struct polled *polled, int fd)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, .data.ptr = polled};

    list_init(&polled->node);
    if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return false;
    if (poller->count++ == 0 && !poller->drives)
        (void)uv_poll_start(&poller->poll, UV_READABLE, on_poll);
    return true;
}

/* The close takes the descriptor out of epoll, but not its event out of the batch. */
void poller_remove(struct poller *poller, struct polled *polled)
{
    list_remove(&polled->node);
    for (int i = poller->batch_at; i < poller->batch_end; i++) {
        if (poller->batch[i].data.ptr == polled)
            poller->batch[i].data.ptr = NULL;
    }
    if (--poller->count == 0 && !poller->drives)
        (void)uv_poll_stop(&poller->poll);
}

void poller_call(struct poller *poller, struct polled *polled)
{
    if (!list_is_empty(&polled->node))
        return;
    list_append(&poller->due, &polled->node);
    if (!poller->drives)
        (void)uv_idle_start(&poller->idle, on_idle);
}
