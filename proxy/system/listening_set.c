#include "listening_set.h"

#include "listening.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int find(const struct listening_set *set, const struct address *at)
{
    for (size_t i = 0; i < set->count; i++) {
        if (address_equal(&set->items[i].at, at))
            return set->items[i].fd;
    }
    return -1;
}

static bool add(struct listening_set *set, const struct address *at, int fd)
{
    struct listening_item *grown = reallocarray(set->items, set->count + 1, sizeof(*set->items));

    if (!grown)
        return false;
    set->items = grown;
    grown[set->count++] = (struct listening_item){*at, fd};
    return true;
}

/* Those that collide with the address, as *:25 and 192.0.2.1:25 do. Returns whether there are any.
 */
static bool share_colliding(
    const struct listening_set *set, const struct address *at, bool is_shared)
{
    bool any = false;

    for (size_t i = 0; i < set->count; i++) {
        if (address_binds_collide(&set->items[i].at, at)) {
            listening_share(set->items[i].fd, is_shared);
            any = true;
        }
    }
    return any;
}

/*
 * Sockets are shared for this moment only, so that another program's bind is refused as ever
 * (unless it is root's and wants to share).
 */
static int bind_at(const struct listening_set *set, const struct address *at, bool is_free)
{
    bool is_shared = share_colliding(set, at, true);
    int fd = listening_bind(at, is_shared, is_free);

    (void)share_colliding(set, at, false);
    return fd;
}

int listening_set_get(struct listening_set *set, const struct address *at, bool is_free)
{
    int fd = find(set, at);

    if (fd >= 0)
        return fd;
    fd = bind_at(set, at, is_free);
    if (fd >= 0 && !add(set, at, fd)) {
        (void)close(fd);
        return -ENOMEM;
    }
    return fd;
}

static void remove_at(struct listening_set *set, size_t i)
{
    (void)close(set->items[i].fd);
    set->items[i] = set->items[--set->count];
}

static bool begin_at(const struct listening_set *set, const struct listening_item *item)
{
    bool is_begun;

    (void)share_colliding(set, &item->at, true);
    listening_share(item->fd, true);
    is_begun = listening_begin(item->fd);
    listening_share(item->fd, false);
    (void)share_colliding(set, &item->at, false);
    return is_begun;
}

bool listening_set_keep(struct listening_set *set, listening_wanted *is_wanted, const void *owner)
{
    for (size_t i = set->settled; i < set->count; i++) {
        if (!begin_at(set, &set->items[i]))
            return false;
    }
    for (size_t i = set->count; i-- > 0;) {
        if (!is_wanted(owner, &set->items[i].at))
            remove_at(set, i);
    }
    set->settled = set->count;
    return true;
}

void listening_set_undo(struct listening_set *set)
{
    while (set->count > set->settled)
        remove_at(set, set->count - 1);
}

void listening_set_take(struct listening_set *set, int fd)
{
    struct address at;

    if (!listening_check(fd, &at) || find(set, &at) >= 0 || !add(set, &at, fd))
        (void)close(fd);
    set->settled = set->count;
}

void listening_set_close(struct listening_set *set)
{
    while (set->count > 0)
        remove_at(set, set->count - 1);
    free(set->items);
    *set = (struct listening_set){0};
}
