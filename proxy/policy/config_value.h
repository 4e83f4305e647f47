/*
 * Single values, from text and to text: numbers, durations, sizes, choices, host names. Pure. A
 * function with an error returns false and says what is wrong and what would be right; the caller
 * adds section, key and value.
 */
#ifndef MAILMUX_CONFIG_VALUE_H
#define MAILMUX_CONFIG_VALUE_H

#include "mailmux/directives.h"
#include "mailmux/error.h"

enum { NUMBER_TEXT_MAX = 32 };

/* Parses a number, duration or size, by the row's type, range and word for 0. */
bool config_number_parse(
    const struct directive *directive, struct slice text, uint64_t *out, struct error *error);

/*
 * Writes a value in the largest unit that is exact, e.g. 90s, 24h or 64k, and 0 as the row's word
 * for it. Returns out.
 */
const char *config_number_text(
    const struct directive *directive, uint64_t value, char out[NUMBER_TEXT_MAX]);

/* Parses one of the row's choices. */
bool config_choice_parse(
    const struct directive *directive, struct slice text, unsigned *out, struct error *error);

/*
 * Returns the word of a choice, a constant. Returns NULL if the value has none, as a default that
 * depends on something else.
 */
const char *config_choice_text(const struct directive *directive, unsigned value);

/*
 * Returns whether it is a host name: labels of letters, digits, '-' and '_'. The last label is not
 * a number, so that an IPv4 address is no host name.
 */
bool config_host_is_valid(struct slice host);

/*
 * Writes what would be right for a host or IP address that is understood, but not possible: one
 * with a zone, letters beyond ASCII, a dot at its end, or a scheme. Returns out, or NULL if there
 * is nothing to say.
 */
enum { CONFIG_REMEDY_MAX = 320 };
const char *config_host_remedy(struct slice host, char out[CONFIG_REMEDY_MAX]);

/*
 * Returns whether it can be a value of relay_domains: a mail domain (labels may hold UTF-8), "*."
 * and a domain, or an address literal [RFC 5321 4.1.3].
 */
bool config_domain_is_valid(struct slice domain);

#endif
