#include "sockets.h"

#include "mailmux/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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

int sockets_get(struct listening_set *sockets, const struct config *config, const char *name)
{
    struct place place = config ? find_named(config, name, NULL) : (struct place){0};
    int fd = place.at ? listening_set_get(sockets, place.at, place.is_free) : -EPERM;

    if (fd < 0)
        return fd;
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static bool is_named(const void *config, const struct address *at)
{
    return find_named(config, NULL, at).at != NULL;
}

bool sockets_keep(struct listening_set *sockets, const struct config *config)
{
    if (listening_set_keep(sockets, is_named, config))
        return true;
    log_message(LOG_ERROR, "bind-failed", "a new address cannot be had: %s", strerror(errno));
    return false;
}
