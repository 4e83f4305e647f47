#include "mailmux/buffer.h"

#include "mailmux/check.h"
#include <stdlib.h>
#include <string.h>

void buffer_pool_init(struct buffer_pool *pool, size_t cap, size_t idle_max)
{
    *pool = (struct buffer_pool){.cap = cap, .idle_max = idle_max};
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    (void)check_holds(pool->taken == 0); /* what is still out is lost */
    while (pool->free) {
        struct buffer *buffer = pool->free;

        pool->free = buffer->next_free;
        free(buffer);
    }
    pool->idle = 0;
}

struct buffer *buffer_take(struct buffer_pool *pool)
{
    struct buffer *buffer = pool->free;

    if (buffer) {
        pool->free = buffer->next_free;
        pool->idle--;
    } else {
        buffer = malloc(sizeof(*buffer) + pool->cap);
        if (!buffer)
            return NULL;
    }
    pool->taken++;
    buffer_init(buffer, (char *)(buffer + 1), pool->cap);
    return buffer;
}

/* Behind the buffer itself, unless it was enlarged. */
static char *own_place(struct buffer *buffer)
{
    return (char *)(buffer + 1);
}

static void drop_large_place(struct buffer_pool *pool, struct buffer *buffer)
{
    if (buffer->data == own_place(buffer))
        return;
    pool->extra -= buffer->cap - pool->cap;
    free(buffer->data);
    buffer->data = own_place(buffer);
    buffer->cap = pool->cap;
}

bool buffer_enlarge(struct buffer_pool *pool, struct buffer *buffer, size_t cap)
{
    struct slice held = buffer_held(buffer);
    char *place;

    if (cap <= buffer->cap)
        return true;
    place = malloc(cap);
    if (!place)
        return false;
    if (held.n > 0)
        memcpy(place, held.p, held.n);
    explicit_bzero(buffer->data, buffer->touched);
    drop_large_place(pool, buffer);
    buffer_init(buffer, place, cap);
    buffer_filled(buffer, held.n);
    pool->extra += cap - pool->cap;
    return true;
}

void buffer_give(struct buffer_pool *pool, struct buffer **buffer)
{
    struct buffer *given = *buffer;

    if (!given)
        return;
    *buffer = NULL;
    drop_large_place(pool, given);
    pool->taken--;
    if (pool->idle >= pool->idle_max) {
        free(given);
        return;
    }
    given->next_free = pool->free;
    pool->free = given;
    pool->idle++;
}

void buffer_give_if_empty(struct buffer_pool *pool, struct buffer **buffer)
{
    if (*buffer && (*buffer)->head == (*buffer)->tail)
        buffer_give(pool, buffer);
}

void buffer_give_cleansed(struct buffer_pool *pool, struct buffer **buffer)
{
    if (*buffer)
        explicit_bzero((*buffer)->data, (*buffer)->touched);
    buffer_give(pool, buffer);
}

void buffer_init(struct buffer *buffer, char *data, size_t cap)
{
    *buffer = (struct buffer){.data = data, .cap = cap};
}

char *buffer_space(struct buffer *buffer, size_t *n)
{
    if (buffer->head > 0) {
        memmove(buffer->data, buffer->data + buffer->head, buffer->tail - buffer->head);
        buffer->tail -= buffer->head;
        buffer->head = 0;
    }
    *n = buffer->cap - buffer->tail;
    return buffer->data + buffer->tail;
}

void buffer_filled(struct buffer *buffer, size_t n)
{
    if (!check_holds(n <= buffer->cap - buffer->tail))
        n = buffer->cap - buffer->tail;
    buffer->tail += n;
    if (buffer->touched < buffer->tail)
        buffer->touched = buffer->tail;
}

bool buffer_append(struct buffer *buffer, struct slice bytes)
{
    size_t room;

    if (bytes.n > buffer_room(buffer))
        return false;
    if (bytes.n == 0)
        return true;
    if (bytes.n > buffer->cap - buffer->tail)
        (void)buffer_space(buffer, &room);
    memcpy(buffer->data + buffer->tail, bytes.p, bytes.n);
    buffer_filled(buffer, bytes.n);
    return true;
}

void buffer_consume(struct buffer *buffer, size_t n)
{
    if (!check_holds(n <= buffer->tail - buffer->head))
        n = buffer->tail - buffer->head;
    buffer->head += n;
    if (buffer->head == buffer->tail)
        buffer_clear(buffer);
}

void buffer_cut(struct buffer *buffer, size_t n)
{
    if (n < buffer->tail - buffer->head)
        buffer->tail = buffer->head + n;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->head = 0;
    buffer->tail = 0;
}
