/*
 * Gives memory back to the system when a burst of sessions is over. The C library keeps what was
 * freed: the memory of ten thousand sessions would stay with a process that has ten left.
 *
 * The main thread looks at regular times. It is never done while sessions come and go as usual, and
 * once after each burst: a worker that asks for memory meanwhile waits, some milliseconds for each
 * hundred megabytes.
 */
#ifndef MAILMUX_MEMORY_RETURN_H
#define MAILMUX_MEMORY_RETURN_H

#include "totals.h"

struct memory_return {
    uint64_t last; /* sessions at the last look */
};

/*
 * Looks whether a burst is over, and begins to count anew then (most_alive in the totals). It is
 * over when half of the sessions and some hundreds are gone, and their number no longer falls fast.
 * A zeroed struct is new.
 */
void memory_return_look(struct memory_return *memory, struct totals *totals);

#endif
