/*
 * A bounded byte buffer with a head and a tail cursor, from a free list. It refuses what does not
 * fit and never grows by itself. A pool and its buffers belong to one thread.
 *
 *     data .... head ======= tail ....... cap
 *               what is held  room (after compaction: cap - held)
 */
#ifndef MAILMUX_BUFFER_H
#define MAILMUX_BUFFER_H

#include "mailmux/slice.h"

struct buffer {
    struct buffer *next_free;
    size_t cap;
    size_t head;
    size_t tail;
    size_t touched; /* octets from the front that were ever written since it was taken */
    char *data;
};

/* Buffers of one capacity. At most idle_max given-back buffers are kept for reuse. */
struct buffer_pool {
    struct buffer *free;
    size_t cap;
    size_t idle;
    size_t idle_max;
    size_t taken;
    size_t extra; /* octets by which those that are taken were enlarged */
};

void buffer_pool_init(struct buffer_pool *pool, size_t cap, size_t idle_max);

/* Every buffer must have been given back. */
void buffer_pool_deinit(struct buffer_pool *pool);

/*
 * Returns an empty buffer, which the caller gives back to the same pool. Returns NULL without
 * memory.
 */
struct buffer *buffer_take(struct buffer_pool *pool);

/*
 * Gives a buffer of the pool a capacity of at least `cap` octets until it is given back. What it
 * holds moves, and its old place is overwritten. Returns false without memory; nothing has changed
 * then.
 */
bool buffer_enlarge(struct buffer_pool *pool, struct buffer *buffer, size_t cap);

/* Gives *buffer back and sets it to NULL; NULL is allowed. */
void buffer_give(struct buffer_pool *pool, struct buffer **buffer);

/* As buffer_give if the buffer holds nothing. Otherwise does nothing. */
void buffer_give_if_empty(struct buffer_pool *pool, struct buffer **buffer);

/* As buffer_give, with the bytes overwritten first: for buffers that may have held credentials. */
void buffer_give_cleansed(struct buffer_pool *pool, struct buffer **buffer);

/* Makes a buffer of the caller's memory. It belongs to no pool. */
void buffer_init(struct buffer *buffer, char *data, size_t cap);

/*
 * Returns the bytes that are held, valid until the next call on this buffer. NULL counts as an
 * empty buffer.
 */
static inline struct slice buffer_held(const struct buffer *buffer)
{
    return buffer ? slice_of(buffer->data + buffer->head, buffer->tail - buffer->head)
                  : slice_of("", 0);
}

/* Returns how many more bytes fit. */
static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->cap - (buffer->tail - buffer->head);
}

/*
 * Returns the free space as one run, and its size in *n. What is held moves to the front first, so
 * slices of this buffer are invalid afterwards. Write at most *n bytes to the space, then say how
 * many with buffer_filled.
 */
char *buffer_space(struct buffer *buffer, size_t *n);
void buffer_filled(struct buffer *buffer, size_t n);

/* Appends the bytes. Returns false if they do not fit; nothing is appended then. */
bool buffer_append(struct buffer *buffer, struct slice bytes);

/* Drops the first n of the held bytes. */
void buffer_consume(struct buffer *buffer, size_t n);

/* Takes back what stands behind the first n of the held bytes, if there is more. */
void buffer_cut(struct buffer *buffer, size_t n);

/* Drops all that is held. */
void buffer_clear(struct buffer *buffer);

#endif
