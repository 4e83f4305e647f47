#include "engine.h"

#include "mailmux/log.h"
#include "tls_bio.h"
#include "tls_lean.h"

static const char *const class_names[ENGINE_CLASSES] = {[CLASS_PROXY_HEADER] = "proxy-header",
    [CLASS_SNIFF] = "sniff",
    [CLASS_HANDSHAKE] = "handshake",
    [CLASS_CONNECT] = "connect",
    [CLASS_CONNECT_DEADLINE] = "connect-deadline",
    [CLASS_GREETING] = "greeting",
    [CLASS_FIRST_COMMAND] = "first-command",
    [CLASS_LINE] = "line",
    [CLASS_LOGIN] = "login",
    [CLASS_COMMAND] = "command",
    [CLASS_DATA] = "data",
    [CLASS_LOOK_ALIKE] = "look-alike",
    [CLASS_IDLE] = "idle",
    [CLASS_HALF_CLOSED] = "half-closed",
    [CLASS_GREETING_DELAY] = "greeting-delay",
    [CLASS_LINGER] = "linger",
    [CLASS_QUEUE] = "queue",
    [CLASS_STALLED] = "stalled"};

static void run_all(struct list *tasks)
{
    struct list *node;

    while ((node = list_shift(tasks)) != NULL) {
        struct engine_task *task = LIST_ENTRY(node, struct engine_task, node);

        task->run(task);
    }
}

static void run_next_turn(struct engine *engine)
{
    struct list turn;
    struct list *node;

    /*
     * The list is emptied first, so that a task that is asked for again from inside waits for the
     * next turn.
     */
    list_init(&turn);
    while ((node = list_shift(&engine->next_turn)) != NULL)
        list_append(&turn, node);
    run_all(&turn);
}

static void on_idle(uv_idle_t *idle)
{
    struct engine *engine = idle->data;

    run_next_turn(engine);
    if (list_is_empty(&engine->next_turn))
        (void)uv_idle_stop(idle);
}

/* Each pause gets a log line, because peers may have given up meanwhile. */
static void on_stall(struct deadline_queue *deadlines, uint64_t ms)
{
    struct engine *engine = LIST_ENTRY(deadlines, struct engine, deadlines);
    struct log_line line;

    if (engine->stalls)
        (void)atomic_fetch_add(engine->stalls, 1);
    log_open(&line, LOG_WARNING, "loop-stalled");
    log_number(&line, "ms", ms);
    log_write(&line);
}

static void on_check(uv_check_t *check)
{
    engine_end_turn(check->data);
}

bool engine_init(struct engine *engine, uv_loop_t *loop, const struct engine_hooks *hooks,
    atomic_uint_fast64_t *stalls)
{
    if (!poller_init(&engine->poller, loop))
        return false;
    engine->loop = loop;
    engine->hooks = hooks;
    engine->stalls = stalls;
    engine->cork.n = 0;
    engine->streams = (struct stream_context){
        &engine->cork, &engine->replies, tls_lean_tools_new(), tls_bio_new(NULL)};
    buffer_pool_init(&engine->lines, ENGINE_LINE_BUFFER, ENGINE_IDLE_BUFFERS);
    buffer_pool_init(&engine->replies, ENGINE_REPLY_BUFFER, ENGINE_IDLE_BUFFERS);
    duct_pool_init(&engine->ducts);
    list_init(&engine->next_turn);
    list_init(&engine->end_of_turn);
    list_init(&engine->post);
    (void)pthread_mutex_init(&engine->post_lock, NULL);
    deadline_queue_init(&engine->deadlines, loop, on_stall);
    (void)uv_idle_init(loop, &engine->idle);
    (void)uv_check_init(loop, &engine->check);
    engine->idle.data = engine;
    engine->check.data = engine;
    (void)uv_check_start(&engine->check, on_check);
    uv_unref((uv_handle_t *)&engine->check);
    return true;
}

void engine_deinit(struct engine *engine)
{
    engine_end_turn(engine);
    deadline_queue_close(&engine->deadlines);
    poller_deinit(&engine->poller);
    uv_close((uv_handle_t *)&engine->idle, NULL);
    uv_close((uv_handle_t *)&engine->check, NULL);
    buffer_pool_deinit(&engine->lines);
    buffer_pool_deinit(&engine->replies);
    tls_lean_tools_free(engine->streams.lean);
    tls_bio_free(engine->streams.bio);
    duct_pool_deinit(&engine->ducts);
    (void)pthread_mutex_destroy(&engine->post_lock);
}

bool engine_drive(struct engine *engine)
{
    uv_ref((uv_handle_t *)&engine->check); /* a loop without any handle would not run its timers */
    return poller_drive(&engine->poller);
}

/* As in libuv a deadline comes after what the sockets have had to say. */
void engine_turn(struct engine *engine)
{
    bool loop_is_ready;

    uv_update_time(engine->loop);
    loop_is_ready = poller_turn(
        &engine->poller, list_is_empty(&engine->next_turn) ? uv_backend_timeout(engine->loop) : 0);
    run_next_turn(engine);
    engine_end_turn(engine);
    if (loop_is_ready || uv_backend_timeout(engine->loop) == 0)
        (void)uv_run(engine->loop, UV_RUN_NOWAIT);
}

const char *engine_class_name(const struct deadline *deadline)
{
    return deadline->class_index < ENGINE_CLASSES ? class_names[deadline->class_index] : "other";
}

void engine_trace_expiry(const struct deadline *deadline, struct slice id)
{
    struct log_line line;

    log_open(&line, LOG_DEBUG, "deadline");
    log_text(&line, "id", id);
    log_text(&line, "class", slice_from(engine_class_name(deadline)));
    log_write(&line);
}

/* ---- Tasks of the engine's own thread ---- */

void engine_task_init(struct engine_task *task, void (*run)(struct engine_task *task))
{
    list_init(&task->node);
    task->run = run;
}

void engine_run_next_turn(struct engine *engine, struct engine_task *task)
{
    list_remove(&task->node);
    list_append(&engine->next_turn, &task->node);
    if (!engine->poller.drives)
        (void)uv_idle_start(&engine->idle, on_idle);
}

void engine_run_at_end(struct engine *engine, struct engine_task *task)
{
    list_remove(&task->node);
    list_append(&engine->end_of_turn, &task->node);
}

void engine_forget(struct engine_task *task)
{
    list_remove(&task->node);
}

void engine_end_turn(struct engine *engine)
{
    run_all(&engine->end_of_turn);
}

/* ---- Tasks from other threads ---- */

void engine_post(struct engine *engine, struct engine_task *task)
{
    (void)pthread_mutex_lock(&engine->post_lock);
    list_remove(&task->node); /* it may be posted already; it runs once */
    list_append(&engine->post, &task->node);
    (void)pthread_mutex_unlock(&engine->post_lock);
    engine->hooks->wake(engine);
}

void engine_unpost(struct engine *engine, struct engine_task *task)
{
    (void)pthread_mutex_lock(&engine->post_lock);
    list_remove(&task->node);
    (void)pthread_mutex_unlock(&engine->post_lock);
}

static struct list *take_post(struct engine *engine)
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

    /* One by one, and without the lock: a task may post, or withdraw a task behind it. */
    while ((node = take_post(engine)) != NULL) {
        struct engine_task *task = LIST_ENTRY(node, struct engine_task, node);

        task->run(task);
    }
}
