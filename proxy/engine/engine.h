/*
 * The ground of one thread: its loop, deadlines, free lists, scratch and cork; tasks that are put
 * off, and tasks from other threads; and the way connections are made, so that tests can put memory
 * in the place of sockets. It knows neither sessions nor servers. Owned by a worker, the checks or
 * a test.
 */
#ifndef MAILMUX_ENGINE_H
#define MAILMUX_ENGINE_H

#include "deadline.h"
#include "mailmux/address.h"
#include "stream.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum {
    ENGINE_LINE_BUFFER = 16 * 1024,  /* input of a client before the relay; more for longer lines */
    ENGINE_REPLY_BUFFER = 68 * 1024, /* a whole reply of a backend, or what a peer does not take */
    ENGINE_SCRATCH = 48 * 1024, /* one read of a relay: as many records as one write of TLS takes */
    ENGINE_IDLE_BUFFERS = 64    /* given-back buffers that a worker keeps of each kind */
};

/* Which settings of [timeouts] a deadline follows; one FIFO each. */
enum engine_class {
    CLASS_PROXY_HEADER,
    CLASS_HANDSHAKE,
    CLASS_CONNECT,
    CLASS_CONNECT_DEADLINE,
    CLASS_GREETING,
    CLASS_FIRST_COMMAND,
    CLASS_LINE,
    CLASS_LOGIN,
    CLASS_COMMAND,
    CLASS_DATA,
    CLASS_LOOK_ALIKE,
    CLASS_IDLE,
    CLASS_HALF_CLOSED,
    CLASS_GREETING_DELAY,
    CLASS_LINGER,
    CLASS_QUEUE,
    CLASS_STALLED,
    ENGINE_CLASSES
};

struct engine;

/* What the owner of an engine does for it. */
struct engine_hooks {
    /*
     * Begins to connect: WIRE_WRITABLE will be reported. NULL: *failure is an errno. The hook may
     * be NULL where nothing is connected.
     */
    struct wire *(*connect)(
        struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure);
    /*
     * Any thread: there is post. The engine's own thread is to call engine_read_post soon. May be
     * NULL where nothing is posted.
     */
    void (*wake)(struct engine *engine);
};

/* Something to do on the engine's thread, later. It lives in what it is for. */
struct engine_task {
    struct list node;
    void (*run)(struct engine_task *task);
};

struct engine {
    uv_loop_t *loop;
    const struct engine_hooks *hooks;
    atomic_uint_fast64_t *stalls; /* the process's count of pauses; NULL: not counted */
    struct deadline_queue deadlines;
    struct stream_context streams;
    struct buffer_pool lines;
    struct buffer_pool replies;
    struct cork cork;
    char scratch[ENGINE_SCRATCH];
    struct list next_turn;
    struct list end_of_turn;
    uv_idle_t idle;            /* runs while next_turn has a task */
    uv_check_t check;          /* the end of the turn */
    pthread_mutex_t post_lock; /* of the post alone */
    struct list post;
};

/* In the caller's memory. The hooks and the count of stalls (or NULL) must outlive it. */
void engine_init(struct engine *engine, uv_loop_t *loop, const struct engine_hooks *hooks,
    atomic_uint_fast64_t *stalls);

/* Runs what waits for the end of the turn. Run the loop once more afterwards. */
void engine_deinit(struct engine *engine);

/* The name of the class that a deadline was last set with, for the log. A constant. */
const char *engine_class_name(const struct deadline *deadline);

/* Logs at level debug that it has expired. id: of the session that it belongs to. The caller asks
 * log_is_on first. */
void engine_trace_expiry(const struct deadline *deadline, struct slice id);

void engine_task_init(struct engine_task *task, void (*run)(struct engine_task *task));

/* At the next turn of the loop, when others have had theirs. Once, however often it is asked for.
 */
void engine_run_next_turn(struct engine *engine, struct engine_task *task);

/* When no callback is under way any more: for what frees the memory that they use. */
void engine_run_at_end(struct engine *engine, struct engine_task *task);

/* Takes it back; harmless when it was not asked for, or has run. Its own thread, and not for post.
 */
void engine_forget(struct engine_task *task);

/* Any thread: it runs when the engine reads its post. A task that is under way comes once. */
void engine_post(struct engine *engine, struct engine_task *task);

/* Calls it back if it has not run; harmless when it was not posted. Then its memory may go. */
void engine_unpost(struct engine *engine, struct engine_task *task);

/* Runs all that were posted. */
void engine_read_post(struct engine *engine);

/* Ends the turn; the loop's check handle does so, and tests that run no loop. */
void engine_end_turn(struct engine *engine);

#endif
