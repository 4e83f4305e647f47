/*
 * A document: the sections of all files in their order, each with its lines, before any key or
 * value is understood. config_reader makes it and config_build reads it. It lives in a
 * config_store.
 */
#ifndef MAILMUX_CONFIG_DOCUMENT_H
#define MAILMUX_CONFIG_DOCUMENT_H

#include "mailmux/config.h"
#include "mailmux/directives.h"

struct document_entry {
    struct document_entry *next;
    const char *key;
    struct slice value; /* ends with NUL; still in its double quotes */
    struct config_origin origin;
};

struct document_section {
    struct document_section *next;
    const char *word;
    const char *name; /* NULL when the section has none */
    struct config_origin origin;
    struct document_entry *entries;
    struct document_entry **entries_end;
    bool has_bad_lines;              /* then a missing key may be in one of them */
    const struct section_info *info; /* set by config_sections; NULL: the section is passed over */
    size_t index;                    /* of its struct, among those of its kind */
};

struct document {
    struct config_origin origin; /* the first file as a whole */
    struct document_section *sections;
    struct document_section **sections_end;
    size_t file_count;
    bool is_incomplete; /* whole sections were lost; what seems missing may be in them */
};

#endif
