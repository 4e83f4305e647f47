/*
 * A table of values by keys of octets: finding one takes as long among ten thousand as among ten.
 * Any thread may read one that no other changes.
 */
#ifndef MAILMUX_TABLE_H
#define MAILMUX_TABLE_H

#include "mailmux/slice.h"

struct table_item {
    struct slice key;
    void *value; /* NULL: the place is free */
};

/* {0} is empty. End it with table_free. Its members are private. */
struct table {
    size_t count;
    size_t places; /* a power of two, or 0 */
    struct table_item *items;
};

/* Returns the value of the key, or NULL. */
void *table_get(const struct table *table, struct slice key);

/*
 * Gives the key this value, which is not NULL; one that it has is replaced. Key and value stay the
 * caller's and must outlive the table. Returns false without memory.
 */
bool table_put(struct table *table, struct slice key, void *value)
    __attribute__((warn_unused_result));

/* Calls `visit` for each value, in no order that means anything. */
void table_each(const struct table *table, void (*visit)(void *owner, void *value), void *owner);

/* Frees the table, and no key and no value. */
void table_free(struct table *table);

#endif
