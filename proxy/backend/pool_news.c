#include "pool_news.h"

#include "mailmux/log.h"

/* ---- A mark ---- */

static void log_server(
    struct log_line *line, const struct pool *pool, const struct pool_server *server)
{
    char address[ADDRESS_TEXT_MAX];

    log_text(line, "backend", slice_from(pool->name));
    log_text(line, "server", slice_from(server->name));
    log_text(line, "address", slice_from(address_text(&server->address, address)));
}

void pool_tell_mark(const struct pool *pool, enum health_change change,
    const struct pool_server *server, const char *why, uint64_t now_ms)
{
    bool is_down = change == HEALTH_WENT_DOWN;
    struct log_line line;

    if (change == HEALTH_UNCHANGED)
        return;
    log_open(&line, is_down ? LOG_WARNING : LOG_INFO, is_down ? "server-down" : "server-up");
    log_server(&line, pool, server);
    log_text(&line, "why", slice_from(why));
    log_number(&line, "marks", is_down ? server->health.failures : server->health.passes);
    if (is_down)
        log_number(&line, "held_ms", server->health.held_until_ms - now_ms);
    log_number(&line, "sessions", server->sessions);
    log_write(&line);
}

/* ---- No server left ---- */

const char *pool_why_out(const struct pool *pool)
{
    struct balance_outlook outlook = balance_outlook(&pool->table);

    if (outlook.up > 0)
        return NULL;
    if (outlook.serving > 0)
        return "all servers are down";
    return outlook.listed > 0 ? "all servers are in maintenance or drain"
                              : "no server has an address";
}

void pool_judge_outage(struct pool *pool, uint64_t now_ms, struct pool_outage_news *news)
{
    const char *why = pool_why_out(pool);

    *news = (struct pool_outage_news){.what = OUTAGE_SAME};
    if (pool->is_retired || pool->is_out == (why != NULL))
        return;
    *news = (struct pool_outage_news){.what = why ? OUTAGE_BEGAN : OUTAGE_OVER,
        .why = why,
        .lasted_ms = now_ms - pool->out_since_ms};
    pool->is_out = why != NULL;
    pool->out_since_ms = now_ms;
}

void pool_tell_outage(const struct pool *pool, const struct pool_outage_news *news)
{
    struct log_line line;

    switch (news->what) {
    case OUTAGE_SAME:
        return;
    case OUTAGE_BEGAN:
        log_open(&line, LOG_ERROR, "backend-down");
        log_text(&line, "backend", slice_from(pool->name));
        log_text(&line, "why", slice_from(news->why));
        log_text(&line, "see", SLICE("mailmux --check --probe"));
        break;
    case OUTAGE_OVER:
        log_open(&line, LOG_INFO, "backend-up");
        log_text(&line, "backend", slice_from(pool->name));
        log_number(&line, "down_ms", news->lasted_ms);
        break;
    }
    log_write(&line);
}

/* ---- A server that leaves ---- */

static enum pool_leaving judge_leaving(
    struct slot *slot, const struct balance_server *state, bool is_listed, uint64_t now_ms)
{
    enum { TOLD_MS = 10 * 60 * 1000 };

    if (is_listed && state->state == SERVER_READY) {
        slot->leaves = false;
        return LEAVING_QUIETLY;
    }
    if (!slot->leaves) {
        slot->leaves = true;
        slot->leaves_since_ms = now_ms;
        slot->told = 0;
        if (state->sessions > 0)
            return LEAVING_BEGAN;
        return is_listed ? LEAVING_OVER : LEAVING_QUIETLY;
    }
    if (slot->told == 0 || state->sessions >= slot->told)
        return LEAVING_QUIETLY;
    if (state->sessions == 0)
        return LEAVING_OVER;
    return state->sessions <= slot->told / 2 || now_ms - slot->told_ms >= TOLD_MS ? LEAVING_GOES_ON
                                                                                  : LEAVING_QUIETLY;
}

void pool_judge_leaving(
    struct pool *pool, size_t slot, uint64_t now_ms, struct pool_leaving_news *news)
{
    struct slot *at = &pool->slots[slot];
    const struct balance_server *state = &pool->table.servers[slot];

    news->is_listed = state->is_listed && !pool->is_retired;
    news->what = judge_leaving(at, state, news->is_listed, now_ms);
    if (news->what == LEAVING_QUIETLY)
        return;
    at->told = state->sessions;
    at->told_ms = now_ms;
    news->lasted_ms = now_ms - at->leaves_since_ms;
    pool_copy_server(pool, slot, &news->server);
}

void pool_tell_leaving(const struct pool *pool, const struct pool_leaving_news *news)
{
    struct log_line line;

    if (news->what == LEAVING_QUIETLY)
        return;
    log_open(&line, LOG_INFO, news->what == LEAVING_OVER ? "server-drained" : "server-drain");
    log_server(&line, pool, &news->server);
    log_text(&line, "state", slice_from(pool_state_name(&news->server, news->is_listed)));
    log_number(&line, "sessions", news->server.sessions);
    log_number(&line, "duration_ms", news->lasted_ms);
    log_write(&line);
}

/* ---- All of it ---- */

/* Returns whether a slot from *slot on has news; *slot is the one behind it then. */
static bool find_leaving(
    struct pool *pool, size_t *slot, uint64_t now_ms, struct pool_leaving_news *leaving)
{
    leaving->what = LEAVING_QUIETLY;
    (void)pthread_mutex_lock(&pool->lock);
    while (leaving->what == LEAVING_QUIETLY && *slot < pool->table.count)
        pool_judge_leaving(pool, (*slot)++, now_ms, leaving);
    (void)pthread_mutex_unlock(&pool->lock);
    return leaving->what != LEAVING_QUIETLY;
}

void pool_tell_changes(struct pool *pool, bool is_whole, uint64_t now_ms)
{
    struct pool_outage_news outage = {.what = OUTAGE_SAME};
    struct pool_leaving_news leaving;
    size_t slot = 0;

    (void)pthread_mutex_lock(&pool->lock);
    if (is_whole || pool->is_out)
        pool_judge_outage(pool, now_ms, &outage);
    (void)pthread_mutex_unlock(&pool->lock);
    while (find_leaving(pool, &slot, now_ms, &leaving))
        pool_tell_leaving(pool, &leaving);
    pool_tell_outage(pool, &outage);
}
