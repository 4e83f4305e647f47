/* The settings of [tls] and [tls NAME]. */
#include "directive_rows.h"

static const struct choice tls_versions[] = {
    {"1.0", TLS_1_0}, {"1.1", TLS_1_1}, {"1.2", TLS_1_2}, {"1.3", TLS_1_3}, {NULL, 0}};
static const struct choice client_certificates[] = {{"none", TLS_CLIENT_CERTIFICATE_NONE},
    {"request", TLS_CLIENT_CERTIFICATE_REQUEST}, {"require", TLS_CLIENT_CERTIFICATE_REQUIRE},
    {NULL, 0}};

static const struct directive rows[] = {
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
        .max = 16, .fallback = "1",
        .help = "Session tickets that a client gets with each full handshake of TLS 1.3, to resume "
                "its session later; it gets one more for each that it uses. With 0 no client can "
                "resume."},
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
};

const struct directive_rows directives_of_tls = {rows, sizeof(rows) / sizeof(rows[0])};
