#include "tally.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64 };

/* It begins on a cache line of its own, so that no other thread's counts share it. */
struct tally {
    alignas(CACHE_LINE) struct tally *next;
    char *listener;
    atomic_uint_fast64_t counts[TALLY_KINDS];
};

void tallies_deinit(struct tallies *tallies)
{
    struct tally *tally = atomic_load(&tallies->first);

    while (tally) {
        struct tally *next = tally->next;

        free(tally->listener);
        free(tally);
        tally = next;
    }
    atomic_store(&tallies->first, NULL);
}

static struct tally *tally_new(const char *listener)
{
    struct tally *tally = aligned_alloc(CACHE_LINE, sizeof(*tally));

    if (!tally)
        return NULL;
    memset(tally, 0, sizeof(*tally));
    tally->listener = strdup(listener);
    if (tally->listener)
        return tally;
    free(tally);
    return NULL;
}

struct tally *tallies_of(struct tallies *tallies, const char *listener)
{
    struct tally *first = atomic_load_explicit(&tallies->first, memory_order_relaxed);
    struct tally *tally = first;

    while (tally && strcmp(tally->listener, listener) != 0)
        tally = tally->next;
    if (tally)
        return tally;
    tally = tally_new(listener);
    if (!tally)
        return NULL;
    tally->next = first;
    atomic_store_explicit(&tallies->first, tally, memory_order_release);
    return tally;
}

/* There is one writer, so that nothing is lost between the load and the store. */
void tally_add(struct tally *tally, enum tally_kind kind, uint64_t number)
{
    atomic_uint_fast64_t *count;

    if (!tally)
        return;
    count = &tally->counts[kind];
    atomic_store_explicit(
        count, atomic_load_explicit(count, memory_order_relaxed) + number, memory_order_relaxed);
}

void tally_take_back(struct tally *tally, enum tally_kind kind)
{
    tally_add(tally, kind, UINT64_MAX); /* which is minus one */
}

void tallies_sum(const struct tallies *tallies, const char *listener, uint64_t sum[TALLY_KINDS])
{
    const struct tally *tally = atomic_load_explicit(&tallies->first, memory_order_acquire);

    while (tally && strcmp(tally->listener, listener) != 0)
        tally = tally->next;
    for (int kind = 0; tally && kind < TALLY_KINDS; kind++)
        sum[kind] += atomic_load_explicit(&tally->counts[kind], memory_order_relaxed);
}
