/*
 * A session as a list of steps: who says what, and what must then have been heard. Plays on a
 * session bench at whatever pace it is set to. One thread.
 */
#ifndef MAILMUX_SESSION_PLAY_H
#define MAILMUX_SESSION_PLAY_H

#include "session_bench.h"

enum play_kind {
    PLAY_END, /* behind the last step */
    PLAY_CLIENT_SAYS,
    PLAY_SERVER_SAYS,
    PLAY_CLIENT_HEARS, /* exactly this since the last such step */
    PLAY_SERVER_HEARS,
    PLAY_START_TLS /* the client's handshake, to its end */
};

struct play_step {
    enum play_kind kind;
    const char *text;
};

/* A conversation with one listener. */
struct play {
    const char *name;
    size_t listener; /* by its place in play_configuration */
    const struct play_step *steps;
};

/* proxy.ini with a listener for each play. */
extern const char play_configuration[];

/* SMTP, IMAP and POP3 over STARTTLS, IMAP over implicit TLS and without TLS; and how many. */
extern const struct play plays[];
enum { PLAY_SMTP, PLAY_IMAP, PLAY_POP3, PLAY_IMAPS, PLAY_PLAIN_IMAP, PLAY_COUNT };

size_t play_length(const struct play *play);

/* Does the first n steps of a session that has begun. NULL: all went as written; else what did not,
 * valid until the next call. */
const char *play_steps(struct session_bench *bench, const struct play *play, size_t n);

/* Begins the session and plays all of it. */
const char *play_whole(struct session_bench *bench, const struct play *play);

#endif
