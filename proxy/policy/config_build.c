#include "config_build.h"

#include "config_line.h"
#include "suggest.h"
#include "synonyms.h"
#include <string.h>

/* Returns the section that has this key, or NULL. */
static const struct section_info *find_other(const char *key)
{
    for (size_t i = 0; i < directive_count(); i++) {
        if (strcmp(directive_at(i)->key, key) == 0)
            return &section_infos[directive_at(i)->section];
    }
    return NULL;
}

/* Returns the key of this kind of section that is near, or NULL. */
static const char *find_near(const struct section_info *info, const char *key)
{
    struct suggestion near;

    suggest_begin(&near, slice_from(key));
    for (size_t i = 0; i < directive_count(); i++) {
        if (directive_at(i)->section == info->kind)
            (void)suggest_offer(&near, directive_at(i)->key);
    }
    return near.best;
}

/*
 * Writes where a key belongs that this section does not have, or what was meant, or what there is
 * instead. Sets *meant to the key of this section that was meant, or to NULL.
 */
static void explain_key(const struct section_info *info, const char *key, const char **meant,
    char out[SYNONYM_TEXT_MAX])
{
    const struct synonym *synonym = synonym_find(info, slice_from(key));
    const struct section_info *other = find_other(key);
    bool is_ours = synonym && synonym->key && synonym->section == info->kind;

    *meant = is_ours ? synonym->key : NULL;
    if (other && !is_ours) {
        (void)snprintf(out, SYNONYM_TEXT_MAX, "unknown key here; it belongs in [%s%s]", other->word,
            other->naming == SECTION_HAS_NAME ? " NAME" : "");
    } else if (strcmp(key, "include") == 0) {
        (void)snprintf(
            out, SYNONYM_TEXT_MAX, "unknown key here; include stands before the first section");
    } else if (synonym) {
        size_t n = (size_t)snprintf(out, SYNONYM_TEXT_MAX, "unknown key; ");

        (void)synonym_text(synonym, info, out + n, SYNONYM_TEXT_MAX - n);
    } else {
        *meant = find_near(info, key);
        (void)snprintf(out, SYNONYM_TEXT_MAX,
            *meant ? "unknown key; did you mean %s?"
                   : "unknown key; mailmux --reference lists those of [%s]",
            *meant ? *meant : info->word);
    }
}

/* Reports a key that this section does not have. */
static void report_unknown_key(struct build *build, const struct section_info *info,
    const char *heading, const struct document_entry *entry, struct config_head *head)
{
    char text[SYNONYM_TEXT_MAX];
    const char *meant;

    explain_key(info, entry->key, &meant, text);
    if (meant) /* so that it is not reported as missing as well */
        config_setting_find(head->settings, info->kind, meant)->state = SETTING_BAD;
    config_report_add(build->report, true, entry->origin, "[%s] %s = %s: %s", heading, entry->key,
        entry->value.p, text);
}

static size_t count_items(const struct directive *directive, struct slice text)
{
    size_t count = 1;
    bool quoted = false;

    for (size_t i = 0; directive->is_list && i < text.n; i++) {
        if (text.p[i] == '"')
            quoted = !quoted;
        else if (text.p[i] == ',' && !quoted)
            count++;
    }
    return count;
}

/* Cuts the next item off at a comma outside double quotes. */
static struct slice next_item(const struct directive *directive, struct slice *rest)
{
    bool quoted = false;
    size_t n = 0;
    struct slice item;

    for (; n < rest->n; n++) {
        if (rest->p[n] == '"')
            quoted = !quoted;
        else if (directive->is_list && rest->p[n] == ',' && !quoted)
            break;
    }
    item = slice_trim(slice_of(rest->p, n));
    *rest = slice_after(*rest, n + 1);
    return item;
}

/* Writes the values of one line to `out`, without bad ones. Returns how many there are. */
static size_t read_entry(
    struct setting *setting, const struct document_entry *entry, struct config_value *out)
{
    struct slice rest = entry->value;
    size_t items = count_items(setting->directive, rest);
    size_t good = 0;

    for (size_t i = 0; i < items; i++) {
        struct slice text = next_item(setting->directive, &rest);
        struct config_value whole = {entry->value, entry->origin};

        if (!config_value_unquote(&text))
            setting_refuse(setting, &whole, "double quotes stand around a whole value only");
        else if (text.n == 0 && items == 1)
            setting_refuse(setting, &whole,
                "the value is empty; give one, or remove the line for the default");
        else if (text.n == 0)
            setting_refuse(setting, &whole, "an item of the list is empty");
        else
            out[good++] = (struct config_value){
                slice_from(config_store_text(setting->build->store, text)), entry->origin};
    }
    return good;
}

static void refuse_repetition(
    struct setting *setting, const struct document_entry *entry, const struct document_entry *first)
{
    struct config_value value = {entry->value, entry->origin};

    setting_refuse(setting, &value, "the key has been set before, at line %u; remove one of them",
        first->origin.line);
}

/* Returns every value that the section has for the key, as an array in the store. */
static struct config_value *gather(
    struct setting *setting, const struct document_section *section, size_t *count)
{
    const struct directive *directive = setting->directive;
    const struct document_entry *first = NULL;
    struct config_value *values;
    size_t most = 0;

    *count = 0;
    for (const struct document_entry *at = section->entries; at; at = at->next) {
        if (strcmp(at->key, directive->key) == 0)
            most += count_items(directive, at->value);
    }
    if (most == 0)
        return NULL;
    values = config_store_take(setting->build->store, most, sizeof(*values));
    setting->state->state = SETTING_GIVEN;
    for (const struct document_entry *at = section->entries; at; at = at->next) {
        if (strcmp(at->key, directive->key) != 0)
            continue;
        if (first && !directive->is_list) {
            refuse_repetition(setting, at, first);
            continue;
        }
        if (!first) {
            first = at;
            setting->state->origin = at->origin;
        }
        *count += read_entry(setting, at, values + *count);
    }
    return values;
}

static void report_missing(const struct setting *setting, const struct document_section *section)
{
    char allowed[DIRECTIVE_TEXT_MAX];

    setting->state->state = SETTING_BAD;
    if (section->has_bad_lines)
        return;
    config_report_add(setting->build->report, true, section->origin,
        "[%s]: %s is missing; write %s = %s", setting->heading, setting->directive->key,
        setting->directive->key, directive_allowed(setting->directive, allowed));
}

static void read_setting(struct setting *setting, const struct document_section *section)
{
    struct config_value *values = NULL;
    size_t count = 0;

    if (section)
        values = gather(setting, section, &count);
    else if (setting->state->state == SETTING_GIVEN)
        return; /* by the line that has made this section */
    if (count > 0) {
        setting_parse(setting, values, count);
        return;
    }
    if (setting->directive->is_required) {
        if (section && setting->state->state == SETTING_DEFAULT)
            report_missing(setting, section);
    } else if (setting->directive->fallback) {
        struct config_value fallback = {
            slice_from(setting->directive->fallback), config_default_origin};

        setting_parse(setting, &fallback, 1);
    }
}

/* Reads all settings of one section. `section` is NULL when it is not in the file. */
static void read_section(struct build *build, const struct section_info *info, size_t index,
    const struct document_section *section)
{
    struct config_head *head = config_section(build->config, info, index);
    char heading[CONFIG_HEADING_MAX];

    (void)config_heading(info, head, heading);
    for (const struct document_entry *at = section ? section->entries : NULL; at; at = at->next) {
        if (!directive_find(info->kind, slice_from(at->key)))
            report_unknown_key(build, info, heading, at, head);
    }
    for (size_t row = 0; row < directive_count(); row++) {
        struct setting setting = {build, directive_at(row), heading, head, &head->settings[row]};

        if (directive_at(row)->section == info->kind)
            read_setting(&setting, section);
    }
}

void config_build(struct build *build)
{
    bool is_done[SECTION_KINDS] = {false};

    config_sections(build);
    for (const struct document_section *at = build->document.sections; at; at = at->next) {
        if (!at->info)
            continue;
        is_done[at->info->kind] =
            is_done[at->info->kind] || at->info->naming == SECTION_HAS_NO_NAME || !at->name;
        read_section(build, at->info, at->index, at);
    }
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        if (!is_done[i] && section_infos[i].naming != SECTION_HAS_NAME)
            read_section(build, &section_infos[i], 0, NULL);
    }
    for (size_t i = 0; i < build->config->backend_count; i++) {
        if (build->config->backends[i].is_inline)
            read_section(build, &section_infos[SECTION_BACKEND], i, NULL);
    }
}
