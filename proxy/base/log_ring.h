/*
 * Private to the log: lines that wait for the writer's thread. It is a ring of bytes in the memory
 * of its owner, with no allocation and no lock of its own; the owner guards it.
 *
 * When a line finds no room it is lost, and so are those behind it until a quarter of the ring is
 * free again: one large gap tells more than many small ones. The first line behind a gap carries
 * the number of the lines that were lost there.
 */
#ifndef MAILMUX_LOG_RING_H
#define MAILMUX_LOG_RING_H

#include "mailmux/slice.h"

struct log_ring {
    char *bytes;
    size_t size;
    size_t first; /* where the oldest line begins */
    size_t used;
    uint64_t lost; /* lines, since the last one that was put */
};

/* Takes the memory, which must outlive the ring. */
void log_ring_init(struct log_ring *ring, char *bytes, size_t size);

/* Copies a line into the ring, or counts it as lost. */
void log_ring_put(struct log_ring *ring, struct slice line);

/*
 * Takes the oldest line out into out, which has room for the longest line that was put. Returns
 * its length, or 0 when no line waits. Adds to *lost the lines that were lost right before it, or,
 * when no line waits, those that were lost last.
 */
size_t log_ring_take(struct log_ring *ring, char *out, uint64_t *lost);

/*
 * Takes the oldest line out like log_ring_take, if it fits into `room` octets and no line was lost
 * before it. Returns 0 if not, or when no line waits.
 */
size_t log_ring_take_more(struct log_ring *ring, char *out, size_t room);

#endif
