/*
 * A whole session in one process: an engine with the service that the daemon would build, and
 * memory wires in the place of the client's and the backends' sockets. The client may speak TLS
 * (memory_tls). Nothing waits: session_bench_run goes on until nobody has anything to do, and time
 * passes only in session_bench_pass.
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

/* What one receive or send of a wire moves. */
enum bench_pace {
    PACE_WHOLE,        /* all there is */
    PACE_BYTES,        /* one octet */
    PACE_STUTTER,      /* one octet, and IO_AGAIN between any two */
    PACE_SHORT_WRITES, /* all there is comes in; three octets go out, IO_AGAIN between */
    PACE_RANDOM        /* drawn from bench.seed: IO_AGAIN to bench.most octets */
};

struct session_bench {
    char *directory;
    struct snapshot *snapshot;
    uv_loop_t loop;
    struct engine engine;
    struct totals totals;
    struct sessions sessions;
    SSL_CTX *tls_context; /* of all clients: making one is slow */
    /* What the next sessions get: */
    enum bench_pace pace;
    uint64_t seed;
    size_t most;
    size_t window;      /* octets that a leg's kernel takes while its peer does not read; 0: all */
    int connect_errno;  /* of every attempt to begin; 0: it begins */
    int refusal_errno;  /* of every attempt, later; 0: it succeeds */
    bool is_deaf[2];    /* the peer of that leg does not read */
    bool has_no_answer; /* the kernel never decides about an attempt */
    /* The session: */
    bool has_begun;
    struct session *session; /* NULL: none, or over */
    struct memory_wire client;
    struct memory_wire servers[SESSION_BENCH_DIALS];
    struct memory_wire *server; /* the last one dialled */
    size_t dials;
    struct memory_tls tls; /* of the client */
    bool has_tls;
    struct memory_bytes heard[2]; /* plaintext that the peer of a leg has read */
    enum reason reason;           /* of the session that is over */
    bool spins;                   /* events were reported that nobody had a use for */
    size_t most_held;             /* octets of the engine's buffers, the most between two turns */
};

/*
 * text: proxy.ini without [proxy]. A self-signed certificate is made where TLS is wanted. False:
 * the configuration is not good; it was said on stderr.
 */
bool session_bench_init(struct session_bench *bench, const char *text);
void session_bench_deinit(struct session_bench *bench);

/* A client connects to the n-th listener; where that has implicit TLS, it speaks TLS. */
void session_bench_begin(struct session_bench *bench, size_t listener);

/*
 * Ends it, and looks whether all is back as it was: buffers, deadlines, counts, wires closed.
 * NULL: it is; else what is not.
 */
const char *session_bench_end(struct session_bench *bench);

/* Until nobody has anything to do. False: it spins (and is cut). */
bool session_bench_run(struct session_bench *bench);

/* So much time passes: deadlines expire, and what follows from that is run. */
bool session_bench_pass(struct session_bench *bench, uint64_t ms);

/* Queued for the session, not yet run; encrypted where the client speaks TLS. Dropped behind an end
 * or reset, and before the handshake. */
void session_bench_say(struct session_bench *bench, enum bench_leg leg, struct slice bytes);

/* From now on the client speaks TLS; its ClientHello goes out with the next run. */
void session_bench_start_tls(struct session_bench *bench);

/* The peer of that leg: a clean end (close_notify in TLS, FIN), a FIN alone, a reset. */
void session_bench_finish(struct session_bench *bench, enum bench_leg leg);
void session_bench_truncate(struct session_bench *bench, enum bench_leg leg);
void session_bench_reset(struct session_bench *bench, enum bench_leg leg);

/* All that the peer of that leg has read, or what of it was not forgotten. */
struct slice session_bench_heard(const struct session_bench *bench, enum bench_leg leg);
void session_bench_forget(struct session_bench *bench);

/* The wire of a leg; the server's may be NULL. */
struct memory_wire *session_bench_wire(struct session_bench *bench, enum bench_leg leg);

/* The capacity of all buffers that the engine has given out. */
size_t session_bench_held(const struct session_bench *bench);

#endif
