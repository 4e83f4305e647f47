#include "deadline.h"

#include "mailmux/check.h"

static void on_timer(uv_timer_t *timer);

/* ---- The heap ---- */

static bool is_before(const struct deadline *a, const struct deadline *b)
{
    if (a->expires_ms != b->expires_ms)
        return a->expires_ms < b->expires_ms;
    return (int32_t)(a->order - b->order) < 0;
}

static unsigned rank_of(const struct deadline *branch)
{
    return branch ? branch->rank : 0;
}

/* Puts the branch of the higher rank to the left. Returns whether the rank of the node changes. */
static bool balance(struct deadline *node)
{
    unsigned before = node->rank;

    if (rank_of(node->left) < rank_of(node->right)) {
        struct deadline *left = node->left;

        node->left = node->right;
        node->right = left;
    }
    node->rank = (uint8_t)(rank_of(node->right) + 1);
    return node->rank != before;
}

/*
 * Returns the first of both heaps, either of which may be NULL, with all others below it. It goes
 * down to the right only, where a heap of n is no deeper than the binary logarithm of n + 1.
 */
static struct deadline *merge(struct deadline *a, struct deadline *b)
{
    struct deadline *first;

    if (!a || !b)
        return a ? a : b;
    first = is_before(b, a) ? b : a;
    first->right = merge(first->right, first == a ? b : a);
    first->right->above = first;
    (void)balance(first);
    return first;
}

static void insert(struct deadline_queue *queue, struct deadline *deadline)
{
    deadline->above = deadline->left = deadline->right = NULL;
    deadline->rank = 1;
    queue->first = merge(queue->first, deadline);
}

/*
 * Takes it out. Above it, ranks are set right as long as they change. Each that does is higher than
 * the one before, so there are no more of them than merge may visit.
 */
static void take_out(struct deadline_queue *queue, const struct deadline *deadline)
{
    struct deadline *rest = merge(deadline->left, deadline->right);
    struct deadline *above = deadline->above;

    if (rest)
        rest->above = above;
    if (!above)
        queue->first = rest;
    else if (above->left == deadline)
        above->left = rest;
    else
        above->right = rest;
    while (above && balance(above))
        above = above->above;
}

/* Sets the timer to the first deadline, or stops it when none is set. */
static void arm(struct deadline_queue *queue)
{
    const struct deadline *earliest = queue->first;
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

/* ---- Pauses ---- */

/*
 * Gives every deadline its time back after a pause. All move to a heap of their own, because the
 * new times may change their order: a deadline that begins anew can pass others.
 */
static void put_off(struct deadline_queue *queue, uint64_t now, uint64_t late_ms)
{
    struct deadline_queue moved = {.first = NULL};
    struct deadline *deadline;

    while ((deadline = queue->first) != NULL) {
        take_out(queue, deadline);
        if (deadline->renewals < DEADLINE_RENEWALS_MAX) {
            deadline->renewals++;
            deadline->expires_ms = deadline->expires_ms <= now ? now + deadline->duration_ms
                                                               : deadline->expires_ms + late_ms;
        }
        insert(&moved, deadline);
    }
    queue->first = moved.first;
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

/*
 * What a callback sets while others are due waits for a later turn, even if it is set to the past
 * (deadline_set). A callback may clear others that are due.
 */
static void expire_due(struct deadline_queue *queue, uint64_t now)
{
    struct deadline *deadline;

    queue->armed_ms = 0;
    queue->expiring_ms = now;
    while ((deadline = queue->first) != NULL && deadline->expires_ms <= now) {
        deadline_clear(queue, deadline);
        deadline->on_expiry(deadline);
    }
    queue->expiring_ms = 0;
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
    earliest = queue->first;
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
}

void deadline_set(struct deadline_queue *queue, struct deadline *deadline, unsigned class_index,
    uint64_t expires_ms)
{
    uint64_t now = uv_now(queue->timer.loop);

    deadline_clear(queue, deadline);
    deadline->duration_ms = expires_ms > now ? expires_ms - now : 0;
    if (expires_ms <= queue->expiring_ms)
        expires_ms = queue->expiring_ms + 1;
    deadline->expires_ms = expires_ms == 0 ? 1 : expires_ms;
    deadline->renewals = 0;
    deadline->class_index = (uint8_t)class_index;
    deadline->order = ++queue->order;
    insert(queue, deadline);
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
    take_out(queue, deadline);
    deadline->expires_ms = 0;
    queue->count--;
}

bool deadline_is_set(const struct deadline *deadline)
{
    return deadline->expires_ms != 0;
}
