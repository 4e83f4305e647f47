/*
 * The configuration: proxy.ini as one immutable, validated value. config_load builds it, whole or
 * not at all. Then every thread may read it without a lock. Its one owner, a snapshot, frees it
 * after the last session that began with it. Every pointer in it belongs to it.
 *
 * Durations are in milliseconds, sizes in bytes. The table in policy/directives says which key of
 * which section fills which field, with its default and range.
 */
#ifndef MAILMUX_CONFIG_H
#define MAILMUX_CONFIG_H

#include "mailmux/address.h"
#include "mailmux/cidr.h"
#include "mailmux/directives.h"
#include "mailmux/log.h"
#include "mailmux/routing_rule.h"
#include "mailmux/settings.h"
#include "mailmux/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* X(NAME, "word in proxy.ini"). What else is known of each: mailmux/config_protocols.h. */
#define CONFIG_PROTOCOLS(X)                                                                        \
    X(SMTP, "smtp")                                                                                \
    X(SUBMISSION, "submission") /* SMTP with other defaults */                                     \
    X(LMTP, "lmtp")                                                                                \
    X(POP3, "pop3")                                                                                \
    X(IMAP, "imap")                                                                                \
    X(MANAGESIEVE, "managesieve")

enum config_protocol {
#define X(name, word) CONFIG_PROTOCOL_##name,
    CONFIG_PROTOCOLS(X)
#undef X
        CONFIG_PROTOCOL_COUNT,
    /* No protocols of their own, and with rows that say nothing: */
    CONFIG_PROTOCOL_AUTO = CONFIG_PROTOCOL_COUNT, /* of a listener: routes say where clients go */
    CONFIG_PROTOCOL_NONE /* of a backend: connections are passed to it unread */
};
enum config_listener_tls {
    LISTENER_TLS_STARTTLS,
    LISTENER_TLS_IMPLICIT,
    LISTENER_TLS_NONE,
    LISTENER_TLS_AUTO /* implicit for a client that begins with TLS, else starttls */
};
enum config_backend_tls { BACKEND_TLS_NONE, BACKEND_TLS_STARTTLS, BACKEND_TLS_IMPLICIT };
/* A client that speaks before its greeting waits for it, or is turned away. */
enum config_early_talker { EARLY_TALKER_HOLD, EARLY_TALKER_REFUSE };
/* What a PROXY header of version 2 says besides the addresses. Bits. */
enum config_proxy_tlv {
    PROXY_TLV_SSL = 1,
    PROXY_TLV_CN = 2,
    PROXY_TLV_ALPN = 4,
    PROXY_TLV_AUTHORITY = 8,
    PROXY_TLV_UNIQUE_ID = 16
};
enum config_balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST_SESSIONS, BALANCE_ADDRESS_HASH };
enum config_server_state {
    SERVER_READY,
    SERVER_DRAIN,      /* no new session; the open ones go on, and it is still checked */
    SERVER_MAINTENANCE /* no new session and no check; its mark is forgotten */
};

/* Where a value was written. A default has line 0 and the file "default". */
struct config_origin {
    const char *file;
    unsigned line;
};

/* An array of strings; each ends with NUL and has its own origin. */
struct config_strings {
    size_t count;
    const char **text;
    struct config_origin *origin;
};

/* An array of addresses with their ports; each has its own origin. */
struct config_addresses {
    size_t count;
    struct address *address;
    struct config_origin *origin;
};

/* An array of networks; each has its own origin. */
struct config_cidrs {
    size_t count;
    struct cidr *cidr;
    struct config_origin *origin;
};

/* What seals and opens the records of a relay over TLS 1.3: see net/tls_lean.h. */
enum config_tls_relay { TLS_RELAY_LIBRARY, TLS_RELAY_OWN };

/* State and origin of one setting; a section has an array of them, by row of the table. */
struct config_setting;

/* Every section's struct begins with the same three members (struct config_head inside policy). */
struct config_proxy {
    const char *name; /* NULL here, and in each section that has no name */
    struct config_origin section;
    struct config_setting *settings;
    unsigned workers; /* 0: one per CPU ("auto") */
    const char *user; /* NULL: the process keeps the user that started it */
    const char *hostname;
    const char *state_directory;
    struct config_addresses resolvers; /* DNS servers; none: those of the system */
    uint64_t resolve_interval;
    enum log_format log_format;
    enum log_level log_level;
    unsigned core_dumps; /* 0: none */
    enum config_tls_relay tls_relay;
};

/*
 * A certificate set. The first is that of [tls], named "default"; it exists even if the section is
 * not written. The others are those of [tls NAME]. They take from the first what they do not say
 * themselves, except certificates, keys and names.
 */
struct config_tls {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    struct config_strings certificates; /* none in the default set: a self-signed one is made */
    struct config_strings keys;         /* the n-th belongs to the n-th certificate */
    struct config_strings names;        /* none: those in the certificates */
    struct config_strings users;        /* as written in `for`; none in the default set */
    struct config_strings hosts;        /* those of the users that are host names or patterns */
    struct config_strings directories;  /* of further certificates, chosen by the names in them */
    enum tls_policy policy;
    enum tls_version minimum_version;
    enum tls_version maximum_version;
    const char *ciphers; /* NULL: those of the policy; the two below likewise */
    const char *ciphersuites;
    const char *groups;
    unsigned tickets; /* sent for each handshake; 0: no resumption */
    enum tls_client_certificate client_certificate;
    const char *client_ca;             /* NULL: none */
    struct config_strings ticket_keys; /* files, in the first set for all; none: random keys */
    uint64_t ticket_period;            /* in the first set for all */
};

enum config_route_target {
    ROUTE_LISTENER, /* the settings of that listener hold for the session */
    ROUTE_PASS,     /* the connection is passed to the backend from its first octet on */
    ROUTE_REFUSE
};

/* One line `route = CONDITION -> TARGET`. */
struct config_route {
    struct config_origin origin;
    const char *text; /* the condition, for the log: "alpn imap" */
    enum config_route_target target;
    size_t index; /* of the listener or backend; 0 with ROUTE_REFUSE */
};

/*
 * With CONFIG_PROTOCOL_AUTO it has routes, no backend (CONFIG_NO_BACKEND) and LISTENER_TLS_NONE.
 * Without a bind it is for the routes of others.
 */
struct config_listener {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    size_t bind_count;
    struct address *bind;
    struct config_origin *bind_origin;
    unsigned freebind; /* 0: each address must be there when it is bound */
    enum config_protocol protocol;
    size_t route_count;
    struct config_route *routes; /* in their order */
    struct routing_rule *rules;  /* the n-th is the condition of the n-th route */
    uint64_t sniff;              /* how long a client may be silent that may speak first */
    enum config_listener_tls tls;
    enum require_tls require_tls; /* its default depends on tls */
    size_t tls_set_count;         /* at least 1 */
    size_t *tls_sets;             /* indices into config.tls; the first is the fallback */
    size_t tls_host_sets;         /* how many of the last are for their `hosts` alone */
    unsigned strict_sni;          /* 0: a name that no set has is served by the fallback */
    enum smuggling smuggling;
    struct config_cidrs smuggling_exempt; /* clients for which it is SMUGGLING_PASS */
    uint64_t greeting_delay;
    enum config_early_talker early_talker;
    size_t backend;                        /* index into config.backends */
    struct config_cidrs accept_proxy_from; /* clients that must send a PROXY header */
    struct config_strings relay_domains;   /* none: recipients of every domain are taken */
};

/*
 * One line `server = NAME HOST:PORT OPTIONS`, or with srv:SERVICE or unix:PATH in the place of
 * HOST:PORT.
 */
struct config_server {
    const char *name;
    struct config_origin origin;
    const char *host;       /* a name, or an IP literal without brackets; "" for a unix socket */
    uint16_t port;          /* 0 when is_service, as the SRV records have the ports; 0 for unix */
    bool is_service;        /* host is the name of SRV records */
    bool has_address;       /* it is an IP literal or a unix socket, and is not looked up */
    struct address address; /* set when has_address */
    unsigned weight;
    uint32_t max_sessions; /* 0: no limit */
    uint64_t slow_start;   /* time from its return until it has its whole weight again */
    bool backup;
    enum config_server_state state;
};

struct config_backend {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    size_t server_count;
    struct config_server *servers;
    bool is_inline; /* a listener or a route has its address in the place of its name */
    enum config_protocol protocol; /* of the listeners that name it; or NONE */
    enum config_backend_tls tls;
    unsigned verify;                /* 0: any certificate will do, unless there are pins */
    const char *ca;                 /* NULL: the system's store */
    const char *tls_name;           /* NULL: the host in the server's line */
    struct config_strings pins;     /* "sha256:..." */
    const char *client_certificate; /* NULL: none */
    const char *client_key;         /* NULL: it is in the file of the certificate */
    enum tls_policy tls_policy;
    enum send_address send_client_address;
    unsigned proxy_tlvs; /* bits of enum config_proxy_tlv */
    enum config_balance balance;
    unsigned retries; /* how many further servers one session may try */
    enum opening_goal check;
    uint64_t check_interval;
    uint64_t check_timeout;
    unsigned rise; /* successes in a row that bring a server up */
    unsigned fall; /* failures in a row that take it down */
    uint64_t queue_timeout;
    unsigned queue_size; /* how many sessions may wait for a place; 0: none */
};

struct config_timeouts {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    uint64_t connect;
    uint64_t connect_deadline;
    uint64_t greeting;
    uint64_t handshake;
    uint64_t proxy_header;
    uint64_t first_command;
    uint64_t line;
    uint64_t login;
    uint64_t smtp_command;
    uint64_t data;
    uint64_t imap_idle;
    uint64_t pop3_idle;
    uint64_t pass_idle;
    uint64_t stalled;
    uint64_t half_closed;
    uint64_t drain;
    uint64_t upgrade_drain;
    uint64_t keepalive; /* idle time before TCP keepalive probes; 0: none */
};

struct config_limits {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    uint64_t sessions;   /* 0: as many as RLIMIT_NOFILE allows */
    uint64_t handshakes; /* in flight, of all workers together */
    uint64_t bad_commands;
    uint64_t line;
    uint64_t sasl_line;
    uint64_t literal;
    uint64_t reply;
    uint64_t reply_lines;
    uint64_t client_hello;
};

struct config {
    struct config_proxy proxy;
    struct config_timeouts timeouts;
    struct config_limits limits;
    size_t tls_count; /* at least 1 */
    struct config_tls *tls;
    size_t listener_count;
    struct config_listener *listeners;
    size_t backend_count;
    struct config_backend *backends;
    struct config_store *store; /* the memory of everything above */
};

/* The value of config_listener.backend where there is none. */
#define CONFIG_NO_BACKEND SIZE_MAX

/* The variable of the environment in which `bind = systemd:NAME` finds its sockets. */
#define CONFIG_SOCKETS_VARIABLE "MAILMUX_SOCKETS"

/* Returns how many addresses its listeners have together. */
size_t config_count_addresses(const struct config *config);

/*
 * Returns whether connections may be relayed that have no TLS: a route passes them on, or a client
 * may log in without it.
 */
bool config_relays_in_clear(const struct config *config);

/* A problem of a configuration. An error makes the configuration unusable. */
struct config_problem {
    bool is_error; /* else a warning */
    struct config_origin origin;
    char *text; /* "FILE:LINE: [section] key = value: what is wrong; what would be right" */
};

/* The problems of one configuration, those of each file in the order of its lines. */
struct config_report {
    size_t count; /* at most CONFIG_PROBLEMS_MAX */
    size_t error_count;
    bool is_cut; /* there were more problems than it has room for */
    struct config_problem *problems;
    struct config_store *store; /* the memory of the texts */
    /* As the file wants them, for its own problems too: known even if it cannot be used. */
    enum log_format log_format;
    enum log_level log_level;
};

enum { CONFIG_PROBLEMS_MAX = 1000 };

/*
 * Reads a file and the files that it includes. Returns true on success: *out is then the
 * configuration, which the caller frees. On failure *out is NULL, and the report has at least one
 * error. Fills the report in both cases, and the caller frees it; what it held before is not freed.
 * Checks that the files named in settings can be read, but not what is in them. Blocks on the disk.
 */
bool config_load(const char *path, struct config **out, struct config_report *report);

/*
 * The same, but *out is set in any case: after errors it is not fit to serve, and holds what could
 * be read and defaults for the rest. A setting in error has no value (config_is_good).
 */
bool config_load_unchecked(const char *path, struct config **out, struct config_report *report);

/*
 * Returns the set that a client of the listener gets because `for` has the name that it asks for,
 * or NULL. *pattern is then what stands there.
 */
const struct config_tls *config_tls_of_name(const struct config *config,
    const struct config_listener *listener, struct slice name, const char **pattern);

/* Returns whether the setting at that offset of a section's struct is free of errors. */
bool config_is_good(enum section_kind kind, const void *section, size_t field);

/*
 * Reads a configuration from memory, for tests and fuzzers; otherwise like config_load. `name`
 * stands for the file in origins. Looks at nothing on the disk: it refuses `include`, and does not
 * check the files named in settings.
 */
bool config_parse_bytes(
    const char *name, struct slice bytes, struct config **out, struct config_report *report);

/* Writes the effective configuration as an ini file, with the source of each value behind it. */
void config_dump(const struct config *config, FILE *out);

/* The same without the sources: two configurations with equal settings have the same text. */
void config_dump_bare(const struct config *config, FILE *out);

/* Frees it and sets the pointer to NULL; NULL is allowed. */
void config_free(struct config **config);

/*
 * Adds a problem at its place: the problems of a file stand together in the order of their lines,
 * and those of line 0 come last. Puts "FILE:LINE: " before the text. The report may be {0}, or one
 * that config_load has filled. Copies the text and the origin's file. Beyond CONFIG_PROBLEMS_MAX
 * only error_count grows, and is_cut is set.
 */
void config_report_add(struct config_report *report, bool is_error, struct config_origin origin,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Moves every problem of the other report to its place in this one, and empties the other. */
void config_report_move(struct config_report *report, struct config_report *from);

/* Logs each problem as the event `config`. */
void config_report_log(const struct config_report *report);

/* Frees what the report holds and empties it. {0} is allowed. */
void config_report_free(struct config_report *report);

/*
 * Adds a problem of one setting, as "[HEADING] KEY: TEXT" at the line of the setting, or at that of
 * its section if it is a default. If the setting is a list of strings with an item at `index`, adds
 * "[HEADING] KEY = ITEM: TEXT" at the line of the item. section: a struct config_listener or its
 * like, as `kind` says. field: the offset of the setting in it.
 */
void config_report_setting(struct config_report *report, bool is_error, enum section_kind kind,
    const void *section, size_t field, size_t index, const char *text);

/*
 * Returns whether the two configurations differ in a setting that a process has for its whole life.
 * Such a setting is a number, choice or text of a section that has no name.
 */
bool config_needs_new_service(const struct config *before, const struct config *now);

/*
 * Writes the headings of the sections in which the two differ, such as "listener imap, +backend b,
 * -tls old": + is new, - is gone. Empty if they are the same. What does not fit is left out.
 */
void config_list_changes(
    const struct config *before, const struct config *now, char *out, size_t cap);

/*
 * Returns whether the servers of one backend may be spoken to with the settings of the other: TLS
 * and all that belongs to it, and send_client_address, are equal, and both are passed to or neither
 * is. Which servers they have does not count.
 */
bool config_speaks_alike(const struct config_backend *a, const struct config_backend *b);

#endif
