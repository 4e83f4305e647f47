/*
 * Single TLS connections of a client to a service, for tests of which certificate, parameters and
 * session a ClientHello gets. One thread; abort() when the test's own side fails.
 */
#ifndef MAILMUX_TLS_VISIT_H
#define MAILMUX_TLS_VISIT_H

#include "stream_bench.h"
#include "tls_context.h"
#include "tls_info.h"

struct tls_visit {
    /* What the client asks for; NULL or 0: the library's default. */
    const char *sni;
    int minimum; /* version of TLS, as OpenSSL has it */
    int maximum;
    const char *groups;
    const char *ciphers;     /* of TLS 1.2 */
    const char *certificate; /* file of the certificate that the client shows; NULL: none */
    const char *key;         /* file of its key */
    SSL_SESSION *session;    /* to resume */
    /* What came of it: */
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
    SSL_SESSION *given; /* the last session that the client got; the caller frees it */
};

/* Connects once and fills the second part of *visit. */
void tls_visit_go(const struct tls_service *service, struct tls_visit *visit);

/* Connects once and returns the visit, whose `given` is freed and NULL. */
struct tls_visit tls_visited(const struct tls_service *service, struct tls_visit visit);

/* Whether the second visit resumes the session that the first one got. */
bool tls_visit_resumes(
    const struct tls_service *service, struct tls_visit first, struct tls_visit second);

#endif
