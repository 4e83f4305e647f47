/* Checks of the TLS toward a backend. */
#include "config_check.h"

static bool is_given(const struct config_backend *backend, const char *key)
{
    return config_setting_find(backend->settings, SECTION_BACKEND, key)->state == SETTING_GIVEN;
}

static struct config_origin origin_of(const struct config_backend *backend, const char *key)
{
    return config_setting_find(backend->settings, SECTION_BACKEND, key)->origin;
}

/*
 * For tls = none: refuses settings that look like protection and would have no effect. A setting
 * may be given with its default.
 */
static void check_is_used(struct build *build, const struct config_backend *backend)
{
    const struct {
        const char *key;
        bool is_default;
    } settings[] = {
        {"verify", backend->verify != 0},
        {"ca", false},
        {"tls_name", false},
        {"pin", false},
        {"client_certificate", false},
        {"client_key", false},
        {"tls_policy", backend->tls_policy == TLS_INTERMEDIATE},
    };

    bool is_passed_to = backend->protocol == CONFIG_PROTOCOL_NONE; /* and takes no TLS of ours */

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *key = settings[i].key;

        if (is_given(backend, key) && !settings[i].is_default)
            config_report_add(build->report, true, origin_of(backend, key),
                "[backend %s] %s: it has no meaning with tls = none; %sremove the line",
                backend->name, key,
                is_passed_to ? "" : "write tls = starttls or tls = implicit, or ");
    }
}

static void check_verification(struct build *build, const struct config_backend *backend)
{
    struct config_origin origin = origin_of(backend, "verify");

    if (backend->verify || !is_given(backend, "verify"))
        return;
    if (is_given(backend, "ca"))
        config_report_add(build->report, true, origin,
            "[backend %s] verify = no: ca would never be asked; remove one of the two lines",
            backend->name);
    else if (backend->pins.count == 0)
        config_report_add(build->report, false, origin,
            "[backend %s] verify = no: anybody on the way can pass for the server and read "
            "passwords and mail; ca or pin instead of it protects them",
            backend->name);
}

/*
 * DNS says which host a service leads to, and its answers may be forged. So the name of that host
 * proves nothing, and tls_name must be given. A unix socket has no name at all.
 */
static void check_names(struct build *build, const struct config_backend *backend)
{
    bool has_name = backend->tls_name != NULL;
    bool is_pinned = backend->pins.count > 0 && !backend->ca;

    for (size_t i = 0; i < backend->server_count && !has_name; i++) {
        const struct config_server *server = &backend->servers[i];

        if (!backend->verify || is_pinned)
            continue;
        if (server->has_address && address_family(&server->address) == AF_UNIX)
            config_report_add(build->report, true, server->origin,
                "[backend %s] server = %s: a socket has no name that its certificate could be for; "
                "write tls_name = the name in it, or tls = none, since nothing leaves this machine",
                backend->name, server->name);
        else if (server->is_service)
            config_report_add(build->report, true, server->origin,
                "[backend %s] server = srv:%s: the certificates of a service's hosts are not for "
                "its "
                "name; write tls_name = the name that they have in common",
                backend->name, server->host);
    }
}

static void check_check(struct build *build, const struct config_backend *backend)
{
    if (backend->check == OPENING_TLS && backend->tls != BACKEND_TLS_STARTTLS &&
        backend->protocol != CONFIG_PROTOCOL_NONE)
        config_report_add(build->report, true, origin_of(backend, "check"),
            "[backend %s] check = starttls: it needs tls = starttls; write that, or check = "
            "capabilities%s",
            backend->name,
            backend->tls == BACKEND_TLS_IMPLICIT ? ", which tls = implicit puts inside TLS" : "");
}

void config_check_backend_tls(struct build *build, const struct config_backend *backend)
{
    if (!config_setting_is_good(backend->settings, SECTION_BACKEND, "tls"))
        return;
    check_check(build, backend);
    if (backend->tls == BACKEND_TLS_NONE) {
        check_is_used(build, backend);
        return;
    }
    check_verification(build, backend);
    check_names(build, backend);
    if (is_given(backend, "client_key") &&
        config_setting_find(backend->settings, SECTION_BACKEND, "client_certificate")->state ==
            SETTING_DEFAULT)
        config_report_add(build->report, true, origin_of(backend, "client_key"),
            "[backend %s] client_key = %s: it has no certificate; write client_certificate, or "
            "remove the line",
            backend->name, backend->client_key);
}
