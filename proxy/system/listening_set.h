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
    size_t settled; /* so many, the first ones, were there at the last listening_set_keep */
    struct listening_item *items;
};

/*
 * Returns the socket of the address, which stays the set's; it is bound unless it is there, with
 * is_free also where no interface has the address. It listens from listening_set_keep on. Returns a
 * negative errno on failure.
 */
int listening_set_get(struct listening_set *set, const struct address *at, bool is_free);

typedef bool listening_wanted(const void *owner, const struct address *at);

/*
 * Listens with those that were opened, and closes all that are not wanted. The others are settled.
 * Returns false with errno set, and nothing closed, if one cannot listen.
 */
bool listening_set_keep(struct listening_set *set, listening_wanted *is_wanted, const void *owner);

/* Closes all that have been opened since then. */
void listening_set_undo(struct listening_set *set);

/*
 * Takes a descriptor from another process; closes it if it is no listening socket. It is
 * settled.
 */
void listening_set_take(struct listening_set *set, int fd);

/* Closes all. */
void listening_set_close(struct listening_set *set);

#endif
