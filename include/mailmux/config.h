/*
 * The configuration: proxy.ini as one immutable, validated value. Built whole by config_load or not
 * at all; then read by every thread without locks, and freed by its one owner (setup/snapshot)
 * after the last session that began with it. Every pointer in it belongs to it.
 *
 * Durations are milliseconds, sizes are bytes. Which key of which section fills which field, with
 * its default and range, is told by the one table in policy/directives.
 */
#ifndef MAILMUX_CONFIG_H
#define MAILMUX_CONFIG_H

#include "mailmux/address.h"
#include "mailmux/cidr.h"
#include "mailmux/directives.h"
#include "mailmux/log.h"
#include "mailmux/settings.h"
#include "mailmux/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_protocol {
    CONFIG_PROTOCOL_SMTP,
    CONFIG_PROTOCOL_SUBMISSION, /* SMTP with other defaults */
    CONFIG_PROTOCOL_POP3,
    CONFIG_PROTOCOL_IMAP
};
enum config_listener_tls { LISTENER_TLS_STARTTLS, LISTENER_TLS_IMPLICIT, LISTENER_TLS_NONE };
enum config_backend_tls { BACKEND_TLS_NONE, BACKEND_TLS_STARTTLS, BACKEND_TLS_IMPLICIT };
enum config_early_talker { EARLY_TALKER_HOLD, EARLY_TALKER_REFUSE };
/* What a PROXY header of version 2 tells besides the addresses. Bits. */
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
    SERVER_MAINTENANCE /* the same, but not even checked: its mark is unknown, and forgotten */
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

/* The same of addresses, each with its port. */
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

/* Where each setting of one section came from, by row of the table. */
struct config_setting;

/* Every section's struct begins with the same three members (struct config_head inside policy). */
struct config_proxy {
    const char *name; /* NULL, as in every section that has no name */
    struct config_origin section;
    struct config_setting *settings;
    unsigned workers; /* 0: one per CPU ("auto") */
    const char *user; /* NULL: stay who we are */
    const char *hostname;
    const char *state_directory;
    struct config_addresses resolvers; /* DNS servers; none: the system's way */
    uint64_t resolve_interval;
    enum log_format log_format;
    enum log_level log_level;
    unsigned core_dumps; /* 0: none */
};

/*
 * A certificate set: [tls] is the first, "default", written or not; the others are [tls NAME],
 * which have from it what they do not say themselves, but for certificates and names.
 */
struct config_tls {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    struct config_strings certificates; /* none in the default set: a self-signed one is made */
    struct config_strings keys;         /* the n-th belongs to the n-th certificate */
    struct config_strings names;        /* none: those in the certificates */
    enum tls_policy policy;
    enum tls_version minimum_version;
    enum tls_version maximum_version;
    const char *ciphers; /* NULL: as the policy has them; so the two below */
    const char *ciphersuites;
    const char *groups;
    unsigned tickets; /* for each handshake; 0: no resumption */
    enum tls_client_certificate client_certificate;
    const char *client_ca;             /* NULL: none */
    struct config_strings ticket_keys; /* of the first set, for all; none: random ones */
    uint64_t ticket_period;            /* of the first set, for all */
};

struct config_listener {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    size_t bind_count;
    struct address *bind;
    struct config_origin *bind_origin;
    enum config_protocol protocol;
    enum config_listener_tls tls;
    enum require_tls require_tls; /* its default depends on tls */
    size_t tls_set_count;         /* at least 1 */
    size_t *tls_sets;             /* indices into config.tls; the first is the fallback */
    unsigned strict_sni;          /* 0: a name that no set has is served by the fallback */
    enum smuggling smuggling;
    struct config_cidrs smuggling_exempt; /* clients for whom it is SMUGGLING_PASS */
    uint64_t greeting_delay;
    enum config_early_talker early_talker;
    size_t backend;                        /* index into config.backends */
    struct config_cidrs accept_proxy_from; /* who must send a PROXY header */
    struct config_strings relay_domains;   /* none: recipients of every domain */
};

/* One line `server = NAME HOST:PORT options`, or with srv:SERVICE in the place of HOST:PORT. */
struct config_server {
    const char *name;
    struct config_origin origin;
    const char *host; /* a name, or an IP literal without brackets */
    uint16_t port;    /* 0 when is_service: its records say it */
    bool is_service;  /* host is the name of SRV records */
    bool is_ip;
    struct address address; /* set when is_ip */
    unsigned weight;
    uint32_t max_sessions; /* 0: no limit */
    uint64_t slow_start;   /* from its return to its whole weight; 0: at once */
    bool backup;
    enum config_server_state state;
};

struct config_backend {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    size_t server_count;
    struct config_server *servers;
    enum config_protocol protocol; /* that of the listeners that name it */
    enum config_backend_tls tls;
    unsigned verify;                /* 0: any certificate will do, unless there are pins */
    const char *ca;                 /* NULL: the system's store */
    const char *tls_name;           /* NULL: what the server is named or addressed by */
    struct config_strings pins;     /* "sha256:..." */
    const char *client_certificate; /* NULL: none */
    const char *client_key;         /* NULL: it is in the file of the certificate */
    enum tls_policy tls_policy;
    enum send_address send_client_address;
    unsigned proxy_tlvs; /* bits of enum config_proxy_tlv */
    enum config_balance balance;
    unsigned retries; /* further servers that one session may try */
    enum opening_goal check;
    uint64_t check_interval;
    uint64_t check_timeout;
    unsigned rise; /* good events in a row that bring a server up */
    unsigned fall; /* bad ones that take it down */
    uint64_t queue_timeout;
    unsigned queue_size; /* sessions that wait for a place; 0: none may */
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
    uint64_t stalled;
    uint64_t half_closed;
    uint64_t drain;
    uint64_t keepalive; /* idle time before TCP keepalive probes; 0: none */
};

struct config_limits {
    const char *name;
    struct config_origin section;
    struct config_setting *settings;
    uint64_t sessions;   /* 0: from RLIMIT_NOFILE */
    uint64_t handshakes; /* in flight, of all workers */
    uint64_t bad_commands;
    uint64_t line;
    uint64_t sasl_line;
    uint64_t literal;
    uint64_t reply;
    uint64_t reply_lines;
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
    struct config_store *store; /* what everything above lives in */
};

/* Problems found in a configuration, in the order of the file; errors make it unusable. */
struct config_problem {
    bool is_error; /* else a warning */
    struct config_origin origin;
    char *text; /* "FILE:LINE: [section] key = value: what is wrong; what would be right" */
};

struct config_report {
    size_t count; /* at most CONFIG_PROBLEMS_MAX */
    size_t error_count;
    struct config_problem *problems;
    struct config_store *store; /* what the texts live in */
};

enum { CONFIG_PROBLEMS_MAX = 1000 };

/*
 * Reads a file and what it includes. On success *out is the configuration; on failure it is NULL
 * and the report has at least one error. The report is filled in both cases (what it held before is
 * forgotten, not freed) and freed by the caller. Opens files, and checks that certificate and key
 * files can be read; nothing else.
 */
bool config_load(const char *path, struct config **out, struct config_report *report);

/*
 * The same from memory, for tests and fuzzers: `name` stands for the file in origins. Nothing on
 * the disk is looked at: `include` is refused, certificate and key files are not checked.
 */
bool config_parse_bytes(
    const char *name, struct slice bytes, struct config **out, struct config_report *report);

/* The effective configuration, as an ini file with the source of each value behind it. */
void config_dump(const struct config *config, FILE *out);

/* Frees it and sets the pointer to NULL; NULL is allowed. */
void config_free(struct config **config);

/*
 * Adds a problem at its place: the problems of a file stand together in the order of their lines,
 * those of no line (0) last. "FILE:LINE: " is put before the text. The report may be one that
 * config_load has filled or {0}; the origin's file is copied. Beyond CONFIG_PROBLEMS_MAX only
 * error_count grows.
 */
void config_report_add(struct config_report *report, bool is_error, struct config_origin origin,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Frees what it holds and empties it; {0} is allowed. */
void config_report_free(struct config_report *report);

/*
 * Adds a problem of one setting, at the line that says it: "[heading] key: text", or in a list
 * "[heading] key = value: text" of its item at `index`, if there is one. A default is blamed on its
 * section. The setting is named by its section's struct and the field's offset in it.
 */
void config_report_setting(struct config_report *report, bool is_error, enum section_kind kind,
    const void *section, size_t field, size_t index, const char *text);

/*
 * The two configurations differ in this row of the table, and the program follows it only at its
 * start.
 */
bool config_needs_restart(
    const struct config *before, const struct config *now, const struct directive *directive);

/*
 * Servers of the one may be spoken to with the settings of the other: TLS, whom it trusts, and what
 * a server expects in front of its greeting are the same. Which servers there are does not count.
 */
bool config_speaks_alike(const struct config_backend *a, const struct config_backend *b);

const char *config_protocol_name(enum config_protocol protocol);

/* smtp and submission: it sends mail. */
bool config_protocol_is_smtp(enum config_protocol protocol);

#endif
