#include "memory_return.h"

#include <malloc.h>

enum {
    WORTH = 256, /* sessions, which have had some megabytes */
    FAST = 8     /* it falls fast if the part 1/FAST of the fall was since the last look */
};

void memory_return_look(struct memory_return *memory, struct totals *totals)
{
    uint64_t alive = atomic_load(&totals->alive);
    uint64_t most = atomic_load(&totals->most_alive);
    uint64_t fall = most > alive ? most - alive : 0;
    uint64_t since = memory->last > alive ? memory->last - alive : 0;

    memory->last = alive;
    if (fall < WORTH || fall < alive || since > fall / FAST)
        return;
    (void)malloc_trim(0);
    atomic_store(&totals->most_alive, alive);
}
