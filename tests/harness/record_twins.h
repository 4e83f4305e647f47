/*
 * Two streams with the keys of one TLS 1.3 handshake: one stays with the library, the other opens
 * and seals its records itself (net/tls_lean.h). They get the same octets in the same pieces, and
 * must do the same: the same plaintext, the same octets sent, alerts included, the same end. One
 * thread; abort() without memory.
 */
#ifndef MAILMUX_RECORD_TWINS_H
#define MAILMUX_RECORD_TWINS_H

#include "tls_bench.h"
#include <stdint.h>

/*
 * Plays what the octets say: data, KeyUpdates, padding, odd messages, damage, writing. Returns NULL
 * if both did the same, or what differs. *records counts the records that were sealed for them. The
 * set of the bench must be prepared (tls_lean_prepare).
 */
const char *record_twins_play(
    const struct tls_bench *bench, const uint8_t *octets, size_t n, size_t *records);

#endif
