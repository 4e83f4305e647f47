/*
 * One connection of a benchmark's program: a socket that does not block, in clear or in TLS. The
 * caller watches it with EPOLLET and calls again whenever the socket has become ready, until
 * LEG_AGAIN.
 */
#ifndef MAILMUX_BENCH_LEG_H
#define MAILMUX_BENCH_LEG_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LEG_END = 0, LEG_AGAIN = -1, LEG_BROKEN = -2 };

/* Owned by its holder; all zero and fd -1 is a leg without a connection. */
struct leg {
    int fd;
    SSL *ssl; /* NULL: in clear */
};

/* Octets moved (above 0), LEG_END behind the peer's last, LEG_AGAIN, LEG_BROKEN. */
ssize_t leg_read(struct leg *leg, void *to, size_t room);
ssize_t leg_write(struct leg *leg, const void *from, size_t length);

/* Begins TLS as client or server, on a leg in clear. `session` is to be resumed, or NULL. False: no
 * memory. */
bool leg_begin_tls(struct leg *leg, SSL_CTX *context, bool is_server, SSL_SESSION *session);

/* 1 when it is done, LEG_AGAIN, LEG_BROKEN. */
int leg_handshake(struct leg *leg);

/* Says close_notify if there is TLS, closes the socket. */
void leg_close(struct leg *leg);

/* TLS 1.3 with the one cipher and group that all are measured with. Ends the program if it cannot.
 */
SSL_CTX *leg_client_context(const char *ca);
SSL_CTX *leg_server_context(const char *certificate, const char *key);

/* A socket that listens, on every IPv4 address; port 0: any. Ends the program if it cannot. */
int leg_listen(unsigned *port);

/* A connection that has begun, from `source` (host order; 0: any) to 127.0.0.1. -1: it cannot. */
int leg_connect(unsigned port, unsigned source);

/* Accepts one, not blocking and without delay; -1: none is there. */
int leg_accept(int listening);

/* Adds it to an epoll set for both directions, edge-triggered. */
void leg_watch(int poll, int fd, void *holder);

/* Monotonic nanoseconds. */
unsigned long long leg_now(void);

/* Says why on standard error, and ends the program. */
_Noreturn void leg_die(const char *what);

#endif
