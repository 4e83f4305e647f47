/* Private to net: the keys of tickets by value, and reading them from files. Any thread. */
#ifndef MAILMUX_TLS_TICKET_KEYS_H
#define MAILMUX_TLS_TICKET_KEYS_H

#include "mailmux/error.h"
#include <stdbool.h>
#include <stddef.h>

enum { TLS_TICKET_NAME_SIZE = 16, TLS_TICKET_SECRET_MAX = 32, TLS_TICKET_KEYS_MAX = 16 };

struct tls_ticket_key {
    size_t secret_size; /* of cipher and mac: 16 (AES-128) or 32 (AES-256) */
    unsigned char name[TLS_TICKET_NAME_SIZE];
    unsigned char cipher[TLS_TICKET_SECRET_MAX];
    unsigned char mac[TLS_TICKET_SECRET_MAX];
};

struct tls_ticket_keys {
    size_t count;
    size_t encrypting; /* index of the key that encrypts; the others only decrypt */
    struct tls_ticket_key key[TLS_TICKET_KEYS_MAX];
};

/*
 * Reads the keys from files, in the formats of tls_tickets_from_files. Returns false with the
 * file's index in *failed and the reason in *error. In both cases the caller must cleanse *keys.
 */
bool tls_ticket_keys_load(struct tls_ticket_keys *keys, const char *const *files, size_t count,
    size_t *failed, struct error *error) __attribute__((warn_unused_result));

#endif
