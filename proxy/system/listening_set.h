/*
 * Listening sockets, each found by its address. One thread.
 */
#ifndef MAILMUX_LISTENING_SET_H
#define MAILMUX_LISTENING_SET_H

#include "mailmux/address.h"
#include <stdbool.h>
#include <stddef.h>

struct listening_item {
    struct address at;
    int fd;
};

/* {0} is empty. End it with listening_set_close. Its members are private, but for reading. */
struct listening_set {
    size_t count;
    struct listening_item *items;
};

/*
 * Returns the socket of the address, which stays the set's; it is opened unless it is open, with
 * is_free also where no interface has the address. Returns a negative errno on failure.
 */
int listening_set_get(struct listening_set *set, const struct address *at, bool is_free);

typedef bool listening_wanted(const void *owner, const struct address *at);

/* Closes all that are not wanted. */
void listening_set_keep(struct listening_set *set, listening_wanted *is_wanted, const void *owner);

/* Takes a descriptor from another process; closes it if it is no listening socket. */
void listening_set_take(struct listening_set *set, int fd);

/* Closes all. */
void listening_set_close(struct listening_set *set);

#endif
