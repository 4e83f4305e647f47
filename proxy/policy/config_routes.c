/* Parses route: CONDITION -> TARGET. */
#include "config_build.h"

#include "config_value.h"
#include "suggest.h"
#include <string.h>

#define ARROW "->"
#define EXAMPLE "alpn imap -> imaps, or default -> pass 127.0.0.1:8443"

enum { ALPN_MAX = 255 }; /* octets of a name [RFC 7301 3.1] */

/* One route while it is read. */
struct route_line {
    struct setting *setting;
    const struct config_value *value;
    struct config_route *route;
    struct routing_rule *rule;
};

#define REFUSE(line, ...) setting_refuse((line)->setting, (line)->value, __VA_ARGS__)

/* ---- Conditions ---- */

static bool parse_alpn(struct route_line *line, struct slice word)
{
    if (word.n > ALPN_MAX) {
        REFUSE(line, "the name of a protocol has at most %d octets", ALPN_MAX);
        return false;
    }
    line->rule->text = config_store_text(line->setting->build->store, word);
    return true;
}

static bool parse_sni(struct route_line *line, struct slice word)
{
    bool is_wildcard = slice_starts(word, SLICE("*."));
    struct slice host = is_wildcard ? slice_after(word, 2) : word;
    struct address ignored;
    char *text;

    if (setting_refuse_with_remedy(line->setting, line->value, host))
        return false;
    if (address_parse_ip(host, 0, &ignored)) {
        REFUSE(line, "clients ask for no address, only for names; remove the line");
        return false;
    }
    if (!config_host_is_valid(host)) {
        REFUSE(line,
            "\"%.*s\" is not a host name; write one such as mail.example.org, or *.example.org "
            "for every name below",
            (int)word.n, word.p);
        return false;
    }
    text = config_store_text(line->setting->build->store, word);
    for (char *at = text; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    line->rule->text = text;
    return true;
}

/* The words that name a protocol; behind its own name, which is the first, those of its clients. */
static const struct first_words {
    enum routing_first first;
    const char *words[24];
} first_words[] = {
    {ROUTING_FIRST_SMTP, {"smtp", "submission", "EHLO", "HELO", NULL}},
    {ROUTING_FIRST_LMTP, {"lmtp", "LHLO", NULL}},
    {ROUTING_FIRST_IMAP, {"imap", NULL}},
    {ROUTING_FIRST_POP3, {"pop3", "CAPA", "USER", "APOP", "AUTH", "STLS", "UTF8", "LANG", NULL}},
    {ROUTING_FIRST_MANAGESIEVE,
        {"managesieve", "sieve", "AUTHENTICATE", "STARTTLS", "CAPABILITY", NULL}},
    {ROUTING_FIRST_HTTP,
        {"http", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH",
            "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
            "MKCALENDAR", "ACL", "PRI", NULL}},
    {ROUTING_FIRST_SSH, {"ssh", "SSH-", NULL}},
};
enum { FIRST_WORDS = sizeof(first_words) / sizeof(first_words[0]) };

static const struct first_words *find_first(struct slice word)
{
    for (size_t i = 0; i < FIRST_WORDS; i++) {
        if (slice_is_one_of(word, first_words[i].words))
            return &first_words[i];
    }
    return NULL;
}

/* Several words of one protocol may be given with slashes between them: EHLO/HELO. */
static bool parse_first(struct route_line *line, struct slice word)
{
    const struct first_words *found = NULL;
    struct slice rest = word;
    struct slice part;
    struct suggestion near;

    suggest_begin(&near, word);
    for (size_t i = 0; i < FIRST_WORDS; i++)
        (void)suggest_offer(&near, first_words[i].words[0]);
    while (slice_split(&rest, '/', &part)) {
        const struct first_words *one = find_first(part);

        if (one && (!found || one == found)) {
            found = one;
            continue;
        }
        REFUSE(line, "\"%.*s\" is no protocol that is known by its first words; %s%s%s",
            (int)word.n, word.p, near.best ? "did you mean " : "allowed: ",
            near.best ? near.best : "smtp, lmtp, imap, pop3, managesieve, http, ssh",
            near.best ? "?" : "");
        return false;
    }
    line->rule->first = found->first;
    return true;
}

static bool parse_from(struct route_line *line, struct slice word)
{
    struct error error;

    if (cidr_parse(word, &line->rule->from, &error))
        return true;
    REFUSE(line, "%s", error.text);
    return false;
}

static const struct condition {
    const char *key;
    enum routing_key value;
    const char *example; /* of what follows; NULL: nothing does */
    bool (*parse)(struct route_line *line, struct slice word);
} conditions[] = {
    {"alpn", ROUTING_ALPN, "alpn imap", parse_alpn},
    {"sni", ROUTING_SNI, "sni mail.example.org", parse_sni},
    {"tls", ROUTING_TLS, NULL, NULL},
    {"first", ROUTING_FIRST, "first smtp", parse_first},
    {"from", ROUTING_FROM, "from 192.0.2.0/24", parse_from},
    {"default", ROUTING_DEFAULT, NULL, NULL},
};
enum { CONDITIONS = sizeof(conditions) / sizeof(conditions[0]) };

static const struct condition *find_condition(struct route_line *line, struct slice key)
{
    struct suggestion near;

    suggest_begin(&near, key);
    for (size_t i = 0; i < CONDITIONS; i++) {
        if (slice_equal(slice_from(conditions[i].key), key))
            return &conditions[i];
        (void)suggest_offer(&near, conditions[i].key);
    }
    if (near.best)
        REFUSE(line, "\"%.*s\" is no condition; did you mean %s?", (int)key.n, key.p, near.best);
    else
        REFUSE(line,
            "\"%.*s\" is no condition; allowed: alpn NAME, sni NAME, tls, first PROTOCOL, from "
            "IP/BITS, default",
            (int)key.n, key.p);
    return NULL;
}

static bool parse_condition(struct route_line *line, struct slice text)
{
    struct slice rest = text;
    struct slice key = {NULL, 0};
    struct slice word = {NULL, 0};
    const struct condition *condition;

    if (!slice_word(&rest, &key)) {
        REFUSE(line, "there is no condition before " ARROW "; write e.g. " EXAMPLE);
        return false;
    }
    condition = find_condition(line, key);
    if (!condition)
        return false;
    line->rule->key = condition->value;
    rest = slice_trim(rest);
    if (!condition->parse && rest.n > 0) {
        REFUSE(line, "nothing may follow %s; a route has one condition", condition->key);
        return false;
    }
    if (condition->parse && (!slice_word(&rest, &word) || slice_trim(rest).n > 0)) {
        REFUSE(line, "one word follows %s; write e.g. %s " ARROW " TARGET", condition->key,
            condition->example);
        return false;
    }
    line->route->text = config_store_print(line->setting->build->store, "%s%s%.*s", condition->key,
        word.n > 0 ? " " : "", (int)word.n, word.p ? word.p : "");
    return !condition->parse || condition->parse(line, word);
}

/* ---- Targets ---- */

static bool is_backend(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->backend_count; i++) {
        if (slice_equal(slice_from(config->backends[i].name), name))
            return true;
    }
    return false;
}

static bool parse_pass(struct route_line *line, struct slice rest)
{
    struct slice after = rest;
    struct slice word = {NULL, 0};

    line->route->target = ROUTE_PASS;
    (void)slice_word(&after, &word);
    if (!slice_equal(word, SLICE("backend"))) {
        if (is_backend(line->setting->build->config, word) && slice_find(word, ':') == word.n) {
            REFUSE(line, "%.*s is a backend; write pass backend %.*s", (int)word.n, word.p,
                (int)word.n, word.p);
            return false;
        }
        if (word.n > 0)
            return setting_add_backend(line->setting, line->value, rest, &line->route->index);
        REFUSE(line, "pass whereto? write e.g. pass 127.0.0.1:8443, or pass backend NAME");
        return false;
    }
    if (!slice_word(&after, &word)) {
        REFUSE(line, "the name of the backend is missing; write pass backend NAME");
        return false;
    }
    if (slice_trim(after).n > 0) {
        REFUSE(line, "nothing may follow the name; the section [backend %.*s] has the settings",
            (int)word.n, word.p);
        return false;
    }
    return setting_find_section(
        line->setting, line->value, word, SECTION_BACKEND, &line->route->index);
}

/* Says what was meant by a target that is no listener. Returns false if that is not known. */
static bool explain_target(struct route_line *line, struct slice word)
{
    const struct config *config = line->setting->build->config;

    if (slice_find(word, ':') < word.n || slice_starts(word, SLICE("/"))) {
        REFUSE(line,
            "to pass connections on unread, write pass %.*s; else name a listener, whose backend "
            "it is",
            (int)word.n, word.p);
        return true;
    }
    if (!is_backend(config, word))
        return false;
    REFUSE(line,
        "%.*s is a backend; name a listener, whose settings then hold, or write pass backend %.*s "
        "for connections that are passed unread",
        (int)word.n, word.p, (int)word.n, word.p);
    return true;
}

static bool is_listener(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (slice_equal(slice_from(config->listeners[i].name), name))
            return true;
    }
    return false;
}

static bool parse_listener(struct route_line *line, struct slice word, struct slice rest)
{
    line->route->target = ROUTE_LISTENER;
    if (!is_listener(line->setting->build->config, word) && explain_target(line, word))
        return false;
    if (slice_trim(rest).n > 0) {
        REFUSE(line,
            "nothing may follow the name of a listener; its section [listener %.*s] has the "
            "settings",
            (int)word.n, word.p);
        return false;
    }
    return setting_find_section(
        line->setting, line->value, word, SECTION_LISTENER, &line->route->index);
}

static bool parse_route_target(struct route_line *line, struct slice text)
{
    struct slice rest = text;
    struct slice word = {NULL, 0};

    if (!slice_word(&rest, &word)) {
        REFUSE(line, "there is no target behind " ARROW "; write e.g. " EXAMPLE);
        return false;
    }
    if (slice_equal(word, SLICE("pass")))
        return parse_pass(line, slice_trim(rest));
    if (!slice_equal(word, SLICE("refuse")))
        return parse_listener(line, word, rest);
    line->route->target = ROUTE_REFUSE;
    if (slice_trim(rest).n > 0)
        REFUSE(line, "nothing may follow refuse");
    return slice_trim(rest).n == 0;
}

/* ---- The whole line ---- */

static bool parse_route(struct route_line *line)
{
    struct slice text = line->value->text;
    size_t n = 0;

    while (n < text.n && !slice_starts(slice_after(text, n), SLICE(ARROW)))
        n++;
    if (n == text.n) {
        REFUSE(line, "a route is CONDITION " ARROW " TARGET; write e.g. " EXAMPLE);
        return false;
    }
    line->route->origin = line->value->origin;
    return parse_condition(line, slice_trim(slice_of(text.p, n))) &&
           parse_route_target(line, slice_trim(slice_after(text, n + 2)));
}

void setting_parse_routes(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_listener *listener = setting->section;
    struct config_store *store = setting->build->store;

    listener->routes = config_store_take(store, count, sizeof(*listener->routes));
    listener->rules = config_store_take(store, count, sizeof(*listener->rules));
    for (size_t i = 0; i < count; i++) {
        struct route_line line = {setting, &values[i], &listener->routes[listener->route_count],
            &listener->rules[listener->route_count]};

        if (parse_route(&line))
            listener->route_count++;
    }
}
