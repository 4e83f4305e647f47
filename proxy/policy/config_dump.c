/* Writes the effective configuration as an ini file. config_load reads it to the same effect. */
#include "mailmux/config.h"

#include "config_build.h"
#include "config_value.h"
#include <inttypes.h>
#include <string.h>

enum { COMMENT_COLUMN = 48 };

struct dump {
    FILE *out;
    bool has_sources; /* a comment behind each value says where it was written */
};

static void write_source(const struct dump *dump, int written, struct config_origin origin)
{
    (void)fprintf(dump->out, "%*s  # %s", written < COMMENT_COLUMN ? COMMENT_COLUMN - written : 0,
        "", origin.file);
    if (origin.line > 0)
        (void)fprintf(dump->out, ":%u", origin.line);
}

static void end_line(const struct dump *dump, int written, struct config_origin origin)
{
    if (dump->has_sources)
        write_source(dump, written, origin);
    (void)fputc('\n', dump->out);
}

static void write_text(
    const struct dump *dump, const char *key, const char *text, struct config_origin origin)
{
    /* Without quotes a value would end at a comma, or at what looks like a comment. */
    const char *quote = strpbrk(text, " \t,#;") ? "\"" : "";

    end_line(dump, fprintf(dump->out, "%s = %s%s%s", key, quote, text, quote), origin);
}

/* Returns what stands around a value of several words: blanks need no quotes in it. */
static const char *quote_of(const char *text)
{
    return strpbrk(text, ",#;") ? "\"" : "";
}

static void write_nothing(const struct dump *dump, const struct directive *directive)
{
    (void)fprintf(dump->out, "# %s: %s\n", directive->key, directive_default(directive));
}

/* text NULL: the setting has no value of its own, and a comment says what holds instead. */
static void write_text_if_any(const struct dump *dump, const struct directive *directive,
    const char *text, struct config_origin origin)
{
    if (text)
        write_text(dump, directive->key, text, origin);
    else
        write_nothing(dump, directive);
}

static void write_strings(
    const struct dump *dump, const struct directive *directive, const void *field)
{
    struct config_strings strings;

    memcpy(&strings, field, sizeof(strings));
    if (strings.count == 0)
        write_nothing(dump, directive);
    for (size_t i = 0; i < strings.count; i++)
        write_text(dump, directive->key, strings.text[i], strings.origin[i]);
}

static void write_cidrs(
    const struct dump *dump, const struct directive *directive, const void *field)
{
    char text[CIDR_TEXT_MAX];
    struct config_cidrs networks;

    memcpy(&networks, field, sizeof(networks));
    if (networks.count == 0)
        write_nothing(dump, directive);
    for (size_t i = 0; i < networks.count; i++)
        write_text(dump, directive->key, cidr_text(&networks.cidr[i], text), networks.origin[i]);
}

static void write_binds(const struct dump *dump, const struct directive *directive,
    const struct config_listener *listener)
{
    char text[ADDRESS_TEXT_MAX];

    if (listener->bind_count == 0)
        write_nothing(dump, directive);
    for (size_t i = 0; i < listener->bind_count; i++)
        write_text(
            dump, directive->key, address_text(&listener->bind[i], text), listener->bind_origin[i]);
}

/* Returns how many characters it wrote. */
static int write_options(const struct dump *dump, const struct config_server *server)
{
    static const char *const states[] = {
        [SERVER_READY] = "", [SERVER_DRAIN] = " drain", [SERVER_MAINTENANCE] = " maintenance"};
    static const struct directive duration = {.type = VALUE_DURATION};
    char number[NUMBER_TEXT_MAX];
    int written = 0;

    if (server->weight != 1)
        written += fprintf(dump->out, " weight=%u", server->weight);
    if (server->max_sessions > 0)
        written += fprintf(dump->out, " max_sessions=%" PRIu32, server->max_sessions);
    if (server->slow_start > 0)
        written += fprintf(
            dump->out, " slow_start=%s", config_number_text(&duration, server->slow_start, number));
    if (server->backup)
        written += fprintf(dump->out, " backup");
    return written + fprintf(dump->out, "%s", states[server->state]);
}

static void write_resolvers(
    const struct dump *dump, const struct directive *directive, const struct config_proxy *proxy)
{
    const struct config_addresses *resolvers = &proxy->resolvers;
    char text[ADDRESS_TEXT_MAX];

    if (resolvers->count == 0)
        write_nothing(dump, directive);
    for (size_t i = 0; i < resolvers->count; i++)
        write_text(
            dump, directive->key, address_text(&resolvers->address[i], text), resolvers->origin[i]);
}

static void write_servers(const struct dump *dump, const struct directive *directive,
    const struct config_backend *backend)
{
    for (size_t i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];
        bool is_ipv6 = server->has_address && address_family(&server->address) == AF_INET6;
        bool is_unix = server->has_address && address_family(&server->address) == AF_UNIX;
        char text[ADDRESS_TEXT_MAX];
        const char *quote = is_unix ? quote_of(address_text(&server->address, text)) : "";
        int written = fprintf(dump->out, "%s = %s", directive->key, quote);

        if (!strchr(server->name, ':')) /* else no name was given, and HOST:PORT is the name */
            written += fprintf(dump->out, "%s ", server->name);
        if (server->is_service)
            written += fprintf(dump->out, "srv:%s", server->host);
        else if (is_unix)
            written += fprintf(dump->out, "%s", text);
        else
            written += fprintf(dump->out, "%s%s%s:%u", is_ipv6 ? "[" : "", server->host,
                is_ipv6 ? "]" : "", server->port);
        written += write_options(dump, server);
        written += fprintf(dump->out, "%s", quote);
        end_line(dump, written, server->origin);
    }
}

/* As write_text, but a blank needs no quotes in what is one value anyway. */
static void write_phrase(
    const struct dump *dump, const char *key, const char *text, struct config_origin origin)
{
    const char *quote = quote_of(text);

    end_line(dump, fprintf(dump->out, "%s = %s%s%s", key, quote, text, quote), origin);
}

enum { PHRASE_MAX = 2048 }; /* more than a line may have */

/* Writes what a listener has for a backend: its name, or its address and option. Returns out. */
static const char *backend_phrase(const struct config_backend *backend, char out[PHRASE_MAX])
{
    const struct directive *how = directive_find(SECTION_BACKEND, SLICE("send_client_address"));
    bool has_option = backend->is_inline && backend->send_client_address != SEND_ADDRESS_NONE;

    (void)snprintf(out, PHRASE_MAX, "%s%s%s%s%s", backend->name, has_option ? " " : "",
        has_option ? how->key : "", has_option ? "=" : "",
        has_option ? config_choice_text(how, (unsigned)backend->send_client_address) : "");
    return out;
}

static void write_route(const struct dump *dump, const struct config *config, const char *key,
    const struct config_route *route)
{
    char text[PHRASE_MAX];
    char backend[PHRASE_MAX];
    const char *before = "";
    const char *target = "refuse";

    if (route->target == ROUTE_LISTENER) {
        target = config->listeners[route->index].name;
    } else if (route->target == ROUTE_PASS) {
        before = config->backends[route->index].is_inline ? "pass " : "pass backend ";
        target = backend_phrase(&config->backends[route->index], backend);
    }
    (void)snprintf(text, sizeof(text), "%.1000s -> %s%.1000s", route->text, before, target);
    write_phrase(dump, key, text, route->origin);
}

static void write_routes(const struct dump *dump, const struct config *config,
    const struct directive *directive, const struct config_listener *listener)
{
    if (listener->route_count == 0)
        write_nothing(dump, directive);
    for (size_t i = 0; i < listener->route_count; i++)
        write_route(dump, config, directive->key, &listener->routes[i]);
}

static void write_backend(const struct dump *dump, const struct config *config,
    const struct directive *directive, const struct config_listener *listener)
{
    char text[PHRASE_MAX];

    if (listener->backend == CONFIG_NO_BACKEND)
        write_nothing(dump, directive);
    else
        write_phrase(dump, directive->key,
            backend_phrase(&config->backends[listener->backend], text),
            listener->settings[directive_index(directive)].origin);
}

static void write_tls_sets(const struct dump *dump, const struct config *config,
    const struct directive *directive, const struct config_listener *listener)
{
    const struct config_setting *setting = &listener->settings[directive_index(directive)];
    size_t first_of_hosts = listener->tls_set_count - listener->tls_host_sets;
    bool is_chosen = setting->state == SETTING_DEFAULT &&
                     (listener->tls_set_count > 1 || listener->tls_sets[0] != 0);

    if (is_chosen) /* by `for`, which is written where it stands */
        (void)fprintf(dump->out, "# %s:", directive->key);
    for (size_t i = 0; i < listener->tls_set_count; i++) {
        const char *name = config->tls[listener->tls_sets[i]].name;

        if (is_chosen)
            (void)fprintf(dump->out, "%s%s%s", i == 0 ? " " : ", ", name,
                i < first_of_hosts ? "" : " (for host names)");
        else
            write_text(dump, directive->key, name, setting->origin);
    }
    if (is_chosen)
        (void)fputc('\n', dump->out);
}

static uint64_t load_number(const struct directive *directive, const void *field)
{
    uint32_t small;
    uint64_t value;

    if (directive->size == sizeof(small)) {
        memcpy(&small, field, sizeof(small));
        return small;
    }
    memcpy(&value, field, sizeof(value));
    return value;
}

static void write_choices(const struct dump *dump, const struct directive *directive,
    const void *field, struct config_origin origin)
{
    unsigned bits = (unsigned)load_number(directive, field);

    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        if ((choice->value & bits) != 0 || (choice->value == 0 && bits == 0))
            write_text(dump, directive->key, choice->word, origin);
    }
}

static void write_setting(const struct dump *dump, const struct config *config,
    const struct directive *directive, const struct config_head *head)
{
    const char *field = (const char *)head + directive->offset;
    struct config_origin origin = head->settings[directive_index(directive)].origin;
    char number[NUMBER_TEXT_MAX];
    const char *text;

    switch (directive->type) {
    case VALUE_NUMBER:
    case VALUE_DURATION:
    case VALUE_SIZE:
        text = config_number_text(directive, load_number(directive, field), number);
        write_text(dump, directive->key, text, origin);
        break;
    case VALUE_CHOICE:
        text = config_choice_text(directive, (unsigned)load_number(directive, field));
        write_text_if_any(dump, directive, text, origin);
        break;
    case VALUE_CHOICES:
        write_choices(dump, directive, field, origin);
        break;
    case VALUE_WORD:
    case VALUE_HOST:
    case VALUE_DIRECTORY:
    case VALUE_FILE:
        memcpy(&text, field, sizeof(text));
        write_text_if_any(dump, directive, text, origin);
        break;
    case VALUE_WORDS:
    case VALUE_FILES:
    case VALUE_DIRECTORIES:
    case VALUE_DOMAINS:
    case VALUE_TLS_USERS:
        write_strings(dump, directive, field);
        break;
    case VALUE_CIDRS:
        write_cidrs(dump, directive, field);
        break;
    case VALUE_ROUTES:
        write_routes(dump, config, directive, (const struct config_listener *)(const void *)head);
        break;
    case VALUE_BIND:
        write_binds(dump, directive, (const struct config_listener *)(const void *)head);
        break;
    case VALUE_RESOLVERS:
        write_resolvers(dump, directive, (const struct config_proxy *)(const void *)head);
        break;
    case VALUE_SERVERS:
        write_servers(dump, directive, (const struct config_backend *)(const void *)head);
        break;
    case VALUE_TLS_SETS:
        write_tls_sets(dump, config, directive, (const struct config_listener *)(const void *)head);
        break;
    case VALUE_BACKEND:
        write_backend(dump, config, directive, (const struct config_listener *)(const void *)head);
        break;
    }
}

/*
 * has_name: the section is not the first of its kind. Settings that only [tls] may have are then
 * left out, and else those that it may not have.
 */
static void write_section(const struct dump *dump, const struct config *config,
    const struct section_info *info, const struct config_head *head, bool has_name)
{
    char heading[CONFIG_HEADING_MAX];
    int written = fprintf(dump->out, "[%s]", config_heading(info, head, heading));

    end_line(dump, written, head->section);
    for (size_t row = 0; row < directive_count(); row++) {
        if (directive_at(row)->section == info->kind &&
            !(has_name ? directive_at(row)->is_nameless : directive_at(row)->needs_name) &&
            !(info->kind == SECTION_LISTENER &&
                !listener_uses(
                    (const struct config_listener *)(const void *)head, directive_at(row)->key)))
            write_setting(dump, config, directive_at(row), head);
    }
}

/* Returns whether it has no section: it stands in the lines that name its address. */
static bool is_inline(const struct section_info *info, const struct config_head *head)
{
    return info->kind == SECTION_BACKEND &&
           ((const struct config_backend *)(const void *)head)->is_inline;
}

static void write_sections(const struct dump *dump, const struct config *config)
{
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section_info *info = &section_infos[kind];

        for (size_t i = 0; i < config_section_count(config, info); i++) {
            const struct config_head *head = config_section((struct config *)config, info, i);

            if (is_inline(info, head))
                continue;
            if (kind > 0 || i > 0)
                (void)fputc('\n', dump->out);
            write_section(dump, config, info, head, i > 0);
        }
    }
}

void config_dump(const struct config *config, FILE *out)
{
    write_sections(&(struct dump){out, true}, config);
}

void config_dump_bare(const struct config *config, FILE *out)
{
    write_sections(&(struct dump){out, false}, config);
}
