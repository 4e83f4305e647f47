/* The sections of proxy.ini, and where the rows of each are. */
#include "directive_rows.h"

#define ONE(kind_name, word_text, field, about)                                                    \
    [kind_name] = {kind_name, SECTION_HAS_NO_NAME, false, word_text,                               \
        offsetof(struct config, field), 0, sizeof(struct config_##field), about}
#define MANY(kind_name, naming, word_text, array, count, about)                                    \
    [kind_name] = {kind_name, naming, true, word_text, offsetof(struct config, array),             \
        offsetof(struct config, count), sizeof(*((struct config *)0)->array), about}

const struct section_info section_infos[SECTION_KINDS] = {
    ONE(SECTION_PROXY, "proxy", proxy, "The process."),
    MANY(SECTION_TLS, SECTION_MAY_HAVE_NAME, "tls", tls, tls_count,
        "TLS toward the clients of listeners. [tls] is for every listener; a [tls NAME] is a "
        "further set of certificates, for the listeners and host names in its for. It takes from "
        "[tls] what it does not say itself, except certificates, keys and names."),
    MANY(SECTION_LISTENER, SECTION_HAS_NAME, "listener", listeners, listener_count,
        "A place where clients connect. One section each; the name is free."),
    MANY(SECTION_BACKEND, SECTION_HAS_NAME, "backend", backends, backend_count,
        "The mail servers behind a listener. One section each; the name is free."),
    ONE(SECTION_TIMEOUTS, "timeouts", timeouts, "How long mailmux waits, and for what."),
    ONE(SECTION_LIMITS, "limits", limits, "How much mailmux takes before it says no."),
};

static const struct directive_rows *const tables[SECTION_KINDS] = {
    [SECTION_PROXY] = &directives_of_proxy,
    [SECTION_TLS] = &directives_of_tls,
    [SECTION_LISTENER] = &directives_of_listener,
    [SECTION_BACKEND] = &directives_of_backend,
    [SECTION_TIMEOUTS] = &directives_of_timeouts,
    [SECTION_LIMITS] = &directives_of_limits,
};

const struct choice tls_policies[] = {
    {"modern", TLS_MODERN}, {"intermediate", TLS_INTERMEDIATE}, {"legacy", TLS_LEGACY}, {NULL, 0}};
const struct choice no_or_yes[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};

size_t directive_count(void)
{
    size_t count = 0;

    for (size_t kind = 0; kind < SECTION_KINDS; kind++)
        count += tables[kind]->count;
    return count;
}

const struct directive *directive_at(size_t index)
{
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        if (index < tables[kind]->count)
            return &tables[kind]->rows[index];
        index -= tables[kind]->count;
    }
    return NULL;
}

size_t directive_index(const struct directive *directive)
{
    size_t before = 0;

    for (size_t kind = 0; kind < directive->section; kind++)
        before += tables[kind]->count;
    return before + (size_t)(directive - tables[directive->section]->rows);
}

const struct directive *directive_find(enum section_kind section, struct slice key)
{
    const struct directive_rows *table = tables[section];

    for (size_t i = 0; i < table->count; i++) {
        if (slice_equal(slice_from(table->rows[i].key), key))
            return &table->rows[i];
    }
    return NULL;
}

const struct directive *directive_of_field(enum section_kind section, size_t offset)
{
    const struct directive_rows *table = tables[section];

    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].offset == offset)
            return &table->rows[i];
    }
    return NULL;
}

const struct section_info *section_find(struct slice word)
{
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        if (slice_equal(slice_from(section_infos[i].word), word))
            return &section_infos[i];
    }
    return NULL;
}
