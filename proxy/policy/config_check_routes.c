/* Checks of routes: each can be taken, and leads to a listener that serves its clients. */
#include "config_check.h"

#include "mailmux/alpn.h"
#include "mailmux/config_protocols.h"
#include "suggest.h"
#include <string.h>

static struct config_setting *setting_of(const struct config_listener *listener, const char *key)
{
    return config_setting_find(listener->settings, SECTION_LISTENER, key);
}

static bool is_given(const struct config_listener *listener, const char *key)
{
    return setting_of(listener, key)->state == SETTING_GIVEN;
}

/* ---- Routes that can never match ---- */

static bool is_in_network(const struct cidr *wide, const struct cidr *narrow)
{
    return narrow->bits >= wide->bits && cidr_list_matches(wide, 1, &narrow->network);
}

/* Returns whether each name that the second pattern is for is one that the first is for, too. */
static bool is_name_in(const char *wide, const char *narrow)
{
    bool is_below = wide[0] == '*' && slice_ends_nocase(slice_from(narrow), slice_from(wide + 1));

    return strcmp(wide, narrow) == 0 || is_below;
}

/* Returns whether every client that the second rule is for is one that the first is for, too. */
static bool covers(const struct routing_rule *wide, const struct routing_rule *narrow)
{
    if (wide->key == ROUTING_DEFAULT)
        return true;
    if (wide->key == ROUTING_TLS)
        return narrow->key == ROUTING_TLS || narrow->key == ROUTING_SNI ||
               narrow->key == ROUTING_ALPN;
    if (wide->key != narrow->key)
        return false;
    switch (wide->key) {
    case ROUTING_ALPN:
        return alpn_means(slice_from(wide->text), slice_from(narrow->text));
    case ROUTING_SNI:
        return is_name_in(wide->text, narrow->text);
    case ROUTING_FIRST:
        return wide->first == narrow->first;
    case ROUTING_FROM:
        return is_in_network(&wide->from, &narrow->from);
    case ROUTING_TLS:
    case ROUTING_DEFAULT:
        break;
    }
    return true;
}

static void check_is_reached(
    struct build *build, const struct config_listener *listener, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (!covers(&listener->rules[i], &listener->rules[index]))
            continue;
        config_report_add(build->report, false, listener->routes[index].origin,
            "[listener %s] route = %s: it can never match, since %s, at %s:%u, takes each of its "
            "clients before; %s",
            listener->name, listener->routes[index].text, listener->routes[i].text,
            listener->routes[i].origin.file, listener->routes[i].origin.line,
            covers(&listener->rules[index], &listener->rules[i]) ? "remove one of the two"
                                                                 : "put it first, or remove it");
        return;
    }
}

/* ---- Where they lead ---- */

static bool begins_with_tls(const struct routing_rule *rule)
{
    return rule->key == ROUTING_ALPN || rule->key == ROUTING_SNI || rule->key == ROUTING_TLS;
}

static void check_target_tls(struct build *build, const struct config_listener *listener,
    size_t index, const struct config_listener *target)
{
    const struct config_route *route = &listener->routes[index];
    bool is_tls = begins_with_tls(&listener->rules[index]);
    bool is_text = listener->rules[index].key == ROUTING_FIRST;
    const char *word = NULL;

    if (!listener_is_good(target, "tls"))
        return;
    if (is_tls && target->tls == LISTENER_TLS_STARTTLS)
        word = "starttls";
    else if (is_tls && target->tls == LISTENER_TLS_NONE)
        word = "none";
    if (word)
        config_report_add(build->report, true, route->origin,
            "[listener %s] route = %s: these clients begin with TLS, and [listener %s], at %s:%u, "
            "has tls = %s; write tls = auto there",
            listener->name, route->text, target->name, target->section.file, target->section.line,
            word);
    else if (is_text && target->tls == LISTENER_TLS_IMPLICIT)
        config_report_add(build->report, true, route->origin,
            "[listener %s] route = %s: these clients begin in clear, and [listener %s], at %s:%u, "
            "has tls = implicit; write tls = auto there",
            listener->name, route->text, target->name, target->section.file, target->section.line);
}

/* What the clients of a rule speak, if it says so, as words of proxy.ini. */
static const char *spoken_by(const struct routing_rule *rule)
{
    static const char *const firsts[] = {
        [ROUTING_FIRST_SMTP] = "smtp",
        [ROUTING_FIRST_LMTP] = "lmtp",
        [ROUTING_FIRST_IMAP] = "imap",
        [ROUTING_FIRST_POP3] = "pop3",
        [ROUTING_FIRST_MANAGESIEVE] = "managesieve",
        [ROUTING_FIRST_HTTP] = "http",
        [ROUTING_FIRST_SSH] = "ssh",
    };

    if (rule->key == ROUTING_FIRST)
        return firsts[rule->first];
    return rule->key == ROUTING_ALPN ? rule->text : NULL;
}

/* Returns whether it has warned. Other names than the known ones may be in use, so they are right.
 */
static bool check_name(struct build *build, const struct config_listener *listener, size_t index)
{
    static const char *const known[] = {"imap", "imaps", "pop3", "pop3s", "smtp", "esmtp",
        "submission", "submissions", "managesieve", "lmtp", "http/1.1", "http/1.0", "h2",
        "acme-tls/1", "xmpp-client", "xmpp-server", "ftp", "irc", "dot", "mqtt", "nntp", NULL};
    const struct routing_rule *rule = &listener->rules[index];
    struct suggestion near;

    if (rule->key != ROUTING_ALPN)
        return false;
    suggest_begin(&near, slice_from(rule->text));
    for (const char *const *name = known; *name; name++)
        (void)suggest_offer(&near, *name);
    if (!near.best || strcmp(near.best, rule->text) == 0)
        return false;
    config_report_add(build->report, false, listener->routes[index].origin,
        "[listener %s] route = %s: clients offer no such protocol; did you mean %s?",
        listener->name, listener->routes[index].text, near.best);
    return true;
}

static void check_target_protocol(struct build *build, const struct config_listener *listener,
    size_t index, const struct config_listener *target)
{
    const struct config_route *route = &listener->routes[index];
    const char *spoken = spoken_by(&listener->rules[index]);
    const char *served = config_protocol_name(config_protocol_spoken(target->protocol));

    if (!spoken || !listener_is_good(target, "protocol") ||
        alpn_means(slice_from(served), slice_from(spoken)))
        return;
    config_report_add(build->report, false, route->origin,
        "[listener %s] route = %s: [listener %s], at %s:%u, speaks %s; clients that want %s get "
        "no answer that they understand",
        listener->name, route->text, target->name, target->section.file, target->section.line,
        config_protocol_name(target->protocol), spoken);
}

static void check_target(struct build *build, const struct config_listener *listener, size_t index)
{
    const struct config_route *route = &listener->routes[index];
    bool has_warned = check_name(build, listener, index);
    const struct config_listener *target;

    if (route->target != ROUTE_LISTENER)
        return;
    target = &build->config->listeners[route->index];
    if (target->protocol == CONFIG_PROTOCOL_AUTO) {
        config_report_add(build->report, true, route->origin,
            "[listener %s] route = %s: [listener %s] routes %s; name the listener that serves",
            listener->name, route->text, target->name,
            target == listener ? "here, in a circle" : "itself, and a client is routed once");
        return;
    }
    check_target_tls(build, listener, index, target);
    if (!has_warned)
        check_target_protocol(build, listener, index, target);
}

/* ---- A listener with routes ---- */

static bool has_key(const struct config_listener *listener, enum routing_key key)
{
    for (size_t i = 0; i < listener->route_count; i++) {
        if (listener->rules[i].key == key)
            return true;
    }
    return false;
}

/* Clients of mail wait for a greeting, and `first` finds only those that do not. */
static void check_default(struct build *build, const struct config_listener *listener)
{
    bool waits = false;

    if (has_key(listener, ROUTING_DEFAULT) || !listener_is_good(listener, "route"))
        return;
    for (size_t i = 0; i < listener->route_count; i++)
        waits = waits || (listener->rules[i].key == ROUTING_FIRST &&
                             listener->routes[i].target == ROUTE_LISTENER);
    config_report_add(build->report, false, listener->routes[listener->route_count - 1].origin,
        "[listener %s]: clients that no route is for are refused%s; write route = default -> "
        "TARGET behind the others, or route = default -> refuse",
        listener->name,
        waits ? ", and so are those that wait for a greeting, as most clients of mail do in clear"
              : "");
}

static const char *why_unused(const struct config_listener *listener, const char *key)
{
    if (strcmp(key, "sniff") == 0)
        return "without protocol = auto or tls = auto";
    return listener->protocol == CONFIG_PROTOCOL_AUTO
               ? "where protocol = auto, but in the listeners that the routes name"
               : "without bind, but in the listener that routes here";
}

static void check_is_used(struct build *build, const struct config_listener *listener)
{
    for (size_t row = 0; row < directive_count(); row++) {
        const char *key = directive_at(row)->key;

        if (directive_at(row)->section == SECTION_LISTENER && is_given(listener, key) &&
            !listener_uses(listener, key))
            config_report_add(build->report, false, setting_of(listener, key)->origin,
                "[listener %s] %s: it has no effect %s; remove the line", listener->name, key,
                why_unused(listener, key));
    }
}

static void check_router(struct build *build, const struct config_listener *listener)
{
    if (listener->route_count == 0) {
        if (listener_is_good(listener, "route"))
            config_report_add(build->report, true, setting_of(listener, "protocol")->origin,
                "[listener %s] protocol = auto: it has no route; write e.g. route = alpn imap -> "
                "imaps, where [listener imaps] has the settings",
                listener->name);
        return;
    }
    for (size_t i = 0; i < listener->route_count; i++) {
        check_is_reached(build, listener, i);
        check_target(build, listener, i);
    }
    check_default(build, listener);
}

void config_check_routes(struct build *build)
{
    for (size_t i = 0; i < build->config->listener_count; i++) {
        const struct config_listener *listener = &build->config->listeners[i];

        if (!listener_is_good(listener, "protocol") || !listener_is_good(listener, "tls"))
            continue;
        if (listener->protocol == CONFIG_PROTOCOL_AUTO)
            check_router(build, listener);
        else if (listener->route_count > 0)
            config_report_add(build->report, true, listener->routes[0].origin,
                "[listener %s] route = %s: routes need protocol = auto; write that, or remove them",
                listener->name, listener->routes[0].text);
        check_is_used(build, listener);
    }
}
