/*
 * Looks up the addresses of a host, or of the hosts of a service (SRV, RFC 2782), without blocking
 * the loop. A lookup belongs to its resolver. It is over with its last callback, or when the
 * resolver is freed. One thread: that of the loop.
 *
 * An answer is not trusted. Targets that are no host names, port 0, and the addresses 0.0.0.0 and
 * ::, which would be this machine, are left out.
 */
#ifndef MAILMUX_RESOLVE_H
#define MAILMUX_RESOLVE_H

#include "resolver.h"

enum {
    /* Addresses in one result: an answer of the DNS has 64 KiB, and no room for more. */
    RESOLVE_MAX = 4096,
    RESOLVE_HOSTS_MAX = 1024, /* records of one service, whose hosts are looked up */
    /*
     * The time of one question to one DNS server; c-ares doubles it with each further try. It is
     * short, so that the next server is asked well within the time that a start waits for names.
     */
    RESOLVE_TRY_MS = 2 * 1000,
    RESOLVE_TRIES = 3,               /* to each DNS server */
    RESOLVE_EARLY_MS = 1000,         /* after it, what was found so far is reported */
    RESOLVE_PATIENCE_MS = 20 * 1000, /* limit of the whole lookup, with all servers and questions */
};

struct resolve;

/*
 * An address that was found. A lower priority is better; a weight of 0 in the record is 1 here. For
 * a host, priority is 0 and weight 1.
 */
struct resolve_address {
    struct address address; /* port included */
    uint32_t origin;        /* the same number for all addresses of one host and port */
    uint16_t priority;
    uint16_t weight;
};

/* A question without an answer: it is not known which addresses it would have found. */
struct resolve_gap {
    uint32_t origin; /* origin of the addresses that it asked for */
    int family;      /* family of these addresses; AF_UNSPEC: both */
};

/*
 * What was found, valid during the callback. A and AAAA are two questions. "No data" is an answer;
 * a failure of one question leaves a gap, whatever the other one has found.
 */
struct resolve_result {
    const char *error; /* why there is no address, a constant; NULL: no error */
    bool is_early;     /* questions are open: a second callback follows */
    size_t gap_count;  /* stays 0 if the question for SRV records itself failed */
    const struct resolve_gap *gaps;
    size_t count; /* 0 without an error: the domain does not offer the service (RFC 2782) */
    const struct resolve_address *addresses; /* without repetitions, the best priority first */
    size_t
        left_out; /* hosts and addresses for which RESOLVE_HOSTS_MAX or RESOLVE_MAX has no room */
};

typedef void resolve_callback(void *owner, const struct resolve_result *result);

/*
 * Looks up the addresses of a host. Each gets the port. IPv6 comes first if this machine has a
 * route to it; each family is in the order of RFC 6724. The callback comes once, or twice if a part
 * of the answer is slow, and never before this function returns. Returns NULL if the lookup cannot
 * be started; then there is no callback. The returned lookup belongs to the resolver.
 */
struct resolve *resolve_host(struct resolver *resolver, const char *host, uint16_t port,
    resolve_callback *on_done, void *owner);

/*
 * Looks up the hosts of a service, such as _imap._tcp.example.org, and their addresses. The ports
 * are those of its records. Callback and return value are those of resolve_host.
 */
struct resolve *resolve_service(
    struct resolver *resolver, const char *name, resolve_callback *on_done, void *owner);

#endif
