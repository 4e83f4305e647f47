/*
 * One raw line of an ini file, judged before inih sees it: inih cuts long lines and section names,
 * joins indented lines to the key before, takes ':' for '=', and ignores what stands behind a ']'.
 * Pure: no state, no I/O; slices point into the raw line.
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
    CONFIG_LINE_MAX = 1024,  /* bytes of a line without its comment; of ours, inih sees less */
    CONFIG_SECTION_MAX = 48, /* the longest section name that inih keeps */
    CONFIG_KEY_MAX = 48      /* so that every key fits into a line of inih (200 bytes in Debian) */
};

struct config_line {
    enum config_line_kind kind;
    struct slice word;
    struct slice name; /* empty when the section has none */
    struct slice key;
    struct slice value; /* may be empty; double quotes are still there */
    struct error error;
};

/* `raw` is without its LF; a CR at its end is taken as part of the line's end. */
void config_line_parse(struct slice raw, struct config_line *out);

/*
 * Takes the double quotes off that stand around a value. False, and the value is left alone, when
 * one stands anywhere else.
 */
bool config_value_unquote(struct slice *value);

/* Letters, digits, '.', '_' and '-': what a section or a server may be called. */
bool config_name_is_valid(struct slice name);

#endif
