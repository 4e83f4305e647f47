/* Sections and their settings: finding them, and reporting problems of them. */
#include "config_build.h"

#include "config_value.h"
#include "suggest.h"
#include "synonyms.h"
#include <stdarg.h>
#include <string.h>

#define IS_HEAD(type)                                                                              \
    (offsetof(struct type, name) == offsetof(struct config_head, name) &&                          \
        offsetof(struct type, section) == offsetof(struct config_head, section) &&                 \
        offsetof(struct type, settings) == offsetof(struct config_head, settings))

_Static_assert(IS_HEAD(config_proxy) && IS_HEAD(config_tls) && IS_HEAD(config_listener) &&
                   IS_HEAD(config_backend) && IS_HEAD(config_timeouts) && IS_HEAD(config_limits),
    "every section begins like struct config_head");

const struct config_origin config_default_origin = {"default", 0};

void *config_section(struct config *config, const struct section_info *info, size_t index)
{
    char *place = (char *)config + info->offset;
    char *array;

    if (!info->is_array)
        return place;
    memcpy(&array, place, sizeof(array));
    return array + index * info->size;
}

size_t config_section_count(const struct config *config, const struct section_info *info)
{
    size_t count = 1;

    if (info->is_array)
        memcpy(&count, (const char *)config + info->count_offset, sizeof(count));
    return count;
}

struct config_setting *config_setting_find(
    struct config_setting *settings, enum section_kind kind, const char *key)
{
    return &settings[directive_index(directive_find(kind, slice_from(key)))];
}

bool config_setting_is_good(
    struct config_setting *settings, enum section_kind kind, const char *key)
{
    return config_setting_find(settings, kind, key)->state != SETTING_BAD;
}

void setting_refuse(
    struct setting *setting, const struct config_value *value, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = config_store_vprint(setting->build->store, format, arguments);
    va_end(arguments);
    setting->state->state = SETTING_BAD;
    config_report_add(setting->build->report, true, value->origin, "[%s] %s = %.*s: %s",
        setting->heading, setting->directive->key, (int)value->text.n, value->text.p, text);
}

bool setting_refuse_with_remedy(
    struct setting *setting, const struct config_value *value, struct slice host)
{
    char remedy[CONFIG_REMEDY_MAX];

    if (!config_host_remedy(host, remedy))
        return false;
    setting_refuse(setting, value, "%s", remedy);
    return true;
}

bool setting_find_section(struct setting *setting, const struct config_value *value,
    struct slice name, enum section_kind kind, size_t *index)
{
    struct config *config = setting->build->config;
    const struct section_info *info = &section_infos[kind];
    struct suggestion near;

    suggest_begin(&near, name);
    for (size_t i = 0; i < config_section_count(config, info); i++) {
        const struct config_head *head = config_section(config, info, i);

        (void)suggest_offer(&near, head->name);
        if (slice_equal(slice_from(head->name), name)) {
            *index = i;
            return true;
        }
    }
    if (setting->build->document.is_incomplete)
        setting->state->state = SETTING_BAD;
    else if (near.best)
        setting_refuse(setting, value, "there is no section [%s %.*s]; did you mean %s?",
            info->word, (int)name.n, name.p, near.best);
    else
        setting_refuse(setting, value, "there is no section [%s %.*s]; write one", info->word,
            (int)name.n, name.p);
    return false;
}

bool config_is_good(enum section_kind kind, const void *section, size_t field)
{
    const struct config_head *head = section;

    return head->settings[directive_index(directive_of_field(kind, field))].state != SETTING_BAD;
}

bool listener_uses(const struct config_listener *listener, const char *key)
{
    static const char *const spoken[] = {"tls", "require_tls", "tls_set", "strict_sni", "smuggling",
        "smuggling_exempt", "greeting_delay", "early_talker", "backend", "relay_domains", NULL};
    static const char *const bound[] = {"freebind", "accept_proxy_from", NULL};
    bool routes = listener->protocol == CONFIG_PROTOCOL_AUTO;
    bool is_bound =
        config_setting_find(listener->settings, SECTION_LISTENER, "bind")->state != SETTING_DEFAULT;

    if (slice_is_one_of(slice_from(key), spoken))
        return !routes;
    if (slice_is_one_of(slice_from(key), bound))
        return is_bound;
    return strcmp(key, "sniff") != 0 || routes || listener->tls == LISTENER_TLS_AUTO;
}

static void report_unknown_section(struct build *build, const struct document_section *section)
{
    const char *gap = section->name ? " " : "";
    const char *name = section->name ? section->name : "";
    const struct section_info *other = synonym_of_section(slice_from(section->word));
    struct suggestion near;

    suggest_begin(&near, slice_from(section->word));
    for (size_t i = 0; i < SECTION_KINDS; i++)
        (void)suggest_offer(&near, section_infos[i].word);
    if (other && other->naming == SECTION_HAS_NAME) /* [imaps] is to be [listener imaps] */
        config_report_add(build->report, true, section->origin,
            "[%s%s%s]: unknown section; did you mean [%s %s]?", section->word, gap, name,
            other->word, section->name ? section->name : section->word);
    else if (other)
        config_report_add(build->report, true, section->origin,
            "[%s%s%s]: unknown section; did you mean [%s]?", section->word, gap, name, other->word);
    else if (near.best)
        config_report_add(build->report, true, section->origin,
            "[%s%s%s]: unknown section; did you mean [%s%s%s]?", section->word, gap, name,
            near.best, gap, name);
    else
        config_report_add(build->report, true, section->origin,
            "[%s%s%s]: unknown section; there are [proxy], [tls], [listener NAME], [backend NAME], "
            "[timeouts] and [limits]",
            section->word, gap, name);
}

static bool is_same_section(const struct document_section *a, const struct document_section *b)
{
    return strcmp(a->word, b->word) == 0 &&
           strcmp(a->name ? a->name : "", b->name ? b->name : "") == 0;
}

static void report_repeated_section(struct build *build, const struct document_section *section,
    const struct document_section *first)
{
    config_report_add(build->report, true, section->origin,
        "[%s%s%s]: the section has begun before, at %s:%u; put its settings there%s", section->word,
        section->name ? " " : "", section->name ? section->name : "", first->origin.file,
        first->origin.line, section->name ? ", or choose another name" : "");
}

/* Returns the kind of a section, or NULL after reporting why it cannot be used. */
static const struct section_info *identify(
    struct build *build, const struct document_section *section)
{
    const struct section_info *info = section_find(slice_from(section->word));

    if (!info) {
        report_unknown_section(build, section);
        return NULL;
    }
    if (info->naming == SECTION_HAS_NAME && !section->name) {
        config_report_add(build->report, true, section->origin,
            "[%s]: the section needs a name; write e.g. [%s mail]", section->word, section->word);
        return NULL;
    }
    if (info->naming == SECTION_HAS_NO_NAME && section->name) {
        config_report_add(build->report, true, section->origin,
            "[%s %s]: the section takes no name; write [%s]", section->word, section->name,
            section->word);
        return NULL;
    }
    if (info->naming == SECTION_MAY_HAVE_NAME && section->name &&
        strcmp(section->name, CONFIG_DEFAULT_SET) == 0) {
        config_report_add(build->report, true, section->origin,
            "[%s %s]: this is the name of [%s]; write [%s], or choose another name", section->word,
            section->name, section->word, section->word);
        return NULL;
    }
    for (const struct document_section *at = build->document.sections; at != section;
         at = at->next) {
        if (at->info && is_same_section(at, section)) {
            report_repeated_section(build, section, at);
            return NULL;
        }
    }
    return info;
}

const char *config_heading(
    const struct section_info *info, const struct config_head *head, char out[CONFIG_HEADING_MAX])
{
    bool is_named =
        info->naming == SECTION_HAS_NAME ||
        (info->naming == SECTION_MAY_HAVE_NAME && strcmp(head->name, CONFIG_DEFAULT_SET) != 0);

    (void)snprintf(out, CONFIG_HEADING_MAX, "%s%s%s", info->word, is_named ? " " : "",
        is_named ? head->name : "");
    return out;
}

struct config_strings config_strings_take(struct config_store *store, size_t count)
{
    return (struct config_strings){.text = config_store_take(store, count, sizeof(const char *)),
        .origin = config_store_take(store, count, sizeof(struct config_origin))};
}

void config_strings_add(
    struct config_strings *strings, const char *text, struct config_origin origin)
{
    strings->text[strings->count] = text;
    strings->origin[strings->count] = origin;
    strings->count++;
}

static bool is_strings(enum value_type type)
{
    return type == VALUE_WORDS || type == VALUE_FILES || type == VALUE_DIRECTORIES ||
           type == VALUE_DOMAINS || type == VALUE_TLS_USERS;
}

void config_report_setting(struct config_report *report, bool is_error, enum section_kind kind,
    const void *section, size_t field, size_t index, const char *text)
{
    const struct config_head *head = section;
    const struct directive *directive = directive_of_field(kind, field);
    struct config_origin origin = head->settings[directive_index(directive)].origin;
    struct config_strings list = {0};
    char heading[CONFIG_HEADING_MAX];
    bool is_item;

    if (is_strings(directive->type))
        memcpy(&list, (const char *)section + field, sizeof(list));
    is_item = index < list.count;
    if (is_item)
        origin = list.origin[index];
    config_report_add(report, is_error, origin.line > 0 ? origin : head->section, "[%s] %s%s%s: %s",
        config_heading(&section_infos[kind], head, heading), directive->key, is_item ? " = " : "",
        is_item ? list.text[index] : "", text);
}

void config_head_init(struct build *build, struct config_head *head)
{
    head->section = config_default_origin;
    head->settings = config_store_take(build->store, directive_count(), sizeof(*head->settings));
    for (size_t row = 0; row < directive_count(); row++)
        head->settings[row].origin = config_default_origin;
}

/*
 * Makes the structs of all sections, counts[kind] of each kind that is an array. Sections that are
 * no arrays are part of struct config, and so are there even if the file does not have them.
 */
static void make_room(struct build *build, const size_t counts[SECTION_KINDS])
{
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        const struct section_info *info = &section_infos[i];
        size_t count = counts[i];

        if (info->is_array) {
            void *array;

            array = config_store_take(build->store, count, info->size);
            memcpy((char *)build->config + info->offset, &array, sizeof(array));
            memcpy((char *)build->config + info->count_offset, &count, sizeof(count));
        }
        for (size_t index = 0; index < config_section_count(build->config, info); index++) {
            struct config_head *head = config_section(build->config, info, index);

            config_head_init(build, head);
        }
    }
    build->config->tls[0].name = CONFIG_DEFAULT_SET;
}

void config_sections(struct build *build)
{
    size_t counts[SECTION_KINDS] = {0};

    for (size_t i = 0; i < SECTION_KINDS; i++) /* [tls] is always there, and the first */
        counts[i] = section_infos[i].naming == SECTION_MAY_HAVE_NAME ? 1 : 0;
    for (struct document_section *at = build->document.sections; at; at = at->next) {
        at->info = identify(build, at);
        if (!at->info)
            build->document.is_incomplete = true;
        else if (at->info->naming == SECTION_MAY_HAVE_NAME && !at->name)
            at->index = 0;
        else
            at->index = counts[at->info->kind]++;
    }
    make_room(build, counts);
    for (size_t i = 0; i < build->config->listener_count; i++)
        build->config->listeners[i].backend = CONFIG_NO_BACKEND;
    for (const struct document_section *at = build->document.sections; at; at = at->next) {
        struct config_head *head;

        if (!at->info)
            continue;
        head = config_section(build->config, at->info, at->index);
        head->section = at->origin;
        if (at->name)
            head->name = at->name;
    }
}
