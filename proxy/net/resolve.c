#include "resolve.h"

#include <stdlib.h>
#include <string.h>

struct resolve {
    uv_getaddrinfo_t request;
    uint16_t port;
    resolve_callback *on_done; /* NULL: cancelled */
    void *owner;
};

static bool is_among(const struct address *list, size_t count, const struct address *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (address_same_host(&list[i], wanted))
            return true;
    }
    return false;
}

static size_t collect(
    const struct addrinfo *found, uint16_t port, struct address addresses[RESOLVE_MAX])
{
    size_t count = 0;

    for (; found && count < RESOLVE_MAX; found = found->ai_next) {
        struct address *address = &addresses[count];

        if (!found->ai_addr || !address_from_socket(found->ai_addr, address) ||
            is_among(addresses, count, address))
            continue;
        if (address_family(address) == AF_INET6)
            address->socket.v6.sin6_port = htons(port);
        else
            address->socket.v4.sin_port = htons(port);
        count++;
    }
    return count;
}

static void on_result(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolve *resolve = request->data;
    struct address addresses[RESOLVE_MAX];
    size_t count = status == 0 ? collect(found, resolve->port, addresses) : 0;

    uv_freeaddrinfo(found);
    if (status == 0 && count == 0)
        status = UV_EAI_NODATA;
    if (resolve->on_done)
        resolve->on_done(resolve->owner, status, addresses, count);
    free(resolve);
}

struct resolve *resolve_start(
    uv_loop_t *loop, const char *host, uint16_t port, resolve_callback *on_done, void *owner)
{
    static const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct resolve *resolve = calloc(1, sizeof(*resolve));

    if (!resolve)
        return NULL;
    resolve->port = port;
    resolve->on_done = on_done;
    resolve->owner = owner;
    resolve->request.data = resolve;
    if (uv_getaddrinfo(loop, &resolve->request, on_result, host, NULL, &wanted) != 0) {
        free(resolve);
        return NULL;
    }
    return resolve;
}

void resolve_cancel(struct resolve **pointer)
{
    struct resolve *resolve = *pointer;

    *pointer = NULL;
    if (!resolve)
        return;
    resolve->on_done = NULL;
    /* Where a thread is at it already it goes on; either way on_result frees the request. */
    (void)uv_cancel((uv_req_t *)&resolve->request);
}

const char *resolve_error_text(int status)
{
    return uv_strerror(status);
}
