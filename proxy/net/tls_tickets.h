/*
 * The keys of session tickets, shared by all workers, listeners and sets. They are random and
 * rotate, so that a ticket is valid for one to two periods; or they come from files that several
 * machines share. Any thread: a mutex guards the keys. They are freed with the last reference.
 */
#ifndef MAILMUX_TLS_TICKETS_H
#define MAILMUX_TLS_TICKETS_H

#include "mailmux/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_tickets;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

/*
 * Makes random keys, which are replaced every period_ms. Returns the first reference, or NULL
 * without memory or randomness.
 */
struct tls_tickets *tls_tickets_new(uint64_t period_ms, struct error *error);

/*
 * Takes keys from files. Each file is a key of 48 or 80 raw bytes, as for nginx: the first file
 * encrypts, all decrypt. Or a single text file has a key in base64 on each line, as for HAProxy:
 * the last line but one encrypts, or the only line. Returns the first reference, or NULL with the
 * file's index in *failed and the reason in *error.
 */
struct tls_tickets *tls_tickets_from_files(
    const char *const *files, size_t count, size_t *failed, struct error *error);

/*
 * tls_tickets_ref takes one more reference and returns it. tls_tickets_unref gives one back and
 * sets the pointer to NULL; NULL is allowed.
 */
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets **tickets);

/*
 * Does what the callback of SSL_CTX_set_tlsext_ticket_key_evp_cb must do, and returns what it must
 * return. Random keys that are too old are replaced first.
 */
int tls_tickets_use(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
    struct evp_cipher_ctx_st *cipher, struct evp_mac_ctx_st *mac, bool encrypt);

#endif
