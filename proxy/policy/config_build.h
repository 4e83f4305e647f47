/*
 * From a document to a struct config, in three steps that share one struct build: config_build
 * fills the fields from the table of settings, config_defaults what depends on other settings or on
 * the machine, config_check compares settings with one another. Each goes on after an error, so
 * that all problems are found at once; a setting in error is marked, and nothing is said about what
 * follows from it.
 */
#ifndef MAILMUX_CONFIG_BUILD_H
#define MAILMUX_CONFIG_BUILD_H

#include "config_document.h"
#include "config_store.h"

enum setting_state {
    SETTING_DEFAULT,
    SETTING_GIVEN,
    SETTING_BAD /* given, in error, and reported */
};

struct config_setting {
    enum setting_state state;
    struct config_origin origin;
};

/* What every section's struct begins with. */
struct config_head {
    const char *name;
    struct config_origin section;
    struct config_setting *settings; /* one for each row of the whole table */
};

struct build {
    struct config *config;
    struct config_store *store; /* the same as config->store */
    struct config_report *report;
    struct document document;
    bool looks_at_files;
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

/* Marks a backend that was not found. */
#define CONFIG_NO_BACKEND SIZE_MAX

/* What [tls] is called where sets are named. */
#define CONFIG_DEFAULT_SET "default"

/* The origin of what nobody wrote. */
extern const struct config_origin config_default_origin;

/* Gives every section of the document, and every absent one that has defaults, its struct. */
void config_sections(struct build *build);

void config_build(struct build *build);
void config_defaults(struct build *build);
void config_check(struct build *build);

/* The struct of the index-th section of a kind. */
void *config_section(struct config *config, const struct section_info *info, size_t index);
size_t config_section_count(const struct config *config, const struct section_info *info);

/* "proxy", "tls", "tls NAME", "listener NAME": what stands in the brackets. Returns out. */
enum { CONFIG_HEADING_MAX = 128 };
const char *config_heading(
    const struct section_info *info, const struct config_head *head, char out[CONFIG_HEADING_MAX]);

/* Of a key that the table has for this kind of section. */
struct config_setting *config_setting_find(
    struct config_setting *settings, enum section_kind kind, const char *key);

/* Fills the setting's fields from its values, of which there is at least one. */
void setting_parse(struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_binds(struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_servers(
    struct setting *setting, const struct config_value *values, size_t count);
void setting_parse_resolvers(
    struct setting *setting, const struct config_value *values, size_t count);

/* Reports "[heading] key = value: text" and marks the setting. */
void setting_refuse(struct setting *setting, const struct config_value *value, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

#endif
