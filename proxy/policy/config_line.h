/*
 * Parses one raw line of an ini file. This comes before inih, which would cut long lines and
 * section names, join an indented line to the key before it, take ':' for '=', and ignore what
 * stands behind a ']'. Pure: no state, no I/O. Slices point into the raw line.
 */
#ifndef MAILMUX_CONFIG_LINE_H
#define MAILMUX_CONFIG_LINE_H

#include "mailmux/error.h"
#include "mailmux/slice.h"

enum config_line_kind {
    LINE_BLANK,   /* nothing, or a comment */
    LINE_SECTION, /* [word] or [word name] */
    LINE_ENTRY,   /* key = value */
    LINE_BAD      /* error.text says why */
};

enum {
    CONFIG_LINE_MAX = 1024,  /* bytes of a line without its comment */
    CONFIG_SECTION_MAX = 48, /* the longest section name that inih keeps */
    CONFIG_KEY_MAX = 48      /* so that every key fits into a line of inih (200 bytes in Debian) */
};

struct config_line {
    enum config_line_kind kind;
    struct slice word;
    struct slice name; /* empty when the section has none */
    struct slice key;
    struct slice value; /* may be empty; still in its double quotes */
    struct error error;
};

/* Parses a line without its LF; a CR at its end belongs to the end of the line. */
void config_line_parse(struct slice raw, struct config_line *out);

/*
 * Removes the double quotes around a value, if there are any. Returns false and leaves the value as
 * it is when a double quote stands anywhere else.
 */
bool config_value_unquote(struct slice *value);

/*
 * Returns whether a section, key or server may have this name: letters, digits, '.', '_' and '-'.
 */
bool config_name_is_valid(struct slice name);

#endif
