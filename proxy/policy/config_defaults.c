/* Defaults that depend on the machine or on other settings. */
#include "config_build.h"

#include "config_value.h"
#include "mailmux/config_protocols.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOSTNAME_MAX = 256 };

#define SYSTEM_STATE_DIRECTORY "/var/lib/mailmux"

static enum setting_state state_of(const struct config_listener *listener, const char *key)
{
    return config_setting_find(listener->settings, SECTION_LISTENER, key)->state;
}

static void report_missing(struct build *build, const struct config_listener *listener,
    const char *key, const char *reason, uint16_t port)
{
    const struct directive *directive = directive_find(SECTION_LISTENER, slice_from(key));
    char allowed[DIRECTIVE_TEXT_MAX];

    config_setting_find(listener->settings, SECTION_LISTENER, key)->state = SETTING_BAD;
    config_report_add(build->report, true, listener->section,
        "[listener %s]: %s is missing, and port %u %s; write %s = one of %s", listener->name, key,
        port, reason, key, directive_allowed(directive, allowed));
}

static bool has_no_bind(const struct config_listener *listener)
{
    return state_of(listener, "bind") == SETTING_DEFAULT;
}

/* Reports a setting that has no default for this listener. */
static void report_absent(
    struct build *build, const struct config_listener *listener, const char *key)
{
    const struct directive *directive = directive_find(SECTION_LISTENER, slice_from(key));
    char allowed[DIRECTIVE_TEXT_MAX];

    config_setting_find(listener->settings, SECTION_LISTENER, key)->state = SETTING_BAD;
    config_report_add(build->report, true, listener->section,
        "[listener %s]: %s is missing; write %s = %s", listener->name, key, key,
        directive_allowed(directive, allowed));
}

/* Without an address, the name may be that of a protocol, or of a port: imap, imaps. */
static bool protocol_of_name(const char *name, enum config_protocol *protocol)
{
    const struct directive *directive = directive_find(SECTION_LISTENER, SLICE("protocol"));
    struct slice word = slice_from(name);

    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        struct slice other = slice_from(choice->word);

        if (choice->value == CONFIG_PROTOCOL_AUTO ||
            !(slice_equal(word, other) ||
                (slice_starts(word, other) && slice_equal(slice_after(word, other.n), SLICE("s")))))
            continue;
        *protocol = (enum config_protocol)choice->value;
        return true;
    }
    return false;
}

static void default_protocol(struct build *build, struct config_listener *listener)
{
    if (listener->route_count > 0) {
        listener->protocol = CONFIG_PROTOCOL_AUTO;
        return;
    }
    if (has_no_bind(listener) && !protocol_of_name(listener->name, &listener->protocol))
        report_absent(build, listener, "protocol");
    for (size_t i = 0; i < listener->bind_count; i++) {
        uint16_t port = address_port(&listener->bind[i]);
        const struct standard_port *standard = standard_port_find(port);

        if (!standard) {
            report_missing(build, listener, "protocol", "does not imply one", port);
            return;
        }
        if (i > 0 && standard->protocol != listener->protocol) {
            report_missing(
                build, listener, "protocol", "implies another one than the port before it", port);
            return;
        }
        listener->protocol = standard->protocol;
    }
}

/* Without an address it serves what is routed to it, and that is of either kind. */
static void default_tls(struct build *build, struct config_listener *listener)
{
    if (has_no_bind(listener))
        listener->tls = LISTENER_TLS_AUTO;
    for (size_t i = 0; i < listener->bind_count; i++) {
        uint16_t port = address_port(&listener->bind[i]);
        const struct standard_port *standard = standard_port_find(port);
        enum config_listener_tls tls = standard ? standard->tls : LISTENER_TLS_STARTTLS;

        if (i > 0 && tls != listener->tls) {
            report_missing(
                build, listener, "tls", "implies another value than the port before it", port);
            return;
        }
        listener->tls = tls;
    }
}

/*
 * Returns whether to look for a default. None is looked for when lines are bad, since the key or a
 * bind may stand in one of them: then the setting is marked as bad, so that nothing is reported
 * that follows from it.
 */
static bool wants_default(
    const struct config_listener *listener, const char *key, bool has_bad_lines)
{
    struct config_setting *setting = config_setting_find(listener->settings, SECTION_LISTENER, key);

    if (setting->state != SETTING_DEFAULT)
        return false;
    if (!has_bad_lines && state_of(listener, "bind") != SETTING_BAD)
        return true;
    setting->state = SETTING_BAD;
    return false;
}

/* Where others have routes, one of them was perhaps to lead here. */
static void report_no_way(struct build *build, const struct config_listener *listener)
{
    for (size_t i = 0; i < build->config->listener_count; i++) {
        if (build->config->listeners[i].route_count == 0)
            continue;
        config_setting_find(listener->settings, SECTION_LISTENER, "bind")->state = SETTING_BAD;
        config_report_add(build->report, true, listener->section,
            "[listener %s]: bind is missing, and no route leads here; write bind, or route = "
            "CONDITION -> %s in [listener %s]",
            listener->name, listener->name, build->config->listeners[i].name);
        return;
    }
    report_absent(build, listener, "bind");
}

/* Returns whether a route names the listener, or may do so in a line that is wrong or lost. */
static bool may_be_routed_to(const struct build *build, const struct config_listener *listener)
{
    const struct config *config = build->config;
    size_t index = (size_t)(listener - config->listeners);

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *other = &config->listeners[i];

        if (state_of(other, "route") == SETTING_BAD)
            return true;
        for (size_t j = 0; j < other->route_count; j++) {
            if (other->routes[j].target == ROUTE_LISTENER && other->routes[j].index == index)
                return true;
        }
    }
    return build->document.is_incomplete;
}

/* Reports an address or a backend that is missing. */
static void require(struct build *build, struct config_listener *listener, bool has_bad_lines)
{
    bool routes = listener->route_count > 0 || state_of(listener, "route") == SETTING_BAD ||
                  listener->protocol == CONFIG_PROTOCOL_AUTO;
    bool needs_bind = routes || !may_be_routed_to(build, listener);

    if (needs_bind && wants_default(listener, "bind", has_bad_lines)) {
        if (routes)
            report_absent(build, listener, "bind");
        else
            report_no_way(build, listener);
    }
    if (!routes && wants_default(listener, "backend", has_bad_lines))
        report_absent(build, listener, "backend");
}

static void default_listener(
    struct build *build, struct config_listener *listener, bool has_bad_lines)
{
    require(build, listener, has_bad_lines);
    if (wants_default(listener, "protocol", has_bad_lines))
        default_protocol(build, listener);
    if (listener->protocol == CONFIG_PROTOCOL_AUTO) { /* it speaks to no client itself */
        listener->tls = LISTENER_TLS_NONE;
        listener->backend = CONFIG_NO_BACKEND;
    } else if (wants_default(listener, "tls", has_bad_lines)) {
        default_tls(build, listener);
    }
    if (state_of(listener, "require_tls") == SETTING_DEFAULT)
        listener->require_tls =
            listener->tls == LISTENER_TLS_STARTTLS || listener->tls == LISTENER_TLS_AUTO
                ? REQUIRE_TLS_AUTH
                : REQUIRE_TLS_NO;
}

static void default_hostname(struct build *build)
{
    char name[HOSTNAME_MAX] = "";

    if (gethostname(name, sizeof(name) - 1) != 0 || !config_host_is_valid(slice_from(name)))
        (void)snprintf(name, sizeof(name), "localhost");
    build->config->proxy.hostname = config_store_text(build->store, slice_from(name));
}

/*
 * systemd names the directory in STATE_DIRECTORY. Else it is SYSTEM_STATE_DIRECTORY for root, which
 * can make it, and for users that may write there. Other users have one in their own home.
 */
static void default_state_directory(struct build *build)
{
    const char *systemd = getenv("STATE_DIRECTORY");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    struct config_proxy *proxy = &build->config->proxy;

    proxy->state_directory = SYSTEM_STATE_DIRECTORY;
    if (systemd && systemd[0] == '/') {
        /* It may have several directories, separated by colons; the first is ours. */
        proxy->state_directory = config_store_text(
            build->store, slice_of(systemd, slice_find(slice_from(systemd), ':')));
    } else if (geteuid() != 0 && access(SYSTEM_STATE_DIRECTORY, W_OK) != 0) {
        if (state && state[0] == '/')
            proxy->state_directory = config_store_print(build->store, "%s/mailmux", state);
        else if (home && home[0] == '/')
            proxy->state_directory =
                config_store_print(build->store, "%s/.local/state/mailmux", home);
    }
}

/* [tls NAME] takes from [tls] what it does not say itself, with state and origin. */
static void inherit(struct build *build, struct config_tls *set)
{
    const struct config_tls *first = &build->config->tls[0];

    for (size_t row = 0; row < directive_count(); row++) {
        const struct directive *directive = directive_at(row);

        if (directive->section != SECTION_TLS || !directive->is_inherited ||
            set->settings[row].state != SETTING_DEFAULT)
            continue;
        memcpy((char *)set + directive->offset, (const char *)first + directive->offset,
            directive->size);
        set->settings[row] = first->settings[row];
    }
}

void config_defaults(struct build *build)
{
    for (size_t i = 1; i < build->config->tls_count; i++)
        inherit(build, &build->config->tls[i]);
    for (const struct document_section *at = build->document.sections; at; at = at->next) {
        if (at->info && at->info->kind == SECTION_LISTENER)
            default_listener(build, &build->config->listeners[at->index], at->has_bad_lines);
    }
    for (size_t i = 0; i < build->config->listener_count; i++)
        config_choose_tls_sets(build, &build->config->listeners[i]);
    if (!build->config->proxy.hostname)
        default_hostname(build);
    if (!build->config->proxy.state_directory)
        default_state_directory(build);
}
