/*
 * The approach to one server: connect, PROXY header, TLS, and the opening (greeting, hello,
 * STARTTLS, identity). It ends with a server that is ready, or with one failure whose row says what
 * it means (mailmux/opening.h). Sessions, checks and --probe walk this way.
 *
 * The owner lends the leg and the input, and keeps both afterwards: it closes the leg. Deadlines
 * are the owner's; when one expires it calls approach_expire, which finds the failure that fits the
 * stage. One thread, the engine's.
 */
#ifndef MAILMUX_APPROACH_H
#define MAILMUX_APPROACH_H

#include "engine.h"
#include "leg.h"
#include "mailmux/opening.h"

/* Each is timed by itself where the owner wants that. */
enum approach_stage {
    APPROACH_CONNECTING,
    APPROACH_HEADER,    /* the PROXY header is on its way */
    APPROACH_HANDSHAKE, /* TLS with the server */
    APPROACH_OPENING,   /* its greeting, and what is said to it */
    APPROACH_OVER       /* ready, or failed */
};

enum approach_result {
    APPROACH_WAITS,
    APPROACH_READY, /* what has been read of the server stands in the input */
    APPROACH_FAILED /* failure, step and why tell what; a refusal stands in the input */
};

struct approach;

/* Appends the PROXY header. False: it does not fit. */
typedef bool approach_write_header(void *owner, struct buffer *out);

/* What the opening made of the input in that step, before it is consumed. */
typedef void approach_heard(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* What is asked for. What it points to outlives the approach; the plan itself is copied. */
struct approach_plan {
    const struct opening_plan *opening;
    const struct opening_client *client; /* the one of the identity; may be NULL */
    struct buffer *capabilities;         /* see opening_init; may be NULL */
    bool implicit_tls;
    struct tls_client *tls; /* with implicit_tls or opening->starttls */
    const char *tls_name;
    unsigned keepalive_s;
    bool leaves_hello;                   /* see struct opening */
    bool keeps_greeting;                 /* the client is to have it: see greeting_len */
    approach_write_header *write_header; /* NULL: there is none */
    approach_heard *heard;               /* NULL: nothing of it is wanted */
    void *owner;                         /* of both */
    stream_callback *on_event;           /* events of the leg; approach_step is to be called then */
    void *event_owner;
};

struct approach {
    struct engine *engine;
    struct approach_plan plan;
    struct stream *leg;
    struct buffer **input;
    enum approach_stage stage;
    struct opening opening;
    enum opening_failure failure;
    enum opening_step step; /* in which it failed */
    char why[LEG_WHY_MAX];  /* the failure in words, with the library's where it has any */
    bool header_lost;       /* it was not taken */
    size_t greeting_len;    /* READY with keeps_greeting: octets at the start of the input */
    size_t refusal_len;     /* FAILED: octets at the start of the input that a client may hear */
    struct buffer *greeted; /* the greeting, while more is said behind it */
    struct buffer *output;  /* what is said and the leg has not taken yet */
};

/* Begins to connect. leg: not open; *input: NULL. An approach that fails at once says so when it is
 * stepped. */
void approach_start(struct approach *approach, struct engine *engine,
    const struct approach_plan *plan, const struct address *to, struct stream *leg,
    struct buffer **input);

/* Goes on as far as it can. */
enum approach_result approach_step(struct approach *approach) __attribute__((warn_unused_result));

/* The owner's deadline has passed: fails as fits the stage. The next step says FAILED. */
void approach_expire(struct approach *approach);

/* The server is slow to greet, and the owner has a better one. */
void approach_leave_slow(struct approach *approach);

/* It is connected, and greets next: it may be slow before TLS as well, where TLS comes first. */
bool approach_is_before_greeting(const struct approach *approach);

/* The same, and it is silent: no octet of it has come. */
bool approach_waits_for_greeting(const struct approach *approach);

/* Gives back what it holds itself. Harmless when it holds nothing. */
void approach_drop(struct approach *approach);

#endif
