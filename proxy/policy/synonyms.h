/*
 * Words of other programs (nginx, HAProxy, stunnel, Dovecot, Perdition, Postfix), and what they are
 * called here. Administrators come from there. Upper and lower case count as equal, and so do '-',
 * '_' and a blank. Constant data; any thread.
 */
#ifndef MAILMUX_SYNONYMS_H
#define MAILMUX_SYNONYMS_H

#include "mailmux/directives.h"
#include <stdbool.h>

struct synonym {
    const char *words;
    enum section_kind section; /* where the key belongs */
    const char *key;           /* NULL: there is no such setting */
    const char *remedy;        /* then: what there is instead */
};

/*
 * Returns what that key of another program means in a section; `info` NULL: the section is unknown.
 * Returns NULL if no other program has it.
 */
const struct synonym *synonym_find(const struct section_info *info, struct slice word);

/* Writes it as half a sentence: "did you mean bind?", or the remedy. It has n bytes. Returns out.
 */
enum { SYNONYM_TEXT_MAX = 192 };
const char *synonym_text(
    const struct synonym *synonym, const struct section_info *info, char *out, size_t n);

/* Returns a row of the table, or NULL behind the last one: for tests. */
const struct synonym *synonym_at(size_t index);

/*
 * Returns whether the word is one of `words`, which are in lower case, with '_' for '-' and for a
 * blank, and have blanks between them.
 */
bool synonym_has(const char *words, struct slice word);

/* Returns the kind of section that goes by that word elsewhere, or NULL. */
const struct section_info *synonym_of_section(struct slice word);

/*
 * Finds what a value of another program means for a setting with choices. Sets either *choice or
 * *remedy, and the other one to NULL. Returns false if it is not known.
 */
bool synonym_of_choice(
    const struct directive *directive, struct slice word, const char **choice, const char **remedy);

/* Returns what is said of a word behind HOST:PORT in a server's line, or NULL. */
const char *synonym_of_option(struct slice word);

#endif
