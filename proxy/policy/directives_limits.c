/* The settings of [limits]. */
#include "directive_rows.h"

#define LIMIT(field, kind, low, high, text, about)                                                 \
    {                                                                                              \
        SECTION_LIMITS, #field, kind, FIELD(config_limits, field),                                 \
            .min = (low), .max = (high), .fallback = (text), .help = (about)                       \
    }

static const struct directive rows[] = {
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

const struct directive_rows directives_of_limits = {rows, sizeof(rows) / sizeof(rows[0])};
