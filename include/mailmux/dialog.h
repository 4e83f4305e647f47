/*
 * The state of one proxied conversation, from the backend's greeting to the relay or the end. It is
 * fed bytes of either side and answers with text for both sides and with what the session is to do
 * next. Pure: no I/O, no clock, no heap. It lives in its session's memory; one thread.
 *
 * The contract that tests and fuzzers hold it to: however the bytes of one side are cut into
 * segments, the text that comes out and the order of what is asked for are the same.
 *
 * How the session drives it:
 *
 *     dialog_start(greeting)                            once, with the accepted greeting
 *     while (dialog_feed(side, bytes not yet used))     until it returns false for both sides
 *         queue actions.to_client and actions.to_server, then the passed bytes
 *         drop actions.used bytes, do actions.next
 *
 * The text that one call appends is at most what it was fed plus DIALOG_EXTRA; the caller must see
 * to it that both buffers have that much room.
 */
#ifndef MAILMUX_DIALOG_H
#define MAILMUX_DIALOG_H

#include "mailmux/buffer.h"
#include "mailmux/imap.h"
#include "mailmux/line.h"
#include "mailmux/pop3.h"
#include "mailmux/reason.h"
#include "mailmux/settings.h"
#include "mailmux/smtp.h"

enum dialog_side { DIALOG_CLIENT, DIALOG_SERVER };

enum {
    DIALOG_EXTRA = 4096,            /* what a call may append beyond its input */
    DIALOG_USER_MAX = 255,          /* octets of a user's name kept for the log */
    DIALOG_DISCARD_MAX = 64 * 1024, /* octets beyond its limit that are thrown away of a line */
    DIALOG_TAG_MAX = 64,            /* octets of an IMAP tag */
    DIALOG_MECHANISM_MAX = 32       /* octets of a SASL mechanism's name */
};

/* What does not change during a session. Shared by its sessions, owned by the configuration. */
struct dialog_policy {
    struct slice hostname;
    bool offers_tls;              /* STARTTLS or STLS is ours to give, when TLS is not up */
    enum require_tls require_tls; /* while TLS is not up */
    enum smuggling smuggling;
    size_t line;      /* longest command line, its end included */
    size_t sasl_line; /* the same for a line of a SASL exchange or that begins one */
    size_t literal;   /* largest IMAP literal before login */
    size_t reply;     /* largest reply of a backend */
    size_t reply_lines;
    unsigned bad_commands;
    size_t relay_domain_count;        /* SMTP: 0 lets a recipient's domain be any */
    const char *const *relay_domains; /* "example.org", "*.example.org", "[192.0.2.1]" */
};

/* What the client leg and the backend leg are, when the dialog starts. */
struct dialog_legs {
    bool client_tls;          /* implicit TLS: up before the first byte */
    bool server_tls;          /* the backend leg is TLS ... */
    bool server_tls_verified; /* ... and its certificate was checked */
    bool server_heard_hello; /* SMTP: the client's hello will not be the first on this connection */
};

/* What the session does after it has queued the text. */
enum dialog_next {
    DIALOG_NOTHING,
    DIALOG_START_TLS,    /* flush, then TLS on the client leg; then dialog_tls_started */
    DIALOG_RENEW_SERVER, /* dial the backend anew, then dialog_server_renewed */
    DIALOG_RELAY,        /* logged in: from now on bytes, both ways; the dialog is over */
    DIALOG_CLOSE         /* flush, then close both legs with actions.reason */
};

struct actions {
    struct buffer *to_client; /* lent by the session */
    struct buffer *to_server;
    size_t used; /* octets of the input that are dealt with */
    bool pass;   /* they go to the other side as they are, behind the text */
    enum dialog_next next;
    bool renew_server; /* with START_TLS: the backend must not remember plaintext; dial again */
    bool leave_server; /* end the backend's connection now; the client is served on without it */
    bool fault;        /* a text did not fit: nothing of this call may go out */
    enum reason reason;
};

/* How the next bytes of the client are taken. */
enum dialog_mode {
    DIALOG_LINES,   /* one command line at a time */
    DIALOG_COUNTED, /* `count` octets that pass as they are: a literal, BDAT */
    DIALOG_SKIPPED, /* `count` octets of something refused */
    DIALOG_MESSAGE, /* message data up to CRLF.CRLF */
    DIALOG_DISCARD, /* the rest of an over-long line */
    DIALOG_HELD,    /* a barrier: not before the backend has answered */
    DIALOG_ENDING,  /* not any more: the end comes behind the answers that are owed */
    DIALOG_OVER     /* nothing more from this client */
};

/*
 * Whether the backend lets clients log in on this connection, as far as its words tell. It is for
 * the log, and so for the administrator: the client hears the words itself.
 */
enum dialog_logins {
    DIALOG_LOGINS_UNTOLD,
    DIALOG_LOGINS_OFFERED,
    DIALOG_LOGINS_MISSING, /* SMTP: no AUTH, which is as it should be where mail comes in */
    DIALOG_LOGINS_REFUSED  /* not without TLS */
};

enum dialog_farewell {
    FAREWELL_NO_BACKEND,
    FAREWELL_SERVER_LOST,
    FAREWELL_TIMEOUT,
    FAREWELL_SHUTDOWN,
    FAREWELL_TOO_MANY_SESSIONS,
    FAREWELL_TOO_MANY_ERRORS,
    FAREWELL_LINE_TOO_LONG,
    FAREWELL_PROTOCOL,     /* the backend broke the protocol */
    FAREWELL_EARLY_TALKER, /* it spoke before the greeting */
    FAREWELL_REFUSED,      /* something that smells of an attack */
    FAREWELL_UNSAID        /* none: the last word is another */
};

/* What a backend's greeting says. */
enum greeting {
    GREETING_MORE,    /* not all of it is there */
    GREETING_READY,   /* 220, * OK, +OK */
    GREETING_PREAUTH, /* * PREAUTH */
    GREETING_REFUSED, /* 4yz, 5yz, * BYE, NO or BAD, -ERR: another server may be better */
    GREETING_LARGE,   /* it begins as one of these, and is too long */
    GREETING_WRONG    /* not this protocol */
};

struct dialog;
struct opening_words;

/* One protocol's words. Constant; a fourth protocol is one more of these. */
struct protocol {
    const char *name;        /* in logs: "smtp" */
    const char *const *alpn; /* names that a client may offer, NULL-terminated; the first is ours */
    bool relays_after_login; /* else it stays a dialog to its end */

    /* The greeting at the start of `in`; *used is set unless more is needed. limit: octets. */
    enum greeting (*greeting)(struct slice in, size_t limit, size_t *used);

    /* The accepted or refused greeting, whole: the first text for the client. */
    void (*start)(
        struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions);

    /* How long the line at the start of `in` may be. */
    size_t (*line_limit)(const struct dialog *dialog, struct slice in);

    /* One clean command line; behind: what is in the same input after it. */
    void (*client_line)(
        struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);

    /* A line that was too long (its beginning) or not clean, now consumed: answer it. */
    void (*client_bad_line)(
        struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

    /* Some of the counted octets, as they pass on; NULL where there is nothing to learn. */
    void (*passes)(struct dialog *dialog, struct slice octets);

    /* The counted or skipped octets are through. */
    void (*counted)(struct dialog *dialog, struct actions *actions);

    /* Message data; NULL where there is none. Sets used and pass. */
    void (*message)(struct dialog *dialog, struct slice in, struct actions *actions);

    /* Bytes of the backend: WHOLE: a reply was dealt with, or something was said. Else nothing was
     * done, and what it means that MORE, MALFORMED or LARGE came is the dialog's. */
    enum reply_cut (*server)(struct dialog *dialog, struct slice in, struct actions *actions);

    /* TLS is up on the client leg: forget what was said in plaintext. */
    void (*tls_started)(struct dialog *dialog);

    /* No command is half given and no answer is owed: a farewell may be said. */
    bool (*at_boundary)(const struct dialog *dialog);

    /* The backend has a whole command and will answer it. */
    bool (*is_owed)(const struct dialog *dialog);

    /* See dialog_server_ended. */
    bool (*server_ended)(struct dialog *dialog, struct actions *actions);

    /* See dialog_server_renewed; NULL where there is nothing to say again. */
    void (*server_renewed)(struct dialog *dialog, struct actions *actions);

    /* See dialog_waits_after_look_alike, and what ends that wait; NULL where there is none. */
    bool (*waits_after_look_alike)(const struct dialog *dialog);
    void (*end_wait)(struct dialog *dialog, struct actions *actions);

    /* See dialog_may_be_over; NULL where there is none. */
    bool (*may_be_over)(const struct dialog *dialog);

    /* Appends the protocol's farewell; nothing when it does not fit. */
    void (*farewell)(
        enum dialog_farewell farewell, struct slice hostname, struct buffer *to_client);

    /* What we say to a backend ourselves (mailmux/opening.h). */
    const struct opening_words *opening;
};

/* As the client gave it; empty: it gave none that is surely no secret. */
struct dialog_name {
    char text[DIALOG_USER_MAX];
    size_t n;
};

struct dialog {
    const struct protocol *protocol;
    const struct dialog_policy *policy;
    struct dialog_legs legs;
    enum smuggling smuggling; /* the policy's, unless the client is exempt from it */
    enum dialog_mode mode;    /* of the client's input */
    uint64_t count;           /* octets left while COUNTED, SKIPPED; thrown away while DISCARD */
    bool tls;                 /* on the client leg */
    bool tls_unavailable;     /* set by the session: STARTTLS gets a temporary no (C34) */
    bool started;             /* the client has given a first line, since TLS if there is TLS */
    bool first;               /* the line in hand is that first one */
    bool logged_in;
    enum dialog_logins logins;
    bool cut_short;                 /* it was closed inside message data, a chunk or a literal */
    enum dialog_farewell last_word; /* while ENDING */
    enum reason last_reason;
    unsigned bad_commands;   /* since the last message or login */
    struct dialog_name user; /* for the log, escaped there: of the login, or the last attempt */
    struct dialog_name
        attempt; /* of the last attempt; not the same where one was accepted before */
    char mechanism[DIALOG_MECHANISM_MAX]; /* of a SASL exchange, until its first response is seen */
    size_t mechanism_len;
    char discarded[DIALOG_TAG_MAX + 8]; /* the beginning of the line that is being discarded */
    size_t discarded_len;
    char discarded_last; /* its last octet before the end: '}' would announce a literal */
    union {
        struct smtp smtp;
        struct imap imap;
        struct pop3 pop3;
    } of;
};

/* Fresh, in the caller's memory. Protocol and policy must outlive it. */
void dialog_init(struct dialog *dialog, const struct protocol *protocol,
    const struct dialog_policy *policy, struct dialog_legs legs);

/* With the greeting of the backend that was chosen: READY, PREAUTH, or the REFUSED that is left. */
void dialog_start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions);

/* Feeds one side. Returns false when nothing was done: more bytes or the other side must come. */
bool dialog_feed(
    struct dialog *dialog, enum dialog_side side, struct slice in, struct actions *actions);

/* The client's bytes would be of use now; else do not read it. */
bool dialog_wants_client(const struct dialog *dialog);

/* How long the client's line may be that begins so; 0: it is not at a line. */
size_t dialog_line_limit(const struct dialog *dialog, struct slice in);

/*
 * The backend has ended its side, or takes nothing any more, and all its words were fed. True: this
 * was to be expected, and actions tell what follows; nothing means that the client is served on
 * without it. False: the backend is lost. It may be asked again.
 */
bool dialog_server_ended(struct dialog *dialog, struct actions *actions);

/*
 * The client's message was refused and is thrown away up to its end. What came last looks like the
 * end to a client that uses other line ends: it may well be waiting for its answer.
 */
bool dialog_waits_after_look_alike(const struct dialog *dialog);

/*
 * A look-alike has passed, and nothing but the backend's reply can tell whether the message ended
 * there: a client that says no more may still be owed that reply.
 */
bool dialog_may_be_over(const struct dialog *dialog);

/* The time for what the client or the backend had to do is over. */
void dialog_expire(struct dialog *dialog, enum reason reason, struct actions *actions);

/* After RENEW_SERVER: the fresh connection is ready. Says again what is to be said there. */
void dialog_server_renewed(struct dialog *dialog, struct actions *actions);

void dialog_tls_started(struct dialog *dialog);
bool dialog_at_boundary(const struct dialog *dialog);

/* The backend has a part of a message, chunk or literal and must not take it for the whole (A32).
 */
bool dialog_is_inside(const struct dialog *dialog);
void dialog_farewell(
    const struct dialog *dialog, enum dialog_farewell farewell, struct buffer *to_client);

/* Overwrites everything: it may have held credentials. */
void dialog_deinit(struct dialog *dialog);

/* ---- For the protocols ---- */

/* A fresh set of actions over the two buffers. */
struct actions actions_of(struct buffer *to_client, struct buffer *to_server);

/*
 * Text for one side. What does not fit is a fault of ours: then nothing of the call goes out and
 * the session ends. A line for the client has its NULs and CRs turned into blanks.
 */
void dialog_reply(struct actions *actions, struct slice line);   /* + CRLF, to the client */
void dialog_say(struct actions *actions, struct slice text);     /* a part of a line */
void dialog_forward(struct actions *actions, struct slice line); /* + CRLF, to the server */
void dialog_forward_part(struct actions *actions, struct slice text);

/* Closes now. */
void dialog_close(struct dialog *dialog, struct actions *actions, enum reason reason);

/*
 * Says the farewell and closes, as soon as every answer that is owed has gone out: the client could
 * take the farewell for one of them, and would send again what was taken already (C60).
 */
void dialog_close_with(struct dialog *dialog, struct actions *actions,
    enum dialog_farewell farewell, enum reason reason);

/* The backend's words cannot be read, so no more of them will be: says so and closes now. */
void dialog_break_off(struct dialog *dialog, struct actions *actions, enum reason reason);

/* Counts a bad command; at the limit it closes with the farewell (C60). */
void dialog_count_bad(struct dialog *dialog, struct actions *actions);

/* A message was taken or a login accepted: what was bad before is forgotten, as Postfix does. */
void dialog_forgive(struct dialog *dialog);

/* Login words are withheld: TLS is not up and the policy wants it for logins. */
bool dialog_hides_login(const struct dialog *dialog);

/* STARTTLS is ours to offer now. */
bool dialog_offers_tls(const struct dialog *dialog);

/*
 * What stands behind STARTTLS in the same input decides (C17, C18): nothing, or the first byte of a
 * TLS handshake, lets TLS start; anything else was injected.
 */
bool dialog_may_start_tls(struct slice behind);

/* ---- The name of the login, for the log (dialog_login.c) ---- */

/* All that was said is forgotten. */
void dialog_forget_user(struct dialog *dialog);

/* A new attempt: what an earlier one was called is no name of this one. */
void dialog_begin_login(struct dialog *dialog);

/* The attempt's name, cut to its maximum. What holds control characters is none. */
void dialog_set_user(struct dialog *dialog, struct slice user);

/* The same in pieces. Until the last one is confirmed it is not the log's: begin_login drops it. */
void dialog_gather_user(struct dialog *dialog, struct slice octets);
void dialog_confirm_user(struct dialog *dialog);

/* The backend has accepted the login in hand. */
void dialog_accept_login(struct dialog *dialog);

/*
 * A SASL exchange begins, with its initial response or none (empty); and its further responses.
 * The first of them names the user; the others are not looked at.
 */
void dialog_begin_exchange(struct dialog *dialog, struct slice mechanism, struct slice response);
void dialog_take_response(struct dialog *dialog, struct slice response);

/* The first line looks like HTTP, or begins with 0x16 (TLS): see C12, C61. */
bool dialog_is_http(struct slice line);

#endif
