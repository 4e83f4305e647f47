#include "mailmux/list.h"

void list_init(struct list *list)
{
    list->prev = list;
    list->next = list;
}

bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

void list_insert_before(struct list *place, struct list *node)
{
    node->prev = place->prev;
    node->next = place;
    place->prev->next = node;
    place->prev = node;
}

void list_append(struct list *list, struct list *node)
{
    list_insert_before(list, node);
}

void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

struct list *list_shift(struct list *list)
{
    struct list *node = list->next;

    if (node == list)
        return NULL;
    list_remove(node);
    return node;
}
