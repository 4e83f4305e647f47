#include "route.h"

#include "mailmux/protocols.h"
#include "mailmux/proxy_header.h"

const struct protocol *route_protocol(enum config_protocol protocol)
{
    switch (protocol) {
    case CONFIG_PROTOCOL_SMTP:
    case CONFIG_PROTOCOL_SUBMISSION:
        return &protocol_smtp;
    case CONFIG_PROTOCOL_POP3:
        return &protocol_pop3;
    case CONFIG_PROTOCOL_IMAP:
        return &protocol_imap;
    }
    return NULL;
}

static struct opening_plan opening_of(
    const struct config *config, const struct config_backend *backend)
{
    return (struct opening_plan){
        .protocol = route_protocol(backend->protocol),
        .goal = OPENING_SESSION,
        .starttls = backend->tls == BACKEND_TLS_STARTTLS,
        .identity = backend->send_client_address,
        .hostname = slice_from(config->proxy.hostname),
        .reply = (size_t)config->limits.reply,
        .reply_lines = (size_t)config->limits.reply_lines,
    };
}

/*
 * Without the setting the default depends on the protocol: SMTP servers get more time, because
 * their greeting may legally be slow [RFC 5321 4.5.3.2.1].
 */
static uint64_t greeting_ms_of(const struct config *config, enum config_protocol protocol)
{
    const uint64_t smtp_ms = 60000;
    const uint64_t other_ms = 10000;

    if (config->timeouts.greeting != 0)
        return config->timeouts.greeting;
    return config_protocol_is_smtp(protocol) ? smtp_ms : other_ms;
}

struct route route_of(const struct config *config, const struct config_listener *listener,
    struct pool *pool, struct tls_client *tls)
{
    const struct config_backend *backend = &config->backends[listener->backend];

    return (struct route){
        .timeouts = &config->timeouts,
        .backend = backend,
        .pool = pool,
        .opening = opening_of(config, backend),
        .tls = tls,
        .keepalive_s = (unsigned)(config->timeouts.keepalive / 1000),
        .greeting_ms = greeting_ms_of(config, listener->protocol),
        .is_verified =
            backend->tls != BACKEND_TLS_NONE && (backend->verify || backend->pins.count > 0),
        .is_patient = config_protocol_is_smtp(listener->protocol),
        .has_logins = listener->protocol != CONFIG_PROTOCOL_SMTP,
        .needs_tls = listener->require_tls != REQUIRE_TLS_NO,
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
