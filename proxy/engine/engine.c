#include "engine.h"

#include "mailmux/log.h"
#include "session.h"

static void on_idle(uv_idle_t *idle)
{
    struct engine *engine = idle->data;
    struct list turn;
    struct list *node;

    /* Those that ask again from inside wait for the next turn. */
    list_init(&turn);
    while ((node = list_shift(&engine->again)) != NULL)
        list_append(&turn, node);
    while ((node = list_shift(&turn)) != NULL)
        session_step(LIST_ENTRY(node, struct session, again));
    if (list_is_empty(&engine->again))
        (void)uv_idle_stop(idle);
}

/* A pause of the process is worth a line: peers may have lost patience. */
static void on_stall(struct deadline_queue *deadlines, uint64_t ms)
{
    struct engine *engine = LIST_ENTRY(deadlines, struct engine, deadlines);
    struct log_line line;

    if (engine->totals)
        (void)atomic_fetch_add(&engine->totals->stalls, 1);
    log_open(&line, LOG_WARNING, "loop-stalled");
    log_number(&line, "ms", ms);
    log_write(&line);
}

static void on_check(uv_check_t *check)
{
    engine_bury(check->data);
}

void engine_init(struct engine *engine, uv_loop_t *loop, const struct engine_hooks *hooks,
    struct engine_totals *totals)
{
    engine->loop = loop;
    engine->hooks = hooks;
    engine->totals = totals;
    engine->session_count = 0;
    engine->draining = false;
    engine->cork.n = 0;
    engine->streams = (struct stream_context){&engine->cork, &engine->replies};
    buffer_pool_init(&engine->lines, ENGINE_LINE_BUFFER, ENGINE_IDLE_BUFFERS);
    buffer_pool_init(&engine->replies, ENGINE_REPLY_BUFFER, ENGINE_IDLE_BUFFERS);
    list_init(&engine->sessions);
    list_init(&engine->again);
    list_init(&engine->dead);
    list_init(&engine->post);
    (void)pthread_mutex_init(&engine->post_lock, NULL);
    deadline_queue_init(&engine->deadlines, loop, on_stall);
    (void)uv_idle_init(loop, &engine->idle);
    (void)uv_check_init(loop, &engine->check);
    engine->idle.data = engine;
    engine->check.data = engine;
    (void)uv_check_start(&engine->check, on_check);
    uv_unref((uv_handle_t *)&engine->check);
}

void engine_deinit(struct engine *engine)
{
    engine_bury(engine);
    deadline_queue_close(&engine->deadlines);
    uv_close((uv_handle_t *)&engine->idle, NULL);
    uv_close((uv_handle_t *)&engine->check, NULL);
    buffer_pool_deinit(&engine->lines);
    buffer_pool_deinit(&engine->replies);
    (void)pthread_mutex_destroy(&engine->post_lock);
}

void engine_step_again(struct engine *engine, struct session *session)
{
    list_remove(&session->again);
    list_append(&engine->again, &session->again);
    (void)uv_idle_start(&engine->idle, on_idle);
}

void engine_message_init(
    struct engine_message *message, void (*arrive)(struct engine_message *message))
{
    list_init(&message->node);
    message->arrive = arrive;
}

void engine_post(struct engine *engine, struct engine_message *message)
{
    (void)pthread_mutex_lock(&engine->post_lock);
    list_remove(&message->node); /* it may be on its way already, and comes once */
    list_append(&engine->post, &message->node);
    (void)pthread_mutex_unlock(&engine->post_lock);
    engine->hooks->wake(engine);
}

void engine_unpost(struct engine *engine, struct engine_message *message)
{
    (void)pthread_mutex_lock(&engine->post_lock);
    list_remove(&message->node);
    (void)pthread_mutex_unlock(&engine->post_lock);
}

static struct list *take_message(struct engine *engine)
{
    struct list *node;

    (void)pthread_mutex_lock(&engine->post_lock);
    node = list_shift(&engine->post);
    (void)pthread_mutex_unlock(&engine->post_lock);
    return node;
}

void engine_read_post(struct engine *engine)
{
    struct list *node;

    /* One by one: what arrives may call back those behind it. */
    while ((node = take_message(engine)) != NULL) {
        struct engine_message *message = LIST_ENTRY(node, struct engine_message, node);

        message->arrive(message);
    }
}

/* A session may leave the list while it is asked: the next one is looked up first. */
static void for_each_session(struct engine *engine, void (*act)(struct session *session))
{
    struct list *node = engine->sessions.next;

    while (node != &engine->sessions) {
        struct list *next = node->next;

        act(LIST_ENTRY(node, struct session, node));
        node = next;
    }
}

static void cut(struct session *session)
{
    session_cut(session, REASON_SHUTDOWN);
}

void engine_drain(struct engine *engine)
{
    engine->draining = true;
    for_each_session(engine, session_drain);
}

void engine_cut(struct engine *engine)
{
    for_each_session(engine, cut);
    engine_bury(engine);
}

void engine_bury(struct engine *engine)
{
    struct list *node;

    while ((node = list_shift(&engine->dead)) != NULL) {
        struct session *session = LIST_ENTRY(node, struct session, node);

        engine->hooks->ended(engine, session);
        session_free(session);
    }
}
