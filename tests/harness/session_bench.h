/*
 * A whole session in one process: an engine, a service of a real snapshot, and memory wires in the
 * place of the client's and the servers' sockets. The client may speak TLS (memory_tls). Nothing
 * waits for the clock: session_bench_run goes on until there is nothing to do, and time passes only
 * in session_bench_pass.
 *
 * A bench serves one session after another: begin, say, run, look at what was heard, end. One
 * thread; abort() without memory.
 */
#ifndef MAILMUX_SESSION_BENCH_H
#define MAILMUX_SESSION_BENCH_H

#include "memory_tls.h"
#include "session.h"
#include "snapshot.h"

enum { SESSION_BENCH_DIALS = 8 };

enum bench_leg { BENCH_CLIENT, BENCH_SERVER };

/* How many octets one receive or send of a wire moves. */
enum bench_pace {
    PACE_WHOLE,        /* all */
    PACE_BYTES,        /* one */
    PACE_STUTTER,      /* one, with an IO_AGAIN before each */
    PACE_SHORT_WRITES, /* a receive: all; a send: three, with an IO_AGAIN behind each */
    PACE_RANDOM        /* 0 (IO_AGAIN) to `most`, drawn from `seed` */
};

struct session_bench {
    char *directory;
    struct snapshot *snapshot;
    uv_loop_t loop;
    struct engine engine;
    struct totals totals;
    struct sessions sessions;
    SSL_CTX *tls_context; /* of all clients, as making one is slow */
    /* Settings for the sessions that begin from now on: */
    enum bench_pace pace;
    uint64_t seed;
    size_t most;
    size_t window;      /* octets that a wire takes while its peer does not read; 0: all */
    int connect_errno;  /* with which each attempt to connect fails at once; 0: none */
    int refusal_errno;  /* with which each attempt to connect fails later; 0: none */
    bool is_deaf[2];    /* the peer of that leg does not read */
    bool has_no_answer; /* an attempt to connect never succeeds or fails */
    /* The session at hand: */
    bool has_begun;
    struct session *session; /* NULL: none, or over */
    struct memory_wire client;
    struct memory_wire servers[SESSION_BENCH_DIALS];
    struct memory_wire *server; /* the last one that it has connected to; NULL: none */
    size_t dials;
    struct memory_tls tls; /* of the client */
    bool has_tls;
    struct memory_bytes heard[2]; /* plaintext that the peer of a leg has read */
    enum reason reason;           /* of the session that is over */
    bool spins;                   /* events were reported again and again, and nothing came of it */
    size_t most_held;             /* the most that session_bench_held was behind a turn */
};

/*
 * Makes a bench. text: a proxy.ini without [proxy]. A self-signed certificate is made if TLS needs
 * one. Returns false, with the problems on standard error, when the configuration is not good.
 */
bool session_bench_init(struct session_bench *bench, const char *text);
void session_bench_deinit(struct session_bench *bench);

/* A client connects to the n-th listener. With implicit TLS the client speaks TLS. */
void session_bench_begin(struct session_bench *bench, size_t listener);

/*
 * Cuts the session if it is not over, and checks that nothing is left of it: buffers and deadlines
 * are given back, counts are zero, wires are closed. Returns NULL, or what is wrong (a constant).
 */
const char *session_bench_end(struct session_bench *bench);

/* Runs until there is nothing to do. Returns false if it spins; the session is then cut. */
bool session_bench_run(struct session_bench *bench);

/*
 * Lets so much time pass. Deadlines expire, and what follows from that is run. Returns what
 * session_bench_run returns.
 */
bool session_bench_pass(struct session_bench *bench, uint64_t ms);

/*
 * The peer of that leg sends bytes, encrypted if it is a client with TLS. The next run delivers
 * them. They are dropped if the peer has ended or was reset, or while its handshake goes on.
 */
void session_bench_say(struct session_bench *bench, enum bench_leg leg, struct slice bytes);

/* From now on the client speaks TLS. The next run sends its ClientHello. */
void session_bench_start_tls(struct session_bench *bench);

/* The peer of that leg ends in order (close_notify if TLS, FIN), by FIN alone, by a reset. */
void session_bench_finish(struct session_bench *bench, enum bench_leg leg);
void session_bench_truncate(struct session_bench *bench, enum bench_leg leg);
void session_bench_reset(struct session_bench *bench, enum bench_leg leg);

/* All that the peer of that leg has read since the last forget. Valid until the next run. */
struct slice session_bench_heard(const struct session_bench *bench, enum bench_leg leg);
/* Forgets what both peers have read. */
void session_bench_forget(struct session_bench *bench);

/* The wire of a leg. NULL: there is none to a server yet. */
struct memory_wire *session_bench_wire(struct session_bench *bench, enum bench_leg leg);

/* The capacity of all buffers that the engine has given out, in octets. */
size_t session_bench_held(const struct session_bench *bench);

#endif
