/*
 * An intrusive doubly linked ring. The node lives inside its element, so linking neither allocates
 * nor fails. The head of a list is a node, too, and it belongs to the owner of the list. One
 * thread.
 */
#ifndef MAILMUX_LIST_H
#define MAILMUX_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The element of the given type whose `member` is the node. */
#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* Makes an empty list, or a node that stands alone. */
void list_init(struct list *list);
bool list_is_empty(const struct list *list);

/*
 * Puts a node that stands alone before `place`. If `place` is the head, that is the end of the
 * list. list_append does that.
 */
void list_insert_before(struct list *place, struct list *node);
void list_append(struct list *list, struct list *node);

/* Takes the node out of its list, so that it stands alone. It may stand alone already. */
void list_remove(struct list *node);

/* Removes and returns the first node, or NULL from an empty list. */
struct list *list_shift(struct list *list);

#endif
