/*
 * Settings that more than one layer has a word for: the configuration reads them, and grammar or
 * net does what they say. Plain enums, which every layer may use; what is decided in one place
 * alone is in config.h.
 */
#ifndef MAILMUX_SETTINGS_H
#define MAILMUX_SETTINGS_H

/* What a client may do before TLS is up. */
enum require_tls {
    REQUIRE_TLS_NO,   /* all */
    REQUIRE_TLS_AUTH, /* all but a login */
    REQUIRE_TLS_YES   /* come to TLS, or leave */
};

/* Which line ends in a message are refused, as a lax server may take them for its end. */
enum smuggling {
    SMUGGLING_LOOK_ALIKES, /* a dot between line ends that are not CRLF */
    SMUGGLING_STRICT,      /* every CR or LF that stands alone */
    SMUGGLING_PASS         /* none */
};

enum tls_policy {
    TLS_MODERN,       /* Mozilla 6.0: TLS 1.3 alone */
    TLS_INTERMEDIATE, /* Mozilla 6.0: TLS 1.2 with ECDHE and AEAD, and 1.3 */
    TLS_LEGACY        /* ours, for old peers: TLS 1.0 and up, CBC, security level 0 */
};

enum tls_version { TLS_VERSION_BY_POLICY, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

enum tls_client_certificate {
    TLS_CLIENT_CERTIFICATE_NONE,
    TLS_CLIENT_CERTIFICATE_REQUEST, /* asked for; a bad one is accepted and reported as such */
    TLS_CLIENT_CERTIFICATE_REQUIRE  /* only with one that client_ca signed */
};

/* How a server is told who the client is. */
enum send_address {
    SEND_ADDRESS_NONE,
    SEND_ADDRESS_PROXY_V1,
    SEND_ADDRESS_PROXY_V2,
    SEND_ADDRESS_XCLIENT, /* SMTP as Postfix, POP3 as Dovecot knows it */
    SEND_ADDRESS_ID       /* IMAP: the x- fields that Dovecot takes from peers that it trusts */
};

/* How far a connection to a server goes: a check to one of the first five, a session to the last.
 */
enum opening_goal {
    OPENING_NONE, /* there is no check */
    OPENING_CONNECT,
    OPENING_GREETING,
    OPENING_CAPABILITIES, /* what the server offers; before TLS where TLS is STARTTLS */
    OPENING_TLS,          /* the same behind TLS */
    OPENING_SESSION       /* ready for a client, of which the server then knows */
};

#endif
