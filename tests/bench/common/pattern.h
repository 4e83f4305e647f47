/* The octets of bulk transfers: what stands at an offset is known, so that a lost or changed octet
 * shows. */
#ifndef MAILMUX_BENCH_PATTERN_H
#define MAILMUX_BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

enum { PATTERN_PIECE = 65536 };

/* The octets from `offset` of a transfer on: `*length` of them, which becomes less where a piece
 * ends. */
const char *pattern_at(unsigned long long offset, size_t *length);

/* Whether these are the octets of a transfer from `offset` on. */
bool pattern_is(unsigned long long offset, const char *octets, size_t length);

/* The same for the text of a message: lines of 76 characters, none of which begins with a dot. */
const char *pattern_text_at(unsigned long long offset, size_t *length);

#endif
