/*
 * What stands in the files, line by line and still without meaning: the sections in their order,
 * each with its entries. Made by config_reader, read by config_build; lives in a config_store.
 */
#ifndef MAILMUX_CONFIG_DOCUMENT_H
#define MAILMUX_CONFIG_DOCUMENT_H

#include "mailmux/config.h"
#include "mailmux/directives.h"

struct document_entry {
    struct document_entry *next;
    const char *key;
    struct slice value; /* ends with NUL; double quotes are still there */
    struct config_origin origin;
};

struct document_section {
    struct document_section *next;
    const char *word;
    const char *name; /* NULL when the section has none */
    struct config_origin origin;
    struct document_entry *entries;
    struct document_entry **entries_end;
    bool has_bad_lines;              /* so that a missing key may be in one of them */
    const struct section_info *info; /* set by config_sections; NULL: not to be used */
    size_t index;                    /* among the sections of its kind */
};

struct document {
    struct config_origin origin; /* the first file as a whole */
    struct document_section *sections;
    struct document_section **sections_end;
    size_t file_count;
    bool is_incomplete; /* whole sections were lost: what seems missing may be in them */
};

#endif
