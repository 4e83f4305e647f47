/*
 * Checks of trust. Every connection reaches a mail server from mailmux's address. A server that
 * trusts this address would relay mail for each client that comes through mailmux. In the other
 * direction, mailmux must not trust every client.
 */
#include "config_check.h"

#include "mailmux/alpn.h"
#include "mailmux/config_protocols.h"
#include <stdio.h>

enum { CAUSE_TEXT_MAX = 512 };

static struct config_setting *setting_of(const struct config_listener *listener, const char *key)
{
    return config_setting_find(listener->settings, SECTION_LISTENER, key);
}

/* Returns whether the servers learn the client's address, and so need not trust mailmux's. */
static bool learns_client_address(const struct config_backend *backend)
{
    return backend->send_client_address != SEND_ADDRESS_NONE;
}

/* Returns the first listener of the backend that takes recipients of every domain, or NULL. */
static const struct config_listener *find_open(const struct config *config, size_t backend)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->backend == backend && listener->relay_domains.count == 0 &&
            listener_is_good(listener, "relay_domains") && listener_is_good(listener, "protocol") &&
            config_protocol_row(listener->protocol)->is_relayed)
            return listener;
    }
    return NULL;
}

static bool is_this_machine(const struct config_server *server)
{
    struct slice host = slice_from(server->host);
    struct address address = server->address;

    if (!server->has_address)
        return slice_equal_nocase(host, SLICE("localhost")) ||
               slice_ends_nocase(host, SLICE(".localhost"));
    address_unmap(&address);
    return address_family(&address) == AF_UNIX || address_is_loopback(&address);
}

static const struct config_server *find_local(const struct config_backend *backend)
{
    for (size_t i = 0; i < backend->server_count; i++) {
        if (is_this_machine(&backend->servers[i]))
            return &backend->servers[i];
    }
    return NULL;
}

static bool is_port_of_mail(const struct config_backend *backend)
{
    const struct standard_port *port =
        backend->server_count > 0 ? standard_port_find(backend->servers[0].port) : NULL;

    return port && config_protocol_row(port->protocol)->is_relayed;
}

/* Returns whether the rule is for clients that send mail, or else its servers take mail. */
static bool passes_mail(const struct routing_rule *rule, const struct config_backend *backend)
{
    if (rule->key == ROUTING_FIRST)
        return rule->first == ROUTING_FIRST_SMTP;
    if (rule->key == ROUTING_ALPN)
        return alpn_means(SLICE("smtp"), slice_from(rule->text));
    return is_port_of_mail(backend);
}

/* Returns whether a route passes mail to the backend, as far as that can be seen. */
static bool is_passed_mail(const struct config *config, size_t backend)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->route_count; j++) {
            if (listener->routes[j].target == ROUTE_PASS && listener->routes[j].index == backend &&
                passes_mail(&listener->rules[j], &config->backends[backend]))
                return true;
        }
    }
    return false;
}

static void cause_of_trust(const struct config_backend *backend, char cause[CAUSE_TEXT_MAX])
{
    const struct config_server *local = find_local(backend);

    if (local)
        (void)snprintf(cause, CAUSE_TEXT_MAX,
            "its server %.80s is on this machine and sees every client at a loopback address, "
            "which mail servers trust unless told otherwise (Postfix: 127.0.0.0/8 in mynetworks): "
            "it is then an open relay for everybody",
            local->name);
    else
        (void)snprintf(cause, CAUSE_TEXT_MAX,
            "its servers see every client at mailmux's address; one that trusts that address "
            "(Postfix: mynetworks, Dovecot: login_trusted_networks) relays mail for anybody");
}

/* Warns, once for each backend, when its servers could relay mail for strangers (C102). */
static void check_trust(struct build *build, const struct config_backend *backend, size_t index)
{
    const struct config_listener *open = find_open(build->config, index);
    char cause[CAUSE_TEXT_MAX];

    if (learns_client_address(backend))
        return;
    cause_of_trust(backend, cause);
    if (open)
        config_report_add(build->report, false, backend->section,
            "[backend %s]: %s; write send_client_address = xclient or proxy-v2 here, or "
            "relay_domains in each of its listeners ([listener %s] has none), or take the address "
            "out of the server's trusted networks",
            backend->name, cause, open->name);
    else if (is_passed_mail(build->config, index))
        config_report_add(build->report, false, backend->section,
            "[backend %s]: %s; write %s, or take the address out of the server's trusted networks",
            backend->name, cause,
            backend->is_inline ? "send_client_address=proxy-v2 behind it"
                               : "send_client_address = proxy-v2 here");
}

static void check_relay_domains(struct build *build, const struct config_listener *listener)
{
    if (listener->relay_domains.count == 0 || !listener_is_good(listener, "protocol"))
        return;
    if (config_protocol_row(listener->protocol)->carries_mail &&
        listener->smuggling == SMUGGLING_PASS)
        config_report_add(build->report, false, setting_of(listener, "smuggling")->origin,
            "[listener %s] smuggling = pass: a server that takes other line ends for the end of a "
            "message runs what follows as commands, with recipients beyond relay_domains; write "
            "look-alikes",
            listener->name);
    if (config_protocol_row(listener->protocol)->carries_mail ||
        listener->protocol == CONFIG_PROTOCOL_AUTO)
        return;
    config_report_add(build->report, true, setting_of(listener, "relay_domains")->origin,
        "[listener %s] relay_domains = %s: this listener speaks %s, which sends no mail; remove "
        "the line",
        listener->name, listener->relay_domains.text[0], config_protocol_name(listener->protocol));
}

static void check_proxy_sources(struct build *build, const struct config_listener *listener)
{
    const struct config_cidrs *networks = &listener->accept_proxy_from;
    char text[CIDR_TEXT_MAX];

    for (size_t i = 0; i < networks->count; i++) {
        if (networks->cidr[i].bits > 0)
            continue;
        config_report_add(build->report, false, networks->origin[i],
            "[listener %s] accept_proxy_from = %s: every client must send a PROXY header, and can "
            "claim any address in it; name the addresses of the load balancers",
            listener->name, cidr_text(&networks->cidr[i], text));
    }
}

static void check_exempt(struct build *build, const struct config_listener *listener)
{
    const struct config_cidrs *networks = &listener->smuggling_exempt;
    char text[CIDR_TEXT_MAX];

    if (networks->count == 0 || !listener_is_good(listener, "protocol") ||
        listener->protocol == CONFIG_PROTOCOL_AUTO)
        return;
    if (!config_protocol_row(listener->protocol)->carries_mail) {
        config_report_add(build->report, true, networks->origin[0],
            "[listener %s] smuggling_exempt = %s: this listener speaks %s, which sends no mail; "
            "remove the line",
            listener->name, cidr_text(&networks->cidr[0], text),
            config_protocol_name(listener->protocol));
        return;
    }
    if (listener->smuggling == SMUGGLING_PASS) {
        config_report_add(build->report, false, networks->origin[0],
            "[listener %s] smuggling_exempt = %s: it has no effect with smuggling = pass, which "
            "holds for every client; remove one of the two lines",
            listener->name, cidr_text(&networks->cidr[0], text));
        return;
    }
    for (size_t i = 0; i < networks->count; i++) {
        if (networks->cidr[i].bits == 0)
            config_report_add(build->report, false, networks->origin[i],
                "[listener %s] smuggling_exempt = %s: that is every client, as with smuggling = "
                "pass; name the networks of the printers and scripts",
                listener->name, cidr_text(&networks->cidr[i], text));
    }
}

void config_check_relay(struct build *build)
{
    const struct config *config = build->config;

    for (size_t i = 0; i < config->listener_count; i++) {
        check_relay_domains(build, &config->listeners[i]);
        check_proxy_sources(build, &config->listeners[i]);
        check_exempt(build, &config->listeners[i]);
    }
    /* Not after an error: the line that is wrong may be the one that would prevent this. */
    for (size_t i = 0; i < config->backend_count && build->report->error_count == 0; i++)
        check_trust(build, &config->backends[i], i);
}
