/*
 * The records of TLS 1.3 [RFC 8446 5, 7.2, 7.3], for a stream that has left the library
 * (tls_lean.h): traffic keys from a secret, and one record sealed or opened in place. The ciphers
 * are the library's. It knows neither streams nor sockets.
 */
#ifndef MAILMUX_TLS_RECORD_H
#define MAILMUX_TLS_RECORD_H

#include "mailmux/slice.h"
#include <openssl/evp.h>
#include <stdint.h>

enum {
    RECORD_HEADER = 5,
    RECORD_TAG = 16,
    RECORD_CONTENT_MAX = 16384,
    /* [RFC 8446 5.2]: the content, its type, padding and the tag are not longer than this. */
    RECORD_SEALED_MAX = RECORD_CONTENT_MAX + 256,
    RECORD_WIRE_MAX = RECORD_HEADER + RECORD_SEALED_MAX,
    RECORD_OVERHEAD = RECORD_HEADER + 1 + RECORD_TAG, /* what sealing adds to the content */
    TRAFFIC_SECRET_MAX = 48,
    TRAFFIC_KEY_MAX = 32,
    TRAFFIC_IV = 12
};

enum record_type { RECORD_TYPE_ALERT = 21, RECORD_TYPE_HANDSHAKE = 22, RECORD_TYPE_DATA = 23 };

enum traffic_suite { TRAFFIC_AES_128_GCM, TRAFFIC_AES_256_GCM, TRAFFIC_CHACHA20, TRAFFIC_SUITES };

/*
 * What one thread needs for records: the library's ciphers, fetched once. A cipher remembers whose
 * key it has, so that records of one direction in a row pay for one key schedule.
 */
struct record_tools {
    EVP_KDF_CTX *kdf;
    EVP_CIPHER_CTX *seal[TRAFFIC_SUITES];
    EVP_CIPHER_CTX *open[TRAFFIC_SUITES];
    uint64_t seal_key[TRAFFIC_SUITES]; /* the id of the key in each cipher; 0: none */
    uint64_t open_key[TRAFFIC_SUITES];
    uint64_t last_key; /* ids are given in order */
};

/* One direction of a connection. A plain value. It is secret: end it with traffic_end. */
struct traffic {
    enum traffic_suite suite;
    uint64_t key_id;
    uint64_t sequence; /* of the next record */
    unsigned char secret[TRAFFIC_SECRET_MAX];
    unsigned char key[TRAFFIC_KEY_MAX];
    unsigned char iv[TRAFFIC_IV];
};

/* Fetches the ciphers. Returns false if the library lacks one, or without memory. */
bool record_tools_init(struct record_tools *tools);
/* Frees all. Harmless on zeroed memory. */
void record_tools_deinit(struct record_tools *tools);

/*
 * Finds the suite of TLS 1.3 by the two octets of its name on the wire. Returns false for any
 * other.
 */
bool traffic_suite_of(unsigned id, enum traffic_suite *out);
/* Returns how many octets a secret of the suite has. */
size_t traffic_secret_size(enum traffic_suite suite);

/*
 * Begins a direction with its current secret (traffic_secret_size octets) and the number of records
 * that were sent under it. Returns false if the library fails.
 */
bool traffic_begin(struct traffic *traffic, struct record_tools *tools, enum traffic_suite suite,
    const unsigned char *secret, uint64_t sequence);
/*
 * Goes on to the next keys, after a KeyUpdate, and overwrites the old ones, in the ciphers, too.
 * Returns false if the library fails; no record is sealed or opened any more then.
 */
bool traffic_update(struct traffic *traffic, struct record_tools *tools);
/* Returns whether so many records have been sealed with the key that it is time for the next. */
bool traffic_is_worn(const struct traffic *traffic);
/* Overwrites the keys, in the ciphers, too. */
void traffic_end(struct traffic *traffic, struct record_tools *tools);

/*
 * Seals content of at most RECORD_CONTENT_MAX octets into `out`, which has room for RECORD_OVERHEAD
 * more. Returns the octets written, or 0 if the library fails or no sequence number is left.
 */
size_t record_seal(struct traffic *traffic, struct record_tools *tools, enum record_type type,
    struct slice content, char *out);

enum record_result {
    RECORD_FINE,
    RECORD_INCOMPLETE,  /* more octets are needed */
    RECORD_BAD_FAMILY,  /* the header is none of TLS: alert protocol_version */
    RECORD_BAD_VERSION, /* a header that cannot be authentic: alert decode_error */
    RECORD_BAD_TYPE,    /* no record that may come now: alert unexpected_message */
    RECORD_TOO_LARGE,   /* alert record_overflow */
    RECORD_FORGED,      /* the tag is wrong: alert bad_record_mac */
    RECORD_BROKEN       /* the library failed: alert internal_error */
};

/*
 * Looks at the header of the first record in `in`. RECORD_FINE: *n is the whole record's length.
 */
enum record_result record_measure(struct slice in, size_t *n);

/*
 * Opens one whole record of n octets (record_measure) into `out`, which has room for n -
 * RECORD_HEADER
 * - RECORD_TAG octets, or is the record's own place behind its header. *type and *content are set
 * on RECORD_FINE; the content lies in `out`. Otherwise `out` holds nothing of use, and *traffic
 * must not be used again.
 */
enum record_result record_open(struct traffic *traffic, struct record_tools *tools,
    const char *record, size_t n, char *out, enum record_type *type, struct slice *content);

#endif
