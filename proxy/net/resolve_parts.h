/*
 * What resolver.c (c-ares on the loop) and resolve.c (one lookup) share. No owner is called back
 * from inside c-ares: a lookup that is over waits in `over` until the resolver settles.
 */
#ifndef MAILMUX_RESOLVE_PARTS_H
#define MAILMUX_RESOLVE_PARTS_H

#include "mailmux/list.h"
#include "resolve.h"
#include <ares.h>

/* One question about a host, and its answer. */
struct resolve_question {
    struct resolve *resolve;
    int family;
    int status; /* of c-ares; ARES_ETIMEOUT until it has answered */
    struct ares_addrinfo *found;
};

enum { RESOLVE_FAMILIES = 2 };

/* A host of the lookup, and what has been found of it. */
struct resolve_target {
    uint32_t origin;
    uint16_t port;
    uint16_t priority;
    uint16_t weight;
    bool is_whole; /* it is tried as it is before the search domains are */
    size_t question_count;
    struct resolve_question questions[RESOLVE_FAMILIES];
};

struct resolve {
    struct list node; /* in `busy` while c-ares owes an answer, then in `over` */
    struct resolver *resolver;
    ares_channel channel;
    uint64_t early_ms; /* when a part is reported, if there is one by then */
    bool told_early;
    uint64_t deadline_ms;
    resolve_callback *on_done; /* NULL: its owner knows all; only c-ares still knows it */
    void *owner;
    unsigned pending; /* answers that c-ares owes */
    bool is_declined; /* a record had the target "." */
    int status;       /* of the question for records; of a host always ARES_SUCCESS */
    size_t target_count;
    struct resolve_target targets[RESOLVE_MAX];
};

/* A record of a service; the host is a valid name with a dot behind it. */
struct resolve_record {
    uint16_t priority;
    uint16_t weight;
    uint16_t port;
    char host[256];
};

/* Enters a new lookup and gives it the channel. False: no channel can be opened. */
bool resolver_enter(struct resolver *resolver, struct resolve *resolve);

/* Not DNS servers of its own: files and search domains count, too. */
bool resolver_asks_system(const struct resolver *resolver);

/* c-ares owes the lookup nothing more. */
void resolver_leave(struct resolve *resolve);

/* To be called after anything that was asked of c-ares or of a lookup, on the way to the loop. */
void resolver_wake(struct resolver *resolver);

/* Tells the owner, if there is still one, and frees the lookup unless c-ares still knows it. */
void resolve_tell(struct resolve *resolve);

/* Tells the owner what was found already. False: there is nothing yet. */
bool resolve_tell_early(struct resolve *resolve);

/* Frees a lookup that no owner waits for and c-ares does not know. */
void resolve_discard(struct resolve *resolve);

/*
 * The records of an answer, the best priority first and otherwise in its order, at most
 * RESOLVE_MAX. Records that cannot be used are left out; *is_declined: one had the target ".".
 */
size_t resolve_records(
    const struct ares_srv_reply *reply, struct resolve_record *records, bool *is_declined);

#endif
