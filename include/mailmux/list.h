/*
 * An intrusive doubly linked ring: the node lives inside its element, so linking never allocates
 * and never fails. A list is a node that stands alone (list_init); the owner keeps it. One thread.
 */
#ifndef MAILMUX_LIST_H
#define MAILMUX_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The element of the given type around its node. */
#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void list_init(struct list *list);
bool list_is_empty(const struct list *list);

/* The node joins before `place`: at the end, when `place` is the list itself. */
void list_insert_before(struct list *place, struct list *node);
void list_append(struct list *list, struct list *node);

/* The node leaves its ring and stands alone. One that stands alone already stays as it is. */
void list_remove(struct list *node);

/* Removes and returns the first node; NULL: the list is empty. */
struct list *list_shift(struct list *list);

#endif
