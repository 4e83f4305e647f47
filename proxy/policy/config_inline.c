/* Makes the backends that have no section: a listener or a route has their address. */
#include "config_build.h"

#include "config_value.h"
#include "suggest.h"
#include <string.h>

#define ADDRESS_OPTION "send_client_address"

/* Parses send_client_address=CHOICE. */
static bool parse_option(struct setting *setting, const struct config_value *value,
    struct slice word, enum send_address *out)
{
    const struct directive *directive = directive_find(SECTION_BACKEND, SLICE(ADDRESS_OPTION));
    struct slice option = slice_of(word.p, slice_find(word, '='));
    struct error error;
    unsigned choice;

    if (!slice_equal(option, SLICE(ADDRESS_OPTION)) || option.n == word.n) {
        setting_refuse(setting, value,
            "\"%.*s\" is unknown here; " ADDRESS_OPTION "=proxy-v2 may follow HOST:PORT, and for "
            "more there is a section: [backend NAME]",
            (int)word.n, word.p);
        return false;
    }
    if (!config_choice_parse(directive, slice_after(word, option.n + 1), &choice, &error)) {
        setting_refuse(setting, value, ADDRESS_OPTION ": %s", error.text);
        return false;
    }
    *out = (enum send_address)choice;
    return true;
}

static bool find(struct setting *setting, const struct config_value *value,
    const struct config_server *server, enum send_address how, size_t *index)
{
    const struct config *config = setting->build->config;

    for (*index = 0; *index < config->backend_count; ++*index) {
        const struct config_backend *backend = &config->backends[*index];

        if (!backend->is_inline || strcmp(backend->name, server->name) != 0)
            continue;
        if (backend->send_client_address != how)
            setting_refuse(setting, value,
                "line %u has another " ADDRESS_OPTION " for the same address; write a section "
                "[backend NAME] for each",
                backend->section.line);
        return true;
    }
    return false;
}

static void give(struct config_backend *backend, const char *key, struct config_origin origin)
{
    *config_setting_find(backend->settings, SECTION_BACKEND, key) =
        (struct config_setting){SETTING_GIVEN, origin};
}

static void add(struct setting *setting, const struct config_value *value,
    const struct config_server *server, enum send_address how)
{
    struct config *config = setting->build->config;
    struct config_store *store = setting->build->store;
    struct config_backend *all =
        config_store_take(store, config->backend_count + 1, sizeof(*config->backends));
    struct config_backend *backend = &all[config->backend_count];

    memcpy(all, config->backends, config->backend_count * sizeof(*config->backends));
    config_head_init(setting->build, (struct config_head *)(void *)backend);
    backend->name = server->name;
    backend->section = value->origin;
    backend->is_inline = true;
    backend->servers = config_store_take(store, 1, sizeof(*backend->servers));
    backend->servers[backend->server_count++] = *server;
    backend->send_client_address = how;
    give(backend, "server", value->origin);
    give(backend, ADDRESS_OPTION, value->origin);
    config->backends = all;
    config->backend_count++;
}

bool setting_add_backend(
    struct setting *setting, const struct config_value *value, struct slice text, size_t *index)
{
    struct config_server server = {.origin = value->origin, .weight = 1};
    enum send_address how = SEND_ADDRESS_NONE;
    struct slice word = {NULL, 0};

    (void)slice_word(&text, &word);
    server.name = config_store_text(setting->build->store, word);
    if (!setting_parse_target(setting, value, word, &server))
        return false;
    while (slice_word(&text, &word)) {
        if (!parse_option(setting, value, word, &how))
            return false;
    }
    if (!find(setting, value, &server, how, index))
        add(setting, value, &server, how);
    return true;
}
