#include "visit_advice.h"

#include "logins.h"
#include "mailmux/config_protocols.h"
#include "mailmux/login_advice.h"
#include "smtp_path.h"
#include <string.h>

enum { DAY_S = 24 * 60 * 60 };

#define ERROR(...) visit_find(out, &counts->errors, "error", __VA_ARGS__)
#define WARNING(...) visit_find(out, &counts->warnings, "warning", __VA_ARGS__)
#define NOTE(...) visit_find(out, NULL, "note", __VA_ARGS__)

static const char *expected_protocol(const struct config_backend *backend)
{
    return config_protocol_row(backend->protocol)->speech;
}

/* Whether it begins with a reply code 4yz or 5yz, as SMTP servers have it. */
static bool is_refusing_code(struct slice words)
{
    bool is_followed = words.n == 3 || (words.n > 3 && (words.p[3] == ' ' || words.p[3] == '-'));
    uint64_t code;

    return is_followed && slice_number(slice_of(words.p, 3), 599, &code) && code >= 400;
}

/* The protocol that a server speaks, by its first words. NULL: it cannot be told. */
static const char *greeted_protocol(struct slice words)
{
    for (size_t i = 0; i < CONFIG_PROTOCOL_COUNT; i++) {
        const struct config_protocol_row *row = config_protocol_row((enum config_protocol)i);

        if (slice_starts(words, slice_from(row->greeting)))
            return row->speech;
    }
    if (is_refusing_code(words))
        return "SMTP";
    if (slice_starts(words, SLICE("-ERR")))
        return "POP3";
    return slice_starts(words, SLICE("SSH-")) ? "SSH" : NULL;
}

/* Another protocol whose servers greet with the same words. NULL: there is none. */
static const char *twin_protocol(const struct config_backend *backend)
{
    const struct config_protocol_row *row = config_protocol_row(backend->protocol);

    for (size_t i = 0; i < CONFIG_PROTOCOL_COUNT; i++) {
        const struct config_protocol_row *other = config_protocol_row((enum config_protocol)i);

        if (other->spoken != row->spoken && strcmp(other->greeting, row->greeting) == 0)
            return other->speech;
    }
    return NULL;
}

/* ---- The server could not be spoken to ---- */

static void advise_certificate(const struct visit *visit, const struct probe_result *result,
    FILE *out, struct visit_counts *counts)
{
    const struct config_backend *backend = visit_backend(visit);
    const char *name = backend->tls_name ? backend->tls_name : visit->server->host;

    if (backend->pins.count > 0 && !backend->ca) {
        ERROR("the key of its certificate is none of those in pin; write that of the server, if it "
              "is the server");
        return;
    }
    switch (result->tls_fault) {
    case TLS_FAULT_EXPIRED:
        ERROR("its certificate has expired; renew it at the server (pin = sha256:... would take "
              "its key at any date)");
        break;
    case TLS_FAULT_NAME:
        ERROR("its certificate is not for %s; write tls_name = and a name that it is for, or give "
              "the server one for %s",
            name, name);
        break;
    case TLS_FAULT_NONE:
    case TLS_FAULT_TRUST:
        ERROR("no trusted authority vouches for its certificate (%s); write ca = FILE with the "
              "authority that has signed it, or pin = sha256:...",
            result->why);
        break;
    }
}

static void advise_other_header(const struct visit *visit, FILE *out, struct visit_counts *counts)
{
    if (visit_sends_header(visit))
        ERROR("the server does not expect the PROXY header that it gets; turn it on there "
              "(Postfix: smtpd_upstream_proxy_protocol = haproxy; Dovecot: haproxy = yes and "
              "haproxy_trusted_networks), or write send_client_address = none here");
    else
        ERROR("the server expects a PROXY header and gets none; write send_client_address = "
              "proxy-v2 here, or turn it off there (Postfix: smtpd_upstream_proxy_protocol; "
              "Dovecot: haproxy)");
}

static void advise_other_tls(const struct visit *visit, FILE *out, struct visit_counts *counts)
{
    unsigned offers = visit_result(visit, VISIT_OTHER_TLS)->offers;

    if (visit_backend(visit)->tls != BACKEND_TLS_IMPLICIT)
        ERROR("on this port the server speaks TLS from the first byte; write tls = implicit here, "
              "or name its port for %s in clear",
            expected_protocol(visit_backend(visit)));
    else if (offers & (unsigned)OPENING_OFFERS_STARTTLS)
        ERROR("tls = implicit, and on this port the server begins in clear and offers STARTTLS; "
              "write tls = starttls, or name its port for TLS");
    else
        ERROR("tls = implicit, and on this port the server speaks in clear and offers no STARTTLS; "
              "name its port for TLS, or write tls = none if nobody else can read the traffic");
}

static void advise_opening(const struct visit *visit, const struct probe_result *result, FILE *out,
    struct visit_counts *counts)
{
    const char *expected = expected_protocol(visit_backend(visit));
    const char *greeted = greeted_protocol(result->first_word);
    const char *twin = twin_protocol(visit_backend(visit));

    if (result->failure == OPENING_NO_STARTTLS)
        ERROR("tls = starttls, and the server does not offer STARTTLS; turn TLS on there (Postfix: "
              "smtpd_tls_security_level = may; Dovecot: ssl = yes), or write tls = none if nobody "
              "else can read the traffic");
    else if (result->failure == OPENING_GREETING_REFUSED)
        ERROR("the server turns this machine away by its greeting; its own log may say why");
    else if (result->failure == OPENING_WRONG_PROTOCOL && greeted && strcmp(greeted, expected) != 0)
        ERROR("the server speaks %s on this port, and %s is expected; name the port of its %s "
              "service, or another protocol in the listener",
            greeted, expected, expected);
    else if (result->failure == OPENING_HELLO_REFUSED && twin)
        ERROR("the server greets and then %s; if it speaks %s on this port, name the port of its "
              "%s service, or another protocol in the listener",
            opening_verdict(result->failure)->text, twin, expected);
    else
        ERROR("the server %s", opening_verdict(result->failure)->text);
}

static void advise_failure(const struct visit *visit, const struct probe_result *result, FILE *out,
    struct visit_counts *counts)
{
    if (visit_explains(visit, VISIT_OTHER_HEADER)) {
        advise_other_header(visit, out, counts);
        return;
    }
    if (visit_explains(visit, VISIT_OTHER_TLS)) {
        advise_other_tls(visit, out, counts);
        return;
    }
    switch (opening_verdict(result->failure)->trouble) {
    case TROUBLE_NONE:
        break;
    case TROUBLE_OURS:
        ERROR("it cannot be probed: %s", result->why);
        break;
    case TROUBLE_NO_CONNECTION:
        if (address_family(&visit->address) == AF_UNIX)
            ERROR("it cannot be reached: %s; does the server listen on this path, and may the "
                  "user of mailmux pass through its directories and write to it?",
                result->why);
        else
            ERROR("it cannot be reached: %s; is the server running, is the address in %s:%u right, "
                  "and "
                  "does every firewall on the way allow it?",
                result->why, visit->server->origin.file, visit->server->origin.line);
        break;
    case TROUBLE_NO_WORD:
        ERROR("%s, with a PROXY header as without, and with TLS from the first byte as without; "
              "does the server accept this machine, and does it speak %s on this port?",
            result->why, expected_protocol(visit_backend(visit)));
        break;
    case TROUBLE_TLS:
        ERROR("%s; %s", result->why,
            result->hint[0] != '\0'
                ? result->hint
                : "do tls_policy and the server's versions and ciphers have any in common?");
        break;
    case TROUBLE_CERTIFICATE:
        advise_certificate(visit, result, out, counts);
        break;
    case TROUBLE_MISUNDERSTANDING:
    case TROUBLE_WORDS:
        advise_opening(visit, result, out, counts);
        break;
    }
}

/* ---- The server could be spoken to ---- */

static void advise_identity(const struct visit *visit, const struct probe_result *result, FILE *out,
    struct visit_counts *counts)
{
    const struct config_backend *backend = visit_backend(visit);
    bool takes_xclient = (result->offers & (unsigned)OPENING_OFFERS_XCLIENT) != 0;

    switch (backend->send_client_address) {
    case SEND_ADDRESS_XCLIENT:
        if (!(result->offers & (unsigned)OPENING_OFFERS_XCLIENT_ADDR))
            ERROR("send_client_address = xclient, and the server does not offer XCLIENT with ADDR "
                  "to this machine; name its address there (Postfix: "
                  "smtpd_authorized_xclient_hosts; Dovecot: login_trusted_networks)");
        break;
    case SEND_ADDRESS_ID:
        NOTE("whether the server believes the client's address in ID cannot be seen from here; "
             "Dovecot does where this machine's address is in its login_trusted_networks");
        break;
    case SEND_ADDRESS_NONE:
        if (takes_xclient)
            NOTE("the server would believe XCLIENT from this machine; send_client_address = "
                 "xclient would tell it who the clients are");
        else if (!config_protocol_row(backend->protocol)->carries_mail &&
                 backend->protocol != CONFIG_PROTOCOL_NONE)
            NOTE("whether the server trusts this machine more than other clients (Dovecot: "
                 "login_trusted_networks) cannot be seen from here");
        break;
    case SEND_ADDRESS_PROXY_V1:
    case SEND_ADDRESS_PROXY_V2:
        break;
    }
}

static void advise_tls(const struct visit *visit, const struct probe_result *result, FILE *out,
    struct visit_counts *counts)
{
    if (result->has_certificate && result->tls_seconds < 0)
        WARNING("its certificate has expired; renew it at the server");
    else if (result->has_certificate && result->tls_seconds < (int64_t)PROBE_EXPIRY_DAYS * DAY_S)
        WARNING("its certificate expires in %lld day%s; renew it at the server",
            (long long)(result->tls_seconds / DAY_S), result->tls_seconds / DAY_S == 1 ? "" : "s");
    if (result->has_tls && result->offers & (unsigned)OPENING_OFFERS_PLUS)
        WARNING("it offers a mechanism with -PLUS, which binds a login to its own TLS; mailmux "
                "hides it, turn channel binding off at the server");
}

/* ---- Logins ---- */

static void advise_logins(const struct visit *visit, const struct probe_result *result, FILE *out,
    struct visit_counts *counts)
{
    enum config_protocol protocol = visit_backend(visit)->protocol;
    const char *why = login_advice_why(protocol);
    const char *remedy = login_advice_remedy(protocol);

    const struct probe_result *stranger = visit_result(visit, VISIT_STRANGER);
    enum logins logins =
        logins_judge(visit_backend(visit), result, stranger ? &stranger->relay : NULL);

    if (logins == LOGINS_FINE)
        return;
    if (login_advice_is_told(visit_backend(visit)))
        NOTE("without TLS it takes no login; whether it takes note of proxy_tlvs = ssl, which "
             "tells it "
             "of clients that use TLS, cannot be seen from here (Dovecot does)");
    else if (logins == LOGINS_FEW)
        WARNING("%s, unless by another mechanism; write %s", why, remedy);
    else
        ERROR("%s; write %s", why, remedy);
}

/* ---- Relaying ---- */

static bool refuses_recipient(const struct config_listener *listener)
{
    const struct config_strings *domains = &listener->relay_domains;

    for (size_t i = 0; i < domains->count; i++) {
        if (smtp_domain_matches(SLICE(VISIT_RECIPIENT_DOMAIN), slice_from(domains->text[i])))
            return false;
    }
    return domains->count > 0;
}

/* The first listener of the backend that lets such a recipient through, or NULL. */
static const struct config_listener *find_open(const struct visit *visit)
{
    const struct config *config = snapshot_config(visit->snapshot);

    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].backend == visit->backend &&
            !refuses_recipient(&config->listeners[i]))
            return &config->listeners[i];
    }
    return NULL;
}

static const char *undecided_text(enum relay_reason reason)
{
    switch (reason) {
    case RELAY_FOR_NOTHING:
        return "it refuses this recipient for a reason of its own, which real mail might not meet";
    case RELAY_FOR_NOW:
        return "it refuses for the time being; try again later";
    case RELAY_FOR_TLS:
        return "it wants TLS first";
    case RELAY_FOR_LOGIN:
        return "it wants a login first";
    case RELAY_FOR_HELLO:
        return "it refuses the name in EHLO, which is hostname in [proxy]";
    case RELAY_FOR_CLIENT:
        return "it refuses the client's address, and clients at other addresses may be taken";
    case RELAY_FOR_SENDER:
        return "it refuses the sender, and other senders may be taken";
    case RELAY_FOR_RECIPIENT:
        return "it refuses this recipient for another reason, which a real one might not meet";
    }
    return "";
}

/* A server that wants a login first relays for no stranger: that is a note, and no warning. */
static void advise_undecided(
    const struct relay_answer *answer, FILE *out, struct visit_counts *counts)
{
    if (answer->reason == RELAY_FOR_LOGIN)
        NOTE("whether it relays is not known: %s", undecided_text(answer->reason));
    else
        WARNING("whether it relays is not known: %s", undecided_text(answer->reason));
}

static void advise_relay(const struct visit *visit, FILE *out, struct visit_counts *counts)
{
    const struct probe_result *result = visit_result(visit, VISIT_STRANGER);
    const struct config_listener *open = find_open(visit);
    bool is_told = visit_backend(visit)->send_client_address != SEND_ADDRESS_NONE;

    if (!result)
        return;
    if (!open)
        NOTE("relay_domains in every listener of this backend refuses %s before the server sees "
             "it",
            VISIT_RECIPIENT);
    switch (result->relay.judgement) {
    case RELAY_TAKEN:
        if (!open)
            NOTE("the server itself would take it: it relays for every client of this machine");
        else if (is_told)
            ERROR("the server is an open relay: it takes mail to %s from a stranger; name there "
                  "who may relay (Postfix: mynetworks, smtpd_relay_restrictions)",
                VISIT_RECIPIENT);
        else
            ERROR("through [listener %s] the server is an open relay: it takes mail to %s from "
                  "this machine, and every client comes to it from this machine; write "
                  "relay_domains = with its own domains in each listener, or send_client_address "
                  "= xclient or proxy-v2, or take this machine's address out of its trusted "
                  "networks (Postfix: mynetworks)",
                open->name, VISIT_RECIPIENT);
        break;
    case RELAY_UNDECIDED:
        if (open)
            advise_undecided(&result->relay, out, counts);
        break;
    case RELAY_NOT_TESTED:
        if (open)
            WARNING("whether it relays could not be tested");
        break;
    case RELAY_REFUSED:
        break;
    }
}

void visit_advise(const struct visit *visit, FILE *out, struct visit_counts *counts)
{
    const struct probe_result *result = visit_result(visit, VISIT_AS_CONFIGURED);

    if (result->failure != OPENING_FINE) {
        advise_failure(visit, result, out, counts);
        return;
    }
    advise_identity(visit, result, out, counts);
    advise_tls(visit, result, out, counts);
    advise_logins(visit, result, out, counts);
    advise_relay(visit, out, counts);
}
