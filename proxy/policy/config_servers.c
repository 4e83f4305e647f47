/* Parses server and resolver: servers of a backend, and DNS servers. */
#include "config_build.h"

#include "config_line.h"
#include "config_value.h"
#include "mailmux/balance.h"
#include "mailmux/table.h"
#include "suggest.h"
#include "synonyms.h"
#include <string.h>

enum { WEIGHT_MAX = 1000, SESSIONS_MAX = 1000000, SLOW_START_MAX_MS = 60 * 60 * 1000 };
enum { DNS_PORT = 53 };

#define SERVICE_PREFIX "srv:"
#define SERVICE_EXAMPLE "srv:_imap._tcp.example.org"
#define SOCKET_PREFIX "unix:"
#define SOCKET_EXAMPLE "unix:/run/dovecot/imap"

static bool parse_weight(struct config_server *server, struct slice text)
{
    uint64_t weight;

    if (!slice_number(text, WEIGHT_MAX, &weight) || weight == 0)
        return false;
    server->weight = (unsigned)weight;
    return true;
}

static bool parse_max_sessions(struct config_server *server, struct slice text)
{
    uint64_t sessions;

    if (!slice_number(text, SESSIONS_MAX, &sessions) || sessions == 0)
        return false;
    server->max_sessions = (uint32_t)sessions;
    return true;
}

static bool parse_slow_start(struct config_server *server, struct slice text)
{
    static const struct directive range = {
        .type = VALUE_DURATION, .min = 1000, .max = SLOW_START_MAX_MS};
    struct error ignored;

    return config_number_parse(&range, text, &server->slow_start, &ignored);
}

static bool parse_backup(struct config_server *server, struct slice text)
{
    server->backup = true;
    return text.n == 0;
}

static bool parse_drain(struct config_server *server, struct slice text)
{
    if (server->state != SERVER_READY)
        return false;
    server->state = SERVER_DRAIN;
    return text.n == 0;
}

static bool parse_maintenance(struct config_server *server, struct slice text)
{
    if (server->state != SERVER_READY)
        return false;
    server->state = SERVER_MAINTENANCE;
    return text.n == 0;
}

/*
 * The options that may follow HOST:PORT. A word that ends with '=' takes a value, which `parse`
 * gets as text; another word must have an empty one.
 */
static const struct server_option {
    const char *word;
    bool (*parse)(struct config_server *server, struct slice text);
    const char *allowed;
} server_options[] = {
    {"weight=", parse_weight, "weight=1 to weight=1000"},
    {"max_sessions=", parse_max_sessions, "max_sessions=1 to max_sessions=1000000"},
    {"slow_start=", parse_slow_start, "slow_start=1s to slow_start=1h"},
    {"backup", parse_backup, "backup, without a value"},
    {"drain", parse_drain, "drain, without a value and without maintenance"},
    {"maintenance", parse_maintenance, "maintenance, without a value and without drain"},
};
enum { SERVER_OPTIONS = sizeof(server_options) / sizeof(server_options[0]) };

static bool parse_option(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server, bool given[SERVER_OPTIONS])
{
    size_t equals = slice_find(word, '=');
    struct slice begin = slice_of(word.p, equals < word.n ? equals + 1 : word.n);
    struct suggestion near;

    suggest_begin(&near, begin);
    for (size_t i = 0; i < SERVER_OPTIONS; i++) {
        (void)suggest_offer(&near, server_options[i].word);
        if (!slice_equal(begin, slice_from(server_options[i].word)))
            continue;
        if (given[i]) {
            setting_refuse(setting, value, "%s stands twice", server_options[i].word);
            return false;
        }
        given[i] = true;
        if (server_options[i].parse(server, slice_after(word, begin.n)))
            return true;
        setting_refuse(setting, value, "\"%.*s\" is wrong; allowed: %s", (int)word.n, word.p,
            server_options[i].allowed);
        return false;
    }
    if (synonym_of_option(word))
        setting_refuse(setting, value, "\"%.*s\" is unknown here; %s", (int)word.n, word.p,
            synonym_of_option(word));
    else if (near.best)
        setting_refuse(setting, value, "\"%.*s\" is unknown here; did you mean %s?", (int)word.n,
            word.p, near.best);
    else
        setting_refuse(setting, value,
            "\"%.*s\" is unknown here; weight=N, max_sessions=N, slow_start=TIME, backup, drain "
            "and maintenance may follow",
            (int)word.n, word.p);
    return false;
}

/* Returns whether the word has the prefix. But srv:143 is port 143 of a host with the name srv. */
static bool has_prefix(struct slice word, struct slice prefix)
{
    uint64_t ignored;

    return slice_starts_nocase(word, prefix) &&
           !slice_number(slice_after(word, prefix.n), UINT64_MAX, &ignored);
}

/* Returns whether it is _SERVICE._tcp and a host name behind it [RFC 2782]. */
static bool service_is_valid(struct slice name)
{
    struct slice rest = name;
    struct slice service = {NULL, 0};
    struct slice transport = {NULL, 0};

    (void)slice_split(&rest, '.', &service);
    (void)slice_split(&rest, '.', &transport);
    return service.n > 1 && service.p[0] == '_' && slice_equal_nocase(transport, SLICE("_tcp")) &&
           config_host_is_valid(rest) && config_host_is_valid(name);
}

static bool parse_service(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server)
{
    struct slice name = slice_after(word, sizeof(SERVICE_PREFIX) - 1);
    size_t colon = slice_find(name, ':');

    if (colon < name.n && service_is_valid(slice_of(name.p, colon))) {
        setting_refuse(setting, value,
            "the port comes from the SRV records; write srv:%.*s without \"%.*s\"", (int)colon,
            name.p, (int)(name.n - colon), name.p + colon);
        return false;
    }
    if (name.n > 0 && service_is_valid(slice_of(name.p, name.n - 1)) &&
        setting_refuse_with_remedy(setting, value, name)) /* a dot at its end */
        return false;
    if (!service_is_valid(name)) {
        setting_refuse(setting, value,
            "\"%.*s\" is not the name of SRV records, which begins with _SERVICE._tcp; write "
            "e.g. " SERVICE_EXAMPLE,
            (int)name.n, name.p);
        return false;
    }
    server->is_service = true;
    server->host = config_store_text(setting->build->store, name);
    return true;
}

static bool parse_socket(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server)
{
    struct slice path = slice_after(word, sizeof(SOCKET_PREFIX) - 1);

    server->host = "";
    server->has_address = address_parse_unix(path, &server->address);
    if (server->has_address)
        return true;
    if (path.n > ADDRESS_PATH_MAX)
        setting_refuse(setting, value,
            "the path of the socket has %zu octets, and the kernel takes at most %d; give the "
            "socket a shorter one, e.g. a symbolic link to its directory",
            path.n, ADDRESS_PATH_MAX);
    else
        setting_refuse(setting, value,
            "\"%.*s\" is not the whole path of a socket, which begins with '/' (or with '@' if it "
            "is abstract); write e.g. " SOCKET_EXAMPLE,
            (int)path.n, path.p);
    return false;
}

bool setting_parse_target(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server)
{
    struct slice host;

    if (has_prefix(word, SLICE(SERVICE_PREFIX)))
        return parse_service(setting, value, word, server);
    if (has_prefix(word, SLICE(SOCKET_PREFIX)))
        return parse_socket(setting, value, word, server);
    if (word.n > 0 && word.p[0] == '/') {
        setting_refuse(setting, value, "a path is written with unix: before it; write unix:%.*s",
            (int)word.n, word.p);
        return false;
    }
    if (!address_split_port(word, &host, &server->port)) {
        if (setting_refuse_with_remedy(setting, value, word))
            return false;
        setting_refuse(setting, value,
            "\"%.*s\" is not HOST:PORT with a port of 1 to 65535; an IPv6 address stands in "
            "brackets",
            (int)word.n, word.p);
        return false;
    }
    if (setting_refuse_with_remedy(setting, value, host))
        return false;
    server->has_address = address_parse_ip(host, server->port, &server->address);
    if (!server->has_address && !config_host_is_valid(host)) {
        setting_refuse(setting, value, "\"%.*s\" is neither a host name nor an IP address",
            (int)host.n, host.p);
        return false;
    }
    server->host = config_store_text(setting->build->store, host);
    return true;
}

/*
 * Takes the name and the target, which should be HOST:PORT, srv:NAME or unix:PATH, from the line.
 * The name may be left out; then the target is the name.
 */
static bool parse_name(struct setting *setting, const struct config_value *value,
    struct slice *rest, struct config_server *server, struct slice *target)
{
    struct slice name = {NULL, 0};

    (void)slice_word(rest, &name);
    server->name = config_store_text(setting->build->store, name);
    *target = name;
    if (slice_find(name, ':') < name.n || slice_starts(name, SLICE("/")))
        return true;
    if (!config_name_is_valid(name)) {
        setting_refuse(setting, value,
            "\"%.*s\" is not a server name; it consists of letters, digits, '.', '_' and '-'",
            (int)name.n, name.p);
        return false;
    }
    if (slice_word(rest, target))
        return true;
    setting_refuse(setting, value, "the port is missing; write e.g. mx1 10.0.0.5:25");
    return false;
}

/* known: the servers of the backend so far, by name. */
static bool parse_server(struct setting *setting, const struct config_value *value,
    struct table *known, struct config_server *server)
{
    bool given[SERVER_OPTIONS] = {false};
    struct slice rest = value->text;
    struct slice word;

    *server = (struct config_server){.origin = value->origin, .weight = 1};
    if (!parse_name(setting, value, &rest, server, &word) ||
        !setting_parse_target(setting, value, word, server))
        return false;
    while (slice_word(&rest, &word)) {
        if (!parse_option(setting, value, word, server, given))
            return false;
    }
    if (table_get(known, slice_from(server->name))) {
        setting_refuse(setting, value, "the backend has a server of this name already");
        return false;
    }
    if (!table_put(known, slice_from(server->name), server)) {
        setting_refuse(setting, value, "out of memory");
        return false;
    }
    return true;
}

void setting_parse_servers(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_backend *backend = setting->section;
    struct table known = {.count = 0};

    backend->servers = config_store_take(setting->build->store, count, sizeof(*backend->servers));
    for (size_t i = 0; i < count && i < BALANCE_SERVERS_MAX; i++) {
        if (parse_server(setting, &values[i], &known, &backend->servers[backend->server_count]))
            backend->server_count++;
    }
    table_free(&known);
    if (count > BALANCE_SERVERS_MAX)
        setting_refuse(setting, &values[BALANCE_SERVERS_MAX],
            "a backend has room for %d servers; make a second backend for the others",
            BALANCE_SERVERS_MAX);
}

static bool parse_resolver(struct slice text, struct address *address)
{
    struct slice host;
    uint16_t port;

    if (address_parse_ip(text, DNS_PORT, address))
        return true;
    return address_split_port(text, &host, &port) && address_parse_ip(host, port, address);
}

void setting_parse_resolvers(
    struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_proxy *proxy = setting->section;
    struct config_addresses *resolvers = &proxy->resolvers;
    struct config_store *store = setting->build->store;

    resolvers->address = config_store_take(store, count, sizeof(*resolvers->address));
    resolvers->origin = config_store_take(store, count, sizeof(*resolvers->origin));
    for (size_t i = 0; i < count; i++) {
        struct slice host = values[i].text;
        uint16_t port;

        if (!address_split_port(values[i].text, &host, &port))
            host = values[i].text;
        if (setting_refuse_with_remedy(setting, &values[i], host))
            continue;
        if (parse_resolver(values[i].text, &resolvers->address[resolvers->count]))
            resolvers->origin[resolvers->count++] = values[i].origin;
        else
            setting_refuse(setting, &values[i],
                "not the IP address of a DNS server; write e.g. 192.0.2.53, 192.0.2.53:5353 or "
                "[2001:db8::53]:53");
    }
}
