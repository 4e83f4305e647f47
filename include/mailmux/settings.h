/*
 * Settings that more than one layer uses: policy reads them, and grammar, net or backend does what
 * they say. These are plain enums, which every layer may include. Settings that one layer alone
 * uses are in config.h.
 */
#ifndef MAILMUX_SETTINGS_H
#define MAILMUX_SETTINGS_H

/* What a client may do before TLS is up. */
enum require_tls {
    REQUIRE_TLS_NO,   /* everything */
    REQUIRE_TLS_AUTH, /* everything but log in */
    REQUIRE_TLS_YES   /* only begin TLS, or leave */
};

/* What is refused in a message, as a lax server may take it for the end of the message. */
enum smuggling {
    SMUGGLING_LOOK_ALIKES, /* a dot between line ends that are not CRLF */
    SMUGGLING_STRICT,      /* every CR or LF that stands alone */
    SMUGGLING_PASS         /* nothing */
};

enum tls_policy {
    TLS_MODERN,       /* Mozilla's guideline 6.0: TLS 1.3 only */
    TLS_INTERMEDIATE, /* Mozilla's guideline 6.0: TLS 1.2 with ECDHE and AEAD, and TLS 1.3 */
    TLS_LEGACY        /* mailmux's own, for old peers: TLS 1.0 and up, CBC, security level 0 */
};

enum tls_version { TLS_VERSION_BY_POLICY, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

enum tls_client_certificate {
    TLS_CLIENT_CERTIFICATE_NONE,
    TLS_CLIENT_CERTIFICATE_REQUEST, /* it is asked for; a bad one is accepted, and logged as bad */
    TLS_CLIENT_CERTIFICATE_REQUIRE  /* a client needs one that client_ca has signed */
};

/* How a server learns the address of the client. */
enum send_address {
    SEND_ADDRESS_NONE,
    SEND_ADDRESS_PROXY_V1,
    SEND_ADDRESS_PROXY_V2,
    SEND_ADDRESS_XCLIENT, /* of SMTP as in Postfix, of POP3 as in Dovecot */
    SEND_ADDRESS_ID       /* IMAP: the x- fields that Dovecot takes from peers that it trusts */
};

/* How far an approach to a server goes. A check has one of the first five, a session the last. */
enum opening_goal {
    OPENING_NONE, /* there is no check */
    OPENING_CONNECT,
    OPENING_GREETING,
    OPENING_CAPABILITIES, /* what the server offers; with STARTTLS, before it */
    OPENING_TLS,          /* what the server offers; with STARTTLS, behind it */
    OPENING_SESSION       /* ready for the client, whose identity the server then knows */
};

#endif
