/* The settings of [timeouts]. */
#include "directive_rows.h"

#define TIMEOUT(field, low, high, text, about)                                                     \
    {                                                                                              \
        SECTION_TIMEOUTS, #field, VALUE_DURATION, FIELD(config_timeouts, field),                   \
            .min = (low), .max = (high), .fallback = (text), .help = (about)                       \
    }

static const struct directive rows[] = {
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
};

const struct directive_rows directives_of_timeouts = {rows, sizeof(rows) / sizeof(rows[0])};
