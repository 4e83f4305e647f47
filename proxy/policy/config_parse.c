/*
 * Parses the values of a setting into its field, by type. Addresses and servers are parsed in
 * config_servers.c.
 */
#include "config_build.h"

#include "config_reader.h"
#include "config_value.h"
#include "mailmux/files.h"
#include <stdint.h>
#include <string.h>

static void *field_of(struct setting *setting)
{
    return (char *)setting->section + setting->directive->offset;
}

/* Fields of numbers are unsigned integers of 4 or 8 bytes, and so are enums. */
static void store_number(struct setting *setting, uint64_t value)
{
    uint32_t small = (uint32_t)value;

    if (setting->directive->size == sizeof(small))
        memcpy(field_of(setting), &small, sizeof(small));
    else
        memcpy(field_of(setting), &value, sizeof(value));
}

static void store_text(struct setting *setting, const char *text)
{
    memcpy(field_of(setting), &text, sizeof(text));
}

static void parse_number(struct setting *setting, const struct config_value *value)
{
    struct error error;
    uint64_t number;

    if (config_number_parse(setting->directive, value->text, &number, &error))
        store_number(setting, number);
    else
        setting_refuse(setting, value, "%s", error.text);
}

static void parse_choice(struct setting *setting, const struct config_value *value)
{
    struct error error;
    unsigned choice;

    if (config_choice_parse(setting->directive, value->text, &choice, &error))
        store_number(setting, choice);
    else
        setting_refuse(setting, value, "%s", error.text);
}

/* Each choice sets its bits. The choice of value 0 means "none", and stands alone. */
static void parse_choices(struct setting *setting, const struct config_value *values, size_t count)
{
    unsigned bits = 0;

    for (size_t i = 0; i < count; i++) {
        struct error error;
        unsigned choice = 0;

        if (!config_choice_parse(setting->directive, values[i].text, &choice, &error))
            setting_refuse(setting, &values[i], "%s", error.text);
        else if (choice == 0 && count > 1)
            setting_refuse(setting, &values[i], "it stands alone or not at all");
        bits |= choice;
    }
    store_number(setting, bits);
}

static bool check_word(struct setting *setting, const struct config_value *value)
{
    if (slice_find(value->text, ' ') == value->text.n &&
        slice_find(value->text, '\t') == value->text.n)
        return true;
    setting_refuse(setting, value, "there is a blank in it; allowed: a word without blanks");
    return false;
}

static void parse_word(struct setting *setting, const struct config_value *value)
{
    if (check_word(setting, value))
        store_text(setting, value->text.p);
}

static void parse_words(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_strings words = config_strings_take(setting->build->store, count);

    for (size_t i = 0; i < count; i++) {
        if (check_word(setting, &values[i]))
            config_strings_add(&words, values[i].text.p, values[i].origin);
    }
    memcpy(field_of(setting), &words, sizeof(words));
}

static void parse_domains(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_strings domains = config_strings_take(setting->build->store, count);
    char allowed[DIRECTIVE_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        if (config_domain_is_valid(values[i].text))
            config_strings_add(&domains, values[i].text.p, values[i].origin);
        else if (!setting_refuse_with_remedy(setting, &values[i], values[i].text))
            setting_refuse(setting, &values[i], "not a mail domain; allowed: %s",
                directive_allowed(setting->directive, allowed));
    }
    memcpy(field_of(setting), &domains, sizeof(domains));
}

static void parse_cidrs(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_store *store = setting->build->store;
    struct config_cidrs networks = {.cidr = config_store_take(store, count, sizeof(struct cidr)),
        .origin = config_store_take(store, count, sizeof(struct config_origin))};
    struct error error;

    for (size_t i = 0; i < count; i++) {
        if (cidr_parse(values[i].text, &networks.cidr[networks.count], &error))
            networks.origin[networks.count++] = values[i].origin;
        else
            setting_refuse(setting, &values[i], "%s", error.text);
    }
    memcpy(field_of(setting), &networks, sizeof(networks));
}

static void parse_host(struct setting *setting, const struct config_value *value)
{
    if (config_host_is_valid(value->text))
        store_text(setting, value->text.p);
    else if (!setting_refuse_with_remedy(setting, value, value->text))
        setting_refuse(setting, value, "not a host name; write one such as mail.example.org");
}

/*
 * Returns the path; a relative one starts at the directory of the file that names it. Refuses a
 * file that cannot be read.
 */
static const char *check_file(struct setting *setting, const struct config_value *value)
{
    const char *path = config_store_path(setting->build->store, value->origin.file, value->text);
    bool moved = strcmp(path, value->text.p) != 0;
    const char *reason;

    if (setting->build->looks_at_files &&
        !config_reader_can_read(setting->build->store, path, &reason))
        setting_refuse(setting, value,
            "%s; the file must be there and readable by the user that starts mailmux%s%s", reason,
            moved ? "; looked for at " : "", moved ? path : "");
    return path;
}

/* Beside a certificate may lie what is stapled with it. To look for it is to name it. */
static void look_beside(struct setting *setting, const char *path)
{
    struct stat info;

    if (setting->build->looks_at_files && setting->directive->section == SECTION_TLS &&
        setting->directive->offset == offsetof(struct config_tls, certificates))
        (void)files_look(config_store_print(setting->build->store, "%s" FILES_STAPLE, path), &info);
}

/* What is in them is looked at when certificates are. */
static void parse_directories(
    struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_strings directories = config_strings_take(setting->build->store, count);
    struct config_store *store = setting->build->store;
    const char *reason;

    for (size_t i = 0; i < count; i++) {
        struct slice text = values[i].text;
        const char *path;

        while (text.n > 1 && text.p[text.n - 1] == '/')
            text.n--;
        path = config_store_path(store, values[i].origin.file, text);
        if (setting->build->looks_at_files && !config_reader_can_list(store, path, &reason))
            setting_refuse(setting, &values[i],
                "%s; it must be a directory that the user who starts mailmux can read", reason);
        config_strings_add(&directories, path, values[i].origin);
    }
    memcpy(field_of(setting), &directories, sizeof(directories));
}

static void parse_files(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_strings files = config_strings_take(setting->build->store, count);

    for (size_t i = 0; i < count; i++) {
        config_strings_add(&files, check_file(setting, &values[i]), values[i].origin);
        look_beside(setting, files.text[i]);
    }
    memcpy(field_of(setting), &files, sizeof(files));
}

static void parse_backend(struct setting *setting, const struct config_value *value)
{
    size_t found = CONFIG_NO_BACKEND;

    if (slice_find(value->text, ':') < value->text.n || slice_starts(value->text, SLICE("/")))
        (void)setting_add_backend(setting, value, value->text, &found);
    else
        (void)setting_find_section(setting, value, value->text, SECTION_BACKEND, &found);
    memcpy(field_of(setting), &found, sizeof(found));
}

static void parse_tls_sets(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_listener *listener = setting->section;

    listener->tls_sets = config_store_take(setting->build->store, count, sizeof(size_t));
    for (size_t i = 0; i < count; i++) {
        size_t *place = &listener->tls_sets[listener->tls_set_count];

        if (setting_find_section(setting, &values[i], values[i].text, SECTION_TLS, place))
            listener->tls_set_count++;
    }
}

static void parse_directory(struct setting *setting, const struct config_value *value)
{
    store_text(setting, config_store_path(setting->build->store, value->origin.file, value->text));
}

static void parse_file(struct setting *setting, const struct config_value *value)
{
    store_text(setting, check_file(setting, value));
}

/* Each type has one of the two. */
static const struct parser {
    void (*one)(struct setting *setting, const struct config_value *value);
    void (*many)(struct setting *setting, const struct config_value *values, size_t count);
} parsers[] = {
    [VALUE_NUMBER] = {.one = parse_number},
    [VALUE_DURATION] = {.one = parse_number},
    [VALUE_SIZE] = {.one = parse_number},
    [VALUE_CHOICE] = {.one = parse_choice},
    [VALUE_CHOICES] = {.many = parse_choices},
    [VALUE_WORD] = {.one = parse_word},
    [VALUE_WORDS] = {.many = parse_words},
    [VALUE_HOST] = {.one = parse_host},
    [VALUE_DIRECTORY] = {.one = parse_directory},
    [VALUE_DIRECTORIES] = {.many = parse_directories},
    [VALUE_FILE] = {.one = parse_file},
    [VALUE_FILES] = {.many = parse_files},
    [VALUE_DOMAINS] = {.many = parse_domains},
    [VALUE_CIDRS] = {.many = parse_cidrs},
    [VALUE_ROUTES] = {.many = setting_parse_routes},
    [VALUE_BIND] = {.many = setting_parse_binds},
    [VALUE_RESOLVERS] = {.many = setting_parse_resolvers},
    [VALUE_SERVERS] = {.many = setting_parse_servers},
    [VALUE_TLS_SETS] = {.many = parse_tls_sets},
    [VALUE_TLS_USERS] = {.many = setting_parse_tls_users},
    [VALUE_BACKEND] = {.one = parse_backend},
};

void setting_parse(struct setting *setting, const struct config_value *values, size_t count)
{
    const struct parser *parser = &parsers[setting->directive->type];

    if (parser->one)
        parser->one(setting, values);
    else
        parser->many(setting, values, count);
}
