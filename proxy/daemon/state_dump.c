#include "state_dump.h"

#include "mailmux/clock.h"
#include "pool.h"
#include "worker.h"

void state_dump_init(struct state_dump *dump, uv_loop_t *loop)
{
    *dump = (struct state_dump){0};
    (void)uv_idle_init(loop, &dump->idle);
    dump->idle.data = dump;
}

static void end(struct state_dump *dump)
{
    (void)uv_idle_stop(&dump->idle);
    snapshot_unref(&dump->snapshot);
}

/* One backend in each turn of the loop. */
static void on_idle(uv_idle_t *idle)
{
    struct state_dump *dump = idle->data;

    pool_log_state(snapshot_pool(dump->snapshot, dump->next), clock_monotonic_ms());
    dump->next++;
    if (dump->next == snapshot_config(dump->snapshot)->backend_count)
        end(dump);
}

void state_dump_begin(struct state_dump *dump, struct snapshot *snapshot, struct worker **workers,
    size_t worker_count)
{
    for (size_t i = 0; i < worker_count; i++)
        worker_log_state(workers[i]);
    if (!snapshot || dump->snapshot)
        return;
    dump->snapshot = snapshot_ref(snapshot);
    dump->next = 0;
    (void)uv_idle_start(&dump->idle, on_idle);
}

void state_dump_close(struct state_dump *dump)
{
    if (uv_is_closing((const uv_handle_t *)&dump->idle))
        return;
    end(dump);
    uv_close((uv_handle_t *)&dump->idle, NULL);
}
