/* The servers that one session has tried. */
#include "balance_parts.h"

#include <stdlib.h>
#include <string.h>

static uint16_t *place_of(struct balance_tried *tried, size_t place)
{
    return place < BALANCE_TRIED_FEW ? &tried->few[place] : &tried->more[place - BALANCE_TRIED_FEW];
}

size_t balance_tried_at(const struct balance_tried *tried, size_t place)
{
    return place < BALANCE_TRIED_FEW ? tried->few[place] : tried->more[place - BALANCE_TRIED_FEW];
}

bool balance_has_tried(const struct balance_tried *tried, size_t server)
{
    for (size_t place = 0; place < tried->count; place++) {
        if (balance_tried_at(tried, place) == server)
            return true;
    }
    return false;
}

/* Makes room for one more. Returns false without memory. */
static bool has_room_for_one(struct balance_tried *tried)
{
    size_t size = tried->size > 0 ? 2 * (size_t)tried->size : BALANCE_TRIED_FEW;
    uint16_t *more;

    if (tried->count < BALANCE_TRIED_FEW + tried->size)
        return true;
    if (size > UINT16_MAX - BALANCE_TRIED_FEW)
        return false;
    more = realloc(tried->more, size * sizeof(*more));
    if (!more)
        return false;
    tried->more = more;
    tried->size = (uint16_t)size;
    return true;
}

void balance_mark_tried(struct balance_tried *tried, size_t server)
{
    if (balance_has_tried(tried, server))
        return;
    if (has_room_for_one(tried))
        tried->count++;
    *place_of(tried, tried->count - 1) = (uint16_t)server;
}

unsigned balance_tried_count(const struct balance_tried *tried)
{
    return tried->count;
}

void balance_forget_tried(struct balance_tried *tried, const struct balance_tried *which)
{
    uint16_t count = 0;

    for (size_t place = 0; place < tried->count; place++) {
        size_t server = balance_tried_at(tried, place);

        if (!balance_has_tried(which, server))
            *place_of(tried, count++) = (uint16_t)server;
    }
    tried->count = count;
}

void balance_end_tried(struct balance_tried *tried)
{
    free(tried->more);
    *tried = (struct balance_tried){.count = 0};
}
