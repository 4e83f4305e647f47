/*
 * The settings of proxy.ini as tables, which parser, validator, dump, reference and manual page all
 * read. A new setting is a new row in policy/directives_SECTION.c and a new field in config.h.
 * Constant data; any thread.
 */
#ifndef MAILMUX_DIRECTIVES_H
#define MAILMUX_DIRECTIVES_H

#include "mailmux/slice.h"
#include <stdio.h>

enum section_kind {
    SECTION_PROXY,
    SECTION_TLS,
    SECTION_LISTENER,
    SECTION_BACKEND,
    SECTION_TIMEOUTS,
    SECTION_LIMITS
};
enum { SECTION_KINDS = SECTION_LIMITS + 1 };

/* Examples: [proxy]; [tls] and [tls NAME], of which [tls] comes first; [listener NAME]. */
enum section_naming { SECTION_HAS_NO_NAME, SECTION_MAY_HAVE_NAME, SECTION_HAS_NAME };

struct section_info {
    enum section_kind kind;
    enum section_naming naming;
    bool is_array;       /* an array of structs in struct config, else one struct */
    const char *word;    /* "listener" of "[listener smtp]" */
    size_t offset;       /* in struct config: of the struct, or of the pointer to the array */
    size_t count_offset; /* in struct config: of the number of structs in the array */
    size_t size;         /* of one struct, in bytes */
    const char *help;
};

enum value_type {
    VALUE_NUMBER,
    VALUE_DURATION, /* stored in milliseconds */
    VALUE_SIZE,     /* stored in bytes */
    VALUE_CHOICE,
    VALUE_CHOICES,     /* bits, of which several may be set; the choice of value 0 stands alone */
    VALUE_WORD,        /* text without blanks */
    VALUE_WORDS,       /* struct config_strings: several texts without blanks */
    VALUE_HOST,        /* a host name */
    VALUE_DIRECTORY,   /* a path; a relative one starts at the file that names it */
    VALUE_DIRECTORIES, /* struct config_strings: paths of directories that must be readable */
    VALUE_FILE,        /* the path of a file that must be readable */
    VALUE_FILES,       /* struct config_strings: paths of files that must be readable */
    VALUE_DOMAINS,     /* struct config_strings: mail domains, "*." and a domain, or [IP] */
    VALUE_CIDRS,       /* struct config_cidrs: networks */
    VALUE_ROUTES,      /* route_count, routes and rules of a listener */
    VALUE_BIND,        /* bind_count, bind and bind_origin of a listener */
    VALUE_RESOLVERS,   /* struct config_addresses: DNS servers */
    VALUE_SERVERS,     /* server_count and servers of a backend */
    VALUE_TLS_SETS,    /* tls_set_count and tls_sets of a listener: the names of [tls NAME] */
    VALUE_TLS_USERS,   /* users and hosts of a [tls NAME] */
    VALUE_BACKEND      /* the name of a [backend NAME], or an address; stored as its index */
};

/* One word that may be written, and its value. In the last entry of an array, `word` is NULL. */
struct choice {
    const char *word;
    unsigned value;
};

/* One setting: a row of the table. */
struct directive {
    enum section_kind section;
    const char *key;
    enum value_type type;
    bool is_list; /* commas separate its values, and the key may be repeated */
    bool is_required;
    bool needs_new_service; /* for a change; else the one that serves takes it */
    bool is_inherited;      /* a [tls NAME] without it takes the value of [tls] */
    bool is_nameless;       /* it may stand in [tls] but not in [tls NAME] */
    bool needs_name;        /* it may stand in [tls NAME] but not in [tls] */
    size_t offset;          /* of the field, or of the first of several, in the section's struct */
    size_t size;            /* of that field */
    uint64_t min;           /* of numbers, durations and sizes */
    uint64_t max;
    const char *zero; /* the word for 0, which is then allowed outside min..max; or NULL */
    const struct choice *choices;
    const char *fallback;     /* the default as it would be written; NULL: none, or computed */
    const char *default_text; /* the default in words, where `fallback` cannot say it */
    const char *help;         /* full sentences in plain text */
};

/* Indexed by enum section_kind. */
extern const struct section_info section_infos[SECTION_KINDS];

/* Of all sections, one after the other. */
size_t directive_count(void);

/* Returns a row, which is a constant. `index` is below directive_count. */
const struct directive *directive_at(size_t index);

/* The inverse of directive_at. */
size_t directive_index(const struct directive *directive);

/* The three return a row of a table, which is a constant, or NULL when there is none. */
const struct section_info *section_find(struct slice word);
const struct directive *directive_find(enum section_kind section, struct slice key);
const struct directive *directive_of_field(enum section_kind section, size_t offset);

enum { DIRECTIVE_TEXT_MAX = 160 };

/*
 * Writes which values are allowed, e.g. "100ms to 5m", "no, auth, yes" or "IP/BITS or IP". Returns
 * out.
 */
const char *directive_allowed(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX]);

/* Returns the name of its type, e.g. "time" or "list of files". A constant. */
const char *directive_type_name(const struct directive *directive);

/*
 * Returns the default in words; "none; it must be given" for a setting that is required. A
 * constant.
 */
const char *directive_default(const struct directive *directive);

/* They write the contents of docs/operator/reference.md and docs/man/mailmux.ini.5 to out. */
void directives_write_reference(FILE *out);
void directives_write_manual(FILE *out);

#endif
