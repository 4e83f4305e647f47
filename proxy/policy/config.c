#include "mailmux/config.h"

#include "config_build.h"
#include "config_reader.h"
#include "config_store.h"
#include "mailmux/config_protocols.h"
#include <string.h>

static void build_begin(struct build *build, struct config_report *report)
{
    struct config_store *store = config_store_new();

    *report = (struct config_report){0};
    *build = (struct build){
        .config = config_store_take(store, 1, sizeof(struct config)),
        .store = store,
        .report = report,
    };
    build->config->store = store;
    build->document.sections_end = &build->document.sections;
}

/* A value in error counts as not given. */
static void note_log_form(const struct config *config, struct config_report *report)
{
    const struct config_setting *level =
        config_setting_find(config->proxy.settings, SECTION_PROXY, "log_level");

    report->log_format = config->proxy.log_format;
    report->log_level = level->state == SETTING_BAD ? LOG_INFO : config->proxy.log_level;
}

/* Does everything behind the reading: the document is in the build already. */
static void build_end(struct build *build, struct config **out)
{
    config_build(build);
    config_defaults(build);
    config_check(build);
    note_log_form(build->config, build->report);
    *out = build->config;
}

/* Frees a configuration with errors. Returns whether it is kept. */
static bool keep_if_good(struct config **config, const struct config_report *report)
{
    if (report->error_count > 0)
        config_free(config);
    return *config != NULL;
}

bool config_load_unchecked(const char *path, struct config **out, struct config_report *report)
{
    struct build build;

    build_begin(&build, report);
    build.looks_at_files = true;
    config_reader_file(path, build.store, &build.document, report);
    build_end(&build, out);
    return report->error_count == 0;
}

bool config_load(const char *path, struct config **out, struct config_report *report)
{
    (void)config_load_unchecked(path, out, report);
    return keep_if_good(out, report);
}

bool config_parse_bytes(
    const char *name, struct slice bytes, struct config **out, struct config_report *report)
{
    struct build build;

    build_begin(&build, report);
    config_reader_bytes(name, bytes, build.store, &build.document, report);
    build_end(&build, out);
    return keep_if_good(out, report);
}

void config_free(struct config **config)
{
    struct config_store *store;

    if (!*config)
        return;
    store = (*config)->store;
    *config = NULL;
    config_store_free(&store); /* the configuration itself lives in it */
}

/* ---- Comparing two configurations ---- */

static bool is_text(enum value_type type)
{
    return type == VALUE_WORD || type == VALUE_HOST || type == VALUE_DIRECTORY ||
           type == VALUE_FILE;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_text_at(const void *a, const void *b)
{
    const char *text[2];

    memcpy(&text[0], a, sizeof(text[0]));
    memcpy(&text[1], b, sizeof(text[1]));
    return is_same_text(text[0], text[1]);
}

static bool are_same_strings(const struct config_strings *a, const struct config_strings *b)
{
    bool is_same = a->count == b->count;

    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = strcmp(a->text[i], b->text[i]) == 0;
    return is_same;
}

bool config_speaks_alike(const struct config_backend *a, const struct config_backend *b)
{
    bool is_passed = a->protocol == CONFIG_PROTOCOL_NONE;

    return is_passed == (b->protocol == CONFIG_PROTOCOL_NONE) && a->tls == b->tls &&
           a->tls_policy == b->tls_policy && a->verify == b->verify && is_same_text(a->ca, b->ca) &&
           is_same_text(a->tls_name, b->tls_name) && are_same_strings(&a->pins, &b->pins) &&
           is_same_text(a->client_certificate, b->client_certificate) &&
           is_same_text(a->client_key, b->client_key) &&
           a->send_client_address == b->send_client_address;
}

/* Adding the section's offset works for sections without a name only, which are no arrays. */
static bool is_same_setting(
    const struct config *before, const struct config *now, const struct directive *directive)
{
    const size_t offset = section_infos[directive->section].offset + directive->offset;
    const char *fields[2] = {(const char *)before + offset, (const char *)now + offset};

    if (is_text(directive->type))
        return is_same_text_at(fields[0], fields[1]);
    return memcmp(fields[0], fields[1], directive->size) == 0;
}

bool config_needs_new_service(const struct config *before, const struct config *now)
{
    for (size_t row = 0; row < directive_count(); row++) {
        if (directive_at(row)->needs_new_service &&
            !is_same_setting(before, now, directive_at(row)))
            return true;
    }
    return false;
}

size_t config_count_addresses(const struct config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        count += config->listeners[i].bind_count;
    return count;
}

static bool listener_passes(const struct config_listener *listener)
{
    for (size_t i = 0; i < listener->route_count; i++) {
        if (listener->routes[i].target == ROUTE_PASS)
            return true;
    }
    return false;
}

static bool takes_logins_in_clear(const struct config_listener *listener)
{
    return listener->protocol < CONFIG_PROTOCOL_COUNT &&
           !config_protocol_row(listener->protocol)->carries_mail &&
           listener->tls != LISTENER_TLS_IMPLICIT && listener->require_tls == REQUIRE_TLS_NO;
}

bool config_relays_in_clear(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (listener_passes(&config->listeners[i]) || takes_logins_in_clear(&config->listeners[i]))
            return true;
    }
    return false;
}
