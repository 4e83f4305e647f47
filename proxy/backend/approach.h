/*
 * The approach to one server: connect, PROXY header, TLS, and the opening (greeting, hello,
 * STARTTLS, identity). It ends with a server that is ready, or with one failure, whose row says
 * what it means (mailmux/opening.h). Sessions, checks and --probe all use it.
 *
 * The owner lends the leg and the input, and keeps both afterwards; it must close the leg. The
 * deadlines are the owner's, too: when one expires the owner calls approach_expire, which finds the
 * failure that fits the stage. One thread, the engine's.
 */
#ifndef MAILMUX_APPROACH_H
#define MAILMUX_APPROACH_H

#include "engine.h"
#include "leg.h"
#include "mailmux/opening.h"

/* An owner may give each stage a time of its own. */
enum approach_stage {
    APPROACH_CONNECTING,
    APPROACH_HEADER,    /* the PROXY header is on its way */
    APPROACH_HANDSHAKE, /* TLS with the server */
    APPROACH_OPENING,   /* the greeting, and what is said to the server */
    APPROACH_OVER       /* ready, or failed */
};

enum approach_result {
    APPROACH_WAITS,
    APPROACH_READY, /* what the server has said stands in the input */
    APPROACH_FAILED /* see failure, step and why; a refusal stands in the input */
};

struct approach;

/* Appends the PROXY header. Returns false if it does not fit or cannot be made. */
typedef bool approach_write_header(void *owner, struct buffer *out);

/*
 * Called for each answer. turn says what the opening has made of the input `in` in this step. The
 * input is not consumed yet.
 */
typedef void approach_heard(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* What the owner wants. The plan is copied; what it points to must outlive the approach. */
struct approach_plan {
    const struct opening_plan *opening;
    const struct opening_client *client; /* the client to tell of; may be NULL */
    struct buffer *capabilities;         /* see opening_init; may be NULL */
    bool implicit_tls;
    struct tls_client *tls; /* for implicit_tls or opening->starttls */
    const char *tls_name;   /* see stream_start_tls_client */
    bool resumes_tls;       /* a TLS session of before may be resumed, and this one later */
    unsigned keepalive_s;
    bool leaves_hello;                   /* see struct opening */
    bool keeps_greeting;                 /* the client gets the greeting: see greeting_len */
    approach_write_header *write_header; /* NULL: no header */
    approach_heard *heard;               /* may be NULL */
    void *owner;                         /* of write_header and heard */
    stream_callback *on_event;           /* gets the leg's events; it must call approach_step */
    void *event_owner;
};

struct approach {
    struct engine *engine;
    struct approach_plan plan;
    const struct address *to;
    struct stream *leg;
    struct buffer **input;
    enum approach_stage stage;
    struct opening opening;
    enum opening_failure failure;
    enum opening_step step; /* the step of the opening in which it failed */
    char why[LEG_WHY_MAX];  /* the failure in words, with the library's if it has any */
    uint64_t since_ms;      /* when the stage began, of uv_now */
    uint64_t spent_ms[APPROACH_OVER + 1]; /* how long each stage has lasted */
    bool header_lost;                     /* the PROXY header could not be sent */
    size_t greeting_len;                  /* READY with keeps_greeting: the input begins with it */
    size_t refusal_len;     /* FAILED: the input begins with a refusal; 0: it does not */
    struct buffer *greeted; /* the greeting, kept aside while the opening goes on */
    struct buffer *output;  /* what the leg has not taken yet */
};

/*
 * Begins to connect. The leg must not be open, and *input must be NULL. If connecting fails at
 * once, the first step returns APPROACH_FAILED. `to` must outlive the approach.
 */
void approach_start(struct approach *approach, struct engine *engine,
    const struct approach_plan *plan, const struct address *to, struct stream *leg,
    struct buffer **input);

/* Goes on as far as possible without waiting. */
enum approach_result approach_step(struct approach *approach) __attribute__((warn_unused_result));

/*
 * Fails in the way that fits the stage, so that the next step returns APPROACH_FAILED. The owner
 * calls it when its deadline has passed. It does nothing if the approach is over.
 */
void approach_expire(struct approach *approach);

/*
 * Fails with OPENING_SLOW_GREETING. The owner calls it if the server is slow to greet and another
 * one is free.
 */
void approach_leave_slow(struct approach *approach);

/*
 * Returns whether the server's greeting is what comes next: it is connected, and TLS, where that
 * comes first, may still be under way.
 */
bool approach_is_before_greeting(const struct approach *approach);

/* Returns whether the greeting is what comes next and not one octet of the server has come. */
bool approach_waits_for_greeting(const struct approach *approach);

/*
 * Gives back the buffers of the approach itself. It is harmless if there are none, and on zeroed
 * memory.
 */
void approach_drop(struct approach *approach);

#endif
