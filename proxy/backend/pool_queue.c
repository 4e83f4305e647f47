/*
 * The sessions that wait for a place. Those that have tried no server can take the place of any, so
 * only the first of them is asked when there is a place. The others are asked one by one, unless
 * all of them have tried that server.
 */
#include "pool_parts.h"

#include "mailmux/check.h"

/*
 * Takes a place at the slot. A server that is down is on trial if its hold-back is over; else it is
 * the last resort.
 */
void pool_take_place(struct pool *pool, size_t slot, struct pool_waiter *waiter, uint64_t now_ms,
    struct pool_choice *choice)
{
    struct balance_server *state = &pool->table.servers[slot];
    enum pool_standing standing = POOL_UP;

    if (state->health.is_down)
        standing = health_allows(&state->health, &pool->table.health, now_ms) ? POOL_ON_TRIAL
                                                                              : POOL_LAST_RESORT;
    if (standing == POOL_ON_TRIAL)
        (void)health_begin_trial(&state->health);
    state->sessions++;
    (void)balance_update(&pool->table, slot);
    balance_mark_tried(&waiter->tried, slot);
    *choice = (struct pool_choice){.slot = slot,
        .generation = pool->slots[slot].generation,
        .standing = standing,
        .name = pool->slots[slot].name,
        .address = pool->slots[slot].at.address};
}

static struct pool_waiter *first_of(struct list *list, struct list *node)
{
    return node == list ? NULL : LIST_ENTRY(node, struct pool_waiter, node);
}

/* ---- Coming and going ---- */

/* Counts the waiter at, or no longer at, the servers that it has tried. */
static void count_tried(struct pool *pool, const struct pool_waiter *waiter, uint32_t by)
{
    for (size_t i = 0; i < balance_tried_count(&waiter->tried); i++)
        pool->slots[balance_tried_at(&waiter->tried, i)].waiting += by;
}

enum pool_answer pool_join_queue(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
    bool is_fresh = balance_tried_count(&waiter->tried) == 0;

    if (pool->is_retired)
        return POOL_NONE;
    if (pool->queue_len >= pool->queue_size)
        return POOL_QUEUE_FULL;
    list_append(is_fresh ? &pool->fresh : &pool->refused, &waiter->node);
    pool->queue_len++;
    pool->refused_len += is_fresh ? 0 : 1;
    count_tried(pool, waiter, 1);
    waiter->arrival = ++pool->arrivals;
    waiter->answer = POOL_WAITING;
    waiter->hold_ms = balance_held_until_ms(&pool->table, &waiter->tried, now_ms);
    waiter->held_until_ms = waiter->hold_ms;
    return POOL_WAITING;
}

void pool_leave_queue(struct pool *pool, struct pool_waiter *waiter)
{
    list_remove(&waiter->node);
    count_tried(pool, waiter, UINT32_MAX);
    pool->refused_len -= balance_tried_count(&waiter->tried) == 0 ? 0 : 1;
    if (check_holds(pool->queue_len > 0))
        pool->queue_len--;
}

/*
 * Answers a waiter: with a place, or with BALANCE_NONE, because none can come any more. `wake`
 * comes last, when the answer is complete.
 */
static void answer(struct pool *pool, struct pool_waiter *waiter, int slot, uint64_t now_ms)
{
    pool_leave_queue(pool, waiter);
    waiter->answer = slot == BALANCE_NONE ? POOL_NONE : POOL_CHOSEN;
    if (slot != BALANCE_NONE)
        pool_take_place(pool, (size_t)slot, waiter, now_ms, &waiter->choice);
    waiter->wake(waiter);
}

/* ---- Places ---- */

/* Answers the waiter if there is a place for it, and returns whether it has. */
static bool serve(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
    int slot = balance_pick(&pool->table, &waiter->tried, waiter->key, now_ms);

    if (slot != BALANCE_FULL)
        answer(pool, waiter, slot, now_ms);
    return slot != BALANCE_FULL;
}

/* Serves the first that has tried some server, but not this one, and came before that arrival. */
static bool serve_refused(struct pool *pool, size_t slot, uint64_t before, uint64_t now_ms)
{
    struct list *list = &pool->refused;
    struct pool_waiter *waiter;

    if (pool->slots[slot].waiting == pool->refused_len)
        return false;
    for (struct list *node = list->next; (waiter = first_of(list, node)) != NULL;) {
        node = node->next;
        if (waiter->arrival > before)
            return false;
        if (!balance_has_tried(&waiter->tried, slot) && serve(pool, waiter, now_ms))
            return true;
    }
    return false;
}

void pool_serve_places(struct pool *pool, size_t slot, uint64_t now_ms)
{
    bool goes_on = true;

    while (goes_on && pool->queue_len > 0 && balance_is_open(&pool->table, slot)) {
        struct pool_waiter *fresh = first_of(&pool->fresh, pool->fresh.next);

        goes_on = serve_refused(pool, slot, fresh ? fresh->arrival : UINT64_MAX, now_ms);
        if (!goes_on && fresh)
            goes_on = serve(pool, fresh, now_ms) || serve_refused(pool, slot, UINT64_MAX, now_ms);
    }
}

/* ---- Any change ---- */

/*
 * The waiter stays. It hears of it if the end of the next hold-back has changed, because its
 * deadline depends on that.
 */
static void note_hold(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
    uint64_t hold_ms = balance_held_until_ms(&pool->table, &waiter->tried, now_ms);

    if (hold_ms == waiter->hold_ms)
        return;
    waiter->hold_ms = hold_ms;
    if (hold_ms > 0)
        waiter->wake(waiter);
}

/*
 * A waiter that finds all servers full does not stop the loop: another one may have tried other
 * servers.
 */
void pool_serve_queue(struct pool *pool, uint64_t now_ms)
{
    struct pool_waiter *fresh = first_of(&pool->fresh, pool->fresh.next);
    struct pool_waiter *refused = first_of(&pool->refused, pool->refused.next);

    while (fresh || refused) {
        bool is_fresh = fresh && (!refused || fresh->arrival < refused->arrival);
        struct pool_waiter *waiter = is_fresh ? fresh : refused;

        if (is_fresh)
            fresh = first_of(&pool->fresh, waiter->node.next);
        else
            refused = first_of(&pool->refused, waiter->node.next);
        if (!serve(pool, waiter, now_ms))
            note_hold(pool, waiter, now_ms);
    }
}

void pool_pass_time(struct pool *pool, uint64_t now_ms)
{
    if (balance_pass_time(&pool->table, now_ms))
        pool_serve_queue(pool, now_ms);
}

void pool_end_queue(struct pool *pool)
{
    struct pool_waiter *waiter;

    while ((waiter = first_of(&pool->fresh, pool->fresh.next)) != NULL)
        answer(pool, waiter, BALANCE_NONE, 0);
    while ((waiter = first_of(&pool->refused, pool->refused.next)) != NULL)
        answer(pool, waiter, BALANCE_NONE, 0);
}
