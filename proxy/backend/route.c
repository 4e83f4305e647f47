#include "route.h"

#include "mailmux/config_protocols.h"
#include "mailmux/protocols.h"
#include "mailmux/proxy_header.h"

/* The grammars, by the protocol that is spoken toward servers. */
static const struct protocol *const grammars[CONFIG_PROTOCOL_NONE + 1] = {
    [CONFIG_PROTOCOL_SMTP] = &protocol_smtp,
    [CONFIG_PROTOCOL_LMTP] = &protocol_lmtp,
    [CONFIG_PROTOCOL_POP3] = &protocol_pop3,
    [CONFIG_PROTOCOL_IMAP] = &protocol_imap,
    [CONFIG_PROTOCOL_MANAGESIEVE] = &protocol_managesieve,
};

const struct protocol *route_protocol(enum config_protocol protocol)
{
    return grammars[config_protocol_spoken(protocol)];
}

static struct opening_plan opening_of(
    const struct config *config, const struct config_backend *backend)
{
    const struct protocol *protocol = route_protocol(backend->protocol);

    /* Nothing is said to a server, and nothing read of it, where connections are passed on. */
    return (struct opening_plan){
        .protocol = protocol,
        .goal = protocol ? OPENING_SESSION : OPENING_CONNECT,
        .starttls = backend->tls == BACKEND_TLS_STARTTLS,
        .identity = backend->send_client_address,
        .hostname = slice_from(config->proxy.hostname),
        .reply = (size_t)config->limits.reply,
        .reply_lines = (size_t)config->limits.reply_lines,
    };
}

static uint64_t greeting_ms_of(const struct config *config, enum config_protocol protocol)
{
    return config->timeouts.greeting != 0 ? config->timeouts.greeting
                                          : config_protocol_row(protocol)->greeting_ms;
}

unsigned route_keepalive_s(const struct config *config)
{
    return (unsigned)(config->timeouts.keepalive / 1000);
}

struct route route_of(const struct config *config, const struct config_listener *listener,
    struct pool *pool, struct tls_client *tls)
{
    const struct config_backend *backend = &config->backends[listener->backend];
    const struct config_protocol_row *row = config_protocol_row(listener->protocol);

    return (struct route){
        .timeouts = &config->timeouts,
        .backend = backend,
        .pool = pool,
        .opening = opening_of(config, backend),
        .tls = tls,
        .keepalive_s = route_keepalive_s(config),
        .greeting_ms = greeting_ms_of(config, listener->protocol),
        .is_verified =
            backend->tls != BACKEND_TLS_NONE && (backend->verify || backend->pins.count > 0),
        .is_patient = row->carries_mail,
        .has_logins = config_protocol_has_logins(listener->protocol),
        .needs_tls = listener->require_tls != REQUIRE_TLS_NO,
    };
}

struct route route_of_passed(
    const struct config *config, const struct config_backend *backend, struct pool *pool)
{
    return (struct route){
        .timeouts = &config->timeouts,
        .backend = backend,
        .pool = pool,
        .opening = opening_of(config, backend),
        .keepalive_s = route_keepalive_s(config),
        .greeting_ms = greeting_ms_of(config, backend->protocol),
    };
}

struct probe_plan route_probe_plan(
    const struct config *config, const struct config_backend *backend, struct tls_client *tls)
{
    return (struct probe_plan){
        .opening = opening_of(config, backend),
        .implicit_tls = backend->tls == BACKEND_TLS_IMPLICIT,
        .tls = tls,
        .tls_name = backend->tls_name,
        .header = proxy_header_version(backend->send_client_address),
        .timeout_ms = backend->check_timeout,
    };
}
