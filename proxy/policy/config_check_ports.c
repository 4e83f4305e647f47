/*
 * Warnings about TLS and ports: what clients and servers expect on a standard port, and TLS that is
 * too old for passwords, or too new for other mail servers.
 */
#include "config_check.h"

#include "config_value.h"
#include "mailmux/config_protocols.h"

bool listener_is_good(const struct config_listener *listener, const char *key)
{
    return config_setting_is_good(listener->settings, SECTION_LISTENER, key);
}

static struct config_origin origin_of(const struct config_listener *listener, const char *key)
{
    return config_setting_find(listener->settings, SECTION_LISTENER, key)->origin;
}

bool listener_begins_in_clear(const struct config_listener *listener)
{
    return listener->tls == LISTENER_TLS_STARTTLS || listener->tls == LISTENER_TLS_AUTO;
}

bool listener_has_port(const struct config_listener *listener, uint16_t port)
{
    for (size_t i = 0; i < listener->bind_count; i++) {
        if (address_port(&listener->bind[i]) == port)
            return true;
    }
    return false;
}

/* Returns the first standard port of the listener where TLS begins in that way, or NULL. */
static const struct standard_port *find_port(
    const struct config_listener *listener, enum config_listener_tls tls)
{
    for (size_t i = 0; i < listener->bind_count; i++) {
        const struct standard_port *standard = standard_port_find(address_port(&listener->bind[i]));

        if (standard && standard->tls == tls)
            return standard;
    }
    return NULL;
}

uint16_t listener_awaits_implicit(const struct config_listener *listener)
{
    const struct standard_port *port = find_port(listener, LISTENER_TLS_IMPLICIT);

    if (!port || listener->tls == LISTENER_TLS_IMPLICIT || listener->tls == LISTENER_TLS_AUTO ||
        (listener->tls == LISTENER_TLS_NONE && listener->accept_proxy_from.count > 0))
        return 0;
    return port->port;
}

/* ---- Listeners ---- */

static void check_guessed_tls(struct build *build, const struct config_listener *listener)
{
    if (config_setting_find(listener->settings, SECTION_LISTENER, "tls")->state != SETTING_DEFAULT)
        return;
    for (size_t i = 0; i < listener->bind_count; i++) {
        if (standard_port_find(address_port(&listener->bind[i])))
            continue;
        config_report_add(build->report, false, listener->section,
            "[listener %s]: tls is not given, port %u does not imply it, and so it is starttls; "
            "write tls = starttls, or tls = implicit where clients begin with TLS",
            listener->name, address_port(&listener->bind[i]));
        return;
    }
}

/* Clients that wait for a greeting in clear get none, as this listener begins with TLS. */
static void report_silence(
    struct build *build, const struct config_listener *listener, const struct standard_port *clear)
{
    const struct standard_port *implicit = standard_port_implicit(clear->protocol);
    char other[sizeof(", or bind port 65535")] = "";

    if (implicit)
        (void)snprintf(other, sizeof(other), ", or bind port %u", implicit->port);
    config_report_add(build->report, false, origin_of(listener, "tls"),
        "[listener %s] tls = implicit: on port %u clients wait for a greeting in clear, which "
        "never comes; write tls = starttls%s",
        listener->name, clear->port, other);
}

static void check_begin(struct build *build, const struct config_listener *listener)
{
    const struct standard_port *clear = find_port(listener, LISTENER_TLS_STARTTLS);
    uint16_t port = listener_awaits_implicit(listener);

    if (port != 0)
        config_report_add(build->report, false, origin_of(listener, "tls"),
            "[listener %s] tls = %s: clients begin with TLS on port %u, and would get no answer "
            "that they understand; write tls = implicit",
            listener->name, listener->tls == LISTENER_TLS_NONE ? "none" : "starttls", port);
    else if (clear && listener->tls == LISTENER_TLS_IMPLICIT)
        report_silence(build, listener, clear);
}

static void check_protocol(struct build *build, const struct config_listener *listener)
{
    for (size_t i = 0; i < listener->bind_count; i++) {
        const struct standard_port *standard = standard_port_find(address_port(&listener->bind[i]));

        if (!standard || config_protocol_spoken(standard->protocol) ==
                             config_protocol_spoken(listener->protocol))
            continue;
        config_report_add(build->report, false, origin_of(listener, "protocol"),
            "[listener %s] protocol = %s: clients speak %s on port %u; write protocol = %s, or "
            "bind another port",
            listener->name, config_protocol_name(listener->protocol),
            config_protocol_name(standard->protocol), standard->port,
            config_protocol_name(standard->protocol));
        return;
    }
}

static void check_logins(struct build *build, const struct config_listener *listener)
{
    if (!listener_begins_in_clear(listener) || listener->require_tls != REQUIRE_TLS_NO ||
        !config_protocol_has_logins(listener->protocol))
        return;
    config_report_add(build->report, false, origin_of(listener, "require_tls"),
        "[listener %s] require_tls = no: clients may send their passwords in clear; require_tls = "
        "auth, the default, takes logins inside TLS alone",
        listener->name);
}

static void check_listener(struct build *build, const struct config_listener *listener)
{
    bool is_tls_known = listener_is_good(listener, "tls");
    bool is_protocol_known = listener_is_good(listener, "protocol");

    if (listener->protocol == CONFIG_PROTOCOL_AUTO) /* its port tells nothing */
        return;
    if (is_protocol_known)
        check_guessed_tls(build, listener);
    if (is_tls_known)
        check_begin(build, listener);
    if (is_protocol_known)
        check_protocol(build, listener);
    if (is_tls_known && is_protocol_known && listener_is_good(listener, "require_tls"))
        check_logins(build, listener);
}

/* ---- The versions of a set ---- */

/* Returns whether clients come here that may know no better: other mail servers, on port 25. */
static bool is_for_old_peers(const struct config_listener *listener)
{
    if (!config_protocol_row(listener->protocol)->is_exchange)
        return false;
    for (size_t i = 0; i < listener->bind_count; i++) {
        uint16_t port = address_port(&listener->bind[i]);

        if (port != 25 && standard_port_find(port)) /* to any other, port 25 may be redirected */
            return false;
    }
    return true;
}

static bool is_away(const struct config_listener *listener)
{
    return !is_for_old_peers(listener);
}

static bool is_exchanger(const struct config_listener *listener)
{
    return config_protocol_row(listener->protocol)->is_exchange && listener_has_port(listener, 25);
}

static bool has_taken(const struct config *config, size_t set, const char *key)
{
    const struct config_setting *own =
        config_setting_find(config->tls[set].settings, SECTION_TLS, key);
    const struct config_setting *first =
        config_setting_find(config->tls[0].settings, SECTION_TLS, key);

    return set > 0 && own->origin.line == first->origin.line &&
           own->origin.file == first->origin.file;
}

/* Returns the first listener of that kind with the value that the set has for the key, or NULL. */
static const struct config_listener *find_user(const struct config *config, size_t set,
    const char *key, bool (*is_meant)(const struct config_listener *listener))
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (!listener_is_good(listener, "tls") || !listener_is_good(listener, "protocol") ||
            !listener_is_good(listener, "bind") || listener->tls == LISTENER_TLS_NONE ||
            !is_meant(listener))
            continue;
        for (size_t j = 0; j < listener->tls_set_count; j++) {
            if (listener->tls_sets[j] == set ||
                (set == 0 && has_taken(config, listener->tls_sets[j], key)))
                return listener;
        }
    }
    return NULL;
}

static void check_versions(struct build *build, size_t set)
{
    const struct config *config = build->config;
    const struct config_tls *tls = &config->tls[set];
    bool has_minimum = tls->minimum_version != TLS_VERSION_BY_POLICY;
    const char *key = has_minimum ? "minimum_version" : "policy";
    bool is_old = has_minimum ? tls->minimum_version < TLS_1_2 : tls->policy == TLS_LEGACY;
    bool is_capped =
        tls->maximum_version != TLS_VERSION_BY_POLICY && tls->maximum_version < TLS_1_3;
    bool is_new = has_minimum ? tls->minimum_version == TLS_1_3 : tls->policy == TLS_MODERN;
    const struct directive *directive = directive_find(SECTION_TLS, slice_from(key));
    const struct config_setting *setting = config_setting_find(tls->settings, SECTION_TLS, key);
    const char *value = config_choice_text(
        directive, has_minimum ? (unsigned)tls->minimum_version : (unsigned)tls->policy);
    const struct config_listener *user;
    char heading[CONFIG_HEADING_MAX];

    if (setting->state == SETTING_BAD || has_taken(config, set, key))
        return;
    (void)config_heading(
        &section_infos[SECTION_TLS], (const struct config_head *)(const void *)tls, heading);
    user = is_old ? find_user(config, set, key, is_away) : NULL;
    if (user)
        config_report_add(build->report, false, setting->origin,
            "[%s] %s = %s: [listener %s] speaks it, too, and this old TLS is for port 25 at most; "
            "write it into a [tls NAME] that the listener on port 25 alone has as tls_set",
            heading, key, value, user->name);
    user = is_new && !is_capped ? find_user(config, set, key, is_exchanger) : NULL;
    if (user)
        config_report_add(build->report, false, setting->origin,
            "[%s] %s = %s: mail servers without TLS 1.3 then send to port 25 of [listener %s] in "
            "clear; let it have policy = intermediate",
            heading, key, value, user->name);
}

/* ---- Backends ---- */

static const char *find_mistake(
    const struct config_backend *backend, const struct standard_port *standard)
{
    if (standard->tls == LISTENER_TLS_IMPLICIT && backend->tls != BACKEND_TLS_IMPLICIT)
        return "the server expects TLS from the first byte on that port; write tls = implicit";
    if (standard->tls == LISTENER_TLS_STARTTLS && backend->tls == BACKEND_TLS_IMPLICIT)
        return "the server begins in clear on that port; write tls = starttls";
    return NULL;
}

/* The TLS is that of all its servers, so the first one is enough. */
static void check_server_tls(struct build *build, const struct config_backend *backend)
{
    const struct directive *tls = directive_find(SECTION_BACKEND, SLICE("tls"));

    if (!config_setting_is_good(backend->settings, SECTION_BACKEND, "tls") ||
        backend->protocol == CONFIG_PROTOCOL_NONE)
        return;
    for (size_t i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];
        const struct standard_port *standard = standard_port_find(server->port);
        const char *mistake = standard ? find_mistake(backend, standard) : NULL;

        if (!mistake)
            continue;
        config_report_add(build->report, false, server->origin,
            "[backend %s] server = %s: port %u with tls = %s: %s", backend->name, server->name,
            server->port, config_choice_text(tls, backend->tls), mistake);
        return;
    }
}

void config_check_ports(struct build *build)
{
    const struct config *config = build->config;

    for (size_t i = 0; i < config->listener_count; i++)
        check_listener(build, &config->listeners[i]);
    for (size_t i = 0; i < config->tls_count; i++)
        check_versions(build, i);
    for (size_t i = 0; i < config->backend_count; i++)
        check_server_tls(build, &config->backends[i]);
}
