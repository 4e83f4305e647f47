/*
 * The state of one proxied conversation, from the backend's greeting to the relay or the end. It is
 * fed bytes of either side and answers with text for both sides and with what the session is to do
 * next. Pure: no I/O, no clock, no heap. It lives in its session's memory; one thread.
 *
 * The contract that tests and fuzzers hold it to: however the bytes of one side are cut into
 * segments, the text that comes out and the order of what is asked for are the same. One difference
 * is meant: what stands in the same segment behind STARTTLS is an injection (C17).
 *
 * How the session drives it:
 *
 *     dialog_start(greeting)                            with the greeting of the server
 *     while (dialog_feed(side, bytes not yet used))     until it returns false for both sides
 *         queue actions.to_client and actions.to_server, then the passed bytes
 *         drop actions.used bytes, do actions.next
 *
 * Each function that takes actions may append text to both buffers. To each it appends at most as
 * many octets as it was given to read, and DIALOG_EXTRA more. The caller sees to it that both
 * buffers have that room.
 */
#ifndef MAILMUX_DIALOG_H
#define MAILMUX_DIALOG_H

#include "mailmux/buffer.h"
#include "mailmux/imap.h"
#include "mailmux/managesieve.h"
#include "mailmux/news.h"
#include "mailmux/pop3.h"
#include "mailmux/reason.h"
#include "mailmux/settings.h"
#include "mailmux/smtp.h"

enum dialog_side { DIALOG_CLIENT, DIALOG_SERVER };

enum {
    DIALOG_EXTRA = 4096,            /* octets that a call may append beyond its input */
    DIALOG_USER_MAX = 255,          /* octets of a user's name kept for the log */
    DIALOG_DISCARD_MAX = 64 * 1024, /* octets dropped of an over-long line; more end the session */
    DIALOG_TAG_MAX = 64,            /* octets of an IMAP tag */
    DIALOG_MECHANISM_MAX = 32,      /* octets of a SASL mechanism's name */
    DIALOG_ANSWER_MAX = 48          /* octets of the codes of an answer to a login */
};

/* What does not change during a session. Sessions share it; the configuration owns it. */
struct dialog_policy {
    struct slice hostname;        /* our name, in greetings and farewells */
    bool offers_tls;              /* we offer STARTTLS or STLS while TLS is not up */
    enum require_tls require_tls; /* while TLS is not up */
    enum smuggling smuggling;
    size_t line;               /* octets of a command line, its end included */
    size_t sasl_line;          /* octets of a line that begins or continues a SASL exchange */
    size_t literal;            /* octets of an IMAP literal before login */
    size_t reply;              /* octets of a reply of the backend */
    size_t reply_lines;        /* lines of one */
    unsigned bad_commands;     /* how many of them end the session */
    size_t relay_domain_count; /* SMTP: 0 lets a recipient's domain be any */
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
    DIALOG_START_TLS,    /* flush, start TLS on the client leg, call dialog_tls_started */
    DIALOG_RENEW_SERVER, /* dial the backend anew, then call dialog_server_renewed */
    DIALOG_RELAY,        /* the login is over, and so is the dialog: relay bytes both ways */
    DIALOG_CLOSE         /* flush, then close both legs with actions.reason */
};

/* What one call has said, and what it asks for. */
struct actions {
    struct buffer *to_client; /* lent by the session */
    struct buffer *to_server;
    size_t used; /* octets of the input that are dealt with */
    bool pass;   /* they go to the other side as they are, behind the text */
    enum dialog_next next;
    bool renew_server; /* with START_TLS: dial again, as the backend must forget the plaintext */
    bool leave_server; /* end the backend's connection now; the client is served on without it */
    bool fault;        /* private to the grammar: a text did not fit, and dialog.c takes all back */
    enum reason reason;      /* with CLOSE */
    struct dialog_news news; /* for the log */
};

/* How the next bytes of the client are taken. */
enum dialog_mode {
    DIALOG_LINES,   /* one command line at a time */
    DIALOG_COUNTED, /* `count` octets that pass as they are: a literal, BDAT */
    DIALOG_SKIPPED, /* `count` octets of something refused */
    DIALOG_MESSAGE, /* message data up to CRLF.CRLF */
    DIALOG_DISCARD, /* the rest of an over-long line is dropped */
    DIALOG_HELD,    /* a barrier: they wait until the backend has answered */
    DIALOG_ENDING,  /* they are ignored: the end comes behind the answers that are owed */
    DIALOG_OVER     /* they are ignored: the dialog has asked for the end */
};

/*
 * Whether the backend lets clients log in on this connection, as far as its words tell. This is for
 * the log alone: the client hears the words themselves.
 */
enum dialog_logins {
    DIALOG_LOGINS_UNTOLD,
    DIALOG_LOGINS_OFFERED,
    DIALOG_LOGINS_MISSING, /* SMTP: no AUTH, which is right for a server that receives mail */
    DIALOG_LOGINS_REFUSED  /* it takes none without TLS */
};

/* Our last word to a client. The texts are the protocols' own. */
enum dialog_farewell {
    FAREWELL_NO_BACKEND,
    FAREWELL_SERVER_LOST,
    FAREWELL_TIMEOUT,
    FAREWELL_SHUTDOWN,
    FAREWELL_TOO_MANY_SESSIONS,
    FAREWELL_TOO_MANY_ERRORS,
    FAREWELL_LINE_TOO_LONG,
    FAREWELL_PROTOCOL,     /* the backend broke the protocol */
    FAREWELL_EARLY_TALKER, /* the client spoke before the greeting */
    FAREWELL_REFUSED,      /* the client did what looks like an attack */
    FAREWELL_UNSAID        /* no text: the last word was said in another way */
};

/* What a backend's greeting says [RFC 5321 3.1, RFC 9051 7.1, RFC 1939 4]. */
enum greeting {
    GREETING_MORE,    /* not all of it is there */
    GREETING_READY,   /* 220, * OK, +OK, OK */
    GREETING_PREAUTH, /* * PREAUTH */
    GREETING_REFUSED, /* 4yz, 5yz, * BYE, NO or BAD, -ERR: another server may be better */
    GREETING_LARGE,   /* it begins as one of these, and is longer than its limit */
    GREETING_WRONG    /* it is none of this protocol */
};

/* How the two sides of a relay have parted, as far as their last lines tell. */
enum last_words {
    LAST_WORDS_NONE,     /* neither has said goodbye */
    LAST_WORDS_QUIT,     /* the client has said QUIT or LOGOUT, and nothing after it */
    LAST_WORDS_ANSWERED, /* and the server has answered that */
    LAST_WORDS_SERVER    /* the server has said goodbye unasked */
};

struct dialog_rules;
struct opening_words;

/* One protocol: a constant, for any thread. A new protocol is one more of these. */
struct protocol {
    const char *name;        /* in logs: "smtp" */
    const char *const *alpn; /* names that a client may offer, NULL-terminated; the first is ours */
    bool relays_after_login; /* else it stays a dialog to its end */
    bool is_lmtp;            /* of the two that dialog->of.smtp is for */

    /*
     * Judges the server's greeting at the start of `in`. *used: its octets; it is not written on
     * GREETING_MORE. limit: octets from which on a greeting is GREETING_LARGE.
     */
    enum greeting (*greeting)(struct slice in, size_t limit, size_t *used);

    /*
     * Judges the end of a relay by the last octets of each side: did the client say goodbye, or the
     * server? The octets may begin in the middle of a line. NULL: the protocol has no relay.
     */
    enum last_words (*last_words)(struct slice client, struct slice server);

    const struct dialog_rules *dialog;   /* how a dialog goes on (grammar/dialog_parts.h) */
    const struct opening_words *opening; /* what we say to a server (grammar/opening_parts.h) */
};

/*
 * A user's name as the client gave it. It is empty if the client gave none, or if what it gave may
 * be a secret.
 */
struct dialog_name {
    char text[DIALOG_USER_MAX];
    size_t n;
};

/* Sessions read mode, logged_in, logins and user, and set smuggling and tls_unavailable. */
struct dialog {
    const struct protocol *protocol;
    const struct dialog_policy *policy;
    struct dialog_legs legs;
    enum smuggling smuggling; /* the policy's, unless the client is exempt from it */
    enum dialog_mode mode;    /* of the client's input */
    uint64_t count;           /* octets: left, if COUNTED or SKIPPED; dropped, if DISCARD */
    bool tls;                 /* on the client leg */
    bool tls_unavailable;     /* STARTTLS gets a temporary no (C34) */
    bool started;             /* the client has given a first line; since TLS, if there is TLS */
    bool first;               /* the line that is handled now is that first one */
    bool in_exchange;         /* the backend waits for the client's next line of a SASL exchange */
    bool is_cancelled;        /* that line was "*": the backend must refuse the exchange */
    bool logged_in;
    enum dialog_logins logins;
    bool cut_short; /* the dialog was closed inside message data, a chunk or a literal */
    enum dialog_farewell last_word; /* while ENDING */
    enum reason last_reason;
    unsigned bad_commands;      /* since the last message or login */
    struct dialog_name user;    /* for the log, escaped there: of the login, or the last attempt */
    struct dialog_name attempt; /* of the last attempt, which may have come after a login */
    bool attempt_named;         /* that is its name; else its beginning, or what may be a secret */
    bool login_under_way;       /* the backend has an attempt to log in that it has not answered */
    const char *method;         /* of the last attempt: its mechanism, for the log */
    unsigned failures;          /* attempts that have failed */
    char answer[DIALOG_ANSWER_MAX]; /* to the last one: word and codes */
    size_t answer_len;
    const char *verb;                     /* the last command's, if it is a known one; else NULL */
    char mechanism[DIALOG_MECHANISM_MAX]; /* of a SASL exchange, until its first response is seen */
    size_t mechanism_len;
    char discarded[DIALOG_TAG_MAX + 8]; /* the beginning of the line that is being discarded */
    size_t discarded_len;
    char discarded_last; /* that line's last octet before its end; '}' announces a literal */
    union {
        struct smtp smtp;
        struct imap imap;
        struct pop3 pop3;
        struct managesieve managesieve;
    } of;
};

/* Makes a fresh dialog in the caller's memory. The protocol and the policy must outlive it. */
void dialog_init(struct dialog *dialog, const struct protocol *protocol,
    const struct dialog_policy *policy, struct dialog_legs legs);

/*
 * Overwrites the whole dialog, since it may have held credentials. The memory stays the caller's.
 */
void dialog_deinit(struct dialog *dialog);

/* Returns fresh actions for one call, over two buffers that the caller lends. */
struct actions actions_of(struct buffer *to_client, struct buffer *to_server);

/*
 * Gives the client the greeting of the server that was chosen: READY, PREAUTH, or REFUSED if no
 * other server is left. text: the whole greeting, as long as protocol->greeting has found it. Call
 * it first. Call it once more, with REFUSED, if a fresh connection is refused while the dialog goes
 * on.
 */
void dialog_start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions);

/*
 * Feeds the bytes that one side has said and that were not yet used. *actions is written anew; its
 * two buffers stay. Returns false if nothing was done, and more bytes or the other side must come
 * first.
 */
bool dialog_feed(
    struct dialog *dialog, enum dialog_side side, struct slice in, struct actions *actions);

/* Returns whether the client's bytes would be of use now. If not, the client is not to be read. */
bool dialog_wants_client(const struct dialog *dialog);

/*
 * Returns how many octets the client's line that begins with `in` may have, or 0 if its bytes are
 * no line now.
 */
size_t dialog_line_limit(const struct dialog *dialog, struct slice in);

/*
 * Call it when the backend has ended its side, or takes nothing any more, and all its words were
 * fed. Returns true if this was to be expected: *actions says what follows, and DIALOG_NOTHING
 * means that the client is served on without the backend. Returns false if the backend is lost;
 * nothing was done then. May be called more than once.
 */
bool dialog_server_ended(struct dialog *dialog, struct actions *actions);

/*
 * Returns whether the client may be waiting for the answer to a message whose end we have not seen.
 * Either what came last is an end to clients that use other line ends, and the message was refused
 * already; or the end lacks its last LF.
 */
bool dialog_waits_after_look_alike(const struct dialog *dialog);

/*
 * Returns whether a look-alike has passed to the backend, whose reply alone can tell whether the
 * message ended there. A client that says no more may still be owed that reply.
 */
bool dialog_may_be_over(const struct dialog *dialog);

/*
 * Call it when the client or the backend has not done in time what it had to; reason says what. The
 * client gets the farewell FAREWELL_TIMEOUT, behind the answers that it is owed. If we waited for
 * one of these answers (REASON_TIMEOUT_REPLY), the farewell does not wait for them. If
 * dialog_waits_after_look_alike is true, the client gets the answer to its message instead.
 */
void dialog_expire(struct dialog *dialog, enum reason reason, struct actions *actions);

/*
 * Call it when a fresh connection to the backend is ready, after DIALOG_RENEW_SERVER or
 * actions.renew_server. It says to the new server again what has to be said there.
 */
void dialog_server_renewed(struct dialog *dialog, struct actions *actions);

/*
 * Call it when TLS is up on the client leg, after DIALOG_START_TLS. It forgets what was said in
 * plaintext.
 */
void dialog_tls_started(struct dialog *dialog);

/* Returns whether the client may give a command and none is under way: a farewell may be said. */
bool dialog_at_boundary(const struct dialog *dialog);

/*
 * Returns whether all that was asked of the backend is answered. Unlike at a boundary, the dialog
 * may be over.
 */
bool dialog_is_settled(const struct dialog *dialog);

/*
 * Returns whether the backend has a part of a message, chunk or literal, and must not take it for
 * the whole (A32).
 */
bool dialog_is_inside(const struct dialog *dialog);

/*
 * Returns whether the client has said QUIT or LOGOUT, and its answer is owed. Then it may leave
 * without it.
 */
bool dialog_is_quitting(const struct dialog *dialog);

/*
 * Returns the user's name of the last attempt to log in, as far as it is known to be one; it
 * borrows the dialog.
 */
struct slice dialog_attempted_user(const struct dialog *dialog);

/* Appends the farewell with our host name in it. Appends nothing if it does not fit. */
void dialog_farewell(
    const struct dialog *dialog, enum dialog_farewell farewell, struct buffer *to_client);

/* As dialog_farewell, for a client that has no dialog. */
void protocol_farewell(const struct protocol *protocol, enum dialog_farewell farewell,
    struct slice hostname, struct buffer *to_client);

/* Ends the dialog: it asks for DIALOG_CLOSE with this reason. */
void dialog_close(struct dialog *dialog, struct actions *actions, enum reason reason);

#endif
