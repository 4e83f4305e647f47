/* The settings of [backend NAME]. */
#include "directive_rows.h"

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

static const struct directive rows[] = {
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
};

const struct directive_rows directives_of_backend = {rows, sizeof(rows) / sizeof(rows[0])};
