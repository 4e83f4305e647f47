/*
 * A DNS server on the loop of a test. It answers from a table, and does not keep the loop alive.
 * One thread; abort() on any failure.
 */
#ifndef MAILMUX_DNS_SERVER_H
#define MAILMUX_DNS_SERVER_H

#include "mailmux/address.h"
#include <uv.h>

enum { DNS_TYPE_A = 1, DNS_TYPE_AAAA = 28, DNS_TYPE_SRV = 33, DNS_PACKET_MAX = 512 };
enum { DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NO_ANSWER = -1 };

/*
 * The answer to a question for a name and a type; several rows are several records. A name without
 * any row does not exist. A name without a row of the type has no data.
 */
struct dns_row {
    const char *name;
    int type;
    int rcode;           /* 0: it has the record below; DNS_NO_ANSWER: silence */
    const char *address; /* of A and AAAA; the other members are of SRV */
    uint16_t priority;
    uint16_t weight;
    uint16_t port;
    const char *target;
};

#define DNS_HOST(host, kind, ip)                                                                   \
    {                                                                                              \
        .name = (host), .type = (kind), .address = (ip)                                            \
    }
#define DNS_FAILS(host, kind, how)                                                                 \
    {                                                                                              \
        .name = (host), .type = (kind), .rcode = (how)                                             \
    }
#define DNS_SERVICE(service, rank, share, number, host)                                            \
    {                                                                                              \
        .name = (service), .type = DNS_TYPE_SRV, .priority = (rank), .weight = (share),            \
        .port = (number), .target = (host)                                                         \
    }

struct dns_server {
    uv_udp_t udp;
    const struct dns_row *rows; /* the test's, which may change them between questions */
    size_t count;
    unsigned questions;     /* how many have come */
    struct address address; /* where it listens */
    unsigned char packet[2 * DNS_PACKET_MAX];
};

/* Opens a server in the caller's memory at that address; port 0: at any free port. */
void dns_server_open(struct dns_server *server, uv_loop_t *loop, const struct address *at);
/* Closes it. The loop must run its close callbacks before the memory goes. */
void dns_server_close(struct dns_server *server);

#endif
