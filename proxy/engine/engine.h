/*
 * What one thread needs to serve connections: its loop, deadlines, free lists of buffers, scratch
 * memory and cork; tasks for later, and tasks from other threads. It makes connections through a
 * hook, so that tests can use memory in the place of sockets. It knows neither sessions nor
 * servers. A worker, the health checks or a test owns it. One thread, except where a function says
 * otherwise.
 */
#ifndef MAILMUX_ENGINE_H
#define MAILMUX_ENGINE_H

#include "deadline.h"
#include "mailmux/address.h"
#include "mailmux/list.h"
#include "poller.h"
#include "stream.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum {
    ENGINE_LINE_BUFFER = 16 * 1024, /* input of a client before the relay; grown for longer lines */
    /* a whole reply of a server, or output that waits: a cork, and alerts behind it */
    ENGINE_REPLY_BUFFER = CORK_SIZE + 4 * 1024,
    ENGINE_SCRATCH = STREAM_PIECE, /* one read of a relay; one write of TLS takes it as a whole */
    ENGINE_IDLE_BUFFERS = 64       /* unused buffers of each kind that an engine keeps */
};

/*
 * The class of a deadline: what it is for, as the log tells it. One for each setting of [timeouts]
 * or other duration.
 */
enum engine_class {
    CLASS_PROXY_HEADER,
    CLASS_SNIFF,
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

/* What the owner of an engine provides. */
struct engine_hooks {
    /*
     * Begins to connect, and returns the wire, which belongs to the caller. WIRE_WRITABLE is
     * reported when it is connected or has failed. Returns NULL with an errno in *failure when it
     * fails at once. keepalive_s is as in net/socket.h. NULL where nothing connects.
     */
    struct wire *(*connect)(
        struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure);
    /*
     * Makes the engine's own thread call engine_read_post soon. Called from any thread. NULL where
     * nothing is posted.
     */
    void (*wake)(struct engine *engine);
};

/*
 * Something to do later on the engine's thread. It lives in the object that it is for. run may free
 * that object.
 */
struct engine_task {
    struct list node;
    void (*run)(struct engine_task *task);
};

struct engine {
    uv_loop_t *loop;
    const struct engine_hooks *hooks;
    atomic_uint_fast64_t *stalls; /* counts the pauses of the process; NULL: they are not counted */
    struct deadline_queue deadlines;
    struct poller poller; /* of the connections */
    struct stream_context streams;
    struct buffer_pool lines;
    struct buffer_pool replies;
    struct duct_pool ducts;
    struct cork cork;
    char scratch[ENGINE_SCRATCH];
    struct list next_turn;
    struct list end_of_turn;
    uv_idle_t idle;            /* active while next_turn has a task, unless engine_turn is called */
    uv_check_t check;          /* calls engine_end_turn */
    pthread_mutex_t post_lock; /* guards post alone */
    struct list post;
};

/*
 * Initialises an engine in the caller's memory. The loop, the hooks and the counter of pauses
 * (which may be NULL) must outlive it. Returns false without descriptors or memory.
 */
bool engine_init(struct engine *engine, uv_loop_t *loop, const struct engine_hooks *hooks,
    atomic_uint_fast64_t *stalls);

/*
 * Runs the tasks that wait for the end of the turn, closes the handles and frees the buffers. No
 * deadline may be set, and no connection be open. The loop must run once more before the engine's
 * memory goes.
 */
void engine_deinit(struct engine *engine);

/*
 * For a thread that has nothing but the engine, which calls engine_drive once and engine_turn
 * instead of uv_run: a turn then waits by one system call, and libuv runs when it has something to
 * do. engine_drive returns false without memory.
 */
bool engine_drive(struct engine *engine);
void engine_turn(struct engine *engine);

/*
 * Returns the name of the class that the deadline was last set with, for the log. It is a constant.
 */
const char *engine_class_name(const struct deadline *deadline);

/*
 * Logs at level debug that a deadline has expired. id: the session that it belongs to. The caller
 * asks log_is_on first.
 */
void engine_trace_expiry(const struct deadline *deadline, struct slice id);

/* Makes a task that waits nowhere. It must not be initialised again while it waits. */
void engine_task_init(struct engine_task *task, void (*run)(struct engine_task *task));

/*
 * Runs the task in the next turn of the loop, after the sockets have been served. A task that is
 * asked for twice runs once.
 */
void engine_run_next_turn(struct engine *engine, struct engine_task *task);

/*
 * Runs the task at the end of this turn, when no callback is on the stack any more. It is for a
 * task that frees memory which callbacks may still use.
 */
void engine_run_at_end(struct engine *engine, struct engine_task *task);

/*
 * Withdraws a task of the two functions above. It may have run already, or may never have been
 * asked for. Not for a posted task.
 */
void engine_forget(struct engine_task *task);

/*
 * Posts the task: it runs on the engine's own thread when that reads its post. Any thread. A task
 * that is posted twice before it runs runs once. A task must not be posted and asked for by
 * engine_run_* at the same time.
 */
void engine_post(struct engine *engine, struct engine_task *task);

/*
 * Withdraws a posted task, which may have run already or may never have been posted. Call it on the
 * engine's own thread: then the task is not running, and its memory may be freed afterwards unless
 * another thread can still post it.
 */
void engine_unpost(struct engine *engine, struct engine_task *task);

/* Runs all posted tasks, on the engine's own thread. */
void engine_read_post(struct engine *engine);

/*
 * Ends the turn: runs the tasks of engine_run_at_end. The loop's check handle calls it, and so do
 * tests that run no loop.
 */
void engine_end_turn(struct engine *engine);

#endif
