/*
 * What all sessions of one worker share: its loop, deadlines, free lists, scratch and cork; and the
 * way it makes connections, so that tests can put memory in the place of sockets. Owned by the
 * worker (or a test), one thread.
 *
 * Nothing of a session is freed inside a callback chain: a dead session waits in `dead` until the
 * end of the turn, and one that has more to do than its share waits in `again`.
 */
#ifndef MAILMUX_ENGINE_H
#define MAILMUX_ENGINE_H

#include "deadline.h"
#include "mailmux/config.h"
#include "mailmux/dialog.h"
#include "mailmux/opening.h"
#include "stream.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct pool;
struct session;
struct tls_client;
struct tls_service;

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
    CLASS_STALLED
};

/* Counters of the whole process, shared by its workers. */
struct engine_totals {
    uint64_t seed;               /* random: begins the ids of this process's sessions */
    atomic_uint_fast64_t begun;  /* sessions so far: ends them */
    atomic_uint_fast64_t served; /* sessions that ended */
    atomic_uint_fast64_t alive;
    atomic_uint_fast64_t handshakes; /* in flight */
    atomic_uint_fast64_t stalls;     /* pauses of the process that a loop has noticed */
    atomic_uint_fast64_t attacks[ATTACK_KINDS];
};

/* How one listener serves its clients. Immutable; a part of the daemon's snapshot. */
struct service {
    const struct config *config;
    const struct config_listener *listener;
    const struct config_backend *backend;
    const struct protocol *protocol;
    struct dialog_policy dialog_policy;
    const struct tls_service *tls; /* NULL: no TLS toward clients */
    struct pool *pool;
    struct opening_plan opening;   /* toward the backend */
    struct tls_client *server_tls; /* NULL: no TLS toward the backend */
    bool server_verified;          /* a handshake with the backend has proved who it is */
    unsigned keepalive_s;
    uint64_t greeting_ms;       /* all the time that a server has for its greeting */
    bool is_patient;            /* slow greetings are legal: see engine/upstream.h */
    uint64_t idle_ms;           /* of the relay */
    uint64_t greeting_delay_ms; /* between the backend's greeting and ours */
    bool early_talker_refuse;   /* a client that speaks before our greeting is turned away */
};

struct engine;

/* What a worker, or a test, does for the engine. */
struct engine_hooks {
    /* Begins to connect: WIRE_WRITABLE will be reported, then connected() asked. NULL: *failure. */
    struct wire *(*connect)(
        struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure);
    /* 0: connected; else an errno. */
    int (*connected)(struct wire *wire);
    /* Our end of it, once connected. False, or no such hook: not known. */
    bool (*local_address)(const struct wire *wire, struct address *out);
    /* The session is over and logged; its memory is freed next. */
    void (*ended)(struct engine *engine, struct session *session);
    /* Any thread: there is post. The engine's own thread is to call engine_read_post soon. */
    void (*wake)(struct engine *engine);
};

/* A word from another thread to somebody on the engine's own. It lives in whom it is for. */
struct engine_message {
    struct list node;
    void (*arrive)(struct engine_message *message);
};

struct engine {
    uv_loop_t *loop;
    const struct engine_hooks *hooks;
    struct engine_totals *totals;
    struct deadline_queue deadlines;
    struct stream_context streams;
    struct buffer_pool lines;
    struct buffer_pool replies;
    struct cork cork;
    char scratch[ENGINE_SCRATCH];
    struct list sessions;
    struct list again;
    struct list dead;
    uv_idle_t idle;   /* runs while `again` has somebody */
    uv_check_t check; /* the end of the turn: frees the dead */
    size_t session_count;
    bool draining;
    pthread_mutex_t post_lock; /* of the post alone */
    struct list post;
};

/* In the caller's memory. The hooks and totals must outlive it. */
void engine_init(struct engine *engine, uv_loop_t *loop, const struct engine_hooks *hooks,
    struct engine_totals *totals);

/* All sessions must be over. Run the loop once more afterwards. */
void engine_deinit(struct engine *engine);

/* Runs the session's step at the next turn of the loop. */
void engine_step_again(struct engine *engine, struct session *session);

void engine_message_init(
    struct engine_message *message, void (*arrive)(struct engine_message *message));

/* Any thread. A message that is under way already comes once. */
void engine_post(struct engine *engine, struct engine_message *message);

/* Calls it back if it has not arrived; harmless when it was not sent. Then its memory may go. */
void engine_unpost(struct engine *engine, struct engine_message *message);

/* Lets all messages arrive. */
void engine_read_post(struct engine *engine);

/* Asks all sessions to end: now where a farewell may be said, else as soon as it may. */
void engine_drain(struct engine *engine);

/* Ends all that are left, without ceremony. */
void engine_cut(struct engine *engine);

/* Frees dead sessions; the loop's check handle does so, and tests that run no loop. */
void engine_bury(struct engine *engine);

#endif
