/*
 * A DNS server on the loop of a test, which answers from a table. It does not keep the loop alive.
 * One thread; abort() where the test's own side is at fault.
 */
#ifndef MAILMUX_DNS_SERVER_H
#define MAILMUX_DNS_SERVER_H

#include "mailmux/address.h"
#include <uv.h>

enum { DNS_TYPE_A = 1, DNS_TYPE_AAAA = 28, DNS_TYPE_SRV = 33, DNS_PACKET_MAX = 512 };
enum { DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NO_ANSWER = -1 };

/* What is answered to a question for a name and a type; several rows are several records. A name
 * without any row does not exist; one without a row of the type has no data. */
struct dns_row {
    const char *name;
    int type;
    int rcode;
    const char *address; /* or of a service: */
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
    const struct dns_row *rows; /* may be changed between questions */
    size_t count;
    unsigned questions;
    struct address address; /* where it is asked */
    unsigned char packet[2 * DNS_PACKET_MAX];
};

/* In the caller's memory. at: its address; with port 0 one that is free. */
void dns_server_open(struct dns_server *server, uv_loop_t *loop, const struct address *at);
/* The loop must then run its close callbacks. */
void dns_server_close(struct dns_server *server);

#endif
