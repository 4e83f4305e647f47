/*
 * Makes a struct config from a document, in three steps that share one struct build. config_build
 * fills the fields by the table of settings. config_defaults adds defaults that depend on other
 * settings or on the machine. config_check compares settings with one another. Each step goes on
 * after an error, so that all problems are found at once. It marks a setting that is in error, and
 * reports nothing that only follows from that error. One thread; all memory is in build.store.
 */
#ifndef MAILMUX_CONFIG_BUILD_H
#define MAILMUX_CONFIG_BUILD_H

#include "config_document.h"
#include "config_store.h"

enum setting_state {
    SETTING_DEFAULT,
    SETTING_GIVEN,
    SETTING_BAD /* in error or missing, or perhaps in a line that was lost; its value is unknown */
};

struct config_setting {
    enum setting_state state;
    struct config_origin origin;
};

/* The members with which the struct of every section begins. */
struct config_head {
    const char *name;
    struct config_origin section;
    struct config_setting *settings; /* one for each row of the whole table */
};

struct build {
    struct config *config;
    struct config_store *store; /* is config->store */
    struct config_report *report;
    struct document document;
    bool looks_at_files; /* check that the files that settings name can be read */
};

/* One value of a setting, without quotes; ends with NUL. */
struct config_value {
    struct slice text;
    struct config_origin origin;
};

/* One setting of one section while it is read. */
struct setting {
    struct build *build;
    const struct directive *directive;
    const char *heading; /* "listener smtp" */
    void *section;       /* the section's struct */
    struct config_setting *state;
};

/* The name of the set of [tls], for tls_set. */
#define CONFIG_DEFAULT_SET "default"

/* Returns an empty list with room for `count` strings. */
struct config_strings config_strings_take(struct config_store *store, size_t count);

/* Adds a text to a list that has room for it, and borrows it. */
void config_strings_add(
    struct config_strings *strings, const char *text, struct config_origin origin);

/* The origin of a default. */
extern const struct config_origin config_default_origin;

/*
 * Makes a struct for each section of the document, and one for each absent section that has
 * defaults. Reports sections that are unknown or repeated; they have no `info` then.
 */
void config_sections(struct build *build);

void config_build(struct build *build);
void config_defaults(struct build *build);
void config_check(struct build *build);

/* Return the struct of the index-th section of a kind, and how many there are. */
void *config_section(struct config *config, const struct section_info *info, size_t index);
size_t config_section_count(const struct config *config, const struct section_info *info);

/* The heading without brackets: "proxy", "tls", "tls NAME", "listener NAME". Returns out. */
enum { CONFIG_HEADING_MAX = 128 };
const char *config_heading(
    const struct section_info *info, const struct config_head *head, char out[CONFIG_HEADING_MAX]);

/*
 * Returns the state of the setting with that key, which the table must have for this kind of
 * section.
 */
struct config_setting *config_setting_find(
    struct config_setting *settings, enum section_kind kind, const char *key);

/* Returns whether that setting is free of errors, so that its value can be judged. */
bool config_setting_is_good(
    struct config_setting *settings, enum section_kind kind, const char *key);

/*
 * Returns whether the setting has an effect in this listener. Some have none in one that routes, or
 * in one without an address. Call it when the defaults are there.
 */
bool listener_uses(const struct config_listener *listener, const char *key);

/*
 * Gives a listener without tls_set the sets that are for it. Call it when its protocol and its tls
 * are known.
 */
void config_choose_tls_sets(struct build *build, struct config_listener *listener);

/* Prepares the head of a section: every setting is a default. */
void config_head_init(struct build *build, struct config_head *head);

/*
 * Fills the fields of a setting from its values, of which there is at least one. Refuses wrong ones
 * with setting_refuse. The others are for types that have a file of their own.
 */
void setting_parse(struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_binds(struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_servers(
    struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_resolvers(
    struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_routes(struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_tls_users(
    struct setting *setting, const struct config_value *values, size_t count);

/* Parses HOST:PORT, srv:NAME or unix:PATH, which is `word`, a part of the value. */
bool setting_parse_target(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server);

/*
 * Makes a backend of one server of HOST:PORT, which options may follow, and which is its name. If
 * there is one of this address already, takes that. `text` is the value or a part of it.
 */
bool setting_add_backend(
    struct setting *setting, const struct config_value *value, struct slice text, size_t *index);

/*
 * Finds the index of the section of a kind with that name, which is the value or a part of it.
 * Returns false when there is none, and reports it unless the section may be among those that were
 * lost.
 */
bool setting_find_section(struct setting *setting, const struct config_value *value,
    struct slice name, enum section_kind kind, size_t *index);

/* Reports the error "[HEADING] KEY = VALUE: TEXT" and marks the setting as bad. */
void setting_refuse(struct setting *setting, const struct config_value *value, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * Refuses a value for its host, if that is one of which config_host_remedy knows what would be
 * right. Returns whether it is one.
 */
bool setting_refuse_with_remedy(
    struct setting *setting, const struct config_value *value, struct slice host);

#endif
