/*
 * Looking up the addresses of a host, or of the hosts of a service (SRV, [2782]), without blocking
 * the loop. A lookup belongs to its resolver, and is over with its last callback or when the
 * resolver is freed. One thread: that of the loop.
 *
 * What an answer says is not trusted: targets that are no host names, port 0, and the address
 * 0.0.0.0 or ::, which would be this machine, are left out.
 */
#ifndef MAILMUX_RESOLVE_H
#define MAILMUX_RESOLVE_H

#include "resolver.h"

enum {
    RESOLVE_MAX = 64, /* addresses of one name, and records of one service */
    /*
     * One question to one DNS server; c-ares doubles it with each further try. Short, so that the
     * next server is asked well within the time that a start waits for names.
     */
    RESOLVE_TRY_MS = 2 * 1000,
    RESOLVE_TRIES = 3,               /* to each DNS server */
    RESOLVE_EARLY_MS = 1000,         /* then what was found so far is reported */
    RESOLVE_PATIENCE_MS = 20 * 1000, /* the whole lookup, however many servers and questions */
};

struct resolve;

/* The lower the priority the better; a weight of 0 has become 1. Of a host: 0 and 1. */
struct resolve_address {
    struct address address; /* with its port */
    uint32_t origin;        /* the same for all addresses of one host and port */
    uint16_t priority;
    uint16_t weight;
};

/* A question that was not answered: what it would have found is not known. */
struct resolve_gap {
    uint32_t origin; /* of the addresses that it was about ... */
    int family;      /* ... and their family; AF_UNSPEC: both */
};

/*
 * Valid during the callback. A and AAAA are two questions: no data is an answer to one of them, and
 * a failure of one leaves a gap beside what the other has found.
 */
struct resolve_result {
    const char *error; /* NULL: answered; else why there is no address, a constant */
    bool is_early;     /* there are addresses, and open questions: a second callback follows */
    size_t gap_count;  /* beside an error: 0 where the question for the service failed itself */
    const struct resolve_gap *gaps;
    size_t count; /* 0 without an error: the service says that it is not offered [2782] */
    const struct resolve_address *addresses; /* no repetitions; the best priority first */
};

typedef void resolve_callback(void *owner, const struct resolve_result *result);

/*
 * Looks up the addresses of a host, each with the port: IPv6 first where this machine has a way to
 * it, each family in the order of [6724]. The callback comes once, or twice where a part of the
 * answer is slow; never before this returns. NULL when the lookup cannot be started: then there is
 * no callback.
 */
struct resolve *resolve_host(struct resolver *resolver, const char *host, uint16_t port,
    resolve_callback *on_done, void *owner);

/*
 * Looks up the hosts of a service such as _imap._tcp.example.org and their addresses; the ports are
 * those of its records. Callbacks and NULL as of resolve_host.
 */
struct resolve *resolve_service(
    struct resolver *resolver, const char *name, resolve_callback *on_done, void *owner);

#endif
