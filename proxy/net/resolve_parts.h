/*
 * What resolver.c (c-ares on the loop), resolve.c (one lookup) and resolve_records.c share. An
 * owner is never called back from inside c-ares: a lookup that is over waits in `over` until the
 * resolver reports it from the loop.
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
    int status; /* a status of c-ares; ARES_ETIMEOUT before the answer */
    struct ares_addrinfo *found;
};

enum { RESOLVE_FAMILIES = 2 };

/* A host of the lookup, and what has been found about it. */
struct resolve_target {
    uint32_t origin;
    uint16_t port;
    uint16_t priority;
    uint16_t weight;
    bool is_whole; /* c-ares tries the name as it is before it adds search domains */
    size_t question_count;
    struct resolve_question questions[RESOLVE_FAMILIES];
};

struct resolve {
    struct list node; /* in `busy` while c-ares owes an answer, then in `over` */
    struct resolver *resolver;
    ares_channel channel;
    uint64_t early_ms; /* when a part may be reported */
    bool told_early;
    uint64_t deadline_ms;
    resolve_callback *on_done; /* NULL: the last callback is done, but c-ares still owes answers */
    void *owner;
    unsigned pending; /* answers that c-ares owes */
    bool is_declined; /* a record had the target "." */
    int status;       /* status of the question for SRV records; for a host ARES_SUCCESS */
    size_t left_out;  /* records for which there is no room */
    size_t target_count;
    struct resolve_target *targets; /* allocated; it does not move while answers are owed */
};

/* A record of a service. The host is a valid name with a dot at its end. */
struct resolve_record {
    uint16_t priority;
    uint16_t weight;
    uint16_t port;
    char host[256];
};

/*
 * Adds a new lookup to the resolver and gives it the channel. Returns false if no channel can be
 * opened.
 */
bool resolver_enter(struct resolver *resolver, struct resolve *resolve);

/*
 * Returns whether the system's configuration is used, with its files and search domains, and not
 * servers that the caller has named.
 */
bool resolver_asks_system(const struct resolver *resolver);

/*
 * c-ares owes the lookup nothing more. Queues it for its last callback, or frees it if that is
 * done.
 */
void resolver_leave(struct resolve *resolve);

/*
 * Makes the loop report and set timers soon. Call it after anything that was asked of c-ares or of
 * a lookup.
 */
void resolver_wake(struct resolver *resolver);

/*
 * Calls the owner back for the last time, unless that is done already. Frees the lookup unless
 * c-ares still owes it answers; then the last answer frees it.
 */
void resolve_tell(struct resolve *resolve);

/* Calls the owner back with what was found so far. Returns false if that is nothing. */
bool resolve_tell_early(struct resolve *resolve);

/* Frees a lookup to which c-ares owes nothing, without a callback. */
void resolve_discard(struct resolve *resolve);

/*
 * Writes the usable records of an answer, the best priority first and otherwise in their order, and
 * returns their number. Of more than RESOLVE_HOSTS_MAX the worst are left out; *left_out is how
 * many. *is_declined: a record had the target ".", which means that the domain does not offer the
 * service (RFC 2782).
 */
size_t resolve_records(const struct ares_srv_reply *reply,
    struct resolve_record records[RESOLVE_HOSTS_MAX], bool *is_declined, size_t *left_out);

#endif
