/*
 * A play: a session as a list of steps, which say what each side sends and what must then have been
 * heard. It runs on a session bench, at the pace of the bench. One thread.
 */
#ifndef MAILMUX_SESSION_PLAY_H
#define MAILMUX_SESSION_PLAY_H

#include "session_bench.h"

enum play_kind {
    PLAY_END, /* behind the last step */
    PLAY_CLIENT_SAYS,
    PLAY_SERVER_SAYS,
    PLAY_CLIENT_HEARS, /* the client has heard exactly this since the last such step */
    PLAY_SERVER_HEARS,
    PLAY_START_TLS /* the client's handshake, to its end */
};

struct play_step {
    enum play_kind kind;
    const char *text;
};

/* A play with one listener. */
struct play {
    const char *name;
    size_t listener; /* its index in play_configuration */
    const struct play_step *steps;
};

/* proxy.ini with a listener for each play. */
extern const char play_configuration[];

/* SMTP, IMAP, POP3 and ManageSieve with STARTTLS, IMAP with implicit TLS and without TLS. */
extern const struct play plays[];
enum { PLAY_SMTP, PLAY_IMAP, PLAY_POP3, PLAY_IMAPS, PLAY_PLAIN_IMAP, PLAY_MANAGESIEVE, PLAY_COUNT };

/* How many steps it has. */
size_t play_length(const struct play *play);

/*
 * Does the first n steps, in a session that has begun. Returns NULL if all went as written, or a
 * text that says what did not, valid until the next call.
 */
const char *play_steps(struct session_bench *bench, const struct play *play, size_t n);

/* Begins the session and plays all steps. Returns as play_steps. */
const char *play_whole(struct session_bench *bench, const struct play *play);

#endif
