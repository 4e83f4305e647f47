/* The settings of [proxy]. */
#include "directive_rows.h"

static const struct choice log_formats[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};
static const struct choice log_levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO},
    {"warning", LOG_WARNING}, {"error", LOG_ERROR}, {NULL, 0}};

static const struct choice tls_relays[] = {
    {"library", TLS_RELAY_LIBRARY}, {"own", TLS_RELAY_OWN}, {NULL, 0}};

static const struct directive rows[] = {
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
    {SECTION_PROXY, "tls_relay", VALUE_CHOICE, FIELD(config_proxy, tls_relay),
        .choices = tls_relays, .fallback = "library",
        .help = "What encrypts after the login, where mailmux only relays: OpenSSL's session "
                "(library), or records of TLS 1.3 that mailmux seals and opens itself with "
                "OpenSSL's ciphers (own). own needs a fraction of the memory for each idle "
                "session; it is new. Older versions of TLS always use the library."},
};

const struct directive_rows directives_of_proxy = {rows, sizeof(rows) / sizeof(rows[0])};
