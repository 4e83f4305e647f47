/* Compares settings with one another: listeners, certificates and times. */
#include "config_check.h"

#include "mailmux/config_protocols.h"
#include <inttypes.h>

/* Compares one bind with all that stand before it in the configuration. */
static void check_bind(struct build *build, size_t listener_index, size_t bind_index)
{
    const struct config_listener *listener = &build->config->listeners[listener_index];
    const struct address *bind = &listener->bind[bind_index];
    char text[ADDRESS_TEXT_MAX];
    char other_text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i <= listener_index; i++) {
        const struct config_listener *other = &build->config->listeners[i];

        for (size_t j = 0; j < (i == listener_index ? bind_index : other->bind_count); j++) {
            if (!address_binds_collide(bind, &other->bind[j]))
                continue;
            config_report_add(build->report, true, listener->bind_origin[bind_index],
                "[listener %s] bind = %s: [listener %s] has %s already, at %s:%u; an address and "
                "port can be listened on once",
                listener->name, address_text(bind, text), other->name,
                address_text(&other->bind[j], other_text), other->bind_origin[j].file,
                other->bind_origin[j].line);
            return;
        }
    }
}

static void check_strict_sni(struct build *build, const struct config_listener *listener)
{
    if (listener->strict_sni && config_protocol_row(listener->protocol)->is_exchange &&
        listener_is_good(listener, "protocol"))
        config_report_add(build->report, false,
            config_setting_find(listener->settings, SECTION_LISTENER, "strict_sni")->origin,
            "[listener %s] strict_sni = yes: it has no effect where protocol = smtp, as other mail "
            "servers must be served whatever name they ask for (RFC 7672, RFC 8461)",
            listener->name);
}

/* Returns whether clients of this listener can do nothing without a login. */
static bool needs_login(const struct config_listener *listener)
{
    return listener_is_good(listener, "protocol") &&
           !config_protocol_row(listener->protocol)->carries_mail;
}

static void check_listener_tls(struct build *build, const struct config_listener *listener)
{
    struct config_origin origin =
        config_setting_find(listener->settings, SECTION_LISTENER, "require_tls")->origin;

    if (!listener_is_good(listener, "tls") || !listener_is_good(listener, "require_tls") ||
        listener->protocol == CONFIG_PROTOCOL_AUTO)
        return;
    if (listener->tls == LISTENER_TLS_NONE && listener->require_tls == REQUIRE_TLS_YES)
        config_report_add(build->report, true, origin,
            "[listener %s] require_tls = yes: with tls = none no client could ever send a command; "
            "write tls = starttls, or require_tls = no",
            listener->name);
    else if (listener->tls == LISTENER_TLS_NONE && listener->require_tls == REQUIRE_TLS_AUTH &&
             needs_login(listener))
        config_report_add(build->report, true, origin,
            "[listener %s] require_tls = auth: with tls = none no client could ever log in; write "
            "tls "
            "= starttls, or require_tls = no",
            listener->name);
    else if (listener->tls == LISTENER_TLS_NONE && listener->require_tls == REQUIRE_TLS_NO &&
             listener_awaits_implicit(listener) == 0)
        config_report_add(build->report, false,
            config_setting_find(listener->settings, SECTION_LISTENER, "tls")->origin,
            "[listener %s] tls = none: passwords and mail travel in clear; tls = starttls "
            "protects them",
            listener->name);
    else if (listener_begins_in_clear(listener) && listener->require_tls == REQUIRE_TLS_YES &&
             (listener_has_port(listener, 25) || listener_has_port(listener, 2525)))
        config_report_add(build->report, false, origin,
            "[listener %s] require_tls = yes: mail servers that do not speak TLS can no longer "
            "deliver to port %u; require_tls = auth protects logins alone",
            listener->name, listener_has_port(listener, 25) ? 25U : 2525U);
}

static bool is_given(struct config_setting *settings, const char *key)
{
    return config_setting_find(settings, SECTION_TLS, key)->state == SETTING_GIVEN;
}

/* "tls" for the first set, "tls NAME" for the others. Returns out. */
static const char *heading_of(const struct config_tls *tls, char out[CONFIG_HEADING_MAX])
{
    return config_heading(
        &section_infos[SECTION_TLS], (const struct config_head *)(const void *)tls, out);
}

static bool is_set_used(const struct config *config, size_t set)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].tls_set_count; j++) {
            if (config->listeners[i].tls_sets[j] == set)
                return true;
        }
    }
    return false;
}

/* Checks what only a [tls NAME] can have wrong. */
static void check_further_set(struct build *build, size_t index)
{
    const struct config_tls *tls = &build->config->tls[index];

    for (size_t row = 0; row < directive_count(); row++) {
        const char *key = directive_at(row)->key;

        if (directive_at(row)->section == SECTION_TLS && directive_at(row)->is_nameless &&
            is_given(tls->settings, key))
            config_report_add(build->report, true, tls->settings[row].origin,
                "[tls %s] %s: it belongs in [tls] alone, as all sets share the keys; move it there",
                tls->name, key);
    }
    if (config_setting_find(tls->settings, SECTION_TLS, "certificate")->state == SETTING_DEFAULT &&
        !is_given(tls->settings, "certificate_directory") &&
        config_setting_is_good(tls->settings, SECTION_TLS, "certificate_directory"))
        config_report_add(build->report, true, tls->section,
            "[tls %s]: certificate is missing; write certificate = PATH and key = PATH", tls->name);
    else if (!is_set_used(build->config, index) && !build->document.is_incomplete &&
             config_setting_find(tls->settings, SECTION_TLS, "for")->state == SETTING_DEFAULT)
        config_report_add(build->report, false, tls->section,
            "[tls %s]: no listener uses it; write for = LISTENER or HOST NAME in it, or remove the "
            "section",
            tls->name);
}

static void check_client_certificate(struct build *build, const struct config_tls *tls)
{
    const struct config_setting *setting =
        config_setting_find(tls->settings, SECTION_TLS, "client_certificate");
    char heading[CONFIG_HEADING_MAX];

    if (!config_setting_is_good(tls->settings, SECTION_TLS, "client_certificate") ||
        !config_setting_is_good(tls->settings, SECTION_TLS, "client_ca"))
        return;
    if (tls->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE && !tls->client_ca)
        config_report_add(build->report, true, setting->origin,
            "[%s] client_certificate = require: it needs client_ca, the file with the authorities "
            "that may sign them",
            heading_of(tls, heading));
}

/* Returns whether a set asks clients for certificates; it may take client_ca from [tls]. */
static bool asks_clients(const struct config *config)
{
    for (size_t i = 0; i < config->tls_count; i++) {
        if (config->tls[i].client_certificate != TLS_CLIENT_CERTIFICATE_NONE)
            return true;
    }
    return false;
}

/* Warns about a client_ca that is not used: it looks like protection and is none. */
static void check_client_ca(struct build *build, const struct config_tls *tls)
{
    const struct config_setting *ca = config_setting_find(tls->settings, SECTION_TLS, "client_ca");
    const struct config_tls *first = &build->config->tls[0];
    bool is_inherited =
        tls != first && tls->client_ca != NULL && tls->client_ca == first->client_ca;
    char heading[CONFIG_HEADING_MAX];

    if (ca->state != SETTING_GIVEN || is_inherited ||
        tls->client_certificate != TLS_CLIENT_CERTIFICATE_NONE ||
        (tls == first && asks_clients(build->config)))
        return;
    config_report_add(build->report, false, ca->origin,
        "[%s] client_ca = %s: no client is asked for a certificate; write client_certificate = "
        "require, or request",
        heading_of(tls, heading), tls->client_ca);
}

/* Certificates and keys belong together in pairs. Reports the first one that stands alone. */
static void check_tls_pairs(struct build *build, const struct config_tls *tls)
{
    const struct config_strings *certificates = &tls->certificates;
    const struct config_strings *keys = &tls->keys;
    char heading[CONFIG_HEADING_MAX];

    if (!config_setting_is_good(tls->settings, SECTION_TLS, "certificate") ||
        !config_setting_is_good(tls->settings, SECTION_TLS, "key"))
        return;
    if (certificates->count > keys->count)
        config_report_add(build->report, true, certificates->origin[keys->count],
            "[%s] certificate = %s: it has no key; the n-th key belongs to the n-th certificate, "
            "and there are %zu keys for %zu certificates",
            heading_of(tls, heading), certificates->text[keys->count], keys->count,
            certificates->count);
    else if (keys->count > certificates->count)
        config_report_add(build->report, true, keys->origin[certificates->count],
            "[%s] key = %s: it has no certificate; the n-th key belongs to the n-th certificate, "
            "and there are %zu keys for %zu certificates",
            heading_of(tls, heading), keys->text[certificates->count], keys->count,
            certificates->count);
}

/* The names of a set are those of `certificate`; a directory has the names of its certificates. */
static void check_names(struct build *build, const struct config_tls *tls)
{
    char heading[CONFIG_HEADING_MAX];

    if (tls->directories.count == 0 || tls->certificates.count > 0 ||
        !is_given(tls->settings, "names"))
        return;
    config_report_add(build->report, true, tls->names.origin[0],
        "[%s] names = %s: the certificates of certificate_directory are chosen by the names in "
        "them; remove it, or write a certificate that is served for it",
        heading_of(tls, heading), tls->names.text[0]);
}

static void check_timeouts(struct build *build)
{
    const struct config_timeouts *timeouts = &build->config->timeouts;
    struct config_setting *connect =
        config_setting_find(timeouts->settings, SECTION_TIMEOUTS, "connect");
    struct config_setting *deadline =
        config_setting_find(timeouts->settings, SECTION_TIMEOUTS, "connect_deadline");

    if (connect->state == SETTING_BAD || deadline->state == SETTING_BAD ||
        timeouts->connect <= timeouts->connect_deadline)
        return;
    config_report_add(build->report, false,
        connect->state == SETTING_GIVEN ? connect->origin : deadline->origin,
        "[timeouts] connect = %" PRIu64 "ms: longer than connect_deadline, which ends the attempt "
        "after %" PRIu64 "ms",
        timeouts->connect, timeouts->connect_deadline);
}

void config_check(struct build *build)
{
    const struct config *config = build->config;

    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].bind_count; j++)
            check_bind(build, i, j);
        check_listener_tls(build, &config->listeners[i]);
        check_strict_sni(build, &config->listeners[i]);
    }
    for (size_t i = 0; i < config->tls_count; i++) {
        check_tls_pairs(build, &config->tls[i]);
        check_client_certificate(build, &config->tls[i]);
        check_client_ca(build, &config->tls[i]);
        check_names(build, &config->tls[i]);
        if (i > 0)
            check_further_set(build, i);
    }
    config_check_tls_users(build);
    check_timeouts(build);
    config_check_routes(build);
    config_check_backends(build);
    config_check_ports(build);
    config_check_relay(build);
    config_drop_unused(build);
}
