#include "mailmux/table.h"

#include <stdlib.h>

enum { PLACES_FIRST = 16 };

/* FNV-1a: keys come from files of the operator, and no client chooses them. */
static uint64_t hash_of(struct slice key)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Returns the place of the key, or the free one where it belongs. There is a free one. */
static struct table_item *find(const struct table *table, struct slice key)
{
    size_t at = (size_t)hash_of(key) & (table->places - 1);

    while (table->items[at].value && !slice_equal(table->items[at].key, key))
        at = (at + 1) & (table->places - 1);
    return &table->items[at];
}

void *table_get(const struct table *table, struct slice key)
{
    return table->places == 0 ? NULL : find(table, key)->value;
}

static bool grow(struct table *table)
{
    struct table before = *table;
    size_t places = before.places ? 2 * before.places : PLACES_FIRST;
    struct table_item *items = calloc(places, sizeof(*items));

    if (!items)
        return false;
    table->places = places;
    table->items = items;
    for (size_t i = 0; i < before.places; i++) {
        if (before.items[i].value)
            *find(table, before.items[i].key) = before.items[i];
    }
    free(before.items);
    return true;
}

bool table_put(struct table *table, struct slice key, void *value)
{
    struct table_item *item;

    if (2 * (table->count + 1) > table->places && !grow(table))
        return false;
    item = find(table, key);
    table->count += item->value ? 0 : 1;
    *item = (struct table_item){key, value};
    return true;
}

void table_each(const struct table *table, void (*visit)(void *owner, void *value), void *owner)
{
    for (size_t i = 0; i < table->places; i++) {
        if (table->items[i].value)
            visit(owner, table->items[i].value);
    }
}

void table_free(struct table *table)
{
    free(table->items);
    *table = (struct table){0};
}
