#include "mailmux/login_advice.h"

const char *login_advice_why(enum config_protocol protocol)
{
    switch (protocol) {
    case CONFIG_PROTOCOL_SMTP:
    case CONFIG_PROTOCOL_SUBMISSION:
        return "it wants TLS for logins or mail (no AUTH, or 530), and the connection to it has "
               "none: its users cannot log in";
    case CONFIG_PROTOCOL_IMAP:
        return "it wants TLS for logins (LOGINDISABLED), and the connection to it has none: its "
               "users cannot log in, and read that their password was exposed";
    case CONFIG_PROTOCOL_POP3:
        return "it wants TLS for logins (CAPA without USER, SASL PLAIN or LOGIN), and the "
               "connection to it has none: its users cannot log in";
    }
    return "";
}

const char *login_advice_remedy(enum config_protocol protocol)
{
    switch (protocol) {
    case CONFIG_PROTOCOL_SMTP:
    case CONFIG_PROTOCOL_SUBMISSION:
        return "tls = starttls; or at the server (Postfix: smtpd_tls_auth_only = no, "
               "smtpd_tls_security_level = may); or send_client_address = proxy-v2 with proxy_tlvs "
               "= ssl if it heeds that, which Postfix does not";
    case CONFIG_PROTOCOL_IMAP:
    case CONFIG_PROTOCOL_POP3:
        return "tls = starttls; or send_client_address = proxy-v2 with proxy_tlvs = ssl; or at the "
               "server (Dovecot: this machine in login_trusted_networks, or disable_plaintext_auth "
               "= no)";
    }
    return "";
}

bool login_advice_is_told(const struct config_backend *backend)
{
    return backend->send_client_address == SEND_ADDRESS_PROXY_V2 &&
           (backend->proxy_tlvs & (unsigned)PROXY_TLV_SSL) != 0;
}
