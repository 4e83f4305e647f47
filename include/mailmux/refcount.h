/*
 * Counted references: what several threads share lives until the last of them lets it go. The count
 * is a member of what is shared, whose own _ref and _unref are built on these. Any thread.
 */
#ifndef MAILMUX_REFCOUNT_H
#define MAILMUX_REFCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>

struct refcount {
    atomic_uint holders;
};

/* Sets the count to one reference, which belongs to the caller. */
void refcount_init(struct refcount *count);

/* Adds a reference. Only the holder of a reference may take another one. */
void refcount_take(struct refcount *count);

/*
 * Gives a reference back. Returns true if it was the last one. Then the caller frees what was
 * shared, and sees all that the other holders did before they gave theirs back.
 */
bool refcount_drop(struct refcount *count) __attribute__((warn_unused_result));

#endif
