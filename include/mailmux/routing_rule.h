/*
 * One rule of a listener that serves several protocols on one port (`route`): which clients it is
 * for. Policy reads rules, and grammar/routing.c applies them. Plain values; any thread.
 */
#ifndef MAILMUX_ROUTING_RULE_H
#define MAILMUX_ROUTING_RULE_H

#include "mailmux/cidr.h"

enum routing_key {
    ROUTING_ALPN,   /* the ClientHello offers this protocol */
    ROUTING_SNI,    /* the ClientHello asks for this host name */
    ROUTING_TLS,    /* the client begins with TLS */
    ROUTING_FIRST,  /* the client's first words are of this protocol */
    ROUTING_FROM,   /* the client's address is in this network */
    ROUTING_DEFAULT /* every client */
};

/* The protocols that are known by the first words of a client. */
enum routing_first {
    ROUTING_FIRST_SMTP,        /* EHLO, HELO */
    ROUTING_FIRST_LMTP,        /* LHLO */
    ROUTING_FIRST_IMAP,        /* a tag, and a command behind it */
    ROUTING_FIRST_POP3,        /* CAPA, USER, APOP, AUTH, STLS */
    ROUTING_FIRST_MANAGESIEVE, /* AUTHENTICATE, STARTTLS, CAPABILITY */
    ROUTING_FIRST_HTTP,        /* a method */
    ROUTING_FIRST_SSH          /* SSH- */
};

struct routing_rule {
    enum routing_key key;
    /*
     * ALPN: the name. SNI: the host name in lower case, or "*." and one for every name below it.
     * Borrowed from the configuration; NULL with the other keys.
     */
    const char *text;
    enum routing_first first;
    struct cidr from;
};

#endif
