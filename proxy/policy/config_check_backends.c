/* Checks of backends: each is used, has one protocol, and is not this proxy itself. */
#include "config_check.h"

#include "mailmux/config_protocols.h"

static void report_two_protocols(struct build *build, const struct config_backend *backend,
    const struct config_listener *first, const struct config_listener *other)
{
    config_report_add(build->report, true,
        config_setting_find(other->settings, SECTION_LISTENER, "backend")->origin,
        "[listener %s] backend = %s: this listener speaks %s and [listener %s], at %s:%u, speaks "
        "%s to the same servers; make a backend for each",
        other->name, backend->name, config_protocol_name(other->protocol), first->name,
        first->section.file, first->section.line, config_protocol_name(first->protocol));
}

/*
 * Sets the protocol of a backend to that of the listeners that name it; with submission and smtp it
 * is smtp. Returns false when no listener with a known protocol names it.
 */
static bool check_protocol(struct build *build, size_t index)
{
    struct config_backend *backend = &build->config->backends[index];
    const struct config_listener *first = NULL;

    for (size_t i = 0; i < build->config->listener_count; i++) {
        const struct config_listener *listener = &build->config->listeners[i];

        if (listener->backend != index || !listener_is_good(listener, "protocol"))
            continue;
        if (!first) {
            first = listener;
            backend->protocol = listener->protocol;
        } else if (config_protocol_spoken(listener->protocol) !=
                   config_protocol_spoken(first->protocol)) {
            report_two_protocols(build, backend, first, listener);
        } else if (listener->protocol != backend->protocol) {
            backend->protocol = config_protocol_spoken(listener->protocol);
        }
    }
    return first != NULL;
}

/* Returns the route that passes connections to the backend, or NULL. */
static const struct config_route *find_pass(const struct config *config, size_t index)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->route_count; j++) {
            if (listener->routes[j].target == ROUTE_PASS && listener->routes[j].index == index)
                return &listener->routes[j];
        }
    }
    return NULL;
}

static bool is_used(const struct config *config, size_t index)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].backend == index)
            return true;
    }
    return find_pass(config, index) != NULL;
}

/* Returns whether every listener's backend is known, so that an unused one is really unused. */
static bool knows_all_backends(const struct build *build)
{
    const struct config *config = build->config;

    if (build->document.is_incomplete)
        return false;
    for (size_t i = 0; i < config->listener_count; i++) {
        if (!listener_is_good(&config->listeners[i], "backend") ||
            !listener_is_good(&config->listeners[i], "route"))
            return false;
    }
    return true;
}

/* Returns the listener that would answer a connection to the server, or NULL. */
static const struct config_listener *find_self(
    const struct config *config, const struct config_server *server)
{
    if (!server->has_address)
        return NULL;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->bind_count; j++) {
            /* A wildcard collides with every address, but other machines do not answer there. */
            if (address_equal(&server->address, &listener->bind[j]) ||
                (address_is_loopback(&server->address) &&
                    address_binds_collide(&server->address, &listener->bind[j])))
                return listener;
        }
    }
    return NULL;
}

static void check_servers(struct build *build, const struct config_backend *backend)
{
    for (size_t i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];
        const struct config_listener *self = find_self(build->config, server);
        char text[ADDRESS_TEXT_MAX];

        if (self)
            config_report_add(build->report, true, server->origin,
                "[backend %s] server = %s: this is mailmux's own [listener %s], and every session "
                "would come back to it; name the mail server's address",
                backend->name, address_text(&server->address, text), self->name);
    }
}

/* Warns when all servers are in drain or maintenance. The operator may want that for a while. */
static void check_is_served(struct build *build, const struct config_backend *backend)
{
    for (size_t i = 0; i < backend->server_count; i++) {
        if (backend->servers[i].state == SERVER_READY)
            return;
    }
    if (backend->server_count > 0)
        config_report_add(build->report, false, backend->section,
            "[backend %s]: all its servers are in drain or maintenance, and every new session is "
            "turned away; leave one without these words",
            backend->name);
}

/* ---- How servers learn the address of the client ---- */

static struct config_setting *setting_of(const struct config_backend *backend, const char *key)
{
    return config_setting_find(backend->settings, SECTION_BACKEND, key);
}

/* proxy_tlvs without a header of version 2 has no effect. The default may be given. */
static void check_tlvs(struct build *build, const struct config_backend *backend)
{
    const struct config_setting *tlvs = setting_of(backend, "proxy_tlvs");

    if (tlvs->state != SETTING_GIVEN || backend->send_client_address == SEND_ADDRESS_PROXY_V2 ||
        backend->proxy_tlvs == PROXY_TLV_SSL)
        return;
    config_report_add(build->report, true, tlvs->origin,
        "[backend %s] proxy_tlvs: only send_client_address = proxy-v2 has a place for them; write "
        "that, or remove the line",
        backend->name);
}

static void check_send_address(
    struct build *build, const struct config_backend *backend, enum config_protocol protocol)
{
    struct config_origin origin = setting_of(backend, "send_client_address")->origin;
    const struct config_protocol_row *row = config_protocol_row(protocol);
    const char *own = row->identity == SEND_ADDRESS_XCLIENT ? "xclient or "
                      : row->identity == SEND_ADDRESS_ID    ? "id or "
                                                            : "";

    if (backend->send_client_address == row->identity)
        return;
    if (backend->send_client_address == SEND_ADDRESS_XCLIENT)
        config_report_add(build->report, true, origin,
            "[backend %s] send_client_address = xclient: %s has no XCLIENT; write %sproxy-v2",
            backend->name, row->speech, own);
    else if (backend->send_client_address == SEND_ADDRESS_ID)
        config_report_add(build->report, true, origin,
            "[backend %s] send_client_address = id: only IMAP has ID; write %sproxy-v2",
            backend->name, own);
}

static void check_told_address(
    struct build *build, const struct config_backend *backend, enum config_protocol protocol)
{
    if (setting_of(backend, "send_client_address")->state == SETTING_BAD)
        return;
    check_send_address(build, backend, protocol);
    check_tlvs(build, backend);
}

/* ---- Backends that connections are passed to ---- */

static void check_passed_settings(struct build *build, const struct config_backend *backend)
{
    enum send_address how = backend->send_client_address;

    if (how == SEND_ADDRESS_XCLIENT || how == SEND_ADDRESS_ID)
        config_report_add(build->report, true, setting_of(backend, "send_client_address")->origin,
            "[backend %s] send_client_address = %s: connections are passed to it unread, and only "
            "a PROXY header has room before them; write proxy-v2 or proxy-v1",
            backend->name, how == SEND_ADDRESS_ID ? "id" : "xclient");
    if (backend->tls != BACKEND_TLS_NONE)
        config_report_add(build->report, true, setting_of(backend, "tls")->origin,
            "[backend %s] tls: connections are passed to it as the clients have made them, in TLS "
            "or not; remove the line",
            backend->name);
    if (backend->check != OPENING_NONE && backend->check != OPENING_CONNECT)
        config_report_add(build->report, true, setting_of(backend, "check")->origin,
            "[backend %s] check: connections are passed to it unread, and so it is not known what "
            "it speaks; write check = connect",
            backend->name);
}

/* A server that is spoken to, and one that gets connections unread, are told other things. */
static bool check_passed(struct build *build, size_t index)
{
    struct config_backend *backend = &build->config->backends[index];
    const struct config_route *pass = find_pass(build->config, index);

    if (!pass)
        return false;
    for (size_t i = 0; i < build->config->listener_count; i++) {
        const struct config_listener *listener = &build->config->listeners[i];

        if (listener->backend == index)
            config_report_add(build->report, true, pass->origin,
                "[backend %s]: this route passes connections to it unread, and [listener %s], at "
                "%s:%u, speaks to it; make a backend for each",
                backend->name, listener->name, listener->section.file, listener->section.line);
    }
    backend->protocol = CONFIG_PROTOCOL_NONE;
    check_passed_settings(build, backend);
    check_tlvs(build, backend);
    return true;
}

/* ---- All checks of backends ---- */

/* Refuses a configuration without a listener, unless lost lines may have had one. */
static void check_is_there(struct build *build)
{
    const struct document *document = &build->document;

    if (build->config->listener_count > 0 || document->is_incomplete)
        return;
    config_report_add(build->report, true, document->origin, "%s",
        document->sections ? "there is no listener; write a section [listener NAME] with bind and "
                             "backend"
                           : "the file is empty; write a section [listener NAME] with bind and "
                             "backend, and a section [backend NAME] with server");
}

void config_check_backends(struct build *build)
{
    const struct config *config = build->config;
    bool knows_all = knows_all_backends(build) && config->listener_count > 0;

    check_is_there(build);
    for (size_t i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];

        if (!check_passed(build, i) && check_protocol(build, i))
            check_told_address(build, backend, config_protocol_spoken(backend->protocol));
        check_servers(build, backend);
        check_is_served(build, backend);
        config_check_backend_tls(build, backend);
        if (knows_all && !is_used(config, i))
            config_report_add(build->report, false, backend->section,
                "[backend %s]: no listener uses it; write backend = %s in a listener, or remove "
                "the section",
                backend->name, backend->name);
    }
}

/* Gives the backend of one index another one, in all that names it. */
static void renumber(struct config *config, size_t from, size_t to)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];

        if (listener->backend == from)
            listener->backend = to;
        for (size_t j = 0; j < listener->route_count; j++) {
            if (listener->routes[j].target == ROUTE_PASS && listener->routes[j].index == from)
                listener->routes[j].index = to;
        }
    }
}

void config_drop_unused(struct build *build)
{
    struct config *config = build->config;
    size_t kept = 0;

    if (build->report->error_count > 0)
        return;
    for (size_t i = 0; i < config->backend_count; i++) {
        if (!is_used(config, i))
            continue;
        renumber(config, i, kept); /* at most i, which has been passed */
        config->backends[kept++] = config->backends[i];
    }
    config->backend_count = kept;
}
