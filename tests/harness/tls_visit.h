/*
 * Single connections of a client to a service: what the client wants, and what both sides then
 * have. For tests of which certificates, parameters and sessions a ClientHello gets. One thread.
 */
#ifndef MAILMUX_TLS_VISIT_H
#define MAILMUX_TLS_VISIT_H

#include "stream_bench.h"
#include "tls_context.h"
#include "tls_info.h"

struct tls_visit {
    /* In: */
    const char *sni;
    int minimum;
    int maximum;
    const char *groups;
    const char *ciphers;     /* of TLS 1.2 */
    const char *certificate; /* files of the one that the client shows; NULL: none */
    const char *key;
    SSL_SESSION *session; /* one to resume */
    /* Out: */
    enum io status; /* of the handshake */
    int alert;
    enum stream_failure failure;
    char version[16];
    char cipher[64];
    char group[32];
    char sni_seen[300];
    char common_name[64]; /* of the certificate that the client was shown */
    enum tls_peer peer;
    bool resumed;
    SSL_SESSION *given; /* the last; the caller frees it */
};

/* abort() where the test's own side is at fault. */
void tls_visit_go(const struct tls_service *service, struct tls_visit *visit);

/* The same, where the session given does not matter. */
struct tls_visit tls_visited(const struct tls_service *service, struct tls_visit visit);

/* Whether the session that the first visit is given is resumed by the second. */
bool tls_visit_resumes(
    const struct tls_service *service, struct tls_visit first, struct tls_visit second);

#endif
