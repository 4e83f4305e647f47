#include "log_ring.h"

#include <string.h>

/* Stands before each line. */
struct record {
    uint64_t lost;
    size_t n;
};

void log_ring_init(struct log_ring *ring, char *bytes, size_t size)
{
    *ring = (struct log_ring){.bytes = bytes, .size = size};
}

static void copy_in(struct log_ring *ring, const void *from, size_t n)
{
    size_t at = (ring->first + ring->used) % ring->size;
    size_t head = n < ring->size - at ? n : ring->size - at;

    memcpy(ring->bytes + at, from, head);
    memcpy(ring->bytes, (const char *)from + head, n - head);
    ring->used += n;
}

static void look_at_first(const struct log_ring *ring, void *to, size_t n)
{
    size_t head = n < ring->size - ring->first ? n : ring->size - ring->first;

    memcpy(to, ring->bytes + ring->first, head);
    memcpy((char *)to + head, ring->bytes, n - head);
}

static void copy_out(struct log_ring *ring, void *to, size_t n)
{
    look_at_first(ring, to, n);
    ring->first = (ring->first + n) % ring->size;
    ring->used -= n;
}

void log_ring_put(struct log_ring *ring, struct slice line)
{
    const struct record record = {ring->lost, line.n};
    size_t kept_free = ring->lost > 0 ? ring->size / 4 : 0;

    if (ring->size - ring->used < sizeof(record) + line.n + kept_free) {
        ring->lost++;
        return;
    }
    ring->lost = 0;
    copy_in(ring, &record, sizeof(record));
    copy_in(ring, line.p, line.n);
}

size_t log_ring_take(struct log_ring *ring, char *out, uint64_t *lost)
{
    struct record record = {ring->lost, 0};

    if (ring->used == 0) {
        ring->lost = 0;
    } else {
        copy_out(ring, &record, sizeof(record));
        copy_out(ring, out, record.n);
    }
    if (ring->used == 0)
        ring->first = 0; /* memory that was never needed is never touched */
    *lost += record.lost;
    return record.n;
}

size_t log_ring_take_more(struct log_ring *ring, char *out, size_t room)
{
    struct record record = {0, 0};
    uint64_t lost = 0;

    if (ring->used > 0)
        look_at_first(ring, &record, sizeof(record));
    if (record.n == 0 || record.n > room || record.lost > 0)
        return 0;
    return log_ring_take(ring, out, &lost);
}
