/*
 * Which sets of certificates a listener has: those of its tls_set, or else those that are for it by
 * the `for` of a [tls NAME], and [tls].
 */
#include "config_check.h"

#include "config_value.h"
#include "mailmux/config_protocols.h"
#include "suggest.h"
#include <string.h>

enum user_kind { USER_LISTENER, USER_PROTOCOL, USER_HOST, USER_UNKNOWN };

/* What a word of `for` means. */
struct user {
    enum user_kind kind;
    size_t index; /* of the listener, or the enum config_protocol */
    const char *text;
};

static bool is_protocol(const struct choice *choice)
{
    return choice->value < CONFIG_PROTOCOL_COUNT;
}

static const struct choice *protocol_words(void)
{
    return directive_find(SECTION_LISTENER, SLICE("protocol"))->choices;
}

/* The word of a protocol comes before the name of a listener, and both before a host name. */
static struct user user_of(const struct config *config, const char *text)
{
    struct slice word = slice_from(text);
    struct user user = {.kind = USER_LISTENER, .text = text};

    for (const struct choice *choice = protocol_words(); choice->word; choice++) {
        if (is_protocol(choice) && strcmp(choice->word, text) == 0)
            return (struct user){USER_PROTOCOL, choice->value, text};
    }
    for (user.index = 0; user.index < config->listener_count; user.index++) {
        if (strcmp(config->listeners[user.index].name, text) == 0)
            return user;
    }
    user.kind = slice_find(word, '.') < word.n ? USER_HOST : USER_UNKNOWN;
    return user;
}

/* ---- Reading `for` ---- */

static bool is_pattern(struct slice text)
{
    return config_host_is_valid(slice_starts(text, SLICE("*.")) ? slice_after(text, 2) : text);
}

static void refuse_unknown(struct setting *setting, const struct config_value *value)
{
    const struct config *config = setting->build->config;
    struct suggestion near;

    if (setting->build->document.is_incomplete) { /* it may be a listener that was lost */
        setting->state->state = SETTING_BAD;
        return;
    }
    suggest_begin(&near, value->text);
    for (size_t i = 0; i < config->listener_count; i++)
        (void)suggest_offer(&near, config->listeners[i].name);
    for (const struct choice *choice = protocol_words(); choice->word; choice++) {
        if (is_protocol(choice))
            (void)suggest_offer(&near, choice->word);
    }
    if (near.best)
        setting_refuse(setting, value, "no listener and no protocol; did you mean %s?", near.best);
    else
        setting_refuse(setting, value,
            "no listener and no protocol; write one, or a host name such as mail.example.org or "
            "*.example.org");
}

void setting_parse_tls_users(
    struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_tls *tls = setting->section;

    tls->users = config_strings_take(setting->build->store, count);
    tls->hosts = config_strings_take(setting->build->store, count);
    for (size_t i = 0; i < count; i++) {
        struct user user = user_of(setting->build->config, values[i].text.p);
        bool is_host = user.kind == USER_HOST;

        if (user.kind == USER_UNKNOWN) {
            refuse_unknown(setting, &values[i]);
        } else if (is_host && !is_pattern(values[i].text)) {
            if (!setting_refuse_with_remedy(setting, &values[i], values[i].text))
                setting_refuse(setting, &values[i],
                    "no host name; write mail.example.org, or *.example.org for every name one "
                    "level below");
        } else {
            config_strings_add(&tls->users, user.text, values[i].origin);
            if (is_host)
                config_strings_add(&tls->hosts, user.text, values[i].origin);
        }
    }
}

/* ---- The sets of a listener ---- */

static enum setting_state tls_set_state(const struct config_listener *listener)
{
    return config_setting_find(listener->settings, SECTION_LISTENER, "tls_set")->state;
}

static bool has_set(const struct config_listener *listener, size_t set)
{
    for (size_t i = 0; i < listener->tls_set_count; i++) {
        if (listener->tls_sets[i] == set)
            return true;
    }
    return false;
}

static void add_set(struct config_listener *listener, size_t set)
{
    if (!has_set(listener, set))
        listener->tls_sets[listener->tls_set_count++] = set;
}

/*
 * Returns whether a user is this listener, by its name or its protocol. A listener that is called
 * as a protocol is meant by that word as well.
 */
static bool is_meant(
    const struct config *config, const struct user *user, const struct config_listener *listener)
{
    if (user->kind == USER_LISTENER)
        return &config->listeners[user->index] == listener;
    return user->kind == USER_PROTOCOL &&
           ((user->index == listener->protocol && listener_is_good(listener, "protocol")) ||
               strcmp(listener->name, user->text) == 0);
}

/* Adds the sets that are for the listener by words of that kind, in the order of the file. */
static void add_sets(
    const struct config *config, struct config_listener *listener, enum user_kind kind)
{
    for (size_t set = 1; set < config->tls_count; set++) {
        const struct config_strings *users = &config->tls[set].users;

        for (size_t i = 0; i < users->count; i++) {
            struct user user = user_of(config, users->text[i]);

            if (user.kind == kind && (kind == USER_HOST || is_meant(config, &user, listener)))
                add_set(listener, set);
        }
    }
}

/* Without a certificate a self-signed one is made, which nothing is to choose. */
static bool has_certificate(const struct config_tls *tls)
{
    return config_setting_find(tls->settings, SECTION_TLS, "certificate")->state !=
               SETTING_DEFAULT ||
           config_setting_find(tls->settings, SECTION_TLS, "certificate_directory")->state !=
               SETTING_DEFAULT;
}

void config_choose_tls_sets(struct build *build, struct config_listener *listener)
{
    const struct config *config = build->config;
    bool takes_more =
        tls_set_state(listener) == SETTING_DEFAULT && listener->tls != LISTENER_TLS_NONE;

    if (listener->tls_set_count > 0)
        return;
    listener->tls_sets = config_store_take(build->store, config->tls_count, sizeof(size_t));
    if (takes_more) {
        add_sets(config, listener, USER_LISTENER);
        add_sets(config, listener, USER_PROTOCOL);
    }
    if (listener->tls_set_count == 0 || has_certificate(&config->tls[0]))
        add_set(listener, 0);
    listener->tls_host_sets = listener->tls_set_count;
    if (takes_more)
        add_sets(config, listener, USER_HOST);
    listener->tls_host_sets = listener->tls_set_count - listener->tls_host_sets;
}

const struct config_tls *config_tls_of_name(const struct config *config,
    const struct config_listener *listener, struct slice name, const char **pattern)
{
    for (int by_wildcard = 0; by_wildcard <= 1; by_wildcard++) {
        size_t dot = slice_find(name, '.');
        struct slice wanted = by_wildcard ? slice_after(name, dot) : name;

        for (size_t i = 0; i < listener->tls_set_count; i++) {
            const struct config_tls *tls = &config->tls[listener->tls_sets[i]];

            for (size_t j = 0; j < tls->hosts.count; j++) {
                struct slice host = slice_from(tls->hosts.text[j]);

                *pattern = tls->hosts.text[j];
                if (slice_starts(host, SLICE("*.")) == (by_wildcard == 1) &&
                    slice_equal_nocase(by_wildcard ? slice_after(host, 1) : host, wanted))
                    return tls;
            }
        }
    }
    return NULL;
}

/* ---- Checks ---- */

static bool is_unclear(const struct config_listener *listener)
{
    return tls_set_state(listener) == SETTING_BAD || !listener_is_good(listener, "tls") ||
           !listener_is_good(listener, "protocol");
}

/* Returns why a listener that is meant does not have the set; NULL if it has, or may have it. */
static const char *why_not(const struct config_listener *listener, size_t set)
{
    if (is_unclear(listener))
        return NULL;
    if (listener->protocol == CONFIG_PROTOCOL_AUTO)
        return "it leads its clients to other listeners; name those";
    if (listener->tls == LISTENER_TLS_NONE)
        return "it has tls = none";
    return has_set(listener, set)
               ? NULL
               : "it has a tls_set, and that says all; add this one there, or remove it";
}

/* Warns of a word that changes nothing for any listener. */
static void check_user(
    struct build *build, size_t set, const struct user *user, struct config_origin origin)
{
    const struct config *config = build->config;
    const struct config_listener *meant = NULL;
    const char *why = NULL;

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (user->kind != USER_HOST && !is_unclear(listener) && !is_meant(config, user, listener))
            continue;
        meant = listener;
        why = why_not(listener, set);
        if (!why)
            return;
    }
    if (user->kind == USER_LISTENER)
        config_report_add(build->report, false, origin,
            "[tls %s] for = %s: it has no effect on [listener %s]: %s", config->tls[set].name,
            user->text, user->text, why);
    else
        config_report_add(build->report, false, origin, "[tls %s] for = %s: it has no effect: %s",
            config->tls[set].name, user->text,
            meant ? "each listener that it means has tls = none, or a tls_set without this set"
                  : "no listener has this protocol");
}

static const struct config_listener *find_common(const struct config *config, size_t a, size_t b)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->tls != LISTENER_TLS_NONE && has_set(listener, a) && has_set(listener, b))
            return listener;
    }
    return NULL;
}

/* Reports a host name that a set before this one is for, too, if clients of a listener get both. */
static void check_host(struct build *build, size_t before, size_t set, size_t host)
{
    const struct config *config = build->config;
    const struct config_strings *hosts = &config->tls[before].hosts;
    const struct config_tls *tls = &config->tls[set];
    const char *text = tls->hosts.text[host];

    for (size_t i = 0; i < hosts->count; i++) {
        bool is_same = slice_equal_nocase(slice_from(hosts->text[i]), slice_from(text));
        const struct config_listener *common = is_same ? find_common(config, before, set) : NULL;

        if (!common)
            continue;
        config_report_add(build->report, true, tls->hosts.origin[host],
            "[tls %s] for = %s: [tls %s] is for it already, at %s:%u, and [listener %s] has both; "
            "a host name here counts for every listener; for some alone, write for = LISTENER and "
            "names = %s",
            tls->name, text, config->tls[before].name, hosts->origin[i].file, hosts->origin[i].line,
            common->name, text);
        return;
    }
}

void config_check_tls_users(struct build *build)
{
    const struct config *config = build->config;
    const struct config_setting *first =
        config_setting_find(config->tls[0].settings, SECTION_TLS, "for");

    if (first->state == SETTING_GIVEN)
        config_report_add(build->report, true, first->origin,
            "[tls] for: it belongs in a [tls NAME], as [tls] is for every listener; move it and "
            "the certificate there");
    for (size_t set = 1; set < config->tls_count; set++) {
        const struct config_strings *users = &config->tls[set].users;

        for (size_t i = 0; i < users->count && !build->document.is_incomplete; i++) {
            struct user user = user_of(config, users->text[i]);

            check_user(build, set, &user, users->origin[i]);
        }
        for (size_t i = 0; i < config->tls[set].hosts.count; i++) {
            for (size_t before = 1; before < set; before++)
                check_host(build, before, set, i);
        }
    }
}
