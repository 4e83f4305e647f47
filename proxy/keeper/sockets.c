#include "sockets.h"

#include "listening.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_OCTETS_MAX = 512 };

/* Returns whether "LISTENER ADDRESS" is the name of this one. */
static bool is_meant(
    const struct config_listener *listener, const struct address *at, const char *name)
{
    char address[ADDRESS_TEXT_MAX];
    char whole[NAME_OCTETS_MAX];

    (void)snprintf(whole, sizeof(whole), "%s %s", listener->name, address_text(at, address));
    return strcmp(whole, name) == 0;
}

/* An address that the configuration names; `at` is NULL if it does not. */
struct place {
    const struct address *at;
    bool is_free;
};

/* By its name, or else by itself. */
static struct place find_named(
    const struct config *config, const char *name, const struct address *at)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->bind_count; j++) {
            const struct address *one = &listener->bind[j];

            if (name ? is_meant(listener, one, name) : address_equal(one, at))
                return (struct place){one, listener->freebind != 0};
        }
    }
    return (struct place){0};
}

static int find(const struct sockets *sockets, const struct address *at)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (address_equal(&sockets->items[i].at, at))
            return sockets->items[i].fd;
    }
    return -1;
}

static bool add(struct sockets *sockets, const struct address *at, int fd)
{
    struct sockets_item *grown =
        reallocarray(sockets->items, sockets->count + 1, sizeof(*sockets->items));

    if (!grown)
        return false;
    sockets->items = grown;
    grown[sockets->count++] = (struct sockets_item){*at, fd};
    return true;
}

/* Those that collide with the address, as *:25 and 192.0.2.1:25 do. Returns whether there are any.
 */
static bool share_colliding(const struct sockets *sockets, const struct address *at, bool is_shared)
{
    bool any = false;

    for (size_t i = 0; i < sockets->count; i++) {
        if (address_binds_collide(&sockets->items[i].at, at)) {
            listening_share(sockets->items[i].fd, is_shared);
            any = true;
        }
    }
    return any;
}

/*
 * Sockets are shared for this moment only, so that another program's bind is refused as ever
 * (unless it is root's and wants to share).
 */
static int open_at(const struct sockets *sockets, struct place place)
{
    bool is_shared = share_colliding(sockets, place.at, true);
    int fd = listening_open(place.at, is_shared, place.is_free);

    (void)share_colliding(sockets, place.at, false);
    return fd;
}

int sockets_get(struct sockets *sockets, const struct config *config, const char *name)
{
    struct place place = config ? find_named(config, name, NULL) : (struct place){0};
    int kept = place.at ? find(sockets, place.at) : -1;

    if (!place.at)
        return -EPERM;
    if (kept < 0) {
        kept = open_at(sockets, place);
        if (kept < 0)
            return kept;
        if (!add(sockets, place.at, kept)) {
            (void)close(kept);
            return -ENOMEM;
        }
    }
    kept = fcntl(kept, F_DUPFD_CLOEXEC, 0);
    return kept < 0 ? -errno : kept;
}

static void remove_at(struct sockets *sockets, size_t i)
{
    (void)close(sockets->items[i].fd);
    sockets->items[i] = sockets->items[--sockets->count];
}

void sockets_keep(struct sockets *sockets, const struct config *config)
{
    for (size_t i = sockets->count; i-- > 0;) {
        if (!find_named(config, NULL, &sockets->items[i].at).at)
            remove_at(sockets, i);
    }
}

void sockets_take(struct sockets *sockets, int fd)
{
    struct address at;

    if (!listening_check(fd, &at) || find(sockets, &at) >= 0 || !add(sockets, &at, fd))
        (void)close(fd);
}

void sockets_close(struct sockets *sockets)
{
    while (sockets->count > 0)
        remove_at(sockets, sockets->count - 1);
    free(sockets->items);
    *sockets = (struct sockets){0};
}
