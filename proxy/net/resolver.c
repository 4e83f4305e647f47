#include "resolve_parts.h"

#include <stdlib.h>
#include <string.h>

struct resolver {
    uv_loop_t *loop;
    uv_timer_t timer;
    ares_channel channel; /* NULL while nothing is looked up */
    struct list sockets;
    struct list busy; /* lookups to which c-ares owes answers, the oldest first */
    struct list over;
    size_t server_count;
    struct ares_addr_port_node servers[];
};

/* The watch on one socket. c-ares itself opens and closes the descriptor. */
struct socket_watch {
    struct list node;
    struct resolver *resolver;
    uv_poll_t poll;
    ares_socket_t fd;
};

static void settle(struct resolver *resolver);

/* ---- Sockets ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *watch = poll->data;
    struct resolver *resolver = watch->resolver;
    /* After an error both, so that c-ares looks at the socket and finds the error. */
    bool reads = status < 0 || (events & UV_READABLE) != 0;
    bool writes = status < 0 || (events & UV_WRITABLE) != 0;

    ares_process_fd(resolver->channel, reads ? watch->fd : ARES_SOCKET_BAD,
        writes ? watch->fd : ARES_SOCKET_BAD);
    settle(resolver);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct socket_watch *find_watch(struct resolver *resolver, ares_socket_t fd)
{
    for (struct list *node = resolver->sockets.next; node != &resolver->sockets;
         node = node->next) {
        struct socket_watch *watch = LIST_ENTRY(node, struct socket_watch, node);

        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

/* Returns NULL without memory. Then the socket is not watched, and its questions time out. */
static struct socket_watch *new_watch(struct resolver *resolver, ares_socket_t fd)
{
    struct socket_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    if (uv_poll_init(resolver->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->resolver = resolver;
    watch->poll.data = watch;
    watch->fd = fd;
    list_append(&resolver->sockets, &watch->node);
    return watch;
}

/*
 * c-ares says here what it waits for on a socket. Nothing means that it is about to close the
 * socket.
 */
static void on_socket_state(void *data, ares_socket_t fd, int reads, int writes)
{
    struct resolver *resolver = data;
    struct socket_watch *watch = find_watch(resolver, fd);

    if (!reads && !writes) {
        if (!watch)
            return;
        list_remove(&watch->node);
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        return;
    }
    if (!watch)
        watch = new_watch(resolver, fd);
    if (watch)
        (void)uv_poll_start(
            &watch->poll, (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0), on_poll);
}

/* ---- The channel ---- */

static ares_channel open_channel(struct resolver *resolver)
{
    static char only_dns[] = "b";
    struct ares_options options = {.timeout = RESOLVE_TRY_MS,
        .tries = RESOLVE_TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver};
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    ares_channel channel;

    /* "b" asks the DNS and no files. ARES_OPT_DOMAINS without domains means no search domains. */
    if (resolver->server_count > 0) {
        options.lookups = only_dns;
        given |= ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS;
    }
    if (ares_init_options(&channel, &options, given) != ARES_SUCCESS)
        return NULL;
    if (resolver->server_count > 0 &&
        ares_set_servers_ports(channel, resolver->servers) != ARES_SUCCESS) {
        ares_destroy(channel);
        return NULL;
    }
    return channel;
}

/*
 * Closes the channel. c-ares answers every open question with ARES_EDESTRUCTION; the owners are not
 * called back.
 */
static void close_channel(struct resolver *resolver)
{
    ares_channel channel = resolver->channel;

    resolver->channel = NULL;
    if (channel)
        ares_destroy(channel);
}

bool resolver_enter(struct resolver *resolver, struct resolve *resolve)
{
    if (!resolver->channel)
        resolver->channel = open_channel(resolver);
    if (!resolver->channel)
        return false;
    resolve->resolver = resolver;
    resolve->channel = resolver->channel;
    resolve->early_ms = uv_now(resolver->loop) + RESOLVE_EARLY_MS;
    resolve->deadline_ms = uv_now(resolver->loop) + RESOLVE_PATIENCE_MS;
    list_append(&resolver->busy, &resolve->node);
    return true;
}

bool resolver_asks_system(const struct resolver *resolver)
{
    return resolver->server_count == 0;
}

void resolver_leave(struct resolve *resolve)
{
    list_remove(&resolve->node);
    if (resolve->on_done)
        list_append(&resolve->resolver->over, &resolve->node);
    else
        resolve_discard(resolve);
}

/* ---- Time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;

    if (resolver->channel)
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    settle(resolver);
}

void resolver_wake(struct resolver *resolver)
{
    if (!uv_is_closing((uv_handle_t *)&resolver->timer))
        (void)uv_timer_start(&resolver->timer, on_timer, 0, 0);
}

/*
 * Returns the oldest lookup whose last callback is not done yet, or NULL. Its deadline is the
 * nearest.
 */
static struct resolve *oldest_wanted(struct resolver *resolver)
{
    for (struct list *node = resolver->busy.next; node != &resolver->busy; node = node->next) {
        struct resolve *resolve = LIST_ENTRY(node, struct resolve, node);

        if (resolve->on_done)
            return resolve;
    }
    return NULL;
}

/*
 * Calls back the owner of one lookup whose early time has come, if it has found anything. Returns
 * false if there is no such lookup. It does not go on to the next one, because the callback may
 * change the list.
 */
static bool tell_one_early(struct resolver *resolver)
{
    for (struct list *node = resolver->busy.next; node != &resolver->busy; node = node->next) {
        struct resolve *resolve = LIST_ENTRY(node, struct resolve, node);

        if (resolve->on_done && !resolve->told_early &&
            resolve->early_ms <= uv_now(resolver->loop) && resolve_tell_early(resolve))
            return true;
    }
    return false;
}

/* Returns when a part of any lookup may be reported next, but at most `until`. */
static uint64_t next_early(const struct resolver *resolver, uint64_t until)
{
    uint64_t now = uv_now(resolver->loop);

    for (struct list *node = resolver->busy.next; node != &resolver->busy; node = node->next) {
        const struct resolve *resolve = LIST_ENTRY(node, struct resolve, node);

        if (resolve->on_done && !resolve->told_early && resolve->early_ms > now &&
            resolve->early_ms < until)
            until = resolve->early_ms;
    }
    return until;
}

/*
 * Sets the timer to the time when c-ares has something to do, a part may be reported, or the oldest
 * lookup reaches its limit.
 */
static void set_timer(struct resolver *resolver, const struct resolve *oldest)
{
    uint64_t now = uv_now(resolver->loop);
    uint64_t until = next_early(resolver, oldest->deadline_ms);
    uint64_t wait_ms = until > now ? until - now : 0;
    struct timeval longest = {
        .tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
    struct timeval wait;
    const struct timeval *nearest = ares_timeout(resolver->channel, &longest, &wait);

    /* One more millisecond, because the loop's clock and that of c-ares round differently. */
    wait_ms = (uint64_t)nearest->tv_sec * 1000 + (uint64_t)nearest->tv_usec / 1000 + 1;
    (void)uv_timer_start(&resolver->timer, on_timer, wait_ms, 0);
}

/*
 * Reports what can be reported, and then closes the channel or sets the timer. It is called from
 * the loop only, never from inside c-ares. An owner may do anything in its callback, even free the
 * resolver: its memory lives until the timer's handle is closed, and after each callback the lists
 * are looked at anew.
 */
static void settle(struct resolver *resolver)
{
    struct resolve *oldest;
    struct list *node;

    do {
        while ((node = list_shift(&resolver->over)) != NULL)
            resolve_tell(LIST_ENTRY(node, struct resolve, node));
        oldest = oldest_wanted(resolver);
        if (oldest && oldest->deadline_ms <= uv_now(resolver->loop))
            resolve_tell(oldest);
        else if (!tell_one_early(resolver) && list_is_empty(&resolver->over))
            break;
    } while (true);
    if (uv_is_closing((uv_handle_t *)&resolver->timer))
        return;
    if (oldest) {
        set_timer(resolver, oldest);
    } else {
        close_channel(resolver);
        (void)uv_timer_stop(&resolver->timer);
    }
}

/* ---- Life ---- */

static void fill_server(struct ares_addr_port_node *node, const struct address *address)
{
    node->family = address_family(address);
    if (node->family == AF_INET6)
        memcpy(&node->addr.addr6, &address->socket.v6.sin6_addr, sizeof(node->addr.addr6));
    else
        node->addr.addr4 = address->socket.v4.sin_addr;
    node->udp_port = address_port(address);
    node->tcp_port = address_port(address);
}

struct resolver *resolver_new(uv_loop_t *loop, const struct address *servers, size_t count)
{
    struct resolver *resolver =
        calloc(1, sizeof(*resolver) + count * sizeof(struct ares_addr_port_node));

    if (!resolver)
        return NULL;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(resolver);
        return NULL;
    }
    resolver->loop = loop;
    list_init(&resolver->sockets);
    list_init(&resolver->busy);
    list_init(&resolver->over);
    (void)uv_timer_init(loop, &resolver->timer);
    resolver->timer.data = resolver;
    resolver->server_count = count;
    for (size_t i = 0; i < count; i++) {
        fill_server(&resolver->servers[i], &servers[i]);
        resolver->servers[i].next = i + 1 < count ? &resolver->servers[i + 1] : NULL;
    }
    return resolver;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
    ares_library_cleanup();
}

void resolver_free(struct resolver **pointer)
{
    struct resolver *resolver = *pointer;
    struct list *node;

    *pointer = NULL;
    if (!resolver)
        return;
    for (node = resolver->busy.next; node != &resolver->busy; node = node->next)
        LIST_ENTRY(node, struct resolve, node)->on_done = NULL;
    while ((node = list_shift(&resolver->over)) != NULL)
        resolve_discard(LIST_ENTRY(node, struct resolve, node));
    uv_close((uv_handle_t *)&resolver->timer, on_closed);
    close_channel(resolver);
}

const char *resolver_version(void)
{
    return ares_version(NULL);
}
