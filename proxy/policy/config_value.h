/*
 * Single values as text and back: numbers, durations, sizes, choices, host names. Pure; an error
 * says what is wrong and what would be right, without repeating section, key and value.
 */
#ifndef MAILMUX_CONFIG_VALUE_H
#define MAILMUX_CONFIG_VALUE_H

#include "mailmux/directives.h"
#include "mailmux/error.h"

enum { NUMBER_TEXT_MAX = 32 };

/* A number, duration or size as the row's type, range and word for 0 want it. */
bool config_number_parse(
    const struct directive *directive, struct slice text, uint64_t *out, struct error *error);

/* In the largest unit that says it exactly: 90s, 24h, 64k; 0 as the row's word for it. */
const char *config_number_text(
    const struct directive *directive, uint64_t value, char out[NUMBER_TEXT_MAX]);

bool config_choice_parse(
    const struct directive *directive, struct slice text, unsigned *out, struct error *error);

/* NULL for a value that no choice has: none was made, and something else decides. */
const char *config_choice_text(const struct directive *directive, unsigned value);

/* Labels of letters, digits, '-' and '_'; the last is not all digits, so that no IP address is. */
bool config_host_is_valid(struct slice host);

/*
 * What mail can be sent to: a domain (its labels may hold UTF-8), "*." and a domain, or an address
 * literal [RFC 5321 4.1.3].
 */
bool config_domain_is_valid(struct slice domain);

#endif
