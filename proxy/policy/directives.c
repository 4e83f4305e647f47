#include "mailmux/directives.h"

#include "mailmux/config.h"

/* Where a row stores its value: a field of a section's struct. */
#define FIELD(type, member)                                                                        \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define KILO UINT64_C(1024)

#define TIMEOUT(field, low, high, text, about)                                                     \
    {                                                                                              \
        SECTION_TIMEOUTS, #field, VALUE_DURATION, FIELD(config_timeouts, field),                   \
            .min = (low), .max = (high), .fallback = (text), .help = (about)                       \
    }
#define LIMIT(field, kind, low, high, text, about)                                                 \
    {                                                                                              \
        SECTION_LIMITS, #field, kind, FIELD(config_limits, field),                                 \
            .min = (low), .max = (high), .fallback = (text), .help = (about)                       \
    }

#define ONE(kind_name, word_text, field, about)                                                    \
    [kind_name] = {kind_name, SECTION_HAS_NO_NAME, false, word_text,                               \
        offsetof(struct config, field), 0, sizeof(struct config_##field), about}
#define MANY(kind_name, naming, word_text, array, count, about)                                    \
    [kind_name] = {kind_name, naming, true, word_text, offsetof(struct config, array),             \
        offsetof(struct config, count), sizeof(*((struct config *)0)->array), about}

const struct section_info section_infos[SECTION_KINDS] = {
    ONE(SECTION_PROXY, "proxy", proxy, "The process."),
    MANY(SECTION_TLS, SECTION_MAY_HAVE_NAME, "tls", tls, tls_count,
        "TLS toward the clients of listeners. [tls] is for every listener; a [tls NAME] is a "
        "further set of certificates, for the listeners and host names in its for. It takes from "
        "[tls] what it does not say itself, except certificates, keys and names."),
    MANY(SECTION_LISTENER, SECTION_HAS_NAME, "listener", listeners, listener_count,
        "A place where clients connect. One section each; the name is free."),
    MANY(SECTION_BACKEND, SECTION_HAS_NAME, "backend", backends, backend_count,
        "The mail servers behind a listener. One section each; the name is free."),
    ONE(SECTION_TIMEOUTS, "timeouts", timeouts, "How long mailmux waits, and for what."),
    ONE(SECTION_LIMITS, "limits", limits, "How much mailmux takes before it says no."),
};

static const struct choice log_formats[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};
static const struct choice log_levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO},
    {"warning", LOG_WARNING}, {"error", LOG_ERROR}, {NULL, 0}};
static const struct choice tls_policies[] = {
    {"modern", TLS_MODERN}, {"intermediate", TLS_INTERMEDIATE}, {"legacy", TLS_LEGACY}, {NULL, 0}};
#define WORD(name, word) {(word), CONFIG_PROTOCOL_##name},
static const struct choice protocols[] = {
    CONFIG_PROTOCOLS(WORD){"auto", CONFIG_PROTOCOL_AUTO}, {NULL, 0}};
#undef WORD
static const struct choice listener_tls[] = {{"starttls", LISTENER_TLS_STARTTLS},
    {"implicit", LISTENER_TLS_IMPLICIT}, {"none", LISTENER_TLS_NONE}, {"auto", LISTENER_TLS_AUTO},
    {NULL, 0}};
static const struct choice require_tls[] = {
    {"no", REQUIRE_TLS_NO}, {"auth", REQUIRE_TLS_AUTH}, {"yes", REQUIRE_TLS_YES}, {NULL, 0}};
static const struct choice tls_versions[] = {
    {"1.0", TLS_1_0}, {"1.1", TLS_1_1}, {"1.2", TLS_1_2}, {"1.3", TLS_1_3}, {NULL, 0}};
static const struct choice client_certificates[] = {{"none", TLS_CLIENT_CERTIFICATE_NONE},
    {"request", TLS_CLIENT_CERTIFICATE_REQUEST}, {"require", TLS_CLIENT_CERTIFICATE_REQUIRE},
    {NULL, 0}};
static const struct choice no_or_yes[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};
static const struct choice smugglings[] = {{"look-alikes", SMUGGLING_LOOK_ALIKES},
    {"strict", SMUGGLING_STRICT}, {"pass", SMUGGLING_PASS}, {NULL, 0}};
static const struct choice early_talkers[] = {
    {"hold", EARLY_TALKER_HOLD}, {"refuse", EARLY_TALKER_REFUSE}, {NULL, 0}};
static const struct choice backend_tls[] = {{"none", BACKEND_TLS_NONE},
    {"starttls", BACKEND_TLS_STARTTLS}, {"implicit", BACKEND_TLS_IMPLICIT}, {NULL, 0}};
static const struct choice send_addresses[] = {{"none", SEND_ADDRESS_NONE},
    {"proxy-v1", SEND_ADDRESS_PROXY_V1}, {"proxy-v2", SEND_ADDRESS_PROXY_V2},
    {"xclient", SEND_ADDRESS_XCLIENT}, {"id", SEND_ADDRESS_ID}, {NULL, 0}};
static const struct choice proxy_tlvs[] = {{"none", 0}, {"ssl", PROXY_TLV_SSL},
    {"cn", PROXY_TLV_CN}, {"alpn", PROXY_TLV_ALPN}, {"authority", PROXY_TLV_AUTHORITY},
    {"unique-id", PROXY_TLV_UNIQUE_ID}, {NULL, 0}};
static const struct choice checks[] = {{"none", OPENING_NONE}, {"connect", OPENING_CONNECT},
    {"greeting", OPENING_GREETING}, {"capabilities", OPENING_CAPABILITIES},
    {"starttls", OPENING_TLS}, {NULL, 0}};
static const struct choice balances[] = {{"round-robin", BALANCE_ROUND_ROBIN},
    {"least-sessions", BALANCE_LEAST_SESSIONS}, {"address-hash", BALANCE_ADDRESS_HASH}, {NULL, 0}};

const struct directive directives[] = {
    {SECTION_PROXY, "workers", VALUE_NUMBER, FIELD(config_proxy, workers),
        .needs_new_service = true, .min = 1, .max = 1024, .zero = "auto", .fallback = "auto",
        .help = "Worker threads that serve sessions; auto is one per CPU."},
    {SECTION_PROXY, "user", VALUE_WORD, FIELD(config_proxy, user), .needs_new_service = true,
        .default_text = "stay as started",
        .help = "The account of the service, the process that speaks with clients and servers, "
                "when root starts mailmux. The keeper stays root: it opens ports and files for the "
                "service, those that this file names and no others."},
    {SECTION_PROXY, "hostname", VALUE_HOST, FIELD(config_proxy, hostname),
        .default_text = "the name of the machine",
        .help = "The name that mailmux gives where it speaks for itself. A self-signed "
                "certificate is made for it."},
    {SECTION_PROXY, "state_directory", VALUE_DIRECTORY, FIELD(config_proxy, state_directory),
        .needs_new_service = true,
        .default_text = "$STATE_DIRECTORY, else /var/lib/mailmux, else mailmux in $XDG_STATE_HOME",
        .help = "Where mailmux keeps files that it makes itself, such as a self-signed "
                "certificate. /var/lib/mailmux is used by root and by users that may write "
                "there; other users get mailmux in $XDG_STATE_HOME or in ~/.local/state."},
    {SECTION_PROXY, "resolver", VALUE_RESOLVERS, FIELD(config_proxy, resolvers), .is_list = true,
        .default_text = "those of the system",
        .help = "DNS servers for the names of backend servers; port 53 if none is given. With "
                "this setting /etc/hosts and the search domains of the system are not used."},
    {SECTION_PROXY, "resolve_interval", VALUE_DURATION, FIELD(config_proxy, resolve_interval),
        .min = SECOND, .max = 24 * HOUR, .fallback = "30s",
        .help = "How often the names of backend servers are looked up again. Every address of a "
                "name is a server; a name that cannot be resolved keeps its last addresses. IPv4 "
                "and IPv6 are two questions: if one of them gets no answer, its addresses stay, "
                "and the answer to the other counts."},
    {SECTION_PROXY, "log_format", VALUE_CHOICE, FIELD(config_proxy, log_format),
        .needs_new_service = true, .choices = log_formats, .fallback = "text",
        .help = "The form of the log lines on standard error."},
    {SECTION_PROXY, "log_level", VALUE_CHOICE, FIELD(config_proxy, log_level),
        .needs_new_service = true, .choices = log_levels, .fallback = "info",
        .help = "The least important kind of line that is still logged. debug adds a line for each "
                "step of a session (its phases, the servers that are tried, TLS, deadlines) and "
                "for each health check; no line has a password, or text of a message."},
    {SECTION_PROXY, "core_dumps", VALUE_CHOICE, FIELD(config_proxy, core_dumps),
        .needs_new_service = true, .choices = no_or_yes, .fallback = "no",
        .help = "Whether a crash may leave a core file, which would hold keys and passwords, and "
                "whether another process of the same user may read the memory of this one."},

    {SECTION_TLS, "certificate", VALUE_FILES, FIELD(config_tls, certificates), .is_list = true,
        .default_text = "a self-signed one, made at the first start",
        .help = "PEM files, each a certificate followed by its chain. Several can be served side "
                "by side, e.g. an ECDSA and an RSA one."},
    {SECTION_TLS, "key", VALUE_FILES, FIELD(config_tls, keys), .is_list = true,
        .default_text = "none",
        .help = "PEM files with the private keys; the n-th key belongs to the n-th certificate."},
    {SECTION_TLS, "certificate_directory", VALUE_DIRECTORIES, FIELD(config_tls, directories),
        .is_list = true, .default_text = "none",
        .help = "Directories with further certificates, each chosen by the names in it, an exact "
                "one before a wildcard. All files in them and below them are looked at: a "
                "certificate with its chain and its key, in one file or in two of the same "
                "directory, as certbot, acme.sh, dehydrated, Traefik, Kubernetes and HAProxy lay "
                "them. A name may have an ECDSA and an RSA one. FILE.ocsp beside a certificate is "
                "stapled. A change on the disk is served within seconds, without a reload. A name "
                "that none of them has gets certificate, or without that the one for hostname, or "
                "else the first."},
    {SECTION_TLS, "names", VALUE_WORDS, FIELD(config_tls, names), .is_list = true,
        .default_text = "those in the certificates",
        .help = "The host names for which clients get this set: mail.example.org, or "
                "*.example.org for every name one level below."},
    {SECTION_TLS, "for", VALUE_TLS_USERS, FIELD(config_tls, users), .is_list = true,
        .needs_name = true, .default_text = "none",
        .help = "Which clients get this set; in a [tls NAME] alone. A protocol, which is every "
                "listener of it, or the name of a listener: the set is among its sets, before "
                "[tls]. A host name, or *.example.org for every name one level below: clients of "
                "every listener that ask for it get this set, before any that has it in names or "
                "in a certificate. A listener with tls_set has only the sets in that."},
    {SECTION_TLS, "policy", VALUE_CHOICE, FIELD(config_tls, policy), .is_inherited = true,
        .choices = tls_policies, .fallback = "intermediate",
        .help = "Which versions and ciphers are spoken. modern is TLS 1.3 alone. intermediate is "
                "TLS 1.2 and 1.3 with forward secrecy. legacy adds what old peers need, and is "
                "for port 25 at most."},
    {SECTION_TLS, "minimum_version", VALUE_CHOICE, FIELD(config_tls, minimum_version),
        .is_inherited = true, .choices = tls_versions, .default_text = "that of the policy",
        .help = "The lowest version of TLS that is spoken."},
    {SECTION_TLS, "maximum_version", VALUE_CHOICE, FIELD(config_tls, maximum_version),
        .is_inherited = true, .choices = tls_versions, .default_text = "the newest",
        .help = "The highest version of TLS that is spoken."},
    {SECTION_TLS, "ciphers", VALUE_WORD, FIELD(config_tls, ciphers), .is_inherited = true,
        .default_text = "those of the policy",
        .help = "Ciphers of TLS 1.2 and below, in the format of `openssl ciphers`, with colons "
                "between them."},
    {SECTION_TLS, "ciphersuites", VALUE_WORD, FIELD(config_tls, ciphersuites), .is_inherited = true,
        .default_text = "those of the policy",
        .help = "Ciphers of TLS 1.3, with colons between them."},
    {SECTION_TLS, "groups", VALUE_WORD, FIELD(config_tls, groups), .is_inherited = true,
        .default_text = "those of the policy",
        .help = "Groups for the key exchange, the preferred first, with colons between them. A "
                "group that the library does not know is left out, with a note in the log."},
    {SECTION_TLS, "tickets", VALUE_NUMBER, FIELD(config_tls, tickets), .is_inherited = true,
        .max = 16, .fallback = "2",
        .help = "Session tickets that a client gets with each handshake of TLS 1.3, to resume "
                "its session later. With 0 no client can resume."},
    {SECTION_TLS, "client_certificate", VALUE_CHOICE, FIELD(config_tls, client_certificate),
        .is_inherited = true, .choices = client_certificates, .fallback = "none",
        .help = "Whether a client is asked for a certificate. request: it may show one, and the "
                "log says whose it is. require: a client without one that client_ca has signed "
                "gets no session."},
    {SECTION_TLS, "client_ca", VALUE_FILE, FIELD(config_tls, client_ca), .is_inherited = true,
        .default_text = "none",
        .help = "PEM file with the authorities that may sign the certificates of clients."},
    {SECTION_TLS, "ticket_keys", VALUE_FILES, FIELD(config_tls, ticket_keys), .is_list = true,
        .is_nameless = true, .default_text = "random ones, replaced every ticket_period",
        .help = "Files with the keys of session tickets, for several machines that share them; "
                "in [tls] alone. They are files of 48 or 80 raw bytes, in the format of nginx, "
                "and the first one encrypts; or one file with a key in base64 on each line, in "
                "the format of HAProxy, and the last but one encrypts."},
    {SECTION_TLS, "ticket_period", VALUE_DURATION, FIELD(config_tls, ticket_period),
        .is_nameless = true, .min = SECOND, .max = 168 * HOUR, .fallback = "6h",
        .help = "How long a random key encrypts tickets. For the same time after that it still "
                "decrypts them. In [tls] alone."},

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

    {SECTION_BACKEND, "server", VALUE_SERVERS, FIELD(config_backend, server_count), .is_list = true,
        .is_required = true,
        .help = "One mail server: NAME HOST:PORT, then options. The name, for logs, may be left "
                "out. srv:_imap._tcp.example.org in place of HOST:PORT means the hosts and ports "
                "of these SRV records, each with its weight; those of a worse priority are "
                "backups. unix:/run/dovecot/imap is a unix socket on this machine (unix:@NAME an "
                "abstract one); the user of mailmux must be allowed to write to it. weight=N (1 to "
                "1000) is its share beside the others, 1 if not given. "
                "max_sessions=N is how many sessions it has at once; further ones go to others "
                "or wait (queue_timeout). slow_start=TIME lets its share grow from a sixteenth "
                "to the whole in that time after it was down. backup: it serves only when no "
                "other can. drain: it gets no new session, and its open ones go on. maintenance: "
                "the same, and it is not checked either; what was known of its health is "
                "forgotten. Where a name has several addresses, the options hold for each "
                "address."},
    {SECTION_BACKEND, "tls", VALUE_CHOICE, FIELD(config_backend, tls), .choices = backend_tls,
        .fallback = "none",
        .help = "TLS toward the servers. starttls: mailmux asks for it in clear, and relays "
                "nothing before it is there. implicit: TLS from the first byte. A server that "
                "does not come to TLS is left for the next one; mailmux never speaks to it in "
                "clear instead."},
    {SECTION_BACKEND, "verify", VALUE_CHOICE, FIELD(config_backend, verify), .choices = no_or_yes,
        .fallback = "yes",
        .help = "Whether a server must prove its identity: with a certificate of an authority in "
                "ca, not expired, for tls_name. With no, anybody on the way can read and change "
                "everything."},
    {SECTION_BACKEND, "ca", VALUE_FILE, FIELD(config_backend, ca),
        .default_text = "the authorities that this system trusts",
        .help = "A PEM file with the certificates of the authorities that the servers' "
                "certificates may come from."},
    {SECTION_BACKEND, "tls_name", VALUE_HOST, FIELD(config_backend, tls_name),
        .default_text = "the host name or IP address in the server's line",
        .help = "The name that the servers' certificates must be for, and that mailmux sends to "
                "them as SNI. If the name is an IP address, the certificate must have that "
                "address, and no SNI is sent."},
    {SECTION_BACKEND, "pin", VALUE_WORDS, FIELD(config_backend, pins), .is_list = true,
        .default_text = "none",
        .help = "Public keys that the servers may have: sha256: and 64 hexadecimal digits or 44 "
                "characters of base64, of the key as DER (SPKI). Without ca a pin decides alone; "
                "then neither name nor dates count."},
    {SECTION_BACKEND, "client_certificate", VALUE_FILE, FIELD(config_backend, client_certificate),
        .default_text = "none",
        .help = "A PEM file with a certificate and its chain, shown to servers that ask for one."},
    {SECTION_BACKEND, "client_key", VALUE_FILE, FIELD(config_backend, client_key),
        .default_text = "in the file of client_certificate",
        .help = "A PEM file with the key of client_certificate."},
    {SECTION_BACKEND, "tls_policy", VALUE_CHOICE, FIELD(config_backend, tls_policy),
        .choices = tls_policies, .fallback = "intermediate",
        .help = "Which versions and ciphers are spoken with the servers. The values are those of "
                "policy in [tls]."},
    {SECTION_BACKEND, "send_client_address", VALUE_CHOICE,
        FIELD(config_backend, send_client_address), .choices = send_addresses, .fallback = "none",
        .help = "How the servers learn the client's address. With none every client seems to "
                "come from this machine. proxy-v1 and proxy-v2: a PROXY header, before anything "
                "else and before TLS (Postfix: smtpd_upstream_proxy_protocol; Dovecot: haproxy). "
                "xclient: SMTP, POP3 and ManageSieve, inside the backend's TLS; the server must "
                "offer it to this machine (Postfix: smtpd_authorized_xclient_hosts; Dovecot: "
                "login_trusted_networks), or it is left for the next one. id: IMAP, the x- "
                "fields of Dovecot, which ignores them from a machine that is not in "
                "login_trusted_networks."},
    {SECTION_BACKEND, "proxy_tlvs", VALUE_CHOICES, FIELD(config_backend, proxy_tlvs),
        .is_list = true, .choices = proxy_tlvs, .fallback = "ssl",
        .help = "What a PROXY header of version 2 tells besides addresses. ssl: the version and "
                "cipher of the client's TLS. cn: the name in its certificate, if that was "
                "verified. alpn: the protocol that it agreed on. authority: the name that it "
                "asked for. unique-id: the id in mailmux's log. Where logins are expected (IMAP, "
                "POP3, ManageSieve, submission), mailmux connects to the backend anew when a "
                "client has begun "
                "TLS with STARTTLS, so that the backend learns of it; with unique-id alone, or "
                "none, it does not. A load balancer in front may have ended the client's TLS and "
                "say so in its PROXY header (accept_proxy_from). Then all of this except the id "
                "is what the balancer says, unless the client's TLS ends here."},
    {SECTION_BACKEND, "balance", VALUE_CHOICE, FIELD(config_backend, balance), .choices = balances,
        .fallback = "round-robin",
        .help = "How a session's server is chosen, always by weight. round-robin: in turn. "
                "least-sessions: the one with the fewest open sessions. address-hash: a client's "
                "address (of IPv6 the first 64 bits) always comes to the same server while that "
                "server is there; servers that come and go move only their own share of the "
                "clients."},
    {SECTION_BACKEND, "retries", VALUE_NUMBER, FIELD(config_backend, retries), .max = 100,
        .fallback = "3",
        .help = "How many further servers one session tries when a server refuses, is silent or "
                "greets with an error. All tries come before the client has seen a byte."},
    {SECTION_BACKEND, "check", VALUE_CHOICE, FIELD(config_backend, check), .choices = checks,
        .fallback = "none",
        .help = "Whether and how each server is checked every check_interval. connect: it can be "
                "connected. greeting: it also greets, and mailmux says goodbye. capabilities: it "
                "also answers EHLO, CAPABILITY or CAPA. starttls, where tls = starttls: it also "
                "comes to TLS, as a session needs it. Where tls = implicit, all but connect are "
                "inside TLS. With none, only sessions find out which server is down, and a "
                "client has to wait for that."},
    {SECTION_BACKEND, "check_interval", VALUE_DURATION, FIELD(config_backend, check_interval),
        .min = 100, .max = HOUR, .fallback = "10s",
        .help = "The time from one check of a server to the next, a tenth more or less so that "
                "the checks spread."},
    {SECTION_BACKEND, "check_timeout", VALUE_DURATION, FIELD(config_backend, check_timeout),
        .min = 100, .max = 5 * MINUTE, .fallback = "5s",
        .help = "How long a whole check may take. After that it has failed."},
    {SECTION_BACKEND, "fall", VALUE_NUMBER, FIELD(config_backend, fall), .min = 1, .max = 100,
        .fallback = "3",
        .help = "How many failures in a row mark a server down. A failure is: it cannot be "
                "connected, is silent, speaks another protocol, or its TLS is broken. A refusal "
                "in words, such as a greeting 421, 554 or BYE, is no failure of a session; it is "
                "one of a check. Sessions pass over a server that is down for 10 seconds, and "
                "for twice as long each time that it comes and goes, up to 5 minutes; then one "
                "session at a time tries it. A mark steers and does not refuse: when no other "
                "server is left, sessions try the marked ones all the same. Only where the last "
                "check of every server failed is a client turned away without a try, until a "
                "check passes."},
    {SECTION_BACKEND, "rise", VALUE_NUMBER, FIELD(config_backend, rise), .min = 1, .max = 100,
        .fallback = "2", .help = "How many successes in a row mark a server up again."},
    {SECTION_BACKEND, "queue_timeout", VALUE_DURATION, FIELD(config_backend, queue_timeout),
        .min = 100, .max = 10 * MINUTE, .fallback = "5s",
        .help = "How long a session waits for a place when all servers have their max_sessions; "
                "connect_deadline runs on meanwhile. Then it tries a server that is marked down, "
                "if one has room, and is turned away if none has."},
    {SECTION_BACKEND, "queue_size", VALUE_NUMBER, FIELD(config_backend, queue_size), .max = 10000,
        .fallback = "100",
        .help = "How many sessions may wait in this way at once; with 0 none waits."},

    TIMEOUT(connect, 100, 5 * MINUTE, "5s", "One attempt to connect to a backend server."),
    TIMEOUT(connect_deadline, 100, 10 * MINUTE, "15s",
        "All attempts of a session together, the server's greeting and TLS included. A connected "
        "SMTP server has its time for the greeting even so."),
    {SECTION_TIMEOUTS, "greeting", VALUE_DURATION, FIELD(config_timeouts, greeting), .min = 100,
        .max = 10 * MINUTE, .zero = "auto", .fallback = "auto",
        .help = "How long a connected server may take for its greeting and for its answers until "
                "a session can begin. auto is 10s, and 60s for SMTP, because SMTP servers may be "
                "slow on purpose. An SMTP server that has not greeted after 10s is left for "
                "another one that is free. If none is free, it may take all of this time, also "
                "beyond connect_deadline. With tls = implicit it may take this time also until "
                "its TLS begins. A slow greeting that comes in time marks no server."},
    TIMEOUT(handshake, 100, 10 * MINUTE, "30s",
        "A TLS handshake with a client or a server, from its first byte."),
    TIMEOUT(proxy_header, 100, 10 * MINUTE, "5s",
        "The whole PROXY header where one is required, from the connection."),
    TIMEOUT(first_command, 100, HOUR, "60s", "The client's first command after the greeting."),
    TIMEOUT(line, 100, HOUR, "60s", "The rest of a line that has begun."),
    TIMEOUT(login, 100, HOUR, "180s",
        "POP3, IMAP and ManageSieve: from the connection to the accepted login, TLS included."),
    TIMEOUT(smtp_command, 100, 24 * HOUR, "5m",
        "SMTP: silence between commands, and the wait for the server's answer. RFC 5321 asks for "
        "5 minutes."),
    TIMEOUT(data, 100, 24 * HOUR, "10m",
        "SMTP: silence within a message, and the wait for its acceptance. RFC 5321 asks for 10 "
        "minutes."),
    TIMEOUT(imap_idle, 30 * MINUTE, 720 * HOUR, "24h",
        "IMAP and ManageSieve: silence both ways after the login. RFC 3501 forbids less than 30 "
        "minutes."),
    TIMEOUT(pop3_idle, 10 * MINUTE, 720 * HOUR, "10m",
        "POP3: silence both ways after the login. RFC 1939 forbids less than 10 minutes."),
    TIMEOUT(pass_idle, SECOND, 720 * HOUR, "1h",
        "Connections that a route passes on: silence both ways."),
    TIMEOUT(stalled, 100, 24 * HOUR, "5m",
        "How long a client or a server may take nothing of what is sent to it: read nothing, or "
        "acknowledge nothing. Then the session is cut. A peer that reads slowly is served."),
    TIMEOUT(half_closed, 100, 24 * HOUR, "30s",
        "After the login, when one side has ended its direction: how long nothing may move "
        "before the rest of the session ends, too."),
    TIMEOUT(drain, 0, 24 * HOUR, "30s",
        "How long open sessions may go on after SIGTERM; then they are cut."),
    TIMEOUT(upgrade_drain, 0, 720 * HOUR, "24h",
        "How long the sessions of an earlier service may go on after an upgrade, or after a reload "
        "that has changed workers, user, state_directory, log_format, log_level or core_dumps. "
        "Then they drain."),
    {SECTION_TIMEOUTS, "keepalive", VALUE_DURATION, FIELD(config_timeouts, keepalive),
        .min = SECOND, .max = 8 * HOUR, .zero = "off", .fallback = "2m",
        .help = "How long a connection may be silent before TCP keepalive probes ask whether the "
                "peer is still there."},

    {SECTION_LIMITS, "sessions", VALUE_NUMBER, FIELD(config_limits, sessions), .min = 1,
        .max = 10000000, .zero = "auto", .fallback = "auto",
        .help = "Sessions at once; auto is what the limit on open files (RLIMIT_NOFILE) allows."},
    LIMIT(handshakes, VALUE_NUMBER, 1, 1000000, "1000",
        "TLS handshakes at once, of all workers. Beyond it an implicit port closes the "
        "connection, and STARTTLS gets a temporary error."),
    LIMIT(bad_commands, VALUE_NUMBER, 1, 1000, "10",
        "How many commands that make no sense a client may send before its session is closed."),
    LIMIT(line, VALUE_SIZE, 512, 8192, "4096",
        "A command line. Before the login all lines of an IMAP command, which its literals "
        "separate, count together, and in ManageSieve the literals with them. An ID of IMAP may "
        "have 64k, with values of 1k, whatever this "
        "setting and literal say [RFC 2971]."),
    LIMIT(sasl_line, VALUE_SIZE, KILO, 64 * KILO, "13312",
        "A line within an AUTH exchange, of the client or (as far as reply allows) of the "
        "server. Kerberos tokens of users in many groups take up to 64k."),
    LIMIT(literal, VALUE_SIZE, 16, KILO *KILO, "4096",
        "IMAP and ManageSieve: one literal of a command before the login. In ManageSieve a "
        "literal of an AUTH exchange may have as much as sasl_line."),
    LIMIT(reply, VALUE_SIZE, KILO, 64 * KILO, "64k",
        "One reply of a backend server before the session is relayed."),
    LIMIT(reply_lines, VALUE_NUMBER, 8, 1000, "128", "The lines of such a reply."),
    LIMIT(client_hello, VALUE_SIZE, 4 * KILO, 64 * KILO, "16k",
        "The ClientHello of a client, before a route by sni or alpn is chosen. A larger one "
        "counts as one that asks for nothing."),
};

const size_t directive_count = sizeof(directives) / sizeof(directives[0]);
