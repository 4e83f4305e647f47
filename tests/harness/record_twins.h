/*
 * Two streams with the keys of one TLS 1.3 handshake: one stays with the library, the other opens
 * and seals its records itself (net/tls_lean.h). They get the same octets in the same pieces, and
 * must do the same: the same plaintext, the same octets sent, alerts included, the same end. One
 * thread; abort() without memory. The set of the bench must be prepared (tls_lean_prepare).
 */
#ifndef MAILMUX_RECORD_TWINS_H
#define MAILMUX_RECORD_TWINS_H

#include "tls_bench.h"
#include "tls_record.h"
#include <stdint.h>

struct record_count {
    size_t read;    /* sealed for both by their peer */
    size_t written; /* by each of them */
};

/*
 * Plays what the octets say, in the role that they say: data, KeyUpdates, tickets, padding, odd
 * messages, damage, writing, ends. Returns NULL if both did the same, or what differs. *count
 * counts on.
 */
const char *record_twins_play(
    const struct tls_bench *bench, const uint8_t *octets, size_t n, struct record_count *count);

/*
 * Gives both the same short flight of records of every kind again and again, in three pieces: cut
 * at every place, and at every `step`th behind it. Returns as record_twins_play.
 */
const char *record_twins_cut_short(const struct tls_bench *bench, bool is_client,
    enum traffic_suite suite, size_t step, struct record_count *count);

/* As record_twins_cut_short, with records of the largest sizes, in two pieces, cut at every
 * `step`th place. */
const char *record_twins_cut_large(const struct tls_bench *bench, bool is_client,
    enum traffic_suite suite, size_t step, struct record_count *count);

#endif
