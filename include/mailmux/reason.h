/*
 * Why a session ended, and which party ended it. Each session has one reason, which is the last
 * word of its log line. Any thread.
 */
#ifndef MAILMUX_REASON_H
#define MAILMUX_REASON_H

/* X(NAME, "text in the log", the party that ended it, the kind of attack that it counts as) */
#define REASONS(X)                                                                                 \
    X(NONE, "none", PROXY, NONE)                                                                   \
    X(QUIT, "quit", CLIENT, NONE)                                                                  \
    X(CLIENT_CLOSED, "client-closed", CLIENT, NONE)                                                \
    X(CLIENT_RESET, "client-reset", CLIENT, NONE)                                                  \
    X(CLIENT_TRUNCATED, "client-truncated", CLIENT, NONE)                                          \
    X(CLIENT_TLS_ERROR, "client-tls-error", CLIENT, NONE)                                          \
    X(HANDSHAKE_FAILED, "handshake-failed", CLIENT, NONE)                                          \
    X(PLAINTEXT_ON_TLS_PORT, "plaintext-on-tls-port", PROXY, NONE)                                 \
    X(TLS_ON_PLAINTEXT_PORT, "tls-on-plaintext-port", PROXY, NONE)                                 \
    X(INJECTION, "starttls-injection", PROXY, INJECTION)                                           \
    X(SMUGGLING, "smuggling", PROXY, SMUGGLING)                                                    \
    X(HTTP, "http-request", PROXY, NONE)                                                           \
    X(EARLY_TALKER, "early-talker", PROXY, NONE)                                                   \
    X(BAD_COMMANDS, "too-many-bad-commands", PROXY, FLOOD)                                         \
    X(LINE_TOO_LONG, "line-too-long", PROXY, FLOOD)                                                \
    X(LITERAL_TOO_LARGE, "literal-too-large", PROXY, FLOOD)                                        \
    X(BDAT_REFUSED, "bdat-refused", PROXY, NONE)                                                   \
    X(ALPN, "alpn-mismatch", PROXY, ALPN)                                                          \
    X(SNI, "unknown-sni", PROXY, SNI)                                                              \
    X(KEY_UPDATES, "key-update-flood", PROXY, FLOOD)                                               \
    X(PROXY_HEADER, "bad-proxy-header", PROXY, PROXY)                                              \
    X(ROUTE_REFUSED, "route-refused", PROXY, NONE)                                                 \
    X(NO_ROUTE, "no-route", PROXY, NONE)                                                           \
    X(SERVER_CLOSED, "server-closed", SERVER, NONE)                                                \
    X(SERVER_RESET, "server-reset", SERVER, NONE)                                                  \
    X(SERVER_TRUNCATED, "server-truncated", SERVER, NONE)                                          \
    X(SERVER_TLS_ERROR, "server-tls-error", SERVER, NONE)                                          \
    X(SERVER_FAREWELL, "server-farewell", SERVER, NONE)                                            \
    X(SERVER_REFUSED, "server-refused", SERVER, NONE)                                              \
    X(SERVER_PROTOCOL, "server-protocol-violation", SERVER, NONE)                                  \
    X(REPLY_TOO_LARGE, "server-reply-too-large", SERVER, NONE)                                     \
    X(PREAUTH, "preauth-refused", PROXY, NONE)                                                     \
    X(NO_BACKEND, "no-backend", PROXY, NONE)                                                       \
    X(QUEUE_FULL, "queue-full", PROXY, NONE)                                                       \
    X(QUEUE_TIMEOUT, "queue-timeout", PROXY, NONE)                                                 \
    X(TIMEOUT_HANDSHAKE, "handshake-timeout", PROXY, FLOOD)                                        \
    X(TIMEOUT_PROXY_HEADER, "proxy-header-timeout", PROXY, PROXY)                                  \
    X(TIMEOUT_FIRST_COMMAND, "first-command-timeout", PROXY, NONE)                                 \
    X(TIMEOUT_LINE, "line-timeout", PROXY, FLOOD)                                                  \
    X(TIMEOUT_LOGIN, "login-timeout", PROXY, NONE)                                                 \
    X(TIMEOUT_COMMAND, "command-timeout", PROXY, NONE)                                             \
    X(TIMEOUT_DATA, "data-timeout", PROXY, NONE)                                                   \
    X(TIMEOUT_REPLY, "reply-timeout", PROXY, NONE)                                                 \
    X(TIMEOUT_IDLE, "idle-timeout", PROXY, NONE)                                                   \
    X(TIMEOUT_LINGER, "linger-timeout", PROXY, NONE)                                               \
    X(STALLED, "stalled", PROXY, NONE)                                                             \
    X(TOO_MANY_SESSIONS, "too-many-sessions", PROXY, FLOOD)                                        \
    X(TOO_MANY_HANDSHAKES, "too-many-handshakes", PROXY, FLOOD)                                    \
    X(SHUTDOWN, "shutdown", PROXY, NONE)                                                           \
    X(NO_MEMORY, "no-memory", PROXY, NONE)                                                         \
    X(FAULT, "internal-fault", PROXY, NONE)

enum reason {
#define X(name, text, party, attack) REASON_##name,
    REASONS(X)
#undef X
};

enum party { PARTY_CLIENT, PARTY_SERVER, PARTY_PROXY };

/* The kinds of attack by which refusals are counted (C120). */
enum attack {
    ATTACK_NONE,
    ATTACK_INJECTION,
    ATTACK_SMUGGLING,
    ATTACK_ALPN,
    ATTACK_SNI,
    ATTACK_PROXY,
    ATTACK_FLOOD,
    ATTACK_KINDS
};

/* They return constants: the columns of the row in REASONS, and the names in the log. */
const char *reason_text(enum reason reason);
enum party reason_party(enum reason reason);
const char *party_text(enum party party);
enum attack reason_attack(enum reason reason);
const char *attack_text(enum attack attack);

#endif
