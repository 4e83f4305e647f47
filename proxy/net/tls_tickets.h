/*
 * The keys of session tickets, shared by all workers, listeners and sets. Either random and
 * rotating (a ticket is good for one to two periods), or from files that several machines share.
 * Any thread: a mutex guards the keys. They are freed with the last reference.
 */
#ifndef MAILMUX_TLS_TICKETS_H
#define MAILMUX_TLS_TICKETS_H

#include "mailmux/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_tickets;
struct ssl_st;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

/* Random keys, replaced every period_ms. NULL without memory or randomness. */
struct tls_tickets *tls_tickets_new(uint64_t period_ms, struct error *error);

/*
 * Keys from files: 48 or 80 raw bytes each, as nginx has them (the first file encrypts, all
 * decrypt); or one text file with a key in base64 per line, as HAProxy has them (the last but one
 * line encrypts). NULL on failure: *failed is the index of the file, *error says why.
 */
struct tls_tickets *tls_tickets_from_files(
    const char *const *files, size_t count, size_t *failed, struct error *error);

struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets **tickets);

/*
 * What SSL_CTX_set_tlsext_ticket_key_evp_cb expects, with the tickets in front. Random keys that
 * are due by then are replaced first.
 */
int tls_tickets_use(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
    struct evp_cipher_ctx_st *cipher, struct evp_mac_ctx_st *mac, bool encrypt);

#endif
