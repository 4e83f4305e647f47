/* The settings of [listener NAME]. */
#include "directive_rows.h"

#define WORD(name, word) {(word), CONFIG_PROTOCOL_##name},
static const struct choice protocols[] = {
    CONFIG_PROTOCOLS(WORD){"auto", CONFIG_PROTOCOL_AUTO}, {NULL, 0}};
#undef WORD
static const struct choice listener_tls[] = {{"starttls", LISTENER_TLS_STARTTLS},
    {"implicit", LISTENER_TLS_IMPLICIT}, {"none", LISTENER_TLS_NONE}, {"auto", LISTENER_TLS_AUTO},
    {NULL, 0}};
static const struct choice require_tls[] = {
    {"no", REQUIRE_TLS_NO}, {"auth", REQUIRE_TLS_AUTH}, {"yes", REQUIRE_TLS_YES}, {NULL, 0}};
static const struct choice smugglings[] = {{"look-alikes", SMUGGLING_LOOK_ALIKES},
    {"strict", SMUGGLING_STRICT}, {"pass", SMUGGLING_PASS}, {NULL, 0}};
static const struct choice early_talkers[] = {
    {"hold", EARLY_TALKER_HOLD}, {"refuse", EARLY_TALKER_REFUSE}, {NULL, 0}};

static const struct directive rows[] = {
    {SECTION_LISTENER, "bind", VALUE_BIND, FIELD(config_listener, bind_count), .is_list = true,
        .default_text = "none; only a listener that a route names may be without it",
        .help =
            "The addresses and ports to listen on. An IPv6 address stands in brackets; *:25 "
            "means 0.0.0.0:25 and [::]:25. systemd:NAME means the sockets that a .socket unit of "
            "systemd hands over by this FileDescriptorName; protocol and tls follow from their "
            "ports."},
    {SECTION_LISTENER, "freebind", VALUE_CHOICE, FIELD(config_listener, freebind),
        .choices = no_or_yes, .fallback = "no",
        .help = "Whether the addresses in bind may be ones that this machine does not have yet, "
                "or has at times only: an address that moves between two machines, or one that a "
                "network sets up after the start (IP_FREEBIND). With no, the start fails."},
    {SECTION_LISTENER, "protocol", VALUE_CHOICE, FIELD(config_listener, protocol),
        .choices = protocols, .default_text = "that of the standard port, or of the name",
        .help =
            "What clients speak here. It may be left out on the standard ports: 25 and 2525 "
            "are smtp, 587 and 465 submission, 24 lmtp, 110 and 995 pop3, 143 and 993 imap, 4190 "
            "managesieve; and, without bind, where the listener has the name of its protocol. "
            "auto: several "
            "protocols; route says where each client goes. What is said of SMTP holds for "
            "lmtp, too."},
    {SECTION_LISTENER, "route", VALUE_ROUTES, FIELD(config_listener, route_count), .is_list = true,
        .default_text = "none",
        .help = "protocol = auto: CONDITION -> TARGET, tried in their order; the first that is for "
                "a client is taken. Conditions: alpn NAME, sni NAME (*.NAME is every name below), "
                "tls (the client begins with TLS), first smtp, lmtp, imap, pop3, managesieve, http "
                "or ssh (its first words, in clear), from IP/BITS, default. Targets: the name of a "
                "listener, whose settings then hold; pass HOST:PORT, which takes the connection "
                "unread, with send_client_address=proxy-v2 or proxy-v1 behind it if it wants a "
                "PROXY header; pass backend NAME; refuse. Clients that no route is for are "
                "refused."},
    {SECTION_LISTENER, "sniff", VALUE_DURATION, FIELD(config_listener, sniff), .min = 10,
        .max = MINUTE, .fallback = "300ms",
        .help = "With protocol = auto or tls = auto: how long a client may be silent before it is "
                "taken for one that waits for a greeting. One that has begun to speak has longer: "
                "handshake for its TLS, and line for its first line."},
    {SECTION_LISTENER, "tls", VALUE_CHOICE, FIELD(config_listener, tls), .choices = listener_tls,
        .default_text = "implicit on ports 465, 993 and 995, auto without bind, else starttls",
        .help = "starttls: in clear until the client asks for TLS with STARTTLS or STLS. implicit: "
                "TLS from the first byte. auto: implicit for a client that begins with TLS, and "
                "starttls for one that does not, or says nothing for the time of sniff. none: no "
                "TLS at all; the backend's own STARTTLS is hidden."},
    {SECTION_LISTENER, "require_tls", VALUE_CHOICE, FIELD(config_listener, require_tls),
        .choices = require_tls, .default_text = "auth where tls = starttls or auto, else no",
        .help = "What is refused before TLS. no: nothing. auth: logins. yes: everything except "
                "what leads to TLS; on port 25, other mail servers may not be able to do that. "
                "It has no meaning with tls = implicit."},
    {SECTION_LISTENER, "tls_set", VALUE_TLS_SETS, FIELD(config_listener, tls_set_count),
        .is_list = true, .default_text = "those for it (for in [tls NAME]), and [tls]",
        .help = "The sets of certificates to choose from, by the name that a client asks for; "
                "default is that of [tls]. The first set is for clients that ask for no name, or "
                "for a name that no set has. Without tls_set they are: the sets whose for names "
                "this listener, those whose for names its protocol, [tls] if it has a certificate "
                "or there is none before it, and for their host names alone the other sets whose "
                "for has some; each in the order of the file."},
    {SECTION_LISTENER, "strict_sni", VALUE_CHOICE, FIELD(config_listener, strict_sni),
        .choices = no_or_yes, .fallback = "no",
        .help = "Whether a client that asks for a name that no set has is turned away. A client "
                "that asks for no name is always served. With protocol = smtp every client is "
                "served, as other mail servers need not know the name."},
    {SECTION_LISTENER, "smuggling", VALUE_CHOICE, FIELD(config_listener, smuggling),
        .choices = smugglings, .fallback = "look-alikes",
        .help = "SMTP: which line ends inside a message are refused. A lax server might take "
                "them for the end of the message, and what follows for commands. look-alikes: a "
                "dot between line ends that are not CRLF. strict: every CR or LF that stands "
                "alone. pass: none."},
    {SECTION_LISTENER, "smuggling_exempt", VALUE_CIDRS, FIELD(config_listener, smuggling_exempt),
        .is_list = true,
        .help = "SMTP: networks of clients that get smuggling = pass: printers and scripts "
                "inside that end their lines with a bare LF. Postfix exempts its mynetworks in "
                "the same way. Where a PROXY header is required, the address in it counts."},
    {SECTION_LISTENER, "greeting_delay", VALUE_DURATION, FIELD(config_listener, greeting_delay),
        .max = MINUTE, .fallback = "0s",
        .help = "How long the greeting is held back, to find clients that do not wait for it. "
                "With early_talker = refuse, some seconds turn many spam robots away."},
    {SECTION_LISTENER, "early_talker", VALUE_CHOICE, FIELD(config_listener, early_talker),
        .choices = early_talkers, .fallback = "hold",
        .help = "What happens to a client that speaks before the greeting, or in TLS before it "
                "can have read the greeting. hold: its words wait. refuse: it is turned away. "
                "One that begins TLS with tls = auto, or that a route has led here by its first "
                "words, is always served."},
    {SECTION_LISTENER, "backend", VALUE_BACKEND, FIELD(config_listener, backend),
        .default_text = "none; it must be given, unless protocol = auto",
        .help = "The name of the [backend NAME] that serves these clients; or HOST:PORT, which is "
                "a backend of one server, with send_client_address=... behind it if it learns "
                "the client's address."},
    {SECTION_LISTENER, "accept_proxy_from", VALUE_CIDRS, FIELD(config_listener, accept_proxy_from),
        .is_list = true,
        .help = "Networks of the load balancers in front of mailmux. A connection from there "
                "must begin with a PROXY header (version 1 or 2), and mailmux believes the "
                "client's address in it. From everywhere else the address of the connection "
                "counts."},
    {SECTION_LISTENER, "relay_domains", VALUE_DOMAINS, FIELD(config_listener, relay_domains),
        .is_list = true, .default_text = "every domain",
        .help = "SMTP: the domains that clients may send mail to before they have logged in; "
                "*.example.org means every domain below example.org. Recipients elsewhere are "
                "refused here and never reach the server, even if it trusts mailmux. So are "
                "addresses that the server might take for a route (user%other@domain, "
                "other!user@domain, source routes)."},
};

const struct directive_rows directives_of_listener = {rows, sizeof(rows) / sizeof(rows[0])};
