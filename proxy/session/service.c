#include "service.h"

#include "mailmux/config_protocols.h"

static struct dialog_policy dialog_policy_of(
    const struct config *config, const struct config_listener *listener)
{
    const struct config_limits *limits = &config->limits;

    return (struct dialog_policy){
        .hostname = slice_from(config->proxy.hostname),
        .offers_tls = listener->tls == LISTENER_TLS_STARTTLS || listener->tls == LISTENER_TLS_AUTO,
        .require_tls = listener->require_tls,
        .smuggling = listener->smuggling,
        .line = (size_t)limits->line,
        .sasl_line = (size_t)limits->sasl_line,
        .literal = (size_t)limits->literal,
        .reply = (size_t)limits->reply,
        .reply_lines = (size_t)limits->reply_lines,
        .bad_commands = (unsigned)limits->bad_commands,
        .relay_domain_count = listener->relay_domains.count,
        .relay_domains = listener->relay_domains.text,
    };
}

struct service service_of(const struct config *config, const struct config_listener *listener,
    const struct tls_service *tls, struct pool *pool, struct tls_client *server_tls)
{
    const struct config_timeouts *timeouts = &config->timeouts;
    const struct config_protocol_row *row = config_protocol_row(listener->protocol);

    return (struct service){
        .config = config,
        .listener = listener,
        .protocol = route_protocol(listener->protocol),
        .dialog_policy = dialog_policy_of(config, listener),
        .tls = listener->tls == LISTENER_TLS_NONE ? NULL : tls,
        .route = route_of(config, listener, pool, server_tls),
        .idle_ms = row->has_short_idle ? timeouts->pop3_idle : timeouts->imap_idle,
        .sniffs = listener->tls == LISTENER_TLS_AUTO,
    };
}

struct socket_options service_client_options(const struct service *service)
{
    return (struct socket_options){.keepalive_s = service->route.keepalive_s,
        .patience_ms = service->config->timeouts.stalled};
}

struct service service_of_front(const struct config *config, const struct config_listener *listener,
    const struct service_target *targets)
{
    return (struct service){.config = config,
        .listener = listener,
        .route.keepalive_s = route_keepalive_s(config),
        .sniffs = true,
        .targets = targets};
}

struct service service_of_passed(const struct config *config,
    const struct config_listener *listener, const struct config_backend *backend, struct pool *pool)
{
    return (struct service){.config = config,
        .listener = listener,
        .route = route_of_passed(config, backend, pool),
        .idle_ms = config->timeouts.pass_idle};
}
