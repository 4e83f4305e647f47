/*
 * What is known of each protocol outside the grammar: one constant row of a table, for any thread.
 * What differs by protocol alone is asked of its row, and nowhere else is there a switch. A new
 * protocol is a word in CONFIG_PROTOCOLS (mailmux/config.h), its row in
 * policy/config_protocols.c, and its grammar in backend/route.c.
 */
#ifndef MAILMUX_CONFIG_PROTOCOLS_H
#define MAILMUX_CONFIG_PROTOCOLS_H

#include "mailmux/config.h"

/* What shows that a server takes no password on its connection. */
enum protocol_logins {
    PROTOCOL_LOGINS_OPTIONAL,       /* nothing: mail is accepted without a login */
    PROTOCOL_LOGINS_BY_ANY,         /* it offers no mechanism at all */
    PROTOCOL_LOGINS_BY_PASSWORD,    /* it offers none that takes a password */
    PROTOCOL_LOGINS_UNLESS_DISABLED /* it says LOGINDISABLED */
};

/* A port on which the protocol is expected, and how its TLS begins there. */
struct standard_port {
    uint16_t port;
    enum config_protocol protocol; /* of the row */
    enum config_listener_tls tls;
};
enum { STANDARD_PORTS_MAX = 2 }; /* of one protocol */

struct config_protocol_row {
    const char *speech;                             /* what is spoken, as people write it: "SMTP" */
    const char *greeting;                           /* how a server that is ready begins: "220" */
    enum config_protocol spoken;                    /* toward servers: submission is smtp there */
    struct standard_port ports[STANDARD_PORTS_MAX]; /* port 0: there is none */
    enum protocol_logins logins;
    bool carries_mail;          /* clients send mail: rules for messages and recipients hold */
    bool is_relayed;            /* a server may send that mail on, to any domain */
    bool is_exchange;           /* the clients are mail servers of others, which know no better */
    enum send_address identity; /* how its own commands name the client: XCLIENT, ID or NONE */
    bool identity_tells_tls;    /* and whether they say that the client speaks TLS */
    bool has_short_idle;        /* a silent client is left after pop3_idle, else after imap_idle */
    uint64_t greeting_ms;       /* how long a server may take for its greeting by default */
    const char *login_why;      /* see login_advice_why and login_advice_remedy */
    const char *login_remedy;
};

/* Returns the row of the protocol. */
const struct config_protocol_row *config_protocol_row(enum config_protocol protocol);

/* Returns the protocol's word in proxy.ini. A constant. */
const char *config_protocol_name(enum config_protocol protocol);

/* Returns the protocol toward servers: submission is smtp there, only its clients differ. */
enum config_protocol config_protocol_spoken(enum config_protocol protocol);

/* Returns whether its clients can do something only after a login, or log in as a rule. */
bool config_protocol_has_logins(enum config_protocol protocol);

/* Returns what is expected on a port, or NULL if nothing is known of it. */
const struct standard_port *standard_port_find(uint16_t port);

/*
 * Returns the port on which clients that speak the same begin with TLS, or NULL if there is none.
 */
const struct standard_port *standard_port_implicit(enum config_protocol protocol);

#endif
