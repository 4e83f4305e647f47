#include "state_dump.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
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

/* Adds up what all threads have counted. */
static void sum_up(const struct state_dump *dump, const char *name, uint64_t sum[TALLY_KINDS])
{
    const struct tallies *doors = dump->worker_count > 0 ? worker_doors(dump->workers[0]) : NULL;

    for (size_t i = 0; i < dump->worker_count; i++)
        worker_sum(dump->workers[i], name, sum);
    if (doors)
        tallies_sum(doors, name, sum);
}

/* Adds what all threads have counted under this name to the line, and writes it. */
static void log_counts(const struct state_dump *dump, const char *name, struct log_line *line)
{
    uint64_t sum[TALLY_KINDS] = {0};

    sum_up(dump, name, sum);
    log_number(line, "served", sum[TALLY_ENDED]);
    /* A session may begin and end between the two looks. */
    log_number(line, "alive",
        sum[TALLY_BEGUN] > sum[TALLY_ENDED] ? sum[TALLY_BEGUN] - sum[TALLY_ENDED] : 0);
    log_number(line, "refused", sum[TALLY_REFUSED]);
    log_number(line, "no_backend", sum[TALLY_NO_BACKEND]);
    log_number(line, "failed_tls", sum[TALLY_FAILED_TLS]);
    log_number(line, "bytes_in", sum[TALLY_BYTES_IN]);
    log_number(line, "bytes_out", sum[TALLY_BYTES_OUT]);
    log_write(line);
}

static void log_route(const struct state_dump *dump, const struct config_listener *listener,
    const struct service_target *target)
{
    struct log_line line;

    log_open(&line, LOG_INFO, "state-route");
    log_number(&line, "generation", log_generation());
    log_text(&line, "listener", slice_from(listener->name));
    log_text(&line, "route", slice_from(target->text));
    log_counts(dump, target->label, &line);
}

static void log_listener(const struct state_dump *dump, size_t index)
{
    const struct service *service = snapshot_service(dump->snapshot, index);
    const struct config_listener *listener = service->listener;
    struct log_line line;

    log_open(&line, LOG_INFO, "state-listener");
    log_number(&line, "generation", log_generation());
    log_text(&line, "listener", slice_from(listener->name));
    log_counts(dump, listener->name, &line);
    for (size_t i = 0; i < listener->route_count; i++)
        log_route(dump, listener, &service->targets[i]);
}

/* One listener or backend in each turn of the loop. */
static void on_idle(uv_idle_t *idle)
{
    struct state_dump *dump = idle->data;
    const struct config *config = snapshot_config(dump->snapshot);
    size_t backend = dump->next - config->listener_count; /* if the listeners are through */

    if (dump->next < config->listener_count)
        log_listener(dump, dump->next);
    else
        pool_log_state(snapshot_pool(dump->snapshot, backend), clock_monotonic_ms());
    dump->next++;
    if (dump->next == config->listener_count + config->backend_count)
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
    dump->workers = workers;
    dump->worker_count = worker_count;
    (void)uv_idle_start(&dump->idle, on_idle);
}

void state_dump_close(struct state_dump *dump)
{
    if (uv_is_closing((const uv_handle_t *)&dump->idle))
        return;
    end(dump);
    uv_close((uv_handle_t *)&dump->idle, NULL);
}
