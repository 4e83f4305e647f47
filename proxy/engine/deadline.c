#include "deadline.h"

#include "mailmux/check.h"

static void on_timer(uv_timer_t *timer);

/*
 * Returns the deadline that expires first, or NULL. Each class is sorted, so only its first one
 * counts.
 */
static struct deadline *earliest_of(const struct deadline_queue *queue)
{
    struct deadline *earliest = NULL;

    for (unsigned i = 0; i < DEADLINE_CLASSES; i++) {
        struct deadline *first;

        if (list_is_empty(&queue->classes[i]))
            continue;
        first = LIST_ENTRY(queue->classes[i].next, struct deadline, node);
        if (!earliest || first->expires_ms < earliest->expires_ms)
            earliest = first;
    }
    return earliest;
}

/* Sets the timer to the first deadline, or stops it when none is set. */
static void arm(struct deadline_queue *queue)
{
    const struct deadline *earliest = earliest_of(queue);
    uint64_t now = uv_now(queue->timer.loop);

    if (!earliest) {
        queue->armed_ms = 0;
        (void)uv_timer_stop(&queue->timer);
        return;
    }
    queue->armed_ms = earliest->expires_ms;
    (void)uv_timer_start(
        &queue->timer, on_timer, earliest->expires_ms > now ? earliest->expires_ms - now : 0, 0);
}

/* Puts the deadline behind those of its class that expire no later. */
static void insert(struct list *ring, struct deadline *deadline)
{
    struct list *place = ring;

    while (place->prev != ring &&
           LIST_ENTRY(place->prev, struct deadline, node)->expires_ms > deadline->expires_ms)
        place = place->prev;
    list_insert_before(place, &deadline->node);
}

/* ---- Pauses ---- */

/*
 * Gives every deadline its time back after a pause. All are moved to a list of their own first,
 * because the new times may change their order: a deadline that begins anew can pass others.
 */
static void put_off(struct deadline_queue *queue, uint64_t now, uint64_t late_ms)
{
    struct list moved;
    struct list *node;

    for (unsigned i = 0; i < DEADLINE_CLASSES; i++) {
        list_init(&moved);
        while ((node = list_shift(&queue->classes[i])) != NULL)
            list_append(&moved, node);
        while ((node = list_shift(&moved)) != NULL) {
            struct deadline *deadline = LIST_ENTRY(node, struct deadline, node);

            if (deadline->renewals < DEADLINE_RENEWALS_MAX) {
                deadline->renewals++;
                deadline->expires_ms = deadline->expires_ms <= now ? now + deadline->duration_ms
                                                                   : deadline->expires_ms + late_ms;
            }
            insert(&queue->classes[i], deadline);
        }
    }
}

/* Deadlines move first, so that on_stall finds them as they will be. */
static void take_stall(struct deadline_queue *queue, uint64_t now, uint64_t late_ms)
{
    queue->stall_ms = now;
    put_off(queue, now, late_ms);
    if (queue->on_stall)
        queue->on_stall(queue, late_ms);
}

bool deadline_queue_has_stalled(const struct deadline_queue *queue, uint64_t began_ms)
{
    return queue->stall_ms != 0 && queue->stall_ms >= began_ms;
}

/* ---- Expiry ---- */

static void expire_due(struct deadline_queue *queue, uint64_t now)
{
    struct deadline *deadline;
    struct list due;
    struct list *node;

    /*
     * All that are due are taken out before the first callback: a deadline that a callback sets
     * again, even to the past, then waits for the next turn. They stay set until their own
     * callback, so a callback can still clear another one of them.
     */
    list_init(&due);
    queue->armed_ms = 0;
    while ((deadline = earliest_of(queue)) != NULL && deadline->expires_ms <= now) {
        list_remove(&deadline->node);
        list_append(&due, &deadline->node);
    }
    while ((node = list_shift(&due)) != NULL) {
        deadline = LIST_ENTRY(node, struct deadline, node);
        deadline->expires_ms = 0;
        queue->count--;
        deadline->on_expiry(deadline);
    }
}

/*
 * Lets the loop look at its sockets before a deadline expires. libuv runs timers before it polls; a
 * timer of 0 ms could fire again before the poll, and 1 ms cannot.
 */
static void look_first(struct deadline_queue *queue, uint64_t now)
{
    queue->has_looked = true;
    queue->armed_ms = now + 1;
    (void)uv_timer_start(&queue->timer, on_timer, 1, 0);
}

/* A pause is taken into account first, because it puts off what would be due now. */
static void on_timer(uv_timer_t *timer)
{
    struct deadline_queue *queue = timer->data;
    uint64_t now = uv_now(timer->loop);
    const struct deadline *earliest;

    if (now >= queue->armed_ms + DEADLINE_STALL_MS)
        take_stall(queue, now, now - queue->armed_ms);
    earliest = earliest_of(queue);
    if (earliest && earliest->expires_ms <= now && !queue->has_looked) {
        look_first(queue, now);
        return;
    }
    queue->has_looked = false;
    expire_due(queue, now);
    if (!uv_is_closing((const uv_handle_t *)timer))
        arm(queue);
}

void deadline_queue_init(struct deadline_queue *queue, uv_loop_t *loop, deadline_stalled *on_stall)
{
    *queue = (struct deadline_queue){.on_stall = on_stall};
    for (unsigned i = 0; i < DEADLINE_CLASSES; i++)
        list_init(&queue->classes[i]);
    (void)uv_timer_init(loop, &queue->timer); /* cannot fail */
    queue->timer.data = queue;
    uv_unref((uv_handle_t *)&queue->timer);
}

void deadline_queue_close(struct deadline_queue *queue)
{
    (void)check_holds(queue->count == 0);
    uv_close((uv_handle_t *)&queue->timer, NULL);
}

void deadline_init(struct deadline *deadline, deadline_callback *on_expiry)
{
    *deadline = (struct deadline){.on_expiry = on_expiry};
    list_init(&deadline->node);
}

void deadline_set(struct deadline_queue *queue, struct deadline *deadline, unsigned class_index,
    uint64_t expires_ms)
{
    uint64_t now = uv_now(queue->timer.loop);

    if (!check_holds(class_index < DEADLINE_CLASSES))
        class_index = 0; /* the class only decides the speed */
    deadline_clear(queue, deadline);
    deadline->expires_ms = expires_ms == 0 ? 1 : expires_ms;
    deadline->duration_ms = expires_ms > now ? expires_ms - now : 0;
    deadline->renewals = 0;
    deadline->class_index = class_index;
    insert(&queue->classes[class_index], deadline);
    queue->count++;
    if (queue->armed_ms == 0 || deadline->expires_ms < queue->armed_ms)
        arm(queue);
}

void deadline_clear(struct deadline_queue *queue, struct deadline *deadline)
{
    if (!deadline_is_set(deadline))
        return;
    /*
     * The timer is left as it is: to let it fire too early once costs less than to set it each
     * time.
     */
    list_remove(&deadline->node);
    deadline->expires_ms = 0;
    queue->count--;
}

bool deadline_is_set(const struct deadline *deadline)
{
    return deadline->expires_ms != 0;
}
