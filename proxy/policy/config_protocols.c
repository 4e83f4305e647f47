#include "mailmux/config_protocols.h"

static const char smtp_why[] =
    "it wants TLS for logins or mail (no AUTH, or 530), and the connection to it has none: its "
    "users cannot log in";
static const char smtp_remedy[] =
    "tls = starttls; or at the server (Postfix: smtpd_tls_auth_only = no, "
    "smtpd_tls_security_level = may); or send_client_address = proxy-v2 with proxy_tlvs = ssl if "
    "it heeds that, which Postfix does not";
static const char lmtp_why[] =
    "it wants TLS for mail (530), and the connection to it has none: it takes no mail";
static const char lmtp_remedy[] = "tls = starttls; or at the server (Dovecot: ssl = yes)";
static const char pop3_why[] =
    "it wants TLS for logins (CAPA without USER, SASL PLAIN or LOGIN), and the connection to it "
    "has none: its users cannot log in";
static const char imap_why[] =
    "it wants TLS for logins (LOGINDISABLED), and the connection to it has none: its users cannot "
    "log in, and read that their password was exposed";
static const char managesieve_why[] =
    "it wants TLS for logins (SASL without PLAIN or LOGIN), and the connection to it has none: its "
    "users cannot log in";
static const char dovecot_remedy[] =
    "tls = starttls; or send_client_address = proxy-v2 with proxy_tlvs = ssl; or at the server "
    "(Dovecot: this machine in login_trusted_networks, or disable_plaintext_auth = no)";

enum {
    GREETING_MS = 10000,
    MAIL_GREETING_MS = 60000 /* it may legally be slow [RFC 5321 4.5.3.2.1] */
};

static const struct config_protocol_row rows[] = {
    [CONFIG_PROTOCOL_SMTP] = {.speech = "SMTP",
        .greeting = "220",
        .spoken = CONFIG_PROTOCOL_SMTP,
        .ports = {{25, CONFIG_PROTOCOL_SMTP, LISTENER_TLS_STARTTLS},
            {2525, CONFIG_PROTOCOL_SMTP, LISTENER_TLS_STARTTLS}},
        .logins = PROTOCOL_LOGINS_OPTIONAL,
        .carries_mail = true,
        .is_relayed = true,
        .is_exchange = true,
        .identity = SEND_ADDRESS_XCLIENT,
        .greeting_ms = MAIL_GREETING_MS,
        .login_why = smtp_why,
        .login_remedy = smtp_remedy},
    [CONFIG_PROTOCOL_SUBMISSION] = {.speech = "SMTP",
        .greeting = "220",
        .spoken = CONFIG_PROTOCOL_SMTP,
        .ports = {{587, CONFIG_PROTOCOL_SUBMISSION, LISTENER_TLS_STARTTLS},
            {465, CONFIG_PROTOCOL_SUBMISSION, LISTENER_TLS_IMPLICIT}},
        .logins = PROTOCOL_LOGINS_BY_ANY,
        .carries_mail = true,
        .is_relayed = true,
        .identity = SEND_ADDRESS_XCLIENT,
        .greeting_ms = MAIL_GREETING_MS,
        .login_why = smtp_why,
        .login_remedy = smtp_remedy},
    [CONFIG_PROTOCOL_LMTP] = {.speech = "LMTP",
        .greeting = "220",
        .spoken = CONFIG_PROTOCOL_LMTP,
        .ports = {{24, CONFIG_PROTOCOL_LMTP, LISTENER_TLS_STARTTLS}},
        .logins = PROTOCOL_LOGINS_OPTIONAL,
        .carries_mail = true,
        .identity = SEND_ADDRESS_XCLIENT,
        .greeting_ms = MAIL_GREETING_MS,
        .login_why = lmtp_why,
        .login_remedy = lmtp_remedy},
    [CONFIG_PROTOCOL_POP3] = {.speech = "POP3",
        .greeting = "+OK",
        .spoken = CONFIG_PROTOCOL_POP3,
        .ports = {{110, CONFIG_PROTOCOL_POP3, LISTENER_TLS_STARTTLS},
            {995, CONFIG_PROTOCOL_POP3, LISTENER_TLS_IMPLICIT}},
        .logins = PROTOCOL_LOGINS_BY_PASSWORD,
        .identity = SEND_ADDRESS_XCLIENT,
        .identity_tells_tls = true,
        .has_short_idle = true,
        .greeting_ms = GREETING_MS,
        .login_why = pop3_why,
        .login_remedy = dovecot_remedy},
    [CONFIG_PROTOCOL_IMAP] = {.speech = "IMAP",
        .greeting = "* ",
        .spoken = CONFIG_PROTOCOL_IMAP,
        .ports = {{143, CONFIG_PROTOCOL_IMAP, LISTENER_TLS_STARTTLS},
            {993, CONFIG_PROTOCOL_IMAP, LISTENER_TLS_IMPLICIT}},
        .logins = PROTOCOL_LOGINS_UNLESS_DISABLED,
        .identity = SEND_ADDRESS_ID,
        .identity_tells_tls = true,
        .greeting_ms = GREETING_MS,
        .login_why = imap_why,
        .login_remedy = dovecot_remedy},
    [CONFIG_PROTOCOL_MANAGESIEVE] = {.speech = "ManageSieve",
        .greeting = "\"",
        .spoken = CONFIG_PROTOCOL_MANAGESIEVE,
        .ports = {{4190, CONFIG_PROTOCOL_MANAGESIEVE, LISTENER_TLS_STARTTLS}},
        .logins = PROTOCOL_LOGINS_BY_PASSWORD,
        .identity = SEND_ADDRESS_XCLIENT,
        .identity_tells_tls = true,
        .greeting_ms = GREETING_MS,
        .login_why = managesieve_why,
        .login_remedy = dovecot_remedy},
    [CONFIG_PROTOCOL_AUTO] = {.speech = "",
        .greeting = "",
        .spoken = CONFIG_PROTOCOL_AUTO,
        .logins = PROTOCOL_LOGINS_OPTIONAL,
        .greeting_ms = GREETING_MS,
        .login_why = "",
        .login_remedy = ""},
    [CONFIG_PROTOCOL_NONE] = {.speech = "",
        .greeting = "",
        .spoken = CONFIG_PROTOCOL_NONE,
        .logins = PROTOCOL_LOGINS_OPTIONAL,
        .greeting_ms = GREETING_MS,
        .login_why = "",
        .login_remedy = ""},
};

#define WORD(name, word) [CONFIG_PROTOCOL_##name] = (word),
static const char *const words[] = {
    CONFIG_PROTOCOLS(WORD)[CONFIG_PROTOCOL_AUTO] = "auto", [CONFIG_PROTOCOL_NONE] = "none"};
#undef WORD

_Static_assert(
    sizeof(rows) / sizeof(rows[0]) == sizeof(words) / sizeof(words[0]), "each protocol has a row");

const struct config_protocol_row *config_protocol_row(enum config_protocol protocol)
{
    return &rows[protocol];
}

const char *config_protocol_name(enum config_protocol protocol)
{
    return words[protocol];
}

enum config_protocol config_protocol_spoken(enum config_protocol protocol)
{
    return rows[protocol].spoken;
}

bool config_protocol_has_logins(enum config_protocol protocol)
{
    return rows[protocol].logins != PROTOCOL_LOGINS_OPTIONAL;
}

const struct standard_port *standard_port_find(uint16_t port)
{
    for (size_t i = 0; i < CONFIG_PROTOCOL_COUNT; i++) {
        for (size_t j = 0; j < STANDARD_PORTS_MAX; j++) {
            if (rows[i].ports[j].port == port && port != 0)
                return &rows[i].ports[j];
        }
    }
    return NULL;
}

const struct standard_port *standard_port_implicit(enum config_protocol protocol)
{
    for (size_t i = 0; i < CONFIG_PROTOCOL_COUNT; i++) {
        for (size_t j = 0; j < STANDARD_PORTS_MAX; j++) {
            const struct standard_port *port = &rows[i].ports[j];

            if (port->port != 0 && port->tls == LISTENER_TLS_IMPLICIT &&
                rows[i].spoken == rows[protocol].spoken)
                return port;
        }
    }
    return NULL;
}
