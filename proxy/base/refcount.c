#include "mailmux/refcount.h"

void refcount_init(struct refcount *count)
{
    atomic_init(&count->holders, 1);
}

/* Relaxed: the way by which the holder came to its reference has ordered all that matters. */
void refcount_take(struct refcount *count)
{
    (void)atomic_fetch_add_explicit(&count->holders, 1, memory_order_relaxed);
}

/* Release for those that are not the last, acquire for the one that is. */
bool refcount_drop(struct refcount *count)
{
    return atomic_fetch_sub_explicit(&count->holders, 1, memory_order_acq_rel) == 1;
}
